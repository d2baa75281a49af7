//! How alike two Patients are (FHIR R4 `patient-operation-match.html`): what both say is compared, weighted, and bounded by
//! how telling it is. What only one says counts neither for nor against.

use super::kind::element::{each, get, text};
use super::kind::fold::fold;
use super::kind::fuzzy::likeness;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};

/// The codes of the extension `match-grade` that are answered; below `possible` is `certainly-not`.
const GRADES: [(f64, &str); 3] = [(0.95, "certain"), (0.8, "probable"), (0.5, "possible")];
/// From here on a part counts as agreeing.
const AGREES: f64 = 0.8;
/// Most values of a part that are compared.
const VALUES_MAX: usize = 16;

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alike {
    /// 0 to 1.
    pub score: f64,
    /// The code of `match-grade`.
    pub grade: &'static str,
}

/// Compares a Patient that is looked for with one that is stored.
pub fn compare(wanted: &Object, stored: &Object) -> Alike {
    let identifier = identifiers(wanted, stored);
    let (family, given) = person_names(wanted, stored);
    let born = text(wanted, names::BIRTH_DATE).zip(text(stored, names::BIRTH_DATE)).map(|(a, b)| dates(a, b));
    let contact = telecoms(wanted, stored);
    let address = addresses(wanted, stored);
    let lesser = |part: Option<f64>, weight: f64| (part, if part.is_some_and(agrees) { weight } else { weight / 4.0 });
    let parts = [
        (identifier, 5.0),
        (family, 3.0),
        (given, 2.0),
        (born, 3.0),
        (genders(wanted, stored), 1.0),
        lesser(contact, 1.5),
        lesser(address, 1.0),
    ];
    let present = parts.iter().filter_map(|(part, weight)| part.map(|part| (part, *weight)));
    let (sum, weights) = present.fold((0.0, 0.0), |(sum, all), (part, weight)| (sum + part * weight, all + weight));
    let mean = if weights > 0.0 { sum / weights } else { 0.0 };
    let has = |part: Option<f64>| part.is_some_and(agrees);
    let (named, met) = (has(family) && has(given), has(contact) || has(address));
    let most = match (has(identifier), named, has(born)) {
        (true, ..) => 1.0,
        (_, true, true) if met => 0.98,
        (_, true, true) => 0.9,
        (_, true, false) | (_, false, true) if met => 0.75,
        _ => 0.6,
    };
    // the same identifier is worth a look, whatever else differs
    let least = if has(identifier) { 0.5 } else { 0.0 };
    let score = (mean * most).max(least);
    let grade = GRADES.iter().find(|(from, _)| score >= *from).map_or("certainly-not", |(_, grade)| grade);
    Alike { score, grade }
}

fn agrees(part: f64) -> bool {
    part >= AGREES
}

fn objects(owner: &Object, name: u16) -> impl Iterator<Item = &Object> {
    each(owner, name).filter_map(Json::as_object).take(VALUES_MAX)
}

/// The best of all pairs that can be compared.
fn best<'a>(a: &'a Object, b: &'a Object, name: u16, pair: impl Fn(&Object, &Object) -> Option<f64>) -> Option<f64> {
    objects(a, name)
        .flat_map(|a| objects(b, name).filter_map(|b| pair(a, b)).collect::<Vec<_>>())
        .max_by(f64::total_cmp)
}

/// 1 for a common identifier, 0 for other values of a common system.
fn identifiers(a: &Object, b: &Object) -> Option<f64> {
    best(a, b, names::IDENTIFIER, |a, b| {
        let (one, other) = (text(a, names::VALUE)?, text(b, names::VALUE)?);
        let is_one_system = text(a, names::SYSTEM)? == text(b, names::SYSTEM)?;
        is_one_system.then(|| f64::from(u8::from(one == other)))
    })
}

/// Family and given name, each at its best over all names.
fn person_names(a: &Object, b: &Object) -> (Option<f64>, Option<f64>) {
    let family = best(a, b, names::NAME, |a, b| Some(words(text(a, names::FAMILY)?, text(b, names::FAMILY)?)));
    let given = best(a, b, names::NAME, |a, b| {
        let all = |owner| each(owner, names::GIVEN).filter_map(Json::as_str).take(VALUES_MAX);
        let pairs = all(a).flat_map(|a| all(b).map(|b| one_given(a, b)).collect::<Vec<_>>());
        pairs.max_by(f64::total_cmp)
    });
    (family, given)
}

