//! `GET [base]/SearchParameter/$reindex-status`: what became of every definition of a search parameter, and how far this
//! node's index has got with it. FHIR R4 has no such operation.

use super::call::{Answer, Call};
use crate::base::fault::Result;
use crate::fhir::json::{Json, write};
use crate::search::index::Coverage;
use crate::search::params::{Defined, Effect};

/// Parameters: `complete`, and a `searchParameter` for each definition that is active.
///
/// # Errors
/// 400 for parameters under `Prefer: handling=strict`; 503 while the index is being opened.
pub fn operation(call: &Call<'_>) -> Result<Answer> {
    call.only(&[])?;
    let (set, coverage) = (call.session.search_params(), call.session.coverage()?);
    let is_complete = set.all_added().all(|param| coverage.has(param.id));
    let complete = Json::object([("name", Json::string("complete")), ("valueBoolean", Json::Bool(is_complete))]);
    let each = set.defined().iter().map(|defined| {
        Json::object([("name", Json::string("searchParameter")), ("part", Json::Array(parts(defined, &coverage)))])
    });
    let parameters = Json::object([
        ("resourceType", Json::string("Parameters")),
        ("parameter", Json::Array(std::iter::once(complete).chain(each).collect())),
    ]);
    let mut out = Vec::new();
    write(&parameters, &mut out);
    Ok(Answer::whole(out.into()))
}

fn parts(defined: &Defined, coverage: &Coverage) -> Vec<Json> {
    let part = |name: &'static str, kind: &'static str, value: Json| {
        Json::object([("name", Json::string(name)), (kind, value)])
    };
    let text = |name, text: &str| part(name, "valueString", Json::string(text));
    let mut parts = vec![
        text("source", &defined.source),
        part("url", "valueUri", Json::string(&*defined.url)),
        part("code", "valueCode", Json::string(&*defined.code)),
    ];
    let (state, progress) = match &defined.effect {
        Effect::Official(_) => ("official", None),
        Effect::None(_) => ("without-effect", None),
        Effect::Added(param) if coverage.has(param.id) => ("complete", None),
        Effect::Added(param) => match coverage.progress(param.id) {
            Some(progress) => ("indexing", Some(progress)),
            None => ("waiting", None),
        },
    };
    parts.push(part("state", "valueCode", Json::string(state)));
    if let Some((done, total)) = progress {
        let number = |number: u64| Json::integer(i64::try_from(number).unwrap_or(i64::MAX).min(i32::MAX.into()));
        parts.extend([part("done", "valueInteger", number(done)), part("total", "valueInteger", number(total))]);
    }
    if let Effect::None(fault) = &defined.effect {
        parts.push(text("reason", fault.message()));
    }
    parts
}
