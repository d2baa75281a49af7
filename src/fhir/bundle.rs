//! Bundles as requests: reading a batch or transaction (FHIR R4 `bundle.html`, `http.html` 3.1.0.11).
//!
//! A history is read as the transaction that brings about what it ends with: of each resource the newest entry counts, under
//! the id that it has there (3.1.0.11.4).

use std::collections::HashMap;

use crate::base::fault::{Category, Fault, Result};
use crate::fhir::json::{Json, Object};

/// The type of a Bundle that can be posted to the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleKind {
    /// Each entry on its own.
    Batch,
    /// All entries or none.
    Transaction,
}

/// A batch or transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestBundle {
    /// Which of the two.
    pub kind: BundleKind,
    /// The entries, in order.
    pub entries: Vec<RequestEntry>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestEntry {
    /// `Bundle.entry.fullUrl`.
    pub full_url: Option<String>,
    /// `request.method`.
    pub method: Method,
    /// `request.url`, as written.
    pub url: String,
    /// `Bundle.entry.resource`.
    pub resource: Option<Json>,
    /// `request.ifNoneMatch`
    pub if_none_match: Option<String>,
    /// `request.ifModifiedSince`
    pub if_modified_since: Option<String>,
    /// `request.ifMatch`
    pub if_match: Option<String>,
    /// `request.ifNoneExist`
    pub if_none_exist: Option<String>,
    /// In a history: the entry with a later version of the same resource.
    pub superseded: Option<usize>,
    /// In a batch: why it is no request, and nothing else of it counts.
    pub unreadable: Option<Fault>,
}

/// `Bundle.entry.request.method` (value set `http-verb`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `DELETE`
    Delete,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `GET`
    Get,
    /// `HEAD`
    Head,
}

impl RequestEntry {
    fn unreadable(fault: Fault) -> Self {
        Self {
            full_url: None,
            method: Method::Get,
            url: String::new(),
            resource: None,
            if_none_match: None,
            if_modified_since: None,
            if_match: None,
            if_none_exist: None,
            superseded: None,
            unreadable: Some(fault),
        }
    }
}

impl Method {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "DELETE" => Self::Delete,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            _ => return None,
        })
    }
}

/// Takes a posted Bundle apart; resources are moved, not copied.
///
/// # Errors
/// 400 naming the place: not a Bundle, another type of Bundle, an entry without request, a wrong shape;
/// 413 for more than `most` entries. One bad entry fails a whole transaction; in a batch it fails itself.
pub fn read_request(bundle: Json, most: usize) -> Result<RequestBundle> {
    let Json::Object(mut bundle) = bundle else {
        return Err(structure(format!("a Bundle is a JSON object, not {}", bundle.kind()), "Bundle"));
    };
    if bundle.get("resourceType").and_then(Json::as_str) != Some("Bundle") {
        return Err(structure("only a Bundle can be posted to the base URL", "resourceType"));
    }
    let kind = match bundle.get("type").and_then(Json::as_str) {
        Some("batch") => BundleKind::Batch,
        Some("transaction" | "history") => BundleKind::Transaction,
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            let message = format!(
                "a Bundle of type \"{}\" cannot be posted; use batch, transaction or history",
                shown.escape_debug()
            );
            return Err(Fault::coded(Category::Invalid, "not-supported", message).at("Bundle.type"));
        }
        None => return Err(Fault::coded(Category::Invalid, "required", "the Bundle has no type").at("Bundle.type")),
    };
    let is_history = bundle.get("type").and_then(Json::as_str) == Some("history");
    let items = match bundle.remove("entry") {
        None => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(other) => return Err(structure(format!("entry is an array, not {}", other.kind()), "Bundle.entry")),
    };
    if items.len() > most {
        let message = format!("the Bundle has {} entries; at most {most} are accepted", items.len());
        return Err(Fault::new(Category::TooLarge, message).at("Bundle.entry"));
    }
    let read = |(index, item)| match entry(item, index) {
        Err(fault) if kind == BundleKind::Batch => Ok(RequestEntry::unreadable(fault)),
        read => read,
    };
    let mut entries = items.into_iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
    if is_history {
        let mut newest = HashMap::new();
        entries.iter_mut().enumerate().try_for_each(|(i, entry)| replay(entry, i, &mut newest))?;
    }
    Ok(RequestBundle { kind, entries })
}

