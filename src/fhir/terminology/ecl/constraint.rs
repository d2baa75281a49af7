//! The form of an expression constraint.

/// Which concepts are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// `*`: any concept.
    Any,
    /// The concept with an id.
    Concept(Box<str>),
    /// Those that stand in a relation to the concepts of a constraint.
    Related(Relation, Box<Constraint>),
    /// `^`: the members of reference sets.
    Members(Box<Constraint>),
    /// `AND`: those of all.
    All(Vec<Constraint>),
    /// `OR`: those of any.
    Either(Vec<Constraint>),
    /// `MINUS`: those of the first that are not of the second.
    Without(Box<Constraint>, Box<Constraint>),
    /// `:`: those that pass a refinement.
    Refined(Box<Constraint>, Box<Refinement>),
    /// `.`: the values of an attribute.
    Values(Box<Constraint>, Box<Constraint>),
    /// `!!>`: those with none of the others above them.
    Top(Box<Constraint>),
    /// `!!<`: those with none of the others below them.
    Bottom(Box<Constraint>),
    /// `{{ }}`: those that pass filters.
    Filtered(Box<Constraint>, Vec<Filter>),
}

/// A filter in `{{ }}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// `C`: all of this holds of the concept.
    Concept(Vec<ConceptTest>),
    /// `D`, or no letter: all of this holds of one of its descriptions.
    Description(Vec<DescriptionTest>),
}

/// What is asked of a concept.
#[derive(Debug, Clone, PartialEq)]
pub enum ConceptTest {
    /// `active`
    Active(bool),
    /// `definitionStatus`: whether it is sufficiently defined.
    Defined(bool),
    /// `moduleId`: of these modules or, with true, of others.
    Module(bool, Constraint),
}

/// What is asked of a description: with true, that it is none of these.
#[derive(Debug, Clone, PartialEq)]
pub enum DescriptionTest {
    /// `term`
    Term(bool, Vec<Term>),
    /// `language`, in lower case.
    Language(bool, Vec<Box<str>>),
    /// `type`, as the concept that stands for it.
    Kind(bool, Vec<Box<str>>),
}

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// `match`: each of these words, in lower case, begins a word.
    Words(Vec<Box<str>>),
    /// `wild`: the whole text, in lower case, in which `*` is any text.
    Wild(Box<str>),
}

/// A step in the hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<<`
    SelfOrBelow,
    /// `<!`
    Child,
    /// `<<!`
    SelfOrChild,
    /// `>`
    Above,
    /// `>>`
    SelfOrAbove,
    /// `>!`
    Parent,
    /// `>>!`
    SelfOrParent,
}

/// What is asked of the attributes.
#[derive(Debug, Clone, PartialEq)]
pub enum Refinement {
    /// All of these.
    All(Vec<Refinement>),
    /// One of these.
    Either(Vec<Refinement>),
    /// A value of an attribute.
    Attribute(Attribute),
    /// `{ }`: so many groups, from and to, in which this holds.
    Group(usize, Option<usize>, Box<Refinement>),
}

/// An attribute with the values that it must have.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// How many values at least.
    pub least: usize,
    /// How many values at most; none for any number.
    pub most: Option<usize>,
    /// `R`: the concept is the value, and what passes the test has the attribute.
    pub is_reversed: bool,
    /// The attribute, or several.
    pub name: Constraint,
    /// What is asked of a value.
    pub test: Test,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is a concept of these.
    In(Constraint),
    /// It is a concept, and none of these.
    NotIn(Constraint),
    /// It is a number with this order to another.
    Number(Order, f64),
    /// It is one of these texts or, with true, none of them.
    Text(bool, Vec<Box<str>>),
}

/// How a number stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `=`
    Same,
    /// `!=`
    Other,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Order {
    /// Whether a number stands so to another.
    pub fn holds(self, value: f64, other: f64) -> bool {
        match self {
            Self::Same => value == other,
            Self::Other => value != other,
            Self::Less => value < other,
            Self::AtMost => value <= other,
            Self::More => value > other,
            Self::AtLeast => value >= other,
        }
    }
}
