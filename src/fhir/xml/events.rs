//! XML that is none of FHIR's, of any namespaces: files of code systems. Element by element, with the place of each.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Raw};

use super::text;
use crate::base::fault::Result;

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A start tag: the name without its prefix, and the attributes as written.
    Start(String, Vec<(String, String)>),
    /// Text, references resolved; a text may come in several parts.
    Text(String),
    /// The end of the element that was opened last.
    End,
    /// The end of the document.
    Eof,
}

/// The events of a document.
#[derive(Debug)]
pub struct Events<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
    at: usize,
}

impl<'a> Events<'a> {
    /// Of a text.
    pub fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { text, reader, depth: 0, at: 0 }
    }

    /// A fault at the last event.
    #[cold]
    pub fn fault(&self, message: &str) -> crate::base::fault::Fault {
        text::fault(self.text, self.at, message)
    }

    /// The next event. Comments, processing instructions and declarations are passed over.
    ///
    /// # Errors
    /// 400 with line and column for what is not XML.
    pub fn event(&mut self) -> Result<Event> {
        loop {
            self.at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            let raw = match self.reader.read_event() {
                Ok(raw) => raw,
                Err(error) => {
                    self.at = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
                    return Err(self.fault(&error.to_string()));
                }
            };
            let end = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            let own = self.text.get(self.at..end).unwrap_or_default();
            match raw {
                Raw::Start(tag) | Raw::Empty(tag) => {
                    self.depth += 1;
                    return self.start(&tag);
                }
                Raw::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Event::End);
                }
                Raw::Text(_) => return Ok(Event::Text(own.to_owned())),
                Raw::CData(_) => {
                    let inner = own.strip_prefix("<![CDATA[").and_then(|inner| inner.strip_suffix("]]>"));
                    return Ok(Event::Text(inner.unwrap_or(own).to_owned()));
                }
                Raw::GeneralRef(name) => match text::reference(&name) {
                    Some(found) => return Ok(Event::Text(found.to_string())),
                    None => return Err(self.fault("an entity that XML does not define")),
                },
                Raw::DocType(_) => return Err(self.fault("a DTD is not allowed")),
                Raw::Eof if self.depth > 0 => return Err(self.fault("the text ends inside of an element")),
                Raw::Eof => return Ok(Event::Eof),
                Raw::Comment(_) | Raw::PI(_) | Raw::Decl(_) => {}
            }
        }
    }

    fn start(&self, tag: &BytesStart<'_>) -> Result<Event> {
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| self.fault(&error.to_string()))?;
            let value = text::value(&attribute.value).map_err(|_| self.fault("a reference that is none"))?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        let name = tag.local_name().as_ref().to_owned();
        Ok(Event::Start(name, attributes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_list_of_events() {
        let text = "<?xml version=\"1.0\"?><!-- c --><a xmlns='urn:x'><u:b xmlns:u='y' k='1 &lt; 2'/>t &amp; <![CDATA[<x>]]></a>";
        let mut events = Events::new(text);
        let (mut found, mut words) = (Vec::new(), String::new());
        loop {
            match events.event().unwrap() {
                Event::Start(name, attributes) => found.push((name, attributes.last().cloned())),
                Event::Text(text) => words.push_str(&text),
                Event::End => words.push('/'),
                Event::Eof => break,
            }
        }
        let value = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        assert_eq!(found, [("a".to_owned(), value("xmlns", "urn:x")), ("b".to_owned(), value("k", "1 < 2"))]);
        assert_eq!(words, "/t & <x>/");
    }

    #[test]
    fn what_is_no_xml_is_refused_with_its_place() {
        for (text, line) in [("<a>\n<b></a>", 2), ("<a>\n\n", 3), ("<!DOCTYPE a><a/>", 1), ("<a>&nbsp;</a>", 1)] {
            let mut events = Events::new(text);
            let fault = loop {
                match events.event() {
                    Ok(Event::Eof) => panic!("{text} is read"),
                    Ok(_) => {}
                    Err(fault) => break fault,
                }
            };
            assert_eq!(fault.issues()[0].position.map(|at| at.0), Some(line), "{text}");
        }
    }
}
