//! Reckoning with quantities: units of UCUM and durations of the calendar (N1, "Quantity Equality").
//!
//! Durations of a week and less are the same in the calendar and in UCUM; a calendar month or year is
//! no definite duration, so beside `'mo'` and `'a'` the answer is unknown.

use std::cmp::Ordering;

use octofhir_ucum::{Number, unit_divide, unit_multiply};
use rust_decimal::Decimal;

use super::number;
use super::value::{CalendarUnit, Quantity, Unit};
use crate::fhir::quantity::{Scale, convert as convert_value, scale};

/// Longest unit that a product or quotient may have, in bytes.
const MAX_UNIT: usize = 256;

/// Whether a calendar unit is longer than every definite duration can tell.
fn is_variable(unit: &Unit) -> bool {
    matches!(unit, Unit::Calendar(CalendarUnit::Month | CalendarUnit::Year))
}

/// The UCUM code of a unit; a calendar duration gives that of the definite duration beside it.
fn code(unit: &Unit) -> &str {
    match unit {
        Unit::Ucum(code) => code,
        Unit::Calendar(unit) => unit.ucum(),
    }
}

/// The value in base units, as large as it may be.
fn in_base(quantity: &Quantity, base: &Scale) -> Option<Number> {
    Number::parse(&quantity.value.to_string())?.checked_mul(base.factor)?.checked_add(base.offset)
}

/// The order of two calendar durations, by the factors of N1 for unanchored calculations.
fn order_calendar(left: (Decimal, CalendarUnit), right: (Decimal, CalendarUnit)) -> Option<Ordering> {
    let months = |unit| match unit {
        CalendarUnit::Year => Some(12),
        CalendarUnit::Month => Some(1),
        _ => None,
    };
    let (a, b) = match (months(left.1), months(right.1)) {
        (Some(a), Some(b)) => (a, b),
        _ => (left.1.millis(), right.1.millis()),
    };
    Some(left.0.checked_mul(Decimal::from(a))?.cmp(&right.0.checked_mul(Decimal::from(b))?))
}

/// How two quantities relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// They measure the same, in this order.
    Ordered(Ordering),
    /// They measure different things.
    Different,
    /// A unit is invalid, or a calendar month or year meets a definite duration.
    Unknown,
}

/// How two quantities relate, whatever their units.
pub fn relate(left: &Quantity, right: &Quantity) -> Relation {
    if left.unit == right.unit {
        return Relation::Ordered(left.value.cmp(&right.value));
    }
    if let (Unit::Calendar(a), Unit::Calendar(b)) = (&left.unit, &right.unit) {
        return order_calendar((left.value, *a), (right.value, *b)).map_or(Relation::Unknown, Relation::Ordered);
    }
    if is_variable(&left.unit) || is_variable(&right.unit) {
        return Relation::Unknown;
    }
    relate_ucum(left, right)
}

fn relate_ucum(left: &Quantity, right: &Quantity) -> Relation {
    let (Some(a), Some(b)) = (scale(code(&left.unit)), scale(code(&right.unit))) else {
        return Relation::Unknown;
    };
    if a.unit != b.unit {
        return Relation::Different;
    }
    if let Some((x, y)) = a.apply(left.value).zip(b.apply(right.value)) {
        return Relation::Ordered(x.cmp(&y));
    }
    match in_base(left, &a).zip(in_base(right, &b)) {
        Some((x, y)) => Relation::Ordered(x.cmp(&y)),
        None => Relation::Unknown,
    }
}

/// Whether two quantities can be compared, by their units alone.
pub fn is_comparable(left: &Quantity, right: &Quantity) -> bool {
    matches!(relate(left, right), Relation::Ordered(_))
}

/// Equivalence: values are rounded to the precision of the least precise, in the coarser unit;
/// calendar and definite durations are equivalent (N1, "Quantity Equivalence").
pub fn equivalent(left: &Quantity, right: &Quantity) -> bool {
    let (a, b) = (scale(code(&left.unit)), scale(code(&right.unit)));
    let (Some(a), Some(b)) = (a, b) else { return left == right };
    if a.unit != b.unit {
        return false;
    }
    let (coarse, fine, unit) =
        if a.factor >= b.factor { (left, right, code(&left.unit)) } else { (right, left, code(&right.unit)) };
    let converted = convert_value(fine.value, code(&fine.unit), unit);
    converted.is_some_and(|value| number::equivalent(coarse.value, value))
}

