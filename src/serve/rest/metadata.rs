//! `GET [base]/metadata` (FHIR R4 `http.html`, 3.1.0.10).

use std::sync::Arc;

use bytes::Bytes;

use super::call::{Answer, Call};
use super::capability::Guides;
use super::statements::{Capabilities, with_base};
use super::subset::{PARAMS, Shown};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::packed::Packed;
use crate::fhir::types::ResourceType;

/// The statement that is asked for, or a part of it.
///
/// # Errors
/// 400 for another mode, and for parameters that are not offered.
pub fn metadata(call: &Call<'_>) -> Result<Answer> {
    call.only(&["mode", PARAMS[0], PARAMS[1]])?;
    let statements = &call.site.statements;
    let capabilities = capabilities(call);
    let terms = statements.terminology(&call.session.large_systems());
    let own = |text| ("CapabilityStatement", text, capabilities.version);
    let (kind, body, version) = match call.params.get("mode") {
        None | Some("" | "full") => own(&capabilities.full),
        Some("normative") => own(&capabilities.normative),
        Some("terminology") => ("TerminologyCapabilities", &terms.text, terms.version),
        Some(_) => {
            return Err(Fault::coded(Category::Invalid, "value", "mode is full, normative or terminology"));
        }
    };
    let kind = ResourceType::parse(kind)?;
    let shown = Shown::of_one(call, kind)?;
    let answer = Answer { version: Some(version), ..Answer::default() };
    if call.conditions.is_version(version) {
        return Ok(Answer { status: 304, ..answer });
    }
    let body = based(call, body);
    shown.answer(kind, Answer { status: 200, body: Some(body), ..answer })
}

/// The whole CapabilityStatement.
pub fn full(call: &Call<'_>) -> Bytes {
    based(call, &capabilities(call).full)
}

fn capabilities(call: &Call<'_>) -> Arc<Capabilities> {
    let used = call.session.packages_in_use();
    let packages: Vec<&Packed> = used.packages.iter().map(|used| &*used.packed).collect();
    let (own, large) = (call.session.own_profiles(), call.session.large_systems());
    let guides = Guides { packages: &packages, own: &own, large: &large };
    call.site.statements.capabilities(&call.session.search_params(), &guides)
}

/// A statement with the base URL of the tenant.
fn based(call: &Call<'_>, text: &Bytes) -> Bytes {
    let (from, to) = (&call.site.statements.base, &call.site.base);
    if from == to { text.clone() } else { with_base(text, from, to) }
}
