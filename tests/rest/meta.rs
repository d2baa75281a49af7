//! `$meta`, `$meta-add`, `$meta-delete`, and `$convert`.

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_databases};

/// The meta that an operation answers.
fn returned(answer: &Value) -> &Value {
    assert_eq!(
        (&answer["resourceType"], &answer["parameter"][0]["name"]),
        (&json!("Parameters"), &json!("return")),
        "{answer}"
    );
    &answer["parameter"][0]["valueMeta"]
}

fn with(meta: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]})
}

/// The codes of the tags, sorted.
fn tags(meta: &Value) -> Vec<&str> {
    let mut codes: Vec<&str> =
        meta["tag"].as_array().into_iter().flatten().map(|tag| tag["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes
}

on_both_databases! {
    fn labels_are_added_and_taken_away(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = json!({"resourceType": "Patient", "id": "a", "meta": {"tag": [{"system": "http://t", "code": "current", "display": "Current"}]},
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}, "active": true});
        client.put("Patient/a", &patient).expect(201);
        let added = json!({"profile": ["http://p/1"], "security": [{"system": "http://s", "code": "R"}],
            "tag": [{"system": "http://t", "code": "current", "version": "2"}, {"system": "http://t", "code": "lost"}]});
        let answer = client.post("Patient/a/$meta-add", &with(added.clone())).expect(200);
        assert_eq!(answer.header("etag"), Some("W/\"2\""));
        let json = answer.json();
        let meta = returned(&json);
        assert_eq!((tags(meta), &meta["tag"][0]["display"], &meta["versionId"]), (vec!["current", "lost"], &json!("Current"), &json!("2")));
        assert_eq!((&meta["profile"], &meta["security"][0]["code"]), (&json!(["http://p/1"]), &json!("R")));
        let now = client.get("Patient/a").expect(200).json();
        assert_eq!((&now["meta"], &now["text"]["status"]), (meta, &json!("generated")), "the narrative stays");
        assert_eq!(client.count("Patient?_tag=http://t|lost"), 1);
        // Sets: what is there already makes no version.
        assert_eq!(client.post("Patient/a/$meta-add", &with(added)).expect(200).header("etag"), Some("W/\"2\""));
        assert_eq!(returned(&client.get("Patient/a/$meta").expect(200).json()), meta);
        assert_eq!(returned(&client.post("Patient/a/$meta", &json!({"resourceType": "Parameters"})).expect(200).json()), meta);
        let first = client.get("Patient/a/_history/1/$meta").expect(200).json();
        assert_eq!((tags(returned(&first)), &returned(&first)["versionId"]), (vec!["current"], &json!("1")));
        let gone = json!({"profile": ["http://p/1", "http://p/none"], "tag": [{"system": "http://t", "code": "current"}, {"code": "lost"}]});
        let left = client.post("Patient/a/$meta-delete", &with(gone)).expect(200).json();
        assert_eq!((tags(returned(&left)), returned(&left).get("profile")), (vec!["lost"], None));
        client.with_body("POST", "Patient/a/$meta-add", &[("If-Match", "W/\"1\"")], &with(json!({"tag": [{"code": "x"}]}))).expect_outcome(412);
        let xml = br#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="meta"/><valueMeta><tag><code value="x"/></tag></valueMeta></parameter></Parameters>"#;
        let answer = client.send("POST", "/fhir/Patient/a/$meta-add", &[("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+xml")], xml).expect(200);
        assert!(answer.text().contains("<code value=\"x\"/>") && answer.text().contains("<name value=\"return\"/>"), "{}", answer.text());
    }

    fn what_is_in_use_is_told(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let empty = client.get("Patient/$meta").expect(200).json();
        assert_eq!(returned(&empty)["extension"][0]["valueCode"], "not-applicable");
        let long = format!("http://profiles/{}", "a".repeat(300));
        for n in 0..40 {
            let meta = json!({"profile": [long, format!("http://p/{}", n % 3)], "tag": [{"system": "http://t", "code": format!("c{}", n % 5)},
                {"code": "plain"}, {"system": "http://only"}]});
            client.put(&format!("Patient/{n}"), &json!({"resourceType": "Patient", "id": n.to_string(), "meta": meta})).expect(201);
        }
        client.put("Patient/gone", &json!({"resourceType": "Patient", "id": "gone", "meta": {"tag": [{"code": "gone"}]}})).expect(201);
        client.delete("Patient/gone").expect(204);
        client.put("Group/1", &json!({"resourceType": "Group", "id": "1", "type": "person", "actual": true, "meta": {"security": [{"code": "R"}]}})).expect(201);
        let all = client.get("Patient/$meta").expect(200).json();
        let meta = returned(&all);
        assert_eq!((meta["profile"].as_array().unwrap().len(), meta["tag"].as_array().unwrap().len(), meta.get("security")), (4, 7, None), "{meta}");
        assert_eq!((meta.get("versionId"), meta.get("lastUpdated")), (None, None));
        let system = client.get("$meta").expect(200).json();
        assert_eq!((returned(&system)["tag"].as_array().unwrap().len(), &returned(&system)["security"][0]["code"]), (7, &json!("R")));
        for (method, path, status) in [("GET", "Patient/none/$meta", 404), ("GET", "Patient/gone/$meta", 410), ("GET", "Patient/1/_history/9/$meta", 404),
            ("GET", "Patient/1/_history/x/$meta", 404), ("GET", "Patient/$meta?x=1", 400), ("GET", "Patient/1/$meta-add", 405),
            ("POST", "Patient/$meta-add", 400), ("POST", "Patient/1/$meta-add", 400), ("POST", "Patient/1/_history/1/$meta-add", 400)] {
            client.send(method, &format!("/fhir/{path}"), &[("Content-Type", "application/fhir+json")], b"").expect_outcome(status);
        }
        for body in [json!({"resourceType": "Patient"}), with(json!({"source": "x"})), json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueString": "x"}]}),
            json!({"resourceType": "Parameters", "parameter": [{"name": "other", "valueMeta": {"tag": [{"code": "x"}]}}]})] {
            client.post("Patient/1/$meta-add", &body).expect_outcome(400);
        }
        client.post("Patient/none/$meta-add", &with(json!({"tag": [{"code": "x"}]}))).expect_outcome(404);
        client.post("Patient/gone/$meta-add", &with(json!({"tag": [{"code": "x"}]}))).expect_outcome(410);
    }

    fn labels_change_in_bundles_and_at_the_same_time(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/a", &json!({"resourceType": "Patient", "id": "a"})).expect(201);
        std::thread::scope(|scope| {
            for n in 0..16 {
                let mut client = app.client();
                scope.spawn(move || {
                    client.post("Patient/a/$meta-add", &with(json!({"tag": [{"code": format!("t{n}")}]}))).expect(200);
                });
            }
        });
        assert_eq!(tags(returned(&client.get("Patient/a/$meta").expect(200).json())).len(), 16, "none is lost");
        let entry = |name: &str, code: &str| json!({"request": {"method": "POST", "url": format!("Patient/a/${name}")}, "resource": with(json!({"tag": [{"code": code}]}))});
        let bundle = |kind: &str, entries: Value| json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        let read = json!({"request": {"method": "GET", "url": "Patient/a/$meta"}});
        let answer = client.post("", &bundle("transaction", json!([entry("meta-add", "in"), read]))).expect(200).json();
        for at in 0..2 {
            let meta = returned(&answer["entry"][at]["resource"]);
            assert!(tags(meta).contains(&"in") && meta["versionId"] == "18", "{answer}");
        }
        let failing = json!({"request": {"method": "PUT", "url": "Patient/b"}, "resource": {"resourceType": "Patient", "id": "c"}});
        client.post("", &bundle("transaction", json!([entry("meta-add", "never"), failing]))).expect_outcome(400);
        let answer = client.post("", &bundle("batch", json!([entry("meta-delete", "in"), failing]))).expect(200).json();
        assert!(!tags(returned(&answer["entry"][0]["resource"])).contains(&"in"), "{answer}");
        let now = client.get("Patient/a").expect(200).json();
        assert_eq!((tags(&now["meta"]).len(), &now["meta"]["versionId"]), (16, &json!("19")));
    }

    fn formats_are_converted(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let xml = br#"<Patient xmlns="http://hl7.org/fhir"><id value="example"/><active value="true"/><name><given value="a"/><given value="b"><extension url="http://x"><valueDecimal value="1.50"/></extension></given></name></Patient>"#;
        let json = client.send("POST", "/fhir/$convert", &[("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")], xml).expect(200);
        let kind = |answer: &crate::support::Answer| answer.header("content-type").unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(kind(&json), "application/fhir+json");
        assert!(json.text().contains("1.50"), "{}", json.text());
        assert_eq!(json.json()["name"][0]["_given"][1]["extension"][0]["url"], "http://x");
        let back = client.send("POST", "/fhir/$convert?_format=xml", &[("Content-Type", "application/fhir+json")], json.text().as_bytes()).expect(200);
        assert_eq!((kind(&back).as_str(), back.text().ends_with(std::str::from_utf8(xml).unwrap())), ("application/fhir+xml", true), "{}", back.text());
        assert_eq!(client.count("Patient"), 0, "nothing is stored");
        let input = json!({"resourceType": "Parameters", "parameter": [{"name": "input", "resource": json.json()}]});
        assert_eq!(client.post("$convert", &input).expect(200).json(), json.json());
        let parameters = json!({"resourceType": "Parameters", "parameter": [{"name": "x", "valueCode": "y"}]});
        assert_eq!(client.post("$convert", &parameters).expect(200).json(), parameters);
        client.post("$convert", &json!({"resourceType": "Patient", "nonsense": true})).expect_outcome(400);
        client.post("$convert", &json!({"no": "resource"})).expect_outcome(400);
        client.send("POST", "/fhir/$convert", &[("Content-Type", "application/fhir+json")], b"").expect_outcome(400);
        client.get("$convert").expect_outcome(405);
        client.post("Patient/$convert", &parameters).expect_outcome(400);
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "POST", "url": "$convert"}, "resource": parameters}]});
        assert_eq!(client.post("", &batch).expect(200).json()["entry"][0]["resource"], parameters);
    }
}
