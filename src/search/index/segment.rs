//! A document as tantivy reads it: flat buffers instead of a tree of values, and the queue's bound.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use smallvec::{SmallVec, smallvec};
use tantivy::schema::Field;
use tantivy::schema::document::{Document, ReferenceValue, ReferenceValueLeaf, Value};

use super::codec::ColumnName;
use super::schema::{columns_field, content_field, key_field, narrative_field, seq_field, terms_field, updated_field};

/// The terms and columns of one document.
#[derive(Debug)]
pub struct Entry {
    /// The hash of the resource, then those of its canonical.
    keys: SmallVec<[u64; 3]>,
    seq: i64,
    updated: i64,
    terms: Vec<u8>,
    ends: Vec<u32>,
    texts: String,
    cells: Vec<(ColumnName, Cell)>,
    narrative: Box<str>,
    content: Box<str>,
}

#[derive(Debug, Clone, Copy)]
enum Cell {
    Number(i64),
    Text(u32, u32),
}

impl Entry {
    /// An entry without terms and columns.
    pub fn new(key: u64, seq: i64, updated: i64) -> Self {
        Self {
            keys: smallvec![key],
            seq,
            updated,
            terms: Vec::with_capacity(1024),
            ends: Vec::with_capacity(48),
            texts: String::with_capacity(256),
            cells: Vec::with_capacity(48),
            narrative: Box::default(),
            content: Box::default(),
        }
    }

    /// Adds a hash by which references may name the resource beside its own.
    pub fn key(&mut self, key: u64) {
        self.keys.push(key);
    }

    /// Sets the words of the narrative and of all texts.
    pub fn words(&mut self, narrative: &str, content: &str) {
        (self.narrative, self.content) = (narrative.into(), content.into());
    }

    /// Adds a term.
    pub fn term(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.terms);
        self.ends.push(self.terms.len() as u32);
    }

    /// Adds a number to a column.
    pub fn number(&mut self, name: ColumnName, number: i64) {
        self.cells.push((name, Cell::Number(number)));
    }

    /// Adds a text to a column.
    pub fn text(&mut self, name: ColumnName, text: &str) {
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        self.cells.push((name, Cell::Text(start, self.texts.len() as u32)));
    }

    /// Bytes of memory that it holds, about.
    pub fn bytes(&self) -> usize {
        self.terms.capacity()
            + self.texts.capacity()
            + self.ends.capacity() * 4
            + self.cells.capacity() * 24
            + self.narrative.len()
            + self.content.len()
            + 128
    }

    fn term_at(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.terms.get(start..end)
    }
}

/// The bytes that wait for the indexing thread; whoever adds too many waits.
#[derive(Debug, Default)]
pub struct Gauge {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Gauge {
    /// Waits until `bytes` fit below `bound` (or nothing waits), at most `patience`; takes them.
    pub fn take(self: &Arc<Self>, bytes: usize, bound: usize, patience: std::time::Duration) -> Option<Ticket> {
        let waiting = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut waiting, timeout) = self
            .less
            .wait_timeout_while(waiting, patience, |waiting| *waiting > 0 && *waiting + bytes > bound)
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return None;
        }
        *waiting += bytes;
        Some(Ticket { gauge: self.clone(), bytes })
    }
}

impl Gauge {
    /// A share of no bytes, without waiting.
    pub fn nothing(self: &Arc<Self>) -> Ticket {
        Ticket { gauge: self.clone(), bytes: 0 }
    }
}

/// A share of a [`Gauge`], given back when dropped.
#[derive(Debug)]
pub struct Ticket {
    gauge: Arc<Gauge>,
    bytes: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        *self.gauge.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.gauge.less.notify_all();
    }
}

/// An entry on its way to the indexing thread.
#[derive(Debug)]
pub struct Queued {
    entry: Arc<Entry>,
    _ticket: Ticket,
}

impl Queued {
    /// An entry with its share of the queue.
    pub fn new(entry: Arc<Entry>, ticket: Ticket) -> Self {
        Self { entry, _ticket: ticket }
    }
}

impl Document for Queued {
    type Value<'a> = Slot<'a>;
    type FieldsValuesIter<'a> = Slots<'a>;

    fn iter_fields_and_values(&self) -> Slots<'_> {
        Slots { entry: &self.entry, at: 0 }
    }
}

/// One value of a document.
#[derive(Debug, Clone, Copy)]
pub enum Slot<'a> {
    /// The key.
    Key(u64),
    /// A number.
    Number(i64),
    /// A term.
    Term(&'a [u8]),
    /// A text of a column.
    Text(&'a str),
    /// All columns.
    Columns(&'a Entry),
}

impl<'a> Value<'a> for Slot<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = Cells<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        match *self {
            Self::Key(key) => ReferenceValue::Leaf(ReferenceValueLeaf::U64(key)),
            Self::Number(number) => ReferenceValue::Leaf(ReferenceValueLeaf::I64(number)),
            Self::Term(bytes) => ReferenceValue::Leaf(ReferenceValueLeaf::Bytes(bytes)),
            Self::Text(text) => ReferenceValue::Leaf(ReferenceValueLeaf::Str(text)),
            Self::Columns(entry) => ReferenceValue::Object(Cells { entry, at: 0 }),
        }
    }
}

/// The fields of a document, in the order of their numbers.
#[derive(Debug)]
pub struct Slots<'a> {
    entry: &'a Entry,
    at: usize,
}

impl<'a> Iterator for Slots<'a> {
    type Item = (Field, Slot<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        self.at += 1;
        let more = self.entry.keys.len() - 1;
        if let Some(key) = self.entry.keys.get(at) {
            return Some((key_field(), Slot::Key(*key)));
        }
        match at - more {
            1 => Some((seq_field(), Slot::Number(self.entry.seq))),
            2 => Some((updated_field(), Slot::Number(self.entry.updated))),
            at => match (at - 3).checked_sub(self.entry.ends.len()) {
                None => self.entry.term_at(at - 3).map(|bytes| (terms_field(), Slot::Term(bytes))),
                Some(0) => Some((columns_field(), Slot::Columns(self.entry))),
                Some(1) => Some((narrative_field(), Slot::Text(&self.entry.narrative))),
                Some(2) => Some((content_field(), Slot::Text(&self.entry.content))),
                Some(_) => None,
            },
        }
    }
}

/// The columns of a document.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    entry: &'a Entry,
    at: usize,
}

impl<'a> Iterator for Cells<'a> {
    type Item = (&'a str, Slot<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, cell) = self.entry.cells.get(self.at)?;
        self.at += 1;
        let slot = match *cell {
            Cell::Number(number) => Slot::Number(number),
            Cell::Text(start, end) => Slot::Text(self.entry.texts.get(start as usize..end as usize)?),
        };
        Some((name.as_str(), slot))
    }
}
