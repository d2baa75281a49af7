//! What FHIRPath asks of definitions (`conformsTo`, `memberOf`, `subsumes`, `htmlChecks`), answered by a registry.

use super::answers::Answers;
use super::conforming::element_conforms;
use super::entry::validate_with;
use super::registry::Registry;
use super::rules::Profile;
use super::sliced::sliced;
use super::state::{Options, shown};
use super::terms::Terms;
use crate::base::fault::{Fault, Result};
use crate::fhir::fhirpath::{Collection, Item, Node, Services};

/// The definitions of a registry, with large code systems beside them, as services of FHIRPath.
pub struct Definitions<'r>(pub &'r Registry, pub Option<&'r Answers>);

impl<'a> Services<'a> for Definitions<'_> {
    fn member_of(&self, coded: &Item<'a>, value_set: &str) -> Result<Option<bool>> {
        if !self.0.has_value_set_version(value_set) {
            return Err(absent("value set", value_set));
        }
        Terms(self.0, self.1).member_of(coded, value_set)
    }

    fn subsumes(&self, ancestor: &Item<'a>, descendant: &Item<'a>) -> Result<Option<bool>> {
        Terms(self.0, self.1).subsumes(ancestor, descendant)
    }

    fn conforms_to(&self, node: Node<'a>, container: Node<'a>, structure: &str) -> Result<Option<bool>> {
        let profile = self.profile(structure)?;
        if node.json.get("resourceType").is_none() {
            return Ok(element_conforms(self.0, self.1, (node, container), profile));
        }
        let issues = validate_with(self.0, self.1, node.json, &[structure], Options::default());
        Ok(Some(!issues.iter().any(|issue| matches!(issue.severity, "error" | "fatal"))))
    }

    fn slice(&self, node: Node<'a>, structure: &str, name: &str) -> Result<Collection<'a>> {
        sliced(self.0, node, self.profile(structure)?, name)
    }

    fn html_checks(&self, text: &str) -> Result<bool> {
        let terms: &dyn Services<'a> = &Terms(self.0, self.1);
        terms.html_checks(text)
    }
}

impl Definitions<'_> {
    fn profile(&self, canonical: &str) -> Result<&Profile> {
        match self.0.profile(canonical).filter(|_| self.0.has_version(canonical)) {
            None => Err(absent("structure", canonical)),
            Some(Err(why)) => Err(Fault::invalid(format!("the structure {}: {why}", shown(canonical)))),
            Some(Ok(profile)) => Ok(profile),
        }
    }
}

