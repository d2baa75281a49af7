//! `GET [base]/metadata`: the CapabilityStatement, made of the table of routes and the definitions
//! (FHIR R4 `capabilitystatement.html`).

use std::sync::Arc;

use super::negotiate::{ACCEPT_PATCH, FORMATS};
use super::offered::{OPERATIONS, OperationRow};
use super::routes::{Interaction, ROUTES, Route, Shape, has_endpoint};
use crate::base::clock::Timestamp;
use crate::base::config::Rest;
use crate::fhir::definitions::compartment::members;
use crate::fhir::definitions::packed::Packed;
use crate::fhir::definitions::params::{ParamKind, SearchParam, all_params, search_params};
use crate::fhir::json::Json;
use crate::fhir::terminology::core::code_systems;
use crate::fhir::terminology::grammar::SYSTEMS;
use crate::fhir::terminology::version::compare;
use crate::fhir::types::ResourceType;
use crate::search::params::ParamSet;

/// What the statements say of this very server.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The base URL.
    pub base: &'a str,
    /// When it started.
    pub started: Timestamp,
    /// What clients may do.
    pub rules: Rest,
    /// Whether pages of other origins may read answers.
    pub has_cors: bool,
}

const DOCUMENTATION: &str = "All interactions work on all types. `_summary` and `_elements` work on read, vread, create, update, \
    search and history; a resource that is tagged SUBSETTED is not stored. A body that is the same makes no new version. \
    Unknown search parameters are ignored with a warning, or refused under `Prefer: handling=strict`; a search sees every \
    write that was answered before it arrived. What is sent is stored as it is: decimals as written, the order of properties, \
    every extension; XML is stored as the JSON that it stands for; only id, meta.versionId and meta.lastUpdated are assigned. \
    `$graphql` answers queries of GraphQL, introspection included, and no mutations. `$viewdefinition-run` makes tables of resources: a \
    ViewDefinition comes with the request (viewResource), or is stored as a Binary and named by `Binary/id` or `ViewDefinition/id` \
    (viewReference); the formats are csv, ndjson, json and parquet.";

const SECURITY: &str =
    "There is no authorization server yet: every request acts as a development user, on loopback only.";

/// What there is of profiles and code systems beside those of FHIR.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guides<'a> {
    /// The packages in use.
    pub packages: &'a [&'a Packed],
    /// The profiles that are stored: type and URL of each.
    pub own: &'a [(Box<str>, Box<str>)],
    /// The large code systems that are loaded: URL and version of each.
    pub large: &'a [(String, String)],
}

impl Guides<'_> {
    /// The same for the same packages, profiles and code systems.
    pub fn fingerprint(&self) -> String {
        let packages = self.packages.iter().map(|packed| packed.manifest.label());
        let own = self.own.iter().map(|(kind, url)| format!("{kind}={url}"));
        let large = self.large.iter().map(|(url, _)| url.clone());
        packages.chain(own).chain(large).collect::<Vec<_>>().join(" ")
    }

    /// The code systems that are here without a resource (FHIR R4 `terminology-service.html`, 4.7.2.1).
    fn supported_systems(&self) -> Vec<Json> {
        let mut urls: Vec<&str> = SYSTEMS.into_iter().map(|(url, _)| url).collect();
        for (url, _) in self.large {
            if !urls.contains(&&**url) {
                urls.push(url);
            }
        }
        let one = |url: &str| Json::object([("url", Json::string(SUPPORTED_SYSTEM)), ("valueUri", Json::string(url))]);
        urls.into_iter().map(one).collect()
    }

    /// The implementation guides, by canonical URL and version where they have one.
    fn guides(&self) -> Vec<Json> {
        let guides = self.packages.iter().map(|packed| {
            let of_type = packed.rows.iter().find(|row| &*row.kind == "ImplementationGuide");
            match of_type {
                Some(row) if !row.version.is_empty() => format!("{}|{}", row.url, row.version),
                Some(row) => row.url.to_string(),
                None => packed.manifest.canonical.clone(),
            }
        });
        guides.filter(|url| !url.is_empty()).map(Json::string).collect()
    }

    /// The profiles of a type.
    fn profiles(&self, kind: ResourceType) -> Vec<Json> {
        let rows = self.packages.iter().flat_map(|packed| &packed.rows);
        let named = rows.map(|row| (&row.profile_of, &row.url)).chain(self.own.iter().map(|(of, url)| (of, url)));
        let mut urls: Vec<&str> = named.filter(|(of, _)| ***of == *kind.name()).map(|(_, url)| &**url).collect();
        urls.sort_unstable();
        urls.dedup();
        urls.into_iter().map(Json::string).collect()
    }
}

