//! FHIRPath Patch (FHIR R4 `fhirpatch.html`, 3.1.5.1): operations on what a path selects.

use super::budget::{Budget, PatchBounds};
use super::element::{Element, put, take};
use super::operations::{Act, Operation, read};
use super::place::{Inner, Place, locate, object_at, prune, with_children};
use super::value::{Value, add, choose, element};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{TypeId, resource_type_id};
use crate::fhir::fhirpath::{Bounds, Context, Item, Node};
use crate::fhir::json::{Json, Object};
use crate::fhir::resource::resource_type;

/// Steps of FHIRPath that all operations of a patch may take together.
const STEPS: u64 = 20_000_000;

/// A FHIRPath Patch.
#[derive(Debug)]
pub(super) struct FhirPathPatch(Vec<Operation>);

impl FhirPathPatch {
    /// Reads a Parameters resource.
    ///
    /// # Errors
    /// 400 with the place.
    pub(super) fn read(document: Json, bounds: PatchBounds) -> Result<Self> {
        read(document, bounds).map(Self)
    }

    /// Applies it: all operations, each to the result of those before it, or an error.
    ///
    /// # Errors
    /// 422 with the number of the operation.
    pub(super) fn apply(&self, mut resource: Json, budget: &mut Budget, now: Timestamp) -> Result<Json> {
        let kind = resource_type_id(resource_type(&resource)?);
        let steps = STEPS / self.0.len().max(1) as u64;
        for (at, operation) in self.0.iter().enumerate() {
            let mut work = Work { resource: &mut resource, kind, budget: &mut *budget, now, steps };
            let done = work.apply(operation);
            done.map_err(|f| {
                let about = format!("operation {at} ({} {})", operation.act.name(), operation.path.text());
                f.context(about).at(format!("Parameters.parameter[{at}]"))
            })?;
        }
        Ok(resource)
    }
}

struct Work<'a> {
    resource: &'a mut Json,
    kind: TypeId,
    budget: &'a mut Budget,
    now: Timestamp,
    /// Steps that the path may take.
    steps: u64,
}

fn unfit(message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "processing", message)
}

impl Work<'_> {
    fn apply(&mut self, operation: &Operation) -> Result<()> {
        let places = self.select(operation)?;
        match &operation.act {
            Act::Add { name, value } => {
                let place = single(places)?;
                let depth = depth(&place);
                let fitted = |object: &mut Object, owner| add(object, owner, name, value);
                with_children(self.resource, &place, self.kind, fitted)?;
                self.weigh(value, depth)
            }
            Act::Insert { value, index } => {
                let list = list(places)?;
                let property = choose(list.owner, list.property.element, value)?;
                let new = element(value, property)?;
                self.weigh(value, list.steps.len() + 2)?;
                self.change(&list, |elements| match *index <= elements.len() {
                    true => {
                        elements.insert(*index, new);
                        Ok(())
                    }
                    false => Err(unfit(format!("the list has {} items, index {index} is beyond", elements.len()))),
                })
            }
            Act::Delete => match places.len() {
                0 => Ok(()),
                _ => self.delete(&inner(single(places)?)?),
            },
            Act::Replace { value } => self.replace(&inner(single(places)?)?, value),
            Act::Move { source, destination } => self.change(&list(places)?, |elements| {
                if *source >= elements.len() || *destination >= elements.len() {
                    return Err(unfit(format!("the list has {} items, the move goes beyond", elements.len())));
                }
                let moved = elements.remove(*source);
                elements.insert(*destination, moved);
                Ok(())
            }),
        }
    }

    /// Where the elements stand that the path selects.
    fn select(&mut self, operation: &Operation) -> Result<Vec<Place>> {
        let root = Node::resource(self.resource);
        let bounds = Bounds { steps: self.steps, ..Bounds::default() };
        let context = Context { now: Some(self.now), bounds, ..Context::new(root) };
        let found = operation.path.eval(root, &context)?;
        let place = |item: &Item<'_>| match item {
            Item::Node(node) => locate(self.resource, self.kind, node, self.budget),
            _ => Err(unfit("the path yields a value, not an element of the resource")),
        };
        found.iter().map(place).collect()
    }

    /// Counts what a value adds.
    fn weigh(&mut self, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::Typed(_, (value, sibling)) => {
                self.budget.place(value, depth)?;
                self.budget.place(sibling, depth)
            }
            Value::Resource(json) => self.budget.place(json, depth),
            Value::Parts(parts) => {
                self.budget.spend(16)?;
                parts.iter().try_for_each(|(_, part)| self.weigh(part, depth + 2))
            }
        }
    }

    /// Changes the elements of a list.
    fn change(&mut self, list: &Inner, work: impl FnOnce(&mut Vec<Element>) -> Result<()>) -> Result<()> {
        let object = object_at(self.resource, &list.steps);
        let object = object.ok_or_else(|| Fault::internal("patch: a list is not where it was found"))?;
        let mut elements = take(object, list.property);
        self.budget.spend(elements.len())?;
        let done = work(&mut elements);
        put(object, list.property, elements);
        done
    }

    fn delete(&mut self, place: &Inner) -> Result<()> {
        let index = place.index;
        self.change(place, |elements| {
            elements.remove(index);
            Ok(())
        })?;
        prune(self.resource, &place.steps);
        Ok(())
    }

    fn replace(&mut self, place: &Inner, value: &Value) -> Result<()> {
        let chosen = choose(place.owner, place.property.element, value)?;
        let new = element(value, chosen)?;
        self.weigh(value, place.steps.len() + 2)?;
        let (index, is_same) = (place.index, std::ptr::eq(chosen, place.property));
        self.change(place, |elements| {
            if is_same {
                elements[index] = new.clone();
            } else {
                elements.clear();
            }
            Ok(())
        })?;
        if !is_same && let Some(object) = object_at(self.resource, &place.steps) {
            // Another form of a choice, which never repeats.
            put(object, chosen, vec![new]);
        }
        Ok(())
    }
}

