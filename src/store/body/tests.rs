//! Tests of the stored form, its speed, and the making of the dictionary.

use std::io::Read;
use std::time::Instant;

use super::*;

const TIME: Timestamp = Timestamp(1_709_210_096_789_000);

/// Types that hospitals store; definitions (StructureDefinition, ValueSet ...) are large and rare.
const STORED: &[&str] = &[
    "Account",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "BodyStructure",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "DetectedIssue",
    "Device",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "Group",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "Invoice",
    "List",
    "Location",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "NutritionOrder",
    "Observation",
    "Organization",
    "Patient",
    "Person",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "RiskAssessment",
    "Schedule",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "Subscription",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "VisionPrescription",
];

/// The examples as the server would store them: minified, narratives cut to their wrapper (each is unlike the others).
fn samples() -> Vec<Vec<u8>> {
    let path = std::env::var_os("CRESSET_R4_EXAMPLES").expect("CRESSET_R4_EXAMPLES: hl7.fhir.r4.examples-4.0.1.tgz");
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut samples = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let wanted = STORED.iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')));
        if !wanted {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        if let Some(div) = json.pointer_mut("/text/div") {
            *div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">".into();
        }
        samples.push((name, serde_json::to_vec(&json).unwrap()));
    }
    samples.sort();
    samples.into_iter().map(|(_, json)| json).filter(|json| json.len() < 16_384).collect()
}

#[test]
#[ignore = "makes dictionary.bin again from CRESSET_R4_EXAMPLES"]
fn train_dictionary() {
    let samples = samples();
    let dictionary = zstd::dict::from_samples(&samples, 64 << 10).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/body/dictionary.bin");
    println!("{} samples, {} bytes", samples.len(), dictionary.len());
    if path.exists() && std::env::var_os("CRESSET_WRITE_DICTIONARY").is_none() {
        assert!(std::fs::read(path).unwrap() == dictionary);
    } else {
        std::fs::write(path, dictionary).unwrap();
    }
}
