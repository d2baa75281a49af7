//! The value set of all value sets that are here (FHIR R4 `terminology-service.html#4.7.2.3`): "searching all value sets at once". Those
//! that cannot be asked, as their code systems are elsewhere, are passed over.

use std::rc::Rc;
use std::sync::Arc;

use super::compose::ValueSet;
use super::context::Context;
use super::wanted::Wanted;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::Json;

/// Its URL, which only parameters of operations name.
pub const ALL: &str = "http://hl7.org/fhir/ValueSet/@all";

/// The value set, as one that includes each of the others.
///
/// # Errors
/// When the library cannot be read.
pub fn value_set(context: &Context<'_>) -> Result<Rc<ValueSet>> {
    let urls = context.library.value_sets()?;
    let include = |url: Box<str>| Json::object([("valueSet", Json::Array(vec![Json::string(url)]))]);
    let compose = Json::object([("include", Json::Array(urls.into_iter().map(include).collect()))]);
    let json = Json::object([
        ("resourceType", Json::string("ValueSet")),
        ("url", Json::string(ALL)),
        ("title", Json::string("All value sets that are known here")),
        ("status", Json::string("active")),
        ("compose", compose),
    ]);
    let mut set = ValueSet::new(Arc::new(json))?;
    set.is_everywhere = true;
    Ok(Rc::new(set))
}

/// Refuses to list everything there is.
///
/// # Errors
/// 422 `too-costly` without a text that was typed.
pub fn check(set: &ValueSet, wanted: &Wanted) -> Result<()> {
    if !set.is_everywhere || wanted.filter.as_deref().is_some_and(|filter| !filter.trim().is_empty()) {
        return Ok(());
    }
    let text = "all value sets together are expanded for a text only: the parameter filter names it";
    Err(Fault::coded(Category::Unprocessable, "too-costly", text).at("filter"))
}

/// What came of asking one of the value sets; nothing, where that is its own fault.
///
/// # Errors
/// When the library cannot be read, or the request takes too many steps.
pub fn passed_over<T>(context: &Context<'_>, asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(fault) if matches!(fault.category(), Category::NotFound | Category::Unprocessable) => {
            context.may_go_on()?;
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// Why an expansion may lack codes, where value sets were passed over.
pub fn unclosed(left_out: usize) -> Option<String> {
    (left_out > 0).then(|| format!("{left_out} value sets cannot be expanded here and are left out"))
}
