//! Measurements (run them in release with `--ignored --nocapture`): what a document costs, and the searches of the
//! requirements' speed table.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use tempfile::TempDir;

use super::prepare::{Document, Prepared, prepare};
use super::reader::Searcher;
use super::tests::*;
use super::writer::{Index, IndexOptions};
use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::base::limits::Limits;
use crate::search::baseline::raw_index;
use crate::search::query::*;
use crate::search::value::*;

/// Observations per patient.
const EACH: usize = 10;

fn patient(n: usize, seq: usize, is_new: bool) -> Document {
    let values = [
        ("name", string(&format!("Name{n}"))),
        ("gender", token(Some("g"), if n.is_multiple_of(2) { "male" } else { "female" })),
    ];
    document(&format!("Patient/p-{n:032}"), seq, is_new, &values)
}

fn observation(n: usize, patients: usize, seq: usize) -> Document {
    let code = if n.is_multiple_of(10) { 0 } else { n % 97 + 1 };
    let code = || token(Some("http://loinc.org"), &format!("{:05}-{}", code * 37, code % 10));
    let amount = || {
        Value::Quantity(quantity(
            Decimal::new((n * 7919 % 20000) as i64, 2),
            "mg/dL",
            Some((Decimal::new((n * 7919 % 20000) as i64, 1), "g.m-3")),
        ))
    };
    let pair = || Value::Composite([code(), amount()].into());
    let subject_of = || subject(&format!("Patient/p-{:032}", n * 31 % patients));
    let start = 1_400_000_000_000_000 + (n as i64 * 7_919_000_000) % 300_000_000_000_000;
    let values = [
        ("_profile", Value::Uri("http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab".into())),
        ("status", token(None, "final")),
        ("category", token(Some("http://terminology.hl7.org/CodeSystem/observation-category"), "laboratory")),
        ("code", code()),
        ("combo-code", code()),
        ("subject", subject_of()),
        ("patient", subject_of()),
        ("encounter", subject(&format!("Encounter/e-{:032}", n / 10))),
        ("date", Value::Date(Span { start, end: start + 1_000_000 })),
        ("value-quantity", amount()),
        ("combo-value-quantity", amount()),
        ("code-value-quantity", pair()),
        ("combo-code-value-quantity", pair()),
    ];
    document(&format!("Observation/o-{n:032}"), seq, true, &values)
}

