//! Tables as Parquet, with typed columns.
//!
//! Rows are gathered by column and written a row group at a time, so that memory holds one group whatever the table's size.
//! A column is optional and has the type that the view gives it (`column`); a collection is a list of values that are there.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::cell::{Cell, Row};
use super::column::{Column, Storage};
use super::text::value;
use crate::base::clock::days_from_civil;
use crate::base::fault::{Fault, Result};
use crate::fhir::fhirpath::from_base64;
use crate::fhir::time;

/// Most rows of a row group.
const GROUP_ROWS: usize = 64 << 10;
/// About how many bytes of values a row group has at most.
const GROUP_BYTES: usize = 16 << 20;

/// What was written and not taken yet.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The values of a column within a row group.
enum Values {
    Bool(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
}

/// A column of a row group: its values, and the levels that say where there is none.
struct Chunk {
    values: Values,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// Writes a table.
pub struct ParquetWriter {
    writer: SerializedFileWriter<Sink>,
    sink: Sink,
    columns: Vec<Column>,
    chunks: Vec<Chunk>,
    rows: usize,
    bytes: usize,
}

impl fmt::Debug for ParquetWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

fn failed(error: ParquetError) -> Fault {
    Fault::internal(format!("parquet: {error}"))
}

/// The physical type of a column's values, and what they stand for.
fn physical(storage: Storage) -> (&'static str, &'static str) {
    match storage {
        Storage::Boolean => ("boolean", ""),
        Storage::Int => ("int32", ""),
        Storage::BigInt => ("int64", ""),
        Storage::Double => ("double", ""),
        Storage::Date => ("int32", " (DATE)"),
        Storage::Timestamp => ("int64", " (TIMESTAMP(MICROS,true))"),
        Storage::Binary => ("binary", ""),
        Storage::Text => ("binary", " (STRING)"),
    }
}

/// The schema of a table; names have letters, digits and `_` only.
fn schema(columns: &[Column]) -> String {
    let mut text = "message view {\n".to_owned();
    for column in columns {
        let ((kind, logical), name) = (physical(column.storage), &column.name);
        text.push_str(&match column.is_list {
            true => format!(
                "optional group {name} (LIST) {{ repeated group list {{ required {kind} element{logical}; }} }}\n"
            ),
            false => format!("optional {kind} {name}{logical};\n"),
        });
    }
    text + "}"
}

impl ParquetWriter {
    /// A table with these columns.
    ///
    /// # Errors
    /// 500 when the library refuses the schema.
    pub fn new(columns: &[Column]) -> Result<Self> {
        let schema = Arc::new(parse_message_type(&schema(columns)).map_err(failed)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("Cresset ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let sink = Sink::default();
        let writer = SerializedFileWriter::new(sink.clone(), schema, Arc::new(properties)).map_err(failed)?;
        let chunks = columns.iter().map(Chunk::new).collect();
        Ok(Self { writer, sink, columns: columns.to_vec(), chunks, rows: 0, bytes: 0 })
    }

    /// Takes a row; writes what is gathered when that is enough.
    ///
    /// # Errors
    /// 422 for a value that is not of its column's type; 500 when the library fails.
    pub fn row(&mut self, row: &Row, out: &mut Vec<u8>) -> Result<()> {
        for ((column, chunk), cell) in self.columns.iter().zip(&mut self.chunks).zip(row) {
            self.bytes += chunk.cell(column, cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.group()?;
            out.append(&mut self.sink.take());
        }
        Ok(())
    }

    /// Writes what is left, and the end of the file.
    ///
    /// # Errors
    /// 500 when the library fails.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.rows > 0 {
            self.group()?;
        }
        self.writer.finish().map_err(failed)?;
        self.writer.flush().map_err(|error| failed(error.into()))?;
        out.append(&mut self.sink.take());
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for (column, chunk) in self.columns.iter().zip(&mut self.chunks) {
            let written = group.next_column().map_err(failed)?;
            let written = written.ok_or_else(|| Fault::internal("parquet: the schema has fewer columns"))?;
            let chunk = std::mem::replace(chunk, Chunk::new(column));
            chunk.write(written, column.is_list).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.writer.flush().map_err(|error| failed(error.into()))?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Chunk {
    fn new(column: &Column) -> Self {
        let values = match column.storage {
            Storage::Boolean => Values::Bool(Vec::new()),
            Storage::Int | Storage::Date => Values::Int(Vec::new()),
            Storage::BigInt | Storage::Timestamp => Values::Long(Vec::new()),
            Storage::Double => Values::Double(Vec::new()),
            Storage::Binary | Storage::Text => Values::Bytes(Vec::new()),
        };
        Self { values, definitions: Vec::new(), repetitions: Vec::new() }
    }

    /// Takes a cell; about how many bytes it has.
    fn cell(&mut self, column: &Column, cell: &Cell) -> Result<usize> {
        let Cell::List(cells) = cell else {
            let is_there = *cell != Cell::Null;
            self.level(
                if !is_there {
                    0
                } else if column.is_list {
                    2
                } else {
                    1
                },
                0,
            );
            return if is_there { self.push(column, cell) } else { Ok(2) };
        };
        if cells.is_empty() {
            self.level(1, 0);
        }
        let mut bytes = 2;
        for (at, cell) in cells.iter().enumerate() {
            self.level(2, i16::from(at > 0));
            bytes += self.push(column, cell)?;
        }
        Ok(bytes)
    }

    fn level(&mut self, definition: i16, repetition: i16) {
        self.definitions.push(definition);
        self.repetitions.push(repetition);
    }

    fn push(&mut self, column: &Column, cell: &Cell) -> Result<usize> {
        let misfit = || column.misfit(cell);
        match &mut self.values {
            Values::Bool(values) => match cell {
                Cell::Bool(value) => values.push(*value),
                _ => return Err(misfit()),
            },
            Values::Int(values) => values.push(match (column.storage, cell) {
                (Storage::Date, Cell::Text(text)) => days(text).ok_or_else(misfit)?,
                (_, Cell::Number(number)) => number.as_str().parse().map_err(|_| misfit())?,
                _ => return Err(misfit()),
            }),
            Values::Long(values) => values.push(match (column.storage, cell) {
                (Storage::Timestamp, Cell::Text(text)) => micros(text).ok_or_else(misfit)?,
                (_, Cell::Number(number)) => number.as_str().parse().map_err(|_| misfit())?,
                _ => return Err(misfit()),
            }),
            Values::Double(values) => match cell {
                Cell::Number(number) => values.push(number.as_str().parse().map_err(|_| misfit())?),
                _ => return Err(misfit()),
            },
            Values::Bytes(values) => {
                let bytes = match (column.storage, cell) {
                    (Storage::Binary, Cell::Text(text)) => {
                        from_base64(&text.split_ascii_whitespace().collect::<String>()).ok_or_else(misfit)?
                    }
                    (_, Cell::Text(text)) => text.as_bytes().to_vec(),
                    (_, cell) => {
                        let mut text = Vec::new();
                        value(cell, &mut text);
                        text
                    }
                };
                let length = bytes.len();
                values.push(bytes.into());
                return Ok(length + 8);
            }
        }
        Ok(10)
    }

    fn write(self, mut to: SerializedColumnWriter<'_>, is_list: bool) -> Result<(), ParquetError> {
        let definitions = Some(&self.definitions[..]);
        let repetitions = is_list.then_some(&self.repetitions[..]);
        match &self.values {
            Values::Bool(values) => to.typed::<BoolType>().write_batch(values, definitions, repetitions)?,
            Values::Int(values) => to.typed::<Int32Type>().write_batch(values, definitions, repetitions)?,
            Values::Long(values) => to.typed::<Int64Type>().write_batch(values, definitions, repetitions)?,
            Values::Double(values) => to.typed::<DoubleType>().write_batch(values, definitions, repetitions)?,
            Values::Bytes(values) => to.typed::<ByteArrayType>().write_batch(values, definitions, repetitions)?,
        };
        to.close()
    }
}

/// The day of a whole date, counted from 1970-01-01.
fn days(text: &str) -> Option<i32> {
    time::parse(text).ok().filter(|_| text.len() == 10)?;
    let (year, month, day) = (text.get(..4)?, text.get(5..7)?, text.get(8..)?);
    i32::try_from(days_from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)).ok()
}

/// The microseconds from 1970 of a time with its zone.
fn micros(text: &str) -> Option<i64> {
    let time = time::parse(text).ok()?;
    time.zone()?;
    Some(time.span(0).0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::base::clock::Timestamp;
    use crate::fhir::json::parse;
    use crate::fhir::views::View;

    const VIEW: &str = r#"{"resource":"Patient","select":[{"column":[
        {"name":"id","path":"id"},{"name":"active","path":"active"},{"name":"born","path":"birthDate","tag":[{"name":"ansi/type","value":"DATE"}]},
        {"name":"n","path":"multipleBirth.ofType(integer)"},{"name":"big","path":"multipleBirth.ofType(integer)","tag":[{"name":"ansi/type","value":"BIGINT"}]},
        {"name":"ratio","path":"multipleBirth.ofType(integer) / 2","tag":[{"name":"ansi/type","value":"DOUBLE PRECISION"}]},
        {"name":"updated","path":"meta.lastUpdated"},{"name":"photo","path":"photo.first().data"},
        {"name":"given","path":"name.given","collection":true},{"name":"name","path":"name.first()"}]}]}"#;

