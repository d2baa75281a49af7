//! `StructureDefinition/$snapshot` (FHIR R4 `structuredefinition-operation-snapshot.html`): a profile with the snapshot that is
//! made of its differential. Nothing is stored.

use std::borrow::Cow;
use std::sync::Arc;

use super::arguments::Arguments;
use super::call::{Answer, Call};
use super::canonicals;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::validate::{BASES, Registry, Shelf, structure};

/// The StructureDefinition with its snapshot.
///
/// # Errors
/// 400 without `definition` or `url`, and for both; 404 for a definition that is not there; 422 where no snapshot can be made of it.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let (registry, _) = call.session.knowledge();
    let wanted = match &call.target.id {
        // What is given beside it is ignored, as the page says.
        Some(_) => parse_stored(&call.session.read(&call.key()?).await?.body.unwrap_or_default())?,
        None => given(call, body, &registry).await?,
    };
    let whole = bases(call, &wanted).await?;
    let work = move || -> Result<Vec<u8>> {
        let unmade = |why: String| {
            let message = format!("no snapshot can be made of the StructureDefinition: {why}");
            Fault::coded(Category::Unprocessable, "processing", message)
        };
        let mut out = Vec::new();
        let shelf = Shelf { registry: &registry, whole: &whole };
        write(&shelf.complete(wanted).map_err(unmade)?, &mut out);
        Ok(out)
    };
    let done = tokio::task::spawn_blocking(work).await;
    let out = done.map_err(|_| Fault::internal("the making of a snapshot stopped"))??;
    Ok(Answer::whole(out.into()))
}

/// The definition of the request: the body itself, the parameter `definition`, or that with the `url`.
async fn given(call: &Call<'_>, body: Option<&Json>, registry: &Arc<Registry>) -> Result<Json> {
    let is_definition = |json: &&Json| json.get("resourceType").and_then(Json::as_str) == Some("StructureDefinition");
    let direct = body.filter(is_definition);
    let arguments = Arguments::read(call, body.filter(|_| direct.is_none()), "snapshot", &["definition", "url"])?;
    let of_parameter = match arguments.one("definition")? {
        Some(argument) => {
            let resource = argument.part("resource").filter(is_definition);
            Some(resource.ok_or_else(|| argument.wrong("it is a StructureDefinition"))?)
        }
        None => None,
    };
    match (direct.or(of_parameter), arguments.text("url")?) {
        (Some(resource), None) => {
            structure(resource)?;
            Ok(resource.clone())
        }
        (None, Some(url)) => named(call, url, registry).await,
        (None, None) => Err(arguments.missing("a definition or a url")),
        (Some(_), Some(_)) => {
            Err(Fault::coded(Category::Invalid, "value", "$snapshot takes a definition or a url, not both"))
        }
    }
}

/// The definition with a canonical URL: one that is stored, else of R4 or a package.
async fn named(call: &Call<'_>, url: &str, registry: &Arc<Registry>) -> Result<Json> {
    if let Some(stored) = stored(call, url).await? {
        return Ok(stored);
    }
    let found = Shelf { registry, whole: &[] }.definition(url);
    found.map(Cow::into_owned).ok_or_else(|| Fault::not_found("no StructureDefinition with this url is known"))
}

/// The newest stored definition with a canonical URL.
async fn stored(call: &Call<'_>, url: &str) -> Result<Option<Json>> {
    let body = canonicals::of_kind(call, call.kind()?, url).await?;
    body.as_deref().map(parse_stored).transpose()
}

/// The bases of a definition, as far as they are stored here.
async fn bases(call: &Call<'_>, of: &Json) -> Result<Vec<Json>> {
    let base = |of: &Json| of.get("baseDefinition").and_then(Json::as_str).map(str::to_owned);
    let (mut found, mut next) = (Vec::new(), base(of));
    while let Some(url) = next.take().filter(|url| found.len() < BASES && !url.is_empty()) {
        if let Some(stored) = stored(call, &url).await? {
            next = base(&stored);
            found.push(stored);
        }
    }
    Ok(found)
}
