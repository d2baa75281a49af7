//! Tests of the whole: text in, items out.

use super::{Collection, Context, Item, Node, compile, to_text};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::fhir::json::{self, Json};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
  "name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim"]}],
  "birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://x/birthTime","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
  "contained":[{"resourceType":"Organization","id":"o","name":"Org"}],
  "managingOrganization":{"reference":"#o"},
  "generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"http://h/fhir/Organization/2/_history/3"},
    {"type":"PractitionerRole","identifier":{"value":"x"}},{"reference":"urn:uuid:1"}]}"##;

fn tree(text: &str) -> Json {
    json::parse(text.as_bytes()).expect("valid JSON")
}

/// The result on a patient, each item as text; nodes without text as `{}`.
fn run(text: &str) -> Result<Vec<String>> {
    let patient = tree(PATIENT);
    run_on(text, &patient)
}

fn run_on(text: &str, resource: &Json) -> Result<Vec<String>> {
    let expression = compile(text)?;
    let node = Node::resource(resource);
    let context = Context { now: Some(Timestamp(1_700_000_000_000_000)), ..Context::new(node) };
    let items: Collection<'_> = expression.eval(node, &context)?;
    Ok(items.iter().map(|item: &Item<'_>| to_text(item).map_or("{}".to_owned(), |text| text.to_string())).collect())
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let got = run(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).join(",");
        assert_eq!(got, *expected, "{text}");
    }
}

#[test]
fn paths_and_filters() {
    check(&[
        ("Patient.name.given", "Peter,James,Jim"),
        ("name[1].given", "Jim"),
        ("Observation.code", ""),
        ("DomainResource.id", "p"),
        ("name.where(use = 'usual').given", "Jim"),
        ("name.exists(family = 'Chalmers')", "true"),
        ("birthDate.extension('http://x/birthTime').exists()", "true"),
        ("contained.name", "Org"),
        ("name.select(given.first() & '-' & use)", "Peter-official,Jim-usual"),
        ("name.given | name.family | name.given", "Peter,James,Jim,Chalmers"),
        ("%resource.id | %context.id | %rootResource.id", "p"),
        ("Patient.deceased.exists() and Patient.deceased != false", "false"),
    ]);
}

#[test]
fn references_resolve_to_their_type() {
    check(&[
        ("generalPractitioner.where(resolve() is Practitioner).reference", "Practitioner/1"),
        ("generalPractitioner.where(resolve() is Organization).reference", "http://h/fhir/Organization/2/_history/3"),
        ("generalPractitioner.where(resolve() is PractitionerRole).identifier.value", "x"),
        ("managingOrganization.resolve().name", "Org"),
        ("managingOrganization.where(resolve() is Organization).exists()", "true"),
        ("generalPractitioner.resolve().count()", "3"),
    ]);
}
