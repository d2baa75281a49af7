//! `Date`, `DateTime` and `Time` of FHIRPath: values that know how precise they are (N1, 4.1.5 to 4.1.7).
//!
//! Seconds and their fraction are one precision, as N1 asks. A value without an offset is comparable
//! with one that has an offset only when no offset on Earth could change the answer.

use std::cmp::Ordering;
use std::fmt;

use crate::base::clock::{Timestamp, civil_from_days, days_from_civil};

/// Which of the three types a [`Temporal`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemporalKind {
    /// `System.Date`
    Date,
    /// `System.DateTime`
    DateTime,
    /// `System.Time`
    Time,
}

/// The finest component that a [`Temporal`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-02`
    Month,
    /// `2024-02-29`
    Day,
    /// `T10`
    Hour,
    /// `T10:30`
    Minute,
    /// `T10:30:59` with any fraction.
    Second,
}

/// A date, a date with time, or a time of day. Components below the precision hold their least value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Temporal {
    /// Which type.
    pub kind: TemporalKind,
    /// How precise.
    pub precision: Precision,
    /// Digits of the fraction of a second that were written (0 to 9).
    pub fraction_digits: u8,
    /// Minutes east of UTC, if an offset was written.
    pub offset: Option<i16>,
    /// Days from 1970-01-01 in local time; 0 for a time of day.
    days: i32,
    /// Nanoseconds of the local day.
    nanos: i64,
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MINUTE: i64 = 60 * NANOS_PER_SECOND;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

/// A cursor over ASCII digits and separators.
struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    /// `count` digits as a number.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let slice = self.bytes.get(self.at..self.at + count)?;
        let value = slice.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))?;
        self.at += count;
        Some(value)
    }

    /// A separator followed by two digits within a range; nothing is consumed when that is not there.
    fn part(&mut self, separator: u8, least: u32, most: u32) -> Option<u32> {
        let start = self.at;
        let value = self.eat(separator).then(|| self.digits(2)).flatten().filter(|n| (least..=most).contains(n));
        if value.is_none() {
            self.at = start;
        }
        value
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
}

/// The number of days of a month.
fn days_in_month(year: i64, month: u32) -> u32 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    u32::try_from(days_from_civil(next_year, next, 1) - days_from_civil(year, month, 1)).unwrap_or(31)
}

impl Temporal {
    /// Reads a value from the start of `text`, and tells how many bytes it has. With a `T` it is a
    /// DateTime, with a leading `T` a Time, else a Date (the form of a literal after its `@`).
    pub fn scan(text: &str) -> Option<(Self, usize)> {
        let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
        let mut value = Self {
            kind: TemporalKind::Date,
            precision: Precision::Year,
            fraction_digits: 0,
            offset: None,
            days: 0,
            nanos: 0,
        };
        if scan.eat(b'T') {
            value.kind = TemporalKind::Time;
            value.scan_time(&mut scan)?;
            return Some((value, scan.at));
        }
        value.scan_date(&mut scan)?;
        if scan.eat(b'T') {
            value.kind = TemporalKind::DateTime;
            let has_time = scan.bytes.get(scan.at).is_some_and(u8::is_ascii_digit);
            if has_time {
                value.scan_time(&mut scan)?;
                value.scan_offset(&mut scan);
            }
        }
        Some((value, scan.at))
    }

    /// Reads a whole text as one of the types; what is written less precisely than the type allows is
    /// a partial value. FHIR's `date`, `dateTime`, `instant` and `time` are subsets of these forms.
    pub fn parse(kind: TemporalKind, text: &str) -> Option<Self> {
        if kind == TemporalKind::Time {
            let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
            scan.eat(b'T');
            let mut value = Self { kind, precision: Precision::Hour, ..Self::from_days(0) };
            value.scan_time(&mut scan)?;
            return (scan.at == text.len()).then_some(value);
        }
        let (value, length) = Self::scan(text)?;
        if length != text.len() || value.kind == TemporalKind::Time {
            return None;
        }
        match (kind, value.kind) {
            (TemporalKind::Date, TemporalKind::DateTime) => None,
            _ => Some(Self { kind, ..value }),
        }
    }

    fn scan_date(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        let year = scan.digits(4).filter(|year| *year > 0)?;
        let (mut month, mut day) = (1, 1);
        if let Some(found) = scan.part(b'-', 1, 12) {
            (month, self.precision) = (found, Precision::Month);
            if let Some(found) = scan.part(b'-', 1, days_in_month(i64::from(year), month)) {
                (day, self.precision) = (found, Precision::Day);
            }
        }
        self.days = i32::try_from(days_from_civil(i64::from(year), month, day)).ok()?;
        Some(())
    }

