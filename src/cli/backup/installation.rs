//! What belongs to the installation and to no tenant, in the folder `.installation` of a backup: the FHIR packages and the large
//! code systems, a file each, as of the last run.
//!
//! A file is zstd with a checksum over blocks, each with its length (64 bits, little endian) before it: first what it is, as JSON,
//! then the prepared form of the package, or the pieces of the code system.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::packed::Packed;
use crate::fhir::json::{Json, parse, write};
use crate::store::folder::Folder;
use crate::store::{InstalledSystem, Store};

const NAME: &str = ".installation";
const SUFFIX: &str = ".zst";

/// Most bytes of a block.
const BLOCK: u64 = 1 << 30;

/// Copies what there is into a backup.
///
/// # Errors
/// 500 when that fails; 503 or 500 from the database.
pub async fn copy(store: &Store, backup: &Path) -> Result<()> {
    let folder = backup.join(NAME);
    let (packages, systems) = (store.packages().await?, store.installed_systems().await?);
    if packages.is_empty() && systems.is_empty() && !folder.exists() {
        return Ok(());
    }
    let _lock = match Folder::lock(&folder) {
        Ok(lock) => lock,
        // another backup copies the same
        Err(fault) if fault.category() == Category::Conflict => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let mut kept = HashSet::new();
    for (name, version) in packages {
        let Some(content) = store.package(&name, &version).await? else { continue };
        let file = format!("package-{}{SUFFIX}", plain(&format!("{name}#{version}")));
        let head = [("package", Json::string(name)), ("version", Json::string(version))];
        let mut out = Out::begin(&folder, &file, head)?;
        out.block(&content)?;
        out.finish()?;
        kept.insert(file);
    }
    for system in systems {
        let file = format!("system-{}-{}{SUFFIX}", system.number, system.loaded.0);
        // what was loaded does not change
        if !folder.join(&file).exists() && !copy_system(store, &folder, &file, &system).await? {
            continue;
        }
        kept.insert(file);
    }
    for path in files(&folder)? {
        if path.file_name().and_then(|name| name.to_str()).is_none_or(|name| !kept.contains(name)) {
            fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
    }
    println!("packages and large code systems: {}", kept.len());
    Ok(())
}

/// Copies a code system; `false`: it went away meanwhile.
async fn copy_system(store: &Store, folder: &Path, file: &str, system: &InstalledSystem) -> Result<bool> {
    let head = [
        ("system", Json::string(system.url.as_str())),
        ("version", Json::string(system.version.as_str())),
        ("about", Json::string(system.about.as_str())),
        ("concepts", Json::integer(system.concepts.cast_signed())),
    ];
    let mut out = Out::begin(folder, file, head)?;
    let mut piece = 0;
    while let Some(bytes) = store.piece(system.number, piece).await? {
        out.block(&bytes)?;
        piece += 1;
    }
    let is_there = |now: &(i64, _)| *now == (system.number, system.loaded);
    if !store.installed_numbers().await?.iter().any(is_there) {
        return Ok(false);
    }
    out.finish().map(|()| true)
}

/// Brings back what a backup has and the store has not; nothing of a backup that was made before there was any.
///
/// # Errors
/// 400 for a file that is damaged; 503 or 500 from the database.
pub async fn restore(store: &Store, backup: &Path) -> Result<()> {
    let folder = backup.join(NAME);
    let (packages, systems) = (store.packages().await?, store.installed_systems().await?);
    for path in files(&folder)? {
        let at = |fault: Fault| fault.context(path.display());
        let file = File::open(&path).map_err(|error| failed(&path, &error))?;
        let mut blocks = Blocks::new(file).map_err(at)?;
        let head = blocks.next_block().map_err(at)?.ok_or_else(|| at(Fault::invalid("it is empty")))?;
        let head = parse(&head).map_err(at)?;
        let text = |name: &str| head.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let (package, system, version) = (text("package"), text("system"), text("version"));
        if !package.is_empty() {
            let content = blocks.next_block().map_err(at)?.unwrap_or_default();
            blocks.end().map_err(at)?;
            Packed::read(content.clone()).map_err(at)?;
            if !packages.contains(&(package.clone(), version.clone())) {
                store.put_package(&package, &version, content).await?;
                println!("package {package}#{version}: restored");
            }
        } else if !systems.iter().any(|there| there.url == system && there.version == version) {
            let concepts = head.get("concepts").and_then(Json::as_number).and_then(|n| n.as_str().parse().ok());
            let concepts = concepts.ok_or_else(|| at(Fault::invalid("it does not say how many concepts it has")))?;
            let load = store.begin_load(&system, &version).await?;
            let mut piece = 0;
            while let Some(bytes) = blocks.next_block().map_err(at)? {
                store.add_piece(load, piece, bytes).await?;
                piece += 1;
            }
            store.finish_load(load, &text("about"), concepts).await?;
            println!("code system {system}|{version}: restored, {concepts} concepts");
        }
    }
    Ok(())
}

/// The files of the folder, in the order of their names; none when there is no folder. What was not finished is left out.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, &error)),
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.to_str().is_some_and(|name| name.ends_with(SUFFIX)));
    found.sort();
    Ok(found)
}

