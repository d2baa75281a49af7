//! The request and the answer of `$fhirpath`: Parameters in, Parameters out, in the form that FHIRPath laboratories on the
//! Web exchange with engines (`docs/FHIRPATH.md`, "The operation"). FHIR R4 has no such operation.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::definitions::element::{TypeId, TypeKind, property, type_by_name};
use crate::fhir::fhirpath::{
    Bounds, Collection, Context, Expression, Item, Node, Options, Precision, Quantity, Services, Temporal,
    TemporalKind, Tracer, Unit, compile_with,
};
use crate::fhir::json::{Json, Object, parse_with};
use crate::fhir::name::Name;
use crate::fhir::surroundings::{Mention, Place, Stock, Surroundings};

/// What one request may cost.
const BOUNDS: Bounds = Bounds { steps: 1_000_000, items: 10_000, text: 1 << 20 };
/// Most text of an answer, in bytes, counted roughly.
const ANSWER: usize = 8 << 20;
/// Most items that `trace` may show.
const TRACED: usize = 1000;
/// Most variables.
const VARIABLES: usize = 100;

/// A value for which Parameters have no form, as JSON; and the place of a value in the resource.
const JSON_VALUE: &str = "http://fhir.forms-lab.com/StructureDefinition/json-value";
const PLACE: &str = "http://fhir.forms-lab.com/StructureDefinition/resource-path";

/// What is to be evaluated.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// The expression.
    pub expression: Option<String>,
    /// An expression for the elements that it is evaluated on, one by one; absent for the resource.
    pub context: Option<String>,
    /// The resource.
    pub resource: Option<Json>,
    /// A reference to the resource, relative to the server, in place of the resource itself.
    pub reference: Option<String>,
    /// Variables: parameters with a value or a resource.
    pub variables: Vec<Json>,
    /// Whether the expressions are checked against the definitions.
    pub is_strict: bool,
}

fn wrong(place: &str, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "invalid", message).at(place.to_owned())
}

impl Evaluation {
    /// Takes a parameter of a URL.
    ///
    /// # Errors
    /// 400 for an unknown name, a value that cannot be, or a name that stands twice.
    pub fn add_pair(&mut self, name: &str, value: &str, nesting: usize) -> Result<()> {
        match name {
            "expression" => once(&mut self.expression, name, value.to_owned()),
            "context" => once(&mut self.context, name, value.to_owned()),
            "validate" => self.strict(name, value.parse().ok()),
            "resource" => self.add_text(name, value, nesting),
            _ => Err(unknown(name, name)),
        }
    }

