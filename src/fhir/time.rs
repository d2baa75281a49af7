//! Dates and times of FHIR R4 (`datatypes.html`, 2.24.0.1: date, dateTime, instant, time), as spans of time.
//!
//! A text is read with the precision it was written in and becomes a span: `2024-02` is the whole
//! month. Years are 0001 to 9999 of the proleptic Gregorian calendar, dates exist (no 2023-02-30),
//! `24:00` does not. The second `:60` is allowed and is the first second of the next minute. Fractions
//! may have up to [`FRACTION_MAX`] digits; what is finer than a microsecond is cut.

use crate::base::clock::{Timestamp, days_from_civil};

/// Most digits of a fraction of a second.
pub const FRACTION_MAX: usize = 64;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// How exactly a time was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-02`
    Month,
    /// `2024-02-29`
    Day,
    /// `2024-02-29T10:30`, in search values only.
    Minute,
    /// `2024-02-29T10:30:00Z`
    Second,
    /// With a fraction of this many digits.
    Fraction(u8),
}

/// A date, dateTime or instant: a span on the local clock, and the zone of that clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    start: i64,
    end: i64,
    precision: Precision,
    zone: Option<i16>,
}

impl DateTime {
    /// How exactly it was written.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Minutes east of UTC, if a zone was written.
    pub fn zone(&self) -> Option<i16> {
        self.zone
    }

    /// The same on the local clock, as if no zone were written.
    pub fn without_zone(self) -> Self {
        Self { zone: None, ..self }
    }

    /// First microsecond, and first microsecond after it, since 1970-01-01T00:00:00Z. `default_zone`, in
    /// minutes east of UTC, is that of a text without a zone.
    pub fn span(&self, default_zone: i16) -> (i64, i64) {
        let offset = i64::from(self.zone.unwrap_or(default_zone)) * MINUTE;
        (self.start - offset, self.end - offset)
    }
}

/// Why a text is no time; lowercase, for people.
pub type Reason = &'static str;

/// Reads a date, dateTime or instant. A time without a zone is accepted: resources have them, though
/// they should not.
///
/// # Errors
/// The reason, when the text is none of these.
pub fn parse(text: &str) -> Result<DateTime, Reason> {
    Reader { rest: text.as_bytes(), is_search: false }.date_time()
}

/// Reads the date of a search value (FHIR R4 `search.html`, 3.1.1.4.7): also minutes without seconds, and a
/// space where a URL's `+` was before the zone.
///
/// # Errors
/// The reason, when the text is no date.
pub fn parse_search(text: &str) -> Result<DateTime, Reason> {
    Reader { rest: text.as_bytes(), is_search: true }.date_time()
}

/// Reads a `time` (`hh:mm:ss` with or without a fraction): the span in microseconds since midnight.
///
/// # Errors
/// The reason, when the text is no time.
pub fn parse_time(text: &str) -> Result<(i64, i64), Reason> {
    let mut reader = Reader { rest: text.as_bytes(), is_search: false };
    let (start, width, _) = reader.time()?;
    reader.done()?;
    Ok((start, start + width))
}

/// The span for the prefix `ap`: widened on both sides by 10 % of the distance between now and the value.
pub fn widen(span: (i64, i64), now: Timestamp) -> (i64, i64) {
    let distance = if now.0 < span.0 { span.0.saturating_sub(now.0) } else { now.0.saturating_sub(span.1).max(0) };
    let by = distance / 10;
    (span.0.saturating_sub(by), span.1.saturating_add(by))
}

/// The number of days of a month.
fn month_length(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    is_search: bool,
}

