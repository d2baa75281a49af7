//! `_filter` and `_list`, against the raw JSON.

use serde_json::Value;

use super::decimal::Decimal;
use super::joined::{Ask, EACH, ask, compare, data, has, led, load, those};
use super::paths::at;
use super::time::Range;
use crate::support::{TestApp, on_both_databases};

/// The evaluator's base characters, in lowercase.
fn fold(text: &str) -> String {
    super::evaluate::fold(text).to_lowercase()
}

/// A search of a type by a filter, encoded; `{12}` in it stands for a resource.
fn filtered(kind: &str, filter: &str, holds: impl Fn(usize, &Value) -> bool) -> Ask {
    let encode = |c: char| match c {
        ' ' => "%20".to_owned(),
        '"' => "%22".to_owned(),
        '|' => "%7C".to_owned(),
        '[' => "%5B".to_owned(),
        ']' => "%5D".to_owned(),
        '+' => "%2B".to_owned(),
        c if !c.is_ascii() => c.to_string().bytes().map(|b| format!("%{b:02X}")).collect(),
        c => c.to_string(),
    };
    ask(format!("{kind}?_filter={}", filter.chars().map(encode).collect::<String>()), those(kind, holds))
}

fn texts(json: &Value, path: &str) -> Vec<String> {
    at(json, path).iter().filter_map(|v| v.as_str()).map(fold).collect()
}

fn first(text: &str) -> char {
    text.chars().next().unwrap()
}

fn strings() -> Vec<Ask> {
    let mut asks = Vec::new();
    for word in ["Müller", "muller", "NUNEZ", "Ågren", "o'brien", "Linked", "ber"] {
        let folded = fold(word);
        let family = |json: &Value, test: &dyn Fn(&str) -> bool| texts(json, "name.family").iter().any(|t| test(t));
        asks.push(filtered("Patient", &format!("family eq {word}"), |_, j| family(j, &|t| t == folded)));
        asks.push(filtered("Patient", &format!("family ne \"{word}\""), |_, j| family(j, &|t| t != folded)));
        asks.push(filtered("Patient", &format!("family co {word}"), |_, j| family(j, &|t| t.contains(&folded))));
        asks.push(filtered("Patient", &format!("family sw {word}"), |_, j| family(j, &|t| t.starts_with(&folded))));
        asks.push(filtered("Patient", &format!("family gt {word}"), |_, j| family(j, &|t| first(t) > first(&folded))));
        asks.push(filtered("Patient", &format!("family ge {word}"), |_, j| family(j, &|t| first(t) >= first(&folded))));
        asks.push(filtered("Patient", &format!("family lt {word}"), |_, j| family(j, &|t| first(t) < first(&folded))));
        asks.push(filtered("Patient", &format!("family le {word}"), |_, j| family(j, &|t| first(t) <= first(&folded))));
    }
    for end in ["cruz", "berg", "EZ", "heidt", "la Cruz", "n"] {
        let folded = fold(end);
        let ends = |_: usize, j: &Value| texts(j, "name.family").iter().any(|t| t.ends_with(&folded));
        asks.push(filtered("Patient", &format!("family ew \"{end}\""), ends));
    }
    asks
}

