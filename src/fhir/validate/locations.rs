//! Which elements an error is about that is told at an element above them: those whose value another one has, too, where values
//! must be distinct, entries of a Bundle, unknown elements, items beyond a maximum, contained resources, and what keeps a value from
//! being the one that is prescribed (FHIR R4 `operationoutcome-definitions.html#OperationOutcome.issue.expression`).

use hashbrown::HashMap;

use super::compare::is_prescribed;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Most places that are told beside that of one error.
pub const PLACES: usize = 10;

/// The places of the elements that break an invariant; none for one of which that is not known.
pub fn places(key: &str, json: &Json, path: &Path<'_>) -> Vec<String> {
    let mut found = Vec::new();
    match key {
        // "The link ids for groups and questions must be unique within the questionnaire"
        "que-2" => nested(json, ("item", "linkId"), &path.to_string(), &mut found),
        // "Within a code system definition, all the codes SHALL be unique"
        "csd-1" => nested(json, ("concept", "code"), &path.to_string(), &mut found),
        // "FullUrl must be unique in a bundle, or else entries with same fullUrl must have different meta.versionId"
        "bdl-7" => entries(json, &path.to_string(), &mut found),
        // "entry.search only when a search"
        "bdl-2" => return of_entries(json, path, "search", &[]),
        // "entry.request mandatory for batch/transaction/history, otherwise prohibited"
        "bdl-3" => return of_entries(json, path, "request", &["batch", "transaction", "history"]),
        // "entry.response mandatory for batch-response/transaction-response/history, otherwise prohibited"
        "bdl-4" => return of_entries(json, path, "response", &["batch-response", "transaction-response", "history"]),
        _ => {}
    }
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for (value, _) in &found {
        *counts.entry(*value).or_default() += 1;
    }
    let repeated = found.iter().filter(|(value, _)| counts.get(value).is_some_and(|count| *count > 1));
    repeated.map(|(_, place)| place.clone()).take(PLACES).collect()
}

/// The entries that lack a part in a Bundle of these types, and the parts in any other; and the type.
fn of_entries(json: &Json, path: &Path<'_>, part: &str, needed: &[&str]) -> Vec<String> {
    let kind = json.get("type").and_then(Json::as_str).unwrap_or("");
    let is_needed = needed.contains(&kind);
    let all = json.get("entry").and_then(Json::as_array).unwrap_or_default().iter().enumerate();
    let wrong = all.filter(|(_, entry)| entry.get(part).is_some() != is_needed);
    let shown = |(n, _)| if is_needed { format!("{path}.entry[{n}]") } else { format!("{path}.entry[{n}].{part}") };
    [format!("{path}.type")].into_iter().chain(wrong.map(shown)).take(PLACES).collect()
}

/// The items of a list that are more than may be; those of an element that does not repeat are none.
pub fn beyond(max: usize, len: usize, path: &Path<'_>) -> Vec<String> {
    (max..len).take(PLACES).filter(|_| len > 1).map(|n| path.item(n).to_string()).collect()
}

/// The place of a contained resource with an id, or where it would be; `path` is somewhere in the container.
pub fn of_contained(container: &Json, id: &str, path: &Path<'_>) -> String {
    let path = path.to_string();
    let outside = path.split(".contained[").next().unwrap_or_default();
    let is_around = outside.starts_with("Bundle.") || outside.starts_with("Parameters.");
    let of_entry = outside.rfind(".resource.").filter(|_| is_around).map(|at| at + ".resource".len());
    let end = of_entry.or_else(|| outside.find('.')).unwrap_or(outside.len());
    let list = container.get("contained").and_then(Json::as_array).unwrap_or_default();
    let is_it = |one: &Json| one.get("id").and_then(Json::as_str) == Some(id);
    let index = list.iter().position(is_it).map_or(String::new(), |n| format!("[{n}]"));
    format!("{}.contained{index}", &outside[..end])
}

