//! UCUM, read for the evaluator: the atoms that occur in the data, with metric prefixes, exponents, `.` and `/`.
//!
//! Written from the tables of the UCUM specification (units, prefixes, and its rule that an annotation in braces is 1
//! and that the mole is a number of things, so that it has no dimension). Factors are floating numbers; the comparison
//! leaves 10^-12 of room, far less than two values in the data differ by unless they are equal.

/// Exponents of metre, second, gram and kelvin.
pub type Dimension = [i32; 4];

/// A unit: `(value + offset) * factor` of the base units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// What it measures; only values of one dimension are compared.
    pub dimension: Dimension,
    /// The factor to the base units.
    pub factor: f64,
    /// What is added before, for the scales of temperature.
    pub offset: f64,
}

/// Name, whether it takes prefixes, exponents, factor.
const ATOMS: &[(&str, bool, Dimension, f64)] = &[
    ("m", true, [1, 0, 0, 0], 1.0),
    ("s", true, [0, 1, 0, 0], 1.0),
    ("g", true, [0, 0, 1, 0], 1.0),
    ("K", true, [0, 0, 0, 1], 1.0),
    ("L", true, [3, 0, 0, 0], 1e-3),
    ("mol", true, [0, 0, 0, 0], 6.022_140_76e23),
    // The enzyme unit: a micromole per minute.
    ("U", true, [0, -1, 0, 0], 6.022_140_76e17 / 60.0),
    // A column of mercury of one metre: 133.322 kPa, and a pascal is 1000 g/(m.s2).
    ("m[Hg]", true, [-1, -2, 1, 0], 133.322e3 * 1e3),
    ("min", false, [0, 1, 0, 0], 60.0),
    ("h", false, [0, 1, 0, 0], 3600.0),
    ("d", false, [0, 1, 0, 0], 86_400.0),
    ("a", false, [0, 1, 0, 0], 365.25 * 86_400.0),
    ("%", false, [0, 0, 0, 0], 1e-2),
    ("10*", false, [0, 0, 0, 0], 10.0),
    ("[lb_av]", false, [0, 0, 1, 0], 453.592_37),
    ("[in_i]", false, [1, 0, 0, 0], 0.0254),
];

const PREFIXES: &[(&str, f64)] =
    &[("k", 1e3), ("d", 1e-1), ("c", 1e-2), ("m", 1e-3), ("u", 1e-6), ("n", 1e-9), ("p", 1e-12), ("f", 1e-15)];

/// Codes in the data that UCUM does not convert to others in it: `pH` is no unit, `[pH]` is a logarithm, an international unit is
/// arbitrary. They are only equal to themselves.
pub const OPAQUE: [&str; 3] = ["pH", "[pH]", "m[IU]/L"];

/// The system of UCUM.
pub const UCUM: &str = "http://unitsofmeasure.org";

/// A unit; `None` for one that is not known here.
pub fn unit(code: &str) -> Option<Unit> {
    match code {
        "Cel" => return Some(Unit { dimension: [0, 0, 0, 1], factor: 1.0, offset: 273.15 }),
        "[degF]" => return Some(Unit { dimension: [0, 0, 0, 1], factor: 5.0 / 9.0, offset: 459.67 }),
        _ => {}
    }
    let mut unit = Unit { dimension: [0; 4], factor: 1.0, offset: 0.0 };
    let code = without_annotations(code)?;
    let mut sign = 1;
    for (n, part) in code.split('/').enumerate() {
        for term in part.split('.') {
            // `/min` has nothing before the stroke.
            if !(n == 0 && term.is_empty()) {
                multiply(&mut unit, term, sign)?;
            }
        }
        sign = -1;
    }
    Some(unit)
}

/// An annotation is 1 where it stands alone, and nothing behind a unit.
fn without_annotations(code: &str) -> Option<String> {
    let Some((before, rest)) = code.split_once('{') else { return Some(code.to_owned()) };
    let (_, after) = rest.split_once('}')?;
    let one = if before.is_empty() || before.ends_with(['/', '.']) { "1" } else { "" };
    without_annotations(&format!("{before}{one}{after}"))
}

fn multiply(unit: &mut Unit, bare: &str, sign: i32) -> Option<()> {
    if bare == "1" {
        return Some(());
    }
    let digits = bare.len() - bare.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (name, exponent) = bare.split_at(bare.len() - digits);
    let exponent = sign * if digits == 0 { 1 } else { exponent.parse::<i32>().ok()? };
    let (dimension, factor) = atom(name)?;
    (0..4).for_each(|n| unit.dimension[n] += exponent * dimension[n]);
    unit.factor *= factor.powi(exponent);
    Some(())
}

fn atom(name: &str) -> Option<(Dimension, f64)> {
    let plain = ATOMS.iter().find(|(atom, ..)| *atom == name);
    if let Some((_, _, dimension, factor)) = plain {
        return Some((*dimension, *factor));
    }
    PREFIXES.iter().find_map(|(prefix, by)| {
        let rest = name.strip_prefix(prefix)?;
        let (_, _, dimension, factor) = ATOMS.iter().find(|(atom, metric, ..)| *metric && *atom == rest)?;
        Some((*dimension, by * factor))
    })
}

#[test]
fn units_follow_ucum() {
    let is = |code: &str, dimension: Dimension, factor: f64| {
        let found = unit(code).unwrap_or_else(|| panic!("{code}"));
        assert_eq!(found.dimension, dimension, "{code}");
        assert!((found.factor / factor - 1.0).abs() < 1e-12, "{code}: {}", found.factor);
    };
    is("mg", [0, 0, 1, 0], 1e-3);
    is("mg/dL", [-3, 0, 1, 0], 10.0);
    is("kg/m2", [-2, 0, 1, 0], 1000.0);
    is("mm[Hg]", [-1, -2, 1, 0], 133_322.0);
    is("/min", [0, -1, 0, 0], 1.0 / 60.0);
    is("10*3/uL", [-3, 0, 0, 0], 1e12);
    is("mmol/L", [-3, 0, 0, 0], 6.022_140_76e23);
    is("mL/min/{1.73_m2}", [3, -1, 0, 0], 1e-6 / 60.0);
    is("{score}", [0; 4], 1.0);
    is("U/L", [-3, -1, 0, 0], 6.022_140_76e20 / 60.0);
    let kelvin = |code: &str, value: f64| (value + unit(code).unwrap().offset) * unit(code).unwrap().factor;
    assert!((kelvin("Cel", 100.0) - kelvin("[degF]", 212.0)).abs() < 1e-9);
    assert!(unit("pH").is_none() && unit("").is_some() && unit("kmin").is_none());
}
