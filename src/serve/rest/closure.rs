//! `POST [base]/$closure` (FHIR R4 `terminology-service.html`, 4.7.10). The table is kept as the ConceptMap with its name as id, so it
//! survives what the data survives, and two calls at a time do not lose one another's codes.

use super::call::{Answer, Call};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, parse_stored, write};
use crate::fhir::terminology::closure::{Closure, check_name};
use crate::fhir::terminology::context::Context;
use crate::fhir::terminology::{Library, Params};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::fhir::validate::shape;
use crate::repo::{Change, IfMatch, Which, WriteEntry};

/// How often a call begins again when another one came first.
const ROUNDS: usize = 5;

/// The parameters.
const KNOWN: [&str; 3] = ["name", "concept", "version"];

/// A ConceptMap with what is new.
///
/// # Errors
/// 400 for a parameter that does not exist, a name that is none, or concepts beside a version; 404 for a table that was not begun; 422
/// when it must be begun again.
pub async fn operation(call: &Call<'_>, body: Option<&Json>) -> Result<Answer> {
    let body = body.ok_or_else(|| Fault::coded(Category::Invalid, "required", "the body is a Parameters resource"))?;
    shape(body)?;
    let params = Params::from_resource(body)?;
    // a name that is misspelt must not begin the table again
    let given = params.iter().map(|(name, _)| name);
    let mut given = given.chain(call.params.pairs.iter().map(|(name, _)| &**name));
    if let Some(name) = given.find(|name| !KNOWN.contains(name)) {
        let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        return Err(Fault::unsupported(format!("there is no parameter \"{shown}\"")).at(shown));
    }
    let name =
        params.text("name")?.ok_or_else(|| Fault::coded(Category::Invalid, "required", "name is given").at("name"))?;
    check_name(name)?;
    let (has_concepts, version) = (params.has("concept"), params.text("version")?);
    if has_concepts && version.is_some() {
        return Err(Fault::coded(Category::Invalid, "invalid", "either concepts or a version is given, not both"));
    }
    let key = ResourceKey::new(ResourceType::parse("ConceptMap")?, ResourceId::parse(name)?);
    let now = call.site.clock.now().to_string();
    for _ in 0..ROUNDS {
        let kept = match call.session.read(&key).await {
            Ok(stored) => Some(stored),
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => None,
            Err(fault) => return Err(fault),
        };
        let at = kept.as_ref().map(|stored| stored.version);
        let table = match kept.and_then(|stored| stored.body) {
            Some(body) => {
                Some(Closure::read(name, &parse_stored(&body).map_err(|fault| fault.context("a stored table"))?)?)
            }
            None => None,
        };
        if let Some(version) = version {
            let table = table.ok_or_else(|| unknown(name))?;
            return answer(&table.since(version, &now)?);
        }
        let (table, is_changed, after) = if has_concepts {
            let table = table.ok_or_else(|| unknown(name))?;
            added(call, table, params.clone()).await?
        } else {
            (Closure::new(name), true, "0".to_owned())
        };
        let told = table.since(&after, &now)?;
        if !is_changed {
            return answer(&told);
        }
        match store(call, &key, table.kept(&now), at).await {
            Err(fault) if matches!(fault.category(), Category::PreconditionFailed | Category::Conflict) => {}
            Err(fault) => return Err(fault),
            Ok(()) => return answer(&told),
        }
    }
    Err(Fault::unavailable(format!("closure \"{name}\" is being changed by others")))
}

fn unknown(name: &str) -> Fault {
    Fault::not_found(format!("invalid closure name \"{name}\""))
}

/// The table with the concepts of the request, whether any is new, and the version before.
async fn added(call: &Call<'_>, mut table: Closure, params: Params) -> Result<(Closure, bool, String)> {
    let work = move |library: &dyn Library| {
        let context = Context::new(library, &Params::default(), None)?;
        let concepts: Vec<&Json> = params.all("concept").collect();
        let before = table.version();
        let is_changed = table.add(&context, &concepts)?;
        Ok((table, is_changed, before))
    };
    call.session.with_definitions(work).await
}

async fn store(call: &Call<'_>, key: &ResourceKey, resource: Json, at: Option<i64>) -> Result<()> {
    let (if_match, if_none_match) = (at.map(IfMatch::from), at.is_none().then_some(IfMatch::Any));
    let change = Change::Update { which: Which::Key(key.clone()), resource, if_match, if_none_match };
    let entry = WriteEntry { index: None, full_url: None, change };
    call.session.transaction(vec![entry]).await.map(drop)
}

fn answer(json: &Json) -> Result<Answer> {
    let mut out = Vec::new();
    write(json, &mut out);
    Ok(Answer::whole(out.into()))
}