/// Makes an entry of a history the direct update or delete that leads to it.
fn replay(entry: &mut RequestEntry, index: usize, newest: &mut HashMap<String, usize>) -> Result<()> {
    let place = |part: &str| format!("Bundle.entry[{index}].{part}");
    let named = |name: &str| entry.resource.as_ref().and_then(|resource| resource.get(name)).and_then(Json::as_str);
    let key = match (entry.method, &entry.resource) {
        (Method::Delete, _) => {
            let mut parts = entry.url.rsplit('/');
            let id = parts.next().unwrap_or_default();
            format!("{}/{id}", parts.next().unwrap_or_default())
        }
        (Method::Post | Method::Put | Method::Patch, Some(_)) => {
            let missing = || Fault::coded(Category::Invalid, "required", "in a history a resource has its id");
            let id = named("id").ok_or_else(|| missing().at(place("resource.id")))?;
            format!("{}/{id}", named("resourceType").unwrap_or_default())
        }
        _ => {
            let message = "in a history method is one of POST, PUT, PATCH and DELETE";
            return Err(Fault::coded(Category::Invalid, "value", message).at(place("request.method")));
        }
    };
    if entry.method != Method::Delete {
        (entry.method, entry.url) = (Method::Put, key.clone());
    }
    // They were conditions of that time.
    (entry.if_match, entry.if_none_match, entry.if_none_exist) = (None, None, None);
    let first = *newest.entry(key).or_insert(index);
    entry.superseded = (first != index).then_some(first);
    Ok(())
}

fn structure(message: impl Into<String>, place: impl Into<String>) -> Fault {
    Fault::coded(Category::Invalid, "structure", message).at(place)
}

fn entry(item: Json, index: usize) -> Result<RequestEntry> {
    let place = |part: &str| format!("Bundle.entry[{index}]{part}");
    let Json::Object(mut item) = item else {
        return Err(structure(format!("an entry is an object, not {}", item.kind()), place("")));
    };
    for (name, _) in item.iter() {
        if !matches!(name.as_str(), "id" | "extension" | "modifierExtension" | "link" | "fullUrl" | "_fullUrl")
            && !matches!(name.as_str(), "resource" | "search" | "request" | "response")
        {
            return Err(structure(format!("unknown element \"{name}\""), place("")));
        }
    }
    let full_url = text(&item, "fullUrl", &place)?;
    if full_url.as_deref().is_some_and(|url| url.contains("/_history/")) {
        let message = "fullUrl is not the URL of a version (bdl-8)";
        return Err(Fault::coded(Category::Invalid, "invariant", message).at(place(".fullUrl")));
    }
    let resource = item.remove("resource");
    if let Some(other) = resource.as_ref().filter(|resource| resource.as_object().is_none()) {
        return Err(structure(format!("a resource is an object, not {}", other.kind()), place(".resource")));
    }
    let request = match item.get("request") {
        Some(Json::Object(request)) => request,
        Some(other) => return Err(structure(format!("request is an object, not {}", other.kind()), place(".request"))),
        None => {
            return Err(Fault::coded(Category::Invalid, "required", "the entry has no request").at(place(".request")));
        }
    };
    let place = |part: &str| format!("Bundle.entry[{index}].request{part}");
    let required = |name: &str| {
        let missing = || Fault::coded(Category::Invalid, "required", format!("the request has no {name}"));
        text(request, name, &place)?.ok_or_else(|| missing().at(place(&format!(".{name}"))))
    };
    let method = required("method")?;
    let method = Method::parse(&method).ok_or_else(|| {
        let message = "method is one of GET, HEAD, POST, PUT, DELETE, PATCH";
        Fault::coded(Category::Invalid, "value", message).at(place(".method"))
    })?;
    // The HAPI client leaves the url of a create out (`transaction().withResources(..)`): it can only be the type.
    let own_type = || resource.as_ref().filter(|_| method == Method::Post)?.get("resourceType")?.as_str();
    let url = match own_type() {
        Some(own_type) if request.get("url").is_none() => own_type.to_owned(),
        _ => required("url")?,
    };
    if resource.is_none()
        && matches!(method, Method::Post | Method::Put | Method::Patch)
        && !url.contains("_search")
        && !url.contains('$')
    {
        let message = "the entry has no resource, which POST, PUT and PATCH need";
        return Err(Fault::coded(Category::Invalid, "required", message).at(format!("Bundle.entry[{index}].resource")));
    }
    Ok(RequestEntry {
        full_url,
        method,
        url,
        resource,
        if_none_match: text(request, "ifNoneMatch", &place)?,
        if_modified_since: text(request, "ifModifiedSince", &place)?,
        if_match: text(request, "ifMatch", &place)?,
        if_none_exist: text(request, "ifNoneExist", &place)?,
        superseded: None,
        unreadable: None,
    })
}

