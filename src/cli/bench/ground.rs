//! What a server under measurement stands on: a fresh data folder on the measured disk, and its database.

use std::path::Path;

use super::args::BenchArgs;
use super::cluster::Cluster;
use super::machine::disk_bytes;
use super::slow_disk::SlowDisk;
use crate::base::fault::{Fault, Result};

/// A fresh store's place. Removed when dropped.
#[derive(Debug)]
pub struct Ground {
    folder: tempfile::TempDir,
    cluster: Option<Cluster>,
    url: Option<String>,
}

/// `--database` with this word makes a cluster for each store.
pub const OWN: &str = "postgres";

impl Ground {
    /// An empty one.
    ///
    /// # Errors
    /// 500 when it cannot be made.
    pub fn fresh(args: &BenchArgs, slow: Option<&SlowDisk>) -> Result<Self> {
        let folder = folder(args)?;
        let cluster = match args.database.as_deref() {
            Some(OWN) => Some(Cluster::start(&args.work, slow)?),
            _ => None,
        };
        let url = cluster.as_ref().map(Cluster::url).or_else(|| args.database.clone());
        Ok(Self { folder, cluster, url })
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database; `None` for the embedded one.
    pub fn database(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Bytes of the data folder, of its index alone, and of a database beside it that this ground owns.
    pub fn disk_bytes(&self) -> (u64, u64) {
        let beside = self.cluster.as_ref().map_or(0, Cluster::disk_bytes);
        (disk_bytes(self.folder()) + beside, disk_bytes(&self.folder().join("index")))
    }

    /// Whether all of the store's bytes are known here.
    pub fn knows_its_size(&self) -> bool {
        self.url.is_none() || self.cluster.is_some()
    }
}

/// A fresh folder on the file system that is measured.
///
/// # Errors
/// 500 when it cannot be made.
pub fn folder(args: &BenchArgs) -> Result<tempfile::TempDir> {
    let made = tempfile::Builder::new().prefix("cresset-bench-").tempdir_in(&args.work);
    made.map_err(|error| Fault::internal(format!("{}: {error}", args.work.display())))
}
