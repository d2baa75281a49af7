//! What the terminology service says of codes that a registry leaves open: those of large code systems, which were loaded into the
//! database, and of value sets that are made of them.
//!
//! A registry makes a set of every value set whose code systems it holds. Only what such a set does not know is asked here, with the
//! service's own look into value sets, so there is one reading of what a value set says. An answer is kept, since the same codes come
//! again and again; an `Answers` is made anew when definitions or code systems change.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::{HashMap, HashSet};

use super::codes::Membership;
use super::registry::Registry;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::terminology::context::Context;
use crate::fhir::terminology::member::{Asked, Look};
use crate::fhir::terminology::memory::{Memory, text};
use crate::fhir::terminology::{CodeSystem, Concept, Content, Core, Layers, Library, Params, version};

/// Most answers that are kept.
const ANSWERS: usize = 65_536;
/// An answer about a longer value set and code than this is not kept: codes come from whoever sends a resource.
const KEPT_BYTES: usize = 512;
/// Most definitions that are kept once they were read.
const DEFINITIONS: usize = 512;

const SNOMED: &str = "http://snomed.info/sct";

/// Large code systems beside the definitions of a registry.
pub struct Answers {
    held: Held,
    large: Arc<dyn Library>,
    /// The URLs of the large code systems.
    urls: HashSet<Box<str>>,
    kept: RwLock<HashMap<String, Membership>>,
    /// Who is told that a value set or code system could not be asked: its URL, and why.
    report: Option<Report>,
    /// Those that were told, so that a broken disk is not told for every code.
    told: Mutex<HashSet<Box<str>>>,
}

/// Takes the URL of a value set or code system, and why it could not be asked.
pub type Report = Box<dyn Fn(&str, &Fault) + Send + Sync>;

/// The definitions of a registry, as a library.
struct Held {
    registry: Arc<Registry>,
    value_sets: Mutex<HashMap<String, Option<Arc<Json>>>>,
    systems: Mutex<HashMap<String, Option<Arc<Memory>>>>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("large", &self.urls).finish_non_exhaustive()
    }
}

impl Answers {
    /// With large code systems, which are those of the URLs, beside a registry.
    pub fn new(registry: Arc<Registry>, large: Arc<dyn Library>, urls: impl IntoIterator<Item = Box<str>>) -> Self {
        let held = Held { registry, value_sets: Mutex::default(), systems: Mutex::default() };
        let urls = urls.into_iter().collect();
        Self { held, large, urls, kept: RwLock::default(), report: None, told: Mutex::default() }
    }

    /// The same, with somebody who is told of each value set and code system that could not be asked, once.
    #[must_use]
    pub fn reporting(self, report: Report) -> Self {
        Self { report: Some(report), ..self }
    }

    /// Whether a code system is one of the large ones.
    pub fn has_system(&self, url: &str) -> bool {
        self.urls.contains(url)
    }

    /// Whether a code is in a value set.
    pub fn member(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        let key = format!("{value_set}\n{}\n{code}", system.unwrap_or(""));
        self.kept(key, value_set, || {
            self.asked(|context| {
                let Some(set) = context.value_set(value_set)? else { return Ok(Membership::Unknown) };
                let mut look = Look::new(context, false);
                let found = look.look(&set, Asked { system, version: None, code })?;
                let is_open = look.report.missing_value_set.is_some() || !look.report.missing_systems.is_empty();
                Ok(match (found.is_empty(), is_open) {
                    (false, _) => Membership::In,
                    (true, true) => Membership::Unknown,
                    (true, false) => Membership::Out,
                })
            })
        })
    }

    /// Whether a value set is one that a large code system implies by its URL.
    pub fn implies(&self, value_set: &str) -> bool {
        let is_known = || {
            self.asked(|context| {
                let found = context.value_set(value_set)?;
                Ok(found.map_or(Membership::Out, |_| Membership::In))
            })
        };
        self.kept(format!("{value_set}\n\n\n"), value_set, is_known) == Membership::In
    }

