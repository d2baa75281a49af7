//! The evaluator: runs compiled code over the tree without copying it.

use super::ast::Operator;
use super::code::{Code, Machine, Run, Variable};
use super::convert::{self, boolean, describe, integer, single_value, to_text};
use super::equality;
use super::keys::key_of_reference;
use super::model::{SystemType, TypeSpec, selects, system_of};
use super::node::{KNOWN, Step};
use super::operators;
use super::pool;
use super::trouble;
use super::value::{Collection, Item, Node, Text, maybe, one, truth};
use crate::base::fault::Result;

/// Runs a piece of code in the current state of the machine. What it defines by `defineVariable` ends with it.
///
/// # Errors
/// 400 when the evaluation cannot go on, or a bound is reached.
pub fn eval<'a>(m: &mut Machine<'a, '_>, code: &Code) -> Result<Collection<'a>> {
    let defined = m.variables.len();
    let result = chain(m, code);
    m.variables.truncate(defined);
    result
}

/// Runs a piece of code as the start of a chain: what it defines is seen by what follows.
fn chain<'a>(m: &mut Machine<'a, '_>, code: &Code) -> Result<Collection<'a>> {
    m.charge(1)?;
    // every arm is one call, so that the stack of a deep expression holds small frames
    match code {
        Code::Path(start, steps) => path(m, start, steps),
        Code::Call(on, run, arguments) => call(m, on, *run, arguments),
        Code::Binary(operator, left, right) => binary(m, *operator, left, right),
        Code::Union(parts) => union(m, parts),
        Code::Is(operand, spec) => is_type(m, operand, *spec),
        Code::As(operand, spec) => as_type(m, operand, *spec),
        Code::OfType(operand, spec) => of_type(m, operand, *spec),
        Code::ReferenceKey(operand, spec) => reference_key(m, operand, *spec),
        Code::Indexer(on, index) => indexer(m, on, index),
        Code::Minus(operand) => negate(m, operand),
        Code::Plus(operand) => number_operand(m, operand).map(maybe),
        Code::SortKey(key, _) => eval(m, key),
        Code::Variable(Variable::Named(name)) => named(m, name),
        Code::Total => Ok(m.total.clone()),
        leaf => Ok(maybe(self::leaf(m, leaf))),
    }
}

/// The item of a piece of code that has no parts.
fn leaf<'a>(m: &Machine<'a, '_>, code: &Code) -> Option<Item<'a>> {
    match code {
        Code::Literal(item) | Code::Pattern(_, item) => Some(item.clone()),
        Code::This => m.this.clone(),
        Code::Index => m.index.and_then(|index| i64::try_from(index).ok()).map(Item::Integer),
        Code::Variable(Variable::Context) => there(m.root),
        Code::Variable(Variable::Resource) => there(m.resource()),
        Code::Variable(Variable::RootResource) => there(m.root_resource()),
        Code::Root(kind) => {
            let node = m.this.as_ref().and_then(Item::as_node);
            node.filter(|node| node.type_id.is_some_and(|actual| actual.is_a(*kind))).map(Item::Node)
        }
        _ => None,
    }
}

fn there(node: Node<'_>) -> Option<Item<'_>> {
    node.is_something().then_some(Item::Node(node))
}

fn call<'a>(m: &mut Machine<'a, '_>, on: &Code, run: Run, arguments: &[Code]) -> Result<Collection<'a>> {
    let input = chain(m, on)?;
    let output = run(m, input, arguments)?;
    m.made(output)
}

fn as_type<'a>(m: &mut Machine<'a, '_>, operand: &Code, spec: TypeSpec) -> Result<Collection<'a>> {
    let mut items = chain(m, operand)?;
    convert::single(&items, "`as`")?;
    items.retain(|item| is_selected(item, spec));
    Ok(items)
}

fn is_type<'a>(m: &mut Machine<'a, '_>, operand: &Code, spec: TypeSpec) -> Result<Collection<'a>> {
    let items = chain(m, operand)?;
    let item = convert::single(&items, "`is`")?;
    Ok(item.map_or_else(Collection::new, |item| truth(is(item, spec))))
}

fn of_type<'a>(m: &mut Machine<'a, '_>, operand: &Code, spec: TypeSpec) -> Result<Collection<'a>> {
    let mut items = chain(m, operand)?;
    items.retain(|item| is_selected(item, spec));
    Ok(items)
}

fn reference_key<'a>(m: &mut Machine<'a, '_>, operand: &Code, spec: Option<TypeSpec>) -> Result<Collection<'a>> {
    let items = chain(m, operand)?;
    let keys = items.iter().filter_map(|item| key_of_reference(item, spec.and_then(|spec| spec.fhir)));
    Ok(keys.collect())
}

/// Runs code with an item as `$this`.
///
/// # Errors
/// As [`eval`].
pub fn eval_on<'a>(m: &mut Machine<'a, '_>, code: &Code, item: Item<'a>, index: usize) -> Result<Collection<'a>> {
    let this = m.this.replace(item);
    let index = m.index.replace(index);
    let result = eval(m, code);
    m.this = this;
    m.index = index;
    result
}

