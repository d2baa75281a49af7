//! The one table of interactions: the router, `Allow` and the CapabilityStatement are made from it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::offered::{OPERATIONS, Operation};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::bundle::Method;
use crate::fhir::types::{ResourceId, ResourceType};

/// What is done (FHIR R4 `http.html`). [`Interaction::Absent`] names what is known and not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// The current version.
    Read,
    /// One version.
    Vread,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
    /// PATCH.
    Patch,
    /// DELETE of a history or of a version.
    Expunge,
    /// An operation (`$name`).
    Operation,
    /// An operation by GET: one that changes nothing.
    Inquiry,
    /// POST on a type.
    Create,
    /// A search by GET or POST.
    Search,
    /// A page link, or a search over all types.
    Page,
    /// History of a resource.
    HistoryInstance,
    /// History of a type.
    HistoryType,
    /// History of all types.
    HistorySystem,
    /// Batch or transaction.
    Bundle,
    /// The CapabilityStatement.
    Capabilities,
    /// Known to FHIR, not offered here; the text names it.
    Absent(&'static str),
}

impl Interaction {
    /// The labels of all interactions, in the order of [`Interaction::number`].
    pub const LABELS: [&'static str; 16] = [
        "read",
        "vread",
        "update",
        "delete",
        "create",
        "search",
        "page",
        "history-instance",
        "history-type",
        "history-system",
        "bundle",
        "capabilities",
        "patch",
        "expunge",
        "operation",
        "none",
    ];

    /// Its label.
    pub fn label(self) -> &'static str {
        Self::LABELS[self.number()]
    }

    /// The position of its label; what is absent or unknown is the last.
    pub fn number(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Vread => 1,
            Self::Update => 2,
            Self::Delete => 3,
            Self::Create => 4,
            Self::Search => 5,
            Self::Page => 6,
            Self::HistoryInstance => 7,
            Self::HistoryType => 8,
            Self::HistorySystem => 9,
            Self::Bundle => 10,
            Self::Capabilities => 11,
            Self::Patch => 12,
            Self::Expunge => 13,
            Self::Operation | Self::Inquiry => 14,
            Self::Absent(_) => 15,
        }
    }
}

/// The forms of a path below the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// ``
    Base,
    /// `metadata`
    Metadata,
    /// `_history`
    SystemHistory,
    /// `_search`
    SystemSearch,
    /// `$name`, below the base, a type or a resource
    Operation,
    /// The same, of an operation that goes by GET too
    Inquiry,
    /// `Patient`
    Type,
    /// `Patient/_search`
    TypeSearch,
    /// `Patient/_history`
    TypeHistory,
    /// `Patient/1`
    Instance,
    /// `Patient/1/_history`
    InstanceHistory,
    /// `Patient/1/_history/2`
    Version,
    /// `Patient/1/Observation`, `Patient/1/*`
    Compartment,
    /// `Patient/1/Observation/_search`
    CompartmentSearch,
}

impl Shape {
    /// The path with names in place of values, for logs.
    pub fn template(self) -> &'static str {
        match self {
            Self::Base => "/",
            Self::Metadata => "/metadata",
            Self::SystemHistory => "/_history",
            Self::SystemSearch => "/_search",
            Self::Operation | Self::Inquiry => "/$operation",
            Self::Type => "/{type}",
            Self::TypeSearch => "/{type}/_search",
            Self::TypeHistory => "/{type}/_history",
            Self::Instance => "/{type}/{id}",
            Self::InstanceHistory => "/{type}/{id}/_history",
            Self::Version => "/{type}/{id}/_history/{vid}",
            Self::Compartment => "/{type}/{id}/{member}",
            Self::CompartmentSearch => "/{type}/{id}/{member}/_search",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method; HEAD goes with GET.
    pub method: Method,
    /// The form of the path.
    pub shape: Shape,
    /// What is done.
    pub interaction: Interaction,
    /// The code in `CapabilityStatement.rest.resource.interaction` or, for the system, `rest.interaction`.
    pub codes: &'static [&'static str],
}

const fn row(method: Method, shape: Shape, interaction: Interaction, codes: &'static [&'static str]) -> Route {
    Route { method, shape, interaction, codes }
}

const fn absent(method: Method, shape: Shape, name: &'static str) -> Route {
    Route { method, shape, interaction: Interaction::Absent(name), codes: &[] }
}

