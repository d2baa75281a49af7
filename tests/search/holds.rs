//! Whether a search holds for the values of a parameter. `None`: FHIR leaves it open, or the evaluator cannot tell.

use super::asks::{Ask, Wanted};
use super::decimal::{Decimal, ONE};
use super::definitions::{Param, definitions};
use super::evaluate::{later_part, string};
use super::time::Range;
use super::units::{OPAQUE, UCUM, Unit, unit};
use super::values::{Amount, Found, Measure, Sides, To, Token};

/// Whether a search holds for the values of a parameter in a resource. `now`: for `ap` on dates.
pub fn holds(param: &Param, found: &[Found<'_>], ask: &Ask, now: i64) -> Option<bool> {
    let context = Context { param, modifier: &ask.modifier, now };
    match (&ask.values[..], ask.modifier.as_str()) {
        ([Wanted::Missing(is)], _) => Some(found.is_empty() == *is),
        (wanted, "not") => any(found, |value| any(wanted, |wanted| context.passes(value, wanted))).map(|holds| !holds),
        (wanted, _) => any(found, |value| any(wanted, |wanted| context.passes(value, wanted))),
    }
}

/// True when one is, open when none is and one is open.
fn any<T>(all: &[T], test: impl Fn(&T) -> Option<bool>) -> Option<bool> {
    let mut is_open = false;
    for item in all {
        match test(item) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => is_open = true,
        }
    }
    (!is_open).then_some(false)
}

