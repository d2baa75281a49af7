//! XML in and out, in every interaction, and which format is answered.

use serde_json::json;

use super::patient;
use crate::support::{Answer, Client, TestApp, on_both_databases};

const SEND: (&str, &str) = ("Content-Type", "application/fhir+xml");
const WANT: (&str, &str) = ("Accept", "application/fhir+xml");
const XML: &str = "application/fhir+xml; charset=utf-8";
const JSON: &str = "application/fhir+json; charset=utf-8";

/// Fails unless the answer is XML whose root is `root`.
#[track_caller]
fn is_xml(answer: &Answer, root: &str) -> String {
    assert_eq!(answer.header("content-type"), Some(XML), "{}", answer.text());
    let text = answer.text();
    let head = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root} xmlns=\"http://hl7.org/fhir\">");
    assert!(text.starts_with(&head), "{text}");
    text
}

fn person(id: &str, family: &str) -> String {
    format!(
        "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"{id}\"/><text><status value=\"generated\"/>\
         <div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{family}</p></div></text>\
         <name><family value=\"{family}\"/></name></Patient>"
    )
}

fn put(client: &mut Client, id: &str, family: &str) -> Answer {
    client.send("PUT", &format!("/fhir/Patient/{id}"), &[SEND, WANT], person(id, family).as_bytes())
}