/// The CapabilityStatement.
pub fn statement(about: &About<'_>, added: &ParamSet, guides: &Guides<'_>) -> Json {
    let kinds = ResourceType::all().filter(|kind| has_endpoint(*kind));
    let resources = kinds.map(|kind| resource(kind, about, added, guides)).collect();
    let security = [("cors", Json::Bool(about.has_cors)), ("description", Json::string(SECURITY))];
    let rest = Json::object([
        ("mode", Json::string("server")),
        ("documentation", Json::string(DOCUMENTATION)),
        ("security", Json::object(security)),
        ("resource", Json::Array(resources)),
        ("interaction", interactions(is_system)),
        ("searchParam", Json::Array(common(added).map(search_param).chain(undefined(&UNDEFINED)).collect())),
        ("compartment", Json::Array(compartments())),
        ("operation", operations(about.base)),
    ]);
    let texts = |texts: &[&str]| Json::Array(texts.iter().map(|text| Json::string(*text)).collect());
    let mut json = head("CapabilityStatement", about, "What this FHIR server offers");
    if let Some(object) = json.as_object_mut() {
        object.set("instantiates", texts(&["http://hl7.org/fhir/CapabilityStatement/terminology-server"]));
        object.set("extension", Json::Array(guides.supported_systems()));
        object.set("fhirVersion", Json::string("4.0.1"));
        object.set("format", texts(&FORMATS));
        object.set("patchFormat", texts(&ACCEPT_PATCH.split(", ").collect::<Vec<_>>()));
        let guides = guides.guides();
        if !guides.is_empty() {
            object.set("implementationGuide", Json::Array(guides));
        }
        object.set("rest", Json::Array(vec![rest]));
    }
    json
}

/// The TerminologyCapabilities, with the large code systems that are loaded: URL and version of each.
pub fn terminology(about: &About<'_>, large: &[(String, String)]) -> Json {
    let text = "The code systems, value sets and concept maps of FHIR R4 and those that are stored here; UCUM, MIME types and languages \
        by their grammar. A stored definition counts from the moment its write was answered.";
    let mut json = head("TerminologyCapabilities", about, text);
    let flag = |value: bool| Json::Bool(value);
    let parameters = EXPANSION.iter().map(|name| Json::object([("name", Json::string(*name))]));
    let expansion = Json::object([
        ("hierarchical", flag(true)),
        ("paging", flag(true)),
        ("incomplete", flag(false)),
        ("parameter", Json::Array(parameters.collect())),
        ("textFilter", Json::string(TEXT_FILTER)),
    ]);
    let version = |version: &str, is_default: bool| {
        Json::object([("code", Json::string(version)), ("isDefault", flag(is_default))])
    };
    let system = |url: &str, versions: Vec<Json>| {
        let mut system = Json::object([("uri", Json::string(url))]);
        if let Some(object) = system.as_object_mut().filter(|_| !versions.is_empty()) {
            object.set("version", Json::Array(versions));
        }
        system
    };
    let mut urls: Vec<&str> = large.iter().map(|(url, _)| &**url).collect();
    urls.sort_unstable();
    urls.dedup();
    let own = code_systems().filter(|(url, _)| !urls.contains(url));
    let own = own.map(|(url, known)| system(url, known.map(|known| version(known, true)).into_iter().collect()));
    let loaded = urls.iter().map(|url| {
        let mut versions: Vec<&str> = large
            .iter()
            .filter(|(of, version)| of == url && !version.is_empty())
            .map(|(_, version)| &**version)
            .collect();
        versions.sort_by(|a, b| compare(b, a));
        // without a version the latest one is meant
        system(url, versions.iter().enumerate().map(|(at, known)| version(known, at == 0)).collect())
    });
    let systems = own.chain(loaded);
    if let Some(object) = json.as_object_mut() {
        object.set("lockedDate", flag(true));
        object.set("codeSystem", Json::Array(systems.collect()));
        object.set("expansion", expansion);
        // of a ValueSet the codes that it lists are found by `code`, not those of its filters
        object.set("codeSearch", Json::string("explicit"));
        object.set("validateCode", Json::object([("translations", flag(false))]));
        object.set("translation", Json::object([("needsMap", flag(false))]));
        object.set("closure", Json::object([("translation", flag(false))]));
    }
    json
}

