//! Operations of the terminology service where they depend on what else is stored: elements of profiles (`context`), dates of
//! definitions, ids of value sets, value sets within others, properties of codes.

use serde_json::{Value, json};

use crate::support::{Client, Database, TestApp, on_both_databases};

const ANIMALS: &str = "http://example.org/CodeSystem/animals";
const PETS: &str = "http://example.org/ValueSet/pets";
const PROFILE: &str = "http://example.org/StructureDefinition/pet";

fn started() -> TestApp {
    let app = TestApp::start(Database::Sqlite);
    let mut client = app.client();
    let legs = |count: u32| json!([{"code": "legs", "valueInteger": count}]);
    let system = json!({"resourceType": "CodeSystem", "id": "animals", "url": ANIMALS, "version": "1", "date": "2020-05", "status": "active",
        "content": "complete", "hierarchyMeaning": "is-a", "property": [{"code": "legs", "type": "integer"}],
        "concept": [{"code": "dog", "display": "Dog", "property": legs(4), "concept": [{"code": "poodle", "display": "Poodle", "property": legs(4)}]},
            {"code": "fish", "display": "Fish", "property": legs(0)}]});
    client.put("CodeSystem/animals", &system).expect(201);
    let pets = json!({"resourceType": "ValueSet", "id": "pets", "url": PETS, "status": "active", "date": "2021-03-04",
        "compose": {"include": [{"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "dog"}]}]}});
    client.put("ValueSet/pets", &pets).expect(201);
    app
}

fn codes(client: &mut Client, query: &str) -> Vec<String> {
    let set = client.get(&format!("ValueSet/{query}")).expect(200).json();
    let all = set["expansion"]["contains"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

fn result(answer: &Value) -> bool {
    answer["parameter"][0]["valueBoolean"].as_bool().unwrap()
}

#[test]
fn a_context_means_what_its_element_is_bound_to() {
    let app = started();
    let mut client = app.client();
    assert!(codes(&mut client, "$expand?context=DiagnosticReport.category").contains(&"LAB".to_owned()));
    assert_eq!(
        codes(
            &mut client,
            "$expand?context=http://hl7.org/fhir/StructureDefinition/Patient%23Patient.gender&contextDirection=incoming"
        )
        .len(),
        4
    );
    let context = format!("context={PROFILE}%23Patient.animal.species");
    client.get(&format!("ValueSet/$expand?{context}")).expect_outcome(404);
    // a profile says its own, and what it does not say is that of its base
    let species = json!({"id": "Patient.maritalStatus", "path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": PETS}});
    let profile = json!({"resourceType": "StructureDefinition", "id": "pet", "url": PROFILE, "name": "Pet", "status": "active", "type": "Patient",
        "kind": "resource", "abstract": false, "derivation": "constraint", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}, species]}});
    client.put("StructureDefinition/pet", &profile).expect(201);
    assert_eq!(
        codes(&mut client, &format!("$expand?context={PROFILE}%23Patient.maritalStatus&excludeNested=true")),
        ["dog", "poodle"]
    );
    assert_eq!(codes(&mut client, &format!("$expand?context={PROFILE}%23Patient.gender")).len(), 4);
    // the code needs no system then
    let check = format!("ValueSet/$validate-code?context={PROFILE}%23Patient.maritalStatus&code=");
    assert!(result(&client.get(&format!("{check}poodle")).expect(200).json()));
    assert!(!result(&client.get(&format!("{check}fish")).expect(200).json()));
    client.get("ValueSet/$expand?context=Patient.birthDate").expect_outcome(404);
    client.get("ValueSet/$expand?context=Patient.gender&contextDirection=up").expect_outcome(400);
}

#[test]
fn versions_are_those_that_are_there() {
    let app = started();
    let mut client = app.client();
    // packages name versions of the tables of HL7 v2 that none of them has
    for set in ["http://terminology.hl7.org/ValueSet/v2-0203", "http://hl7.org/fhir/ValueSet/yesnodontknow"] {
        assert!(!codes(&mut client, &format!("$expand?url={set}&count=3")).is_empty(), "{set}");
    }
    let table = "url=http://terminology.hl7.org/ValueSet/v2-0203&system=http://terminology.hl7.org/CodeSystem/v2-0203";
    for (code, expected) in [("MR", true), ("nonsense", false)] {
        let answer = client.get(&format!("ValueSet/$validate-code?{table}&code={code}")).expect(200).json();
        assert_eq!(result(&answer), expected, "{code}");
    }
    // a value set by its id, in another version
    let version = |id: &str, version: &str, code: &str| {
        json!({"resourceType": "ValueSet", "id": id, "url": "http://example.org/ValueSet/v", "version": version,
        "status": "active", "compose": {"include": [{"system": ANIMALS, "concept": [{"code": code}]}]}})
    };
    client.put("ValueSet/v1", &version("v1", "1", "dog")).expect(201);
    client.put("ValueSet/v2", &version("v2", "2", "fish")).expect(201);
    assert_eq!(codes(&mut client, "v1/$expand?valueSetVersion=1"), ["dog"]);
    assert_eq!(codes(&mut client, "v1/$expand?valueSetVersion=2"), ["fish"]);
    client.get("ValueSet/v1/$expand?valueSetVersion=3").expect(404);
    let lookup = client.get(&format!("CodeSystem/$lookup?system={ANIMALS}&code=dog&property=url")).expect(200).json();
    assert!(
        lookup["parameter"].as_array().unwrap().iter().any(|one| one["name"] == "url" && one["valueUri"] == ANIMALS),
        "{lookup}"
    );
}

#[test]
fn a_date_means_definitions_as_they_were() {
    let app = started();
    let mut client = app.client();
    assert_eq!(codes(&mut client, "pets/$expand?date=2021-03-04&excludeNested=true"), ["dog", "poodle"]);
    for (query, status) in [
        ("ValueSet/pets/$expand?date=2021-03-03", 422),
        ("ValueSet/$expand?url=http://example.org/ValueSet/pets&date=2021-03-03", 422),
        ("CodeSystem/$lookup?system=http://example.org/CodeSystem/animals&code=dog&date=2020-05", 200),
        ("CodeSystem/$lookup?system=http://example.org/CodeSystem/animals&code=dog&date=2020-04-30", 422),
        ("CodeSystem/$validate-code?url=http://example.org/CodeSystem/animals&code=dog&date=2024-01-01T10:00:00Z", 200),
        ("CodeSystem/$validate-code?url=http://example.org/CodeSystem/animals&code=dog&date=soon", 400),
    ] {
        let answer = client.get(query);
        assert_eq!(answer.status, status, "{query}");
    }
}

#[test]
fn value_sets_within_others_and_by_their_ids() {
    let app = started();
    let mut client = app.client();
    let within = |id: &str, include: Value| json!({"resourceType": "ValueSet", "id": id, "status": "active", "compose": {"include": [include]}});
    let set = json!({"resourceType": "ValueSet", "status": "active",
        "contained": [within("a", json!({"system": ANIMALS, "concept": [{"code": "poodle"}]})), within("b", json!({"valueSet": ["#a"]})), within("c", json!({"valueSet": ["#c"]}))],
        "compose": {"include": [{"system": ANIMALS}], "exclude": [{"valueSet": ["#b"]}]}});
    let expanded = client.post("ValueSet/$expand?excludeNested=true", &set).expect(200).json();
    let found: Vec<&str> =
        expanded["expansion"]["contains"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(found, ["dog", "fish"]);
    let mut missing = set.clone();
    missing["compose"]["exclude"][0]["valueSet"][0] = json!("#none");
    client.post("ValueSet/$expand", &missing).expect(404);
    let mut circle = set;
    circle["compose"]["exclude"][0]["valueSet"][0] = json!("#c");
    client.post("ValueSet/$expand", &circle).expect(422);

    let map = json!({"resourceType": "ConceptMap", "id": "m", "url": "http://example.org/ConceptMap/m", "status": "active", "sourceUri": PETS,
        "group": [{"source": ANIMALS, "target": "urn:t", "element": [{"code": "dog", "target": [{"code": "hund", "equivalence": "equivalent"}]}]}]});
    client.put("ConceptMap/m", &map).expect(201);
    let absolute = format!("{}/ValueSet/pets", app.base());
    for (source, is_found) in [
        (PETS, true),
        ("pets", true),
        ("ValueSet/pets", true),
        (&*absolute, true),
        ("other", false),
        ("http://example.org/ValueSet/other", false),
    ] {
        let answer =
            client.get(&format!("ConceptMap/$translate?system={ANIMALS}&code=dog&source={source}")).expect(200).json();
        assert_eq!(result(&answer), is_found, "{source}: {answer}");
    }
}

#[test]
fn codes_are_found_by_their_properties() {
    let app = started();
    let mut client = app.client();
    let property = |code: &str, kind: &str, value: Value| json!({"name": "property", "part": [{"name": "code", "valueCode": code}, {"name": "value", kind: value}]});
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "exact", "valueBoolean": true},
        property("legs", "valueInteger", json!(4)), property("focus", "valueCode", json!("poodle"))]});
    let answer = client.post("CodeSystem/animals/$find-matches", &body).expect(200).json();
    let all = answer["parameter"].as_array().unwrap();
    let code = |at: usize| all[at]["part"][0]["valueCoding"]["code"].as_str().unwrap();
    assert_eq!((all.len(), code(0), code(1)), (2, "poodle", "dog"), "{answer}");
    assert_eq!(
        (all[0]["part"].as_array().unwrap().len(), &all[1]["part"][1]["name"]),
        (1, &json!("unmatched")),
        "{answer}"
    );
    client.post("CodeSystem/$find-matches", &body).expect_outcome(400);
    client.get("CodeSystem/animals/$find-matches?exact=true").expect_outcome(400);
}

