//! Reads, searches and histories of no state.

use super::made::{Made, QUIET, Shown, answer, content, key, put, search, there, two_versions};
use crate::consistency::check::Tolerance;
use crate::consistency::seen::{Content, End, Key, Kind, Order, Page, Row, Scope, Search, Seen, What, Write, Written};

#[test]
fn reads_of_states_in_order_are_good() {
    two_versions()
        .read(0, 1, "a", Seen::Absent)
        .read(5, 25, "a", there(1, 1))
        .read(21, 22, "a", there(1, 1))
        .read(23, 24, "a", there(2, 2))
        .read(31, 32, "a", there(2, 2))
        .is_good();
}

#[test]
fn reads_out_of_order_are_bad() {
    two_versions().read(31, 32, "a", there(1, 1)).is_bad("no state has this");
    two_versions().read(11, 12, "a", Seen::Absent).is_bad("no state has this");
    two_versions().read(11, 12, "a", Seen::Deleted).is_bad("no state has this");
    two_versions().read(31, 32, "a", there(2, 1)).is_bad("no state has this");
    // Of the future: the write is then in the log before it was called.
    two_versions().read(11, 12, "a", there(2, 2)).is_bad("no state has this");
    // Each could be right alone, not one after the other.
    let twice = two_versions().read(21, 22, "a", there(2, 2)).read(23, 24, "a", there(1, 1));
    twice.is_bad("no state has this");
}

#[test]
fn versions_read_by_number_are_of_the_log() {
    let vread = |version, seen| What::Vread { key: key("a"), version, seen };
    two_versions().add(31, 32, vread(1, there(1, 1))).add(21, 22, vread(2, Seen::Absent)).is_good();
    two_versions().add(31, 32, vread(2, Seen::Absent)).is_bad("no state has this version");
    two_versions().add(31, 32, vread(1, there(1, 2))).is_bad("no state has this version");
    two_versions().add(11, 12, vread(2, there(2, 2))).is_bad("no state has this version");
}