/// Whether nothing is reckoned with the unit of a quantity ("invalid or special units will result in empty").
fn is_special(quantity: &Quantity) -> bool {
    scale(code(&quantity.unit)).is_some_and(|scale| scale.is_special())
}

/// The quantity in another unit, if both measure the same.
pub fn convert(quantity: &Quantity, unit: &Unit) -> Option<Quantity> {
    if quantity.unit == *unit {
        return Some(quantity.clone());
    }
    let value = match (&quantity.unit, unit) {
        (Unit::Calendar(CalendarUnit::Year), Unit::Calendar(CalendarUnit::Month)) => {
            quantity.value.checked_mul(Decimal::from(12))?
        }
        (Unit::Calendar(CalendarUnit::Month), Unit::Calendar(CalendarUnit::Year)) => {
            quantity.value.checked_div(Decimal::from(12))?
        }
        (Unit::Calendar(from), Unit::Calendar(to)) => {
            quantity.value.checked_mul(Decimal::from(from.millis()))?.checked_div(Decimal::from(to.millis()))?
        }
        (from, to) if is_variable(from) || is_variable(to) => return None,
        (from, to) => convert_value(quantity.value, code(from), code(to))?,
    };
    Some(Quantity { value, unit: unit.clone() })
}

/// As [`convert`], by an explicit `toQuantity(unit)`: what lies between the calendar and definite durations is reckoned in the
/// system of the source, and then becomes the unit beside it in the other ("Time-valued unit conversions").
pub fn convert_explicitly(quantity: &Quantity, unit: &Unit) -> Option<Quantity> {
    if let (Unit::Calendar(_), Unit::Ucum(code)) = (&quantity.unit, unit)
        && let Some(beside) = CalendarUnit::of_ucum(code)
    {
        return Some(Quantity { unit: unit.clone(), ..convert(quantity, &Unit::Calendar(beside))? });
    }
    convert(quantity, unit).or_else(|| {
        let value = convert_value(quantity.value, code(&quantity.unit), code(unit))?;
        Some(Quantity { value, unit: unit.clone() })
    })
}

/// The sum or difference, in the finer unit of the two, in that of the calendar where one is; none when they measure different
/// things, or when a month or year would have to be converted, which only `toQuantity` does.
pub fn add(left: &Quantity, right: &Quantity, minus: bool) -> Option<Quantity> {
    if left.unit != right.unit && (is_variable(&left.unit) || is_variable(&right.unit)) {
        return None;
    }
    if is_special(left) || is_special(right) {
        return None;
    }
    let finer = match (scale(code(&left.unit)), scale(code(&right.unit))) {
        (Some(a), Some(b)) if b.factor < a.factor => &right.unit,
        _ => &left.unit,
    };
    let is_mixed = matches!(left.unit, Unit::Calendar(_)) != matches!(right.unit, Unit::Calendar(_));
    let of_calendar = match finer {
        Unit::Ucum(code) if is_mixed => CalendarUnit::of_ucum(code).map(Unit::Calendar),
        _ => None,
    };
    let finer = of_calendar.as_ref().unwrap_or(finer);
    let (a, b) = (convert(left, finer)?, convert(right, finer)?);
    let value = if minus { a.value.checked_sub(b.value)? } else { a.value.checked_add(b.value)? };
    Some(Quantity { value, unit: finer.clone() })
}

/// The product; durations of the calendar have none, but with a number.
pub fn multiply(left: &Quantity, right: &Quantity) -> Option<Quantity> {
    let value = left.value.checked_mul(right.value)?;
    combine(value, left, right, false)
}

/// The quotient; none when dividing by zero.
pub fn divide(left: &Quantity, right: &Quantity) -> Option<Quantity> {
    let value = left.value.checked_div(right.value)?;
    combine(value, left, right, true)
}

