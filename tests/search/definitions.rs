//! The definitions of FHIR R4 as the evaluator reads them: elements with their types, the systems of codes, and the
//! search parameters, out of the official archive and not out of the product's tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::support::official;

/// A property of a type.
#[derive(Debug)]
pub struct Element {
    /// Its name, without `[x]`.
    pub name: String,
    /// Whether the name is followed by that of the type.
    pub is_choice: bool,
    /// Whether there may be several.
    pub is_list: bool,
    /// Whether there must be one.
    pub is_required: bool,
    /// The types that it may have: data types, or the path of the element where its own properties stand.
    pub types: Vec<String>,
    /// Of a `code`: the one system that its required binding draws from.
    pub system: Option<String>,
    /// The types of the resources to which it refers.
    pub targets: Vec<String>,
}

/// A search parameter, with the known faults of its definition corrected.
#[derive(Debug)]
pub struct Param {
    /// Its canonical URL.
    pub url: String,
    /// Its name in a search.
    pub code: String,
    /// `string`, `token` ...
    pub kind: String,
    /// The types that it applies to.
    pub base: Vec<String>,
    /// FHIRPath; none for the searches of words.
    pub expression: Option<String>,
    /// The types of the resources to which a reference leads; empty: all.
    pub targets: Vec<String>,
    /// Of a composite: the URL of each component's parameter, and where its values stand.
    pub components: Vec<(String, String)>,
}

/// All definitions.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The properties of a type (`HumanName`) or of an element (`Patient.contact`).
    pub elements: HashMap<String, Vec<Element>>,
    /// The type above a type.
    pub above: HashMap<String, String>,
    /// The types of resources, without the abstract ones.
    pub resources: BTreeSet<String>,
    /// The search parameters by their URLs.
    pub params: BTreeMap<String, Param>,
}

static ALL: LazyLock<Option<Definitions>> = LazyLock::new(|| Some(Definitions::read(&official::folder()?)));

/// The definitions, where the archive lies beside the repository.
pub fn definitions() -> Option<&'static Definitions> {
    ALL.as_ref()
}

#[derive(Deserialize)]
struct Bundle<T> {
    entry: Vec<Entry<T>>,
}

