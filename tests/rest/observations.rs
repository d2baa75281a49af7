//! `$lastn` and `$stats`.

use serde_json::{Value, json};

use super::entries;
use crate::support::{Client, TestApp, on_both_databases};

/// An Observation of a patient; a code is `a+b`, of text `'text'`.
fn observation(client: &mut Client, id: &str, code: &str, when: &str, value: Value) {
    let code = match code.strip_prefix('\'') {
        Some(text) => json!({"text": text.trim_end_matches('\'')}),
        None => {
            json!({"coding": code.split('+').map(|code| json!({"system": "http://loinc.org", "code": code})).collect::<Vec<_>>()})
        }
    };
    let mut observation = json!({"resourceType": "Observation", "id": id, "status": "final", "code": code, "subject": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]});
    if !when.is_empty() {
        observation["effectiveDateTime"] = json!(when);
    }
    if !value.is_null() {
        observation["valueQuantity"] = value;
    }
    client.put(&format!("Observation/{id}"), &observation).expect(201);
}

fn quantity(value: f64, unit: &str) -> Value {
    json!({"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit})
}

/// The ids of a searchset, in order.
fn ids(bundle: &Value) -> Vec<String> {
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("searchset")), "{bundle}");
    let matches = entries(bundle).into_iter().filter(|entry| entry["search"]["mode"] == "match");
    matches.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

/// The components of a statistics Observation, as `code=value unit`.
fn components(observation: &Value) -> Vec<String> {
    let of = |component: &Value| {
        let (code, value) = (&component["code"]["coding"][0], &component["valueQuantity"]);
        assert_eq!(code["system"], "http://terminology.hl7.org/CodeSystem/observation-statistics");
        let value = match value {
            Value::Null => format!("absent {}", component["dataAbsentReason"]["coding"][0]["code"].as_str().unwrap()),
            value => format!("{} {}", value["value"].as_f64().unwrap(), value["code"].as_str().unwrap()),
        };
        format!("{}={value}", code["code"].as_str().unwrap())
    };
    observation["component"].as_array().unwrap().iter().map(of).collect()
}

/// The resources of the parameters of a name.
fn named(parameters: &Value, name: &str) -> Vec<Value> {
    let all = parameters["parameter"].as_array().into_iter().flatten();
    all.filter(|parameter| parameter["name"] == name).map(|parameter| parameter["resource"].clone()).collect()
}

on_both_databases! {
    fn the_last_of_each_code_are_answered(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        for (id, code, when) in [("t1", "temp", "2020-01-01"), ("t2", "temp", "2020-01-03"), ("t3", "temp", "2020-01-02T12:00:00Z"), ("t4", "temp", "2020-01-02T12:00:00Z"),
            ("w1", "weight", "2020-01-05"), ("w2", "weight+mass", "2020-01-04"), ("w3", "mass", "2019-12-31"), ("x1", "'text'", "2018-01-01"), ("x2", "'Text'", "2018-01-02"), ("n", "temp", "")] {
            observation(&mut client, id, code, when, Value::Null);
        }
        client.put("Observation/other", &json!({"resourceType": "Observation", "id": "other", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "temp"}]},
            "subject": {"reference": "Patient/q"}, "effectiveDateTime": "2022-01-01"})).expect(201);
        let ask = |client: &mut Client, query: &str| ids(&client.get(&format!("Observation/$lastn?{query}")).expect(200).json());
        assert_eq!(ask(&mut client, "patient=Patient/p&category=vital-signs"), ["w1", "t2", "x2", "x1"]);
        assert_eq!(ask(&mut client, "max=2&patient=p&category=vital-signs"), ["w1", "w2", "t2", "t3", "t4", "x2", "x1"]);
        assert_eq!(ask(&mut client, "max=10&subject=Patient/p&code=temp"), ["t2", "t3", "t4", "t1", "n"]);
        assert_eq!(ask(&mut client, "max=1&patient=p&code=http://loinc.org|mass"), ["w2"]);
        assert_eq!(ask(&mut client, "patient=p&category=vital-signs&date=lt2019-01-01"), ["x2", "x1"]);
        assert_eq!(ask(&mut client, "patient=none&category=vital-signs"), [""; 0]);
        let body = json!({"resourceType": "Parameters", "parameter": [{"name": "max", "valuePositiveInt": 2}, {"name": "patient", "valueString": "Patient/p"}, {"name": "code", "valueString": "temp"}]});
        let posted = client.post("Observation/$lastn", &body).expect(200).json();
        assert_eq!((ids(&posted), &posted["total"]), (vec!["t2".to_owned(), "t3".to_owned(), "t4".to_owned()], &json!(3)));
        let own = posted["link"][0]["url"].as_str().unwrap();
        assert!(own.contains("/Observation/$lastn?") && own.contains("max=2"), "{own}");
        let part = client.get("Observation/$lastn?patient=p&code=temp&_elements=code").expect(200).json();
        assert_eq!(entries(&part)[0]["resource"]["meta"]["tag"][0]["code"], "SUBSETTED");
        assert_eq!(client.get("Observation/$lastn?patient=p&code=temp&_summary=count").expect(200).json()["total"], 1);
        for bad in ["", "patient=p", "category=vital-signs", "patient=p&code=temp&max=0", "patient=p&code=temp&max=x", "patient=p&code=temp&max=1&max=2",
            "patient=p&code=temp&_sort=date", "patient=p&code=temp&date=x", "patient=p&code=temp&_include=*", "patient=&code=temp"] {
            client.get(&format!("Observation/$lastn?{bad}")).expect_outcome(400);
        }
        client.get("Patient/$lastn?patient=p&code=temp").expect_outcome(400);
        client.with_body("POST", "Observation/$lastn", &[("Prefer", "handling=strict")], &json!({"resourceType": "Parameters", "parameter": [{"name": "patient", "valueString": "p"},
            {"name": "code", "valueString": "temp"}, {"name": "nonsense", "valueString": "x"}]})).expect_outcome(400);
    }

    fn measurements_have_statistics(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        for (id, value, unit, when) in [("a", 5.0, "mmol/L", "2020-01-01T00:00:00Z"), ("b", 7000.0, "umol/L", "2020-01-02T00:00:00Z"), ("c", 9.0, "mmol/L", "2020-01-03T00:00:00Z")] {
            observation(&mut client, id, "2339-0", when, quantity(value, unit));
        }
        observation(&mut client, "none", "2339-0", "2020-01-04", Value::Null);
        observation(&mut client, "error", "2339-0", "2020-01-04", quantity(99.0, "mmol/L"));
        let mut wrong = client.get("Observation/error").expect(200).json();
        wrong["status"] = json!("entered-in-error");
        client.put("Observation/error", &wrong).expect(200);
        let asked = "subject=Patient/p&code=2339-0&system=http://loinc.org";
        let answer = client.get(&format!("Observation/$stats?{asked}&statistic=average&statistic=min&statistic=max&statistic=count&statistic=total-count&statistic=median&statistic=sum&statistic=std-dev&statistic=regression")).expect(200).json();
        let found = named(&answer, "statistics");
        assert_eq!((found.len(), named(&answer, "source").len()), (1, 0), "{answer}");
        assert_eq!(components(&found[0]), ["average=7 mmol/L", "minimum=5 mmol/L", "maximum=9 mmol/L", "count=3 {observations}", "total-count=4 {observations}", "median=7 mmol/L",
            "sum=21 mmol/L", "std-dev=2 mmol/L", "regression=2 (mmol/L)/d", "regression=5 mmol/L"]);
        assert_eq!((&found[0]["status"], &found[0]["subject"]["reference"], &found[0]["code"]["coding"][0]["code"], found[0].get("id")), (&json!("final"), &json!("Patient/p"), &json!("2339-0"), None));
        let body = json!({"resourceType": "Parameters", "parameter": [{"name": "subject", "valueUri": "Patient/p"}, {"name": "coding", "valueCoding": {"system": "http://loinc.org", "code": "2339-0", "display": "Glucose"}},
            {"name": "period", "valuePeriod": {"start": "2020-01-02", "end": "2020-01-03"}}, {"name": "statistic", "valueCode": "average"}, {"name": "include", "valueBoolean": true}, {"name": "limit", "valuePositiveInt": 1}]});
        let answer = client.post("Observation/$stats", &body).expect(200).json();
        let found = named(&answer, "statistics");
        assert_eq!((components(&found[0]), &found[0]["effectivePeriod"]), (vec!["average=8 mmol/L".to_owned()], &json!({"start": "2020-01-02", "end": "2020-01-03"})), "{answer}");
        assert_eq!(named(&answer, "source").iter().map(|source| source["id"].clone()).collect::<Vec<_>>(), [json!("c")]);
        let recent = client.get(&format!("Observation/$stats?{asked}&duration=1&statistic=count&statistic=average")).expect(200).json();
        let found = named(&recent, "statistics");
        assert_eq!(components(&found[0]), ["count=0 {observations}", "average=absent not-applicable"]);
        assert!(found[0]["effectivePeriod"]["start"].is_string() && found[0]["effectivePeriod"]["end"].is_string());
        // without sources their limit means nothing, whatever it is
        for ignored in ["limit=0", "limit=x", "include=false&limit=0"] {
            let answer = client.get(&format!("Observation/$stats?{asked}&statistic=count&{ignored}")).expect(200).json();
            assert!(named(&answer, "source").is_empty(), "{answer}");
        }
        for bad in ["", "subject=Patient/p&code=2339-0&statistic=count&include=true&limit=0", "subject=Patient/p&code=2339-0", "code=2339-0&statistic=count", "subject=Patient/p&statistic=count", "subject=Patient/p&code=1&statistic=mode",
            "subject=Patient/p&code=1&statistic=count&duration=-1", "subject=Patient/p&code=1&statistic=count&duration=x", "subject=Patient/p&code=1&statistic=count&nonsense=1",
            "subject=Patient/p&code=1&statistic=count&duration=1e30", "subject=Patient/p&code=1&statistic=count&include=maybe"] {
            client.get(&format!("Observation/$stats?{bad}")).expect_outcome(400);
        }
    }

    fn panels_have_statistics_of_their_parts(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        client.put("Patient/p", &json!({"resourceType": "Patient", "id": "p"})).expect(201);
        let part = |code: &str, value: f64| json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")});
        for (n, (high, low)) in [(120.0, 80.0), (130.0, 90.0)].into_iter().enumerate() {
            client.put(&format!("Observation/bp{n}"), &json!({"resourceType": "Observation", "id": format!("bp{n}"), "status": "final", "subject": {"reference": "Patient/p"},
                "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}, "effectiveDateTime": format!("2020-01-0{}", n + 1),
                "component": [part("8480-6", high), part("8462-4", low)], "hasMember": [{"reference": "Observation/pulse"}]})).expect(201);
        }
        observation(&mut client, "pulse", "8867-4", "2020-01-01", quantity(60.0, "/min"));
        let answer = client.get("Observation/$stats?subject=Patient/p&code=85354-9&system=http://loinc.org&statistic=average&statistic=count").expect(200).json();
        let mut found: Vec<(String, Vec<String>)> = named(&answer, "statistics").iter().map(|one| (one["code"]["coding"][0]["code"].as_str().unwrap().to_owned(), components(one))).collect();
        found.sort();
        let expected = |code: &str, average: &str, count: &str| (code.to_owned(), vec![format!("average={average}"), format!("count={count} {{observations}}")]);
        assert_eq!(found, [expected("8462-4", "85 mm[Hg]", "2"), expected("8480-6", "125 mm[Hg]", "2"), expected("8867-4", "60 /min", "1")], "{answer}");
        let one = client.get("Observation/$stats?subject=Patient/p&coding=http://loinc.org|8480-6&statistic=average&include=true").expect(200).json();
        assert_eq!((named(&one, "statistics").len(), named(&one, "source").len()), (1, 2), "{one}");
        let xml = client.send("GET", "/fhir/Observation/$stats?subject=Patient/p&code=8480-6&statistic=variance", &[("Accept", "application/fhir+xml")], b"").expect(200).text();
        assert!(xml.contains("mm[Hg]2"), "{xml}");
    }
}