/// A variable that `defineVariable` or the caller has defined.
fn named<'a>(m: &Machine<'a, '_>, name: &str) -> Result<Collection<'a>> {
    if let Some((_, value)) = m.variables.iter().find(|(known, _)| **known == *name) {
        return Ok(value.clone());
    }
    let given = m.context.variables.iter().find(|(known, _)| *known == name);
    let given = given.map(|(_, value)| value.iter().cloned().collect());
    given.ok_or_else(|| trouble::evaluation(format!("unknown variable `%{}`", name.escape_debug())))
}

fn path<'a>(m: &mut Machine<'a, '_>, start: &Code, steps: &[Step]) -> Result<Collection<'a>> {
    let mut items = chain(m, start)?;
    for step in steps {
        let mut next = Collection::new();
        for item in &items {
            member(item, step, &mut next);
        }
        m.charge(items.len())?;
        items = m.made(next)?;
        if items.is_empty() {
            break;
        }
    }
    Ok(items)
}

/// The children of an item under a name.
fn member<'a>(item: &Item<'a>, step: &Step, out: &mut Collection<'a>) {
    match item {
        Item::Node(node) => {
            let before = out.len();
            node.child(step, out);
            // a primitive has its System value as the implicit child `value` (FHIR R4 fhirpath.html, 2.9.1.2)
            if out.len() == before && node.has_value() && *step.name() == KNOWN.value {
                out.extend(convert::primitive(*node));
            }
        }
        Item::Quantity(quantity) if *step.name() == KNOWN.value => out.push(Item::Decimal(quantity.value)),
        Item::Quantity(quantity) if step.name() == "unit" => out.push(Item::text(quantity.unit.text())),
        Item::TypeInfo(info) if step.name() == "name" => out.push(Item::text(info.name())),
        Item::TypeInfo(info) if step.name() == "namespace" => out.push(Item::text(info.namespace())),
        Item::TypeInfo(info) if step.name() == "baseType" => out.extend(info.base().map(Item::text)),
        _ => {}
    }
}

fn indexer<'a>(m: &mut Machine<'a, '_>, on: &Code, index: &Code) -> Result<Collection<'a>> {
    let mut items = chain(m, on)?;
    let index = eval(m, index)?;
    let at = integer(&index, "an index")?.and_then(|at| usize::try_from(at).ok());
    Ok(maybe(at.filter(|at| *at < items.len()).map(|at| items.swap_remove(at))))
}

fn number_operand<'a>(m: &mut Machine<'a, '_>, operand: &Code) -> Result<Option<Item<'a>>> {
    let items = eval(m, operand)?;
    match single_value(&items, "a sign")? {
        Some(item @ (Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_))) => Ok(Some(item)),
        Some(other) => Err(trouble::evaluation(format!("a sign is not defined for {}", describe(&other)))),
        None => Ok(None),
    }
}

fn negate<'a>(m: &mut Machine<'a, '_>, operand: &Code) -> Result<Collection<'a>> {
    Ok(maybe(match number_operand(m, operand)? {
        Some(Item::Integer(value)) => value.checked_neg().map(Item::Integer),
        Some(Item::Decimal(value)) => Some(Item::Decimal(-value)),
        Some(Item::Quantity(mut quantity)) => {
            quantity.value = -quantity.value;
            Some(Item::Quantity(quantity))
        }
        _ => None,
    }))
}

fn union<'a>(m: &mut Machine<'a, '_>, parts: &[Code]) -> Result<Collection<'a>> {
    let mut all = Collection::new();
    for part in parts {
        let items = eval(m, part)?;
        if all.is_empty() {
            all = items;
        } else {
            all.extend(items);
        }
    }
    let all = m.made(all)?;
    pool::distinct(m, all)
}

fn binary<'a>(m: &mut Machine<'a, '_>, operator: Operator, left: &Code, right: &Code) -> Result<Collection<'a>> {
    use Operator::*;
    let a = eval(m, left)?;
    if matches!(operator, And | Or | Xor | Implies) {
        return logic(m, operator, &a, right);
    }
    let b = eval(m, right)?;
    match operator {
        Equal => Ok(maybe(equality::equal_all(m, &a, &b)?.map(Item::Bool))),
        NotEqual => Ok(maybe(equality::equal_all(m, &a, &b)?.map(|equal| Item::Bool(!equal)))),
        Equivalent => Ok(truth(equality::equivalent_all(m, &a, &b)?)),
        NotEquivalent => Ok(truth(!equality::equivalent_all(m, &a, &b)?)),
        In => membership(m, &a, &b),
        Contains => membership(m, &b, &a),
        Concatenate => concatenate(m, &a, &b),
        _ => values(m, operator, &a, &b),
    }
}

