//! What went wrong, in one shape for every floor.
//!
//! A [`Fault`] is a category (what the caller should do), a FHIR issue code, a text for people and,
//! where known, the place. The wire form (HTTP status + OperationOutcome) is made from it in one
//! place (`serve/error`); batch entries and commands use the same fault.

use std::fmt;

use super::clock::Timestamp;

/// What kind of failure this is; each has one HTTP status ([`Category::status`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// The request is malformed or invalid (400).
    Invalid,
    /// Nobody is signed in (401).
    Unauthorized,
    /// The actor may not do this (403).
    Forbidden,
    /// Nothing is known under this name (404).
    NotFound,
    /// The interaction is not offered here (405).
    MethodNotAllowed,
    /// No format that the caller accepts can be produced (406).
    NotAcceptable,
    /// The request contradicts the current state (409).
    Conflict,
    /// The resource was deleted, or a page is no longer held (410).
    Gone,
    /// A condition of the request does not hold (412).
    PreconditionFailed,
    /// The request is larger than a limit (413).
    TooLarge,
    /// The body is in a format that is not understood (415).
    UnsupportedMedia,
    /// The resource breaks rules of FHIR or of the server (422).
    Unprocessable,
    /// Too many requests (429).
    TooMany,
    /// A defect of the server or its surroundings (500).
    Internal,
    /// The server cannot take the request at the moment (503).
    Unavailable,
}

impl Category {
    /// The HTTP status code of this category (RFC 9110; FHIR R4 `http.html`, 3.1.0.1.2).
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::Unprocessable => 422,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The issue code (value set `issue-type`) used when nothing more precise is given.
    pub fn default_code(self) -> &'static str {
        match self {
            Self::Invalid | Self::Unprocessable => "invalid",
            Self::Unauthorized => "login",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed | Self::NotAcceptable | Self::UnsupportedMedia => "not-supported",
            Self::Conflict | Self::PreconditionFailed => "conflict",
            Self::Gone => "deleted",
            Self::TooLarge => "too-long",
            Self::TooMany => "throttled",
            Self::Internal => "exception",
            Self::Unavailable => "transient",
        }
    }
}

/// One finding of an OperationOutcome (FHIR R4 `operationoutcome.html`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// `fatal`, `error`, `warning` or `information`.
    pub severity: &'static str,
    /// A code of the value set `issue-type`.
    pub code: &'static str,
    /// What happened, for people; lowercase, without a full stop.
    pub diagnostics: String,
    /// FHIRPath of the element, such as `Patient.name[0].given`.
    pub expression: Option<String>,
    /// The same of further elements that it is about, as one of two that must not be the same.
    pub also: Vec<String>,
    /// Line and column (both from 1; the column counts bytes) in the text of the request.
    pub position: Option<(u32, u32)>,
    /// What exactly it is, in a code system of its own; then the text is told as `details.text`.
    pub detail: Option<Detail>,
}

/// What exactly an issue is (`OperationOutcome.issue.details`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// The code system.
    pub system: &'static str,
    /// The code.
    pub code: &'static str,
    /// The key of the message (the extension `operationoutcome-message-id`).
    pub message_id: &'static str,
}

impl Issue {
    /// An error with a code and a text.
    pub fn error(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self {
            severity: "error",
            code,
            diagnostics: diagnostics.into(),
            expression: None,
            also: Vec::new(),
            position: None,
            detail: None,
        }
    }

    /// A warning with a code and a text.
    pub fn warning(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self { severity: "warning", ..Self::error(code, diagnostics) }
    }

    /// A note about something that went well.
    pub fn information(diagnostics: impl Into<String>) -> Self {
        Self { severity: "information", ..Self::error("informational", diagnostics) }
    }

    /// The same issue, at the element `expression`.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }

