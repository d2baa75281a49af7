//! What a document says (GraphQL, October 2021, section 2).

/// Line and column in the document, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// Operations and fragments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The operations.
    pub operations: Vec<Operation>,
    /// The fragments.
    pub fragments: Vec<Fragment>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// `query`
    Query,
    /// `mutation`
    Mutation,
    /// `subscription`
    Subscription,
}

/// An operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Its name.
    pub name: Option<String>,
    /// What is to be given to it.
    pub variables: Vec<Variable>,
    /// Its directives.
    pub directives: Vec<Directive>,
    /// What it asks for.
    pub selections: Vec<Selection>,
    /// Where it begins.
    pub place: Place,
}

/// The definition of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name, without `$`.
    pub name: String,
    /// Its type.
    pub kind: VariableType,
    /// Its value when none is given.
    pub default: Option<Value>,
    /// Where it stands.
    pub place: Place,
}

/// The type of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableType {
    /// The name of the type, for a list that of its innermost items.
    pub name: String,
    /// What the items of a list are; none for what is no list.
    pub items: Option<Box<VariableType>>,
    /// Whether it must be given.
    pub is_needed: bool,
}

/// A fragment.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// Its name.
    pub name: String,
    /// The type that it is for.
    pub on: String,
    /// Its directives.
    pub directives: Vec<Directive>,
    /// What it asks for.
    pub selections: Vec<Selection>,
    /// Where it begins.
    pub place: Place,
}

/// A part of what is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// A field.
    Field(Field),
    /// `...name`
    Spread(Spread),
    /// `... on Type { }`
    Inline(Inline),
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name under which it is answered, if that is another.
    pub alias: Option<String>,
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Its directives.
    pub directives: Vec<Directive>,
    /// What is asked for of it.
    pub selections: Vec<Selection>,
    /// Where it stands.
    pub place: Place,
}

impl Field {
    /// The name under which it is answered.
    pub fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

/// A fragment where it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Its name.
    pub name: String,
    /// Its directives here.
    pub directives: Vec<Directive>,
    /// Where it stands.
    pub place: Place,
}

/// A fragment without a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Inline {
    /// The type that it is for.
    pub on: Option<String>,
    /// Its directives.
    pub directives: Vec<Directive>,
    /// What it asks for.
    pub selections: Vec<Selection>,
    /// Where it stands.
    pub place: Place,
}

/// A directive.
#[derive(Debug, Clone, PartialEq)]
pub struct Directive {
    /// Its name, without `@`.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Where it stands.
    pub place: Place,
}

/// An argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A number as written.
    Number(String),
    /// A text.
    Text(String),
    /// A name that is none of the others.
    Enum(String),
    /// `$name`
    Variable(String),
    /// `[ ]`
    List(Vec<Value>),
    /// `{ }`
    Object(Vec<(String, Value)>),
}
