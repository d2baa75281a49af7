//! `date` (FHIR R4 `search.html`, 3.1.1.4.7).

use super::element::{Element, each, get, object, text};
use super::escape::unescape;
use super::number::prefix;
use crate::base::clock::Timestamp;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};
use crate::fhir::time::{self, DateTime};
use crate::search::query::{DateTest, Prefix};
use crate::search::value::{Span, Value};

/// The zone of what has none: UTC.
const ZONE: i16 = 0;

/// Reads one value. `now` serves the prefix `ap`.
///
/// # Errors
/// The reason, when it is no date.
pub fn parse(value: &str, now: Timestamp) -> Result<DateTest, &'static str> {
    read(value, now, time::parse_search)
}

/// The same for elements that have no zone: that of the value does not count.
///
/// # Errors
/// As [`parse`].
pub fn parse_on_calendar(value: &str, now: Timestamp) -> Result<DateTest, &'static str> {
    read(value, now, |text| time::parse_search(text).map(DateTime::without_zone))
}

fn read(
    value: &str,
    now: Timestamp,
    time: impl Fn(&str) -> Result<DateTime, &'static str>,
) -> Result<DateTest, &'static str> {
    let value = unescape(value)?;
    let (prefix, rest) = prefix(&value)?;
    let mut span = time(rest)?.span(ZONE);
    if prefix == Prefix::Ap {
        span = time::widen(span, now);
    }
    Ok(DateTest { prefix, span: Span { start: span.0, end: span.1 } })
}

/// The value of an element: date, dateTime, instant, Period, or Timing by its outer limits.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    let span = match (element.json, element.type_name) {
        (Json::String(text), "instant") => {
            span_of(text).map(|span| Span { start: span.start, end: span.start.saturating_add(1) })
        }
        (Json::String(text), _) => span_of(text),
        (Json::Object(period), "Period") => period_span(period),
        (Json::Object(timing), "Timing") => timing_span(timing),
        _ => None,
    };
    if let Some(span) = span.filter(|span| span.start < span.end) {
        out(Value::Date(span));
    }
}

fn span_of(text: &str) -> Option<Span> {
    let (start, end) = time::parse(text).ok()?.span(ZONE);
    Some(Span { start, end })
}

/// Open where a side is absent; none when both are, or one is broken.
fn period_span(period: &Object) -> Option<Span> {
    let side = |name| text(period, name).map(span_of);
    match (side(names::START), side(names::END)) {
        (None, None) | (Some(None), _) | (_, Some(None)) => None,
        (start, end) => Some(Span {
            start: start.flatten().map_or(i64::MIN, |span| span.start),
            end: end.flatten().map_or(i64::MAX, |span| span.end),
        }),
    }
}

/// From the first to the last of the events and the bounds.
fn timing_span(timing: &Object) -> Option<Span> {
    let events = each(timing, names::EVENT).filter_map(Json::as_str).filter_map(span_of);
    let bounds = object(timing, names::REPEAT).and_then(|repeat| get(repeat, names::BOUNDS_PERIOD));
    let bounds = bounds.and_then(Json::as_object).and_then(period_span);
    events.chain(bounds).reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) })
}

