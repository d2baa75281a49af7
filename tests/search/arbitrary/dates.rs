//! Dates of every precision, in every zone, near one another.

use super::random::Random;

/// How exactly a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-02`
    Month,
    /// `2024-02-29`
    Day,
    /// `2024-02-29T10:30Z`, in searches only.
    Minute,
    /// With seconds, perhaps with a fraction, and a zone.
    Second,
}

/// Mostly one year; else the years at which calendars and clocks have their edges.
const YEARS: [i64; 12] = [2023, 2025, 2000, 1900, 1970, 1969, 1968, 1, 1582, 2100, 9998, 9999];
const CLOCKS: [&str; 9] =
    ["00:00:00", "00:00:01", "10:00:00", "10:00:30", "11:59:59", "12:00:00", "23:30:00", "23:59:59", "23:59:60"];
const FRACTIONS: [&str; 12] =
    ["", "", "", ".0", ".5", ".25", ".000", ".999", ".123456", ".999999", ".9999999", ".123456789012"];
const ZONES: [&str; 14] = [
    "Z", "Z", "Z", "+00:00", "-00:00", "+14:00", "-12:00", "-14:00", "+05:45", "-03:30", "+01:00", "-01:00", "+13:59",
    "-00:01",
];

/// The days of a month.
pub fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

/// A date with a precision.
pub fn date(random: &mut Random, precision: Precision) -> String {
    let year = if random.chance(75) { 2024 } else { *random.pick(&YEARS) };
    let month = *random.pick(&[1, 2, 2, 2, 3, 6, 12, 12]);
    let last = days_of(year, month);
    let day = *random.pick(&[1, 1, 2, 15, 28, last - 1, last, last]);
    match precision {
        Precision::Year => format!("{year:04}"),
        Precision::Month => format!("{year:04}-{month:02}"),
        Precision::Day => format!("{year:04}-{month:02}-{day:02}"),
        Precision::Minute => {
            let clock = random.pick(&CLOCKS);
            format!("{year:04}-{month:02}-{day:02}T{}{}", &clock[..5], random.pick(&ZONES))
        }
        Precision::Second => {
            let (clock, fraction, zone) = (random.pick(&CLOCKS), random.pick(&FRACTIONS), random.pick(&ZONES));
            format!("{year:04}-{month:02}-{day:02}T{clock}{fraction}{zone}")
        }
    }
}

/// A value of the type `date`, `dateTime` or `instant`.
pub fn value(random: &mut Random, kind: &str) -> String {
    const DAYS: [Precision; 3] = [Precision::Year, Precision::Month, Precision::Day];
    let precision = match kind {
        "date" => *random.pick(&DAYS),
        "instant" => Precision::Second,
        _ if random.chance(45) => *random.pick(&DAYS),
        _ => Precision::Second,
    };
    date(random, precision)
}

/// A date of a search: any precision.
pub fn asked(random: &mut Random) -> String {
    let precision =
        [Precision::Year, Precision::Month, Precision::Day, Precision::Minute, Precision::Second, Precision::Second];
    let precision = *random.pick(&precision);
    date(random, precision)
}

/// A date near another: less exactly written, in another zone, of a neighbouring second, day, month or year.
pub fn near(random: &mut Random, text: &str) -> String {
    let cut = |length: usize| text.get(..length).unwrap_or(text).to_owned();
    match random.below(6) {
        0 => cut(4),
        1 => cut(7),
        2 => cut(10),
        3 if text.len() > 16 => format!("{}{}", cut(16), zone_of(text)),
        // another zone: another time, or the same when both are UTC
        4 if text.len() > 10 => format!("{}{}", &text[..text.len() - zone_of(text).len()], random.pick(&ZONES)),
        _ => neighbour(random, text),
    }
}

/// The zone with which a text ends.
fn zone_of(text: &str) -> &str {
    let clock = text.find('T').unwrap_or(text.len());
    text[clock..].find(['Z', '+', '-']).map_or("", |at| &text[clock + at..])
}

/// One more or one less of a year, month, day or second, as it is written.
fn neighbour(random: &mut Random, text: &str) -> String {
    let up = random.chance(50);
    let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i64>().ok());
    let (year, month, day) = (number(0, 4).unwrap_or(2024), number(5, 7), number(8, 10));
    let by = if up { 1 } else { -1 };
    match (month, day) {
        (Some(month), Some(day)) if text.get(16..17) == Some(":") && random.chance(60) => {
            let second = number(17, 19).unwrap_or(0);
            let second = (second + by).clamp(0, 60);
            format!("{year:04}-{month:02}-{day:02}{}{second:02}{}", &text[10..17], &text[19..])
        }
        (Some(month), Some(day)) => {
            let day = (day + by).clamp(1, days_of(year, month));
            format!("{year:04}-{month:02}-{day:02}{}", &text[10..])
        }
        (Some(month), None) => format!("{year:04}-{:02}", (month + by).clamp(1, 12)),
        _ => format!("{:04}", (year + by).clamp(1, 9999)),
    }
}

#[test]
fn dates_are_dates_and_have_neighbours() {
    use super::super::time::Range;
    let mut random = Random::new(7);
    let mut zones = std::collections::BTreeSet::new();
    for _ in 0..3000 {
        let text = asked(&mut random);
        let close = near(&mut random, &text);
        assert!(Range::parse(&text).is_some() && Range::parse(&close).is_some(), "{text}, {close}");
        zones.insert(zone_of(&text).to_owned());
    }
    assert!(zones.contains("+14:00") && zones.contains("-12:00") && zones.contains(""), "{zones:?}");
}
