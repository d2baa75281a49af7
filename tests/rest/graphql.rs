//! `$graphql`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, on_both_databases};

fn put_all(client: &mut Client) {
    let patient = json!({"resourceType": "Patient", "id": "p", "active": true, "name": [{"use": "official", "family": "A"}, {"use": "usual"}],
        "generalPractitioner": [{"reference": "Practitioner/d"}, {"reference": "Practitioner/nobody", "display": "N"}]});
    client.put("Practitioner/d", &json!({"resourceType": "Practitioner", "id": "d", "gender": "male"})).expect(201);
    client.put("Patient/p", &patient).expect(201);
    for n in 0..5 {
        let observation = json!({"resourceType": "Observation", "id": format!("o{n}"), "status": if n == 0 { "preliminary" } else { "final" },
            "code": {"coding": [{"system": "urn:x", "code": format!("c{n}")}]}, "subject": {"reference": "Patient/p"}});
        client.put(&format!("Observation/o{n}"), &observation).expect(201);
    }
}

fn get(client: &mut Client, path: &str, query: &str) -> Answer {
    client.get(&format!("{path}$graphql?query={}", utf8_percent_encode(query, NON_ALPHANUMERIC)))
}

fn data(client: &mut Client, path: &str, query: &str) -> Value {
    let answer = get(client, path, query).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    answer.json()["data"].clone()
}

