//! What a validation carries along: the definitions, the findings, the bounds, and where in the resource it is.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::answers::Answers;
use super::beside::Beside;
use super::entries::BundleIndex;
use super::locations::PLACES;
use super::registry::Registry;
use super::rules::{At, Profile};
use crate::base::clock::Timestamp;
use crate::base::fault::Issue;
use crate::fhir::definitions::element::{Property, TypeId};
use crate::fhir::fhirpath::{Bounds, Context, Node, Services};
use crate::fhir::path::Path;
pub use crate::fhir::xml::shown;

/// Most errors that are told, and most warnings.
pub const ISSUES: usize = 100;

/// The deepest nesting of elements that is walked.
pub const DEPTH: usize = 256;

/// Most validations within one another: of extensions, targets of references and slices by profile.
pub const NESTED: usize = 8;

/// Steps that invariants, slices and references of one resource may take together.
pub const STEPS: u64 = 50_000_000;

/// Steps that one expression may take.
const EXPRESSION_STEPS: u64 = 2_000_000;

/// The code of most issues.
pub const STRUCTURE: &str = "structure";

/// The rules that apply to one element.
pub type Rules<'r> = SmallVec<[At<'r>; 8]>;

/// What is to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether warnings and notes are told beside errors.
    pub with_warnings: bool,
    /// Whether a profile of `meta.profile` that is not known is an error.
    pub unknown_is_error: bool,
    /// Whether `meta.profile` is looked at.
    pub by_meta: bool,
    /// Whether only the shape is asked for: neither required elements and how many there are, nor the formats of values.
    pub shape_only: bool,
    /// Whether what a write may pass over is asked too: the displays of codes, what attachments hold, how narratives are built
    /// and where their links lead, URLs of HL7 that nobody knows, conditional references outside of transactions.
    pub is_thorough: bool,
    /// Whether the resource is to be stored, and not only judged. What many systems send is taken then: an Observation with the
    /// code of a vital sign need not conform to a profile that it does not claim, and a code that is no URI in the system of URIs
    /// is a warning.
    pub for_storage: bool,
    /// Whether what the JSON schema of FHIR allows and other validators take, but no server can give back in both formats, is a
    /// warning only: control characters in texts, empty arrays of primitives, ids of elements with spaces.
    pub takes_unstorable: bool,
    /// Whether URLs that stand for any other in examples (`example.org`, `acme.com`) are refused.
    pub refuses_examples: bool,
    /// Whether texts with something like a tag of HTML are refused, as a system may that shows them without care.
    pub refuses_markup: bool,
    /// `now()` in invariants.
    pub now: Option<Timestamp>,
}

