//! What a GraphDefinition leads to, for a document and for `$graph` (FHIR R4 `graphdefinition.html`): links by path from resource to resource, and
//! searches for what refers to one.

use super::call::Call;
use super::canonicals;
use super::document_assembly::{Document, MOST};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::fhirpath::{Bounds, Context, Expression, Item, Node, compile};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::repo::Handling;
use crate::search::context::SearchContext;
use crate::search::kind::reference::version;

/// Deepest links.
const DEPTH: usize = 16;
/// Most links that are followed, counted once per resource.
const STEPS: usize = 10_000;
/// What one path may cost.
const BOUNDS: Bounds = Bounds { steps: 200_000, items: 10_000, text: 1 << 20 };

/// Adds what the GraphDefinition with this canonical URL, or `GraphDefinition/id`, leads to from the first entry, `start`.
///
/// # Errors
/// 422 for a GraphDefinition that is not there, starts elsewhere, or asks for more than there is; 400 for what is not
/// offered of it.
pub async fn follow(document: &mut Document<'_>, call: &Call<'_>, start: &Json, url: &str) -> Result<()> {
    let graph = find(call, url).await?;
    let Some((key, _)) = document.entries.first().cloned() else { return Ok(()) };
    let begins = graph.get("start").and_then(Json::as_str).unwrap_or_default();
    if !matches!(begins, "Resource" | "DomainResource") && begins != key.kind.name() {
        return Err(unfit(format!("the GraphDefinition does not start with a resource of type {}", key.kind)));
    }
    let mut walk = Walk { document, call, steps: 0 };
    walk.links(&graph, (key, start.clone()), 0).await
}

fn unfit(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "processing", message)
}

/// The newest of that URL, or the one with that id.
async fn find(call: &Call<'_>, url: &str) -> Result<Json> {
    let kind = ResourceType::parse("GraphDefinition")?;
    if let Some((key, at)) = version(url, &call.site.base).filter(|(key, _)| key.kind == kind) {
        let found = match at {
            Some(at) => call.session.vread(&key, at).await,
            None => call.session.read(&key).await,
        };
        match found {
            Ok(stored) => return parse_stored(stored.body.as_deref().unwrap_or_default()),
            // another server's with this URL may be stored here
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => {}
            Err(fault) => return Err(fault),
        }
    }
    let body = canonicals::of_kind(call, kind, url).await?;
    let body = body.ok_or_else(|| unfit("the GraphDefinition is not one of this server"))?;
    parse_stored(&body)
}

/// A graph on its way through resources.
struct Walk<'a, 'b> {
    document: &'a mut Document<'b>,
    call: &'a Call<'a>,
    steps: usize,
}

/// A resource on the way.
type Place = (ResourceKey, Json);

impl Walk<'_, '_> {
    /// Follows the links of a graph or of a target.
    async fn links(&mut self, parent: &Json, from: Place, depth: usize) -> Result<()> {
        self.steps += 1;
        if depth > DEPTH || self.steps > STEPS {
            let message = "the GraphDefinition leads too far";
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        for link in parent.get("link").and_then(Json::as_array).unwrap_or_default() {
            let path = link.get("path").and_then(Json::as_str);
            let mut count = 0;
            for target in link.get("target").and_then(Json::as_array).unwrap_or_default() {
                let found = self.targets(path, target, &from).await?;
                count += found.len();
                for place in found {
                    Box::pin(self.links(target, place, depth + 1)).await?;
                }
            }
            let least: usize =
                link.get("min").and_then(Json::as_number).and_then(|n| n.as_str().parse().ok()).unwrap_or(0);
            if count < least {
                let name = path.unwrap_or("a link without a path");
                return Err(unfit(format!(
                    "the GraphDefinition asks for {least} resources by {name}, there are {count}"
                )));
            }
        }
        Ok(())
    }

    /// The resources of one target of a link, which are in the document then.
    async fn targets(&mut self, path: Option<&str>, target: &Json, from: &Place) -> Result<Vec<Place>> {
        if target.get("compartment").is_some() {
            return Err(Fault::unsupported("rules about compartments in a GraphDefinition are not supported"));
        }
        let name = target.get("type").and_then(Json::as_str).unwrap_or("Resource");
        let kind = if matches!(name, "Resource" | "DomainResource") { None } else { Some(ResourceType::parse(name)?) };
        let keys = match (path, target.get("params").and_then(Json::as_str), kind) {
            (Some(path), None, kind) => self.by_path(path, kind, &from.1)?,
            (None, Some(params), Some(kind)) => self.by_search(params, kind, &from.0).await?,
            _ => return Err(unfit("a link of a GraphDefinition has a path, or a target with a type and params")),
        };
        let mut found = Vec::new();
        for (key, version) in keys {
            match self.document.take(&key, version).await {
                Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => continue,
                done => done?,
            };
            let place = self.document.entries.iter().find(|(known, _)| *known == key).cloned();
            found.extend(place);
        }
        Ok(found)
    }

    /// What the references at a path lead to.
    fn by_path(&self, path: &str, kind: Option<ResourceType>, from: &Json) -> Result<Vec<(ResourceKey, Option<i64>)>> {
        let expression: Expression = compile(path)?;
        let node = Node::resource(from);
        let context = Context { bounds: BOUNDS, now: Some(self.call.site.clock.now()), ..Context::new(node) };
        let items = expression.eval(node, &context)?;
        let mut keys = Vec::new();
        for item in items.iter() {
            let Item::Node(node) = item else { continue };
            let text = node.json.get("reference").unwrap_or(node.json).as_str();
            let found = text.and_then(|text| version(text, &self.call.site.base));
            keys.extend(found.filter(|(key, _)| kind.is_none_or(|kind| kind == key.kind)));
        }
        Ok(keys)
    }

    /// What a search finds, with the resource in place of `{ref}`.
    async fn by_search(
        &self,
        params: &str,
        kind: ResourceType,
        of: &ResourceKey,
    ) -> Result<Vec<(ResourceKey, Option<i64>)>> {
        let text = params.replace("{ref}", &of.to_string());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        let mut pairs: Vec<(String, String)> = text.split('&').filter(|part| !part.is_empty()).map(pair).collect();
        pairs.push(("_count".to_owned(), MOST.to_string()));
        let found = self.call.session.search(SearchContext::Type(kind), &pairs, Handling::Strict).await?;
        Ok(found.entries.into_iter().map(|entry| (entry.stored.key, None)).collect())
    }
}
