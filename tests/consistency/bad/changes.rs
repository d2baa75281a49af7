//! Changes that did not happen as they were answered, and changes whose outcome is unknown.

use super::made::{Made, QUIET, answer, content, create_on, delete, key, put, put_if, there, two_versions};
use crate::consistency::check::Invariant;
use crate::consistency::seen::{Content, Kind, Order, Outcome, Row, Seen, What, Write, Written};

#[test]
fn a_lost_update_is_bad() {
    let log = Made::log(&[("a", 1, 1), ("a", 2, 2), ("a", 3, 3)]).done(0, 1, put("a", 1), answer(201, "a", 1));
    let both =
        log.done(10, 20, put_if("a", 2, 1), answer(200, "a", 2)).done(10, 20, put_if("a", 3, 1), answer(200, "a", 3));
    both.is_bad("a precondition did not hold");
}

#[test]
fn a_patch_of_what_was_no_longer_there_is_bad() {
    let patched = |group| {
        let changed = Content { amount: 7, ..content(2) };
        let third = Content { mark: 3, group: 9, ..if group { changed.clone() } else { content(3) } };
        let rows = [content(1), changed.clone(), third].into_iter().zip(1..);
        let log = rows.map(|(content, version)| Row { key: key("a"), version, content: Some(content) }).collect();
        let second = Write::Put { key: key("a"), content: changed, if_match: None, only_new: false };
        let patch = Write::Patch { key: key("a"), mark: 3, group: 9, if_match: None };
        Made::of(log).done(0, 1, put("a", 1), answer(201, "a", 1)).done(10, 20, second, answer(200, "a", 2)).done(
            10,
            20,
            patch,
            answer(200, "a", 3),
        )
    };
    patched(true).is_good();
    patched(false).is_bad("expected");
}

#[test]
fn versions_given_twice_or_left_out_are_bad() {
    let twice = Made::log(&[("a", 1, 1), ("a", 2, 2), ("a", 2, 3)])
        .done(0, 1, put("a", 1), answer(201, "a", 1))
        .done(10, 20, put("a", 2), answer(200, "a", 2))
        .done(10, 20, put("a", 3), answer(200, "a", 2));
    twice.is_bad("has version 2, expected 3");
    let gap = Made::log(&[("a", 1, 1), ("a", 3, 2)]).done(0, 1, put("a", 1), answer(201, "a", 1)).done(
        10,
        20,
        put("a", 2),
        answer(200, "a", 3),
    );
    gap.is_bad("has version 3, expected 2");
    let told = Made::log(&[("a", 1, 1), ("a", 2, 2)]).done(0, 1, put("a", 1), answer(201, "a", 1)).done(
        10,
        20,
        put("a", 2),
        answer(200, "a", 1),
    );
    told.is_bad("answered");
}

#[test]
fn what_was_answered_is_there_once() {
    Made::log(&[]).done(0, 1, put("a", 1), answer(201, "a", 1)).is_bad("lost: mark 1");
    Made::log(&[("a", 1, 1)])
        .done(0, 1, put("a", 1), answer(201, "a", 1))
        .done(2, 3, delete("a"), answer(204, "a", 2))
        .is_bad("lost: the deletion 2");
    let twice = Made::log(&[("a", 1, 1), ("a", 2, 1)]).done(0, 1, put("a", 1), answer(201, "a", 1));
    twice.is_bad("was written already at 1");
    Made::log(&[("a", 1, 1)]).is_bad("nobody wrote");
    Made::log(&[("a", 1, 1), ("a", 2, 0)]).done(0, 1, put("a", 1), answer(201, "a", 1)).is_bad("nobody deleted");
}

#[test]
fn what_was_refused_stays_away() {
    let log = || two_versions();
    log().refused(40, 50, put_if("a", 9, 1), 412).is_good();
    log().refused(40, 50, put_if("a", 9, 2), 412).is_bad("in no state this is refused so");
    log().refused(40, 50, put("a", 9), 500).is_bad("in no state this is refused so");
    log().refused(40, 50, put("a", 9), 503).is_good();
    let back = Made::log(&[("a", 1, 1), ("a", 2, 2)]).done(0, 1, put("a", 1), answer(201, "a", 1)).refused(
        10,
        20,
        put("a", 2),
        503,
    );
    back.is_bad("was refused with 503, and is there");
}

