//! Snapshots from differentials (FHIR R4 `profiling.html#snapshot`): the elements of the base, with what the profile says
//! about them, and with the children of those types that it looks into.

use crate::fhir::definitions::conformance::CORE;
use crate::fhir::json::{Json, Object};

/// Finds the elements of the snapshot of another definition.
pub type Fetch<'f> = &'f dyn Fn(&str) -> Option<Vec<Json>>;

/// Most elements of a snapshot.
const ELEMENTS: usize = 50_000;

/// The elements of a snapshot: `base` with `differential`.
///
/// # Errors
/// What the differential says about no element of the base.
pub fn generate(base: &[Json], differential: &[Json], fetch: Fetch<'_>) -> Result<Vec<Json>, String> {
    let root = Node::build(base).ok_or("the base definition has no snapshot")?;
    let mut maker = Maker { pristine: root.clone(), root, fetch, context: Vec::new(), made: base.len() };
    for element in differential {
        maker.apply(element.as_object().ok_or("an element that is no object")?)?;
    }
    settle_choices(&mut maker.root);
    let mut out = Vec::new();
    maker.root.flatten("", "", &mut out);
    Ok(out)
}

/// An element with its children, and its slices beside it.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The last part of its path.
    name: String,
    slice: Option<String>,
    element: Object,
    children: Vec<Node>,
    /// All slices, those of slices too, in order.
    slices: Vec<Node>,
}

/// One step of an id: the name of an element and of a slice.
type Step = (String, Option<String>);

impl Node {
    /// The tree of a snapshot.
    fn build(elements: &[Json]) -> Option<Self> {
        let mut open: Vec<Self> = Vec::new();
        for element in elements {
            let object = element.as_object()?;
            let path = text(object, "path")?;
            let depth = path.matches('.').count();
            while open.len() > depth.max(1) {
                Self::close(&mut open);
            }
            open.push(Self {
                name: path.rsplit('.').next().unwrap_or(path).to_owned(),
                slice: text(object, "sliceName").map(str::to_owned),
                element: object.clone(),
                ..Self::default()
            });
        }
        while open.len() > 1 {
            Self::close(&mut open);
        }
        open.pop()
    }

    /// Puts the last open node below the one before it.
    fn close(open: &mut Vec<Self>) {
        let (Some(node), Some(parent)) = (open.pop(), open.last_mut()) else { return };
        let sibling = parent.children.iter_mut().rfind(|child| child.name == node.name);
        match sibling.filter(|_| node.slice.is_some()) {
            Some(whole) => whole.slices.push(node),
            None => parent.children.push(node),
        }
    }

    fn flatten(self, path: &str, id: &str, out: &mut Vec<Json>) {
        let dot = if path.is_empty() { "" } else { "." };
        let own_path = format!("{path}{dot}{}", self.name);
        let slice = self.slice.as_ref().map_or_else(String::new, |slice| format!(":{slice}"));
        let own_id = format!("{id}{dot}{}{slice}", self.name);
        let mut element = self.element;
        element.set("id", Json::string(own_id.as_str()));
        element.set("path", Json::string(own_path.as_str()));
        out.push(Json::Object(element));
        for child in self.children {
            child.flatten(&own_path, &own_id, out);
        }
        for slice in self.slices {
            slice.flatten(path, id, out);
        }
    }

    fn types(&self) -> &[Json] {
        self.element.get("type").and_then(Json::as_array).unwrap_or_default()
    }

    /// The node at the end of a path below this one.
    fn find(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for name in path.split('.').skip(1) {
            node = node.children.iter().find(|child| child.name == name)?;
        }
        Some(node)
    }

    /// Leaves a choice the type of one form only.
    fn restrict(&mut self, form: &str) {
        let stem = self.name.trim_end_matches("[x]");
        let is_form =
            |json: &&Json| json.get("code").and_then(Json::as_str).is_some_and(|code| form_name(stem, code) == form);
        if let Some(kept) = self.types().iter().find(is_form).cloned() {
            self.element.set("type", Json::Array(vec![kept]));
        }
    }

