//! The JSON tree: the one form in which a resource is held, from the request to the store.
//!
//! It keeps what FHIR needs and general JSON libraries lose: decimals exactly as written (`1.0` is
//! not `1.00`; FHIR R4 `json.html`, 2.6.2.1), the order of properties, and interned names.
//! The reader (RFC 8259) refuses duplicate keys, nesting beyond a bound and text after the value, and
//! tells the line and the column of every error.

mod read;
mod scan;
mod tree;
mod write;

pub use read::{parse, parse_stored, parse_with};
pub use scan::Scanner;
pub use tree::{Json, Number, Object};
pub use write::{pretty, write, write_string};
