//! One request to the service: its library, the versions, languages and supplements that it names, and what was used to answer it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;

use super::about::Content;
use super::compose::{ValueSet, canonical};
use super::dated::Dated;
use super::face::{CodeSystem, Library};
use super::filter::Filter;
use super::issues;
use super::language::Languages;
use super::params::Params;
use super::passed::Passed;
use super::shelf::all_codes;
use super::version;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// Most value sets within one another.
pub const DEPTH: usize = 32;
/// Most concepts that are looked at for one request.
const STEPS: u64 = 20_000_000;

/// How a parameter names the version of a code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `system-version`: where the value set names none.
    Default,
    /// `check-system-version`: any other is an error.
    Check,
    /// `force-system-version`: whatever the value set names.
    Force,
}

impl Rule {
    /// The name of the parameter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "system-version",
            Self::Check => "check-system-version",
            Self::Force => "force-system-version",
        }
    }
}

/// What was used, for `expansion.parameter` and for notes about the state of definitions.
#[derive(Debug, Default)]
pub struct Used {
    /// Code systems with their versions.
    pub systems: BTreeSet<String>,
    /// Value sets that were included.
    pub value_sets: BTreeSet<String>,
    /// Supplements.
    pub supplements: BTreeSet<String>,
    /// Code systems of which only a part is here.
    pub fragments: BTreeSet<String>,
    /// The state that a definition is in, its kind and its canonical URL.
    pub states: BTreeSet<(&'static str, &'static str, String)>,
    /// The parameters about versions that made a difference.
    pub rules: BTreeSet<(&'static str, String)>,
}

impl Used {
    /// Forgets which code systems and value sets were used, as if none had been.
    pub fn forget_systems(&mut self) {
        self.systems.clear();
        self.value_sets.clear();
        self.fragments.clear();
        self.states.clear();
    }
}

/// One request.
pub struct Context<'l> {
    /// Where definitions are found.
    pub library: &'l dyn Library,
    rules: Vec<(Rule, Box<str>, Box<str>)>,
    value_set_versions: Vec<(Box<str>, Box<str>)>,
    /// The languages that the request itself names.
    pub languages: Option<Languages>,
    /// The supplements that the request itself names.
    pub supplements: Vec<Box<str>>,
    /// What was used.
    pub used: RefCell<Used>,
    sets: RefCell<HashMap<String, Rc<ValueSet>>>,
    /// The locked dates of the value sets that are being looked into.
    locks: RefCell<Vec<Box<str>>>,
    steps: Cell<u64>,
    /// Which codes pass filters, where many are asked for.
    passed: RefCell<Passed>,
}

/// Which version of a code system is meant.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The code system, if it is there.
    pub system: Option<Arc<dyn CodeSystem>>,
    /// The version that was looked for.
    pub wanted: Option<Box<str>>,
    /// Whether a parameter changed what the value set says.
    pub is_changed: bool,
    /// The version that is not allowed, and what a parameter demands.
    pub refused: Option<(Box<str>, Box<str>)>,
}

impl<'l> Context<'l> {
    /// For a request with these parameters; `accepted` is the header `Accept-Language`.
    ///
    /// # Errors
    /// 400 for parameters of the wrong type, or a version without its system.
    pub fn new(library: &'l dyn Library, params: &Params, accepted: Option<&str>) -> Result<Self> {
        let pair = |name: &str, text: &str| match version::split(text) {
            (url, Some(version)) => Ok((Box::from(url), Box::from(version))),
            _ => Err(Fault::invalid(format!("the parameter {name} is SYSTEM|VERSION")).at(name)),
        };
        let mut rules = Vec::new();
        for rule in [Rule::Force, Rule::Default, Rule::Check] {
            for text in params.texts(rule.name()) {
                let (url, version) = pair(rule.name(), text)?;
                rules.push((rule, url, version));
            }
        }
        let defaults = params.texts("default-valueset-version");
        let language = params.text("displayLanguage")?.or(accepted);
        Ok(Self {
            library,
            rules,
            value_set_versions: defaults.map(|text| pair("default-valueset-version", text)).collect::<Result<_>>()?,
            languages: language.and_then(Languages::parse),
            supplements: params.texts("useSupplement").map(Into::into).collect(),
            used: RefCell::default(),
            sets: RefCell::default(),
            locks: RefCell::default(),
            steps: Cell::new(0),
            passed: RefCell::default(),
        })
    }

