//! What quick-xml itself costs, for the benchmark's ratios: the events of a text with their attributes, and nothing else.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::base::fault::{Fault, Result};

/// Runs through a text; the number of its elements.
///
/// # Errors
/// 400 for what is not XML.
pub fn elements(text: &str) -> Result<usize> {
    let bad = |error: &dyn std::fmt::Display| Fault::invalid(format!("XML: {error}"));
    let mut reader = Reader::from_str(text);
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|error| bad(&error))? {
            Event::Start(tag) | Event::Empty(tag) => {
                elements += 1;
                for attribute in tag.attributes().with_checks(false) {
                    attribute.map_err(|error| bad(&error))?;
                }
            }
            Event::Eof => return Ok(elements),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_counted() {
        assert_eq!(elements("<a xmlns='x'><b value='1'/><c><d value='2'/></c></a>").unwrap(), 4);
        assert!(elements("<a><b></a>").is_err());
    }
}
