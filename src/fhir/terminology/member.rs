//! Whether a code is in a value set: by looking where the value set says, without listing what is in it.

use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashSet;

use super::about::Content;
use super::compose::{Listed, Part, ValueSet};
use super::concept::Concept;
use super::context::{Context, DEPTH, Resolved};
use super::everywhere;
use super::face::CodeSystem;
use super::issues;
use super::made::refused;
use super::version;
use crate::base::fault::{Category, Fault, Result};

/// A code that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its code system; none to look in all of them.
    pub system: Option<&'a str>,
    /// The version that it names.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
}

/// A concept that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The URL of its code system.
    pub url: Box<str>,
    /// The code system; none when only the value set's list knows the code.
    pub system: Option<Arc<dyn CodeSystem>>,
    /// The concept.
    pub concept: Concept,
    /// What the value set says about it.
    pub listed: Option<Listed>,
    /// How the version that was named differs from the one that was used.
    pub mismatch: Option<Mismatch>,
}

/// A code names another version of its system than the value set.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// What the value set names.
    pub named: Option<Box<str>>,
    /// What was looked for.
    pub wanted: Option<Box<str>>,
    /// What was used.
    pub used: Option<Box<str>>,
    /// Whether a parameter changed what the value set says.
    pub is_changed: bool,
}

/// What was met on the way.
#[derive(Debug, Default)]
pub struct Report {
    /// A value set that is included and not known.
    pub missing_value_set: Option<String>,
    /// Code systems of this code that are included and not known: URL and version.
    pub missing_systems: Vec<(Box<str>, Option<Box<str>>)>,
    /// How versions differ where the code system is not known.
    pub mismatches: Vec<Mismatch>,
    /// Versions that are not allowed: URL, version, what is demanded.
    pub refused: Vec<(Box<str>, Box<str>, Box<str>)>,
    /// The code systems in which the code was looked for.
    pub tried: Vec<Arc<dyn CodeSystem>>,
    /// Fragments that are included as a whole and do not have the code.
    pub fragments: Vec<Arc<dyn CodeSystem>>,
    /// Concepts that would be in if they were not inactive.
    pub inactive: Vec<Found>,
    /// Whether an unknown code system's list has the code.
    pub unchecked: bool,
}

/// A look for codes in value sets.
pub struct Look<'c, 'l> {
    context: &'c Context<'l>,
    active_only: bool,
    /// The value sets that are being looked into.
    path: Vec<String>,
    /// What was met.
    pub report: Report,
}

impl<'c, 'l> Look<'c, 'l> {
    /// A look with the request's parameters.
    pub fn new(context: &'c Context<'l>, active_only: bool) -> Self {
        Self { context, active_only, path: Vec::new(), report: Report::default() }
    }

    /// The concepts of a value set with a code: more than one where it has several versions of a system, or no system is named.
    ///
    /// # Errors
    /// 422 for value sets in a circle or filters that are not understood; when the library cannot be read.
    pub fn look(&mut self, set: &ValueSet, asked: Asked<'_>) -> Result<Vec<Found>> {
        let context = self.context;
        context.within(set, || self.look_into(set, asked))
    }

    fn look_into(&mut self, set: &ValueSet, asked: Asked<'_>) -> Result<Vec<Found>> {
        set.check()?;
        self.enter(&set.canonical)?;
        let mut found = Vec::new();
        for part in &set.includes {
            self.context.step(1)?;
            if set.is_everywhere {
                // one that has the code is enough, and what the others lack says nothing
                let (depth, report) = (self.path.len(), std::mem::take(&mut self.report));
                let told = self.part(set, part, asked);
                self.path.truncate(depth);
                found.extend(everywhere::passed_over(self.context, told)?.flatten());
                if !found.is_empty() {
                    break;
                }
                self.report = report;
                continue;
            }
            let Some(one) = self.part(set, part, asked)? else { continue };
            let is_excluded = self.is_excluded(set, &one)?;
            if is_excluded {
                continue;
            }
            let listed_out = one.listed.as_ref().is_some_and(|listed| listed.is_inactive);
            if (self.active_only || set.inactive == Some(false)) && (one.concept.is_inactive || listed_out) {
                self.report.inactive.push(one);
            } else {
                found.push(one);
            }
        }
        self.path.pop();
        let missed = set.made.as_ref().and_then(|made| made.may_miss(asked.system));
        match missed.filter(|_| found.is_empty() && self.report.inactive.is_empty()) {
            Some(why) => Err(refused(&why)),
            None => Ok(found),
        }
    }