fn one_given(a: &str, b: &str) -> f64 {
    let (a, b) = (fold(a), fold(b));
    let is_initial = |short: &str, long: &str| {
        let letter = short.trim_end_matches('.');
        letter.chars().count() == 1 && long.starts_with(letter)
    };
    if is_initial(&a, &b) || is_initial(&b, &a) { AGREES } else { words(&a, &b) }
}

/// How like two texts are, as wholes without white space and signs.
fn words(a: &str, b: &str) -> f64 {
    let plain = |text: &str| fold(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    likeness(&plain(a), &plain(b)).map_or(0.0, f64::from)
}

/// 1 for the same date, less for one that contains the other, or has day and month changed, or one digit.
fn dates(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    if a.starts_with(b) || b.starts_with(a) {
        return 0.9;
    }
    let parts = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
    match (parts(a).as_slice(), parts(b).as_slice()) {
        ([y, m, d], [year, month, day]) if y == year && m == day && d == month => 0.7,
        _ if a.len() == b.len() && a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count() == 1 => 0.6,
        _ => 0.0,
    }
}

fn genders(a: &Object, b: &Object) -> Option<f64> {
    let known = |owner| text(owner, names::GENDER).filter(|code| matches!(*code, "male" | "female" | "other"));
    known(a).zip(known(b)).map(|(a, b)| f64::from(u8::from(a == b)))
}

fn telecoms(a: &Object, b: &Object) -> Option<f64> {
    let plain = |text: &str| {
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '@' | '.' | '_'));
        kept.flat_map(char::to_lowercase).collect::<String>()
    };
    best(a, b, names::TELECOM, |a, b| {
        let (one, other) = (text(a, names::VALUE)?, text(b, names::VALUE)?);
        Some(f64::from(u8::from(plain(one) == plain(other))))
    })
}

/// The mean of postal code, city and lines, where both have them.
fn addresses(a: &Object, b: &Object) -> Option<f64> {
    best(a, b, names::ADDRESS, |a, b| {
        let line = |owner| each(owner, names::LINE).filter_map(Json::as_str).collect::<Vec<_>>().join(" ");
        let lines = (get(a, names::LINE).is_some() && get(b, names::LINE).is_some()).then(|| words(&line(a), &line(b)));
        let both = |name| text(a, name).zip(text(b, name)).map(|(a, b)| words(a, b));
        let parts = [both(names::POSTAL_CODE), both(names::CITY), lines];
        let (sum, count) = parts.iter().flatten().fold((0.0, 0.0), |(sum, count), part| (sum + part, count + 1.0));
        (count > 0.0).then(|| sum / count)
    })
}