/// The parameters that `$expand` knows.
const EXPANSION: [&str; 25] = [
    "url",
    "context",
    "contextDirection",
    "date",
    "valueSet",
    "valueSetVersion",
    "filter",
    "offset",
    "count",
    "includeDesignations",
    "designation",
    "includeDefinition",
    "activeOnly",
    "excludeNested",
    "excludeNotForUI",
    "displayLanguage",
    "exclude-system",
    "system-version",
    "check-system-version",
    "force-system-version",
    "default-valueset-version",
    "property",
    "useSupplement",
    "tx-resource",
    "excludePostCoordinated",
];

const TEXT_FILTER: &str = "Every word that is typed begins a word of the code, the display or a designation; in words of five letters and \
    more one letter may be wrong, missing, too many, or exchanged with its neighbour. Whole words and short texts come first.";

/// The extension that names such a code system.
const SUPPORTED_SYSTEM: &str = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-supported-system";

/// What both statements begin with.
fn head(kind: &str, about: &About<'_>, description: &str) -> Json {
    let software = [("name", Json::string("Cresset")), ("version", Json::string(env!("CARGO_PKG_VERSION")))];
    let implementation =
        [("description", Json::string("Cresset, a FHIR R4 server")), ("url", Json::string(about.base))];
    Json::object([
        ("resourceType", Json::string(kind)),
        ("url", Json::string(format!("{}/metadata", about.base))),
        ("version", Json::string(env!("CARGO_PKG_VERSION"))),
        ("name", Json::string(format!("Cresset{kind}"))),
        ("title", Json::string(format!("{kind} of Cresset"))),
        ("status", Json::string("active")),
        ("date", Json::string(about.started.to_string())),
        ("description", Json::string(description)),
        ("kind", Json::string("instance")),
        ("software", Json::object(software)),
        ("implementation", Json::object(implementation)),
    ])
}

/// The parameters of a search over all types.
fn common(added: &ParamSet) -> impl Iterator<Item = &SearchParam> {
    let is_common = |param: &&SearchParam| ResourceType::all().all(|kind| param.base.contains(&kind));
    let all = all_params().iter().chain(added.all_added()).map(Arc::as_ref);
    all.filter(|param| is_offered(param)).filter(is_common)
}

/// Parameters of all types that the definitions do not have (FHIR R4 `search.html`, 3.1.1.9; `search_filter.html`).
const UNDEFINED: [(&str, &str); 4] =
    [("_list", "string"), ("_filter", "special"), ("_has", "special"), ("_type", "token")];

fn undefined(params: &[(&'static str, &'static str)]) -> impl Iterator<Item = Json> {
    let entry = |(name, kind): &(&'static str, &'static str)| {
        Json::object([("name", Json::string(*name)), ("type", Json::string(*kind))])
    };
    params.iter().map(entry)
}

/// The compartments, by the canonical URLs of their definitions.
fn compartments() -> Vec<Json> {
    let kinds = ResourceType::all().filter(|kind| !members(*kind).is_empty());
    let name = |kind: ResourceType| {
        let mut rest = kind.name().chars();
        rest.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(rest).collect::<String>()
    };
    let urls = kinds.map(|kind| format!("http://hl7.org/fhir/CompartmentDefinition/{}", name(kind)));
    urls.map(Json::string).collect()
}

