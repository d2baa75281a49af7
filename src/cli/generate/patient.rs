//! One patient's Bundle: the Patient, her circle, and her years of visits.

use crate::cli::generate::care;
use crate::cli::generate::chart::Chart;
use crate::cli::generate::code::{hl7, system};
use crate::cli::generate::directory::{DEPARTMENTS, Directory, EMERGENCY, GENERAL_PRACTICE, PEDIATRICS};
use crate::cli::generate::hospital::{address, ascii, geolocation, telecom};
use crate::cli::generate::illness::{ACUTE, CHRONIC};
use crate::cli::generate::names::STREETS;
use crate::cli::generate::out::{Bundle, Out};
use crate::cli::generate::person::Person;
use crate::cli::generate::random::Random;
use crate::cli::generate::visit::{self, Reason, Visit};
use crate::cli::generate::when::{Day, Zone};
use crate::cli::generate::{booking, laboratory, papers};

/// How long a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Years of visits: some 250 resources.
    #[default]
    Years,
    /// One visit: ten resources, for stores with very many patients.
    Visit,
}

/// The Bundle of patient `number`.
pub fn bundle(seed: u64, number: u64, today: Day, depth: Depth, directory: &Directory) -> Bundle {
    let mut random = Random::new(seed, 4, number);
    let mut person = Person::new(&mut random, number, today);
    if depth == Depth::Visit {
        person.died = None;
    }
    let department = if person.age(today) < 16.0 { PEDIATRICS } else { GENERAL_PRACTICE };
    let physician = directory.physician(department, random.below(8));
    let mut chart = Chart { bundle: Bundle::new(), random, person, today, directory, physician };
    chart.patient();
    match depth {
        Depth::Visit => chart.single_visit(),
        Depth::Years => chart.years(number),
    }
    chart.bundle
}

/// Why somebody comes on a day.
#[derive(Debug, Clone, Copy)]
enum Occasion {
    Checkup,
    FollowUp(usize),
    Illness(usize),
}

impl Chart<'_> {
    fn single_visit(&mut self) {
        let day = self.today.plus(-self.random.between(1, 700)).working();
        let visit = visit::encounter(self, day, GENERAL_PRACTICE, Reason::Checkup);
        visit::basic_vitals(self, &visit);
        visit::smoking(self, &visit);
        laboratory::glucose(self, &visit);
        let index = self.random.below(CHRONIC.len());
        let condition = care::chronic(self, &visit, index, day);
        care::prescription(self, &visit, &CHRONIC[0], condition);
    }

    fn years(&mut self, number: u64) {
        papers::coverage(self);
        papers::relative(self);
        care::allergies(self);
        papers::care_team(self);
        papers::family_history(self);
        for (day, occasion) in self.occasions() {
            self.visit(day, occasion);
        }
        care::devices(self);
        if self.person.died.is_none() {
            let patient = (self.person.uuid, self.person.display.as_str());
            booking::appointment(&mut self.bundle, &mut self.random, self.today, number, patient, self.directory);
        }
    }

    /// The days on which she comes, in order.
    fn occasions(&mut self) -> Vec<(Day, Occasion)> {
        let (since, until) = (self.person.since, self.person.until(self.today));
        let mut found = Vec::new();
        let mut day = since;
        while day < until {
            let age = self.person.age(day);
            found.push((day.working(), Occasion::Checkup));
            day = day.plus(match age {
                a if a < 1.0 => self.random.between(55, 75),
                a if a < 3.0 => self.random.between(150, 200),
                _ => self.random.between(330, 420),
            });
        }
        for (index, onset) in self.person.chronic.clone() {
            let mut day = onset.max(since);
            while day < until {
                found.push((day.working(), Occasion::FollowUp(index)));
                day = day.plus(self.random.between(300, 430) / CHRONIC[index].visits.max(1) as i64);
            }
        }
        let mut day = since.plus(self.random.between(10, 500));
        while day < until {
            let illness = self.random.below(ACUTE.len());
            let (low, high) = ACUTE[illness].ages;
            if (low..high).contains(&self.person.age(day)) {
                found.push((day, Occasion::Illness(illness)));
            }
            day = day.plus(self.random.between(100, 700));
        }
        found.retain(|(day, _)| *day <= until);
        found.sort_by_key(|(day, _)| *day);
        found
    }

    fn visit(&mut self, day: Day, occasion: Occasion) {
        match occasion {
            Occasion::Checkup => self.checkup(day),
            Occasion::FollowUp(index) => self.follow_up(day, index),
            Occasion::Illness(index) => {
                let illness = &ACUTE[index];
                let visit = visit::encounter(self, day, illness.department, Reason::Illness(illness));
                visit::basic_vitals(self, &visit);
                care::acute(self, &visit, illness);
                papers::note(self, &visit, illness.codes[0].display);
                if illness.department == EMERGENCY || illness.nights > 0 {
                    laboratory::blood_count(self, &visit);
                }
            }
        }
    }

    fn checkup(&mut self, day: Day) {
        let department = self.physician.department;
        let visit: Visit = visit::encounter(self, day, department, Reason::Checkup);
        visit::vitals(self, &visit);
        care::immunizations(self, &visit);
        if self.person.age(day) >= 18.0 {
            visit::smoking(self, &visit);
            laboratory::yearly(self, &visit);
            papers::claim(self, &visit);
        }
        papers::note(self, &visit, DEPARTMENTS[department].name);
    }

    fn follow_up(&mut self, day: Day, index: usize) {
        let illness = &CHRONIC[index];
        let visit = visit::encounter(self, day, illness.department, Reason::FollowUp(illness));
        let is_first = self.person.has(index, day).is_some_and(|onset| day.0 - onset.max(self.person.since).0 < 3);
        if is_first {
            let onset = self.person.has(index, day).unwrap_or(day);
            let condition = care::chronic(self, &visit, index, onset);
            care::prescription(self, &visit, illness, condition);
            papers::care_plan(self, &visit, illness, condition);
        }
        visit::basic_vitals(self, &visit);
        laboratory::follow_up(self, &visit, index);
    }

    fn patient(&mut self) {
        let Self { bundle, random, person, today, physician, .. } = self;
        let age = person.age(*today);
        let home = format!("{} {}", random.between(1, 399), random.pick(STREETS));
        bundle.create_once("Patient", person.uuid, (system::RECORD, &person.record), |out| {
            patient_meta(out, random);
            let place = format!("{}, {} years", if person.is_woman { "female" } else { "male" }, age as i64);
            out.narrative(&format!("{} ({place})", person.display.replace('\'', "&#39;")));
            identifiers(out, random, person);
            out.bare("active", person.died.is_none());
            names(out, random, person);
            contact_points(out, random, person, age);
            out.text(
                "gender",
                if random.chance(1) {
                    "other"
                } else if person.is_woman {
                    "female"
                } else {
                    "male"
                },
            );
            birth_date(out, random, person.born);
            if let Some(died) = person.died {
                out.moment("deceasedDateTime", died.at(random.between(0, 1439), Zone::HOME));
            }
            out.one("address", |out| {
                geolocation(out, random, person.town);
                out.text("use", "home");
                address(out, &home, person.town);
                if random.chance(40) {
                    out.object("period", |out| {
                        out.plain("start", person.since.plus(-200));
                    });
                }
            });
            if age >= 18.0 {
                let status =
                    *random.pick(&[("M", "Married"), ("S", "Never Married"), ("D", "Divorced"), ("W", "Widowed")]);
                let system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
                out.concept("maritalStatus", &[hl7(system, status.0, status.1)]);
            }
            if random.chance(4) {
                out.bare("multipleBirthInteger", 2);
            }
            let language = *random.pick(&[
                ("en-US", "English (United States)"),
                ("es", "Spanish"),
                ("fr", "French"),
                ("pt", "Portuguese"),
            ]);
            out.one("communication", |out| {
                out.concept("language", &[hl7("urn:ietf:bcp:47", language.0, language.1)]).bare("preferred", true);
            });
            out.references("generalPractitioner", physician.target(), &physician.display);
            let organization = DEPARTMENTS[physician.department].organization();
            out.reference("managingOrganization", organization, DEPARTMENTS[physician.department].name);
        });
    }
}

