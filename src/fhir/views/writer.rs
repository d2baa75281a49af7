//! Tables in any form.

use super::cell::Row;
use super::column::Column;
use super::columnar::ParquetWriter;
use super::text::{TextFormat, TextWriter};
use crate::base::fault::Result;

/// Writes a table.
#[derive(Debug)]
pub enum TableWriter {
    /// As text.
    Text(TextWriter),
    /// As Parquet.
    Parquet(Box<ParquetWriter>),
}

impl TableWriter {
    /// A table with these columns: as text in a form, as Parquet without one. What it begins with goes to `out`.
    ///
    /// # Errors
    /// 500 when the library for Parquet fails.
    pub fn new(format: Option<TextFormat>, columns: &[Column], out: &mut Vec<u8>) -> Result<Self> {
        Ok(match format {
            Some(format) => Self::Text(TextWriter::new(format, columns, out)),
            None => Self::Parquet(Box::new(ParquetWriter::new(columns)?)),
        })
    }

    /// Writes a row, at once or with others.
    ///
    /// # Errors
    /// 422 for a value that is not of its column's type; 500 when the library for Parquet fails.
    pub fn row(&mut self, row: &Row, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Text(writer) => {
                writer.row(row, out);
                Ok(())
            }
            Self::Parquet(writer) => writer.row(row, out),
        }
    }

    /// Writes what is left, and what the table ends with.
    ///
    /// # Errors
    /// 500 when the library for Parquet fails.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Text(writer) => {
                writer.end(out);
                Ok(())
            }
            Self::Parquet(writer) => writer.end(out),
        }
    }
}
