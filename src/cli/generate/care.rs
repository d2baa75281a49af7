//! What is found and what is done: conditions, prescriptions, procedures, vaccines, allergies, devices.

use crate::cli::generate::chart::Chart;
use crate::cli::generate::code::{Code, cvx, hl7, rxnorm, snomed, ucum};
use crate::cli::generate::directory::DEPARTMENTS;
use crate::cli::generate::illness::{Acute, CHRONIC, Chronic, Medication};
use crate::cli::generate::out::{Fixed, Out, Target};
use crate::cli::generate::person::illness_index;
use crate::cli::generate::random::{Random, Uuid};
use crate::cli::generate::visit::Visit;
use crate::cli::generate::when::{Day, Zone};

const SEVERITY: [Code; 3] = [snomed("255604002", "Mild"), snomed("6736007", "Moderate"), snomed("24484000", "Severe")];

/// How a condition stands, and when it began and ended.
struct Course {
    status: (&'static str, &'static str),
    severity: usize,
    onset: Day,
    abatement: Option<Day>,
    is_long: bool,
}

fn condition(chart: &mut Chart, visit: &Visit, codes: &[Code], course: &Course) -> Uuid {
    let Chart { bundle, random, person, .. } = chart;
    let uuid = random.uuid();
    bundle.create("Condition", uuid, |out| {
        out.narrative(codes[0].display);
        let clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical";
        out.concept("clinicalStatus", &[hl7(clinical, course.status.0, course.status.1)]);
        let confirmed = if random.chance(93) { ("confirmed", "Confirmed") } else { ("provisional", "Provisional") };
        let verification = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
        out.concept("verificationStatus", &[hl7(verification, confirmed.0, confirmed.1)]);
        let category = "http://terminology.hl7.org/CodeSystem/condition-category";
        let kind = if course.is_long {
            ("problem-list-item", "Problem List Item")
        } else {
            ("encounter-diagnosis", "Encounter Diagnosis")
        };
        out.concepts("category", &[hl7(category, kind.0, kind.1)]);
        if random.chance(60) {
            out.concept("severity", &[SEVERITY[course.severity]]);
        }
        out.concept("code", codes).reference("subject", Target::Entry(person.uuid), &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "");
        onset(out, random, course.onset, person.age(course.onset));
        if let Some(abatement) = course.abatement {
            out.plain("abatementDateTime", abatement);
        }
        out.moment("recordedDate", visit.start);
        out.reference("recorder", visit.physician.target(), &visit.physician.display);
    });
    uuid
}

/// When it began, as exactly as the patient remembers.
fn onset(out: &mut Out, random: &mut Random, onset: Day, age: f64) {
    let text = onset.to_string();
    match random.below(12) {
        0 => drop(out.text("onsetDateTime", &text[..4])),
        1 => drop(out.text("onsetDateTime", &text[..7])),
        2 => drop(out.object("onsetAge", |out| {
            out.quantity_members(Fixed(age.floor().max(1.0), 0), ucum("a", "years"));
        })),
        3 => drop(out.object("onsetPeriod", |out| {
            out.plain("start", onset);
        })),
        4 => drop(out.moment("onsetDateTime", onset.at(random.between(0, 1439), Zone::HOME))),
        5 => drop(out.text("onsetString", "some time ago")),
        _ => drop(out.text("onsetDateTime", &text)),
    }
}

/// Writes the Condition of a long illness.
pub fn chronic(chart: &mut Chart, visit: &Visit, index: usize, onset: Day) -> Uuid {
    let severity = chart.random.below(3);
    let course = Course { status: ("active", "Active"), severity, onset, abatement: None, is_long: true };
    condition(chart, visit, &CHRONIC[index].codes, &course)
}

/// Writes the Condition of an illness that passes, with what was given and done.
pub fn acute(chart: &mut Chart, visit: &Visit, illness: &Acute) {
    let begun = visit.day.plus(-chart.random.between(0, 4));
    let over = visit.day.plus(illness.days);
    let is_over = over < chart.person.until(chart.today);
    let status = if is_over { ("resolved", "Resolved") } else { ("active", "Active") };
    let abatement = is_over.then_some(over);
    let course =
        Course { status, severity: illness.severity, onset: begun.max(chart.person.born), abatement, is_long: false };
    let codes = if chart.random.chance(70) { &illness.codes[..] } else { &illness.codes[..1] };
    let condition = condition(chart, visit, codes, &course);
    if let Some(medication) = &illness.medication {
        medication_request(chart, visit, medication, condition, Some(over));
    }
    if let Some(code) = illness.procedure {
        procedure(chart, visit, code, condition, illness.nights);
    }
}

