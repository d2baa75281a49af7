//! JSON Patch (RFC 6902).

use super::budget::{Budget, PatchBounds};
use super::equality::same;
use super::pointer::{Pointer, Slot, find_mut, index, slot};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, Object};

/// A JSON Patch.
#[derive(Debug, Clone)]
pub(super) struct JsonPatch(Vec<Operation>);

#[derive(Debug, Clone)]
struct Operation {
    path: Pointer,
    act: Act,
}

#[derive(Debug, Clone)]
enum Act {
    Add(Json),
    Remove,
    Replace(Json),
    Move(Pointer),
    Copy(Pointer),
    Test(Json),
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Remove => "remove",
            Self::Replace(_) => "replace",
            Self::Move(_) => "move",
            Self::Copy(_) => "copy",
            Self::Test(_) => "test",
        }
    }
}

impl JsonPatch {
    /// Reads a document.
    ///
    /// # Errors
    /// 400 when it is not an array of operations, with the number of the operation.
    pub(super) fn read(document: Json, bounds: PatchBounds) -> Result<Self> {
        let Json::Array(items) = document else {
            return Err(Fault::invalid(format!("a JSON Patch is an array of operations, not {}", document.kind())));
        };
        if items.len() > bounds.operations {
            let message =
                format!("the patch has {} operations; at most {} are accepted", items.len(), bounds.operations);
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        let read =
            |(at, item)| operation(item, bounds.nesting).map_err(|f: Fault| f.context(format!("operation {at}")));
        Ok(Self(items.into_iter().enumerate().map(read).collect::<Result<_>>()?))
    }

    /// Applies it: all operations or an error.
    ///
    /// # Errors
    /// 422 with the number of the operation.
    pub(super) fn apply(&self, mut document: Json, budget: &mut Budget) -> Result<Json> {
        for (at, operation) in self.0.iter().enumerate() {
            let done = operation.apply(&mut document, budget);
            done.map_err(|f| f.context(format!("operation {at} ({} {})", operation.act.name(), operation.path)))?;
        }
        Ok(document)
    }
}

fn operation(item: Json, nesting: usize) -> Result<Operation> {
    let Json::Object(mut item) = item else {
        return Err(Fault::invalid(format!("an operation is an object, not {}", item.kind())));
    };
    let pointer = |item: &Object, name: &str| match item.get(name) {
        Some(Json::String(text)) => Pointer::parse(text, nesting + 1),
        Some(other) => Err(Fault::invalid(format!("{name} is a string, not {}", other.kind()))),
        None => Err(Fault::coded(Category::Invalid, "required", format!("there is no {name}"))),
    };
    let value = |item: &mut Object| {
        let missing = || Fault::coded(Category::Invalid, "required", "there is no value");
        item.remove("value").ok_or_else(missing)
    };
    let path = pointer(&item, "path")?;
    let act = match item.get("op").and_then(Json::as_str) {
        Some("add") => Act::Add(value(&mut item)?),
        Some("remove") => Act::Remove,
        Some("replace") => Act::Replace(value(&mut item)?),
        Some("move") => Act::Move(pointer(&item, "from")?),
        Some("copy") => Act::Copy(pointer(&item, "from")?),
        Some("test") => Act::Test(value(&mut item)?),
        _ => return Err(Fault::invalid("op is one of add, remove, replace, move, copy, test")),
    };
    Ok(Operation { path, act })
}

fn unfit(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "processing", message)
}

impl Operation {
    fn apply(&self, document: &mut Json, budget: &mut Budget) -> Result<()> {
        let path = &self.path;
        let nothing = |at: &Pointer| unfit(format!("nothing is at \"{at}\""));
        match &self.act {
            Act::Add(value) => {
                budget.place(value, path.depth())?;
                add(document, path, value.clone())
            }
            Act::Remove => remove(document, path, budget).map(drop),
            Act::Replace(value) => {
                budget.place(value, path.depth())?;
                let old = match path.split() {
                    None => Some(document),
                    Some((parents, last)) => find_mut(document, parents).and_then(|parent| match slot(parent)? {
                        Slot::Member(object) => object.get_mut(last),
                        Slot::Item(items) => items.get_mut(index(last)?),
                    }),
                };
                *old.ok_or_else(|| nothing(path))? = value.clone();
                Ok(())
            }
            Act::Move(from) if from.contains(path) => Err(unfit(format!("\"{from}\" cannot be moved into itself"))),
            Act::Move(from) if from == path => from.find(document).map(drop).ok_or_else(|| nothing(from)),
            Act::Move(from) => {
                let value = remove(document, from, budget)?;
                budget.place(&value, path.depth())?;
                add(document, path, value)
            }
            Act::Copy(from) => {
                let value = from.find(document).ok_or_else(|| nothing(from))?;
                budget.place(value, path.depth())?;
                let value = value.clone();
                add(document, path, value)
            }
            Act::Test(value) => {
                let found = path.find(document).ok_or_else(|| nothing(path))?;
                if same(found, value, budget)? { Ok(()) } else { Err(unfit("the value is another one")) }
            }
        }
    }
}

