//! Gathers the parts of concepts, from whatever file, and puts each concept together.

use std::collections::HashSet;

use super::sorter::{Sorted, Sorter};
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::{Concept, Designation, Property, PropertyValue, Usage};

/// Longest code in bytes.
const CODE_MAX: usize = 1024;

/// Parts of concepts. A part is a concept of which only some is known.
#[derive(Debug, Default)]
pub struct Gather {
    sorter: Sorter,
    buffer: Vec<u8>,
    parts: u64,
    watch: Option<Watch>,
}

/// Is told now and then how many parts there are.
struct Watch(Box<dyn Fn(u64) + Send>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Gather {
    /// Tells `watch` now and then how many parts there are.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(u64) + Send + 'static) -> Self {
        self.watch = Some(Watch(Box::new(watch)));
        self
    }

    /// A part of a concept that may be there: alone it is nothing. Of several displays that with the highest rank counts, of
    /// these the first.
    ///
    /// # Errors
    /// 400 for a code that is none; 500 when the disk is full.
    pub fn add(&mut self, code: &str, rank: u8, part: &Concept) -> Result<()> {
        self.part(code, false, rank, part)
    }

    /// The same, and there is such a concept.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn declare(&mut self, code: &str, rank: u8, part: &Concept) -> Result<()> {
        self.part(code, true, rank, part)
    }

    fn part(&mut self, code: &str, declares: bool, rank: u8, part: &Concept) -> Result<()> {
        if code.is_empty() || code.len() > CODE_MAX {
            return Err(Fault::invalid(format!("a code has {} bytes, which must be 1 to {CODE_MAX}", code.len())));
        }
        self.buffer.clear();
        self.buffer.extend([u8::from(declares), rank]);
        part.encode(&mut self.buffer);
        self.sorter.push(code.as_bytes(), &self.buffer)?;
        self.parts += 1;
        if self.parts.is_multiple_of(4096)
            && let Some(watch) = &self.watch
        {
            watch.0(self.parts);
        }
        Ok(())
    }

    /// The concepts, in the order of their codes.
    ///
    /// # Errors
    /// 500 when the disk is full.
    pub fn finish(self) -> Result<Concepts> {
        Ok(Concepts(self.sorter.sorted()?))
    }
}

/// Concepts that were gathered.
#[derive(Debug)]
pub struct Concepts(Sorted);

impl Concepts {
    /// The next one.
    ///
    /// # Errors
    /// 500 when a file cannot be read.
    pub fn next(&mut self) -> Result<Option<Concept>> {
        while let Some((code, parts)) = self.0.next_group()? {
            let code = String::from_utf8(code).map_err(|_| Fault::internal("a gathered code is no text"))?;
            if let Some(concept) = whole(code.into(), &parts)? {
                return Ok(Some(concept));
            }
        }
        Ok(None)
    }
}

/// A concept of its parts; none if no part declares it.
fn whole(code: Box<str>, parts: &[Vec<u8>]) -> Result<Option<Concept>> {
    let mut concept = Concept { code, ..Concept::default() };
    let (mut is_declared, mut best) = (false, None);
    for part in parts {
        let [declares, rank, rest @ ..] = part.as_slice() else {
            return Err(Fault::internal("a gathered part is cut off"));
        };
        let part = Concept::decode(&mut &*rest)?;
        is_declared |= *declares == 1;
        concept.inactive |= part.inactive;
        concept.is_abstract |= part.is_abstract;
        if part.display.is_some() && best.is_none_or(|best| *rank > best) {
            (concept.display, best) = (part.display, Some(*rank));
        }
        concept.definition = concept.definition.or(part.definition);
        concept.parents.extend(part.parents);
        concept.designations.extend(part.designations);
        concept.properties.extend(part.properties);
    }
    if !is_declared {
        return Ok(None);
    }
    concept.parents.sort_unstable();
    concept.parents.dedup();
    concept.parents.retain(|parent| **parent != *concept.code);
    let mut seen = HashSet::new();
    concept.designations.retain(|designation| seen.insert(format!("{designation:?}")));
    seen.clear();
    concept.properties.retain(|property| seen.insert(format!("{property:?}")));
    Ok(Some(concept))
}

/// A part with a display.
pub fn display(text: &str) -> Concept {
    Concept { display: Some(text.into()), ..Concept::default() }
}

/// A part with a parent.
pub fn parent(code: &str) -> Concept {
    Concept { parents: vec![code.into()], ..Concept::default() }
}

/// A part with a property.
pub fn property(code: &str, value: PropertyValue) -> Concept {
    Concept { properties: vec![Property { code: code.into(), value }], ..Concept::default() }
}

/// A property that is a text, if there is one.
pub fn text_property(code: &str, text: &str) -> Option<Property> {
    let text = text.trim();
    (!text.is_empty()).then(|| Property { code: code.into(), value: PropertyValue::String(text.into()) })
}

/// A part with another text.
pub fn designation(language: Option<&str>, usage: Option<Usage>, text: &str) -> Concept {
    let designation = Designation { language: language.map(Box::from), usage, value: text.into() };
    Concept { designations: vec![designation], ..Concept::default() }
}

/// What a designation is for.
pub fn usage(system: &str, code: &str, display: &str) -> Usage {
    Usage { system: system.into(), code: code.into(), display: display.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_concepts() {
        let mut gather = Gather::default();
        gather.add("b", 1, &display("lower")).unwrap();
        gather.declare("b", 0, &Concept { inactive: true, ..Concept::default() }).unwrap();
        gather.add("b", 5, &display("best")).unwrap();
        gather.add("b", 5, &display("later")).unwrap();
        gather.add("b", 0, &parent("a")).unwrap();
        gather.add("b", 0, &parent("a")).unwrap();
        gather.add("b", 0, &parent("b")).unwrap();
        gather.add("nobody", 0, &display("not declared")).unwrap();
        gather.declare("a", 0, &Concept::default()).unwrap();
        assert!(gather.declare("", 0, &Concept::default()).is_err());
        let mut concepts = gather.finish().unwrap();
        let found: Vec<Concept> = std::iter::from_fn(|| concepts.next().unwrap()).collect();
        let b = Concept {
            code: "b".into(),
            display: Some("best".into()),
            inactive: true,
            parents: vec!["a".into()],
            ..Concept::default()
        };
        assert_eq!(found, [Concept { code: "a".into(), ..Concept::default() }, b]);
    }
}
