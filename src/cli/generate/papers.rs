//! The paper around care: insurance, family, teams, plans, notes, claims, risks.

use crate::cli::generate::chart::Chart;
use crate::cli::generate::code::{hl7, loinc, snomed, system, ucum};
use crate::cli::generate::directory::{DEPARTMENTS, Staff};
use crate::cli::generate::hospital::{INSURERS, telecom};
use crate::cli::generate::illness::{CHRONIC, Chronic};
use crate::cli::generate::names::{MEN, WOMEN};
use crate::cli::generate::out::{Fixed, Target};
use crate::cli::generate::random::Uuid;
use crate::cli::generate::visit::Visit;
use crate::cli::generate::when::Zone;

/// Writes the insurance; it has no end.
pub fn coverage(chart: &mut Chart) {
    let Chart { bundle, random, person, .. } = chart;
    let (payer, name) = *random.pick(INSURERS);
    let subscriber = format!("{:010}", random.bits() % 10_000_000_000);
    let patient = Target::Entry(person.uuid);
    bundle.create("Coverage", random.uuid(), |out| {
        out.text("status", "active").concept("type", &[hl7(system::ACT_CODE, "EHCPOL", "extended healthcare")]);
        out.reference("subscriber", patient, &person.display).text("subscriberId", &subscriber);
        out.reference("beneficiary", patient, &person.display);
        let relationship = "http://terminology.hl7.org/CodeSystem/subscriber-relationship";
        out.concept("relationship", &[hl7(relationship, "self", "Self")]);
        out.object("period", |out| {
            out.plain("start", person.since);
        });
        let payer = Target::Shared { kind: "Organization", system: system::ORGANIZATION, value: payer };
        out.references("payor", payer, name).bare("order", 1);
    });
}

/// Writes the person to call in an emergency.
pub fn relative(chart: &mut Chart) {
    let Chart { bundle, random, person, today, .. } = chart;
    let is_child = person.age(*today) < 18.0;
    let is_woman = random.chance(50);
    let (code, display) = match (is_child, is_woman) {
        (true, true) => ("MTH", "mother"),
        (true, false) => ("FTH", "father"),
        _ => ("SPS", "spouse"),
    };
    let given = *random.pick(if is_woman { WOMEN } else { MEN });
    let phone = format!("+1-555-{:03}-{:04}", random.below(1000), random.below(10_000));
    bundle.create("RelatedPerson", random.uuid(), |out| {
        out.bare("active", true).reference("patient", Target::Entry(person.uuid), &person.display);
        out.concepts("relationship", &[hl7("http://terminology.hl7.org/CodeSystem/v3-RoleCode", code, display)]);
        out.one("name", |out| {
            out.text("family", person.family).texts("given", &[given]);
        });
        telecom(out, &[("phone", &phone, "mobile")]);
        out.text("gender", if is_woman { "female" } else { "male" });
    });
}

/// Writes the team of the physician and a nurse.
pub fn care_team(chart: &mut Chart) {
    let Chart { bundle, random, person, directory, physician, .. } = chart;
    let nurse = directory.nurse(physician.department, random.below(2));
    let department = &DEPARTMENTS[physician.department];
    bundle.create("CareTeam", random.uuid(), |out| {
        out.text("status", if person.died.is_some() { "inactive" } else { "active" });
        out.plain("name", format_args!("{} team", department.name));
        out.reference("subject", Target::Entry(person.uuid), &person.display);
        out.period("period", Some(person.since.at(480, Zone::HOME)), person.died.map(|day| day.at(600, Zone::HOME)));
        out.array("participant", |out| {
            let physician: &Staff = physician;
            let role = snomed("446050000", "Primary care physician");
            for (code, member) in [(role, physician), (snomed("224535009", "Registered nurse"), nurse)] {
                out.item(|out| {
                    out.concepts("role", &[code]).reference("member", member.target(), &member.display);
                });
            }
        });
        out.references("managingOrganization", department.organization(), department.name);
    });
}

/// Writes what runs in the family, for some.
pub fn family_history(chart: &mut Chart) {
    let Chart { bundle, random, person, .. } = chart;
    if !random.chance(30) {
        return;
    }
    let illness = &CHRONIC[random.below(5)];
    bundle.create("FamilyMemberHistory", random.uuid(), |out| {
        out.text("status", "completed").reference("patient", Target::Entry(person.uuid), &person.display);
        out.plain("date", person.since);
        let (code, display) = if random.chance(50) { ("MTH", "mother") } else { ("FTH", "father") };
        let system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
        out.concept("relationship", &[hl7(system, code, display)]).one("condition", |out| {
            out.concept("code", &illness.codes).object("onsetAge", |out| {
                out.quantity_members(Fixed(random.between(35, 70) as f64, 0), ucum("a", "years"));
            });
        });
    });
}

