//! Bundles as text: stored resources are joined by what stands between them, never parsed again.

use bytes::Bytes;

use crate::base::clock::Timestamp;
use crate::fhir::json::write_string;
use crate::repo::Note;

/// The head of a Bundle.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `Bundle.type`
    pub kind: &'static str,
    /// `Bundle.id`
    pub id: &'a str,
    /// `Bundle.meta.lastUpdated`
    pub updated: Timestamp,
    /// `Bundle.total`
    pub total: Option<u64>,
    /// Relation and URL of `Bundle.link`.
    pub links: &'a [(&'static str, String)],
}

/// One `Bundle.entry`; what is absent is left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry<'a> {
    /// `fullUrl`
    pub full_url: Option<&'a str>,
    /// `resource`, JSON text
    pub resource: Option<&'a [u8]>,
    /// `search.mode`
    pub mode: Option<&'static str>,
    /// More of `search`, with its mode.
    pub note: Note,
    /// `request.method` and `request.url`
    pub request: Option<(&'static str, &'a str)>,
    /// `response`
    pub response: Option<Response<'a>>,
}

/// `Bundle.entry.response`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Response<'a> {
    /// The status code; its usual text is added.
    pub status: u16,
    /// `location`
    pub location: Option<&'a str>,
    /// The version in `etag`.
    pub version: Option<i64>,
    /// `lastModified`
    pub modified: Option<Timestamp>,
    /// `outcome`, JSON text
    pub outcome: Option<&'a [u8]>,
}

/// A Bundle that grows by entries.
#[derive(Debug)]
pub struct Framing {
    out: Vec<u8>,
    entries: usize,
}