on_both_databases! {
    fn every_interaction_in_xml(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let created = put(&mut client, "a", "Ärm").expect(201);
        let text = is_xml(&created, "Patient");
        assert!(text.contains("<meta><versionId value=\"1\"/><lastUpdated value=\"20") && text.contains("<p>Ärm</p>"), "{text}");
        put(&mut client, "a", "Two").expect(200);
        let posted = client.send("POST", "/fhir/Patient", &[SEND], person("x", "Posted").as_bytes()).expect(201);
        assert_eq!(posted.header("content-type"), Some(JSON), "the format of the body is not that of the answer");
        let ask = |client: &mut Client, path: &str| client.send("GET", &format!("/fhir/{path}"), &[WANT], &[]);
        assert!(is_xml(&ask(&mut client, "Patient/a").expect(200), "Patient").contains("value=\"Two\""));
        let old = ask(&mut client, "Patient/a/_history/1").expect(200);
        assert_eq!((old.header("etag"), old.text().contains("Ärm")), (Some("W/\"1\""), true));
        let history = is_xml(&ask(&mut client, "Patient/a/_history").expect(200), "Bundle");
        assert_eq!(history.matches("<resource><Patient>").count(), 2, "{history}");
        let found = is_xml(&ask(&mut client, "Patient?family=two").expect(200), "Bundle");
        assert!(found.contains("<total value=\"1\"/>") && found.contains("<mode value=\"match\"/>"), "{found}");
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let found = client.send("POST", "/fhir/Patient/_search", &form, b"family=two&_format=xml").expect(200);
        assert!(is_xml(&found, "Bundle").contains("_format=xml"), "links keep the format");
        is_xml(&ask(&mut client, "metadata").expect(200), "CapabilityStatement");
        is_xml(&client.send("DELETE", "/fhir/Patient/a", &[WANT, ("Prefer", "return=OperationOutcome")], &[]).expect(200), "OperationOutcome");
        is_xml(&ask(&mut client, "Patient/a").expect(410), "OperationOutcome");
    }

    fn a_transaction_in_xml(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let patient = person("x", "Bundled").replace(" xmlns=\"http://hl7.org/fhir\"", "");
        let bundle = format!(
            "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"transaction\"/>\
             <entry><fullUrl value=\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\"/><resource>{patient}</resource>\
             <request><method value=\"POST\"/><url value=\"Patient\"/></request></entry>\
             <entry><resource><Observation><status value=\"final\"/><code><text value=\"c\"/></code>\
             <subject><reference value=\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\"/></subject>\
             <valueQuantity><value value=\"1.00\"/></valueQuantity></Observation></resource>\
             <request><method value=\"POST\"/><url value=\"Observation\"/></request></entry></Bundle>"
        );
        let answer = client.send("POST", "/fhir", &[SEND, WANT], bundle.as_bytes()).expect(200);
        let text = is_xml(&answer, "Bundle");
        assert_eq!(text.matches("<status value=\"201 Created\"/>").count(), 2, "{text}");
        let (found, _) = client.search_all("Observation?subject:Patient.family=bundled");
        assert!(found.len() == 1 && client.get("Observation").text().contains("\"value\":1.00"), "{found:?}");
        let wrong = bundle.replace("\"POST\"", "\"YELL\"");
        let place = "<expression value=\"Bundle.entry[0].request.method\"/>";
        let refused = client.send("POST", "/fhir", &[SEND, WANT], wrong.as_bytes()).expect(400);
        assert!(is_xml(&refused, "OperationOutcome").contains(place));
        let batch = wrong.replace("\"transaction\"", "\"batch\"");
        let answer = client.send("POST", "/fhir", &[SEND, WANT], batch.as_bytes()).expect(200);
        let text = is_xml(&answer, "Bundle");
        assert!(text.contains(place) && text.matches("<status value=\"400 Bad Request\"/>").count() == 2, "{text}");
    }

    fn what_is_written_in_one_format_is_read_in_the_other(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let json = json!({"resourceType": "Patient", "id": "p",
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">a &lt; b<br/></div>"},
            "name": [{"given": ["A", null, "C"], "_given": [null, {"id": "g", "extension": [{"url": "http://x", "valueString": "B"}]}, null]}],
            "birthDate": "1970-03-30",
            "_birthDate": {"id": "b", "extension": [{"url": "http://x", "valueString": "Easter"}]}});
        client.put("Patient/p", &json).expect(201);
        let xml = client.send("GET", "/fhir/Patient/p?_format=xml", &[], &[]).expect(200);
        let pretty = client.send("GET", "/fhir/Patient/p?_format=xml&_pretty=true", &[], &[]).expect(200).text();
        assert!(pretty.contains("\n  <birthDate value=\"1970-03-30\" id=\"b\">\n    <extension"), "{pretty}");
        for body in [xml.text(), pretty] {
            let again = client.send("PUT", "/fhir/Patient/p", &[SEND], body.as_bytes()).expect(200);
            assert_eq!(again.header("etag"), Some("W/\"1\""), "nothing has changed: {}", again.text());
        }
    }

    fn the_format_is_negotiated(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        for (accept, query, content_type) in [
            ("", "", JSON),
            ("*/*", "", JSON),
            ("application/fhir+xml", "", XML),
            ("application/fhir+xml;q=0.3, application/fhir+json;q=0.2", "", XML),
            ("application/fhir+xml;q=0.2, application/fhir+json;q=0.3", "", JSON),
            ("application/xml", "", "application/xml; charset=utf-8"),
            ("text/xml", "", "text/xml; charset=utf-8"),
            ("application/json", "", "application/json; charset=utf-8"),
            ("application/xml+fhir", "", "application/xml+fhir; charset=utf-8"),
            ("application/fhir+json", "?_format=xml", XML),
            ("application/fhir+json", "?_format=text/xml", XML),
            ("application/fhir+json", "?_format=application/fhir+xml", XML),
            ("application/fhir+xml", "?_format=json", JSON),
            ("text/html", "?_format=application/json", JSON),
        ] {
            let headers: Vec<_> = (!accept.is_empty()).then_some(("Accept", accept)).into_iter().collect();
            let answer = client.send("GET", &format!("/fhir/Patient/p{query}"), &headers, &[]).expect(200);
            assert_eq!(answer.header("content-type"), Some(content_type), "{accept} {query}");
            let head = client.send("HEAD", &format!("/fhir/Patient/p{query}"), &headers, &[]).expect(200);
            assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
        }
        for (accept, query) in [("text/html", ""), ("application/fhir+turtle", ""), ("*/*", "?_format=ttl"), ("application/fhir+xml;fhirVersion=3.0", "")] {
            client.send("GET", &format!("/fhir/Patient/p{query}"), &[("Accept", accept)], &[]).expect_outcome(406);
        }
        for kind in ["application/fhir+turtle", "application/fhir+xml; charset=iso-8859-1", "text/plain"] {
            let refused = client.send("PUT", "/fhir/Patient/q", &[("Content-Type", kind), WANT], person("q", "x").as_bytes());
            is_xml(&refused.expect(415), "OperationOutcome");
        }
    }

    fn errors_are_xml_where_xml_was_asked_for(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for (method, path, status) in [
            ("GET", "Nonsense/1", 404),
            ("GET", "Patient/none", 404),
            ("GET", "Patient/a_b", 400),
            ("GET", "Patient?name:nonsense=x", 400),
            ("PATCH", "metadata", 405),
            ("GET", "Patient?_pretty=maybe", 400),
            ("POST", "Patient", 400),
        ] {
            let refused = client.send(method, &format!("/fhir/{path}"), &[WANT], &[]).expect(status);
            let text = is_xml(&refused, "OperationOutcome");
            assert!(text.contains("<severity value=\"error\"/>") && text.contains("<diagnostics value=\""), "{text}");
            let joint = if path.contains('?') { '&' } else { '?' };
            is_xml(&client.send(method, &format!("/fhir/{path}{joint}_format=xml"), &[], &[]).expect(status), "OperationOutcome");
        }
        is_xml(&client.send("GET", "/elsewhere", &[WANT], &[]).expect(404), "OperationOutcome");
    }

    fn bad_xml_is_refused_with_its_place(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let good = person("p", "x");
        for (from, to, part) in [
            ("<name>", "<!DOCTYPE x><name>", "a DTD is not allowed (line 1, column"),
            ("<name>", "<nome>", "unknown element \"nome\""),
            ("<family ", "<family x=\"1\" ", "unknown attribute \"x\""),
            ("<family value=\"x\"/>", "<family value=\"\"/>", "must not be empty"),
            ("<family value=\"x\"/>", "<given value=\"a\"/><family value=\"x\"/>", "family must stand before given"),
            ("</Patient>", "", "ends inside"),
            ("<p>x</p>", "<p>&nbsp;</p>", "an entity that XML does not define"),
            ("xmlns=\"http://hl7.org/fhir\"", "", "must be in the namespace"),
            ("<family value=\"x\"/>", "<period><start value=\"2000-13\"/></period>", "must be a date"),
        ] {
            let body = good.replacen(from, to, 1);
            assert_ne!(body, good);
            let outcome = client.send("PUT", "/fhir/Patient/p", &[SEND], body.as_bytes()).expect_outcome(400);
            assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains(part), "{outcome}");
        }
        let laughs = format!("<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"{}\">]>{good}", "&b;".repeat(1000));
        client.send("PUT", "/fhir/Patient/p", &[SEND], laughs.as_bytes()).expect_outcome(400);
        client.with_body("PUT", "Patient/p", &[], &patient("x")).expect_outcome(400);
        client.get("Patient/p").expect_outcome(404);
    }
}
