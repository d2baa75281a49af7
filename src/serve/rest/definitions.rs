//! The OperationDefinitions of this server's own operations, at the canonical URLs that its CapabilityStatement names
//! (FHIR R4 `operationdefinition.html`). They are in no log and found by no search; a stored resource of the same id is read
//! in their place.

use super::call::Call;
use super::offered::{OPERATIONS, OperationRow};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, write};
use crate::fhir::types::ResourceKey;
use crate::repo::{Stored, WriteKind};

/// An operation that has no definition elsewhere.
struct Own {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    parameters: &'static [Parameter],
}

/// Name, use, `min`, `max`, type, documentation.
type Parameter = (&'static str, &'static str, i64, &'static str, &'static str, &'static str);

static OWN: [Own; 4] = [
    Own {
        name: "diff",
        title: "Difference",
        description: "What leads from one version of a resource to another, as a FHIRPath Patch.",
        parameters: &[
            ("from", "in", 0, "1", "uri", "the older version, not at a resource"),
            ("to", "in", 0, "1", "uri", "the newer version, not at a resource"),
            ("fromVersion", "in", 0, "1", "positiveInt", "at a resource: from this version, else from the one before"),
            ("includeMeta", "in", 0, "1", "boolean", "whether differences of meta are told"),
            ("operation", "out", 0, "*", "Element", "a difference, as an operation of the patch"),
        ],
    },
    Own {
        name: "expunge",
        title: "Expunge",
        description: "Takes content away for good: deleted resources, versions that are not current, or everything.",
        parameters: &[
            ("expungeDeletedResources", "in", 0, "1", "boolean", "deleted resources, with all their versions"),
            ("expungePreviousVersions", "in", 0, "1", "boolean", "versions that are not current"),
            ("expungeEverything", "in", 0, "1", "boolean", "every resource in question, whatever the limit"),
            ("limit", "in", 0, "1", "integer", "about how many resources or versions in this call; 1000 unless given"),
            ("count", "out", 1, "1", "integer", "how many versions are gone"),
        ],
    },
    Own {
        name: "fhirpath",
        title: "Evaluate FHIRPath",
        description: "Evaluates a FHIRPath expression on a resource, for developers.",
        parameters: &[
            ("expression", "in", 1, "1", "string", "the expression"),
            ("context", "in", 0, "1", "string", "an expression for the items on which it is evaluated"),
            ("resource", "in", 0, "1", "Resource", "the resource; also as a reference or as JSON in a string"),
            ("variables", "in", 0, "1", "Element", "a part for each variable"),
            ("validate", "in", 0, "1", "boolean", "whether names are checked against the definitions"),
            ("parameters", "out", 1, "1", "Element", "what was asked, and how it was understood"),
            ("result", "out", 0, "*", "Element", "for every context a part for each item"),
        ],
    },
    Own {
        name: "reindex-status",
        title: "Status of the index",
        description: "Tells of each search parameter of the tenant how far the index of this node is with it.",
        parameters: &[
            ("complete", "out", 1, "1", "boolean", "whether the index is done with all"),
            ("searchParameter", "out", 0, "*", "Element", "one for each active definition: source, url, code, state"),
        ],
    },
];

/// The definition that stands at a URL below this server's base, as if it were stored there.
///
/// # Errors
/// `otherwise` where there is none.
pub fn own(call: &Call<'_>, key: ResourceKey, otherwise: Fault) -> Result<Stored> {
    let is_own = |own: &&Own| own.name == key.id.as_str();
    let found = OWN.iter().find(is_own).filter(|_| key.kind.name() == "OperationDefinition");
    match found {
        Some(own) if otherwise.category() == Category::NotFound => {
            let mut body = Vec::new();
            write(&own.definition(&call.site.base), &mut body);
            let updated = Timestamp(call.site.statements.version);
            Ok(Stored { key, version: 1, updated, body: Some(body.into()), kind: WriteKind::Create })
        }
        _ => Err(otherwise),
    }
}

impl Own {
    fn definition(&self, base: &str) -> Json {
        let text = |text: &str| Json::string(text);
        let row = OPERATIONS.iter().find(|row| row.name == self.name);
        let is = |what: fn(&OperationRow) -> bool| Json::Bool(row.is_some_and(what));
        let kind = row.and_then(|row| row.offered.kind).unwrap_or("Resource");
        let code_name: String = self.title.split(' ').collect();
        let parameters = self.parameters.iter().map(|(name, usage, min, max, kind, documentation)| {
            Json::object([
                ("name", text(name)),
                ("use", text(usage)),
                ("min", Json::integer(*min)),
                ("max", text(max)),
                ("documentation", text(documentation)),
                ("type", text(kind)),
            ])
        });
        Json::object([
            ("resourceType", text("OperationDefinition")),
            ("id", text(self.name)),
            ("url", Json::string(format!("{base}/OperationDefinition/{}", self.name))),
            ("version", text(env!("CARGO_PKG_VERSION"))),
            ("name", Json::string(code_name)),
            ("title", text(self.title)),
            ("status", text("active")),
            ("kind", text("operation")),
            ("description", text(self.description)),
            ("affectsState", is(|row| row.changes)),
            ("code", text(self.name)),
            ("resource", Json::Array(vec![text(kind)])),
            ("system", is(|row| row.offered.system)),
            ("type", is(|row| row.offered.types)),
            ("instance", is(|row| row.offered.resources)),
            ("parameter", Json::Array(parameters.collect())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::validate::structure;

    #[test]
    fn every_operation_without_a_definition_elsewhere_has_one_here() {
        for row in OPERATIONS.iter().filter(|row| row.definition.is_none()) {
            let own = OWN.iter().find(|own| own.name == row.name).unwrap_or_else(|| panic!("${}", row.name));
            structure(&own.definition("http://h/fhir")).expect("a valid resource");
        }
        assert!(OWN.iter().all(|own| OPERATIONS.iter().any(|row| row.name == own.name)));
    }
}
