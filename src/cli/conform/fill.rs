//! `{{name}}`, and `{{text*count}}` or `{{name*count}}`, in the texts of a scenario.

use std::collections::BTreeMap;

use crate::base::fault::{Fault, Result};

/// Longest text that repetition may make, in bytes.
const MOST: usize = 256 << 20;

/// The values that a scenario knows by name.
pub type Values = BTreeMap<String, String>;

/// The text with every `{{name}}` replaced by its value and every `{{text*count}}` by its repetition.
///
/// # Errors
/// 400 for a name that has no value, or a repetition that is too long.
pub fn fill(text: &str, values: &Values) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        match values.get(inner) {
            Some(value) => out.push_str(value),
            None => repeat(inner, values, &mut out)?,
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn repeat(inner: &str, values: &Values, out: &mut String) -> Result<()> {
    let unknown = || Fault::invalid(format!("{{{{{inner}}}}} has no value"));
    let (unit, count) = inner.rsplit_once('*').ok_or_else(unknown)?;
    let unit = values.get(unit).map_or(unit, String::as_str);
    let count: usize = count.parse().map_err(|_| unknown())?;
    if unit.len().saturating_mul(count) > MOST {
        return Err(Fault::invalid(format!("{{{{{unit}*{count}}}}} is too long")));
    }
    // `#` counts, so that repeated entries can differ.
    match unit.contains('#') {
        true => (0..count).for_each(|n| out.push_str(&unit.replace('#', &n.to_string()))),
        false => out.push_str(&unit.repeat(count)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_repetitions_are_filled_in() {
        let values = Values::from([("id".to_owned(), "7".to_owned())]);
        assert_eq!(fill("Patient/{{id}}?{{a*3}}", &values), Ok("Patient/7?aaa".to_owned()));
        assert_eq!(fill("{\"a\":{\"b\":{{id}}}}", &values), Ok("{\"a\":{\"b\":7}}".to_owned()));
        assert_eq!(fill("{{x#,*3}}", &values), Ok("x0,x1,x2,".to_owned()));
        assert_eq!(fill("{{id*2}}", &values), Ok("77".to_owned()));
        assert!(fill("{{unknown}}", &values).is_err());
        assert!(fill("{{abcdefgh*99999999}}", &values).is_err());
        assert_eq!(fill("{}", &values), Ok("{}".to_owned()));
    }
}
