//! Reads and searches.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::client::{Call, Drive, Until, ask, drive, ids, page};
use super::measure::Latencies;
use crate::base::fault::{Fault, Result};
use crate::base::net::Connection;

/// A kind of search that is measured.
#[derive(Debug)]
pub struct Kind {
    /// For people.
    pub name: &'static str,
    /// Its longest latency in ms at the 99th percentile, where the requirements name one.
    pub p99_ms: Option<f64>,
    /// How many times longer the middle one may take than on a store of a tenth of the size.
    pub growth: Option<f64>,
    /// Path and query; `{patient}` becomes the id of a patient, another one each time.
    pub query: &'static str,
    /// How often it is sent.
    pub rounds: usize,
}

/// Heart rate: one tenth of the resources of a store of brief records.
pub const COUNTED: &str = "Observation?code=http://loinc.org|8867-4&_summary=count";

/// The searches.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "search patient + code, newest first, 50",
        p99_ms: Some(10.0),
        growth: Some(1.5),
        query: "Observation?patient={patient}&code=http://loinc.org|8867-4&_sort=-date&_count=50",
        rounds: 1500,
    },
    Kind { name: "count by code", p99_ms: Some(2.0), growth: None, query: COUNTED, rounds: 500 },
    Kind {
        name: "chain through all subjects",
        p99_ms: Some(200.0),
        growth: None,
        query: "Observation?subject:Patient.gender=female,male,other,unknown&code=http://loinc.org|8867-4&_count=10",
        rounds: 60,
    },
    Kind {
        name: "_has through all subjects",
        p99_ms: Some(200.0),
        growth: None,
        query: "Patient?_has:Observation:patient:code=http://loinc.org|8867-4&_count=10",
        rounds: 60,
    },
    Kind {
        name: "search by code, newest first, 50",
        p99_ms: None,
        growth: None,
        query: "Observation?code=http://loinc.org|8867-4&_sort=-date&_count=50",
        rounds: 200,
    },
    Kind { name: "search by name", p99_ms: None, growth: None, query: "Patient?name=mul&_count=20", rounds: 300 },
    Kind {
        name: "search by value, any unit",
        p99_ms: None,
        growth: None,
        query: "Observation?code-value-quantity=http://loinc.org|29463-7$gt90|http://unitsofmeasure.org|kg&_count=20",
        rounds: 300,
    },
    Kind {
        name: "search by dates, sorted",
        p99_ms: None,
        growth: None,
        query: "Observation?date=ge2025-03-01&date=lt2025-04-01&_sort=date&_count=50",
        rounds: 300,
    },
    Kind {
        name: "a patient with everything that refers to her",
        p99_ms: None,
        growth: None,
        query: "Patient?_id={patient}&_revinclude=Observation:patient&_revinclude=Encounter:patient",
        rounds: 300,
    },
];

/// Ids of patients, and of the resources that are read.
#[derive(Debug, Clone)]
pub struct Known {
    /// Ids of Patients.
    pub patients: Arc<Vec<String>>,
    /// `Type/id`.
    pub readable: Arc<Vec<String>>,
    /// The mean size of a read's answer.
    pub bytes: usize,
}

/// Looks up what is there.
///
/// # Errors
/// 500 when there are no patients.
pub async fn known(authority: &str) -> Result<Known> {
    let mut connection = Connection::new(authority)?;
    // By names and values, so that they stand all over the store and not where it begins.
    let patients = ids(&mut connection, "Patient?_sort=given,birthdate", 1000).await?;
    if patients.is_empty() {
        return Err(Fault::internal("the store has no patients"));
    }
    let mut readable: Vec<_> = patients.iter().map(|id| format!("Patient/{id}")).collect();
    for (kind, sort) in [("Observation", "value-quantity"), ("Encounter", "date"), ("Condition", "onset-date")] {
        let found = ids(&mut connection, &format!("{kind}?_sort={sort}"), 1000).await?;
        readable.extend(found.into_iter().map(|id| format!("{kind}/{id}")));
    }
    let mut bytes = 0;
    for path in readable.iter().step_by(readable.len().div_ceil(100)) {
        bytes += ask(&mut connection, Call::get(format!("/fhir/{path}"))).await?.body.len();
    }
    let sampled = readable.len().div_ceil(readable.len().div_ceil(100));
    Ok(Known { patients: Arc::new(patients), readable: Arc::new(readable), bytes: bytes / sampled.max(1) })
}

/// Most resources that [`scattered`] names.
const SCATTERED: usize = 50_000;

/// Many resources all over the store.
///
/// # Errors
/// 500 when the server does.
pub async fn scattered(authority: &str) -> Result<Vec<String>> {
    let mut connection = Connection::new(authority)?;
    let first = "/fhir/Observation?code=http://loinc.org%7C8867-4&_sort=_id&_elements=id&_count=1000";
    let (mut found, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next.filter(|_| found.len() < SCATTERED) {
        let page = page(&mut connection, path).await?;
        found.extend(page.ids.into_iter().map(|id| format!("Observation/{id}")));
        next = page.next;
    }
    Ok(found)
}

/// Reads each of some resources once, over 16 connections.
///
/// # Errors
/// 500 when one fails.
pub async fn read_once(authority: &str, paths: Vec<String>) -> Result<Drive> {
    let until = Until { requests: paths.len(), time: Duration::from_secs(60) };
    // A stride that shares no factor with the length visits each once, in a scattered order.
    let stride = [7919, 7907, 7901].into_iter().find(|stride| !paths.len().is_multiple_of(*stride)).unwrap_or(1);
    let make = move |number: usize| Call::get(format!("/fhir/{}", paths[number.wrapping_mul(stride) % paths.len()]));
    drive(authority, 16, until, make).await
}

/// Reads by id over 16 connections for a while; `format` is a query or nothing.
///
/// # Errors
/// 500 when one fails.
pub async fn reads(authority: &str, time: Duration, known: &Known, format: &'static str) -> Result<Drive> {
    let readable = known.readable.clone();
    let make = move |number: usize| {
        Call::get(format!("/fhir/{}{format}", readable[number.wrapping_mul(7919) % readable.len()]))
    };
    drive(authority, 16, Until { requests: 50_000_000, time }, make).await
}

/// The same requests to the bare handler.
///
/// # Errors
/// 500 when one fails.
pub async fn bare_reads(authority: &str, time: Duration) -> Result<Drive> {
    drive(authority, 16, Until { requests: 50_000_000, time }, |_| Call::get("/fhir/Patient/0")).await
}

/// Sends a search over one connection, again and again.
///
/// # Errors
/// 500 when one fails.
pub async fn searches(authority: &str, kind: &Kind, known: &Known) -> Result<Latencies> {
    let patients = known.patients.clone();
    let query = kind.query;
    let make = move |number: usize| {
        let path = query.replace("{patient}", &patients[number.wrapping_mul(7919) % patients.len()]);
        Call { method: Method::GET, path: format!("/fhir/{}", path.replace('|', "%7C")), body: Default::default() }
    };
    // The first ones warm caches up; they are not counted.
    drive(authority, 1, Until { requests: 5, time: Duration::from_secs(30) }, make.clone()).await?;
    let until = Until { requests: kind.rounds, time: Duration::from_secs(30) };
    Ok(drive(authority, 1, until, make).await?.latencies)
}
