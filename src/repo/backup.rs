//! Backup and restore: the log is copied, and played again.
//!
//! A backup is consistent while others write, since entries of the log never change (but those that are
//! expunged, which then are places without content): it is the log up to the head as of its
//! beginning. Restoring plays the entries into an empty store, with their numbers, versions and times; what follows from
//! the log (current rows, identifiers) is made anew. So a backup of one database goes into the other, and can be
//! played up to any moment.
//!
//! Deliberately absent: claims, jobs and cursors, which nothing has yet, and the index, which follows the log by itself.

use std::collections::HashMap;
use std::io::{Read, Write};

use super::digest::digest;
use super::plan::identifier_hash;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::fhir::types::ResourceKey;
use crate::fhir::{json, resource};
use crate::store::archive::{ArchiveReader, ArchiveWriter};
use crate::store::{Identifier, Store, VersionRow, WriteSet, body};

/// Entries that are read at a time, and about as many that are committed together.
const PIECE: usize = 1000;

/// Copies the log of a tenant from after `after` up to its head. Answers what it was written to, and the new end.
///
/// # Errors
/// 503 or 500 from the database; 500 when `out` cannot be written.
pub async fn backup<W: Write>(store: &Store, tenant: Tenant, name: &str, after: Seq, out: W) -> Result<(W, Seq)> {
    let head = store.head(tenant).await?.seq;
    let mut writer = ArchiveWriter::new(out, name, after)?;
    let mut last = after;
    while last < head {
        let mut rows = store.log(tenant, last, PIECE).await?;
        rows.retain(|row| row.seq <= head);
        for row in &rows {
            writer.entry(row)?;
        }
        last = rows.last().map(|row| row.seq).ok_or_else(|| Fault::internal("backup: the log ends before its head"))?;
    }
    let (out, _) = writer.finish()?;
    Ok((out, last))
}

/// Plays the entries of an archive into the store, those before the moment `before` (all, when there is none) and whole
/// transactions only. The store's log must end where the archive begins. Answers the new end, and whether all of the
/// archive was played.
///
/// # Errors
/// 409 when the store's log ends elsewhere; 400 when the archive is damaged: what was played then stays, and is a
/// beginning of the log; 503 or 500 from the database.
pub async fn restore<R: Read>(
    store: &Store,
    tenant: Tenant,
    archive: &mut ArchiveReader<R>,
    before: Option<Timestamp>,
) -> Result<(Seq, bool)> {
    let mut last = store.head(tenant).await?.seq;
    if last != archive.after() {
        let text = format!("the backup goes on after entry {}, the log here ends at {last}", archive.after());
        return Err(Fault::new(Category::Conflict, text));
    }
    let (mut rows, mut tx): (Vec<VersionRow>, Vec<VersionRow>) = (Vec::new(), Vec::new());
    loop {
        let next = archive.next_entry()?;
        let is_later = next.as_ref().is_some_and(|row| before.is_some_and(|before| row.updated >= before));
        let is_same = next.as_ref().zip(tx.last()).is_some_and(|(next, last)| next.tx == last.tx);
        if !is_same {
            rows.append(&mut tx);
        }
        let is_over = next.is_none() || is_later;
        if !rows.is_empty() && (is_over || rows.len() >= PIECE) {
            last = play(store, tenant, std::mem::take(&mut rows)).await?;
        }
        match next {
            Some(row) if !is_later => tx.push(row),
            next => return Ok((last, next.is_none())),
        }
    }
}

/// Commits entries; their number says where they stand.
async fn play(store: &Store, tenant: Tenant, rows: Vec<VersionRow>) -> Result<Seq> {
    let mut batch = store.begin(tenant).await?;
    let mut keys: Vec<ResourceKey> = rows.iter().map(|row| row.key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    let currents = batch.currents(&keys).await?;
    let mut set = WriteSet::new();
    let mut wanted: HashMap<ResourceKey, Vec<Identifier>> = HashMap::new();
    let last = rows.last().map_or(Seq(0), |row| row.seq);
    for row in rows {
        let (digest, identifiers) = follows(&row)?;
        wanted.insert(row.key.clone(), identifiers);
        let before = currents.get(&row.key);
        set.record(row, before, digest);
    }
    let mut wanted: Vec<Identifier> = wanted.into_values().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found = batch.identifiers_of(&keys).await?;
    set.identifiers_removed = found.iter().filter(|i| wanted.binary_search(i).is_err()).cloned().collect();
    set.identifiers_added = wanted.into_iter().filter(|i| found.binary_search(i).is_err()).collect();
    batch.write(&set).await?;
    batch.commit().await?;
    Ok(last)
}

/// What follows from a body: the digest of its content, and its identifiers.
fn follows(row: &VersionRow) -> Result<([u8; 16], Vec<Identifier>)> {
    let at = |fault: Fault| fault.context(format!("backup: entry {}", row.seq));
    let Some(stored) = &row.body else { return Ok(([0; 16], Vec::new())) };
    let text = body::content(stored).map_err(at)?;
    let content = json::parse_stored(&text).map_err(at)?;
    let of = |(system, value)| Identifier { key: row.key.clone(), hash: identifier_hash(system, value) };
    let identifiers = resource::identifiers(&content).into_iter().map(of).collect();
    Ok((digest(&content).to_be_bytes(), identifiers))
}