/// The searches that find whoever may be alike, as names and values; none when the Patient says too little.
pub fn searches(wanted: &Object) -> Vec<Vec<(String, String)>> {
    let escape = |text: &str| {
        let mark = |c| matches!(c, '\\' | ',' | '|' | '$').then_some('\\');
        text.chars().flat_map(|c| mark(c).into_iter().chain([c])).collect::<String>()
    };
    let list = |found: Vec<String>| (!found.is_empty()).then(|| found.join(","));
    let pair = |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
    let identifiers = objects(wanted, names::IDENTIFIER).filter_map(|of| {
        let value = escape(text(of, names::VALUE)?);
        Some(text(of, names::SYSTEM).map_or(value.clone(), |system| format!("{}|{value}", escape(system))))
    });
    let telecoms = objects(wanted, names::TELECOM).filter_map(|of| text(of, names::VALUE)).map(escape);
    let is_name = |text: &&str| text.chars().any(char::is_alphanumeric) && text.split_whitespace().count() < 8;
    let families = objects(wanted, names::NAME).filter_map(|of| text(of, names::FAMILY)).filter(is_name).map(escape);
    let givens = objects(wanted, names::NAME).flat_map(|of| each(of, names::GIVEN).filter_map(Json::as_str));
    let givens = givens.filter(is_name).take(VALUES_MAX).map(escape);
    let (families, givens) = (list(families.collect()), list(givens.collect()));
    let born = text(wanted, names::BIRTH_DATE).map(escape);
    let (family, given) = (pair("family:fuzzy", &families), pair("given:fuzzy", &givens));
    let born = pair("birthdate", &born);
    let one = |only: Option<(String, String)>| only.map(|only| vec![only]);
    let two = |a: &Option<_>, b: &Option<_>| a.clone().zip(b.clone()).map(|(a, b)| vec![a, b]);
    let alone = [&family, &given, &born].into_iter().flatten().count() == 1;
    let single = [family.clone(), given.clone(), born.clone()].into_iter().flatten().next().filter(|_| alone);
    let all = [
        one(pair("identifier", &list(identifiers.collect()))),
        two(&family, &born),
        two(&family, &given),
        two(&given, &born),
        one(pair("telecom", &list(telecoms.collect()))),
        one(single),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    const EVE: &str = r#"{"identifier":[{"system":"mrn","value":"7"}],"name":[{"family":"Müller","given":["Eve","Ann"]}],
        "birthDate":"1980-02-03","gender":"female","telecom":[{"value":"+1 555-01"}],
        "address":[{"city":"Bern","postalCode":"3000"}]}"#;

    fn grade(wanted: &str) -> (&'static str, f64) {
        let (wanted, stored) = (parse(wanted.as_bytes()).expect("JSON"), parse(EVE.as_bytes()).expect("JSON"));
        let alike = compare(wanted.as_object().expect("a Patient"), stored.as_object().expect("a Patient"));
        (alike.grade, alike.score)
    }

    #[test]
    fn patients_are_graded() {
        let cases = [
            ("certain", EVE.to_owned()),
            ("certain", r#"{"identifier":[{"system":"mrn","value":"7"}]}"#.into()),
            ("certain", EVE.replace("\"mrn\"", "\"other\"")),
            (
                "probable",
                r#"{"name":[{"family":"muller","given":["E."]}],"birthDate":"1980-02-03","gender":"female"}"#.into(),
            ),
            ("probable", r#"{"name":[{"family":"Mullre","given":["Eve"]}],"birthDate":"1980-02-03"}"#.into()),
            ("possible", r#"{"name":[{"family":"Müller","given":["Eve"]}]}"#.into()),
            (
                "possible",
                r#"{"identifier":[{"system":"mrn","value":"7"}],"name":[{"family":"Other"}],"birthDate":"1999-09-09"}"#
                    .into(),
            ),
            ("certainly-not", EVE.replace("\"7\"", "\"8\"").replace("Eve", "Ida").replace("1980-02-03", "1951-12-30")),
            ("certainly-not", r#"{"name":[{"family":"Smith","given":["Eve"]}],"birthDate":"1980-02-03"}"#.into()),
            ("certainly-not", "{}".into()),
        ];
        for (expected, wanted) in cases {
            let (found, score) = grade(&wanted);
            assert_eq!(found, expected, "{score}: {wanted}");
            assert!((0.0..=1.0).contains(&score));
        }
    }

    #[test]
    fn searches_are_made_of_what_is_there() {
        let of = |text: &str| {
            let json = parse(text.as_bytes()).expect("JSON");
            let found = searches(json.as_object().expect("a Patient"));
            let one = |pairs: Vec<(String, String)>| {
                pairs.iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>().join("&")
            };
            found.into_iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(
            of(EVE),
            [
                "identifier=mrn|7",
                "family:fuzzy=Müller&birthdate=1980-02-03",
                "family:fuzzy=Müller&given:fuzzy=Eve,Ann",
                "given:fuzzy=Eve,Ann&birthdate=1980-02-03",
                "telecom=+1 555-01"
            ]
        );
        assert_eq!(of(r#"{"identifier":[{"value":"a|b,c"}]}"#), [r"identifier=a\|b\,c"]);
        assert_eq!(of(r#"{"birthDate":"1980"}"#), ["birthdate=1980"]);
        assert!(of(r#"{"gender":"male","name":[{"family":"-"}]}"#).is_empty());
    }
}
