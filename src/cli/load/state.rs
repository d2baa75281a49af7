//! Which files are finished, so that a load can go on after it was interrupted.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::fault::{Fault, Result};
use crate::cli::load::document::hash;

/// The file of finished files: a line each of target, hash, size and path. It goes when all went in.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    target: String,
    finished: HashMap<PathBuf, (u64, u64)>,
    file: File,
}

impl State {
    /// Opens the state of loads into `target`; what earlier loads finished counts only if this one resumes.
    ///
    /// # Errors
    /// 400 when the file cannot be read or written.
    pub fn open(path: &Path, target: &str, resume: bool) -> Result<Self> {
        let bad = |error: std::io::Error| Fault::invalid(format!("state file {}: {error}", path.display()));
        let mut finished = HashMap::new();
        if resume && path.exists() {
            for line in std::fs::read_to_string(path).map_err(bad)?.lines() {
                if let Some((name, size, hash)) = entry(line, target) {
                    finished.insert(name, (size, hash));
                }
            }
        }
        let file =
            OpenOptions::new().create(true).write(true).append(resume).truncate(!resume).open(path).map_err(bad)?;
        Ok(Self { path: path.to_owned(), target: target.to_owned(), finished, file })
    }

    /// Whether the file was finished and has not changed since.
    pub fn is_finished(&self, path: &Path) -> bool {
        let Some((size, digest)) = self.finished.get(path) else { return false };
        std::fs::metadata(path).is_ok_and(|about| about.len() == *size)
            && hash(path).is_ok_and(|found| found == *digest)
    }

    /// Notes a file as finished.
    ///
    /// # Errors
    /// 500 when the state cannot be written.
    pub fn finish(&mut self, path: &Path, digest: u64) -> Result<()> {
        let bad = |error: std::io::Error| Fault::internal(format!("state file {}: {error}", self.path.display()));
        let size = std::fs::metadata(path).map_err(bad)?.len();
        writeln!(self.file, "{}\t{digest:016x}\t{size}\t{}", self.target, path.display()).map_err(bad)
    }

    /// Everything went in: the file is not needed any more.
    pub fn forget(self) {
        drop(self.file);
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("cresset: state file {}: {error}", self.path.display());
        }
    }
}

fn entry(line: &str, target: &str) -> Option<(PathBuf, u64, u64)> {
    let mut parts = line.splitn(4, '\t');
    let is_ours = parts.next()? == target;
    let hash = u64::from_str_radix(parts.next()?, 16).ok()?;
    let size = parts.next()?.parse().ok()?;
    is_ours.then_some((parts.next()?.into(), size, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_file_counts_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (state, data) = (folder.path().join("state"), folder.path().join("a b.json"));
        std::fs::write(&data, "{}").unwrap();
        let mut first = State::open(&state, "http://a/fhir", false).unwrap();
        assert!(!first.is_finished(&data));
        first.finish(&data, hash(&data).unwrap()).unwrap();
        drop(first);
        assert!(State::open(&state, "http://a/fhir", true).unwrap().is_finished(&data));
        assert!(!State::open(&state, "http://b/fhir", true).unwrap().is_finished(&data), "another server");
        std::fs::write(&data, "[]").unwrap();
        let resumed = State::open(&state, "http://a/fhir", true).unwrap();
        assert!(!resumed.is_finished(&data), "other bytes");
        resumed.forget();
        assert!(!state.exists());
    }
}
