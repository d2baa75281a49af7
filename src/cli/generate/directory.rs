//! Who works where: the part of the hospital that every patient's record refers to. Cheap to make, so that
//! a patient can be generated alone and still name the right people.

use crate::cli::generate::code::{Code, snomed, system};
use crate::cli::generate::names::{FAMILIES, MEN, WOMEN};
use crate::cli::generate::out::Target;
use crate::cli::generate::random::{Random, Uuid};

/// A member of the staff.
#[derive(Debug, Clone)]
pub struct Staff {
    /// The staff number, the value of the identifier in [`system::STAFF`].
    pub number: String,
    /// Whether she is a woman.
    pub is_woman: bool,
    /// The given name.
    pub given: &'static str,
    /// The family name.
    pub family: &'static str,
    /// As she signs: `Dr. Zoë Müller`.
    pub display: String,
    /// Where she works: an index of [`DEPARTMENTS`].
    pub department: usize,
    /// Whether she is a nurse, not a physician.
    pub is_nurse: bool,
}

/// A department of the hospital or the clinic.
#[derive(Debug)]
pub struct Department {
    /// The value of the identifiers of its Organization, Location, and HealthcareService.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its specialty.
    pub specialty: Code,
    /// Whether it belongs to the clinic in town, not to the hospital.
    pub is_clinic: bool,
}

/// The departments; patients are seen in those of the clinic and sent to those of the hospital.
pub const DEPARTMENTS: &[Department] = &[
    department("gp", "General Practice", snomed("394814009", "General practice"), true),
    department("peds", "Pediatrics", snomed("394537008", "Pediatric specialty"), true),
    department("endo", "Diabetes and Endocrinology", snomed("394583002", "Endocrinology"), true),
    department("cardio", "Cardiology", snomed("394579002", "Cardiology"), true),
    department("ed", "Emergency Department", snomed("773568002", "Emergency medicine"), false),
    department("med", "Internal Medicine Ward", snomed("419192003", "Internal medicine"), false),
    department("surg", "Surgery", snomed("394609007", "General surgery"), false),
    department("lab", "Clinical Laboratory", snomed("394595002", "Pathology"), false),
];

const fn department(key: &'static str, name: &'static str, specialty: Code, is_clinic: bool) -> Department {
    Department { key, name, specialty, is_clinic }
}

/// The index of the department that everybody visits.
pub const GENERAL_PRACTICE: usize = 0;
/// The index of the department for children.
pub const PEDIATRICS: usize = 1;
/// The index of the department for diabetes.
pub const ENDOCRINOLOGY: usize = 2;
/// The index of the department for hearts.
pub const CARDIOLOGY: usize = 3;
/// The index of the department for emergencies.
pub const EMERGENCY: usize = 4;
/// The index of the ward.
pub const WARD: usize = 5;
/// The index of the department for operations.
pub const SURGERY: usize = 6;
/// The index of the laboratory.
pub const LABORATORY: usize = 7;

/// Staff of each department.
const PER_DEPARTMENT: usize = 6;

/// The staff of the hospital and the clinic.
#[derive(Debug, Clone)]
pub struct Directory {
    seed: u64,
    staff: Vec<Staff>,
}

impl Directory {
    /// The staff of this seed.
    pub fn new(seed: u64) -> Self {
        let staff = (0..DEPARTMENTS.len() * PER_DEPARTMENT).map(|index| member(seed, index)).collect();
        Self { seed, staff }
    }

    /// The UUID under which the hospital's own Bundle has a shared resource.
    pub fn uuid(&self, kind: &str, key: &str) -> Uuid {
        let bytes = kind.bytes().chain([0]).chain(key.bytes());
        // FNV-1a: the name becomes the number of the sequence.
        let name = bytes
            .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        Random::new(self.seed, 3, name).uuid()
    }

    /// The same target within the hospital's own Bundle, where a conditional reference would find nothing yet.
    pub fn here<'a>(&self, target: Target<'a>) -> Target<'a> {
        match target {
            Target::Shared { kind, value, .. } => Target::Entry(self.uuid(kind, value)),
            Target::Entry(_) => target,
        }
    }

    /// Everybody.
    pub fn staff(&self) -> &[Staff] {
        &self.staff
    }

    /// A physician of a department; the same `choice` gives the same person.
    pub fn physician(&self, department: usize, choice: usize) -> &Staff {
        &self.staff[department * PER_DEPARTMENT + choice % (PER_DEPARTMENT - 2)]
    }

    /// A nurse of a department.
    pub fn nurse(&self, department: usize, choice: usize) -> &Staff {
        &self.staff[department * PER_DEPARTMENT + PER_DEPARTMENT - 2 + choice % 2]
    }
}

fn member(seed: u64, index: usize) -> Staff {
    let random = &mut Random::new(seed, 1, index as u64);
    let is_woman = random.chance(55);
    let given = *random.pick(if is_woman { WOMEN } else { MEN });
    let family = *random.pick(FAMILIES);
    let is_nurse = index % PER_DEPARTMENT >= PER_DEPARTMENT - 2;
    let title = if is_nurse { "" } else { "Dr. " };
    let display = format!("{title}{given} {family}");
    Staff {
        number: format!("S{:04}", index + 1),
        is_woman,
        given,
        family,
        display,
        department: index / PER_DEPARTMENT,
        is_nurse,
    }
}

impl Staff {
    /// A conditional reference to the Practitioner.
    pub fn target(&self) -> Target<'_> {
        Target::Shared { kind: "Practitioner", system: system::STAFF, value: &self.number }
    }
}

impl Department {
    /// A conditional reference to the Organization.
    pub fn organization(&self) -> Target<'static> {
        Target::Shared { kind: "Organization", system: system::ORGANIZATION, value: self.key }
    }

    /// A conditional reference to the Location.
    pub fn location(&self) -> Target<'static> {
        Target::Shared { kind: "Location", system: system::LOCATION, value: self.key }
    }

    /// A conditional reference to the HealthcareService.
    pub fn service(&self) -> Target<'static> {
        Target::Shared { kind: "HealthcareService", system: system::SERVICE, value: self.key }
    }
}
