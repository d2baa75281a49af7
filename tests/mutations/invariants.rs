//! Ways to break invariants: for a type, what is laid over a value of it (as a JSON merge patch).

use serde_json::{Map, Value};

use super::kinds::{Expected, Kind};
use super::random::Random;
use super::site::Site;

/// The kind.
pub const KIND: Kind = Kind { name: "invariant", expected: Expected::Refused, apply };

/// Type, key of the invariant, what breaks it.
const WAYS: &[(&str, &str, &str)] = &[
    ("Patient", "pat-1", r#"{"contact":[{"relationship":[{"text":"x"}]}]}"#),
    (
        "Observation",
        "obs-6",
        r#"{"dataAbsentReason":{"text":"x"},"valueQuantity":null,"valueCodeableConcept":null,"valueString":"x"}"#,
    ),
    ("Observation", "obs-3", r#"{"referenceRange":[{"age":{"low":{"value":1}}}]}"#),
    ("AllergyIntolerance", "ait-1", r#"{"clinicalStatus":null,"verificationStatus":null}"#),
    (
        "AllergyIntolerance",
        "ait-2",
        r#"{"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification","code":"entered-in-error"}]}}"#,
    ),
    ("Appointment", "app-2", r#"{"start":"2020-01-01T00:00:00Z","end":null}"#),
    ("Appointment", "app-3", r#"{"start":null,"end":null,"status":"booked"}"#),
    (
        "Appointment",
        "app-4",
        r#"{"status":"booked","start":"2020-01-01T00:00:00Z","end":"2020-01-01T01:00:00Z","cancelationReason":{"text":"x"}}"#,
    ),
    ("Appointment", "app-1", r#"{"participant":[{"status":"accepted"}]}"#),
    ("AppointmentResponse", "apr-1", r#"{"participantType":null,"actor":null}"#),
    ("AuditEvent", "sev-1", r#"{"entity":[{"name":"x","query":"QUJD"}]}"#),
    ("CarePlan", "cpl-3", r#"{"activity":[{"reference":{"display":"x"},"detail":{"status":"completed"}}]}"#),
    (
        "Condition",
        "con-4",
        r#"{"abatementString":"x","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}"#,
    ),
    (
        "Condition",
        "con-5",
        r#"{"abatementString":null,"abatementDateTime":null,"abatementAge":null,"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"entered-in-error"}]}}"#,
    ),
    ("Condition", "con-1", r#"{"stage":[{"type":{"text":"x"}}]}"#),
    ("Condition", "con-2", r#"{"evidence":[{"id":"x"}]}"#),
    ("Consent", "ppc-1", r#"{"policy":null,"policyRule":null}"#),
    ("CapabilityStatement", "cpb-1", r#"{"rest":null,"messaging":null,"document":null}"#),
    ("CapabilityStatement", "cpb-14", r#"{"kind":"instance","implementation":null,"software":{"name":"x"}}"#),
    ("CapabilityStatement", "cpb-15", r#"{"kind":"capability","implementation":{"description":"x"}}"#),
    ("CapabilityStatement", "cpb-16", r#"{"kind":"requirements","implementation":{"description":"x"}}"#),
    ("Composition", "cmp-1", r#"{"section":[{"title":"x"}]}"#),
    ("Composition", "cmp-2", r#"{"section":[{"title":"x","emptyReason":{"text":"x"},"entry":[{"display":"x"}]}]}"#),
    (
        "FamilyMemberHistory",
        "fhs-1",
        r#"{"ageString":"x","ageAge":null,"ageRange":null,"bornString":"x","bornDate":null,"bornPeriod":null}"#,
    ),
    ("FamilyMemberHistory", "fhs-2", r#"{"ageString":null,"ageAge":null,"ageRange":null,"estimatedAge":true}"#),
    ("Goal", "gol-1", r#"{"target":[{"detailString":"x"}]}"#),
    ("Group", "grp-1", r#"{"actual":false,"member":[{"entity":{"display":"x"}}]}"#),
    ("Immunization", "imm-1", r#"{"education":[{"presentationDate":"2020"}]}"#),
    ("ImmunizationRecommendation", "imr-1", r#"{"recommendation":[{"forecastStatus":{"text":"x"}}]}"#),
    ("InsurancePlan", "ipn-1", r#"{"name":null,"identifier":null}"#),
    ("Linkage", "lnk-1", r#"{"item":[{"type":"source","resource":{"display":"x"}}]}"#),
    ("List", "lst-1", r#"{"emptyReason":{"text":"x"},"mode":"working","entry":[{"item":{"display":"x"}}]}"#),
    ("List", "lst-2", r#"{"mode":"working","entry":[{"deleted":true,"item":{"display":"x"}}]}"#),
    ("List", "lst-3", r#"{"mode":"changes","entry":[{"date":"2020","item":{"display":"x"}}]}"#),
    ("MeasureReport", "mrp-1", r#"{"type":"data-collection","group":[{"code":{"text":"x"}}]}"#),
    ("MedicationAdministration", "mad-1", r#"{"dosage":{"text":"x"}}"#),
    (
        "MedicationDispense",
        "mdd-1",
        r#"{"whenPrepared":"2020-01-02T00:00:00Z","whenHandedOver":"2020-01-01T00:00:00Z"}"#,
    ),
    ("MolecularSequence", "msq-3", r#"{"coordinateSystem":5}"#),
    ("NamingSystem", "nsd-1", r#"{"kind":"root","uniqueId":[{"type":"uuid","value":"x"}]}"#),
    ("Organization", "org-1", r#"{"name":null,"identifier":null}"#),
    ("Organization", "org-2", r#"{"address":[{"use":"home","text":"x"}]}"#),
    ("Organization", "org-3", r#"{"telecom":[{"use":"home","system":"phone","value":"x"}]}"#),
    ("OperationDefinition", "opd-1", r#"{"parameter":[{"name":"x","use":"in","min":0,"max":"1"}]}"#),
    (
        "OperationDefinition",
        "opd-2",
        r#"{"parameter":[{"name":"x","use":"in","min":0,"max":"1","type":"code","searchType":"token"}]}"#,
    ),
    (
        "Questionnaire",
        "que-2",
        r#"{"item":[{"linkId":"1","type":"string","text":"x"},{"linkId":"1","type":"string","text":"y"}]}"#,
    ),
    ("Questionnaire", "que-1", r#"{"item":[{"linkId":"1","type":"group","text":"x"}]}"#),
    (
        "Questionnaire",
        "que-3",
        r#"{"item":[{"linkId":"1","type":"display","text":"x","code":[{"code":"x","system":"http://example.org"}]}]}"#,
    ),
    ("Questionnaire", "que-6", r#"{"item":[{"linkId":"1","type":"display","text":"x","required":true}]}"#),
    (
        "Questionnaire",
        "que-8",
        r#"{"item":[{"linkId":"1","type":"display","text":"x","initial":[{"valueString":"x"}]}]}"#,
    ),
    ("Questionnaire", "que-10", r#"{"item":[{"linkId":"1","type":"date","text":"x","maxLength":5}]}"#),
    (
        "Questionnaire",
        "que-11",
        r#"{"item":[{"linkId":"1","type":"choice","text":"x","answerOption":[{"valueString":"x"}],"initial":[{"valueString":"x"}]}]}"#,
    ),
    (
        "Questionnaire",
        "que-13",
        r#"{"item":[{"linkId":"1","type":"string","text":"x","initial":[{"valueString":"x"},{"valueString":"y"}]}]}"#,
    ),
    (
        "Questionnaire",
        "que-7",
        r#"{"item":[{"linkId":"1","type":"string","text":"x"},{"linkId":"2","type":"string","text":"x","enableWhen":[{"question":"1","operator":"exists","answerString":"x"}]}]}"#,
    ),
    ("RiskAssessment", "ras-2", r#"{"prediction":[{"outcome":{"text":"x"},"probabilityDecimal":101}]}"#),
    (
        "RequestGroup",
        "rqg-1",
        r#"{"action":[{"title":"x","resource":{"display":"x"},"action":[{"title":"y","resource":{"display":"x"}}]}]}"#,
    ),
    ("ServiceRequest", "prr-1", r#"{"code":null,"orderDetail":[{"text":"x"}]}"#),
    ("SearchParameter", "spd-1", r#"{"expression":null,"xpath":null,"type":"token","component":null}"#),
    ("SearchParameter", "spd-2", r#"{"chain":["x"],"type":"token"}"#),
    (
        "ResearchElementDefinition",
        "red-1",
        r#"{"characteristic":[{"definitionCanonical":"http://example.org/x","usageContext":[]}]}"#,
    ),
    ("TestScript", "tst-3", r#"{"variable":[{"name":"x","expression":"x","path":"x"}]}"#),
    ("ValueSet", "vsd-1", r#"{"compose":{"include":[{"version":"1"}]}}"#),
    (
        "ValueSet",
        "vsd-2",
        r#"{"compose":{"include":[{"valueSet":["http://example.org/x"],"concept":[{"code":"x"}]}]}}"#,
    ),
    (
        "ValueSet",
        "vsd-3",
        r#"{"compose":{"include":[{"system":"http://example.org/x","concept":[{"code":"x"}],"filter":[{"property":"concept","op":"is-a","value":"x"}]}]}}"#,
    ),
    ("CodeSystem", "csd-1", r#"{"concept":[{"code":"x"},{"code":"x"}],"count":null}"#),
    (
        "ConceptMap",
        "cmd-1",
        r#"{"group":[{"source":"http://example.org/a","target":"http://example.org/b","element":[{"code":"x","target":[{"code":"y","equivalence":"narrower"}]}]}]}"#,
    ),
    (
        "ImplementationGuide",
        "ig-1",
        r#"{"definition":{"resource":[{"reference":{"reference":"Patient/x"},"groupingId":"nonsense"}]}}"#,
    ),
    ("Bundle", "bdl-1", r#"{"type":"collection","total":1}"#),
    ("Bundle", "bdl-3", r#"{"type":"transaction","total":null,"entry":[{"resource":{"resourceType":"Patient"}}]}"#),
    ("Bundle", "bdl-4", r#"{"type":"batch-response","total":null,"entry":[{"resource":{"resourceType":"Patient"}}]}"#),
    (
        "Bundle",
        "bdl-5",
        r#"{"type":"collection","total":null,"entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}]}"#,
    ),
    (
        "Bundle",
        "bdl-7",
        r#"{"type":"collection","total":null,"entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient"}},{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient"}}]}"#,
    ),
    (
        "Bundle",
        "bdl-11",
        r#"{"type":"document","total":null,"identifier":{"system":"http://example.org","value":"x"},"timestamp":"2020-01-01T00:00:00Z","entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient"}}]}"#,
    ),
    ("Parameters", "inv-1", r#"{"parameter":[{"name":"x"}]}"#),
    (
        "Parameters",
        "inv-1",
        r#"{"parameter":[{"name":"x","valueString":"x","part":[{"name":"y","valueString":"x"}]}]}"#,
    ),
    ("Attachment", "att-1", r#"{"data":"QUJD","contentType":null}"#),
    ("ContactPoint", "cpt-2", r#"{"value":"x","system":null}"#),
    ("Age", "age-1", r#"{"value":5,"unit":"x","code":null,"system":null}"#),
    ("Age", "age-1", r#"{"value":-5,"unit":"a","code":"a","system":"http://unitsofmeasure.org"}"#),
    ("Duration", "drt-1", r#"{"value":5,"unit":"x","code":"x","system":"http://example.org"}"#),
    ("Quantity", "qty-3", r#"{"value":5,"unit":"x","code":"x","system":null}"#),
    ("Period", "per-1", r#"{"start":"2021-01-01","end":"2020-01-01"}"#),
    ("Range", "rng-2", r#"{"low":{"value":5,"unit":"m"},"high":{"value":4,"unit":"m"}}"#),
    ("Ratio", "rat-1", r#"{"numerator":{"value":5},"denominator":null}"#),
    ("Timing", "tim-1", r#"{"repeat":{"duration":5}}"#),
    ("Timing", "tim-2", r#"{"repeat":{"period":5}}"#),
    ("Timing", "tim-5", r#"{"repeat":{"period":-5,"periodUnit":"d"}}"#),
    ("Timing", "tim-6", r#"{"repeat":{"periodMax":5,"period":null,"periodUnit":null}}"#),
    ("Timing", "tim-8", r#"{"repeat":{"countMax":5,"count":null}}"#),
    ("Timing", "tim-9", r#"{"repeat":{"offset":5,"when":["C"],"timeOfDay":null}}"#),
    ("Timing", "tim-10", r#"{"repeat":{"when":["MORN"],"timeOfDay":["10:00:00"]}}"#),
    ("Expression", "exp-1", r#"{"expression":null,"reference":null,"language":"text/fhirpath"}"#),
    ("DataRequirement", "drq-1", r#"{"codeFilter":[{"path":"code","searchParam":"code"}]}"#),
    ("TriggerDefinition", "trd-3", r#"{"type":"named-event","name":null}"#),
    ("ElementDefinition", "eld-2", r#"{"min":2,"max":"1"}"#),
    ("ElementDefinition", "eld-8", r#"{"fixedString":"x","patternString":"x","type":[{"code":"string"}]}"#),
    ("ElementDefinition", "eld-18", r#"{"isModifier":true,"isModifierReason":null}"#),
    ("Narrative", "txt-2", r#"{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"}"#),
];

fn apply(root: &mut Value, site: &Site, random: &mut Random) -> Option<String> {
    let ways: Vec<_> = WAYS.iter().filter(|way| way.0 == site.type_id.name()).collect();
    let value = site.value(root).filter(|value| value.is_object() && !ways.is_empty())?;
    let patch: Map<String, Value> = serde_json::from_str(random.pick(&ways).2).ok()?;
    let before = value.clone();
    merge(value, &patch);
    (*value != before).then(|| site.path.clone())
}

/// RFC 7386.
fn merge(value: &mut Value, patch: &Map<String, Value>) {
    let Some(object) = value.as_object_mut() else { return };
    for (name, new) in patch {
        match new {
            Value::Null => drop(object.shift_remove(name)),
            Value::Object(inner) if object.get(name).is_some_and(Value::is_object) => {
                merge(&mut object[name], inner);
            }
            new => drop(object.insert(name.clone(), new.clone())),
        }
    }
}
