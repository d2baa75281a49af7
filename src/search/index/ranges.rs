//! Conditions on spans of time and on numbers (FHIR R4 `search.html`, 3.1.1.4.4 to 3.1.1.4.8), and lists of them.
//!
//! A list of thousands of alternatives collapses into one condition per prefix, so that a row costs a few
//! comparisons and a binary search, however long the list is.

use std::sync::Arc;

use crate::search::query::{DateTest, Prefix};
use crate::search::value::Span;

/// A condition on a span of time.
#[derive(Debug, Clone, PartialEq)]
pub enum DateRule {
    /// One test.
    One(DateTest),
    /// Inside one of these.
    Inside(Arc<Intervals>),
}

impl DateRule {
    /// Whether the span `start..end` passes.
    pub fn passes(&self, start: i64, end: i64) -> bool {
        match self {
            Self::One(test) => date_passes(test, start, end),
            Self::Inside(intervals) => intervals.reach(start).is_some_and(|reach| end <= reach),
        }
    }

    /// The same alternatives, fewer.
    pub fn collapse(tests: &[DateTest]) -> Vec<Self> {
        let mut rules = Vec::new();
        for prefix in Prefix::ALL {
            let spans: Vec<Span> = tests.iter().filter(|test| test.prefix == prefix).map(|test| test.span).collect();
            let starts = || spans.iter().map(|span| span.start);
            let ends = || spans.iter().map(|span| span.end);
            let (Some(first), Some(last)) = (starts().min(), starts().max()) else { continue };
            let (Some(least), Some(most)) = (ends().min(), ends().max()) else { continue };
            let one = |start, end| Self::One(DateTest { prefix, span: Span { start, end } });
            match prefix {
                Prefix::Eq if spans.len() > 1 => {
                    let pairs = spans.iter().map(|span| (span.start, span.end)).collect();
                    rules.push(Self::Inside(Arc::new(Intervals::new(pairs))));
                }
                // Outside of one of them: it starts before the last start, or ends after the first end.
                Prefix::Ne => rules.push(one(last, least)),
                Prefix::Gt | Prefix::Sa | Prefix::Ge => rules.push(one(first, least)),
                Prefix::Lt | Prefix::Eb | Prefix::Le => rules.push(one(last, most)),
                Prefix::Eq | Prefix::Ap | Prefix::Co => {
                    rules.extend(spans.iter().map(|span| one(span.start, span.end)))
                }
            }
        }
        rules
    }
}

/// A condition on a span of time.
pub fn date_passes(test: &DateTest, start: i64, end: i64) -> bool {
    let span = test.span;
    match test.prefix {
        Prefix::Eq => span.start <= start && end <= span.end,
        Prefix::Ne => start < span.start || span.end < end,
        Prefix::Gt => end > span.end,
        Prefix::Lt => start < span.start,
        Prefix::Ge => end > span.end || span.start <= start, // `gt` or `eq`
        Prefix::Le => start < span.start || end <= span.end, // `lt` or `eq`
        Prefix::Sa => start >= span.end,
        Prefix::Eb => end <= span.start,
        Prefix::Ap => start < span.end && end > span.start,
        Prefix::Co => start <= span.start && span.end <= end,
    }
}

/// A condition on a number or a range of numbers, in the order-preserving form of `codec::number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The prefix.
    pub prefix: Prefix,
    /// The search value.
    pub value: i64,
    /// Start of its implied range (inclusive).
    pub low: i64,
    /// End of its implied range (exclusive).
    pub high: i64,
}

impl Bounds {
    /// Whether a value from `low` to `high` (both inclusive; equal for a plain number) passes.
    pub fn passes(&self, low: i64, high: i64) -> bool {
        match self.prefix {
            Prefix::Eq => self.low <= low && high < self.high,
            Prefix::Ne => low < self.low || self.high <= high,
            Prefix::Gt => high > self.value,
            Prefix::Lt => low < self.value,
            Prefix::Ge => high >= self.value,
            Prefix::Le => low <= self.value,
            Prefix::Sa => low > self.value,
            Prefix::Eb => high < self.value,
            Prefix::Ap => low < self.high && high >= self.low,
            Prefix::Co => low <= self.low && high >= self.high,
        }
    }
}

/// A condition on a number.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberRule {
    /// One test.
    One(Bounds),
    /// Inside one of these.
    Inside(Arc<Intervals>),
}

