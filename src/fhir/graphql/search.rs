//! The arguments of a search, as parameters of FHIR's (FHIR R4 `graphql.html`, 3.1.2.5).

use super::source::Source;
use crate::fhir::types::ResourceType;

/// Search parameters that GraphQL has no use for.
const ABSENT: [&str; 6] = ["_include", "_revinclude", "_contained", "_containedType", "_summary", "_elements"];

/// What is no parameter of a definition and can be asked still.
const CONTROLS: [&str; 4] = ["_sort", "_filter", "_list", "_total"];

/// The search parameter that an argument stands for: the same name, or one with `-` where the argument has `_`.
pub fn param(source: &dyn Source, kind: ResourceType, argument: &str) -> Option<String> {
    if ABSENT.contains(&argument) {
        return None;
    }
    if CONTROLS.contains(&argument) {
        return Some(argument.to_owned());
    }
    let names = source.params(kind);
    let same = names.iter().find(|name| *name == argument);
    same.or_else(|| names.iter().find(|name| name.replace('-', "_") == argument)).cloned()
}

/// A value within a list of alternatives: a comma in it divides nothing.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_escaped = false;
    for c in text.chars() {
        if c == ',' && !is_escaped {
            out.push('\\');
        }
        is_escaped = c == '\\' && !is_escaped;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_within_a_value_divides_nothing() {
        assert_eq!(escaped("a,b"), "a\\,b");
        assert_eq!(escaped("a\\,b"), "a\\,b");
        assert_eq!(escaped("a\\\\,b"), "a\\\\\\,b");
        assert_eq!(escaped("http://loinc.org|1-8"), "http://loinc.org|1-8");
    }
}