fn tokens() -> Vec<Ask> {
    let mut asks = Vec::new();
    for gender in ["male", "FEMALE", "Other", "unknown", "fEmAlE"] {
        let small = gender.to_lowercase();
        asks.push(filtered("Patient", &format!("gender eq {gender}"), |_, j| has(j, "gender", &small)));
        // an unequal value, not the absence of an equal one
        asks.push(filtered("Patient", &format!("gender ne {gender}"), |_, j| {
            j["gender"].is_string() && !has(j, "gender", &small)
        }));
        asks.push(filtered("Patient", &format!("not (gender eq {gender})"), |_, j| !has(j, "gender", &small)));
    }
    let coding = |json: &Value, test: &dyn Fn(Option<&str>, &str) -> bool| {
        let codings = at(json, "code.coding");
        codings.iter().any(|c| test(c["system"].as_str(), c["code"].as_str().unwrap()))
    };
    for code in ["29463-7", "3141-9", "55418-8", "85354-9", "72166-2"] {
        asks.push(filtered("Observation", &format!("code eq loinc|{code}"), |_, j| {
            coding(j, &|s, c| s == Some("http://loinc.org") && c == code)
        }));
        asks.push(filtered("Observation", &format!("code ne http://loinc.org|{code}"), |_, j| {
            coding(j, &|_, c| c != code)
        }));
        asks.push(filtered("Observation", &format!("code eq snomed|{code} or code eq {code}"), |_, j| {
            coding(j, &|_, c| c == code)
        }));
    }
    // several tags, some without a system
    for (value, system, code) in [
        ("t1", "", Some("t1")),
        ("T2", "", Some("t2")),
        ("|t3", "none", Some("t3")),
        ("http://example.org/tag|Even", "http://example.org/tag", Some("even")),
        ("http://example.org/joined|J0", "http://example.org/joined", Some("j0")),
        ("http://example.org/tag|", "http://example.org/tag", None),
    ] {
        let equal = |tag: &&Value| {
            let fits = match system {
                "" => true,
                "none" => tag["system"].is_null(),
                system => tag["system"] == system,
            };
            fits && code.is_none_or(|code| tag["code"] == code)
        };
        asks.push(filtered("Patient", &format!("_tag eq {value}"), |_, j| at(j, "meta.tag").iter().any(&equal)));
        asks.push(filtered("Patient", &format!("_tag ne {value}"), |_, j| at(j, "meta.tag").iter().any(|t| !equal(t))));
    }
    asks
}

fn ranges() -> Vec<Ask> {
    let mut asks = Vec::new();
    let spans = |json: &Value, path: &str| -> Vec<Range> {
        at(json, path).iter().filter_map(|v| super::evaluate::range(v)).collect()
    };
    for value in ["1950", "1950-03", "1980-12-31", "1999-12", "2000", "1981-06-01"] {
        for prefix in ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"] {
            let wanted = Range::parse(value).unwrap();
            let holds = |_: usize, j: &Value| {
                spans(j, "birthDate").iter().any(|r| wanted.compare(prefix, *r, super::evaluate::NOW))
            };
            asks.push(filtered("Patient", &format!("birthdate {prefix} {value}"), holds));
        }
        // overlap is neither wholly after nor wholly before; containment is `eq` the other way round
        let wanted = Range::parse(value).unwrap();
        let compare = |prefix, r: &Range| wanted.compare(prefix, *r, super::evaluate::NOW);
        let overlap =
            |_: usize, j: &Value| spans(j, "birthDate").iter().any(|r| !compare("sa", r) && !compare("eb", r));
        asks.push(filtered("Patient", &format!("birthdate po {value}"), overlap));
        let contains =
            |_: usize, j: &Value| spans(j, "birthDate").iter().any(|r| r.compare("eq", wanted, super::evaluate::NOW));
        asks.push(filtered("Patient", &format!("birthdate co {value}"), contains));
    }
    for (operation, value) in [("gt", 0.2), ("lt", 0.15), ("ge", 0.5), ("le", 0.1), ("gt", 0.94)] {
        let holds = |_: usize, j: &Value| {
            at(j, "prediction.probabilityDecimal").iter().filter_map(|v| v.as_f64()).any(|p| match operation {
                "gt" => p > value,
                "lt" => p < value,
                "ge" => p >= value,
                _ => p <= value,
            })
        };
        asks.push(filtered("RiskAssessment", &format!("probability {operation} {value}"), holds));
    }
    // what the precision of the element implies includes the value: 0.1 is 0.05 to 0.15, 0.10 is 0.095 to 0.105
    for value in ["0.1", "0.05", "0.15", "0.104", "0.1004", "0.149", "0.945", "0.95", "1.4", "0.5"] {
        let wanted = Decimal::parse(value).unwrap().value;
        let includes = |v: &&Value| {
            let found = Decimal::parse(&v.to_string()).unwrap();
            found.value - found.half <= wanted && wanted < found.value + found.half
        };
        asks.push(filtered("RiskAssessment", &format!("probability co {value}"), |_, j| {
            at(j, "prediction.probabilityDecimal").iter().any(includes)
        }));
    }
    for bound in [80, 100, 120, 125, 130] {
        let holds = |_: usize, j: &Value| {
            at(j, "component.valueQuantity.value").iter().filter_map(|v| v.as_i64()).any(|v| v > bound)
        };
        asks.push(filtered("Observation", &format!("component-value-quantity gt {bound}|ucum|mm[Hg"), |_, _| false));
        asks.pop(); // a token ends at a bracket: the value is a string
        asks.push(filtered("Observation", &format!("component-value-quantity gt \"{bound}|ucum|mm[Hg]\""), holds));
    }
    asks
}