    fn size(&self) -> usize {
        1 + self.children.iter().chain(&self.slices).map(Self::size).sum::<usize>()
    }
}

struct Maker<'f> {
    root: Node,
    /// The base as it was, for `contentReference`.
    pristine: Node,
    fetch: Fetch<'f>,
    /// The steps to the last element, for differentials without ids.
    context: Vec<Step>,
    made: usize,
}

impl Maker<'_> {
    fn apply(&mut self, element: &Object) -> Result<(), String> {
        let path = text(element, "path").ok_or("an element without a path")?;
        let steps = self.steps(element, path);
        let mut node = std::mem::take(&mut self.root);
        let found = self.at(&mut node, &steps[1..], path).map(|found| {
            merge(found, element);
            if element.get("max").is_none() {
                self.max_of_extension(found);
            }
        });
        self.root = node;
        self.context = steps;
        if self.made > ELEMENTS {
            return Err(format!("it has more than {ELEMENTS} elements"));
        }
        found
    }

    /// The steps to an element: from its id, else from its path and the slices that the elements before it are in.
    fn steps(&self, element: &Object, path: &str) -> Vec<Step> {
        let names: Vec<&str> = path.split('.').collect();
        if let Some(id) = text(element, "id") {
            let parts: Vec<Step> = id
                .split('.')
                .map(|part| {
                    part.split_once(':')
                        .map_or((part.to_owned(), None), |(name, slice)| (name.to_owned(), Some(slice.to_owned())))
                })
                .collect();
            let is_path = parts.len() == names.len() && parts.iter().zip(&names).all(|(part, name)| part.0 == *name);
            if is_path && (parts.last().is_some_and(|last| last.1.is_some()) || text(element, "sliceName").is_none()) {
                return parts;
            }
        }
        let mut steps: Vec<Step> = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let same = self.context.get(n).filter(|step| step.0 == *name && self.context[..n] == steps[..]);
            steps.push(((*name).to_owned(), same.and_then(|step| step.1.clone())));
        }
        if let Some(last) = steps.last_mut() {
            last.1 = text(element, "sliceName").map(str::to_owned);
        }
        steps
    }

    /// The node at the end of some steps, made where it is not there yet.
    fn at<'n>(&mut self, root: &'n mut Node, steps: &[Step], path: &str) -> Result<&'n mut Node, String> {
        let mut node = root;
        let mut plain = node.name.clone();
        let mut is_sliced = false;
        for (name, slice) in steps {
            if node.children.is_empty() {
                self.expand(node);
            }
            let found = child(node, name);
            let (at, mut form) = found.ok_or_else(|| format!("`{path}` is no element of the base (at `{name}`)"))?;
            let is_of_extension = node.name == "extension" && node.slice.is_some();
            node = &mut node.children[at];
            // an extension has one value: a form is all that the choice has
            if let Some(form) = form.take_if(|_| is_of_extension && slice.is_none()) {
                node.restrict(&form);
            }
            plain = format!("{plain}.{}", node.name);
            if let Some(slice) = slice.as_ref().or(form.as_ref()) {
                // a slice begins as the element of the base, not as what the differential has made of that
                let begin = if is_sliced { None } else { self.pristine.find(&plain).cloned() };
                node = self.slice(node, slice, begin);
                is_sliced = true;
            }
        }
        Ok(node)
    }

    /// The slice of a node with a name, made where it is not there yet.
    fn slice<'n>(&mut self, node: &'n mut Node, name: &str, begin: Option<Node>) -> &'n mut Node {
        if let Some(at) = node.slices.iter().position(|slice| slice.slice.as_deref() == Some(name)) {
            return &mut node.slices[at];
        }
        let outer = name.rsplit_once('/').map(|(outer, _)| outer);
        let model = node.slices.iter().position(|slice| slice.slice.as_deref() == outer && outer.is_some());
        let mut made = match model {
            Some(at) => node.slices[at].clone(),
            None => Node { slices: Vec::new(), ..begin.unwrap_or_else(|| node.clone()) },
        };
        self.made += made.size();
        made.slice = Some(name.to_owned());
        made.element.remove("slicing");
        made.element.set("sliceName", Json::string(name));
        made.element.set("min", Json::integer(0));
        if node.name.ends_with("[x]") {
            made.restrict(name);
        }
        if node.element.get("slicing").is_none() {
            node.element.set("slicing", implied_slicing(node));
        }
        let after = node.slices.iter().rposition(|slice| {
            slice.slice.as_deref().is_some_and(|other| {
                outer.is_some_and(|outer| other == outer || other.starts_with(&format!("{outer}/")))
            })
        });
        let at = after.map_or(node.slices.len(), |after| after + 1);
        node.slices.insert(at, made);
        &mut node.slices[at]
    }

    /// A slice for an extension repeats as its definition says.
    fn max_of_extension(&self, node: &mut Node) {
        let profile = || node.types().first()?.get("profile")?.as_array()?.first()?.as_str();
        if node.slice.is_none() || !matches!(&*node.name, "extension" | "modifierExtension") {
            return;
        }
        let elements = profile().and_then(|url| (self.fetch)(url)).unwrap_or_default();
        if let Some(max) = elements.first().and_then(|root| root.get("max")) {
            node.element.set("max", max.clone());
        }
    }

    /// Gives a node the children of its type, or of the element that it refers to.
    fn expand(&mut self, node: &mut Node) {
        if let Some(reference) = text(&node.element, "contentReference") {
            let path = reference.rsplit('#').next().unwrap_or(reference);
            if let Some(found) = self.pristine.find(path) {
                node.children = found.children.clone();
                node.element.remove("contentReference");
                if let Some(types) = found.element.get("type") {
                    node.element.set("type", types.clone());
                }
            }
        } else {
            let is_one = |types: &[Json]| types.iter().all(|json| json.get("code") == types[0].get("code"));
            let url = match node.types() {
                [one, ..] if is_one(node.types()) => {
                    let profile = one.get("profile").and_then(Json::as_array).and_then(|urls| urls.first()?.as_str());
                    profile.map_or_else(|| core_url(one), str::to_owned)
                }
                _ => format!("{CORE}Element"),
            };
            let elements = (self.fetch)(&url).or_else(|| (self.fetch)(&core_url(node.types().first()?)));
            node.children =
                elements.and_then(|elements| Node::build(&elements)).map(|root| root.children).unwrap_or_default();
        }
        self.made += node.size();
    }
}