    /// The same issue in a larger resource: each of its places, or none, becomes another.
    #[must_use]
    pub fn moved(mut self, to: impl Fn(Option<&str>) -> String) -> Self {
        self.expression = Some(to(self.expression.as_deref()));
        self.also.iter_mut().for_each(|place| *place = to(Some(place)));
        self
    }
}

/// A failure: a category and at least one issue. Cheap to move (one pointer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    category: Category,
    issues: Vec<Issue>,
    retry: bool,
    version: Option<(i64, Timestamp)>,
}

/// The result of everything that can fail with a [`Fault`].
pub type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    /// A fault of `category` with its usual issue code.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self::coded(category, category.default_code(), message)
    }

    /// A fault of `category` with the issue code `code` (value set `issue-type`).
    pub fn coded(category: Category, code: &'static str, message: impl Into<String>) -> Self {
        Self::of(category, vec![Issue::error(code, message)])
    }

    /// A fault with several issues. An empty list becomes one issue without text.
    pub fn of(category: Category, mut issues: Vec<Issue>) -> Self {
        if issues.is_empty() {
            issues.push(Issue::error(category.default_code(), String::new()));
        }
        Self(Box::new(Inner { category, issues, retry: false, version: None }))
    }

    /// 400: the request is malformed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Category::Invalid, message)
    }

    /// 404 with `not-found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Category::NotFound, message)
    }

    /// 400 with `not-supported`: a feature that is known but absent.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::coded(Category::Invalid, "not-supported", message)
    }

    /// 500: a defect. The text is for the log and the operator; it must not hold patient data.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Category::Internal, message)
    }

    /// 503: cannot be done at the moment; trying again is sensible.
    pub fn unavailable(message: impl Into<String>) -> Self {
        let mut fault = Self::new(Category::Unavailable, message);
        fault.0.retry = true;
        fault
    }

    /// 429: too much at a time; trying again in a moment is sensible.
    pub fn too_many(message: impl Into<String>) -> Self {
        let mut fault = Self::new(Category::TooMany, message);
        fault.0.retry = true;
        fault
    }

    /// The same fault, which is about this version of a resource, made at that time.
    #[must_use]
    pub fn of_version(mut self, version: i64, updated: Timestamp) -> Self {
        self.0.version = Some((version, updated));
        self
    }

    /// The same fault, at the element `expression` (FHIRPath).
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        if let Some(issue) = self.0.issues.first_mut() {
            issue.expression = Some(expression.into());
        }
        self
    }

    /// The same fault, at the element `expression` (FHIRPath) unless it is at one already.
    #[must_use]
    pub fn or_at(self, expression: impl FnOnce() -> String) -> Self {
        match self.0.issues.first().and_then(|issue| issue.expression.as_ref()) {
            Some(_) => self,
            None => self.at(expression()),
        }
    }

    /// The same fault, at a line and column of the request's text.
    #[must_use]
    pub fn on(mut self, line: u32, column: u32) -> Self {
        if let Some(issue) = self.0.issues.first_mut() {
            issue.position = Some((line, column));
        }
        self
    }

    /// The same fault with `prefix: ` before the text of its first issue.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        if let Some(issue) = self.0.issues.first_mut() {
            issue.diagnostics = format!("{prefix}: {}", issue.diagnostics);
        }
        self
    }

    /// The category.
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// The version of a resource that it is about, and when that was made.
    pub fn version(&self) -> Option<(i64, Timestamp)> {
        self.0.version
    }

    /// All findings; never empty.
    pub fn issues(&self) -> &[Issue] {
        &self.0.issues
    }

    /// The text of the first issue.
    pub fn message(&self) -> &str {
        self.0.issues.first().map_or("", |issue| &issue.diagnostics)
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.0.retry
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        let Some(first) = self.0.issues.first() else { return Ok(()) };
        if let Some(expression) = &first.expression {
            write!(f, " (at {expression})")?;
        }
        if let Some((line, column)) = first.position {
            write!(f, " (line {line}, column {column})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