fn patient_meta(out: &mut Out, random: &mut Random) {
    out.object("meta", |out| {
        out.plain("source", format_args!("https://beacon.example.org/registration#desk-{}", random.below(4)));
        if random.chance(20) {
            out.one("tag", |out| {
                out.coding(hl7("https://beacon.example.org/tags", "study-harbor", "Harbor study"));
            });
        }
        if random.chance(5) {
            out.one("security", |out| {
                out.coding(hl7("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R", "restricted"));
            });
        }
    });
}

fn identifiers(out: &mut Out, random: &mut Random, person: &Person) {
    out.array("identifier", |out| {
        out.item(|out| {
            let kind = hl7(system::IDENTIFIER_TYPE, "MR", "Medical record number");
            out.text("use", "usual")
                .concept("type", &[kind])
                .text("system", system::RECORD)
                .text("value", &person.record);
        });
        if random.chance(70) {
            let number = format!("9{:02}-{:02}-{:04}", random.below(100), random.below(100), random.below(10_000));
            out.item(|out| {
                let kind = hl7(system::IDENTIFIER_TYPE, "SS", "Social Security number");
                out.concept("type", &[kind]).text("system", "http://hl7.org/fhir/sid/us-ssn").text("value", &number);
            });
        }
        if random.chance(15) {
            let number = format!("{:09}", random.below(1_000_000_000));
            out.item(|out| {
                out.text("use", "old").text("value", &number).object("period", |out| {
                    out.plain("end", person.since);
                });
            });
        }
    });
}

fn names(out: &mut Out, random: &mut Random, person: &Person) {
    out.array("name", |out| {
        out.item(|out| {
            out.text("use", "official").text("family", person.family).texts("given", &person.given);
            if random.chance(12) {
                out.texts("prefix", &[if person.is_woman { "Ms." } else { "Mr." }]);
            }
        });
        if let Some(maiden) = person.maiden {
            out.item(|out| {
                out.text("use", "maiden").text("family", maiden).texts("given", &person.given[..1]);
            });
        }
        if random.chance(10) {
            let short: String = person.given[0].chars().take(3).collect();
            out.item(|out| {
                out.text("use", "nickname").text("text", &short);
            });
        }
    });
}

fn contact_points(out: &mut Out, random: &mut Random, person: &Person, age: f64) {
    let home = format!("+1-555-{:03}-{:04}", random.below(1000), random.below(10_000));
    let mobile = format!("+1 (555) {:03} {:04}", random.below(1000), random.below(10_000));
    let email = format!("{}.{}@mail.example", ascii(person.given[0]), ascii(person.family));
    let points =
        [("phone", home.as_str(), "home"), ("email", email.as_str(), "home"), ("phone", mobile.as_str(), "mobile")];
    let first = usize::from(random.chance(30));
    let last = if age < 14.0 { first + 1 } else { 3 };
    telecom(out, &points[first..last]);
}

/// Most birth dates are known to the day; of some old people only the month or the year is.
fn birth_date(out: &mut Out, random: &mut Random, born: Day) {
    let text = born.to_string();
    let length = match random.below(25) {
        0 => 4,
        1 => 7,
        _ => 10,
    };
    out.text("birthDate", &text[..length]);
}