/// The operations: those of HAPI FHIR have no definition of their own, so the canonical URL is below this server's base.
fn operations(base: &str) -> Json {
    let of_all = OPERATIONS.iter().filter(|row| row.offered.system);
    Json::Array(of_all.map(|row| operation(base, row)).collect())
}

fn operation(base: &str, row: &OperationRow) -> Json {
    let own = || format!("{base}/OperationDefinition/{}", row.name);
    let definition = row.definition.map_or_else(own, str::to_owned);
    Json::object([("name", Json::string(row.name)), ("definition", Json::string(definition))])
}

fn resource(kind: ResourceType, about: &About<'_>, added: &ParamSet, guides: &Guides<'_>) -> Json {
    let About { base, rules, .. } = *about;
    let mut json = Json::object([
        ("type", Json::string(kind.name())),
        ("profile", Json::string(format!("http://hl7.org/fhir/StructureDefinition/{kind}"))),
        ("documentation", Json::string(documentation(kind))),
        ("interaction", interactions(|shape| !is_system(shape))),
        ("versioning", Json::string("versioned")),
        ("readHistory", Json::Bool(true)),
        ("updateCreate", Json::Bool(rules.update_create)),
        ("conditionalCreate", Json::Bool(true)),
        ("conditionalRead", Json::string("full-support")),
        ("conditionalUpdate", Json::Bool(true)),
        ("conditionalDelete", Json::string(if rules.delete_multiple { "multiple" } else { "single" })),
        ("referencePolicy", reference_policy(rules)),
    ]);
    let Some(object) = json.as_object_mut() else { return json };
    let own_params = || search_params(kind).iter().copied().chain(added.added(kind)).map(Arc::as_ref);
    let includes = own_params().filter(|param| is_link(param)).map(|param| include(kind, param));
    let points = |param: &&SearchParam| is_link(param) && (param.targets.is_empty() || param.targets.contains(&kind));
    let reverse = all_params().iter().chain(added.all_added()).map(Arc::as_ref).filter(points);
    let reverse = reverse.flat_map(|param| param.base.iter().map(move |source| include(*source, param)));
    let own = OPERATIONS.iter().filter(|row| row.offered.concerns(kind));
    let params = own_params().filter(|param| is_offered(param)).map(search_param);
    let params = params.chain(undefined(&UNDEFINED[..2]));
    // An empty array is not FHIR (json.html, 2.6.2).
    for (name, list) in [
        ("supportedProfile", guides.profiles(kind)),
        ("searchInclude", includes.collect::<Vec<_>>()),
        ("searchRevInclude", reverse.collect()),
        ("searchParam", params.collect()),
        ("operation", own.map(|row| operation(base, row)).collect()),
    ] {
        if !list.is_empty() {
            object.set(name, Json::Array(list));
        }
    }
    json
}

/// What is special about a type.
fn documentation(kind: ResourceType) -> String {
    match kind.name() {
        "Bundle" => "Bundles are stored as they are; a batch or transaction is posted to the base URL".to_owned(),
        "Binary" => "Content is read and written as it is, or as a resource with its data in base64".to_owned(),
        "AuditEvent" | "Provenance" => format!("{kind} is stored for clients; the server writes none itself yet"),
        _ => format!(
            "{kind} is held against FHIR 4.0.1 and, as the mode of the tenant says, the profiles that it claims"
        ),
    }
}

fn reference_policy(rules: Rest) -> Json {
    let codes = ["literal", "logical"].into_iter().chain(rules.referential_integrity.then_some("enforced"));
    Json::Array(codes.map(Json::string).collect())
}

/// Whether a path concerns all types.
fn is_system(shape: Shape) -> bool {
    matches!(shape, Shape::Base | Shape::SystemHistory)
}

fn is_link(param: &SearchParam) -> bool {
    param.kind == ParamKind::Reference && param.expression.is_some()
}

/// A parameter without an expression needs an engine of its own; that of `_query` is absent.
fn is_offered(param: &SearchParam) -> bool {
    param.expression.is_some() || matches!(&*param.code, "_id" | "_lastUpdated" | "_text" | "_content")
}

