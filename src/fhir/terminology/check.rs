//! One coding against a value set: all that there is to say about it.

use std::sync::Arc;

use super::compose::ValueSet;
use super::concept::Coding;
use super::context::Context;
use super::display::Shown;
use super::face::CodeSystem;
use super::issues::{self, issue};
use super::language::Languages;
use super::member::{Asked, Found, Look, Mismatch, Report};
use super::memory::{STANDARDS_STATUS, text};
use super::verdict::{Options, Place, Verdict};
use crate::base::fault::{Issue, Result};
use crate::fhir::json::Json;

/// The extension that takes a concept out of use in one value set.
const DEPRECATED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-deprecated";

/// A check of codings against one value set.
pub struct Check<'c, 'l> {
    /// The request.
    pub context: &'c Context<'l>,
    /// The value set.
    pub set: &'c ValueSet,
    /// How strict it is.
    pub options: Options,
    /// The supplements that were asked for.
    pub supplements: Vec<Arc<dyn CodeSystem>>,
    /// The languages that displays may be in.
    pub languages: Option<Languages>,
    /// Whether the value set stands for a code system.
    pub whole_system: bool,
}

impl Check<'_, '_> {
    /// Checks a coding.
    ///
    /// # Errors
    /// When the value set cannot be evaluated.
    pub fn coding(&self, coding: &Coding, place: &Place) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let Some(system) = coding.system.as_deref() else {
            let text = "Coding has no system. A code with no system has no defined meaning, and it cannot be validated. A system should be provided";
            let id = "Coding_has_no_system__cannot_validate";
            verdict.tell(issue("warning", "invalid", "invalid-data", id, text.to_owned()).at(place.whole()));
            self.tell_not_in(&mut verdict, coding, place);
            return Ok(verdict);
        };
        let asked = Asked {
            system: Some(system),
            version: coding.version.as_deref(),
            code: coding.code.as_deref().unwrap_or(""),
        };
        let mut look = Look::new(self.context, self.options.active_only);
        let found = look.look(self.set, asked)?;
        let report = look.report;
        if let Some(missing) = report.missing_value_set.as_deref().filter(|_| found.is_empty()) {
            verdict.tell(issues::value_set_missing(missing));
            verdict.is_open = true;
            return Ok(verdict);
        }
        for (url, version, demanded) in &report.refused {
            verdict.tell(issues::version_refused(url, version, demanded).at(place.of("version")));
        }
        // where the value set has the very version that is named, the other ones say nothing
        let version = |system: &Arc<dyn CodeSystem>| system.about().version.clone();
        let is_named = coding.version.is_some() && report.tried.iter().any(|system| version(system) == coding.version);
        let found = found.into_iter().filter(|one| !is_named || one.mismatch.is_none()).collect();
        match self.best(found, coding)? {
            Some(shown) => self.member(&mut verdict, shown, coding, place, &report)?,
            None => self.absent(&mut verdict, coding, place, report)?,
        }
        Ok(verdict)
    }

    /// Of a code in several versions of its system: that whose display was given, else the latest.
    fn best(&self, found: Vec<Found>, coding: &Coding) -> Result<Option<Shown>> {
        let mut fitting: Vec<Found> = Vec::new();
        let is_exact = found.iter().any(|one| one.mismatch.is_none());
        fitting.extend(found.into_iter().filter(|one| !is_exact || one.mismatch.is_none()));
        let mut best: Option<Shown> = None;
        for one in fitting.into_iter().rev() {
            let shown = Shown::new(one, &self.supplements)?;
            let given = coding.display.as_deref();
            let is_right =
                given.is_some_and(|given| shown.complaint(given, self.languages.as_ref(), "error").is_none());
            if is_right {
                return Ok(Some(shown));
            }
            best = best.or(Some(shown));
        }
        Ok(best)
    }

    /// What to say of a code that is in the value set.
    fn member(
        &self,
        verdict: &mut Verdict,
        shown: Shown,
        coding: &Coding,
        place: &Place,
        report: &Report,
    ) -> Result<()> {
        verdict.is_member = true;
        let languages = self.languages.as_ref();
        verdict.display = shown.display(languages);
        verdict.system = Some(shown.found.url.clone());
        verdict.version = shown.found.system.as_ref().and_then(|system| system.about().version.clone());
        if let Some(mismatch) = &shown.found.mismatch {
            self.tell_mismatch(verdict, mismatch, coding, place)?;
        }
        if shown.found.system.is_none() && report.unchecked {
            let known = self.context.library.code_system_versions(&shown.found.url)?;
            let missing = issues::system_missing(&shown.found.url, None, &known, false);
            verdict.note(Issue { severity: "warning", ..missing }.at(place.of("system")));
            verdict.unknown.push((false, shown.found.url.to_string()));
        }
        let concept = &shown.found.concept;
        let code = coding.code.as_deref().unwrap_or("");
        if concept.is_abstract && self.options.is_abstract == Some(false) {
            let text = format!("Code '{}#{code}' is abstract, and not allowed in this context", shown.found.url);
            verdict.tell(
                issue("error", "business-rule", "code-rule", "ABSTRACT_CODE_NOT_ALLOWED", text).at(place.of("code")),
            );
            self.tell_not_in(verdict, coding, place);
            verdict.is_member = false;
        }
        self.tell_state(verdict, &shown.found, place);
        if *concept.code != *code {
            let system = shown.found.system.as_ref().map(|system| system.about().canonical()).unwrap_or_default();
            let text = format!(
                "The code '{code}' differs from the correct code '{}' by case. Although the code system '{system}' is case insensitive, implementers are strongly encouraged to use the correct case anyway",
                concept.code
            );
            verdict.note(
                issue("information", "business-rule", "code-rule", "CODE_CASE_DIFFERENCE", text).at(place.of("code")),
            );
            verdict.normalized = Some(concept.code.clone());
        }
        let severity = if self.options.lenient_display { "warning" } else { "error" };
        let given = coding.display.as_deref().filter(|_| !self.options.membership_only);
        if let Some(complaint) = given.and_then(|given| shown.complaint(given, languages, severity)) {
            let is_told = complaint.detail.is_some_and(|detail| detail.code == "invalid-display");
            verdict.issues.push((complaint.at(place.of("display")), is_told));
        }
        self.tell_definitions(verdict);
        Ok(())
    }

    /// The status of a concept, in its system and in the value set.
    fn tell_state(&self, verdict: &mut Verdict, found: &Found, place: &Place) {
        let concept = &found.concept;
        let code = &concept.code;
        let listed = found.listed.as_ref();
        if concept.is_inactive || listed.is_some_and(|listed| listed.is_inactive) {
            self.tell_inactive(verdict, found, place);
        } else if concept.status.as_deref() == Some("deprecated") {
            let text = format!("The concept '{code}' is deprecated and its use should be reviewed");
            verdict.tell(
                issue("warning", "business-rule", "code-comment", "DEPRECATED_CONCEPT_FOUND", text)
                    .at(place.of("code")),
            );
            verdict.status.clone_from(&concept.status);
        }
        let says = |extension: &Json| match text(extension, "url") {
            Some(DEPRECATED) => {
                extension.get("valueBoolean") == Some(&Json::Bool(true)) || text(extension, "valueCode") == Some("true")
            }
            Some(STANDARDS_STATUS) => text(extension, "valueCode") == Some("deprecated"),
            _ => false,
        };
        if listed.is_some_and(|listed| listed.extensions.iter().any(says)) {
            let text = format!(
                "The presence of the concept '{code}' in the system '{}' in the value set {} is marked with a status of deprecated and its use should be reviewed",
                found.url, self.set.canonical
            );
            let id = "CONCEPT_DEPRECATED_IN_VALUESET";
            verdict.note(issue("warning", "business-rule", "code-comment", id, text).at(place.of("code")));
        }
    }

    fn tell_inactive(&self, verdict: &mut Verdict, found: &Found, place: &Place) {
        let status = found.concept.status.as_deref().filter(|status| *status != "inactive");
        let shown = status.map_or("inactive".to_owned(), |status| format!("{status} and inactive"));
        let text =
            format!("The concept '{}' has a status of {shown} and its use should be reviewed", found.concept.code);
        verdict
            .tell(issue("warning", "business-rule", "code-comment", "INACTIVE_CONCEPT_FOUND", text).at(place.whole()));
        verdict.is_inactive = true;
        verdict.status = status.map(Into::into);
    }

    /// The state of the definitions that were used.
    fn tell_definitions(&self, verdict: &mut Verdict) {
        for (state, kind, canonical) in &self.context.used.borrow().states {
            let id = match *state {
                "deprecated" => "MSG_DEPRECATED",
                "withdrawn" => "MSG_WITHDRAWN",
                "experimental" => "MSG_EXPERIMENTAL",
                "retired" => "MSG_RETIRED",
                _ => "MSG_DRAFT",
            };
            let text = format!("Reference to {state} {kind} {canonical}");
            verdict.note(issue("information", "business-rule", "status-check", id, text));
        }
    }

    fn tell_mismatch(&self, verdict: &mut Verdict, mismatch: &Mismatch, coding: &Coding, place: &Place) -> Result<()> {
        let (Some(url), Some(given)) = (coding.system.as_deref(), coding.version.as_deref()) else { return Ok(()) };
        let wanted = mismatch.wanted.as_deref().unwrap_or("");
        let told = if mismatch.is_changed {
            let named = mismatch.named.as_deref().unwrap_or("");
            let text = format!(
                "The code system '{url}' version '{wanted}' resulting from the version '{named}' in the ValueSet include is different to the one in the value ('{given}')"
            );
            issue("error", "invalid", "vs-invalid", "VALUESET_VALUE_MISMATCH_CHANGED", text)
        } else if mismatch.wanted.is_some() {
            let text = format!(
                "The code system '{url}' version '{wanted}' in the ValueSet include is different to the one in the value ('{given}')"
            );
            issue("error", "invalid", "vs-invalid", "VALUESET_VALUE_MISMATCH", text)
        } else {
            let used = mismatch.used.as_deref().unwrap_or("");
            let text = format!(
                "The code system '{url}' version '{used}' for the versionless include in the ValueSet include is different to the one in the value ('{given}')"
            );
            issue("warning", "invalid", "vs-invalid", "VALUESET_VALUE_MISMATCH_DEFAULT", text)
        };
        let is_told = told.severity == "error";
        verdict.issues.push((told.at(place.of("version")), is_told));
        let known = self.context.library.code_system_versions(url)?;
        if !known.iter().any(|version| **version == *given) {
            verdict.tell(issues::system_missing(url, Some(given), &known, false).at(place.of("system")));
            verdict.unknown.push((true, format!("{url}|{given}")));
        }
        Ok(())
    }

    /// What to say of a code that is not in the value set.
    fn absent(&self, verdict: &mut Verdict, coding: &Coding, place: &Place, report: Report) -> Result<()> {
        let (system, code) = (coding.system.as_deref().unwrap_or(""), coding.code.as_deref().unwrap_or(""));
        if let Some((url, version)) = report.missing_systems.first() {
            let known = self.context.library.code_system_versions(url)?;
            if self.whole_system && self.tell_no_system(verdict, coding, place)? {
                return Ok(());
            }
            verdict.tell(issues::system_missing(url, version.as_deref(), &known, false).at(place.of("system")));
            for mismatch in &report.mismatches {
                self.tell_mismatch(verdict, mismatch, coding, place)?;
            }
            verdict.unknown.truncate(0);
            let name = super::compose::canonical(url, version.as_deref());
            verdict.unknown.push((true, name));
            verdict.is_open = true;
            return Ok(());
        }
        if let Some(fragment) = report.fragments.last() {
            let about = fragment.about();
            let text = format!(
                "Unknown Code '{code}' in the CodeSystem '{system}' version '{}' - note that the code system is labeled as a fragment, so the code may be valid in some other fragment",
                about.version.as_deref().unwrap_or("")
            );
            let at = place.of("code");
            verdict.note(issue("warning", "code-invalid", "invalid-code", "UNKNOWN_CODE_IN_FRAGMENT", text).at(at));
            verdict.version.clone_from(&about.version);
            verdict.is_member = true;
            return Ok(());
        }
        if let Some(inactive) = report.inactive.first() {
            let text = format!("The concept '{code}' is valid but is not active");
            verdict.tell(
                issue("error", "business-rule", "code-rule", "STATUS_CODE_WARNING_CODE", text).at(place.of("code")),
            );
            self.tell_inactive(verdict, inactive, place);
        }
        // a code of another system is not in this one, whatever its own system says
        let is_foreign = !self.set.systems().any(|of| of == system);
        if !self.whole_system || is_foreign {
            self.tell_not_in(verdict, coding, place);
        }
        let is_named = |system: &&Arc<dyn CodeSystem>| system.about().version == coding.version;
        let tried = match report.tried.iter().find(is_named).or(report.tried.last()) {
            Some(tried) => Some(tried.clone()),
            None => self.context.resolve(system, None, coding.version.as_deref())?.system,
        };
        match tried {
            Some(tried) => self.tell_unknown_code(verdict, &*tried, coding, place),
            None => self.tell_no_system(verdict, coding, place).map(drop),
        }
    }

    fn tell_unknown_code(
        &self,
        verdict: &mut Verdict,
        system: &dyn CodeSystem,
        coding: &Coding,
        place: &Place,
    ) -> Result<()> {
        let about = system.about();
        let code = coding.code.as_deref().unwrap_or("");
        verdict.version.clone_from(&about.version);
        if let Some(version) = coding.version.as_deref() {
            let known = self.context.library.code_system_versions(&about.url)?;
            if !known.is_empty() && !known.iter().any(|one| **one == *version) {
                verdict.tell(issues::system_missing(&about.url, Some(version), &known, false).at(place.of("system")));
                verdict.unknown.push((true, format!("{}|{version}", about.url)));
                return Ok(());
            }
        }
        if let Some(concept) = system.find(code)? {
            let found = Found {
                url: about.url.clone(),
                system: None,
                concept: concept.into_owned(),
                listed: None,
                mismatch: None,
            };
            verdict.display = Shown::new(found, &[])?.display(None);
            let includes = self.set.includes.iter().filter(|part| part.system.as_deref() == Some(&*about.url));
            verdict.remarks.extend(includes.filter_map(|part| system.refusal(code, &part.filters)));
            return Ok(());
        }
        if self.options.membership_only {
            return Ok(());
        }
        let (id, text) = match &about.version {
            Some(version) => (
                "Unknown_Code_in_Version",
                format!("Unknown code '{code}' in the CodeSystem '{}' version '{version}'", about.url),
            ),
            None => ("Unknown_Code_in", format!("Unknown code '{code}' in the CodeSystem '{}'", about.url)),
        };
        verdict.tell(issue("error", "code-invalid", "invalid-code", id, text).at(place.of("code")));
        if let Some(complaint) = system.complaint(code) {
            verdict.note(issue("information", "code-invalid", "invalid-code", "", complaint).at(place.of("code")));
        }
        Ok(())
    }

    /// Says why a system is none: it is a value set, a supplement, a relative URL, or just not known. Whether it said so.
    fn tell_no_system(&self, verdict: &mut Verdict, coding: &Coding, place: &Place) -> Result<bool> {
        let url = coding.system.as_deref().unwrap_or("");
        let wrong = |id, text| issue("error", "invalid", "invalid-data", id, text).at(place.of("system"));
        if self.context.library.value_set(url, None)?.is_some() {
            let text = format!("The Coding references a value set, not a code system ('{url}')");
            verdict.tell(wrong("Terminology_TX_System_ValueSet2", text));
            return Ok(true);
        }
        if let Some(supplement) = self.context.library.supplement(url, coding.version.as_deref())? {
            let text = format!(
                "CodeSystem {} is a supplement, so can't be used as a value in Coding.system",
                supplement.about().canonical()
            );
            verdict.tell(wrong("CODESYSTEM_CS_NO_SUPPLEMENT", text));
            verdict.unknown.push((true, url.to_owned()));
            return Ok(true);
        }
        if !url.contains(':') {
            let text = "Coding.system must be an absolute reference, not a local reference".to_owned();
            verdict.tell(wrong("Terminology_TX_System_Relative", text));
        }
        let known = self.context.library.code_system_versions(url)?;
        verdict.tell(issues::system_missing(url, coding.version.as_deref(), &known, false).at(place.of("system")));
        verdict.unknown.push((false, url.to_owned()));
        Ok(true)
    }

    fn tell_not_in(&self, verdict: &mut Verdict, coding: &Coding, place: &Place) {
        match place {
            Place::Concept(_) => verdict.note(self.not_in(coding, place, "information")),
            _ => verdict.tell(self.not_in(coding, place, "error")),
        }
    }

    /// That a coding is not in the value set.
    pub fn not_in(&self, coding: &Coding, place: &Place, severity: &'static str) -> Issue {
        let part = |text: &Option<Box<str>>| text.as_deref().unwrap_or("").to_owned();
        let version = coding.version.as_ref().map(|version| format!("|{version}")).unwrap_or_default();
        let display = coding.display.as_ref().map(|display| format!(" ('{display}')")).unwrap_or_default();
        let text = format!(
            "The provided code '{}{version}#{}{display}' was not found in the value set '{}'",
            part(&coding.system),
            part(&coding.code),
            self.set.canonical
        );
        let exact = if severity == "information" { "this-code-not-in-vs" } else { "not-in-vs" };
        issue(severity, "code-invalid", exact, "None_of_the_provided_codes_are_in_the_value_set_one", text)
            .at(place.of("code"))
    }
}
