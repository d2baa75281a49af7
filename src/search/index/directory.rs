//! The folder of an index: memory-mapped reads, writes without fsync.
//!
//! tantivy syncs every file and the folder at each commit; here the log is the truth and `prove` decides after
//! a crash what is left, so writes return when the operating system has them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

/// See the module. Clones share one folder.
#[derive(Debug, Clone)]
pub struct Folder {
    mapped: MmapDirectory,
    root: Arc<Path>,
    state: Arc<State>,
}

/// Numbers the temporary files of this process, whichever folder they are for.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Default)]
struct State {
    closed: AtomicBool,
    changes: AtomicU64,
}

impl Folder {
    /// The folder at `root`, which exists.
    pub fn open(root: &Path) -> Result<Self, tantivy::TantivyError> {
        Ok(Self { mapped: MmapDirectory::open(root)?, root: root.into(), state: Arc::default() })
    }

    /// From now on every write fails: a merge in flight ends soon and changes nothing.
    pub fn refuse_writes(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
    }

    /// How often the list of segments was replaced: by commits and by merges that ended.
    pub fn changes(&self) -> u64 {
        self.state.changes.load(Ordering::SeqCst)
    }

    fn check(&self) -> io::Result<()> {
        if self.state.closed.load(Ordering::SeqCst) {
            return Err(io::Error::other("the index is closed"));
        }
        Ok(())
    }

    fn replace(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.check()?;
        let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let temporary: PathBuf = self.root.join(format!(".tmp-{number}"));
        fs::write(&temporary, data)?;
        fs::rename(&temporary, self.root.join(path))?;
        if path == Path::new("meta.json") {
            self.state.changes.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// A file that is written once and never synced here.
struct Unsynced {
    file: File,
    folder: Folder,
}

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.folder.check()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Unsynced {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        Ok(())
    }
}

impl Directory for Folder {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.mapped.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.mapped.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.mapped.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let opened =
            self.check().and_then(|()| OpenOptions::new().write(true).create_new(true).open(self.root.join(path)));
        match opened {
            Ok(file) => Ok(BufWriter::new(Box::new(Unsynced { file, folder: self.clone() }))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OpenWriteError::FileAlreadyExists(path.to_path_buf()))
            }
            Err(error) => Err(OpenWriteError::wrap_io_error(error, path.to_path_buf())),
        }
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.mapped.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.replace(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.mapped.acquire_lock(lock)
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
