//! `%terminologies` of FHIRPath (FHIR R4 `fhirpath.html`, 2.9.3): the operations of the terminology service from within an expression.

use std::cell::OnceCell;

use percent_encoding::percent_decode_str;

use super::services::Definitions;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{TypeId, property};
use crate::fhir::fhirpath::{Collection, Item, Node, Services, Terminology};
use crate::fhir::json::Json;
use crate::fhir::name::Name;
use crate::fhir::terminology::{Call, Library, Operation, Params, run};

/// Most answers of one evaluation.
const ANSWERS: usize = 64;

/// Definitions with a terminology service beside them.
pub struct Terminologies<'r> {
    /// What answers everything else.
    pub definitions: Definitions<'r>,
    /// Where the service finds definitions.
    pub library: &'r dyn Library,
    /// A UUID for what is made.
    pub id: &'r str,
    /// The time, as an instant.
    pub now: &'r str,
    /// What was answered: nodes point to it.
    pub made: Made,
    /// The resources that codes are elements of.
    pub resources: Vec<&'r Json>,
}

/// Resources that were made; they stay where they are.
#[derive(Default)]
pub struct Made(OnceCell<Box<Link>>);

struct Link {
    json: Json,
    next: Made,
}

impl Made {
    /// Keeps one more.
    fn keep(&self, json: Json) -> Result<&Json> {
        let mut end = self;
        for _ in 0..ANSWERS {
            match end.0.get() {
                Some(link) => end = &link.next,
                None => return Ok(&end.0.get_or_init(|| Box::new(Link { json, next: Self::default() })).json),
            }
        }
        let text = format!("the expression asks the terminology service more than {ANSWERS} times");
        Err(Fault::coded(Category::Invalid, "too-costly", text))
    }
}

impl<'a> Services<'a> for Terminologies<'_> {
    fn member_of(&self, coded: &Item<'a>, value_set: &str) -> Result<Option<bool>> {
        self.definitions.member_of(coded, value_set)
    }

    fn subsumes(&self, ancestor: &Item<'a>, descendant: &Item<'a>) -> Result<Option<bool>> {
        self.definitions.subsumes(ancestor, descendant)
    }

    fn conforms_to(&self, node: Node<'a>, container: Node<'a>, structure: &str) -> Result<Option<bool>> {
        self.definitions.conforms_to(node, container, structure)
    }

    fn slice(&self, node: Node<'a>, structure: &str, name: &str) -> Result<Collection<'a>> {
        self.definitions.slice(node, structure, name)
    }

    fn html_checks(&self, text: &str) -> Result<bool> {
        let definitions: &dyn Services<'a> = &self.definitions;
        definitions.html_checks(text)
    }

    fn terminology(&'a self, operation: Terminology, arguments: &[Item<'a>], params: &str) -> Result<Option<Item<'a>>> {
        let of_element = |item: &Item<'_>| self.resources.iter().find_map(|json| system_of(json, item));
        let (operation, params) = asked(operation, arguments, params, &of_element)?;
        let call = Call { operation, params: &params, accept_language: None, own: None, id: self.id, now: self.now };
        let answer = match run(self.library, &call) {
            Ok(answer) => answer,
            Err(fault) if fault.category().status() < 500 => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let kept = self.made.keep(answer)?;
        if operation == Operation::Subsumes {
            let parts = kept.get("parameter").and_then(Json::as_array).unwrap_or_default();
            return Ok(parts.iter().find_map(|part| part.get("valueCode")?.as_str()).map(Item::text));
        }
        Ok(Some(Item::Node(Node::resource(kept))))
    }
}