    /// Whether a large code system has a code; `Unknown` where that cannot be said.
    pub fn code(&self, system: &str, version: Option<&str>, code: &str) -> Membership {
        if !self.has_system(system) || (system == SNOMED && is_elsewhere(code)) {
            return Membership::Unknown;
        }
        self.kept(format!("\n{system}|{}\n{code}", version.unwrap_or("")), system, || {
            let Some(system) = self.large.code_system(system, version)? else { return Ok(Membership::Unknown) };
            Ok(match system.find(code)? {
                Some(_) => Membership::In,
                None if system.about().content == Content::Complete => Membership::Out,
                None => Membership::Unknown,
            })
        })
    }

    /// The display of a code of a large code system, if what it is called is neither that nor one of its designations: case aside.
    pub fn other_display(&self, system: &str, version: Option<&str>, code: &str, given: &str) -> Option<Box<str>> {
        let found = || -> Result<Option<Concept>> {
            let Some(system) = self.large.code_system(system, version)? else { return Ok(None) };
            Ok(system.find(code)?.map(Cow::into_owned))
        };
        let concept = self.told(system, found())??;
        let given = given.to_lowercase();
        let is_known = concept.display.iter().any(|display| display.to_lowercase() == given)
            || concept.designations.iter().any(|one| one.value.to_lowercase() == given);
        if is_known { None } else { concept.display }
    }

    /// Whether a code is above another of a large code system; none where it does not have both.
    pub fn is_above(&self, system: &str, above: &str, below: &str) -> Option<bool> {
        if !self.has_system(system) {
            return None;
        }
        let found = || -> Result<Option<bool>> {
            let Some(system) = self.large.code_system(system, None)? else { return Ok(None) };
            let has_both = system.find(above)?.is_some() && system.find(below)?.is_some();
            has_both.then(|| system.subsumes(above, below)).transpose()
        };
        self.told(system, found())?
    }

    /// What the service says.
    fn asked(&self, ask: impl FnOnce(&Context<'_>) -> Result<Membership>) -> Result<Membership> {
        let layers = Layers(vec![&*self.large, &self.held, &Core]);
        Context::new(&layers, &Params::default(), None).and_then(|context| ask(&context))
    }

    /// What was found, if it could be looked for; whoever must know is told when not.
    fn told<T>(&self, url: &str, found: Result<T>) -> Option<T> {
        let fault = match found {
            Ok(found) => return Some(found),
            Err(fault) => fault,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = told.len() < DEFINITIONS && told.insert(url.into());
        drop(told);
        if let Some(report) = self.report.as_ref().filter(|_| is_new) {
            report(url, &fault);
        }
        None
    }

    /// What was said before, or is said now; `url` is what is asked. What could not be said is asked again the next time: it may have
    /// been the disk.
    fn kept(&self, key: String, url: &str, ask: impl FnOnce() -> Result<Membership>) -> Membership {
        if let Some(known) = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *known;
        }
        let Some(answer) = self.told(url, ask()) else { return Membership::Failed };
        if key.len() > KEPT_BYTES {
            return answer;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ANSWERS {
            kept.clear();
        }
        kept.insert(key, answer);
        answer
    }
}

/// Whether a code of SNOMED CT may be none of an edition without being wrong: an expression, or the concept of an extension (SNOMED CT
/// identifiers, the third digit from the end).
fn is_elsewhere(code: &str) -> bool {
    let digits = code.as_bytes();
    !digits.iter().all(u8::is_ascii_digit) || (digits.len() > 3 && digits[digits.len() - 3] == b'1')
}

/// What a map holds, or is given now.
fn held<T: Clone>(map: &Mutex<HashMap<String, T>>, key: String, read: impl FnOnce() -> T) -> T {
    if let Some(known) = map.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return known.clone();
    }
    let made = read();
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if map.len() >= DEFINITIONS {
        map.clear();
    }
    map.entry(key).or_insert(made).clone()
}

fn canonical(url: &str, version: Option<&str>) -> String {
    version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"))
}

impl Library for Held {
    /// Those of R4 itself are without their properties in a registry; [`Core`] has them whole.
    fn code_system(&self, url: &str, wanted: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let found = held(&self.systems, canonical(url, wanted), || {
            let json = self.registry.added_definition("CodeSystem", &canonical(url, wanted))?;
            let is_meant = wanted.is_none_or(|wanted| version::matches(wanted, text(&json, "version").unwrap_or("")));
            let is_here = !matches!(text(&json, "content"), Some("not-present" | "supplement"));
            (is_meant && is_here).then(|| Arc::new(Memory::new(&json)))
        });
        Ok(found.map(|system| system as Arc<dyn CodeSystem>))
    }