fn combine(value: Decimal, left: &Quantity, right: &Quantity, divided: bool) -> Option<Quantity> {
    if is_special(left) || is_special(right) {
        return None;
    }
    let (a, b) = (code(&left.unit), code(&right.unit));
    if divided && left.unit == right.unit {
        return Some(Quantity { value, unit: Unit::one() });
    }
    if b == "1" {
        return Some(Quantity { value, unit: left.unit.clone() });
    }
    if a == "1" && !divided {
        return Some(Quantity { value, unit: right.unit.clone() });
    }
    let is_calendar = |unit: &Unit| matches!(unit, Unit::Calendar(_));
    if is_calendar(&left.unit) || is_calendar(&right.unit) || a.len() + b.len() > MAX_UNIT {
        return None;
    }
    let unit = if divided { unit_divide(a, b) } else { unit_multiply(a, b) }.ok()?;
    if unit.is_dimensionless {
        let factor = number::parse(&unit.factor.to_string())?;
        return Some(Quantity { value: value.checked_mul(factor)?, unit: Unit::one() });
    }
    let text = powers(a, b, divided).unwrap_or(unit.expression);
    Some(Quantity { value, unit: Unit::Ucum(text.into()) })
}

/// The product or quotient of two units as powers of their atoms, as far as these have nothing else: `cm` and `cm` are `cm2`.
fn powers(left: &str, right: &str, divided: bool) -> Option<String> {
    let mut atoms: Vec<(&str, i32)> = Vec::new();
    for (unit, sign) in [(left, 1), (right, if divided { -1 } else { 1 })] {
        for (atom, power) in factors(unit)? {
            match atoms.iter_mut().find(|(known, _)| *known == atom) {
                Some((_, sum)) => *sum = sum.checked_add(sign * power)?,
                None => atoms.push((atom, sign * power)),
            }
        }
    }
    let shown = |atom: &str, power: i32| if power == 1 { atom.to_owned() } else { format!("{atom}{power}") };
    let above: Vec<String> = atoms.iter().filter(|(_, n)| *n > 0).map(|(atom, n)| shown(atom, *n)).collect();
    let below = atoms.iter().filter(|(_, n)| *n < 0).map(|(atom, n)| format!("/{}", shown(atom, -n)));
    Some(above.join(".") + &below.collect::<String>())
}