    /// Whether a code, as its system writes it, passes filters.
    ///
    /// # Errors
    /// 422 for a filter that the system does not understand; when the content cannot be read.
    pub fn passes(&self, system: &Arc<dyn CodeSystem>, filters: &[Filter], code: &str) -> Result<bool> {
        self.passed.borrow_mut().passes(system, filters, code)
    }

    /// Counts work.
    ///
    /// # Errors
    /// 422 `too-costly` when it was too much.
    pub fn step(&self, count: u64) -> Result<()> {
        self.steps.set(self.steps.get() + count);
        if self.steps.get() > STEPS {
            return Err(Fault::coded(
                Category::Unprocessable,
                "too-costly",
                "the request takes more steps than are allowed",
            ));
        }
        Ok(())
    }

    /// Whether there may be more work: an error that was passed over may have been that there may not.
    ///
    /// # Errors
    /// 422 `too-costly` when it was too much already.
    pub fn may_go_on(&self) -> Result<()> {
        self.step(0)
    }

    /// The value set with a canonical URL; none when it is not known.
    ///
    /// # Errors
    /// 422 when it is not understood.
    pub fn value_set(&self, url: &str) -> Result<Option<Rc<ValueSet>>> {
        let (plain, version) = version::split(url);
        let default =
            self.value_set_versions.iter().find(|(system, _)| **system == *plain).map(|(_, version)| &**version);
        let version = version.or(default);
        let key = format!("{} {}", canonical(plain, version), self.lock().unwrap_or_default());
        if let Some(set) = self.sets.borrow().get(&key) {
            return Ok(Some(set.clone()));
        }
        let json = match self.at(version, |library| library.value_set(plain, version))? {
            Some(json) => json,
            None => match self.implicit(plain, version)? {
                Some(json) => Arc::new(json),
                None => return Ok(None),
            },
        };
        let set = self.understood(ValueSet::new(json)?).map(Rc::new)?;
        self.sets.borrow_mut().insert(key, set.clone());
        Ok(Some(set))
    }

    /// A value set that means all versions of a code system names them.
    ///
    /// # Errors
    /// When the library cannot be read.
    pub fn understood(&self, mut set: ValueSet) -> Result<ValueSet> {
        set.spread(&mut |url| self.library.code_system_versions(url))?;
        Ok(set)
    }

    /// The date that definitions without a version are locked to.
    fn lock(&self) -> Option<Box<str>> {
        self.locks.borrow().last().cloned()
    }

