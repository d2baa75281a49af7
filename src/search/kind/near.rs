//! `near` on Location (FHIR R4 `location.html`, 8.7.5.1): `latitude|longitude|distance|units`, great circles on a sphere.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::element::{Element, get};
use super::escape::{split, unescape};
use super::number;
use crate::fhir::decimal::Implied;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::quantity::scale;
use crate::search::query::Circle;
use crate::search::value::{Position, Value};

/// The mean radius of the Earth, in metres.
const EARTH: f64 = 6_371_008.8;
/// What counts as near when the value names no distance, in metres.
pub const DEFAULT_METRES: f64 = 10_000.0;

/// How exact a distance is, in metres: that of a [`Position`].
const ROUNDING: f64 = 0.01;

/// Names of units that are not UCUM, or mean something else there; in metres.
const UNITS: [(&[&str], f64); 6] = [
    (&["km", "kms", "kilometer", "kilometers", "kilometre", "kilometres"], 1000.0),
    (&["m", "meter", "meters", "metre", "metres"], 1.0),
    (&["mi", "mile", "miles", "[mi_i]"], 1609.344),
    (&["ft", "foot", "feet", "[ft_i]"], 0.3048),
    (&["yd", "yard", "yards", "[yd_i]"], 0.9144),
    (&["nmi", "[nmi_i]"], 1852.0),
];

/// Reads one value.
///
/// # Errors
/// The reason, when a number is none or out of its range, or the unit is no length.
pub fn parse(value: &str) -> Result<Circle, &'static str> {
    const SHAPE: &str = "it is written as latitude|longitude, perhaps with |distance and |units";
    let parts: Vec<&str> = split(value, b'|').collect();
    let (latitude, longitude) = match parts.as_slice() {
        [latitude, longitude] | [latitude, longitude, _] | [latitude, longitude, _, _] => (latitude, longitude),
        _ => return Err(SHAPE),
    };
    let latitude = degrees(latitude, 90).ok_or("the latitude is a number from -90 to 90")?;
    let longitude = degrees(longitude, 180).ok_or("the longitude is a number from -180 to 180")?;
    let metres = match (parts.get(2), parts.get(3)) {
        (None | Some(&""), _) => DEFAULT_METRES,
        (Some(distance), unit) => {
            let distance = decimal(distance).and_then(|distance| distance.to_f64()).filter(|distance| *distance >= 0.0);
            distance.ok_or("the distance is a number, 0 or more")? * unit.map_or(Ok(1000.0), |unit| metres(unit))?
        }
    };
    Ok(Circle { latitude, longitude, metres })
}

fn decimal(text: &str) -> Option<Decimal> {
    Implied::parse(text).ok().map(|number| number.value)
}

fn degrees(text: &str, most: i64) -> Option<f64> {
    decimal(text).filter(|value| value.abs() <= Decimal::from(most))?.to_f64()
}

/// The metres of a unit of length: a common name, or UCUM.
fn metres(unit: &str) -> Result<f64, &'static str> {
    const LENGTH: &str = "the unit is no length: km, m, mi, ft and the lengths of UCUM are";
    let unit = unescape(unit)?;
    if unit.is_empty() {
        return Ok(1000.0);
    }
    let known = UNITS.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(&unit)));
    if let Some((_, metres)) = known {
        return Ok(*metres);
    }
    let scale = scale(&unit).filter(|scale| &*scale.unit == "m").ok_or(LENGTH)?;
    scale.apply(Decimal::ONE).and_then(|metres| metres.to_f64()).ok_or(LENGTH)
}

/// The value of an element with a latitude and a longitude; none when one is absent or out of its range.
pub fn extract(element: Element<'_>, out: &mut dyn FnMut(Value)) {
    let Json::Object(position) = element.json else { return };
    let side = |name, most: i64| {
        let value = number::of(get(position, name)).filter(|value| value.abs() <= Decimal::from(most))?;
        (value * Decimal::from(Position::UNITS)).round().to_i32()
    };
    if let (Some(latitude), Some(longitude)) = (side(names::LATITUDE, 90), side(names::LONGITUDE, 180)) {
        out(Value::Position(Position { latitude, longitude }));
    }
}

