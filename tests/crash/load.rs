//! Load whose traces can be checked: transactions that write a patient and an observation of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, TestApp, parallel};

/// A transaction of two resources that must be there together.
pub fn pair(name: &str) -> Value {
    let url = "urn:uuid:11111111-1111-4111-8111-111111111111";
    let mark = json!([{"system": "http://crash", "value": name}]);
    json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": url, "request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient", "identifier": mark}},
        {"request": {"method": "POST", "url": "Observation"}, "resource": {"resourceType": "Observation", "status": "final",
            "code": {"text": "x"}, "identifier": mark, "subject": {"reference": url}}}]})
}

/// Writes pairs from several connections for `time`, then calls `stop`; gives back the names that were answered.
pub fn write_until(app: &TestApp, round: usize, time: Duration, stop: impl Fn() + Sync) -> Vec<String> {
    let over = AtomicBool::new(false);
    let answered = parallel(5, |thread| {
        if thread == 4 {
            std::thread::sleep(time);
            stop();
            over.store(true, Ordering::SeqCst);
            return Vec::new();
        }
        let mut client = app.client();
        let mut names = Vec::new();
        for n in 0.. {
            let name = format!("r{round}-t{thread}-{n}");
            let headers = [("Content-Type", "application/fhir+json")];
            let sent = client.try_send("POST", "/fhir", &headers, pair(&name).to_string().as_bytes());
            match sent {
                Ok(answer) if answer.status == 200 => names.push(name),
                Ok(answer) => assert!(over.load(Ordering::SeqCst) || answer.status == 503, "{}", answer.text()),
                Err(_) => break,
            }
            if over.load(Ordering::SeqCst) {
                break;
            }
        }
        names
    });
    answered.into_iter().flatten().collect()
}

/// Everything answered is there, and nothing is there by half.
pub fn check(client: &mut Client, answered: &[String]) {
    let names = |kind: &str, client: &mut Client| -> Vec<String> {
        let (found, total) = client.search_all(&format!("{kind}?_count=1000"));
        assert_eq!(total, u64::try_from(found.len()).ok());
        let mut names: Vec<String> =
            found.iter().map(|r| r["identifier"][0]["value"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let (patients, observations) = (names("Patient", client), names("Observation", client));
    assert_eq!(patients, observations, "half of a transaction is there");
    let lost: Vec<&String> = answered.iter().filter(|name| patients.binary_search(name).is_err()).collect();
    assert!(lost.is_empty(), "{} of {} answered writes are lost, as {:?}", lost.len(), answered.len(), lost[0]);
    let mut joined = client.count("Observation?subject:Patient.identifier:missing=false");
    assert_eq!(joined, u64::try_from(patients.len()).unwrap());
    joined = client.count("Patient?_has:Observation:patient:status=final");
    assert_eq!(joined, u64::try_from(patients.len()).unwrap());
}

/// `doctor --deep` finds nothing wrong in a stopped store.
pub fn doctor(app: &mut TestApp) {
    app.kill();
    let output = app.run(&["doctor", "--deep"]);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "doctor: {text}");
}
