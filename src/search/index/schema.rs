//! The fields of a document. Parameters are not fields: see `codec`.

use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, JsonObjectOptions, Schema, TextFieldIndexing, TextOptions,
};

/// Version of the schema, the terms and the extraction: an index of another version is emptied and filled again.
pub const FORMAT: u32 = 12;

/// `u64`: [`crate::fhir::types::ResourceKey::hash64`]; indexed and a column. After it, of a resource with a canonical URL,
/// the hashes of that URL without and with its version (`codec::canonical`): a reference may name it by each.
pub const KEY: &str = "key";
/// `i64` column: the Seq of the version.
pub const SEQ: &str = "seq";
/// `i64` column: `meta.lastUpdated` in microseconds.
pub const UPDATED: &str = "updated";
/// The object whose paths are the dynamic columns.
pub const COLUMNS: &str = "c";

/// The field of [`KEY`].
pub fn key_field() -> Field {
    Field::from_field_id(0)
}

/// The field of [`SEQ`].
pub fn seq_field() -> Field {
    Field::from_field_id(1)
}

/// The field of [`UPDATED`].
pub fn updated_field() -> Field {
    Field::from_field_id(2)
}

/// The field of all terms: document ids only.
pub fn terms_field() -> Field {
    Field::from_field_id(3)
}

/// The field of [`COLUMNS`].
pub fn columns_field() -> Field {
    Field::from_field_id(4)
}

/// The field of the words of narratives, with frequencies and positions.
pub fn narrative_field() -> Field {
    Field::from_field_id(5)
}

/// The field of the words of all texts, with frequencies.
pub fn content_field() -> Field {
    Field::from_field_id(6)
}

/// The schema; the fields stand in the order of the functions above.
pub fn schema() -> Schema {
    let mut builder = Schema::builder();
    builder.add_u64_field(KEY, FAST | INDEXED);
    builder.add_i64_field(SEQ, FAST);
    builder.add_i64_field(UPDATED, FAST);
    builder.add_bytes_field("t", BytesOptions::default().set_indexed());
    builder.add_json_field(COLUMNS, JsonObjectOptions::default().set_fast("raw"));
    builder.add_text_field("n", words(IndexRecordOption::WithFreqsAndPositions));
    builder.add_text_field("w", words(IndexRecordOption::WithFreqs));
    builder.build()
}

/// The text is words already, folded, with spaces between.
fn words(record: IndexRecordOption) -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer("whitespace").set_index_option(record);
    TextOptions::default().set_indexing_options(indexing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_order() {
        let schema = schema();
        let names = [
            key_field(),
            seq_field(),
            updated_field(),
            terms_field(),
            columns_field(),
            narrative_field(),
            content_field(),
        ]
        .map(|field| schema.get_field_name(field).to_owned());
        assert_eq!(names, [KEY, SEQ, UPDATED, "t", COLUMNS, "n", "w"]);
    }
}
