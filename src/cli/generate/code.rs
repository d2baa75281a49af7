//! Codes of the terminologies that clinical data uses. A code with its meaning is a fact; the code
//! systems themselves belong to their owners.

/// A code of a code system, with what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The URI of the code system.
    pub system: &'static str,
    /// The code.
    pub code: &'static str,
    /// What people call it; may be empty.
    pub display: &'static str,
}

/// A UCUM unit: the code and how people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The UCUM code.
    pub code: &'static str,
    /// For people.
    pub shown: &'static str,
}

/// A code of SNOMED CT.
pub const fn snomed(code: &'static str, display: &'static str) -> Code {
    Code { system: "http://snomed.info/sct", code, display }
}

/// A code of LOINC.
pub const fn loinc(code: &'static str, display: &'static str) -> Code {
    Code { system: "http://loinc.org", code, display }
}

/// A code of ICD-10-CM.
pub const fn icd10(code: &'static str, display: &'static str) -> Code {
    Code { system: "http://hl7.org/fhir/sid/icd-10-cm", code, display }
}

/// A code of RxNorm.
pub const fn rxnorm(code: &'static str, display: &'static str) -> Code {
    Code { system: "http://www.nlm.nih.gov/research/umls/rxnorm", code, display }
}

/// A code of CVX, vaccines.
pub const fn cvx(code: &'static str, display: &'static str) -> Code {
    Code { system: "http://hl7.org/fhir/sid/cvx", code, display }
}

/// A code of one of HL7's own small code systems, by its full URI.
pub const fn hl7(system: &'static str, code: &'static str, display: &'static str) -> Code {
    Code { system, code, display }
}

/// A UCUM unit.
pub const fn ucum(code: &'static str, shown: &'static str) -> Unit {
    Unit { code, shown }
}

/// URIs of code systems and of the identifiers that the hospital gives.
pub mod system {
    /// Classes of encounters and many others (HL7 v3 ActCode).
    pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    /// Interpretation flags of observations.
    pub const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    /// Kinds of identifiers.
    pub const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
    /// Categories of observations.
    pub const OBSERVATION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
    /// Medical record numbers of the hospital.
    pub const RECORD: &str = "https://beacon.example.org/id/patient";
    /// Staff numbers.
    pub const STAFF: &str = "https://beacon.example.org/id/staff";
    /// Organizations.
    pub const ORGANIZATION: &str = "https://beacon.example.org/id/organization";
    /// Wards, rooms and beds.
    pub const LOCATION: &str = "https://beacon.example.org/id/location";
    /// Roles of the staff.
    pub const ROLE: &str = "https://beacon.example.org/id/role";
    /// Services.
    pub const SERVICE: &str = "https://beacon.example.org/id/service";
    /// Calendars.
    pub const SCHEDULE: &str = "https://beacon.example.org/id/schedule";
    /// Times that can be booked.
    pub const SLOT: &str = "https://beacon.example.org/id/slot";
    /// Devices by inventory number.
    pub const DEVICE: &str = "https://beacon.example.org/id/device";
    /// Encounters.
    pub const VISIT: &str = "https://beacon.example.org/id/visit";
    /// Specimens and laboratory reports.
    pub const ACCESSION: &str = "https://beacon.example.org/id/accession";
}

/// The category of an observation.
pub const VITAL_SIGNS: Code = hl7(system::OBSERVATION_CATEGORY, "vital-signs", "Vital Signs");
/// The category of an observation.
pub const LABORATORY: Code = hl7(system::OBSERVATION_CATEGORY, "laboratory", "Laboratory");
/// The category of an observation.
pub const SURVEY: Code = hl7(system::OBSERVATION_CATEGORY, "survey", "Survey");
/// The category of an observation.
pub const SOCIAL: Code = hl7(system::OBSERVATION_CATEGORY, "social-history", "Social History");

/// The interpretation `H`, `L` or `N` of a value within a reference range.
pub fn interpretation(value: f64, low: f64, high: f64) -> Code {
    match value {
        v if v < low => hl7(system::INTERPRETATION, "L", "Low"),
        v if v > high => hl7(system::INTERPRETATION, "H", "High"),
        _ => hl7(system::INTERPRETATION, "N", "Normal"),
    }
}
