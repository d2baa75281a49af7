//! A person: who she is, which illnesses she carries, and how her body changes over the years.

use crate::cli::generate::names::{FAMILIES, MEN, TOWNS, WOMEN};
use crate::cli::generate::random::{Random, Uuid};
use crate::cli::generate::when::{Day, YEAR};

/// A person and the course of her health.
#[derive(Debug, Clone)]
pub struct Person {
    /// The UUID of her Patient within its Bundle.
    pub uuid: Uuid,
    /// Her medical record number.
    pub record: String,
    /// Whether she is a woman or girl.
    pub is_woman: bool,
    /// Given names, one to three.
    pub given: Vec<&'static str>,
    /// The family name.
    pub family: &'static str,
    /// The family name before a marriage.
    pub maiden: Option<&'static str>,
    /// `Zoë Müller`.
    pub display: String,
    /// The day of birth.
    pub born: Day,
    /// The day of death.
    pub died: Option<Day>,
    /// The first day of her record here.
    pub since: Day,
    /// Where she lives: an index of [`TOWNS`].
    pub town: usize,
    /// The long illnesses, by their index in `illness::CHRONIC`, each with the day it began.
    pub chronic: Vec<(usize, Day)>,
    body: Body,
}

#[derive(Debug, Clone)]
struct Body {
    /// Height of the adult in cm.
    height: f64,
    /// Body mass index when the record begins.
    bmi: f64,
    /// Its change in a year.
    drift: f64,
    systolic: f64,
    cholesterol: f64,
    a1c: f64,
    /// 0 = never, 1 = former, 2 = current smoker.
    smoking: usize,
}

/// Indexes of `illness::CHRONIC` that change what is measured.
pub mod illness_index {
    /// Essential hypertension.
    pub const HYPERTENSION: usize = 0;
    /// Diabetes mellitus type 2.
    pub const DIABETES: usize = 1;
    /// Hyperlipidemia.
    pub const LIPIDS: usize = 2;
    /// Chronic kidney disease.
    pub const KIDNEY: usize = 3;
    /// Chronic heart failure.
    pub const HEART: usize = 4;
}

/// Chance in percent to ever have an illness, and the ages between which it begins.
const ONSETS: &[(usize, f64, f64)] = &[
    (38, 32.0, 75.0),
    (16, 30.0, 72.0),
    (32, 30.0, 70.0),
    (9, 50.0, 85.0),
    (7, 55.0, 88.0),
    (10, 4.0, 40.0),
    (6, 45.0, 75.0),
    (8, 25.0, 65.0),
    (14, 18.0, 60.0),
    (20, 48.0, 80.0),
];

impl Person {
    /// Person `number`; her record begins at most twelve years before `today`.
    pub fn new(random: &mut Random, number: u64, today: Day) -> Self {
        let uuid = random.uuid();
        let is_woman = random.chance(52);
        let pool = if is_woman { WOMEN } else { MEN };
        let given: Vec<_> = (0..1 + random.below(5) / 3 + random.below(8) / 7).map(|_| *random.pick(pool)).collect();
        let family = *random.pick(FAMILIES);
        let age = age(random);
        let born = today.plus(-((age * YEAR) as i64));
        let died = (age > 60.0 && random.unit() < (age - 58.0) / 160.0).then(|| today.plus(-random.between(20, 1100)));
        let end = died.unwrap_or(today);
        let since = end.plus(-random.between(400, 12 * 365)).max(born);
        let maiden = (is_woman && age > 25.0 && random.chance(30)).then(|| *random.pick(FAMILIES));
        let chronic = chronic(random, born, end);
        Self {
            uuid,
            record: format!("M{number:08}"),
            display: format!("{} {family}", given[0]),
            is_woman,
            given,
            family,
            maiden,
            born,
            died,
            since,
            town: random.below(TOWNS.len()),
            chronic,
            body: Body::new(random, is_woman),
        }
    }

    /// The last day of the record.
    pub fn until(&self, today: Day) -> Day {
        self.died.unwrap_or(today)
    }

    /// Age in years.
    pub fn age(&self, day: Day) -> f64 {
        day.years_since(self.born)
    }

    /// Since when she has the illness, if she has it on this day.
    pub fn has(&self, illness: usize, day: Day) -> Option<Day> {
        self.chronic.iter().find(|(index, onset)| *index == illness && *onset <= day).map(|(_, onset)| *onset)
    }

