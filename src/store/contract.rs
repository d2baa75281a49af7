//! What the store promises, run on both databases.

use super::db::CommitFault;
use super::harness::{self, Place};
use super::model::{Dice, Model, digest, key, stored};
use super::sql::{Statement, Text};
use super::*;
use crate::base::clock::Timestamp;
use crate::base::config::ValidationMode;
use crate::base::fault::Category;
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::ResourceKey;

const T: Tenant = Tenant::DEFAULT;

async fn each<F: AsyncFn(&Place, Store)>(test: F) {
    for place in harness::places().await {
        let store = place.store().await;
        test(&place, store.clone()).await;
        store.close().await;
    }
}

fn row(seq: i64, key: &ResourceKey, version: i64, kind: VersionKind, tx: i64) -> VersionRow {
    let body = (kind != VersionKind::Delete).then(|| stored(&seq.to_string()));
    let updated = Timestamp(1_000_000 + seq / 2 * 1000);
    VersionRow { seq: Seq(seq), key: key.clone(), version, updated, kind, tx: Seq(tx), body }
}

/// A batch of one new resource after the head; `Err` when the commit failed.
async fn create(store: &Store, tenant: Tenant, id: &str) -> crate::base::fault::Result<Seq> {
    let mut batch = store.begin(tenant).await?;
    let seq = batch.head().seq.0 + 1;
    let mut row = row(seq, &key("Patient", id), 1, VersionKind::Create, seq);
    row.updated = Timestamp(1_000_000).max(batch.head().updated);
    let mut set = WriteSet::new();
    set.record(row.clone(), None, digest(&row));
    batch.write(&set).await?;
    batch.commit().await?;
    Ok(Seq(seq))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_script_gives_the_answers_of_the_model() {
    each(async |_, store| {
        for seed in 0..3 {
            let (mut dice, mut model) = (Dice(seed), Model::default());
            let tenant = Tenant(seed as i64 + 1);
            for _ in 0..25 {
                let mut batch = store.begin(tenant).await.unwrap();
                let (mut planned, mut set) = (model.clone(), WriteSet::new());
                planned.random_batch(&mut dice, &mut set);
                batch.write(&set).await.unwrap();
                for (key, write) in &set.currents {
                    assert_eq!(batch.currents(std::slice::from_ref(key)).await.unwrap()[key], write.current);
                }
                let keys: Vec<_> = set.currents.keys().cloned().collect();
                let held = batch.identifiers_of(&keys).await.unwrap();
                assert_eq!(held, planned.identifiers_of(&keys));
                if dice.below(4) == 0 {
                    drop(batch);
                } else {
                    batch.commit().await.unwrap();
                    model = planned;
                }
                model.compare(&store, tenant, &mut dice).await;
            }
            assert_eq!(store.check(tenant, true).await.unwrap(), []);
            let far = Timestamp(1000);
            let jobs = store.take_jobs(tenant, "mail", far, Timestamp(2000), 1000).await.unwrap();
            let mut expected: Vec<_> =
                model.jobs.values().map(|job| (job.due, job.id.clone(), job.payload.clone())).collect();
            expected.sort();
            assert_eq!(jobs.into_iter().map(|job| (job.due, job.id, job.payload)).collect::<Vec<_>>(), expected);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_come_and_go_with_all_they_have() {
    each(async |_, store| {
        let name = |text: &str| crate::base::id::TenantName::parse(text).unwrap();
        assert_eq!(store.tenant(&name("default")).await.unwrap(), Some(T));
        assert_eq!(store.tenant(&name("ward")).await.unwrap(), None);
        let ward = store.add_tenant(&name("ward")).await.unwrap();
        let other = store.add_tenant(&name("other")).await.unwrap();
        assert!(ward != T && other != ward);
        assert_eq!(store.add_tenant(&name("ward")).await.unwrap_err().category(), Category::Conflict);
        for tenant in [T, ward, other] {
            create(&store, tenant, "a").await.unwrap();
        }
        store.advance_cursor(ward, "index", Seq(1)).await.unwrap();
        let mode = async |text: &str| store.tenant_with_validation(&name(text)).await.unwrap().unwrap();
        assert_eq!((mode("ward").await, mode("other").await), ((ward, None), (other, None)));
        store.set_validation(&name("ward"), Some(ValidationMode::Off)).await.unwrap();
        assert_eq!((mode("ward").await.1, mode("other").await.1), (Some(ValidationMode::Off), None));
        store.set_validation(&name("ward"), None).await.unwrap();
        assert_eq!(mode("ward").await.1, None);
        let unknown = store.set_validation(&name("nobody"), Some(ValidationMode::Off)).await.unwrap_err();
        assert_eq!(unknown.category(), Category::NotFound);
        let names = async || store.tenants().await.unwrap().into_iter().map(|(n, t)| (n.as_str().to_owned(), t));
        let all = [("default".to_owned(), T), ("other".to_owned(), other), ("ward".to_owned(), ward)];
        assert_eq!(names().await.collect::<Vec<_>>(), all);
        assert_eq!(store.remove_tenant(&name("ward")).await.unwrap(), ward);
        assert_eq!(store.read(ward, &key("Patient", "a")).await.unwrap(), None);
        assert_eq!(
            (store.head(ward).await.unwrap(), store.cursor(ward, "index").await.unwrap()),
            (Head::default(), Seq(0))
        );
        assert!(store.read(other, &key("Patient", "a")).await.unwrap().is_some());
        assert_eq!(names().await.collect::<Vec<_>>(), all[..2]);
        assert_eq!(store.remove_tenant(&name("ward")).await.unwrap_err().category(), Category::NotFound);
        assert_eq!(store.remove_tenant(&name("default")).await.unwrap_err().category(), Category::Invalid);
        let again = store.add_tenant(&name("ward")).await.unwrap();
        assert!(![T, ward, other].contains(&again), "a number is never given twice");
    })
    .await;
}

#[test]
fn no_table_of_a_tenant_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let scripts = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let mut tables = 0;
    for script in scripts.collect::<Vec<_>>() {
        for table in script.split("CREATE TABLE ").skip(1).filter(|table| table.contains("tenant ")) {
            let name = table.split([' ', '(']).next().unwrap();
            let text = format!("DELETE FROM {name} WHERE tenant = $1");
            let is_there = super::tenants::TABLES.iter().any(|s| matches!(s.text, Text::Fixed(t) if t == text));
            assert!(is_there || name == "tenants", "{name}");
            tables += 1;
        }
    }
    assert!(tables >= 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_seen_whole_when_it_is_committed_and_never_before() {
    each(async |_, store| {
        let key = key("Patient", "a");
        let mut changes = store.changes();
        // The listener says once that it listens; only then a change must be heard.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), changes.changed()).await;
        changes.mark_unchanged();
        let mut batch = store.begin(T).await.unwrap();
        let mut set = WriteSet::new();
        set.record(row(1, &key, 1, VersionKind::Create, 1), None, [1; 16]);
        set.record(row(2, &key, 2, VersionKind::Update, 1), None, [2; 16]);
        batch.write(&set).await.unwrap();
        assert_eq!(batch.head().seq, Seq(2));
        assert_eq!(store.read(T, &key).await.unwrap(), None);
        assert_eq!(store.head(T).await.unwrap(), Head::default());
        batch.commit().await.unwrap();
        changes.changed().await.unwrap();
        assert_eq!(store.read(T, &key).await.unwrap(), Some(row(2, &key, 2, VersionKind::Update, 1)));
        assert_eq!(store.log(T, Seq(0), 10).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_grows_by_one_and_never_back_in_time() {
    each(async |_, store| {
        create(&store, T, "a").await.unwrap();
        let b = key("Patient", "b");
        for (seq, updated) in [(1, 5_000_000), (3, 5_000_000), (2, 999_999)] {
            let mut batch = store.begin(T).await.unwrap();
            let mut set = WriteSet::new();
            set.record(
                VersionRow { updated: Timestamp(updated), ..row(seq, &b, 1, VersionKind::Create, seq) },
                None,
                [0; 16],
            );
            assert_eq!(batch.write(&set).await.unwrap_err().category(), Category::Internal);
        }
        // A resource that exists is not new.
        let mut batch = store.begin(T).await.unwrap();
        let mut set = WriteSet::new();
        set.record(row(2, &key("Patient", "a"), 1, VersionKind::Create, 2), None, [0; 16]);
        let fault = batch.write(&set).await.unwrap_err();
        assert!(fault.message().starts_with("current: insert"), "{fault}");
        drop(batch);
        assert_eq!(store.head(T).await.unwrap().seq, Seq(1));
        let missing = store.by_seqs(T, &[Seq(1), Seq(2)]).await.unwrap_err();
        assert!(missing.message().contains("versions (tenant 1 seq 2)"), "{missing}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_write_one_serial_log_per_tenant() {
    each(async |place, store| {
        // A second node exists on PostgreSQL only; SQLite has one process.
        let other = if place.dialect() == dialect::Dialect::Sqlite { store.clone() } else { place.store().await };
        let mut writers = Vec::new();
        for n in 0..40 {
            let store = if n % 2 == 0 { store.clone() } else { other.clone() };
            writers.push(tokio::spawn(async move { create(&store, Tenant(7), &format!("r{n}")).await }));
        }
        let mut seqs = Vec::new();
        for writer in writers {
            seqs.push(writer.await.unwrap().unwrap().0);
        }
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
        assert_eq!(store.check(Tenant(7), true).await.unwrap(), []);
        assert_eq!(store.head(T).await.unwrap().seq, Seq(0));
        if place.dialect() == dialect::Dialect::Postgres {
            let mut changes = other.changes();
            changes.mark_unchanged();
            create(&store, T, "news").await.unwrap();
            tokio::time::timeout(std::time::Duration::from_secs(5), changes.changed()).await.unwrap().unwrap();
            other.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_after_opening_again() {
    for place in harness::places().await {
        let store = place.store().await;
        create(&store, T, "a").await.unwrap();
        let mut batch = store.begin(T).await.unwrap();
        let mut set = WriteSet::new();
        set.record(row(2, &key("Patient", "b"), 1, VersionKind::Create, 2), None, [0; 16]);
        batch.write(&set).await.unwrap();
        drop(batch);
        store.clone().close().await;
        assert!(store.head(T).await.unwrap_err().is_transient());
        let store = place.store().await;
        assert_eq!(store.head(T).await.unwrap().seq, Seq(1));
        assert!(store.read(T, &key("Patient", "a")).await.unwrap().is_some());
        store.ping().await.unwrap();
        store.close().await;
        assert_eq!(Store::migrate(place.config.clone()).await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_one_worker_at_a_time() {
    each(async |_, store| {
        let mut batch = store.begin(T).await.unwrap();
        let mut set = WriteSet::new();
        let job =
            |id: &str, due| NewJob { id: id.into(), kind: "mail".into(), payload: "x".into(), due: Timestamp(due) };
        set.jobs = vec![job("a", 10), job("b", 5), job("late", 500)];
        batch.write(&set).await.unwrap();
        batch.commit().await.unwrap();
        let take = async |now, until, limit| {
            store.take_jobs(T, "mail", Timestamp(now), Timestamp(until), limit).await.unwrap()
        };
        assert_eq!(store.take_jobs(T, "other", Timestamp(100), Timestamp(200), 9).await.unwrap(), []);
        let b = take(100, 200, 1).await.remove(0);
        let a = take(100, 200, 9).await.remove(0);
        assert_eq!((b.id.as_str(), a.id.as_str(), a.attempts), ("b", "a", 1));
        assert_eq!(take(150, 200, 9).await, []);
        // The lease runs out: another worker has it now, and the first one changes nothing.
        let again = take(200, 300, 1).await.remove(0);
        assert_eq!((again.id.as_str(), again.attempts), ("b", 2));
        assert!(!store.job_done(T, &b).await.unwrap());
        assert!(store.job_retry(T, &again, Timestamp(250), "no answer").await.unwrap());
        assert!(store.job_done(T, &a).await.unwrap());
        assert!(!store.job_done(T, &a).await.unwrap());
        let third = take(250, 300, 9).await.remove(0);
        assert_eq!((third.id.as_str(), third.attempts), ("b", 3));
        assert!(store.job_failed(T, &third, "gone").await.unwrap());
        assert_eq!(take(400, 500, 9).await, []);
        assert_eq!(store.count_jobs(T, "mail", true).await.unwrap(), 1);
        assert_eq!(store.count_jobs(T, "mail", false).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_go_forwards_and_blobs_stay() {
    each(async |_, store| {
        assert_eq!(store.cursor(T, "index").await.unwrap(), Seq(0));
        assert!(store.advance_cursor(T, "index", Seq(5)).await.unwrap());
        assert!(!store.advance_cursor(T, "index", Seq(4)).await.unwrap());
        assert_eq!(store.cursor(T, "index").await.unwrap(), Seq(5));
        assert_eq!(store.cursor(Tenant(2), "index").await.unwrap(), Seq(0));
        store.reset_cursor(T, "index", Seq(1)).await.unwrap();
        assert_eq!(store.cursor(T, "index").await.unwrap(), Seq(1));

        let bytes = bytes::Bytes::from(vec![7; 300_000]);
        assert!(store.put_blob(T, b"digest", bytes.clone(), Timestamp(1)).await.unwrap());
        assert!(!store.put_blob(T, b"digest", "other".into(), Timestamp(2)).await.unwrap());
        assert_eq!(store.blob(T, b"digest").await.unwrap(), Some(bytes));
        assert_eq!(store.blob(Tenant(2), b"digest").await.unwrap(), None);
        assert!(store.delete_blob(T, b"digest").await.unwrap());
        assert!(!store.delete_blob(T, b"digest").await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_known_while_they_speak_and_share_secrets() {
    each(async |_, store| {
        const ALONE: u64 = u64::MAX - 1;
        assert_eq!(store.node(ALONE).await.unwrap(), None);
        store.node_seen(ALONE, "10.0.0.1:8080").await.unwrap();
        store.node_seen(2, "10.0.0.2:8080").await.unwrap();
        store.node_seen(ALONE, "10.0.0.9:8080").await.unwrap();
        let node = store.node(ALONE).await.unwrap().unwrap();
        assert_eq!(node.address, "10.0.0.9:8080");
        assert!(node.silent < std::time::Duration::from_secs(60), "{node:?}");
        let age = async |text: &'static str| {
            store.execute(&Statement { what: "age", text: Text::Fixed(text) }, vec![]).await.unwrap();
        };
        age("UPDATE nodes SET seen = seen - 600000000 WHERE node = 2").await;
        let silent = store.node(2).await.unwrap().unwrap().silent;
        assert!((600..660).contains(&silent.as_secs()), "{silent:?}");
        age("UPDATE nodes SET seen = seen - 3000000000 WHERE node = 2").await;
        assert!(store.node(2).await.unwrap().is_some());
        age("UPDATE nodes SET seen = seen - 1000000 WHERE node = 2").await;
        store.node_seen(3, "10.0.0.3:8080").await.unwrap();
        assert_eq!(store.node(2).await.unwrap(), None, "it was silent for more than an hour");
        store.node_left(ALONE).await.unwrap();
        assert_eq!(store.node(ALONE).await.unwrap(), None);
        assert!(store.node(3).await.unwrap().is_some());

        assert_eq!(store.secret("a", b"first").await.unwrap(), "first");
        assert_eq!(store.secret("a", b"second").await.unwrap(), "first");
        assert_eq!(store.secret("b", b"third").await.unwrap(), "third");
    })
    .await;
}

/// Lookups must go through an index, or they read a whole type. SQLite's plan says which.
#[tokio::test]
async fn lookups_use_an_index() {
    let store = harness::sqlite().store().await;
    let mut connection = store.pools.reader().await.unwrap();
    let dialect = dialect::Dialect::Sqlite;
    let others = referrals::lookups(dialect).into_iter().chain(expunge::lookups(dialect));
    for statement in versions::lookups(dialect).into_iter().chain(others) {
        let Text::Built(text) = &statement.text else { continue };
        let plan = Statement { what: "plan", text: Text::Built(format!("EXPLAIN QUERY PLAN {text}").into()) };
        let rows = connection.driver().fetch(&plan, vec![]).await.unwrap();
        let plan: Vec<_> = rows.iter().map(|row| row.text(3).unwrap().to_owned()).collect();
        let searches = plan.iter().filter(|step| step.starts_with("SEARCH")).collect::<Vec<_>>();
        let [search] = searches[..] else { panic!("{}: {plan:?}", statement.what) };
        // An automatic index is made for the one statement, by reading the whole table.
        assert!(!search.contains("AUTOMATIC"), "{}: {plan:?}", statement.what);
        let columns = search.matches("=?").count();
        let keys = text.split("CROSS JOIN").nth(1).unwrap().matches("= k.column").count();
        assert_eq!(columns, keys, "{}: not every column of the key is used: {plan:?}", statement.what);
    }
}

/// A damage by a statement, and the table in which the doctor must find it.
const DAMAGES: &[(&str, &str)] = &[
    ("DELETE FROM versions WHERE seq = 3", "versions"),
    ("UPDATE versions SET updated = 0 WHERE seq = 3", "versions"),
    ("UPDATE versions SET tx = 2 WHERE seq = 4", "versions"),
    ("UPDATE versions SET type = 'Nothing' WHERE seq = 3", "versions"),
    ("UPDATE versions SET body = NULL WHERE seq = 1", "versions"),
    ("UPDATE versions SET kind = 4, body = NULL WHERE seq = 4", "current"),
    ("UPDATE versions SET kind = 4, body = NULL WHERE seq = 1", "type_heads"),
    ("UPDATE heads SET seq = 9", "heads"),
    ("DELETE FROM superseded WHERE version = 1", "superseded"),
    ("UPDATE superseded SET seq = 2 WHERE version = 1", "superseded"),
    ("UPDATE current SET seq = 1 WHERE id = 'a'", "current"),
    ("UPDATE current SET deleted = TRUE WHERE id = 'a'", "current"),
    ("DELETE FROM current WHERE id = 'b'", "versions"),
    ("UPDATE versions SET version = 9 WHERE seq = 3", "superseded"),
    ("UPDATE versions SET version = 9 WHERE seq = 4", "current"),
    ("UPDATE type_heads SET versions = versions + 1", "type_heads"),
    ("DELETE FROM type_heads", "type_heads"),
    ("UPDATE identifiers SET id = 'zz'", "identifiers"),
    ("UPDATE claims SET ends = 15 WHERE ends = 10", "claims"),
    ("UPDATE cursors SET seq = 99", "cursors"),
];

/// Four versions in three transactions: a (1, 3, 4), b (2); with a claim, an identifier and a cursor.
async fn patient(store: &Store) {
    let (a, b) = (key("Patient", "a"), key("Patient", "b"));
    let mut set = WriteSet::new();
    set.record(row(1, &a, 1, VersionKind::Create, 1), None, [1; 16]);
    set.record(row(2, &b, 1, VersionKind::Create, 1), None, [2; 16]);
    set.record(row(3, &a, 2, VersionKind::Update, 3), None, [3; 16]);
    set.record(row(4, &a, 3, VersionKind::Update, 4), None, [4; 16]);
    set.identifiers_added.push(Identifier { key: a.clone(), hash: -5 });
    let claim = |starts, ends| Claim {
        subject: "s".into(),
        starts: Timestamp(starts),
        ends: Timestamp(ends),
        holder: a.clone(),
    };
    set.claims_added = vec![claim(0, 10), claim(10, 20)];
    let mut batch = store.begin(T).await.unwrap();
    batch.write(&set).await.unwrap();
    batch.commit().await.unwrap();
    store.advance_cursor(T, "index", Seq(4)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_every_damage() {
    each(async |_, store| {
        patient(&store).await;
        assert_eq!(store.check(T, true).await.unwrap(), []);
        for (damage, table) in DAMAGES {
            let mut transaction = store.pools.begin().await.unwrap();
            transaction
                .driver()
                .execute(&Statement { what: "damage", text: Text::Fixed(damage) }, vec![])
                .await
                .unwrap();
            let findings = doctor::check(transaction.driver(), T, false).await.unwrap();
            assert!(findings.iter().any(|finding| finding.table == *table), "{damage}: {findings:?}");
        }
        let broken = "UPDATE versions SET body = blobs.bytes FROM blobs WHERE seq = 2";
        store.put_blob(T, b"x", vec![0xFF, 1, 2].into(), Timestamp(0)).await.unwrap();
        let mut transaction = store.pools.begin().await.unwrap();
        transaction.driver().execute(&Statement { what: "damage", text: Text::Fixed(broken) }, vec![]).await.unwrap();
        assert_eq!(doctor::check(transaction.driver(), T, false).await.unwrap(), []);
        let findings = doctor::check(transaction.driver(), T, true).await.unwrap();
        assert_eq!((findings[0].key.as_str(), findings.len()), ("seq 2", 1));
        assert!(findings[0].text.contains("unknown format"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_looked_up() {
    let Some(place) = harness::postgres().await else { return };
    let store = place.store().await;
    for kill in [false, true] {
        let mut batch = store.begin(T).await.unwrap();
        let seq = batch.head().seq.0 + 1;
        let mut set = WriteSet::new();
        let row = row(seq, &key("Patient", &format!("r{seq}")), 1, VersionKind::Create, seq);
        set.record(row.clone(), None, [0; 16]);
        batch.write(&set).await.unwrap();
        if kill {
            let pid = Statement { what: "pid", text: Text::Fixed("SELECT pg_backend_pid()::BIGINT") };
            let pid = batch.transaction.driver().fetch(&pid, vec![]).await.unwrap()[0].i64(0).unwrap();
            let end = Statement { what: "kill", text: Text::Fixed("SELECT pg_terminate_backend($1::BIGINT::INT)") };
            store.fetch(&end, vec![pid.into()]).await.unwrap();
            let lost = batch.transaction.commit().await.unwrap_err();
            assert!(matches!(lost, CommitFault::Unknown(_)), "{lost:?}");
            assert!(!batch::was_committed(&store, T, &row).await.unwrap());
        } else {
            batch.transaction.commit().await.unwrap();
            assert!(batch::was_committed(&store, T, &row).await.unwrap());
        }
    }
    create(&store, T, "later").await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_expunged_leaves_its_place() {
    each(async |_, store| {
        patient(&store).await;
        let (a, b) = (key("Patient", "a"), key("Patient", "b"));
        let scopes = [Scope::All, Scope::Type(a.kind), Scope::Of(a.clone())];
        for scope in &scopes {
            let found = store.previous_versions(T, scope, None, 9).await.unwrap();
            assert_eq!(found, [(a.clone(), 1, Seq(1)), (a.clone(), 2, Seq(3))], "{scope:?}");
            let rest = store.previous_versions(T, scope, Some(&(a.clone(), 1)), 9).await.unwrap();
            assert_eq!(rest.len(), 1);
        }
        let mut batch = store.begin(T).await.unwrap();
        assert_eq!(batch.expunge(&[(a.kind, Seq(1)), (a.kind, Seq(3))]).await.unwrap(), 2);
        assert_eq!(batch.expunge(&[(a.kind, Seq(3))]).await.unwrap(), 0);
        batch.commit().await.unwrap();
        assert_eq!(store.check(T, true).await.unwrap(), []);
        let seqs = |rows: Vec<VersionRow>| rows.iter().map(|row| row.seq.0).collect::<Vec<_>>();
        let log = store.log(T, Seq(0), 9).await.unwrap();
        assert_eq!((log[0].kind, &log[0].body, log[2].kind), (VersionKind::Expunged, &None, VersionKind::Expunged));
        assert_eq!(seqs(log), [1, 2, 3, 4]);
        assert_eq!(seqs(store.instance_history(T, &a, None, None, 9).await.unwrap()), [4]);
        assert_eq!(seqs(store.type_history(T, a.kind, None, None, 9).await.unwrap()), [4, 2]);
        assert_eq!(store.instance_count(T, &a, None, i64::MAX).await.unwrap(), 1);
        assert_eq!(store.type_count(T, a.kind, None).await.unwrap().0, 2);
        assert_eq!(store.expunged_since(T, Seq(2)).await.unwrap(), 1);
        assert_eq!(store.previous_versions(T, &Scope::All, None, 9).await.unwrap(), []);
        // A resource that is deleted, as a whole.
        let current = store.currents(T, std::slice::from_ref(&b)).await.unwrap();
        let mut set = WriteSet::new();
        set.record(row(5, &b, 2, VersionKind::Delete, 5), current.get(&b), [0; 16]);
        let mut batch = store.begin(T).await.unwrap();
        batch.write(&set).await.unwrap();
        batch.commit().await.unwrap();
        for scope in [Scope::All, Scope::Type(b.kind), Scope::Of(b.clone())] {
            assert_eq!(
                store.expungible(T, &scope, Expungible::Deleted, None, 9).await.unwrap(),
                std::slice::from_ref(&b)
            );
        }
        assert_eq!(
            store.expungible(T, &Scope::All, Expungible::Living, None, 9).await.unwrap(),
            std::slice::from_ref(&a)
        );
        let mut batch = store.begin(T).await.unwrap();
        let mut places = batch.previous_places(std::slice::from_ref(&b)).await.unwrap();
        assert_eq!(places, [(b.kind, Seq(2))]);
        places.push((b.kind, Seq(5)));
        assert_eq!(batch.expunge(&places).await.unwrap(), 2);
        batch.commit().await.unwrap();
        assert_eq!(store.check(T, true).await.unwrap(), []);
        assert_eq!(store.expungible(T, &Scope::All, Expungible::Deleted, None, 9).await.unwrap(), []);
        assert_eq!(store.instance_count(T, &b, None, i64::MAX).await.unwrap(), 0);
        assert_eq!(store.read(T, &b).await.unwrap().unwrap().kind, VersionKind::Expunged);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn referrals_come_and_go_with_a_batch() {
    each(async |_, store| {
        let (a, b, c) = (key("Patient", "a"), key("Observation", "b"), key("Observation", "c"));
        let referral = |source: &ResourceKey| Referral { target: a.clone(), source: source.clone() };
        assert_eq!(store.referrals_reached(T).await.unwrap(), Seq(0));
        let mut set = WriteSet::new();
        set.record(row(1, &a, 1, VersionKind::Create, 1), None, [1; 16]);
        set.referrals_added = vec![referral(&b), referral(&c), referral(&c)];
        set.referrals_reach = Some(Seq(1));
        let mut batch = store.begin(T).await.unwrap();
        batch.write(&set).await.unwrap();
        assert_eq!(batch.referrals_to(std::slice::from_ref(&a)).await.unwrap(), [referral(&b), referral(&c)]);
        assert_eq!(batch.referrals_reached().await.unwrap(), Seq(1));
        batch.commit().await.unwrap();
        assert_eq!(store.referrals_of(T, std::slice::from_ref(&b)).await.unwrap(), [referral(&b)]);
        let mut set = WriteSet::new();
        set.referrals_removed = vec![referral(&b)];
        let mut batch = store.begin(T).await.unwrap();
        batch.write(&set).await.unwrap();
        batch.commit().await.unwrap();
        assert_eq!(store.referrals_of(T, &[b.clone(), c.clone()]).await.unwrap(), [referral(&c)]);
        assert_eq!(store.referrals_reached(T).await.unwrap(), Seq(1));
        assert_eq!(store.check(T, true).await.unwrap(), []);
    })
    .await;
}
