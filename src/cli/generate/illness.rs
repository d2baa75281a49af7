//! Illnesses: what they are called, how they are treated, how long they last.

use crate::cli::generate::code::{Code, icd10, rxnorm, snomed};
use crate::cli::generate::directory::{CARDIOLOGY, EMERGENCY, ENDOCRINOLOGY, GENERAL_PRACTICE, SURGERY, WARD};

/// A medication: what it is and how it is taken.
#[derive(Debug)]
pub struct Medication {
    /// What it is.
    pub code: Code,
    /// For the patient.
    pub dosage: &'static str,
    /// Times a day.
    pub frequency: usize,
    /// Dose and its unit: `1 {tablet}`.
    pub dose: (f64, &'static str),
}

/// An illness that lasts.
#[derive(Debug)]
pub struct Chronic {
    /// SNOMED CT and ICD-10-CM.
    pub codes: [Code; 2],
    /// The medication that is taken all the time.
    pub medication: Option<Medication>,
    /// Where it is followed up.
    pub department: usize,
    /// Visits in a year.
    pub visits: usize,
}

/// An illness that passes.
#[derive(Debug)]
pub struct Acute {
    /// SNOMED CT and ICD-10-CM.
    pub codes: [Code; 2],
    /// What is given.
    pub medication: Option<Medication>,
    /// What is done.
    pub procedure: Option<Code>,
    /// Where it is seen.
    pub department: usize,
    /// Nights in the hospital.
    pub nights: i64,
    /// Days until it has passed.
    pub days: i64,
    /// The ages at which it is seen.
    pub ages: (f64, f64),
    /// `mild`, `moderate`, `severe`.
    pub severity: usize,
}

const fn medication(code: Code, dosage: &'static str, frequency: usize, dose: (f64, &'static str)) -> Medication {
    Medication { code, dosage, frequency, dose }
}

/// The long illnesses; their order is that of `person::illness_index`.
pub const CHRONIC: &[Chronic] = &[
    Chronic {
        codes: [snomed("59621000", "Essential hypertension"), icd10("I10", "Essential (primary) hypertension")],
        medication: Some(medication(
            rxnorm("314076", "lisinopril 10 MG Oral Tablet"),
            "1 tablet in the morning",
            1,
            (1.0, "{tablet}"),
        )),
        department: GENERAL_PRACTICE,
        visits: 2,
    },
    Chronic {
        codes: [
            snomed("44054006", "Diabetes mellitus type 2"),
            icd10("E11.9", "Type 2 diabetes mellitus without complications"),
        ],
        medication: Some(medication(
            rxnorm("861007", "metformin hydrochloride 500 MG Oral Tablet"),
            "1 tablet with meals, twice a day",
            2,
            (1.0, "{tablet}"),
        )),
        department: ENDOCRINOLOGY,
        visits: 3,
    },
    Chronic {
        codes: [snomed("55822004", "Hyperlipidemia"), icd10("E78.5", "Hyperlipidemia, unspecified")],
        medication: Some(medication(
            rxnorm("617310", "atorvastatin 20 MG Oral Tablet"),
            "1 tablet in the evening",
            1,
            (1.0, "{tablet}"),
        )),
        department: GENERAL_PRACTICE,
        visits: 1,
    },
    Chronic {
        codes: [
            snomed("433144002", "Chronic kidney disease stage 3"),
            icd10("N18.30", "Chronic kidney disease, stage 3 unspecified"),
        ],
        medication: None,
        department: ENDOCRINOLOGY,
        visits: 2,
    },
    Chronic {
        codes: [snomed("42343007", "Congestive heart failure"), icd10("I50.9", "Heart failure, unspecified")],
        medication: Some(medication(
            rxnorm("313988", "furosemide 40 MG Oral Tablet"),
            "1 tablet in the morning",
            1,
            (40.0, "mg"),
        )),
        department: CARDIOLOGY,
        visits: 3,
    },
    Chronic {
        codes: [snomed("195967001", "Asthma"), icd10("J45.909", "Unspecified asthma, uncomplicated")],
        medication: Some(medication(
            rxnorm("745679", "albuterol 0.09 MG/ACTUAT Inhaler"),
            "2 puffs when short of breath",
            4,
            (0.18, "mg"),
        )),
        department: GENERAL_PRACTICE,
        visits: 1,
    },
    Chronic {
        codes: [
            snomed("13645005", "Chronic obstructive lung disease"),
            icd10("J44.9", "Chronic obstructive pulmonary disease, unspecified"),
        ],
        medication: None,
        department: GENERAL_PRACTICE,
        visits: 2,
    },
    Chronic {
        codes: [snomed("40930008", "Hypothyroidism"), icd10("E03.9", "Hypothyroidism, unspecified")],
        medication: Some(medication(
            rxnorm("892246", "levothyroxine sodium 0.1 MG Oral Tablet"),
            "1 tablet before breakfast",
            1,
            (100.0, "ug"),
        )),
        department: ENDOCRINOLOGY,
        visits: 1,
    },
    Chronic {
        codes: [
            snomed("370143000", "Major depressive disorder"),
            icd10("F33.9", "Major depressive disorder, recurrent, unspecified"),
        ],
        medication: Some(medication(
            rxnorm("312941", "sertraline 50 MG Oral Tablet"),
            "1 tablet in the morning",
            1,
            (0.05, "g"),
        )),
        department: GENERAL_PRACTICE,
        visits: 2,
    },
    Chronic {
        codes: [snomed("239873007", "Osteoarthritis of knee"), icd10("M17.9", "Osteoarthritis of knee, unspecified")],
        medication: None,
        department: GENERAL_PRACTICE,
        visits: 1,
    },
];