    /// Does what is done within a value set: its locked date, if it has one, is that of all that it includes.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn within<T>(&self, set: &ValueSet, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(date) = set.locked.clone() else { return work() };
        self.locks.borrow_mut().push(date);
        let done = work();
        self.locks.borrow_mut().pop();
        done
    }

    /// Asks the library, as it was at the locked date where no version is named.
    fn at<T>(&self, version: Option<&str>, ask: impl FnOnce(&dyn Library) -> Result<T>) -> Result<T> {
        match self.lock().filter(|_| version.is_none()) {
            Some(date) => Dated::locked(self.library, &date).and_then(|dated| ask(&dated)),
            None => ask(self.library),
        }
    }

    /// The value set that another one includes or excludes: by a canonical URL, or by `#id` for one that is contained.
    ///
    /// # Errors
    /// As [`value_set`](Self::value_set).
    pub fn included(&self, url: &str, by: &ValueSet) -> Result<Option<Rc<ValueSet>>> {
        if !url.starts_with('#') {
            return self.value_set(url);
        }
        let key = by.place_of(url);
        if let Some(set) = self.sets.borrow().get(&key) {
            return Ok(Some(set.clone()));
        }
        // the set that is kept holds its container, so no other one comes to have its place
        let Some(set) = by.contained(url)? else { return Ok(None) };
        let set = self.understood(set).map(Rc::new)?;
        self.sets.borrow_mut().insert(key, set.clone());
        Ok(Some(set))
    }

    /// As [`value_set`](Self::value_set), with the name by which messages call it.
    pub fn value_set_name(&self, url: &str) -> String {
        let (plain, version) = version::split(url);
        let default =
            self.value_set_versions.iter().find(|(system, _)| **system == *plain).map(|(_, version)| &**version);
        canonical(plain, version.or(default))
    }

    /// The value set that a code system implies: by the URL of the system itself, or one that begins with it.
    fn implicit(&self, url: &str, version: Option<&str>) -> Result<Option<Json>> {
        let base = url.split_once('?').map_or(url, |(base, _)| base);
        let (system, version) = edition(base, version);
        if let Some(system) = self.library.code_system(system, version)? {
            if base == url || matches!(url.split_once('?'), Some((_, "vs" | "fhir_vs"))) {
                return Ok(Some(all_codes(&*system, url, version)));
            }
            return system.implicit_value_set(url);
        }
        // `SYSTEM/vs`, as LOINC, RxNorm and UCUM have it, and below it what the system knows
        let Some((base, rest)) = url.split_once("/vs").filter(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
        else {
            return Ok(None);
        };
        match self.library.code_system(base, version)? {
            Some(system) if rest.is_empty() => Ok(Some(all_codes(&*system, url, version))),
            Some(system) => system.implicit_value_set(url),
            None => Ok(None),
        }
    }

    /// The concept map that a code system implies, with what it says of one code.
    ///
    /// # Errors
    /// 422 for a URL that is none.
    pub fn implied_map(&self, url: &str, code: &str, is_reverse: bool) -> Result<Option<Json>> {
        let Some((base, _)) = url.split_once("?fhir_cm=") else { return Ok(None) };
        let (system, version) = edition(base, None);
        match self.library.code_system(system, version)? {
            Some(system) => system.implicit_concept_map(url, code, is_reverse),
            None => Ok(None),
        }
    }

    /// The version that an include or exclude names: as the request forces it, else its own.
    pub fn named_version<'v>(&'v self, url: &str, named: Option<&'v str>) -> Option<&'v str> {
        let forced = self.rules.iter().find(|(rule, system, _)| *rule == Rule::Force && **system == *url);
        forced.map(|(_, _, version)| &**version).or(named)
    }

    /// The version of a code system that an include means, and for a code that names its version the one that both may mean.
    ///
    /// # Errors
    /// When the library cannot be read.
    pub fn resolve(&self, url: &str, named: Option<&str>, of_code: Option<&str>) -> Result<Resolved> {
        let mut wanted = named;
        let mut is_changed = false;
        let rule = |kind: Rule| self.rules.iter().find(|(rule, system, _)| *rule == kind && **system == *url);
        let given = rule(Rule::Force).or_else(|| match named {
            None => rule(Rule::Default).or_else(|| rule(Rule::Check)),
            Some(_) => None,
        });
        if let Some((rule, _, version)) = given {
            is_changed = wanted != Some(version);
            wanted = Some(version);
            self.used.borrow_mut().rules.insert((rule.name(), format!("{url}|{version}")));
        }
        let fits = |version: &&str| wanted.is_none_or(|wanted| version::matches(wanted, version));
        let mut system = match of_code.filter(fits) {
            Some(version) => self.library.code_system(url, Some(version))?,
            None => None,
        };
        if system.is_none() {
            system = self.at(wanted, |library| library.code_system(url, wanted))?;
        }
        let system = system.filter(|system| system.about().content != Content::NotPresent);
        let version = system.as_ref().and_then(|system| system.about().version.clone());
        let refused =
            rule(Rule::Check).zip(version).filter(|((_, _, demanded), version)| !version::matches(demanded, version));
        Ok(Resolved {
            system,
            wanted: wanted.map(Into::into),
            is_changed,
            refused: refused.map(|((_, _, demanded), version)| (version, demanded.clone())),
        })
    }

    /// Notes that a code system was used.
    pub fn use_system(&self, system: &dyn CodeSystem, by: &ValueSet) {
        let about = system.about();
        let name = about.canonical();
        let mut used = self.used.borrow_mut();
        if about.content == Content::Fragment || about.content == Content::Example {
            used.fragments.insert(name.clone());
        }
        let status = (&*about.status, about.standards_status.as_deref(), about.experimental);
        if let Some(state) = state(status, &by.json) {
            used.states.insert((state, "CodeSystem", name.clone()));
        }
        used.systems.insert(name);
    }

    /// Notes that a value set was included.
    pub fn use_value_set(&self, set: &ValueSet, by: &ValueSet) {
        self.use_state(set, by);
        // one that is contained has no URL by which it could be told
        if set.json.get("url").is_some() {
            self.used.borrow_mut().value_sets.insert(set.canonical.clone());
        }
    }

    /// Notes the state of a value set.
    pub fn use_state(&self, set: &ValueSet, by: &ValueSet) {
        if let Some(state) = state(status(&set.json), &by.json) {
            self.used.borrow_mut().states.insert((state, "ValueSet", set.canonical.clone()));
        }
    }

    /// The supplements that the request and a value set ask for.
    ///
    /// # Errors
    /// 404 when one is not known.
    pub fn supplements(&self, set: Option<&ValueSet>) -> Result<Vec<Arc<dyn CodeSystem>>> {
        let of_set = set.map(|set| &*set.supplements).unwrap_or_default();
        let mut found = Vec::new();
        for name in self.supplements.iter().chain(of_set) {
            let (url, version) = version::split(name);
            let supplement = self.library.supplement(url, version)?;
            found.push(supplement.ok_or_else(|| issues::supplement_missing(name))?);
        }
        Ok(found)
    }
}

