//! Whether the pages of a search are of a cut.

use super::Tolerance;
use super::changes::Places;
use crate::consistency::seen::{Order, Page, Row, Search};
use crate::consistency::timeline::{Cut, Timeline};

/// Whether the first page is of a cut, and the later ones go on with it: in the same snapshot, or where that may be gone
/// and the order is that of ids, each from its place on in a newer one.
pub fn search_at(
    timeline: &Timeline<'_>,
    places: &Places,
    search: &Search,
    pages: &[Page],
    tolerance: Tolerance,
    cut: Cut,
) -> bool {
    let Some(first) = pages.first() else { return true };
    if first.total != Some(timeline.total(search.kind, &search.filter, cut)) {
        return false;
    }
    if search.count == 0 {
        return first.matches.is_empty() && first.included.is_empty() && !first.more;
    }
    let at = At { timeline, places, search, renewed: tolerance.nodes_end && is_by_id(search.order) };
    let snapshot = Snapshot::of(timeline, search, cut);
    at.goes_on(&snapshot, pages, &[])
}

fn is_by_id(order: Order) -> bool {
    matches!(order, Order::Id | Order::IdDown)
}

/// What a search selects at a cut.
struct Snapshot<'a> {
    cut: Cut,
    /// In the order of the search where that is one of ids.
    matches: Vec<&'a Row>,
}

impl<'a> Snapshot<'a> {
    fn of(timeline: &Timeline<'a>, search: &Search, cut: Cut) -> Self {
        let mut matches = timeline.matches(search.kind, &search.filter, cut);
        if search.order == Order::IdDown {
            matches.reverse();
        }
        Self { cut, matches }
    }
}

struct At<'a> {
    timeline: &'a Timeline<'a>,
    places: &'a Places,
    search: &'a Search,
    /// Whether a later page may be of a newer snapshot.
    renewed: bool,
}

impl At<'_> {
    /// Whether pages go on behind some matches, the first of them in this snapshot.
    fn goes_on(&self, snapshot: &Snapshot<'_>, pages: &[Page], before: &[Row]) -> bool {
        let Some((page, rest)) = pages.split_first() else { return true };
        if !self.is_of(snapshot, page, before) {
            return false;
        }
        let behind: Vec<Row> = before.iter().chain(&page.matches).cloned().collect();
        if self.goes_on(snapshot, rest, &behind) {
            return true;
        }
        let Some(next) = rest.first().filter(|_| self.renewed) else { return false };
        let cuts = self.places.earliest(next.called)..=self.places.latest(next.answered);
        cuts.filter(|cut| self.places.is_cut(*cut)).any(|cut| {
            let renewed = Snapshot::of(self.timeline, self.search, cut);
            self.goes_on(&renewed, rest, &behind)
        })
    }

    /// Whether a page is what follows some matches in a snapshot.
    fn is_of(&self, snapshot: &Snapshot<'_>, page: &Page, before: &[Row]) -> bool {
        let left = self.left(snapshot, before);
        let wanted = left.len().min(self.search.count);
        let rows = &page.matches;
        let in_place = |(row, expected): (&Row, &&Row)| row == *expected;
        let right = if is_by_id(self.search.order) {
            rows.iter().zip(&left).all(in_place)
        } else {
            are_among(rows, &left) && (self.search.order != Order::Newest || self.is_newest(rows, &left))
        };
        let total = self.timeline.total(self.search.kind, &self.search.filter, snapshot.cut);
        rows.len() == wanted
            && right
            && page.more == (left.len() > wanted)
            && page.total == Some(total)
            && self.includes(snapshot, page)
    }

    /// The matches of a snapshot behind others: by their ids, or those that were not among them.
    fn left<'s>(&self, snapshot: &Snapshot<'s>, before: &[Row]) -> Vec<&'s Row> {
        let rows = snapshot.matches.iter().copied();
        match (self.search.order, before.last()) {
            (Order::Id, Some(last)) => rows.filter(|row| row.key > last.key).collect(),
            (Order::IdDown, Some(last)) => rows.filter(|row| row.key < last.key).collect(),
            _ => rows.filter(|row| before.iter().all(|seen| seen.key != row.key)).collect(),
        }
    }

    /// Newest first: nothing that is left is newer than the oldest one of the page. Times may be equal.
    fn is_newest(&self, rows: &[Row], left: &[&Row]) -> bool {
        let updated = |row: &Row| self.timeline.place(&row.key, row.version).map(|at| &self.timeline.log[at].updated);
        let falls = rows.windows(2).all(|pair| updated(&pair[0]) >= updated(&pair[1]));
        let oldest = rows.last().and_then(updated);
        let newer = left.iter().filter(|row| updated(row) > oldest).count();
        falls && newer <= rows.len()
    }

    fn includes(&self, snapshot: &Snapshot<'_>, page: &Page) -> bool {
        if !self.search.include {
            return page.included.is_empty();
        }
        let expected = self.timeline.included(self.search.kind, &page.matches, snapshot.cut);
        page.included.len() == expected.len() && are_among(&page.included, &expected)
    }
}

/// Whether all rows are among others, each once.
fn are_among(rows: &[Row], others: &[&Row]) -> bool {
    let mut left = others.to_vec();
    rows.iter().all(|row| match left.iter().position(|other| *other == row) {
        Some(at) => {
            left.swap_remove(at);
            true
        }
        None => false,
    })
}
