//! `Resource.language`: a language tag (RFC 5646) whose primary language is a registered one.

use super::countries;
use super::primitive::Primitive;
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

/// The codes of three letters of those languages (ISO 639-2): tags have the two letters.
const LONGER: &str = "aar abk afr aka alb amh ara arg arm asm ava ave aym aze bak bam baq bel ben bis bod bos bre bul bur cat ces cha che chi chu chv \
cor cos cre cym cze dan deu div dut dzo ell eng epo est eus ewe fao fas fij fin fra fre fry ful geo ger gla gle glg glv gre grn \
guj hat hau heb her hin hmo hrv hun hye ibo ice ido iii iku ile ina ind ipk isl ita jav jpn kal kan kas kat kau kaz khm kik kin \
kir kom kon kor kua kur lao lat lav lim lin lit ltz lub lug mac mah mal mao mar may mkd mlg mlt mon mri msa mya nau nav nbl nde \
ndo nep nld nno nob nor nya oci oji ori orm oss pan per pli pol por pus que roh ron rum run rus sag san sin slk slo slv sme smo \
sna snd som sot spa sqi srd srp ssw sun swa swe tah tam tat tel tgk tgl tha tib tir ton tsn tso tuk tur twi uig ukr urd uzb ven \
vie vol wel wln wol xho yid yor zha zho zul";

/// The languages that have registered extensions of three letters (`zh-yue`, `sgn-ase`).
const EXTENDED: &str = "ar kok lv ms sgn sw uz zh";

/// The regions that are registered by their number (UN M.49): those that are no countries.
const NUMBERED: &str = "001 002 003 005 009 011 013 014 015 017 018 019 021 029 030 034 035 039 053 054 057 061 142 143 145 150 151 154 155 202 419";

/// Checks the language of a resource.
pub fn check(check: &mut Check<'_, '_>, object: &Object, path: &Path) {
    let Some(language) = object.get("language").and_then(Json::as_str) else { return };
    // what is no code at all was told already
    if Primitive::Code.is_text(language) && !is_known(language) {
        let text = || format!("\"{}\" is not a language (BCP 47)", shown(language));
        check.fail("code-invalid", text, &path.child("language"));
    }
}

/// Whether a tag is well-formed and its first part is a language: of those with three letters there are thousands, and no longer
/// one is registered.
fn is_known(tag: &str) -> bool {
    // registered in lower case, as codes are written
    let primary = tag.split('-').next().unwrap_or("");
    let is_in = |list: &str| list.split(' ').any(|code| code == primary);
    let is_language_code = match primary.len() {
        2 => is_in(TWO),
        3 => primary.bytes().all(|byte| byte.is_ascii_lowercase()) && !is_in(LONGER),
        _ => false,
    };
    is_language_code && is_language(tag) && is_of_region(tag)
}

/// Whether the region of a tag is registered: a country, in upper case, or a number; and an extended language belongs to the language.
fn is_of_region(tag: &str) -> bool {
    let has = |list: &str, part: &str| list.split(' ').any(|one| one == part);
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or("");
    parts.take_while(|part| part.len() > 1).all(|part| match part.len() {
        2 => countries::has(part),
        3 if part.bytes().all(|byte| byte.is_ascii_digit()) => has(NUMBERED, part),
        3 => has(EXTENDED, primary),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for tag in ["en", "en-US", "de-CH-1996", "zh-Hant-TW", "nl-NL", "tlh", "es-419", "de-x-us", "zh-yue-HK"] {
            assert!(is_known(tag), "{tag}");
        }
        for tag in [
            "english",
            "e",
            "EN-us",
            "ENG",
            "zz",
            "zz-99",
            "en_US",
            "en-",
            "-en",
            "deutsch-DE",
            "en-1",
            "en-USA",
            "en-840",
            "english language",
            "deu",
            "en-us",
            "de-XX",
            "x-klingon",
        ] {
            assert!(!is_known(tag), "{tag}");
        }
    }
}
