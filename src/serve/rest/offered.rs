//! The one table of operations (FHIR R4 `operations.html`): their paths, the CapabilityStatement and what a transaction takes
//! are made from it.

use crate::fhir::terminology;
use crate::fhir::types::ResourceType;

/// The operations (FHIR R4 `operations.html`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Keeps a table of which code is above which.
    Closure,
    /// Writes a resource in another format.
    Convert,
    /// Tells what leads from one version to another.
    Diff,
    /// Makes a document of a Composition.
    Document,
    /// A whole record.
    Everything,
    /// Finds a List by its function.
    FindList,
    /// Takes content away for good.
    Expunge,
    /// Evaluates an expression.
    FhirPath,
    /// What a GraphDefinition leads to from a resource.
    Graph,
    /// Answers a query of GraphQL.
    GraphQl,
    /// The last observations of each code.
    Lastn,
    /// Finds who may be the same person.
    Match,
    /// Tells profiles, tags and security labels.
    Meta,
    /// Adds profiles, tags and security labels.
    MetaAdd,
    /// Takes profiles, tags and security labels away.
    MetaDelete,
    /// What is done with FHIR packages.
    Packages(PackageOperation),
    /// Another identifier of a system.
    PreferredId,
    /// A profile with its snapshot.
    Snapshot,
    /// Statistics of measurements.
    Stats,
    /// Tells how far the index is with search parameters.
    ReindexStatus,
    /// What a CapabilityStatement says of some types.
    Subset,
    /// One of the terminology service.
    Terminology(terminology::Operation),
    /// Says what is wrong with a resource.
    Validate,
    /// Tells the versions of FHIR.
    Versions,
    /// Makes a table of a ViewDefinition.
    ViewRun,
}

/// What is done with FHIR packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageOperation {
    /// Tells which there are.
    List,
    /// Keeps one.
    Load,
    /// Fetches one from a registry.
    Install,
    /// Removes one.
    Remove,
    /// Takes one into use.
    Activate,
    /// Takes one out of use.
    Deactivate,
}

/// Where an operation is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// On the system.
    pub system: bool,
    /// On types.
    pub types: bool,
    /// On resources.
    pub resources: bool,
    /// On versions of resources.
    pub versions: bool,
    /// Of this type only; `None`: of all.
    pub kind: Option<&'static str>,
}

impl Offered {
    const NOWHERE: Self = Self { system: false, types: false, resources: false, versions: false, kind: None };
    /// On the system.
    pub const SYSTEM: Self = Self { system: true, ..Self::NOWHERE };
    /// On resources of all types.
    pub const RESOURCES: Self = Self { resources: true, ..Self::NOWHERE };
    /// On the system, on types, and on resources.
    pub const EVERYWHERE: Self = Self { system: true, types: true, resources: true, ..Self::NOWHERE };

    /// On one type, not on its resources.
    pub const fn on_type(kind: &'static str) -> Self {
        Self { types: true, kind: Some(kind), ..Self::NOWHERE }
    }

    /// On resources of one type.
    pub const fn on_resources(kind: &'static str) -> Self {
        Self { resources: true, kind: Some(kind), ..Self::NOWHERE }
    }

    /// On one type and its resources.
    pub const fn on_both(kind: &'static str) -> Self {
        Self { types: true, ..Self::on_resources(kind) }
    }

    /// Whether it is offered at resources, types or versions of them, or their type, where it concerns this type.
    pub fn concerns(&self, kind: ResourceType) -> bool {
        (self.types || self.resources) && self.kind.is_none_or(|name| name == kind.name())
    }

    /// Whether it is offered at a path.
    pub fn is_at(&self, kind: Option<ResourceType>, has_id: bool, has_version: bool) -> bool {
        let level = match (kind, has_id, has_version) {
            (None, _, _) => self.system,
            (Some(_), false, _) => self.types,
            (Some(_), true, false) => self.resources,
            (Some(_), true, true) => self.versions,
        };
        level && kind.is_none_or(|kind| self.kind.is_none_or(|name| name == kind.name()))
    }

