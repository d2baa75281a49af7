//! Searches made of values: by every modifier, prefix and form of value, for what is there, what is near its bounds, and
//! what is not there.

use super::super::asks::{Ask, Wanted, decimal};
use super::super::definitions::{Definitions, Param};
use super::super::holds::{fold, words};
use super::super::units::{UCUM, unit};
use super::super::values::{Amount, Found, Measure, Reference, To, Token};
use super::dates;
use super::matrix::{PREFIXES, forms};
use super::numbers;
use super::random::Random;
use super::texts::{self, CODES, SYSTEMS, like, like_uri};
use super::types::UNITS;

/// A search by one parameter.
#[derive(Debug, Clone)]
pub struct Search {
    /// What it stands for in the matrix.
    pub classes: Vec<String>,
    /// What is asked.
    pub ask: Ask,
}

/// Makes searches.
#[derive(Debug)]
pub struct Asker<'a> {
    /// The definitions.
    pub all: &'static Definitions,
    /// Chance.
    pub random: &'a mut Random,
}

impl Asker<'_> {
    /// A search by a parameter that some resources have values of. `turn` goes through the forms of its type. None
    /// where the form does not fit the value.
    pub fn search(&mut self, param: &Param, found: &[&Found<'_>], turn: usize) -> Option<Search> {
        if param.kind != "composite" && turn % 12 == 11 {
            let is = self.random.chance(50);
            return Some(Search {
                classes: vec![format!("{} :missing", param.kind)],
                ask: Ask::one("missing", Wanted::Missing(is)),
            });
        }
        if found.is_empty() {
            return None;
        }
        let mut at = self.random.below(found.len());
        // Which value goes with which can only go wrong where there are several on both sides, which is rare.
        let wide: Vec<usize> = (0..found.len()).filter(|at| is_wide(found[*at])).collect();
        if !wide.is_empty() && self.random.chance(75) {
            at = *self.random.pick(&wide);
        }
        let value = found[at];
        if let Found::Tuple(parts) = value {
            // the next one is mostly of the same resource
            let next = found[(at + 1) % found.len()];
            let other = if self.random.chance(50) { next } else { *self.random.pick(found) };
            return self.composite(param, parts, other);
        }
        let all = forms(&param.kind);
        let form = all[turn % all.len()].as_str();
        let (modifier, wanted) = self.one(param, value, form)?;
        let mut ask = Ask::one(&modifier, wanted);
        if self.random.chance(15) {
            let other = *self.random.pick(found);
            let more = self.one(param, other, form).filter(|(other, _)| *other == modifier);
            ask.values.extend(more.map(|(_, wanted)| wanted));
        }
        Some(Search { classes: vec![format!("{} {form}", param.kind)], ask })
    }

    /// The modifier and value of a form, made of a value.
    fn one(&mut self, param: &Param, found: &Found<'_>, form: &str) -> Option<(String, Wanted)> {
        let (modifier, rest) = match form.strip_prefix(':') {
            Some(form) => form.split_once(' ').unwrap_or((form, "")),
            None => ("", form),
        };
        let plain = |wanted: Wanted| Some((modifier.to_owned(), wanted));
        match found {
            Found::Text(text) => plain(self.text(modifier, text)?),
            Found::Token(token) => plain(self.token(param, modifier, rest, token)?),
            Found::Reference(reference) => self.reference(param, modifier, rest, reference),
            Found::Date(date) => {
                let (prefix, own) = (prefix(rest), date.texts.0.or(date.texts.1));
                plain(Wanted::Date(prefix, self.date(own)))
            }
            Found::Number(sides) => {
                let own = sides.low.or(sides.high).map(decimal);
                plain(Wanted::Number(prefix(rest), self.number(own)))
            }
            Found::Quantity(measure) => plain(self.quantity(rest, measure)?),
            Found::Uri(uri) => plain(Wanted::Text(self.uri(modifier, uri)?)),
            Found::Place(latitude, longitude) => {
                let by = *self.random.pick(&[0.0, 0.5, -1.0]);
                let km = *self.random.pick(&[1.0, 60.0, 500.0]);
                plain(Wanted::Near((latitude + by).clamp(-90.0, 90.0), *longitude, km))
            }
            Found::Tuple(_) => None,
        }
    }

    fn text(&mut self, modifier: &str, own: &str) -> Option<Wanted> {
        let text = if self.random.chance(85) { like(self.random, own) } else { texts::text(self.random) };
        let text: String = text.chars().take(300).collect();
        if !matches!(modifier, "text" | "fuzzy") {
            let is_asked = if modifier == "exact" { !text.is_empty() } else { !fold(&text).is_empty() };
            return is_asked.then_some(Wanted::Text(text));
        }
        let mut all = words(&text);
        all.retain(|word| !["OR", "AND", "NOT"].contains(&word.as_str()));
        all.truncate(1 + self.random.below(3));
        (!all.is_empty()).then(|| Wanted::Text(all.join(" ").to_lowercase()))
    }

    fn code(&mut self, own: Option<&str>) -> Option<String> {
        let code = match self.random.below(10) {
            0..=6 => own?.to_owned(),
            7 => own?.to_uppercase(),
            _ => (*self.random.pick(&CODES)).to_owned(),
        };
        (!code.is_empty()).then_some(code)
    }

    fn system(&mut self, own: Option<&str>) -> Option<String> {
        let system = if self.random.chance(75) { own? } else { self.random.pick(&SYSTEMS) };
        (!system.is_empty()).then(|| system.to_owned())
    }

    /// `code`, `system|code`, `|code` or `system|`.
    fn coded(&mut self, form: &str, system: Option<&str>, code: Option<&str>) -> Option<Wanted> {
        Some(match form {
            "code" => Wanted::Token(None, Some(self.code(code)?)),
            "system|code" => Wanted::Token(Some(self.system(system)?), Some(self.code(code)?)),
            "|code" => Wanted::Token(Some(String::new()), Some(self.code(code)?)),
            _ => Wanted::Token(Some(self.system(system)?), None),
        })
    }

    fn token(&mut self, param: &Param, modifier: &str, form: &str, token: &Token<'_>) -> Option<Wanted> {
        match modifier {
            "text" => {
                let text: String = like(self.random, token.text?).chars().take(60).collect();
                (!fold(&text).is_empty()).then_some(Wanted::Text(text))
            }
            "of-type" => {
                let (system, kind) = *token.types.get(self.random.below(token.types.len()))?;
                let value = self.code(token.code.as_deref())?;
                let kind = if self.random.chance(85) { kind.to_owned() } else { self.code(Some(kind))? };
                let is_whole = !system.is_empty() && !kind.is_empty();
                is_whole.then(|| Wanted::Typed(system.to_owned(), kind, value))
            }
            "below" => {
                let is_mime = param.expression.as_deref().is_some_and(|text| text.ends_with(".contentType"));
                let code = token.code.as_deref().filter(|_| is_mime)?;
                let cut = if self.random.chance(60) { code.split(';').next()? } else { code };
                Some(Wanted::Token(None, Some(cut.to_owned())))
            }
            // there is no `|` before what has no system
            _ if token.has_no_system && form != "code" => None,
            // and no other value of a truth
            _ if token.is_truth => Some(Wanted::Token(None, Some((*self.random.pick(&["true", "false"])).to_owned()))),
            _ => self.coded(form, token.system, token.code.as_deref()),
        }
    }

    fn reference(
        &mut self,
        param: &Param,
        modifier: &str,
        form: &str,
        found: &Reference<'_>,
    ) -> Option<(String, Wanted)> {
        if modifier == "identifier" {
            let (system, value) = found.identifier?;
            return Some((modifier.to_owned(), self.coded(form, system, Some(value))?));
        }
        match (found.to.as_ref()?, form) {
            (To::Local(kind, id), "id" | "Type/id" | "absolute") => {
                let id = if self.random.chance(85) { (*id).to_owned() } else { "2".to_owned() };
                let allowed =
                    |kind: &str| param.targets.is_empty() || param.targets.iter().any(|target| target == kind);
                let local = match form {
                    "id" => Wanted::Local(None, id, false),
                    form => Wanted::Local(Some((*kind).to_owned()), id, form == "absolute"),
                };
                match modifier {
                    "" => Some((String::new(), local)),
                    _ => allowed(kind).then(|| ((*kind).to_owned(), local)),
                }
            }
            (To::Url(url), "url" | "canonical" | "version") => {
                let bare = url.split('|').next().unwrap_or(url);
                let asked = match form {
                    "url" => (*url).to_owned(),
                    "canonical" => bare.to_owned(),
                    _ => format!("{bare}{}", self.random.pick(&["|1", "|1.2", "|1.2.3", "|2", "|v", "|10"])),
                };
                is_absolute(&asked).then(|| (modifier.to_owned(), Wanted::Url(asked)))
            }
            _ => None,
        }
    }

    fn date(&mut self, own: Option<&str>) -> String {
        match (own, self.random.below(10)) {
            (Some(own), 0 | 1) => own.to_owned(),
            (Some(own), 2..=7) => dates::near(self.random, own),
            _ => dates::asked(self.random),
        }
    }

    fn number(&mut self, own: Option<String>) -> String {
        match (own, self.random.below(10)) {
            (Some(own), 0..=2) => own,
            (Some(own), 3..=7) => numbers::edge(self.random, &own),
            _ => numbers::number(self.random),
        }
    }

    fn quantity(&mut self, form: &str, measure: &Measure<'_>) -> Option<Wanted> {
        let (prefix_name, form) = form.split_once(' ').unwrap_or((form, ""));
        let amount = measure.sides.low.or(measure.sides.high);
        let own = measure.text.clone().or_else(|| amount.map(decimal));
        let mut number = self.number(own);
        let asked = match form {
            "" => None,
            "||code" => {
                let shown = if self.random.chance(50) { measure.unit } else { measure.code };
                Some((String::new(), shown.or(measure.code).unwrap_or("mg").to_owned()))
            }
            "system|code" => Some((measure.system?.to_owned(), measure.code?.to_owned())),
            "system|" => Some((measure.system?.to_owned(), String::new())),
            _ => {
                let to = self.other_unit(measure)?;
                if self.random.chance(70) {
                    number = converted(amount?, measure.code?, to)?;
                    if self.random.chance(40) {
                        number = numbers::edge(self.random, &number);
                    }
                }
                Some((UCUM.to_owned(), to.to_owned()))
            }
        };
        Some(Wanted::Quantity(prefix(prefix_name), number, asked))
    }

    /// Another unit of what the quantity measures.
    fn other_unit(&mut self, measure: &Measure<'_>) -> Option<&'static str> {
        let own = measure.code.filter(|_| measure.system == Some(UCUM))?;
        let dimension = unit(own)?.dimension;
        let others: Vec<&'static str> = UNITS
            .iter()
            .filter_map(|(_, system, code)| code.filter(|_| *system == Some(UCUM)))
            .filter(|code| *code != own && unit(code).is_some_and(|unit| unit.dimension == dimension))
            .collect();
        (!others.is_empty()).then(|| *self.random.pick(&others))
    }

    fn uri(&mut self, modifier: &str, own: &str) -> Option<String> {
        let uri = if self.random.chance(85) { like_uri(self.random, own) } else { texts::uri(self.random) };
        let is_urn = uri.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
        let has_hierarchy = modifier.is_empty() || !is_urn;
        (!uri.is_empty() && has_hierarchy).then_some(uri)
    }

    /// The components are mostly of one element, sometimes of two; a code may have the system of another one.
    fn composite(&mut self, param: &Param, parts: &[Vec<Found<'_>>], other: &Found<'_>) -> Option<Search> {
        let (mut wanted, mut classes) = (Vec::new(), Vec::new());
        for (n, (url, _)) in param.components.iter().enumerate() {
            let component = &self.all.params[url];
            let mixed = match other {
                Found::Tuple(others) if self.random.chance(35) => &others[n],
                _ => &parts[n],
            };
            let value = self.random.pick(mixed);
            let beside = if self.random.chance(60) { mixed } else { &parts[n] };
            let beside = self.random.pick(beside);
            let crossed = match (value, beside) {
                (Found::Token(code), Found::Token(Token { system, .. })) if self.random.chance(35) => {
                    Some(Found::Token(Token { system: *system, ..code.clone() }))
                }
                _ => None,
            };
            let mut all = forms(&component.kind);
            all.retain(|form| !form.starts_with(':'));
            let form = self.random.pick(&all).clone();
            let (_, part) = self.one(component, crossed.as_ref().unwrap_or(value), &form)?;
            wanted.push(part);
            classes.push(format!("composite {} {form}", component.kind));
        }
        Some(Search { classes, ask: Ask::one("", Wanted::Tuple(wanted)) })
    }
}

/// Whether more than one component of a composite has several values.
fn is_wide(found: &Found<'_>) -> bool {
    matches!(found, Found::Tuple(parts) if parts.iter().filter(|values| values.len() > 1).count() > 1)
}

/// The prefix of that name; `none` is none.
fn prefix(name: &str) -> &'static str {
    PREFIXES.iter().find(|prefix| **prefix == name).copied().filter(|prefix| *prefix != "none").unwrap_or_default()
}

/// Whether a text is an absolute URL or a URN.
fn is_absolute(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty() && scheme.starts_with(char::is_alphabetic) && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// A number in another unit, with up to nine digits.
fn converted(amount: Amount, from: &str, to: &str) -> Option<String> {
    let (from, to) = (unit(from)?, unit(to)?);
    let number: f64 = decimal(amount).parse().ok()?;
    let number = (number + from.offset) * from.factor / to.factor - to.offset;
    let number: f64 = format!("{number:.8e}").parse().ok()?;
    let text = number.to_string();
    // as many places as the evaluator holds
    let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (places <= 15 && text.len() <= 18).then_some(text)
}

#[test]
fn numbers_are_converted() {
    assert_eq!(converted(1_500_000_000_000_000_000, "g", "mg").as_deref(), Some("1500"));
    assert_eq!(converted(212_000_000_000_000_000_000, "[degF]", "Cel").as_deref(), Some("100"));
    assert_eq!((prefix("gt"), prefix("none"), is_absolute("urn:a"), is_absolute("a/b")), ("gt", "", true, false));
}