    /// Whether she smokes: 0 = never, 1 = formerly, 2 = now.
    pub fn smoking(&self) -> usize {
        self.body.smoking
    }

    /// Height in cm.
    pub fn height(&self, day: Day) -> f64 {
        let age = self.age(day);
        // A smooth curve through 50 cm at birth, 76 at one, 110 at five, and the adult's height at eighteen.
        let grown = match age {
            a if a < 1.0 => 50.0 + 26.0 * a,
            a if a < 5.0 => 76.0 + 8.5 * (a - 1.0),
            a if a < 18.0 => 110.0 + (self.body.height - 110.0) * (a - 5.0) / 13.0,
            _ => self.body.height,
        };
        grown - (age - 60.0).max(0.0) * 0.07
    }

    /// Body mass index in kg/m2.
    pub fn bmi(&self, day: Day) -> f64 {
        let age = self.age(day);
        let adult = self.body.bmi + self.body.drift * day.years_since(self.since);
        match age {
            a if a < 2.0 => 16.8,
            a if a < 18.0 => 15.5 + (adult - 15.5) * (a - 2.0) / 22.0,
            _ => adult.clamp(16.5, 48.0),
        }
    }

    /// Weight in kg.
    pub fn weight(&self, day: Day) -> f64 {
        let metres = self.height(day) / 100.0;
        self.bmi(day) * metres * metres
    }

    /// Systolic blood pressure in mm[Hg]: rises with age and hypertension, falls in the years of treatment.
    pub fn systolic(&self, day: Day) -> f64 {
        let age = self.age(day);
        let base = if age < 18.0 { 88.0 + age * 1.6 } else { self.body.systolic + (age - 18.0) * 0.25 };
        match self.has(illness_index::HYPERTENSION, day) {
            Some(onset) => base + 30.0 - (day.years_since(onset) * 5.0).min(18.0),
            None => base,
        }
    }

    /// Hemoglobin A1c in percent: high when diabetes is found, better while treated, creeping up later.
    pub fn a1c(&self, day: Day) -> f64 {
        match self.has(illness_index::DIABETES, day) {
            Some(onset) => {
                let years = day.years_since(onset);
                self.body.a1c + 3.4 - (years * 0.9).min(2.2) + years * 0.06
            }
            None => self.body.a1c + (self.bmi(day) - 22.0).max(0.0) * 0.02,
        }
    }

    /// Total cholesterol in mg/dL.
    pub fn cholesterol(&self, day: Day) -> f64 {
        match self.has(illness_index::LIPIDS, day) {
            Some(onset) => self.body.cholesterol + 62.0 - (day.years_since(onset) * 20.0).min(50.0),
            None => self.body.cholesterol,
        }
    }

    /// Creatinine in mg/dL.
    pub fn creatinine(&self, day: Day) -> f64 {
        let base = if self.is_woman { 0.74 } else { 0.92 };
        base + self.has(illness_index::KIDNEY, day).map_or(0.0, |onset| 0.7 + day.years_since(onset) * 0.06)
    }
}

/// Ages as a hospital sees them: all of them, with more of the old.
fn age(random: &mut Random) -> f64 {
    let (low, high) = match random.below(100) {
        0..=3 => (0.05, 1.0),
        4..=17 => (1.0, 18.0),
        18..=45 => (18.0, 45.0),
        46..=75 => (45.0, 70.0),
        _ => (70.0, 97.0),
    };
    low + random.unit() * (high - low)
}

fn chronic(random: &mut Random, born: Day, end: Day) -> Vec<(usize, Day)> {
    let mut found = Vec::new();
    for (index, (percent, low, high)) in ONSETS.iter().enumerate() {
        let onset = born.plus(((low + random.unit() * (high - low)) * YEAR) as i64);
        if random.chance(*percent) && onset < end {
            found.push((index, onset));
        }
    }
    found
}

impl Body {
    fn new(random: &mut Random, is_woman: bool) -> Self {
        Self {
            height: random.normal(if is_woman { 163.0 } else { 176.5 }, 6.5),
            bmi: random.normal(25.5, 3.6),
            drift: random.normal(0.12, 0.25),
            systolic: random.normal(114.0, 6.0),
            cholesterol: random.normal(182.0, 20.0),
            a1c: random.normal(5.2, 0.2),
            smoking: [0, 0, 0, 1, 2][random.below(5)],
        }
    }
}
