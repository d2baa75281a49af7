//! `$expand` (FHIR R4 `valueset-operation-expand.html`): the codes of a value set, in order, in pages, ranked by what was typed.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashMap;

use super::compose::{Listed, Part, ValueSet};
use super::concept::Concept;
use super::context::{Context, DEPTH};
use super::display::Shown;
use super::everywhere;
use super::expanded::PAGE;
pub use super::expanded::{CODES, Expanded, Item};
use super::face::{CodeSystem, Query};
use super::issues;
use super::member::{Asked, Found, Look, check_circles};
use super::stored;
use super::text::Words;
use super::tree::{lift, tree};
use super::version;
pub use super::wanted::Wanted;
use crate::base::fault::{Category, Fault, Result};

/// Most codes that are gathered to find a page of them.
const GATHERED: usize = 500_000;

/// Expands a value set.
///
/// # Errors
/// 404 for definitions that are not known; 422 for those that are not understood, in circles, or too large.
pub fn expand(context: &Context<'_>, wanted: &Wanted, set: &ValueSet) -> Result<Expanded> {
    context.within(set, || expanded(context, wanted, set))
}

fn expanded(context: &Context<'_>, wanted: &Wanted, set: &ValueSet) -> Result<Expanded> {
    check_circles(context, set)?;
    everywhere::check(set, wanted)?;
    set.check()?;
    context.use_state(set, set);
    let supplements = context.supplements(Some(set))?;
    if let Some(made) = &set.made {
        return stored::expand(context, wanted, (set, made), &supplements);
    }
    let mut gather =
        Gather { context, wanted, supplements, seen: HashMap::new(), path: Vec::new(), unclosed: None, left_out: 0 };
    if let Some(found) = gather.page(set)? {
        return Ok(found);
    }
    let mut gathered: Vec<Gathered> = Vec::new();
    gather.value_set(set, &mut gathered)?;
    if let Some(words) = wanted.filter.as_deref().map(Words::new).filter(|_| set.includes.len() > 1) {
        let mut scored: Vec<(u32, Gathered)> =
            gathered.into_iter().map(|one| (words.score(&one.found.concept).unwrap_or(0), one)).collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        gathered = scored.into_iter().map(|(_, one)| one).collect();
    }
    if set.is_everywhere {
        // what was asked in vain was not used
        context.used.borrow_mut().forget_systems();
        let systems = gathered.iter().filter_map(|one| one.found.system.as_ref());
        systems.for_each(|system| context.use_system(&**system, set));
        gather.unclosed = everywhere::unclosed(gather.left_out);
    }
    let total = gathered.len();
    // a hierarchy is there as a whole, whatever page is asked for
    let is_flat = !wanted.nested || wanted.count == Some(0);
    if wanted.count.is_none() || !is_flat {
        check_size(wanted, set, &gathered)?;
    }
    if wanted.count.unwrap_or(0).min(total) > PAGE {
        return Err(issues::too_costly(&set.canonical, PAGE));
    }
    let page: Vec<Gathered> = if is_flat {
        gathered.into_iter().skip(wanted.offset.unwrap_or(0)).take(wanted.count.unwrap_or(usize::MAX)).collect()
    } else {
        gathered
    };
    let items = if is_flat { gather.flat(page)? } else { gather.nest(page)? };
    Ok(Expanded { items, total: Some(total), unclosed: gather.unclosed })
}

/// Refuses more codes than anybody can want at once: all together, or of those that no list has named.
fn check_size(wanted: &Wanted, set: &ValueSet, gathered: &[Gathered]) -> Result<()> {
    if gathered.len() > CODES {
        return Err(issues::too_costly(&set.canonical, CODES));
    }
    let Some(most) = wanted.selected.filter(|_| wanted.filter.is_none()) else { return Ok(()) };
    let is_selected = |one: &&Gathered| {
        let of_grammar = one.found.system.as_ref().is_none_or(|system| !system.about().enumerable);
        one.found.listed.is_none() && !of_grammar
    };
    if gathered.iter().filter(is_selected).count() > most {
        return Err(issues::too_costly(&set.canonical, most));
    }
    Ok(())
}