    fn written(view: &View, resources: &[String]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut writer = ParquetWriter::new(view.columns())?;
        for resource in resources {
            for row in view.rows(&parse(resource.as_bytes()).expect("JSON"), Timestamp(0))? {
                writer.row(&row, &mut out)?;
            }
        }
        writer.end(&mut out)?;
        Ok(out)
    }

    fn view(text: &str) -> View {
        View::compile(&parse(text.as_bytes()).expect("JSON"), "view").expect("a view")
    }

    fn rows(file: Vec<u8>) -> Vec<String> {
        let reader = SerializedFileReader::new(Bytes::from(file)).expect("a Parquet file");
        reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect()
    }

    #[test]
    fn what_is_written_is_read_with_its_types() {
        let full = r#"{"resourceType":"Patient","id":"a","active":true,"birthDate":"1970-01-03","multipleBirthInteger":3,
            "meta":{"lastUpdated":"1970-01-01T00:00:01.5+00:00"},"photo":[{"data":"AQI="}],"name":[{"given":["x","y"]},{"given":["z"]}]}"#;
        let empty = r#"{"resourceType":"Patient","id":"b"}"#;
        let file = written(&view(VIEW), &[full.to_owned(), empty.to_owned()]).expect("a file");
        let reader = SerializedFileReader::new(Bytes::from(file.clone())).expect("a Parquet file");
        let columns = reader.metadata().file_metadata().schema_descr().columns().to_vec();
        let kinds: Vec<String> = columns.iter().map(|column| column.physical_type().to_string()).collect();
        let expected = [
            "BYTE_ARRAY",
            "BOOLEAN",
            "INT32",
            "INT32",
            "INT64",
            "DOUBLE",
            "INT64",
            "BYTE_ARRAY",
            "BYTE_ARRAY",
            "BYTE_ARRAY",
        ];
        assert_eq!(kinds, expected);
        let rows = rows(file);
        for part in [
            "id: \"a\"",
            "active: true",
            "born: 1970-01-03",
            "n: 3",
            "big: 3",
            "ratio: 1.5",
            "1970-01-01 00:00:01",
            "photo: [1, 2]",
            "[\"x\", \"y\", \"z\"]",
        ] {
            assert!(rows[0].contains(part), "{part}: {}", rows[0]);
        }
        assert!(rows[1].contains("id: \"b\"") && rows[1].matches("null").count() == 8, "{}", rows[1]);
        assert_eq!(self::rows(written(&view(VIEW), &[]).expect("a file")).len(), 0);
    }

