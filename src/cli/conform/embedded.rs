//! The scenarios of `conformance/scenarios`, in the program.

macro_rules! scenarios {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/scenarios/", $name, ".toml")))),*]
    };
}

/// Names and texts.
pub const EMBEDDED: &[(&str, &str)] = scenarios![
    "batch",
    "capabilities",
    "closure",
    "compartment",
    "conditional-create",
    "conditional-update",
    "create",
    "data-fidelity",
    "delete",
    "diff",
    "document",
    "errors",
    "everything",
    "expunge",
    "fhirpath",
    "graph",
    "graphql",
    "headers",
    "history",
    "history-system",
    "lastn",
    "match",
    "meta",
    "narrative",
    "operations-small",
    "packages",
    "patch",
    "patch-fhirpath",
    "read",
    "resource-rules",
    "search-composite",
    "search-consistency",
    "search-date",
    "search-filter",
    "search-include",
    "search-lists",
    "search-meaning",
    "search-near",
    "search-pages",
    "search-parameters",
    "search-quantity",
    "search-reference",
    "search-strict",
    "search-string",
    "search-token",
    "search-words",
    "snapshot",
    "stats",
    "subset",
    "terminology",
    "transaction",
    "transaction-large",
    "update",
    "update-race",
    "validate",
    "validation",
    "view-run",
    "vread",
    "xml",
];

#[cfg(test)]
mod tests {
    use super::super::scenario::read;
    use super::EMBEDDED;
    use crate::fhir::fhirpath::compile;

    #[test]
    fn every_scenario_of_the_folder_is_here_and_can_be_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/scenarios");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
            .collect();
        names.sort_unstable();
        assert_eq!(names, EMBEDDED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, text) in EMBEDDED {
            let scenario = read(name, text).expect(name);
            for path in scenario.steps.iter().flat_map(|step| step.expect.iter().chain(step.save.values())) {
                assert!(path.contains("{{") || compile(path).is_ok(), "{name}: {path}: {:?}", compile(path));
            }
        }
    }
}
