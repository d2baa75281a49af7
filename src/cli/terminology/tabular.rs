//! The tabular list of ICD-10-CM as XML.

use std::collections::HashSet;

use super::entry::{dotted, inclusion, kind};
use super::gather::{Gather, display, property, text_property};
use crate::base::fault::Result;
use crate::fhir::codes::{Concept, PropertyValue};
use crate::fhir::xml::events::{Event, Events};

/// Deepest nesting of entries.
const DEPTH_MAX: usize = 64;

/// Which codes with a seventh character exist.
#[derive(Debug)]
pub enum Known<'a> {
    /// All that the list makes.
    All,
    /// These, without points.
    These(&'a HashSet<String>),
}

/// A seventh character with its text.
type Seventh = (String, String);

/// A chapter, block or code while it is read.
#[derive(Debug, Default)]
struct Entry {
    element: String,
    code: String,
    part: Concept,
    /// Its own seventh characters.
    sevenths: Vec<Seventh>,
    has_children: bool,
}

/// Reads a list; the version that it gives itself.
///
/// # Errors
/// 400 with line and column for what is not XML or not such a list.
pub fn read(text: &str, known: &Known<'_>, out: &mut Gather) -> Result<Option<String>> {
    let mut reader = Reader { events: Events::new(text), known, out, open: Vec::new() };
    let mut version = None;
    loop {
        match reader.events.event()? {
            Event::Start(name, _) if name == "ICD10CM.tabular" => {}
            Event::Start(name, _) if name == "version" => version = Some(reader.words()?),
            Event::Start(name, _) if name == "chapter" => reader.entry(name, String::new())?,
            Event::Start(name, _) if name == "introduction" => reader.skip()?,
            Event::Start(name, _) => {
                return Err(reader.events.fault(&format!("<{name}> is no part of a tabular list")));
            }
            Event::Text(_) | Event::End => {}
            Event::Eof => return Ok(version.filter(|version| !version.is_empty())),
        }
    }
}

struct Reader<'a> {
    events: Events<'a>,
    known: &'a Known<'a>,
    out: &'a mut Gather,
    open: Vec<Entry>,
}

