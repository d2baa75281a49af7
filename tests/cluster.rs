//! Pages and the nodes that hold them: links are followed on any node while others write, by keyset also after the
//! snapshot is gone, and a node that is away is said so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Client, Database, Postgres, TestApp, on_both_databases, parallel, signal};

fn observation(id: &str, value: usize) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "page"},
        "valueQuantity": {"value": value}})
}

/// Puts `count` Observations, in an order that is not that of their ids; their ids, sorted.
fn fill(client: &mut Client, count: usize) -> BTreeSet<String> {
    let ids: Vec<String> = (0..count).map(|n| format!("p{:04}", n * 89 % count)).collect();
    let entry = |id: &String| json!({"resource": observation(id, id.len()), "request": {"method": "PUT", "url": format!("Observation/{id}")}});
    let entries: Vec<Value> = ids.iter().map(entry).collect();
    client.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).expect(200);
    ids.into_iter().collect()
}

/// The target of a link.
fn link(page: &Value, relation: &str) -> Option<String> {
    let links = page["link"].as_array().into_iter().flatten();
    let url = links.into_iter().find(|l| l["relation"] == relation).and_then(|l| l["url"].as_str())?;
    Some(url[url.find("/fhir").unwrap()..].to_owned())
}

fn ids(page: &Value) -> Vec<String> {
    let entries = page["entry"].as_array().into_iter().flatten();
    entries.map(|e| e["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

fn follow(client: &mut Client, target: &str) -> Answer {
    client.send("GET", target, &[], &[])
}

/// The total that a page tells, and its matches: ids with their versions.
type Page = (Option<u64>, Vec<(String, String)>);

/// All pages from `target` on, each asked of the next client.
fn pages(clients: &mut [Client], target: &str) -> Vec<Page> {
    let (mut found, mut next) = (Vec::new(), Some(target.to_owned()));
    for n in 0.. {
        let Some(target) = next else { break };
        let at = n % clients.len();
        let page = follow(&mut clients[at], &target).expect(200).json();
        let entries = page["entry"].as_array().into_iter().flatten();
        let version = |e: &Value| e["resource"]["meta"]["versionId"].as_str().unwrap().to_owned();
        let entries = entries.map(|e| (e["resource"]["id"].as_str().unwrap().to_owned(), version(e)));
        found.push((page["total"].as_u64(), entries.collect()));
        next = link(&page, "next");
    }
    found
}

/// Writes before, between and behind the pages until told to stop: new resources, changes, deletions of the new ones.
fn disturb(node: &TestApp, name: &str, readers: &AtomicUsize) -> usize {
    let mut client = node.client();
    let mut written = 0;
    for n in 0.. {
        if readers.load(Ordering::SeqCst) == 0 {
            break;
        }
        let id = format!("{}-{name}-{n}", ["a", "p0050", "z"][n % 3]);
        client.put(&format!("Observation/{id}"), &observation(&id, n)).expect(201);
        let fixed = format!("p{:04}", n * 31 % 100);
        client.put(&format!("Observation/{fixed}"), &observation(&fixed, 1000 + n));
        if n % 2 == 0 {
            client.delete(&format!("Observation/{id}")).expect(204);
        }
        written += 1;
    }
    written
}

fn two_nodes() -> (TestApp, TestApp) {
    let first = TestApp::start(Database::Postgres);
    let second = first.second_node();
    (first, second)
}

#[test]
fn links_are_followed_on_any_node_while_others_write() {
    if !Postgres::available() {
        return;
    }
    let (first, second) = two_nodes();
    let fixed = fill(&mut first.client(), 100);
    let readers = AtomicUsize::new(2);
    let outcomes = parallel(4, |thread| {
        if thread < 2 {
            return disturb([&first, &second][thread], &thread.to_string(), &readers);
        }
        let nodes = [&first, &second];
        let _reading = Reading(&readers);
        for sort in ["", "&_sort=value-quantity", "&_sort=-_lastUpdated", "&_sort=_id"] {
            let search = format!("/fhir/Observation?_count=7{sort}");
            let holder = nodes[thread % 2];
            let page = follow(&mut holder.client(), &search).expect(200).json();
            let start = link(&page, "next").unwrap();
            let mut mixed = [nodes[(thread + 1) % 2].client(), holder.client()];
            let through = pages(&mut mixed, &start);
            let alone = pages(&mut [holder.client()], &start);
            assert_eq!(through, alone, "{sort}: the pages of another node are not those of the holder");
            let total = page["total"].as_u64();
            assert!(through.iter().all(|(t, _)| *t == total), "{sort}: totals differ: {through:?}");
            let all: Vec<String> =
                ids(&page).into_iter().chain(through.into_iter().flat_map(|(_, p)| p).map(|(id, _)| id)).collect();
            let set: BTreeSet<String> = all.iter().cloned().collect();
            assert_eq!((set.len(), Some(all.len() as u64)), (all.len(), total), "{sort}: skipped or repeated");
            assert!(set.is_superset(&fixed), "{sort}: {:?} are missing", fixed.difference(&set));
        }
        0
    });
    assert!(outcomes[..2].iter().all(|written| *written > 5), "hardly anything was written: {outcomes:?}");
}

/// A reader under way: the writers go on until all are through, or fail.
struct Reading<'a>(&'a AtomicUsize);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn pages_of_a_record_are_followed_on_any_node() {
    if !Postgres::available() {
        return;
    }
    let (first, second) = two_nodes();
    let patient =
        json!({"resource": {"resourceType": "Patient", "id": "p"}, "request": {"method": "PUT", "url": "Patient/p"}});
    let of_patient = |n: usize| {
        let mut resource = observation(&format!("o{n}"), n);
        resource["subject"] = json!({"reference": "Patient/p"});
        json!({"resource": resource, "request": {"method": "PUT", "url": format!("Observation/o{n}")}})
    };
    let entries: Vec<Value> = std::iter::once(patient).chain((0..40).map(of_patient)).collect();
    first.client().post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).expect(200);
    let page = first.client().get("Patient/p/$everything?_count=9").expect(200).json();
    let start = link(&page, "next").unwrap();
    second.client().delete("Observation/o30").expect(204);
    let alone = pages(&mut [first.client()], &start);
    assert_eq!(pages(&mut [second.client(), first.client()], &start), alone);
    assert_eq!(ids(&page).len() + alone.iter().map(|(_, matches)| matches.len()).sum::<usize>(), 41);
}

#[test]
fn cursors_of_graphql_are_followed_on_any_node() {
    if !Postgres::available() {
        return;
    }
    let (first, second) = two_nodes();
    fill(&mut first.client(), 23);
    let fields =
        "{ count offset pagesize edges { mode resource { id valueQuantity { value } } } first previous next last }";
    let ask = |node: &TestApp, arguments: &str| -> Value {
        let query = json!({"query": format!("{{ ObservationConnection({arguments}) {fields} }}")});
        let headers = [("content-type", "application/json")];
        let answer = node.client().with_body("POST", "$graphql", &headers, &query).expect(200).json();
        answer["data"]["ObservationConnection"].clone()
    };
    let follow = |node: &TestApp, page: &Value, link: &str| ask(node, &format!("_cursor: {}", page[link]));
    let start = ask(&first, "_count: 5, _sort: \"-value-quantity\"");
    // what others write meanwhile is on none of the pages
    first.client().put("Observation/late", &observation("late", 999_999)).expect(201);
    let (mut page, mut found) = (start.clone(), Vec::new());
    while page["next"].is_string() {
        let there = follow(&first, &page, "next");
        page = follow(&second, &page, "next");
        let bare = |page: &Value| (page["count"].clone(), page["offset"].clone(), page["edges"].clone());
        assert_eq!(bare(&page), bare(&there), "the page of another node is not that of the holder");
        found.extend(page["edges"].as_array().unwrap().clone());
    }
    assert_eq!((found.len(), &page["offset"], &page["count"]), (18, &json!(20), &json!(23)));
    let back = follow(&second, &page, "first");
    assert_eq!(back["edges"], start["edges"]);
}

#[test]
fn a_batch_may_ask_for_a_page_of_another_node() {
    if !Postgres::available() {
        return;
    }
    let (first, second) = two_nodes();
    fill(&mut first.client(), 30);
    let page = first.client().get("Observation?_count=10&_sort=value-quantity&_pretty=true").expect(200).json();
    let target = link(&page, "next").unwrap();
    assert!(target.contains("_pretty=true"), "{target}");
    let own = follow(&mut first.client(), &target).expect(200);
    let other = follow(&mut second.client(), &target).expect(200);
    assert_eq!(ids(&own.json()), ids(&other.json()));
    assert_eq!((own.body.len(), own.header("content-type")), (other.body.len(), other.header("content-type")));
    let url = target.strip_prefix("/fhir/").unwrap();
    let batch =
        json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]});
    let answered = second.client().post("", &batch).expect(200).json();
    assert_eq!(ids(&answered["entry"][0]["resource"]), ids(&own.json()), "{answered}");
}

