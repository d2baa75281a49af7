//! `$everything`: whole records, their pages while others write, and what narrows them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::entries;
use crate::support::{Database, TestApp, on_both_databases};

/// `Type/id` of the entries with a mode.
fn keys(bundle: &Value, mode: &str) -> BTreeSet<String> {
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("searchset")), "{bundle}");
    let of = |entry: &Value| {
        let (kind, id) = (&entry["resource"]["resourceType"], &entry["resource"]["id"]);
        let key = format!("{}/{}", kind.as_str().unwrap(), id.as_str().unwrap());
        assert!(entry["fullUrl"].as_str().unwrap().ends_with(&key), "{entry}");
        key
    };
    entries(bundle).iter().filter(|entry| entry["search"]["mode"] == mode).map(of).collect()
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn reference(to: &str) -> Value {
    json!({"reference": to})
}

fn next(bundle: &Value) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    let next = links.iter().find(|link| link["relation"] == "next")?;
    Some(next["url"].as_str().unwrap().split("/fhir/").nth(1).unwrap().to_owned())
}

/// A server that takes what is sent: the page of the operation wants `encounter-associatedEncounter` on anything, the definition
/// of the extension has it on Encounters only.
fn start(database: Database, variables: &[(&str, &str)]) -> TestApp {
    let mut app = TestApp::start(database);
    let mut all = vec![("CRESSET_VALIDATION_MODE", "off")];
    all.extend_from_slice(variables);
    app.restart_with(&[], &all);
    app
}

/// Two patients with records, and what these refer to.
fn load(client: &mut crate::support::Client) {
    let all = [
        json!({"resourceType": "Organization", "id": "o", "name": "O"}),
        json!({"resourceType": "Practitioner", "id": "p"}),
        json!({"resourceType": "Practitioner", "id": "q"}),
        json!({"resourceType": "Practitioner", "id": "other"}),
        json!({"resourceType": "PractitionerRole", "id": "r", "practitioner": reference("Practitioner/q"), "organization": reference("Organization/o")}),
        json!({"resourceType": "Medication", "id": "m"}),
        json!({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "YQ=="}),
        json!({"resourceType": "Questionnaire", "id": "qu", "url": "http://q", "status": "active"}),
        json!({"resourceType": "Patient", "id": "a", "generalPractitioner": [reference("PractitionerRole/r")]}),
        json!({"resourceType": "Patient", "id": "z"}),
        json!({"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"}, "subject": reference("Patient/a"),
            "period": {"start": "2020-01-01", "end": "2020-01-03"}, "participant": [{"individual": reference("Practitioner/p")}]}),
        json!({"resourceType": "Observation", "id": "old", "status": "final", "code": {"text": "x"}, "subject": reference("Patient/a"),
            "effectiveDateTime": "2010-05-05", "performer": [reference("Practitioner/p")]}),
        json!({"resourceType": "Observation", "id": "new", "status": "final", "code": {"text": "x"}, "subject": reference("Patient/a"),
            "effectiveDateTime": "2020-01-02T10:00:00Z", "encounter": reference("Encounter/e"),
            "extension": [{"url": "http://x", "valueReference": reference("Organization/o")}]}),
        json!({"resourceType": "Observation", "id": "undated", "status": "final", "code": {"text": "x"}, "subject": reference("Patient/a")}),
        json!({"resourceType": "Observation", "id": "others", "status": "final", "code": {"text": "x"}, "subject": reference("Patient/z"),
            "performer": [reference("Practitioner/other")]}),
        json!({"resourceType": "MedicationRequest", "id": "mr", "status": "active", "intent": "order", "subject": reference("Patient/a"),
            "medicationReference": reference("Medication/m"), "authoredOn": "2020-02-01"}),
        json!({"resourceType": "DocumentReference", "id": "d", "status": "current", "subject": reference("Patient/a"), "date": "2020-03-01T00:00:00Z",
            "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/b"}}]}),
        json!({"resourceType": "QuestionnaireResponse", "id": "qr", "status": "completed", "questionnaire": "http://q", "subject": reference("Patient/a"), "authored": "2020-01-01"}),
        json!({"resourceType": "Provenance", "id": "pv", "target": [reference("Observation/new")], "recorded": "2020-01-02T10:00:00Z", "agent": [{"who": reference("Practitioner/other")}]}),
        json!({"resourceType": "CommunicationRequest", "id": "cr", "status": "active",
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter", "valueReference": reference("Encounter/e")}]}),
    ];
    for resource in all {
        let key = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        client.put(&key, &resource).expect(201);
    }
}

