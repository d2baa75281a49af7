//! The syntax tree: what the text says, before names are resolved. Every node knows its first byte.

use super::temporal::Temporal;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Ast {
    /// What it is.
    pub kind: AstKind,
    /// Offset of the byte that names it: the operator, the function, the literal.
    pub at: usize,
}

impl Ast {
    /// Whether it is `%terminologies`, which is nothing but its operations.
    pub fn is_terminologies(&self) -> bool {
        matches!(&self.kind, AstKind::Variable(name) if name == "terminologies")
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum AstKind {
    /// `{}`
    Empty,
    /// `true`, `false`
    Boolean(bool),
    /// `'text'`
    String(String),
    /// `1`, `1.0`
    Number(String),
    /// `@2024`
    Temporal(Temporal),
    /// `4 'mg'`, `4 days`: number, unit, and whether the unit is a calendar word.
    Quantity(String, String, bool),
    /// `%name`
    Variable(String),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `on.name.name`, or `name.name` alone: a run of names, flat.
    Path(Option<Box<Ast>>, Vec<String>),
    /// `on.name(...)`, or `name(...)` alone.
    Call(Option<Box<Ast>>, String, Vec<Ast>),
    /// `on[index]`
    Indexer(Box<Ast>, Box<Ast>),
    /// `-operand`
    Minus(Box<Ast>),
    /// `key desc`, an argument of `sort`.
    Descending(Box<Ast>),
    /// `+operand`
    Plus(Box<Ast>),
    /// `left operator right`
    Binary(Operator, Box<Ast>, Box<Ast>),
    /// `a | b | c`, flat.
    Union(Vec<Ast>),
    /// `operand is type`; the type as written, its parts joined by `.`.
    Is(Box<Ast>, Vec<String>),
    /// `operand as type`
    As(Box<Ast>, Vec<String>),
}

/// The operators with two operands, but for union and the two on types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `div`
    Div,
    /// `mod`
    Mod,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `&`
    Concatenate,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `~`
    Equivalent,
    /// `!~`
    NotEquivalent,
    /// `in`
    In,
    /// `contains`
    Contains,
    /// `and`
    And,
    /// `or`
    Or,
    /// `xor`
    Xor,
    /// `implies`
    Implies,
}
