//! The place of a value within a resource, as a chain of frames on the stack.

use std::fmt;

/// One step below another; shown as a FHIRPath expression such as `Patient.name[0].given[1]`.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'a str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// The resource itself.
    pub fn root(name: &'a str) -> Self {
        Self { parent: None, name, index: None }
    }

    /// An element.
    pub fn child(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), name, index: None }
    }

    /// Its number among the items of its element.
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    /// One item of this element.
    #[must_use]
    pub fn item(mut self, index: usize) -> Self {
        self.index = Some(index);
        self
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}
