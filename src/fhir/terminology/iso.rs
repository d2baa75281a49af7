//! Countries (ISO 3166-1) and currencies (ISO 4217): codes and names, which R4's value sets name and no code system of R4 lists. The
//! countries are those of the npm package `i18n-iso-countries` 7.14.0 (MIT), the currencies those of the expansion in
//! `hl7.fhir.r4.expansions` 4.0.1 (CC0-1.0), with those that came later or are of the past.

use std::sync::{Arc, LazyLock};

use super::face::CodeSystem;
use super::memory::Memory;
use crate::fhir::json::Json;

/// Two letters, three letters, number and name of each country.
const COUNTRIES: &str = include_str!("iso3166.tsv");
/// Code and name of each currency.
const CURRENCIES: &str = include_str!("iso4217.tsv");

/// The URLs of these systems.
pub const SYSTEMS: [&str; 2] = ["urn:iso:std:iso:3166", "urn:iso:std:iso:4217"];

static ALL: LazyLock<[Arc<Memory>; 2]> = LazyLock::new(|| {
    let currencies =
        CURRENCIES.lines().filter_map(|line| line.split_once('\t')).map(|(code, name)| concept(code, name));
    [
        Arc::new(Memory::new(&countries())),
        Arc::new(Memory::new(&json(SYSTEMS[1], "ISO4217", "Currencies (ISO 4217)", currencies.collect()))),
    ]
});

fn concept(code: &str, name: &str) -> Json {
    Json::object([("code", Json::string(code)), ("display", Json::string(name))])
}

/// A country has a code of each form: those of two letters come first.
fn country_concepts() -> Vec<Json> {
    let countries = || COUNTRIES.lines().map(|line| line.split('\t').collect::<Vec<&str>>());
    let forms = (0..3).flat_map(|form| countries().filter_map(move |row| Some(concept(row.get(form)?, row.get(3)?))));
    forms.collect()
}

fn json(url: &str, name: &str, title: &str, concepts: Vec<Json>) -> Json {
    Json::object([
        ("resourceType", Json::string("CodeSystem")),
        ("language", Json::string("en")),
        ("url", Json::string(url)),
        ("name", Json::string(name)),
        ("title", Json::string(title)),
        ("status", Json::string("active")),
        ("content", Json::string("complete")),
        ("concept", Json::Array(concepts)),
    ])
}

/// The name of the country with a code of two letters.
pub fn country(code: &str) -> Option<&'static str> {
    let mut rows = COUNTRIES.lines().map(|line| line.split('\t'));
    rows.find_map(|mut row| row.next().is_some_and(|known| known.eq_ignore_ascii_case(code)).then(|| row.nth(2))?)
}

/// Whether a code is one of a currency, also of the past.
pub fn is_currency(code: &str) -> bool {
    CURRENCIES.lines().any(|line| line.split_once('\t').is_some_and(|(known, _)| known == code))
}

/// The code system of countries as a resource.
pub fn countries() -> Json {
    json(SYSTEMS[0], "ISO3166Part1", "Countries (ISO 3166-1)", country_concepts())
}

/// The code system with a URL, if it is one of these.
pub fn system(url: &str) -> Option<Arc<dyn CodeSystem>> {
    let at = SYSTEMS.iter().position(|known| *known == url)?;
    Some(ALL[at].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_and_currencies_are_known() {
        let display = |url: &str, code: &str| {
            let system = system(url).expect(url);
            let concept = system.find(code).expect("an answer").map(|concept| concept.display.clone());
            concept.flatten().map(String::from)
        };
        for code in ["DE", "DEU", "276"] {
            assert_eq!(display(SYSTEMS[0], code).as_deref(), Some("Germany"), "{code}");
        }
        assert_eq!(display(SYSTEMS[1], "EUR").as_deref(), Some("Euro"));
        assert_eq!((display(SYSTEMS[0], "XX"), display(SYSTEMS[1], "XX")), (None, None));
        assert!(COUNTRIES.lines().all(|line| line.split('\t').count() == 4));
    }
}
