//! Property names of JSON objects, interned: a name of the R4 definitions is a small number, so that
//! comparing and dispatching on it costs nothing; any other name is kept as text.

use std::fmt;

use super::definitions::names;

/// The name of a property.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// Index into [`names::ALL`].
    Known(u16),
    /// Not a name of the definitions. Invariant: never one that [`names::find`] knows.
    Other(Box<str>),
}

impl Name {
    /// The name for a text.
    pub fn new(text: &str) -> Self {
        match names::find(text) {
            Some(id) => Self(Repr::Known(id)),
            None => Self(Repr::Other(text.into())),
        }
    }

    /// The name with a number of [`names::ALL`].
    pub const fn known(id: u16) -> Self {
        Self(Repr::Known(id))
    }

    /// The number of a name that the definitions know.
    pub fn id(&self) -> Option<u16> {
        match self.0 {
            Repr::Known(id) => Some(id),
            Repr::Other(_) => None,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(id) => names::ALL[*id as usize],
            Repr::Other(text) => text,
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}
