//! Searches for values: what is asked, how it is written in a query, and the forms that must find a value.

use super::values::{Date, Found, Measure, To, Token};

/// What a search asks of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The name of the modifier; empty without.
    pub modifier: String,
    /// The alternatives.
    pub values: Vec<Wanted>,
}

/// One value of a search.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// A text; of a string, and with `:text` and `:fuzzy`.
    Text(String),
    /// A system (empty: none) and a code.
    Token(Option<String>, Option<String>),
    /// `:of-type`: system, code and value.
    Typed(String, String, String),
    /// An id, with a type or not, perhaps below the base.
    Local(Option<String>, String, bool),
    /// A URL or URI.
    Url(String),
    /// Prefix and date.
    Date(&'static str, String),
    /// Prefix and number.
    Number(&'static str, String),
    /// Prefix, number, system and code.
    Quantity(&'static str, String, Option<(String, String)>),
    /// Latitude, longitude and kilometres.
    Near(f64, f64, f64),
    /// The components of a composite.
    Tuple(Vec<Wanted>),
    /// `:missing`.
    Missing(bool),
}

/// A text with its signs escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Wanted {
    /// As it stands in a query, before percent-encoding.
    pub fn written(&self, base: &str) -> String {
        match self {
            Self::Text(text) => escaped(text),
            Self::Token(None, code) => escaped(code.as_deref().unwrap_or_default()),
            Self::Token(Some(system), code) => {
                format!("{}|{}", escaped(system), escaped(code.as_deref().unwrap_or_default()))
            }
            Self::Typed(system, code, value) => format!("{}|{}|{}", escaped(system), escaped(code), escaped(value)),
            Self::Local(None, id, _) => id.clone(),
            Self::Local(Some(kind), id, false) => format!("{kind}/{id}"),
            Self::Local(Some(kind), id, true) => format!("{base}/{kind}/{id}"),
            // the `|` before a version is no separator in these
            Self::Url(url) => escaped(url).replace("\\|", "|"),
            Self::Date(prefix, text) | Self::Number(prefix, text) => format!("{prefix}{text}"),
            Self::Quantity(prefix, text, None) => format!("{prefix}{text}"),
            Self::Quantity(prefix, text, Some((system, code))) => {
                format!("{prefix}{text}|{}|{}", escaped(system), escaped(code))
            }
            Self::Near(latitude, longitude, km) => format!("{latitude}|{longitude}|{km}|km"),
            Self::Tuple(parts) => parts.iter().map(|part| part.written(base)).collect::<Vec<_>>().join("$"),
            Self::Missing(is) => is.to_string(),
        }
    }
}

impl Ask {
    /// One value, with a modifier or none.
    pub fn one(modifier: &str, value: Wanted) -> Self {
        Self { modifier: modifier.to_owned(), values: vec![value] }
    }

    /// `code:modifier=a,b`, percent-encoded.
    pub fn query(&self, code: &str, base: &str) -> String {
        let (name, text) = self.pair(code, base);
        let text = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        format!("{name}={text}")
    }

    /// Name and value, before percent-encoding.
    pub fn pair(&self, code: &str, base: &str) -> (String, String) {
        let name = if self.modifier.is_empty() { code.to_owned() } else { format!("{code}:{}", self.modifier) };
        let values: Vec<String> = self.values.iter().map(|value| value.written(base)).collect();
        (name, values.join(","))
    }
}

/// The longest beginning of a text with at most so many characters.
pub fn start(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(at, _)| &text[..at])
}

/// The searches that must find a value, the plainest first. `targets`: where a reference may lead; empty: anywhere.
pub fn direct(value: &Found<'_>, targets: &[String]) -> Vec<Ask> {
    let plain = |wanted: Wanted| Ask::one("", wanted);
    match value {
        Found::Text(text) => {
            let middle: String = text.chars().skip(1).take(12).collect();
            let mut asks = vec![plain(Wanted::Text(start(text, 60).to_owned()))];
            asks.extend((text.len() < 4000).then(|| Ask::one("exact", Wanted::Text((*text).to_owned()))));
            asks.push(Ask::one("contains", Wanted::Text(middle)));
            asks.retain(|ask| !matches!(&ask.values[0], Wanted::Text(text) if ask.modifier != "exact" && super::holds::fold(text).is_empty()));
            asks
        }
        Found::Token(token) => of_token(token),
        Found::Reference(reference) => {
            let mut asks = match &reference.to {
                Some(To::Local(kind, id)) => {
                    let local =
                        |kind: Option<&str>, whole| Wanted::Local(kind.map(str::to_owned), (*id).to_owned(), whole);
                    let mut asks = vec![plain(local(Some(kind), false)), plain(local(Some(kind), true))];
                    if targets.is_empty() || targets.iter().any(|target| target == kind) {
                        asks.push(Ask::one(kind, local(None, false)));
                    }
                    // a plain id that resources of several types have is refused
                    if targets.len() == 1 && targets[0] == *kind {
                        asks.push(plain(local(None, false)));
                    }
                    asks
                }
                Some(To::Url(url)) => {
                    let bare = url.split('|').next().unwrap_or(url);
                    let mut asks = vec![plain(Wanted::Url((*url).to_owned()))];
                    asks.extend((bare != *url).then(|| plain(Wanted::Url(bare.to_owned()))));
                    asks.retain(|ask| matches!(&ask.values[0], Wanted::Url(url) if is_absolute(url)));
                    asks
                }
                Some(To::Inside) | None => Vec::new(),
            };
            asks.extend(reference.identifier.map(|(system, value)| {
                Ask::one(
                    "identifier",
                    Wanted::Token(Some(system.unwrap_or_default().to_owned()), Some(value.to_owned())),
                )
            }));
            asks
        }
        Found::Date(date) => of_date(date),
        Found::Number(sides) => {
            let number = |prefix, amount: i128| plain(Wanted::Number(prefix, decimal(amount)));
            match (sides.low, sides.high) {
                (Some(low), Some(high)) if low == high => vec![number("", low)],
                (low, high) => {
                    low.map(|low| number("ge", low)).into_iter().chain(high.map(|high| number("le", high))).collect()
                }
            }
        }
        Found::Quantity(measure) => of_measure(measure),
        Found::Uri(uri) => vec![plain(Wanted::Text((*uri).to_owned()))],
        Found::Place(latitude, longitude) => vec![plain(Wanted::Near(*latitude, *longitude, 1.0))],
        Found::Tuple(parts) => {
            let firsts = parts
                .iter()
                .map(|part| part.iter().flat_map(|part| direct(part, targets)).find(|ask| ask.modifier.is_empty()));
            let firsts: Option<Vec<Wanted>> = firsts.map(|ask| ask?.values.pop()).collect();
            firsts.map(|parts| plain(Wanted::Tuple(parts))).into_iter().collect()
        }
    }
}