#[test]
fn a_node_that_is_away_is_said_so() {
    if !Postgres::available() {
        return;
    }
    let (mut first, mut second) = two_nodes();
    second.restart_with(&[], &[("CRESSET_LIMIT_RELAY_SECONDS", "1")]);
    fill(&mut first.client(), 40);
    let start = |node: &TestApp, sort: &str| {
        let page = node.client().get(&format!("Observation?_count=10&{sort}")).expect(200).json();
        link(&page, "next").unwrap()
    };
    let (plain, by_id) = (start(&first, "_sort=value-quantity"), start(&first, "_sort=_id"));
    let mut client = second.client();

    // Paused: it may come back, and does.
    let pid = first.pid().to_string();
    signal("STOP", &pid);
    let asked = Instant::now();
    let away = follow(&mut client, &plain);
    let took = asked.elapsed();
    let keyset = follow(&mut client, &by_id);
    signal("CONT", &pid);
    assert_eq!(away.header("retry-after"), Some("1"), "{}: {}", away.status, away.text());
    assert_eq!(away.expect_outcome(503)["issue"][0]["code"], "transient");
    assert!(took < Duration::from_secs(8), "{took:?}");
    let expected: Vec<String> = (10..20).map(|n| format!("p{n:04}")).collect();
    assert_eq!(ids(&keyset.expect(200).json()), expected);
    let end = Instant::now() + Duration::from_secs(20);
    while follow(&mut client, &plain).status != 200 {
        assert!(Instant::now() < end, "it does not come back");
    }

    // Killed: at first it may come back, then it is gone.
    first.kill();
    assert_eq!(follow(&mut client, &plain).expect_outcome(503)["issue"][0]["code"], "transient");
    first.sql("UPDATE nodes SET seen = seen - 30000000");
    assert_eq!(follow(&mut client, &plain).expect_outcome(410)["issue"][0]["code"], "expired");
    assert_eq!(ids(&follow(&mut client, &by_id).expect(200).json()), expected);

    // Another run at the same address does not hold what the one before held.
    first.restart(&[]);
    first.sql("UPDATE nodes SET seen = seen + 30000000");
    follow(&mut client, &plain).expect_outcome(410);
    follow(&mut first.client(), &plain).expect_outcome(410);
    assert_eq!(ids(&follow(&mut client, &by_id).expect(200).json()), expected);

    // Stopped in order: gone at once.
    let token = start(&first, "_sort=value-quantity");
    follow(&mut client, &token).expect(200);
    signal("TERM", &first.pid().to_string());
    assert!(first.ended().success());
    follow(&mut client, &token).expect_outcome(410);
}

