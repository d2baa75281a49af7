//! How fast batches are written and versions read, on both databases. Ignored: for release builds.

use std::time::Instant;

use super::harness;
use super::*;
use crate::base::clock::Timestamp;
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

const T: Tenant = Tenant::DEFAULT;
const ROWS: i64 = 100_000;
const BATCH: i64 = 500;

/// 400 bytes that do not repeat.
fn body(seq: i64) -> bytes::Bytes {
    let mut state = seq as u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..400).map(next).collect()
}

fn version(seq: i64, tx: i64, kinds: &[ResourceType]) -> VersionRow {
    let hash = (seq as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let id = format!("{seq:012x}-4444-8888-{hash:016x}");
    let kind = kinds[(hash >> 32) as usize % kinds.len()];
    let key = ResourceKey::new(kind, ResourceId::parse(&id).unwrap());
    let (updated, kind, body) = (Timestamp(seq * 1000), VersionKind::Create, Some(body(seq)));
    VersionRow { seq: Seq(seq), key, version: 1, updated, kind, tx: Seq(tx), body }
}

async fn write(store: &Store, kinds: &[ResourceType]) {
    for first in (1..=ROWS).step_by(BATCH as usize) {
        let rows: Vec<_> = (first..first + BATCH).map(|seq| version(seq, first, kinds)).collect();
        let mut batch = store.begin(T).await.unwrap();
        let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
        let currents = batch.currents(&keys).await.unwrap();
        let mut set = WriteSet::new();
        for (number, row) in rows.into_iter().enumerate() {
            if number % 4 == 0 {
                set.identifiers_added
                    .push(Identifier { key: row.key.clone(), hash: row.seq.0.wrapping_mul(0x9E37_79B9_7F4A) });
            }
            let before = currents.get(&row.key);
            set.record(row, before, [7; 16]);
        }
        batch.write(&set).await.unwrap();
        batch.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run in release"]
async fn speed() {
    let names = [
        "Observation",
        "Condition",
        "Encounter",
        "Patient",
        "Procedure",
        "MedicationRequest",
        "Claim",
        "DiagnosticReport",
    ];
    let kinds: Vec<_> = names.iter().map(|name| ResourceType::find(name).unwrap()).collect();
    for place in harness::places().await {
        let store = place.store().await;
        let start = Instant::now();
        write(&store, &kinds).await;
        let rate = ROWS as f64 / start.elapsed().as_secs_f64();
        println!("{:?}: {rate:.0} rows/s in batches of {BATCH}", place.dialect());
        let start = Instant::now();
        for seq in 1..=2000 {
            let wanted = version(seq * 41 % ROWS + 1, 1, &kinds);
            assert!(store.read(T, &wanted.key).await.unwrap().is_some());
        }
        println!("  read {:.1} us", start.elapsed().as_secs_f64() * 1e6 / 2000.0);
        let start = Instant::now();
        for page in 0..200 {
            let seqs: Vec<_> = (1..=50).map(|n| Seq((n * 997 + page * 131) % ROWS + 1)).collect();
            store.by_seqs(T, &seqs).await.unwrap();
        }
        println!("  by_seqs of 50 {:.1} us", start.elapsed().as_secs_f64() * 1e6 / 200.0);
        let start = Instant::now();
        let (mut after, mut read) = (Seq(0), 0);
        while let Some(last) = {
            let rows = store.log(T, after, 1000).await.unwrap();
            read += rows.len();
            rows.last().map(|row| row.seq)
        } {
            after = last;
        }
        println!("  log {:.0} rows/s", read as f64 / start.elapsed().as_secs_f64());
        store.close().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let rate = baseline::raw_group_commit(folder.path(), ROWS as u64, 400, BATCH as u64).await.unwrap();
    println!("raw: {:.0} rows/s", rate.per_second());
}
