//! The terminology service (FHIR R4 `terminology-service.html`): what code systems, value sets and concept maps say, as pure functions.
//!
//! [`CodeSystem`] is one version of a code system and [`Library`] finds definitions; what implementers keep stands with them. The
//! service takes both as they are: it does not know whether concepts come from a resource, a grammar or an index of hundreds of thousands.
//! Nothing here does I/O, though an implementation may read; so callers use a thread for CPU work.

pub mod about;
pub mod concept;
pub mod face;
pub mod filter;

pub use about::{About, Content, Hierarchy, PropertyDefinition};
pub use concept::{Coding, Concept, Designation, Property, PropertyKind, PropertyValue};
pub use face::{CodeSystem, Library, Query};
pub use filter::{Filter, Op};
