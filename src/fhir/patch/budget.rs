//! What a patch may cost.

use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::Limits;
use crate::fhir::json::{Json, Object};

/// The bounds of one patch.
#[derive(Debug, Clone, Copy)]
pub struct PatchBounds {
    /// Most operations; of a merge patch, most properties of one object.
    pub operations: usize,
    /// Deepest nesting of the result.
    pub nesting: usize,
    /// Bytes that all operations together may write, copy or compare.
    pub bytes: usize,
}

impl From<&Limits> for PatchBounds {
    fn from(limits: &Limits) -> Self {
        Self { operations: limits.patch_operations, nesting: limits.nesting, bytes: limits.body_bytes }
    }
}

/// What is left of the bounds.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    nesting: usize,
}

impl Budget {
    pub(super) fn new(bounds: PatchBounds) -> Self {
        Self { left: bounds.bytes, nesting: bounds.nesting }
    }

    /// Takes away `cost`, in bytes or steps.
    ///
    /// # Errors
    /// 422 `too-costly` when that is more than there is.
    pub(super) fn spend(&mut self, cost: usize) -> Result<()> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let message = "the patch writes, copies or compares more than this server allows";
                Err(Fault::coded(Category::Unprocessable, "too-costly", message))
            }
        }
    }

    /// Takes away the size of a value that comes to stand below `depth` others.
    ///
    /// # Errors
    /// 422 when it is too large, or the result would be nested too deeply.
    pub(super) fn place(&mut self, value: &Json, depth: usize) -> Result<()> {
        self.spend(16)?;
        match value {
            Json::Null | Json::Bool(_) => Ok(()),
            Json::Number(number) => self.spend(number.as_str().len()),
            Json::String(text) => self.spend(text.len()),
            Json::Array(items) => {
                self.deeper(depth)?;
                items.iter().try_for_each(|item| self.place(item, depth + 1))
            }
            Json::Object(object) => {
                self.deeper(depth)?;
                self.properties(object, depth)
            }
        }
    }

    fn properties(&mut self, object: &Object, depth: usize) -> Result<()> {
        object.iter().try_for_each(|(name, value)| {
            self.spend(name.as_str().len())?;
            self.place(value, depth + 1)
        })
    }

    fn deeper(&self, depth: usize) -> Result<()> {
        if depth < self.nesting {
            return Ok(());
        }
        let message = format!("the result would be nested deeper than {} levels", self.nesting);
        Err(Fault::coded(Category::Unprocessable, "too-costly", message))
    }
}