/// Whether a span passes.
pub fn passes(test: &DateTest, value: Span) -> bool {
    let Span { start, end } = test.span;
    let is_above = value.end > end;
    let is_below = value.start < start;
    let is_inside = start <= value.start && value.end <= end;
    match test.prefix {
        Prefix::Eq => is_inside,
        Prefix::Ne => !is_inside,
        Prefix::Gt => is_above,
        Prefix::Lt => is_below,
        Prefix::Ge => is_above || is_inside,
        Prefix::Le => is_below || is_inside,
        Prefix::Sa => value.start >= end,
        Prefix::Eb => value.end <= start,
        Prefix::Ap => value.start < end && value.end > start,
        Prefix::Co => value.start <= start && end <= value.end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fhir::json::parse as json;

    const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

    fn value(text: &str, type_name: &'static str) -> Option<Span> {
        let json = json(text.as_bytes()).expect("JSON");
        let mut found = None;
        extract(Element { json: &json, type_name, system: None, is_family: false }, &mut |value| {
            if let Value::Date(span) = value {
                found = Some(span);
            }
        });
        found
    }

    /// The prefixes under which `asked` finds the element.
    fn finding(asked: &str, text: &str, type_name: &'static str) -> String {
        let value = value(text, type_name).expect(text);
        let now = time::parse("2013-01-14").expect("a date").span(0).0;
        let test = |prefix: &&str| parse(&format!("{prefix}{asked}"), Timestamp(now)).expect(asked);
        let found: Vec<&str> = PREFIXES.into_iter().filter(|prefix| passes(&test(prefix), value)).collect();
        found.join(" ")
    }

    #[test]
    fn the_examples_of_the_specification() {
        let cases = [
            ("2013-01-14", r#""2013-01-14T00:00:00Z""#, "dateTime", "eq ge le ap"),
            ("2013-01-14", r#""2013-01-14T10:00:00Z""#, "dateTime", "eq ge le ap"),
            ("2013-01-14", r#""2013-01-15T00:00:00Z""#, "dateTime", "ne gt ge sa"),
            ("2013-01-14T10:00", r#""2013-01-14""#, "date", "ne gt lt ge le ap"),
            ("2013-03-14", r#"{"start":"2013-01-21"}"#, "Period", "ne gt lt ge le ap"),
            ("2013-03-14", r#"{"start":"2013-03-15"}"#, "Period", "ne gt ge sa ap"),
            ("2013-03-14", r#"{"end":"2013-01-21"}"#, "Period", "ne lt le eb"),
            ("2013-01", r#"{"start":"2013-01-01","end":"2013-01-31"}"#, "Period", "eq ge le ap"),
            ("2013", r#""2013-06""#, "dateTime", "eq ge le ap"),
            ("2013-06", r#""2013""#, "dateTime", "ne gt lt ge le ap"),
            ("2012", r#""2013-06-01""#, "date", "ne gt ge sa"),
            ("2013-01-14T10:00:00.000Z", r#""2013-01-14T10:00:00Z""#, "instant", "eq ge le ap"),
            ("2013-01-14T10:00:00Z", r#""2013-01-14T12:00:00+02:00""#, "dateTime", "eq ge le ap"),
            ("2013-02", r#"{"event":["2013-03-01","2013-01-05"]}"#, "Timing", "ne gt lt ge le ap"),
            ("2013", r#"{"repeat":{"boundsPeriod":{"start":"2013-02-01","end":"2013-03"}}}"#, "Timing", "eq ge le ap"),
        ];
        for (asked, text, type_name, expected) in cases {
            assert_eq!(finding(asked, text, type_name), expected, "{asked} on {text}");
        }
    }

    #[test]
    fn a_date_has_no_zone() {
        let birth = value(r#""1980-05-05""#, "date").expect("a date");
        let finds = |text: &str| passes(&parse_on_calendar(text, Timestamp(0)).expect(text), birth);
        for text in ["ge1980-05-05T23:00:00-11:00", "gt1980-05-05T23:00:00-11:00", "lt1980-05-05T01:00:00+14:00"] {
            assert!(finds(text) && !passes(&parse(text, Timestamp(0)).expect(text), birth), "{text}");
        }
        assert!(finds("1980-05-05") && !finds("1980-05-05T00:00:00Z") && !finds("sa1980-05-05T00:00:00-11:00"));
    }

    #[test]
    fn broken_elements_have_no_value() {
        for (text, type_name) in [
            (r#""2013-02-30""#, "date"),
            ("{}", "Period"),
            (r#"{"start":"x"}"#, "Period"),
            (r#"{"start":"2014","end":"2013"}"#, "Period"),
            (r#"{"repeat":{"count":1}}"#, "Timing"),
            ("1", "date"),
        ] {
            assert_eq!(value(text, type_name), None, "{text}");
        }
        assert!(parse("xx2013", Timestamp(0)).is_err() && parse("2013-02-30", Timestamp(0)).is_err());
    }

    proptest! {
        #[test]
        fn laws(a in -50_i64..50, b in 1_i64..30, c in -50_i64..50, d in 1_i64..30) {
            let (span, value) = (Span { start: a, end: a + b }, Span { start: c, end: c + d });
            let test = |prefix| passes(&DateTest { prefix, span }, value);
            prop_assert_eq!(test(Prefix::Eq), !test(Prefix::Ne));
            prop_assert_eq!(test(Prefix::Ge), test(Prefix::Gt) || test(Prefix::Eq));
            prop_assert_eq!(test(Prefix::Le), test(Prefix::Lt) || test(Prefix::Eq));
            prop_assert_eq!(test(Prefix::Ap), !test(Prefix::Sa) && !test(Prefix::Eb));
            prop_assert!(!test(Prefix::Sa) || test(Prefix::Gt));
            prop_assert!(!test(Prefix::Eb) || test(Prefix::Lt));
            prop_assert!(!(test(Prefix::Sa) && test(Prefix::Eb)));
            prop_assert!(test(Prefix::Gt) || test(Prefix::Lt) || test(Prefix::Eq));
        }
    }
}