/// Every interaction. Reads come first: the table is searched from its start.
pub static ROUTES: &[Route] = &[
    row(Method::Get, Shape::Instance, Interaction::Read, &["read"]),
    row(Method::Get, Shape::Version, Interaction::Vread, &["vread"]),
    row(Method::Put, Shape::Instance, Interaction::Update, &["update"]),
    row(Method::Patch, Shape::Instance, Interaction::Patch, &["patch"]),
    row(Method::Delete, Shape::Instance, Interaction::Delete, &["delete"]),
    // The conditional ones: they show as conditionalUpdate and conditionalDelete.
    row(Method::Delete, Shape::InstanceHistory, Interaction::Expunge, &[]),
    row(Method::Delete, Shape::Version, Interaction::Expunge, &[]),
    row(Method::Post, Shape::Operation, Interaction::Operation, &[]),
    row(Method::Get, Shape::Inquiry, Interaction::Inquiry, &[]),
    row(Method::Post, Shape::Inquiry, Interaction::Operation, &[]),
    row(Method::Put, Shape::Type, Interaction::Update, &[]),
    row(Method::Patch, Shape::Type, Interaction::Patch, &[]),
    row(Method::Delete, Shape::Type, Interaction::Delete, &[]),
    row(Method::Get, Shape::InstanceHistory, Interaction::HistoryInstance, &["history-instance"]),
    row(Method::Get, Shape::TypeHistory, Interaction::HistoryType, &["history-type"]),
    row(Method::Get, Shape::SystemHistory, Interaction::HistorySystem, &["history-system"]),
    row(Method::Post, Shape::Type, Interaction::Create, &["create"]),
    row(Method::Get, Shape::Type, Interaction::Search, &["search-type"]),
    row(Method::Get, Shape::TypeSearch, Interaction::Search, &[]),
    row(Method::Post, Shape::TypeSearch, Interaction::Search, &[]),
    row(Method::Get, Shape::Compartment, Interaction::Search, &[]),
    row(Method::Get, Shape::CompartmentSearch, Interaction::Search, &[]),
    row(Method::Post, Shape::CompartmentSearch, Interaction::Search, &[]),
    row(Method::Post, Shape::Base, Interaction::Bundle, &["transaction", "batch"]),
    row(Method::Get, Shape::Base, Interaction::Page, &["search-system"]),
    row(Method::Get, Shape::SystemSearch, Interaction::Search, &[]),
    row(Method::Post, Shape::SystemSearch, Interaction::Search, &[]),
    row(Method::Get, Shape::Metadata, Interaction::Capabilities, &[]),
    absent(Method::Delete, Shape::Base, "conditional delete over all types"),
];

/// The name of a type that stands in the paths of operations without being one of R4 (SQL on FHIR 2.1).
const VIEW: &str = "ViewDefinition";

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its form.
    pub shape: Shape,
    /// The resource type, where the path has one.
    pub kind: Option<ResourceType>,
    /// The id, where the path has one.
    pub id: Option<ResourceId>,
    /// The version; `None` also when it is not a number, which no version is.
    pub version: Option<i64>,
    /// The type of a compartment's members; `None` for `*`.
    pub member: Option<ResourceType>,
    /// The operation, where the path has one.
    pub operation: Option<Operation>,
}

