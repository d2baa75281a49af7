//! The parameter types (FHIR R4 `search.html`, 3.1.1.4.3), one file each with its faces: how a value of a
//! request is read into a test, what an element yields, and when a value passes a test.
//!
//! Decisions where the specification leaves room:
//! - Tokens compare as written, case-sensitively: whether a code system ignores case is not known here. Those on
//!   strings and contact points ignore case. A `code` element has the system that its required binding implies, so
//!   `system|code` finds it and `|code` does not; where the binding leaves several systems it has none. `code` alone
//!   never looks at the system.
//! - Prefixes other than `eq`, `ne` and `ap` take a number as exact (3.1.1.4.6); on dates they look at the span.
//! - An instant has no width; a dateTime has that of its precision. Times without a zone are UTC.
//! - A Quantity with `<` or `<=` is open below, with `>` or `>=` above; its own value counts as inside.
//! - A reference with both a literal and an identifier has two values; `:identifier` sees the latter.
//! - Each value must pass a test alone; of a composite each tuple.

pub mod composite;
pub mod date;
pub mod dispatch;
pub mod element;
pub mod escape;
pub mod fold;
pub mod fuzzy;
pub mod near;
pub mod number;
pub mod quantity;
pub mod reference;
pub mod string;
pub mod token;
pub mod uri;
pub mod words;