impl Reader<'_> {
    /// An entry whose start tag was read, with all in it.
    fn entry(&mut self, element: String, code: String) -> Result<()> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.events.fault("nested too deeply"));
        }
        if let Some(above) = self.open.last_mut() {
            above.has_children = true;
        }
        self.open.push(Entry { element, code, ..Entry::default() });
        loop {
            match self.events.event()? {
                Event::Start(name, attributes) => self.inside(name, &attributes)?,
                Event::End => break,
                Event::Text(_) | Event::Eof => {}
            }
        }
        self.close()
    }

    /// An element of an entry.
    fn inside(&mut self, name: String, attributes: &[(String, String)]) -> Result<()> {
        match name.as_str() {
            "section" | "diag" => {
                let id = attributes.iter().find(|(key, _)| key == "id").map(|(_, id)| id.clone());
                self.entry(name, id.unwrap_or_default())
            }
            "name" => {
                let code = self.words()?;
                self.with(|entry| entry.code = code);
                Ok(())
            }
            "desc" => {
                let text = self.words()?;
                self.with(|entry| entry.part.display = display(&text).display);
                Ok(())
            }
            "inclusionTerm" => {
                let notes = self.notes()?;
                self.with(|entry| entry.part.designations.extend(notes.iter().map(|note| inclusion(note))));
                Ok(())
            }
            "includes" | "excludes1" | "excludes2" | "codeFirst" | "codeAlso" | "useAdditionalCode" | "notes" => {
                let notes = self.notes()?;
                let notes = notes.iter().filter_map(|note| text_property(&name, note));
                self.with(|entry| entry.part.properties.extend(notes));
                Ok(())
            }
            "sevenChrDef" => {
                let sevenths = self.sevenths()?;
                self.with(|entry| entry.sevenths = sevenths);
                Ok(())
            }
            _ => self.skip(),
        }
    }

    fn with(&mut self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.open.last_mut() {
            change(entry);
        }
    }

    /// An entry is complete: what it says goes out, with its codes of seven characters.
    fn close(&mut self) -> Result<()> {
        let Some(entry) = self.open.pop() else { return Ok(()) };
        let Entry { element, code, mut part, sevenths, has_children } = entry;
        if code.is_empty() || part.display.is_none() {
            return Err(self.events.fault(&format!("a <{element}> has no name or no text")));
        }
        let code = if element == "section" { block(&code) } else { code };
        part.parents.extend(self.open.last().map(|above| {
            if above.element == "section" { block(&above.code) } else { above.code.clone() }.into_boxed_str()
        }));
        let sevenths = match sevenths.is_empty() {
            true => self.open.iter().rev().find(|above| !above.sevenths.is_empty()).map(|above| above.sevenths.clone()),
            false => Some(sevenths),
        };
        let is_code = element == "diag";
        let mut extended = Vec::new();
        if is_code && !has_children {
            extended.extend(sevenths.iter().flatten().filter_map(|seventh| self.extended(&code, &part, seventh)));
        }
        kind(
            &mut part,
            match element.as_str() {
                "chapter" => "chapter",
                "section" => "block",
                _ if code.len() == 3 => "category",
                _ => "subcategory",
            },
        );
        part.is_abstract = !is_code;
        if is_code {
            let is_billable = PropertyValue::Boolean(!has_children && extended.is_empty());
            part.properties.extend(property("billable", is_billable).properties);
        }
        self.out.declare(&code, 0, &part)?;
        for (code, part) in &extended {
            self.out.declare(code, 0, part)?;
        }
        Ok(())
    }

    /// A code with a seventh character, if there is one.
    fn extended(&self, code: &str, above: &Concept, (character, text): &Seventh) -> Option<(String, Concept)> {
        let mut bare = code.replace('.', "");
        while bare.len() < 6 {
            bare.push('X');
        }
        bare.push_str(character);
        if let Known::These(codes) = self.known
            && !codes.contains(&bare)
        {
            return None;
        }
        let mut part = display(&format!("{}, {text}", above.display.as_deref().unwrap_or_default()));
        part.parents.push(code.into());
        kind(&mut part, "extension");
        part.properties.extend(property("billable", PropertyValue::Boolean(true)).properties);
        Some((dotted(&bare), part))
    }

    /// The seventh characters of `<sevenChrDef>`; a note after one adds to its text.
    fn sevenths(&mut self) -> Result<Vec<Seventh>> {
        let mut found: Vec<Seventh> = Vec::new();
        loop {
            match self.events.event()? {
                Event::Start(name, attributes) if name == "extension" => {
                    let character = attributes.into_iter().find(|(key, _)| key == "char").map(|(_, value)| value);
                    let character = character.filter(|text| text.len() == 1);
                    let character = character.ok_or_else(|| self.events.fault("an <extension> has no char"))?;
                    found.push((character, self.words()?));
                }
                Event::Start(_, _) => {
                    let note = self.words()?;
                    if let Some((_, text)) = found.last_mut() {
                        text.push('/');
                        text.push_str(&note);
                    }
                }
                Event::End => return Ok(found),
                Event::Text(_) | Event::Eof => {}
            }
        }
    }

    /// The texts of the elements in an element.
    fn notes(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        loop {
            match self.events.event()? {
                Event::Start(_, _) => found.push(self.words()?),
                Event::End => return Ok(found),
                Event::Text(_) | Event::Eof => {}
            }
        }
    }

    /// The text of an element up to its end, white space as single spaces.
    fn words(&mut self) -> Result<String> {
        let (mut text, mut depth) = (String::new(), 1);
        while depth > 0 {
            match self.events.event()? {
                Event::Text(part) => text.push_str(&part),
                Event::Start(_, _) => depth += 1,
                Event::End => depth -= 1,
                Event::Eof => break,
            }
        }
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn skip(&mut self) -> Result<()> {
        self.words().map(drop)
    }
}

/// The code of a block. One that has a single category is called as that is, which would be two concepts of one code.
fn block(id: &str) -> String {
    if id.contains('-') { id.to_owned() } else { format!("{id}-{id}") }
}
