//! What tantivy itself costs, for the benchmark's ratios: documents of the size of an Observation's, through
//! tantivy's own document type, schema fields and directory, with no code of the index in between.

use std::path::Path;
use std::time::{Duration, Instant};

use tantivy::schema::{BytesOptions, FAST, INDEXED, JsonObjectOptions, OwnedValue, Schema};
use tantivy::{Index, IndexWriter, TantivyDocument};

use super::index::error::{failed, failed_io};
use crate::base::fault::Result;

/// Terms of the Observation that the measurement of the index makes up (`index/measure`).
const TERMS: usize = 35;
/// Numbers in its columns.
const NUMBERS: usize = 41;
/// Texts in its columns.
const TEXTS: usize = 9;

/// How fast it went.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Documents.
    pub documents: usize,
    /// From the first document to the end of the commit.
    pub took: Duration,
}

impl Rate {
    /// Documents per second.
    pub fn per_second(&self) -> f64 {
        self.documents as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }
}

/// Indexes `documents` documents in the empty folder `root` with one thread and 64 MB, and commits.
///
/// # Errors
/// 500 when the folder cannot be written.
pub fn raw_index(root: &Path, documents: usize) -> Result<Rate> {
    std::fs::create_dir_all(root).map_err(failed_io("make the baseline's folder"))?;
    let mut builder = Schema::builder();
    let key = builder.add_u64_field("key", FAST | INDEXED);
    let terms = builder.add_bytes_field("terms", BytesOptions::default().set_indexed());
    let columns = builder.add_json_field("columns", JsonObjectOptions::default().set_fast("raw"));
    let index = Index::create_in_dir(root, builder.build()).map_err(failed("create the baseline"))?;
    let mut writer: IndexWriter =
        index.writer_with_num_threads(1, 64 << 20).map_err(failed("start the baseline's writer"))?;
    let start = Instant::now();
    for n in 0..documents as u64 {
        let mut document = TantivyDocument::new();
        document.add_u64(key, spread(n));
        for at in 0..TERMS as u64 {
            document.add_bytes(terms, &term(n, at));
        }
        document.add_field_value(columns, &OwnedValue::Object(cells(n)));
        writer.add_document(document).map_err(failed("add to the baseline"))?;
    }
    writer.commit().map_err(failed("commit the baseline"))?;
    Ok(Rate { documents, took: start.elapsed() })
}

/// A term: a third of them are of this document alone, the rest are shared by many.
fn term(n: u64, at: u64) -> Vec<u8> {
    let value = if at.is_multiple_of(3) { spread(n) } else { spread(n % (10 + at * at)) };
    let mut bytes = (at as u32).to_be_bytes().to_vec();
    bytes.push(b'b');
    bytes.extend_from_slice(&value.to_be_bytes());
    bytes
}

fn cells(n: u64) -> Vec<(String, OwnedValue)> {
    let numbers =
        (0..NUMBERS as u64).map(|at| (format!("n{at:08}"), OwnedValue::I64(spread(n % (at * at + 1)) as i64)));
    let texts =
        (0..TEXTS as u64).map(|at| (format!("t{at:08}"), OwnedValue::Str(format!("{:x}", spread(n % (10 + at))))));
    numbers.chain(texts).collect()
}

/// Numbers that look like hashes.
fn spread(n: u64) -> u64 {
    n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_indexes() {
        let root = tempfile::TempDir::new().unwrap();
        let rate = raw_index(root.path(), 100).unwrap();
        assert_eq!(rate.documents, 100);
        assert!(rate.per_second() > 0.0);
    }
}
