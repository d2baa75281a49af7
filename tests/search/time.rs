//! Ranges of dates: `[start, end)` in microseconds since 1970, from the precision as written; UTC where no zone is.

/// A range of time; open ends are the extremes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first microsecond.
    pub start: i64,
    /// The first microsecond after it.
    pub end: i64,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// The days of a month.
fn length(year: i64, month: i64) -> i64 {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][usize::try_from(month).unwrap() - 1]
}

/// Days from 1970-01-01, by counting years and months (slow, plain, and not the product's formula).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let of_year = |y: i64| if is_leap(y) { 366 } else { 365 };
    let years: i64 =
        if year >= 1970 { (1970..year).map(of_year).sum() } else { -(year..1970).map(of_year).sum::<i64>() };
    years + (1..month).map(|month| length(year, month)).sum::<i64>() + day - 1
}

impl Range {
    /// Reads a FHIR date, dateTime or instant; also with minutes only, as a search may have it.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
        if !matches!(date.len(), 4 | 7 | 10) {
            return None;
        }
        let is_whole = date.split('-').enumerate().all(|(n, part)| part.len() == if n == 0 { 4 } else { 2 });
        let parts: Vec<i64> = date.split('-').map(|p| p.parse().ok()).collect::<Option<_>>().filter(|_| is_whole)?;
        let day_of = |y, m, d| days(y, m, d) * DAY;
        let (month, day) = (parts.get(1).copied().unwrap_or(1), parts.get(2).copied().unwrap_or(1));
        if !(1..=9999).contains(&parts[0])
            || !(1..=12).contains(&month)
            || !(1..=length(parts[0], month)).contains(&day)
        {
            return None;
        }
        match (parts.as_slice(), time) {
            ([y], None) => Some(Self { start: day_of(*y, 1, 1), end: day_of(*y + 1, 1, 1) }),
            ([y, 12], None) => Some(Self { start: day_of(*y, 12, 1), end: day_of(*y + 1, 1, 1) }),
            ([y, m], None) => Some(Self { start: day_of(*y, *m, 1), end: day_of(*y, *m + 1, 1) }),
            ([y, m, d], None) => Some(Self { start: day_of(*y, *m, *d), end: day_of(*y, *m, *d) + DAY }),
            ([y, m, d], Some(time)) => Self::time(day_of(*y, *m, *d), time),
            _ => None,
        }
    }

    fn time(midnight: i64, text: &str) -> Option<Self> {
        let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
        let (clock, zone) = text.split_at(zone_at);
        let shift = match zone {
            "" | "Z" => 0,
            _ => {
                let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
                if zone.starts_with('-') { -minutes } else { minutes }
            }
        };
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let parts: Vec<i64> = whole.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
        let (hour, minute, second) = (*parts.first()?, *parts.get(1)?, parts.get(2).copied().unwrap_or(0));
        // the second 60 is one that was put in between, and the first of the next minute
        if hour > 23 || minute > 59 || second > 60 || shift.abs() > 14 * 60 {
            return None;
        }
        let seconds = hour * 3600 + minute * 60 + second;
        let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
        let start = midnight + (seconds - shift * 60) * SECOND + digits.parse::<i64>().ok()?;
        let length = match (parts.len(), fraction.len()) {
            (2, _) => 60 * SECOND,
            (_, 0) => SECOND,
            (_, n) => 10_i64.pow(6 - u32::try_from(n.min(6)).ok()?),
        };
        Some(Self { start, end: start + length })
    }

    /// From the start of one to the end of the other; what is missing is open.
    pub fn period(start: Option<Self>, end: Option<Self>) -> Self {
        Self { start: start.map_or(i64::MIN, |r| r.start), end: end.map_or(i64::MAX, |r| r.end) }
    }

    /// The comparison of a prefix, `self` being the range searched for and `value` the one in the resource
    /// (FHIR R4 `search.html`, 3.1.1.4.5 and 3.1.1.4.7). `now` is for `ap`.
    pub fn compare(self, prefix: &str, value: Self, now: i64) -> bool {
        let within = self.start <= value.start && value.end <= self.end;
        match prefix {
            "" | "eq" => within,
            "ne" => !within,
            "gt" => value.end > self.end,
            "lt" => value.start < self.start,
            "ge" => value.end > self.end || within,
            "le" => value.start < self.start || within,
            "sa" => value.start >= self.end,
            "eb" => value.end <= self.start,
            "ap" => self.widened((now - self.start).abs() / 10).overlaps(value),
            _ => panic!("prefix {prefix}"),
        }
    }

    /// Whether the answer for `ap` depends on how the tenth is taken: of the gap to the start or to the end of what is
    /// searched for, none when now lies within, and of the `now` of the test or of the server.
    pub fn is_open_question(self, value: Self, now: i64) -> bool {
        let (to_start, to_end) = ((now - self.start).abs(), (now - self.end).abs());
        let is_within = self.start <= now && now <= self.end;
        let least = if is_within { 0 } else { to_start.min(to_end) / 100 * 8 };
        let most = to_start.max(to_end) / 100 * 12;
        self.widened(least).overlaps(value) != self.widened(most).overlaps(value)
    }

    fn widened(self, by: i64) -> Self {
        Self { start: self.start - by, end: self.end + by }
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

#[test]
fn ranges_follow_the_precision() {
    let range = |text: &str| Range::parse(text).unwrap();
    assert_eq!(range("1970-01-01"), Range { start: 0, end: DAY });
    assert_eq!(range("2024-02").end - range("2024-02").start, 29 * DAY);
    assert_eq!(range("1969").start, -365 * DAY);
    assert_eq!(range("1970-01-01T02:00:00+02:00"), Range { start: 0, end: SECOND });
    assert_eq!(range("1970-01-01T00:00:00.25-00:01").start, 60_250_000);
    assert_eq!(range("1970-01-01T00:01Z"), Range { start: 60 * SECOND, end: 120 * SECOND });
    assert_eq!(range("1969-12-31T23:59:60Z").start, 0);
    assert_eq!(range("1970-01-01T00:00:00+14:00").start, -14 * 3600 * SECOND);
    for text in
        ["2023-02-29", "1900-02-29", "2024-13", "2024-1-1", "0000", "2024-01-01T24:00:00Z", "2024-01-01T10:00:00+15:00"]
    {
        assert!(Range::parse(text).is_none(), "{text}");
    }
}

#[test]
fn prefixes_follow_the_ranges() {
    let (year, day) = (Range::parse("2020").unwrap(), Range::parse("2020-06-01").unwrap());
    let holds = |prefix: &str, search: Range, value: Range| search.compare(prefix, value, 0);
    assert!(holds("eq", year, day) && !holds("eq", day, year) && holds("ne", day, year));
    assert!(holds("gt", day, year) && holds("lt", day, year) && !holds("gt", year, day));
    assert!(!holds("sa", day, year) && holds("sa", day, Range::parse("2020-06-02").unwrap()));
}

#[test]
fn a_year_that_is_nearly_now_is_open_up_to_its_start() {
    let range = |text: &str| Range::parse(text).unwrap();
    let now = range("2026-11-26").start;
    let (year, day) = (range("2024"), |text| range(text));
    // A tenth of the gap to its end is 69 days, of that to its start 106.
    assert!(year.is_open_question(day("2025-03-20"), now) && !year.is_open_question(day("2025-02-01"), now));
    assert!(!year.is_open_question(day("2025-06-01"), now) && !year.compare("ap", day("2025-06-01"), now));
    assert!(range("2026").is_open_question(day("2027-01-10"), now));
}
