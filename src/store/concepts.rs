//! Large code systems. They belong to the installation and not to a tenant.
//!
//! A load writes pieces one by one and is seen by nobody until [`Store::finish_load`] has committed, which also takes away what
//! was loaded before of the same version. A load that ends in the middle leaves rows that the next load of the version takes
//! away; those of others go when they are a day old. Of two loads of one version at the same time the later one wins.

use bytes::Bytes;

use super::db::{CommitFault, Transaction};
use super::error::corrupt;
use super::handle::Store;
use super::sql::{Statement, Text, fixed};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};

const LIST: Statement = fixed(
    "code_systems: list",
    "SELECT system, url, version, about, concepts, loaded FROM code_systems WHERE loaded IS NOT NULL ORDER BY url, version",
);
const KNOWN: Statement =
    fixed("code_systems: known", "SELECT system, loaded FROM code_systems WHERE loaded IS NOT NULL ORDER BY system");
const NUMBER: Statement = fixed("code_systems: number", "SELECT COALESCE(MAX(system), 0) + 1 FROM code_systems");
const INSERT: Statement = fixed(
    "code_systems: insert",
    "INSERT INTO code_systems (system, url, version, about, concepts, touched) VALUES ($1, $2, $3, $4, 0, $5)",
);
const UNFINISHED: Statement = fixed(
    "code_systems: unfinished",
    "SELECT system FROM code_systems WHERE loaded IS NULL AND ((url = $1 AND version = $2) OR touched < $3)",
);
const LOADED: Statement = fixed(
    "code_systems: loaded",
    "SELECT system FROM code_systems WHERE url = $1 AND version = $2 AND loaded IS NOT NULL",
);
const OF_LOAD: Statement =
    fixed("code_systems: of a load", "SELECT url, version FROM code_systems WHERE system = $1 AND loaded IS NULL");
const TOUCH: Statement =
    fixed("code_systems: touch", "UPDATE code_systems SET touched = $2 WHERE system = $1 AND loaded IS NULL");
const FINISH: Statement = fixed(
    "code_systems: finish",
    "UPDATE code_systems SET about = $2, concepts = $3, touched = $4, loaded = $4 WHERE system = $1 AND loaded IS NULL",
);
const DELETE: Statement = fixed("code_systems: delete", "DELETE FROM code_systems WHERE system = $1");
const PUT: Statement =
    fixed("concept_pieces: insert", "INSERT INTO concept_pieces (system, piece, bytes) VALUES ($1, $2, $3)");
const PIECE: Statement =
    fixed("concept_pieces: read", "SELECT bytes FROM concept_pieces WHERE system = $1 AND piece = $2");
const DELETE_PIECES: Statement = fixed("concept_pieces: delete", "DELETE FROM concept_pieces WHERE system = $1");

/// After this time the rows of a load that was not finished are taken away by any other load.
const ABANDONED_MICROS: i64 = 24 * 3600 * 1_000_000;

/// A code system that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledSystem {
    /// Its number, which no other load had or gets.
    pub number: i64,
    /// The canonical URL.
    pub url: String,
    /// The version; empty for none.
    pub version: String,
    /// The CodeSystem resource without its concepts, as JSON.
    pub about: String,
    /// How many concepts there are.
    pub concepts: u64,
    /// When it was loaded.
    pub loaded: Timestamp,
}

