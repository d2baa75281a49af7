//! `near` on Location, held against distances on a globe of its own.

use serde_json::{Value, json};

use super::modifiers::{found, put};
use crate::support::{TestApp, on_both_databases};

/// Ids with latitude and longitude; some across the date line and around the poles.
const PLACES: [(&str, f64, f64); 12] = [
    ("boston", 42.3601, -71.0589),
    ("cambridge", 42.3736, -71.1097),
    ("worcester", 42.2626, -71.8023),
    ("newyork", 40.7128, -74.0060),
    ("london", 51.5074, -0.1278),
    ("suva", -18.1248, 178.4501),
    ("taveuni", -16.8000, -179.9900),
    ("apia", -13.8333, -171.7667),
    ("northpole", 90.0, 0.0),
    ("ice", 89.9, 135.0),
    ("station", -89.99, -90.0),
    ("null", 0.0, 0.0),
];

fn location(id: &str, latitude: f64, longitude: f64) -> Value {
    json!({"resourceType": "Location", "id": id, "position": {"latitude": latitude, "longitude": longitude}})
}

/// Kilometres between two places, by the angle between their vectors.
fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let vector = |(north, east): (f64, f64)| {
        let (north, east) = (north.to_radians(), east.to_radians());
        [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
    };
    let (a, b) = (vector(a), vector(b));
    let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let sine = cross.iter().map(|x| x * x).sum::<f64>().sqrt();
    let cosine: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    sine.atan2(cosine) * 6371.0088
}

fn within(from: (f64, f64), most: f64) -> Vec<String> {
    let near = PLACES.iter().filter(|(_, north, east)| kilometres(from, (*north, *east)) <= most);
    let mut ids: Vec<String> = near.map(|(id, ..)| (*id).to_owned()).collect();
    ids.sort();
    ids
}

on_both_databases! {
    fn places_are_found_by_distance(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let mut all: Vec<Value> = PLACES.iter().map(|(id, north, east)| location(id, *north, *east)).collect();
        all.push(json!({"resourceType": "Location", "id": "nowhere"}));
        all.push(json!({"resourceType": "Procedure", "id": "p", "status": "completed", "subject": {"reference": "Patient/x"},
            "location": {"reference": "Location/cambridge"}}));
        put(&mut client, &all);
        for (id, north, east) in PLACES {
            for distance in [0.0, 6.0, 50.0, 306.5, 5300.0, 20_100.0] {
                let expected = within((north, east), distance);
                for (unit, factor) in [("", 1.0), ("%7Ckm", 1.0), ("%7Cm", 1000.0), ("%7C%5Bmi_i%5D", 1.0 / 1.609_344), ("%7Cmi", 1.0 / 1.609_344)] {
                    // a hair more than the distance, for the rounding of the unit
                    let asked = format!("Location?near={north}%7C{east}%7C{}{unit}", distance * factor + 0.000_001);
                    assert_eq!(found(&mut client, &asked), expected, "{id}: {asked}");
                }
            }
        }
        let either = found(&mut client, "Location?near=42.36%7C-71.06%7C20%7Ckm,51.5%7C-0.1%7C20%7Ckm");
        assert_eq!(either, ["boston", "cambridge", "london"]);
        assert_eq!(found(&mut client, "Location?near=42.36%7C-71.06"), ["boston", "cambridge"]);
        assert_eq!(found(&mut client, "Procedure?location.near=42.36%7C-71.06"), ["p"]);
        assert_eq!(found(&mut client, "Location?near:missing=true"), ["nowhere"]);
    }

    fn entries_say_how_far_and_are_sorted_by_it(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &PLACES.iter().map(|(id, north, east)| location(id, *north, *east)).collect::<Vec<_>>());
        let from = (42.0, -71.0);
        let mut expected: Vec<(f64, &str)> = PLACES.iter().map(|(id, north, east)| (kilometres(from, (*north, *east)), *id)).collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (sort, reverse) in [("near", false), ("-near", true)] {
            let bundle = client.get(&format!("Location?near=42%7C-71%7C30000%7Ckm&_sort={sort}&_count=100")).expect(200).json();
            let mut wanted = expected.clone();
            if reverse {
                wanted.reverse();
            }
            let entries = bundle["entry"].as_array().unwrap();
            assert_eq!(entries.len(), PLACES.len());
            for (entry, (distance, id)) in entries.iter().zip(wanted) {
                assert_eq!(entry["resource"]["id"], id, "{sort}");
                let extension = &entry["search"]["extension"][0];
                assert_eq!(extension["url"], "http://hl7.org/fhir/StructureDefinition/location-distance");
                let shown = extension["valueDistance"]["value"].as_f64().unwrap();
                assert!((shown - distance).abs() < 0.01, "{id}: {shown}, not {distance}");
            }
        }
        let plain = client.get("Location?_id=boston").expect(200).json();
        assert!(plain["entry"][0]["search"]["extension"].is_null(), "{plain}");
        for bad in ["near=91%7C0", "near=1", "near=1%7C2%7C-3", "near=1%7C2%7C3%7Ckg", "near=x%7C2", "_sort=near", "near:exact=1%7C2"] {
            client.get(&format!("Location?{bad}")).expect_outcome(400);
        }
    }
}
