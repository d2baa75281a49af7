//! Binaries as what they hold (FHIR R4 `binary.html`, 2.35.3.3).

use serde_json::json;

use crate::support::{Answer, Client, TestApp, on_both_databases};

/// Bytes that are neither UTF-8 nor of a length that base64 would not pad.
const PIXELS: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xff\xfe";

fn get(client: &mut Client, target: &str, accept: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = accept.map(|accept| ("Accept", accept)).into_iter().collect();
    client.send("GET", &format!("/fhir/{target}"), &headers, b"")
}

fn put_in(client: &mut Client, content_type: &str, body: &[u8]) -> Answer {
    client.send("POST", "/fhir/Binary", &[("Content-Type", content_type)], body)
}

on_both_databases! {
    fn content_goes_in_and_out_as_it_is(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let headers = [("Content-Type", "image/png"), ("X-Security-Context", "Patient/p")];
        let resource = client.send("POST", "/fhir/Binary", &headers, PIXELS).expect(201).json();
        assert_eq!(resource["contentType"], "image/png");
        assert_eq!(resource["data"], "iVBORw0KGgoA//4=");
        assert_eq!(resource["securityContext"], json!({"reference": "Patient/p"}));

        let one = format!("Binary/{}", resource["id"].as_str().unwrap());
        for accept in [None, Some("*/*"), Some("image/*"), Some("text/html")] {
            let read = get(&mut client, &one, accept).expect(200);
            for (name, value) in [
                ("content-type", "image/png"),
                ("etag", "W/\"1\""),
                ("x-security-context", "Patient/p"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "sandbox"),
            ] {
                assert_eq!(read.header(name), Some(value), "{accept:?}");
            }
            assert!(read.header("last-modified").is_some());
            assert_eq!(read.body, PIXELS, "{accept:?}");
        }
        client.send("GET", &format!("/fhir/{one}"), &[("If-None-Match", "W/\"1\"")], b"").expect(304);
        let head = client.send("HEAD", &format!("/fhir/{one}"), &[], b"").expect(200);
        assert_eq!((head.header("content-type"), head.header("content-length")), (Some("image/png"), Some("11")));

        // The resource, for those who ask for it.
        for (target, accept) in [
            (one.clone(), "application/fhir+json"),
            (one.clone(), "application/json"),
            (format!("{one}?_format=json"), "image/png"),
        ] {
            let read = get(&mut client, &target, Some(accept)).expect(200);
            assert_eq!(read.json()["resourceType"], "Binary", "{target} {accept}");
        }
        let found = client.get(&one.replace('/', "?_id=")).expect(200).json();
        assert_eq!(found["entry"][0]["resource"]["resourceType"], "Binary");

        // A new version of another type, under the id of the URL.
        let headers = [("Content-Type", "text/plain; charset=utf-8")];
        let text = client.send("PUT", &format!("/fhir/{one}"), &headers, "grün".as_bytes()).expect(200);
        assert_eq!(text.header("etag"), Some("W/\"2\""));
        let read = get(&mut client, &one, None).expect(200);
        assert_eq!((read.header("content-type"), read.text().as_str()), (Some("text/plain; charset=utf-8"), "grün"));
        assert_eq!(get(&mut client, &format!("{one}/_history/1"), None).expect(200).body, PIXELS);
        get(&mut client, "Binary/none", Some("image/png")).expect_outcome(404);
    }

    fn what_is_fhir_but_no_binary_is_content(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        for (content_type, body) in [
            ("application/fhir+json", r#"{"resourceType":"Patient"}"#),
            ("application/fhir+xml", r#"<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>"#),
            ("application/json", "[1"),
            ("application/xml", "<note/>"),
        ] {
            let (key, _) = put_in(&mut client, content_type, body.as_bytes()).expect(201).location();
            let read = get(&mut client, &key, None).expect(200);
            assert_eq!((read.header("content-type"), read.text().as_str()), (Some(content_type), body));
        }
        let binary = r#"<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="aGk="/></Binary>"#;
        let (key, _) = put_in(&mut client, "application/fhir+xml", binary.as_bytes()).expect(201).location();
        assert_eq!(get(&mut client, &key, None).expect(200).text(), "hi");
        put_in(&mut client, "application/fhir+json", br#"{"resourceType":"Binary""#).expect_outcome(400);
        put_in(&mut client, "text/plain", b"").expect_outcome(400);
        client.send("POST", "/fhir/Binary?_filename=a.txt", &[("Content-Type", "text/plain")], b"a").expect(201);
        // Large content takes another way.
        let large = vec![7; 300_000];
        let (key, _) = put_in(&mut client, "application/x-sevens", &large).expect(201).location();
        assert_eq!(get(&mut client, &key, Some("application/x-sevens")).expect(200).body, large);
    }
}
