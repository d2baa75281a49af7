//! Tables as text: CSV, NDJSON and JSON, written row by row.

use super::cell::{Cell, Row};
use super::column::Column;
use crate::fhir::json::{write, write_string};

/// A form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// RFC 4180 with `\n` between the lines; nothing is an empty field, and an empty text is `""`.
    Csv {
        /// Whether the names of the columns come first.
        has_header: bool,
    },
    /// An object a line.
    NdJson,
    /// An array of objects.
    Json,
}

/// Writes a table.
#[derive(Debug)]
pub struct TextWriter {
    format: TextFormat,
    /// The names of the columns, as JSON strings.
    names: Vec<Vec<u8>>,
    has_rows: bool,
}

impl TextWriter {
    /// A table with these columns; what it begins with goes to `out`.
    pub fn new(format: TextFormat, columns: &[Column], out: &mut Vec<u8>) -> Self {
        let name = |column: &Column| {
            let mut text = Vec::new();
            write_string(&column.name, &mut text);
            text
        };
        let names = columns.iter().map(name).collect();
        match format {
            TextFormat::Csv { has_header: true } => {
                // names have letters, digits and `_` only
                let line = columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(",");
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
            TextFormat::Json => out.push(b'['),
            TextFormat::Csv { .. } | TextFormat::NdJson => {}
        }
        Self { format, names, has_rows: false }
    }

    /// Writes a row.
    pub fn row(&mut self, row: &Row, out: &mut Vec<u8>) {
        match self.format {
            TextFormat::Csv { .. } => {
                for (at, cell) in row.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    field(cell, out);
                }
                out.push(b'\n');
            }
            TextFormat::NdJson => {
                self.object(row, out);
                out.push(b'\n');
            }
            TextFormat::Json => {
                out.extend_from_slice(if self.has_rows { b",\n" } else { b"\n" });
                self.object(row, out);
            }
        }
        self.has_rows = true;
    }

    /// Writes what the table ends with.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.format == TextFormat::Json {
            out.extend_from_slice(if self.has_rows { b"\n]\n" } else { b"]\n" });
        }
    }

    fn object(&self, row: &Row, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (name, cell)) in self.names.iter().zip(row).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            out.push(b':');
            value(cell, out);
        }
        out.push(b'}');
    }
}

/// A cell as JSON.
pub fn value(cell: &Cell, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(true) => out.extend_from_slice(b"true"),
        Cell::Bool(false) => out.extend_from_slice(b"false"),
        Cell::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Cell::Text(text) => write_string(text, out),
        Cell::Element(json) => write(json, out),
        Cell::List(cells) => {
            out.push(b'[');
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                value(cell, out);
            }
            out.push(b']');
        }
    }
}

/// A cell as a field of CSV; lists and elements with parts are JSON in it.
fn field(cell: &Cell, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => quoted(text.as_bytes(), out),
        Cell::Element(_) | Cell::List(_) => {
            let mut json = Vec::new();
            value(cell, &mut json);
            quoted(&json, out);
        }
        Cell::Bool(_) | Cell::Number(_) => value(cell, out),
    }
}

/// A text in quotes where it needs them.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    let is_plain = !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    let has_edges = text.first() == Some(&b' ') || text.last() == Some(&b' ');
    if is_plain && !has_edges && !text.is_empty() {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
