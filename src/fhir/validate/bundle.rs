//! Rules of Bundles beyond their invariants (FHIR R4 `bundle.html#bundle-unique`, `#references`).

use hashbrown::HashSet;

use super::entries::Literal;
use super::linked;
use super::state::{Check, shown};
use crate::fhir::json::Json;
use crate::fhir::path::Path;

/// Checks the `fullUrl` of each entry: whether it must be there, and whether it agrees with the resource's id.
pub fn check(check: &mut Check<'_, '_>, bundle: &Json, path: &Path) {
    let kind = bundle.get("type").and_then(Json::as_str).unwrap_or("");
    let may_lack = matches!(kind, "batch" | "transaction" | "batch-response" | "transaction-response" | "history");
    let entries = path.child("entry");
    if check.options.is_thorough {
        links(check, bundle, kind, path);
        if kind == "document" {
            document(check, bundle, &entries.item(0));
            linked::check(check, bundle, &entries);
        }
    }
    for (n, entry) in bundle.get("entry").and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
        let place = entries.item(n);
        let Some(resource) = entry.get("resource") else {
            if let Some(url) = entry.get("fullUrl").and_then(Json::as_str).filter(|url| !url.contains(':')) {
                check.fail(
                    "value",
                    || format!("a fullUrl must be absolute, not {}", shown(url)),
                    &place.child("fullUrl"),
                );
            }
            continue;
        };
        searched(check, kind, entry, resource, &place);
        let Some(url) = entry.get("fullUrl").and_then(Json::as_str) else {
            if !may_lack && entry.get("fullUrl").is_none() && entry.get("_fullUrl").is_none() {
                let text = || format!("an entry of a {} must have a fullUrl", shown(kind));
                check.fail("required", text, &place);
            }
            continue;
        };
        let text = |name: &str| resource.get(name).and_then(Json::as_str);
        if !url.contains(':') {
            check.fail("value", || format!("a fullUrl must be absolute, not {}", shown(url)), &place.child("fullUrl"));
        }
        let Some(literal) = Literal::parse(url).filter(|literal| !literal.base.is_empty()) else { continue };
        let (Some(kind), id) = (text("resourceType"), text("id").unwrap_or("")) else { continue };
        if literal.kind.name() != kind || literal.id != id {
            let message = || {
                format!(
                    "the fullUrl {} must end with the type and id of its resource: {kind}/{}",
                    shown(url),
                    shown(id)
                )
            };
            let part = if literal.kind.name() == kind { ".id" } else { "" };
            let other = || vec![format!("{place}.resource{part}")];
            check.fail_of_several("value", message, &place.child("fullUrl"), other);
        }
    }
}

/// The links of pages are for searches and histories; each relation stands once.
fn links(check: &mut Check<'_, '_>, bundle: &Json, kind: &str, path: &Path) {
    let has_pages = matches!(kind, "searchset" | "history");
    let mut seen = HashSet::new();
    let all = path.child("link");
    for (n, link) in list(bundle, "link").iter().enumerate() {
        let Some(relation) = link.get("relation").and_then(Json::as_str) else { continue };
        let place = all.item(n);
        let is_page = matches!(relation, "first" | "previous" | "next" | "last");
        if is_page && !has_pages && !kind.is_empty() {
            check.fail("value", || format!("a {} has no page {relation}", shown(kind)), &place.child("relation"));
        }
        if (is_page || relation == "self") && !seen.insert(relation) {
            check.fail("value", || format!("another link has the relation {relation}"), &place.child("relation"));
        }
    }
}

/// What a search has found is on a server, and has an id; its outcome is an OperationOutcome.
fn searched(check: &mut Check<'_, '_>, kind: &str, entry: &Json, resource: &Json, path: &Path) {
    let mode = entry.get("search").and_then(|search| search.get("mode")).and_then(Json::as_str);
    let Some(mode) = mode.filter(|_| kind == "searchset" && check.options.is_thorough) else { return };
    let place = path.child("resource");
    if mode == "outcome" {
        if resource.get("resourceType").and_then(Json::as_str) != Some("OperationOutcome") {
            check.fail("value", || "the outcome of a search is an OperationOutcome".to_owned(), &place);
        }
    } else if resource.get("id").is_none() {
        check.fail("required", || "what a search has found must have an id".to_owned(), &place.child("id"));
    }
}

/// What the Composition of a document refers to is in the document (FHIR R4 `documents.html#content`).
fn document(check: &mut Check<'_, '_>, bundle: &Json, path: &Path) {
    let first = bundle.get("entry").and_then(Json::as_array).and_then(|entries| entries.first());
    let Some((entry, composition)) = first.and_then(|entry| Some((entry, entry.get("resource")?))) else { return };
    let full_url = entry.get("fullUrl").and_then(Json::as_str);
    let place = path.child("resource");
    for name in ["subject", "author", "custodian"] {
        present(check, composition.get(name), full_url, &place.child(name));
    }
    let attesters = place.child("attester");
    for (n, attester) in list(composition, "attester").iter().enumerate() {
        present(check, attester.get("party"), full_url, &attesters.item(n).child("party"));
    }
    let events = place.child("event");
    for (n, event) in list(composition, "event").iter().enumerate() {
        present(check, event.get("detail"), full_url, &events.item(n).child("detail"));
    }
    sections(check, composition, full_url, &place);
}

fn sections(check: &mut Check<'_, '_>, owner: &Json, full_url: Option<&str>, path: &Path) {
    let all = path.child("section");
    for (n, section) in list(owner, "section").iter().enumerate() {
        let place = all.item(n);
        present(check, section.get("entry"), full_url, &place.child("entry"));
        sections(check, section, full_url, &place);
    }
}

/// Each of one or more references leads to an entry.
fn present(check: &mut Check<'_, '_>, references: Option<&Json>, full_url: Option<&str>, path: &Path) {
    let Some(references) = references else { return };
    let single = std::slice::from_ref(references);
    for (n, one) in references.as_array().unwrap_or(single).iter().enumerate() {
        let Some(text) = one.get("reference").and_then(Json::as_str).filter(|text| !text.starts_with('#')) else {
            continue;
        };
        if check.bundle.is_some_and(|index| index.find(text, full_url).is_none()) {
            let place = if references.as_array().is_some() { path.item(n) } else { *path };
            check.fail("not-found", || format!("{} is not in the document", shown(text)), &place);
        }
    }
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}