fn text(object: &Object, name: &str, place: &dyn Fn(&str) -> String) -> Result<Option<String>> {
    match object.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.to_string())),
        Some(other) => Err(structure(format!("{name} is a string, not {}", other.kind()), place(&format!(".{name}")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::json::parse;

    fn read(text: &str) -> Result<RequestBundle> {
        read_request(parse(text.as_bytes()).expect("JSON"), 2)
    }

    #[test]
    fn reads_entries() {
        let bundle = read(
            r#"{"resourceType":"Bundle","type":"transaction","entry":[
                {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|b"}},
                {"request":{"method":"GET","url":"Patient/1"}}]}"#,
        )
        .expect("a bundle");
        assert_eq!(bundle.kind, BundleKind::Transaction);
        assert_eq!(bundle.entries[0].if_none_exist.as_deref(), Some("identifier=a|b"));
        assert_eq!(bundle.entries[1].method, Method::Get);
    }

    #[test]
    fn a_history_is_the_transaction_that_leads_to_it() {
        let text = r#"{"resourceType":"Bundle","type":"history","entry":[
            {"fullUrl":"http://h/Patient/a","request":{"method":"DELETE","url":"Patient/a"}},
            {"fullUrl":"http://h/Patient/b","resource":{"resourceType":"Patient","id":"b"},"request":{"method":"POST","url":"Patient","ifNoneExist":"x=y"}},
            {"fullUrl":"http://h/Patient/a","resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}}]}"#;
        let bundle = read_request(parse(text.as_bytes()).expect("JSON"), 9).expect("a history");
        let told: Vec<_> = bundle.entries.iter().map(|e| (e.method, e.url.as_str(), e.superseded)).collect();
        let expected = [
            (Method::Delete, "Patient/a", None),
            (Method::Put, "Patient/b", None),
            (Method::Put, "Patient/a", Some(0)),
        ];
        assert_eq!((bundle.kind, told.as_slice()), (BundleKind::Transaction, expected.as_slice()));
        assert_eq!(bundle.entries[1].if_none_exist, None);
        for (entry, place) in [
            (r#"{"request":{"method":"GET","url":"Patient/a"}}"#, "Bundle.entry[0].request.method"),
            (
                r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#,
                "Bundle.entry[0].resource.id",
            ),
        ] {
            let fault =
                read(&format!(r#"{{"resourceType":"Bundle","type":"history","entry":[{entry}]}}"#)).expect_err(entry);
            assert_eq!(fault.issues()[0].expression.as_deref(), Some(place), "{entry}");
        }
    }

    #[test]
    fn a_create_without_a_url_is_one_of_the_type() {
        let entry = |method: &str| {
            let resource = r#"{"resourceType":"Patient"}"#;
            let entry = format!(r#"{{"resource":{resource},"request":{{"method":"{method}"}}}}"#);
            read(&format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entry}]}}"#))
        };
        assert_eq!(entry("POST").expect("a bundle").entries[0].url, "Patient");
        let place = entry("PUT").expect_err("refused").issues()[0].expression.clone();
        assert_eq!(place.as_deref(), Some("Bundle.entry[0].request.url"));
    }

    #[test]
    fn names_the_place_of_what_is_wrong() {
        for (text, place) in [
            (r#"{"resourceType":"Patient"}"#, "resourceType"),
            (r#"{"resourceType":"Bundle"}"#, "Bundle.type"),
            (r#"{"resourceType":"Bundle","type":"document"}"#, "Bundle.type"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":[{},{},{}]}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"transaction","entry":[{}]}"#, "Bundle.entry[0].request"),
            (
                r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"http://h/Patient/1/_history/1"}]}"#,
                "Bundle.entry[0].fullUrl",
            ),
            (
                r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET"}}]}"#,
                "Bundle.entry[0].request.url",
            ),
            (
                r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"YELL","url":"x"}}]}"#,
                "Bundle.entry[0].request.method",
            ),
            (
                r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"x"}}]}"#,
                "Bundle.entry[0].resource",
            ),
            (
                r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":1}}]}"#,
                "Bundle.entry[0].request.url",
            ),
        ] {
            let fault = read(text).expect_err(text);
            assert_eq!(fault.issues()[0].expression.as_deref(), Some(place), "{text}");
        }
    }

    #[test]
    fn in_a_batch_a_bad_entry_fails_alone() {
        let bundle = read(
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"YELL","url":"x"}},
                {"request":{"method":"GET","url":"Patient/1"}}]}"#,
        )
        .expect("a bundle");
        let place = |entry: &RequestEntry| entry.unreadable.as_ref()?.issues()[0].expression.clone();
        assert_eq!(place(&bundle.entries[0]).as_deref(), Some("Bundle.entry[0].request.method"));
        assert_eq!((place(&bundle.entries[1]), &*bundle.entries[1].url), (None, "Patient/1"));
    }
}
