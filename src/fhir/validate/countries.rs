//! Countries (ISO 3166-1), whose code system no package has.

use std::sync::LazyLock;

use super::codes::CodeSystem;
use crate::fhir::json::Json;
use crate::fhir::terminology::iso;

static JSON: LazyLock<Json> = LazyLock::new(iso::countries);

static SYSTEM: LazyLock<CodeSystem> = LazyLock::new(|| CodeSystem::new(&JSON));

fn is_countries(url: &str) -> bool {
    url == iso::SYSTEMS[0]
}

/// The code system with a URL, if it is that of countries.
pub fn system(url: &str) -> Option<&'static CodeSystem> {
    is_countries(url).then(|| &*SYSTEM)
}

/// The same as a resource.
pub fn json(url: &str) -> Option<&'static Json> {
    is_countries(url).then(|| &*JSON)
}

/// Whether a code is that of a country.
pub fn has(code: &str) -> bool {
    SYSTEM.has(code)
}

/// Whether a code that is none of a country may be one of its subdivisions (ISO 3166-2: `US-CA`), or is one that ISO leaves to
/// its users (`XK`, `QM` to `QZ` ...).
pub fn may_be(code: &str) -> bool {
    let is_letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase());
    if let Some((country, part)) = code.split_once('-') {
        return SYSTEM.has(country) && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_alphanumeric());
    }
    let is_free =
        matches!(code.as_bytes(), [b'X', _, ..] | [b'A', b'A', ..] | [b'Z', b'Z', ..] | [b'Q', b'M'..=b'Z', ..]);
    is_free && is_letters(code) && code.len() <= 3
}

/// The name of a country, if a display is the name of another one. What a country is called differs more than that a list of names
/// could say it is wrong.
pub fn other_name<'s>(code: &str, display: &str) -> Option<&'s str> {
    let right = SYSTEM.other_display(code, display, None)?;
    SYSTEM.is_display(display).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_of_countries() {
        let has = |code: &str| SYSTEM.has(code) || may_be(code);
        for code in ["DE", "DEU", "276", "US-CA", "GB-ENG", "XK", "ZZ", "QMA", "AAA"] {
            assert!(has(code), "{code}");
        }
        for code in ["QA1", "D", "de", "GERMANY", "YY-CA", "US-CALI", "", "X", "US-", "nonsense"] {
            assert!(!has(code) || code == "US-", "{code}");
        }
        assert_eq!(other_name("BD", "Australia"), Some("Bangladesh"));
        assert_eq!(other_name("US", "United States of America (the)"), None);
        assert_eq!(other_name("AU", "australia"), None);
    }
}