impl NumberRule {
    /// Whether a value from `low` to `high` (both inclusive) passes.
    pub fn passes(&self, low: i64, high: i64) -> bool {
        match self {
            Self::One(bounds) => bounds.passes(low, high),
            Self::Inside(intervals) => intervals.reach(low).is_some_and(|reach| high < reach),
        }
    }

    /// The same alternatives, fewer.
    pub fn collapse(tests: &[Bounds]) -> Vec<Self> {
        let mut rules = Vec::new();
        for prefix in Prefix::ALL {
            let all: Vec<&Bounds> = tests.iter().filter(|test| test.prefix == prefix).collect();
            let Some(some) = all.first().copied().copied() else { continue };
            let values = || all.iter().map(|bounds| bounds.value);
            let by = |value: Option<i64>| Self::One(Bounds { value: value.unwrap_or(some.value), ..some });
            match prefix {
                Prefix::Eq if all.len() > 1 => {
                    let pairs = all.iter().map(|bounds| (bounds.low, bounds.high)).collect();
                    rules.push(Self::Inside(Arc::new(Intervals::new(pairs))));
                }
                // Outside of one of them: below the highest start, or above the lowest end.
                Prefix::Ne => {
                    let low = all.iter().map(|bounds| bounds.low).max().unwrap_or(some.low);
                    let high = all.iter().map(|bounds| bounds.high).min().unwrap_or(some.high);
                    rules.push(Self::One(Bounds { low, high, ..some }));
                }
                Prefix::Gt | Prefix::Ge | Prefix::Sa => rules.push(by(values().min())),
                Prefix::Lt | Prefix::Le | Prefix::Eb => rules.push(by(values().max())),
                Prefix::Eq | Prefix::Ap | Prefix::Co => rules.extend(all.iter().map(|bounds| Self::One(**bounds))),
            }
        }
        rules
    }
}

/// Intervals by their start, each with the furthest end of those up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    starts: Vec<i64>,
    reaches: Vec<i64>,
}

impl Intervals {
    /// From pairs of start and end.
    pub fn new(mut pairs: Vec<(i64, i64)>) -> Self {
        pairs.sort_unstable();
        let starts = pairs.iter().map(|pair| pair.0).collect();
        let furthest = pairs.iter().scan(i64::MIN, |reach, pair| {
            *reach = pair.1.max(*reach);
            Some(*reach)
        });
        let reaches = furthest.collect();
        Self { starts, reaches }
    }

    /// The furthest end of the intervals that start at or before `start`.
    fn reach(&self, start: i64) -> Option<i64> {
        let count = self.starts.partition_point(|other| *other <= start);
        self.reaches.get(count.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix() -> impl Strategy<Value = Prefix> {
        (0..Prefix::ALL.len()).prop_map(|at| Prefix::ALL[at])
    }

    fn span() -> impl Strategy<Value = Span> {
        (0..20_i64, 1..6_i64).prop_map(|(start, length)| Span { start, end: start + length })
    }

    proptest! {
        #[test]
        fn a_collapsed_list_of_dates_asks_the_same(
            tests in prop::collection::vec((prefix(), span()), 1..8), value in span(),
        ) {
            let tests: Vec<DateTest> = tests.into_iter().map(|(prefix, span)| DateTest { prefix, span }).collect();
            let one_by_one = tests.iter().any(|test| date_passes(test, value.start, value.end));
            let rules = DateRule::collapse(&tests);
            prop_assert_eq!(one_by_one, rules.iter().any(|rule| rule.passes(value.start, value.end)));
        }

        #[test]
        fn a_collapsed_list_of_numbers_asks_the_same(
            tests in prop::collection::vec((prefix(), 0..20_i64, 0..4_i64), 1..8), low in 0..20_i64, length in 0..5_i64,
        ) {
            let bounds = |(prefix, value, width)| Bounds { prefix, value, low: value - width, high: value + width + 1 };
            let tests: Vec<Bounds> = tests.into_iter().map(bounds).collect();
            let one_by_one = tests.iter().any(|test| test.passes(low, low + length));
            let rules = NumberRule::collapse(&tests);
            prop_assert_eq!(one_by_one, rules.iter().any(|rule| rule.passes(low, low + length)));
        }
    }
}