    fn scan_time(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        let hour = scan.digits(2).filter(|hour| *hour < 24)?;
        self.precision = Precision::Hour;
        self.nanos = i64::from(hour) * 60 * NANOS_PER_MINUTE;
        let Some(minute) = scan.part(b':', 0, 59) else { return Some(()) };
        self.precision = Precision::Minute;
        self.nanos += i64::from(minute) * NANOS_PER_MINUTE;
        let Some(second) = scan.part(b':', 0, 59) else { return Some(()) };
        self.precision = Precision::Second;
        self.nanos += i64::from(second) * NANOS_PER_SECOND;
        let has_fraction =
            scan.bytes.get(scan.at) == Some(&b'.') && scan.bytes.get(scan.at + 1).is_some_and(u8::is_ascii_digit);
        if !has_fraction {
            return Some(());
        }
        scan.at += 1;
        let mut unit = NANOS_PER_SECOND / 10;
        while let Some(digit) = scan.bytes.get(scan.at).filter(|b| b.is_ascii_digit()) {
            self.nanos += i64::from(digit - b'0') * unit;
            self.fraction_digits = self.fraction_digits.saturating_add(1).min(9);
            unit /= 10;
            scan.at += 1;
        }
        Some(())
    }

    fn scan_offset(&mut self, scan: &mut Scan<'_>) {
        if scan.eat(b'Z') {
            self.offset = Some(0);
            return;
        }
        let start = scan.at;
        let sign = if scan.eat(b'-') { -1 } else { 1 };
        let signed = sign < 0 || scan.eat(b'+');
        let hours = signed.then(|| scan.digits(2)).flatten().filter(|h| *h <= 14);
        let minutes = hours.and_then(|_| scan.part(b':', 0, 59));
        match (hours, minutes) {
            (Some(hours), Some(minutes)) => self.offset = i16::try_from(hours * 60 + minutes).ok().map(|n| sign * n),
            _ => scan.at = start,
        }
    }

    /// The day `days` after 1970-01-01.
    fn from_days(days: i32) -> Self {
        Self { kind: TemporalKind::Date, precision: Precision::Day, fraction_digits: 0, offset: None, days, nanos: 0 }
    }

    /// `now()` for an instant: a DateTime in UTC with milliseconds.
    pub fn now(at: Timestamp) -> Self {
        let millis = at.millis();
        let days = i32::try_from(millis.div_euclid(86_400_000)).unwrap_or(i32::MAX);
        Self {
            kind: TemporalKind::DateTime,
            precision: Precision::Second,
            fraction_digits: 3,
            offset: Some(0),
            nanos: millis.rem_euclid(86_400_000) * 1_000_000,
            ..Self::from_days(days)
        }
    }

    /// The Date part of a Date or DateTime; none for a time of day.
    pub fn date(self) -> Option<Self> {
        let precision = self.precision.min(Precision::Day);
        (self.kind != TemporalKind::Time).then(|| Self { precision, ..Self::from_days(self.days) })
    }

    /// The Date or DateTime as a DateTime of the same precision; none for a time of day.
    pub fn date_time(self) -> Option<Self> {
        (self.kind != TemporalKind::Time).then_some(Self { kind: TemporalKind::DateTime, ..self })
    }

    /// The time of day of a DateTime.
    pub fn time(self) -> Self {
        Self { kind: TemporalKind::Time, days: 0, offset: None, ..self }
    }

    /// Year, month and day in local time.
    pub fn civil(self) -> (i64, u32, u32) {
        civil_from_days(i64::from(self.days))
    }

    /// Hour, minute, second and nanosecond in local time.
    pub fn clock(self) -> (i64, i64, i64, i64) {
        let seconds = self.nanos / NANOS_PER_SECOND;
        (seconds / 3600, seconds / 60 % 60, seconds % 60, self.nanos % NANOS_PER_SECOND)
    }

    /// Days from 1970-01-01 in local time.
    pub fn days(self) -> i64 {
        i64::from(self.days)
    }

    /// Nanoseconds of the local day.
    pub fn nanos(self) -> i64 {
        self.nanos
    }

    /// The same instant in UTC; unchanged without an offset.
    pub fn in_utc(self) -> Self {
        match self.offset {
            None => self,
            Some(offset) => {
                let nanos = self.nanos - i64::from(offset) * NANOS_PER_MINUTE;
                let days = i64::from(self.days) + nanos.div_euclid(NANOS_PER_DAY);
                let days = i32::try_from(days).unwrap_or(self.days);
                Self { offset: Some(0), days, nanos: nanos.rem_euclid(NANOS_PER_DAY), ..self }
            }
        }
    }