    /// Takes the parameters of a body; any other resource is itself what is evaluated on.
    ///
    /// # Errors
    /// As [`Evaluation::add_pair`].
    pub fn add_body(&mut self, body: Json, nesting: usize) -> Result<()> {
        if body.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
            return once(&mut self.resource, "resource", body);
        }
        let list = body.get("parameter").and_then(Json::as_array).unwrap_or_default();
        for (at, parameter) in list.iter().enumerate() {
            let place = format!("Parameters.parameter[{at}]");
            let text = ["valueString", "valueUri", "valueUrl", "valueCode"];
            let text = text.iter().find_map(|name| parameter.get(name)?.as_str());
            let needed = || text.map(str::to_owned).ok_or_else(|| wrong(&place, "the parameter needs a valueString"));
            match parameter.get("name").and_then(Json::as_str).unwrap_or_default() {
                "expression" => once(&mut self.expression, &place, needed()?)?,
                "context" => once(&mut self.context, &place, needed()?)?,
                "validate" => self.strict(&place, parameter.get("valueBoolean").and_then(Json::as_bool))?,
                "resource" => match (parameter.get("resource"), text) {
                    (Some(resource), _) => once(&mut self.resource, &place, resource.clone())?,
                    (None, Some(text)) => self.add_text(&place, text, nesting)?,
                    (None, None) => return Err(wrong(&place, "the parameter is a resource, or a valueString")),
                },
                "variables" => {
                    self.variables = parameter.get("part").and_then(Json::as_array).unwrap_or_default().to_vec();
                    if self.variables.len() > VARIABLES {
                        return Err(wrong(&place, format!("there may be at most {VARIABLES} variables")));
                    }
                }
                // where a laboratory would have codes looked up
                "terminologyserver" => {}
                other => return Err(unknown(other, &place)),
            }
        }
        Ok(())
    }

    /// Whether the terminology service may be asked.
    pub fn asks_terminology(&self) -> bool {
        let asks = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains("terminologies"));
        asks(&self.expression) || asks(&self.context)
    }

    fn strict(&mut self, place: &str, value: Option<bool>) -> Result<()> {
        self.is_strict = value.ok_or_else(|| wrong(place, "validate is a Boolean"))?;
        Ok(())
    }

    /// A resource as JSON, or a reference to one.
    fn add_text(&mut self, place: &str, text: &str, nesting: usize) -> Result<()> {
        if text.trim_start().starts_with('{') {
            let json = parse_with(text.as_bytes(), nesting).map_err(|fault| fault.at(place.to_owned()))?;
            return once(&mut self.resource, place, json);
        }
        once(&mut self.reference, place, text.to_owned())
    }

    /// Evaluates, and tells the results as Parameters; beside them what lies outside of the resource and was not fetched yet. While
    /// there is any, the results are not those that are meant.
    ///
    /// # Errors
    /// 400 for an expression that is missing, not understood or cannot be evaluated; `too-costly` when a bound is reached.
    pub fn run<S: for<'a> Services<'a>>(
        &self,
        now: Timestamp,
        services: &S,
        stock: &Stock,
    ) -> (Result<Json>, Vec<Mention>) {
        let given = self.variables.iter().filter_map(|part| part.get("resource"));
        let surroundings = Surroundings::new(self.resource.as_ref(), given.chain(stock.resources()), stock);
        let answer = self.evaluated(now, services, &surroundings);
        (answer, surroundings.into_wanted())
    }

    fn evaluated<S: for<'a> Services<'a>>(
        &self,
        now: Timestamp,
        services: &S,
        surroundings: &Surroundings<'_>,
    ) -> Result<Json> {
        let text = self.expression.as_deref();
        let text =
            text.ok_or_else(|| Fault::coded(Category::Invalid, "required", "the parameter expression is missing"))?;
        let node = self.resource.as_ref().map_or_else(Node::nothing, Node::resource);
        let variables =
            self.variables.iter().enumerate().map(|(at, part)| variable(part, at)).collect::<Result<Vec<_>>>()?;
        let variables = gathered(variables);
        let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        let compiled = |text: &str, context: Option<TypeId>| -> Result<Expression> {
            let options = Options { is_strict: self.is_strict, context, variables: Some(&names), ..Options::default() };
            compile_with(text, &options)
        };
        let log = Log::default();
        let context = Context {
            variables: &variables,
            resolver: Some(surroundings),
            has_no_stubs: true,
            services: Some(services),
            tracer: Some(&log),
            now: Some(now),
            bounds: BOUNDS,
            ..Context::new(node)
        };
        let contexts = match &self.context {
            None => Collection::from_iter([Item::Node(node)]),
            Some(path) => compiled(path, node.type_id)?.eval(node, &context)?,
        };
        log.take();
        let expression = compiled(text, if self.context.is_none() { node.type_id } else { None })?;
        let mut results = Vec::with_capacity(contexts.len());
        let mut budget = Budget { bytes: ANSWER, steps: BOUNDS.steps };
        for item in &contexts {
            let Item::Node(on) = item else {
                return Err(Fault::invalid("the context must lead to elements of the resource"));
            };
            let own = match surroundings.place(*on) {
                Some(Place { resource, container, .. }) => {
                    Context { resource: Some(resource), root_resource: Some(container), ..context.clone() }
                }
                None => context.clone(),
            };
            let items = budget.run(&expression, *on, own)?;
            budget.items(&items)?;
            results.push((*on, items, log.take()));
        }
        Ok(self.answer(text, &results))
    }

    fn answer(&self, text: &str, results: &[Evaluated<'_>]) -> Json {
        let version = format!("Cresset {} (FHIR R4)", env!("CARGO_PKG_VERSION"));
        let mut about = vec![named("evaluator", "valueString", Json::string(version))];
        about.extend(self.context.as_deref().map(|path| named("context", "valueString", Json::string(path))));
        about.push(named("expression", "valueString", Json::string(text)));
        about.extend(self.resource.clone().map(|resource| named("resource", "resource", resource)));
        if !self.variables.is_empty() {
            about.push(named("variables", "part", Json::Array(self.variables.clone())));
        }
        let places = self.resource.as_ref().map(|root| places(root, results)).unwrap_or_default();
        let mut parameters = vec![named("parameters", "part", Json::Array(about))];
        for (on, items, traced) in results {
            let mut result = Object::new();
            result.set("name", Json::string("result"));
            if let Some(place) = places.get(&address(on.json)).filter(|_| self.context.is_some()) {
                result.set("valueString", Json::string(place.as_str()));
            }
            let place = |item: &Item<'_>| item.as_node().and_then(|node| places.get(&address(node.json)));
            let mut parts: Vec<Json> = items.iter().map(|item| shown(item, place(item).map(String::as_str))).collect();
            parts.extend(traced.iter().cloned());
            if !parts.is_empty() {
                result.set("part", Json::Array(parts));
            }
            // a parameter has a value or parts (inv-1)
            if result.len() > 1 {
                parameters.push(Json::Object(result));
            }
        }
        Json::object([
            ("resourceType", Json::string("Parameters")),
            ("id", Json::string("fhirpath")),
            ("parameter", Json::Array(parameters)),
        ])
    }
}

