//! How long it takes to check resources and to evaluate FHIRPath: `cargo bench --bench validation`. After criterion's own
//! report it prints the time of each beside that of the structure checks, and the bound of the requirements: an
//! Observation against base and US Core in less than 100 µs.
//!
//! The resources are those of a Synthea patient, and the package is US Core 3.1.1, where they lie beside the repository;
//! else resources of ours, against the base definitions only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::Criterion;

use cresset::fhir::definitions::package::Package;
use cresset::fhir::fhirpath::{Context, Node, compile};
use cresset::fhir::json::{Json, parse};
use cresset::fhir::validate::{Options, Registry, structure, validate};

const KINDS: [&str; 3] = ["Observation", "Patient", "ExplanationOfBenefit"];

const SYNTHEA: &str = "synthea/085e81c0-7a95-ef02-16ef-aa1b4344deed.json.bz2";
const US_CORE: &str = "packages/hl7.fhir.us.core-3.1.1.tgz";

/// Expressions that invariants and search parameters are made of.
const EXPRESSIONS: [(&str, &str, &str); 3] = [
    ("path", "Observation", "Observation.code.coding.code"),
    ("invariant", "Observation", "dataAbsentReason.empty() or value.empty()"),
    ("filter", "Patient", "Patient.telecom.where(system = 'phone' and use = 'home').value"),
];

/// Microseconds by the name of what was measured: the best of criterion's samples.
type Times = RefCell<BTreeMap<String, f64>>;

fn main() {
    let mut criterion =
        Criterion::default().sample_size(30).measurement_time(Duration::from_secs(2)).configure_from_args();
    let times = Times::default();
    let registries = [("base", Some(Registry::with([]))), ("base and US Core", us_core())];
    for (kind, resource) in samples() {
        measure(&mut criterion, &times, &format!("{kind}, structure"), &|| structure(&resource).is_ok());
        for (name, registry) in &registries {
            let Some(registry) = registry else { continue };
            let options = Options { by_meta: true, ..Options::default() };
            let check = || validate(registry, &resource, &[], options).len();
            measure(&mut criterion, &times, &format!("{kind}, {name}"), &check);
        }
        for (name, _, text) in EXPRESSIONS.iter().filter(|expression| expression.1 == kind) {
            let expression = compile(text).expect(text);
            measure(&mut criterion, &times, &format!("FHIRPath {name}, compile"), &|| compile(text).is_ok());
            let eval = || expression.eval(Node::resource(&resource), &Context::default()).map(|items| items.len());
            measure(&mut criterion, &times, &format!("FHIRPath {name}, eval"), &eval);
        }
    }
    criterion.final_summary();
    print(&times.borrow());
}

fn measure<T>(criterion: &mut Criterion, times: &Times, name: &str, work: &dyn Fn() -> T) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let started = Instant::now();
            (0..rounds).for_each(|_| drop(black_box(work())));
            let elapsed = started.elapsed();
            let micros = elapsed.as_secs_f64() * 1e6 / rounds as f64;
            times.borrow_mut().entry(name.to_owned()).and_modify(|best| *best = best.min(micros)).or_insert(micros);
            elapsed
        });
    });
}

fn print(times: &BTreeMap<String, f64>) {
    for (name, micros) in times {
        let kind = name.split(',').next().unwrap_or(name);
        let ratio = match times.get(&format!("{kind}, structure")) {
            Some(structure) => format!("{:.2} x structure", micros / structure),
            None => String::new(),
        };
        println!("{name:48} {micros:9.3} µs  {ratio}");
    }
    if let Some(micros) = times.get("Observation, base and US Core") {
        println!("Observation against base and US Core: {:.3} of the bound of 100 µs", micros / 100.0);
    }
}

fn shared(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared/data", "../../shared/data"].map(|place| root.join(place).join(path));
    places.into_iter().find(|place| place.exists())
}

fn us_core() -> Option<Registry> {
    let archive = File::open(shared(US_CORE)?).expect(US_CORE);
    Some(Registry::with(Package::read(archive).expect(US_CORE).resources))
}

/// One resource of each kind.
fn samples() -> Vec<(&'static str, Json)> {
    let Some(path) = shared(SYNTHEA) else {
        let ours = [OBSERVATION, PATIENT, EXPLANATION];
        return KINDS.into_iter().zip(ours).map(|(kind, text)| (kind, parse(text.as_bytes()).expect(kind))).collect();
    };
    let mut text = Vec::new();
    bzip2::read::BzDecoder::new(File::open(path).expect(SYNTHEA)).read_to_end(&mut text).expect(SYNTHEA);
    let bundle = parse(&text).expect(SYNTHEA);
    let entries = bundle.get("entry").and_then(Json::as_array).unwrap_or_default();
    let is_of = |resource: &&Json, kind: &str| resource.get("resourceType").and_then(Json::as_str) == Some(kind);
    let first = |kind: &str| entries.iter().filter_map(|entry| entry.get("resource")).find(|one| is_of(one, kind));
    KINDS.into_iter().map(|kind| (kind, first(kind).expect(kind).clone())).collect()
}

const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body height"}],"text":"Body height"},"subject":{"reference":"Patient/1"},"effectiveDateTime":"2020-02-01T10:00:00-05:00","issued":"2020-02-01T10:00:00.000-05:00","valueQuantity":{"value":172.5,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}"#;

const PATIENT: &str = r#"{"resourceType":"Patient","identifier":[{"system":"urn:example:mrn","value":"17"}],"active":true,"name":[{"use":"official","family":"Okafor","given":["Ada","Ngozi"],"prefix":["Dr."]}],"telecom":[{"system":"phone","value":"555-0100","use":"home"}],"gender":"female","birthDate":"1961-07-30","address":[{"line":["17 High Street"],"city":"Springfield","state":"MA","postalCode":"01001","country":"US"}],"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},"multipleBirthBoolean":false,"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en-US"}]}}]}"#;

const EXPLANATION: &str = r#"{"resourceType":"ExplanationOfBenefit","status":"active","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claim-type","code":"professional"}]},"use":"claim","patient":{"reference":"Patient/1"},"billablePeriod":{"start":"2020-02-01T10:00:00-05:00","end":"2021-02-01T10:00:00-05:00"},"created":"2020-02-01T10:00:00-05:00","insurer":{"display":"Insurance"},"provider":{"reference":"Practitioner/1"},"outcome":"complete","careTeam":[{"sequence":1,"provider":{"reference":"Practitioner/1"},"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claimcareteamrole","code":"primary"}]}}],"insurance":[{"focal":true,"coverage":{"display":"Insurance"}}],"item":[{"sequence":1,"productOrService":{"text":"visit"},"servicedPeriod":{"start":"2020-02-01T10:00:00-05:00","end":"2020-02-01T11:00:00-05:00"},"net":{"value":80.5,"currency":"USD"},"adjudication":[{"category":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/adjudication","code":"submitted"}]},"amount":{"value":80.5,"currency":"USD"}}]}],"total":[{"category":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/adjudication","code":"submitted"}]},"amount":{"value":80.5,"currency":"USD"}}],"payment":{"amount":{"value":64.4,"currency":"USD"}}}"#;
