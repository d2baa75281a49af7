//! A compiled expression, and how it is run.

use std::fmt;

use super::check::{Known, check};
use super::code::{Code, Machine};
use super::compile::{Reading, compile as to_code};
use super::context::Context;
use super::eval::eval;
use super::model::TypeId;
use super::parser;
use super::value::{Collection, Node};
use crate::base::fault::Result;

/// A compiled expression. It can be shared between threads and run any number of times.
pub struct Expression {
    text: Box<str>,
    code: Code,
}

/// How an expression is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// Whether it is checked against the definitions: paths, functions, types (FHIRPath, "Type safety and strict
    /// evaluation").
    pub is_strict: bool,
    /// For the check, the type that it will be run on; any when absent.
    pub context: Option<TypeId>,
    /// For the check, the names of the variables that it will be given; any when absent.
    pub variables: Option<&'o [&'o str]>,
    /// Whether `as` filters several items as `ofType` does, which search parameters of R4 need, instead of failing.
    pub as_filters: bool,
    /// Whether a choice is also found by the name of its form, `valueDateTime`, as search parameters of some implementation guides
    /// have it.
    pub takes_forms: bool,
    /// Whether functions that ask [`Services`](super::context::Services) are refused.
    pub is_alone: bool,
    /// Whether it is of a view: SQL on FHIR adds `getResourceKey` and `getReferenceKey`, and joins nothing to an empty text.
    pub is_view: bool,
}

impl Options<'_> {
    /// For search parameters: `as` filters, choices have the names of their forms too, and there are no services.
    pub const SEARCH: Options<'static> = Options {
        is_strict: false,
        context: None,
        variables: None,
        as_filters: true,
        takes_forms: true,
        is_alone: true,
        is_view: false,
    };
}

/// Compiles an expression, without a check against the definitions.
///
/// # Errors
/// 400 with line and column when it breaks the grammar, names an unknown function or type, or exceeds a bound.
pub fn compile(text: &str) -> Result<Expression> {
    compile_with(text, &Options::default())
}

/// Compiles an expression.
///
/// # Errors
/// As [`compile`]; with [`Options::is_strict`] also, with line and column, for a path or variable that does not exist,
/// and for operands, inputs and arguments of a type that cannot be right; `not-supported` for a function that is refused.
pub fn compile_with(text: &str, options: &Options<'_>) -> Result<Expression> {
    compiled(text, options, options.is_strict).map(|(expression, _)| expression)
}

/// Compiles an expression with the check against the definitions, and tells what it yields as far as that is known.
///
/// # Errors
/// As [`compile_with`] with [`Options::is_strict`].
pub fn compile_typed(text: &str, options: &Options<'_>) -> Result<(Expression, Option<Known>)> {
    compiled(text, options, true)
}

fn compiled(text: &str, options: &Options<'_>, is_strict: bool) -> Result<(Expression, Option<Known>)> {
    let tree = parser::parse(text)?;
    let Options { as_filters, takes_forms, is_alone, is_view, .. } = *options;
    let code = to_code(text, &tree, Reading { as_filters, takes_forms, is_alone, is_view })?;
    let known = if is_strict { check(text, &tree, options.context, options.variables, is_view)? } else { None };
    Ok((Expression { code, text: text.into() }, known))
}

impl Expression {
    /// The text that was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs the expression on a node.
    ///
    /// # Errors
    /// 400 when the evaluation cannot go on (several items where one is needed, a wrong type, an
    /// unknown variable); `too-costly` when a bound of the context is reached.
    pub fn eval<'a>(&self, root: Node<'a>, context: &Context<'a>) -> Result<Collection<'a>> {
        self.eval_counted(root, context).0
    }

    /// Runs the expression on a node, and tells how many steps it took.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn eval_counted<'a>(&self, root: Node<'a>, context: &Context<'a>) -> (Result<Collection<'a>>, u64) {
        let mut machine = Machine::new(root, context);
        let found = eval(&mut machine, &self.code).map_err(|fault| fault.context("fhirpath"));
        (found, context.bounds.steps.saturating_sub(machine.steps))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}
