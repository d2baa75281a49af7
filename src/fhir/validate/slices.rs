//! Counting the values of an element in the slices of its profiles.

use smallvec::SmallVec;

use super::locations::PLACES;
use super::rules::{At, Slicing, SlicingRules};
use super::slicing::{alike, is_unclear, slice_of, unlike};
use super::state::{Check, Rules, STRUCTURE, Scope};
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Most values in no slice that are named where a slice lacks one.
const REST: usize = 4;

/// The slices of one element, under all rules that slice it.
pub struct Slices<'r, 'j>(SmallVec<[Sliced<'r, 'j>; 1]>);

/// The slices of one rule.
struct Sliced<'r, 'j> {
    at: At<'r>,
    slicing: &'r Slicing,
    counts: SmallVec<[u32; 8]>,
    /// The number of the last slice that a value was in.
    last: usize,
    /// Whether a value was in none.
    has_rest: bool,
    /// The first such values, with their numbers where the element repeats.
    rest: SmallVec<[(Option<usize>, &'j Json); REST]>,
    /// The first values that are more than a slice may have, with its number and theirs.
    beyond: SmallVec<[(usize, usize, &'j Json); 1]>,
    /// Whether it slices a slice.
    is_inner: bool,
}

impl<'r, 'j> Sliced<'r, 'j> {
    fn new(at: At<'r>) -> Option<Self> {
        let slicing = at.rule().slicing.as_deref()?;
        let counts = SmallVec::from_elem(0, slicing.slices.len());
        let is_inner = at.is_slice();
        let (rest, beyond) = (SmallVec::new(), SmallVec::new());
        Some(Self { at, slicing, counts, last: 0, has_rest: false, rest, beyond, is_inner })
    }
}

impl<'r, 'j> Slices<'r, 'j> {
    /// Those of some rules.
    pub fn of(rules: &[At<'r>]) -> Self {
        let mut list = SmallVec::new();
        for at in rules {
            list.extend(Sliced::new(*at));
        }
        Self(list)
    }

    /// Puts a value into its slices and adds their rules.
    pub fn place(
        &mut self,
        check: &mut Check<'r, 'j>,
        scope: &Scope<'j>,
        node: Node<'j>,
        rules: &mut Rules<'r>,
        path: &Path,
    ) {
        if self.0.is_empty() {
            return;
        }
        let mut at = 0;
        // a slice that is sliced again joins the list when its first value comes
        let mut wanted: SmallVec<[At<'r>; 4]> = self.0.iter().filter(|s| !s.is_inner).map(|s| s.at).collect();
        while let Some(whole) = wanted.get(at).copied() {
            at += 1;
            let found = self.0.iter().position(|sliced| sliced.at == whole);
            let number = found.unwrap_or_else(|| {
                self.0.extend(Sliced::new(whole));
                self.0.len() - 1
            });
            let Some(sliced) = self.0.get_mut(number) else { continue };
            check.charge(sliced.slicing.slices.len() as u64, path);
            if check.steps == 0 {
                return;
            }
            let (slice, other) = slice_of(check, scope, sliced.at, sliced.slicing, node);
            if let (Some(slice), Some(other)) = (slice, other) {
                let name = |number: usize| &*sliced.slicing.slices[number].0;
                let profile = sliced.at.profile.name();
                let text = || format!("is in the slice {} and in {} too (profile {profile})", name(slice), name(other));
                check.fail_by(sliced.at.profile, STRUCTURE, text, path, Vec::new);
            }
            let Some(rule) = sliced.add(check, slice, node.json, path) else { continue };
            if !rules.contains(&rule) {
                rules.push(rule);
            }
            if rule.rule().slicing.is_some() {
                wanted.push(rule);
            }
        }
    }

    /// Tells the slices with too few or too many values.
    pub fn finish(&self, check: &mut Check<'r, '_>, path: &Path) {
        for sliced in &self.0 {
            let unclear = is_unclear(sliced.slicing);
            for (number, (count, (name, index))) in sliced.counts.iter().zip(&sliced.slicing.slices).enumerate() {
                let rule = sliced.at.sibling(*index).rule();
                let profile = || sliced.at.profile.name();
                if *count < rule.min && !unclear {
                    let text =
                        || format!("the slice {name} needs {} values, not {count} (profile {})", rule.min, profile());
                    let others = || sliced.rest(number, path);
                    check.fail_by(sliced.at.profile, "required", text, path, others);
                }
                if let Some(max) = rule.max.filter(|max| count > max) {
                    let text =
                        || format!("the slice {name} may have {max} values, not {count} (profile {})", profile());
                    let values = || sliced.beyond(number, path);
                    check.fail_by(sliced.at.profile, STRUCTURE, text, path, values);
                }
            }
        }
    }
}

impl<'r, 'j> Sliced<'r, 'j> {
    /// The values that are in no slice, with what keeps each out of one.
    fn rest(&self, number: usize, path: &Path) -> Vec<String> {
        let of_value = |(index, json): &(Option<usize>, &Json)| {
            let path = index.map_or(*path, |index| path.item(index));
            unlike(self.slicing, number, json, &path)
        };
        self.rest.iter().flat_map(of_value).collect()
    }

    /// The values that are more than a slice may have, with what puts each into it.
    fn beyond(&self, number: usize, path: &Path) -> Vec<String> {
        let of_slice = self.beyond.iter().filter(|(slice, ..)| *slice == number);
        of_slice.flat_map(|(_, n, json)| alike(self.slicing, number, json, &path.item(*n))).collect()
    }

    /// Counts a value in a slice, or in none; the rule of the slice.
    fn add(&mut self, check: &mut Check<'r, '_>, slice: Option<usize>, json: &'j Json, path: &Path) -> Option<At<'r>> {
        let profile = || self.at.profile.name();
        let Some(number) = slice else {
            self.has_rest = true;
            if self.rest.len() < REST {
                self.rest.push((path.index(), json));
            }
            if self.slicing.rules == SlicingRules::Closed && !is_unclear(self.slicing) {
                let names: Vec<&str> = self.slicing.slices.iter().map(|slice| &*slice.0).collect();
                let text = || {
                    let (names, profile) = (names.join(", "), profile());
                    format!("is in none of the slices {names}, and the profile {profile} allows no others")
                };
                let parts = |number: usize| unlike(self.slicing, number, json, path).into_iter().skip(1);
                let others = || (0..names.len()).flat_map(parts).take(PLACES).collect();
                check.fail_by(self.at.profile, STRUCTURE, text, path, others);
            }
            return None;
        };
        let (name, index) = &self.slicing.slices[number];
        if self.slicing.is_ordered && number < self.last {
            let before = &self.slicing.slices[self.last].0;
            let text = || format!("the slice {name} must come before {before} (profile {})", profile());
            check.fail_by(self.at.profile, STRUCTURE, text, path, Vec::new);
        }
        if self.slicing.rules == SlicingRules::OpenAtEnd && self.has_rest {
            let profile = profile();
            let text = || format!("the slice {name} must come before values that are in no slice (profile {profile})");
            check.fail_by(self.at.profile, STRUCTURE, text, path, Vec::new);
        }
        self.last = self.last.max(number);
        self.counts[number] += 1;
        let at = self.at.sibling(*index);
        let is_beyond = at.rule().max.is_some_and(|max| self.counts[number] > max) && self.beyond.len() < PLACES;
        self.beyond.extend(path.index().filter(|_| is_beyond).map(|n| (number, n, json)));
        Some(at)
    }
}
