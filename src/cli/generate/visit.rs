//! A visit: the Encounter and what is measured at it.

use crate::cli::generate::chart::Chart;
use crate::cli::generate::code::{
    Code, SOCIAL, SURVEY, Unit, VITAL_SIGNS, hl7, interpretation, loinc, snomed, system, ucum,
};
use crate::cli::generate::directory::{DEPARTMENTS, EMERGENCY, Staff};
use crate::cli::generate::illness::{Acute, Chronic};
use crate::cli::generate::out::{Fixed, Out, Target};
use crate::cli::generate::random::Uuid;
use crate::cli::generate::when::{Day, Moment, Zone};

/// An encounter that has been written.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The UUID of the Encounter.
    pub uuid: Uuid,
    /// When it began.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// Where: an index of [`DEPARTMENTS`].
    pub department: usize,
    /// Who saw the patient.
    pub physician: &'a Staff,
    /// Who measured.
    pub nurse: &'a Staff,
    /// The day.
    pub day: Day,
}

/// Why a patient comes.
#[derive(Debug, Clone, Copy)]
pub enum Reason {
    /// Nothing in particular.
    Checkup,
    /// An illness that lasts.
    FollowUp(&'static Chronic),
    /// An illness that passes.
    Illness(&'static Acute),
}

/// What an observation says beside its value.
#[derive(Debug)]
pub struct Subject<'v, 'c> {
    /// At which visit.
    pub visit: &'v Visit<'c>,
    /// The category.
    pub category: Code,
    /// When it was measured.
    pub effective: Moment,
}

/// Writes the Encounter of a visit.
pub fn encounter<'a>(chart: &mut Chart<'a>, day: Day, department: usize, reason: Reason) -> Visit<'a> {
    let Chart { bundle, random, person, directory, .. } = chart;
    let nights = if let Reason::Illness(illness) = reason { illness.nights } else { 0 };
    let minute = if department == EMERGENCY { random.between(0, 1439) } else { random.between(8 * 12, 16 * 12) * 5 };
    let start = day.at(minute, Zone::HOME);
    let minutes = random.between(3, 12) * 5;
    let end = if nights > 0 { day.plus(nights).at(11 * 60, Zone::HOME) } else { start.plus(minutes * 60) };
    let (physician, nurse) =
        (directory.physician(department, random.below(8)), directory.nurse(department, random.below(2)));
    let visit = Visit { uuid: random.uuid(), start, end, department, physician, nurse, day };
    let class = match (nights, department) {
        (1.., _) => ("IMP", "inpatient encounter"),
        (_, EMERGENCY) => ("EMER", "emergency"),
        _ if random.chance(6) => ("VR", "virtual"),
        _ => ("AMB", "ambulatory"),
    };
    let number = format!("V{}", random.bits() % 1_000_000_000_000);
    bundle.create("Encounter", visit.uuid, |out| {
        out.identifier(system::VISIT, &number).text("status", "finished");
        out.object("class", |out| {
            out.coding(hl7(system::ACT_CODE, class.0, class.1));
        });
        let kind = match reason {
            Reason::Checkup => snomed("185349003", "Encounter for check up"),
            Reason::FollowUp(_) => snomed("390906007", "Follow-up encounter"),
            Reason::Illness(_) => snomed("185347001", "Encounter for problem"),
        };
        out.concepts("type", &[kind]).concept("serviceType", &[DEPARTMENTS[department].specialty]);
        if nights > 0 {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ActPriority";
            out.concept("priority", &[hl7(system, "UR", "urgent")]);
        }
        out.reference("subject", Target::Entry(person.uuid), &person.display);
        out.one("participant", |out| {
            let kind = hl7("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "PPRF", "primary performer");
            out.concepts("type", &[kind]).period("period", Some(start), Some(end));
            out.reference("individual", physician.target(), &physician.display);
        });
        out.period("period", Some(start), Some(end));
        let length = ucum("min", "min");
        out.object("length", |out| match nights {
            0 => drop(out.quantity_members(Fixed(minutes as f64, 0), length)),
            _ => drop(out.quantity_members(Fixed(nights as f64, 0), ucum("d", "days"))),
        });
        match reason {
            Reason::Checkup => {}
            Reason::FollowUp(illness) => drop(out.concepts("reasonCode", &illness.codes)),
            Reason::Illness(illness) => drop(out.concepts("reasonCode", &illness.codes[..1])),
        }
        if nights > 0 {
            out.object("hospitalization", |out| {
                let system = "http://terminology.hl7.org/CodeSystem/discharge-disposition";
                out.concept("dischargeDisposition", &[hl7(system, "home", "Home")]);
            });
        }
        out.one("location", |out| {
            out.reference("location", DEPARTMENTS[department].location(), DEPARTMENTS[department].name);
            out.text("status", "completed");
        });
        out.reference("serviceProvider", DEPARTMENTS[department].organization(), DEPARTMENTS[department].name);
    });
    visit
}

/// Writes an Observation; `fill` adds its value. Answers its UUID.
pub fn observation(chart: &mut Chart, about: &Subject, codes: &[Code], fill: impl FnOnce(&mut Out)) -> Uuid {
    let Chart { bundle, random, person, .. } = chart;
    let (uuid, issued) = (random.uuid(), about.effective.in_utc(random.between(0, 999)));
    let visit = about.visit;
    bundle.create("Observation", uuid, |out| {
        out.text("status", if random.chance(3) { "amended" } else { "final" });
        out.concepts("category", &[about.category]).concept("code", codes);
        out.reference("subject", Target::Entry(person.uuid), &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "");
        out.moment("effectiveDateTime", about.effective).moment("issued", issued);
        out.references("performer", visit.nurse.target(), &visit.nurse.display);
        fill(out);
    });
    uuid
}

/// A measured value with its reference range.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The value and its places.
    pub value: Fixed,
    /// Its unit.
    pub unit: Unit,
    /// The reference range.
    pub normal: (f64, f64),
}

