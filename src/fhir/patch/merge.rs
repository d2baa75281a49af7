//! Merge patch (RFC 7386): an object whose properties replace those of the target, and whose nulls take them away.

use super::budget::{Budget, PatchBounds};
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;

/// A merge patch.
#[derive(Debug, Clone)]
pub(super) struct MergePatch(Object);

impl MergePatch {
    /// Reads a document.
    ///
    /// # Errors
    /// 400 when it is not an object, or one of its objects has too many properties.
    pub(super) fn read(document: Json, bounds: PatchBounds) -> Result<Self> {
        match document {
            Json::Object(object) => {
                small(&object, bounds.operations)?;
                Ok(Self(object))
            }
            other => Err(Fault::invalid(format!("a merge patch of a resource is an object, not {}", other.kind()))),
        }
    }

    /// Applies it.
    ///
    /// # Errors
    /// 422 when it costs too much.
    pub(super) fn apply(&self, target: Json, budget: &mut Budget) -> Result<Json> {
        merge(target, &self.0, budget, 0)
    }
}

/// Checks every object: each property is looked for in the target.
fn small(object: &Object, most: usize) -> Result<()> {
    if object.len() > most {
        return Err(Fault::invalid(format!("an object of the merge patch has more than {most} properties")));
    }
    let inner = object.iter().filter_map(|(_, value)| value.as_object());
    inner.into_iter().try_for_each(|inner| small(inner, most))
}

fn merge(target: Json, patch: &Object, budget: &mut Budget, depth: usize) -> Result<Json> {
    let mut object = match target {
        Json::Object(object) => object,
        _ => Object::new(),
    };
    for (name, value) in patch.iter() {
        budget.spend(object.len() + 16)?;
        match value {
            Json::Null => _ = object.remove(name.as_str()),
            Json::Object(inner) => {
                let old = object.get_mut(name.as_str()).map(|old| std::mem::replace(old, Json::Null));
                put(&mut object, name, merge(old.unwrap_or(Json::Null), inner, budget, depth + 1)?);
            }
            other => {
                budget.place(other, depth + 1)?;
                put(&mut object, name, other.clone());
            }
        }
    }
    Ok(Json::Object(object))
}

fn put(object: &mut Object, name: &Name, value: Json) {
    match object.get_mut(name.as_str()) {
        Some(slot) => *slot = value,
        None => object.push(name.clone(), value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};

    const BOUNDS: PatchBounds = PatchBounds { operations: 5, nesting: 64, bytes: 10_000 };

    fn merged(target: &str, patch: &str) -> String {
        let of = |text: &str| parse(text.as_bytes()).expect(text);
        let result = MergePatch::read(of(patch), BOUNDS).and_then(|p| p.apply(of(target), &mut Budget::new(BOUNDS)));
        let mut out = Vec::new();
        write(&result.expect(patch), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7386, appendix A, as far as the patch is an object.
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merged(target, patch), result, "{target} {patch}");
        }
    }

    #[test]
    fn keeps_decimals_as_written() {
        assert_eq!(merged(r#"{"a":1.50}"#, r#"{"b":2.00}"#), r#"{"a":1.50,"b":2.00}"#);
    }

    #[test]
    fn refuses_other_documents_and_many_properties() {
        assert!(MergePatch::read(Json::Array(Vec::new()), BOUNDS).is_err());
        let many = parse(br#"{"x":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}}"#).expect("JSON");
        assert!(MergePatch::read(many, BOUNDS).is_err());
    }
}
