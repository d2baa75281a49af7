//! The few UCUM units that occur in the data, with their dimension and factor.

/// A unit by its dimension: `(value + offset) * up / down` of the dimension's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What it measures; only values of one dimension are compared.
    pub dimension: &'static str,
    /// Numerator of the factor.
    pub up: i128,
    /// Denominator of the factor.
    pub down: i128,
    /// Hundredths that are added before, for the scales of temperature.
    pub offset: i128,
}

/// Code, dimension, factor, offset. A mole is a number of things in UCUM, so that mmol/L and 10*3/uL have one dimension;
/// an annotation in braces is 1.
const UNITS: &[(&str, &str, i128, i128, i128)] = &[
    ("kg", "mass", 1_000_000_000_000_000, 1, 0),
    ("g", "mass", 1_000_000_000_000, 1, 0),
    ("mg", "mass", 1_000_000_000, 1, 0),
    ("ug", "mass", 1_000_000, 1, 0),
    ("pg", "mass", 1, 1, 0),
    ("[lb_av]", "mass", 453_592_370_000_000, 1, 0),
    ("cm", "length", 100, 1, 0),
    ("m", "length", 10_000, 1, 0),
    ("mm", "length", 10, 1, 0),
    ("[in_i]", "length", 254, 1, 0),
    ("g/dL", "mass per volume", 10_000_000_000, 1, 0),
    ("g/L", "mass per volume", 1_000_000_000, 1, 0),
    ("mg/dL", "mass per volume", 10_000_000, 1, 0),
    ("mg/L", "mass per volume", 1_000_000, 1, 0),
    ("ug/mL", "mass per volume", 1_000_000, 1, 0),
    ("ug/L", "mass per volume", 1000, 1, 0),
    ("ng/mL", "mass per volume", 1000, 1, 0),
    ("pg/mL", "mass per volume", 1, 1, 0),
    ("mmol/L", "number per volume", 602_214_076_000_000, 1, 0),
    ("umol/L", "number per volume", 602_214_076_000, 1, 0),
    ("10*6/uL", "number per volume", 1_000_000, 1, 0),
    ("10*3/uL", "number per volume", 1000, 1, 0),
    ("kU/L", "catalysis per volume", 1000, 1, 0),
    ("U/L", "catalysis per volume", 1, 1, 0),
    ("mL/min", "flow", 1, 1, 0),
    ("mL/min/{1.73_m2}", "flow", 1, 1, 0),
    ("{score}", "number", 1000, 1, 0),
    ("{INR}", "number", 1000, 1, 0),
    ("{nominal}", "number", 1000, 1, 0),
    ("{T-score}", "number", 1000, 1, 0),
    ("{tablet}", "number", 1000, 1, 0),
    ("%", "number", 10, 1, 0),
    ("mg/g", "number", 1, 1, 0),
    ("Cel", "temperature", 9, 1, 27_315),
    ("[degF]", "temperature", 5, 1, 45_967),
    ("s", "time", 1, 1, 0),
    ("min", "time", 60, 1, 0),
    ("h", "time", 3600, 1, 0),
    ("d", "time", 86_400, 1, 0),
];

/// The system of UCUM.
pub const UCUM: &str = "http://unitsofmeasure.org";

/// A unit; `None` for one that this table does not know (it is then only equal to itself).
pub fn unit(code: &str) -> Option<Unit> {
    let (_, dimension, up, down, offset) = *UNITS.iter().find(|(name, ..)| *name == code)?;
    Some(Unit { dimension, up, down, offset })
}

#[test]
fn a_gram_is_a_thousand_milligrams() {
    let (gram, milligram) = (unit("g").unwrap(), unit("mg").unwrap());
    assert_eq!((gram.dimension, gram.up), (milligram.dimension, 1000 * milligram.up));
    let boiling = |code: &str, hundredths: i128| (hundredths + unit(code).unwrap().offset) * unit(code).unwrap().up;
    assert_eq!(boiling("Cel", 10_000), boiling("[degF]", 21_200));
}
