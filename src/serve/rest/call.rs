//! What an interaction is given and what it answers; the same for an HTTP request and an entry of a Bundle.

use std::sync::Arc;

use bytes::Bytes;

use super::conditions::{Conditions, Prefer, Return};
use super::params::Params;
use super::routes::Target;
use super::statements::Statements;
use crate::base::clock::{SharedClock, Timestamp};
use crate::base::fault::{Fault, Issue, Result};
use crate::base::id::{IdSource, TenantName};
use crate::base::limits::Limits;
use crate::fhir::json::write;
use crate::fhir::outcome::outcome;
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::repo::{Existing, Handling, Session, Stored, Written};

/// What is the same for all requests.
#[derive(Debug, Clone)]
pub struct Site {
    /// The base URL without a slash at its end.
    pub base: String,
    /// The tenant, unless it is the default one.
    pub tenant: Option<TenantName>,
    /// The bounds.
    pub limits: Limits,
    /// For `Bundle.meta.lastUpdated`.
    pub clock: SharedClock,
    /// For `Bundle.id`.
    pub ids: IdSource,
    /// What `metadata` answers.
    pub statements: Arc<Statements>,
}

/// One interaction that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The server.
    pub site: &'a Site,
    /// The data.
    pub session: &'a Session,
    /// What the URL names.
    pub target: &'a Target,
    /// The parameters of the URL and the form.
    pub params: &'a Params,
    /// The conditional headers.
    pub conditions: &'a Conditions,
    /// The preferences.
    pub prefer: Prefer,
}

impl Call<'_> {
    /// The type of the URL.
    ///
    /// # Errors
    /// 500 where the table of routes gave a handler a path that has none.
    pub fn kind(&self) -> Result<ResourceType> {
        self.target.kind.ok_or_else(|| Fault::internal("route without a type"))
    }

    /// The resource of the URL.
    ///
    /// # Errors
    /// 500 where the table of routes gave a handler a path that has none.
    pub fn key(&self) -> Result<ResourceKey> {
        let id = self.target.id.clone().ok_or_else(|| Fault::internal("route without an id"))?;
        Ok(ResourceKey::new(self.kind()?, id))
    }

    /// Refuses parameters that would change the answer and are not offered: a whole answer in place of a part
    /// would be wrong without saying so. With `handling=strict` everything outside `known` is refused.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        for (name, value) in &self.params.pairs {
            let is_idle = name == "_summary" && value == "false";
            if known.contains(&name.as_str()) || is_idle {
                continue;
            }
            let changes = matches!(name.as_str(), "_summary" | "_elements" | "_at" | "_list" | "_sort");
            if changes || self.prefer.handling == Handling::Strict {
                let shown: String = name.chars().take(60).collect();
                return Err(Fault::unsupported(format!("parameter {} is not supported here", shown.escape_debug())));
            }
        }
        Ok(())
    }
}

/// The answer to an interaction.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// For `ETag`.
    pub version: Option<i64>,
    /// For `Last-Modified`.
    pub modified: Option<Timestamp>,
    /// `Type/id/_history/n`, relative to the base.
    pub location: Option<String>,
    /// The same of the version that was read, for `Content-Location`.
    pub content_location: Option<String>,
    /// The resource, Bundle or OperationOutcome.
    pub body: Option<Bytes>,
    /// Whether the body is a part of the resource.
    pub is_part: bool,
    /// Whether the body is an OperationOutcome about the interaction.
    pub is_outcome: bool,
}

impl Answer {
    /// 200 with a body.
    pub fn whole(body: Bytes) -> Self {
        Self { status: 200, body: Some(body), ..Self::default() }
    }

    /// `Type/id` of the resource that it holds, if that has an identity.
    pub fn key(&self) -> Option<&str> {
        self.location.as_deref().or(self.content_location.as_deref())?.split("/_history").next()
    }

    /// The answer to a read: the stored bytes, or 304.
    ///
    /// # Errors
    /// 412 for an `If-Match` that names other versions; 500 when the version has no body, which reads never give.
    pub fn read(stored: Stored, conditions: &Conditions) -> Result<Self> {
        conditions.matching(&stored)?;
        let unchanged = conditions.unchanged(&stored);
        let content_location = Some(format!("{}/_history/{}", stored.key, stored.version));
        let (version, modified) = (Some(stored.version), Some(stored.updated));
        let answer = Self { version, modified, content_location, ..Self::default() };
        if unchanged {
            return Ok(Self { status: 304, ..answer });
        }
        let body = stored.body.ok_or_else(|| Fault::internal(format!("{} has no body", stored.key)))?;
        Ok(Self { status: 200, body: Some(body), ..answer })
    }

    /// The answer to a write; `wanted` is what its body should be. An outcome holds what validation has to say of what was
    /// stored.
    pub async fn written(session: &Session, written: Written, wanted: Return) -> Self {
        let is_stored = matches!(written.existing, Existing::Created | Existing::Updated | Existing::Unchanged);
        let notes = match &written.stored {
            Some(stored) if wanted == Return::Outcome && is_stored => session.notes(stored).await,
            _ => Ok(Vec::new()),
        };
        // It is stored, whatever becomes of the notes.
        Self::told(written, wanted, notes.unwrap_or_else(|fault| fault.issues().to_vec()))
    }

    fn told(written: Written, wanted: Return, notes: Vec<Issue>) -> Self {
        let several;
        let (status, text) = match written.existing {
            Existing::Created => (201, "created"),
            Existing::Updated => (200, "updated"),
            Existing::Unchanged => (200, "unchanged"),
            Existing::Deleted => (204, "deleted"),
            Existing::DeletedMany(count) => {
                several = format!("deleted {count} resources");
                (204, several.as_str())
            }
            Existing::Absent => (204, "there was nothing to delete"),
        };
        let removed = status == 204;
        let mut answer = Self { status, ..Self::default() };
        let mut name = String::new();
        if let Some(stored) = written.stored {
            name = format!("{}/_history/{}", stored.key, stored.version);
            answer.version = Some(stored.version);
            answer.modified = Some(stored.updated);
            answer.location = (!removed).then(|| name.clone());
            answer.body = stored.body.filter(|_| wanted == Return::Representation && !removed);
        }
        if wanted == Return::Outcome {
            let mut out = Vec::new();
            let done = Issue::information(format!("{text} {name}").trim_end());
            write(&outcome(&[vec![done], notes].concat()), &mut out);
            // 204 has no body by its definition.
            answer.status = if removed { 200 } else { status };
            answer.body = Some(out.into());
            answer.is_outcome = true;
        }
        answer
    }
}
