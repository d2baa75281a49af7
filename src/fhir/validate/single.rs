//! One primitive value: its format, and what an id, a narrative and a URI are held to beyond that.

use super::element;
use super::narrative;
use super::primitive::Primitive;
use super::state::{Check, Scope};
use super::storable::storable;
use super::uris;
use crate::fhir::definitions::element::Property;
use crate::fhir::definitions::names;
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks a primitive value.
pub fn check<'j>(
    check: &mut Check<'_, 'j>,
    primitive: Primitive,
    json: &'j Json,
    property: &Property,
    scope: &Scope<'j>,
    path: &Path,
) {
    // of narratives the rest is asked by `txt-1` and `txt-2`
    let is_shape = check.options.shape_only || (check.has_rules && primitive == Primitive::Xhtml);
    let plain = json.as_str().filter(|_| check.options.takes_unstorable).and_then(|text| storable(primitive, text));
    if plain.is_some() {
        let text = || {
            format!(
                "{}: cannot be stored with control characters, nor a narrative with CDATA or something around its div",
                property.name
            )
        };
        check.warn("value", text, path);
    }
    let judged = plain.as_ref().unwrap_or(json);
    let checked = if is_shape { primitive.shape(judged) } else { primitive.check(judged) };
    if let Err((code, text)) = checked {
        return check.fail(code, || format!("{}: {text} (type {})", property.name, property.type_id.name()), path);
    }
    if primitive == Primitive::String && property.name.id() == Some(names::ID) {
        return element::id(check, json.as_str().unwrap_or(""), scope, path);
    }
    if check.options.refuses_markup && primitive == Primitive::String {
        markup(check, json.as_str().unwrap_or(""), path);
    }
    if primitive == Primitive::Xhtml && check.options.is_thorough {
        narrative::check(check, judged.as_str().unwrap_or(""), scope, path);
    }
    if primitive == Primitive::Uri && !check.options.shape_only {
        uris::check(check, json.as_str().unwrap_or(""), property, scope, path);
    }
}

/// Refuses a text with what a browser could take for a tag.
fn markup(check: &mut Check<'_, '_>, text: &str, path: &Path) {
    let is_tag = |rest: &str| {
        let name = rest.strip_prefix(['/', '!', '?']).unwrap_or(rest);
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') && rest.contains('>')
    };
    if text.match_indices('<').any(|(at, _)| is_tag(&text[at + 1..])) {
        check.fail("security", || "a text must not have tags of HTML".to_owned(), path);
    }
}
