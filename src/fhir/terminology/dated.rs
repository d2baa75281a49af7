//! Definitions as they were at a date (the parameter `date`). A definition says since when it is as it is: by its own `date` or, without
//! one, by when it was last changed here. Of several versions the latest that was there then is meant; one that came later is an
//! error, since how it was before is not kept here.

use std::sync::Arc;

use super::face::{CodeSystem, Library};
use super::memory::{since, text};
use super::version;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;
use crate::fhir::time;

/// The definitions of a library at a date.
pub struct Dated<'l> {
    library: &'l dyn Library,
    /// The end of the date, in microseconds since 1970.
    until: i64,
    shown: &'l str,
    /// Whether only what a definition says itself counts, not when it was changed here.
    by_publication: bool,
}

impl<'l> Dated<'l> {
    /// A library at a date.
    ///
    /// # Errors
    /// 400 for what is no date.
    pub fn new(library: &'l dyn Library, date: &'l str) -> Result<Self> {
        let parsed = time::parse(date);
        let (_, until) = parsed.map_err(|reason| Fault::invalid(reason).at("date"))?.span(0);
        Ok(Self { library, until, shown: date, by_publication: false })
    }

    /// A library at the `lockedDate` of a value set: definitions that do not say when they were published are as they are.
    ///
    /// # Errors
    /// 400 for what is no date.
    pub fn locked(library: &'l dyn Library, date: &'l str) -> Result<Self> {
        Ok(Self { by_publication: true, ..Self::new(library, date)? })
    }

    /// Refuses a definition that is not as it was at the date.
    ///
    /// # Errors
    /// 422 when it came or changed later.
    pub fn check(&self, json: &Json) -> Result<()> {
        match self.since(json) {
            Some(changed) if !self.was(Some(changed)) => {
                Err(self.unknown("definition", text(json, "url").unwrap_or(""), changed))
            }
            _ => Ok(()),
        }
    }

    fn unknown(&self, kind: &str, url: &str, changed: &str) -> Fault {
        let text = format!(
            "the {kind} {url} is as it is since {changed}; how it was on {} is not known here: name a version instead",
            self.shown
        );
        let place = if self.by_publication { "ValueSet.compose.lockedDate" } else { "date" };
        Fault::coded(Category::Unprocessable, "not-supported", text).at(place)
    }

    fn since<'j>(&self, json: &'j Json) -> Option<&'j str> {
        if self.by_publication { text(json, "date") } else { since(json) }
    }

    fn since_of(&self, system: &dyn CodeSystem) -> Option<Box<str>> {
        let about = system.about();
        about.date.clone().filter(|_| about.is_published || !self.by_publication)
    }

    /// Whether something was there; what does not say since when it is always was.
    fn was(&self, since: Option<&str>) -> bool {
        since.and_then(|since| time::parse(since).ok()).is_none_or(|since| since.span(0).0 < self.until)
    }

    /// The version that is meant, or the latest before it that was there at the date.
    fn pick<T>(
        &self,
        (kind, url, wanted): (&str, &str, Option<&str>),
        versions: impl Fn() -> Result<Vec<Box<str>>>,
        find: impl Fn(Option<&str>) -> Result<Option<T>>,
        since: impl Fn(&T) -> Option<Box<str>>,
    ) -> Result<Option<T>> {
        let Some(found) = find(wanted)? else { return Ok(None) };
        let changed = since(&found);
        if self.was(changed.as_deref()) {
            return Ok(Some(found));
        }
        for version in versions()?.iter().rev() {
            if version.is_empty() || wanted.is_some_and(|wanted| !version::matches(wanted, version)) {
                continue;
            }
            if let Some(found) = find(Some(version))?.filter(|found| self.was(since(found).as_deref())) {
                return Ok(Some(found));
            }
        }
        Err(self.unknown(kind, url, &changed.unwrap_or_default()))
    }

    fn json(
        &self,
        named: (&str, &str, Option<&str>),
        versions: impl Fn() -> Result<Vec<Box<str>>>,
        find: impl Fn(Option<&str>) -> Result<Option<Arc<Json>>>,
    ) -> Result<Option<Arc<Json>>> {
        self.pick(named, versions, find, |json| self.since(json).map(Into::into))
    }
}