/// Case, combining marks and the width of white space do not count.
pub fn fold(text: &str) -> String {
    super::evaluate::fold(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether nothing but punctuation and white space is in a text.
fn is_punctuation(text: &str) -> bool {
    fold(text).chars().all(|c| c.is_ascii_punctuation() || c == ' ' || ('\u{2000}'..='\u{206f}').contains(&c))
}

/// The words of a text, folded.
pub fn words(text: &str) -> Vec<String> {
    fold(text).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A time as its own clock shows it.
fn without_zone(text: &str) -> &str {
    let clock = text.find('T').unwrap_or(text.len());
    text[clock..].find(['Z', '+', '-']).map_or(text, |zone| &text[..clock + zone])
}

struct Context<'a> {
    param: &'a Param,
    modifier: &'a str,
    now: i64,
}

impl Context<'_> {
    fn passes(&self, found: &Found<'_>, wanted: &Wanted) -> Option<bool> {
        Some(match (found, wanted) {
            (Found::Text(text), Wanted::Text(wanted)) => return self.text(text, wanted),
            (Found::Token(token), wanted) => self.token(token, wanted),
            (Found::Reference(reference), wanted) => match wanted {
                Wanted::Token(system, value) => reference.identifier.is_some_and(|(own, found)| {
                    let system_fits = system.as_ref().is_none_or(|system| own.unwrap_or_default() == system);
                    system_fits && value.as_deref().is_none_or(|value| value == found)
                }),
                wanted => reference.to.as_ref().is_some_and(|to| self.leads(to, wanted)),
            },
            (Found::Date(date), Wanted::Date(prefix, text)) => {
                // "dates do not have time zones, and time zones should not be considered" (3.1.1.4.7)
                let asked = Range::parse(if date.is_calendar { without_zone(text) } else { text })?;
                if *prefix == "ap" && asked.is_open_question(date.range, self.now) {
                    return None;
                }
                asked.compare(prefix, date.range, self.now)
            }
            (Found::Number(sides), Wanted::Number(prefix, text)) => return compare(prefix, text, *sides),
            (Found::Quantity(measure), Wanted::Quantity(prefix, text, unit)) => {
                return quantity(measure, prefix, text, unit.as_ref());
            }
            (Found::Uri(uri), Wanted::Text(wanted)) => match self.modifier {
                "below" => uri.starts_with(wanted.as_str()),
                "above" => wanted.strip_prefix(uri).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with(['/', '?', '#', '|']) || uri.ends_with('/')
                }),
                _ => uri == wanted,
            },
            (Found::Place(latitude, longitude), Wanted::Near(north, east, km)) => {
                let metres = distance([*latitude, *longitude], [*north, *east]);
                if (metres - km * 1000.0).abs() < 1.0 {
                    return None;
                }
                metres < km * 1000.0
            }
            (Found::Tuple(parts), Wanted::Tuple(wanted)) => return self.tuple(parts, wanted),
            _ => panic!("{found:?} is asked {wanted:?}"),
        })
    }

    fn tuple(&self, parts: &[Vec<Found<'_>>], wanted: &[Wanted]) -> Option<bool> {
        let all = definitions().unwrap();
        let component = |n: usize| Self { param: &all.params[&self.param.components[n].0], ..*self };
        let each = parts.iter().zip(wanted).enumerate();
        let each: Vec<_> =
            each.map(|(n, (part, wanted))| any(part, |value| component(n).passes(value, wanted))).collect();
        if each.contains(&Some(false)) {
            return Some(false);
        }
        (!each.contains(&None)).then_some(true)
    }

    fn text(&self, text: &str, wanted: &str) -> Option<bool> {
        Some(match self.modifier {
            "exact" => text == wanted,
            // whether punctuation is ignored when there is nothing else
            "" | "contains" if is_punctuation(wanted) && fold(text).contains(&fold(wanted)) => return None,
            // the index is said to know the first 4096 bytes
            "contains" | "text" | "fuzzy" if text.len() > 4000 => return None,
            "contains" => string(":contains", text, wanted),
            "text" => words(wanted).iter().all(|word| words(text).contains(word)),
            "fuzzy" => words(wanted).iter().all(|word| words(text).iter().any(|other| is_like(word, other))),
            // a later part of a family name; that a text is one, is not known here
            _ if !string("", text, wanted) && later_part(text, wanted) && self.is_of_names() => return None,
            _ => string("", text, wanted),
        })
    }

    fn is_of_names(&self) -> bool {
        ["name", "family", "phonetic"].iter().any(|word| self.param.code.contains(word))
    }

    fn token(&self, token: &Token<'_>, wanted: &Wanted) -> bool {
        let code = token.code.as_deref();
        match wanted {
            Wanted::Text(text) => token.text.is_some_and(|own| begins_a_word(&fold(own), &fold(text))),
            Wanted::Typed(system, kind, value) => code == Some(value) && token.types.contains(&(system, kind)),
            Wanted::Token(system, wanted) => {
                let system_fits = system.as_ref().is_none_or(|system| token.system.unwrap_or_default() == system);
                let is_loinc = system.as_deref() == Some(LOINC);
                let same = |own: &str, wanted: &str| match (token.any_case, self.modifier) {
                    (true, _) => own.to_lowercase() == wanted.to_lowercase(),
                    _ if is_loinc => same_of_loinc(own, wanted),
                    (_, "below") => {
                        own == wanted || token.is_mime && own.split(';').next().map(str::trim_end) == Some(wanted)
                    }
                    _ => own == wanted,
                };
                let code_fits = match wanted {
                    Some(wanted) => code.is_some_and(|own| same(own, wanted)),
                    None => true,
                };
                system_fits && code_fits
            }
            other => panic!("a token is asked {other:?}"),
        }
    }

    fn leads(&self, to: &To<'_>, wanted: &Wanted) -> bool {
        match (to, wanted) {
            (To::Local(kind, id), Wanted::Local(asked, wanted, _)) => {
                let modifier = Some(self.modifier).filter(|modifier| modifier.starts_with(char::is_uppercase));
                let kind_fits = match asked.as_deref().or(modifier) {
                    Some(asked) => asked == *kind,
                    None => self.param.targets.is_empty() || self.param.targets.iter().any(|target| target == kind),
                };
                kind_fits && id == wanted
            }
            (To::Url(url), Wanted::Url(wanted)) => {
                let (bare, version) = url.rsplit_once('|').map_or((*url, ""), |(bare, version)| (bare, version));
                let (asked, cut) =
                    wanted.rsplit_once('|').map_or((wanted.as_str(), ""), |(bare, version)| (bare, version));
                let is_below = version.strip_prefix(cut).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                url == wanted
                    || bare == wanted
                    || self.modifier == "below" && bare == asked && (cut.is_empty() || is_below)
            }
            _ => false,
        }
    }
}

