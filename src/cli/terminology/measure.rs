//! How long a large release takes, from its files to its index:
//! `cargo test --release --lib cli::terminology::measure -- --ignored --nocapture` (`CRESSET_CONCEPTS` at build time sets the size).

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;

use super::gather::Gather;
use super::snomed;
use super::source::Source;
use crate::fhir::codes::Packer;
use crate::fhir::terminology::{CodeSystem, Filter, Op, Query};
use crate::search::concepts::{ConceptIndex, build};
use crate::store::{Store, StoreConfig};

const MODULE: &str = "900000000000207008";
const WORDS: [&str; 24] = [
    "acute",
    "chronic",
    "left",
    "right",
    "infection",
    "fracture",
    "of",
    "kidney",
    "heart",
    "lung",
    "bone",
    "with",
    "without",
    "complication",
    "severe",
    "mild",
    "structure",
    "disorder",
    "procedure",
    "finding",
    "benign",
    "malignant",
    "neoplasm",
    "skin",
];

fn size() -> u64 {
    option_env!("CRESSET_CONCEPTS").and_then(|size| size.parse().ok()).unwrap_or(300_000)
}

fn dice(n: u64) -> u64 {
    n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

fn code(n: u64) -> u64 {
    100_000_000 + n * 7
}

fn term(n: u64) -> String {
    let mut term = String::new();
    for k in 0..4 + dice(n) % 5 {
        let _written = write!(term, "{} ", WORDS[(dice(n * 31 + k) % 24) as usize]).is_ok();
    }
    format!("{term}{n}")
}

/// A release with two names and 3.5 relationships for each concept, seven levels deep and more.
fn release(folder: &Path, count: u64) {
    let open = |name: &str, header: &str| {
        let mut file = BufWriter::new(fs::File::create(folder.join(name)).unwrap());
        writeln!(file, "{header}\r").unwrap();
        file
    };
    let mut concepts =
        open("sct2_Concept_Snapshot_INT_20240101.txt", "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId");
    let names = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId";
    let mut descriptions = open("sct2_Description_Snapshot-en_INT_20240101.txt", names);
    let names = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId";
    let mut relationships = open("sct2_Relationship_Snapshot_INT_20240101.txt", names);
    let names = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId";
    let mut languages = open("der2_cRefset_LanguageSnapshot-en_INT_20240101.txt", names);
    for n in 0..count {
        let id = code(n);
        writeln!(concepts, "{id}\t20240101\t1\t{MODULE}\t900000000000074008\r").unwrap();
        for (kind, end, which) in [("900000000000003001", " (disorder)", 1), ("900000000000013009", "", 2)] {
            let own = id * 10 + which;
            writeln!(
                descriptions,
                "{own}\t20240101\t1\t{MODULE}\t{id}\ten\t{kind}\t{}{end}\t900000000000448009\r",
                term(n)
            )
            .unwrap();
            writeln!(languages, "x{own}\t20240101\t1\t{MODULE}\t900000000000509007\t{own}\t900000000000548007\r")
                .unwrap();
        }
        for k in 0..if n > 0 { 1 + dice(n) % 2 } else { 0 } {
            let above = code((n / (4 + k * 3)).min(n - 1));
            writeln!(
                relationships,
                "{}\t20240101\t1\t{MODULE}\t{id}\t{above}\t0\t116680003\t900000000000011006\t900000000000451002\r",
                id * 10 + k
            )
            .unwrap();
        }
        for k in 0..2 {
            let to = code(dice(n * 5 + k) % count);
            writeln!(
                relationships,
                "{}\t20240101\t1\t{MODULE}\t{id}\t{to}\t1\t363698007\t900000000000011006\t900000000000451002\r",
                id * 10 + 5 + k
            )
            .unwrap();
        }
    }
    for mut file in [concepts, descriptions, relationships, languages] {
        file.flush().unwrap();
    }
}

fn lap(what: &str, since: &mut Instant) {
    println!("{what}: {:.2} s", since.elapsed().as_secs_f64());
    *since = Instant::now();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn a_large_release_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (files, data) = (folder.path().join("release"), folder.path().join("data"));
    fs::create_dir_all(&files).unwrap();
    let count = size();
    release(&files, count);
    let whole = Instant::now();
    let mut since = Instant::now();
    let mut gather = Gather::default();
    let about = snomed::read(&mut Source::open(&files).unwrap(), None, &mut gather).unwrap();
    lap("read", &mut since);
    let mut concepts = gather.finish().unwrap();
    let store = Store::open(StoreConfig::Sqlite { folder: data.clone(), readers: 2 }).await.unwrap();
    let load = store.begin_load(&about.url, &about.version).await.unwrap();
    let (mut packer, mut pieces, mut found) = (Packer::default(), Vec::new(), 0);
    let mut number = 0;
    while let Some(concept) = concepts.next().unwrap() {
        found += 1;
        pieces.extend(packer.add(&concept).unwrap());
        for piece in pieces.drain(..) {
            store.add_piece(load, number, Bytes::from(piece)).await.unwrap();
            number += 1;
        }
    }
    store.add_piece(load, number, Bytes::from(packer.finish().unwrap().unwrap())).await.unwrap();
    store.finish_load(load, &about.text(found).unwrap(), found).await.unwrap();
    assert_eq!(found, count);
    lap("sorted, packed and written", &mut since);
    let own = folder.path().join("index");
    let runtime = tokio::runtime::Handle::current();
    let reading = store.clone();
    let made = own.clone();
    let built = tokio::task::spawn_blocking(move || {
        build(&made, count, &mut |piece| runtime.block_on(reading.piece(load, piece)))
    });
    built.await.unwrap().unwrap();
    lap("indexed", &mut since);
    println!("{count} concepts from files to index: {:.2} s", whole.elapsed().as_secs_f64());
    let bytes: u64 = fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!("index: {} MiB", bytes >> 20);
    let index = ConceptIndex::open(&own, &about.text(found).unwrap()).unwrap();
    let typed = |text: &'static str| Query { text: Some(text), ..Query::default() };
    for text in ["acute kidn", "neoplasm of the skin", "malignant neoplsm bone", "28"] {
        let started = Instant::now();
        let mut page = 0;
        let visit = &mut |_: std::borrow::Cow<'_, crate::fhir::terminology::Concept>| {
            page += 1;
            if page < 10 { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
        };
        index.select(&typed(text), visit).unwrap();
        println!("first {page} for \"{text}\": {:.2} ms", started.elapsed().as_secs_f64() * 1000.0);
    }
    let below = [Filter { property: "concept".into(), op: Op::IsA, value: code(1).to_string().into() }];
    let started = Instant::now();
    let total = index.count(&Query { filters: &below, ..Query::default() }).unwrap();
    println!("is-a of {total:?}: {:.2} ms", started.elapsed().as_secs_f64() * 1000.0);
    let started = Instant::now();
    for n in 0..1000 {
        assert!(index.find(&code(n * 37 % count).to_string()).unwrap().is_some());
    }
    println!("a code: {:.1} us", started.elapsed().as_secs_f64() * 1000.0);
}
