//! The one writer of an index, and where its searchers come from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tantivy::directory::{Directory, DirectoryLock, Lock};
use tantivy::index::IndexSettings;
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::merge_policy::{LogMergePolicy, NoMergePolicy};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, Term};

use super::codec::Scope;
use super::coverage::Coverage;
use super::directory::Folder;
use super::error::{failed, failed_io};
use super::prepare::{Document, Prepared, prepare, ticketed};
use super::prove;
use super::reader::Searcher;
use super::schema::{key_field, schema, terms_field};
use super::segment::{Gauge, Queued};
use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;

/// How long a full queue is waited for before the writer counts as dead.
const PATIENCE: Duration = Duration::from_secs(60);

/// How an index is opened.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// Memory of the indexing thread before it writes a segment, in bytes; at least 15 MB.
    pub heap_bytes: usize,
    /// Most memory of documents that wait for the indexing thread, in bytes.
    pub queue_bytes: usize,
}

impl Default for IndexOptions {
    /// The usual sizes.
    fn default() -> Self {
        Self { heap_bytes: 64 << 20, queue_bytes: 16 << 20 }
    }
}

/// The index of one tenant. `apply` and `commit` are for one thread; searchers are for all.
///
/// An error of `apply` or `commit` leaves the searchers as they are and the writer unusable: drop the index and
/// open it again, it goes on from the Seq that it can prove.
pub struct Index {
    root: PathBuf,
    folder: Folder,
    options: IndexOptions,
    /// `None` only once it is closed.
    writer: Mutex<Option<IndexWriter<Queued>>>,
    reader: IndexReader,
    gauge: Arc<Gauge>,
    shown: RwLock<Shown>,
    _lock: DirectoryLock,
}

struct Shown {
    searcher: Searcher,
    change: u64,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("root", &self.root).field("reached", &self.reached()).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in `root` (made when absent), or starts an empty one at Seq 0 when what is there cannot
    /// be proven.
    ///
    /// # Errors
    /// 503 when another index has the folder open; 500 when it cannot be read or written.
    pub fn open(root: &Path, options: IndexOptions) -> Result<Self> {
        fs::create_dir_all(root).map_err(failed_io("make the folder"))?;
        let folder = Folder::open(root).map_err(failed("open the folder"))?;
        let lock = Lock { filepath: prove::LOCK.into(), is_blocking: false };
        let lock =
            folder.acquire_lock(&lock).map_err(|_| Fault::unavailable("search index: another process has it"))?;
        let (index, reached, coverage) = match prove::open(root, &folder).map_err(failed_io("prove the folder"))? {
            Some(found) => found,
            None => (create(root, &folder)?, Seq(0), Coverage::default()),
        };
        let writer = start_writer(&index, &options)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(0)
            .try_into()
            .map_err(failed("open the reader"))?;
        let searcher = Searcher::new(reader.searcher(), reached, Arc::new(coverage), root);
        let shown = RwLock::new(Shown { searcher, change: folder.changes() });
        let gauge = Arc::default();
        Ok(Self {
            root: root.to_path_buf(),
            folder,
            options,
            writer: Mutex::new(Some(writer)),
            reader,
            gauge,
            shown,
            _lock: lock,
        })
    }