impl Store {
    /// All code systems that are there, by URL and version.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn installed_systems(&self) -> Result<Vec<InstalledSystem>> {
        let rows = self.fetch(&LIST, vec![]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let number = row.i64(0)?;
            let read = || {
                Ok::<_, Fault>(InstalledSystem {
                    number,
                    url: row.text(1)?.to_owned(),
                    version: row.text(2)?.to_owned(),
                    about: row.text(3)?.to_owned(),
                    concepts: row.i64(4)?.unsigned_abs(),
                    loaded: Timestamp(row.i64(5)?),
                })
            };
            found.push(read().map_err(|fault| corrupt("code_systems", format_args!("system {number}"), fault))?);
        }
        Ok(found)
    }

    /// Numbers and times of the code systems that are there: whether the list has changed, for little.
    ///
    /// # Errors
    /// From the database.
    pub async fn installed_numbers(&self) -> Result<Vec<(i64, Timestamp)>> {
        let rows = self.fetch(&KNOWN, vec![]).await?;
        rows.iter().map(|row| Ok((row.i64(0)?, Timestamp(row.i64(1)?)))).collect()
    }

    /// Begins to load a version of a code system; what an earlier load of it has left is taken away. Returns the number of the load.
    ///
    /// # Errors
    /// From the database.
    pub async fn begin_load(&self, url: &str, version: &str) -> Result<i64> {
        let mut transaction = self.pools.begin().await?;
        let now = now(&mut transaction).await?;
        let values = vec![url.into(), version.into(), now.saturating_sub(ABANDONED_MICROS).into()];
        for row in transaction.driver().fetch(&UNFINISHED, values).await? {
            remove(&mut transaction, row.i64(0)?).await?;
        }
        let number = transaction.driver().fetch_optional(&NUMBER, vec![]).await?;
        // The time, so that the number of a load that is gone is never given again: somebody may still be writing to it.
        let number = number.ok_or_else(|| Fault::internal("code_systems: no number"))?.i64(0)?.max(now);
        let values = vec![number.into(), url.into(), version.into(), "".into(), now.into()];
        transaction.driver().execute(&INSERT, values).await?;
        transaction.commit().await.map_err(CommitFault::into_fault)?;
        Ok(number)
    }

    /// Adds a piece to a load: pieces are numbered from 0.
    ///
    /// # Errors
    /// 409 when another load has taken over; from the database.
    pub async fn add_piece(&self, load: i64, piece: u64, bytes: Bytes) -> Result<()> {
        let mut transaction = self.pools.begin().await?;
        let now = now(&mut transaction).await?;
        if transaction.driver().execute(&TOUCH, vec![load.into(), now.into()]).await? == 0 {
            return Err(taken_over());
        }
        let values = vec![load.into(), piece.cast_signed().into(), Some(bytes).into()];
        transaction.driver().execute(&PUT, values).await?;
        transaction.commit().await.map_err(CommitFault::into_fault)
    }

    /// Ends a load: from now on it is there, and what was there of the same version is not.
    ///
    /// # Errors
    /// 409 when another load has taken over; from the database.
    pub async fn finish_load(&self, load: i64, about: &str, concepts: u64) -> Result<()> {
        let mut transaction = self.pools.begin().await?;
        let own = transaction.driver().fetch_optional(&OF_LOAD, vec![load.into()]).await?.ok_or_else(taken_over)?;
        let (url, version) = (own.text(0)?.to_owned(), own.text(1)?.to_owned());
        let before = transaction.driver().fetch(&LOADED, vec![url.as_str().into(), version.as_str().into()]).await?;
        for row in before {
            remove(&mut transaction, row.i64(0)?).await?;
        }
        let now = now(&mut transaction).await?;
        let values = vec![load.into(), about.into(), concepts.cast_signed().into(), now.into()];
        if transaction.driver().execute(&FINISH, values).await? == 0 {
            return Err(taken_over());
        }
        transaction.commit().await.map_err(CommitFault::into_fault)
    }

    /// Gives up a load.
    ///
    /// # Errors
    /// From the database.
    pub async fn drop_load(&self, load: i64) -> Result<()> {
        let mut transaction = self.pools.begin().await?;
        if transaction.driver().fetch_optional(&OF_LOAD, vec![load.into()]).await?.is_some() {
            remove(&mut transaction, load).await?;
        }
        transaction.commit().await.map_err(CommitFault::into_fault)
    }

    /// Removes a version of a code system; `false` when it was not there.
    ///
    /// # Errors
    /// From the database.
    pub async fn remove_system(&self, url: &str, version: &str) -> Result<bool> {
        let mut transaction = self.pools.begin().await?;
        let found = transaction.driver().fetch(&LOADED, vec![url.into(), version.into()]).await?;
        for row in &found {
            remove(&mut transaction, row.i64(0)?).await?;
        }
        transaction.commit().await.map_err(CommitFault::into_fault)?;
        Ok(!found.is_empty())
    }

    /// A piece of a code system; none after the last one, and when it is not there any more.
    ///
    /// # Errors
    /// From the database.
    pub async fn piece(&self, system: i64, piece: u64) -> Result<Option<Bytes>> {
        let values = vec![system.into(), piece.cast_signed().into()];
        let row = self.fetch_optional(&PIECE, values).await?;
        Ok(row.map(|row| row.bytes(0)).transpose()?.flatten())
    }
}