#[test]
fn what_is_unknown_may_happen_later_or_never() {
    let later = Made::log(&[("a", 1, 1), ("a", 2, 3), ("a", 3, 2)])
        .done(0, 1, put("a", 1), answer(201, "a", 1))
        .unknown(10, 20, put("a", 2))
        .done(30, 40, put("a", 3), answer(200, "a", 2))
        .unknown(30, 40, put("a", 4));
    later.read(50, 51, "a", there(2, 3)).read(52, 53, "a", there(3, 2)).is_good();
    let deletions = Made::log(&[("a", 1, 1), ("a", 2, 0)])
        .done(0, 1, put("a", 1), answer(201, "a", 1))
        .unknown(10, 20, delete("a"))
        .unknown(10, 20, delete("a"));
    deletions.read(21, 22, "a", there(1, 1)).read(23, 24, "a", Seen::Deleted).is_good();
    // The one that was called first cannot have done it.
    let matching = |version| Write::Delete { key: key("a"), if_match: Some(version) };
    let conditional = |version| {
        Made::log(&[("a", 1, 1), ("a", 2, 2), ("a", 3, 0)])
            .done(0, 1, put("a", 1), answer(201, "a", 1))
            .done(2, 3, put("a", 2), answer(200, "a", 2))
            .unknown(4, 5, matching(1))
            .unknown(6, 7, matching(version))
    };
    conditional(2).is_good();
    conditional(1).is_bad("nobody deleted");
    conditional(1).unknown(8, 9, delete("a")).is_good();
}

#[test]
fn what_is_unknown_does_not_happen_before_its_call_or_by_half() {
    let early = Made::log(&[("a", 1, 1)]).unknown(10, 20, put("a", 1)).read(5, 6, "a", there(1, 1));
    early.is_bad("no state has this");
    let before = Made::log(&[("a", 1, 2), ("a", 2, 1)]).done(0, 1, put("a", 1), answer(200, "a", 2)).unknown(
        10,
        20,
        put("a", 2),
    );
    before.is_bad("comes after it");
    let half = Made::log(&[("a", 1, 1)]).change(0, 1, vec![put("a", 1), put("b", 2)], Outcome::Unknown);
    half.is_bad("expected Row");
    let none = Made::log(&[]).change(0, 1, vec![put("a", 1), put("b", 2)], Outcome::Unknown);
    none.is_good();
    let gone = Made::log(&[("b", 1, 1), ("b", 2, 0), ("a", 1, 2)]).done(0, 1, put("b", 1), answer(201, "b", 1)).change(
        2,
        3,
        vec![put("a", 2), delete("b")],
        Outcome::Unknown,
    );
    gone.is_good();
    let kept = Made::log(&[("b", 1, 1), ("a", 1, 2)]).done(0, 1, put("b", 1), answer(201, "b", 1)).change(
        2,
        3,
        vec![put("a", 2), delete("b")],
        Outcome::Unknown,
    );
    kept.is_bad("expected Row");
}

#[test]
fn real_time_orders_what_clients_do_apart() {
    let swapped = Made::log(&[("b", 1, 2), ("a", 1, 1)]).done(0, 1, put("a", 1), answer(201, "a", 1)).done(
        2,
        3,
        put("b", 2),
        answer(201, "b", 1),
    );
    swapped.is_bad("comes after it, in place");
    // Another client has seen it: what is then written comes after it.
    let seen = Made::log(&[("b", 1, 2), ("a", 1, 1)])
        .done(0, 100, put("a", 1), answer(201, "a", 1))
        .read(10, 11, "a", there(1, 1))
        .done(20, 21, put("b", 2), answer(201, "b", 1));
    seen.is_bad("no state has this");
}

/// `a` and `b` are written together, twice.
fn pairs() -> Made {
    Made::log(&[("a", 1, 1), ("b", 1, 2), ("a", 2, 3), ("b", 2, 4)])
        .pair(0, 10, [put("a", 1), put("b", 2)], [answer(201, "a", 1), answer(201, "b", 1)])
        .pair(20, 90, [put("a", 3), put("b", 4)], [answer(200, "a", 2), answer(200, "b", 2)])
}

#[test]
fn transactions_are_whole_in_the_log_and_to_everybody() {
    pairs().search(30, Order::Usual, &[(2, &[("a", 2, 3), ("b", 2, 4)])]).is_good();
    pairs().search(30, Order::Usual, &[(2, &[("a", 2, 3), ("b", 1, 2)])]).is_bad("no state has these pages");
    pairs().read(30, 31, "a", there(2, 3)).read(32, 33, "b", there(1, 2)).is_bad("no state has this");
    let torn = Made::log(&[("a", 1, 1), ("c", 1, 3), ("b", 1, 2)])
        .pair(0, 10, [put("a", 1), put("b", 2)], [answer(201, "a", 1), answer(201, "b", 1)])
        .done(0, 10, put("c", 3), answer(201, "c", 1));
    torn.is_bad("torn");
    let half =
        Made::log(&[("a", 1, 1)]).pair(0, 10, [put("a", 1), put("b", 2)], [answer(201, "a", 1), answer(201, "b", 1)]);
    half.is_bad("lost: mark 2");
    let inside = |seen| {
        let outcome = Outcome::Done { written: vec![answer(200, "a", 2)], reads: vec![seen] };
        let what = What::Change { writes: vec![put("a", 2)], reads: vec![key("a")], outcome };
        Made::log(&[("a", 1, 1), ("a", 2, 2)]).done(0, 1, put("a", 1), answer(201, "a", 1)).add(10, 11, what)
    };
    inside(there(2, 2)).is_good();
    inside(there(1, 1)).is_bad("inside the transaction");
}