/// Whether a text begins with a scheme.
fn is_absolute(url: &str) -> bool {
    url.split_once(':')
        .is_some_and(|(scheme, rest)| !rest.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn of_token(token: &Token<'_>) -> Vec<Ask> {
    let system = token.system.unwrap_or_default().to_owned();
    let mut asks = Vec::new();
    if let Some(code) = &token.code {
        asks.push(Ask::one("", Wanted::Token(None, Some(code.clone()))));
        if !token.has_no_system {
            asks.push(Ask::one("", Wanted::Token(Some(system.clone()), Some(code.clone()))));
        }
        let typed =
            token.types.iter().map(|(system, kind)| Wanted::Typed((*system).into(), (*kind).into(), code.clone()));
        asks.extend(typed.map(|typed| Ask::one("of-type", typed)));
    }
    if !system.is_empty() {
        asks.push(Ask::one("", Wanted::Token(Some(system), None)));
    }
    let text = token.text.map(|text| start(text, 40)).filter(|text| !super::holds::fold(text).is_empty());
    asks.extend(text.map(|text| Ask::one("text", Wanted::Text(text.to_owned()))));
    asks.retain(|ask| !matches!(&ask.values[0], Wanted::Token(_, Some(code)) if code.is_empty()));
    asks
}

/// A single date is found by itself, a period from its ends.
fn of_date(date: &Date<'_>) -> Vec<Ask> {
    let ask = |prefix, text: &str| Ask::one("", Wanted::Date(prefix, text.to_owned()));
    match date.texts {
        (Some(start), Some(end)) if start == end => vec![ask("", start)],
        (start, end) => start.map(|text| ask("ge", text)).into_iter().chain(end.map(|text| ask("le", text))).collect(),
    }
}

fn of_measure(measure: &Measure<'_>) -> Vec<Ask> {
    let (low, high) = (measure.sides.low, measure.sides.high);
    let prefix = match (low, high) {
        (Some(low), Some(high)) if low == high => "",
        (Some(_), _) => "ge",
        _ => "le",
    };
    let text = measure.text.clone().unwrap_or_else(|| decimal(low.or(high).unwrap_or_default()));
    let ask = |unit| Ask::one("", Wanted::Quantity(prefix, text.clone(), unit));
    let mut asks = vec![ask(None)];
    if let Some(code) = measure.code.or(measure.unit) {
        asks.push(ask(Some((String::new(), code.to_owned()))));
    }
    if let (Some(system), Some(code)) = (measure.system, measure.code) {
        asks.push(ask(Some((system.to_owned(), code.to_owned()))));
    }
    asks
}

/// The shortest text of a number.
pub fn decimal(amount: i128) -> String {
    let (whole, rest) = (amount.abs() / super::decimal::ONE, amount.abs() % super::decimal::ONE);
    let sign = if amount < 0 { "-" } else { "" };
    let fraction = format!("{rest:018}");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[test]
fn searches_are_written() {
    assert_eq!(escaped(r"a,b|c$d\e"), r"a\,b\|c\$d\\e");
    assert_eq!(decimal(-1_250_000_000_000_000_000), "-1.25");
    let ask = Ask {
        modifier: "not".into(),
        values: vec![Wanted::Token(Some(String::new()), Some("a".into())), Wanted::Token(None, Some("b|c".into()))],
    };
    assert_eq!(ask.query("code", ""), "code:not=%7Ca%2Cb%5C%7Cc");
    let tuple = Wanted::Tuple(vec![
        Wanted::Token(None, Some("a$".into())),
        Wanted::Quantity("gt", "5".into(), Some(("s".into(), "c".into()))),
    ]);
    assert_eq!(tuple.written(""), r"a\$$gt5|s|c");
}