/// An element, what the expression yields on it, and what was traced.
type Evaluated<'a> = (Node<'a>, Collection<'a>, Vec<Json>);

fn once<T>(slot: &mut Option<T>, place: &str, value: T) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(wrong(place, "the parameter may stand once only"));
    }
    Ok(())
}

fn unknown(name: &str, place: &str) -> Fault {
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    Fault::unsupported(format!("$fhirpath has no parameter \"{shown}\"")).at(place.to_owned())
}

fn named(name: &str, kind: &str, value: Json) -> Json {
    Json::object([("name", Json::string(name)), (kind, value)])
}

/// The type of the parameters of Parameters.
fn parameter_type() -> Option<TypeId> {
    type_by_name("Parameters.parameter")
}

/// The name and the value of a variable.
fn variable(part: &Json, at: usize) -> Result<(&str, Item<'_>)> {
    let place = format!("Parameters.parameter.where(name = 'variables').part[{at}]");
    let name = part.get("name").and_then(Json::as_str).ok_or_else(|| wrong(&place, "a variable has a name"))?;
    if let Some(resource) = part.get("resource") {
        return Ok((name, Item::Node(Node::resource(resource))));
    }
    let value = part.as_object().into_iter().flat_map(Object::iter).find_map(|(name, json)| {
        let found = property(parameter_type()?, name).filter(|found| found.is_choice)?;
        let sibling = part.get(&format!("_{}", name.as_str()));
        Some(Item::Node(Node { json, sibling, type_id: Some(found.type_id) }))
    });
    value.map(|value| (name, value)).ok_or_else(|| wrong(&place, "a variable has a value or a resource"))
}

/// Variables of one name as one collection.
fn gathered<'a>(variables: Vec<(&'a str, Item<'a>)>) -> Vec<(&'a str, Vec<Item<'a>>)> {
    let mut all: Vec<(&str, Vec<Item<'_>>)> = Vec::new();
    for (name, value) in variables {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => all.push((name, vec![value])),
        }
    }
    all
}

/// What `trace` told, as parts of the answer.
#[derive(Default)]
struct Log(RefCell<Vec<Json>>);

impl Log {
    fn take(&self) -> Vec<Json> {
        self.0.take()
    }
}