/// The atoms of a unit with their powers; none for one with numbers, annotations or parentheses.
fn factors(unit: &str) -> Option<Vec<(&str, i32)>> {
    if unit == "1" {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    let mut sign = 1;
    let mut rest = unit;
    if let Some(after) = rest.strip_prefix('/') {
        (sign, rest) = (-1, after);
    }
    loop {
        let end = rest.find(['.', '/']).unwrap_or(rest.len());
        let (factor, after) = rest.split_at(end);
        let at = factor.rfind(|c: char| !c.is_ascii_digit() && c != '-' && c != '+').map_or(0, |at| at + 1);
        let (atom, power) = factor.split_at(at);
        // an atom such as `B[10.nV]` was cut in two
        let is_cut = atom.contains('[') != atom.ends_with(']');
        if atom.is_empty() || is_cut || !atom.is_ascii() || atom.contains(['(', ')', '{', '}', '*', '^']) {
            return None;
        }
        let power: i32 = if power.is_empty() { 1 } else { power.parse().ok().filter(|n: &i32| n.abs() < 100)? };
        found.push((atom, sign * power));
        let Some(next) = after.chars().next() else { return Some(found) };
        sign = if next == '/' { -1 } else { 1 };
        rest = &after[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(value: &str, unit: &str) -> Quantity {
        Quantity { value: value.parse().expect("a decimal"), unit: Unit::from_quoted(unit) }
    }

    #[test]
    fn units_are_respected() {
        let cases = [
            (("4.0000", "g"), ("4000.0", "mg"), Relation::Ordered(Ordering::Equal)),
            (("1", "km"), ("999", "m"), Relation::Ordered(Ordering::Greater)),
            (("1", "cm"), ("1", "s"), Relation::Different),
            (("1", "cm"), ("1", "nonsense"), Relation::Unknown),
            (("7", "days"), ("1", "week"), Relation::Ordered(Ordering::Equal)),
            (("7", "days"), ("1", "wk"), Relation::Ordered(Ordering::Equal)),
            (("1", "year"), ("12", "months"), Relation::Ordered(Ordering::Equal)),
            (("1", "year"), ("1", "a"), Relation::Unknown),
            (("0", "Cel"), ("273.15", "K"), Relation::Ordered(Ordering::Equal)),
        ];
        for ((v, u), (w, t), expected) in cases {
            assert_eq!(relate(&quantity(v, u), &quantity(w, t)), expected, "{v} {u} ? {w} {t}");
        }
    }

    #[test]
    fn arithmetic_keeps_what_is_measured() {
        let equals = |q: Option<Quantity>, v: &str, u: &str| {
            assert_eq!(relate(&q.expect("a result"), &quantity(v, u)), Relation::Ordered(Ordering::Equal));
        };
        equals(multiply(&quantity("2.0", "cm"), &quantity("2.0", "m")), "0.040", "m2");
        equals(divide(&quantity("4.0", "g"), &quantity("2.0", "m")), "2", "g/m");
        equals(divide(&quantity("1.0", "m"), &quantity("1.0", "cm")), "100", "1");
        equals(add(&quantity("3", "m"), &quantity("3", "cm"), true), "297", "cm");
        assert!(add(&quantity("3", "m"), &quantity("3", "s"), false).is_none());
        assert!(divide(&quantity("3", "m"), &quantity("0", "s")).is_none());
    }

    #[test]
    fn units_of_products_are_powers() {
        let product = |a: &str, b: &str| multiply(&quantity("2", a), &quantity("3", b)).map(|q| q.to_string());
        let quotient = |a: &str, b: &str| divide(&quantity("12", a), &quantity("3", b)).map(|q| q.to_string());
        assert_eq!(product("cm", "cm").as_deref(), Some("6 'cm2'"));
        assert_eq!(product("m/s", "s").as_deref(), Some("6 'm'"));
        assert_eq!(product("kg.m/s2", "m").as_deref(), Some("6 'kg.m2/s2'"));
        assert_eq!(product("/cm", "cm2").as_deref(), Some("6 'cm'"));
        assert_eq!(product("[in_i]2", "[in_i]").as_deref(), Some("6 '[in_i]3'"));
        assert_eq!(product("m-1", "m3").as_deref(), Some("6 'm2'"));
        assert_eq!(quotient("cm2", "cm").as_deref(), Some("4 'cm'"));
        assert_eq!(quotient("m", "m/s").as_deref(), Some("4 's'"));
        assert_eq!(quotient("1", "cm").as_deref(), Some("4 '/cm'"));
        assert_eq!(quotient("g", "m").as_deref(), Some("4 'g/m'"));
        assert_eq!(quotient("cm", "cm").as_deref(), Some("4 '1'"));
        assert_eq!(factors("B[10.nV]"), None);
        // whatever the text, it measures what it should
        for (a, b) in [("10*3/uL", "L"), ("mm[Hg]", "m2"), ("{cells}/mL", "mL"), ("mol/(L.s)", "s"), ("m2/s/K", "K")] {
            let whole = multiply(&quantity("1", a), &quantity("1", b)).expect(a);
            let back = divide(&whole, &quantity("1", b)).expect(a);
            assert_eq!(relate(&back, &quantity("1", a)), Relation::Ordered(Ordering::Equal), "{a} {b}: {whole} {back}");
        }
    }

    #[test]
    fn durations_of_the_calendar_keep_to_themselves() {
        let explicitly = |value, from, to| convert_explicitly(&quantity(value, from), &Unit::from_quoted(to));
        assert_eq!(explicitly("182.5", "days", "a"), Some(quantity("0.5", "a")));
        assert_eq!(explicitly("7", "days", "wk"), Some(quantity("1", "wk")));
        assert_eq!(explicitly("1", "a", "d"), Some(quantity("365.25", "d")));
        assert_eq!(add(&quantity("60", "s"), &quantity("2", "minutes"), false), Some(quantity("180", "seconds")));
        assert_eq!(add(&quantity("1", "year"), &quantity("1", "year"), false), Some(quantity("2", "year")));
        assert_eq!(add(&quantity("1", "year"), &quantity("12", "months"), false), None);
        assert_eq!(multiply(&quantity("12", "days"), &quantity("45", "m")), None);
        assert_eq!(multiply(&quantity("12", "days"), &quantity("2", "1")), Some(quantity("24", "days")));
    }

    #[test]
    fn equivalence_rounds_to_the_least_precise() {
        assert!(equivalent(&quantity("4", "g"), &quantity("4040", "mg")));
        assert!(equivalent(&quantity("4040", "mg"), &quantity("4", "g")));
        assert!(!equivalent(&quantity("4.01", "g"), &quantity("4040", "mg")));
        assert!(equivalent(&quantity("1", "year"), &quantity("1", "a")));
    }
}