impl Library for Dated<'_> {
    fn code_system(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let library = self.library;
        self.pick(
            ("code system", url, version),
            || library.code_system_versions(url),
            |version| library.code_system(url, version),
            |system| self.since_of(&**system),
        )
    }

    fn code_system_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        self.library.code_system_versions(url)
    }

    fn supplement(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<dyn CodeSystem>>> {
        let library = self.library;
        self.pick(
            ("supplement", url, version),
            || Ok(Vec::new()),
            |version| library.supplement(url, version),
            |system| self.since_of(&**system),
        )
    }

    fn value_set(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        let library = self.library;
        self.json(
            ("value set", url, version),
            || library.value_set_versions(url),
            |version| library.value_set(url, version),
        )
    }

    fn value_set_versions(&self, url: &str) -> Result<Vec<Box<str>>> {
        self.library.value_set_versions(url)
    }

    fn value_sets(&self) -> Result<Vec<Box<str>>> {
        self.library.value_sets()
    }

    fn structure(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        self.library.structure(url, version)
    }

    fn concept_map(&self, url: &str, version: Option<&str>) -> Result<Option<Arc<Json>>> {
        self.json(("concept map", url, version), || Ok(Vec::new()), |version| self.library.concept_map(url, version))
    }

    fn concept_maps(&self, system: &str, is_reverse: bool) -> Result<Vec<Arc<Json>>> {
        let mut found = self.library.concept_maps(system, is_reverse)?;
        found.retain(|map| self.was(self.since(map)));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;
    use crate::fhir::terminology::Shelf;

    fn shelf() -> Shelf {
        let mut shelf = Shelf::default();
        for text in [
            r#"{"resourceType":"ValueSet","url":"urn:v","version":"1","date":"2019-05"}"#,
            r#"{"resourceType":"ValueSet","url":"urn:v","version":"2","date":"2021-05-04T10:00:00+02:00"}"#,
            r#"{"resourceType":"CodeSystem","url":"urn:c","content":"complete","meta":{"lastUpdated":"2022-01-01T00:00:00Z"}}"#,
            r#"{"resourceType":"CodeSystem","url":"urn:d","content":"complete"}"#,
        ] {
            shelf.add(Arc::new(parse(text.as_bytes()).expect("JSON")));
        }
        shelf
    }

    #[test]
    fn the_latest_version_that_was_there_is_meant() {
        let shelf = shelf();
        let version = |date: &str, wanted: Option<&str>| -> Result<Option<String>> {
            let found = Dated::new(&shelf, date)?.value_set("urn:v", wanted)?;
            Ok(found.and_then(|json| json.get("version")?.as_str().map(str::to_owned)))
        };
        let known = |date: &str, wanted: Option<&str>| version(date, wanted).expect(date);
        assert_eq!(known("2024-01-01", None).as_deref(), Some("2"));
        assert_eq!(known("2021", None).as_deref(), Some("2"));
        assert_eq!(known("2021-05-04T07:59:59Z", None).as_deref(), Some("1"));
        assert_eq!(known("2019-05-01", None).as_deref(), Some("1"));
        assert_eq!(known("2024", Some("1")).as_deref(), Some("1"));
        assert_eq!(known("2024", Some("3")), None);
        for (date, wanted) in [("2018", None), ("2020", Some("2"))] {
            assert_eq!(version(date, wanted).expect_err(date).category(), Category::Unprocessable);
        }
        assert_eq!(version("soon", None).expect_err("no date").category(), Category::Invalid);
    }

    #[test]
    fn where_a_value_set_is_locked_only_publication_counts() {
        let shelf = shelf();
        let has = |url: &str| Dated::locked(&shelf, "2020-01-01").and_then(|dated| dated.code_system(url, None));
        assert!(has("urn:c").expect("an answer").is_some());
        let version = Dated::locked(&shelf, "2020").and_then(|dated| dated.value_set("urn:v", None));
        let version = version.expect("an answer").expect("a value set");
        assert_eq!(text(&version, "version"), Some("1"));
    }

    #[test]
    fn without_a_date_the_last_change_counts() {
        let shelf = shelf();
        let has = |url: &str, date: &str| Dated::new(&shelf, date).and_then(|dated| dated.code_system(url, None));
        assert!(has("urn:c", "2022-01-01").expect("an answer").is_some());
        assert!(has("urn:c", "2021-12-31").is_err());
        assert!(has("urn:d", "1990").expect("an answer").is_some());
    }
}
