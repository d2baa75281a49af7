//! What a client wants to know of a coding, where the coding stands in its request, and what there is to say of it.

use super::params::Params;
use crate::base::fault::{Issue, Result};

/// What the client wants to be lenient or strict about.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether abstract codes are allowed; not said: they are.
    pub is_abstract: Option<bool>,
    /// Whether a wrong display is only a warning.
    pub lenient_display: bool,
    /// Whether only the membership counts.
    pub membership_only: bool,
    /// Whether inactive codes are out.
    pub active_only: bool,
}

impl Options {
    /// From parameters.
    ///
    /// # Errors
    /// 400 for what is no boolean.
    pub fn new(params: &Params) -> Result<Self> {
        Ok(Self {
            is_abstract: params.flag("abstract")?,
            lenient_display: params.flag("lenient-display-validation")?.unwrap_or(false),
            membership_only: params.flag("valueset-membership-only")?.unwrap_or(false),
            active_only: params.flag("activeOnly")?.unwrap_or(false),
        })
    }
}

/// Where a coding stands in the request.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// The parameter `code`, with others beside it.
    Code,
    /// The parameter `coding`.
    Coding,
    /// A coding of the parameter `codeableConcept`.
    Concept(usize),
}

impl Place {
    /// The place of a part of the coding.
    pub fn of(self, field: &str) -> String {
        match self {
            Self::Code => field.to_owned(),
            Self::Coding => format!("Coding.{field}"),
            Self::Concept(at) => format!("CodeableConcept.coding[{at}].{field}"),
        }
    }

    /// The place of the coding.
    pub fn whole(self) -> String {
        match self {
            Self::Code => "code".to_owned(),
            Self::Coding => "Coding".to_owned(),
            Self::Concept(at) => format!("CodeableConcept.coding[{at}]"),
        }
    }
}

/// What there is to say.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The issues, and whether each belongs into the message.
    pub issues: Vec<(Issue, bool)>,
    /// Whether it is in the value set.
    pub is_member: bool,
    /// Whether that could not be found out.
    pub is_open: bool,
    /// The code system, where that was not given.
    pub system: Option<Box<str>>,
    /// The version that was used.
    pub version: Option<Box<str>>,
    /// The text to show.
    pub display: Option<String>,
    /// Whether the concept is inactive.
    pub is_inactive: bool,
    /// The status of the concept.
    pub status: Option<Box<str>>,
    /// The code as the system writes it, if otherwise.
    pub normalized: Option<Box<str>>,
    /// Code systems that are not known, and whether they prevented an answer.
    pub unknown: Vec<(bool, String)>,
    /// What only the message says.
    pub remarks: Vec<String>,
}

impl Verdict {
    /// An issue that belongs into the message.
    pub fn tell(&mut self, issue: Issue) {
        self.issues.push((issue, true));
    }

    /// An issue that stands on its own.
    pub fn note(&mut self, issue: Issue) {
        self.issues.push((issue, false));
    }

    /// That the code system of one coding is not known says nothing against a concept of which another one is in.
    pub fn allow_unknown(&mut self) {
        for (issue, _) in &mut self.issues {
            if issue.severity == "error" && issue.detail.is_some_and(|detail| detail.code == "not-found") {
                issue.severity = "warning";
            }
        }
    }

    /// Adds what was said about another coding; its details only if it `is_chosen`.
    pub fn merge(&mut self, other: Self, is_chosen: bool) {
        self.issues.extend(other.issues);
        self.unknown.extend(other.unknown);
        self.remarks.extend(other.remarks);
        if is_chosen {
            self.system = other.system;
            self.version = other.version;
            self.display = other.display;
            self.is_inactive = other.is_inactive;
            self.status = other.status;
            self.normalized = other.normalized;
        }
    }
}