    #[test]
    fn a_value_that_has_no_place_in_its_column_is_an_error() {
        let partial = r#"{"resourceType":"Patient","id":"a","birthDate":"1970-01"}"#;
        let fault = written(&view(VIEW), &[partial.to_owned()]).expect_err("no date");
        assert!(fault.message().contains("column 'born'"), "{fault}");
        assert_eq!((days("2020-02-29"), days("2020-02"), days("2020-02-30")), (Some(18321), None, None));
        assert_eq!((micros("1970-01-01T01:00:00+01:00"), micros("1970-01-01")), (Some(0), None));
    }

    #[test]
    fn row_groups_are_written_as_they_fill() {
        let view = view(
            r#"{"resource":"Patient","select":[{"column":[{"name":"id","path":"id"},{"name":"long","path":"language"}]}]}"#,
        );
        let long = "x".repeat(1 << 20);
        let mut writer = ParquetWriter::new(view.columns()).expect("a writer");
        let (mut file, mut sizes) = (Vec::new(), Vec::new());
        for n in 0..40 {
            let row = vec![Cell::Text(format!("{n}").into()), Cell::Text(long.as_str().into())];
            writer.row(&row, &mut file).expect("a row");
            sizes.push(file.len());
        }
        assert!(sizes[20] > 0 && sizes[39] > sizes[20], "{sizes:?}");
        writer.end(&mut file).expect("an end");
        assert_eq!(rows(file).len(), 40);
    }
}
