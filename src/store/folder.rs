//! A folder and its lock: one process at a time works in it. The data folder is one, that of a backup another.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::base::fault::{Category, Fault, Result};

/// Name of the file that is locked. It stays when the lock is given back; its content means nothing.
const LOCK: &str = "lock";

/// An exclusive lock of a folder, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// 409 when another process has it; 400 when it cannot be made or opened.
    pub fn lock(path: &Path) -> Result<Self> {
        let bad = |error: std::io::Error| Fault::invalid(format!("folder {}: {error}", path.display()));
        make(path).map_err(bad)?;
        let file = path.join(LOCK);
        let lock = File::options().create(true).write(true).truncate(false).open(file).map_err(bad)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let text = format!("folder {} is in use by another process", path.display());
                Err(Fault::new(Category::Conflict, text))
            }
            Err(TryLockError::Error(error)) => Err(bad(error)),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the folder and what is missing above it. Each new name is synced: what is in a folder is only as durable as
/// the folder itself.
fn make(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make(above)?;
    }
    std::fs::create_dir_all(path)?;
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let held = Folder::lock(&path).unwrap();
        let second = Folder::lock(&path).unwrap_err();
        assert_eq!(second.category(), Category::Conflict);
        assert!(second.message().contains("in use by another process"));
        drop(held);
        assert_eq!(Folder::lock(&path).unwrap().path(), path);
    }
}