    /// The places, for people.
    pub fn places(&self) -> String {
        let kind = self.kind.unwrap_or("[type]");
        let places = [
            (self.system, "[base]".to_owned()),
            (self.types, kind.to_owned()),
            (self.resources, format!("{kind}/[id]")),
            (self.versions, format!("{kind}/[id]/_history/[vid]")),
        ];
        let names: Vec<String> = places.into_iter().filter(|(is_here, _)| *is_here).map(|(_, name)| name).collect();
        names.join(", ")
    }
}

/// A row of the table of operations.
#[derive(Debug, Clone, Copy)]
pub struct OperationRow {
    /// Its name, without `$`.
    pub name: &'static str,
    /// What is done.
    pub operation: Operation,
    /// Where.
    pub offered: Offered,
    /// Whether it changes anything (`OperationDefinition.affectsState`).
    pub changes: bool,
    /// Whether it goes by GET too: it changes nothing, and what it needs fits into a URL.
    pub by_get: bool,
    /// The canonical URL of its definition; `None`: below this server's base.
    pub definition: Option<&'static str>,
}

const fn inquiry(
    name: &'static str,
    operation: terminology::Operation,
    kind: &'static str,
    definition: Option<&'static str>,
) -> OperationRow {
    let operation = Operation::Terminology(operation);
    OperationRow { name, operation, offered: Offered::on_both(kind), changes: false, by_get: true, definition }
}

const fn everything(offered: Offered, definition: &'static str) -> OperationRow {
    let operation = Operation::Everything;
    OperationRow { name: "everything", operation, offered, changes: false, by_get: true, definition: Some(definition) }
}

const fn package(name: &'static str, what: PackageOperation) -> OperationRow {
    let is_list = matches!(what, PackageOperation::List);
    let operation = Operation::Packages(what);
    OperationRow { name, operation, offered: Offered::SYSTEM, changes: !is_list, by_get: is_list, definition: None }
}

const fn asked(name: &'static str, operation: Operation, offered: Offered, definition: &'static str) -> OperationRow {
    OperationRow { name, operation, offered, changes: false, by_get: true, definition: Some(definition) }
}