/// The one element that the path must select.
fn single(mut places: Vec<Place>) -> Result<Place> {
    match (places.pop(), places.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(unfit("the path selects nothing")),
        (Some(_), more) => Err(unfit(format!("the path selects {} elements; it must select one", more + 1))),
    }
}

fn inner(place: Place) -> Result<Inner> {
    match place {
        Place::Inner(inner) => Ok(inner),
        Place::Root => Err(unfit("the path selects the whole resource")),
    }
}

fn depth(place: &Place) -> usize {
    match place {
        Place::Root => 1,
        Place::Inner(inner) => inner.steps.len() + 2,
    }
}

/// The list whose items the path selects.
fn list(places: Vec<Place>) -> Result<Inner> {
    let mut found: Option<Inner> = None;
    for place in places {
        let place = inner(place)?;
        let is_other = |first: &Inner| first.steps != place.steps || !std::ptr::eq(first.property, place.property);
        if found.as_ref().is_some_and(is_other) {
            return Err(unfit("the path selects elements of several lists"));
        }
        found.get_or_insert(place);
    }
    let list = found.ok_or_else(|| unfit("the path selects nothing"))?;
    if list.property.is_list() {
        return Ok(list);
    }
    Err(unfit(format!("{}.{} does not repeat", list.owner.name(), list.property.element)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};

    const BOUNDS: PatchBounds = PatchBounds { operations: 100, nesting: 64, bytes: 1 << 20 };

    fn text(json: &Json) -> String {
        let mut out = Vec::new();
        write(json, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// Applies operations, each the JSON of its parts without the frame.
    fn patched(resource: &str, operations: &[&str]) -> Result<String> {
        let operations: Vec<String> =
            operations.iter().map(|parts| format!(r#"{{"name":"operation","part":[{parts}]}}"#)).collect();
        let document = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
        let document = if operations.is_empty() { r#"{"resourceType":"Parameters"}"#.to_owned() } else { document };
        let patch = FhirPathPatch::read(parse(document.as_bytes()).expect(&document), BOUNDS)?;
        let resource = parse(resource.as_bytes()).expect(resource);
        Ok(text(&patch.apply(resource, &mut Budget::new(BOUNDS), Timestamp(0))?))
    }

    fn part(name: &str, value: &str) -> String {
        format!(r#"{{"name":"{name}",{value}}}"#)
    }

    fn kind_and_path(kind: &str, path: &str) -> String {
        format!(
            r#"{},{}"#,
            part("type", &format!(r#""valueCode":"{kind}""#)),
            part("path", &format!(r#""valueString":"{path}""#))
        )
    }

    fn replace(path: &str, value: &str) -> String {
        format!("{},{}", kind_and_path("replace", path), part("value", value))
    }

    fn add(path: &str, name: &str, value: &str) -> String {
        let name = part("name", &format!(r#""valueString":"{name}""#));
        format!("{},{name},{}", kind_and_path("add", path), part("value", value))
    }

    fn delete(path: &str) -> String {
        kind_and_path("delete", path)
    }

    fn one(resource: &str, operation: &str) -> Result<String> {
        patched(resource, &[operation])
    }

    #[test]
    fn a_choice_has_the_form_of_its_value() {
        let observation = r#"{"resourceType":"Observation","valueQuantity":{"value":1.50}}"#;
        let done = one(observation, &replace("Observation.value", r#""valueString":"x""#));
        assert_eq!(done.as_deref(), Ok(r#"{"resourceType":"Observation","valueString":"x"}"#));
        let done = one(observation, &replace("Observation.value", r#""valueQuantity":{"value":2.0}"#));
        assert_eq!(done.as_deref(), Ok(r#"{"resourceType":"Observation","valueQuantity":{"value":2.0}}"#));
        let done = one(observation, &replace("Observation.value.value", r#""valueDecimal":2.500"#));
        assert_eq!(done.as_deref(), Ok(r#"{"resourceType":"Observation","valueQuantity":{"value":2.500}}"#));
        assert!(one(observation, &add("Observation", "value", r#""valueString":"x""#)).is_err(), "it has a value");
        let bare = r#"{"resourceType":"Observation"}"#;
        for name in ["value", "valueBoolean"] {
            let done = one(bare, &add("Observation", name, r#""valueBoolean":true"#));
            assert_eq!(done.as_deref(), Ok(r#"{"resourceType":"Observation","valueBoolean":true}"#));
        }
        assert!(one(bare, &add("Observation", "value", r#""valueMoney":{"value":1}"#)).is_err(), "no form of it");
    }

    #[test]
    fn values_and_their_siblings_stay_side_by_side() {
        let patient =
            r#"{"resourceType":"Patient","name":[{"given":["a","b",null],"_given":[null,{"id":"1"},{"id":"2"}]}]}"#;
        let name = |given: &str| format!(r#"{{"resourceType":"Patient","name":[{{{given}}}]}}"#);
        let done = one(patient, &delete("Patient.name.given[0]"));
        assert_eq!(done, Ok(name(r#""given":["b",null],"_given":[{"id":"1"},{"id":"2"}]"#)));
        let done = one(patient, &delete("Patient.name.given[1]"));
        assert_eq!(done, Ok(name(r#""given":["a",null],"_given":[null,{"id":"2"}]"#)));
        let done = one(patient, &delete("Patient.name.given.where(id = '2')"));
        assert_eq!(done, Ok(name(r#""given":["a","b"],"_given":[null,{"id":"1"}]"#)));
        let insert = format!(
            "{},{},{}",
            kind_and_path("insert", "Patient.name.given"),
            part("index", r#""valueInteger":1"#),
            part("value", r#""valueString":"x""#)
        );
        let done = one(patient, &insert);
        assert_eq!(done, Ok(name(r#""given":["a","x","b",null],"_given":[null,null,{"id":"1"},{"id":"2"}]"#)));
        let moved = format!(
            "{},{},{}",
            kind_and_path("move", "Patient.name.given"),
            part("source", r#""valueInteger":2"#),
            part("destination", r#""valueInteger":0"#)
        );
        let done = one(patient, &moved);
        assert_eq!(done, Ok(name(r#""given":[null,"a","b"],"_given":[{"id":"2"},null,{"id":"1"}]"#)));
    }

    #[test]
    fn primitives_have_extensions() {
        let patient = r#"{"resourceType":"Patient","birthDate":"1970"}"#;
        let extension = r#""valueExtension":{"url":"http://x","valueCode":"y"}"#;
        // Extension is no type of a value: it comes in parts.
        assert!(one(patient, &add("Patient.birthDate", "extension", extension)).is_err());
        let parts = r#""part":[{"name":"url","valueUri":"http://x"},{"name":"value","valueCode":"y"}]"#;
        let with = r#"{"resourceType":"Patient","birthDate":"1970","_birthDate":{"extension":[{"url":"http://x","valueCode":"y"}]}}"#;
        assert_eq!(one(patient, &add("Patient.birthDate", "extension", parts)).as_deref(), Ok(with));
        let done = one(with, &replace("Patient.birthDate.extension[0].value", r#""valueCode":"z""#));
        assert_eq!(done, Ok(with.replace("\"y\"", "\"z\"")));
        assert_eq!(one(with, &delete("Patient.birthDate.extension[0]")).as_deref(), Ok(patient));
        assert_eq!(one(with, &delete("Patient.birthDate")).as_deref(), Ok(r#"{"resourceType":"Patient"}"#));
    }

    #[test]
    fn what_becomes_empty_goes() {
        let patient = r#"{"resourceType":"Patient","contact":[{"name":{"text":"x"}}],"active":true}"#;
        let done = one(patient, &delete("Patient.contact[0].name.text"));
        assert_eq!(done.as_deref(), Ok(r#"{"resourceType":"Patient","active":true}"#));
        assert_eq!(one(patient, &delete("Patient.maritalStatus")).as_deref(), Ok(patient), "deleting nothing");
    }

    #[test]
    fn contained_resources_are_of_the_resource() {
        let patient = r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x"}],"managingOrganization":{"reference":"#o"}}"##;
        let done = one(patient, &replace("Patient.contained[0].name", r#""valueString":"y""#));
        assert_eq!(done, Ok(patient.replace("\"x\"", "\"y\"")));
        let done = one(patient, &replace("Patient.managingOrganization.resolve().name", r#""valueString":"y""#));
        assert_eq!(done, Ok(patient.replace("\"x\"", "\"y\"")));
        let other = r#"{"resourceType":"Patient","managingOrganization":{"reference":"Organization/1"}}"#;
        assert!(one(other, &replace("Patient.managingOrganization.resolve()", r#""valueString":"y""#)).is_err());
        let more = one(patient, &add("Patient", "contained", r#""resource":{"resourceType":"Device","id":"d"}"#));
        assert!(more.expect("added").contains(r#""name":"x"},{"resourceType":"Device","id":"d"}]"#));
    }

    #[test]
    fn types_must_be_right() {
        let patient =
            r#"{"resourceType":"Patient","birthDate":"1970","gender":"male","name":[{"text":"a"},{"text":"b"}]}"#;
        for wrong in [
            replace("Patient.birthDate", r#""valueDateTime":"1970""#),
            replace("Patient.gender", r#""valueString":"female""#),
            replace("Patient.name[0]", r#""valueAddress":{"text":"x"}"#),
            replace("Patient.name", r#""valueHumanName":{"text":"x"}"#),
            replace("Patient", r#""valueString":"x""#),
            replace("Patient.name.count()", r#""valueInteger":1"#),
            add("Patient", "nonsense", r#""valueString":"x""#),
            add("Patient", "birthDate", r#""valueDate":"1980""#),
            add("Patient", "contact", r#""part":[{"name":"nonsense","valueString":"x"}]"#),
            add("Patient.contact", "gender", r#""valueCode":"male""#),
            delete("Patient.name"),
            delete("Patient"),
            format!(
                "{},{}",
                kind_and_path("insert", "Patient.name"),
                part("value", r#""valueHumanName":{"text":"x"}"#)
            ),
        ] {
            assert!(one(patient, &wrong).is_err(), "{wrong}");
        }
        let derived = one(patient, &replace("Patient.name[0].text", r#""valueCode":"c""#));
        assert!(derived.expect("a code is a string").contains(r#"{"text":"c"}"#));
    }

    #[test]
    fn operations_see_the_ones_before_and_have_no_wrong_parts() {
        let patient = r#"{"resourceType":"Patient"}"#;
        let operations = [
            add("Patient", "name", r#""valueHumanName":{"text":"a"}"#),
            add("Patient", "name", r#""valueHumanName":{"text":"b"}"#),
            replace("Patient.name.where(text = 'b').text", r#""valueString":"c""#),
            delete("Patient.name.where(text = 'a')"),
        ];
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        let done = patched(patient, &operations);
        assert_eq!(done.as_deref(), Ok(r#"{"resourceType":"Patient","name":[{"text":"c"}]}"#));
        assert_eq!(patched(patient, &[]).as_deref(), Ok(patient));
        for (bad, why) in [
            (kind_and_path("spring", "Patient"), "type is one of"),
            (part("type", r#""valueCode":"delete""#), "no path"),
            (kind_and_path("delete", "Patient.("), "expected a name"),
            (kind_and_path("replace", "Patient.active"), "no value"),
            (format!("{},{}", delete("Patient.active"), part("path", r#""valueString":"x""#)), "twice"),
            (format!("{},{}", delete("Patient.active"), part("other", r#""valueString":"x""#)), "no part"),
        ] {
            let fault = one(patient, &bad).expect_err(&bad);
            assert_eq!(fault.category(), Category::Invalid, "{bad}");
            assert!(fault.message().contains(why), "{bad}: {}", fault.message());
        }
    }
}
