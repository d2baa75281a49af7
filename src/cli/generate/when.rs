//! Days and moments of the generated years.

use std::fmt;

use crate::base::clock::{civil_from_days, days_from_civil};

/// A day: the number of days since 1970-01-01; shown as `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

/// Days in a year, for ages and rates.
pub const YEAR: f64 = 365.25;

impl Day {
    /// The day of a date of the calendar.
    pub fn of(year: i64, month: u32, day: u32) -> Self {
        Self(days_from_civil(year, month, day))
    }

    /// The day `days` later.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// Years from `earlier` to this day, with fraction.
    pub fn years_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / YEAR
    }

    /// Year, month and day of the month.
    pub fn civil(self) -> (i64, u32, u32) {
        civil_from_days(self.0)
    }

    /// 0 = Monday ... 6 = Sunday.
    pub fn weekday(self) -> i64 {
        (self.0 + 3).rem_euclid(7)
    }

    /// This day, or the Monday after it if it lies on a weekend.
    #[must_use]
    pub fn working(self) -> Self {
        match self.weekday() {
            5 => self.plus(2),
            6 => self.plus(1),
            _ => self,
        }
    }

    /// The moment of this day at `minute` after midnight in `zone`.
    pub fn at(self, minute: i64, zone: Zone) -> Moment {
        let local = self.0 * 86_400 + minute * 60;
        Moment { local, offset: zone.offset(self), seconds: Seconds::Whole }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A time zone: minutes from UTC in winter, and whether clocks are moved in summer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Minutes east of UTC in winter.
    pub minutes: i64,
    /// Whether an hour is added from April to October.
    pub summer: bool,
}

impl Zone {
    /// Where the hospital stands.
    pub const HOME: Self = Self { minutes: -300, summer: true };
    /// What laboratory machines use.
    pub const UTC: Self = Self { minutes: 0, summer: false };
    /// Where people travel: patients measure at home and abroad.
    pub const ABROAD: &[Self] = &[
        Self { minutes: 330, summer: false },
        Self { minutes: 60, summer: true },
        Self { minutes: -210, summer: false },
        Self { minutes: 540, summer: false },
        Self { minutes: -480, summer: true },
        Self { minutes: 765, summer: false },
    ];

    fn offset(self, day: Day) -> i64 {
        let summer = self.summer && (4..=10).contains(&day.civil().1);
        self.minutes + if summer { 60 } else { 0 }
    }
}

/// How exactly the seconds are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seconds {
    Whole,
    Millis(i64),
}

/// A local time with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    local: i64,
    offset: i64,
    seconds: Seconds,
}

impl Moment {
    /// `seconds` later in the same zone.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self { local: self.local + seconds, ..self }
    }

    /// The same instant in UTC, with milliseconds, as machines write it.
    #[must_use]
    pub fn in_utc(self, millis: i64) -> Self {
        Self { local: self.local - self.offset * 60, offset: 0, seconds: Seconds::Millis(millis) }
    }

    /// The same instant in another zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        let utc = self.local - self.offset * 60;
        let offset = zone.offset(Day(utc.div_euclid(86_400)));
        Self { local: utc + offset * 60, offset, ..self }
    }

    /// The day in its own zone.
    pub fn day(self) -> Day {
        Day(self.local.div_euclid(86_400))
    }

    /// Appends `2026-11-21T08:15:00-05:00`.
    pub fn write(self, out: &mut Vec<u8>) {
        let (year, month, day) = self.day().civil();
        let second = self.local.rem_euclid(86_400);
        let two = |out: &mut Vec<u8>, lead: u8, value: i64| {
            out.extend_from_slice(&[lead, b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
        };
        let thousands = [b'0' + (year / 1000 % 10) as u8, b'0' + (year / 100 % 10) as u8];
        out.extend_from_slice(&thousands);
        out.extend_from_slice(&[b'0' + (year / 10 % 10) as u8, b'0' + (year % 10) as u8]);
        two(out, b'-', i64::from(month));
        two(out, b'-', i64::from(day));
        two(out, b'T', second / 3600);
        two(out, b':', second / 60 % 60);
        two(out, b':', second % 60);
        if let Seconds::Millis(millis) = self.seconds {
            out.extend_from_slice(&[b'.', b'0' + (millis / 100 % 10) as u8]);
            out.extend_from_slice(&[b'0' + (millis / 10 % 10) as u8, b'0' + (millis % 10) as u8]);
        }
        if self.offset == 0 {
            out.push(b'Z');
            return;
        }
        two(out, if self.offset < 0 { b'-' } else { b'+' }, self.offset.abs() / 60);
        two(out, b':', self.offset.abs() % 60);
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(32);
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_know_their_zone_and_summer() {
        assert_eq!(Day::of(2026, 1, 5).at(495, Zone::HOME).to_string(), "2026-01-05T08:15:00-05:00");
        let summer = Day::of(2026, 7, 5).at(495, Zone::HOME);
        assert_eq!(summer.to_string(), "2026-07-05T08:15:00-04:00");
        assert_eq!(summer.in_utc(7).to_string(), "2026-07-05T12:15:00.007Z");
        assert_eq!(summer.in_zone(Zone::ABROAD[0]).to_string(), "2026-07-05T17:45:00+05:30");
    }

    #[test]
    fn working_days_are_not_on_weekends() {
        assert_eq!(Day::of(2026, 11, 21).weekday(), 5);
        assert_eq!(Day::of(2026, 11, 21).working(), Day::of(2026, 11, 23));
        assert_eq!(Day::of(2026, 11, 20).working(), Day::of(2026, 11, 20));
    }
}