/// The distance of a position from the middle of a circle, in metres (haversine).
pub fn distance(circle: &Circle, at: Position) -> f64 {
    let (north, east) = (degrees_of(at.latitude), degrees_of(at.longitude));
    let half = |a: f64, b: f64| ((a - b).to_radians() / 2.0).sin().powi(2);
    let cosines = circle.latitude.to_radians().cos() * north.to_radians().cos();
    let part = half(north, circle.latitude) + cosines * half(east, circle.longitude);
    2.0 * EARTH * part.clamp(0.0, 1.0).sqrt().asin()
}

fn degrees_of(units: i32) -> f64 {
    f64::from(units) / f64::from(Position::UNITS)
}

/// Whether a position lies in a circle. What is too far north or south needs no more than that.
pub fn passes(circle: &Circle, at: Position) -> bool {
    let north = (degrees_of(at.latitude) - circle.latitude).abs().to_radians() * EARTH;
    let most = circle.metres + ROUNDING;
    // the arc along a meridian is the shortest way to a latitude
    north <= most + ROUNDING && distance(circle, at) <= most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        let units = |degrees: f64| (degrees * f64::from(Position::UNITS)).round() as i32;
        Position { latitude: units(latitude), longitude: units(longitude) }
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let from = |latitude, longitude| Circle { latitude, longitude, metres: 0.0 };
        // a degree along a meridian, at any longitude
        assert!((distance(&from(0.0, 0.0), at(1.0, 0.0)) - 111_195.0).abs() < 1.0);
        assert!((distance(&from(-90.0, 77.0), at(-89.0, -3.0)) - 111_195.0).abs() < 1.0);
        // across the date line and across a pole
        assert!((distance(&from(0.0, 179.5), at(0.0, -179.5)) - 111_195.0).abs() < 1.0);
        assert!((distance(&from(89.5, 0.0), at(89.5, 180.0)) - 111_195.0).abs() < 1.0);
        // half around
        assert!((distance(&from(0.0, 0.0), at(0.0, 180.0)) - 20_015_115.0).abs() < 1.0);
        // Boston to New York
        assert!((distance(&from(42.3601, -71.0589), at(40.7128, -74.0060)) - 306_100.0).abs() < 500.0);
    }

    #[test]
    fn values_have_distances_and_units() {
        let metres = |text: &str| parse(text).map(|circle| circle.metres.round());
        for (text, expected) in [
            ("1|2", 10_000.0),
            ("-83.694810|42.256500|11.20|km", 11_200.0),
            ("1|2|3", 3000.0),
            ("1|2|3|", 3000.0),
            ("1|2||mi", 10_000.0),
            ("1|2|1|mi", 1609.0),
            ("1|2|100|[mi_i]", 160_934.0),
            ("1|2|5e2|m", 500.0),
            ("1|2|250|cm", 3.0),
            ("90|-180|0|km", 0.0),
        ] {
            assert_eq!(metres(text), Ok(expected), "{text}");
        }
        for text in ["1", "91|0", "0|181", "x|0", "0|0|-1", "0|0|1|kg", "0|0|1|km|x", "0|0|x", "|", "0|0|1|nonsense"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_out_loses_nothing(
            latitude in -90.0..90.0_f64, longitude in -180.0..180.0_f64, north in -90.0..90.0_f64,
            east in -180.0..180.0_f64, metres in 0.0..20_100_000.0_f64,
        ) {
            let circle = Circle { latitude, longitude, metres };
            let is_near = distance(&circle, at(north, east)) <= metres + ROUNDING;
            prop_assert_eq!(passes(&circle, at(north, east)), is_near);
        }
    }
}
