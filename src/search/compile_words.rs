//! Searches of words, over the two fields of words.

use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, Occur, PhraseQuery, Query as Compiled, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::index::combine::{all, any};
use super::index::schema::{content_field, narrative_field};
use super::index::settled::Settled;
use super::index::terms::Terms;
use super::kind::words::Words;
use super::query::WordPlace;

/// The field of a place.
pub fn field(place: WordPlace) -> Field {
    match place {
        WordPlace::Narrative => narrative_field(),
        WordPlace::Content => content_field(),
    }
}

/// The documents with a word.
pub fn word(field: Field, word: &str, record: IndexRecordOption) -> Box<dyn Compiled> {
    Box::new(TermQuery::new(Term::from_field_text(field, word), record))
}

/// The documents whose words pass.
pub fn compile_words(place: WordPlace, test: &Words) -> Box<dyn Compiled> {
    let field = field(place);
    let each = |parts: &[Words]| parts.iter().map(|part| compile_words(place, part)).collect();
    let plain = |text: &str| word(field, text, IndexRecordOption::Basic);
    match test {
        Words::Word(text) => plain(text),
        Words::Prefix(start) => Box::new(Terms::prefixes(field, vec![start.as_bytes().to_vec()])),
        Words::Phrase(phrase) if place == WordPlace::Narrative => {
            let terms = phrase.iter().map(|text| Term::from_field_text(field, text)).collect();
            Box::new(Settled(Box::new(PhraseQuery::new(terms))))
        }
        Words::Phrase(phrase) => all(phrase.iter().map(|text| plain(text)).collect()),
        Words::All(parts) => all(each(parts)),
        Words::Any(parts) => any(each(parts)),
        Words::Not(part) => {
            let all: Box<dyn Compiled> = Box::new(AllQuery);
            Box::new(BooleanQuery::new(vec![(Occur::Must, all), (Occur::MustNot, compile_words(place, part))]))
        }
    }
}