fn logic() -> Vec<Ask> {
    let mut asks = Vec::new();
    let male = |j: &Value| has(j, "gender", "male");
    let active = |j: &Value| j["active"] == true;
    let even = |j: &Value| has(j, "meta.tag.code", "even");
    let (a, b, c) = ("gender eq male", "active eq true", "_tag eq even");
    asks.push(filtered("Patient", &format!("{a} or {b} and {c}"), |_, j| (male(j) || active(j)) && even(j)));
    asks.push(filtered("Patient", &format!("{a} or ({b} and {c})"), |_, j| male(j) || (active(j) && even(j))));
    asks.push(filtered("Patient", &format!("{a} and {b} or {c}"), |_, j| (male(j) && active(j)) || even(j)));
    asks.push(filtered("Patient", &format!("not ({a} or not ({b})) or {c}"), |_, j| even(j) || !male(j) && active(j)));
    asks.push(filtered("Patient", &format!("not({a}) and not({b} and {c})"), |_, j| {
        !(male(j) || active(j) && even(j))
    }));
    asks.push(filtered("Patient", "gender pr false", |_, j| j["gender"].is_null()));
    asks.push(filtered("Patient", "gender pr true and deceased eq true", |_, j| {
        j["gender"].is_string() && j["deceasedDateTime"].is_string()
    }));
    asks.push(filtered("Patient", "death-date pr false or birthdate lt 1960", |_, j| {
        j["deceasedDateTime"].is_null() || j["birthDate"].as_str().is_some_and(|d| d < "1960")
    }));
    for n in 0..6 {
        let set = format!("http://example.org/fhir/ValueSet/edge-{n}");
        asks.push(filtered("ValueSet", &format!("url eq {set}"), |_, j| j["url"] == set.as_str()));
        asks.push(filtered("ValueSet", &format!("url ne {set}"), |_, j| {
            j["url"].is_string() && j["url"] != set.as_str()
        }));
    }
    let ids = those("Patient", |_, _| true);
    for n in ids.iter().copied().take(5) {
        asks.push(filtered("Patient", &format!("_id eq {{#{n}}} or _id eq {{#{}}}", ids[7]), |m, _| {
            m == n || m == ids[7]
        }));
        asks.push(filtered("Patient", &format!("_id ne {{#{n}}}"), |m, _| m != n));
    }
    asks
}

