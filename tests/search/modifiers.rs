//! `:text`, `:of-type`, `:below` and `:above`: what is found, held against a reading of the raw JSON.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, on_both_databases};

/// The ids of what a search finds, sorted.
pub fn found(client: &mut Client, search: &str) -> Vec<String> {
    let separator = if search.contains('?') { '&' } else { '?' };
    let answer = client.get(&format!("{search}{separator}_count=1000")).expect(200).json();
    let ids = answer["entry"].as_array().into_iter().flatten().filter(|e| e["search"]["mode"] == "match");
    let mut ids: Vec<String> = ids.map(|e| e["resource"]["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(answer["total"], ids.len(), "{search}");
    ids.sort();
    ids
}

/// The ids of the resources of a type that pass, sorted.
fn those(all: &[Value], kind: &str, passes: impl Fn(&Value) -> bool) -> Vec<String> {
    let ids = all.iter().filter(|json| json["resourceType"] == kind && passes(json));
    let mut ids: Vec<String> = ids.map(|json| json["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Puts resources one by one.
pub fn put(client: &mut Client, all: &[Value]) {
    for json in all {
        let path = format!("{}/{}", json["resourceType"].as_str().unwrap(), json["id"].as_str().unwrap());
        client.put(&path, json).expect(201);
    }
}

fn list<'a>(json: &'a Value, name: &str) -> Vec<&'a Value> {
    json[name].as_array().into_iter().flatten().collect()
}

fn conditions() -> Vec<Value> {
    let texts = ["Headache", "Chronic headache", "Cluster-Headache (finding)", "Bauchschmerz", "Rückenschmerz", ""];
    let mut all = Vec::new();
    for n in 0..24 {
        let display = texts[n % 6];
        let text = texts[n / 6 + 1];
        let mut code = json!({});
        if !display.is_empty() {
            code["coding"] =
                json!([{"system": "http://s", "code": format!("c{n}"), "display": display}, {"code": "x"}]);
        }
        if n.is_multiple_of(2) {
            code["text"] = json!(text);
        }
        if code != json!({}) {
            all.push(json!({"resourceType": "Condition", "id": format!("c{n}"), "code": code,
                "subject": {"reference": "Patient/p1"}}));
        }
    }
    all
}

/// The words of the texts of a concept, in lowercase without accents, each with all that follows it.
fn tails(concept: &Value) -> Vec<String> {
    let displays = list(concept, "coding").into_iter().filter_map(|c| c["display"].as_str());
    let texts = displays.chain(concept["text"].as_str());
    let mut tails = Vec::new();
    for text in texts {
        let text = text.to_lowercase().replace('ü', "u");
        for (at, _) in text.match_indices(|_: char| true) {
            if at == 0 || " (-".contains(&text[at - 1..at]) || !text[at..].starts_with(|c: char| c.is_alphanumeric()) {
                tails.push(text[at..].to_owned());
            }
        }
    }
    tails
}

fn patients() -> Vec<Value> {
    (0..12)
        .map(|n| {
            let kind = match n % 4 {
                0 => json!({"coding": [{"system": "http://t", "code": "MR"}], "text": "Medical record number"}),
                1 => json!({"coding": [{"system": "http://t", "code": "SS"}, {"system": "http://u", "code": "MR"}]}),
                2 => json!({"coding": [{"code": "MR"}]}),
                _ => json!({"text": "Other number"}),
            };
            json!({"resourceType": "Patient", "id": format!("p{n}"), "identifier": [
            {"type": kind, "system": "http://ids", "value": format!("{}", n % 3)},
            {"type": {"coding": [{"system": "http://t", "code": "MR"}]}, "value": format!("v{n}")},
            {"value": "0"}]})
        })
        .collect()
}

on_both_databases! {
    fn texts_of_tokens_are_found(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut all = patients();
        all.extend(conditions());
        put(&mut client, &all);
        for part in ["headache", "HEAD", "ache", "(finding", "chronic headache", "finding)", "ruck", "r\u{fc}ck", "x", "schmerz", "b"] {
            let folded = part.to_lowercase().replace('ü', "u");
            let expected = those(&all, "Condition", |json| tails(&json["code"]).iter().any(|tail| tail.starts_with(&folded)));
            let asked = part.replace(' ', "%20").replace('ü', "%C3%BC");
            assert_eq!(found(&mut client, &format!("Condition?code:text={asked}")), expected, "{part}");
        }
        let both = found(&mut client, "Condition?code:text=chronic,bauch");
        assert_eq!(both, those(&all, "Condition", |json| tails(&json["code"]).iter().any(|t| t.starts_with("chronic") || t.starts_with("bauch"))));
        let numbers = found(&mut client, "Patient?identifier:text=number");
        assert_eq!(numbers, those(&all, "Patient", |json| list(json, "identifier").iter().any(|i| i["type"]["text"].is_string())));
        assert!(!numbers.is_empty() && !both.is_empty());
        for bad in ["Patient?gender:text=male", "Patient?birthdate:text=2000", "Patient?gender:of-type=a%7Cb%7Cc", "Condition?code:in=x", "Condition?code:below=x"] {
            client.get(bad).expect_outcome(400);
        }
    }

    fn identifiers_are_found_by_type(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let all = patients();
        put(&mut client, &all);
        let mut some = 0;
        for (system, code, value) in [("http://t", "MR", "0"), ("http://t", "MR", "v3"), ("http://u", "MR", "1"), ("http://t", "SS", "2"),
            ("http://t", "XX", "0"), ("http://u", "SS", "1"), ("http://t", "mr", "0")] {
            let expected = those(&all, "Patient", |json| list(json, "identifier").iter().any(|identifier| {
                identifier["value"] == value && list(&identifier["type"], "coding").iter().any(|c| c["system"] == system && c["code"] == code)
            }));
            some += expected.len();
            let asked = format!("Patient?identifier:of-type={system}%7C{code}%7C{value}");
            assert_eq!(found(&mut client, &asked), expected, "{asked}");
        }
        assert!(some > 3, "{some}");
        for bad in ["http://t%7CMR", "http://t%7C%7C1", "%7CMR%7C1", "http://t%7CMR%7C"] {
            client.get(&format!("Patient?identifier:of-type={bad}")).expect_outcome(400);
        }
    }

    fn urls_have_a_hierarchy(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let urls = ["http://acme.org/fhir/ValueSet/123", "http://acme.org/fhir/ValueSet/1234", "http://acme.org/fhir/",
            "http://acme.org/fhir/ValueSet/123/_history/5", "http://other.org/fhir/ValueSet/123", "urn:oid:1.2.3"];
        let all: Vec<Value> = urls.iter().enumerate().map(|(n, url)|
            json!({"resourceType": "ValueSet", "id": format!("v{n}"), "status": "active", "url": url})).collect();
        put(&mut client, &all);
        let url = |json: &Value| json["url"].as_str().unwrap().to_owned();
        for below in ["http://acme.org/fhir/", "http://acme.org/fhir/ValueSet/123", "http://", "http://none.org"] {
            let expected = those(&all, "ValueSet", |json| url(json).starts_with(below));
            assert_eq!(found(&mut client, &format!("ValueSet?url:below={below}")), expected, "{below}");
        }
        for above in ["http://acme.org/fhir/ValueSet/123/_history/5", "http://acme.org/fhir/ValueSet/1234", "http://acme.org/"] {
            let expected = those(&all, "ValueSet", |json| {
                let url = url(json);
                above.strip_prefix(&url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || url.ends_with('/'))
            });
            assert_eq!(found(&mut client, &format!("ValueSet?url:above={above}")), expected, "{above}");
        }
        client.get("ValueSet?url:below=urn:oid:1.2").expect_outcome(400);
        client.get("ValueSet?name:below=x").expect_outcome(400);
    }

    fn places_have_a_hierarchy(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        // 1 <- 2 <- 3, 1 <- 4, and 5 <-> 6 in a circle
        let parents = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 6), (6, 5)];
        let mut all = Vec::new();
        for (n, parent) in parents {
            let mut location = json!({"resourceType": "Location", "id": format!("l{n}")});
            if parent > 0 {
                location["partOf"] = json!({"reference": format!("Location/l{parent}")});
            }
            all.push(location);
            all.push(json!({"resourceType": "Procedure", "id": format!("p{n}"), "status": "completed", "subject": {"reference": "Patient/x"},
                "location": {"reference": format!("Location/l{n}")}}));
        }
        put(&mut client, &all);
        let ids = |numbers: &[u8]| numbers.iter().map(|n| format!("p{n}")).collect::<Vec<_>>();
        for (asked, expected) in [("location:below=l1", ids(&[1, 2, 3, 4])), ("location:below=Location/l2", ids(&[2, 3])),
            ("location:above=l3", ids(&[1, 2, 3])), ("location:below=l5", ids(&[5, 6])), ("location:above=l4,l5", ids(&[1, 4, 5, 6])),
            ("location:below=none", ids(&[])), ("location=l1", ids(&[1]))] {
            assert_eq!(found(&mut client, &format!("Procedure?{asked}")), expected, "{asked}");
        }
        assert_eq!(found(&mut client, "Location?partof:below=l1"), ["l2", "l3", "l4"]);
        client.get("Procedure?subject:below=Patient/x").expect_outcome(400);
    }
}
