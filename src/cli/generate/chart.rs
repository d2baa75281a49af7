//! The record that is being written: what all of its parts share.

use crate::cli::generate::directory::{Directory, Staff};
use crate::cli::generate::out::Bundle;
use crate::cli::generate::person::Person;
use crate::cli::generate::random::Random;
use crate::cli::generate::when::Day;

/// The record that is being written.
#[derive(Debug)]
pub struct Chart<'a> {
    /// What is written.
    pub bundle: Bundle,
    /// Where its values come from.
    pub random: Random,
    /// Whose record it is.
    pub person: Person,
    /// The last day that can have happened.
    pub today: Day,
    /// The staff.
    pub directory: &'a Directory,
    /// Her family physician.
    pub physician: &'a Staff,
}