impl Reader<'_> {
    fn date_time(mut self) -> Result<DateTime, Reason> {
        const NO_DATE: Reason = "a date is written as YYYY, YYYY-MM, YYYY-MM-DD or with a time after `T`";
        let year = i64::from(self.number(4).ok_or(NO_DATE)?);
        if year == 0 {
            return Err("the year is not 0001 to 9999");
        }
        let month = self.part(b'-').ok_or(NO_DATE)?;
        if month.is_some_and(|month| !(1..=12).contains(&month)) {
            return Err("the month is not 01 to 12");
        }
        let Some(month) = month else {
            return self.day_span(year, 1, 1, days_from_civil(year + 1, 1, 1), Precision::Year);
        };
        let Some(day) = self.part(b'-').ok_or(NO_DATE)? else {
            let next = days_from_civil(year, month, 1) + i64::from(month_length(year, month));
            return self.day_span(year, month, 1, next, Precision::Month);
        };
        if day == 0 || day > month_length(year, month) {
            return Err("the month does not have this day");
        }
        let number = days_from_civil(year, month, day);
        if self.rest.is_empty() {
            return self.day_span(year, month, day, number + 1, Precision::Day);
        }
        if !self.take(b'T') {
            return Err(NO_DATE);
        }
        let (time, width, precision) = self.time()?;
        let zone = self.zone()?;
        self.done()?;
        let start = number * DAY + time;
        Ok(DateTime { start, end: start + width, precision, zone })
    }

    fn day_span(&self, year: i64, month: u32, day: u32, next: i64, precision: Precision) -> Result<DateTime, Reason> {
        self.done()?;
        let start = days_from_civil(year, month, day) * DAY;
        Ok(DateTime { start, end: next * DAY, precision, zone: None })
    }

    /// `hh:mm[:ss[.f]]`: microseconds since midnight, the width, and the precision.
    fn time(&mut self) -> Result<(i64, i64, Precision), Reason> {
        const NO_TIME: Reason = "a time is written as hh:mm:ss";
        let hour = self.number(2).ok_or(NO_TIME)?;
        let minute = self.part(b':').ok_or(NO_TIME)?.ok_or(NO_TIME)?;
        if hour > 23 {
            return Err("the hour is not 00 to 23");
        }
        if minute > 59 {
            return Err("the minute is not 00 to 59");
        }
        let start = i64::from(hour * 60 + minute) * MINUTE;
        let Some(second) = self.part(b':').ok_or(NO_TIME)? else {
            return if self.is_search { Ok((start, MINUTE, Precision::Minute)) } else { Err(NO_TIME) };
        };
        if second > 60 {
            return Err("the second is not 00 to 60");
        }
        let start = start + i64::from(second) * SECOND;
        if !self.take(b'.') {
            return Ok((start, SECOND, Precision::Second));
        }
        let (fraction, width, digits) = self.fraction()?;
        Ok((start + fraction, width, Precision::Fraction(digits)))
    }

    fn fraction(&mut self) -> Result<(i64, i64, u8), Reason> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err("a fraction of a second has digits after the point");
        }
        if digits > FRACTION_MAX {
            return Err("a fraction of a second has at most 64 digits");
        }
        let (mut micros, mut width) = (0, SECOND);
        for byte in &self.rest[..digits.min(6)] {
            width /= 10;
            micros += i64::from(byte - b'0') * width;
        }
        self.rest = &self.rest[digits..];
        Ok((micros, width, digits as u8))
    }

    fn zone(&mut self) -> Result<Option<i16>, Reason> {
        const NO_ZONE: Reason = "a time zone is written as Z, +hh:mm or -hh:mm, up to 14:00";
        let sign = match self.rest.first() {
            None => return Ok(None),
            Some(b'Z') => {
                self.rest = &self.rest[1..];
                return Ok(Some(0));
            }
            Some(b'+') => 1,
            Some(b' ') if self.is_search => 1,
            Some(b'-') => -1,
            Some(_) => return Err(NO_ZONE),
        };
        self.rest = &self.rest[1..];
        let hours = self.number(2).ok_or(NO_ZONE)?;
        let minutes = self.part(b':').flatten().ok_or(NO_ZONE)?;
        let total = hours * 60 + minutes;
        if minutes > 59 || total > 14 * 60 {
            return Err(NO_ZONE);
        }
        Ok(Some(sign * total as i16))
    }

    /// Two digits after a separator: `Some(None)` without the separator, `None` when the digits are missing.
    #[expect(clippy::option_option, reason = "broken, absent, present")]
    fn part(&mut self, separator: u8) -> Option<Option<u32>> {
        if !self.take(separator) {
            return Some(None);
        }
        self.number(2).map(Some)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        number.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    }

    fn done(&self) -> Result<(), Reason> {
        if self.rest.is_empty() { Ok(()) } else { Err("there is text after the date or time") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let (start, end) = parse_search(text).expect(text).span(0);
        format!("{} {}", Timestamp(start), Timestamp(end))
    }

    #[test]
    fn spans_follow_the_precision() {
        let cases = [
            ("2024", "2024-01-01T00:00:00.000Z 2025-01-01T00:00:00.000Z"),
            ("2024-02", "2024-02-01T00:00:00.000Z 2024-03-01T00:00:00.000Z"),
            ("2023-12", "2023-12-01T00:00:00.000Z 2024-01-01T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z 2024-03-01T00:00:00.000Z"),
            ("2024-02-29T10:30", "2024-02-29T10:30:00.000Z 2024-02-29T10:31:00.000Z"),
            ("2024-02-29T10:30:05", "2024-02-29T10:30:05.000Z 2024-02-29T10:30:06.000Z"),
            ("2024-02-29T10:30:05.1Z", "2024-02-29T10:30:05.100Z 2024-02-29T10:30:05.200Z"),
            ("2024-02-29T10:30:05+02:00", "2024-02-29T08:30:05.000Z 2024-02-29T08:30:06.000Z"),
            ("2024-02-29T10:30:05 02:00", "2024-02-29T08:30:05.000Z 2024-02-29T08:30:06.000Z"),
            ("2024-02-29T23:30:00-05:30", "2024-03-01T05:00:00.000Z 2024-03-01T05:00:01.000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z 2017-01-01T00:00:01.000Z"),
            ("9999-12-31", "9999-12-31T00:00:00.000Z 10000-01-01T00:00:00.000Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
        let (start, end) = parse("2024-01-01T00:00:00.123456789012Z").expect("an instant").span(0);
        assert_eq!((start % SECOND, end - start), (123_456, 1));
        assert_eq!(
            parse("2024-01-01").expect("a date").span(60).0,
            parse("2023-12-31T23:00:00Z").expect("one").span(0).0
        );
    }

    #[test]
    fn refuses_what_is_no_date() {
        let long = format!("2024-01-01T00:00:00.{}Z", "1".repeat(65));
        let cases = [
            "",
            "24",
            "0000",
            "2024-",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "2023-02-30",
            "1900-02-29",
            "2024-04-31",
            "2024-1-1",
            "2024-01-01T",
            "2024-01-01T24:00:00Z",
            "2024-01-01T10Z",
            "2024-01-01T10:60:00Z",
            "2024-01-01T10:00:61Z",
            "2024-01-01T10:00:00.Z",
            "2024-01-01T10:00:00+15:00",
            "2024-01-01T10:00:00+14:01",
            "2024-01-01T10:00:00z",
            "2024-01-01T10:00:00Zx",
            "2024-01-01 10:00:00Z",
            "20240101",
            "x",
            "٢٠٢٤",
            "2024-01-01Z",
            &long,
        ];
        for text in cases {
            assert!(parse_search(text).is_err(), "{text}");
        }
        assert!(parse("2024-01-01T10:00Z").is_err() && parse("2024-01-01T10:00:00 01:00").is_err());
        assert_eq!(parse("2023-02-30"), Err("the month does not have this day"));
    }

    #[test]
    fn times_and_widening() {
        assert_eq!(parse_time("00:01:00.5"), Ok((60_500_000, 60_600_000)));
        assert!(parse_time("10:00").is_err() && parse_time("24:00:00").is_err() && parse_time("10:00:00Z").is_err());
        assert_eq!(widen((1000, 2000), Timestamp(12_000)), (0, 3000));
        assert_eq!(widen((1000, 2000), Timestamp(0)), (900, 2100));
        assert_eq!(widen((1000, 2000), Timestamp(1500)), (1000, 2000));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,30}") {
            let _ = (parse(&text), parse_search(&text), parse_time(&text));
        }

        #[test]
        fn a_finer_text_lies_within_the_coarser(
            y in 1_i64..=9999, m in 1_u32..=12, d in 1_u32..=28, s in 0_u32..86_400, z in -840_i32..=840,
        ) {
            let date = format!("{y:04}-{m:02}-{d:02}");
            let time = format!("{date}T{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
            let mut last = (i64::MIN, i64::MAX);
            for text in [&date[..4], &date[..7], &date, &time[..16], &time] {
                let span = parse_search(text).expect(text).span(0);
                prop_assert!(last.0 <= span.0 && span.0 < span.1 && span.1 <= last.1, "{}", text);
                last = span;
            }
            let zoned = format!("{time}{}{:02}:{:02}", if z < 0 { '-' } else { '+' }, z.abs() / 60, z.abs() % 60);
            prop_assert_eq!(parse(&zoned).expect("zoned").span(0).0, last.0 - i64::from(z) * MINUTE);
        }
    }
}
