//! Which elements an expression reads: where to look when it does not hold.

use super::ast::{Ast, AstKind};
use super::node::Step;
use super::parser;
use super::value::{Collection, Item, Node};
use crate::fhir::path::Path;

/// Names from the node that an expression is run on.
type Names = Vec<String>;

/// The places of the elements of a node that an expression reads, the deepest that are there, as far as its text tells: paths from the
/// node itself, through filters and into what functions ask of each item. With more than `most` places, only those of the node's own elements.
pub fn places(expression: &str, node: Node<'_>, path: &Path<'_>, most: usize) -> Vec<String> {
    let Ok(tree) = parser::parse(expression) else { return Vec::new() };
    let mut read = Vec::new();
    follow(&tree, &Names::new(), &mut read);
    read.sort_unstable();
    read.dedup();
    let mut found = Vec::new();
    read.iter().for_each(|names| walk(node, names, path, most, &mut found));
    if found.len() > most {
        found.clear();
        read.iter().filter_map(|names| names.first()).for_each(|name| {
            let mut children = Collection::new();
            node.child(&Step::new(name, false), &mut children);
            found.extend((!children.is_empty()).then(|| path.child(name).to_string()));
        });
    }
    found.sort_unstable();
    found.dedup();
    let is_inside =
        |place: &str, other: &str| other.strip_prefix(place).is_some_and(|rest| rest.starts_with(['.', '[']));
    let mut deepest = found.clone();
    deepest.retain(|place| !found.iter().any(|other| is_inside(place, other)));
    deepest.truncate(most);
    deepest
}

/// Adds the paths that a part of an expression reads from what `from` leads to; the path to what it yields, if it is one.
fn follow(ast: &Ast, from: &Names, read: &mut Vec<Names>) -> Option<Names> {
    match &ast.kind {
        AstKind::This => Some(from.clone()),
        AstKind::Variable(name) if name == "context" => Some(Names::new()),
        AstKind::Path(on, names) => {
            let mut whole = match on {
                Some(on) => follow(on, from, read)?,
                None => from.clone(),
            };
            whole.extend(names.iter().cloned());
            read.push(whole.clone());
            Some(whole)
        }
        AstKind::Call(on, name, arguments) => called(on.as_deref(), name, arguments, from, read),
        AstKind::Indexer(on, _) | AstKind::As(on, _) => follow(on, from, read),
        AstKind::Minus(on) | AstKind::Plus(on) | AstKind::Descending(on) | AstKind::Is(on, _) => {
            follow(on, from, read);
            None
        }
        AstKind::Binary(_, left, right) => {
            follow(left, from, read);
            follow(right, from, read);
            None
        }
        AstKind::Union(all) => {
            all.iter().for_each(|one| {
                follow(one, from, read);
            });
            None
        }
        _ => None,
    }
}

fn called(on: Option<&Ast>, name: &str, arguments: &[Ast], from: &Names, read: &mut Vec<Names>) -> Option<Names> {
    let input = match on {
        Some(on) => follow(on, from, read),
        None => Some(from.clone()),
    };
    let asks_each = matches!(name, "where" | "select" | "all" | "exists" | "repeat" | "aggregate" | "sort");
    let names_type = matches!(name, "is" | "as" | "ofType");
    let mut yielded = None;
    if let Some(of) = if asks_each { input.as_ref() } else { Some(from) }.filter(|_| !names_type) {
        for argument in arguments {
            yielded = follow(argument, of, read);
        }
    }
    match name {
        "where" | "ofType" | "as" | "first" | "last" | "tail" | "skip" | "take" | "single" | "distinct" | "trace"
        | "intersect" | "exclude" | "sort" => input,
        "select" => yielded,
        "extension" => {
            let mut extension = input?;
            extension.push("extension".to_owned());
            read.push(extension.clone());
            Some(extension)
        }
        _ => None,
    }
}

fn walk(node: Node<'_>, names: &[String], path: &Path<'_>, most: usize, found: &mut Vec<String>) {
    // one more tells that there are too many
    if found.len() > most {
        return;
    }
    let Some((name, rest)) = names.split_first() else { return found.push(path.to_string()) };
    let mut children = Collection::new();
    node.child(&Step::new(name, false), &mut children);
    let is_list = node.object().is_some_and(|object| object.get(name).is_some_and(|json| json.as_array().is_some()));
    let element = path.child(name);
    for (n, child) in children.iter().enumerate() {
        let Item::Node(child) = child else { continue };
        walk(*child, rest, &if is_list { element.item(n) } else { element }, most, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    #[test]
    fn the_deepest_elements_that_are_read_are_named() {
        let text = r#"{"resourceType":"Observation","code":{"coding":[{"code":"a"},{"code":"b"}],"text":"c"},"valueString":"x",
            "component":[{"code":{"text":"d"}},{"code":{"text":"e"},"valueQuantity":{"value":1}}]}"#;
        let json = parse(text.as_bytes()).expect("JSON");
        let (node, path) = (Node::resource(&json), Path::root("Observation"));
        let of = |expression: &str, most: usize| places(expression, node, &path, most).join(" ");
        for (expression, told) in [
            ("value.empty() or code.text = 'x'", "Observation.code.text Observation.value"),
            (
                "component.where(value.exists()).code.text",
                "Observation.component[0].code.text Observation.component[1].code.text Observation.component[1].value",
            ),
            (
                "component.all(code.text = 'd' and dataAbsentReason.empty())",
                "Observation.component[0].code.text Observation.component[1].code.text",
            ),
            ("component.value.ofType(Quantity).value > 2", "Observation.component[1].value.value"),
            (
                "code.coding[1].code in %context.code.text",
                "Observation.code.coding[0].code Observation.code.coding[1].code Observation.code.text",
            ),
            ("%resource.code.exists() and $this.subject.exists()", ""),
            (
                "component.select(code).text | iif(value is string, $this.code.text, {})",
                "Observation.code.text Observation.component[0].code.text Observation.component[1].code.text Observation.value",
            ),
            ("(", ""),
        ] {
            assert_eq!(of(expression, 10), told, "{expression}");
        }
        assert_eq!(of("component.code.text = code.text", 2), "Observation.code Observation.component");
    }
}
