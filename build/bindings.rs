//! The code systems that required bindings imply: the system of an element of type `code` is not written in the
//! resource, but stands in the value set that it is bound to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The ValueSets by their URL.
pub struct ValueSets<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> ValueSets<'a> {
    /// Those among these definitions.
    pub fn new(definitions: &'a [Value]) -> Self {
        let sets = definitions.iter().filter(|d| d["resourceType"] == "ValueSet");
        Self(sets.filter_map(|set| Some((set["url"].as_str()?, set))).collect())
    }

    /// The one code system that the element's required binding draws its codes from; none when the binding is weaker,
    /// the value set unknown, or its codes come from several systems.
    pub fn system(&self, element: &Value) -> Option<&'a str> {
        let binding = &element["binding"];
        if binding["strength"] != "required" {
            return None;
        }
        let mut systems = BTreeSet::new();
        self.collect(binding["valueSet"].as_str()?, 0, &mut systems)?;
        if systems.len() == 1 { systems.pop_first() } else { None }
    }

    /// The systems of a value set; none when one cannot be told. What it excludes does not matter.
    fn collect(&self, url: &str, depth: usize, systems: &mut BTreeSet<&'a str>) -> Option<()> {
        let set = self.0.get(url.split('|').next()?).filter(|_| depth < 8)?;
        for include in set["compose"]["include"].as_array()? {
            if let Some(system) = include["system"].as_str() {
                systems.insert(system);
                continue;
            }
            for part in include["valueSet"].as_array()? {
                self.collect(part.as_str()?, depth + 1, systems)?;
            }
        }
        Some(())
    }
}