impl<'a> Tracer<'a> for Log {
    fn trace(&self, name: &str, items: &Collection<'a>) {
        let mut log = self.0.borrow_mut();
        let mut bytes = ANSWER / TRACED;
        let fits = |item: &&Item<'_>| weigh(item, &mut bytes);
        let parts: Vec<Json> = items.iter().take(TRACED).take_while(fits).map(|item| shown(item, None)).collect();
        if log.len() < TRACED {
            let mut part = Json::object([("name", Json::string("trace")), ("valueString", Json::string(name))]);
            if let Some(object) = part.as_object_mut().filter(|_| !parts.is_empty()) {
                object.set("part", Json::Array(parts));
            }
            log.push(part);
        }
    }
}

/// What is left for a request with several contexts.
struct Budget {
    bytes: usize,
    steps: u64,
}

impl Budget {
    /// Runs the expression on one context, for a part of what is left.
    fn run<'a>(&mut self, expression: &Expression, on: Node<'a>, context: Context<'a>) -> Result<Collection<'a>> {
        // every context costs something, so that many of them are bounded too
        self.steps = self.steps.saturating_sub(100);
        let steps = self.steps;
        let context = Context { bounds: Bounds { steps, ..context.bounds }, ..context };
        expression.eval(on, &context)
    }

    fn items(&mut self, items: &Collection<'_>) -> Result<()> {
        if items.iter().all(|item| weigh(item, &mut self.bytes)) {
            return Ok(());
        }
        Err(Fault::coded(Category::Invalid, "too-costly", format!("the answer has more than {ANSWER} bytes")))
    }
}

/// Takes the size of an item from what is left; whether it was there.
fn weigh(item: &Item<'_>, bytes: &mut usize) -> bool {
    let size = match item {
        Item::Node(node) => return weigh_json(node.json, bytes),
        Item::String(text) => text.len() + 64,
        _ => 64,
    };
    take(bytes, size)
}

