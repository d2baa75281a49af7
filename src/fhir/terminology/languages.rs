//! Names of languages (BCP 47), in English: those of FHIR's list of common languages and of the value set `Languages` of HL7's package of
//! terminology; a language of a country is named by both.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::iso;
use super::memory::{list, text};
use crate::fhir::definitions::shipped;
use crate::fhir::definitions::terminology::{Kind, find};
use crate::fhir::json::Json;

const COMMON: &str = "http://hl7.org/fhir/ValueSet/languages";
const ALL: &str = "http://terminology.hl7.org/ValueSet/Languages";

/// Names by codes in lower case.
static NAMES: LazyLock<HashMap<String, Box<str>>> = LazyLock::new(|| {
    let of_package = shipped::packages().iter().find_map(|packed| {
        let at = packed.rows.iter().position(|row| &*row.kind == "ValueSet" && &*row.url == ALL)?;
        packed.json(at)
    });
    let common = find(Kind::ValueSet, COMMON).ok().flatten();
    of_package.iter().chain(&common).flat_map(of_set).collect()
});

fn of_set(set: &Json) -> Vec<(String, Box<str>)> {
    let includes = set.get("compose").map(|compose| list(compose, "include")).unwrap_or_default();
    let concepts = includes.iter().flat_map(|include| list(include, "concept"));
    concepts.filter_map(|one| Some((text(one, "code")?.to_lowercase(), text(one, "display")?.into()))).collect()
}

/// The names of a language, of several the one to show first; none where it has more parts than a language and a country, or is not known.
pub fn names(code: &str) -> Vec<String> {
    let known = |code: &str| NAMES.get(&code.to_lowercase()).map(|name| &**name);
    let all = |name: &str| name.split("; ").map(str::to_owned).collect::<Vec<String>>();
    if let Some(name) = known(code) {
        return all(name);
    }
    let parts = code.split_once('-').and_then(|(language, country)| known(language).zip(iso::country(country)));
    let named = parts.map(|(name, country)| all(name).into_iter().map(move |name| format!("{name} ({country})")));
    named.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_names() {
        for (code, expected) in [
            ("de", "German"),
            ("DE", "German"),
            ("de-LI", "German (Liechtenstein)"),
            ("ady", "Adyghe|Adygei"),
            ("x-cresset", ""),
            ("de-1901", ""),
        ] {
            assert_eq!(names(code).join("|"), expected, "{code}");
        }
    }
}