fn taken_over() -> Fault {
    Fault::new(Category::Conflict, "another load of this code system has taken over")
}

async fn remove(transaction: &mut Transaction, system: i64) -> Result<()> {
    transaction.driver().execute(&DELETE_PIECES, vec![system.into()]).await?;
    transaction.driver().execute(&DELETE, vec![system.into()]).await.map(drop)
}

/// The database's own time.
async fn now(transaction: &mut Transaction) -> Result<i64> {
    let mut driver = transaction.driver();
    let clock = Statement { what: "code_systems: clock", text: Text::Fixed(driver.dialect().clock()) };
    let row = driver.fetch_optional(&clock, vec![]).await?;
    row.ok_or_else(|| Fault::internal("code_systems: the database does not tell the time"))?.i64(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::harness;

    async fn load(store: &Store, version: &str, pieces: &[&'static [u8]]) -> i64 {
        let load = store.begin_load("http://x", version).await.unwrap();
        for (number, piece) in pieces.iter().enumerate() {
            store.add_piece(load, number as u64, Bytes::from_static(piece)).await.unwrap();
        }
        load
    }

    async fn pieces(store: &Store, system: i64) -> Vec<Bytes> {
        let mut found = Vec::new();
        while let Some(piece) = store.piece(system, found.len() as u64).await.unwrap() {
            found.push(piece);
        }
        found
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_load_is_there_as_a_whole_or_not() {
        for place in harness::places().await {
            let store = place.store().await;
            let first = load(&store, "1", &[b"a", b"b"]).await;
            assert_eq!(store.installed_systems().await.unwrap(), []);
            // one that ends in the middle is taken away by the next
            let second = load(&store, "1", &[b"c"]).await;
            assert_eq!(pieces(&store, first).await.len(), 0);
            let late = store.add_piece(first, 2, Bytes::from_static(b"x")).await.unwrap_err();
            assert_eq!(late.category(), Category::Conflict);
            assert_eq!(store.finish_load(first, "{}", 2).await.unwrap_err().category(), Category::Conflict);
            store.finish_load(second, "{\"a\":1}", 7).await.unwrap();
            let found = store.installed_systems().await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].number, found[0].concepts, &*found[0].about), (second, 7, "{\"a\":1}"));
            // a load of the same version takes its place at its end, one of another stands beside it
            let third = load(&store, "1", &[b"d", b"e", b"f"]).await;
            let other = load(&store, "2", &[]).await;
            assert_eq!(store.installed_numbers().await.unwrap(), [(second, found[0].loaded)]);
            store.finish_load(other, "{}", 0).await.unwrap();
            store.finish_load(third, "{}", 3).await.unwrap();
            let found: Vec<_> =
                store.installed_systems().await.unwrap().into_iter().map(|s| (s.number, s.version)).collect();
            assert_eq!(found, [(third, "1".to_owned()), (other, "2".to_owned())]);
            assert_eq!(pieces(&store, third).await, [&b"d"[..], b"e", b"f"]);
            assert_eq!(pieces(&store, second).await.len(), 0);
            let given_up = load(&store, "3", &[b"g"]).await;
            store.drop_load(given_up).await.unwrap();
            store.drop_load(third).await.unwrap();
            assert_eq!((pieces(&store, given_up).await.len(), pieces(&store, third).await.len()), (0, 3));
            assert!(store.remove_system("http://x", "1").await.unwrap());
            assert!(!store.remove_system("http://x", "1").await.unwrap());
            assert_eq!(pieces(&store, third).await.len(), 0);
            store.close().await;
        }
    }
}