/// "LOINC codes, displays, and property values are not case sensitive" (loinc.html), and tokens are compared as
/// `CodeSystem.caseSensitive` says (3.1.1.4.10).
const LOINC: &str = "http://loinc.org";

/// Whether two codes of LOINC are one. Of more than 20 bytes only the spelling that is asked for, lowercase and uppercase are said to count.
fn same_of_loinc(own: &str, wanted: &str) -> bool {
    if wanted.len() <= 20 {
        return own.eq_ignore_ascii_case(wanted);
    }
    own == wanted || own == wanted.to_ascii_lowercase() || own == wanted.to_ascii_uppercase()
}

/// Whether a text has a word, or a sign, at which another begins.
fn begins_a_word(text: &str, part: &str) -> bool {
    let is_inside = |at: usize| {
        let before = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        before && text[at..].chars().next().is_some_and(char::is_alphanumeric)
    };
    text.char_indices().any(|(at, _)| !is_inside(at) && text[at..].starts_with(part))
}

/// Whether a word is another with at most the typing errors that its length allows: one from 3 letters, two from 6.
fn is_like(word: &str, other: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let most = match a.len() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    errors(&a, &b) <= most
}

/// How many letters must be added, dropped, changed or exchanged with their neighbour, by trying all.
fn errors(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let mut least = if i == 0 || j == 0 { i + j } else { usize::MAX };
            if i > 0 && j > 0 {
                least = (table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
                    .min(table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            }
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[a.len()][b.len()]
}

/// Compares exact numbers; a range passes as the specification says of ranges (3.1.1.4.5).
fn compare(prefix: &str, text: &str, sides: Sides) -> Option<bool> {
    let asked = Decimal::parse(text)?;
    let tenth = |part: i128| asked.value.abs() / part;
    let scale = |amount: Amount| amount;
    sided(
        prefix,
        [asked.value, asked.half, tenth(12), tenth(8) + asked.half],
        [sides.low.map(scale), sides.high.map(scale)],
        sides.is_beyond,
    )
}

/// `asked`: the number, the half of its last digit, and what surely and at most counts as near. `value`: the sides;
/// `is_beyond`: these are no values themselves, so that `< 5` is never 5 or more, and always before 5.
fn sided<N: Copy + PartialOrd + std::ops::Add<Output = N> + std::ops::Sub<Output = N>>(
    prefix: &str,
    asked: [N; 4],
    value: [Option<N>; 2],
    is_beyond: bool,
) -> Option<bool> {
    let [number, half, surely, nearly] = asked;
    let [low, high] = value;
    let inside = low.is_some_and(|low| low >= number - half) && high.is_some_and(|high| high < number + half);
    let overlaps = |by: N| low.is_none_or(|low| low <= number + by) && high.is_none_or(|high| high >= number - by);
    Some(match prefix {
        "" | "eq" => inside,
        "ne" => !inside,
        "gt" => high.is_none_or(|high| high > number),
        "lt" => low.is_none_or(|low| low < number),
        "ge" => high.is_none_or(|high| high > number || high == number && !is_beyond),
        "le" => low.is_none_or(|low| low < number || low == number && !is_beyond),
        "sa" => low.is_some_and(|low| low > number || low == number && is_beyond),
        "eb" => high.is_some_and(|high| high < number || high == number && is_beyond),
        "ap" => return Some(overlaps(surely)).filter(|holds| *holds == overlaps(nearly)),
        _ => panic!("prefix {prefix}"),
    })
}

fn quantity(measure: &Measure<'_>, prefix: &str, text: &str, asked: Option<&(String, String)>) -> Option<bool> {
    let Some((system, code)) = asked else { return compare(prefix, text, measure.sides) };
    if system.is_empty() {
        let same = measure.code == Some(code) || measure.unit == Some(code);
        return if same { compare(prefix, text, measure.sides) } else { Some(false) };
    }
    if code.is_empty() {
        // as with tokens: any code of the system
        return if measure.system == Some(system) { compare(prefix, text, measure.sides) } else { Some(false) };
    }
    let own = measure.code.unwrap_or_default();
    if measure.system != Some(system) || own.is_empty() {
        return Some(false);
    }
    if own == code {
        return compare(prefix, text, measure.sides);
    }
    let is_opaque = |code: &str| OPAQUE.contains(&code);
    if system != UCUM || is_opaque(own) || is_opaque(code) {
        return Some(false);
    }
    let (from, to) = (unit(own)?, unit(code)?);
    if from.dimension != to.dimension {
        return Some(false);
    }
    converted(prefix, &Decimal::parse(text)?, to, measure.sides, from)
}

/// Compares in the base units of UCUM; open where floating numbers cannot tell.
fn converted(prefix: &str, asked: &Decimal, to: Unit, sides: Sides, from: Unit) -> Option<bool> {
    let real = |n: i128| n as f64 / ONE as f64;
    let place = |unit: Unit, n: i128| (real(n) + unit.offset) * unit.factor;
    let middle = place(to, asked.value);
    let (half, size) = (real(asked.half) * to.factor, real(asked.value.abs()) * to.factor);
    // Equal numbers may differ in their last binary digits, also of what an offset takes away again; those that were
    // written differ by more.
    let size_of = |unit: Unit, n: i128| (real(n).abs() + unit.offset) * unit.factor;
    let snapped = |side: i128| {
        let (value, room) = (place(from, side), 1e-15 * size_of(to, asked.value).max(size_of(from, side)));
        let edges = [middle, middle - half, middle + half];
        edges.into_iter().find(|edge| (edge - value).abs() <= room).unwrap_or(value)
    };
    let found = [sides.low.map(snapped), sides.high.map(snapped)];
    sided(prefix, [middle, half, size / 12.0, size / 8.0 + half], found, sides.is_beyond)
}

/// Metres on a sphere of the mean radius of the Earth, by the angle between two vectors.
fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    let vector = |[north, east]: [f64; 2]| {
        let (north, east) = (north.to_radians(), east.to_radians());
        [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
    };
    let chord = vector(a).iter().zip(vector(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    2.0 * (chord / 2.0).min(1.0).asin() * 6_371_008.8
}

#[test]
fn errors_and_words_are_counted() {
    assert!(is_like("abcdef", "bacdfe") && is_like("abc", "abd") && !is_like("ab", "ac") && !is_like("abc", "bad"));
    assert!(
        begins_a_word("blood pressure (sys)", "pres")
            && begins_a_word("a (b)", "(b")
            && !begins_a_word("blood", "lood")
    );
    assert_eq!(
        compare("ap", "100", Sides { low: Some(105 * ONE), high: Some(105 * ONE), is_beyond: false }),
        Some(true)
    );
    assert_eq!(compare("ap", "100", Sides { low: Some(110 * ONE), high: None, is_beyond: false }), None);
    let below = |number: i128, is_beyond| Sides { low: None, high: Some(number * ONE), is_beyond };
    assert_eq!(compare("lt", "5", below(9, false)), Some(true));
    assert_eq!([compare("ge", "9", below(9, false)), compare("ge", "9", below(9, true))], [Some(true), Some(false)]);
    assert_eq!([compare("eb", "9", below(9, false)), compare("eb", "9", below(9, true))], [Some(false), Some(true)]);
}