/// The operation of the service with its parameters.
fn asked(
    operation: Terminology,
    arguments: &[Item<'_>],
    given: &str,
    of_element: &dyn Fn(&Item<'_>) -> Option<&'static str>,
) -> Result<(Operation, Params)> {
    let mut params = Params::default();
    let is_given = given.split('&').any(|pair| pair.starts_with("system="));
    // "a resource element that is a code" says its system by its binding
    let infer = |item: &Item<'_>, params: &mut Params| {
        if let Some(system) = of_element(item).filter(|_| !is_given) {
            params.push("system", Json::string(system));
        }
    };
    let of = |at: usize| arguments.get(at).ok_or_else(|| Fault::internal("%terminologies without an argument"));
    let operation = match operation {
        Terminology::Expand => {
            definition(of(0)?, "valueSet", &mut params)?;
            Operation::Expand
        }
        Terminology::Lookup => {
            if coded(of(0)?, ["code", "coding", "codeableConcept"], &mut params)? {
                infer(of(0)?, &mut params);
            }
            Operation::Lookup
        }
        Terminology::ValidateInValueSet => {
            definition(of(0)?, "valueSet", &mut params)?;
            if coded(of(1)?, ["code", "coding", "codeableConcept"], &mut params)? {
                params.push("inferSystem", Json::Bool(true));
            }
            Operation::ValidateInValueSet
        }
        Terminology::ValidateInCodeSystem => {
            definition(of(0)?, "codeSystem", &mut params)?;
            coded(of(1)?, ["code", "coding", "codeableConcept"], &mut params)?;
            Operation::ValidateInCodeSystem
        }
        Terminology::Subsumes => {
            params.push("system", Json::string(&*plain(of(0)?)?));
            coded(of(1)?, ["codeA", "codingA", ""], &mut params)?;
            coded(of(2)?, ["codeB", "codingB", ""], &mut params)?;
            Operation::Subsumes
        }
        Terminology::Translate => {
            definition(of(0)?, "conceptMap", &mut params)?;
            if coded(of(1)?, ["code", "coding", "codeableConcept"], &mut params)? {
                infer(of(1)?, &mut params);
            }
            Operation::Translate
        }
    };
    for pair in given.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        params.push_text(&decoded(name), &decoded(value));
    }
    Ok((operation, params))
}

