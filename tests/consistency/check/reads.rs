//! Whether reads and histories are of a cut.

use crate::consistency::seen::{Key, Row, Scope, Seen};
use crate::consistency::timeline::{Cut, Timeline};

/// Whether a read is of a cut.
pub fn read_at(timeline: &Timeline<'_>, key: &Key, seen: &Seen, cut: Cut) -> bool {
    shows(timeline.version(key, cut), seen)
}

/// Whether the read of a version is of a cut.
pub fn vread_at(timeline: &Timeline<'_>, key: &Key, version: u64, seen: &Seen, cut: Cut) -> bool {
    let there = timeline.place(key, version).filter(|at| *at < cut);
    shows(there.map(|at| &timeline.log[at].row), seen)
}

fn shows(row: Option<&Row>, seen: &Seen) -> bool {
    match (row, seen) {
        (None, Seen::Absent) | (Some(Row { content: None, .. }), Seen::Deleted) => true,
        (Some(Row { content: Some(content), version, .. }), Seen::There(seen, shown)) => {
            version == seen && content == shown
        }
        _ => false,
    }
}

/// Whether a history is of a cut: its newest versions in order, and how many there are.
pub fn history_at(
    timeline: &Timeline<'_>,
    scope: &Scope,
    rows: Option<&[Row]>,
    total: u64,
    more: bool,
    cut: Cut,
) -> bool {
    let places = timeline.places(scope);
    let places = &places[..places.partition_point(|at| *at < cut)];
    let Some(rows) = rows else { return places.is_empty() };
    // A resource that never existed has no history.
    let is_known = !matches!(scope, Scope::Instance(_)) || !places.is_empty();
    let newest = places.iter().rev().map(|at| &timeline.log[*at].row);
    let whole = rows.len() as u64 == total;
    is_known
        && places.len() as u64 == total
        && rows.len() <= places.len()
        && whole != more
        && newest.zip(rows).all(|(a, b)| a == b)
}