on_both_databases! {
    fn queries_are_answered_at_resources_and_the_system(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_all(&mut client);
        assert_eq!(data(&mut client, "Patient/p/", "{ id active name(use: official) { family } }"),
            json!({"id": "p", "active": true, "name": [{"family": "A"}]}));
        assert_eq!(data(&mut client, "Patient/p/", "{ generalPractitioner { display resource(optional: true) { ...on Practitioner { gender } } } }"),
            json!({"generalPractitioner": [{"resource": {"gender": "male"}}, {"display": "N"}]}));
        assert_eq!(data(&mut client, "", "{ Patient(id: p) { id } Practitioner(id: \"d\") { __typename } }"),
            json!({"Patient": {"id": "p"}, "Practitioner": {"__typename": "Practitioner"}}));
        assert_eq!(data(&mut client, "", r#"{ ObservationList(code: ["c1", "urn:x|c3"], _sort: "-_id") { id } }"#),
            json!({"ObservationList": [{"id": "o3"}, {"id": "o1"}]}));
        assert_eq!(data(&mut client, "Patient/p/", "{ ObservationList(_reference: patient, status: preliminary) { id } }"),
            json!({"ObservationList": [{"id": "o0"}]}));
        assert_eq!(data(&mut client, "", r#"{ ObservationList(_filter: "status eq preliminary") { subject { resource { ...on Patient { name @flatten { use } } } } } }"#),
            json!({"ObservationList": [{"subject": {"resource": {"use": ["official", "usual"]}}}]}));
        assert_eq!(data(&mut client, "Observation/o0/", "{ subject { reference resource { name(use: official) { family } } } }"),
            json!({"subject": {"reference": "Patient/p", "resource": {"name": [{"family": "A"}]}}}));
        assert_eq!(data(&mut client, "Observation/o0/", "{ subject { resource(type: Patient) { id } resource(type: Practitioner) { gender } } }"),
            json!({"subject": {"resource": {"id": "p"}}}));
        assert_eq!(data(&mut client, "Patient/p/", "{ __schema { queryType { name } } __type(name: \"Patient\") { name } }"),
            json!({"__schema": {"queryType": {"name": "Patient"}}, "__type": {"name": "Patient"}}));
        assert_eq!(data(&mut client, "", "{ __schema { queryType { name } } __type(name: \"Reference\") { kind } }"),
            json!({"__schema": {"queryType": {"name": "Query"}}, "__type": {"kind": "OBJECT"}}));
        // what was just written is seen
        client.put("Observation/o9", &json!({"resourceType": "Observation", "id": "o9", "status": "final", "code": {"text": "x"}})).expect(201);
        assert_eq!(data(&mut client, "", "{ ObservationConnection { count } }"), json!({"ObservationConnection": {"count": 6}}));
    }

    fn connections_have_pages(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_all(&mut client);
        let fields = "{ count offset pagesize edges { mode resource { id } } first previous next last }";
        let first = data(&mut client, "", &format!("{{ ObservationConnection(_count: 2, _sort: _id) {fields} }}"))["ObservationConnection"].clone();
        assert_eq!((&first["count"], &first["offset"], &first["pagesize"], &first["previous"]), (&json!(5), &json!(0), &json!(2), &Value::Null));
        assert_eq!(first["edges"], json!([{"mode": "match", "resource": {"id": "o0"}}, {"mode": "match", "resource": {"id": "o1"}}]));
        let follow = |client: &mut Client, page: &Value, link: &str| {
            let query = format!("query($c: String) {{ ObservationConnection(_cursor: $c) {fields} }}");
            let body = json!({"query": query, "variables": {"c": page[link]}});
            let answer = client.with_body("POST", "$graphql", &[("content-type", "application/json")], &body).expect(200);
            answer.json()["data"]["ObservationConnection"].clone()
        };
        let second = follow(&mut client, &first, "next");
        assert_eq!((&second["offset"], &second["edges"][0]["resource"]["id"]), (&json!(2), &json!("o2")));
        let last = follow(&mut client, &second, "last");
        assert_eq!((&last["offset"], &last["edges"][0]["resource"]["id"], &last["next"]), (&json!(4), &json!("o4"), &Value::Null));
        let back = follow(&mut client, &last, "previous");
        assert_eq!((&back["offset"], &back["edges"][0]["resource"]["id"]), (&json!(2), &json!("o2")));
        assert_eq!(follow(&mut client, &back, "first")["edges"], first["edges"]);
        // a page is of the type that was searched
        let query = format!("{{ PatientConnection(_cursor: {}) {{ edges {{ resource {{ id }} }} }} }}", first["next"]);
        let answer = get(&mut client, "", &query).expect(400).json();
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("none that PatientConnection gave"), "{answer}");
    }

    fn requests_come_in_every_form(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_all(&mut client);
        let expected = json!({"data": {"active": true}});
        let query = "query a($x: Boolean!) { active @include(if: $x) } query b { id }";
        let json_body = json!({"query": query, "operationName": "a", "variables": {"x": true}}).to_string();
        let form = format!("query={}&operationName=a&variables=%7B%22x%22%3Atrue%7D", utf8_percent_encode(query, NON_ALPHANUMERIC));
        let parameters = json!({"resourceType": "Parameters", "parameter": [{"name": "query", "valueString": "{active}"}]}).to_string();
        let in_url = "?operationName=a&variables=%7B%22x%22%3Atrue%7D";
        for (url, content_type, body) in [
            ("", "application/json", json_body.as_str()),
            (in_url, "application/graphql", query),
            ("", "application/x-www-form-urlencoded", form.as_str()),
            ("", "application/fhir+json", parameters.as_str()),
        ] {
            let target = format!("/fhir/Patient/p/$graphql{url}");
            let answer = client.send("POST", &target, &[("content-type", content_type)], body.as_bytes()).expect(200);
            assert_eq!(answer.json(), expected, "{content_type}");
        }
        assert_eq!(client.get(&format!("Patient/p/$graphql?{form}")).expect(200).json(), expected);
        let answer = client.send("POST", "/fhir/$graphql", &[("content-type", "text/plain")], b"{ id }").expect(415);
        assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("application/graphql"));
    }

    fn what_operations_answer_is_queried(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_all(&mut client);
        let over = |path: &str, query: &str| {
            let sign = if path.contains('?') { '&' } else { '?' };
            format!("{path}{sign}_graphql={}", utf8_percent_encode(query, NON_ALPHANUMERIC))
        };
        let validate = "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&system=http://hl7.org/fhir/administrative-gender&code=male";
        let answer = client.get(&over(validate, "{result:parameter(name:\"result\"){value:valueBoolean}}")).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(answer.json(), json!({"data": {"result": [{"value": true}]}}));
        let everything = over("Patient/p/$everything", "{ entry @flatten { resource @flatten { ...on Patient { name @first { family } } } } }");
        assert_eq!(client.get(&everything).expect(200).json(), json!({"data": {"name": [{"family": "A"}]}}));
        let body = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {"resourceType": "Patient", "gender": "x"}}]});
        let answer = client.post(&over("Patient/$validate", "{ issue { severity } }"), &body).expect(200).json();
        assert_eq!(answer["data"]["issue"][0], json!({"severity": "error"}), "{answer}");
        // a query that is wrong, and operations that fail, to which it is not put
        let answer = client.get(&over(validate, "{ nonsense }")).expect(400).json();
        assert_eq!(answer["errors"][0]["message"], "Parameters has no field nonsense");
        client.get(&over("Patient/nobody/$everything", "{ nonsense }")).expect_outcome(404);
        // one that cannot be read keeps the operation from doing anything
        let tag = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:t", "code": "a"}]}}]});
        client.post(&over("Patient/p/$meta-add", "{ parameter {"), &tag).expect(400);
        assert_eq!(client.count("Patient?_tag=urn:t|a"), 0);
        client.post(&over("Patient/p/$meta-add", "{ parameter { name } }"), &tag).expect(200);
        assert_eq!(client.count("Patient?_tag=urn:t|a"), 1);
        client.get(&over("ValueSet/$validate-code?nonsense=1", "{ id }")).expect_outcome(400);
    }

    fn errors_have_the_form_of_graphql_and_a_status(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put_all(&mut client);
        for (path, query, status, code, text) in [
            ("Patient/p/", "{ nonsense }", 400, "invalid", "Patient has no field nonsense"),
            ("Patient/p/", "{ name {", 400, "structure", "expected"),
            ("Patient/p/", "{ generalPractitioner { resource { id } } }", 400, "not-found", "leads to no resource"),
            ("Patient/nobody/", "{ id }", 404, "not-found", "Patient/nobody"),
            ("", "{ Patient(id: nobody) { id } }", 404, "not-found", "Patient/nobody"),
            ("", "{ PatientList(birthdate: nonsense) { id } }", 400, "value", "birthdate"),
            ("", "{ PatientConnection(_cursor: \"nonsense\") { count } }", 400, "invalid", "cursor"),
            ("Patient/p/", "query($x: Bogus!) { id }", 400, "invalid", "of the type Bogus"),
            ("Patient/p/", "query($x: Int = \"a\") { id }", 400, "invalid", "is no Int"),
            ("Patient/p/", "{ name(use: $x) { family } }", 400, "invalid", "$x is not defined"),
            ("", "mutation { PatientDelete(id: p) { id } }", 400, "not-supported", "mutations"),
        ] {
            let answer = get(&mut client, path, query).expect(status).json();
            let error = &answer["errors"][0];
            assert_eq!(answer["data"], Value::Null, "{answer}");
            assert!(error["message"].as_str().unwrap().contains(text), "{query}: {answer}");
            assert_eq!(error["extensions"]["resource"]["resourceType"], "OperationOutcome");
            let issue = &error["extensions"]["resource"]["issue"][0]["code"];
            assert!(issue == code || code == "value", "{query}: {answer}");
        }
        client.get("$graphql").expect(400);
        client.get("Patient/$graphql?query=%7Bid%7D").expect_outcome(400);
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "$graphql?query=%7Bid%7D"}}]});
        assert_eq!(client.post("", &batch).expect(200).json()["entry"][0]["response"]["status"], "400 Bad Request");
        let statement = client.get("metadata").expect(200).json();
        let of = |list: &Value| list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let rest = &statement["rest"][0];
        assert!(of(&rest["operation"]).contains(&"graphql".to_owned()) && of(&rest["operation"]).contains(&"viewdefinition-run".to_owned()));
        assert!(of(&rest["resource"][0]["operation"]).contains(&"graphql".to_owned()));
    }
}
