//! `$find-matches` (FHIR R4 `codesystem-operation-find-matches.html`): codes that have properties, all of them or some.
//!
//! What has all of them is selected by all filters at once, whatever the size of the code system. What has some is looked for among the
//! first codes that have each one. Properties of a group are looked for one by one: groups are not kept.

use hashbrown::HashMap;

use super::concept::Concept;
use super::context::Context;
use super::expansion::coding_json;
use super::face::{CodeSystem, Query};
use super::filter::{Filter, Op};
use super::lookup::system;
use super::memory::{text, value};
use super::params::Params;
use super::text::Words;
use super::validate_code::{parameter, parameters};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// Most properties of a request, those of groups among them.
const PROPERTIES: usize = 32;
/// Most codes of an answer.
const MATCHES: usize = 100;
/// Most codes that are looked at for each property.
const LOOKED_AT: usize = 1000;

/// A property that is asked for.
struct Asked<'p> {
    code: &'p str,
    value: Option<(&'p str, &'p Json)>,
    /// What is looked for: none of a property that only holds a group.
    wanted: Option<Wanted>,
    group: Vec<Asked<'p>>,
}

enum Wanted {
    /// The code has a value of a property, or stands below another one.
    Filter(Filter),
    /// A text of the code.
    Text(String),
    /// The code system has no such property.
    Nothing,
}

/// The codes that have the properties; `own` is the code system of the path.
///
/// # Errors
/// 400 for parameters that name no code system or no properties; 404 for a code system that is not known; 422 for one whose codes cannot
/// be listed, and when it is too much.
pub fn find_matches(context: &Context<'_>, params: &Params, own: Option<(&str, Option<&str>)>) -> Result<Json> {
    let required = |message: &str, at: &str| Fault::coded(Category::Invalid, "required", message).at(at);
    let named = params.text("system")?.or(own.map(|(url, _)| url));
    let url = named.ok_or_else(|| required("the code system is named by system", "system"))?;
    let version = params.text("version")?.or(own.filter(|(own, _)| *own == url).and_then(|(_, version)| version));
    params.flag("compositional")?;
    let is_exact = params.flag("exact")?.unwrap_or(false);
    let system = system(context, url, version)?;
    let mut count = 0;
    let given: Vec<&Json> = params.all("property").collect();
    let asked = given.iter().map(|json| read(json, &*system, &mut count)).collect::<Result<Vec<_>>>()?;
    if asked.is_empty() {
        return Err(required("at least one property is given", "property"));
    }
    if !system.about().enumerable {
        let text = format!("the code system {url} has a grammar, so its codes cannot be gone through");
        return Err(Fault::coded(Category::Unprocessable, "not-supported", text));
    }
    let all: Vec<&Asked<'_>> = asked.iter().flat_map(|one| std::iter::once(one).chain(&one.group)).collect();
    let all: Vec<&Wanted> = all.into_iter().filter_map(|one| one.wanted.as_ref()).collect();
    let mut found = candidates(context, &*system, &all)?;
    found.retain(|one| one.count > 0 || (!is_exact && one.is_like));
    found.sort_by_key(|one| (std::cmp::Reverse(one.count), !one.is_like));
    found.truncate(MATCHES);
    let told = |one: &Candidate| told(&*system, &asked, one, (all.len(), is_exact));
    Ok(parameters(found.iter().map(told).collect()))
}

fn read<'p>(json: &'p Json, system: &dyn CodeSystem, count: &mut usize) -> Result<Asked<'p>> {
    *count += 1;
    if *count > PROPERTIES {
        let text = format!("there are more than {PROPERTIES} properties");
        return Err(Fault::coded(Category::Invalid, "too-costly", text).at("property"));
    }
    let wrong = |message: &str| Fault::invalid(message).at("property");
    let parts = json.as_array().ok_or_else(|| wrong("a property has the parts code and value"))?;
    let named = |name: &str| parts.iter().filter(move |part| text(part, "name") == Some(name)).collect::<Vec<_>>();
    let first = |name: &str| named(name).first().and_then(|part| value(part));
    let code = first("code").and_then(|(_, code)| code.as_str()).ok_or_else(|| wrong("a property has a code"))?;
    let given = first("value");
    let groups = named("subproperty").into_iter().map(|part| list_of(part)).collect::<Result<Vec<_>>>()?;
    let group = groups.into_iter().map(|json| read(json, system, count)).collect::<Result<Vec<_>>>()?;
    if given.is_none() && group.is_empty() {
        return Err(wrong("a property has a value"));
    }
    let wanted = given.map(|(_, given)| wanted(system, code, given)).transpose()?;
    Ok(Asked { code, value: given, wanted, group })
}

fn list_of(part: &Json) -> Result<&Json> {
    part.get("part").ok_or_else(|| Fault::invalid("a subproperty has the parts code and value").at("property"))
}

