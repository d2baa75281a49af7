//! Import, single creates, and how soon a write is found.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Call, Drive, Until, ask, drive, total};
use super::data::{Chunk, Supply};
use super::measure::Latencies;
use crate::base::fault::{Fault, Result};
use crate::base::net::Connection;
use crate::cli::generate::Generator;
use crate::cli::load::{Pace, Pipeline, Target, find};

/// What an import measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Imported {
    /// Resources that are in.
    pub resources: u64,
    /// Their size as NDJSON; 0 when it is not known.
    pub ndjson_bytes: u64,
    /// From the first request until a search has counted everything.
    pub elapsed: Duration,
}

impl Imported {
    /// Resources per second.
    pub fn rate(&self) -> f64 {
        self.resources as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

const NO_LIMIT: Duration = Duration::from_secs(3600);

/// Imports generated transaction Bundles; the clock stands still while they are made.
///
/// # Errors
/// 500 when the server refuses one, or when the count in the end is wrong.
pub async fn generated(authority: &str, generator: Generator, resources: u64, connections: usize) -> Result<Imported> {
    let mut supply = Supply::new(generator, resources);
    let mut connection = Connection::new(authority)?;
    let before = total(&mut connection, "Observation").await?;
    let (mut imported, mut observations) = (Imported::default(), 0);
    let mut chunk = Some(supply.hospital());
    while let Some(Chunk { bundles, resources, observations: new, ndjson_bytes }) = chunk {
        imported.resources += resources;
        imported.ndjson_bytes += ndjson_bytes;
        observations += new;
        let until = Until { requests: bundles.len(), time: NO_LIMIT };
        let found =
            drive(authority, connections, until, move |number| Call::post("/fhir", bundles[number].clone())).await?;
        imported.elapsed += found.elapsed;
        chunk = supply.next();
    }
    let started = Instant::now();
    let counted = total(&mut connection, "Observation").await?;
    imported.elapsed += started.elapsed();
    if counted != before + observations {
        return Err(Fault::internal(format!(
            "import: {counted} Observations are there, not {}",
            before + observations
        )));
    }
    Ok(imported)
}

/// Imports files as `cresset load` does.
///
/// # Errors
/// 500 when anything fails.
pub async fn files(authority: &str, paths: &[PathBuf], connections: usize) -> Result<Imported> {
    let files = find(paths)?;
    let pace = Arc::new(Pace::new(files.first.len() + files.rest.len(), None));
    let target = Target::new(&format!("http://{authority}/fhir"))?;
    let started = Instant::now();
    Pipeline { parallel: connections, batch: 200 }.run(files, &target, &pace).await?;
    let summary = pace.finish();
    let counted = total(&mut Connection::new(authority)?, "Observation").await?;
    let elapsed = started.elapsed();
    if summary.failed_files > 0 || counted == 0 {
        return Err(Fault::internal(format!("import: {summary}; {counted} Observations are there")));
    }
    Ok(Imported { resources: summary.done, ndjson_bytes: 0, elapsed })
}

/// An Observation as a device sends it, with its own identifier.
fn observation(number: usize, run: u64, patient: &str) -> String {
    let (systolic, minute) = (90 + number % 90, number % 60);
    format!(
        r#"{{"resourceType":"Observation","identifier":[{{"system":"https://beacon.example.org/id/bench","value":"{run}-{number}"}}],"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"}}],"text":"Systolic blood pressure"}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2026-10-05T08:{minute:02}:00-04:00","issued":"2026-10-05T12:{minute:02}:01.000Z","valueQuantity":{{"value":{systolic},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},"interpretation":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}}]}}]}}"#
    )
}

/// Creates single Observations over 64 connections for a while; ends when a count proves them.
///
/// # Errors
/// 500 when one is refused or the count is wrong.
pub async fn creates(authority: &str, run: u64, time: Duration, patients: &Arc<Vec<String>>) -> Result<Drive> {
    let mut connection = Connection::new(authority)?;
    let search = "Observation?code=http://loinc.org|8480-6&category=vital-signs";
    let before = total(&mut connection, search).await?;
    let until = Until { requests: 5_000_000, time };
    let patients = patients.clone();
    let make = move |number| {
        let patient = &patients[number % patients.len()];
        Call::post("/fhir/Observation", observation(number, run, patient))
    };
    let mut found = drive(authority, 64, until, make).await?;
    let started = Instant::now();
    let counted = total(&mut connection, search).await? - before;
    found.elapsed += started.elapsed();
    if counted != found.latencies.count() as u64 {
        return Err(Fault::internal(format!(
            "creates: {counted} are there, {} were answered",
            found.latencies.count()
        )));
    }
    Ok(found)
}

/// Writes, then searches for what was written; the latency is that of both together.
///
/// # Errors
/// 500 when the search does not find it.
pub async fn visibility(authority: &str, run: u64, rounds: usize, patient: &str) -> Result<Latencies> {
    let mut connection = Connection::new(authority)?;
    let mut latencies = Latencies::default();
    for number in 0..rounds {
        let call = Call::post("/fhir/Observation", observation(number, run, patient));
        let search = format!("Observation?identifier=https://beacon.example.org/id/bench|{run}-{number}");
        let started = Instant::now();
        ask(&mut connection, call).await?;
        let answer = ask(&mut connection, Call::get(format!("/fhir/{search}"))).await?;
        latencies.add(started.elapsed());
        if memchr::memmem::find(&answer.body, b"\"fullUrl\"").is_none() {
            return Err(Fault::internal(format!("visibility: {search} finds nothing")));
        }
    }
    Ok(latencies)
}
