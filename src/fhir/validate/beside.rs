//! Resources that stand beside the one that is validated, to which its references must lead: the other files of a run.

use hashbrown::HashMap;

use super::entries::Literal;
use crate::fhir::fhirpath::Node;
use crate::fhir::json::Json;

/// Resources by type and id, those in entries of Bundles and in Parameters too.
#[derive(Debug, Default)]
pub struct Beside<'j> {
    by_key: HashMap<(&'j str, &'j str), Node<'j>>,
}

impl<'j> Beside<'j> {
    /// All of some resources; of several with one type and id the first.
    pub fn new(resources: &'j [Json]) -> Self {
        let mut all = Self::default();
        let mut open: Vec<&'j Json> = resources.iter().rev().collect();
        while let Some(json) = open.pop() {
            let text = |name: &str| json.get(name).and_then(Json::as_str);
            if let (Some(kind), Some(id)) = (text("resourceType"), text("id")) {
                all.by_key.entry((kind, id)).or_insert_with(|| Node::resource(json));
            }
            for list in ["entry", "parameter", "part"] {
                open.extend(json.get(list).and_then(Json::as_array).unwrap_or_default());
            }
            open.extend(json.get("resource").filter(|resource| resource.as_object().is_some()));
        }
        all
    }

    /// The resource that a reference leads to.
    pub fn find(&self, literal: &Literal<'_>) -> Option<Node<'j>> {
        self.by_key.get(&(literal.kind.name(), literal.id)).copied()
    }
}