#[test]
fn a_closure_table_is_changed_by_its_own_parameters_alone() {
    let app = started();
    let mut client = app.client();
    let body = |parameters: Value| json!({"resourceType": "Parameters", "parameter": parameters});
    let name = json!({"name": "name", "valueString": "table"});
    let concept =
        |system: &str, code: &str| json!({"name": "concept", "valueCoding": {"system": system, "code": code}});
    client.post("$closure", &body(json!([name]))).expect(200);
    let both = body(json!([name, concept(ANIMALS, "dog"), concept(ANIMALS, "poodle")]));
    assert_eq!(client.post("$closure", &both).expect(200).json()["version"], "1");
    let misspelt = json!({"name": "concepts", "valueCoding": {"system": ANIMALS, "code": "fish"}});
    client.post("$closure", &body(json!([name, misspelt]))).expect_outcome(400);
    client.post("$closure?concepts=x", &body(json!([name]))).expect_outcome(400);
    let shaped = json!({"name": "concept", "valueCoding": {"system": ANIMALS, "code": 5}});
    client.post("$closure", &body(json!([name, shaped]))).expect_outcome(400);
    let since = body(json!([name, {"name": "version", "valueString": "0"}]));
    let told = client.post("$closure", &since).expect(200).json();
    assert_eq!(told["group"][0]["element"][0]["target"][0]["code"], "dog", "{told}");
    // a table says nothing of translations
    let query = format!("ConceptMap/$translate?system={ANIMALS}&code=poodle");
    assert!(!result(&client.get(&query).expect(200).json()));
    // a code system without a version
    for (code, version) in [("de", "2"), ("de-CH", "3")] {
        let answer = client.post("$closure", &body(json!([name, concept("urn:ietf:bcp:47", code)]))).expect(200).json();
        assert_eq!(answer["version"], version, "{answer}");
    }
    let kept = client.get("ConceptMap/table").expect(200).json();
    assert_eq!(kept["group"][1]["source"], "urn:ietf:bcp:47", "{kept}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let app = started();
    let mut client = app.client();
    let other = json!({"resourceType": "ValueSet", "url": "http://example.org/ValueSet/other", "status": "active",
        "compose": {"include": [{"system": ANIMALS, "concept": [{"code": "fish"}]}]}});
    let body = |name: &str, value: Value| json!({"resourceType": "Parameters", "parameter": [{"name": name, "valueUri": value}]});
    for query in [
        "ValueSet/pets/$expand?url=http://example.org/ValueSet/other",
        "ValueSet/pets/$validate-code?url=http://example.org/ValueSet/other&system=urn:x&code=x",
        "ValueSet/$expand?url=http://example.org/ValueSet/pets|1&valueSetVersion=9",
        "CodeSystem/animals/$lookup?code=dog&version=9",
        "CodeSystem/animals/$validate-code?code=dog&url=urn:x",
    ] {
        client.get(query).expect_outcome(400);
    }
    client.post("ValueSet/pets/$expand?url=http://example.org/ValueSet/other", &other).expect_outcome(400);
    client.post(&format!("ValueSet/$expand?url={PETS}"), &body("url", json!("urn:x"))).expect_outcome(400);
    client.post(&format!("ValueSet/$expand?url={PETS}"), &body("url", json!(PETS))).expect(200);
    // the example of the specification
    let expanded = client.post("ValueSet/pets/$expand", &other).expect(200).json();
    assert_eq!(expanded["expansion"]["contains"][0]["code"], "fish", "{expanded}");
    assert_eq!(codes(&mut client, &format!("pets/$expand?url={PETS}&excludeNested=true")), ["dog", "poodle"]);
}

#[test]
fn a_stored_expansion_is_held_against_the_request() {
    let app = started();
    let mut client = app.client();
    let set = |id: &str, more: Value| {
        let mut set = json!({"resourceType": "ValueSet", "id": id, "url": format!("urn:{id}"), "status": "active", "expansion": {"timestamp": "2020-01-01",
            "contains": [{"system": ANIMALS, "code": "dog", "display": "Dog", "contains": [{"system": ANIMALS, "code": "poodle", "display": "Poodle"}]}, {"system": "urn:x", "code": "x", "inactive": true}]}});
        for (name, value) in more.as_object().unwrap() {
            set["expansion"][name] = value.clone();
        }
        set
    };
    client.put("ValueSet/whole", &set("whole", json!({}))).expect(201);
    client.put("ValueSet/page", &set("page", json!({"total": 4}))).expect(201);
    let filtered = json!({"parameter": [{"name": "filter", "valueString": "do"}]});
    client.put("ValueSet/filtered", &set("filtered", filtered)).expect(201);
    assert_eq!(codes(&mut client, "whole/$expand"), ["dog", "x"]);
    assert_eq!(codes(&mut client, "whole/$expand?excludeNested=true&activeOnly=true"), ["dog", "poodle"]);
    assert_eq!(codes(&mut client, "whole/$expand?filter=pood"), ["poodle"]);
    for query in ["ValueSet/page/$expand", "ValueSet/filtered/$expand", "ValueSet/$expand?url=urn:filtered&filter=x"] {
        client.get(query).expect_outcome(422);
    }
    client.get("ValueSet/filtered/$expand?filter=do").expect(200);
    let check = format!("ValueSet/page/$validate-code?system={ANIMALS}&code=");
    assert!(result(&client.get(&format!("{check}poodle")).expect(200).json()));
    client.get(&format!("{check}fish")).expect_outcome(422);
}

on_both_databases! {
    fn a_value_set_without_a_url_is_found_by_reference(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let system = json!({"resourceType": "CodeSystem", "id": "animals", "url": ANIMALS, "status": "active", "content": "complete",
            "concept": [{"code": "dog"}, {"code": "fish"}]});
        client.put("CodeSystem/animals", &system).expect(201);
        let set = |id: &str, url: Option<&str>, code: &str| {
            let mut set = json!({"resourceType": "ValueSet", "id": id, "status": "active", "compose": {"include": [{"system": ANIMALS, "concept": [{"code": code}]}]}});
            if let Some(url) = url {
                set["url"] = json!(url);
            }
            set
        };
        // one of two with a URL is meant by its address, whatever the URL leads to
        let base = app.base();
        for (id, url, code) in [("bare", None, "dog"), ("old", Some(PETS), "dog"), ("new", Some(PETS), "fish")] {
            client.put(&format!("ValueSet/{id}"), &set(id, url, code)).expect(201);
        }
        let logical = format!("{base}/ValueSet/logical");
        client.put("ValueSet/else", &set("else", Some(&logical), "fish")).expect(201);
        for (id, code) in [("a", "dog"), ("b", "fish")] {
            let body = json!({"resourceType": "Basic", "id": id, "code": {"coding": [{"system": ANIMALS, "code": code}]}});
            client.put(&format!("Basic/{id}"), &body).expect(201);
        }
        let ids = |client: &mut Client, query: &str| {
            let found = client.get(&format!("Basic?_sort=_id&{query}")).expect(200).json();
            let entries = found["entry"].as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect::<String>()
        };
        for (value, is_in, is_out) in [
            ("ValueSet/bare", "a", "b"),
            (&format!("{base}/ValueSet/bare"), "a", "b"),
            ("ValueSet/old", "a", "b"),
            ("ValueSet/new", "b", "a"),
            (&logical, "b", "a"),
        ] {
            assert_eq!(ids(&mut client, &format!("code:in={value}")), is_in, "{value}");
            assert_eq!(ids(&mut client, &format!("code:not-in={value}")), is_out, "{value}");
        }
        assert_eq!(ids(&mut client, "_filter=code%20in%20ValueSet/bare"), "a");
        client.delete("ValueSet/bare").expect(204);
        for gone in ["ValueSet/bare", "ValueSet/never", "ValueSet/a/b"] {
            client.get(&format!("Basic?code:in={gone}")).expect_outcome(400);
        }
    }

    fn tokens_are_compared_as_their_code_systems_compare_codes(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let system = |id: &str, matters: Value| {
            let mut system = json!({"resourceType": "CodeSystem", "id": id, "url": format!("urn:{id}"), "status": "active", "content": "complete", "concept": [{"code": "Ab"}]});
            if !matters.is_null() {
                system["caseSensitive"] = matters;
            }
            system
        };
        // what was written before the code systems were known
        for (id, system, code) in [("a", "urn:loose", "Ab"), ("b", "urn:loose", "aB"), ("c", "urn:strict", "Ab"), ("d", "urn:strict", "aB"),
            ("e", "urn:unsaid", "Ab"), ("f", "urn:nowhere", "Ab"), ("g", "http://loinc.org", "LP31755-9")] {
            let body = json!({"resourceType": "Basic", "id": id, "code": {"coding": [{"system": system, "code": code}]}});
            client.put(&format!("Basic/{id}"), &body).expect(201);
        }
        for (id, matters) in [("loose", json!(false)), ("strict", json!(true)), ("unsaid", Value::Null)] {
            client.put(&format!("CodeSystem/{id}"), &system(id, matters)).expect(201);
        }
        let ids = |client: &mut Client, query: &str| {
            let found = client.get(&format!("Basic?_sort=_id&{query}")).expect(200).json();
            let entries = found["entry"].as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect::<String>()
        };
        for (query, expected) in [
            ("code=urn:loose%7CAB", "ab"),
            ("code=urn:loose%7CAb", "ab"),
            ("code=urn:strict%7CAB", ""),
            ("code=urn:strict%7CAb,urn:loose%7Cab", "abc"),
            ("code=urn:unsaid%7CAB", ""),
            ("code=urn:nowhere%7CAB", ""),
            ("code=http://loinc.org%7Clp31755-9", "g"),
            ("code:not=urn:loose%7CAB", "cdefg"),
            ("code=urn:loose%7C", "ab"),
            // without a system it is not known how codes are compared
            ("code=AB", ""),
            ("code=Ab", "acef"),
        ] {
            assert_eq!(ids(&mut client, query), expected, "{query}");
        }
        // what a code system says counts from the moment it is written
        client.put("CodeSystem/strict", &system("strict", json!(false))).expect(200);
        assert_eq!(ids(&mut client, "code=urn:strict%7CAB"), "cd");
        client.delete("CodeSystem/strict").expect(204);
        assert_eq!(ids(&mut client, "code=urn:strict%7CAB"), "");
    }

    fn fragments_and_groups_without_systems(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let part = |id: &str, version: &str, concepts: Value| json!({"resourceType": "CodeSystem", "id": id, "url": "urn:f", "version": version,
            "status": "active", "content": "fragment", "concept": concepts});
        client.put("CodeSystem/f1", &part("f1", "1", json!([{"code": "a", "display": "Old"}, {"code": "b"}]))).expect(201);
        client.put("CodeSystem/f2", &part("f2", "1", json!([{"code": "c"}]))).expect(201);
        assert_eq!(codes(&mut client, "$expand?url=urn:f").len(), 3);
        client.put("CodeSystem/f3", &part("f3", "2", json!([{"code": "a", "display": "New"}, {"code": "d"}]))).expect(201);
        let mut all = codes(&mut client, "$expand?url=urn:f");
        all.sort();
        assert_eq!(all, ["a", "b", "c", "d"]);
        let display = client.get("CodeSystem/$lookup?system=urn:f&code=a").expect(200).text();
        assert!(display.contains("New"), "{display}");
        client.get("CodeSystem/$lookup?system=urn:f&code=d&version=1").expect(400);
        client.get("CodeSystem/$lookup?system=urn:f&code=c&version=1").expect(200);
        client.delete("CodeSystem/f2").expect(204);
        client.get("CodeSystem/$lookup?system=urn:f&code=c").expect(400);

        let set = json!({"resourceType": "ValueSet", "id": "v", "url": "urn:v", "status": "active", "compose": {"include": [{"system": "urn:a"}]}});
        client.put("ValueSet/v", &set).expect(201);
        let map = json!({"resourceType": "ConceptMap", "id": "m", "url": "urn:m", "status": "active", "sourceUri": "urn:v",
            "group": [{"target": "urn:f", "element": [{"code": "1", "target": [{"code": "a", "equivalence": "equal"}]}]}]});
        client.put("ConceptMap/m", &map).expect(201);
        for (system, is_found) in [("urn:a", true), ("urn:b", false)] {
            let answer = client.get(&format!("ConceptMap/$translate?system={system}&code=1")).expect(200).json();
            assert_eq!(result(&answer), is_found, "{system}: {answer}");
            assert!(!is_found || answer.to_string().contains("New"), "{answer}");
        }
    }
}