/// A concept that was found, and the include that did, as codes stand below others of one include only.
struct Gathered {
    found: Found,
    part: Option<usize>,
}

/// System, version where it is told, and code.
type Told = (Box<str>, Box<str>, Box<str>);

struct Gather<'c, 'l> {
    context: &'c Context<'l>,
    wanted: &'c Wanted,
    supplements: Vec<Arc<dyn CodeSystem>>,
    /// Where codes that were taken stand.
    seen: HashMap<Told, usize>,
    path: Vec<String>,
    unclosed: Option<String>,
    /// Value sets that were passed over.
    left_out: usize,
}

impl Gather<'_, '_> {
    /// The page of a value set that is a code system, or filters of it: nothing before the page need be gathered.
    fn page(&mut self, set: &ValueSet) -> Result<Option<Expanded>> {
        let (wanted, [part]) = (self.wanted, &*set.includes) else { return Ok(None) };
        let (Some(count), None, false) = (wanted.count, &part.concepts, wanted.nested && wanted.count != Some(0))
        else {
            return Ok(None);
        };
        let is_plain = set.excludes.is_empty() && part.value_sets.is_empty() && wanted.excluded.is_empty();
        let Some(url) = part.system.as_deref().filter(|_| is_plain) else { return Ok(None) };
        let system = self.system(set, part, url)?;
        if !system.about().enumerable {
            return Ok(None);
        }
        part.filters.iter().try_for_each(|filter| system.check(filter))?;
        let query = self.query(set, part, wanted.offset.unwrap_or(0));
        let Some(total) = system.count(&query)? else { return Ok(None) };
        if count > PAGE && total > PAGE as u64 {
            return Err(issues::too_costly(&set.canonical, PAGE));
        }
        let mut page = Vec::new();
        if count > 0 {
            system.select(&query, &mut |concept| {
                page.push(Gathered { found: found(url, &system, concept.into_owned(), None), part: None });
                if page.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        self.context.use_system(&*system, set);
        let items = self.flat(page)?;
        Ok(Some(Expanded { items, total: usize::try_from(total).ok(), unclosed: self.fragment(&*system) }))
    }

    fn query<'q>(&'q self, set: &ValueSet, part: &'q Part, skip: usize) -> Query<'q> {
        Query {
            filters: &part.filters,
            text: self.wanted.filter.as_deref(),
            active_only: self.wanted.active_only || set.inactive == Some(false),
            selectable_only: self.wanted.selectable_only,
            skip,
        }
    }

    fn value_set(&mut self, set: &ValueSet, out: &mut Vec<Gathered>) -> Result<()> {
        if !set.canonical.is_empty() && self.path.contains(&set.canonical) {
            return Err(issues::circle(&set.canonical, &self.path));
        }
        if self.path.len() >= DEPTH {
            return Err(Fault::coded(
                Category::Unprocessable,
                "too-costly",
                format!("value sets are more than {DEPTH} deep"),
            ));
        }
        self.path.push(set.canonical.clone());
        let is_outer = self.path.len() == 1;
        // nothing needs to be known of a code system that is not wanted
        let wanted = self.wanted;
        let is_wanted =
            |part: &Part| !part.system.as_deref().is_some_and(|url| wanted.leaves_out(url, part.version.as_deref()));
        for part in set.excludes.iter().filter(|part| is_wanted(part)) {
            self.note_excluded(set, part)?;
        }
        for (at, part) in set.includes.iter().enumerate().filter(|(_, part)| is_wanted(part)) {
            let mut found = Vec::new();
            let depth = self.path.len();
            let done = self.part(set, part, &mut found);
            if !set.is_everywhere {
                done?;
            } else if everywhere::passed_over(self.context, done)?.is_none() {
                self.path.truncate(depth);
                self.left_out += 1;
                continue;
            }
            for one in found {
                let place = (part.system.is_some() && !self.is_typed_flat(part)).then_some(at);
                self.take(set, one, (is_outer, place), out)?;
            }
        }
        self.path.pop();
        Ok(())
    }

    /// What was found in a whole code system by what was typed comes by rank, not below what is above it.
    fn is_typed_flat(&self, part: &Part) -> bool {
        self.wanted.filter.is_some() && part.filters.is_empty()
    }

    /// Adds a concept, unless it is there, excluded or inactive; `place` says whether the value set is the one that was asked for.
    fn take(
        &mut self,
        set: &ValueSet,
        one: Found,
        place: (bool, Option<usize>),
        out: &mut Vec<Gathered>,
    ) -> Result<()> {
        let (is_outer, part) = place;
        self.context.step(1)?;
        if out.len() >= GATHERED {
            return Err(issues::too_costly(&set.canonical, GATHERED));
        }
        let is_inactive = one.concept.is_inactive || one.listed.as_ref().is_some_and(|listed| listed.is_inactive);
        let is_abstract = one.concept.is_abstract || one.listed.as_ref().is_some_and(|listed| listed.is_abstract);
        if (is_inactive && (self.wanted.active_only || set.inactive == Some(false)))
            || (is_abstract && self.wanted.selectable_only)
        {
            return Ok(());
        }
        let about = one.system.as_ref().map(|system| system.about());
        let version = about.and_then(|about| about.version.clone());
        if self.wanted.leaves_out(&one.url, version.as_deref()) {
            return Ok(());
        }
        if !set.excludes.is_empty() {
            let mut look = Look::new(self.context, false);
            if look.is_excluded(set, &one)? {
                return Ok(());
            }
            if let Some(missing) = look.report.missing_value_set {
                let (url, version) = version::split(&missing);
                return Err(issues::included_unknown(url, version));
            }
        }
        let tells_versions = is_outer && set.parameter("versionsMatch") != Some("true") && set.mixes_versions(&one.url);
        let version = if tells_versions { version.unwrap_or_default() } else { Box::default() };
        // an inner value set is gathered on its own, so only the outermost remembers what is there
        let known = match is_outer {
            true => *self.seen.entry((one.url.clone(), version, one.concept.code.clone())).or_insert(out.len()),
            false => out.len(),
        };
        match out.get_mut(known) {
            None => out.push(Gathered { found: one, part }),
            Some(other) if is_newer(&one, &other.found) => other.found = one,
            Some(_) => {}
        }
        Ok(())
    }

    fn part(&mut self, set: &ValueSet, part: &Part, out: &mut Vec<Found>) -> Result<()> {
        let mut rest = &*part.value_sets;
        match &part.system {
            Some(url) => self.of_system(set, part, url, out)?,
            None => {
                let Some((first, others)) = rest.split_first() else { return Ok(()) };
                let inner = self.inner(set, first)?;
                let mut gathered = Vec::new();
                let context = self.context;
                context.within(&inner, || self.value_set(&inner, &mut gathered))?;
                out.extend(gathered.into_iter().map(|one| one.found));
                rest = others;
            }
        }
        for url in rest {
            let inner = self.inner(set, url)?;
            let mut kept = Vec::with_capacity(out.len());
            for one in out.drain(..) {
                self.context.step(1)?;
                let version = one.system.as_ref().and_then(|system| system.about().version.clone());
                let asked = Asked { system: Some(&one.url), version: version.as_deref(), code: &one.concept.code };
                if !Look::new(self.context, false).look(&inner, asked)?.is_empty() {
                    kept.push(one);
                }
            }
            *out = kept;
        }
        Ok(())
    }

    fn inner(&self, set: &ValueSet, url: &str) -> Result<std::rc::Rc<ValueSet>> {
        let inner = self.context.included(url, set)?;
        let inner = inner.ok_or_else(|| {
            let name = self.context.value_set_name(url);
            let (url, version) = version::split(&name);
            issues::included_unknown(url, version)
        })?;
        inner.check()?;
        inner.check_whole()?;
        if !set.is_everywhere {
            self.context.use_value_set(&inner, set);
        }
        Ok(inner)
    }

    /// The code system of an include.
    fn system(&self, set: &ValueSet, part: &Part, url: &str) -> Result<Arc<dyn CodeSystem>> {
        let resolved = self.context.resolve(url, part.version.as_deref(), None)?;
        if let Some((version, demanded)) = &resolved.refused {
            return Err(issues::fault(Category::Unprocessable, issues::version_refused(url, version, demanded)));
        }
        if let Some(system) = resolved.system {
            if !self.wanted.leaves_out(url, system.about().version.as_deref()) {
                self.context.use_system(&*system, set);
            }
            return Ok(system);
        }
        let known = self.context.library.code_system_versions(url)?;
        let missing = issues::system_missing(url, resolved.wanted.as_deref(), &known, true);
        Err(issues::fault(Category::NotFound, missing))
    }

    fn of_system(&mut self, set: &ValueSet, part: &Part, url: &str, out: &mut Vec<Found>) -> Result<()> {
        let system = match (self.system(set, part, url), &part.concepts) {
            (Ok(system), _) => system,
            // nothing is known of the system, but the value set says which codes it means
            (Err(fault), Some(list))
                if (part.version.is_none() || part.is_at_word) && fault.category() == Category::NotFound =>
            {
                let words = self.wanted.filter.as_deref().map(Words::new);
                let known = list.iter().map(|listed| unknown(url, listed));
                out.extend(known.filter(|one| words.as_ref().is_none_or(|words| words.score(&one.concept).is_some())));
                return Ok(());
            }
            (Err(fault), _) => return Err(fault),
        };
        if let Some(list) = &part.concepts {
            return self.listed(&system, part, url, list, out);
        }
        part.filters.iter().try_for_each(|filter| system.check(filter))?;
        if !system.about().enumerable {
            return self.common(&system, (set, part), url, out);
        }
        let mut is_full = false;
        system.select(&self.query(set, part, 0), &mut |concept| {
            is_full = out.len() >= GATHERED;
            if is_full {
                return ControlFlow::Break(());
            }
            out.push(found(url, &system, concept.into_owned(), None));
            ControlFlow::Continue(())
        })?;
        if is_full {
            return Err(issues::too_costly(&set.canonical, GATHERED));
        }
        self.unclosed = self.unclosed.take().or_else(|| self.fragment(&*system));
        Ok(())
    }

    fn listed(
        &mut self,
        system: &Arc<dyn CodeSystem>,
        part: &Part,
        url: &str,
        list: &[Listed],
        out: &mut Vec<Found>,
    ) -> Result<()> {
        let words = self.wanted.filter.as_deref().map(Words::new);
        for listed in list {
            self.context.step(1)?;
            let Some(concept) = system.find(&listed.code)? else { continue };
            let mut concept = concept.into_owned();
            if !part.filters.is_empty() && !system.passes(&concept.code, &part.filters)? {
                continue;
            }
            if let Some(words) = &words {
                let mut texts = concept.clone();
                texts.display = listed.display.clone().or(texts.display);
                texts.designations.extend(listed.designations.iter().cloned());
                if words.score(&texts).is_none() {
                    continue;
                }
            }
            concept.is_inactive |= listed.is_inactive;
            out.push(found(url, system, concept, Some(listed.clone())));
        }
        Ok(())
    }

    /// The codes that are in use of a system with a grammar.
    fn common(
        &mut self,
        system: &Arc<dyn CodeSystem>,
        (set, part): (&ValueSet, &Part),
        url: &str,
        out: &mut Vec<Found>,
    ) -> Result<()> {
        let common = match url {
            "http://unitsofmeasure.org" => "http://hl7.org/fhir/ValueSet/ucum-common",
            "urn:ietf:bcp:47" => "http://terminology.hl7.org/ValueSet/Languages",
            _ => return Err(issues::too_costly(&set.canonical, CODES)),
        };
        let inner = match self.context.value_set(common)? {
            None if url == "urn:ietf:bcp:47" => self.context.value_set("http://hl7.org/fhir/ValueSet/languages")?,
            other => other,
        };
        let Some(inner) = inner else { return Err(issues::too_costly(&set.canonical, CODES)) };
        self.context.use_state(&inner, set);
        let words = self.wanted.filter.as_deref().map(Words::new);
        for listed in inner.includes.iter().filter_map(|part| part.concepts.as_deref()).flatten() {
            let Some(concept) = system.find(&listed.code)? else { continue };
            if !part.filters.is_empty() && !system.passes(&listed.code, &part.filters)? {
                continue;
            }
            let mut named = concept.clone().into_owned();
            named.display = listed.display.clone().or(named.display);
            if words.as_ref().is_none_or(|words| words.score(&named).is_some()) {
                out.push(found(url, system, concept.into_owned(), None));
            }
        }
        let name = inner.json.get("url").and_then(crate::fhir::json::Json::as_str).unwrap_or(common);
        self.unclosed = Some(format!(
            "The code System '{url}' has a grammar and so has infinite members. This extension is based on {name}"
        ));
        Ok(())
    }

    fn fragment(&self, system: &dyn CodeSystem) -> Option<String> {
        use super::about::Content;
        let about = system.about();
        matches!(about.content, Content::Fragment | Content::Example)
            .then(|| format!("This extension is based on a fragment of the code system {}", about.url))
    }

    /// The code system of an exclude is used too, and where its version is not told apart the answer says so.
    fn note_excluded(&self, set: &ValueSet, part: &Part) -> Result<()> {
        let Some(url) = part.system.as_deref() else { return Ok(()) };
        if let Some(system) = self.context.resolve(url, part.version.as_deref(), None)?.system {
            self.context.use_system(&*system, set);
        }
        if part.version.is_some() && set.mixes_versions(url) && !super::member::exact_versions(set, part) {
            self.context.used.borrow_mut().rules.insert(("versionsMatch", "true".to_owned()));
        }
        Ok(())
    }

    fn shown(&self, one: Gathered) -> Result<Item> {
        Ok(Item { shown: Shown::new(one.found, &self.supplements)?, children: Vec::new() })
    }

    fn flat(&self, page: Vec<Gathered>) -> Result<Vec<Item>> {
        page.into_iter().map(|one| self.shown(one)).collect()
    }

    /// Puts each code below its first parent that the same include selected; what the value set lists itself, or was typed for, stands alone.
    fn nest(&self, page: Vec<Gathered>) -> Result<Vec<Item>> {
        let mut places: HashMap<(Option<usize>, Box<str>), usize> = HashMap::new();
        for (at, one) in page.iter().enumerate() {
            if one.part.is_some() && one.found.listed.is_none() {
                places.insert((one.part, one.found.concept.code.clone()), at);
            }
        }
        let mut below: Vec<Vec<usize>> = page.iter().map(|_| Vec::new()).collect();
        let mut roots = Vec::new();
        for (at, one) in page.iter().enumerate() {
            let parents = match &one.found.system {
                Some(system) if one.part.is_some() && one.found.listed.is_none() => {
                    system.parents(&one.found.concept.code)?
                }
                _ => Vec::new(),
            };
            let parent = parents.into_iter().find_map(|code| places.get(&(one.part, code)).copied());
            match parent.filter(|parent| *parent != at) {
                Some(parent) => below[parent].push(at),
                None => roots.push(at),
            }
        }
        lift(&mut below, &roots);
        let mut items: Vec<Option<Item>> =
            page.into_iter().map(|one| self.shown(one).map(Some)).collect::<Result<_>>()?;
        Ok(tree(&mut items, &below, &roots, |item, children| item.children = children))
    }
}

/// Whether a concept is of a later version than the same one that was found before, where versions are not told apart.
fn is_newer(one: &Found, other: &Found) -> bool {
    let version = |found: &Found| found.system.as_ref().and_then(|system| system.about().version.clone());
    version(one).zip(version(other)).is_some_and(|(one, other)| version::compare(&one, &other).is_gt())
}

fn found(url: &str, system: &Arc<dyn CodeSystem>, concept: Concept, listed: Option<Listed>) -> Found {
    Found { url: url.into(), system: Some(system.clone()), concept, listed, mismatch: None }
}

fn unknown(url: &str, listed: &Listed) -> Found {
    let concept = Concept {
        code: listed.code.clone(),
        display: listed.display.clone(),
        is_abstract: listed.is_abstract,
        is_inactive: listed.is_inactive,
        ..Concept::default()
    };
    Found { url: url.into(), system: None, concept, listed: Some(listed.clone()), mismatch: None }
}
