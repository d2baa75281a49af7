//! What stands beside the resources: content codings, other origins, HEAD, OPTIONS and the form of answers
//! (FHIR R4 `http.html`, 3.1.0.1 and 3.1.0.15; RFC 9110; the Fetch standard).

use std::io::{Read, Write};

use serde_json::json;

use super::patient;
use crate::support::{Answer, TestApp, on_both_databases};

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 20);
    writer.write_all(bytes).unwrap();
    writer.into_inner()
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    let (mut out, body) = (Vec::new(), answer.body.as_slice());
    match answer.header("content-encoding") {
        None => out.extend_from_slice(body),
        Some("gzip") => _ = flate2::read::GzDecoder::new(body).read_to_end(&mut out).unwrap(),
        Some("br") => _ = brotli::Decompressor::new(body, 4096).read_to_end(&mut out).unwrap(),
        Some("zstd") => out = zstd::decode_all(body).unwrap(),
        Some(other) => panic!("{other}"),
    }
    out
}

/// What an answer depends on.
fn varies(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect()
}

on_both_databases! {
    fn answers_are_compressed_for_those_who_ask(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let whole = client.get("metadata").expect(200);
        assert_eq!((whole.header("content-encoding"), whole.header("vary")), (None, Some("Accept")));
        for (asked, coding) in [("gzip", Some("gzip")), ("br;q=0.9, gzip;q=0.8", Some("br")), ("gzip, deflate, br, zstd", Some("zstd")), ("identity", None), ("lzma", None)] {
            let answer = client.send("GET", "/fhir/metadata", &[("Accept-Encoding", asked)], &[]).expect(200);
            assert_eq!(answer.header("content-encoding"), coding, "{asked}");
            assert!(coding.is_none() || varies(&answer).contains(&"Accept-Encoding"), "{asked}");
            assert!(coding.is_none() || answer.body.len() * 5 < whole.body.len(), "{asked}: {}", answer.body.len());
            assert_eq!(unpacked(&answer), whole.body, "{asked}");
        }
        let asked = [("Accept-Encoding", "gzip")];
        let head = client.send("HEAD", "/fhir/metadata", &asked, &[]).expect(200);
        assert!(head.body.is_empty() && head.header("content-length").is_none(), "the length of another body: {head:?}");
        let (small, _) = client.post("Patient", &patient("Small")).expect(201).location();
        let read = client.send("GET", &format!("/fhir/{small}"), &asked, &[]).expect(200);
        assert_eq!((read.header("content-encoding"), read.header("etag")), (None, Some("W/\"1\"")));
        let family = "Large ".repeat(1000);
        let (large, _) = client.post("Patient", &patient(&family)).expect(201).location();
        let read = client.send("GET", &format!("/fhir/{large}"), &asked, &[]).expect(200);
        assert_eq!((read.header("content-encoding"), read.header("etag")), (Some("gzip"), Some("W/\"1\"")));
        assert_eq!(unpacked(&read), client.get(&large).body);
        let unchanged = [("Accept-Encoding", "gzip"), ("If-None-Match", "W/\"1\"")];
        client.send("GET", &format!("/fhir/{large}"), &unchanged, &[]).expect(304);
    }

    fn bodies_may_be_compressed(database) {
        let mut app = TestApp::start(database);
        app.restart_with(&[], &[("CRESSET_LIMIT_BODY_BYTES", "100000")]);
        let mut client = app.client();
        let body = patient("Packed").to_string().into_bytes();
        let zstd = zstd::encode_all(body.as_slice(), 3).unwrap();
        for (coding, packed) in [("gzip", gzip(&body)), ("br", brotli(&body)), ("zstd", zstd), ("identity", body.clone())] {
            let created = client.send("POST", "/fhir/Patient", &[JSON, ("Content-Encoding", coding)], &packed).expect(201);
            assert_eq!(created.json()["name"][0]["family"], "Packed", "{coding}");
        }
        let found = client.send("POST", "/fhir/Patient/_search", &[FORM, ("Content-Encoding", "gzip")], &gzip(b"family=packed"));
        assert_eq!(found.expect(200).json()["total"], 4);
        let zeros = patient(&"0".repeat(30_000_000)).to_string().into_bytes();
        for (coding, bomb) in [("gzip", gzip(&zeros)), ("br", brotli(&zeros)), ("zstd", zstd::encode_all(zeros.as_slice(), 3).unwrap())] {
            assert!(bomb.len() < 100_000, "{coding}: it fits while it is compressed");
            client.send("POST", "/fhir/Patient", &[JSON, ("Content-Encoding", coding)], &bomb).expect_outcome(413);
        }
        client.send("POST", "/fhir/Patient", &[JSON, ("Content-Encoding", "gzip")], &body).expect_outcome(400);
        // HAPI's client, where it compresses, sends a form without its type.
        let found = client.send("POST", "/fhir/Patient/_search", &[("Content-Encoding", "gzip")], &gzip(b"family=packed"));
        assert_eq!(found.expect(200).json()["total"], 4);
        for coding in ["compress", "gzip, gzip", "x"] {
            let refused = client.send("POST", "/fhir/Patient", &[JSON, ("Content-Encoding", coding)], &gzip(&body));
            assert!(refused.header("accept-encoding").is_some_and(|list| list.contains("gzip")), "{coding}");
            refused.expect_outcome(415);
        }
        let refused = client.send("POST", "/fhir/Patient", &[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], &gzip(&body));
        assert_eq!((refused.status, refused.header("accept-encoding")), (415, None), "it is not the coding");
        assert_eq!(client.count("Patient"), 4);
    }

    fn pages_of_other_origins_may_read(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        let origin = ("Origin", "https://app.example");
        for (target, status) in [("/fhir/metadata", 200), ("/fhir/Patient/none", 404), ("/fhir/Nonsense", 404), ("/nowhere", 404)] {
            let answer = client.send("GET", target, &[origin], &[]).expect(status);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target}");
            let exposed = answer.header("access-control-expose-headers").unwrap();
            assert!(["ETag", "Location", "Last-Modified", "Content-Location", "X-Request-Id"].iter().all(|name| exposed.contains(name)), "{exposed}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
        assert_eq!(client.get("Patient/none").header("access-control-allow-origin"), None);
        for target in ["/fhir", "/fhir/Patient", "/fhir/Patient/1", "/fhir/Patient/_search", "/fhir/Patient/1/_history/1", "/fhir/_history",
            // else the page would not learn that there is nothing
            "/fhir/Nonsense", "/fhir/Patient/1/$nonsense", "/fhir/.well-known/smart-configuration", "/nowhere"] {
            let asked = [origin, ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "authorization,if-match,prefer")];
            let answer = client.send("OPTIONS", target, &asked, &[]).expect(204);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-headers"), Some("authorization,if-match,prefer"));
            let methods = answer.header("access-control-allow-methods").unwrap();
            assert!(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].iter().all(|name| methods.contains(name)), "{methods}");
        }
        let plain = client.send("OPTIONS", "/fhir/Patient/1", &[], &[]).expect(204);
        assert!(plain.header("allow").unwrap().contains("PUT") && plain.header("access-control-allow-methods").is_none());
        client.send("OPTIONS", "/fhir/Nonsense", &[], &[]).expect_outcome(404);
        app.restart_with(&[], &[("CRESSET_CORS_ORIGINS", "https://app.example")]);
        let mut client = app.client();
        let answer = client.send("GET", "/fhir/metadata", &[origin], &[]).expect(200);
        assert_eq!((answer.header("access-control-allow-origin"), varies(&answer)), (Some("https://app.example"), vec!["Accept", "Origin"]));
        let answer = client.send("GET", "/fhir/metadata", &[("Origin", "https://other.example")], &[]).expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let asked = [("Origin", "https://other.example"), ("Access-Control-Request-Method", "GET")];
        let answer = client.send("OPTIONS", "/fhir/Patient", &asked, &[]).expect(204);
        assert_eq!(answer.header("access-control-allow-methods"), None);
        client.send("OPTIONS", "/fhir/Nonsense", &asked, &[]).expect_outcome(404);
    }

    fn reads_on_conditions(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let body = |active: bool| json!({"resourceType": "Patient", "id": "p", "active": active});
        client.put("Patient/p", &body(true)).expect(201);
        let second = client.put("Patient/p", &body(false)).expect(200);
        let modified = second.header("last-modified").unwrap().to_owned();
        let read = client.get("Patient/p").expect(200);
        let url = format!("{}/Patient/p/_history/2", app.base());
        assert_eq!((read.header("content-location"), read.header("location")), (Some(url.as_str()), None));
        let old = client.get("Patient/p/_history/1").expect(200);
        assert!(old.header("content-location").is_some_and(|url| url.ends_with("/Patient/p/_history/1")));
        // A part of the resource is not what is there.
        assert_eq!(client.get("Patient/p?_summary=true").expect(200).header("content-location"), None);
        for (target, header, value, status) in [
            ("Patient/p", "If-None-Match", "W/\"2\"", 304), ("Patient/p", "If-None-Match", "\"2\"", 304), ("Patient/p", "If-None-Match", "*", 304),
            ("Patient/p", "If-None-Match", "W/\"1\", W/\"2\"", 304), ("Patient/p", "If-None-Match", "W/\"1\"", 200), ("Patient/p", "If-None-Match", "nonsense", 200),
            ("Patient/p/_history/1", "If-None-Match", "W/\"1\"", 304), ("Patient/p/_history/1", "If-None-Match", "W/\"2\"", 200),
            ("Patient/p", "If-Modified-Since", modified.as_str(), 304), ("Patient/p", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200),
            ("Patient/p", "If-Modified-Since", "nonsense", 200), ("Patient/none", "If-None-Match", "*", 404),
            ("Patient/p", "If-Match", "W/\"2\"", 200), ("Patient/p", "If-Match", "*", 200), ("Patient/p", "If-Match", "W/\"1\"", 412),
            ("Patient/p", "If-Match", "W/\"1\", W/\"2\"", 200), ("Patient/p", "If-Match", "nonsense", 400), ("Patient/p/_history/1", "If-Match", "W/\"1\"", 200),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = client.send(method, &format!("/fhir/{target}"), &[(header, value)], &[]);
                assert_eq!(answer.status, status, "{method} {target} {header}: {value}");
                assert!(status != 304 || answer.body.is_empty() && answer.header("etag").is_some());
            }
        }
        let unchanged = client.send("GET", "/fhir/Patient/p", &[("If-None-Match", "W/\"1\""), ("If-Modified-Since", modified.as_str())], &[]);
        assert_eq!(unchanged.status, 200, "a tag outweighs a date");
        // The version of a deletion brings the resource back, and no other one does.
        let mut turn = 0;
        let gone = client.delete("Patient/p").expect(204);
        assert_eq!(gone.header("etag"), Some("W/\"3\""));
        client.send("GET", "/fhir/Patient/p", &[("If-None-Match", "W/\"3\"")], &[]).expect_outcome(410);
        client.with_body("PUT", "Patient/p", &[("If-Match", "W/\"2\"")], &body(true)).expect_outcome(412);
        let back = client.with_body("PUT", "Patient/p", &[("If-Match", "W/\"3\"")], &body(true)).expect(201);
        assert_eq!(back.header("etag"), Some("W/\"4\""));
        for (method, target, header, value, status) in [
            ("PUT", "Patient/p", "If-Match", "*", 200), ("PUT", "Patient/p", "If-Match", "W/\"9\", \"5\"", 200),
            ("PUT", "Patient/p", "If-Match", "W/\"9\", \"of-another\"", 412), ("PUT", "Patient/p", "If-None-Match", "W/\"6\"", 412),
            ("PUT", "Patient/p", "If-None-Match", "W/\"1\", W/\"2\"", 200), ("PUT", "Patient/never", "If-Match", "*", 412),
            ("PUT", "Patient/p", "If-Match", "7", 400), ("PUT", "Patient/p", "If-None-Match", "7", 400),
            ("PATCH", "Patient/p", "If-Match", "W/\"1\"", 412), ("PATCH", "Patient/p", "If-Match", "W/\"1\", W/\"7\"", 200),
            ("PATCH", "Patient/p", "If-Match", "*", 200), ("DELETE", "Patient/p", "If-Match", "W/\"8\"", 412),
            ("DELETE", "Patient/p", "If-Match", "*", 204), ("DELETE", "Patient/p", "If-Match", "*", 412),
        ] {
            turn += 1;
            let (body, form) = match method {
                "PATCH" => (json!({"multipleBirthInteger": turn}), "application/merge-patch+json"),
                _ => (json!({"resourceType": "Patient", "id": target.split('/').nth(1), "multipleBirthInteger": turn}), "application/json"),
            };
            let body = if method == "DELETE" { Vec::new() } else { body.to_string().into_bytes() };
            let answer = client.send(method, &format!("/fhir/{target}"), &[(header, value), ("Content-Type", form)], &body);
            assert_eq!(answer.status, status, "{method} {target} {header}: {value}: {}", answer.text());
        }
        // over several lines (RFC 9110, 5.3); and a deletion says which version it is
        let lines = [("If-Match", "W/\"3\""), ("If-Match", "W/\"10\"")];
        let gone = client.get("Patient/p");
        assert_eq!((gone.status, gone.header("etag")), (410, Some("W/\"10\"")));
        assert!(gone.header("last-modified").is_some());
        assert_eq!(client.get("Patient/p/_history/3").expect(410).header("etag"), Some("W/\"3\""));
        client.with_body("PUT", "Patient/p", &lines, &body(true)).expect(201);
        client.with_body("PUT", "Patient/never", &[("If-Match", "W/\"1\"")], &json!({"resourceType": "Patient", "id": "never"})).expect_outcome(412);
    }

    fn preferences_that_are_not_for_this_server(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        // The asynchronous pattern is not offered, and a preference may be ignored (RFC 7240, 2; async.html).
        for target in ["Patient/p", "Patient", "metadata", "_history"] {
            let answer = client.send("GET", &format!("/fhir/{target}"), &[("Prefer", "respond-async")], &[]).expect(200);
            assert_eq!(answer.header("content-location").is_some(), target == "Patient/p", "no place to ask for a status");
        }
        let prefer = [("Prefer", "respond-async, return=minimal; wait=10, nonsense")];
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient/p"}}]});
        assert_eq!(client.with_body("POST", "", &prefer, &bundle).expect(200).json()["type"], "batch-response");
        assert!(client.with_body("POST", "Patient", &prefer, &patient("x")).expect(201).body.is_empty());
    }

    fn head_goes_with_every_get(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        for path in ["metadata", "Patient/p", "Patient/p/_history/1", "Patient/p/_history", "Patient/_history", "_history", "Patient", "Patient?name=x",
            "Patient/none", "Patient/p/_history/9", "Nonsense/1", "Patient?birthdate=x"] {
            let get = client.get(path);
            let head = client.send("HEAD", &format!("/fhir/{path}"), &[], &[]);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            for name in ["content-type", "content-length", "etag", "last-modified"] {
                assert_eq!(head.header(name), get.header(name), "{name} of {path}");
            }
        }
        let unchanged = client.send("HEAD", "/fhir/Patient/p", &[("If-None-Match", "W/\"1\"")], &[]).expect(304);
        assert_eq!(unchanged.header("content-length"), None);
    }

    fn answers_have_the_form_that_is_asked_for(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        client.get("Patient?_format=nonsense").expect_outcome(406);
        client.get("Patient/p?_format=ttl").expect_outcome(406);
        for (format, is_xml) in [("xml", true), ("text/xml", true), ("application/xml", true), ("application/fhir+xml", true), ("application/fhir%2Bxml", true),
            ("XML", true), ("json", false), ("application/json", false), ("application/fhir+json;fhirVersion=4.0", false), ("", false)] {
            let answer = client.send("GET", &format!("/fhir/Patient/p?_format={format}"), &[("Accept", "image/png")][usize::from(format.is_empty())..], &[]).expect(200);
            assert_eq!(answer.header("content-type").unwrap().starts_with("application/fhir+xml"), is_xml, "{format}");
        }
        client.get("Patient/p?_format=application/fhir%2Bjson;fhirVersion=3.0").expect_outcome(406);
        for target in ["Patient/p/", "Patient/%70", "Patient/p/_history/1/", "metadata/", "/Patient/p"] {
            client.get(target).expect(200);
        }
        // What is sent in another version is a type that is not understood, what is asked for one that is not made.
        let body = json!({"resourceType": "Patient"}).to_string();
        for (accept, sent, status) in [("4.0", "4.0", 201), ("4.3", "4.3", 201), ("4.0", "3.0", 415), ("3.0", "4.0", 406), ("3.0", "3.0", 406)] {
            let name = |version: &str| format!("application/fhir+json; fhirVersion={version}");
            let (accept, sent) = (name(accept), name(sent));
            let answer = client.send("POST", "/fhir/Patient", &[("Accept", &accept), ("Content-Type", &sent)], body.as_bytes());
            assert_eq!(answer.status, status, "{accept}, {sent}: {}", answer.text());
        }
        client.get("Patient/p%2F_history").expect_outcome(400);
        client.get("patient/p").expect_outcome(404);
        client.get("Patient/p?_pretty=maybe").expect_outcome(400);
        assert!(client.get("Patient/none?_pretty=true").text().starts_with("{\n"));
        for (accept, status) in [("*/*", 200), ("text/html,application/xhtml+xml,application/xml;q=0.1,*/*;q=0.8", 200), ("application/fhir+json;fhirVersion=4.0", 200),
            ("application/fhir+json;fhirVersion=3.0", 406), ("image/png", 406), ("application/json;q=0.5, text/turtle", 200), ("application/fhir+json;q=0", 406)] {
            let answer = client.send("GET", "/fhir/Patient/p", &[("Accept", accept)], &[]);
            assert_eq!(answer.status, status, "{accept}");
        }
    }
}