const MEMBERS: [&str; 9] = [
    "Patient/a",
    "Encounter/e",
    "Observation/old",
    "Observation/new",
    "Observation/undated",
    "MedicationRequest/mr",
    "DocumentReference/d",
    "QuestionnaireResponse/qr",
    "Provenance/pv",
];

on_both_databases! {
    fn a_record_has_what_it_refers_to_once(database) {
        let app = start(database, &[]);
        let mut client = app.client();
        load(&mut client);
        let all = client.get("Patient/a/$everything").expect(200).json();
        let mut members = set(&MEMBERS[..8]);
        assert_eq!(keys(&all, "match"), members, "{all}");
        assert_eq!((&all["total"], &entries(&all)[0]["resource"]["resourceType"]), (&json!(8), &json!("Patient")));
        let supports = set(&["Practitioner/p", "Practitioner/q", "PractitionerRole/r", "Organization/o", "Medication/m", "Binary/b", "Questionnaire/qu", "Provenance/pv"]);
        assert_eq!(keys(&all, "include"), supports, "{all}");
        assert_eq!(next(&all), None);
        let posted = client.post("Patient/a/$everything", &json!({"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Observation"}]})).expect(200).json();
        members.retain(|key| key.starts_with("Observation/"));
        assert_eq!((keys(&posted, "match"), keys(&posted, "include").len()), (members, 0), "{posted}");
        let of_types = client.get("Patient/a/$everything?_type=Practitioner,Patient&_type=Medication").expect(200).json();
        assert_eq!((keys(&of_types, "match"), keys(&of_types, "include")), (set(&["Patient/a"]), set(&["Practitioner/p", "Practitioner/q", "Medication/m"])));
        let xml = client.send("GET", "/fhir/Patient/a/$everything", &[("Accept", "application/fhir+xml")], b"").expect(200).text();
        assert!(xml.contains("<mode value=\"include\"/>"), "{xml}");
        let entry = json!({"request": {"method": "GET", "url": "Patient/a/$everything?_count=3"}});
        let batch = client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]})).expect(200).json();
        assert_eq!(entries(&batch["entry"][0]["resource"]).len(), 3, "{batch}");
        // An empty record, and what there is no record of.
        let alone = client.put("Patient/alone", &json!({"resourceType": "Patient", "id": "alone"})).expect(201).status;
        assert_eq!(alone, 201);
        assert_eq!(keys(&client.get("Patient/alone/$everything").expect(200).json(), "match"), set(&["Patient/alone"]));
        client.delete("Patient/alone").expect(204);
        for (path, status) in [("Patient/alone/$everything", 410), ("Patient/none/$everything", 404), ("Encounter/$everything", 400),
            ("Observation/old/$everything", 400), ("Patient/a/$everything?_type=Nonsense", 400), ("Patient/a/$everything?start=x", 400),
            ("Patient/a/$everything?start=ge2020", 400), ("Patient/a/$everything?start=2020&end=2019", 400), ("Patient/a/$everything?name=x", 400),
            ("Patient/a/$everything?_since=yesterday", 400), ("Patient/a/$everything?_count=-1", 400), ("Encounter/e/$everything?start=2020", 400),
            ("Patient/a/$everything?_page=x", 400), ("Patient/a/$everything?start=2020&start=2021", 400)] {
            client.get(path).expect_outcome(status);
        }
    }

    fn records_are_narrowed_by_time(database) {
        let app = start(database, &[]);
        let mut client = app.client();
        load(&mut client);
        let observations = |bundle: &Value| -> BTreeSet<String> { keys(bundle, "match").into_iter().filter(|key| key.starts_with("Observation/")).collect() };
        for (query, expected) in [("start=2020-01-01&end=2020-12-31", vec!["Observation/new", "Observation/undated"]), ("end=2015", vec!["Observation/old", "Observation/undated"]),
            ("start=2020-01-03", vec!["Observation/undated"]), ("start=2020-01-02&end=2020-01-02", vec!["Observation/new", "Observation/undated"])] {
            let found = client.get(&format!("Patient/a/$everything?{query}")).expect(200).json();
            assert_eq!(observations(&found), set(&expected), "{query}");
            assert!(keys(&found, "match").contains("Patient/a"));
        }
        // what goes on at some time of the range is in it
        for (id, period) in [("night", json!({"start": "2021-02-03T22:00:00Z", "end": "2021-02-04T02:00:00Z"})), ("open", json!({"start": "2021-02-03T08:00:00Z"})),
            ("days", json!({"start": "2021-02-01", "end": "2021-02-03"}))] {
            let stay = json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB", "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode"}, "subject": {"reference": "Patient/a"}, "period": period});
            client.put(&format!("Encounter/{id}"), &stay).expect(201);
        }
        for (query, expected) in [("start=2021-02-03&end=2021-02-03", "days night open"), ("start=2021-02-04&end=2021-02-04", "night open"),
            ("start=2021-02-01&end=2021-02-01", "days"), ("start=2021-02-05", "open"), ("start=2021-01-01&end=2021-01-31", ""), ("start=2021-01-15&end=2021-02-02", "days")] {
            let found = keys(&client.get(&format!("Patient/a/$everything?_type=Encounter&{query}")).expect(200).json(), "match");
            let found: Vec<&str> = found.iter().filter_map(|key| key.strip_prefix("Encounter/")).filter(|id| *id != "e").collect();
            assert_eq!(found.join(" "), expected, "{query}");
        }
        let early = client.get("Patient/a/$everything?end=2015").expect(200).json();
        let supports = keys(&early, "include");
        assert!(supports.contains("Practitioner/p") && !supports.contains("Medication/m") && !supports.contains("Encounter/e"), "{supports:?}");
        let since = client.get("Observation/undated").expect(200).json()["meta"]["lastUpdated"].as_str().unwrap().to_owned();
        let found = client.get(&format!("Patient/a/$everything?_since={since}")).expect(200).json();
        assert!(observations(&found).contains("Observation/undated") && !keys(&found, "match").contains("Patient/a"), "{since}: {found}");
        let changed = |entry: &Value| entry["resource"]["meta"]["lastUpdated"].as_str().unwrap().to_owned();
        assert!(entries(&found).iter().all(|entry| changed(entry) >= since), "{since}: {found}");
        let later = client.get("Patient/a/$everything?_since=2999-01-01T00:00:00Z").expect(200).json();
        assert_eq!((entries(&later).len(), &later["total"]), (0, &json!(0)));
    }

    fn encounters_groups_and_all_patients_have_records(database) {
        let app = start(database, &[]);
        let mut client = app.client();
        load(&mut client);
        let encounter = client.get("Encounter/e/$everything").expect(200).json();
        assert_eq!(keys(&encounter, "match"), set(&["Encounter/e", "Observation/new", "CommunicationRequest/cr"]), "{encounter}");
        assert!(keys(&encounter, "include").is_superset(&set(&["Patient/a", "Practitioner/p", "Organization/o", "Provenance/pv"])), "{encounter}");
        let group = |id: &str, members: Value| json!({"resourceType": "Group", "id": id, "type": "person", "actual": true, "member": members});
        client.put("Group/inner", &group("inner", json!([{"entity": reference("Patient/z")}]))).expect(201);
        client.put("Group/g", &group("g", json!([{"entity": reference("Patient/a"), "inactive": true}, {"entity": reference("Group/inner")}, {"entity": reference("Group/g")}]))).expect(201);
        let found = client.get("Group/g/$everything").expect(200).json();
        assert_eq!(keys(&found, "match"), set(&["Group/g", "Group/inner", "Patient/z", "Observation/others"]), "{found}");
        assert_eq!(keys(&found, "include"), set(&["Practitioner/other"]), "{found}");
        client.put("Group/g", &group("g", json!([{"entity": reference("Patient/a")}, {"entity": reference("Patient/z")}]))).expect(200);
        let found = client.get("Group/g/$everything?_type=Observation,Patient").expect(200).json();
        assert_eq!(keys(&found, "match"), set(&["Patient/a", "Patient/z", "Observation/old", "Observation/new", "Observation/undated", "Observation/others"]));
        // A record has the groups of its patient, not their other members.
        let one = client.get("Patient/a/$everything").expect(200).json();
        assert!(keys(&one, "match").contains("Group/g") && !one.to_string().contains("\"id\":\"z\""), "{one}");
        let all = client.get("Patient/$everything?_type=Patient,Observation,Practitioner").expect(200).json();
        assert_eq!(keys(&all, "match"), keys(&found, "match"));
        assert_eq!(keys(&all, "include"), set(&["Practitioner/p", "Practitioner/q", "Practitioner/other"]), "{all}");
        client.get("Group/none/$everything").expect_outcome(404);
        client.put("MedicinalProduct/mp", &json!({"resourceType": "MedicinalProduct", "id": "mp", "name": [{"productName": "x"}]})).expect(201);
        client.put("MedicinalProductAuthorization/au", &json!({"resourceType": "MedicinalProductAuthorization", "id": "au", "subject": reference("MedicinalProduct/mp"), "holder": reference("Organization/o")})).expect(201);
        let product = client.get("MedicinalProduct/mp/$everything").expect(200).json();
        assert_eq!((keys(&product, "match"), keys(&product, "include")), (set(&["MedicinalProduct/mp", "MedicinalProductAuthorization/au"]), set(&["Organization/o"])));
        assert_eq!(keys(&client.get("MedicinalProduct/$everything").expect(200).json(), "match").len(), 2);
    }

    fn pages_neither_skip_nor_repeat_while_others_write(database) {
        let app = start(database, &[]);
        let mut client = app.client();
        load(&mut client);
        let observation = |n: usize| json!({"request": {"method": "PUT", "url": format!("Observation/n{n}")}, "resource": {"resourceType": "Observation", "id": format!("n{n}"),
            "status": "final", "code": {"text": "x"}, "subject": reference("Patient/a"), "performer": [reference("Practitioner/p")]}});
        let bundle: Vec<Value> = (0..230).map(observation).collect();
        client.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": bundle})).expect(200);
        let whole = client.get("Patient/a/$everything").expect(200).json();
        let (mut seen, mut path, mut pages) = (Vec::new(), Some("Patient/a/$everything?_count=20".to_owned()), 0);
        while let Some(at) = path {
            let page = client.get(&at).expect(200).json();
            assert!(entries(&page).len() <= 20);
            assert_eq!(page["total"], whole["total"]);
            seen.extend(entries(&page).into_iter().map(|entry| entry["fullUrl"].as_str().unwrap().to_owned()));
            // What comes in between does not move the pages.
            client.put(&format!("Observation/n{pages}"), &json!({"resourceType": "Observation", "id": format!("n{pages}"), "status": "amended", "code": {"text": "y"},
                "subject": reference("Patient/a"), "performer": [reference(&format!("Practitioner/new{pages}"))]})).expect(200);
            client.put(&format!("Practitioner/new{pages}"), &json!({"resourceType": "Practitioner", "id": format!("new{pages}")})).expect(201);
            client.delete(&format!("Observation/n{}", 200 + pages)).expect(204);
            (path, pages) = (next(&page), pages + 1);
        }
        let expected: Vec<String> = entries(&whole).into_iter().map(|entry| entry["fullUrl"].as_str().unwrap().to_owned()).collect();
        assert_eq!((pages, &seen), (expected.len().div_ceil(20), &expected));
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "each once");
        let after = client.get("Patient/a/$everything").expect(200).json();
        assert!(keys(&after, "include").contains("Practitioner/new0"));
        assert_eq!(client.get("Patient/a/$everything?_count=0").expect(200).json().get("entry"), None);
    }

    fn without_a_count_a_record_is_cut_at_its_bound_and_says_so(database) {
        let app = start(database, &[("CRESSET_LIMIT_EVERYTHING", "10")]);
        let mut client = app.client();
        load(&mut client);
        let first = client.get("Patient/a/$everything").expect(200).json();
        assert_eq!(keys(&first, "match").len() + keys(&first, "include").len(), 10, "{first}");
        let outcome = entries(&first).into_iter().find(|entry| entry["search"]["mode"] == "outcome").unwrap();
        assert!(outcome.to_string().contains("next"), "{outcome}");
        let second = client.get(&next(&first).unwrap()).expect(200).json();
        assert_eq!((keys(&second, "match").len() + keys(&second, "include").len(), next(&second)), (6, None), "{second}");
    }
}
