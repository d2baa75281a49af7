//! Calendars: a Schedule per physician of the clinic, Slots around today, and a patient's Appointments.

use crate::cli::generate::code::{hl7, system};
use crate::cli::generate::directory::{DEPARTMENTS, Directory, Staff};
use crate::cli::generate::out::{Bundle, Target};
use crate::cli::generate::random::{Random, Uuid};
use crate::cli::generate::when::{Day, Moment, Zone};

/// Working days that the calendars cover, from today on.
const DAYS: usize = 10;
/// Times that can be booked on each of them.
const PER_DAY: usize = 8;
/// Physicians of a department who have a calendar.
const PER_DEPARTMENT: usize = 4;

/// One time of one calendar.
#[derive(Debug, Clone, Copy)]
struct Place {
    department: usize,
    physician: usize,
    day: usize,
    hour: usize,
}

impl Place {
    /// The slot that is kept for patient `number`, if the calendars have room for her.
    fn of_patient(number: u64) -> Option<Self> {
        let departments = DEPARTMENTS.iter().filter(|d| d.is_clinic).count();
        let mut index =
            usize::try_from(number).ok().filter(|n| *n < departments * PER_DEPARTMENT * DAYS * PER_DAY / 2)?;
        let mut next = |count: usize| {
            let digit = index % count;
            index /= count;
            digit
        };
        let (department, physician) = (next(departments), next(PER_DEPARTMENT));
        let (day, half) = (next(DAYS), next(PER_DAY / 2));
        // Every second slot is kept for somebody; the others are free.
        Some(Self { department, physician, day, hour: 2 * half + day % 2 })
    }

    fn is_kept(self) -> bool {
        self.hour % 2 == self.day % 2
    }

    fn key(self) -> String {
        format!("{}-{}-{}-{}", DEPARTMENTS[self.department].key, self.physician, self.day, self.hour)
    }

    fn start(self, today: Day) -> Moment {
        let mut day = today;
        for _ in 0..=self.day {
            day = day.plus(1).working();
        }
        day.at(9 * 60 + self.hour as i64 * 45, Zone::HOME)
    }
}

/// Writes the calendars.
pub fn write(bundle: &mut Bundle, random: &mut Random, today: Day, directory: &Directory) {
    for (department, _) in DEPARTMENTS.iter().enumerate().filter(|(_, d)| d.is_clinic) {
        for physician in 0..PER_DEPARTMENT {
            let staff = directory.physician(department, physician);
            let schedule = schedule(bundle, today, staff, directory);
            for day in 0..DAYS {
                for hour in 0..PER_DAY {
                    let place = Place { department, physician, day, hour };
                    slot(bundle, random, today, (schedule, place), directory);
                }
            }
        }
    }
}

fn schedule(bundle: &mut Bundle, today: Day, staff: &Staff, directory: &Directory) -> Uuid {
    let uuid = directory.uuid("Schedule", &staff.number);
    let department = &DEPARTMENTS[staff.department];
    bundle.create_once("Schedule", uuid, (system::SCHEDULE, &staff.number), |out| {
        out.identifier(system::SCHEDULE, &staff.number).bare("active", true);
        out.concepts("specialty", &[department.specialty]).array("actor", |out| {
            for (target, display) in [(staff.target(), staff.display.as_str()), (department.service(), department.name)]
            {
                out.item(|out| {
                    out.reference_members(directory.here(target), display);
                });
            }
        });
        let (start, end) = (today.plus(1).at(0, Zone::HOME), today.plus(15).at(0, Zone::HOME));
        out.period("planningHorizon", Some(start), Some(end));
        out.plain("comment", format_args!("45 minutes each, {}", department.name));
    });
    uuid
}

fn slot(bundle: &mut Bundle, random: &mut Random, today: Day, at: (Uuid, Place), directory: &Directory) {
    let (schedule, place) = at;
    let (key, start) = (place.key(), place.start(today));
    let status = match (place.is_kept(), random.below(20)) {
        (true, _) => "busy",
        (false, 0) => "busy-unavailable",
        (false, 1) => "busy-tentative",
        _ => "free",
    };
    bundle.create_once("Slot", directory.uuid("Slot", &key), (system::SLOT, &key), |out| {
        out.identifier(system::SLOT, &key).concepts("specialty", &[DEPARTMENTS[place.department].specialty]);
        let kind = if place.hour % 3 == 0 {
            ("CHECKUP", "A routine check-up, such as an annual physical")
        } else {
            ("FOLLOWUP", "A follow up visit from a previous appointment")
        };
        out.concept("appointmentType", &[hl7("http://terminology.hl7.org/CodeSystem/v2-0276", kind.0, kind.1)]);
        out.reference("schedule", Target::Entry(schedule), "").text("status", status);
        out.moment("start", start).moment("end", start.plus(45 * 60));
    });
}

/// The next appointment of patient `number`, while the calendars have room.
pub fn appointment(
    bundle: &mut Bundle,
    random: &mut Random,
    today: Day,
    number: u64,
    patient: (Uuid, &str),
    directory: &Directory,
) {
    let Some(place) = Place::of_patient(number) else { return };
    let (key, start) = (place.key(), place.start(today));
    let staff = directory.physician(place.department, place.physician);
    let department = &DEPARTMENTS[place.department];
    bundle.create("Appointment", random.uuid(), |out| {
        out.text("status", if random.chance(80) { "booked" } else { "pending" });
        out.concepts("specialty", &[department.specialty]);
        out.plain("description", format_args!("{} visit", department.name));
        out.moment("start", start).moment("end", start.plus(45 * 60)).bare("minutesDuration", 45);
        out.references("slot", Target::Shared { kind: "Slot", system: system::SLOT, value: &key }, "");
        out.moment("created", today.plus(-random.between(1, 40)).at(700, Zone::HOME));
        out.array("participant", |out| {
            let people = [
                (Target::Entry(patient.0), patient.1, "accepted"),
                (staff.target(), staff.display.as_str(), "accepted"),
                (department.location(), department.name, "tentative"),
            ];
            for (target, display, status) in people {
                out.item(|out| {
                    out.reference("actor", target, display).text("required", "required").text("status", status);
                });
            }
        });
    });
}
