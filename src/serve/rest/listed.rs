//! `_list` of a history (FHIR R4 `http.html`, 3.1.0.12): what a List refers to, with the versions that it names.

use super::call::Call;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::repo::Handling;
use crate::search::context::SearchContext;
use crate::search::kind::reference::version;

/// Most resources of a list whose history is told.
const LISTED_MAX: usize = 1000;

/// The entries of a List by its id, as `42` or `List/42`, or of those with a function (`$current-problems`); none of one that is not there.
///
/// # Errors
/// 400 for what is no list, and for one of too many entries.
pub async fn listed(call: &Call<'_>, text: &str) -> Result<Vec<(ResourceKey, Option<i64>)>> {
    if text.starts_with('$') {
        return current(call, text).await;
    }
    let (kind, id) = text.split_once('/').unwrap_or(("List", text));
    let key = ResourceType::find(kind).filter(|_| kind == "List").zip(ResourceId::parse(id).ok());
    let wrong = || {
        Fault::coded(Category::Invalid, "value", "_list is the id of a List, or of a list such as $current-problems")
    };
    let (kind, id) = key.ok_or_else(wrong)?;
    let list = match call.session.read(&ResourceKey::new(kind, id)).await {
        Ok(list) => list,
        Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let list = parse_stored(list.body.as_deref().unwrap_or_default())?;
    let mut found: Vec<(ResourceKey, Option<i64>)> = Vec::new();
    for entry in list.get("entry").and_then(Json::as_array).unwrap_or_default() {
        let reference = entry.get("item").and_then(|item| item.get("reference")).and_then(Json::as_str);
        let item = reference.and_then(|text| version(text, &call.site.base));
        found.extend(item);
        bounded(found.len())?;
    }
    Ok(found)
}

/// What the lists with a function hold, as a search by `_list` finds it.
async fn current(call: &Call<'_>, text: &str) -> Result<Vec<(ResourceKey, Option<i64>)>> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let params = [pair("_list", text.to_owned()), pair("_count", LISTED_MAX.to_string())];
    let answer = call.session.search(SearchContext::System, &params, Handling::Strict).await?;
    bounded(answer.total.map_or(0, |total| usize::try_from(total).unwrap_or(usize::MAX)))?;
    Ok(answer.entries.into_iter().map(|entry| (entry.stored.key, None)).collect())
}

fn bounded(count: usize) -> Result<()> {
    if count <= LISTED_MAX {
        return Ok(());
    }
    let message = format!("_list: the history of a list of more than {LISTED_MAX} entries is not told");
    Err(Fault::coded(Category::Invalid, "too-costly", message))
}