#[derive(Deserialize)]
struct Entry<T> {
    resource: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structure {
    resource_type: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    r#abstract: bool,
    /// A truth value in an OperationDefinition.
    #[serde(default)]
    r#type: serde_json::Value,
    base_definition: Option<String>,
    derivation: Option<String>,
    snapshot: Option<Snapshot>,
}

#[derive(Deserialize)]
struct Snapshot {
    element: Vec<RawElement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawElement {
    path: String,
    #[serde(default)]
    min: u32,
    max: String,
    #[serde(default)]
    r#type: Vec<RawType>,
    content_reference: Option<String>,
    binding: Option<Binding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawType {
    code: String,
    #[serde(default)]
    target_profile: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    strength: String,
    value_set: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueSet {
    resource_type: String,
    url: Option<String>,
    compose: Option<Compose>,
}

#[derive(Deserialize)]
struct Compose {
    include: Vec<Include>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Include {
    system: Option<String>,
    #[serde(default)]
    value_set: Vec<String>,
}

#[derive(Deserialize)]
struct RawParam {
    url: String,
    code: String,
    r#type: String,
    base: Vec<String>,
    expression: Option<String>,
    #[serde(default)]
    target: Vec<String>,
    #[serde(default)]
    component: Vec<RawComponent>,
}

#[derive(Deserialize)]
struct RawComponent {
    definition: String,
    expression: String,
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Vec<T> {
    let bundle: Bundle<T> = serde_json::from_slice(bytes).unwrap();
    bundle.entry.into_iter().map(|entry| entry.resource).collect()
}

impl Definitions {
    fn read(folder: &std::path::Path) -> Self {
        let files = official::definitions(folder);
        let sets = ["valuesets", "v2-tables", "v3-codesystems"].iter().flat_map(|name| read::<ValueSet>(&files[*name]));
        let sets: HashMap<String, ValueSet> = sets
            .filter(|set| set.resource_type == "ValueSet")
            .filter_map(|set| Some((set.url.clone()?, set)))
            .collect();
        let mut all = Self::default();
        for name in ["profiles-types", "profiles-resources"] {
            let structures = read::<Structure>(&files[name]).into_iter();
            let own = structures
                .filter(|s| s.resource_type == "StructureDefinition" && s.derivation.as_deref() != Some("constraint"));
            own.for_each(|structure| all.add(structure, &sets));
        }
        let params = read::<RawParam>(&files["search-parameters"]).into_iter().map(Param::from);
        all.params = params.map(|param| (param.url.clone(), param)).collect();
        all
    }

    fn add(&mut self, structure: Structure, sets: &HashMap<String, ValueSet>) {
        let (Some(name), Some(snapshot)) = (structure.r#type.as_str().map(str::to_owned), structure.snapshot) else {
            return;
        };
        if structure.kind == "resource" && !structure.r#abstract {
            self.resources.insert(name.clone());
        }
        let above = structure.base_definition.and_then(|url| url.rsplit('/').next().map(str::to_owned));
        above.map(|above| self.above.insert(name, above));
        for element in snapshot.element {
            let Some((owner, name)) = element.path.rsplit_once('.') else {
                self.elements.entry(element.path).or_default();
                continue;
            };
            let (owner, name) = (owner.to_owned(), name.to_owned());
            self.elements.entry(owner).or_default().push(Element::of(element, &name, sets));
        }
    }

    /// The property of a type that has a name in JSON: the element, and its type there.
    pub fn property(&'static self, owner: &str, name: &str) -> Option<(&'static Element, &'static str)> {
        let all = self.elements.get(owner)?;
        all.iter().find_map(|element| {
            let rest = name.strip_prefix(element.name.as_str())?;
            if !element.is_choice {
                return rest.is_empty().then(|| (element, element.types[0].as_str()));
            }
            let kind = element.types.iter().find(|kind| upper_first(kind) == rest)?;
            Some((element, kind.as_str()))
        })
    }

    /// Whether a type is another, or below it.
    pub fn is(&self, kind: &str, wanted: &str) -> bool {
        kind == wanted || self.above.get(kind).is_some_and(|above| self.is(above, wanted))
    }

    /// The parameters that apply to a type of resource.
    pub fn params_of<'a>(&'static self, kind: &'a str) -> impl Iterator<Item = &'static Param> + use<'a> {
        self.params.values().filter(move |param| param.base.iter().any(|base| self.is(kind, base)))
    }

    /// The parameter of a type with a name.
    pub fn param(&'static self, kind: &str, code: &str) -> Option<&'static Param> {
        self.params.values().find(|param| param.code == code && param.base.iter().any(|base| self.is(kind, base)))
    }
}

/// `dateTime` as it ends the name of a choice: `DateTime`.
pub fn upper_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

impl Element {
    fn of(raw: RawElement, name: &str, sets: &HashMap<String, ValueSet>) -> Self {
        let type_of = |raw_type: &RawType| match raw_type.code.as_str() {
            "BackboneElement" | "Element" => raw.path.clone(),
            // the ids of elements, and of extensions the URL
            code if code.starts_with("http://hl7.org/fhirpath/") => "string".to_owned(),
            code => code.to_owned(),
        };
        let types: Vec<String> = match &raw.content_reference {
            Some(path) => vec![path.trim_start_matches('#').to_owned()],
            None => raw.r#type.iter().map(type_of).collect(),
        };
        let binding = raw.binding.as_ref().filter(|binding| binding.strength == "required" && types == ["code"]);
        let set = binding.and_then(|binding| binding.value_set.as_deref());
        let mut systems = BTreeSet::new();
        let is_known = set.is_some_and(|set| systems_of(set, sets, &mut systems));
        let targets = raw.r#type.iter().flat_map(|t| &t.target_profile);
        Self {
            is_choice: name.ends_with("[x]"),
            name: name.trim_end_matches("[x]").to_owned(),
            is_list: raw.max != "1" && raw.max != "0",
            is_required: raw.min > 0,
            types,
            system: if is_known && systems.len() == 1 { systems.pop_first() } else { None },
            targets: targets.filter_map(|url| url.rsplit('/').next().map(str::to_owned)).collect(),
        }
    }
}

/// Collects the systems of a value set; false when they cannot be told.
fn systems_of(set: &str, sets: &HashMap<String, ValueSet>, found: &mut BTreeSet<String>) -> bool {
    let set = sets.get(set.split('|').next().unwrap_or(set)).and_then(|set| set.compose.as_ref());
    set.is_some_and(|compose| {
        compose.include.iter().all(|include| {
            found.extend(include.system.clone());
            include.system.is_some() || include.value_set.iter().all(|set| systems_of(set, sets, found))
        })
    })
}

impl From<RawParam> for Param {
    fn from(raw: RawParam) -> Self {
        let components = raw.component.into_iter().map(|c| (c.definition, c.expression));
        let mut param = Self {
            url: raw.url,
            code: raw.code,
            kind: raw.r#type,
            base: raw.base,
            expression: raw.expression,
            targets: raw.target,
            components: components.collect(),
        };
        match param.url.rsplit('/').next() {
            // The type is written `DateTime`.
            Some("Observation-code-value-date") => {
                param.components[1].1 = "value.as(dateTime) | value.as(Period)".into()
            }
            // The paths of the components are exchanged.
            Some("DocumentReference-relationship") => {
                let first = param.components[0].1.clone();
                param.components[0].1 = std::mem::replace(&mut param.components[1].1, first);
            }
            // Of type reference, but what they yield is the resource itself: only where it is one of their targets.
            Some("Bundle-composition" | "Bundle-message") => {
                param.expression = Some(format!("(Bundle.entry[0].resource as {})", param.targets[0]));
            }
            // A patient is no group.
            Some("clinical-patient") => param.targets = vec!["Patient".into()],
            _ => {}
        }
        param
    }
}

#[test]
fn definitions_are_read() {
    let Some(all) = definitions() else { return };
    assert_eq!((all.resources.len(), all.params.len()), (146, 1375));
    let (value, kind) = all.property("Observation.component", "valueQuantity").unwrap();
    assert_eq!((value.name.as_str(), value.is_choice, value.is_list, kind), ("value", true, false, "Quantity"));
    assert_eq!(all.property("Questionnaire.item", "item").unwrap().1, "Questionnaire.item");
    assert_eq!(all.property("Patient", "contact").unwrap().1, "Patient.contact");
    let gender = all.property("Patient", "gender").unwrap().0;
    assert_eq!(gender.system.as_deref(), Some("http://hl7.org/fhir/administrative-gender"));
    assert!(all.property("Task", "intent").unwrap().0.system.is_none());
    assert!(all.is("Age", "Quantity") && all.is("Patient", "DomainResource") && !all.is("Bundle", "DomainResource"));
    assert!(all.params_of("Patient").any(|param| param.code == "birthdate"));
    assert!(all.property("Patient", "managingOrganization").unwrap().0.targets == ["Organization"]);
}
