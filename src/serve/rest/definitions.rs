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

/// What is told of an operation that has no definition elsewhere, beside its row.
struct Own {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    parameters: &'static [Parameter],
}

/// Name, use, `min`, `max`, type, documentation.
type Parameter = (&'static str, &'static str, i64, &'static str, &'static str, &'static str);

/// What the operations about packages share.
const PACKAGE: Parameter = ("package", "out", 0, "*", "Element", "a package: name, version, active, warning, missing");
const PACKAGE_NAME: Parameter = ("name", "in", 1, "1", "string", "name of the package");

static OWN: [Own; 10] = [
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
        name: "package-activate",
        title: "Use a package",
        description: "Takes a FHIR package into use by the tenant.",
        parameters: &[
            PACKAGE_NAME,
            ("version", "in", 0, "1", "string", "its version; the last one unless given"),
            PACKAGE,
        ],
    },
    Own {
        name: "package-deactivate",
        title: "Stop using a package",
        description: "Takes a FHIR package out of use by the tenant.",
        parameters: &[
            PACKAGE_NAME,
            ("version", "in", 0, "1", "string", "its version; the last one unless given"),
            PACKAGE,
        ],
    },
    Own {
        name: "package-install",
        title: "Fetch a package",
        description: "Fetches a FHIR package from the registry that the operator allows, with what it needs, and keeps them for all tenants.",
        parameters: &[
            PACKAGE_NAME,
            ("version", "in", 0, "1", "string", "its version, with x for any number; the last one unless given"),
            ("activate", "in", 0, "1", "boolean", "whether the tenant takes them into use"),
            (
                "package",
                "out",
                1,
                "*",
                "Element",
                "a package that was fetched: name, version, definitions, active, passedOver",
            ),
            ("present", "out", 0, "*", "string", "a package that was there and serves what is needed"),
            ("missing", "out", 0, "*", "string", "a package that is needed and could not be had, with the reason"),
        ],
    },
    Own {
        name: "package-load",
        title: "Load a package",
        description: "Keeps a FHIR package, for all tenants.",
        parameters: &[
            ("npmContent", "in", 0, "1", "base64Binary", "the archive, unless it is the body"),
            ("activate", "in", 0, "1", "boolean", "whether the tenant takes it into use"),
            ("name", "out", 1, "1", "string", "name of the package"),
            ("version", "out", 1, "1", "string", "its version"),
            ("definitions", "out", 1, "1", "integer", "how many definitions it has"),
            ("active", "out", 1, "1", "boolean", "whether it is in use"),
            ("passedOver", "out", 0, "*", "string", "a file that could not be read, with the reason"),
        ],
    },
    Own {
        name: "package-remove",
        title: "Remove a package",
        description: "Removes a FHIR package that no tenant has in use.",
        parameters: &[PACKAGE_NAME, ("version", "in", 1, "1", "string", "its version"), PACKAGE],
    },
    Own {
        name: "packages",
        title: "Packages",
        description: "Lists the FHIR packages: which the tenant has in use, and what they need and do not get.",
        parameters: &[PACKAGE, ("absent", "out", 0, "*", "string", "a package that is to be in use and is not there")],
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
    let is_own = |row: &&OperationRow| row.definition.is_none() && row.name == key.id.as_str();
    let found = OPERATIONS.iter().find(is_own).filter(|_| key.kind.name() == "OperationDefinition");
    match found {
        Some(row) if otherwise.category() == Category::NotFound => {
            let mut body = Vec::new();
            write(&definition(row, &call.site.base), &mut body);
            let updated = Timestamp(call.site.statements.version);
            Ok(Stored { key, version: 1, updated, body: Some(body.into()), kind: WriteKind::Create })
        }
        _ => Err(otherwise),
    }
}

fn definition(row: &OperationRow, base: &str) -> Json {
    let text = |text: &str| Json::string(text);
    let parameter = |(name, usage, min, max, kind, documentation): &Parameter| {
        Json::object([
            ("name", text(name)),
            ("use", text(usage)),
            ("min", Json::integer(*min)),
            ("max", text(max)),
            ("documentation", text(documentation)),
            ("type", text(kind)),
        ])
    };
    let words = row.name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    let mut json = Json::object([
        ("resourceType", text("OperationDefinition")),
        ("id", text(row.name)),
        ("url", Json::string(format!("{base}/OperationDefinition/{}", row.name))),
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("name", Json::string(words.collect::<String>())),
        ("status", text("active")),
        ("kind", text("operation")),
        ("affectsState", Json::Bool(row.changes)),
        ("code", text(row.name)),
        ("resource", Json::Array(vec![text(row.offered.kind.unwrap_or("Resource"))])),
        ("system", Json::Bool(row.offered.system)),
        ("type", Json::Bool(row.offered.types)),
        ("instance", Json::Bool(row.offered.resources)),
    ]);
    let own = OWN.iter().find(|own| own.name == row.name);
    if let (Some(own), Some(object)) = (own, json.as_object_mut()) {
        object.set("title", text(own.title));
        object.set("description", text(own.description));
        object.set("parameter", Json::Array(own.parameters.iter().map(parameter).collect()));
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::validate::structure;

    #[test]
    fn every_operation_without_a_definition_elsewhere_has_one_here() {
        let rows: Vec<&OperationRow> = OPERATIONS.iter().filter(|row| row.definition.is_none()).collect();
        for row in &rows {
            structure(&definition(row, "http://h/fhir")).expect(row.name);
        }
        assert!(OWN.iter().all(|own| rows.iter().any(|row| row.name == own.name)));
    }
}
