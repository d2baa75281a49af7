//! The place of the index: it can be taken away and put back while searches go on.
//!
//! A tantivy writer that failed is of no use; the index is then opened again and goes on from the position that
//! it can prove.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;
use crate::search::index::{Index, IndexOptions, Searcher};

/// The index of a tenant, unless it is being opened again or closed.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    options: IndexOptions,
    slot: RwLock<Option<Arc<Index>>>,
}

impl Shelf {
    /// Opens the index of a log that ends at `head`. One that is ahead belongs to another database, or the log was
    /// lost: what it shows would be wrong, so it is made anew.
    ///
    /// # Errors
    /// 500 when the folder cannot be read or written.
    pub(super) fn open(folder: &Path, options: IndexOptions, head: Seq) -> Result<Self> {
        let mut index = Index::open(folder, options.clone())?;
        if index.reached() > head {
            tracing::warn!(index = index.reached().0, log = head.0, "the index is ahead of the log; rebuilding it");
            drop(index);
            let removed = std::fs::remove_dir_all(folder);
            removed.map_err(|error| Fault::internal(format!("index folder {}: {error}", folder.display())))?;
            index = Index::open(folder, options.clone())?;
        }
        Ok(Self { folder: folder.to_path_buf(), options, slot: RwLock::new(Some(Arc::new(index))) })
    }

    /// The index.
    ///
    /// # Errors
    /// 503 while there is none.
    pub(super) fn get(&self) -> Result<Arc<Index>> {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        slot.clone().ok_or_else(|| Fault::unavailable("the search index is being opened again; try again in a moment"))
    }

    /// A snapshot of the index.
    ///
    /// # Errors
    /// As [`Shelf::get`].
    pub(super) fn searcher(&self) -> Result<Searcher> {
        Ok(self.get()?.searcher())
    }

    /// Opens the index again; the position that it has proven.
    ///
    /// # Errors
    /// 500 when the folder cannot be read or written.
    pub(super) fn reopen(&self) -> Result<Seq> {
        drop(self.take());
        let index = Index::open(&self.folder, self.options.clone())?;
        let reached = index.reached();
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
        Ok(reached)
    }

    /// Closes the index in order, so that the next start need not prove it.
    ///
    /// # Errors
    /// 500 when the folder cannot be synced; nothing is lost.
    pub(super) fn close(&self) -> Result<()> {
        match self.take().map(Arc::into_inner) {
            Some(Some(index)) => index.close(),
            Some(None) => Err(Fault::internal("the search index is still in use; the next start proves it")),
            None => Ok(()),
        }
    }

    fn take(&self) -> Option<Arc<Index>> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}
