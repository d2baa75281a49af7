//! `Resource.language`: a language tag (RFC 5646) whose primary language is a registered one.

use super::state::{Check, shown};
use crate::fhir::json::{Json, Object};
use crate::fhir::path::Path;
use crate::fhir::terminology::grammar::is_language;

/// The languages with a code of two letters (ISO 639-1).
const TWO: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et \
eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km \
kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl \
ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi \
vo wa wo xh yi yo za zh zu";

/// Checks the language of a resource.
pub fn check(check: &mut Check<'_, '_>, object: &Object, path: &Path) {
    let Some(language) = object.get("language").and_then(Json::as_str) else { return };
    // what is no code at all was told already
    let is_code = !language.is_empty() && !language.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_code && !is_known(language) {
        let text = || format!("\"{}\" is not a language (BCP 47)", shown(language));
        check.fail("code-invalid", text, &path.child("language"));
    }
}

/// Whether a tag is well-formed and its first part is a language: of those with three letters there are thousands, and no longer
/// one is registered.
fn is_known(tag: &str) -> bool {
    // registered in lower case, as codes are written
    let primary = tag.split('-').next().unwrap_or("");
    let is_language_code = match primary.len() {
        2 => TWO.split(' ').any(|code| code == primary),
        1 | 3 => primary.bytes().all(|byte| byte.is_ascii_lowercase()),
        _ => false,
    };
    is_language_code && is_language(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for tag in ["en", "en-US", "de-CH-1996", "zh-Hant-TW", "nl-NL", "x-klingon", "tlh", "es-419"] {
            assert!(is_known(tag), "{tag}");
        }
        for tag in ["english", "e", "EN-us", "ENG", "zz", "zz-99", "en_US", "en-", "-en", "deutsch-DE", "en-1"] {
            assert!(!is_known(tag), "{tag}");
        }
    }
}
