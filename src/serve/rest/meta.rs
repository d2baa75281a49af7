//! `$meta`, `$meta-add` and `$meta-delete` (FHIR R4 `resource-operation-meta.html` and its like): profiles, tags and security
//! labels of a resource, a type or everything.

use std::sync::Arc;

use super::arguments::Arguments;
use super::call::{Answer, Call};
use super::offered::Operation;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, Object, parse_stored, write};
use crate::fhir::labels::Labels;
use crate::fhir::patch::Patch;
use crate::repo::{Change, Which, WriteEntry, Written};

/// What is answered where no resource has profiles, tags or labels: `return` must have a value.
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// `$meta`: the meta of a resource or of one of its versions, or all profiles, tags and labels of a type or of all types.
///
/// # Errors
/// 404 and 410 as for reads; 400 where a type has more of them than can be told.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    Arguments::read(call, body, "meta", &[])?;
    if call.target.id.is_none() {
        let labels = call.session.labels(call.target.kind).await?;
        return Ok(answer(labels.into_meta()));
    }
    let key = call.key()?;
    let stored = match call.target.version {
        Some(version) => call.session.vread(&key, version).await?,
        None => call.session.read(&key).await?,
    };
    let answer = answer(meta_of(stored.body.as_deref().unwrap_or_default())?);
    Ok(Answer { version: Some(stored.version), modified: Some(stored.updated), ..answer })
}

/// `$meta-add` and `$meta-delete`.
///
/// # Errors
/// 400 for a wrong body; 404, 410, 412 and 422 as for a patch.
pub async fn change(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let change = planned(call, body)?;
    let entry = WriteEntry { index: None, full_url: None, change };
    let written = call.session.transaction(vec![entry]).await?.pop();
    written.map_or_else(|| Err(Fault::internal("a transaction of one entry answered none")), changed)
}

/// The change that `$meta-add` or `$meta-delete` asks for: one of the version that is current at the commit.
///
/// # Errors
/// 400 for a wrong body.
pub fn planned(call: &Call<'_>, body: Option<&Json>) -> Result<Change> {
    let is_added = call.target.operation == Some(Operation::MetaAdd);
    let name = if is_added { "meta-add" } else { "meta-delete" };
    let arguments = Arguments::read(call, body, name, &["meta"])?;
    let argument = arguments.one("meta")?.ok_or_else(|| arguments.missing("the parameter meta"))?;
    let meta = argument.part("valueMeta").ok_or_else(|| argument.wrong("it is a valueMeta"))?;
    let labels = Labels::of(meta);
    if labels.is_empty() {
        return Err(argument.wrong("it has no profile, tag or security label"));
    }
    let patch = Arc::new(Patch::labels(labels, is_added));
    Ok(Change::Patch { which: Which::Key(call.key()?), patch, if_match: call.conditions.if_match()? })
}

/// What is answered when the change is done.
///
/// # Errors
/// 500 for a stored resource that cannot be read.
pub fn changed(written: Written) -> Result<Answer> {
    let stored = written.stored.ok_or_else(|| Fault::internal("a change of labels left nothing"))?;
    let answer = answer(meta_of(stored.body.as_deref().unwrap_or_default())?);
    Ok(Answer { version: Some(stored.version), modified: Some(stored.updated), ..answer })
}

fn meta_of(body: &[u8]) -> Result<Json> {
    let json = parse_stored(body).map_err(|fault| Fault::internal(format!("a stored resource: {fault}")))?;
    Ok(json.get("meta").cloned().unwrap_or(Json::Object(Object::new())))
}

/// Parameters with the meta as `return`.
fn answer(meta: Json) -> Answer {
    let meta = match meta.as_object() {
        Some(object) if !object.is_empty() => meta,
        _ => {
            let reason = [("url", Json::string(ABSENT)), ("valueCode", Json::string("not-applicable"))];
            Json::object([("extension", Json::Array(vec![Json::object(reason)]))])
        }
    };
    let parameter = Json::object([("name", Json::string("return")), ("valueMeta", meta)]);
    let parameters =
        Json::object([("resourceType", Json::string("Parameters")), ("parameter", Json::Array(vec![parameter]))]);
    let mut out = Vec::new();
    write(&parameters, &mut out);
    Answer::whole(out.into())
}
