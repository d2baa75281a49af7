//! What a code system is read from: a folder, a zip archive, or a file that may be packed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::base::fault::{Fault, Result};

/// Deepest folder that is searched.
const DEPTH_MAX: usize = 12;

/// Most files of a folder or archive.
const FILES_MAX: usize = 200_000;

/// Where the files are.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    place: Place,
    names: Vec<String>,
}

#[derive(Debug)]
enum Place {
    Folder,
    File,
    Zip(Box<ZipArchive<BufReader<File>>>),
}

impl Source {
    /// Looks what is there.
    ///
    /// # Errors
    /// 400 for a path that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let bad = |error: std::io::Error| Fault::invalid(format!("{}: {error}", path.display()));
        let (mut names, place);
        if std::fs::metadata(path).map_err(bad)?.is_dir() {
            (names, place) = (Vec::new(), Place::Folder);
            list(path, "", 0, &mut names).map_err(bad)?;
        } else {
            let mut file = BufReader::new(File::open(path).map_err(bad)?);
            let mut start = [0; 4];
            let is_zip = file.read_exact(&mut start).is_ok() && start == *b"PK\x03\x04";
            if is_zip {
                let archive = ZipArchive::new(file);
                let archive = archive.map_err(|error| Fault::invalid(format!("{}: {error}", path.display())))?;
                names = archive.file_names().filter(|name| !name.ends_with('/')).map(str::to_owned).collect();
                place = Place::Zip(Box::new(archive));
            } else {
                names = vec![path.file_name().unwrap_or_default().to_string_lossy().into_owned()];
                place = Place::File;
            }
        }
        if names.len() > FILES_MAX {
            return Err(Fault::invalid(format!("{}: more than {FILES_MAX} files", path.display())));
        }
        names.sort();
        Ok(Self { path: path.to_owned(), place, names })
    }

    /// The path, for messages.
    pub fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// The names of the files (with `/` between folders) that pass.
    pub fn find(&self, passes: impl Fn(&str) -> bool) -> Vec<String> {
        self.names.iter().filter(|name| passes(name)).cloned().collect()
    }

    /// The one file that passes; it may be absent.
    ///
    /// # Errors
    /// 400 when there are several.
    pub fn one(&self, what: &str, passes: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let mut found = self.find(passes);
        if found.len() > 1 {
            let which = found.join(", ");
            return Err(Fault::invalid(format!("{}: there are several {what}: {which}", self.path())));
        }
        Ok(found.pop())
    }

    /// The one file that passes, which must be there.
    ///
    /// # Errors
    /// 400 when there is none or there are several.
    pub fn needed(&self, what: &str, passes: impl Fn(&str) -> bool) -> Result<String> {
        let found = self.one(what, passes)?;
        found.ok_or_else(|| Fault::invalid(format!("{}: there is no {what} in it", self.path())))
    }

    /// Reads a file of [`Self::find`].
    ///
    /// # Errors
    /// 400 when it cannot be read.
    pub fn read(&mut self, name: &str) -> Result<Box<dyn Read + '_>> {
        let shown = self.shown(name);
        let bad = |error: String| Fault::invalid(format!("{shown}: {error}"));
        let read: Box<dyn Read + '_> = match &mut self.place {
            Place::Folder => Box::new(File::open(self.path.join(name)).map_err(|error| bad(error.to_string()))?),
            Place::File => Box::new(File::open(&self.path).map_err(|error| bad(error.to_string()))?),
            Place::Zip(archive) => Box::new(archive.by_name(name).map_err(|error| bad(error.to_string()))?),
        };
        Ok(match name.rsplit_once('.').map(|(_, end)| end) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(read)),
            Some("zst") => Box::new(zstd::Decoder::new(read).map_err(|error| bad(error.to_string()))?),
            _ => read,
        })
    }

    /// The whole text of a small file.
    ///
    /// # Errors
    /// 400 when it cannot be read, is too large or no text.
    pub fn text(&mut self, name: &str, most: u64) -> Result<String> {
        let shown = self.shown(name);
        let mut text = String::new();
        let read = self.read(name)?.take(most + 1).read_to_string(&mut text);
        let length = read.map_err(|error| Fault::invalid(format!("{shown}: {error}")))?;
        if length as u64 > most {
            return Err(Fault::invalid(format!("{shown}: more than {most} bytes")));
        }
        Ok(text)
    }

    /// A name as it stands in messages.
    pub fn shown(&self, name: &str) -> String {
        match self.place {
            Place::File => self.path(),
            Place::Folder | Place::Zip(_) => format!("{}/{name}", self.path()),
        }
    }
}

fn list(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let own = entry.file_name().to_string_lossy().into_owned();
        let name = format!("{prefix}{own}");
        if own.starts_with('.') || names.len() > FILES_MAX {
            continue;
        }
        if !entry.file_type()?.is_dir() {
            names.push(name);
        } else if depth < DEPTH_MAX {
            list(&entry.path(), &format!("{name}/"), depth + 1, names)?;
        }
    }
    Ok(())
}

/// The last part of a name.
pub fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