impl Framing {
    /// Starts a Bundle of about `size` bytes.
    pub fn start(head: Head<'_>, size: usize) -> Self {
        let mut out = Vec::with_capacity(size + 1024);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"id\":");
        write_string(head.id, &mut out);
        out.extend_from_slice(format!(",\"meta\":{{\"lastUpdated\":\"{}\"}},\"type\":", head.updated).as_bytes());
        write_string(head.kind, &mut out);
        if let Some(total) = head.total {
            out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        for (i, (relation, url)) in head.links.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b",\"link\":[{\"relation\":" } else { b",{\"relation\":" });
            write_string(relation, &mut out);
            out.extend_from_slice(b",\"url\":");
            write_string(url, &mut out);
            out.push(b'}');
        }
        if !head.links.is_empty() {
            out.push(b']');
        }
        Self { out, entries: 0 }
    }

    /// Adds an entry.
    pub fn entry(&mut self, entry: Entry<'_>) {
        // An empty array is not FHIR (json.html, 2.6.2), so the array begins with its first entry.
        self.raw(if self.entries == 0 { b",\"entry\":[" } else { b"," });
        self.entries += 1;
        self.raw(b"{");
        let mut before: &[u8] = b"";
        if let Some(url) = entry.full_url {
            self.raw(before);
            self.raw(b"\"fullUrl\":");
            write_string(url, &mut self.out);
            before = b",";
        }
        if let Some(resource) = entry.resource {
            self.raw(before);
            self.raw(b"\"resource\":");
            self.raw(resource);
            before = b",";
        }
        if let Some(mode) = entry.mode {
            self.raw(before);
            self.raw(b"\"search\":{\"mode\":");
            write_string(mode, &mut self.out);
            self.note(entry.note);
            self.raw(b"}");
            before = b",";
        }
        if let Some((method, url)) = entry.request {
            self.raw(before);
            self.raw(b"\"request\":{\"method\":");
            write_string(method, &mut self.out);
            self.raw(b",\"url\":");
            write_string(url, &mut self.out);
            self.raw(b"}");
            before = b",";
        }
        if let Some(response) = entry.response {
            self.raw(before);
            self.response(response);
        }
        self.raw(b"}");
    }

    /// The score (FHIR R4 `search.html`, 3.1.1.5.10), and the distance of a Location (`location.html`, 8.7.5.1) or the
    /// grade of a match (`patient-operation-match.html`).
    fn note(&mut self, note: Note) {
        if let Some(score) = note.score {
            self.raw(format!(",\"score\":{}", f64::from(score) / 1e6).as_bytes());
        }
        if let Some(grade) = note.grade {
            const URL: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";
            self.raw(format!(r#","extension":[{{"url":"{URL}","valueCode":"{grade}"}}]"#).as_bytes());
        } else if let Some(metres) = note.metres {
            const URL: &str = "http://hl7.org/fhir/StructureDefinition/location-distance";
            let kilometres = f64::from(metres) / 1000.0;
            let unit = r#""unit":"km","system":"http://unitsofmeasure.org","code":"km""#;
            let distance = format!(r#"{{"value":{kilometres},{unit}}}"#);
            self.raw(format!(r#","extension":[{{"url":"{URL}","valueDistance":{distance}}}]"#).as_bytes());
        }
    }

    fn response(&mut self, response: Response<'_>) {
        let known = http::StatusCode::from_u16(response.status).ok();
        let reason = known.and_then(|status| status.canonical_reason()).unwrap_or_default();
        self.raw(format!("\"response\":{{\"status\":\"{} {reason}\"", response.status).as_bytes());
        if let Some(location) = response.location {
            self.raw(b",\"location\":");
            write_string(location, &mut self.out);
        }
        if let Some(version) = response.version {
            self.raw(format!(",\"etag\":\"W/\\\"{version}\\\"\"").as_bytes());
        }
        if let Some(modified) = response.modified {
            self.raw(format!(",\"lastModified\":\"{modified}\"").as_bytes());
        }
        if let Some(outcome) = response.outcome {
            self.raw(b",\"outcome\":");
            self.raw(outcome);
        }
        self.raw(b"}");
    }

    /// The text of the Bundle.
    pub fn finish(mut self) -> Bytes {
        if self.entries > 0 {
            self.raw(b"]");
        }
        self.raw(b"}");
        self.out.into()
    }

    fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fhir::json::{Json, parse};

    #[test]
    fn an_empty_bundle_has_no_entry() {
        let head = Head { kind: "searchset", id: "a", updated: Timestamp(0), total: Some(0), links: &[] };
        let text = Framing::start(head, 0).finish();
        assert_eq!(
            String::from_utf8_lossy(&text),
            r#"{"resourceType":"Bundle","id":"a","meta":{"lastUpdated":"1970-01-01T00:00:00.000Z"},"type":"searchset","total":0}"#
        );
    }

    #[test]
    fn an_entry_of_history_is_complete() {
        let head = Head { kind: "history", id: "a", updated: Timestamp(0), total: None, links: &[] };
        let mut bundle = Framing::start(head, 0);
        let response = Response { status: 201, version: Some(1), modified: Some(Timestamp(0)), ..Response::default() };
        bundle.entry(Entry { request: Some(("POST", "Patient")), response: Some(response), ..Entry::default() });
        let json = parse(&bundle.finish()).expect("JSON");
        let response = json.get("entry").and_then(Json::as_array).and_then(|entries| entries[0].get("response"));
        let part = |name| response.and_then(|response| response.get(name)).and_then(Json::as_str);
        assert_eq!(part("status"), Some("201 Created"));
        assert_eq!(part("etag"), Some("W/\"1\""));
        assert_eq!(part("lastModified"), Some("1970-01-01T00:00:00.000Z"));
    }

    proptest! {
        #[test]
        fn every_bundle_is_json_with_its_entries(
            urls in prop::collection::vec("\\PC{0,20}", 0..5), has in any::<[bool; 4]>(),
        ) {
            let links: Vec<_> = urls.iter().map(|url| ("self", url.clone())).collect();
            let head = Head { kind: "searchset", id: "x", updated: Timestamp(0), total: Some(7), links: &links };
            let mut bundle = Framing::start(head, 0);
            for url in &urls {
                bundle.entry(Entry {
                    full_url: has[0].then_some(url),
                    resource: has[1].then_some(b"{\"a\":1.0}"),
                    mode: has[2].then_some("match"),
                    request: has[3].then_some(("GET", url)),
                    ..Entry::default()
                });
            }
            let json = parse(&bundle.finish()).expect("JSON");
            let entries = json.get("entry").and_then(Json::as_array).unwrap_or_default();
            prop_assert_eq!(entries.len(), urls.len());
            for (entry, url) in entries.iter().zip(&urls) {
                prop_assert_eq!(entry.get("fullUrl").and_then(Json::as_str), has[0].then_some(url.as_str()));
                prop_assert_eq!(entry.get("resource").is_some(), has[1]);
            }
        }
    }
}