/// The code system and version that the beginning of a URL names: an edition of SNOMED CT is named by the URI of its version.
fn edition<'u>(base: &'u str, version: Option<&'u str>) -> (&'u str, Option<&'u str>) {
    match base.strip_prefix("http://snomed.info/sct/") {
        Some(_) => ("http://snomed.info/sct", Some(base)),
        None => (base, version),
    }
}

type Status<'j> = (&'j str, Option<&'j str>, bool);

fn status(json: &Json) -> Status<'_> {
    let experimental = json.get("experimental").and_then(Json::as_bool).unwrap_or(false);
    (super::memory::text(json, "status").unwrap_or(""), super::memory::standards_status(json), experimental)
}

/// What whoever uses a definition should know of its state; nothing that is true of the value set itself too.
fn state((code, standards, experimental): Status<'_>, by: &Json) -> Option<&'static str> {
    let of_set = status(by);
    let is_draft = |status: Status<'_>| status.0 == "draft" || status.1 == Some("draft");
    match standards {
        Some("deprecated") => Some("deprecated"),
        Some("withdrawn") => Some("withdrawn"),
        _ if code == "retired" => Some("retired"),
        _ if experimental && !of_set.2 => Some("experimental"),
        // what HL7 balloted is no draft, whatever its status
        Some("normative" | "trial-use") => None,
        _ if is_draft((code, standards, experimental)) && !is_draft(of_set) => Some("draft"),
        _ => None,
    }
}
