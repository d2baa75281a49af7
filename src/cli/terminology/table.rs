//! Files of rows: RF2 (tabs), RRF (`|`), CSV. A fault names file and line.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Terminator};

use crate::base::fault::{Fault, Result};

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy)]
pub enum Layout {
    /// Tabs between the columns, no quotes, a line with their names first.
    Rf2,
    /// `|` after each column, no quotes, no names.
    Rrf,
    /// Commas, quotes, a line with names first.
    Csv,
}

/// A file of rows.
pub struct Table<'a> {
    name: String,
    reader: csv::Reader<Box<dyn Read + 'a>>,
    record: StringRecord,
    columns: Vec<Option<usize>>,
    /// How many columns each row has: as many as the first.
    width: Option<usize>,
}

impl std::fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Table<'a> {
    /// The table of a file called `name`. `columns`: those that are asked for, by name; one that begins with `?` may be
    /// absent and is empty then. RRF has no names: its columns are asked for by their numbers.
    ///
    /// # Errors
    /// 400 when a column is missing or the file cannot be read.
    pub fn open(name: String, read: Box<dyn Read + 'a>, layout: Layout, columns: &[&str]) -> Result<Self> {
        let mut builder = ReaderBuilder::new();
        match layout {
            Layout::Rf2 => builder.delimiter(b'\t').quoting(false),
            Layout::Rrf => builder.delimiter(b'|').quoting(false).has_headers(false),
            Layout::Csv => &mut builder,
        };
        // A line ends at its `\n`: else the line after a `\r\n` would be counted too late. A `\r` is cut off in `Row::get`.
        let builder = builder.terminator(Terminator::Any(b'\n')).flexible(true).buffer_capacity(256 << 10);
        let mut reader = builder.from_reader(read);
        let (columns, width) = match layout {
            Layout::Rrf => (columns.iter().map(|column| column.parse().ok()).collect(), None),
            Layout::Rf2 | Layout::Csv => {
                let header = reader.headers().map_err(|error| unreadable(&name, &error))?;
                (find(&name, header, columns)?, Some(header.len()))
            }
        };
        Ok(Self { name, reader, record: StringRecord::new(), columns, width })
    }

    /// The next row.
    ///
    /// # Errors
    /// 400 for a row that cannot be read.
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        loop {
            let more = self.reader.read_record(&mut self.record).map_err(|error| unreadable(&self.name, &error))?;
            if !more {
                return Ok(None);
            }
            if self.record.len() > 1 || self.record.iter().any(|value| !value.trim().is_empty()) {
                break;
            }
        }
        let row = Row { name: &self.name, record: &self.record, columns: &self.columns };
        let width = *self.width.get_or_insert(self.record.len());
        if self.record.len() == width {
            return Ok(Some(row));
        }
        Err(row.fault(&format!("the row has {} columns, the first has {width}", self.record.len())))
    }
}

fn find(name: &str, header: &StringRecord, columns: &[&str]) -> Result<Vec<Option<usize>>> {
    let mut found = Vec::with_capacity(columns.len());
    for column in columns {
        let (wanted, is_needed) = column.strip_prefix('?').map_or((*column, true), |wanted| (wanted, false));
        let place = header.iter().position(|own| own.trim_start_matches('\u{feff}').trim() == wanted);
        if place.is_none() && is_needed {
            return Err(Fault::invalid(format!("{name}, line 1: there is no column \"{wanted}\"")));
        }
        found.push(place);
    }
    Ok(found)
}

fn unreadable(name: &str, error: &csv::Error) -> Fault {
    let line = error.position().map(|at| at.line());
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is no UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    match line {
        Some(line) => Fault::invalid(format!("{name}, line {line}: {what}")),
        None => Fault::invalid(format!("{name}: {what}")),
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    name: &'a str,
    record: &'a StringRecord,
    columns: &'a [Option<usize>],
}

impl<'a> Row<'a> {
    /// The value of the column that was asked for as number `at`; empty where it is absent.
    pub fn get(&self, at: usize) -> &'a str {
        let place = self.columns.get(at).copied().flatten();
        place.and_then(|place| self.record.get(place)).unwrap_or_default().trim_end_matches('\r')
    }

    /// The values of some columns.
    pub fn all<const N: usize>(&self) -> [&'a str; N] {
        std::array::from_fn(|at| self.get(at))
    }

    /// A fault at this row.
    pub fn fault(&self, what: &str) -> Fault {
        let line = self.record.position().map_or(0, csv::Position::line);
        Fault::invalid(format!("{}, line {line}: {what}", self.name))
    }

    /// The same fault with the place of this row.
    pub fn place(&self, fault: Fault) -> Fault {
        let line = self.record.position().map_or(0, csv::Position::line);
        fault.context(format!("{}, line {line}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table<'a>(text: &'a str, layout: Layout, columns: &[&str]) -> Result<Table<'a>> {
        Table::open("t.txt".into(), Box::new(text.as_bytes()), layout, columns)
    }

    #[test]
    fn rows_have_names_lines_and_faults() {
        let mut found =
            table("\u{feff}id\tterm\r\n1\ta \"b\" c\n2\td\te\n", Layout::Rf2, &["term", "?none", "id"]).unwrap();
        let row = found.next().unwrap().unwrap();
        assert_eq!(row.all(), ["a \"b\" c", "", "1"]);
        assert_eq!(row.fault("x").message(), "t.txt, line 2: x");
        let fault = found.next().unwrap_err();
        assert_eq!(fault.message(), "t.txt, line 3: the row has 3 columns, the first has 2");
        let fault = table("a,b\n", Layout::Csv, &["c"]).unwrap_err();
        assert_eq!(fault.message(), "t.txt, line 1: there is no column \"c\"");
        let mut found = table("\"a\",\"b\"\n\"1, 2\",\"x\ny\"\n\"3\",\"4\"\n", Layout::Csv, &["b", "a"]).unwrap();
        assert_eq!(found.next().unwrap().unwrap().all(), ["x\ny", "1, 2"]);
        assert_eq!(found.next().unwrap().unwrap().fault("x").message(), "t.txt, line 4: x");
        let mut found = table("1|a|\n2|b|\n", Layout::Rrf, &["1", "0"]).unwrap();
        assert_eq!(found.next().unwrap().unwrap().all(), ["a", "1"]);
        assert!(found.next().unwrap().is_some() && found.next().unwrap().is_none());
    }
}