fn add(document: &mut Json, path: &Pointer, value: Json) -> Result<()> {
    let Some((parents, last)) = path.split() else {
        *document = value;
        return Ok(());
    };
    let nowhere = || unfit("there is nothing that could hold it");
    match find_mut(document, parents).and_then(slot).ok_or_else(nowhere)? {
        Slot::Member(object) => object.set(last, value),
        Slot::Item(items) => {
            let at = if last == "-" { Some(items.len()) } else { index(last) };
            let at = at.filter(|at| *at <= items.len());
            let beyond = || unfit(format!("the array has {} items", items.len()));
            items.insert(at.ok_or_else(beyond)?, value);
        }
    }
    Ok(())
}

fn remove(document: &mut Json, path: &Pointer, budget: &mut Budget) -> Result<Json> {
    let Some((parents, last)) = path.split() else { return Err(unfit("the whole resource cannot be removed")) };
    let removed = match find_mut(document, parents).and_then(slot) {
        Some(Slot::Member(object)) => {
            budget.spend(object.len())?;
            object.remove(last)
        }
        Some(Slot::Item(items)) => {
            budget.spend(items.len())?;
            index(last).filter(|at| *at < items.len()).map(|at| items.remove(at))
        }
        None => None,
    };
    removed.ok_or_else(|| unfit(format!("nothing is at \"{path}\"")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::fhir::json::{parse, write};

    const BOUNDS: PatchBounds = PatchBounds { operations: 100, nesting: 64, bytes: 1 << 20 };

    fn tree(value: &Value) -> Json {
        parse(value.to_string().as_bytes()).expect("JSON")
    }

    fn text(json: &Json) -> String {
        let mut out = Vec::new();
        write(json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn patched(document: &Value, patch: &Value) -> Result<Value> {
        let patch = JsonPatch::read(tree(patch), BOUNDS)?;
        let result = patch.apply(tree(document), &mut Budget::new(BOUNDS))?;
        Ok(serde_json::from_str(&text(&result)).expect("JSON"))
    }

    #[test]
    fn copying_does_not_double_for_ever() {
        let mut operations = vec![json!({"op": "add", "path": "/a", "value": ["0123456789"]})];
        operations.extend((0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})));
        let fault = patched(&json!({}), &Value::Array(operations)).expect_err("2^40 texts");
        assert_eq!((fault.category().status(), fault.issues()[0].code), (422, "too-costly"));
    }

    #[test]
    fn copying_does_not_nest_for_ever() {
        let mut operations = vec![json!({"op": "add", "path": "/a", "value": {}})];
        let inner = |depth: usize| format!("/a{}", "/a".repeat(depth));
        operations.extend((0..6).map(|n| json!({"op": "copy", "from": "/a", "path": inner(1 << n)})));
        assert_eq!(patched(&json!({}), &Value::Array(operations)).expect_err("too deep").category().status(), 422);
    }

    #[test]
    fn keeps_decimals_as_written() {
        let patch = parse(br#"[{"op":"add","path":"/b","value":2.00},{"op":"test","path":"/a","value":15e-1}]"#);
        let patch = JsonPatch::read(patch.expect("JSON"), BOUNDS).expect("a patch");
        let document = parse(br#"{"a":1.500}"#).expect("JSON");
        let result = patch.apply(document, &mut Budget::new(BOUNDS)).expect("applies");
        assert_eq!(text(&result), r#"{"a":1.500,"b":2.00}"#);
    }

    #[test]
    fn a_wrong_document_is_told_from_one_that_does_not_fit() {
        for bad in [
            json!({}),
            json!([1]),
            json!([{"op": "add", "path": "/a"}]),
            json!([{"op": "spring", "path": "/a"}]),
            json!([{"op": "remove"}]),
            json!([{"op": "remove", "path": 1}]),
            json!([{"op": "move", "path": "/a"}]),
            json!([{"op": "remove", "path": "a"}]),
            Value::Array(vec![json!({"op": "remove", "path": "/a"}); 101]),
        ] {
            assert_eq!(patched(&json!({"a": 1}), &bad).expect_err("bad").category().status(), 400, "{bad}");
        }
        for unfit in [
            json!([{"op": "remove", "path": ""}]),
            json!([{"op": "remove", "path": "/b"}]),
            json!([{"op": "move", "from": "/a", "path": "/a/b"}]),
            json!([{"op": "add", "path": "/l/3", "value": 1}]),
            json!([{"op": "add", "path": "/l/01", "value": 1}]),
            json!([{"op": "replace", "path": "/l/-", "value": 1}]),
            json!([{"op": "test", "path": "/a", "value": 2}]),
        ] {
            let document = json!({"a": 1, "l": [1, 2]});
            assert_eq!(patched(&document, &unfit).expect_err("unfit").category().status(), 422, "{unfit}");
        }
    }

    /// A naive evaluator over serde_json, written from the RFC: `None` where a patch fails.
    fn naive(mut document: Value, operations: &[Value]) -> Option<Value> {
        fn insert(document: &mut Value, path: &str, value: Value) -> Option<()> {
            let Some((parent, last)) = path.rsplit_once('/') else {
                *document = value;
                return Some(());
            };
            match document.pointer_mut(parent)? {
                Value::Object(map) => _ = map.insert(last.replace("~1", "/").replace("~0", "~"), value),
                Value::Array(list) if last == "-" => list.push(value),
                Value::Array(list) => {
                    let at: usize = last.parse().ok().filter(|at| *at <= list.len())?;
                    list.insert(at, value);
                }
                _ => return None,
            }
            Some(())
        }
        fn cut(document: &mut Value, path: &str) -> Option<Value> {
            document.pointer(path)?;
            let (parent, last) = path.rsplit_once('/')?;
            match document.pointer_mut(parent)? {
                Value::Object(map) => map.remove(&last.replace("~1", "/").replace("~0", "~")),
                Value::Array(list) => Some(list.remove(last.parse().ok()?)),
                _ => None,
            }
        }
        for operation in operations {
            let path = operation["path"].as_str()?;
            let value = operation["value"].clone();
            match operation["op"].as_str()? {
                "add" => insert(&mut document, path, value)?,
                "remove" => _ = cut(&mut document, path)?,
                "replace" => *document.pointer_mut(path)? = value,
                "test" => (*document.pointer(path)? == value).then_some(())?,
                "copy" => {
                    let value = document.pointer(operation["from"].as_str()?)?.clone();
                    insert(&mut document, path, value)?;
                }
                _ => {
                    let from = operation["from"].as_str()?;
                    if path.starts_with(&format!("{from}/")) {
                        return None;
                    }
                    let value = document.pointer(from)?.clone();
                    if from != path {
                        cut(&mut document, from)?;
                        insert(&mut document, path, value)?;
                    }
                }
            }
        }
        Some(document)
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!(true)),
            (0..5i64).prop_map(|n| json!(n)),
            "[ab]{0,2}".prop_map(|s| json!(s))
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[abc~/]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn pointer() -> impl Strategy<Value = String> {
        let token =
            prop_oneof![Just("a"), Just("b"), Just("c"), Just("~0"), Just("~1"), Just("0"), Just("1"), Just("-")];
        prop::collection::vec(token, 1..4).prop_map(|tokens| tokens.iter().map(|token| format!("/{token}")).collect())
    }

    fn operation() -> impl Strategy<Value = Value> {
        let op = prop_oneof![Just("add"), Just("remove"), Just("replace"), Just("move"), Just("copy"), Just("test")];
        (op, pointer(), pointer(), value())
            .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_a_naive_evaluator(document in value(), operations in prop::collection::vec(operation(), 0..4)) {
            let ours = patched(&document, &Value::Array(operations.clone())).ok();
            prop_assert_eq!(ours, naive(document, &operations));
        }
    }
}