    /// Components in order of precision, to be compared one after the other.
    fn components(self) -> [i64; 6] {
        let (year, month, day) = self.civil();
        let (hour, minute, second, nanos) = self.clock();
        [year, i64::from(month), i64::from(day), hour, minute, second * NANOS_PER_SECOND + nanos]
    }

    /// The order of two values of comparable types; `None` when it is unknown, because one is less
    /// precise or only one has an offset.
    pub fn order(self, other: Self) -> Option<Ordering> {
        let (mut left, mut right) = (self, other);
        let has_hour = left.precision.min(right.precision) >= Precision::Hour;
        if left.offset.is_some() != right.offset.is_some() && has_hour && left.kind != TemporalKind::Time {
            // offsets span 26 hours, so two days apart no offset changes the answer
            return ((left.days - right.days).abs() > 2).then(|| left.days.cmp(&right.days));
        }
        if has_hour && left.offset != right.offset {
            (left, right) = (left.in_utc(), right.in_utc());
        }
        let least = left.precision.min(right.precision);
        let ordered = left.components().into_iter().zip(right.components());
        for (a, b) in ordered.take(least as usize + 1) {
            if a != b {
                return Some(a.cmp(&b));
            }
        }
        (left.precision == right.precision).then_some(Ordering::Equal)
    }

    /// Whether two values can be compared at all: dates with dates and date-times, times with times.
    pub fn is_comparable(self, other: Self) -> bool {
        (self.kind == TemporalKind::Time) == (other.kind == TemporalKind::Time)
    }

    /// The value `months` later; the day is cut to the length of the month. `None` outside 0001 to 9999.
    pub fn plus_months(self, months: i64) -> Option<Self> {
        let (year, month, day) = self.civil();
        let total = year.checked_mul(12)?.checked_add(i64::from(month) - 1)?.checked_add(months)?;
        let (year, month) = (total.div_euclid(12), u32::try_from(total.rem_euclid(12)).ok()? + 1);
        let day = day.min(days_in_month(year, month));
        self.with_days(days_from_civil(year, month, day))
    }

    /// The value `nanos` later; a time of day wraps around midnight.
    pub fn plus_nanos(self, nanos: i128) -> Option<Self> {
        let total = i128::from(self.nanos).checked_add(nanos)?;
        let rest = i64::try_from(total.rem_euclid(i128::from(NANOS_PER_DAY))).ok()?;
        let days = i64::try_from(total.div_euclid(i128::from(NANOS_PER_DAY))).ok()?;
        let moved = Self { nanos: rest, ..self };
        if self.kind == TemporalKind::Time { Some(moved) } else { moved.with_days(i64::from(self.days) + days) }
    }

    fn with_days(self, days: i64) -> Option<Self> {
        let (least, most) = (days_from_civil(1, 1, 1), days_from_civil(9999, 12, 31));
        let days = (least..=most).contains(&days).then_some(days)?;
        Some(Self { days: i32::try_from(days).ok()?, ..self })
    }

    /// The number of digits that its precision has: 4 for a year, 8 for a day, 17 with milliseconds
    /// (a Time counts from its hour).
    pub fn digits(self) -> u8 {
        let date = if self.kind == TemporalKind::Time { 0 } else { 8 };
        match self.precision {
            Precision::Year => 4,
            Precision::Month => 6,
            Precision::Day => 8,
            Precision::Hour => date + 2,
            Precision::Minute => date + 4,
            Precision::Second => date + 6 + self.fraction_digits,
        }
    }

    /// The least or greatest value that this value may stand for, with `digits` digits.
    pub fn boundary(self, high: bool, digits: u8) -> Option<Self> {
        let date = if self.kind == TemporalKind::Time { 0 } else { 8 };
        let precision = match digits.checked_sub(date) {
            None if digits == 4 => Precision::Year,
            None if digits == 6 => Precision::Month,
            Some(0) if date == 8 => Precision::Day,
            Some(2) => Precision::Hour,
            Some(4) => Precision::Minute,
            Some(6 | 9) => Precision::Second,
            _ => return None,
        };
        if self.kind == TemporalKind::Date && digits > date {
            return None;
        }
        let mut value = if high { self.last_millisecond() } else { self };
        value.fraction_digits = if digits == date + 9 { 3 } else { 0 };
        value.precision = precision;
        if precision < Precision::Hour {
            value.offset = None;
        } else if self.kind == TemporalKind::DateTime {
            value.offset = value.offset.or(Some(if high { -12 * 60 } else { 14 * 60 }));
        }
        Some(value)
    }