const AMOXICILLIN: Medication = medication(
    rxnorm("308191", "amoxicillin 500 MG Oral Capsule"),
    "1 capsule three times a day for 7 days",
    3,
    (500.0, "mg"),
);
const IBUPROFEN: Medication =
    medication(rxnorm("310965", "ibuprofen 200 MG Oral Tablet"), "1 to 2 tablets when in pain", 3, (0.2, "g"));

/// The illnesses that pass.
pub const ACUTE: &[Acute] = &[
    Acute {
        ages: (3.0, 99.0),
        ..brief([snomed("444814009", "Viral sinusitis"), icd10("J01.90", "Acute sinusitis, unspecified")], None, 12)
    },
    brief([snomed("195662009", "Acute viral pharyngitis"), icd10("J02.9", "Acute pharyngitis, unspecified")], None, 9),
    brief(
        [snomed("10509002", "Acute bronchitis"), icd10("J20.9", "Acute bronchitis, unspecified")],
        Some(IBUPROFEN),
        14,
    ),
    Acute {
        ages: (0.2, 12.0),
        ..brief(
            [snomed("65363002", "Otitis media"), icd10("H66.90", "Otitis media, unspecified")],
            Some(AMOXICILLIN),
            10,
        )
    },
    brief(
        [
            snomed("68566005", "Urinary tract infectious disease"),
            icd10("N39.0", "Urinary tract infection, site not specified"),
        ],
        Some(AMOXICILLIN),
        7,
    ),
    Acute {
        procedure: Some(snomed("229070002", "Stretching exercises")),
        severity: 1,
        ..brief(
            [snomed("44465007", "Sprain of ankle"), icd10("S93.409A", "Sprain of unspecified ligament of ankle")],
            Some(IBUPROFEN),
            28,
        )
    },
    brief(
        [snomed("25374005", "Gastroenteritis"), icd10("A09", "Infectious gastroenteritis and colitis, unspecified")],
        None,
        5,
    ),
    brief(
        [snomed("37796009", "Migraine"), icd10("G43.909", "Migraine, unspecified, not intractable")],
        Some(IBUPROFEN),
        2,
    ),
    brief([snomed("840539006", "COVID-19"), icd10("U07.1", "COVID-19")], None, 15),
    Acute {
        procedure: Some(snomed("225358003", "Wound care")),
        department: EMERGENCY,
        severity: 1,
        ..brief(
            [snomed("283371005", "Laceration of forearm"), icd10("S51.819A", "Laceration of unspecified forearm")],
            None,
            18,
        )
    },
    Acute {
        procedure: Some(snomed("274474001", "Bone immobilization")),
        department: EMERGENCY,
        severity: 1,
        ..brief(
            [snomed("65966004", "Fracture of forearm"), icd10("S52.90XA", "Unspecified fracture of forearm")],
            Some(IBUPROFEN),
            70,
        )
    },
    Acute {
        department: EMERGENCY,
        ages: (35.0, 99.0),
        procedure: Some(snomed("29303009", "Electrocardiographic procedure")),
        ..brief([snomed("29857009", "Chest pain"), icd10("R07.9", "Chest pain, unspecified")], None, 1)
    },
    Acute {
        department: SURGERY,
        nights: 3,
        severity: 2,
        procedure: Some(snomed("80146002", "Appendectomy")),
        ..brief([snomed("74400008", "Appendicitis"), icd10("K37", "Unspecified appendicitis")], Some(AMOXICILLIN), 21)
    },
    Acute {
        department: WARD,
        nights: 5,
        severity: 2,
        procedure: Some(snomed("399208008", "Plain chest X-ray")),
        ..brief(
            [snomed("233604007", "Pneumonia"), icd10("J18.9", "Pneumonia, unspecified organism")],
            Some(AMOXICILLIN),
            30,
        )
    },
];

const fn brief(codes: [Code; 2], medication: Option<Medication>, days: i64) -> Acute {
    let (department, ages) = (GENERAL_PRACTICE, (0.5, 99.0));
    Acute { codes, medication, procedure: None, department, nights: 0, days, ages, severity: 0 }
}