/// Every operation; one of several types has several rows.
pub static OPERATIONS: &[OperationRow] = &[
    inquiry("batch-validate-code", terminology::Operation::BatchValidate, "ValueSet", None),
    OperationRow {
        name: "closure",
        operation: Operation::Closure,
        offered: Offered { system: true, ..Offered::on_type("ConceptMap") },
        changes: true,
        by_get: false,
        definition: Some("http://hl7.org/fhir/OperationDefinition/ConceptMap-closure"),
    },
    inquiry("compare", terminology::Operation::Compare, "ValueSet", None),
    OperationRow {
        name: "convert",
        operation: Operation::Convert,
        offered: Offered::SYSTEM,
        changes: false,
        by_get: false,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-convert"),
    },
    inquiry(
        "expand",
        terminology::Operation::Expand,
        "ValueSet",
        Some("http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
    ),
    OperationRow {
        name: "diff",
        operation: Operation::Diff,
        offered: Offered::EVERYWHERE,
        changes: false,
        by_get: true,
        definition: None,
    },
    OperationRow {
        name: "document",
        operation: Operation::Document,
        offered: Offered::on_both("Composition"),
        changes: false,
        by_get: true,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Composition-document"),
    },
    everything(Offered::on_both("Patient"), "http://hl7.org/fhir/OperationDefinition/Patient-everything"),
    everything(Offered::on_resources("Encounter"), "http://hl7.org/fhir/OperationDefinition/Encounter-everything"),
    everything(Offered::on_resources("Group"), "http://hl7.org/fhir/OperationDefinition/Group-everything"),
    everything(
        Offered::on_both("MedicinalProduct"),
        "http://hl7.org/fhir/OperationDefinition/MedicinalProduct-everything",
    ),
    OperationRow {
        name: "expunge",
        operation: Operation::Expunge,
        offered: Offered::EVERYWHERE,
        changes: true,
        by_get: false,
        definition: None,
    },
    OperationRow {
        name: "fhirpath",
        operation: Operation::FhirPath,
        offered: Offered::EVERYWHERE,
        changes: false,
        by_get: true,
        definition: None,
    },
    inquiry(
        "find-matches",
        terminology::Operation::FindMatches,
        "CodeSystem",
        Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-find-matches"),
    ),
    inquiry(
        "lookup",
        terminology::Operation::Lookup,
        "CodeSystem",
        Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
    ),
    OperationRow {
        name: "graphql",
        operation: Operation::GraphQl,
        offered: Offered { system: true, ..Offered::RESOURCES },
        changes: false,
        by_get: true,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-graphql"),
    },
    OperationRow {
        name: "lastn",
        operation: Operation::Lastn,
        offered: Offered::on_type("Observation"),
        changes: false,
        by_get: true,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Observation-lastn"),
    },
    OperationRow {
        name: "match",
        operation: Operation::Match,
        offered: Offered::on_type("Patient"),
        changes: false,
        by_get: false,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Patient-match"),
    },
    OperationRow {
        name: "meta",
        operation: Operation::Meta,
        offered: Offered { versions: true, ..Offered::EVERYWHERE },
        changes: false,
        by_get: true,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta"),
    },
    OperationRow {
        name: "meta-add",
        operation: Operation::MetaAdd,
        offered: Offered::RESOURCES,
        changes: true,
        by_get: false,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-add"),
    },
    OperationRow {
        name: "meta-delete",
        operation: Operation::MetaDelete,
        offered: Offered::RESOURCES,
        changes: true,
        by_get: false,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"),
    },
    asked("graph", Operation::Graph, Offered::RESOURCES, "http://hl7.org/fhir/OperationDefinition/Resource-graph"),
    asked(
        "snapshot",
        Operation::Snapshot,
        Offered::on_both("StructureDefinition"),
        "http://hl7.org/fhir/OperationDefinition/StructureDefinition-snapshot",
    ),
    asked("find", Operation::FindList, Offered::on_type("List"), "http://hl7.org/fhir/OperationDefinition/List-find"),
    asked(
        "preferred-id",
        Operation::PreferredId,
        Offered::on_type("NamingSystem"),
        "http://hl7.org/fhir/OperationDefinition/NamingSystem-preferred-id",
    ),
    asked(
        "subset",
        Operation::Subset,
        Offered::on_both("CapabilityStatement"),
        "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-subset",
    ),
    asked(
        "versions",
        Operation::Versions,
        Offered::SYSTEM,
        "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions",
    ),
    package("package-activate", PackageOperation::Activate),
    package("package-deactivate", PackageOperation::Deactivate),
    package("package-install", PackageOperation::Install),
    package("package-load", PackageOperation::Load),
    package("package-remove", PackageOperation::Remove),
    package("packages", PackageOperation::List),
    OperationRow {
        name: "reindex-status",
        operation: Operation::ReindexStatus,
        offered: Offered::on_type("SearchParameter"),
        changes: false,
        by_get: true,
        definition: None,
    },
    OperationRow {
        name: "stats",
        operation: Operation::Stats,
        offered: Offered::on_type("Observation"),
        changes: false,
        by_get: true,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Observation-stats"),
    },
    inquiry(
        "subsumes",
        terminology::Operation::Subsumes,
        "CodeSystem",
        Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes"),
    ),
    inquiry(
        "translate",
        terminology::Operation::Translate,
        "ConceptMap",
        Some("http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
    ),
    OperationRow {
        name: "validate",
        operation: Operation::Validate,
        offered: Offered::EVERYWHERE,
        changes: false,
        by_get: true,
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    },
    inquiry(
        "validate-code",
        terminology::Operation::ValidateInCodeSystem,
        "CodeSystem",
        Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code"),
    ),
    inquiry(
        "validate-code",
        terminology::Operation::ValidateInValueSet,
        "ValueSet",
        Some("http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code"),
    ),
    OperationRow {
        name: "run",
        operation: Operation::ViewRun,
        offered: Offered::SYSTEM,
        changes: false,
        by_get: true,
        definition: Some("http://sql-on-fhir.org/OperationDefinition/$run"),
    },
    OperationRow {
        name: "viewdefinition-run",
        operation: Operation::ViewRun,
        offered: Offered::SYSTEM,
        changes: false,
        by_get: true,
        definition: Some("http://sql-on-fhir.org/OperationDefinition/$run"),
    },
];