    fn last_millisecond(self) -> Self {
        let (year, month, _) = self.civil();
        let mut value = self;
        value.days = match self.precision {
            Precision::Year => i32::try_from(days_from_civil(year, 12, 31)).unwrap_or(self.days),
            Precision::Month => {
                i32::try_from(days_from_civil(year, month, days_in_month(year, month))).unwrap_or(self.days)
            }
            _ => self.days,
        };
        value.nanos = match self.precision {
            Precision::Hour => self.nanos + 60 * NANOS_PER_MINUTE - 1_000_000,
            Precision::Minute => self.nanos + NANOS_PER_MINUTE - 1_000_000,
            Precision::Second if self.fraction_digits == 0 => self.nanos + NANOS_PER_SECOND - 1_000_000,
            Precision::Second => self.nanos,
            _ => NANOS_PER_DAY - 1_000_000,
        };
        value
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        if self.kind != TemporalKind::Time {
            write!(f, "{year:04}")?;
            if self.precision >= Precision::Month {
                write!(f, "-{month:02}")?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{day:02}")?;
            }
            if self.precision >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        let (hour, minute, second, nanos) = self.clock();
        if self.precision >= Precision::Hour {
            write!(f, "{hour:02}")?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{minute:02}")?;
        }
        if self.precision == Precision::Second {
            write!(f, ":{second:02}")?;
            if self.fraction_digits > 0 {
                let fraction = format!("{nanos:09}");
                write!(f, ".{}", &fraction[..usize::from(self.fraction_digits)])?;
            }
        }
        match self.offset {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date_time(text: &str) -> Temporal {
        Temporal::parse(TemporalKind::DateTime, text).expect(text)
    }

    #[test]
    fn reads_partial_values_and_refuses_days_that_do_not_exist() {
        assert_eq!(date_time("2024").precision, Precision::Year);
        assert_eq!(date_time("2024-02-29T10:30").precision, Precision::Minute);
        let is_none = |kind, text| Temporal::parse(kind, text).is_none();
        assert!(is_none(TemporalKind::Date, "2023-02-29") && is_none(TemporalKind::Date, "2023-13"));
        assert!(is_none(TemporalKind::Time, "10:30:00Z") && is_none(TemporalKind::DateTime, "2024-01-01T25:00"));
    }

    #[test]
    fn orders_by_precision_and_offset() {
        let cases = [
            ("2018-03", "2018-03-01", None),
            ("2018-03-01T10:30:00", "2018-03-01T10:30:00.0", Some(Ordering::Equal)),
            ("2012-04-15T15:00:00+02:00", "2012-04-15T16:00:00+03:00", Some(Ordering::Equal)),
            ("2012-04-15T15:00:00Z", "2012-04-15T10:00:00", None),
            ("2012-04-15T15:00:00Z", "2012-05-15T10:00:00", Some(Ordering::Less)),
            ("2012", "2013-04", Some(Ordering::Less)),
            ("2017-11-05T01:30:00.0-04:00", "2017-11-05T01:15:00.0-05:00", Some(Ordering::Less)),
        ];
        for (left, right, expected) in cases {
            assert_eq!(date_time(left).order(date_time(right)), expected, "{left} ? {right}");
        }
    }

    #[test]
    fn adding_months_cuts_the_day() {
        let moved = |text, months| date_time(text).plus_months(months).map(|t| t.to_string());
        assert_eq!(moved("2024-01-31", 1).as_deref(), Some("2024-02-29"));
        assert_eq!(moved("2024-02-29", -12).as_deref(), Some("2023-02-28"));
        assert!(date_time("9999-12-31").plus_months(1).is_none());
    }

    proptest! {
        #[test]
        fn written_form_reads_back(year in 1i64..=9999, month in 1u32..=12, day in 1u32..=28, seconds in 0i64..86_400,
                                   offset in proptest::option::of(-14i64 * 60..=14 * 60)) {
            let mut text = format!("{year:04}-{month:02}-{day:02}T");
            text += &format!("{:02}:{:02}:{:02}.250", seconds / 3600, seconds / 60 % 60, seconds % 60);
            if let Some(offset) = offset.filter(|o| *o != 0) {
                let sign = if offset < 0 { '-' } else { '+' };
                text += &format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
            }
            prop_assert_eq!(date_time(&text).to_string(), text);
        }

        #[test]
        fn order_is_antisymmetric(a in 0i64..4_000_000_000, b in 0i64..4_000_000_000) {
            let (a, b) = (Temporal::now(Timestamp(a * 1_000_000)), Temporal::now(Timestamp(b * 1_000_000)));
            prop_assert_eq!(a.order(b), b.order(a).map(Ordering::reverse));
        }

        #[test]
        fn adding_and_taking_away_time_is_nothing(at in 0i64..4_000_000_000, nanos in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
            let start = Temporal::now(Timestamp(at * 1_000_000));
            let there = start.plus_nanos(i128::from(nanos)).expect("in range");
            prop_assert_eq!(there.plus_nanos(-i128::from(nanos)), Some(start));
        }
    }
}
