//! The fields of a document. Parameters are not fields: see `codec`.

use tantivy::schema::{BytesOptions, FAST, Field, INDEXED, JsonObjectOptions, Schema};

/// Version of the schema, the terms and the extraction: an index of another version is emptied and filled again.
pub const FORMAT: u32 = 4;

/// `u64`: [`crate::fhir::types::ResourceKey::hash64`]; indexed and a column.
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

/// The schema; the fields stand in the order of the functions above.
pub fn schema() -> Schema {
    let mut builder = Schema::builder();
    builder.add_u64_field(KEY, FAST | INDEXED);
    builder.add_i64_field(SEQ, FAST);
    builder.add_i64_field(UPDATED, FAST);
    builder.add_bytes_field("t", BytesOptions::default().set_indexed());
    builder.add_json_field(COLUMNS, JsonObjectOptions::default().set_fast("raw"));
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_order() {
        let schema = schema();
        let names = [key_field(), seq_field(), updated_field(), terms_field(), columns_field()]
            .map(|field| schema.get_field_name(field).to_owned());
        assert_eq!(names, [KEY, SEQ, UPDATED, "t", COLUMNS]);
    }
}