fn include(source: ResourceType, param: &SearchParam) -> Json {
    Json::string(format!("{source}:{}", param.code))
}

fn search_param(param: &SearchParam) -> Json {
    let mut json = Json::object([
        ("name", Json::string(&*param.code)),
        ("definition", Json::string(&*param.url)),
        ("type", Json::string(param.kind.code())),
    ]);
    let description = param.details.as_ref().map(|details| &*details.description).filter(|text| !text.is_empty());
    if let (Some(object), Some(text)) = (json.as_object_mut(), description) {
        object.set("documentation", Json::string(text));
    }
    json
}

fn interactions(is_here: impl Fn(Shape) -> bool) -> Json {
    let offered = |route: &&Route| !matches!(route.interaction, Interaction::Absent(_));
    let codes = ROUTES.iter().filter(offered).filter(|route| is_here(route.shape)).flat_map(|route| route.codes);
    Json::Array(codes.map(|code| Json::object([("code", Json::string(*code))])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::validate::structure;

    fn about() -> About<'static> {
        About { base: "http://h/fhir", started: Timestamp(0), rules: Rest::default(), has_cors: true }
    }

    #[test]
    fn the_statements_are_valid_and_their_parameters_have_one_name() {
        for json in [statement(&about(), &ParamSet::default(), &Guides::default()), terminology(&about(), &[])] {
            assert_eq!(structure(&json), Ok(()));
        }
        let json = statement(&about(), &ParamSet::default(), &Guides::default());
        let rest = json.get("rest").and_then(Json::as_array).map(|rest| &rest[0]).expect("rest");
        for resource in rest.get("resource").and_then(Json::as_array).expect("resources") {
            let params = resource.get("searchParam").and_then(Json::as_array).unwrap_or_default();
            let mut names: Vec<_> = params.iter().filter_map(|param| param.get("name")?.as_str()).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "cpb-12: {resource:?}");
        }
    }

    #[test]
    fn lists_every_type_with_its_interactions() {
        let json = statement(&about(), &ParamSet::default(), &Guides::default());
        let rest = json.get("rest").and_then(Json::as_array).map(|rest| &rest[0]).expect("rest");
        let resources = rest.get("resource").and_then(Json::as_array).expect("resources");
        assert_eq!(resources.len(), 145);
        let codes = |json: &Json| -> Vec<String> {
            let list = json.get("interaction").and_then(Json::as_array).unwrap_or_default();
            list.iter().filter_map(|item| Some(item.get("code")?.as_str()?.to_owned())).collect()
        };
        let all =
            ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"];
        assert_eq!(codes(&resources[0]), all);
        assert_eq!(codes(rest), ["history-system", "transaction", "batch", "search-system"]);
        let compartments = rest.get("compartment").and_then(Json::as_array).unwrap_or_default();
        let names = ["device", "encounter", "patient", "practitioner", "relatedPerson"];
        let url = |name: &str| Json::string(format!("http://hl7.org/fhir/CompartmentDefinition/{name}"));
        assert_eq!(compartments, names.map(url));
        let common = rest.get("searchParam").and_then(Json::as_array).unwrap_or_default();
        let common: Vec<_> = common.iter().filter_map(|param| param.get("name")?.as_str()).collect();
        for code in ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"] {
            assert!(common.contains(&code), "{code}: {common:?}");
        }
        let patient = resources.iter().find(|r| r.get("type").and_then(Json::as_str) == Some("Patient"));
        let patient = patient.expect("Patient");
        let list = |name: &str| patient.get(name).and_then(Json::as_array).unwrap_or_default();
        assert!(list("searchInclude").contains(&Json::string("Patient:general-practitioner")));
        assert!(list("searchRevInclude").contains(&Json::string("Observation:subject")));
        let birthdate = list("searchParam").iter().find(|p| p.get("name").and_then(Json::as_str) == Some("birthdate"));
        assert_eq!(birthdate.and_then(|p| p.get("type")).and_then(Json::as_str), Some("date"));
    }
}