fn weigh_json(json: &Json, bytes: &mut usize) -> bool {
    match json {
        Json::String(text) => take(bytes, text.len() + 8),
        Json::Array(items) => take(bytes, 8) && items.iter().all(|item| weigh_json(item, bytes)),
        Json::Object(object) => {
            take(bytes, 64)
                && object.iter().all(|(name, value)| take(bytes, name.as_str().len()) && weigh_json(value, bytes))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => take(bytes, 16),
    }
}

fn take(bytes: &mut usize, size: usize) -> bool {
    match bytes.checked_sub(size) {
        Some(left) => {
            *bytes = left;
            true
        }
        None => false,
    }
}

/// An item as a part: named by its type, with its value, a resource, or JSON in an extension.
fn shown(item: &Item<'_>, place: Option<&str>) -> Json {
    let mut part = Object::new();
    match item {
        Item::Node(node) => show_node(*node, place, &mut part),
        Item::Bool(value) => show(&mut part, "boolean", "valueBoolean", Json::Bool(*value)),
        // an integer of R4 has 32 bits
        Item::Integer(value) if i32::try_from(*value).is_ok() => {
            show(&mut part, "integer", "valueInteger", Json::integer(*value));
        }
        Item::Integer(value) => show(&mut part, "integer", "valueDecimal", Json::integer(*value)),
        Item::Decimal(value) => show(&mut part, "decimal", "valueDecimal", number(&value.to_string())),
        Item::String(text) if text.is_empty() => part.set("name", Json::string("empty-string")),
        Item::String(text) => show(&mut part, "string", "valueString", Json::string(&**text)),
        Item::Temporal(value) => show_temporal(*value, &mut part),
        Item::Quantity(value) => show(&mut part, "Quantity", "valueQuantity", quantity(value)),
        Item::TypeInfo(info) => show(&mut part, "TypeInfo", "valueString", Json::string(info.to_string())),
    }
    Json::Object(part)
}

fn show(part: &mut Object, name: &str, kind: &str, value: Json) {
    part.set("name", Json::string(name));
    part.set(kind, value);
}

fn number(text: &str) -> Json {
    crate::fhir::json::Number::from_text(text).map_or(Json::Null, Json::Number)
}

fn quantity(value: &Quantity) -> Json {
    let mut json =
        Json::object([("value", number(&value.value.to_string())), ("unit", Json::string(value.unit.text()))]);
    if let (Unit::Ucum(code), Some(object)) = (&value.unit, json.as_object_mut()) {
        object.set("system", Json::string("http://unitsofmeasure.org"));
        object.set("code", Json::string(&**code));
    }
    json
}

/// A date or time; what FHIR's types cannot hold is a string.
fn show_temporal(value: Temporal, part: &mut Object) {
    let (name, kind, fits) = match value.kind {
        TemporalKind::Date => ("date", "valueDate", true),
        TemporalKind::DateTime => {
            let has_time = value.precision == Precision::Second && value.offset.is_some();
            ("dateTime", "valueDateTime", value.precision <= Precision::Day || has_time)
        }
        TemporalKind::Time => ("time", "valueTime", value.precision == Precision::Second),
    };
    show(part, name, if fits { kind } else { "valueString" }, Json::string(value.to_string()));
}

fn show_node(node: Node<'_>, place: Option<&str>, part: &mut Object) {
    let name = node.type_id.map_or("unknown", TypeId::name);
    part.set("name", Json::string(name));
    let extension =
        |url: &str, text: &str| Json::object([("url", Json::string(url)), ("valueString", Json::string(text))]);
    let mut extensions: Vec<Json> = place.map(|place| extension(PLACE, place)).into_iter().collect();
    let is_resource = node.type_id.is_some_and(|kind| kind.kind() == TypeKind::Resource);
    let mut key = format!("value{name}");
    key[5..6].make_ascii_uppercase();
    let has_form = parameter_type().and_then(|owner| property(owner, &Name::new(&key))).is_some();
    if is_resource && !node.is_stub() {
        part.set("resource", node.json.clone());
    } else if has_form {
        if *node.json != Json::Null {
            part.set(&key, node.json.clone());
        }
        if let Some(sibling) = node.sibling {
            part.set(&format!("_{key}"), sibling.clone());
        }
    } else if !node.is_stub() {
        let mut text = Vec::new();
        crate::fhir::json::write(node.json, &mut text);
        extensions.push(extension(JSON_VALUE, &String::from_utf8_lossy(&text)));
    }
    if !extensions.is_empty() {
        part.set("extension", Json::Array(extensions));
    }
}

/// Where a value lies in memory: what tells the places of equal values apart.
fn address(json: &Json) -> usize {
    std::ptr::from_ref(json).addr()
}

/// The places in the resource of the elements that are told, as FHIRPath.
fn places(root: &Json, results: &[Evaluated<'_>]) -> HashMap<usize, String> {
    let told = results.iter().flat_map(|(on, items, _)| items.iter().filter_map(Item::as_node).chain([*on]));
    let mut wanted: HashMap<usize, String> = told.map(|node| (address(node.json), String::new())).collect();
    let kind = root.get("resourceType").and_then(Json::as_str).unwrap_or("");
    let mut path = kind.to_owned();
    find(root, type_by_name(kind), &mut path, &mut wanted);
    wanted.retain(|_, place| !place.is_empty());
    wanted
}

fn find(json: &Json, owner: Option<TypeId>, path: &mut String, wanted: &mut HashMap<usize, String>) {
    if let Some(place) = wanted.get_mut(&address(json)) {
        place.clone_from(path);
    }
    let Some(object) = json.as_object() else { return };
    let length = path.len();
    for (name, value) in object.iter() {
        let found = owner.and_then(|owner| property(owner, name));
        let element = found.map_or(name.as_str(), |found| found.element);
        let kind = |value: &Json| match value.get("resourceType").and_then(Json::as_str) {
            Some(kind) => type_by_name(kind),
            None => found.map(|found| found.type_id),
        };
        path.push('.');
        path.push_str(element);
        match value {
            Json::Array(items) => {
                let list = path.len();
                for (at, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{at}]"));
                    find(item, kind(item), path, wanted);
                    path.truncate(list);
                }
            }
            value => find(value, kind(value), path, wanted),
        }
        path.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::{parse, write};
    use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};

    fn run(body: &str) -> Result<String> {
        let mut evaluation = Evaluation::default();
        evaluation.add_body(parse(body.as_bytes()).expect("JSON"), 50)?;
        let mut text = Vec::new();
        let services = crate::fhir::validate::Definitions(crate::fhir::validate::Registry::core(), None);
        let stock = Stock::new(|_| None);
        write(&evaluation.run(Timestamp(1_700_000_000_000_000), &services, &stock).0?, &mut text);
        Ok(String::from_utf8(text).expect("UTF-8"))
    }

    fn asked(more: &str) -> String {
        format!(
            r#"{{"resourceType":"Parameters","parameter":[{more},{{"name":"resource","resource":{{"resourceType":"Patient","id":"p",
            "name":[{{"family":"A","given":["B","C"]}},{{"family":"D"}}],"contact":[{{"gender":"male"}}],"deceasedBoolean":true}}}}]}}"#
        )
    }

    #[test]
    fn results_are_typed_and_placed() {
        let text = run(&asked(
            r#"{"name":"expression","valueString":"name.trace('t', given).family | deceased | contact | 1 'mg'"}"#,
        ));
        let text = text.expect("runs");
        for part in [
            r#"{"name":"expression","valueString":"name.trace("#,
            r#"{"name":"string","valueString":"A","extension":[{"url":"http://fhir.forms-lab.com/StructureDefinition/resource-path","valueString":"Patient.name[0].family"}]}"#,
            r#"{"name":"boolean","valueBoolean":true,"extension":[{"url":"http://fhir.forms-lab.com/StructureDefinition/resource-path","valueString":"Patient.deceased"}]}"#,
            r#"json-value","valueString":"{\"gender\":\"male\"}"}"#,
            r#"{"name":"Quantity","valueQuantity":{"value":1,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}"#,
            r#"{"name":"trace","valueString":"t","part":[{"name":"string","valueString":"B"},{"name":"string","valueString":"C"}]}"#,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn every_context_has_its_result_and_variables_are_given() {
        let text = run(&asked(
            r#"{"name":"expression","valueString":"family & %x"},{"name":"context","valueString":"name"},
            {"name":"variables","part":[{"name":"x","valueString":"!"}]}"#,
        ));
        let text = text.expect("runs");
        for part in [
            r#"{"name":"result","valueString":"Patient.name[0]","part":[{"name":"string","valueString":"A!"}]}"#,
            r#"{"name":"result","valueString":"Patient.name[1]","part":[{"name":"string","valueString":"D!"}]}"#,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let cases = [
            (r#"{"name":"validate","valueBoolean":true}"#, "expression is missing"),
            (
                r#"{"name":"expression","valueString":"name.given1"},{"name":"validate","valueBoolean":true}"#,
                "no element `given1`",
            ),
            (r#"{"name":"expression","valueString":"name."}"#, "column 6"),
            (r#"{"name":"expression","valueString":"name + 1"}"#, "single item"),
            (r#"{"name":"expression","valueString":"1"},{"name":"expression","valueString":"1"}"#, "once only"),
            (r#"{"name":"expression"}"#, "valueString"),
            (r#"{"name":"nonsense","valueString":"1"}"#, "no parameter"),
            (r#"{"name":"expression","valueString":"1.repeatAll($this)"}"#, "more than"),
            (
                r#"{"name":"expression","valueString":"%x"},{"name":"variables","part":[{"name":"x"}]}"#,
                "a value or a resource",
            ),
        ];
        for (more, expected) in cases {
            let fault = run(&asked(more)).expect_err(more);
            assert!(fault.message().contains(expected), "{more}: {fault}");
        }
        let many = "name.select(%resource)".to_owned() + &".select($this | %context.name).combine(%resource)".repeat(3);
        assert!(run(&asked(&format!(r#"{{"name":"expression","valueString":"{many}"}}"#))).is_ok());
    }

    #[test]
    fn an_answer_is_bounded() {
        let long = "x".repeat(60_000);
        let body = asked(&format!(
            r#"{{"name":"expression","valueString":"descendants().select(%x).combine(%x).repeatAll($this).take(1000)"}},
            {{"name":"variables","part":[{{"name":"x","valueString":"{long}"}}]}}"#
        ));
        assert_eq!(run(&body).expect_err("too much").issues()[0].code, "too-costly");
        let long = "x".repeat(100_000);
        let many: String = ".combine(%x)".repeat(45);
        let more: String = ".select(%x".to_owned() + &many + ")";
        let body = asked(&format!(
            r#"{{"name":"expression","valueString":"name{more}{many}"}},{{"name":"variables","part":[{{"name":"x","valueString":"{long}"}}]}}"#
        ));
        assert_eq!(run(&body).expect_err("too long").issues()[0].code, "too-costly");
    }

    const BUNDLE: &str = r##"{"resourceType":"Bundle","id":"b","type":"collection","entry":[
        {"fullUrl":"http://other/fhir/Observation/o","resource":{"resourceType":"Observation","id":"o",
          "contained":[{"resourceType":"Device","id":"d","owner":{"reference":"#"},"patient":{"reference":"Patient/p"}}],
          "subject":{"reference":"Patient/p"},"device":{"reference":"#d"},"encounter":{"reference":"Encounter/none"},
          "performer":[{"reference":"urn:uuid:1"},{"type":"Practitioner","identifier":{"value":"x"}}]}},
        {"fullUrl":"http://other/fhir/Patient/p","resource":{"resourceType":"Patient","id":"p","name":[{"family":"P"}]}},
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Practitioner","id":"q"}}]}"##;

    /// The ids that an expression yields, each after that of its context.
    fn ids(resource: &str, context: Option<&str>, expression: &str) -> (String, Vec<Mention>) {
        let evaluation = Evaluation {
            expression: Some(expression.to_owned()),
            context: context.map(str::to_owned),
            resource: Some(parse(resource.as_bytes()).expect("JSON")),
            ..Evaluation::default()
        };
        let services = crate::fhir::validate::Definitions(crate::fhir::validate::Registry::core(), None);
        let stock = Stock::new(|text: &str| {
            let (kind, id) = text.strip_prefix("http://here/fhir/").unwrap_or(text).split_once('/')?;
            let key = ResourceKey::new(ResourceType::find(kind)?, ResourceId::parse(id).ok()?);
            Some(Mention::Stored(key, None))
        });
        let (answer, wanted) = evaluation.run(Timestamp(0), &services, &stock);
        let answer = answer.expect(expression);
        let results = answer.get("parameter").and_then(Json::as_array).unwrap_or_default().iter().skip(1);
        let value = |part: &Json| part.get("valueId").or(part.get("valueString"))?.as_str().map(str::to_owned);
        let parts = |result: &Json| -> Vec<String> {
            result.get("part").and_then(Json::as_array).unwrap_or_default().iter().filter_map(value).collect()
        };
        (results.map(|result| parts(result).join(",")).collect::<Vec<_>>().join(";"), wanted)
    }

    fn named_by(mention: &Mention) -> String {
        match mention {
            Mention::Stored(key, _) => key.to_string(),
            Mention::Canonical(url) => url.clone(),
            Mention::Type(kind) => kind.name().to_owned(),
        }
    }

    #[test]
    fn references_within_a_bundle_lead_to_its_entries() {
        let cases = [
            ("entry.resource.ofType(Observation).subject.resolve().id", "p"),
            ("entry.resource.ofType(Observation).performer.resolve().id", "q"),
            ("entry.resource.ofType(Observation).device.resolve().id", "d"),
            ("entry.resource.contained.owner.resolve().id", "o"),
            ("entry.resource.contained.patient.resolve().id", "p"),
            ("'urn:uuid:1'.resolve().id | 'urn:uuid:2'.resolve().id | '#d'.resolve().id", "q"),
            ("entry.fullUrl.resolve().id", "o,p,q"),
            // of another server, and of none
            ("entry.resource.encounter.resolve().exists().toString()", "false"),
            ("'http://elsewhere/Patient/1'.resolve().exists().toString()", "false"),
        ];
        for (text, expected) in cases {
            let (found, wanted) = ids(BUNDLE, None, text);
            assert_eq!((found.as_str(), wanted.len()), (expected, 0), "{text}: {wanted:?}");
        }
        let versions = r#"{"resourceType":"Bundle","type":"history","entry":[
            {"fullUrl":"http://other/Patient/p","resource":{"resourceType":"Patient","id":"p","meta":{"versionId":"2"},"language":"b"}},
            {"fullUrl":"http://other/Patient/p","resource":{"resourceType":"Patient","id":"p","meta":{"versionId":"1"},"language":"a",
              "link":[{"other":{"reference":"Patient/p/_history/1"}},{"other":{"reference":"Patient/p/_history/3"}}]}}]}"#;
        for (text, expected) in [
            ("'http://other/Patient/p/_history/1'.resolve().language.toString()", "a"),
            ("'http://other/Patient/p/_history/2'.resolve().language.toString()", "b"),
            ("'http://other/Patient/p/_history/3'.resolve().language.toString()", ""),
            ("entry.resource.link.other.resolve().language.toString()", "a"),
        ] {
            assert_eq!(ids(versions, None, text).0, expected, "{text}");
        }
        let here = BUNDLE.replace("http://other/", "http://here/");
        for (text, expected) in [
            ("entry.resource.encounter.resolve()", "Encounter/none"),
            ("'Patient/1'.resolve()", "Patient/1"),
            ("'http://here/fhir/Patient/1'.resolve() | 'Patient/1'.resolve()", "Patient/1"),
        ] {
            let (found, wanted) = ids(&here, None, text);
            let wanted: Vec<String> = wanted.iter().map(named_by).collect();
            assert_eq!((found.as_str(), wanted.join(",").as_str()), ("", expected), "{text}");
        }
    }

    #[test]
    fn every_context_is_in_its_own_resource() {
        let own = "%resource.id | %rootResource.id";
        let cases = [
            ("Bundle.entry.resource", own, "o;p;q"),
            ("Bundle.entry.resource.ofType(Patient).name", own, "p"),
            ("Bundle.entry.resource.ofType(Patient).name.family", own, "p"),
            ("Bundle.entry.resource.contained", "%resource.id.combine(%rootResource.id)", "d,o"),
            ("Bundle.entry", "%resource.id.combine(%rootResource.id)", "b,b;b,b;b,b"),
            ("Bundle.entry.resource.contained", "'#d'.resolve().id | owner.resolve().id", "d,o"),
            ("Bundle.entry.resource.ofType(Observation)", "device.resolve().id", "d"),
        ];
        for (context, text, expected) in cases {
            assert_eq!(ids(BUNDLE, Some(context), text).0, expected, "{context}: {text}");
        }
    }

    #[test]
    fn without_a_resource_there_are_values_still() {
        let text = run(
            r#"{"resourceType":"Parameters","parameter":[{"name":"expression","valueString":"1 + 1 | '' | @T10 | @2014"}]}"#,
        );
        let text = text.expect("runs");
        for part in [
            r#"{"name":"integer","valueInteger":2}"#,
            r#"{"name":"empty-string"}"#,
            r#"{"name":"time","valueString":"10"}"#,
            r#"{"name":"date","valueDate":"2014"}"#,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        for (expression, result) in [
            ("$this.exists()", r#"]},{"name":"result","part":[{"name":"boolean","valueBoolean":false}]}]}"#),
            ("%resource | %context", r#""valueString":"%resource | %context"}]}]}"#),
        ] {
            let body = r#"{"resourceType":"Parameters","parameter":[{"name":"expression","valueString":"E"}]}"#;
            let text = run(&body.replace('E', expression)).expect("runs");
            assert!(text.ends_with(result), "{text}");
        }
    }
}
