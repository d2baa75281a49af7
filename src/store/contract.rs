//! What the store promises, run on both databases.

use super::harness::{self, Place};
use super::*;
use crate::base::clock::Timestamp;
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

const T: Tenant = Tenant::DEFAULT;

fn key(kind: &str, id: &str) -> ResourceKey {
    ResourceKey::new(ResourceType::find(kind).unwrap(), ResourceId::parse(id).unwrap())
}

fn row(seq: i64, key: &ResourceKey, version: i64, kind: VersionKind, tx: i64) -> VersionRow {
    let body = (kind != VersionKind::Delete).then(|| vec![seq as u8; 20].into());
    let updated = Timestamp(1_000_000 + seq / 2 * 1000);
    VersionRow { seq: Seq(seq), key: key.clone(), version, updated, kind, tx: Seq(tx), body }
}

async fn each<F: AsyncFn(&Place, Store)>(test: F) {
    for place in harness::places().await {
        let store = place.store().await;
        test(&place, store.clone()).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_reads_a_resource() {
    each(async |_, store| {
        let key = key("Patient", "a");
        let mut changes = store.changes();
        changes.mark_unchanged();
        let mut batch = store.begin(T).await.unwrap();
        assert_eq!(batch.head(), Head::default());
        let mut set = WriteSet::new();
        set.record(row(1, &key, 1, VersionKind::Create, 1), None, [1; 16]);
        set.record(row(2, &key, 2, VersionKind::Update, 1), None, [2; 16]);
        batch.write(&set).await.unwrap();
        assert_eq!(batch.currents(&[key.clone()]).await.unwrap()[&key].version, 2);
        assert_eq!(store.read(T, &key).await.unwrap(), None);
        batch.commit().await.unwrap();
        changes.changed().await.unwrap();
        assert_eq!(store.read(T, &key).await.unwrap(), Some(row(2, &key, 2, VersionKind::Update, 1)));
        assert_eq!(store.read_version(T, &key, 1).await.unwrap(), Some(row(1, &key, 1, VersionKind::Create, 1)));
        assert_eq!(store.head(T).await.unwrap().seq, Seq(2));
        assert_eq!(store.log(T, Seq(0), 10).await.unwrap().len(), 2);
        let mut batch = store.begin(T).await.unwrap();
        let mut set = WriteSet::new();
        set.record(
            row(3, &key, 3, VersionKind::Delete, 3),
            batch.currents(&[key.clone()]).await.unwrap().get(&key),
            [0; 16],
        );
        batch.write(&set).await.unwrap();
        batch.commit().await.unwrap();
        assert_eq!(store.read(T, &key).await.unwrap().unwrap().body, None);
        assert_eq!(store.instance_history(T, &key, None, None, 10).await.unwrap().len(), 3);
    })
    .await;
}
