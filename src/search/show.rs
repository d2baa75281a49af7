//! Conditions as text, for people: `_explain` shows how a search was understood. Long lists are cut.

use std::fmt;

use super::codeset::Asked;
use super::query::{Clause, Prefix, ReferenceTest, StringTest, SystemTest, Test, TokenTest, UnitTest, UriTest};
use crate::base::clock::Timestamp;

/// Most alternatives that are shown.
const SHOWN: usize = 16;

/// The first of several, with what stands between them.
fn list<T>(all: &[T], between: &str, show: impl Fn(&T) -> String) -> String {
    let mut text = all.iter().take(SHOWN).map(show).collect::<Vec<_>>().join(between);
    if all.len() > SHOWN {
        text.push_str(&format!("{between}… {} more", all.len() - SHOWN));
    }
    text
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests = |tests: &[Test]| list(tests, ",", ToString::to_string);
        let clauses = |all: &[Self], between| list(all, between, ToString::to_string);
        match self {
            Self::Param { param, tests: all } => write!(f, "{}={}", param.code, tests(all)),
            Self::Not { param, tests: all } => write!(f, "not {}={}", param.code, tests(all)),
            Self::Missing { param, missing } => write!(f, "{} missing {missing}", param.code),
            Self::Id(ids) => write!(f, "id [{}]", list(ids, ", ", ToString::to_string)),
            Self::Words { place, tests } => write!(f, "{place:?} {}", list(tests, ",", |test| format!("{test:?}"))),
            Self::LastUpdated(all) => write!(f, "updated {}", list(all, ",", |test| Test::Date(*test).to_string())),
            Self::Hierarchy { param, above, roots } => {
                let way = if *above { "above" } else { "below" };
                write!(f, "{} {way} {}", param.code, list(roots, ",", ToString::to_string))
            }
            Self::Working => f.write_str("mode=working"),
            Self::Compartment(of) => write!(f, "in {of}"),
            Self::All(all) => write!(f, "({})", clauses(all, " and ")),
            Self::Any(any) => write!(f, "({})", clauses(any, " or ")),
            Self::Complement(inner) => write!(f, "not ({inner})"),
            Self::Chain { param, targets } => {
                let each = list(targets, "; ", |(kind, clause)| format!("{kind}: {clause}"));
                write!(f, "{}->({each})", param.code)
            }
            Self::Element { name, clause, .. } => write!(f, "{name}[{clause}]"),
            Self::Has { source, param, clause } => write!(f, "{source}.{}<-({clause})", param.code),
        }
    }
}

impl fmt::Display for TokenTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.system {
            SystemTest::Any => {}
            SystemTest::Absent => f.write_str("none|")?,
            SystemTest::Is(system) => write!(f, "{system}|")?,
        }
        f.write_str(self.code.as_deref().unwrap_or("any"))
    }
}

impl fmt::Display for StringTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartsWith(text) => write!(f, "{text}*"),
            Self::Contains(text) => write!(f, "*{text}*"),
            Self::Words(words) => write!(f, "{words:?}"),
            Self::Fuzzy(fuzzy) => write!(f, "{fuzzy:?}"),
            Self::Exact(text) => write!(f, "'{text}'"),
            Self::Relation(relation, text) => write!(f, "{relation:?} {text}"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(test) => write!(f, "{test}"),
            Self::AnyCase(test) => write!(f, "{}~{}", if test.other { "!" } else { "" }, test.token),
            Self::Token(token) => write!(f, "{token}"),
            Self::Concepts(test) => {
                match &test.asked {
                    Asked::In(url) => write!(f, "in <{url}>")?,
                    Asked::Above(token) => write!(f, "above {token}")?,
                    Asked::Below(token) => write!(f, "below {token}")?,
                }
                match &test.codes {
                    Some(codes) => write!(f, " ({} codes)", codes.len()),
                    None => Ok(()),
                }
            }
            Self::Reference(ReferenceTest::Local { types, id }) if types.len() > SHOWN => {
                write!(f, "{} types/{id}", types.len())
            }
            Self::Reference(ReferenceTest::Local { types, id }) => write!(f, "{types:?}/{id}"),
            Self::Reference(ReferenceTest::Url(url)) => write!(f, "<{url}>"),
            Self::Reference(ReferenceTest::Below(url)) => write!(f, "<{url}..>"),
            Self::Reference(ReferenceTest::Identifier(token)) => write!(f, "~{token}"),
            Self::Date(date) => date_text(f, date.prefix, date.span.start),
            Self::Number(number) => write!(f, "{:?}[{} {})", number.prefix, number.low, number.high),
            Self::Implied(value) => write!(f, "implied {value}"),
            Self::Quantity(quantity) => {
                write!(f, "{:?}{}", quantity.number.prefix, quantity.number.value)?;
                match &quantity.unit {
                    UnitTest::Any => Ok(()),
                    UnitTest::Code(code) => write!(f, " {code}"),
                    UnitTest::OfSystem(system) => write!(f, " of {system}"),
                    UnitTest::System { system, code } => write!(f, " {system}|{code}"),
                    UnitTest::Canonical { number, unit } => write!(f, " = {} {unit}", number.value),
                }
            }
            Self::Near(circle) => write!(f, "({} {} {})", circle.latitude, circle.longitude, circle.metres),
            Self::Uri(UriTest::Same(uri)) => write!(f, "~{uri}"),
            Self::Uri(UriTest::Other(uri)) => write!(f, "!~{uri}"),
            Self::Uri(UriTest::Is(uri)) => f.write_str(uri),
            Self::Uri(UriTest::Below(uri)) => write!(f, "{uri}.."),
            Self::Uri(UriTest::Above(uri)) => write!(f, "..{uri}"),
            Self::Text(text) => write!(f, "word {text}"),
            Self::Typed(typed) => write!(f, "{}|{} {}", typed.system, typed.code, typed.value),
            Self::Mime(base) => write!(f, "{base};"),
            Self::Composite(parts) => f.write_str(&list(parts, "$", ToString::to_string)),
        }
    }
}

fn date_text(f: &mut fmt::Formatter<'_>, prefix: Prefix, start: i64) -> fmt::Result {
    write!(f, "{prefix:?}[{}]", Timestamp(start))
}
