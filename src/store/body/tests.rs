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
    let dictionary = zstd::dict::from_samples(&samples, 112 << 10).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/body/dictionary.bin");
    println!("{} samples, {} bytes", samples.len(), dictionary.len());
    if path.exists() && std::env::var_os("CRESSET_WRITE_DICTIONARY").is_none() {
        assert!(std::fs::read(path).unwrap() == dictionary);
    } else {
        std::fs::write(path, dictionary).unwrap();
    }
}

fn splice(offset: usize, place: Place) -> Splice {
    Splice { offset, place }
}

fn shown(json: &str, offset: usize, place: Place) -> String {
    let stored = encode(json.as_bytes(), splice(offset, place)).unwrap();
    let shown = decode(&stored, 3, TIME).unwrap();
    assert_eq!(shown, complete(json.as_bytes(), splice(offset, place), 3, TIME).unwrap());
    String::from_utf8(shown.to_vec()).unwrap()
}

#[test]
fn splices_version_and_time_into_meta() {
    let meta = r#""versionId":"3","lastUpdated":"2024-02-29T12:34:56.789Z""#;
    let filled = r#"{"id":"1","meta":{"source":"x"}}"#;
    assert_eq!(shown(filled, 18, Place::Filled), format!(r#"{{"id":"1","meta":{{{meta},"source":"x"}}}}"#));
    assert_eq!(shown(r#"{"id":"1","meta":{}}"#, 18, Place::Empty), format!(r#"{{"id":"1","meta":{{{meta}}}}}"#));
    assert_eq!(shown(r#"{"id":"1","a":2}"#, 10, Place::Absent), format!(r#"{{"id":"1","meta":{{{meta}}},"a":2}}"#));
    assert_eq!(shown(r#"{"id":"1"}"#, 9, Place::AbsentLast), format!(r#"{{"id":"1","meta":{{{meta}}}}}"#));
}

#[test]
fn keeps_every_length_and_content() {
    let long = format!(r#"{{"resourceType":"Observation","note":[{}]}}"#, r#"{"text":"é"},"#.repeat(20_000));
    let noise: String =
        (0..3000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    for json in ["{}", "{\"id\":\"1\"}", &long, &noise] {
        let stored = encode(json.as_bytes(), splice(1, Place::AbsentLast)).unwrap();
        assert!(stored.len() <= json.len() + 16);
        let shown = decode(&stored, 1, TIME).unwrap();
        let insert = r#","meta":{"versionId":"1","lastUpdated":"2024-02-29T12:34:56.789Z"}"#;
        assert_eq!(shown, format!("{}{insert}{}", &json[..1], &json[1..]));
    }
    assert!(encode(long.as_bytes(), splice(1, Place::Filled)).unwrap().len() < long.len() / 20);
    assert!(encode(b"{}", splice(3, Place::Filled)).is_err());
}

#[test]
fn refuses_what_it_does_not_know_and_what_is_broken() {
    let json = r#"{"resourceType":"Patient","id":"1","name":[{"family":"Chalmers","given":["Peter","James"]}]}"#;
    let stored = encode(json.as_bytes(), splice(1, Place::Absent)).unwrap();
    assert_eq!(stored[0], FORMAT << 5 | ZSTD_1 << 2);
    for first in [0, 0xFF, stored[0] | 1, FORMAT << 5 | 2 << 2, 2 << 5] {
        let mut other = stored.clone();
        other[0] = first;
        assert!(decode(&other, 1, TIME).unwrap_err().message().contains("unknown format"));
    }
    for length in 0..stored.len() {
        decode(&stored[..length], 1, TIME).unwrap_err();
    }
    let mut longer = stored.clone();
    longer[2] ^= 0x40;
    decode(&longer, 1, TIME).unwrap_err();
    decode(&[FORMAT << 5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], 1, TIME).unwrap_err();
    // A length of 1 TiB must not be believed.
    decode(&[FORMAT << 5, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20], 1, TIME).unwrap_err();
}

/// Resources one per line from `CRESSET_RESOURCES`.
#[test]
#[ignore = "measures compression of CRESSET_RESOURCES (NDJSON); run in release"]
fn speed() {
    let text =
        std::fs::read(std::env::var_os("CRESSET_RESOURCES").expect("CRESSET_RESOURCES: an NDJSON file")).unwrap();
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| line.len() > 2).collect();
    let place = splice(1, Place::Absent);
    for _ in 0..2 {
        let start = Instant::now();
        let stored: Vec<_> = lines.iter().map(|json| encode(json, place).unwrap()).collect();
        let encoded = start.elapsed();
        let start = Instant::now();
        let shown: usize = stored.iter().map(|stored| decode(stored, 1, TIME).unwrap().len()).sum();
        let decoded = start.elapsed();
        let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6 / lines.len() as f64;
        println!(
            "{} resources of {} bytes, stored in {}; encode {:.2} us, decode {:.2} us ({shown} bytes)",
            lines.len(),
            lines.iter().map(|line| line.len()).sum::<usize>() / lines.len(),
            stored.iter().map(Vec::len).sum::<usize>() / lines.len(),
            micros(encoded),
            micros(decoded)
        );
    }
}

/// One stored body of every form ever written, with what it must be read as.
const GOLDEN: &[(&str, &str)] = &[
    (
        "208301217b227265736f7572636554797065223a224261736963222c226964223a2231227d",
        r#"{"resourceType":"Basic","id":"1","meta":{"versionId":"7","lastUpdated":"2024-02-29T12:34:56.789Z"}}"#,
    ),
    (
        "24b801ab0128b52ffd00006d01001831787d0dfc87544c6b77312ce454bb99a0b09b7607d9fd5a7b61c1ae93bcb64ba0ff8fc2be6ea0d1c0292440",
        r#"{"resourceType":"Patient","id":"pat1","meta":{"versionId":"7","lastUpdated":"2024-02-29T12:34:56.789Z","source":"urn:x"},"name":[{"use":"official","family":"Chalmers","given":["Peter"]}],"gender":"male","birthDate":"1974-12-25"}"#,
    ),
    (
        "24bd01ab0128b52ffd00005d0100e38002ff5b99e529766d1ac7f909fcc386048e4c18e3a50105a2a005600e00f2ffcfb1ef05391a4625f409",
        r#"{"resourceType":"Observation","id":"o","meta":{"versionId":"7","lastUpdated":"2024-02-29T12:34:56.789Z"},"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/pat1"}}"#,
    ),
    (
        "248201980128b52ffd00009d0100f3c002df1a619ce9de55d2c79b9f0cfc695f697f05626188115b0bb0a49829fc27adb811213c887edf57d45cf5281a08adba0a",
        r#"{"resourceType":"Slot","id":"s","meta":{"versionId":"7","lastUpdated":"2024-02-29T12:34:56.789Z"},"schedule":{"reference":"Schedule/example"},"status":"free","start":"2013-12-25T09:15:00Z","end":"2013-12-25T09:30:00Z"}"#,
    ),
];

const DICTIONARY_HASH: u64 = 0x6169775f152ba95d;

#[test]
fn golden() {
    for (stored, json) in GOLDEN {
        let bytes: Vec<u8> =
            (0..stored.len()).step_by(2).map(|at| u8::from_str_radix(&stored[at..at + 2], 16).unwrap()).collect();
        let shown = decode(&bytes, 7, TIME).unwrap();
        assert_eq!(std::str::from_utf8(&shown).unwrap(), *json);
    }
    // The dictionary is part of the format.
    assert_eq!(twox_hash::XxHash3_64::oneshot(DICTIONARY_1), DICTIONARY_HASH);
}
