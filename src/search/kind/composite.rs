//! `composite` (FHIR R4 `search.html`, 3.1.1.4.17): values of the same element, joined with `$`.

use crate::search::value::Value;

/// Most tuples of one element.
pub const TUPLES_MAX: usize = 1024;

/// Every combination of one value of each component; nothing when a component has none. Bounded: further
/// combinations are left out.
pub fn tuples(components: &[Vec<Value>], out: &mut dyn FnMut(Value)) {
    let count = components.iter().map(Vec::len).try_fold(1_usize, usize::checked_mul).unwrap_or(TUPLES_MAX);
    if components.iter().any(Vec::is_empty) {
        return;
    }
    for number in 0..count.min(TUPLES_MAX) {
        let mut rest = number;
        let tuple = components.iter().map(|values| {
            let value = values[rest % values.len()].clone();
            rest /= values.len();
            value
        });
        out(Value::Composite(tuple.collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_once_and_bounded() {
        let uris = |names: &[&str]| names.iter().map(|name| Value::Uri((*name).into())).collect::<Vec<_>>();
        let made = |components: &[Vec<Value>]| {
            let mut found = Vec::new();
            tuples(components, &mut |value| found.push(value));
            found
        };
        let found = made(&[uris(&["a", "b"]), uris(&["x", "y", "z"])]);
        assert_eq!(found.len(), 6);
        assert!(found.iter().enumerate().all(|(at, value)| !found[..at].contains(value)));
        assert!(made(&[uris(&["a"]), Vec::new()]).is_empty());
        assert_eq!(made(&[uris(&["a"; 50]), uris(&["b"; 50])]).len(), TUPLES_MAX);
    }
}