/// The code system of an element of a resource, where its required binding draws from one only.
fn system_of(resource: &Json, item: &Item<'_>) -> Option<&'static str> {
    let wanted = item.as_node().filter(Node::is_primitive)?.json;
    within(resource, Node::resource(resource).type_id, wanted)
}

fn within(json: &Json, owner: Option<TypeId>, wanted: &Json) -> Option<&'static str> {
    let of_property = |name: &Name, value: &Json| {
        let found = property(owner?, name)?;
        let owner = Node::resource(value).type_id.unwrap_or(found.type_id);
        if std::ptr::eq(value, wanted) { found.system } else { within(value, Some(owner), wanted) }
    };
    json.as_object()?.iter().find_map(|(name, value)| match value {
        Json::Array(items) => items.iter().find_map(|item| of_property(name, item)),
        value => of_property(name, value),
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn wrong(what: &str) -> Fault {
    Fault::invalid(format!("an argument of %terminologies is {what}"))
}

/// The text of an item.
fn plain(item: &Item<'_>) -> Result<String> {
    let text = match item {
        Item::String(text) => Some(&**text),
        Item::Node(node) => node.json.as_str(),
        _ => None,
    };
    text.map(str::to_owned).ok_or_else(|| wrong("a text"))
}

/// A resource, or the canonical URL of one.
fn definition(item: &Item<'_>, name: &str, params: &mut Params) -> Result<()> {
    match item {
        Item::Node(node) if node.json.get("resourceType").is_some() => params.push(name, node.json.clone()),
        item => {
            let canonical = plain(item).map_err(|_| wrong("a resource or a canonical URL"))?;
            params.push_text("url", &canonical);
        }
    }
    Ok(())
}

/// A code, a Coding or a CodeableConcept; whether it is a code. A concept stands for its first coding where only a Coding may be.
fn coded(item: &Item<'_>, names: [&str; 3], params: &mut Params) -> Result<bool> {
    let [code, coding, concept] = names;
    let json = match item {
        Item::Node(node) if node.json.as_object().is_some() => node.json,
        item => {
            params.push_text(code, &plain(item).map_err(|_| wrong("a code, a Coding or a CodeableConcept"))?);
            return Ok(true);
        }
    };
    match json.get("coding").and_then(Json::as_array) {
        Some([first, ..]) if concept.is_empty() => params.push(coding, first.clone()),
        Some(_) => params.push(concept, json.clone()),
        None => params.push(coding, json.clone()),
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::fhirpath::{Context, compile, to_text};
    use crate::fhir::json::parse;
    use crate::fhir::terminology::Core;
    use crate::fhir::validate::Registry;

    fn asked(text: &str) -> Result<String> {
        let patient = parse(
            br#"{"resourceType":"Patient","gender":"male","address":[{"use":"home"}],"language":"en","maritalStatus":{"coding":[
              {"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},
              "contact":[{"relationship":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"PRN"}]},
              {"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"MTH"}]}]}]}"#,
        )
        .expect("JSON");
        let node = Node::resource(&patient);
        let services = Terminologies {
            definitions: Definitions(Registry::core(), None),
            library: &Core,
            id: "6f1d6b0e-0000-4000-8000-000000000000",
            now: "2026-11-28T12:00:00Z",
            made: Made::default(),
            resources: vec![&patient],
        };
        let context = Context { services: Some(&services), ..Context::new(node) };
        let items: Collection<'_> = compile(text)?.eval(node, &context)?;
        let shown = items.iter().map(|item| match to_text(item) {
            Some(text) => text.to_string(),
            None => plain(item).unwrap_or_else(|_| "?".to_owned()),
        });
        Ok(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_service_is_asked() {
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        let role = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
        let cases = [
            (format!("%terminologies.expand('{gender}').expansion.contains.code"), "male female other unknown"),
            (format!("%terminologies.expand('{gender}', 'count=1&offset=1').expansion.contains.code"), "female"),
            (format!("%terminologies.expand('{gender}', 'displayLanguage=en').expansion.total"), "4"),
            ("%terminologies.expand('http://nowhere')".to_owned(), ""),
            (
                "%terminologies.lookup(maritalStatus.coding).parameter.where(name = 'display').value".to_owned(),
                "Married",
            ),
            (format!("%terminologies.validateVS('{gender}', gender).parameter.where(name = 'result').value"), "true"),
            (format!("%terminologies.validateVS('{gender}', 'm').parameter.where(name = 'result').value"), "false"),
            (
                "%terminologies.validateVS('http://hl7.org/fhir/ValueSet/marital-status', maritalStatus).parameter.where(name = 'result').value".to_owned(),
                "true",
            ),
            (
                format!("%terminologies.validateCS('{role}', contact.relationship[0]).parameter.where(name = 'result').value"),
                "true",
            ),
            (
                format!("%terminologies.subsumes('{role}', contact.relationship[0].coding, contact.relationship[1].coding)"),
                "subsumes",
            ),
            (format!("%terminologies.subsumes('{role}', 'MTH', 'PRN')"), "subsumed-by"),
            (
                "%terminologies.translate('http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3', 'female', 'system=http://hl7.org/fhir/administrative-gender').parameter.where(name = 'match').part.where(name = 'concept').value.code".to_owned(),
                "F",
            ),
            (
                "%terminologies.lookup(gender).parameter.where(name = 'display').value".to_owned(),
                "Male",
            ),
            (
                "%terminologies.lookup(gender, 'system=http://nowhere').parameter.where(name = 'display').value".to_owned(),
                "",
            ),
            ("%terminologies.lookup(gender.getValue()) | %terminologies.lookup(language)".to_owned(), ""),
            (
                "%terminologies.translate('http://hl7.org/fhir/ConceptMap/cm-address-use-v3', address.use).parameter.where(name = 'match').part.where(name = 'concept').value.code".to_owned(),
                "H",
            ),
            ("%terminologies.expand({})".to_owned(), ""),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(&text).unwrap_or_else(|fault| panic!("{text}: {fault}")), expected, "{text}");
        }
        for text in
            ["%terminologies", "%terminologies.memberOf('x')", "%terminologies.expand()", "%terminologies.expand(1)"]
        {
            assert!(asked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let many = "descendants() | (1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9)".to_owned();
        let text = format!(
            "({many}).select(({many}).select(%terminologies.lookup('x', 'system=http://hl7.org/fhir/administrative-gender')))"
        );
        assert!(asked(&text).is_ok_and(|found| found.is_empty()), "what is not known is no answer");
        let text = text.replace("'x'", "'male'");
        assert_eq!(asked(&text).expect_err("too many").issues()[0].code, "too-costly");
    }
}
