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
                f.context(format!("operation {at} ({} {})", operation.act.name(), operation.path.text()))
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