fn paths() -> Vec<Ask> {
    let mut asks = Vec::new();
    let json = |n: usize| &data().resources[n].json;
    let subjects = |n: usize, test: &dyn Fn(&Value) -> bool| led(n, "subject").iter().any(|p| test(json(*p)));
    for name in ["mull", "cruz", "zoe", "ana", "edge"] {
        let named = |p: &Value| {
            ["name.family", "name.given", "name.prefix"]
                .iter()
                .any(|path| texts(p, path).iter().any(|t| t.contains(name)))
        };
        asks.push(filtered("Observation", &format!("subject.name co \"{name}\""), |n, _| subjects(n, &named)));
        asks.push(filtered("Observation", &format!("patient[gender eq female].name co {name}"), |n, _| {
            subjects(n, &|p| has(p, "gender", "female") && named(p))
        }));
        asks.push(filtered("Observation", &format!("not (patient.name co {name}) and status eq final"), |n, j| {
            !subjects(n, &named) && j["status"] == "final"
        }));
        let city =
            |p: usize, test: &dyn Fn(&Value) -> bool| led(p, "managingOrganization").iter().any(|o| test(json(*o)));
        asks.push(filtered("Condition", &format!("patient[name co {name}].organization.name sw cl"), |n, _| {
            led(n, "subject")
                .iter()
                .any(|p| named(json(*p)) && city(*p, &|o| texts(o, "name").iter().any(|t| t.starts_with("cl"))))
        }));
    }
    for n in those("Patient", |_, _| true).into_iter().take(5) {
        asks.push(filtered("Observation", &format!("subject re {{{n}}}"), |m, _| led(m, "subject").contains(&n)));
        asks.push(filtered("Condition", &format!("subject re {{{n}}} or asserter re {{{n}}}"), |m, _| {
            led(m, "subject|asserter").contains(&n)
        }));
    }
    asks.push(filtered("Observation", "encounter.date pr false", |n, _| led(n, "encounter").is_empty()));
    asks.push(filtered("Patient", "general-practitioner.family pr false", |n, _| {
        led(n, "generalPractitioner").is_empty()
    }));
    asks.push(filtered("Patient", "general-practitioner.family pr true", |n, _| {
        !led(n, "generalPractitioner").is_empty()
    }));
    asks
}

fn lists() -> Vec<Ask> {
    let mut asks = Vec::new();
    for (at, n) in those("List", |_, _| true).into_iter().enumerate() {
        let listed = led(n, "entry.item");
        let of = |kind: &str| -> Vec<usize> {
            listed.iter().copied().filter(|m| data().resources[*m].kind == kind).collect()
        };
        asks.push(ask(format!("Patient?_list={{#{n}}}"), of("Patient")));
        asks.push(ask(format!("?_list={{#{n}}}"), listed.clone()));
        let even = those("Patient", |m, j| listed.contains(&m) && has(j, "meta.tag.code", "even"));
        asks.push(ask(format!("Patient?_list={{#{n}}}&_tag=even"), even));
        let chained = those("Observation", |m, _| led(m, "subject").iter().any(|p| listed.contains(p)));
        asks.push(ask(format!("Observation?patient._list={{#{n}}}"), chained));
        let other = those("List", |_, _| true)[(at + 1) % EACH];
        let both = those("Patient", |m, _| listed.contains(&m) || led(other, "entry.item").contains(&m));
        asks.push(ask(format!("Patient?_list={{#{n}}},{{#{other}}}"), both));
    }
    asks.push(ask("Patient?_list=none", Vec::new()));
    asks
}

on_both_databases! {
    fn filters_hold(database) {
        let asks: Vec<Ask> = [strings(), tokens(), ranges(), logic(), paths()].into_iter().flatten().collect();
        assert!(asks.len() > 180, "{}", asks.len());
        compare(&TestApp::start(database), &asks);
    }

    fn lists_are_searched(database) {
        compare(&TestApp::start(database), &lists());
    }

    fn filters_have_bounds(database) {
        let app = TestApp::start(database);
        let mut client = app.client();
        load(&mut client);
        let many = vec!["family%20co%20a"; 256].join("%20or%20");
        assert!(client.count(&format!("Patient?_filter={many}")) > 0);
        for filter in [
            format!("{many}%20or%20family%20co%20a"),
            format!("{}family%20eq%20a{}", "(".repeat(5000), ")".repeat(5000)),
            "subject%5B".repeat(20_000),
            format!("family%20eq%20%22{}%22", "x".repeat(1_000_000)),
        ] {
            // by POST: a URL of more than 64 KiB is refused before it is read
            let form = [("Content-Type", "application/x-www-form-urlencoded")];
            let body = format!("_filter={filter}");
            client.send("POST", "/fhir/Patient/_search", &form, body.as_bytes()).expect_outcome(400);
        }
        for filter in ["name%20zz%201", "nothing%20eq%201", "name", "(name%20eq%20x"] {
            let outcome = client.get(&format!("Patient?_filter={filter}")).expect_outcome(400);
            assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains("_filter"), "{outcome}");
        }
        let outcome = client.get("Patient?_filter=gender%20in%20http://x").expect_outcome(400);
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().contains("value set http://x"), "{outcome}");
    }
}
