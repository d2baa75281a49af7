//! Bundles as requests: reading a batch or transaction (FHIR R4 `bundle.html`, `http.html` 3.1.0.11).

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
/// 413 for more than `most` entries. One bad entry fails the whole Bundle.
pub fn read_request(bundle: Json, most: usize) -> Result<RequestBundle> {
    let Json::Object(mut bundle) = bundle else {
        return Err(structure(format!("a Bundle is a JSON object, not {}", bundle.kind()), "Bundle"));
    };
    if bundle.get("resourceType").and_then(Json::as_str) != Some("Bundle") {
        return Err(structure("only a Bundle can be posted to the base URL", "resourceType"));
    }
    let kind = match bundle.get("type").and_then(Json::as_str) {
        Some("batch") => BundleKind::Batch,
        Some("transaction") => BundleKind::Transaction,
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            let message =
                format!("a Bundle of type \"{}\" cannot be posted; use batch or transaction", shown.escape_debug());
            return Err(Fault::coded(Category::Invalid, "not-supported", message).at("Bundle.type"));
        }
        None => return Err(Fault::coded(Category::Invalid, "required", "the Bundle has no type").at("Bundle.type")),
    };
    let items = match bundle.remove("entry") {
        None => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(other) => return Err(structure(format!("entry is an array, not {}", other.kind()), "Bundle.entry")),
    };
    if items.len() > most {
        let message = format!("the Bundle has {} entries; at most {most} are accepted", items.len());
        return Err(Fault::new(Category::TooLarge, message).at("Bundle.entry"));
    }
    let entries = items.into_iter().enumerate().map(|(i, item)| entry(item, i)).collect::<Result<_>>()?;
    Ok(RequestBundle { kind, entries })
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
    let url = required("url")?;
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
    fn names_the_place_of_what_is_wrong() {
        for (text, place) in [
            (r#"{"resourceType":"Patient"}"#, "resourceType"),
            (r#"{"resourceType":"Bundle"}"#, "Bundle.type"),
            (r#"{"resourceType":"Bundle","type":"document"}"#, "Bundle.type"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":[{},{},{}]}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":[{}]}"#, "Bundle.entry[0].request"),
            (
                r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET"}}]}"#,
                "Bundle.entry[0].request.url",
            ),
            (
                r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"YELL","url":"x"}}]}"#,
                "Bundle.entry[0].request.method",
            ),
            (
                r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"PUT","url":"x"}}]}"#,
                "Bundle.entry[0].resource",
            ),
            (
                r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"PUT","url":1}}]}"#,
                "Bundle.entry[0].request.url",
            ),
        ] {
            let fault = read(text).expect_err(text);
            assert_eq!(fault.issues()[0].expression.as_deref(), Some(place), "{text}");
        }
    }
}