/// One validation.
pub struct Check<'r, 'j> {
    /// The definitions.
    pub registry: &'r Registry,
    /// Large code systems beside them.
    pub answers: Option<&'r Answers>,
    /// What is to be checked.
    pub options: Options,
    /// Whether rules are checked at all, or the structure only.
    pub has_rules: bool,
    /// The findings.
    pub issues: Vec<Issue>,
    /// The numbers of findings that a profile makes errors, with the profile.
    pub blamed: Vec<(usize, &'r Profile)>,
    /// Whether there were more.
    pub more: bool,
    /// Whether only the verdict is wanted, and no findings.
    pub is_quiet: bool,
    /// Whether there was an error.
    pub failed: bool,
    /// The whole resource as a Bundle, with its entries by URL.
    pub bundle: Option<&'j BundleIndex<'j>>,
    /// The resources to which references must lead; none if they may lead anywhere.
    pub beside: Option<&'j Beside<'j>>,
    /// What expressions ask of terminology and profiles.
    pub services: Option<&'j dyn Services<'j>>,
    /// How many validations stand around this one.
    pub nested: usize,
    /// Steps of invariants that are left.
    pub steps: u64,
    /// Whether a resource, by its address, conforms to a profile, by its own, as far as that was asked.
    pub known: HashMap<(usize, usize), bool>,
    /// The ids of elements, each with the address of the resource that it is in, and the place of the element.
    pub ids: HashMap<(usize, &'j str), Box<str>>,
    /// Extensions that ask something of the element that has them, each with the address of its object.
    pub waiting: Vec<(usize, &'r Profile)>,
    /// Whether a resource conforms to a profile.
    pub conforms: fn(&mut Check<'r, 'j>, &Scope<'j>, Node<'j>, &'r Profile) -> bool,
}

/// Whether two issues tell the same of the same element.
fn is_same(a: &Issue, b: &Issue) -> bool {
    (a.severity, a.code, &a.diagnostics, &a.expression) == (b.severity, b.code, &b.diagnostics, &b.expression)
}

/// The resource that an element is in.
#[derive(Clone, Copy)]
pub struct Scope<'j> {
    /// `%resource`
    pub resource: Node<'j>,
    /// `%rootResource`: what contains it, or the resource itself.
    pub root: Node<'j>,
    /// The `fullUrl` of the entry that it is in.
    pub full_url: Option<&'j str>,
    /// How deep the element is.
    pub depth: usize,
    /// The type of the object around the element, and the property of it that the element is a value of; none at the
    /// root of a resource.
    pub place: Option<(TypeId, &'static Property)>,
}

impl<'j> Scope<'j> {
    /// One element deeper: in a value of a property.
    #[must_use]
    pub fn deeper(mut self, place: Option<(TypeId, &'static Property)>) -> Self {
        self.depth += 1;
        self.place = place;
        self
    }
}

impl<'r, 'j> Check<'r, 'j> {
    /// Notes an error.
    #[cold]
    pub fn fail(&mut self, code: &'static str, text: impl FnOnce() -> String, path: &Path) {
        self.failed = true;
        self.note("error", code, text, path);
    }

    /// Notes an error that a profile makes of something; if the resource claims the profile, that is named too in the end.
    #[cold]
    pub fn fail_by(
        &mut self,
        profile: &'r Profile,
        code: &'static str,
        text: impl FnOnce() -> String,
        path: &Path,
        others: impl FnOnce() -> Vec<String>,
    ) {
        let before = self.issues.len();
        self.fail_of_several(code, text, path, others);
        if self.issues.len() > before {
            self.blamed.push((before, profile));
        }
    }

    /// Notes an error about several elements: one place, and the others.
    #[cold]
    pub fn fail_of_several(
        &mut self,
        code: &'static str,
        text: impl FnOnce() -> String,
        path: &Path,
        others: impl FnOnce() -> Vec<String>,
    ) {
        self.failed = true;
        if self.note("error", code, text, path)
            && let Some(issue) = self.issues.last_mut()
        {
            issue.also = others();
            issue.also.retain(|place| Some(place) != issue.expression.as_ref());
            issue.also.truncate(PLACES);
        }
    }

    /// Notes an error, or a warning if it is spared.
    #[cold]
    pub fn unless(&mut self, is_spared: bool, code: &'static str, text: impl FnOnce() -> String, path: &Path) {
        if is_spared { self.warn(code, text, path) } else { self.fail(code, text, path) }
    }

    /// Notes a warning, if warnings are wanted.
    #[cold]
    pub fn warn(&mut self, code: &'static str, text: impl FnOnce() -> String, path: &Path) {
        if self.options.with_warnings {
            self.note("warning", code, text, path);
        }
    }

    /// Notes an issue, if it is told and not yet there.
    fn note(&mut self, severity: &'static str, code: &'static str, text: impl FnOnce() -> String, path: &Path) -> bool {
        if self.is_quiet {
            return false;
        }
        // as many warnings as there may be never keep an error from being told
        if self.issues.iter().filter(|issue| issue.severity == severity).count() == ISSUES {
            self.more = true;
            return false;
        }
        let issue = Issue { severity, ..Issue::error(code, text()).at(path.to_string()) };
        // the same rule may come from several profiles
        let is_new = !self.issues.iter().any(|other| is_same(other, &issue));
        if is_new {
            self.issues.push(issue);
        }
        is_new
    }

    /// Counts steps. When none are left, that is an error, told once, and nothing that costs steps is checked any more.
    pub fn charge(&mut self, steps: u64, path: &Path) {
        if self.steps == 0 {
            return;
        }
        self.steps = self.steps.saturating_sub(steps);
        if self.steps == 0 {
            let text = || format!("the resource takes more than {STEPS} steps to check; what is left was not checked");
            self.fail("too-costly", text, path);
        }
    }

    /// The surroundings of an expression.
    pub fn context(&self, scope: &Scope<'j>) -> Context<'j> {
        Context {
            resource: Some(scope.resource),
            root_resource: Some(scope.root),
            now: self.options.now,
            bounds: Bounds { steps: self.steps.min(EXPRESSION_STEPS), ..Bounds::default() },
            resolver: self.bundle.map(|bundle| bundle as _),
            services: self.services,
            ..Context::default()
        }
    }

    /// Another validation within this one that only says whether there is an error.
    pub fn quiet(&self) -> Self {
        Self {
            is_quiet: true,
            failed: false,
            issues: Vec::new(),
            blamed: Vec::new(),
            more: false,
            nested: self.nested + 1,
            known: HashMap::new(),
            ids: HashMap::new(),
            waiting: Vec::new(),
            ..*self
        }
    }
}
