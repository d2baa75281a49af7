//! What stays of an index: updates, deletions, reopening, torn files, failed writers, merges.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::prepare::Document;
use super::tests::*;
use super::writer::Index;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Result};
use crate::base::id::Seq;
use crate::search::query::*;
use crate::search::value::*;

#[test]
fn updates_replace_and_deletions_remove() {
    let mut world = World::new();
    world.put("Patient/1", &[("name", string("Old"))]);
    world.write("Patient/1", false, Some(&[("name", string("New"))]));
    world.put("Patient/2", &[("name", string("Gone"))]);
    world.commit();
    world.write("Patient/2", false, None);
    world.commit();
    let find = |world: &World, text: &str| {
        world.find("Patient", tests("name", vec![Test::String(StringTest::StartsWith(text.into()))]))
    };
    assert_eq!(find(&world, "old"), [0; 0]);
    assert_eq!(find(&world, "new"), [2]);
    assert_eq!(find(&world, "gone"), [0; 0]);
    let searcher = world.index.searcher();
    assert_eq!(seqs(&searcher.all(kind("Patient")).unwrap()), [2]);
    assert_eq!(seqs(&searcher.lookup(&[key("Patient/1").hash64(), key("Patient/2").hash64()]).unwrap()), [2]);
    let world = world.reopen();
    assert_eq!(world.index.reached(), Seq(4));
    assert_eq!(find(&world, "new"), [2]);
}

#[test]
fn what_was_not_committed_is_not_there() -> Result<()> {
    let mut world = World::new();
    family(&mut world);
    world.put("Patient/9", &[]);
    assert_eq!(world.index.searcher().count(), 8);
    let World { dir, index, .. } = world;
    drop(index); // as after a crash: not closed
    let index = Index::open(dir.path(), options())?;
    assert_eq!((index.reached(), index.searcher().count()), (Seq(8), 8));
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Every file of an index that was not closed, cut in half or changed in one byte: the index either proves what it
/// holds, or starts at Seq 0; it never answers from a torn file.
#[test]
fn torn_files_are_proven_or_emptied() {
    let mut world = World::new();
    family(&mut world);
    world.write("Observation/3", false, None);
    world.commit();
    let before = world.dir.path().to_path_buf();
    let places = TempDir::new().unwrap();
    let names: Vec<_> = fs::read_dir(&before).unwrap().map(|file| file.unwrap().file_name()).collect();
    let mut emptied = 0;
    for (n, name) in names.iter().enumerate() {
        for torn in ["empty", "half", "flip", "gone"] {
            let place = places.path().join(format!("{n}-{torn}"));
            copy(&before, &place);
            let path = place.join(name);
            let mut bytes = fs::read(&path).unwrap();
            match torn {
                "empty" => bytes.clear(),
                "half" => bytes.truncate(bytes.len() / 2),
                "flip" => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
                _ => (),
            }
            fs::write(&path, bytes).unwrap();
            if torn == "gone" {
                fs::remove_file(&path).unwrap();
            }
            let index = Index::open(&place, options()).unwrap();
            let count = index.searcher().count();
            match index.reached() {
                Seq(0) => assert_eq!(count, 0),
                reached => assert_eq!((reached, count), (Seq(9), 7), "{name:?} {torn}"),
            }
            emptied += u32::from(index.reached() == Seq(0));
        }
    }
    assert!(emptied > 20, "{emptied} of {} were emptied", names.len() * 4);
}

/// A folder that was closed in order and of which a file is missing, as after a removal that was killed, is not trusted.
#[test]
fn a_closed_index_that_lacks_a_file_is_emptied() {
    let mut world = World::new();
    family(&mut world);
    world.write("Observation/3", false, None);
    world.commit();
    let World { dir, index, .. } = world;
    index.close().unwrap();
    let places = TempDir::new().unwrap();
    let of_segments = |name: &str| !name.starts_with('.') && name.contains('.');
    let names = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| of_segments(name)).collect();
    assert!(names.iter().any(|name| name.ends_with(".pos")), "{names:?}");
    for name in &names {
        let place = places.path().join(format!("without-{name}"));
        copy(dir.path(), &place);
        fs::remove_file(place.join(name)).unwrap();
        let index = Index::open(&place, options()).unwrap();
        assert_eq!((index.reached(), index.searcher().count()), (Seq(0), 0), "without {name}");
    }
}

#[test]
fn merges_bound_the_segments_and_leave_the_content() {
    let mut world = World::new();
    for n in 0..120 {
        world.put(&format!("Patient/{n}"), &[("name", string("Same"))]);
        world.commit();
    }
    let query = query("Patient", vec![]);
    for _ in 0..200 {
        if world.index.searcher().segments() < 10 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(world.index.searcher().segments() < 10, "{} segments", world.index.searcher().segments());
    assert_eq!(world.index.reached(), Seq(120));
    assert_eq!(world.seqs(&query), (1..=120).collect::<Vec<_>>());
}

#[test]
fn a_writer_that_cannot_write_says_so_and_the_next_one_goes_on() {
    let mut world = World::new();
    family(&mut world);
    let folder = world.dir.path().to_path_buf();
    world.index.stop_writing();
    let values = Some(Extracted::default());
    let document = Document { key: key("Patient/9"), seq: Seq(9), updated: Timestamp(0), values, is_new: true };
    let refused = world.index.apply(std::slice::from_ref(&document)).and_then(|()| world.index.commit(Seq(9)));
    assert_eq!(refused.unwrap_err().category(), Category::Internal);
    assert_eq!((world.index.reached(), world.index.searcher().count()), (Seq(8), 8));
    drop(world.index);
    let index = Index::open(&folder, options()).unwrap();
    assert_eq!((index.reached(), index.searcher().count()), (Seq(8), 8));
    index.apply(&[document]).unwrap();
    index.commit(Seq(9)).unwrap();
    assert_eq!((index.reached(), index.searcher().count()), (Seq(9), 9));
}

#[test]
fn two_writers_do_not_share_a_folder() {
    let world = World::new();
    assert!(Index::open(world.dir.path(), options()).is_err());
    world.commit();
    assert_eq!(world.index.reached(), Seq(0));
}