    /// The Seq that a new searcher sees.
    pub fn reached(&self) -> Seq {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).searcher.reached()
    }

    /// Prepares and applies documents, in log order. See [`Index::apply_prepared`].
    ///
    /// # Errors
    /// As there.
    pub fn apply(&self, documents: &[Document]) -> Result<()> {
        documents.iter().try_for_each(|document| {
            let prepared = prepare(document);
            self.apply_prepared(std::slice::from_ref(&prepared))
        })
    }

    /// Applies documents, in log order; visible after the next [`Index::commit`]. Blocks while too many wait for
    /// the indexing thread.
    ///
    /// # Errors
    /// 500 when the writer died; see [`Index`].
    pub fn apply_prepared(&self, documents: &[Prepared]) -> Result<()> {
        let writer = self.lock();
        let writer = writer.as_ref().ok_or_else(closed)?;
        for document in documents {
            let mut steps = Vec::with_capacity(3);
            if !document.is_new {
                steps.push(UserOperation::Delete(Term::from_field_u64(key_field(), document.key)));
                let contained = Scope::container(document.key);
                steps.push(UserOperation::Delete(Term::from_field_bytes(terms_field(), &contained)));
            }
            if let Some(entry) = &document.entry {
                // one share for all that stands in it: nobody waits for what only he has taken
                let ticket = self.gauge.take(document.bytes(), self.options.queue_bytes, PATIENCE);
                let ticket = ticket.ok_or_else(|| Fault::internal("search index: the indexing thread hangs"))?;
                let without = |inner| UserOperation::Add(ticketed(inner, self.gauge.nothing()));
                steps.extend(document.contained.iter().map(without));
                steps.push(UserOperation::Add(ticketed(entry, ticket)));
            }
            writer.run(steps).map_err(failed("apply documents"))?;
        }
        Ok(())
    }

    /// Makes what was applied visible; `reached` is the Seq of the last entry of the log in it. The coverage stays.
    ///
    /// # Errors
    /// 500 when the writer died; see [`Index`].
    pub fn commit(&self, reached: Seq) -> Result<()> {
        let coverage = self.shown.read().unwrap_or_else(PoisonError::into_inner).searcher.coverage().clone();
        self.commit_covering(reached, coverage)
    }

    /// The same with what the index knows of added parameters from now on.
    ///
    /// # Errors
    /// As there.
    pub fn commit_covering(&self, reached: Seq, coverage: Coverage) -> Result<()> {
        let mut writer = self.lock();
        let writer = writer.as_mut().ok_or_else(closed)?;
        let mut prepared = writer.prepare_commit().map_err(failed("prepare a commit"))?;
        prepared.set_payload(&prove::payload(reached, &coverage));
        prepared.commit().map_err(failed("commit"))?;
        self.show(reached, Arc::new(coverage))
    }

    /// A snapshot: what the last commit made visible.
    pub fn searcher(&self) -> Searcher {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        if shown.change == self.folder.changes() {
            return shown.searcher.clone();
        }
        let before = shown.searcher.clone();
        drop(shown);
        // A merge has ended: fewer segments, same content. Whoever gets the writer's lock shows them; a commit
        // that is under way does it itself.
        if let Ok(_writer) = self.writer.try_lock()
            && self.show(before.reached(), before.shared_coverage()).is_ok()
        {
            return self.shown.read().unwrap_or_else(PoisonError::into_inner).searcher.clone();
        }
        before
    }

    /// Ends merges, syncs every file and marks the folder as closed in order. What was not committed is lost.
    ///
    /// # Errors
    /// 500 when the folder cannot be synced; the next `open` proves it then.
    pub fn close(self) -> Result<()> {
        let Some(writer) = self.lock().take() else { return Err(closed()) };
        writer.set_merge_policy(Box::new(NoMergePolicy));
        self.folder.refuse_writes();
        // The threads end with errors since they can no longer write: nothing of theirs was visible.
        let _ended = writer.wait_merging_threads();
        prove::seal(&self.root).map_err(failed_io("sync the folder"))
    }

    /// What a full disk does.
    #[cfg(test)]
    pub(super) fn stop_writing(&self) {
        self.folder.refuse_writes();
    }

    /// Needs the writer's lock, so that no commit comes between the segments and their Seq.
    fn show(&self, reached: Seq, coverage: Arc<Coverage>) -> Result<()> {
        let change = self.folder.changes();
        self.reader.reload().map_err(failed("reload"))?;
        let searcher = Searcher::new(self.reader.searcher(), reached, coverage, &self.root);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Shown { searcher, change };
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<IndexWriter<Queued>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An index that is dropped, not closed: its merges must not write beside those of the next one.
impl Drop for Index {
    fn drop(&mut self) {
        self.folder.refuse_writes();
    }
}

fn closed() -> Fault {
    Fault::internal("search index: it is closed")
}

fn create(root: &Path, folder: &Folder) -> Result<tantivy::Index> {
    prove::empty(root).map_err(failed_io("empty the folder"))?;
    let settings = IndexSettings {
        docstore_compression: tantivy::store::Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    tantivy::Index::create(folder.clone(), schema(), settings).map_err(failed("create"))
}

fn start_writer(index: &tantivy::Index, options: &IndexOptions) -> Result<IndexWriter<Queued>> {
    let sizes = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(options.heap_bytes)
        .build();
    let writer: IndexWriter<Queued> = index.writer_with_options(sizes).map_err(failed("start the writer"))?;
    // Small commits make small segments: levels four times apart with at most five segments each keep a
    // million documents below thirty segments, and a document is merged once per level.
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(5);
    policy.set_min_layer_size(500);
    policy.set_level_log_size(2.0);
    policy.set_del_docs_ratio_before_merge(0.3);
    writer.set_merge_policy(Box::new(policy));
    Ok(writer)
}