/// Writes the plan for a long illness, its Goal, and the risk that the plan is meant to lower.
pub fn care_plan(chart: &mut Chart, visit: &Visit, illness: &Chronic, condition: Uuid) {
    let Chart { bundle, random, person, .. } = chart;
    let goal = random.uuid();
    let patient = Target::Entry(person.uuid);
    let target = visit.day.plus(random.between(90, 400));
    bundle.create("Goal", goal, |out| {
        out.text("lifecycleStatus", random.word(&["active", "completed", "on-hold"]));
        out.object("description", |out| {
            out.plain("text", format_args!("Keep {} under control", illness.codes[0].display.to_lowercase()));
        });
        out.reference("subject", patient, &person.display).plain("startDate", visit.day).one("target", |out| {
            out.concept("measure", &[loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood")]);
            out.object("detailRange", |out| {
                out.quantity("high", Fixed(7.0, 1), ucum("%", "%"));
            });
            out.plain("dueDate", target);
        });
        out.references("addresses", Target::Entry(condition), "");
    });
    bundle.create("CarePlan", random.uuid(), |out| {
        out.texts("instantiatesUri", &["https://beacon.example.org/plans/chronic-care"]).text("status", "active");
        out.text("intent", "plan").concepts("category", &[snomed("736373009", "Chronic disease care plan")]);
        out.text("title", illness.codes[0].display).reference("subject", patient, &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "").period("period", Some(visit.start), None);
        out.reference("author", visit.physician.target(), &visit.physician.display);
        out.references("addresses", Target::Entry(condition), "").references("goal", Target::Entry(goal), "");
        out.one("activity", |out| {
            out.object("detail", |out| {
                out.concept("code", &[snomed("160670007", "Diabetic diet")]).text("status", "in-progress");
            });
        });
    });
    // Numbers of every precision: a number says by its digits how exactly it is meant.
    let probability = random.word(&["0.1", "0.10", "0.105", "0.25", "0.3", "0.02", "0.045", "1e-2", "0.5", "7.5E-1"]);
    bundle.create("RiskAssessment", random.uuid(), |out| {
        out.text("status", "final").reference("subject", patient, &person.display);
        out.reference("encounter", Target::Entry(visit.uuid), "").moment("occurrenceDateTime", visit.start);
        out.reference("condition", Target::Entry(condition), "");
        out.reference("performer", visit.physician.target(), &visit.physician.display).one("prediction", |out| {
            out.concept("outcome", &[snomed("22298006", "Myocardial infarction")])
                .bare("probabilityDecimal", probability);
            out.object("whenRange", |out| {
                let ten = person.age(visit.day).floor() + 10.0;
                out.quantity("high", Fixed(ten, 0), ucum("a", "years"));
            });
        });
    });
}

/// Writes the note of a visit, as text in an attachment.
pub fn note(chart: &mut Chart, visit: &Visit, about: &str) {
    let Chart { bundle, random, person, .. } = chart;
    if !random.chance(50) {
        return;
    }
    let age = person.age(visit.day) as i64;
    let text = format!(
        "{}\n\n{} is {age} years old and was seen for: {about}.\nExamined and advised; the findings are in the record. Next visit as needed.\n\n{}\n",
        visit.day, person.display, visit.physician.display
    );
    let data = base64(text.as_bytes());
    bundle.create("DocumentReference", random.uuid(), |out| {
        out.text("status", "current").concept("type", &[loinc("11506-3", "Progress note")]);
        out.concepts("category", &[loinc("47039-3", "Hospital Admission history and physical note")]);
        out.reference("subject", Target::Entry(person.uuid), &person.display);
        out.moment("date", visit.end.in_utc(random.between(0, 999)));
        out.references("author", visit.physician.target(), &visit.physician.display);
        out.one("content", |out| {
            out.object("attachment", |out| {
                out.text("contentType", "text/plain").text("language", "en").plain("data", data);
                out.text("title", about).moment("creation", visit.end);
            });
        });
        out.object("context", |out| {
            out.references("encounter", Target::Entry(visit.uuid), "");
            out.period("period", Some(visit.start), Some(visit.end));
        });
    });
}

/// Writes the claim for a visit.
pub fn claim(chart: &mut Chart, visit: &Visit) {
    let Chart { bundle, random, person, .. } = chart;
    let (payer, name) = *random.pick(INSURERS);
    let cents = random.between(5_500, 42_000);
    let money = Fixed(cents as f64 / 100.0, 2);
    bundle.create("Claim", random.uuid(), |out| {
        let kind = hl7("http://terminology.hl7.org/CodeSystem/claim-type", "professional", "Professional");
        out.text("status", "active").concept("type", &[kind]).text("use", "claim");
        out.reference("patient", Target::Entry(person.uuid), &person.display);
        out.period("billablePeriod", Some(visit.start), Some(visit.end)).moment("created", visit.end);
        let department = &DEPARTMENTS[visit.department];
        out.reference("provider", department.organization(), department.name);
        let priority = hl7("http://terminology.hl7.org/CodeSystem/processpriority", "normal", "Normal");
        out.concept("priority", &[priority]).one("insurance", |out| {
            out.bare("sequence", 1).bare("focal", true).object("coverage", |out| {
                out.text("display", name);
            });
        });
        let insurer = Target::Shared { kind: "Organization", system: system::ORGANIZATION, value: payer };
        out.reference("insurer", insurer, name).one("item", |out| {
            out.bare("sequence", 1).concept("productOrService", &[snomed("185349003", "Encounter for check up")]);
            out.references("encounter", Target::Entry(visit.uuid), "");
            out.object("net", |out| {
                out.bare("value", money).text("currency", "USD");
            });
        });
        out.object("total", |out| {
            out.bare("value", money).text("currency", "USD");
        });
    });
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |sum, (at, byte)| sum | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_as_the_standard_shows_it() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