on_both_databases! {
    fn links_of_long_searches_are_short_and_can_be_followed(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        let all = fill(&mut client, 30);
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        // 30 kB as in a list of ids, 300 kB as in one of names.
        for (long, size) in [(1500, 30_000), (4000, 300_000)] {
            let value: String = (0..long).map(|n| format!(",{n:0>width$}", width = size / long - 1)).collect();
            for sort in ["_id", "-_lastUpdated"] {
                let body = format!("code:not={}&_count=7&_sort={sort}", &value[1..]);
                let first = client.send("POST", "/fhir/Observation/_search", &form, body.as_bytes()).expect(200).json();
                assert_eq!(first["total"], 30);
                let mut found = BTreeSet::new();
                let mut page = first.clone();
                loop {
                    let own = link(&page, "self").unwrap();
                    assert!(own.len() < 64_000, "{}", own.len());
                    assert_eq!(ids(&follow(&mut client, &own).expect(200).json()), ids(&page), "self shows the same page");
                    found.extend(ids(&page));
                    let Some(next) = link(&page, "next") else { break };
                    assert!(next.len() < 1000, "{next:.2000}");
                    page = follow(&mut client, &next).expect(200).json();
                    let back = link(&page, "previous").unwrap();
                    follow(&mut client, &back).expect(200);
                }
                assert_eq!(found, all);
                let next = link(&first, "next").unwrap();
                app.restart(&[]);
                client = app.client();
                follow(&mut client, &next).expect_outcome(410);
            }
        }
    }

    fn pages_by_id_go_on_after_a_restart(database) {
        let mut app = TestApp::start(database);
        let fixed: Vec<String> = fill(&mut app.client(), 100).into_iter().collect();
        for (sort, descending) in [("_sort=_id", false), ("_sort=-_id", true)] {
            let mut expected = fixed.clone();
            if descending {
                expected.reverse();
            }
            let mut page = app.client().get(&format!("Observation?_count=25&{sort}")).expect(200).json();
            let (mut seen, mut round) = (ids(&page), 0);
            while let Some(next) = link(&page, "next") {
                // Every page in another run of the server, with writes on both sides of where it stands.
                app.restart(&[]);
                let mut client = app.client();
                for id in ["a", "p0000", "z"].map(|side| format!("{side}-{round}-{descending}")) {
                    client.put(&format!("Observation/{id}"), &observation(&id, 1)).expect(201);
                }
                page = follow(&mut client, &next).expect(200).json();
                seen.extend(ids(&page));
                round += 1;
                assert!(round < 20, "there is no end");
            }
            let own = |all: &[String]| all.iter().filter(|id| id.len() == 5).cloned().collect::<Vec<_>>();
            assert_eq!(own(&seen), expected, "skipped or repeated: {seen:?}");
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "repeated: {seen:?}");
            let mut back = ids(&page);
            while let Some(previous) = link(&page, "previous") {
                app.restart(&[]);
                page = follow(&mut app.client(), &previous).expect(200).json();
                back.splice(0..0, ids(&page));
            }
            assert_eq!(own(&back), expected, "backwards: {back:?}");
        }
        // Any other order cannot be gone on with.
        let page = app.client().get("Observation?_count=25&_sort=_id,status").expect(200).json();
        let token = link(&page, "next").unwrap();
        app.restart(&[]);
        assert_eq!(follow(&mut app.client(), &token).expect_outcome(410)["issue"][0]["code"], "expired");
    }

    fn links_lead_to_the_first_and_the_last_page(database) {
        let mut app = TestApp::start(database);
        let mut client = app.client();
        fill(&mut client, 23);
        for query in ["Observation?_count=5", "Observation?_count=5&_sort=-_id", "Observation?_count=5&_sort=_lastUpdated"] {
            let mut pages = vec![client.get(query).expect(200).json()];
            assert!(link(&pages[0], "first").is_none() && link(&pages[0], "previous").is_none());
            while let Some(next) = link(pages.last().unwrap(), "next") {
                pages.push(follow(&mut client, &next).expect(200).json());
            }
            assert_eq!(pages.iter().map(|page| ids(page).len()).collect::<Vec<_>>(), [5, 5, 5, 5, 3]);
            for page in &pages {
                let last = follow(&mut client, &link(page, "last").unwrap()).expect(200).json();
                assert_eq!(ids(&last), ids(&pages[4]), "{query}");
            }
            for page in &pages[1..] {
                let first = follow(&mut client, &link(page, "first").unwrap()).expect(200).json();
                assert_eq!(ids(&first), ids(&pages[0]), "{query}");
                assert!(link(&first, "previous").is_none() && link(&first, "next").is_some());
            }
        }
        for query in ["Observation?_count=5&_total=none", "Observation?_count=30", "Observation?_summary=count", "Observation?code=none"] {
            assert_eq!(link(&client.get(query).expect(200).json(), "last"), None, "{query}");
        }
        let page = client.get("Observation?_count=5&_sort=_id").expect(200).json();
        let second = follow(&mut client, &link(&page, "next").unwrap()).expect(200).json();
        app.restart(&[]);
        let first = follow(&mut app.client(), &link(&second, "first").unwrap()).expect(200).json();
        assert_eq!(ids(&first), ids(&page));
    }

    fn nobody_but_a_node_reads_pages_of_the_cluster(database) {
        let app = TestApp::start(database);
        fill(&mut app.client(), 20);
        let page = app.client().get("Observation?_count=5").expect(200).json();
        let target = link(&page, "next").unwrap();
        let body = target.strip_prefix("/fhir/").unwrap().as_bytes();
        let mut client = app.client();
        for headers in [&[][..], &[("X-Cresset-Cluster", "")], &[("X-Cresset-Cluster", "0000")]] {
            let answer = client.send("POST", "/cluster/page", headers, body);
            assert!(!answer.text().contains("p00"), "{}", answer.text());
            answer.expect_outcome(403);
        }
        client.send("GET", "/cluster/page", &[], &[]).expect_outcome(403);
        if database == Database::Postgres {
            let secret = app.sql("SELECT convert_from(secret, 'UTF8') FROM secrets WHERE name = 'cluster'");
            let secret = secret.trim();
            assert_eq!(secret.len(), 64);
            let send = |text: &[u8]| app.client().send("POST", "/cluster/page", &[("X-Cresset-Cluster", secret)], text);
            assert_eq!(ids(&send(body).expect(200).json()).len(), 5);
            for bad in [&b""[..], b"Observation", b"Observation?", b"Observation?_page=", b"Patient/1?_page=x", b"?_page=s4.", b"\xff?\xff"] {
                send(bad).expect_outcome(400);
            }
            // A search is not a page, and neither is anything else.
            send(b"Observation?_count=5").expect_outcome(400);
            let headers = [("X-Cresset-Cluster", secret)];
            // The refusal may come while the body is still on its way, which breaks the connection.
            let long = app.client().try_send("POST", "/cluster/page", &headers, &vec![b'x'; 3 << 20]);
            assert!(long.is_err() || long.is_ok_and(|answer| answer.status == 413));
            // It says what it holds itself, and asks nobody else.
            let own = String::from_utf8_lossy(body);
            let node = own.split('.').nth(2).unwrap();
            send(own.replace(node, "1").as_bytes()).expect_outcome(410);
        }
    }
}