fn absent(what: &str, canonical: &str) -> Fault {
    Fault::invalid(format!("the {what} {} is not known", shown(canonical)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::fhirpath::{Context, boolean, compile};
    use crate::fhir::json::{Json, parse};

    /// What an expression says of a patient: true, false, or nothing.
    fn asked(text: &str) -> Result<Option<bool>> {
        let patient = parse(
            br##"{"resourceType":"Patient","gender":"male",
              "contained":[{"resourceType":"Practitioner","id":"p"}],
              "generalPractitioner":[{"reference":"#p"}],"maritalStatus":{"coding":[
              {"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},
              "contact":[{"relationship":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"PRN"}]},
              {"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"MTH"}]},
              {"coding":[{"system":"http://other","code":"MTH"}]}],"name":{"family":"x"}}],
              "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>"}}"##,
        );
        asked_of(&patient.expect("JSON"), text)
    }

    fn asked_of(patient: &Json, text: &str) -> Result<Option<bool>> {
        let node = Node::resource(patient);
        let services = Definitions(Registry::core(), None);
        let context = Context { services: Some(&services), ..Context::new(node) };
        let items = compile(text)?.eval(node, &context)?;
        boolean(&items, text)
    }

    #[test]
    fn elements_that_do_not_conform() {
        let patient = parse(
            br##"{"resourceType":"Patient","birthDate":"1.1.2000","managingOrganization":{"reference":"#o"},
              "name":[{"family":1}],"address":[{"use":"nonsense"}],"telecom":[{"value":"1"}],"photo":[{"data":"AAAA"}]}"##,
        );
        let patient = patient.expect("JSON");
        let cases = [
            ("birthDate", "date"),
            // ref-1 asks for what is contained
            ("managingOrganization", "Reference"),
            ("name", "HumanName"),
            ("address", "Address"),
            // cpt-2, att-1
            ("telecom", "ContactPoint"),
            ("photo", "Attachment"),
        ];
        for (path, kind) in cases {
            let text = format!("{path}.conformsTo('http://hl7.org/fhir/StructureDefinition/{kind}')");
            assert_eq!(asked_of(&patient, &text).expect(&text), Some(false), "{text}");
        }
    }

    #[test]
    fn slices_are_found() {
        let pressure = parse(
            br#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"},
              {"system":"http://loinc.org","code":"55284-4"}]},"component":[
              {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120}},
              {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80}},
              {"code":{"coding":[{"system":"http://loinc.org","code":"1-1"}]}}]}"#,
        );
        let pressure = pressure.expect("JSON");
        let bp = "'http://hl7.org/fhir/StructureDefinition/bp'";
        let cases = [
            format!("slice({bp}, 'SystolicBP').value.value = 120"),
            format!("slice({bp}, 'DiastolicBP').value.value = 80"),
            format!("component.slice({bp}, 'SystolicBP').empty()"),
            format!("slice({bp}, 'VSCat').empty()"),
            format!("code.slice({bp}, 'BPCode').code = '85354-9'"),
        ];
        for text in cases {
            assert_eq!(asked_of(&pressure, &text).expect(&text), Some(true), "{text}");
        }
        for text in [format!("slice({bp}, 'Nonsense')"), "slice('http://nowhere', 'x')".to_owned()] {
            assert!(asked_of(&pressure, &text).is_err(), "{text}");
        }
    }

    #[test]
    fn definitions_answer() {
        let cases = [
            ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", Some(true)),
            ("'masculine'.memberOf(%`vs-administrative-gender`)", Some(false)),
            ("maritalStatus.memberOf('http://hl7.org/fhir/ValueSet/marital-status')", Some(true)),
            ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", Some(true)),
            ("conformsTo('http://hl7.org/fhir/StructureDefinition/Observation')", Some(false)),
            ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient|4.0.1')", Some(true)),
            ("contact.name.conformsTo('http://hl7.org/fhir/StructureDefinition/HumanName')", Some(true)),
            ("contact.name.conformsTo('http://hl7.org/fhir/StructureDefinition/Address')", Some(false)),
            ("contact.name.conformsTo('http://hl7.org/fhir/StructureDefinition/Element')", Some(true)),
            ("contact.conformsTo('http://hl7.org/fhir/StructureDefinition/BackboneElement')", Some(true)),
            ("text.conformsTo('http://hl7.org/fhir/StructureDefinition/Narrative')", Some(true)),
            ("gender.conformsTo('http://hl7.org/fhir/StructureDefinition/code')", Some(true)),
            ("gender.conformsTo('http://hl7.org/fhir/StructureDefinition/string')", Some(true)),
            ("gender.conformsTo('http://hl7.org/fhir/StructureDefinition/id')", Some(false)),
            ("maritalStatus.conformsTo('http://hl7.org/fhir/StructureDefinition/CodeableConcept|4.0.1')", Some(true)),
            ("generalPractitioner.conformsTo('http://hl7.org/fhir/StructureDefinition/Reference')", Some(true)),
            ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1')", Some(true)),
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
            "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient|9.9')",
            "contact.name.conformsTo('http://hl7.org/fhir/StructureDefinition/HumanName|9.9')",
            "gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender|9.9')",
            "contact.relationship[0].subsumes(%context.contact.relationship[2])",
            "gender.subsumes(gender)",
            "contact.relationship.memberOf('http://hl7.org/fhir/ValueSet/marital-status')",
            "'M'.memberOf('http://hl7.org/fhir/ValueSet/marital-status')",
        ] {
            assert!(asked(text).is_err(), "{text}");
        }
    }
}