/// `a` to `e` are there; then `c` is written again and `bb` is new.
fn many() -> Made {
    let rows = [("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("d", 1, 4), ("e", 1, 5), ("c", 2, 6), ("bb", 1, 7)];
    let mut made = Made::log(&rows);
    for (n, (id, version, mark)) in rows.into_iter().enumerate() {
        let status = if version == 1 { 201 } else { 200 };
        let called = if n < 5 { n as u64 } else { 100 + n as u64 * 10 };
        made = made.done(called, called + 1, put(id, mark), answer(status, id, version));
    }
    made
}

#[test]
fn searches_are_of_one_state() {
    let first: &[_] = &[("a", 1, 1), ("b", 1, 2)];
    let pages: [Shown<'_>; 3] = [(5, first), (5, &[("c", 1, 3), ("d", 1, 4)]), (5, &[("e", 1, 5)])];
    // Begun before the last changes, gone on with after them.
    for order in [Order::Usual, Order::Id] {
        many().search(145, order, &pages).is_good();
        many().search(165, order, &pages).is_bad("no state has these pages");
    }
    let skipped: [Shown<'_>; 2] = [(5, first), (5, &[("d", 1, 4), ("e", 1, 5)])];
    many().search(145, Order::Id, &skipped).is_bad("no state has these pages");
    let repeated: [Shown<'_>; 3] = [(5, first), (5, &[("b", 1, 2), ("c", 1, 3)]), (5, &[("d", 1, 4)])];
    many().search(145, Order::Usual, &repeated).is_bad("no state has these pages");
    let newer: [Shown<'_>; 3] = [(5, first), (5, &[("c", 2, 6), ("d", 1, 4)]), (5, &[("e", 1, 5)])];
    many().search(145, Order::Usual, &newer).is_bad("no state has these pages");
    let total: [Shown<'_>; 3] = [(6, first), (6, pages[1].1), (6, pages[2].1)];
    many().search(145, Order::Usual, &total).is_bad("no state has these pages");
    let phantom: [Shown<'_>; 3] = [(5, first), (5, &[("c", 1, 3), ("z", 1, 4)]), (5, &[("e", 1, 5)])];
    many().search(145, Order::Usual, &phantom).is_bad("no state has these pages");
    let short: [Shown<'_>; 1] = [(5, first)];
    many().search(145, Order::Usual, &short).is_bad("no state has these pages");
    let newest: [Shown<'_>; 3] =
        [(5, &[("e", 1, 5), ("d", 1, 4)]), (5, &[("c", 1, 3), ("b", 1, 2)]), (5, &[("a", 1, 1)])];
    many().search(145, Order::Newest, &newest).is_good();
    many().search(145, Order::Newest, &pages).is_bad("no state has these pages");
}

#[test]
fn pages_by_id_go_on_in_a_newer_state_when_nodes_end() {
    let first: &[_] = &[("a", 1, 1), ("b", 1, 2)];
    let ended = Tolerance { nodes_end: true };
    // The second page is of the last state: `bb` follows `b`.
    let renewed: [Shown<'_>; 3] = [(5, first), (6, &[("bb", 1, 7), ("c", 2, 6)]), (6, &[("d", 1, 4), ("e", 1, 5)])];
    let old = many().search(165, Order::Id, &renewed);
    let mut early = many().search(145, Order::Id, &renewed);
    assert!(!early.verdict(QUIET, &[]).is_empty());
    assert!(!old.verdict(ended, &[]).is_empty(), "the first page is of an old state");
    if let What::Search { pages, .. } = &mut early.0.operations.last_mut().unwrap().what {
        pages.iter_mut().skip(1).for_each(|page| (page.called, page.answered) = (200, 201));
    }
    assert_eq!(early.verdict(ended, &[]), Vec::<String>::new());
    // What was there all the time is skipped.
    if let What::Search { pages, .. } = &mut early.0.operations.last_mut().unwrap().what {
        pages[2].matches.remove(0);
    }
    assert!(!early.verdict(ended, &[]).is_empty());
    // A page is gone only when a node ended.
    let mut gone = many().search(145, Order::Usual, &[(5, first)]);
    if let What::Search { pages, end, .. } = &mut gone.0.operations.last_mut().unwrap().what {
        (pages[0].more, *end) = (true, End::Gone);
    }
    gone.is_bad("a page is gone");
    assert_eq!(gone.verdict(ended, &[]), Vec::<String>::new());
}

#[test]
fn includes_are_of_the_same_state() {
    let patient = |version, mark| Row {
        key: Key::new(Kind::Patient, "p"),
        version,
        content: Some(Content { group: 2, ..content(mark) }),
    };
    let refers = |version, mark| Row {
        key: key("a"),
        version,
        content: Some(Content { subject: Some(Key::new(Kind::Patient, "p")), ..content(mark) }),
    };
    let write = |row: &Row| Write::Put {
        key: row.key.clone(),
        content: row.content.clone().unwrap(),
        if_match: None,
        only_new: false,
    };
    let answered = |row: &Row| Written {
        status: if row.version == 1 { 201 } else { 200 },
        at: Some((row.key.clone(), row.version)),
    };
    let rows = vec![patient(1, 1), refers(1, 2), patient(2, 3), refers(2, 4)];
    let found = |matches: Row, included: Vec<Row>| {
        let mut made = Made::of(rows.clone());
        for (row, n) in rows.iter().zip([0, 10, 40, 60]) {
            made = made.done(n, n + 1, write(row), answered(row));
        }
        let page = Page { called: 20, answered: 90, total: Some(1), matches: vec![matches], included, more: false };
        let search = Search { include: true, ..search(Order::Usual, 2) };
        made.add(20, 90, What::Search { search, pages: vec![page], end: End::Followed })
    };
    found(refers(1, 2), vec![patient(2, 3)]).is_good();
    found(refers(2, 4), vec![patient(2, 3)]).is_good();
    found(refers(2, 4), vec![patient(1, 1)]).is_bad("no state has these pages");
    found(refers(1, 2), vec![]).is_bad("no state has these pages");
    found(refers(1, 2), vec![patient(1, 1), patient(1, 1)]).is_bad("no state has these pages");
}

#[test]
fn histories_are_of_one_state() {
    let rows = [("a", 2, 2), ("a", 1, 1)];
    two_versions().history(31, &rows, 2, false).history(21, &rows[1..], 1, false).is_good();
    two_versions().history(31, &rows[..1], 2, true).is_good();
    two_versions().history(31, &rows, 3, true).is_bad("no state has this history");
    two_versions().history(31, &rows[1..], 2, true).is_bad("no state has this history");
    two_versions().history(31, &rows[1..], 1, false).is_bad("no state has this history");
    two_versions().history(11, &rows, 2, false).is_bad("no state has this history");
    let never = |id: &str| What::History { scope: Scope::Instance(key(id)), rows: None, total: 0, more: false };
    two_versions().add(31, 32, never("b")).is_good();
    two_versions().add(31, 32, never("a")).is_bad("no state has this history");
}

#[test]
fn times_that_go_back_are_bad() {
    let mut made = two_versions();
    made.0.log[1].updated = "2025-01-01T00:00:00.000Z".to_owned();
    made.is_bad("is before that of the entry before");
}
