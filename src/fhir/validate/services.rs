//! What FHIRPath asks of definitions (`conformsTo`, `memberOf`, `subsumes`, `htmlChecks`), answered by a registry.

use super::answers::Answers;
use super::entry::validate_with;
use super::registry::Registry;
use super::state::{Options, shown};
use super::terms::Terms;
use crate::base::fault::{Fault, Result};
use crate::fhir::fhirpath::{Item, Node, Services};

/// The definitions of a registry, with large code systems beside them, as services of FHIRPath.
pub struct Definitions<'r>(pub &'r Registry, pub Option<&'r Answers>);

impl<'a> Services<'a> for Definitions<'_> {
    fn member_of(&self, coded: &Item<'a>, value_set: &str) -> Result<Option<bool>> {
        Terms(self.0, self.1).member_of(coded, value_set)
    }

    fn subsumes(&self, ancestor: &Item<'a>, descendant: &Item<'a>) -> Result<Option<bool>> {
        Terms(self.0, self.1).subsumes(ancestor, descendant)
    }

    fn conforms_to(&self, node: Node<'a>, structure: &str) -> Result<Option<bool>> {
        match self.0.profile(structure) {
            None => return Err(Fault::invalid(format!("the structure {} is not known", shown(structure)))),
            Some(Err(why)) => return Err(Fault::invalid(format!("the structure {}: {why}", shown(structure)))),
            Some(Ok(_)) => {}
        }
        if node.json.get("resourceType").is_none() {
            // an element is only validated within its resource
            return Ok(None);
        }
        let issues = validate_with(self.0, self.1, node.json, &[structure], Options::default());
        Ok(Some(!issues.iter().any(|issue| matches!(issue.severity, "error" | "fatal"))))
    }

    fn html_checks(&self, text: &str) -> Result<bool> {
        let terms: &dyn Services<'a> = &Terms(self.0, self.1);
        terms.html_checks(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::fhirpath::{Context, boolean, compile};
    use crate::fhir::json::parse;

    /// What an expression says of a patient: true, false, or nothing.
    fn asked(text: &str) -> Result<Option<bool>> {
        let patient = parse(
            br#"{"resourceType":"Patient","gender":"male","maritalStatus":{"coding":[
              {"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},
              "contact":[{"relationship":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"PRN"}]},
              {"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"MTH"}]},
              {"coding":[{"system":"http://other","code":"MTH"}]}],"name":{"family":"x"}}],
              "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>"}}"#,
        );
        let patient = patient.expect("JSON");
        let node = Node::resource(&patient);
        let services = Definitions(Registry::core(), None);
        let context = Context { services: Some(&services), ..Context::new(node) };
        let items = compile(text)?.eval(node, &context)?;
        boolean(&items, text)
    }

    #[test]
    fn definitions_answer() {
        let cases = [
            ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", Some(true)),
            ("'masculine'.memberOf(%`vs-administrative-gender`)", Some(false)),
            ("maritalStatus.memberOf('http://hl7.org/fhir/ValueSet/marital-status')", Some(true)),
            ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", Some(true)),
            ("conformsTo('http://hl7.org/fhir/StructureDefinition/Observation')", Some(false)),
            ("name.conformsTo('http://hl7.org/fhir/StructureDefinition/HumanName')", None),
            ("text.`div`.htmlChecks()", Some(true)),
            ("text.status.htmlChecks()", None),
            ("contact.relationship[0].subsumes(%context.contact.relationship[1])", Some(true)),
            ("contact.relationship[1].subsumes(%context.contact.relationship[0])", Some(false)),
            ("contact.relationship[1].subsumedBy(%context.contact.relationship[0])", Some(true)),
            ("contact.relationship[0].coding.subsumes(%context.contact.relationship[0].coding)", Some(true)),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(text).unwrap_or_else(|fault| panic!("{text}: {fault}")), expected, "{text}");
        }
        for text in [
            "gender.memberOf('http://nowhere')",
            "conformsTo('http://nowhere')",
            "contact.relationship[0].subsumes(%context.contact.relationship[2])",
            "gender.subsumes(gender)",
            "contact.relationship.memberOf('http://hl7.org/fhir/ValueSet/marital-status')",
            "'M'.memberOf('http://hl7.org/fhir/ValueSet/marital-status')",
        ] {
            assert!(asked(text).is_err(), "{text}");
        }
    }
}
