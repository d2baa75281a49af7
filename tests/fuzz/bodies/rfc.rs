//! JSON Patch (RFC 6902) and merge patch (RFC 7386) read plainly, to compare with.

use serde_json::{Map, Value};

/// A JSON Patch applied; `None` where numbers would have to be compared by their value.
pub fn patched(mut document: Value, patch: &Value) -> Option<Result<Value, ()>> {
    for operation in patch.as_array().into_iter().flatten() {
        match step(&mut document, operation) {
            Ok(()) => {}
            Err(Stop::Fails) => return Some(Err(())),
            Err(Stop::Numbers) => return None,
        }
    }
    Some(Ok(document))
}

enum Stop {
    Fails,
    Numbers,
}

fn step(document: &mut Value, operation: &Value) -> Result<(), Stop> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str).ok_or(Stop::Fails);
    let value = || operation.get("value").cloned().ok_or(Stop::Fails);
    let path = text("path")?;
    match text("op")? {
        "add" => add(document, path, value()?),
        "remove" => remove(document, path).map(drop),
        "replace" => {
            *at(document, path).ok_or(Stop::Fails)? = value()?;
            Ok(())
        }
        "copy" => {
            let copied = at(document, text("from")?).ok_or(Stop::Fails)?.clone();
            add(document, path, copied)
        }
        "move" => {
            let from = text("from")?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(Stop::Fails);
            }
            if path == from {
                return at(document, from).map(drop).ok_or(Stop::Fails);
            }
            let moved = remove(document, from)?;
            add(document, path, moved)
        }
        "test" => {
            let (found, expected) = (at(document, path).ok_or(Stop::Fails)?, value()?);
            match (*found == expected, without_numbers(found) == without_numbers(&expected)) {
                (true, _) => Ok(()),
                (false, true) => Err(Stop::Numbers),
                (false, false) => Err(Stop::Fails),
            }
        }
        _ => Err(Stop::Fails),
    }
}

fn without_numbers(value: &Value) -> Value {
    match value {
        Value::Number(_) => Value::from(0),
        Value::Array(items) => items.iter().map(without_numbers).collect(),
        Value::Object(object) => {
            let pairs = object.iter().map(|(name, value)| (name.clone(), without_numbers(value)));
            Value::Object(pairs.collect())
        }
        other => other.clone(),
    }
}

fn tokens(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect::<Vec<_>>().into_iter()
}

fn number(token: &str) -> Option<usize> {
    let is_number = token.bytes().all(|b| b.is_ascii_digit()) && (token.len() == 1 || !token.starts_with('0'));
    token.parse().ok().filter(|_| is_number)
}

fn at<'a>(document: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    tokens(path).try_fold(document, |value, token| match value {
        Value::Object(object) => object.get_mut(&token),
        Value::Array(items) => items.get_mut(number(&token)?),
        _ => None,
    })
}

/// The container of what a path names, and the last token.
fn parent<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Stop> {
    let (above, _) = path.rsplit_once('/').ok_or(Stop::Fails)?;
    let last = tokens(path).next_back().ok_or(Stop::Fails)?;
    Ok((at(document, above).ok_or(Stop::Fails)?, last))
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), Stop> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match parent(document, path)? {
        (Value::Object(object), last) => _ = object.insert(last, value),
        (Value::Array(items), last) => {
            let place = if last == "-" { Some(items.len()) } else { number(&last) };
            items.insert(place.filter(|place| *place <= items.len()).ok_or(Stop::Fails)?, value);
        }
        _ => return Err(Stop::Fails),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str) -> Result<Value, Stop> {
    let removed = match parent(document, path)? {
        (Value::Object(object), last) => object.shift_remove(&last),
        (Value::Array(items), last) => number(&last).filter(|at| *at < items.len()).map(|at| items.remove(at)),
        _ => None,
    };
    removed.ok_or(Stop::Fails)
}

/// A merge patch applied: the function `MergePatch` of RFC 7386, 2.
pub fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut object = match target {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            object.shift_remove(name);
        } else {
            let old = object.shift_remove(name).unwrap_or(Value::Null);
            object.insert(name.clone(), merged(old, value));
        }
    }
    Value::Object(object)
}