/// What is wrong with a value that is none of some codes: the codings of a concept, and the system and the code of each, as far as that
/// many places are told.
pub fn of_codes(json: &Json, path: &Path<'_>) -> Vec<String> {
    let parts = |coding: &Json, path: &Path<'_>| {
        let told = ["system", "code"].into_iter().filter(|name| coding.get(name).is_some());
        let told: Vec<_> = told.map(|name| path.child(name).to_string()).collect();
        [path.to_string()].into_iter().chain(told).collect::<Vec<_>>()
    };
    let Some(codings) = json.get("coding").and_then(Json::as_array) else { return parts(json, path) };
    let all = path.child("coding");
    let each: Vec<_> = codings.iter().take(PLACES).enumerate().map(|(n, one)| parts(one, &all.item(n))).collect();
    let is_many = each.iter().map(Vec::len).sum::<usize>() > PLACES;
    each.into_iter().flat_map(|places| places.into_iter().take(if is_many { 1 } else { PLACES })).collect()
}

/// The parts of a value, itself at the most, that are not as in another one that is prescribed, or not there.
pub fn unlike(value: &Json, wanted: &Json, is_fixed: bool, path: &Path<'_>) -> Vec<String> {
    let mut found = Vec::new();
    add_unlike(value, wanted, is_fixed, path, &mut found);
    found.truncate(PLACES);
    found
}

fn add_unlike(value: &Json, wanted: &Json, is_fixed: bool, path: &Path<'_>, found: &mut Vec<String>) {
    if found.len() >= PLACES || is_prescribed(value, wanted, is_fixed) {
        return;
    }
    match (value, wanted) {
        (Json::Object(a), Json::Object(b)) => {
            for (name, wanted) in b.iter() {
                let place = path.child(name.as_str());
                match a.get_name(name) {
                    Some(value) => add_unlike(value, wanted, is_fixed, &place, found),
                    None => found.push(place.to_string()),
                }
            }
            let more = a.iter().filter(|(name, _)| is_fixed && b.get_name(name).is_none());
            found.extend(more.take(PLACES).map(|(name, _)| path.child(name.as_str()).to_string()));
        }
        (Json::Array(items), Json::Array(all)) => {
            for wanted in all.iter().filter(|wanted| !items.iter().any(|item| is_prescribed(item, wanted, is_fixed))) {
                for (n, item) in items.iter().enumerate() {
                    add_unlike(item, wanted, is_fixed, &path.item(n), found);
                }
            }
        }
        _ => found.push(path.to_string()),
    }
}

/// The parts of a value, itself at the most, that are as in another one that is prescribed.
pub fn alike(value: &Json, wanted: &Json, path: &Path<'_>) -> Vec<String> {
    let mut found = Vec::new();
    add_alike(value, wanted, path, &mut found);
    found.truncate(PLACES);
    found
}

fn add_alike(value: &Json, wanted: &Json, path: &Path<'_>, found: &mut Vec<String>) {
    match (value, wanted) {
        _ if found.len() >= PLACES => {}
        (Json::Object(a), Json::Object(b)) => {
            for (name, wanted) in b.iter() {
                if let Some(value) = a.get_name(name) {
                    add_alike(value, wanted, &path.child(name.as_str()), found);
                }
            }
        }
        (Json::Array(items), Json::Array(all)) => {
            for (n, item) in items.iter().enumerate() {
                if let Some(wanted) = all.iter().find(|wanted| is_prescribed(item, wanted, false)) {
                    add_alike(item, wanted, &path.item(n), found);
                }
            }
        }
        _ => found.push(path.to_string()),
    }
}

/// A value, which may have two parts, and its place.
type Found<'j> = ((&'j str, &'j str), String);

/// The texts of a part of all items, also of those within others.
fn nested<'j>(json: &'j Json, (items, part): (&str, &str), place: &str, found: &mut Vec<Found<'j>>) {
    for (n, item) in json.get(items).and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        let place = format!("{place}.{items}[{n}]");
        let text = item.get(part).and_then(Json::as_str);
        found.extend(text.map(|text| ((text, ""), format!("{place}.{part}"))));
        nested(item, (items, part), &place, found);
    }
}