#[test]
fn sums_that_do_not_hold_are_bad() {
    let amounts = |second: i64| {
        let amount = |mark, amount| Content { amount, ..content(mark) };
        let write = |id: &str, content: &Content| Write::Put {
            key: key(id),
            content: content.clone(),
            if_match: None,
            only_new: false,
        };
        let all = [amount(1, 5), amount(2, 5), amount(3, 3), amount(4, second)];
        let rows = all.iter().zip([("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
        let log = rows.map(|(c, (id, version))| Row { key: key(id), version, content: Some(c.clone()) }).collect();
        let two = |n: usize| [write("a", &all[n]), write("b", &all[n + 1])];
        Made::of(log).pair(0, 1, two(0), [answer(201, "a", 1), answer(201, "b", 1)]).pair(
            2,
            3,
            two(2),
            [answer(200, "a", 2), answer(200, "b", 2)],
        )
    };
    let sum = [Invariant::Sum { group: 1, sum: 10 }];
    assert_eq!(amounts(7).verdict(QUIET, &sum), Vec::<String>::new());
    assert_eq!(amounts(8).verdict(QUIET, &sum).len(), 1);
    let least = [Invariant::AtLeast { group: 1, sum: 10 }];
    assert_eq!(amounts(8).verdict(QUIET, &least), Vec::<String>::new());
    assert_eq!(amounts(6).verdict(QUIET, &least).len(), 1);
    // What a transaction depends on did not hold any more.
    let keep = Write::Keep { key: key("b"), content: content(2), if_match: 1 };
    let skewed = Made::log(&[("a", 1, 1), ("b", 1, 2), ("b", 2, 3), ("a", 2, 4)])
        .pair(0, 1, [put("a", 1), put("b", 2)], [answer(201, "a", 1), answer(201, "b", 1)])
        .done(10, 20, put("b", 3), answer(200, "b", 2))
        .pair(10, 20, [put_if("a", 4, 1), keep], [answer(200, "a", 2), answer(200, "b", 1)]);
    skewed.is_bad("a precondition did not hold");
}

#[test]
fn deletions_are_seen_as_such() {
    let gone = || {
        Made::log(&[("a", 1, 1), ("a", 2, 0), ("a", 3, 2)])
            .done(0, 1, put("a", 1), answer(201, "a", 1))
            .done(10, 11, delete("a"), answer(204, "a", 2))
            .done(30, 31, put("a", 2), answer(201, "a", 3))
    };
    let nothing = || Written { status: 204, at: None };
    gone().read(12, 13, "a", Seen::Deleted).done(14, 15, delete("a"), nothing()).is_good();
    gone().read(12, 13, "a", Seen::Absent).is_bad("no state has this");
    gone().read(12, 13, "a", there(1, 1)).is_bad("no state has this");
    gone().done(32, 33, delete("a"), nothing()).is_bad("in no state this changes nothing");
    gone().done(2, 3, delete("b"), nothing()).is_good();
    let patch = Write::Patch { key: key("a"), mark: 7, group: 1, if_match: None };
    gone().refused(12, 13, patch.clone(), 410).is_good();
    gone().refused(12, 13, patch, 404).is_bad("in no state this is refused so");
}

#[test]
fn a_condition_makes_one() {
    let made = |id: &str, mark| Row {
        key: key(id),
        version: 1,
        content: Some(Content { business: Some(5), ..content(mark) }),
    };
    let one = || Made::of(vec![made("a", 1)]).done(0, 10, create_on(1, 5), answer(201, "a", 1));
    one().done(5, 15, create_on(2, 5), answer(200, "a", 1)).is_good();
    one().done(5, 15, create_on(2, 5), answer(200, "b", 1)).is_bad("in no state this changes nothing");
    one().done(5, 15, create_on(2, 6), answer(200, "a", 1)).is_bad("in no state this changes nothing");
    let two = Made::of(vec![made("a", 1), made("b", 2)]).done(0, 10, create_on(1, 5), answer(201, "a", 1)).done(
        0,
        10,
        create_on(2, 5),
        answer(201, "b", 1),
    );
    two.is_bad("expected");
    let put = Write::PutOn { kind: Kind::Observation, content: Content { business: Some(5), ..content(2) } };
    one().done(5, 15, put, answer(201, "b", 1)).is_bad("lost: mark 2");
}
