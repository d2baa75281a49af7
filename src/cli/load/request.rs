//! Makes requests of documents: what goes to the server in one piece.

use crate::base::fault::{Fault, Result};
use crate::cli::load::document::Document;
use crate::cli::load::outline::{items, member, members, plain};

/// One POST to the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where its resources stood.
    pub place: String,
    /// The transaction or batch Bundle.
    pub body: String,
    /// How many resources it holds.
    pub resources: usize,
    /// Whether doing it twice is the same as doing it once.
    pub is_repeatable: bool,
}

/// Gathers resources into batches; a request is full at so many resources or bytes.
#[derive(Debug)]
pub struct Gathering {
    place: String,
    body: String,
    resources: usize,
    is_repeatable: bool,
    most: usize,
}

const MOST_BYTES: usize = 4 << 20;
const HEAD: &str = "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[";

impl Gathering {
    /// An empty one; `most` resources in one batch.
    pub fn new(most: usize) -> Self {
        Self { place: String::new(), body: String::new(), resources: 0, is_repeatable: true, most }
    }

    /// Takes a document in; gives every request that is full to `full`.
    ///
    /// # Errors
    /// 400 for what is not a resource, and whatever `full` answers.
    pub fn add(&mut self, document: Document, full: &mut dyn FnMut(Request) -> Result<()>) -> Result<()> {
        let Document { place, text } = document;
        let bad = |why: &str| Fault::invalid(format!("{place}: {why}"));
        let found = members(&text).map_err(|broken| bad(&format!("not a JSON object (at byte {})", broken.at)))?;
        let value = |name: &str| found.iter().find(|(member, _)| *member == name).map(|(_, value)| *value);
        let Some(kind) = value("resourceType").and_then(plain) else {
            return Err(bad("not a FHIR resource: no resourceType"));
        };
        let bundle = if kind == "Bundle" { value("type").and_then(plain).unwrap_or_default() } else { "" };
        match bundle {
            "transaction" | "batch" => {
                self.flush(full)?;
                let resources =
                    value("entry").and_then(|entries| items(entries).ok()).map_or(0, |entries| entries.len());
                full(Request { place, body: text, resources, is_repeatable: false })
            }
            "collection" | "searchset" => {
                for (index, entry) in
                    value("entry").and_then(|text| items(text).ok()).unwrap_or_default().iter().enumerate()
                {
                    // An outcome in a searchset tells of the search; it is not data.
                    let is_outcome =
                        member(entry, "search").and_then(|search| member(search, "mode")) == Some("\"outcome\"");
                    if let Some(resource) = member(entry, "resource").filter(|_| !is_outcome) {
                        self.push(&format!("{place}: entry {index}"), resource, full)?;
                    }
                }
                Ok(())
            }
            _ => self.push(&place, &text, full),
        }
    }

    /// Gives what is left to `full`.
    ///
    /// # Errors
    /// Whatever `full` answers.
    pub fn flush(&mut self, full: &mut dyn FnMut(Request) -> Result<()>) -> Result<()> {
        if self.resources == 0 {
            return Ok(());
        }
        let mut body = std::mem::take(&mut self.body);
        body.push_str("]}");
        let is_repeatable = std::mem::replace(&mut self.is_repeatable, true);
        let (place, resources) = (std::mem::take(&mut self.place), std::mem::take(&mut self.resources));
        full(Request { place, body, resources, is_repeatable })
    }

    fn push(&mut self, place: &str, resource: &str, full: &mut dyn FnMut(Request) -> Result<()>) -> Result<()> {
        let found = members(resource).map_err(|_| Fault::invalid(format!("{place}: the resource is not an object")))?;
        let value = |name: &str| found.iter().find(|(member, _)| *member == name).and_then(|(_, value)| plain(value));
        let Some(kind) = value("resourceType") else {
            return Err(Fault::invalid(format!("{place}: not a FHIR resource: no resourceType")));
        };
        if self.resources > 0 && (self.resources >= self.most || self.body.len() + resource.len() > MOST_BYTES) {
            self.flush(full)?;
        }
        if self.resources == 0 {
            place.clone_into(&mut self.place);
            self.body.push_str(HEAD);
        } else {
            self.body.push(',');
        }
        let request = match value("id") {
            Some(id) => format!("{{\"method\":\"PUT\",\"url\":\"{kind}/{id}\"}}"),
            None => format!("{{\"method\":\"POST\",\"url\":\"{kind}\"}}"),
        };
        self.is_repeatable &= value("id").is_some();
        self.body.push_str("{\"resource\":");
        self.body.push_str(resource);
        self.body.push_str(",\"request\":");
        self.body.push_str(&request);
        self.body.push('}');
        self.resources += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(most: usize, texts: &[&str]) -> Result<Vec<Request>> {
        let mut found = Vec::new();
        let mut gathering = Gathering::new(most);
        let full = &mut |request| {
            found.push(request);
            Ok(())
        };
        for (index, text) in texts.iter().enumerate() {
            gathering.add(Document { place: format!("f:{}", index + 1), text: (*text).to_owned() }, full)?;
        }
        gathering.flush(full)?;
        Ok(found)
    }

    #[test]
    fn resources_become_batches_of_updates() {
        let one = r#"{"resourceType":"Patient","id":"a","multipleBirthInteger":1}"#;
        let two = r#"{"resourceType":"Observation","valueQuantity":{"value":1.50}}"#;
        let found = gather(2, &[one, two, one]).unwrap();
        assert_eq!(found.iter().map(|request| request.resources).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(found[1].place, "f:3");
        let expected = format!(
            "{HEAD}{{\"resource\":{one},\"request\":{{\"method\":\"PUT\",\"url\":\"Patient/a\"}}}},\
             {{\"resource\":{two},\"request\":{{\"method\":\"POST\",\"url\":\"Observation\"}}}}]}}"
        );
        assert_eq!(found[0].body, expected);
    }

    #[test]
    fn bundles_are_taken_as_what_they_are() {
        let transaction = r#"{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}"#;
        let searchset = r#"{"type":"searchset","resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"x"}},
            {"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome"}}]}"#;
        let document = r#"{"resourceType":"Bundle","id":"d","type":"document"}"#;
        let found = gather(9, &[searchset, transaction, document]).unwrap();
        assert_eq!(found.iter().map(|request| request.resources).collect::<Vec<_>>(), [1, 2, 1]);
        assert!(found[0].body.contains("PUT\",\"url\":\"Patient/x"));
        assert_eq!(found[1].body, transaction);
        assert!(found[2].body.contains("PUT\",\"url\":\"Bundle/d"));
    }

    #[test]
    fn other_texts_are_refused_with_their_place() {
        for (text, why) in [("[]", "f:1: not a JSON object (at byte 0)"), ("{\"a\":1}", "f:1: not a FHIR resource")] {
            assert!(gather(9, &[text]).unwrap_err().message().starts_with(why));
        }
    }
}
