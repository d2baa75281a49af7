//! `_text`, `_content`, `:text` and `:fuzzy` on strings: what is found, and in which order.

use serde_json::{Value, json};

use super::modifiers::{found, put};
use crate::support::{Client, TestApp, on_both_databases};

fn condition(id: &str, narrative: &str, code: &str) -> Value {
    json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p0"}, "code": {"text": code},
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{narrative}</div>")}})
}

fn patient(id: &str, family: &str, given: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family, "given": [given]}],
        "contact": [{"name": {"text": "Hidden Person"}}]})
}

/// The words of a text, in lowercase.
fn words(text: &str) -> Vec<String> {
    let text = text.replace("<b>", " ").replace("</b>", " ").to_lowercase().replace('é', "e");
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Ids and scores in the order of the answer.
fn ranked(client: &mut Client, search: &str) -> Vec<(String, f64)> {
    let bundle = client.get(search).expect(200).json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let score = |entry: &Value| entry["search"]["score"].as_f64().unwrap_or_else(|| panic!("no score: {entry}"));
    entries.iter().map(|e| (e["resource"]["id"].as_str().unwrap().to_owned(), score(e))).collect()
}

const TEXTS: [&str; 8] = [
    "The <b>bone</b> has metastases",
    "Liver and metastases of the liver",
    "Liver only",
    "metastases",
    "Bone, liver; nothing else",
    "A fractured thigh-bone of the left side",
    "résumé of nothing",
    "—",
];

/// Those of the texts whose words pass.
fn those(passes: impl Fn(&[String]) -> bool) -> Vec<String> {
    let found = TEXTS.iter().enumerate().filter(|(_, text)| passes(&words(text)));
    found.map(|(n, _)| format!("c{n}")).collect()
}

on_both_databases! {
    fn words_of_narratives_and_contents_are_found(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        let all: Vec<Value> = TEXTS.iter().enumerate().map(|(n, text)| condition(&format!("c{n}"), text, &format!("Code{n}"))).collect();
        put(&mut client, &all);
        put(&mut client, &[patient("p0", "Liver", "Bone")]);
        let has = |words: &[String], word: &str| words.iter().any(|w| w == word);
        let phrase = |words: &[String], phrase: [&str; 2]| words.windows(2).any(|w| w == phrase);
        let cases: Vec<(&str, Vec<String>)> = vec![
            ("liver", those(|w| has(w, "liver"))),
            ("LIVER", those(|w| has(w, "liver"))),
            ("(bone OR liver) and metastases", those(|w| (has(w, "bone") || has(w, "liver")) && has(w, "metastases"))),
            ("bone liver", those(|w| has(w, "bone") && has(w, "liver"))),
            ("liver -bone", those(|w| has(w, "liver") && !has(w, "bone"))),
            ("NOT liver", those(|w| !has(w, "liver"))),
            ("\"the liver\"", those(|w| phrase(w, ["the", "liver"]))),
            ("thigh-bone", those(|w| phrase(w, ["thigh", "bone"]))),
            ("meta*", those(|w| w.iter().any(|w| w.starts_with("meta")))),
            ("resume", those(|w| has(w, "resume"))),
            ("bone,resume", those(|w| has(w, "bone") || has(w, "resume"))),
            ("div", vec![]), ("xhtml", vec![]), ("code1", vec![]),
        ];
        for (asked, expected) in cases {
            assert_eq!(found(&mut client, &format!("Condition?_text={}", encoded(asked).replace("%2C", ","))), expected, "{asked}");
        }
        assert_eq!(found(&mut client, "Condition?_content=code3"), ["c3"]);
        assert_eq!(found(&mut client, "Condition?_content=metastases%20code1"), ["c1"]);
        assert_eq!(found(&mut client, "Condition?_content=generated").len(), TEXTS.len());
        assert_eq!(found(&mut client, "Patient?_content=hidden"), ["p0"]);
        assert!(found(&mut client, "Patient?_text=liver").is_empty());
        assert_eq!(found(&mut client, "Condition?subject:Patient._content=hidden&_text=bone").len(), 3);
        client.put("Condition/c3", &condition("c3", "healed", "Code3")).expect(200);
        assert!(!found(&mut client, "Condition?_text=metastases").contains(&"c3".to_owned()));
        for bad in ["_text=%22a", "_text=(a", "_text=%26", "_content=-", "_text:exact=a", "_text:missing=true"] {
            client.get(&format!("Condition?{bad}")).expect_outcome(400);
        }
    }

    fn the_best_comes_first(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &(0..30).map(|n| {
            // more and more of the word in texts of one length
            let text: Vec<&str> = (0..30).map(|at| if at <= n { "pain" } else { "calm" }).collect();
            condition(&format!("c{n:02}"), &text.join(" "), "x")
        }).collect::<Vec<_>>());
        let first = ranked(&mut client, "Condition?_text=pain&_count=100");
        let ids: Vec<String> = first.iter().map(|(id, _)| id.clone()).collect();
        let expected: Vec<String> = (0..30).rev().map(|n| format!("c{n:02}")).collect();
        assert_eq!(ids, expected);
        assert!(first.windows(2).all(|pair| pair[0].1 >= pair[1].1) && first[0].1 > first[29].1, "{first:?}");
        assert!(first.iter().all(|(_, score)| (0.0..=1.0).contains(score)), "{first:?}");
        assert_eq!(ranked(&mut client, "Condition?_text=pain&_sort=_score&_count=100"), first);
        let mut back = ranked(&mut client, "Condition?_text=pain&_sort=-_score&_count=100");
        back.reverse();
        assert_eq!(back, first);
        let by_id = ranked(&mut client, "Condition?_text=pain&_sort=_id&_count=100");
        assert!(by_id.is_sorted_by(|a, b| a.0 < b.0) && by_id.iter().all(|pair| first.contains(pair)));
        // pages
        let page = client.get("Condition?_text=pain&_count=7").expect(200).json();
        let next = page["link"].as_array().unwrap().iter().find(|l| l["relation"] == "next").unwrap()["url"].as_str().unwrap().to_owned();
        let second = ranked(&mut client, next.split_once("/fhir/").unwrap().1);
        assert_eq!(second, first[7..14]);
        assert!(client.get("Condition?_id=c00").expect(200).json()["entry"][0]["search"]["score"].is_null());
    }

    fn names_are_found_with_typing_errors(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        put(&mut client, &[patient("p1", "Smith", "John"), patient("p2", "Smyth", "Jon"), patient("p3", "Schmidt", "Hans"),
            patient("p4", "Müller-Lüdenscheidt", "Eve"), patient("p5", "van den Berg", "Ana"), patient("p6", "Li", "Wu")]);
        for (asked, expected) in [("family:fuzzy=smiht", vec!["p1"]), ("family:fuzzy=smith", vec!["p1", "p2"]), ("family:fuzzy=Schmid", vec!["p3"]),
            ("family:fuzzy=Ludenscheit", vec!["p4"]), ("family:fuzzy=berk", vec!["p5"]), ("family:fuzzy=lu", vec![]), ("family:fuzzy=li", vec!["p6"]),
            ("given:fuzzy=jonh,wu", vec!["p1", "p2", "p6"]), ("given:fuzzy=johhn", vec!["p1"]), ("name:text=berg%20OR%20smith", vec!["p1", "p5"]), ("name:text=%22den%20berg%22", vec!["p5"]),
            ("family:text=mul*", vec!["p4"])] {
            let mut ids = found(&mut client, &format!("Patient?{asked}"));
            ids.sort();
            assert_eq!(ids, expected, "{asked}");
        }
        let order = ranked(&mut client, "Patient?family:fuzzy=smith");
        assert_eq!(order, [("p1".to_owned(), 1.0), ("p2".to_owned(), 0.8)]);
        client.get("Patient?birthdate:fuzzy=2000").expect_outcome(400);
        client.get("Patient?family:fuzzy=-").expect_outcome(400);
    }
}