fn procedure(chart: &mut Chart, visit: &Visit, code: Code, reason: Uuid, nights: i64) {
    let Chart { bundle, random, person, .. } = chart;
    let start = visit.start.plus(1800);
    bundle.create("Procedure", random.uuid(), |out| {
        out.text("status", "completed").concept("code", &[code]);
        out.reference("subject", Target::Entry(person.uuid), &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "");
        if nights > 0 {
            out.period("performedPeriod", Some(start), Some(start.plus(random.between(30, 180) * 60)));
        } else {
            out.moment("performedDateTime", start);
        }
        out.one("performer", |out| {
            out.reference("actor", visit.physician.target(), &visit.physician.display);
        });
        out.reference("location", DEPARTMENTS[visit.department].location(), DEPARTMENTS[visit.department].name);
        out.references("reasonReference", Target::Entry(reason), "");
        out.concept("outcome", &[snomed("385669000", "Successful")]);
    });
}

/// Writes the standing prescription for a long illness; without a medication nothing.
pub fn prescription(chart: &mut Chart, visit: &Visit, illness: &Chronic, reason: Uuid) {
    if let Some(medication) = &illness.medication {
        medication_request(chart, visit, medication, reason, None);
    }
}

fn medication_request(chart: &mut Chart, visit: &Visit, medication: &Medication, reason: Uuid, end: Option<Day>) {
    let Chart { bundle, random, person, today, .. } = chart;
    let is_over = end.is_some_and(|end| end < *today) || person.died.is_some();
    bundle.create("MedicationRequest", random.uuid(), |out| {
        out.text("status", if is_over { "completed" } else { "active" }).text("intent", "order");
        let category = "http://terminology.hl7.org/CodeSystem/medicationrequest-category";
        out.concepts("category", &[hl7(category, "outpatient", "Outpatient")]);
        out.concept("medicationCodeableConcept", &[medication.code]);
        out.reference("subject", Target::Entry(person.uuid), &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "").moment("authoredOn", visit.start);
        out.reference("requester", visit.physician.target(), &visit.physician.display);
        out.references("reasonReference", Target::Entry(reason), "");
        out.one("dosageInstruction", |out| {
            out.bare("sequence", 1).text("text", medication.dosage).object("timing", |out| {
                out.object("repeat", |out| {
                    // A standing prescription has no end.
                    out.period("boundsPeriod", Some(visit.start), end.map(|end| end.at(0, Zone::HOME)));
                    out.bare("frequency", medication.frequency).bare("period", "1.0").text("periodUnit", "d");
                });
            });
            out.concept("route", &[snomed("26643006", "Oral route")]).one("doseAndRate", |out| {
                let (value, unit) = medication.dose;
                let places = if value.fract() == 0.0 { 0 } else { 2 };
                out.quantity("doseQuantity", Fixed(value, places), ucum(unit, unit));
            });
        });
        out.object("dispenseRequest", |out| {
            out.bare("numberOfRepeatsAllowed", random.below(5));
            out.quantity("quantity", Fixed(30.0, 0), ucum("{tablet}", "tablets"));
        });
    });
}

/// Vaccines: code, the age in years from which it is given, and whether every year.
const VACCINES: &[(Code, f64, f64, bool)] = &[
    (cvx("08", "Hep B, adolescent or pediatric"), 0.0, 0.4, false),
    (cvx("20", "DTaP"), 0.15, 1.6, false),
    (cvx("10", "IPV"), 0.15, 1.6, false),
    (cvx("133", "Pneumococcal conjugate PCV 13"), 0.15, 1.3, false),
    (cvx("03", "MMR"), 1.0, 1.4, false),
    (cvx("21", "varicella"), 1.0, 1.4, false),
    (cvx("62", "HPV, quadrivalent"), 11.0, 12.5, false),
    (cvx("115", "Tdap"), 11.0, 12.2, false),
    (cvx("140", "Influenza, seasonal, injectable, preservative free"), 0.5, 120.0, true),
    (cvx("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose"), 12.0, 120.0, true),
    (cvx("121", "zoster, live"), 60.0, 61.2, false),
    (cvx("33", "pneumococcal polysaccharide PPV23"), 65.0, 66.3, false),
];

/// Writes the vaccines that are due at a checkup.
pub fn immunizations(chart: &mut Chart, visit: &Visit) {
    let age = chart.person.age(visit.day);
    for (code, low, high, yearly) in VACCINES {
        if !(*low..*high).contains(&age) || (*yearly && !chart.random.chance(45)) {
            continue;
        }
        immunization(chart, visit, *code);
    }
}

