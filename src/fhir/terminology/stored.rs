//! `$expand` of a value set that has no `compose` and holds an expansion: what is asked is taken from it.

use std::sync::Arc;

use hashbrown::HashSet;

use super::compose::{Listed, ValueSet, listed};
use super::concept::Concept;
use super::context::Context;
use super::display::Shown;
use super::expanded::{CODES, Expanded, Item, PAGE};
use super::face::CodeSystem;
use super::issues;
use super::made::{Made, refused};
use super::member::Found;
use super::memory::{list, text};
use super::text::Words;
use super::tree::{lift, tree};
use super::wanted::Wanted;
use crate::base::fault::{Category, Result};
use crate::fhir::json::Json;

/// An entry of the expansion that is shown.
struct Entry {
    found: Found,
    /// How well it fits what was typed.
    score: u32,
    /// The entry that it stands below.
    parent: Option<usize>,
}

/// Takes an expansion of what a value set holds.
///
/// # Errors
/// 422 when it has not all that is asked for, or that is too much.
pub fn expand(
    context: &Context<'_>,
    wanted: &Wanted,
    (set, made): (&ValueSet, &Made),
    supplements: &[Arc<dyn CodeSystem>],
) -> Result<Expanded> {
    if let Some(why) = made.lacks(wanted.filter.as_deref(), &|url, version| wanted.leaves_out(url, version)) {
        return Err(refused(&why));
    }
    let is_flat = !wanted.nested || wanted.count == Some(0) || wanted.filter.is_some();
    let mut entries = entries(context, wanted, (set, made), is_flat)?;
    let total = entries.iter().filter(|entry| !entry.found.concept.code.is_empty()).count();
    if (wanted.count.is_none() || !is_flat) && total > CODES {
        return Err(issues::too_costly(&set.canonical, CODES));
    }
    if wanted.count.unwrap_or(0).min(total) > PAGE {
        return Err(issues::too_costly(&set.canonical, PAGE));
    }
    let item =
        |found: Found| -> Result<Item> { Ok(Item { shown: Shown::new(found, supplements)?, children: Vec::new() }) };
    let items = if is_flat {
        // stable: of two that match alike the first of the expansion comes first
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.score));
        let page = entries.into_iter().skip(wanted.offset.unwrap_or(0)).take(wanted.count.unwrap_or(usize::MAX));
        page.map(|entry| item(entry.found)).collect::<Result<_>>()?
    } else {
        nested(entries, item)?
    };
    let unclosed =
        made.is_unclosed.then(|| format!("The expansion that {} holds does not list all codes", set.canonical));
    Ok(Expanded { items, total: Some(total), unclosed })
}

/// The entries that are wanted, in their order; flat ones each once and without those that only group others.
fn entries(
    context: &Context<'_>,
    wanted: &Wanted,
    (set, made): (&ValueSet, &Made),
    is_flat: bool,
) -> Result<Vec<Entry>> {
    let words = wanted.filter.as_deref().map(Words::new);
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen = HashSet::new();
    let top = set.json.get("expansion").map(|expansion| list(expansion, "contains")).unwrap_or_default();
    let mut open: Vec<(&Json, Option<usize>)> = top.iter().rev().map(|json| (json, None)).collect();
    while let Some((json, parent)) = open.pop() {
        context.step(1)?;
        let taken = match text(json, "code").zip(text(json, "system")) {
            Some((_, url)) => coded(context, wanted, (set, made), (json, url))?,
            None => (!is_flat && !wanted.selectable_only).then(|| group(json)),
        };
        let score = match (&words, &taken) {
            (Some(words), Some(found)) => words.score(&searched(found)),
            _ => Some(0),
        };
        let mut place = parent;
        if let (Some(found), Some(score)) = (taken, score) {
            let version = text(json, "version").unwrap_or("").to_owned();
            let is_new = !is_flat || seen.insert((found.url.clone(), version, found.concept.code.clone()));
            if is_new {
                place = Some(entries.len());
                entries.push(Entry { found, score, parent });
            }
        }
        // what stands below one that is left out stands in its place
        open.extend(list(json, "contains").iter().rev().map(|below| (below, place)));
    }
    Ok(entries)
}

/// A code of the expansion, unless it is not wanted, or its code system does not have it in this version.
fn coded(
    context: &Context<'_>,
    wanted: &Wanted,
    (set, made): (&ValueSet, &Made),
    (json, url): (&Json, &str),
) -> Result<Option<Found>> {
    let Some(listed) = listed(json) else { return Ok(None) };
    let version = text(json, "version").or_else(|| made.version_of(url));
    if wanted.leaves_out(url, version) {
        return Ok(None);
    }
    let resolved = context.resolve(url, version, None)?;
    if let Some((version, demanded)) = &resolved.refused {
        return Err(issues::fault(Category::Unprocessable, issues::version_refused(url, version, demanded)));
    }
    let mut concept = match &resolved.system {
        Some(system) => match system.find(&listed.code)? {
            Some(concept) => concept.into_owned(),
            None => return Ok(None),
        },
        None => Concept { code: listed.code.clone(), display: listed.display.clone(), ..Concept::default() },
    };
    concept.is_inactive |= listed.is_inactive;
    concept.is_abstract |= listed.is_abstract;
    if (wanted.active_only && concept.is_inactive) || (wanted.selectable_only && concept.is_abstract) {
        return Ok(None);
    }
    if let Some(system) = &resolved.system {
        context.use_system(&**system, set);
    }
    Ok(Some(Found { url: url.into(), system: resolved.system, concept, listed: Some(listed), mismatch: None }))
}

/// An entry that only groups others.
fn group(json: &Json) -> Found {
    let display = text(json, "display").map(Into::into);
    let listed = Listed { display, is_abstract: true, ..Listed::default() };
    Found { url: "".into(), system: None, concept: Concept::default(), listed: Some(listed), mismatch: None }
}

/// A concept with the texts that the expansion gives it.
fn searched(found: &Found) -> Concept {
    let mut concept = found.concept.clone();
    if let Some(listed) = &found.listed {
        concept.display = listed.display.clone().or(concept.display);
        concept.designations.extend(listed.designations.iter().cloned());
    }
    concept
}

/// The entries as they stand below one another, without groups of nothing.
fn nested(entries: Vec<Entry>, item: impl Fn(Found) -> Result<Item>) -> Result<Vec<Item>> {
    let mut has_codes: Vec<bool> = entries.iter().map(|entry| !entry.found.concept.code.is_empty()).collect();
    for (at, entry) in entries.iter().enumerate().rev() {
        if let (true, Some(parent)) = (has_codes[at], entry.parent) {
            has_codes[parent] = true;
        }
    }
    let mut below: Vec<Vec<usize>> = entries.iter().map(|_| Vec::new()).collect();
    let mut roots = Vec::new();
    for (at, entry) in entries.iter().enumerate().filter(|(at, _)| has_codes[*at]) {
        match entry.parent {
            Some(parent) => below[parent].push(at),
            None => roots.push(at),
        }
    }
    lift(&mut below, &roots);
    let made = |(at, entry): (usize, Entry)| has_codes[at].then(|| item(entry.found)).transpose();
    let mut items: Vec<Option<Item>> = entries.into_iter().enumerate().map(made).collect::<Result<_>>()?;
    Ok(tree(&mut items, &below, &roots, |item, children| item.children = children))
}
