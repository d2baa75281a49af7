//! The few UCUM units that occur in the data, with their dimension and factor.

/// Dimension and factor (numerator, denominator) to the unit of the dimension.
const UNITS: &[(&str, &str, i128, i128)] = &[
    ("kg", "mass", 1_000_000_000, 1),
    ("g", "mass", 1_000_000, 1),
    ("mg", "mass", 1000, 1),
    ("ug", "mass", 1, 1),
    ("[lb_av]", "mass", 453_592_370, 1),
    ("cm", "length", 10, 1),
    ("m", "length", 1000, 1),
    ("mm", "length", 1, 1),
    ("[in_i]", "length", 254, 10),
    ("g/dL", "mass per volume", 1000, 1),
    ("g/L", "mass per volume", 100, 1),
    ("mg/dL", "mass per volume", 1, 1),
    ("mg/L", "mass per volume", 1, 10),
    ("mmol/L", "amount per volume", 1000, 1),
    ("umol/L", "amount per volume", 1, 1),
    ("s", "time", 1, 1),
    ("min", "time", 60, 1),
    ("h", "time", 3600, 1),
];

/// The system of UCUM.
pub const UCUM: &str = "http://unitsofmeasure.org";

/// Dimension and factor of a unit; `None` for one that this table does not know (it is then only equal to itself).
pub fn unit(code: &str) -> Option<(&'static str, i128, i128)> {
    UNITS.iter().find(|(name, ..)| *name == code).map(|(_, dimension, up, down)| (*dimension, *up, *down))
}

#[test]
fn a_gram_is_a_thousand_milligrams() {
    let (mass, gram, _) = unit("g").unwrap();
    let (same, milligram, _) = unit("mg").unwrap();
    assert_eq!((mass, gram), (same, 1000 * milligram));
}