impl Measured {
    /// Writes `valueQuantity`, `interpretation` and `referenceRange`.
    pub fn write(self, out: &mut Out) {
        out.quantity("valueQuantity", self.value, self.unit);
        out.concepts("interpretation", &[interpretation(self.value.0, self.normal.0, self.normal.1)]);
        out.one("referenceRange", |out| {
            out.quantity("low", Fixed(self.normal.0, self.value.1), self.unit);
            out.quantity("high", Fixed(self.normal.1, self.value.1), self.unit);
        });
    }
}

const PER_MINUTE: Unit = ucum("/min", "beats/minute");

/// Heart rate, blood pressure, weight, temperature.
pub fn basic_vitals(chart: &mut Chart, visit: &Visit) {
    let about = Subject { visit, category: VITAL_SIGNS, effective: visit.start.plus(300) };
    let age = chart.person.age(visit.day);
    let rate = chart.random.normal(if age < 5.0 { 110.0 } else { 72.0 }, 8.0);
    let measured = Measured { value: Fixed(rate, 0), unit: PER_MINUTE, normal: (60.0, 100.0) };
    observation(chart, &about, &[loinc("8867-4", "Heart rate")], |out| measured.write(out));
    blood_pressure(chart, &about);
    weight(chart, &about);
    temperature(chart, &about);
}

/// Everything that is measured at a checkup.
pub fn vitals(chart: &mut Chart, visit: &Visit) {
    basic_vitals(chart, visit);
    let about = Subject { visit, category: VITAL_SIGNS, effective: visit.start.plus(420) };
    let (person, random) = (&chart.person, &mut chart.random);
    let (age, height, bmi) = (person.age(visit.day), person.height(visit.day), person.bmi(visit.day));
    let breaths = random.normal(if age < 5.0 { 26.0 } else { 15.0 }, 1.6);
    let oxygen = random.normal(97.0, 1.2).min(100.0);
    let inches = random.chance(20);
    let (value, unit) = if inches { (height / 2.54, ucum("[in_i]", "in")) } else { (height, ucum("cm", "cm")) };
    observation(chart, &about, &[loinc("8302-2", "Body height")], |out| {
        out.quantity("valueQuantity", Fixed(value, 1), unit);
    });
    observation(chart, &about, &[loinc("39156-5", "Body mass index (BMI) [Ratio]")], |out| {
        out.quantity("valueQuantity", Fixed(bmi, 2), ucum("kg/m2", "kg/m2"));
    });
    observation(chart, &about, &[loinc("9279-1", "Respiratory rate")], |out| {
        out.quantity("valueQuantity", Fixed(breaths, 0), ucum("/min", "/min"));
    });
    let codes = [
        loinc("2708-6", "Oxygen saturation in Arterial blood"),
        loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
    ];
    let device = Target::Shared { kind: "Device", system: system::DEVICE, value: "gp-2" };
    let measured = Measured { value: Fixed(oxygen, 0), unit: ucum("%", "%"), normal: (94.0, 100.0) };
    observation(chart, &about, &codes, |out| {
        measured.write(out);
        out.reference("device", device, "OxyClip");
    });
    if age < 2.0 {
        let circumference = 35.0 + age * 6.0;
        observation(chart, &about, &[loinc("9843-4", "Head Occipital-frontal circumference")], |out| {
            out.quantity("valueQuantity", Fixed(circumference, 1), ucum("cm", "cm"));
        });
    }
    surveys(chart, visit);
}

