//! A compiled expression, and how it is run.

use std::fmt;

use super::code::{Code, Machine};
use super::compile::compile as to_code;
use super::context::Context;
use super::eval::eval;
use super::parser;
use super::value::{Collection, Node};
use crate::base::fault::Result;

/// A compiled expression. It can be shared between threads and run any number of times.
pub struct Expression {
    text: Box<str>,
    code: Code,
}

/// Compiles an expression.
///
/// # Errors
/// 400 with line and column when it breaks the grammar, names what is unknown, or exceeds a bound;
/// `not-supported` for a function that is known but not offered.
pub fn compile(text: &str) -> Result<Expression> {
    let tree = parser::parse(text)?;
    Ok(Expression { code: to_code(text, &tree)?, text: text.into() })
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
        let mut machine = Machine::new(root, context);
        eval(&mut machine, &self.code).map_err(|fault| fault.context("fhirpath"))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}
