//! What the expansion that a ValueSet resource holds was made with. "These parameters may be used by users of expanded value sets to check
//! whether the expansion is suitable for a particular purpose" (FHIR R4 `valueset.html`, 4.9.8.4): where it is not, a request is refused,
//! since it cannot be made again.

use super::memory::{extension, list, text, value};
use super::params::Params;
use super::version;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// The extension that says that an expansion does not have all codes.
const UNCLOSED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed";
/// Parameters with which an expansion has fewer codes, or other ones, than with the opposite.
const NARROWING: [&str; 3] = ["activeOnly", "excludeNotForUI", "excludePostCoordinated"];

/// The parameters of a stored expansion.
#[derive(Debug, Default)]
pub struct Made {
    parameters: Vec<(Box<str>, String)>,
    /// Why it has not all codes, whatever is asked.
    part: Option<String>,
    /// Whether it says that there are more codes than can be listed.
    pub is_unclosed: bool,
}

impl Made {
    /// Of `ValueSet.expansion`.
    pub fn new(expansion: &Json) -> Self {
        let read = |json: &Json| {
            let shown = match value(json)?.1 {
                Json::String(text) => text.to_string(),
                Json::Bool(flag) => flag.to_string(),
                Json::Number(number) => number.as_str().to_owned(),
                _ => return None,
            };
            Some((text(json, "name")?.into(), shown))
        };
        let parameters: Vec<(Box<str>, String)> = list(expansion, "parameter").iter().filter_map(read).collect();
        let is_unclosed =
            extension(expansion, UNCLOSED).is_some_and(|ext| ext.get("valueBoolean") == Some(&Json::Bool(true)));
        let mut made = Self { parameters, part: None, is_unclosed };
        made.part = made.page(expansion);
        made
    }

    fn get<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m str> {
        self.parameters.iter().filter(move |(given, _)| **given == *name).map(|(_, value)| &**value)
    }

    /// "Clients can reliably use the count/offset parameters to determine whether the whole expansion is returned."
    fn page(&self, expansion: &Json) -> Option<String> {
        let mut nodes = 0;
        let mut open: Vec<&Json> = list(expansion, "contains").iter().collect();
        while let Some(json) = open.pop() {
            nodes += 1;
            open.extend(list(json, "contains"));
        }
        let own =
            |name: &str| expansion.get(name).and_then(Json::as_number).and_then(|number| number.as_str().parse().ok());
        let named = |name: &str| self.get(name).next().and_then(|value| value.parse().ok());
        let offset: u64 = own("offset").or_else(|| named("offset")).unwrap_or(0);
        let total: Option<u64> = own("total");
        let may_go_on = total.is_none() && named("count").is_some_and(|count| nodes >= count);
        let is_page = offset > 0 || may_go_on || total.is_some_and(|total| total > nodes);
        is_page.then(|| "is only a page".to_owned())
    }

    /// The version of a code system that it says it was made of.
    pub fn version_of(&self, url: &str) -> Option<&str> {
        let names = ["used-codesystem", "version", "force-system-version", "system-version", "check-system-version"];
        let all = names.into_iter().flat_map(|name| self.get(name));
        all.map(version::split).find(|(named, _)| *named == url).and_then(|(_, version)| version)
    }

    /// Why a code of a system (none: of any) that it does not list may be in the value set.
    pub fn may_miss(&self, system: Option<&str>) -> Option<String> {
        if self.is_unclosed {
            return Some("does not list all codes".to_owned());
        }
        let left_out = |url: &&str| system.is_none_or(|system| version::split(url).0 == system);
        let filter =
            self.get("filter").find(|words| !words.is_empty()).map(|words| format!("was made with filter={words}"));
        let excluded = self.get("exclude-system").find(left_out);
        self.part.clone().or(filter).or_else(|| excluded.map(|url| format!("was made with exclude-system={url}")))
    }

    /// Why it does not have all codes that are wanted: of what was typed, without these systems.
    pub fn lacks(&self, filter: Option<&str>, excluded: &dyn Fn(&str, Option<&str>) -> bool) -> Option<String> {
        let typed = self.get("filter").find(|words| !words.is_empty() && Some(*words) != filter);
        let is_wanted = |url: &&str| {
            let (url, version) = version::split(url);
            !excluded(url, version)
        };
        let told = |name: &str, value: &str| format!("was made with {name}={value}");
        let typed = typed.map(|words| told("filter", words));
        let left_out = self.get("exclude-system").find(is_wanted).map(|url| told("exclude-system", url));
        self.part.clone().or(typed).or(left_out)
    }

    /// Refuses parameters that ask for another expansion; `systems`: the code systems that it lists codes of, with their versions.
    ///
    /// # Errors
    /// 422 when they do.
    pub fn check(&self, params: &Params, systems: &[(&str, Option<&str>)]) -> Result<()> {
        for name in NARROWING {
            if params.flag(name)? == Some(false) && self.get(name).any(|value| value == "true") {
                return Err(refused(&format!("was made with {name}=true")));
            }
        }
        let date = self.get("date").next();
        if let (Some(wanted), Some(date)) = (params.text("date")?, date)
            && wanted != date
        {
            return Err(refused(&format!("was made with date={date}")));
        }
        for name in ["force-system-version", "check-system-version", "system-version"] {
            for (url, wanted) in params.texts(name).map(version::split) {
                for (_, given) in systems.iter().filter(|(system, _)| *system == url) {
                    let fits = match (given, wanted) {
                        // the value set specifies which one to use
                        (Some(_), _) if name == "system-version" => true,
                        (Some(given), Some(wanted)) => version::matches(wanted, given),
                        _ => false,
                    };
                    if !fits {
                        let of = given.map_or("an unknown version".to_owned(), |version| format!("version {version}"));
                        return Err(refused(&format!("was made with {of} of {url}")));
                    }
                }
            }
        }
        Ok(())
    }
}

/// That a stored expansion cannot answer what is asked.
pub fn refused(why: &str) -> Fault {
    let text = format!("the expansion that the value set holds {why}; there is no compose to make another one of");
    Fault::coded(Category::Unprocessable, "not-supported", text).at("ValueSet.expansion")
}
