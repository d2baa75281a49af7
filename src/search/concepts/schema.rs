//! The fields of a concept.

use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};
use twox_hash::XxHash3_128;

/// Version of the schema and of what is put into it: a folder of another version is not used.
pub const FORMAT: u32 = 1;

/// Longest value of a property that is a term as it is; of a longer one the index knows a hash.
const VALUE_MAX: usize = 512;

/// The code as written.
pub const CODE: Field = Field::from_field_id(0);
/// The code in lowercase.
pub const FOLDED: Field = Field::from_field_id(1);
/// The words of the display, folded.
pub const DISPLAY: Field = Field::from_field_id(2);
/// The words of the designations.
pub const OTHERS: Field = Field::from_field_id(3);
/// The places of all ancestors.
pub const ANCESTORS: Field = Field::from_field_id(4);
/// The places of the parents.
pub const PARENTS: Field = Field::from_field_id(5);
/// The place.
pub const PLACE: Field = Field::from_field_id(6);
/// Properties with their values: see [`property`].
pub const PROPERTIES: Field = Field::from_field_id(7);
/// [`INACTIVE`], [`ABSTRACT`], [`LEAF`].
pub const FLAGS: Field = Field::from_field_id(8);
/// The concept in its compact form.
pub const STORED_FORM: Field = Field::from_field_id(9);

/// Name of the column of [`PLACE`].
pub const PLACE_COLUMN: &str = "n";

/// It is not used any more.
pub const INACTIVE: u64 = 1;
/// It is not chosen itself.
pub const ABSTRACT: u64 = 2;
/// Nothing is below it.
pub const LEAF: u64 = 3;

/// The schema; the fields stand in the order of the numbers above.
pub fn schema() -> Schema {
    let text = |tokenizer: &str, record: IndexRecordOption| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(record);
        TextOptions::default().set_indexing_options(indexing)
    };
    let mut builder = Schema::builder();
    builder.add_text_field("k", text("raw", IndexRecordOption::Basic));
    builder.add_text_field("l", text("raw", IndexRecordOption::Basic));
    builder.add_text_field("d", text("whitespace", IndexRecordOption::WithFreqs));
    builder.add_text_field("w", text("whitespace", IndexRecordOption::WithFreqs));
    builder.add_u64_field("a", INDEXED);
    builder.add_u64_field("p", INDEXED);
    builder.add_u64_field(PLACE_COLUMN, FAST | INDEXED);
    builder.add_bytes_field("t", BytesOptions::default().set_indexed());
    builder.add_u64_field("f", INDEXED);
    builder.add_bytes_field("s", STORED);
    builder.build()
}

/// What the terms of a property begin with.
pub fn property_head(code: &str) -> Vec<u8> {
    let mut term = Vec::with_capacity(code.len() + 32);
    term.extend_from_slice(code.as_bytes());
    term.push(0);
    term
}

/// The term of a value of a property.
pub fn property(code: &str, value: &str) -> Vec<u8> {
    let mut term = property_head(code);
    if value.len() <= VALUE_MAX {
        term.extend_from_slice(value.as_bytes());
    } else {
        // no text begins so
        term.push(0xff);
        term.extend_from_slice(&XxHash3_128::oneshot(value.as_bytes()).to_be_bytes());
    }
    term
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_order() {
        let schema = schema();
        let fields = [CODE, FOLDED, DISPLAY, OTHERS, ANCESTORS, PARENTS, PLACE, PROPERTIES, FLAGS, STORED_FORM];
        let names: Vec<&str> = fields.iter().map(|field| schema.get_field_name(*field)).collect();
        assert_eq!(names, ["k", "l", "d", "w", "a", "p", PLACE_COLUMN, "t", "f", "s"]);
    }
}