fn document(text: &str, seq: usize, is_new: bool, values: &[(&str, Value)]) -> Document {
    let values = values.iter().map(|(code, value)| (param(code).id, value.clone())).collect();
    let updated = Timestamp(seq as i64 * 100_000);
    Document {
        key: key(text),
        seq: Seq(seq as i64),
        updated,
        values: Some(Extracted { values, ..Extracted::default() }),
        is_new,
    }
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis((fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10)
}

fn memory(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

fn fill(index: &Index, documents: usize) {
    let patients = documents / EACH;
    let (mut preparing, mut applying) = (Duration::ZERO, Duration::ZERO);
    let (start, before) = (Instant::now(), cpu());
    for batch in 0..documents.div_ceil(512) {
        let numbers = batch * 512..documents.min(batch * 512 + 512);
        let all: Vec<Document> = numbers
            .map(|n| if n < patients { patient(n, n + 1, true) } else { observation(n, patients, n + 1) })
            .collect();
        let at = Instant::now();
        let prepared: Vec<Prepared> = all.iter().map(prepare).collect();
        preparing += at.elapsed();
        let at = Instant::now();
        index.apply_prepared(&prepared).unwrap();
        applying += at.elapsed();
        if batch % 40 == 39 {
            index.commit(Seq((batch * 512 + 512) as i64)).unwrap();
        }
    }
    index.commit(Seq(documents as i64)).unwrap();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / documents as f64;
    println!(
        "{documents} documents: prepare {:.1} us, apply (waits for the indexing thread) {:.1} us, wall {:.1} us, cpu {:.1} us (with making them up and merging) each",
        each(preparing),
        each(applying),
        each(start.elapsed()),
        each(cpu() - before)
    );
}

fn timed(name: &str, rounds: usize, mut run: impl FnMut(usize) -> u64) {
    let mut times: Vec<Duration> = Vec::new();
    let mut found = 0;
    for round in 0..rounds {
        let at = Instant::now();
        found = run(round);
        times.push(at.elapsed());
    }
    times.sort();
    println!("{name}: p50 {:?} p99 {:?} ({found} found)", times[rounds / 2], times[rounds * 99 / 100]);
}

fn searches(searcher: &Searcher, patients: usize) {
    let limits = Limits::default();
    let code =
        |n: usize| tests("code", vec![token_test(is("http://loinc.org"), Some(&format!("{:05}-{}", n * 37, n % 10)))]);
    let of = |n: usize| {
        let id = crate::fhir::types::ResourceId::parse(&format!("p-{:032}", n % patients)).unwrap();
        tests("patient", vec![Test::Reference(ReferenceTest::Local { types: vec![kind("Patient")], id })])
    };
    let run = |query: &Query, limit| searcher.search(query, 0, limit, &limits).unwrap().total.unwrap();
    let newest = vec![SortKey { by: SortBy::Param(param("date")), descending: true }];
    timed("patient + code, newest first, 50", 300, |n| {
        run(&Query { sort: newest.clone(), ..query("Observation", vec![of(n * 70), code(0)]) }, 50)
    });
    timed("patient, newest first, 50", 300, |n| {
        run(&Query { sort: newest.clone(), ..query("Observation", vec![of(n * 7)]) }, 50)
    });
    timed("count of a code", 300, |_| run(&query("Observation", vec![code(0)]), 0));
    timed("code, newest first, 50", 30, |_| {
        run(&Query { sort: newest.clone(), ..query("Observation", vec![code(0)]) }, 50)
    });
    timed("all, first 50", 10, |_| run(&query("Observation", vec![]), 50));
    let name = tests("name", vec![Test::String(StringTest::StartsWith("name".into()))]);
    timed("chain through every patient", 10, |_| {
        run(
            &query(
                "Observation",
                vec![Clause::Chain { param: param("subject"), targets: vec![(kind("Patient"), name.clone())] }],
            ),
            50,
        )
    });
    timed("chain through every patient, with a code", 10, |_| {
        run(
            &query(
                "Observation",
                vec![
                    code(0),
                    Clause::Chain { param: param("subject"), targets: vec![(kind("Patient"), name.clone())] },
                ],
            ),
            50,
        )
    });
    timed("_has over a code", 10, |_| {
        run(
            &query(
                "Patient",
                vec![Clause::Has { source: kind("Observation"), param: param("subject"), clause: Box::new(code(0)) }],
            ),
            50,
        )
    });
    let number = number_test(Prefix::Gt, "1950", "1949.5", "1950.5");
    let test = Test::Quantity(QuantityTest { number, unit: UnitTest::Canonical { number, unit: "g.m-3".into() } });
    timed("quantity range", 10, |_| run(&query("Observation", vec![tests("value-quantity", vec![test.clone()])]), 50));
    let both = Test::Composite([token_test(is("http://loinc.org"), Some("00000-0")), test.clone()].into());
    timed("composite", 10, |_| run(&query("Observation", vec![tests("code-value-quantity", vec![both.clone()])]), 50));
}

#[test]
#[ignore = "a measurement"]
fn costs() {
    let documents: usize = std::option_env!("CRESSET_MEASURE").map_or(200_000, |text| text.parse().unwrap());
    let dir = TempDir::new().unwrap();
    let options = IndexOptions::default();
    let index = Index::open(dir.path(), options.clone()).unwrap();
    fill(&index, documents);
    println!("{} {}", memory("RssAnon"), memory("VmHWM"));
    let patients = documents / EACH;
    let searcher = index.searcher();
    println!("{} segments, {} bytes each", searcher.segments(), searcher.disk_bytes() / documents as u64);
    searches(&searcher, patients);
    let limits = Limits::default();
    timed("apply 5 + commit", 200, |n| {
        let seq = documents + n * 5;
        for one in 0..5 {
            index.apply(&[patient(n * 5 + one, seq + one + 1, false)]).unwrap();
        }
        index.commit(Seq((seq + 5) as i64)).unwrap();
        index.searcher().search(&query("Patient", vec![]), 0, 0, &limits).unwrap().total.unwrap()
    });
    println!("{} segments; {}", index.searcher().segments(), memory("RssAnon"));
    searches(&index.searcher(), patients);
    drop(searcher);
    let at = Instant::now();
    index.close().unwrap();
    println!("close {:?}", at.elapsed());
    let at = Instant::now();
    let index = Index::open(dir.path(), options.clone()).unwrap();
    println!("open {:?}", at.elapsed());
    drop(index);
    let at = Instant::now();
    let index = Index::open(dir.path(), options).unwrap();
    println!("open with proof {:?}, {} documents", at.elapsed(), index.searcher().count());
    let raw = TempDir::new().unwrap();
    let rate = raw_index(raw.path(), documents.min(200_000)).unwrap();
    println!("raw tantivy: {:.1} us each", 1e6 / rate.per_second());
}