/// Logic, where the right side is not evaluated when the left one decides.
fn logic<'a>(
    m: &mut Machine<'a, '_>,
    operator: Operator,
    left: &Collection<'a>,
    right: &Code,
) -> Result<Collection<'a>> {
    let sign = operators::sign(operator);
    let a = boolean(left, sign)?;
    let decided = match (operator, a) {
        (Operator::And, Some(false)) => Some(false),
        (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => Some(true),
        _ => None,
    };
    if let Some(decided) = decided {
        return Ok(truth(decided));
    }
    let right = eval(m, right)?;
    let b = boolean(&right, sign)?;
    Ok(maybe(operators::logic(operator, a, b).map(Item::Bool)))
}

/// `item in items`
fn membership<'a>(m: &mut Machine<'a, '_>, item: &Collection<'a>, items: &Collection<'a>) -> Result<Collection<'a>> {
    match convert::single(item, "a test of membership")? {
        None => Ok(Collection::new()),
        Some(item) => Ok(truth(pool::contains(m, items, item)?)),
    }
}

fn concatenate<'a>(m: &mut Machine<'a, '_>, left: &Collection<'a>, right: &Collection<'a>) -> Result<Collection<'a>> {
    let text = |items: &Collection<'a>| -> Result<Text<'a>> {
        let item = convert::single(items, "`&`")?;
        Ok(item.and_then(to_text).unwrap_or(Text::Borrowed("")))
    };
    let joined = operators::concatenate(&text(left)?, &text(right)?);
    bounded_text(m, joined)
}

/// A text that was made, if it is not too long.
///
/// # Errors
/// 400 `too-costly` when it is.
pub fn bounded_text<'a>(m: &mut Machine<'a, '_>, text: Text<'a>) -> Result<Collection<'a>> {
    m.charge(text.len() / 64)?;
    if text.len() > m.context.bounds.text {
        return Err(trouble::too_costly(format!(
            "the expression makes a text of more than {} bytes",
            m.context.bounds.text
        )));
    }
    Ok(one(Item::String(text)))
}

/// Arithmetic and comparison: single values on both sides, empty if either is.
fn values<'a>(
    m: &mut Machine<'a, '_>,
    operator: Operator,
    left: &Collection<'a>,
    right: &Collection<'a>,
) -> Result<Collection<'a>> {
    let sign = operators::sign(operator);
    let (Some(a), Some(b)) = (operand(left, sign)?, operand(right, sign)?) else { return Ok(Collection::new()) };
    if matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual) {
        return Ok(maybe(operators::compare(operator, &a, &b)?.map(Item::Bool)));
    }
    match operators::arithmetic(operator, &a, &b)? {
        Some(Item::String(text)) => bounded_text(m, text),
        other => Ok(maybe(other)),
    }
}

/// The System value of a single operand; an element that has none stands for itself, so that the
/// operator can refuse it.
fn operand<'a>(items: &Collection<'a>, what: &str) -> Result<Option<Item<'a>>> {
    Ok(match convert::single(items, what)? {
        None => None,
        Some(Item::Node(node)) if node.is_primitive() => convert::primitive(*node),
        Some(item) => Some(convert::system(item).unwrap_or_else(|| item.clone())),
    })
}

/// Whether an item is of a type (`is`): of FHIR's types a descendant counts too.
pub fn is(item: &Item<'_>, spec: TypeSpec) -> bool {
    match item {
        Item::Node(node) => node.type_id.zip(spec.fhir).is_some_and(|(actual, wanted)| actual.is_a(wanted)),
        _ => spec.system.is_some_and(|wanted| wanted == SystemType::Any || item.system_type() == Some(wanted)),
    }
}

/// Whether `as` and `ofType` keep an item. A FHIR primitive is kept too when its value is of the
/// System type that is asked for (FHIR R4 `fhirpath.html`, 2.9.1.2).
pub fn is_selected(item: &Item<'_>, spec: TypeSpec) -> bool {
    match item {
        Item::Node(node) => {
            let fhir = node.type_id.zip(spec.fhir).is_some_and(|(actual, wanted)| selects(wanted, actual));
            fhir || node.type_id.and_then(system_of).is_some_and(|system| spec.system == Some(system))
        }
        _ => is(item, spec),
    }
}
