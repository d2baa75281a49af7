//! Dates of HTTP headers (RFC 9110, 5.6.7) and of the parameters `_since` and `ifModifiedSince`.

use crate::base::clock::{Timestamp, civil_from_days, days_from_civil};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Last-Modified`: `Sat, 21 Nov 2026 08:10:00 GMT`. The form has room for the years 0 to 9999.
///
/// Written by hand: every read has one, and `format!` takes ten times as long.
pub fn http_date(at: Timestamp) -> [u8; 29] {
    let seconds = at.0.div_euclid(1_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
    let (year, month, day) = civil_from_days(days);
    let year = year.clamp(0, 9999) as u32;
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[days.rem_euclid(7) as usize].as_bytes());
    text[8..11].copy_from_slice(MONTHS[month as usize - 1].as_bytes());
    let numbers = [day, year / 100, year % 100, rest / 3600, rest / 60 % 60, rest % 60];
    for (at, number) in [5, 12, 14, 17, 20, 23].into_iter().zip(numbers) {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    }
    text
}

/// Reads the form that [`http_date`] writes; the obsolete forms are not read (a date that is not understood
/// makes the request unconditional, RFC 9110, 13.1.3).
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let rest = text.trim().split_once(", ")?.1.strip_suffix(" GMT")?;
    let mut parts = rest.split(' ');
    let day = number(parts.next()?, 2)?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year = number(parts.next()?, 4)?;
    let seconds = time_of_day(parts.next()?)?;
    if parts.next().is_some() {
        return None;
    }
    Some(Timestamp(date(year, month, day)? * 86_400_000_000 + seconds))
}

/// Reads a FHIR `instant` or the beginning of one (a date counts from its midnight in UTC). A space before the
/// offset is what is left of a `+` that was not percent-encoded.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |text| number(text, 2))?;
    let day = parts.next().map_or(Some(1), |text| number(text, 2))?;
    if parts.next().is_some() {
        return None;
    }
    let midnight = date(year, month, day)? * 86_400_000_000;
    let Some(time) = time else { return Some(Timestamp(midnight)) };
    let zone = time.find(['Z', '+', '-', ' '])?;
    let (clock, zone) = time.split_at(zone);
    Some(Timestamp(midnight + time_of_day(clock)? - offset(zone)?))
}

fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

/// Microseconds since midnight of `hh:mm`, `hh:mm:ss` or `hh:mm:ss.f…`.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2)?;
    let seconds = parts.next().map_or(Some(0), |text| number(text, 2))?;
    let fits = hours < 24 && minutes < 60 && seconds <= 60 && parts.next().is_none();
    if !fits || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{:0<6.6}", fraction).parse().ok()?;
    Some((hours * 3600 + minutes * 60 + seconds) * 1_000_000 + micros)
}

fn date(year: i64, month: i64, day: i64) -> Option<i64> {
    let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let good = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_instants_and_refuses_the_rest() {
        let at = |text| parse_instant(text).map(|at: Timestamp| at.to_string());
        for text in ["2024-02-29T12:34:56.789Z", "2024-02-29T14:34:56.789+02:00", "2024-02-29T14:34:56.789 02:00"] {
            assert_eq!(at(text).as_deref(), Some("2024-02-29T12:34:56.789Z"), "{text}");
        }
        assert_eq!(at("2024-03").as_deref(), Some("2024-03-01T00:00:00.000Z"));
        assert_eq!(at("2024-03-01T10:20-01:00").as_deref(), Some("2024-03-01T11:20:00.000Z"));
        for text in ["", "2023-02-29", "2024-13", "2024-01-01T", "2024-01-01T25:00Z", "24-01-01", "2024-01-01T10:00"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn writes_the_date_of_the_rfc() {
        assert_eq!(&http_date(Timestamp(784_111_777_000_000)), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&http_date(Timestamp(i64::MAX)), b"Sun, 10 Jan 9999 04:00:54 GMT");
    }

    proptest! {
        #[test]
        fn dates_are_read_as_they_were_written(seconds in -60_000_000_000_i64..200_000_000_000) {
            let at = Timestamp(seconds * 1_000_000);
            prop_assert_eq!(std::str::from_utf8(&http_date(at)).ok().and_then(parse_http_date), Some(at));
            prop_assert_eq!(parse_instant(&at.to_string()), Some(at));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}") {
            let _ = parse_instant(&text);
            let _ = parse_http_date(&text);
        }
    }
}
