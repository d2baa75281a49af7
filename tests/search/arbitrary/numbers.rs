//! Decimals of every form: signs, zeros, trailing zeros, exponents, up to 15 digits; and numbers at the edges of others.

use super::super::asks::decimal;
use super::super::decimal::Decimal;
use super::random::Random;

const POOL: [&str; 40] = [
    "0", "1", "2", "3", "5", "10", "37", "80", "95", "99", "100", "101", "105", "120", "-1", "-5", "-100", "0.0",
    "-0.0", "0.1", "0.10", "0.5", "0.95", "1.0", "1.5", "5.4", "37.0", "99.5", "99.95", "100.0", "100.00", "100.5",
    "1e2", "1E2", "1.0e2", "1.00e+2", "5.40e-3", "1e-3", "0e5", "12e1",
];

/// A decimal.
pub fn number(random: &mut Random) -> String {
    match random.below(10) {
        0..=5 => (*random.pick(&POOL)).to_owned(),
        6 | 7 => {
            let near = (*random.pick(&POOL)).to_owned();
            edge(random, &near)
        }
        _ => digits(random),
    }
}

/// Up to 15 digits, with a point or an exponent or none.
fn digits(random: &mut Random) -> String {
    let count = if random.chance(80) { 1 + random.below(5) } else { 6 + random.below(10) };
    let mut text: String = (0..count).map(|_| char::from(b'0' + random.below(10) as u8)).collect();
    if text.len() > 1 && text.starts_with('0') {
        text.replace_range(..1, "1");
    }
    if random.chance(50) && text.len() > 1 {
        text.insert(1 + random.below(text.len() - 1), '.');
    }
    if random.chance(20) && text.len() < 8 {
        text.push_str(random.word(&["e1", "e2", "E+3", "e-1", "e-4", "e0", "E-2"]));
    }
    if random.chance(20) { format!("-{text}") } else { text }
}

/// A number at the edge of what another includes, or that includes it: half of the last digit more or less, a digit
/// more or less, or the same written otherwise.
pub fn edge(random: &mut Random, text: &str) -> String {
    let Some(number) = Decimal::parse(text) else { return number_without_fraction(random) };
    let exact = decimal(number.value);
    match random.below(8) {
        0 => decimal(number.value + number.half),
        1 => decimal(number.value - number.half),
        2 => decimal(number.value + number.half - number.half / 100),
        3 => decimal(number.value - number.half - number.half / 100),
        4 if exact.contains('.') => format!("{exact}0"),
        4 => format!("{exact}.0"),
        // a digit less
        5 if exact.contains('.') => exact[..exact.len() - 1].trim_end_matches('.').to_owned(),
        5 => exponential(&exact),
        6 => decimal(number.value + 2 * number.half),
        _ => decimal(-number.value),
    }
}

/// `1200` as `12e2`.
fn exponential(text: &str) -> String {
    let bare = text.trim_end_matches('0');
    if bare.is_empty() || bare == "-" { "0e1".to_owned() } else { format!("{bare}e{}", text.len() - bare.len()) }
}

/// An integer.
pub fn number_without_fraction(random: &mut Random) -> String {
    if random.chance(80) { random.below(12).to_string() } else { random.below(100_000).to_string() }
}

#[test]
fn numbers_are_numbers() {
    let mut random = Random::new(3);
    for _ in 0..3000 {
        let text = number(&mut random);
        let close = edge(&mut random, &text);
        assert!(Decimal::parse(&text).is_some() && Decimal::parse(&close).is_some(), "{text}, {close}");
        assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{text}");
    }
    assert_eq!(
        (exponential("1200"), exponential("-5"), exponential("0")),
        ("12e2".into(), "-5e0".into(), "0e1".into())
    );
}
