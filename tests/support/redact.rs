//! Snapshots without the moving parts: ids become `ID1`, `ID2` ... in the order they appear, instants become `INSTANT`.

use std::collections::HashMap;

use regex::{Captures, Regex};

use super::Answer;

/// Status, the headers that FHIR gives a meaning, and the body, indented, with the moving parts redacted.
pub fn redact(answer: &Answer) -> String {
    let mut text = format!("{}\n", answer.status);
    let shown = ["allow", "content-type", "etag", "last-modified", "location"];
    let mut headers: Vec<&(String, String)> =
        answer.headers.iter().filter(|(n, _)| shown.contains(&n.as_str())).collect();
    headers.sort();
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
    if !answer.body.is_empty() {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(&answer.body);
        let body = json.map_or_else(|_| answer.text(), |json| serde_json::to_string_pretty(&json).unwrap());
        text.push_str(&format!("\n{body}\n"));
    }
    moving_parts(&text)
}

fn moving_parts(text: &str) -> String {
    let uuid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let instant = Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z").unwrap();
    let date = Regex::new(r"last-modified: [^\n]+").unwrap();
    let address = Regex::new(r"http://127\.0\.0\.1:\d+").unwrap();
    let page = Regex::new(r"_page=[^\x22&]+").unwrap();
    let mut names: HashMap<String, usize> = HashMap::new();
    let named = uuid.replace_all(text, |found: &Captures| {
        let next = names.len() + 1;
        format!("ID{}", names.entry(found[0].to_owned()).or_insert(next))
    });
    let text = instant.replace_all(&named, "INSTANT");
    let text = date.replace_all(&text, "last-modified: DATE");
    let text = page.replace_all(&text, "_page=TOKEN");
    address.replace_all(&text, "http://SERVER").into_owned()
}
