//! The files of a backup: `000000000000-000000014814.log` is the log after the first number up to the second.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::base::fault::{Fault, Result};
use crate::base::id::Seq;

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The Seq before its first entry.
    pub after: Seq,
    /// The Seq of its last entry.
    pub last: Seq,
    /// Where it is.
    pub path: PathBuf,
}

/// The folder of a tenant's parts.
pub fn folder(backup: &Path, tenant: &str) -> PathBuf {
    backup.join(tenant)
}

/// The parts in a folder, in order; none when there is no folder. Where several begin at one place, the longest counts:
/// the others are what a full backup has not yet removed.
///
/// # Errors
/// 400 when the folder cannot be read, or there is a gap.
pub fn find(folder: &Path) -> Result<Vec<Part>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| Fault::invalid(format!("{}: {error}", folder.display()));
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        all.extend(part(entry.map_err(failed)?.path()));
    }
    all.sort_by_key(|part| (part.after, std::cmp::Reverse(part.last)));
    let mut parts: Vec<Part> = Vec::new();
    for part in all {
        let end = parts.last().map_or(Seq(0), |last| last.last);
        if part.after == end {
            parts.push(part);
        } else if part.after > end {
            let text = format!("{}: the backup has nothing between entries {end} and {}", folder.display(), part.after);
            return Err(Fault::invalid(text));
        }
    }
    Ok(parts)
}

fn part(path: PathBuf) -> Option<Part> {
    let (after, last) = path.file_name()?.to_str()?.strip_suffix(".log")?.split_once('-')?;
    let (after, last) = (Seq(after.parse().ok()?), Seq(last.parse().ok()?));
    (after < last).then_some(Part { after, last, path })
}

/// Gives a file that is written under another name its own, durably: the file first, then the name.
///
/// # Errors
/// 500 when it cannot be synced or renamed.
pub fn publish(file: &File, written: &Path, folder: &Path, after: Seq, last: Seq) -> Result<PathBuf> {
    let failed = |error: std::io::Error| Fault::internal(format!("{}: {error}", folder.display()));
    file.sync_all().map_err(failed)?;
    let path = folder.join(format!("{:012}-{:012}.log", after.0, last.0));
    fs::rename(written, &path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Result<Vec<(i64, i64)>> {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            File::create(folder.path().join(name)).unwrap();
        }
        Ok(find(folder.path())?.into_iter().map(|part| (part.after.0, part.last.0)).collect())
    }

    #[test]
    fn parts_follow_each_other() {
        assert_eq!(found(&[]), Ok(vec![]));
        assert_eq!(found(&["5-9.log", "0-5.log", "x.partial", "notes.txt", "7-7.log"]), Ok(vec![(0, 5), (5, 9)]));
        assert_eq!(found(&["0-5.log", "5-9.log", "0-12.log"]), Ok(vec![(0, 12)]), "a full one outweighs older parts");
        assert!(found(&["0-5.log", "6-9.log"]).is_err());
        assert!(found(&["3-9.log"]).is_err());
    }
}
