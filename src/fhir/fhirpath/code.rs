//! The compiled form: what an expression does, with every name resolved, and the machine that runs it.

use std::fmt;

use regex::Regex;
use smallvec::SmallVec;

use super::ast::Operator;
use super::context::Context;
use super::model::{TypeId, TypeSpec};
use super::node::Step;
use super::trouble;
use super::value::{Collection, Item, Node, Text};
use crate::base::fault::Result;

/// A piece of a compiled expression.
pub enum Code {
    /// `{}`
    Empty,
    /// A constant.
    Literal(Item<'static>),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%context`, `%resource` ...
    Variable(Variable),
    /// `$this` if it is of the type, else nothing: the type name that begins a path.
    Root(TypeId),
    /// A run of property names after something.
    Path(Box<Code>, SmallVec<[Step; 2]>),
    /// `on[index]`
    Indexer(Box<Code>, Box<Code>),
    /// `-operand`
    Minus(Box<Code>),
    /// `+operand`
    Plus(Box<Code>),
    /// `left operator right`
    Binary(Operator, Box<Code>, Box<Code>),
    /// `a | b | c`
    Union(Box<[Code]>),
    /// `operand is type`
    Is(Box<Code>, TypeSpec),
    /// `operand as type`, of at most one item.
    As(Box<Code>, TypeSpec),
    /// `ofType(type)`
    OfType(Box<Code>, TypeSpec),
    /// `getReferenceKey(type)`, of a view.
    ReferenceKey(Box<Code>, Option<TypeSpec>),
    /// A function and its arguments, applied to a collection.
    Call(Box<Code>, Run, Box<[Code]>),
    /// A regular expression that was a literal, ready; an argument of `matches` and its like.
    Pattern(Box<Regex>, Item<'static>),
    /// The key of a `sort`, and how it orders.
    SortKey(Box<Code>, SortOrder),
}

/// How a key of `sort` orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// The least first, and before it what has no key.
    Ascending,
    /// `key desc`: the opposite.
    Descending,
    /// `-key`, the form of the public tests: the greatest first, and before it what has no key.
    Negated,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

/// A variable with a meaning of its own, or one that the caller defines.
#[derive(Debug)]
pub enum Variable {
    /// `%context`
    Context,
    /// `%resource`
    Resource,
    /// `%rootResource`
    RootResource,
    /// Any other.
    Named(Box<str>),
}

/// A function: it gets the collection that it is applied to, and its arguments unevaluated.
pub type Run = for<'a, 'c> fn(&mut Machine<'a, 'c>, Collection<'a>, &[Code]) -> Result<Collection<'a>>;

/// The state of one evaluation.
pub struct Machine<'a, 'c> {
    /// The surroundings.
    pub context: &'c Context<'a>,
    /// `%context`
    pub root: Node<'a>,
    /// `$this`; none within the functions that were applied to nothing.
    pub this: Option<Item<'a>>,
    /// `$index`
    pub index: Option<usize>,
    /// `$total`
    pub total: Collection<'a>,
    /// What `defineVariable` has defined, in the scopes around.
    pub variables: Vec<(Text<'a>, Collection<'a>)>,
    /// Steps left.
    pub steps: u64,
}

impl<'a, 'c> Machine<'a, 'c> {
    /// A machine at the start of an evaluation.
    pub fn new(root: Node<'a>, context: &'c Context<'a>) -> Self {
        let steps = context.bounds.steps;
        let (this, variables) = (root.is_something().then_some(Item::Node(root)), Vec::new());
        Self { context, root, this, index: Some(context.index), total: Collection::new(), variables, steps }
    }

    /// Counts steps.
    ///
    /// # Errors
    /// 400 `too-costly` when the bound is reached.
    pub fn charge(&mut self, steps: usize) -> Result<()> {
        match self.steps.checked_sub(steps as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(trouble::too_costly(format!(
                "the expression takes more than {} steps on this resource",
                self.context.bounds.steps
            ))),
        }
    }

    /// Counts the items of a collection that was made, and checks that they are not too many.
    ///
    /// # Errors
    /// 400 `too-costly` when a bound is reached.
    pub fn made(&mut self, items: Collection<'a>) -> Result<Collection<'a>> {
        self.charge(items.len())?;
        self.check_size(items.len())?;
        Ok(items)
    }

    /// Checks that a collection has not too many items.
    ///
    /// # Errors
    /// 400 `too-costly` when it has.
    pub fn check_size(&self, items: usize) -> Result<()> {
        if items <= self.context.bounds.items {
            return Ok(());
        }
        let message = format!("the expression makes a collection of more than {} items", self.context.bounds.items);
        Err(trouble::too_costly(message))
    }

    /// `%resource`
    pub fn resource(&self) -> Node<'a> {
        self.context.resource.unwrap_or(self.root)
    }

    /// `%rootResource`
    pub fn root_resource(&self) -> Node<'a> {
        self.context.root_resource.unwrap_or_else(|| self.resource())
    }
}