fn surveys(chart: &mut Chart, visit: &Visit) {
    let about = Subject { visit, category: SURVEY, effective: visit.start.plus(240) };
    let pain = chart.random.below(11) * chart.random.below(2);
    let code = loinc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported");
    observation(chart, &about, &[code], |out| {
        out.quantity("valueQuantity", Fixed(pain as f64, 0), ucum("{score}", "{score}"));
    });
    let (age, is_woman) = (chart.person.age(visit.day), chart.person.is_woman);
    if age >= 12.0 {
        let score = chart.random.below(3) * chart.random.below(9);
        let code = loinc("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]");
        observation(chart, &about, &[code], |out| {
            out.bare("valueInteger", score);
        });
    }
    if is_woman && (13.0..50.0).contains(&age) {
        let day = visit.day.plus(-chart.random.between(1, 30));
        observation(chart, &about, &[loinc("8665-2", "Last menstrual period start date")], |out| {
            out.plain("valueDateTime", day);
        });
    }
}

fn blood_pressure(chart: &mut Chart, about: &Subject) {
    let (person, random) = (&chart.person, &mut chart.random);
    let systolic = random.normal(person.systolic(about.visit.day), 6.0);
    let diastolic = random.normal(systolic * 0.63, 4.0);
    let is_high = systolic >= 140.0;
    let missing = random.chance(2);
    // Some patients measure at home or on a journey, in the zone where they are.
    let away = random.chance(12);
    let zone = *random.pick(Zone::ABROAD);
    let effective = if away { about.effective.plus(-86_400).in_zone(zone) } else { about.effective };
    let about = Subject { visit: about.visit, category: about.category, effective };
    let code = loinc("85354-9", "Blood pressure panel with all children optional");
    observation(chart, &about, &[code], |out| {
        let flag = if is_high { ("H", "High") } else { ("N", "Normal") };
        out.concepts("interpretation", &[hl7(system::INTERPRETATION, flag.0, flag.1)]);
        out.concept("bodySite", &[snomed("368209003", "Right upper arm structure")]);
        out.array("component", |out| {
            component(out, loinc("8480-6", "Systolic blood pressure"), Some(systolic));
            component(out, loinc("8462-4", "Diastolic blood pressure"), (!missing).then_some(diastolic));
        });
    });
}

/// One of the two pressures; without a value, why there is none.
fn component(out: &mut Out, code: Code, value: Option<f64>) {
    out.item(|out| {
        out.concept("code", &[code]);
        match value {
            Some(value) => out.quantity("valueQuantity", Fixed(value, 0), ucum("mm[Hg]", "mmHg")),
            None => {
                let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
                out.concept("dataAbsentReason", &[hl7(system, "not-performed", "Not Performed")])
            }
        };
    });
}

fn weight(chart: &mut Chart, about: &Subject) {
    let kilograms = chart.person.weight(about.visit.day) * chart.random.normal(1.0, 0.012);
    let (value, places, unit) = match chart.random.below(10) {
        0 | 1 => (kilograms / 0.453_592_37, 0, ucum("[lb_av]", "lb")),
        2 if kilograms < 12.0 => (kilograms * 1000.0, 0, ucum("g", "g")),
        3 => (kilograms, 2, ucum("kg", "kg")),
        _ => (kilograms, 1, ucum("kg", "kg")),
    };
    observation(chart, about, &[loinc("29463-7", "Body weight"), snomed("27113001", "Body weight")], |out| {
        out.quantity("valueQuantity", Fixed(value, places), unit);
    });
}

fn temperature(chart: &mut Chart, about: &Subject) {
    let celsius = chart.random.normal(36.8, 0.4);
    let fahrenheit = chart.random.chance(15);
    let method = snomed("415974002", "Tympanic temperature taking");
    observation(chart, about, &[loinc("8310-5", "Body temperature")], |out| {
        if fahrenheit {
            out.quantity("valueQuantity", Fixed(celsius * 1.8 + 32.0, 1), ucum("[degF]", "degF"));
        } else {
            out.quantity("valueQuantity", Fixed(celsius, 1), ucum("Cel", "Cel"));
        }
        out.concept("method", &[method]);
    });
}

/// Whether the patient smokes.
pub fn smoking(chart: &mut Chart, visit: &Visit) {
    let status = match chart.person.smoking() {
        0 => snomed("266919005", "Never smoked tobacco"),
        1 => snomed("8517006", "Ex-smoker"),
        _ => snomed("449868002", "Smokes tobacco daily"),
    };
    let about = Subject { visit, category: SOCIAL, effective: visit.start };
    observation(chart, &about, &[loinc("72166-2", "Tobacco smoking status")], |out| {
        out.concept("valueCodeableConcept", &[status]);
    });
}
