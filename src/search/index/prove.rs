//! What an index folder can be trusted with when it is opened.
//!
//! The file `closed` stands in a folder whose files were all synced by [`seal`]. It is removed, durably, before
//! anything is written. A folder without it is proven: the list of segments parses, carries our format, and
//! every file of every segment has the checksum of its footer. What fails is emptied; the log fills it again.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::coverage::Coverage;
use super::directory::Folder;
use super::schema::{FORMAT, schema};
use crate::base::id::Seq;

const MARKER: &str = "closed";
/// Who holds it may prove, empty and write the folder.
pub const LOCK: &str = ".index.lock";

/// What a commit carries: `cresset FORMAT SEQ`, and its coverage where there is any.
pub fn payload(reached: Seq, coverage: &Coverage) -> String {
    let start = format!("cresset {FORMAT} {reached}");
    if *coverage == Coverage::default() { start } else { format!("{start} {coverage}") }
}

/// The Seq and the coverage of a commit of this format.
pub fn reached(payload: Option<&str>) -> Option<(Seq, Coverage)> {
    let mut words = payload?.split(' ');
    let ours = words.next()? == "cresset" && words.next()?.parse() == Ok(FORMAT);
    let seq = words.next()?.parse().ok()?;
    let coverage = words.next().map_or_else(|| Some(Coverage::default()), Coverage::read)?;
    (ours && words.next().is_none() && seq >= 0).then_some((Seq(seq), coverage))
}

/// An index as it was found, with the Seq that it reaches and its coverage; `None`: there is none that can be trusted.
pub fn open(root: &Path, folder: &Folder) -> io::Result<Option<(tantivy::Index, Seq, Coverage)>> {
    let marker = root.join(MARKER);
    let sealed = marker.exists();
    if sealed {
        fs::remove_file(&marker)?;
        sync_folder(root)?;
    }
    let Some((index, seq, coverage)) = read(folder) else { return Ok(None) };
    if !sealed && !checksums_hold(root, &index) {
        return Ok(None);
    }
    // A disk may tear also what was closed in order: every footer is read here, and a file that was cut has none. A
    // removal of the folder that did not end leaves some files.
    if sealed && !(is_whole(root, &index) && opens(&index)) {
        return Ok(None);
    }
    drop_strangers(root, &index)?;
    Ok(Some((index, seq, coverage)))
}

fn opens(index: &tantivy::Index) -> bool {
    let reader: tantivy::Result<tantivy::IndexReader> =
        index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).doc_store_cache_num_blocks(0).try_into();
    reader.is_ok()
}

/// Whether every file of every segment is there; tantivy opens a segment without its positions, and fails when it is searched.
fn is_whole(root: &Path, index: &tantivy::Index) -> bool {
    let Ok(metas) = index.searchable_segment_metas() else { return false };
    metas.iter().flat_map(files_of).all(|path| root.join(path).exists())
}

fn read(folder: &Folder) -> Option<(tantivy::Index, Seq, Coverage)> {
    let index = tantivy::Index::open(folder.clone()).ok()?;
    let metas = index.load_metas().ok()?;
    let (seq, coverage) = reached(metas.payload.as_deref())?;
    (metas.schema == schema()).then_some((index, seq, coverage))
}

fn checksums_hold(root: &Path, index: &tantivy::Index) -> bool {
    let Ok(metas) = index.searchable_segment_metas() else { return false };
    metas.iter().all(|meta| files_of(meta).iter().all(|path| checksum_holds(root, index, path)))
}

fn checksum_holds(root: &Path, index: &tantivy::Index, path: &Path) -> bool {
    /// The two numbers at the end of a footer.
    const FOOTER_END: u64 = 8;
    root.join(path).metadata().is_ok_and(|data| data.len() >= FOOTER_END)
        && index.directory().validate_checksum(path).is_ok_and(|ok| ok)
}

/// The files of a segment: all parts have one, deletions when there are any.
fn files_of(meta: &tantivy::SegmentMeta) -> Vec<PathBuf> {
    use tantivy::index::SegmentComponent as Part;
    let mut parts = vec![Part::FieldNorms, Part::Terms, Part::Postings, Part::Positions, Part::FastFields, Part::Store];
    if meta.has_deletes() {
        parts.push(Part::Delete);
    }
    parts.into_iter().map(|part| meta.relative_path(part)).collect()
}

/// Removes what no segment of the index owns: files of merges and commits that did not end.
fn drop_strangers(root: &Path, index: &tantivy::Index) -> io::Result<()> {
    let metas = index.searchable_segment_metas().unwrap_or_default();
    let known: HashSet<PathBuf> = metas.iter().flat_map(files_of).collect();
    for file in fs::read_dir(root)? {
        let name = PathBuf::from(file?.file_name());
        let text = name.to_string_lossy();
        let owned =
            known.contains(&name) || text == "meta.json" || (text.starts_with('.') && !text.starts_with(".tmp-"));
        if !owned {
            fs::remove_file(root.join(&name))?;
        }
    }
    Ok(())
}

/// Removes every file of the folder (there are no folders in it) but the lock that we hold.
pub fn empty(root: &Path) -> io::Result<()> {
    for file in fs::read_dir(root)? {
        let path = file?.path();
        if path.is_file() && !path.ends_with(LOCK) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Syncs every file and the folder, then sets the marker.
pub fn seal(root: &Path) -> io::Result<()> {
    for file in fs::read_dir(root)? {
        let path = file?.path();
        if path.is_file() {
            File::open(path)?.sync_all()?;
        }
    }
    sync_folder(root)?;
    File::create(root.join(MARKER))?.sync_all()?;
    sync_folder(root)
}

fn sync_folder(root: &Path) -> io::Result<()> {
    File::open(root)?.sync_all()
}

/// Bytes of all files of the folder.
pub fn disk_bytes(folder: &Path) -> u64 {
    let Ok(files) = fs::read_dir(folder) else { return 0 };
    files.flatten().filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}