fn core_url(json: &Json) -> String {
    let code = json.get("code").and_then(Json::as_str).unwrap_or("Element");
    let code = if code.starts_with("http://hl7.org/fhirpath/") { "string" } else { code };
    format!("{CORE}{code}")
}

/// The place of a child with a name; for one form of a choice the choice, and the name of its slice.
fn child(node: &Node, name: &str) -> Option<(usize, Option<String>)> {
    if let Some(at) = node.children.iter().position(|child| child.name == name) {
        return Some((at, None));
    }
    let is_form = |child: &Node| {
        let Some(stem) = child.name.strip_suffix("[x]") else { return false };
        let codes = child.types().iter().filter_map(|json| json.get("code")?.as_str());
        codes.into_iter().any(|code| form_name(stem, code) == name)
    };
    node.children.iter().position(is_form).map(|at| (at, Some(name.to_owned())))
}

/// A choice with a form that must be there has that form only, and must be there; a form that is the only one must be
/// there if the choice must.
fn settle_choices(node: &mut Node) {
    if let Some(stem) = node.name.strip_suffix("[x]").map(str::to_owned) {
        let min = |element: &Object| element.get("min").and_then(Json::as_number).is_some_and(|n| n.as_str() != "0");
        let form = |json: &Json| json.get("code").and_then(Json::as_str).map(|code| form_name(&stem, code));
        let needed = node.slices.iter().find(|slice| min(&slice.element)).and_then(|slice| slice.slice.clone());
        if let Some(kept) = node.types().iter().find(|json| needed.is_some() && form(json) == needed).cloned() {
            node.element.set("type", Json::Array(vec![kept]));
            node.element.set("min", Json::integer(1));
        }
        if let [only] = node.types()
            && min(&node.element)
        {
            let name = form(only);
            let slice = node.slices.iter_mut().find(|slice| slice.slice == name);
            slice.into_iter().for_each(|slice| slice.element.set("min", Json::integer(1)));
        }
    }
    node.children.iter_mut().chain(&mut node.slices).for_each(settle_choices);
}

