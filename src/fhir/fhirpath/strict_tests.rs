//! The strict check: what it reports, and what it lets through.

use super::expression::{Options, compile, compile_with};
use super::model::type_by_name;

fn strict(context: &str, text: &str) -> Result<(), String> {
    let options =
        Options { is_strict: true, context: type_by_name(context), variables: Some(&["given"]), ..Options::default() };
    compile_with(text, &options).map(|_| ()).map_err(|fault| fault.message().to_owned())
}

#[test]
fn what_cannot_be_right_is_reported_with_its_place() {
    let cases = [
        ("Patient", "name.given1", "HumanName has no element `given1` (line 1, column 1)"),
        ("Patient", "active and\n  nonsense", "Patient has no element `nonsense` (line 2, column 3)"),
        ("Patient", "Encounter.status", "the path begins with Encounter and stands on Patient (line 1, column 1)"),
        ("Observation", "Observation.valueQuantity.unit", "has no element `valueQuantity`"),
        ("Observation", "(Observation.value as Period).unit", "Period has no element `unit`"),
        ("Observation", "value.ofType(Quantity).start", "has no element `start`"),
        ("Patient", "name.where(family1 = 'x')", "HumanName has no element `family1`"),
        ("Patient", "name.select(given | nonsense)", "HumanName has no element `nonsense`"),
        ("Patient", "children().skip(1)", "`skip` needs an order"),
        ("Patient", "descendants()[0]", "an index needs an order"),
        ("Patient", "name.startsWith('a')", "`startsWith` takes String and gets HumanName"),
        ("Patient", "name.family.substring('a')", "an argument of `substring` takes Integer and gets System.String"),
        ("Patient", "name.family.round()", "`round` takes Integer or Decimal or Quantity and gets string"),
        ("Patient", "birthDate + 7", "`+` is not defined for date and System.Integer"),
        ("Patient", "1 + 'John'", "`+` is not defined for System.Integer and System.String"),
        ("Patient", "birthDate > 1", "`>` is not defined"),
        ("Patient", "gender = 1", "`=` is not defined for code and System.Integer"),
        ("Patient", "-gender", "a sign takes"),
        ("Patient", "iif('text', 1, 2)", "the criterion of `iif` takes Boolean and gets System.String"),
        ("Patient", "iif(name, 1, 2)", "the criterion of `iif` takes Boolean and gets HumanName"),
        ("Patient", "%nonsense", "unknown variable `%nonsense`"),
        ("Patient", "defineVariable('a', 1).select(%b)", "unknown variable `%b`"),
        ("Patient", "defineVariable('a', 1).active | %a", "unknown variable `%a`"),
        ("Patient", "contact.name.nonsense", "HumanName has no element `nonsense`"),
        ("Patient", "contact.nonsense", "Patient.contact has no element `nonsense`"),
        ("Bundle", "entry.resource.nonsense", "Resource has no element `nonsense`"),
        ("Patient", "birthDate.extension('u').nonsense", "Extension has no element `nonsense`"),
        ("Patient", "1.nonsense", "System.Integer has no element `nonsense`"),
        ("Patient", "name.nonsense()", "unknown function `nonsense`"),
        ("Patient", "name.first(1)", "`first` takes 0 to 0 arguments and got 1"),
    ];
    for (context, text, expected) in cases {
        let fault = strict(context, text).expect_err(text);
        assert!(fault.contains(expected) && fault.contains("column"), "{text}: {fault}");
    }
}

#[test]
fn what_may_be_right_passes() {
    let cases = [
        ("Patient", "Patient.name.given.first().substring(1)"),
        ("Patient", "Resource.id | DomainResource.text"),
        ("Patient", "name.given.count() > 1 implies telecom.exists(system = 'phone')"),
        ("Patient", "deceased.ofType(boolean) or deceased.ofType(dateTime) < now()"),
        ("Patient", "birthDate.substring(0, 4)"),
        ("Patient", "birthDate + 1 year < today()"),
        ("Patient", "birthDate.value | birthDate.id | birthDate.extension.url"),
        ("Patient", "contact.where(relationship.coding.code = 'x').name.family"),
        ("Patient", "generalPractitioner.resolve().name.given"),
        ("Patient", "contained.ofType(Organization).name"),
        ("Patient", "descendants().where($this is Coding).code"),
        ("Patient", "name.sort(-family, given.first() desc).first()"),
        ("Patient", "defineVariable('a', name).select(%a.given & %given & %resource.id & %sct)"),
        ("Patient", "type().name = 'Patient'"),
        ("Patient", "iif(active, name, contact.name).family"),
        ("Observation", "value.value > 1 or value.ofType(Quantity) > 1 'mg'"),
        ("Observation", "value.as(Quantity).unit"),
        ("Observation", "component.value.ofType(CodeableConcept).coding.display"),
        ("Bundle", "entry.resource.name.family"),
        ("Bundle", "Bundle.entry.where(resource is Patient).fullUrl"),
        ("Questionnaire", "repeat(item).linkId"),
        ("QuestionnaireResponse", "repeat(answer | item).linkId"),
        ("Questionnaire", "item.item.item.linkId.isDistinct()"),
        ("", "Patient.name.given | anything.at.all"),
    ];
    for (context, text) in cases {
        strict(context, text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    }
}

#[test]
fn lenient_expressions_are_not_checked() {
    for text in ["Patient.name.given1", "1 + 'John'", "children().skip(1)", "%later", "iif('a', 1, 2)"] {
        assert!(compile(text).is_ok(), "{text}");
    }
}