    /// In the version that is wanted or, as a binding takes it, in the last one.
    fn value_set(&self, url: &str, wanted: Option<&str>) -> Result<Option<Arc<Json>>> {
        let key = canonical(url, wanted);
        let read = || self.registry.definition("ValueSet", &key).map(|json| Arc::new(Cow::into_owned(json)));
        Ok(held(&self.value_sets, key.clone(), read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fault::Issue;
    use crate::fhir::json::parse;
    use crate::fhir::terminology::Shelf;
    use crate::fhir::validate::{Options, validate_with};

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect("JSON")
    }

    /// A registry with a profile bound to a value set, and a large code system that only the service has.
    fn answers() -> (Arc<Registry>, Answers) {
        let profile = json(
            r#"{"resourceType":"StructureDefinition","url":"http://x/p","type":"Condition","kind":"resource","derivation":"constraint",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Condition","differential":{"element":[
            {"id":"Condition.code","path":"Condition.code","binding":{"strength":"required","valueSet":"http://x/vs"}}]}}"#,
        );
        let set = json(
            r#"{"resourceType":"ValueSet","url":"http://x/vs","compose":{"include":[{"system":"http://large",
            "filter":[{"property":"concept","op":"is-a","value":"A"}]}],"exclude":[{"system":"http://large","concept":[{"code":"A2"}]}]}}"#,
        );
        let registry = Arc::new(Registry::with([profile, set]));
        let mut large = Shelf::default();
        large.add(Arc::new(json(
            r#"{"resourceType":"CodeSystem","url":"http://large","version":"1","content":"complete","hierarchyMeaning":"is-a","concept":[
            {"code":"A","concept":[{"code":"A1","display":"One"},{"code":"A2"}]},{"code":"B"}]}"#,
        )));
        let answers = Answers::new(registry.clone(), Arc::new(large), ["http://large".into()]);
        (registry, answers)
    }

    fn errors(system: &str, code: &str, answers: Option<&Answers>, registry: &Registry) -> Vec<String> {
        let text = format!(
            r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/1"}},"code":{{"coding":[{{"system":"{system}","code":"{code}","display":"one"}}]}}}}"#
        );
        let options = Options { with_warnings: true, is_thorough: true, ..Options::default() };
        let issues = validate_with(registry, answers, &json(&text), &["http://x/p"], options);
        let is_error = |issue: &&Issue| issue.severity == "error";
        issues.iter().filter(is_error).map(|issue| format!("{:?} {}", issue.expression, issue.diagnostics)).collect()
    }

    #[test]
    fn bindings_ask_large_code_systems() {
        let (registry, answers) = answers();
        let told = |system: &str, code: &str| errors(system, code, Some(&answers), &registry);
        for _ in 0..2 {
            assert_eq!(told("http://large", "A1"), Vec::<String>::new());
            for code in ["A2", "B"] {
                let found = told("http://large", code);
                assert!(found.len() == 1 && found[0].contains("Condition.code"), "{code}: {found:?}");
                assert!(found[0].contains("not in the value set http://x/vs"), "{found:?}");
            }
            // what the code system does not have is told at the code, too
            let found = told("http://large", "A3");
            assert!(found.iter().any(|text| text.contains("Condition.code.coding[0].code")), "{found:?}");
            assert_eq!(told("http://other", "A1").len(), 1, "a system that is not in the value set");
        }
        let kept = || answers.kept.read().expect("no panic").len();
        let before = kept();
        assert!(!told("http://large", &"A".repeat(KEPT_BYTES)).is_empty());
        assert_eq!(kept(), before, "a long code takes no room");
        assert_eq!((told("http://large", "A9").is_empty(), kept() > before), (false, true));
        // without the service nobody knows
        assert_eq!(errors("http://large", "B", None, &registry), Vec::<String>::new());
    }

    /// A library whose disk is broken.
    struct Broken;

    impl Library for Broken {
        fn code_system(&self, _: &str, _: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
            Err(Fault::internal("the disk is broken"))
        }

        fn value_set(&self, _: &str, _: Option<&str>) -> Result<Option<Arc<Json>>> {
            Ok(None)
        }
    }

    #[test]
    fn what_could_not_be_asked_is_told() {
        let (registry, _) = answers();
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let report = move |url: &str, fault: &Fault| telling.lock().expect("no panic").push(format!("{url}: {fault}"));
        let answers =
            Answers::new(registry.clone(), Arc::new(Broken), ["http://large".into()]).reporting(Box::new(report));
        let coded = |system: &str| {
            let text = format!(
                r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/1"}},"code":{{"coding":[{{"system":"{system}","code":"secret"}}]}}}}"#
            );
            let options = Options { with_warnings: true, is_thorough: true, ..Options::default() };
            validate_with(&registry, Some(&answers), &json(&text), &["http://x/p"], options)
        };
        for _ in 0..3 {
            let issues = coded("http://large");
            assert!(!issues.iter().any(|issue| issue.severity == "error"), "{issues:?}");
            let open: Vec<_> = issues.iter().filter(|issue| issue.code == "incomplete").collect();
            let places: Vec<_> = open.iter().filter_map(|issue| issue.expression.as_deref()).collect();
            assert_eq!(places, ["Condition.code.coding[0].code", "Condition.code"], "{open:?}");
            assert!(open[1].diagnostics.contains("http://x/vs could not be checked"), "{open:?}");
        }
        let told = told.lock().expect("no panic");
        assert_eq!(told.len(), 2, "once for each: {told:?}");
        assert!(told.iter().all(|text| text.contains("the disk is broken") && !text.contains("secret")), "{told:?}");
    }

    #[test]
    fn expressions_ask_large_code_systems() {
        use super::super::services::Definitions;
        use crate::fhir::fhirpath::{Context, Node, boolean, compile};
        let (registry, answers) = answers();
        let condition = json(
            r#"{"resourceType":"Condition","code":{"coding":[{"system":"http://large","code":"A1"}]},
            "bodySite":[{"coding":[{"system":"http://large","code":"A"}]}],"severity":{"coding":[{"system":"http://large","code":"B"}]}}"#,
        );
        let node = Node::resource(&condition);
        let services = Definitions(&registry, Some(&answers));
        let context = Context { services: Some(&services), ..Context::new(node) };
        let cases = [
            ("code.memberOf('http://x/vs')", Some(true)),
            ("severity.memberOf('http://x/vs')", Some(false)),
            ("bodySite.subsumes(%context.code)", Some(true)),
            ("code.subsumedBy(%context.bodySite)", Some(true)),
            ("code.subsumes(%context.bodySite)", Some(false)),
            // all codes of a code system, by its own URL
            ("severity.memberOf('http://large?fhir_vs')", Some(true)),
        ];
        for (text, expected) in cases {
            let items = compile(text).expect(text).eval(node, &context).expect(text);
            assert_eq!(boolean(&items, text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn codes_of_extensions_are_not_refused() {
        assert!(is_elsewhere("30506011000036107") && is_elsewhere("73211009:363698007=1") && !is_elsewhere("73211009"));
    }
}
