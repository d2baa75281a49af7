//! XML (FHIR R4 `xml.html`), by the definitions: the same tree as JSON, read from and written as XML.
//!
//! The reader stands on quick-xml, which cuts the text into events; everything that FHIR or XML asks beyond that is
//! checked here: names, characters, attributes, namespaces, the order of elements. There is no DTD and so no
//! entity but the five of XML. Elements and attributes that the definitions do not know are refused, each with line,
//! column and, below the root, a FHIRPath expression. The writer puts elements in the order of the definitions.
//!
//! A narrative is kept as the text that stood there, in both directions; it only has to be well-formed XHTML.
//! [`narrative_problem`] holds it to the elements and attributes that narratives may have.
//! Comments, processing instructions and white space outside of narratives are not part of a resource. Who judges a document rather
//! than storing it reads it exactly ([`parse_exact`]): what has no place there is refused, and no white space trimmed.
//!
//! Reading takes time in proportion to the text and memory in proportion to the tree; nesting counts as that of the
//! JSON that comes out.
//!
//! What changes a document in this form (XML Patch) works on a tree of its nodes (`tree`), which knows nothing of FHIR but the
//! order of elements.
//!
//! Absent: schemas, signatures, and the older spellings of other FHIR versions.

pub mod baseline;
pub mod events;
mod limited;
mod narrative;
mod read;
mod scan;
mod shape;
mod text;
pub mod tree;
mod write;

pub use limited::{NarrativeProblem, NarrativeRule, narrative_problem};
pub use narrative::is_narrative;
pub use read::{parse, parse_exact};
pub use scan::{Namespace, Scanner, Scope, Tag, Token};
pub use text::{is_xml, shown};
pub use write::{Layout, write};

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod tests;