fn entries<'j>(json: &'j Json, place: &str, found: &mut Vec<Found<'j>>) {
    for (n, entry) in json.get("entry").and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        let version = || entry.get("resource")?.get("meta")?.get("versionId")?.as_str();
        let url = entry.get("fullUrl").and_then(Json::as_str);
        found.extend(url.map(|url| ((url, version().unwrap_or("")), format!("{place}.entry[{n}].fullUrl"))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::validate::{Options, Registry, validate};

    /// The places of each error.
    fn told(resource: &str) -> Vec<Vec<String>> {
        let json = parse(resource.as_bytes()).expect("JSON");
        let issues = validate(Registry::core(), &json, &[], Options::default());
        issues.into_iter().map(|issue| issue.expression.into_iter().chain(issue.also).collect()).collect()
    }

    #[test]
    fn what_two_elements_break_names_both() {
        let form = r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"a","type":"group",
            "item":[{"linkId":"b","type":"string"},{"linkId":"c","type":"string"}]},{"linkId":"b","type":"string"}]}"#;
        let both = ["Questionnaire", "Questionnaire.item[0].item[0].linkId", "Questionnaire.item[1].linkId"];
        assert_eq!(told(form), [both]);
        let codes = r#"{"resourceType":"CodeSystem","status":"draft","content":"complete","concept":[{"code":"a",
            "concept":[{"code":"b"}]},{"code":"c"},{"code":"b"}]}"#;
        let both = ["CodeSystem", "CodeSystem.concept[0].concept[0].code", "CodeSystem.concept[2].code"];
        assert_eq!(told(codes), [both]);
        let entries = |kind: &str, url: &str, id: &str| {
            format!(
                r#"{{"resourceType":"Bundle","type":"collection","entry":[
                {{"fullUrl":"http://x/Patient/1","resource":{{"resourceType":"Patient","id":"1"}}}},
                {{"fullUrl":"{url}","resource":{{"resourceType":"{kind}","id":"{id}"}}}}]}}"#
            )
        };
        assert_eq!(told(&entries("Patient", "http://x/Patient/2", "2")), Vec::<Vec<String>>::new());
        let same = ["Bundle", "Bundle.entry[0].fullUrl", "Bundle.entry[1].fullUrl"];
        assert_eq!(told(&entries("Patient", "http://x/Patient/1", "1")), [same]);
        let id = ["Bundle.entry[1].fullUrl", "Bundle.entry[1].resource.id"];
        assert_eq!(told(&entries("Patient", "http://x/Patient/2", "3")), [id]);
        let kind = ["Bundle.entry[1].fullUrl", "Bundle.entry[1].resource"];
        assert_eq!(told(&entries("Person", "http://x/Patient/2", "2"))[0], kind);
        let parts = |kind: &str, part: &str| {
            told(&format!(
                r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"fullUrl":"http://x/Patient/1",
                "resource":{{"resourceType":"Patient","id":"1"}}{part}}}]}}"#
            ))
        };
        assert_eq!(
            parts("collection", r#","search":{"mode":"match"}"#),
            [["Bundle", "Bundle.type", "Bundle.entry[0].search"]]
        );
        let request = r#","request":{"method":"GET","url":"Patient/1"}"#;
        assert_eq!(parts("collection", request), [["Bundle", "Bundle.type", "Bundle.entry[0].request"]]);
        assert_eq!(parts("batch", ""), [["Bundle", "Bundle.type", "Bundle.entry[0]"]]);
        assert_eq!(parts("batch-response", ""), [["Bundle", "Bundle.type", "Bundle.entry[0]"]]);
        let ids = r#"{"resourceType":"Patient","name":[{"id":"x","family":"A"},{"family":"B"}],"_birthDate":{"id":"x",
            "extension":[{"url":"http://x","valueString":"y"}]}}"#;
        assert_eq!(told(ids), [["Patient.birthDate.id", "Patient.name[0].id"]]);
    }

    #[test]
    fn what_an_error_is_about_is_named_beside_where_it_is_told() {
        let extension = r#"{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{}}"#;
        for (resource, places) in [
            (r#""resourceType":"Patient","foo":1"#.to_owned(), "Patient Patient.foo"),
            (r#""resourceType":"Patient","_foo":1,"name":[{"b-r":1}]"#.to_owned(), "Patient Patient.foo|Patient.name[0]"),
            (
                format!(r#""resourceType":"Patient","extension":[{extension}],"contact":[{{"gender":"male"}}]"#),
                "Patient.extension[0].value|Patient.contact[0]",
            ),
            (
                r#""resourceType":"Appointment","status":"booked","cancelationReason":{"text":"x"},
                "start":"2020-01-01T00:00:00Z","end":"2020-01-01T01:00:00Z","participant":[{"type":[{"text":"x"}],"status":"accepted"}]"#
                    .to_owned(),
                "Appointment Appointment.cancelationReason Appointment.status",
            ),
            (
                r##""resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"#a"},
                "specimen":{"reference":"Patient/1"}"##
                    .to_owned(),
                "Observation.subject Observation.subject.reference Observation.contained|Observation.specimen Observation.specimen.reference",
            ),
            (
                r##""resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"x"},
                {"resourceType":"Organization","id":"a","name":"y"}],"managingOrganization":{"reference":"#a"}"##
                    .to_owned(),
                "Patient.contained[1].id Patient.contained[0].id",
            ),
            (
                r##""resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://x/Observation/1","resource":{
                "resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},"subject":{"reference":"#b"},"contained":[
                {"resourceType":"Medication","id":"a"},{"resourceType":"Basic","id":"b","code":{"text":"x"},"subject":{"reference":"#a"}}]}}]"##
                    .to_owned(),
                "Bundle.entry[0].resource.subject Bundle.entry[0].resource.subject.reference Bundle.entry[0].resource.contained[1]",
            ),
            (
                r#""resourceType":"Observation","status":"final","code":{"text":"x"},"valueRange":{
                "low":{"value":2,"code":"m","system":"http://unitsofmeasure.org"},
                "high":{"value":1,"code":"m","system":"http://unitsofmeasure.org"}}"#
                    .to_owned(),
                "Observation.value Observation.value.high.code Observation.value.high.value Observation.value.low.code Observation.value.low.value",
            ),
            (
                r#""resourceType":"Condition","subject":{"display":"x"},"clinicalStatus":{"coding":[{"system":"http://x","code":"active"}]},
                "verificationStatus":{"coding":[{"system":"http://x","code":"confirmed"},{"code":"confirmed"}]}"#
                    .to_owned(),
                "Condition.clinicalStatus.coding[0] Condition.clinicalStatus.coding[0].system Condition.clinicalStatus.coding[0].code|\
                 Condition.verificationStatus Condition.verificationStatus.coding[0] Condition.verificationStatus.coding[0].system \
                 Condition.verificationStatus.coding[0].code Condition.verificationStatus.coding[1] Condition.verificationStatus.coding[1].code",
            ),
            (
                r#""resourceType":"Encounter","status":"planned","class":{"code":"AMB"},
                "classHistory":[{"class":{"code":"x"},"period":{"start":"2020-01-02","end":"2020-01-01"}}]"#
                    .to_owned(),
                "Encounter.classHistory[0].period Encounter.classHistory[0].period.end Encounter.classHistory[0].period.start",
            ),
        ] {
            let told: Vec<_> = told(&format!("{{{resource}}}")).into_iter().map(|places| places.join(" ")).collect();
            assert_eq!(told.join("|"), places, "{resource}");
        }
    }

    #[test]
    fn what_is_beyond_a_maximum_and_what_differs_from_a_value_is_named() {
        let json = |text: &str| parse(text.as_bytes()).expect(text);
        let path = Path::root("x");
        assert_eq!(beyond(1, 3, &path), ["x[1]", "x[2]"]);
        assert_eq!((beyond(0, 2, &path).len(), beyond(0, 1, &path).len(), beyond(2, 200, &path).len()), (2, 0, PLACES));
        for (value, wanted, is_fixed, places) in [
            (
                r#"{"coding":[{"system":"a","code":"b"}]}"#,
                r#"{"coding":[{"system":"a","code":"c"}]}"#,
                false,
                "x.coding[0].code",
            ),
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"a":1,"b":{"c":3}}"#, true, "x.b.c"),
            (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, true, "x.b"),
            (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, false, ""),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false, "x.b"),
            (r#""a""#, r#""b""#, true, "x"),
        ] {
            assert_eq!(unlike(&json(value), &json(wanted), is_fixed, &path).join(" "), places, "{value}");
        }
        for (value, wanted, places) in [
            (
                r#"{"coding":[{"code":"a"},{"code":"b","display":"x"}]}"#,
                r#"{"coding":[{"code":"b"}]}"#,
                "x.coding[1].code",
            ),
            (r#"{"a":1,"b":{"c":2,"d":3}}"#, r#"{"a":1,"b":{"c":2}}"#, "x.a x.b.c"),
            (r#""a""#, r#""a""#, "x"),
        ] {
            assert_eq!(alike(&json(value), &json(wanted), &path).join(" "), places, "{value}");
        }
    }
}
