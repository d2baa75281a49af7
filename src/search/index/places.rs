//! The place of a resource in the order by `_id`.

use super::tests::{World, key, kind, query};
use crate::base::limits::Limits;
use crate::fhir::types::ResourceKey;
use crate::search::query::{Query, SortBy, SortKey};

fn sorted(names: &[&str], by: SortBy, descending: bool) -> Query {
    Query {
        types: names.iter().map(|name| kind(name)).collect(),
        sort: vec![SortKey { by, descending }],
        ..query(names[0], vec![])
    }
}

/// Several segments, with deletions, ids of two types, and gaps between them.
fn world() -> (World, Vec<ResourceKey>) {
    let (mut world, mut keys) = (World::new(), Vec::new());
    for n in 0..120_u64 {
        // Every second number, in an order that mixes the segments.
        let id = n * 77 % 120 * 2;
        let name = if n % 3 == 0 { "Observation" } else { "Patient" };
        keys.push(key(&format!("{name}/r{id}")));
        world.put(&format!("{name}/r{id}"), &[]);
        if n % 5 == 0 {
            keys.push(key(&format!("Encounter/r{id}")));
            world.put(&format!("Encounter/r{id}"), &[]);
        }
        if n % 25 == 24 {
            world.commit();
        }
    }
    for n in [4_usize, 40, 90] {
        let gone = keys.remove(n);
        world.write(&gone.to_string(), false, None);
    }
    world.commit();
    (world, keys)
}

#[test]
fn a_place_is_the_number_of_matches_before_it() {
    let (world, keys) = world();
    let (searcher, limits) = (world.index.searcher(), Limits::default());
    assert!(searcher.segments() > 1, "one segment proves little");
    for names in [&["Patient"][..], &["Observation", "Patient", "Encounter"]] {
        for descending in [false, true] {
            let query = sorted(names, SortBy::Id, descending);
            let hits = searcher.search(&query, 0, 1000, &limits).unwrap().hits;
            let own: Vec<_> = keys.iter().filter(|key| names.contains(&key.kind.name())).collect();
            assert_eq!(hits.len(), own.len());
            let place =
                |key: &ResourceKey, inclusive| searcher.place(&query, key, inclusive, &limits).unwrap().unwrap();
            for key in own {
                let at = hits.iter().position(|hit| hit.key == key.hash64()).unwrap() as u64;
                assert_eq!((place(key, false), place(key, true)), (at, at + 1), "{key} {names:?} {descending}");
            }
            // Of ids that nobody has, also at both ends.
            for absent in (0..240).map(|n| format!("r{n}x")).chain(["a".to_owned(), "z".to_owned()]) {
                let before = |key: &&ResourceKey| (key.id.as_str() < absent.as_str()) != descending;
                let own = keys.iter().filter(|key| names.contains(&key.kind.name()));
                let at = own.filter(before).count() as u64;
                let absent = key(&format!("Patient/{absent}"));
                assert_eq!((place(&absent, false), place(&absent, true)), (at, at), "{absent} {names:?} {descending}");
            }
        }
    }
}

#[test]
fn another_order_has_no_places() {
    let (world, keys) = world();
    let (searcher, limits) = (world.index.searcher(), Limits::default());
    let place = |query: &Query| searcher.place(query, &keys[0], true, &limits).unwrap();
    assert_eq!(place(&sorted(&["Patient"], SortBy::LastUpdated, false)), None);
    assert_eq!(place(&query("Patient", vec![])), None);
    let mut two = sorted(&["Patient"], SortBy::Id, false);
    two.sort.push(SortKey { by: SortBy::LastUpdated, descending: false });
    assert_eq!(place(&two), None);
}