/// `value` and `dateTime`: `valueDateTime`.
fn form_name(stem: &str, code: &str) -> String {
    let mut code = code.to_owned();
    code.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
    format!("{stem}{code}")
}

/// How slices are told apart where nothing is said: extensions by URL, choices by type.
fn implied_slicing(node: &Node) -> Json {
    let (kind, path) = if node.name.ends_with("[x]") { ("type", "$this") } else { ("value", "url") };
    let is_known = node.name.ends_with("[x]") || node.name == "extension" || node.name == "modifierExtension";
    let discriminator = Json::object([("type", Json::string(kind)), ("path", Json::string(path))]);
    let mut slicing = Json::object([("ordered", Json::Bool(false)), ("rules", Json::string("open"))]);
    if let Some(object) = slicing.as_object_mut().filter(|_| is_known) {
        object.set("discriminator", Json::Array(vec![discriminator]));
    }
    slicing
}

fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// What a differential adds to, instead of replacing: invariants and mappings by their keys, the others by value.
const ADDED: [(&str, &str); 5] =
    [("constraint", "key"), ("mapping", "identity"), ("condition", ""), ("alias", ""), ("example", "label")];

/// Puts what the differential says about an element over what is there.
fn merge(node: &mut Node, element: &Object) {
    for (name, value) in element.iter() {
        let name = name.as_str();
        if matches!(name, "id" | "path" | "sliceName" | "base") {
            continue;
        }
        if let Some((_, key)) = ADDED.iter().find(|row| row.0 == name) {
            add(&mut node.element, name, key, value);
            continue;
        }
        for prefix in ["fixed", "pattern", "minValue", "maxValue"] {
            let is_form = |other: &str| {
                other.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            };
            if is_form(name) {
                let old: Vec<String> =
                    node.element.iter().map(|(n, _)| n.as_str().to_owned()).filter(|n| is_form(n)).collect();
                old.iter().for_each(|old| drop(node.element.remove(old)));
            }
        }
        let appended = value.as_str().and_then(|text| text.strip_prefix("...")).and_then(|more| {
            let before = node.element.get(name)?.as_str()?;
            Some(format!("{before}\r\n{more}"))
        });
        let value = match (name, appended) {
            (_, Some(text)) => Json::string(text),
            ("slicing", None) => slicing(node.element.get("slicing"), value),
            _ => value.clone(),
        };
        node.element.set(name, value);
    }
}

/// A slicing over another: what it leaves out stays.
fn slicing(old: Option<&Json>, new: &Json) -> Json {
    let (Some(old), Some(new)) = (old.and_then(Json::as_object), new.as_object()) else { return new.clone() };
    let mut all = old.clone();
    new.iter().for_each(|(name, value)| all.set(name.as_str(), value.clone()));
    Json::Object(all)
}

/// Appends the items that are not there; one with the same key is replaced.
fn add(element: &mut Object, name: &str, key: &str, value: &Json) {
    let mut items = element.get(name).and_then(Json::as_array).unwrap_or_default().to_vec();
    for item in value.as_array().unwrap_or_default() {
        let same = |other: &Json| {
            other == item || (!key.is_empty() && name == "constraint" && other.get(key) == item.get(key))
        };
        match items.iter().position(same) {
            Some(at) => items[at] = item.clone(),
            None => items.push(item.clone()),
        }
    }
    element.set(name, Json::Array(items));
}
