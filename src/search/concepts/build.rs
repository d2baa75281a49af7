//! Making the index of a code system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tantivy::index::IndexSettings;
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::{Index, IndexWriter, TantivyDocument};

use super::order::{Climber, Hierarchy, Outline};
use super::schema::{self, schema};
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::{Concept, ROLE_GROUP, unpack};
use crate::search::index::error::{failed, failed_io};
use crate::search::kind::words;

/// Memory of the indexing thread before it writes a segment, in bytes.
const HEAP_BYTES: usize = 64 << 20;

/// The words of a concept's texts that are known, in bytes.
const WORDS_MAX: usize = 16 << 10;

/// Longest code that is a term.
const CODE_MAX: usize = 1024;

/// Makes the index in `folder`, which is there as a whole afterwards, synced, or not at all. `piece` gives the pieces of the code
/// system by their numbers, and none after the last; it is asked for all of them twice. `count`: how many concepts they have.
///
/// # Errors
/// 503 when the pieces are not there any more; 500 when a piece or the folder cannot be read or written; whatever `piece` answers.
pub fn build(folder: &Path, count: u64, piece: &mut dyn FnMut(u64) -> Result<Option<Bytes>>) -> Result<()> {
    let mut outline = Outline::default();
    each(piece, &mut |concept| outline.add(&concept.code, &concept.parents))?;
    let hierarchy = outline.hierarchy();
    if hierarchy.len() as u64 != count {
        return Err(gone());
    }
    let fresh = fresh(folder)?;
    fill(&fresh, &hierarchy, piece)?;
    sync(&fresh).map_err(failed_io("sync the concepts"))?;
    fs::rename(&fresh, folder).map_err(failed_io("name the folder of concepts"))?;
    let above = folder.parent().unwrap_or(Path::new("."));
    File::open(above).and_then(|above| above.sync_all()).map_err(failed_io("sync the folder of concepts"))
}

/// Another load may take the place of a code system while it is read.
fn gone() -> Fault {
    Fault::unavailable("a code system was replaced or removed while it was read")
}

/// An empty folder beside that which it will be.
fn fresh(folder: &Path) -> Result<PathBuf> {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = folder.with_file_name(name);
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed_io("empty a folder")(error)),
        _ => {}
    }
    fs::create_dir_all(&fresh).map_err(failed_io("make the folder of concepts"))?;
    Ok(fresh)
}

fn sync(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

/// Calls `visit` with all concepts.
fn each(
    piece: &mut dyn FnMut(u64) -> Result<Option<Bytes>>,
    visit: &mut dyn FnMut(&Concept) -> Result<()>,
) -> Result<()> {
    let mut number = 0;
    while let Some(bytes) = piece(number)? {
        unpack(&bytes)?.iter().try_for_each(&mut *visit)?;
        number += 1;
    }
    Ok(())
}

fn fill(folder: &Path, hierarchy: &Hierarchy, piece: &mut dyn FnMut(u64) -> Result<Option<Bytes>>) -> Result<()> {
    let settings = IndexSettings {
        docstore_compression: tantivy::store::Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let directory = tantivy::directory::MmapDirectory::open(folder);
    let directory = directory.map_err(|error| failed("open the folder of concepts")(error.into()))?;
    let index = Index::create(directory, schema(), settings).map_err(failed("create the concepts"))?;
    let sizes = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(HEAP_BYTES)
        .build();
    let mut writer: IndexWriter = index.writer_with_options(sizes).map_err(failed("write concepts"))?;
    writer.set_merge_policy(Box::new(NoMergePolicy));
    let (mut climber, mut number) = (hierarchy.climber(), 0);
    each(piece, &mut |concept| {
        if number as usize >= hierarchy.len() {
            return Err(gone());
        }
        let document = document(concept, number, hierarchy, &mut climber);
        number += 1;
        writer.add_document(document).map(drop).map_err(failed("write a concept"))
    })?;
    if number as usize != hierarchy.len() {
        return Err(gone());
    }
    writer.commit().map_err(failed("commit concepts"))?;
    // One segment: a code is looked up once, and the postings of an ancestor are one list.
    let segments = index.searchable_segment_ids().map_err(failed("list the segments of concepts"))?;
    if segments.len() > 1 {
        writer.merge(&segments).wait().map_err(failed("merge concepts"))?;
    }
    writer.garbage_collect_files().wait().map_err(failed("tidy the folder of concepts"))?;
    writer.wait_merging_threads().map_err(failed("end the writer of concepts"))
}

fn document(concept: &Concept, number: u32, hierarchy: &Hierarchy, climber: &mut Climber<'_>) -> TantivyDocument {
    let mut document = TantivyDocument::new();
    let code = &concept.code[..concept.code.floor_char_boundary(CODE_MAX)];
    document.add_text(schema::CODE, code);
    document.add_text(schema::FOLDED, code.to_lowercase());
    let mut text = String::new();
    words::append(concept.display.as_deref().unwrap_or_default(), WORDS_MAX, &mut text);
    document.add_text(schema::DISPLAY, &text);
    text.clear();
    let is_other = |value: &&str| Some(*value) != concept.display.as_deref();
    let others = concept.designations.iter().map(|designation| &*designation.value).filter(is_other);
    others.for_each(|other| words::append(other, WORDS_MAX, &mut text));
    document.add_text(schema::OTHERS, &text);
    document.add_u64(schema::PLACE, hierarchy.place(number));
    for above in hierarchy.parents(number) {
        document.add_u64(schema::PARENTS, hierarchy.place(*above));
    }
    for above in climber.ancestors(number) {
        document.add_u64(schema::ANCESTORS, hierarchy.place(*above));
    }
    for property in concept.properties.iter().filter(|property| &*property.code != ROLE_GROUP) {
        document.add_bytes(schema::PROPERTIES, &schema::property(&property.code, &property.value.text()));
    }
    // groups are read with the concept: the index knows only that it has some
    if concept.properties.iter().any(|property| &*property.code == ROLE_GROUP) {
        document.add_bytes(schema::PROPERTIES, &schema::property(ROLE_GROUP, ""));
    }
    if let Some(display) = &concept.display {
        document.add_bytes(schema::PROPERTIES, &schema::property("display", display));
    }
    let flags = [
        (concept.inactive, schema::INACTIVE),
        (concept.is_abstract, schema::ABSTRACT),
        (hierarchy.is_leaf(number), schema::LEAF),
    ];
    for (_, flag) in flags.into_iter().filter(|(is, _)| *is) {
        document.add_u64(schema::FLAGS, flag);
    }
    let mut stored = Vec::new();
    concept.encode(&mut stored);
    document.add_bytes(schema::STORED_FORM, &stored);
    document
}
