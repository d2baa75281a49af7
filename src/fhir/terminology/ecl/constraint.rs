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
