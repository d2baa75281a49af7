//! How what clients use looks on the wire: resources, changes, searches.

use serde_json::{Value, json};

use super::seen::{Content, Filter, Key, Kind, Order, Row, Search, Write};

const MARK: &str = "http://consistency/mark";
const BUSINESS: &str = "http://consistency/business";
const GROUP: &str = "http://consistency/group";

/// A resource.
pub fn resource(kind: Kind, id: Option<&str>, content: &Content) -> Value {
    let mut identifiers = vec![json!({"system": MARK, "value": content.mark.to_string()})];
    identifiers.extend(content.business.map(|n| json!({"system": BUSINESS, "value": n.to_string()})));
    let mut made = json!({"resourceType": kind.name(), "identifier": identifiers,
        "meta": {"tag": [{"system": GROUP, "code": content.group.to_string()}]}});
    if let Some(id) = id {
        made["id"] = json!(id);
    }
    match kind {
        Kind::Patient => made["multipleBirthInteger"] = json!(content.amount),
        Kind::Observation => {
            made["status"] = json!("final");
            made["code"] = json!({"text": "consistency"});
            made["valueInteger"] = json!(content.amount);
        }
    }
    if let Some(subject) = &content.subject {
        made["subject"] = json!({"reference": subject.to_string()});
    }
    made
}

/// What a resource says. Fails on one that no client made.
pub fn row(resource: &Value) -> Row {
    let key = Key::new(
        Kind::of(resource["resourceType"].as_str().unwrap()).unwrap(),
        resource["id"].as_str().unwrap().to_owned(),
    );
    let identifier = |system: &str| -> Option<u64> {
        let mut all = resource["identifier"].as_array().into_iter().flatten();
        all.find(|one| one["system"] == system)?["value"].as_str()?.parse().ok()
    };
    let amount = match key.kind {
        Kind::Patient => &resource["multipleBirthInteger"],
        Kind::Observation => &resource["valueInteger"],
    };
    let content = Content {
        mark: identifier(MARK).unwrap_or_else(|| panic!("no mark: {resource}")),
        group: resource["meta"]["tag"][0]["code"].as_str().and_then(|code| code.parse().ok()).unwrap(),
        amount: amount.as_i64().unwrap(),
        subject: resource["subject"]["reference"].as_str().and_then(Key::parse),
        business: identifier(BUSINESS),
    };
    let version = resource["meta"]["versionId"].as_str().unwrap().parse().unwrap();
    Row { key, version, content: Some(content) }
}

/// A change as a request: method, path below the base, condition in its header, body with its type.
#[derive(Debug)]
pub struct Request {
    /// `PUT` ...
    pub method: &'static str,
    /// `Patient/1` ...
    pub path: String,
    /// Name of the header, name in an entry of a Bundle, value.
    pub condition: Option<(&'static str, &'static str, String)>,
    /// The body.
    pub body: Option<Value>,
}

/// The request of a change.
pub fn request(write: &Write) -> Request {
    let business = |content: &Content| format!("identifier={BUSINESS}|{}", content.business.unwrap());
    let if_match = |version: &Option<u64>| version.map(|n| ("If-Match", "ifMatch", format!("W/\"{n}\"")));
    match write {
        Write::Create { kind, content } => Request {
            method: "POST",
            path: kind.name().to_owned(),
            condition: None,
            body: Some(resource(*kind, None, content)),
        },
        Write::CreateOn { kind, content } => Request {
            method: "POST",
            path: kind.name().to_owned(),
            condition: Some(("If-None-Exist", "ifNoneExist", business(content))),
            body: Some(resource(*kind, None, content)),
        },
        Write::PutOn { kind, content } => Request {
            method: "PUT",
            path: format!("{}?{}", kind.name(), business(content).replace('|', "%7C")),
            condition: None,
            body: Some(resource(*kind, None, content)),
        },
        Write::Put { key, content, if_match: version, only_new } => {
            let only_new = only_new.then(|| ("If-None-Match", "ifNoneMatch", "*".to_owned()));
            Request {
                method: "PUT",
                path: key.to_string(),
                condition: if_match(version).or(only_new),
                body: Some(resource(key.kind, Some(&key.id), content)),
            }
        }
        Write::Keep { key, content, if_match: version } => Request {
            method: "PUT",
            path: key.to_string(),
            condition: if_match(&Some(*version)),
            body: Some(resource(key.kind, Some(&key.id), content)),
        },
        Write::Patch { key, mark, group, if_match: version } => Request {
            method: "PATCH",
            path: key.to_string(),
            condition: if_match(version),
            body: Some(patch(key.kind, *mark, *group)),
        },
        Write::Delete { key, if_match: version } => {
            Request { method: "DELETE", path: key.to_string(), condition: if_match(version), body: None }
        }
    }
}

/// A FHIRPath Patch that sets mark and group.
fn patch(kind: Kind, mark: u64, group: u32) -> Value {
    let replace = |path: &str, name: &str, value: String| {
        json!({"name": "operation", "part": [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": format!("{}.{path}", kind.name())},
            {"name": "value", name: value}]})
    };
    json!({"resourceType": "Parameters", "parameter": [
        replace("identifier[0].value", "valueString", mark.to_string()),
        replace("meta.tag[0].code", "valueCode", group.to_string())]})
}

/// A transaction of changes and reads.
pub fn transaction(writes: &[Write], reads: &[Key]) -> Value {
    let changes = writes.iter().map(|write| {
        let request = request(write);
        let mut entry = json!({"request": {"method": request.method, "url": request.path}});
        if let Some((_, name, value)) = request.condition {
            entry["request"][name] = json!(value);
        }
        if let Some(body) = request.body {
            entry["resource"] = body;
        }
        entry
    });
    let reads = reads.iter().map(|key| json!({"request": {"method": "GET", "url": key.to_string()}}));
    let entries: Vec<Value> = changes.chain(reads).collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

/// The target of a search.
pub fn search(search: &Search) -> String {
    let mut parameters = vec![format!("_count={}", search.count)];
    match &search.filter {
        Filter::All => {}
        Filter::Group(group) => parameters.push(format!("_tag={GROUP}%7C{group}")),
        Filter::Mark(mark) => parameters.push(format!("identifier={MARK}%7C{mark}")),
        Filter::Business(business) => parameters.push(format!("identifier={BUSINESS}%7C{business}")),
        Filter::Subject(key) => parameters.push(format!("subject={key}")),
        Filter::SubjectGroup(group) => parameters.push(format!("subject:Patient._tag={GROUP}%7C{group}")),
    }
    match search.order {
        Order::Usual => {}
        Order::Id => parameters.push("_sort=_id".to_owned()),
        Order::IdDown => parameters.push("_sort=-_id".to_owned()),
        Order::Newest => parameters.push("_sort=-_lastUpdated".to_owned()),
    }
    if search.include {
        let name = if search.kind == Kind::Patient { "_revinclude" } else { "_include" };
        parameters.push(format!("{name}=Observation:subject"));
    }
    format!("/fhir/{}?{}", search.kind.name(), parameters.join("&"))
}

/// The target of a link of a Bundle.
pub fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().into_iter().flatten();
    let url = links.into_iter().find(|link| link["relation"] == relation)?["url"].as_str()?;
    Some(url[url.find("/fhir")?..].to_owned())
}

/// The version that an ETag names.
pub fn version(etag: &str) -> Option<u64> {
    etag.strip_prefix("W/\"")?.strip_suffix('"')?.parse().ok()
}
