//! Which files there are, and in which order they go.

use std::path::{Path, PathBuf};

use crate::base::fault::{Fault, Result};

/// The files to load.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// What others refer to: one after another, before the rest.
    pub first: Vec<PathBuf>,
    /// The rest: in any order.
    pub rest: Vec<PathBuf>,
}

/// Most files of one load.
const MOST: usize = 5_000_000;

/// The files at `paths`, folders searched through, hidden files left out.
///
/// # Errors
/// 400 for a path that does not exist or cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Files> {
    let (first, rest) = listed(paths)?.into_iter().partition(|path| rank(path).is_some());
    let mut files = Files { first, rest };
    files.first.sort_by_key(|path| rank(path));
    Ok(files)
}

/// The files at `paths` in their order, those of a folder by their names, hidden files left out.
///
/// # Errors
/// 400 for a path that does not exist or cannot be read.
pub fn listed(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        let start = all.len();
        let mut folders = vec![path.clone()];
        while let Some(path) = folders.pop() {
            let about = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
            if !about.is_dir() {
                all.push(path);
                continue;
            }
            for entry in std::fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
                let entry = entry.map_err(|error| unreadable(&path, &error))?;
                if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    folders.push(entry.path());
                }
            }
            if all.len() + folders.len() > MOST {
                return Err(Fault::invalid(format!("{}: more than {MOST} files", path.display())));
            }
        }
        all[start..].sort();
    }
    Ok(all)
}

/// Whether a file or member of an archive goes before others, by its name.
pub fn goes_first(place: &str) -> bool {
    rank(Path::new(place)).is_some()
}

/// The place among the first files: hospitals before practitioners, because these refer to those.
fn rank(path: &Path) -> Option<u8> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let after_zero = name.strip_prefix("0-");
    let base = after_zero.unwrap_or(&name);
    if base.starts_with("hospital") {
        Some(0)
    } else if base.starts_with("practitioner") && (after_zero.is_some() || base.starts_with("practitionerinformation"))
    {
        Some(2)
    } else {
        after_zero.map(|_| 1)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::invalid(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_refer_to_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "b.json",
            "practitionerInformation1.json",
            "0-x.json",
            "0-hospitalInformation.json.bz2",
            ".hidden",
            "sub/a.json",
        ];
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let files = find(&[folder.path().to_owned()]).unwrap();
        let short = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(
            short(&files.first),
            ["0-hospitalInformation.json.bz2", "0-x.json", "practitionerInformation1.json"]
        );
        assert_eq!(short(&files.rest), ["b.json", "sub/a.json"]);
        assert!(find(&[folder.path().join("none")]).unwrap_err().message().contains("none"));
    }
}