    fn enter(&mut self, canonical: &str) -> Result<()> {
        if !canonical.is_empty() && self.path.iter().any(|open| open == canonical) {
            return Err(issues::circle(canonical, &self.path));
        }
        if self.path.len() >= DEPTH {
            return Err(Fault::coded(
                Category::Unprocessable,
                "too-costly",
                format!("value sets are more than {DEPTH} deep"),
            ));
        }
        self.path.push(canonical.to_owned());
        Ok(())
    }

    /// Whether a value set takes a code away again.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn is_excluded(&mut self, set: &ValueSet, one: &Found) -> Result<bool> {
        for part in &set.excludes {
            if self.takes(set, part, one)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn takes(&mut self, set: &ValueSet, part: &Part, one: &Found) -> Result<bool> {
        let version = one.system.as_ref().and_then(|system| system.about().version.clone());
        if part.system.as_deref().is_some_and(|system| *system != *one.url) {
            return Ok(false);
        }
        let named = self.context.named_version(&one.url, part.version.as_deref());
        let is_version = |named: &str| version.as_deref().is_some_and(|version| version::matches(named, version));
        let by_version = named.is_some_and(|named| !is_version(named));
        if by_version && part.system.is_some() && exact_versions(set, part) {
            return Ok(false);
        }
        let asked = Asked {
            system: Some(&one.url),
            version: version.as_deref().filter(|_| !by_version),
            code: &one.concept.code,
        };
        if let Some(url) = &part.system {
            let resolved = self.context.resolve(url, part.version.as_deref(), asked.version)?;
            let Some(system) = resolved.system else {
                return self.takes_unknown(set, part, one, (asked, resolved.wanted.as_deref()));
            };
            let own = one.system.as_ref().filter(|own| part.is_of_filters() && Arc::ptr_eq(&system, own));
            if let Some(own) = own {
                return self.context.passes(own, &part.filters, &one.concept.code);
            }
        }
        self.has(set, part, asked)
    }

    /// Whether an exclude has a code; what it meets on its way says nothing about the code.
    fn has(&mut self, set: &ValueSet, part: &Part, asked: Asked<'_>) -> Result<bool> {
        let report = std::mem::take(&mut self.report);
        let found = self.part(set, part, asked);
        let missing = self.report.missing_value_set.take();
        self.report = report;
        self.report.missing_value_set = self.report.missing_value_set.take().or(missing);
        Ok(found?.is_some())
    }

    /// Whether an exclude of a code system, or a version of it, that is not here has a code: it need not be known for that, but for filters.
    fn takes_unknown(
        &mut self,
        set: &ValueSet,
        part: &Part,
        one: &Found,
        (asked, wanted): (Asked<'_>, Option<&str>),
    ) -> Result<bool> {
        if !part.filters.is_empty() {
            let known = self.context.library.code_system_versions(&one.url)?;
            let missing = issues::system_missing(&one.url, wanted, &known, true);
            return Err(issues::fault(Category::NotFound, missing));
        }
        let is_same = |listed: &Listed| match &one.system {
            Some(system) => system.about().is_same(&listed.code, asked.code),
            None => *listed.code == *asked.code,
        };
        if part.concepts.as_ref().is_some_and(|list| !list.iter().any(is_same)) {
            return Ok(false);
        }
        let sets = Part { value_sets: part.value_sets.clone(), ..Part::default() };
        Ok(sets.value_sets.is_empty() || self.has(set, &sets, asked)?)
    }

    /// The concept that an include or exclude selects.
    fn part(&mut self, set: &ValueSet, part: &Part, asked: Asked<'_>) -> Result<Option<Found>> {
        let mut found = None;
        if let Some(url) = &part.system {
            if asked.system.is_some_and(|system| *system != **url) {
                return Ok(None);
            }
            let Some(one) = self.of_system(set, part, url, asked)? else { return Ok(None) };
            found = Some(one);
        }
        for url in &part.value_sets {
            let Some(inner) = self.value_set(url, set)? else { return Ok(None) };
            let system = found.as_ref().map(|one| one.url.clone());
            let inner_asked = Asked { system: system.as_deref().or(asked.system), ..asked };
            let inner_found = self.look(&inner, inner_asked)?;
            let Some(first) = inner_found.into_iter().next() else { return Ok(None) };
            found = found.or(Some(first));
        }
        Ok(found)
    }

    fn value_set(&mut self, url: &str, by: &ValueSet) -> Result<Option<Rc<ValueSet>>> {
        let found = self.context.included(url, by)?;
        match &found {
            Some(_) if by.is_everywhere => {}
            Some(set) => self.context.use_value_set(set, by),
            None => self.report.missing_value_set = Some(self.context.value_set_name(url)),
        }
        Ok(found)
    }

    fn of_system(&mut self, set: &ValueSet, part: &Part, url: &str, asked: Asked<'_>) -> Result<Option<Found>> {
        let resolved = self.context.resolve(url, part.version.as_deref(), asked.version)?;
        let listed = match &part.concepts {
            Some(list) => list.iter().find(|listed| *listed.code == *asked.code),
            None => None,
        };
        let mismatch = mismatch(&resolved, part, asked);
        let Some(system) = resolved.system else {
            return Ok(self.unknown(part, url, (resolved.wanted, mismatch), listed, asked));
        };
        if let Some((version, demanded)) = resolved.refused {
            self.report.refused.push((url.into(), version, demanded));
        }
        self.report.tried.push(system.clone());
        let Some(concept) = system.find(asked.code)? else {
            let is_whole = part.concepts.is_none() && part.filters.is_empty();
            if is_whole && matches!(system.about().content, Content::Fragment | Content::Example) {
                self.report.fragments.push(system);
            }
            return Ok(None);
        };
        let concept = concept.into_owned();
        let listed = match &part.concepts {
            Some(list) => match list.iter().find(|listed| system.about().is_same(&listed.code, &concept.code)) {
                Some(listed) => Some(listed),
                None => return Ok(None),
            },
            None => None,
        };
        if !part.filters.is_empty() && !self.context.passes(&system, &part.filters, &concept.code)? {
            return Ok(None);
        }
        self.context.use_system(&*system, set);
        Ok(Some(Found { url: url.into(), system: Some(system), concept, listed: listed.cloned(), mismatch }))
    }

    /// A code of a system that is not here: only a list can have it.
    fn unknown(
        &mut self,
        part: &Part,
        url: &str,
        (wanted, mismatch): (Option<Box<str>>, Option<Mismatch>),
        listed: Option<&Listed>,
        asked: Asked<'_>,
    ) -> Option<Found> {
        if part.concepts.is_some() && (wanted.is_none() || part.is_at_word) {
            let listed = listed?;
            self.report.unchecked = true;
            let concept = Concept {
                code: asked.code.into(),
                display: listed.display.clone(),
                is_abstract: listed.is_abstract,
                is_inactive: listed.is_inactive,
                ..Concept::default()
            };
            return Some(Found {
                url: url.into(),
                system: None,
                concept,
                listed: Some(listed.clone()),
                mismatch: None,
            });
        }
        if asked.system.is_some() {
            self.report.missing_systems.push((url.into(), wanted));
            self.report.mismatches.extend(mismatch);
        }
        None
    }
}

/// Looks for value sets that include one another, also where a code would not lead there.
///
/// # Errors
/// 422 for a circle, or too many value sets within one another.
pub fn check_circles(context: &Context<'_>, set: &ValueSet) -> Result<()> {
    // one that is in a circle is passed over there
    if set.is_everywhere {
        return Ok(());
    }
    let mut done = HashSet::new();
    walk(context, set, &mut vec![set.canonical.clone()], &mut done)
}

fn walk(context: &Context<'_>, set: &ValueSet, path: &mut Vec<String>, done: &mut HashSet<String>) -> Result<()> {
    context.within(set, || walk_into(context, set, path, done))
}

fn walk_into(context: &Context<'_>, set: &ValueSet, path: &mut Vec<String>, done: &mut HashSet<String>) -> Result<()> {
    for url in set.includes.iter().chain(&set.excludes).flat_map(|part| &part.value_sets) {
        context.step(1)?;
        let Some(inner) = context.included(url, set)? else { continue };
        if path.contains(&inner.canonical) {
            return Err(issues::circle(&inner.canonical, path));
        }
        if path.len() >= DEPTH {
            let text = format!("value sets are more than {DEPTH} deep");
            return Err(Fault::coded(Category::Unprocessable, "too-costly", text));
        }
        if done.insert(inner.canonical.clone()) {
            path.push(inner.canonical.clone());
            walk(context, &inner, path, done)?;
            path.pop();
        }
    }
    Ok(())
}

/// Whether an exclude takes away codes of its own version only: where the value set says so, or includes that version too.
pub fn exact_versions(set: &ValueSet, part: &Part) -> bool {
    match set.parameter("versionsMatch") {
        Some("true") => false,
        Some(_) => true,
        None => set.includes.iter().any(|include| include.system == part.system && include.version == part.version),
    }
}

fn mismatch(resolved: &Resolved, part: &Part, asked: Asked<'_>) -> Option<Mismatch> {
    let given = asked.version?;
    let used = resolved.system.as_ref().and_then(|system| system.about().version.clone());
    if used.as_deref() == Some(given) || (used.is_none() && resolved.system.is_some()) {
        return None;
    }
    Some(Mismatch {
        named: part.version.clone(),
        wanted: resolved.wanted.clone(),
        used,
        is_changed: resolved.is_changed,
    })
}
