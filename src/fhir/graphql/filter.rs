//! Which elements of a list are answered (FHIR R4 `graphql.html`, 3.1.2.4.1).

use std::cell::Cell;

use super::ast::{Argument, Field, Place, Value};
use super::trouble::{shown, wrong};
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::limits;
use crate::fhir::definitions::element::TypeId;
use crate::fhir::fhirpath::{Bounds, Context, Expression, Node, Options, boolean, compile_with, to_text};
use crate::fhir::json::Json;

/// The text of a value that is one; none for `null`, lists and objects.
pub fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Enum(text) | Value::Number(text) => Some(text),
        Value::Boolean(true) => Some("true"),
        Value::Boolean(false) => Some("false"),
        Value::Null | Value::Variable(_) | Value::List(_) | Value::Object(_) => None,
    }
}

/// The number of a value.
///
/// # Errors
/// 400 when it is no whole number, or a negative one.
pub fn number_of(value: &Value, argument: &Argument) -> Result<usize> {
    let number = if let Value::Number(text) = value { text.parse().ok() } else { None };
    number.ok_or_else(|| wrong(argument.place, format!("{} is a whole number of at least 0", shown(&argument.name))))
}

/// Evaluates expressions for a request, within one bound for all of them.
#[derive(Debug)]
pub struct Evaluator {
    /// Steps that are left.
    steps: Cell<u64>,
    now: Timestamp,
}

impl Evaluator {
    /// One at a time.
    pub fn new(now: Timestamp) -> Self {
        Self { steps: Cell::new(limits::GRAPHQL_STEPS), now }
    }

    /// Compiles an expression that stands at a place, for elements of a type where that is known.
    ///
    /// # Errors
    /// 400 at the place.
    pub fn compile(text: &str, context: Option<TypeId>, place: Place) -> Result<Expression> {
        let options = Options { is_strict: context.is_some(), is_alone: true, context, ..Options::default() };
        compile_with(text, &options).map_err(|fault| fault.on(place.line, place.column))
    }

    /// Whether an element, with its number (`$index`), meets a criterion: it yields true, or one item that is no Boolean.
    ///
    /// # Errors
    /// 400 at the place for what cannot be evaluated, or takes too long.
    pub fn is_true(
        &self,
        path: &Expression,
        node: (Node<'_>, usize),
        resource: Node<'_>,
        place: Place,
    ) -> Result<bool> {
        let found = self.run(path, node, resource, place, |items| boolean(items, "the criterion"))?;
        Ok(found == Some(true))
    }

    /// The text of the only item that an expression yields; an empty one for nothing.
    ///
    /// # Errors
    /// 400 at the place, as [`Evaluator::is_true`].
    pub fn text(&self, path: &Expression, node: Node<'_>, resource: Node<'_>, place: Place) -> Result<String> {
        self.run(path, (node, 0), resource, place, |items| match items.as_slice() {
            [] => Ok(String::new()),
            [item] => Ok(to_text(item).map_or_else(String::new, |text| text.to_string())),
            _ => Err(wrong(place, "the expression yields several items")),
        })
    }

    fn run<'a, T>(
        &self,
        path: &Expression,
        (node, index): (Node<'a>, usize),
        resource: Node<'a>,
        place: Place,
        read: impl FnOnce(&crate::fhir::fhirpath::Collection<'a>) -> Result<T>,
    ) -> Result<T> {
        let bounds = Bounds { steps: self.steps.get(), ..Bounds::default() };
        let context = Context { now: Some(self.now), bounds, index, ..Context::new(resource) };
        let (found, steps) = path.eval_counted(node, &context);
        self.steps.set(self.steps.get().saturating_sub(steps));
        found.and_then(|items| read(&items)).map_err(|fault| fault.on(place.line, place.column))
    }
}

/// Keeps what the arguments of a field choose: those that meet `fhirpath` and the values of parts, of these `_count` after
/// `_offset`. `value` gives the value of an argument.
///
/// # Errors
/// 400 for arguments that are no numbers, and expressions that are none or cannot be evaluated.
pub fn keep<'a>(
    evaluator: &Evaluator,
    field: &Field,
    mut nodes: Vec<Node<'a>>,
    resource: Node<'a>,
    value: impl Fn(&Value) -> Value,
) -> Result<Vec<Node<'a>>> {
    let (mut offset, mut count) = (0, usize::MAX);
    for argument in &field.arguments {
        let given = value(&argument.value);
        if given == Value::Null {
            continue;
        }
        match argument.name.as_str() {
            "_offset" => offset = number_of(&given, argument)?,
            "_count" => count = number_of(&given, argument)?,
            "fhirpath" => {
                let text = text_of(&given).ok_or_else(|| wrong(argument.place, "fhirpath is a string"))?;
                let path = Evaluator::compile(text, None, argument.place)?;
                let mut kept = Vec::new();
                for (at, node) in nodes.into_iter().enumerate() {
                    if evaluator.is_true(&path, (node, at), resource, argument.place)? {
                        kept.push(node);
                    }
                }
                nodes = kept;
            }
            name => {
                let wanted = match &given {
                    Value::List(items) => items.iter().filter_map(text_of).collect(),
                    given => text_of(given).into_iter().collect::<Vec<_>>(),
                };
                nodes.retain(|node| has_value(*node, name, &wanted));
            }
        }
    }
    Ok(nodes.into_iter().skip(offset).take(count).collect())
}

/// Whether a part of an element, or one of several, has one of some values.
fn has_value(node: Node<'_>, name: &str, wanted: &[&str]) -> bool {
    let is = |json: &Json| match json {
        Json::String(text) => wanted.contains(&&**text),
        Json::Number(number) => wanted.contains(&number.as_str()),
        Json::Bool(value) => wanted.contains(&if *value { "true" } else { "false" }),
        _ => false,
    };
    match node.json.get(name) {
        Some(Json::Array(items)) => items.iter().any(is),
        Some(json) => is(json),
        None => false,
    }
}