/// A text that can be the name of a file.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '#');
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { format!("%{:02X}", u32::from(c)) }).collect()
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    Fault::internal(format!("{}: {error}", path.display()))
}

/// A file that is being written.
struct Out {
    folder: PathBuf,
    new: PathBuf,
    path: PathBuf,
    to: zstd::Encoder<'static, BufWriter<File>>,
}

impl Out {
    fn begin<const N: usize>(folder: &Path, file: &str, head: [(&'static str, Json); N]) -> Result<Self> {
        let (new, path) = (folder.join("new.partial"), folder.join(file));
        let wrong = |error: std::io::Error| failed(&new, &error);
        let mut to = zstd::Encoder::new(BufWriter::new(File::create(&new).map_err(wrong)?), 1).map_err(wrong)?;
        to.include_checksum(true).map_err(wrong)?;
        let mut out = Self { folder: folder.to_owned(), new: new.clone(), path, to };
        let mut text = Vec::new();
        write(&Json::object(head), &mut text);
        out.block(&text)?;
        Ok(out)
    }

    fn block(&mut self, bytes: &[u8]) -> Result<()> {
        let done = self.to.write_all(&(bytes.len() as u64).to_le_bytes()).and_then(|()| self.to.write_all(bytes));
        done.map_err(|error| failed(&self.new, &error))
    }

    /// Gives the file its name, durably.
    fn finish(self) -> Result<()> {
        let Self { folder, new, path, to } = self;
        let done = to.finish().and_then(|file| {
            let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&folder)?.sync_all()
        });
        done.map_err(|error| failed(&path, &error))
    }
}

/// The blocks of a file.
struct Blocks(zstd::Decoder<'static, BufReader<File>>);

impl Blocks {
    fn new(file: File) -> Result<Self> {
        zstd::Decoder::new(file).map(Self).map_err(|error| damaged(&error))
    }

    fn next_block(&mut self) -> Result<Option<Bytes>> {
        let mut length = Vec::new();
        (&mut self.0).take(8).read_to_end(&mut length).map_err(|error| damaged(&error))?;
        if length.is_empty() {
            return Ok(None);
        }
        let length = length.try_into().map(u64::from_le_bytes).ok().filter(|length| *length <= BLOCK);
        let length = length.ok_or_else(|| Fault::invalid("it is damaged: a length is wrong"))?;
        let mut block = Vec::new();
        (&mut self.0).take(length).read_to_end(&mut block).map_err(|error| damaged(&error))?;
        match block.len() as u64 == length {
            true => Ok(Some(block.into())),
            false => Err(Fault::invalid("it is damaged: it ends in the middle")),
        }
    }

    /// Nothing more may come, and the checksum must be right.
    fn end(&mut self) -> Result<()> {
        match self.next_block()? {
            None => Ok(()),
            Some(_) => Err(Fault::invalid("it is damaged: more comes than belongs there")),
        }
    }
}

fn damaged(error: &std::io::Error) -> Fault {
    Fault::invalid(format!("it is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_back_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut out = Out::begin(folder.path(), "package-a%2Fb#1.zst", [("package", Json::string("a/b"))]).unwrap();
        out.block(&[7; 100_000]).unwrap();
        out.block(b"").unwrap();
        out.finish().unwrap();
        let found = files(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join(format!("package-{}.zst", plain("a/b#1")))]);
        let read = |bytes: &[u8]| {
            fs::write(&found[0], bytes).unwrap();
            let mut blocks = Blocks::new(File::open(&found[0]).unwrap())?;
            let mut sizes = Vec::new();
            while let Some(block) = blocks.next_block()? {
                sizes.push(block.len());
            }
            Ok::<_, Fault>(sizes)
        };
        let whole = fs::read(&found[0]).unwrap();
        assert_eq!(read(&whole).unwrap()[1..], [100_000, 0]);
        for cut in [1, 10, whole.len() - 1] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(read(&changed).is_err());
    }
}
