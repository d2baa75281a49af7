//! What there is to be asked, told in GraphQL itself (October 2021, section 4). Nothing of it is kept: it is read off the
//! definitions, the search parameters and the table of directives whenever it is asked.

use super::ast::Selection;
use super::execute::{Asked, On, Run, length};
use super::fields::{
    FACTS, Fact, META, OF_CONNECTION, element_type, is_any_resource, is_primitive, meta_of, stored_types, type_name,
};
use super::filter::text_of;
use crate::base::fault::Result;
use crate::fhir::definitions::element::{Property, TypeId, TypeKind, all_types, properties, resource_type_id};
use crate::fhir::definitions::params::{ParamKind, search_params};
use crate::fhir::json::{Json, Object};
use crate::fhir::name::Name;
use crate::fhir::types::ResourceType;

/// A type of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Type {
    Query,
    Fhir(TypeId),
    /// Any resource, an interface.
    Resource,
    Connection(ResourceType),
    Edge(ResourceType),
    Scalar(&'static str),
    List(Box<Type>),
    NonNull(Box<Type>),
}

/// A field, argument or directive.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    arguments: Vec<Member>,
    kind: Type,
}

/// A part of the schema.
#[derive(Debug, Clone)]
enum Part {
    /// Of the system, or of a resource of a type.
    Schema(Option<TypeId>),
    Type(Type),
    Field(Member),
    Argument(Member),
    Directive(&'static str),
}

/// What a part says under a name.
enum Told {
    Value(Json),
    One(Part),
    Many(Vec<Part>),
}

/// The scalars of GraphQL itself.
const SCALARS: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

/// The directives and the argument that they need.
const DIRECTIVES: [(&str, Option<(&str, &str)>); 6] = [
    ("skip", Some(("if", "Boolean"))),
    ("include", Some(("if", "Boolean"))),
    ("flatten", None),
    ("first", None),
    ("singleton", None),
    ("slice", Some(("path", "String"))),
];

impl<'d> Run<'d> {
    /// The answer to `__schema`, or to `__type` with a name.
    ///
    /// # Errors
    /// `too-costly` when a bound is reached.
    pub fn schema(&mut self, asked: &Asked<'d>) -> Result<Json> {
        if asked.field.name == "__schema" {
            return object(self, &Part::Schema(self.root), "__Schema", asked, &asked.selections);
        }
        let name = self.argument(asked.field, "name").and_then(|(_, value)| text_of(&value).map(str::to_owned));
        let found = types(self.root).into_iter().find(|kind| Some(name_of(kind)) == name);
        match found {
            Some(kind) => object(self, &Part::Type(kind), "__Type", asked, &asked.selections),
            None => Ok(Json::Null),
        }
    }
}

fn object<'d>(
    run: &mut Run<'d>,
    part: &Part,
    meta: &'static str,
    root: &Asked<'d>,
    selections: &[&'d [Selection]],
) -> Result<Json> {
    let mut fields = Vec::new();
    run.collect(On::Meta(meta), selections, &mut fields)?;
    let mut out = Object::new();
    for asked in &fields {
        let name = asked.field.name.as_str();
        let inner = meta_of(meta, name).flatten();
        let value = match (inner, tell(part, name)) {
            (_, Told::Value(value)) => value,
            (None, _) => Json::Null,
            (Some(inner), Told::One(part)) => object(run, &part, inner, root, &asked.selections)?,
            (Some(inner), Told::Many(parts)) => {
                let mut items = Vec::with_capacity(parts.len());
                for part in &parts {
                    items.push(object(run, part, inner, root, &asked.selections)?);
                }
                Json::Array(items)
            }
        };
        run.made(asked.field.key().len() + 8 + length(&value), root.field.place)?;
        out.push(Name::new(asked.field.key()), value);
    }
    Ok(Json::Object(out))
}

/// What a part says under the name of a field.
fn tell(part: &Part, name: &str) -> Told {
    let text = |text: &str| Told::Value(Json::string(text));
    match (part, name) {
        (_, "__typename") => text(match part {
            Part::Schema(_) => META[0].0,
            Part::Type(_) => META[1].0,
            Part::Field(_) => META[2].0,
            Part::Argument(_) => META[3].0,
            Part::Directive(_) => META[5].0,
        }),
        (Part::Schema(root), "types") => Told::Many(types(*root).into_iter().map(Part::Type).collect()),
        (Part::Schema(root), "queryType") => Told::One(Part::Type(root.map_or(Type::Query, Type::Fhir))),
        (Part::Schema(_), "directives") => Told::Many(DIRECTIVES.iter().map(|row| Part::Directive(row.0)).collect()),
        (Part::Type(kind), _) => tell_type(kind, name),
        (Part::Field(member) | Part::Argument(member), "name") => text(&member.name),
        (Part::Field(member) | Part::Argument(member), "type") => Told::One(Part::Type(member.kind.clone())),
        (Part::Field(member), "args") => Told::Many(member.arguments.iter().cloned().map(Part::Argument).collect()),
        (Part::Directive(own), "name") => text(own),
        (Part::Directive(own), "args") => {
            let argument = DIRECTIVES.iter().find(|row| row.0 == *own).and_then(|row| row.1);
            let argument = argument.map(|(name, kind)| Part::Argument(needed(name, kind)));
            Told::Many(argument.into_iter().collect())
        }
        (Part::Directive(own), "locations") => {
            let fragments = ["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];
            let count = if matches!(*own, "skip" | "include") { 3 } else { 1 };
            Told::Value(Json::Array(fragments[..count].iter().map(|place| Json::string(*place)).collect()))
        }
        (_, "isDeprecated" | "isRepeatable") => Told::Value(Json::Bool(false)),
        _ => Told::Value(Json::Null),
    }
}

fn tell_type(kind: &Type, name: &str) -> Told {
    match (kind, name) {
        (_, "kind") => Told::Value(Json::string(match kind {
            Type::Query | Type::Fhir(_) | Type::Connection(_) | Type::Edge(_) => "OBJECT",
            Type::Resource => "INTERFACE",
            Type::Scalar(_) => "SCALAR",
            Type::List(_) => "LIST",
            Type::NonNull(_) => "NON_NULL",
        })),
        (Type::List(_) | Type::NonNull(_), "name") => Told::Value(Json::Null),
        (kind, "name") => Told::Value(Json::string(name_of(kind))),
        (Type::List(inner) | Type::NonNull(inner), "ofType") => Told::One(Part::Type((**inner).clone())),
        (Type::Resource, "possibleTypes") => {
            let kinds = ResourceType::all().map(|kind| Part::Type(Type::Fhir(resource_type_id(kind))));
            Told::Many(kinds.collect())
        }
        (Type::Query | Type::Fhir(_) | Type::Connection(_) | Type::Edge(_), "interfaces") => {
            let is_resource = matches!(kind, Type::Fhir(kind) if kind.kind() == TypeKind::Resource);
            Told::Many(is_resource.then_some(Part::Type(Type::Resource)).into_iter().collect())
        }
        (Type::Query | Type::Fhir(_) | Type::Connection(_) | Type::Edge(_) | Type::Resource, "fields") => {
            Told::Many(fields(kind).into_iter().map(Part::Field).collect())
        }
        _ => Told::Value(Json::Null),
    }
}

/// All types, in a fixed order; a query of a resource has no `Query`.
fn types(root: Option<TypeId>) -> Vec<Type> {
    let mut all = if root.is_none() { vec![Type::Query] } else { Vec::new() };
    all.push(Type::Resource);
    all.extend(SCALARS.map(Type::Scalar));
    let abstracts = ["Resource", "DomainResource", "BackboneElement"];
    for kind in all_types().filter(|kind| !abstracts.contains(&kind.name())) {
        match kind.kind() {
            TypeKind::Primitive => {
                let scalar = scalar(kind);
                if !all.contains(&scalar) {
                    all.push(scalar);
                }
            }
            _ => all.push(Type::Fhir(kind)),
        }
    }
    all.extend(stored_types().flat_map(|kind| [Type::Connection(kind), Type::Edge(kind)]));
    all
}

fn name_of(kind: &Type) -> String {
    match kind {
        Type::Query => "Query".to_owned(),
        Type::Fhir(kind) => type_name(*kind),
        Type::Resource => "Resource".to_owned(),
        Type::Connection(kind) => format!("{kind}Connection"),
        Type::Edge(kind) => format!("{kind}Edge"),
        Type::Scalar(name) => (*name).to_owned(),
        Type::List(inner) | Type::NonNull(inner) => name_of(inner),
    }
}

/// The scalar of a primitive type: GraphQL's own where it has one, else one of the same name.
fn scalar(kind: TypeId) -> Type {
    Type::Scalar(match kind.name() {
        "boolean" => "Boolean",
        "integer" | "positiveInt" | "unsignedInt" => "Int",
        "decimal" => "Float",
        "string" => "String",
        other => other,
    })
}

fn plain(name: &str, kind: Type) -> Member {
    Member { name: name.to_owned(), arguments: Vec::new(), kind }
}

fn optional(name: &str, kind: &'static str) -> Member {
    plain(name, Type::Scalar(kind))
}

fn needed(name: &str, kind: &'static str) -> Member {
    plain(name, Type::NonNull(Box::new(Type::Scalar(kind))))
}

fn list(kind: Type) -> Type {
    Type::List(Box::new(kind))
}

/// The fields of a type.
fn fields(kind: &Type) -> Vec<Member> {
    match kind {
        Type::Query => stored_types().flat_map(of_query).collect(),
        Type::Resource => {
            let names = [("id", "id"), ("implicitRules", "uri"), ("language", "code"), ("resourceType", "String")];
            names.iter().map(|(name, kind)| optional(name, kind)).collect()
        }
        Type::Fhir(kind) => of_fhir(*kind),
        Type::Connection(kind) => {
            let facts = FACTS[..OF_CONNECTION].iter().map(|(name, fact)| {
                let is_number = matches!(fact, Fact::Count | Fact::Offset | Fact::Size);
                optional(name, if is_number { "Int" } else { "String" })
            });
            facts.chain([plain("edges", list(Type::Edge(*kind)))]).collect()
        }
        Type::Edge(kind) => {
            vec![
                optional("mode", "String"),
                optional("score", "Float"),
                plain("resource", fhir(resource_type_id(*kind))),
            ]
        }
        Type::Scalar(_) | Type::List(_) | Type::NonNull(_) => Vec::new(),
    }
}

fn fhir(kind: TypeId) -> Type {
    match kind.kind() {
        TypeKind::Primitive => scalar(kind),
        _ if is_any_resource(kind) => Type::Resource,
        _ => Type::Fhir(kind),
    }
}

/// The three ways to ask for resources of a type.
fn of_query(kind: ResourceType) -> [Member; 3] {
    let params = search_params(kind).iter().filter(|param| !param.code.starts_with("_text"));
    let texts = || list(Type::Scalar("String"));
    let search: Vec<Member> = params.map(|param| plain(&param.code.replace('-', "_"), texts())).collect();
    let more = [
        optional("_sort", "String"),
        optional("_filter", "String"),
        optional("_list", "String"),
        optional("fhirpath", "String"),
        optional("_count", "Int"),
    ];
    let with = |last: Member| search.iter().cloned().chain(more.iter().cloned()).chain([last]).collect();
    let one = fhir(resource_type_id(kind));
    [
        Member { name: kind.name().to_owned(), arguments: vec![needed("id", "ID")], kind: one.clone() },
        Member { name: format!("{kind}List"), arguments: with(optional("_offset", "Int")), kind: list(one) },
        Member {
            name: format!("{kind}Connection"),
            arguments: with(optional("_cursor", "String")),
            kind: Type::Connection(kind),
        },
    ]
}

fn of_fhir(kind: TypeId) -> Vec<Member> {
    let mut all = Vec::new();
    for property in properties(kind) {
        let as_list = |kind: Type| if property.is_list() { list(kind) } else { kind };
        let name = property.name.as_str();
        let arguments = if is_primitive(property) { Vec::new() } else { of_element(property) };
        all.push(Member { name: name.to_owned(), arguments, kind: as_list(fhir(property.type_id)) });
        if is_primitive(property)
            && let Some(element) = element_type()
        {
            all.push(plain(&format!("_{name}"), as_list(Type::Fhir(element))));
        }
    }
    if kind.name() == "Reference" {
        let arguments = vec![optional("optional", "Boolean"), plain("type", list(Type::Scalar("String")))];
        all.push(Member { name: "resource".to_owned(), arguments, kind: Type::Resource });
    }
    if let Some(own) = kind.resource_type() {
        all.push(optional("resourceType", "String"));
        all.extend(stored_types().filter(|other| leads(*other, own)).flat_map(reverse));
    }
    all
}

/// The arguments of an element with parts.
fn of_element(property: &Property) -> Vec<Member> {
    let own = [optional("fhirpath", "String"), optional("_count", "Int"), optional("_offset", "Int")];
    let parts = properties(property.type_id).iter().filter(|part| is_primitive(part) && !part.is_list());
    own.into_iter().chain(parts.map(|part| optional(part.name.as_str(), "String"))).collect()
}

/// Whether resources of a type may refer to those of another, by a search parameter.
fn leads(from: ResourceType, to: ResourceType) -> bool {
    let links = search_params(from).iter().filter(|param| param.kind == ParamKind::Reference);
    links
        .into_iter()
        .any(|param| param.expression.is_some() && (param.targets.is_empty() || param.targets.contains(&to)))
}

/// What refers to a resource; the search parameters that may be added are those of the same field of the query.
fn reverse(kind: ResourceType) -> [Member; 2] {
    let arguments = || vec![needed("_reference", "String"), optional("fhirpath", "String"), optional("_count", "Int")];
    let one = fhir(resource_type_id(kind));
    [
        Member { name: format!("{kind}List"), arguments: arguments(), kind: list(one) },
        Member { name: format!("{kind}Connection"), arguments: arguments(), kind: Type::Connection(kind) },
    ]
}