fn immunization(chart: &mut Chart, visit: &Visit, code: Code) {
    let Chart { bundle, random, person, .. } = chart;
    let is_done = random.chance(94);
    bundle.create("Immunization", random.uuid(), |out| {
        out.text("status", if is_done { "completed" } else { "not-done" });
        if !is_done {
            out.concept(
                "statusReason",
                &[hl7("http://terminology.hl7.org/CodeSystem/v3-ActReason", "PATOBJ", "Patient Objection")],
            );
        }
        out.concept("vaccineCode", &[code]).reference("patient", Target::Entry(person.uuid), &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "").moment("occurrenceDateTime", visit.start.plus(1200));
        out.bare("primarySource", random.chance(90));
        out.reference("location", DEPARTMENTS[visit.department].location(), DEPARTMENTS[visit.department].name);
        if is_done {
            out.plain("lotNumber", format_args!("LOT{:05}", random.below(100_000)));
            out.plain("expirationDate", visit.day.plus(random.between(30, 400)));
            out.concept("site", &[hl7("http://terminology.hl7.org/CodeSystem/v3-ActSite", "LA", "left arm")]);
            out.quantity("doseQuantity", Fixed(if random.chance(70) { 0.5 } else { 0.25 }, 2), ucum("mL", "mL"));
        }
        out.one("performer", |out| {
            out.reference("actor", visit.nurse.target(), &visit.nurse.display);
        });
    });
}

/// Substances that people do not bear, and what these do.
const ALLERGIES: &[(Code, &str, Code)] = &[
    (rxnorm("7980", "penicillin G"), "medication", snomed("247472004", "Wheal")),
    (snomed("91935009", "Allergy to peanut"), "food", snomed("39579001", "Anaphylaxis")),
    (snomed("419474003", "Allergy to mould"), "environment", snomed("267036007", "Dyspnea")),
    (snomed("424213003", "Allergy to bee venom"), "environment", snomed("271807003", "Eruption of skin")),
    (snomed("91934008", "Allergy to nut"), "food", snomed("271807003", "Eruption of skin")),
    (rxnorm("1191", "aspirin"), "medication", snomed("271807003", "Eruption of skin")),
];

/// Writes what the patient does not bear.
pub fn allergies(chart: &mut Chart) {
    let Chart { bundle, random, person, physician, .. } = chart;
    for (code, category, manifestation) in ALLERGIES {
        if !random.chance(7) {
            continue;
        }
        let first = person.born.plus(random.between(100, 8000)).min(person.since);
        bundle.create("AllergyIntolerance", random.uuid(), |out| {
            let clinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
            out.concept("clinicalStatus", &[hl7(clinical, "active", "Active")]);
            let verification = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
            out.concept("verificationStatus", &[hl7(verification, "confirmed", "Confirmed")]);
            out.text("type", "allergy").texts("category", &[category]);
            out.text("criticality", random.word(&["low", "high", "unable-to-assess"])).concept("code", &[*code]);
            out.reference("patient", Target::Entry(person.uuid), &person.display);
            onset(out, random, first, 5.0);
            out.plain("recordedDate", person.since);
            out.reference("recorder", physician.target(), &physician.display);
            if random.chance(60) {
                out.plain("lastOccurrence", person.since.plus(random.between(0, 300)));
            }
            out.one("reaction", |out| {
                out.concepts("manifestation", &[*manifestation]).text("severity", random.word(&["mild", "moderate"]));
            });
        });
    }
}

/// Writes the devices that the patient carries: a glucose meter, a pacemaker.
pub fn devices(chart: &mut Chart) {
    let day = chart.person.until(chart.today);
    let carried = [
        (illness_index::DIABETES, snomed("337414009", "Blood glucose meter"), "Glukos 2", "00888912345675"),
        (illness_index::HEART, snomed("14106009", "Cardiac pacemaker"), "Rhythmos DR", "00643169007222"),
    ];
    let Chart { bundle, random, person, .. } = chart;
    for (illness, kind, model, di) in carried {
        let Some(onset) = person.has(illness, day) else { continue };
        let serial = format!("{:08}", random.below(100_000_000));
        bundle.create("Device", random.uuid(), |out| {
            out.one("udiCarrier", |out| {
                out.text("deviceIdentifier", di).text("issuer", "https://www.gs1.org/gtin");
                out.plain("carrierHRF", format_args!("(01){di}(21){serial}"));
            });
            out.text("status", "active").text("manufacturer", "Cressida Instruments");
            out.moment("manufactureDate", onset.plus(-90).at(0, Zone::UTC)).text("serialNumber", &serial);
            out.one("deviceName", |out| {
                out.text("name", model).text("type", "user-friendly-name");
            });
            out.concept("type", &[kind]).reference("patient", Target::Entry(person.uuid), &person.display);
        });
    }
}