fn wanted(system: &dyn CodeSystem, code: &str, given: &Json) -> Result<Wanted> {
    let plain = match given {
        Json::String(text) => text.to_string(),
        Json::Number(number) => number.as_str().to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Object(_) => text(given, "code").unwrap_or("").to_owned(),
        _ => String::new(),
    };
    if plain.is_empty() {
        return Err(Fault::invalid(format!("the value of the property {code} is empty")).at("property"));
    }
    let is_own = system.about().property(code).is_some();
    let (property, op) = match code {
        "display" | "designation" | "text" if !is_own => return Ok(Wanted::Text(plain)),
        // what an expression of SNOMED CT refines
        "focus" if !is_own => ("concept", Op::IsA),
        "code" => ("concept", Op::Equals),
        _ => (code, Op::Equals),
    };
    let filter = Filter { property: property.into(), op, value: plain.into() };
    Ok(if system.check(&filter).is_ok() { Wanted::Filter(filter) } else { Wanted::Nothing })
}

/// A code, with what it has of what is asked for.
struct Candidate {
    concept: Concept,
    /// By the number of what is wanted.
    has: Vec<bool>,
    count: usize,
    /// Whether a text of it is like one that is asked for.
    is_like: bool,
}

fn candidates(context: &Context<'_>, system: &dyn CodeSystem, all: &[&Wanted]) -> Result<Vec<Candidate>> {
    let filters: Vec<Filter> = all
        .iter()
        .filter_map(|one| match one {
            Wanted::Filter(filter) => Some(filter.clone()),
            _ => None,
        })
        .collect();
    let texts: Vec<&str> = all
        .iter()
        .filter_map(|one| match one {
            Wanted::Text(text) => Some(&**text),
            _ => None,
        })
        .collect();
    let mut queries = Vec::new();
    if filters.len() > 1 {
        queries.push(Query { filters: &filters, ..Query::default() });
    }
    queries.extend(filters.iter().map(|one| Query { filters: std::slice::from_ref(one), ..Query::default() }));
    queries.extend(texts.iter().map(|text| Query { text: Some(text), ..Query::default() }));
    let mut known: HashMap<Box<str>, usize> = HashMap::new();
    let mut found: Vec<Candidate> = Vec::new();
    for query in &queries {
        let mut seen = Vec::new();
        system.select(query, &mut |concept| {
            seen.push(concept.into_owned());
            if seen.len() < LOOKED_AT { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
        })?;
        for concept in seen {
            context.step(1 + all.len() as u64)?;
            if known.insert(concept.code.clone(), found.len()).is_none() {
                found.push(judged(system, concept, all)?);
            }
        }
    }
    Ok(found)
}

fn judged(system: &dyn CodeSystem, concept: Concept, all: &[&Wanted]) -> Result<Candidate> {
    let mut is_like = false;
    let mut has = Vec::with_capacity(all.len());
    for one in all {
        has.push(match one {
            Wanted::Filter(filter) => system.passes(&concept.code, std::slice::from_ref(filter))?,
            Wanted::Text(text) => {
                is_like |= Words::new(text).score(&concept).is_some();
                let given = text.to_lowercase();
                let designations = concept.designations.iter().map(|one| &one.value);
                concept.display.iter().chain(designations).any(|text| text.to_lowercase() == given)
            }
            Wanted::Nothing => false,
        });
    }
    let count = has.iter().filter(|has| **has).count();
    Ok(Candidate { concept, has, count, is_like })
}

fn told(system: &dyn CodeSystem, asked: &[Asked<'_>], one: &Candidate, (all, is_exact): (usize, bool)) -> Json {
    let about = system.about();
    let coding = super::concept::Coding {
        system: Some(about.url.clone()),
        version: about.version.clone(),
        code: Some(one.concept.code.clone()),
        display: one.concept.display.clone(),
    };
    let mut parts = vec![parameter("code", "valueCoding", coding_json(&coding))];
    let mut has = one.has.iter();
    for property in asked {
        // in the order in which they were numbered
        let mut take = |asked: &Asked<'_>| asked.wanted.is_some().then(|| has.next().copied().unwrap_or(false));
        let is_had = take(property) != Some(false);
        let missing: Vec<&Asked<'_>> = property.group.iter().filter(|sub| take(sub) == Some(false)).collect();
        if is_had && missing.is_empty() {
            continue;
        }
        let mut unmatched = stated(property);
        let nested = missing.into_iter().map(|sub| group("property", stated(sub)));
        unmatched.extend(nested);
        parts.push(group("unmatched", unmatched));
    }
    if !is_exact {
        let comment = match one.count {
            count if count == all => "it has all properties".to_owned(),
            0 => "its text is like the one that is asked for".to_owned(),
            count => format!("it has {count} of {all} properties"),
        };
        parts.push(parameter("comment", "valueString", Json::string(comment)));
    }
    group("match", parts)
}

fn stated(property: &Asked<'_>) -> Vec<Json> {
    let mut parts = vec![parameter("code", "valueCode", Json::string(property.code))];
    if let Some((kind, value)) = property.value {
        parts.push(parameter("value", &format!("value{kind}"), value.clone()));
    }
    parts
}

fn group(name: &str, parts: Vec<Json>) -> Json {
    Json::object([("name", Json::string(name)), ("part", Json::Array(parts))])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fhir::json::{parse, write};
    use crate::fhir::terminology::Shelf;

    fn animals() -> Shelf {
        let concepts = r#"{"code":"animal","display":"Animal","concept":[
            {"code":"dog","display":"Dog","designation":[{"language":"de","value":"Hund"}],"property":[{"code":"legs","valueInteger":4},{"code":"home","valueCode":"land"}]},
            {"code":"cow","display":"Cow","property":[{"code":"legs","valueInteger":4},{"code":"home","valueCode":"farm"}]},
            {"code":"fish","display":"Fish","property":[{"code":"legs","valueInteger":0},{"code":"home","valueCode":"water"}]}]}"#;
        let system = format!(
            r#"{{"resourceType":"CodeSystem","url":"urn:animals","version":"1","content":"complete","hierarchyMeaning":"is-a",
            "property":[{{"code":"legs","type":"integer"}},{{"code":"home","type":"code"}}],"concept":[{concepts}]}}"#
        );
        let mut shelf = Shelf::default();
        shelf.add(Arc::new(parse(system.as_bytes()).expect("JSON")));
        shelf
    }

    fn answer(properties: &str, exact: bool) -> Result<String> {
        let shelf = animals();
        let body = format!(
            r#"{{"resourceType":"Parameters","parameter":[{{"name":"system","valueUri":"urn:animals"}},{{"name":"exact","valueBoolean":{exact}}}{properties}]}}"#
        );
        let params = Params::from_resource(&parse(body.as_bytes()).expect("JSON")).expect("parameters");
        let context = Context::new(&shelf, &params, None).expect("a context");
        let mut out = Vec::new();
        write(&find_matches(&context, &params, None)?, &mut out);
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    fn property(code: &str, value: &str) -> String {
        format!(r#",{{"name":"property","part":[{{"name":"code","valueCode":"{code}"}},{{"name":"value",{value}}}]}}"#)
    }

    fn codes(answer: &str) -> Vec<&str> {
        answer
            .split(r#""valueCoding":"#)
            .skip(1)
            .filter_map(|rest| rest.split(r#""code":""#).nth(1)?.split('"').next())
            .collect()
    }

    #[test]
    fn what_has_all_comes_before_what_has_some() {
        let both = property("legs", r#""valueInteger":4"#) + &property("home", r#""valueCode":"farm""#);
        let found = answer(&both, true).expect("an answer");
        assert_eq!(codes(&found), ["cow", "dog"]);
        let (cow, dog) = found.split_at(found.find("dog").expect("the dog"));
        assert!(!cow.contains("unmatched") && !found.contains("comment"), "{found}");
        assert!(dog.contains(
            r#""name":"unmatched","part":[{"name":"code","valueCode":"home"},{"name":"value","valueCode":"farm"}]"#
        ));
        let below = property("focus", r#""valueCode":"animal""#) + &property("legs", r#""valueInteger":0"#);
        assert_eq!(codes(&answer(&below, true).expect("an answer"))[0], "fish");
    }

    #[test]
    fn people_get_what_is_like_it_with_comments() {
        let text = property("display", r#""valueString":"hun""#);
        assert_eq!(codes(&answer(&text, true).expect("an answer")), Vec::<&str>::new());
        let found = answer(&text, false).expect("an answer");
        assert_eq!(codes(&found), ["dog"]);
        assert!(found.contains("its text is like"), "{found}");
        let whole = answer(&property("display", r#""valueString":"hund""#), false).expect("an answer");
        assert!(whole.contains("it has all properties"), "{whole}");
        let unknown = property("colour", r#""valueCode":"red""#) + &property("legs", r#""valueInteger":0"#);
        let found = answer(&unknown, false).expect("an answer");
        assert!(codes(&found) == ["fish"] && found.contains("it has 1 of 2 properties"), "{found}");
    }

    #[test]
    fn groups_are_looked_for_one_by_one() {
        let sub = |code: &str, value: &str| {
            format!(
                r#"{{"name":"subproperty","part":[{{"name":"code","valueCode":"{code}"}},{{"name":"value",{value}}}]}}"#
            )
        };
        let group = format!(
            r#",{{"name":"property","part":[{{"name":"code","valueCode":"group"}},{},{}]}}"#,
            sub("legs", r#""valueInteger":4"#),
            sub("home", r#""valueCode":"land""#)
        );
        let found = answer(&group, true).expect("an answer");
        assert_eq!(codes(&found), ["dog", "cow"]);
        assert!(
            found.contains(r#""valueCode":"group"},{"name":"property","part":[{"name":"code","valueCode":"home"}"#),
            "{found}"
        );
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        for (properties, code) in [
            (String::new(), "required"),
            (r#",{"name":"property","valueCode":"legs"}"#.to_owned(), "invalid"),
            (r#",{"name":"property","part":[{"name":"code","valueCode":"legs"}]}"#.to_owned(), "invalid"),
            (property("legs", r#""valueInteger":4"#).repeat(PROPERTIES + 1), "too-costly"),
        ] {
            let fault = answer(&properties, true).expect_err("a refusal");
            assert_eq!(fault.issues()[0].code, code, "{properties}");
        }
    }
}
