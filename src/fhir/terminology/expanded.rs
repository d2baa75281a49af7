//! The codes of an expansion.

use super::display::Shown;

/// Most codes of an expansion that no `count` makes smaller.
pub const CODES: usize = 10_000;
/// Most codes of a page.
pub const PAGE: usize = 50_000;

/// A code of an expansion.
#[derive(Debug)]
pub struct Item {
    /// The concept; one without a code only groups others.
    pub shown: Shown,
    /// The codes below it.
    pub children: Vec<Item>,
}

/// The codes that were found.
#[derive(Debug, Default)]
pub struct Expanded {
    /// The codes of the page.
    pub items: Vec<Item>,
    /// How many there are in all; none when that is not known.
    pub total: Option<usize>,
    /// Why the code system has more than these, if it has.
    pub unclosed: Option<String>,
}