/// Reads a path below the base, without a leading slash, still percent-encoded.
///
/// # Errors
/// 404 for an unknown type or path; 400 for an id that is none.
pub fn target(path: &str) -> Result<Target> {
    // A base that ends with a slash, and a path that begins with one: clients join them so.
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    // Decoded part by part: an encoded slash divides nothing (RFC 3986, 2.2).
    let mut parts: [Cow<'_, str>; 5] = Default::default();
    let mut count = 0;
    for part in path.split('/').filter(|_| !path.is_empty()) {
        let decoded = percent_decode_str(part).decode_utf8();
        let decoded = decoded.map_err(|_| Fault::invalid("the path is not UTF-8"))?;
        *parts.get_mut(count).ok_or_else(|| unknown(path))? = decoded;
        count += 1;
    }
    let parts: [&str; 5] = std::array::from_fn(|i| parts[i].as_ref());
    let bare = |shape| Ok(Target { shape, kind: None, id: None, version: None, member: None, operation: None });
    match &parts[..count] {
        [] => bare(Shape::Base),
        ["metadata"] => bare(Shape::Metadata),
        ["_history"] => bare(Shape::SystemHistory),
        ["_search"] => bare(Shape::SystemSearch),
        [rest @ .., last] if last.starts_with('$') => operation(rest, &last[1..], path),
        [kind, rest @ ..] => below_type(offered(kind)?, rest, path),
    }
}

fn operation(rest: &[&str], name: &str, path: &str) -> Result<Target> {
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    let unsupported = || Fault::unsupported(format!("operation ${shown} is not supported"));
    let mut rows = OPERATIONS.iter().filter(|row| row.name == name).peekable();
    rows.peek().ok_or_else(unsupported)?;
    let of_view = || OPERATIONS.iter().any(|row| row.name == name && row.operation == Operation::ViewRun);
    let (kind, id, version) = match rest {
        [] => (None, None, None),
        // no type of R4: what stands there belongs to the system
        [VIEW] if of_view() => (None, None, None),
        [VIEW, id] if of_view() => (None, Some(ResourceId::parse(id)?), None),
        // the one thing that can be done with what has no endpoint
        ["Parameters"] if name == "validate" => (Some(ResourceType::parse("Parameters")?), None, None),
        [kind] => (Some(offered(kind)?), None, None),
        [kind, id] => (Some(offered(kind)?), Some(ResourceId::parse(id)?), None),
        [kind, id, "_history", version] => (Some(offered(kind)?), Some(ResourceId::parse(id)?), Some(*version)),
        _ => return Err(unknown(path)),
    };
    let places = || {
        let rows = OPERATIONS.iter().filter(|row| row.name == name);
        rows.map(|row| row.offered.places()).collect::<Vec<_>>().join(", ")
    };
    let row = rows.find(|row| row.offered.is_at(kind, id.is_some(), version.is_some()));
    let row = row.ok_or_else(|| Fault::unsupported(format!("operation ${shown} is offered at {} only", places())))?;
    let version = match version {
        Some(version) => Some(number(version).ok_or_else(|| Fault::not_found("there is no such version"))?),
        None => None,
    };
    let shape = if row.by_get { Shape::Inquiry } else { Shape::Operation };
    Ok(Target { shape, kind, id, version, member: None, operation: Some(row.operation) })
}

fn below_type(kind: ResourceType, rest: &[&str], path: &str) -> Result<Target> {
    let of = |shape, id, version| Ok(Target { shape, kind: Some(kind), id, version, member: None, operation: None });
    match rest {
        [] => of(Shape::Type, None, None),
        ["_search"] => of(Shape::TypeSearch, None, None),
        ["_history"] => of(Shape::TypeHistory, None, None),
        [id] => of(Shape::Instance, Some(ResourceId::parse(id)?), None),
        [id, "_history"] => of(Shape::InstanceHistory, Some(ResourceId::parse(id)?), None),
        [id, "_history", version] => of(Shape::Version, Some(ResourceId::parse(id)?), number(version)),
        [id, member] if is_member(member) => compartment(kind, id, member, Shape::Compartment),
        [id, member, "_search"] if is_member(member) => compartment(kind, id, member, Shape::CompartmentSearch),
        _ => Err(unknown(path)),
    }
}

fn is_member(text: &str) -> bool {
    text == "*" || ResourceType::find(text).is_some()
}

fn compartment(kind: ResourceType, id: &str, member: &str, shape: Shape) -> Result<Target> {
    let id = Some(ResourceId::parse(id)?);
    Ok(Target { shape, kind: Some(kind), id, version: None, member: ResourceType::find(member), operation: None })
}

fn number(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

fn unknown(path: &str) -> Fault {
    let shown: String = path.chars().take(80).collect();
    Fault::not_found(format!("nothing is at \"{}\"", shown.escape_debug()))
}

/// A type with an endpoint: all but Parameters (FHIR R4 `parameters.html`).
fn offered(name: &str) -> Result<ResourceType> {
    let kind = ResourceType::parse(name)?;
    if has_endpoint(kind) {
        return Ok(kind);
    }
    Err(Fault::coded(Category::NotFound, "not-supported", format!("{kind} has no endpoint")))
}

/// Whether resources of this type are stored; Parameters only travel.
pub fn has_endpoint(kind: ResourceType) -> bool {
    kind.name() != "Parameters"
}

/// What a method does at a path.
///
/// # Errors
/// 405 with the fault's text naming the interaction where other methods are offered, 400 where none is.
pub fn interaction(method: Option<Method>, shape: Shape) -> Result<Interaction> {
    let method = if method == Some(Method::Head) { Some(Method::Get) } else { method };
    let found = ROUTES.iter().find(|route| route.shape == shape && Some(route.method) == method);
    let message = match found.map(|route| route.interaction) {
        Some(Interaction::Absent(name)) => format!("{name} is not supported"),
        Some(interaction) => return Ok(interaction),
        None => format!("this method is not offered at {}", shape.template()),
    };
    if found.is_some() && allow(shape).is_empty() {
        return Err(Fault::unsupported(message));
    }
    Err(Fault::new(Category::MethodNotAllowed, message))
}

/// The value of `Allow` for a path.
pub fn allow(shape: Shape) -> String {
    let mut names = Vec::new();
    for route in ROUTES.iter().filter(|route| route.shape == shape) {
        match (route.interaction, route.method) {
            (Interaction::Absent(_), _) => {}
            (_, Method::Get) => names.extend(["GET", "HEAD"]),
            (_, Method::Post) => names.push("POST"),
            (_, Method::Put) => names.push("PUT"),
            (_, Method::Delete) => names.push("DELETE"),
            (_, Method::Patch) => names.push("PATCH"),
            (_, Method::Head) => {}
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_shapes() {
        for (path, shape) in [
            ("", Shape::Base),
            ("metadata", Shape::Metadata),
            ("Patient", Shape::Type),
            ("Patient/", Shape::Type),
            ("Patient/_search", Shape::TypeSearch),
            ("Patient/_history", Shape::TypeHistory),
            ("Patient/a.b-1", Shape::Instance),
            ("Patient/a%2Eb", Shape::Instance),
            ("Patient/1/_history", Shape::InstanceHistory),
            ("Patient/1/_history/2", Shape::Version),
            ("Patient/1/Observation", Shape::Compartment),
            ("Patient/1/*", Shape::Compartment),
            ("Patient/1/%2A/_search", Shape::CompartmentSearch),
            ("_search", Shape::SystemSearch),
            ("Patient/1/$expunge", Shape::Operation),
            ("$expunge", Shape::Operation),
            ("$fhirpath", Shape::Inquiry),
            ("Patient/1/$fhirpath", Shape::Inquiry),
            ("Patient/1/_history/2/$meta", Shape::Inquiry),
            ("/Patient/1", Shape::Instance),
            ("//Patient/", Shape::Type),
            ("//", Shape::Base),
        ] {
            assert_eq!(target(path).expect(path).shape, shape, "{path}");
        }
        for (path, status) in [
            ("Pat", 404),
            ("Patient//$expunge", 400),
            ("Patient//_history", 400),
            ("Parameters", 404),
            ("Patient/1/foo", 404),
            ("Patient/a_b", 400),
            ("Patient//1", 404),
            ("Patient/1/_history/2/3", 404),
            ("a/b/c/d/e/f", 404),
            ("%ff", 400),
            ("$nonsense", 400),
            ("$match", 400),
            ("$meta-add", 400),
            ("Patient/1/_history/2/$meta-add", 400),
            ("Patient/1/_history/x/$meta", 404),
            ("Patient/1/$convert", 400),
            ("Nonsense/$expunge", 404),
            ("Patient/1%2F_history", 400),
            ("Patient%2F1", 404),
        ] {
            assert_eq!(target(path).expect_err(path).category().status(), status, "{path}");
        }
        assert_eq!(target("Patient/1/_history/x").expect("a version").version, None);
        assert_eq!(target("Patient/1/_history/12").expect("a version").version, Some(12));
    }

    #[test]
    fn what_is_absent_is_named() {
        let fault = interaction(Some(Method::Delete), Shape::Base).expect_err("absent");
        let text = "conditional delete over all types is not supported";
        assert_eq!((fault.category().status(), fault.message()), (405, text));
        assert_eq!(interaction(Some(Method::Get), Shape::Inquiry), Ok(Interaction::Inquiry));
        assert_eq!(interaction(Some(Method::Get), Shape::Operation).expect_err("by POST").category().status(), 405);
        assert_eq!((allow(Shape::Operation), allow(Shape::Inquiry)), ("POST".to_owned(), "GET, HEAD, POST".to_owned()));
        assert_eq!(interaction(None, Shape::Base).expect_err("unknown").category().status(), 405);
        assert_eq!(interaction(Some(Method::Head), Shape::Instance), Ok(Interaction::Read));
        assert_eq!(allow(Shape::Instance), "GET, HEAD, PUT, PATCH, DELETE");
    }

    #[test]
    fn no_row_stands_twice() {
        for (i, route) in ROUTES.iter().enumerate() {
            assert!(!ROUTES[..i].iter().any(|r| r.shape == route.shape && r.method == route.method), "{route:?}");
        }
    }
}
