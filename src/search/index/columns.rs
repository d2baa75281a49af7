//! Conditions on the rows of columns: a value, or a tuple of a composite, is one row and must pass alone.

use std::sync::Arc;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::Query;
use tantivy::query::doc_predicate_query::{
    ConstOrVariableSegmentPredicate, DocPredicate, DocPredicateQuery, SegmentDocPredicate,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, SegmentReader};

use super::codec::{ColumnName, ParamHash, Part};
use super::ranges::{DateRule, NumberRule};
use super::schema::{COLUMNS, terms_field};
use crate::search::kind::near;
use crate::search::query::Circle;
use crate::search::value::Position;

/// What is asked of a quantity's unit, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Anything.
    Any,
    /// The code or the unit's text.
    Code(i64),
    /// The system.
    OfSystem(i64),
    /// System and code.
    System(i64, i64),
    /// The canonical unit; the bounds are canonical.
    Canonical(i64),
}

/// A condition on the texts of a segment's dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTest {
    /// Begins with.
    Prefix(Box<str>),
    /// Contains.
    Contains(Box<str>),
}

/// A condition on one component of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A span of time.
    Date(DateRule),
    /// A number.
    Number(NumberRule),
    /// A number that the precision of the element includes.
    Implied(i64),
    /// A quantity.
    Quantity(NumberRule, Unit),
    /// A token: hashes of code and system; `None` asks nothing, 0 asks for absence.
    Token { code: Option<i64>, system: Option<i64> },
    /// A place in a circle.
    Near(Circle),
    /// Hashes of targets or URLs, sorted.
    Target(Arc<[i64]>),
    /// Hash of the exact text.
    Exact(i64),
    /// Folded text.
    Text(TextTest),
}

/// Conditions on one row: one per component (for a plain parameter one without a number).
pub type RowTest = Vec<(Option<usize>, Cell)>;

/// The documents that have a row of `param` for which one of the alternatives holds in all its components.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The parameter.
    pub param: ParamHash,
    /// The term of its presence: documents without it are not looked at.
    pub present: Vec<u8>,
    /// One of them must hold.
    pub alternatives: Arc<[RowTest]>,
}

impl Rows {
    /// As a query.
    pub fn query(self) -> Box<dyn Query> {
        Box::new(DocPredicateQuery::from(self))
    }
}

impl DocPredicate for Rows {
    type SegmentDocPredicate = SegmentRows;

    fn doc_predicate(&self, reader: &SegmentReader) -> tantivy::Result<ConstOrVariableSegmentPredicate<SegmentRows>> {
        let inverted = reader.inverted_index(terms_field())?;
        let Some(info) = inverted.terms().get(&self.present)? else {
            return Ok(ConstOrVariableSegmentPredicate::Const(false));
        };
        let candidates = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
        let mut alternatives = Vec::with_capacity(self.alternatives.len());
        for cells in self.alternatives.iter() {
            let open: Option<Vec<OpenCell>> = cells
                .iter()
                .map(|(component, cell)| OpenCell::open(reader, self.param, *component, cell))
                .collect::<tantivy::Result<_>>()?;
            alternatives.extend(open); // a component without any column in this segment: nothing can pass
        }
        if alternatives.is_empty() {
            return Ok(ConstOrVariableSegmentPredicate::Const(false));
        }
        Ok(ConstOrVariableSegmentPredicate::Variable {
            predicate: SegmentRows { alternatives },
            necessary_condition: Box::new(candidates),
        })
    }
}

/// [`Rows`] on one segment.
pub struct SegmentRows {
    alternatives: Vec<Vec<OpenCell>>,
}

impl SegmentDocPredicate for SegmentRows {
    fn eval(&mut self, doc: DocId) -> bool {
        self.alternatives.iter().any(|cells| row_passes(cells, doc))
    }

    fn cost(&self) -> u64 {
        20 * self.alternatives.len() as u64
    }
}

fn row_passes(cells: &[OpenCell], doc: DocId) -> bool {
    // The columns of different components have their own numbering; a document's rows stand in one order.
    let starts: smallvec::SmallVec<[std::ops::Range<u32>; 3]> = cells.iter().map(|cell| cell.rows(doc)).collect();
    let Some(first) = starts.first() else { return false };
    let count = first.len() as u32;
    if starts.iter().any(|rows| rows.len() as u32 != count) {
        return false;
    }
    (0..count).any(|at| cells.iter().zip(&starts).all(|(cell, rows)| cell.passes(rows.start + at)))
}

/// The column of numbers `name` in a segment.
pub fn numbers(reader: &SegmentReader, name: ColumnName) -> tantivy::Result<Option<Column<i64>>> {
    reader.fast_fields().column_opt(&format!("{COLUMNS}.{}", name.as_str()))
}

/// The column of texts `name` in a segment.
pub fn texts(reader: &SegmentReader, name: ColumnName) -> tantivy::Result<Option<StrColumn>> {
    reader.fast_fields().str(&format!("{COLUMNS}.{}", name.as_str()))
}

/// A condition with its columns.
struct OpenCell {
    test: OpenTest,
    first: Column<u64>,
}

enum OpenTest {
    Date(DateRule, Column<i64>, Column<i64>),
    Number(NumberRule, Column<i64>, Column<i64>),
    Implied(i64, Column<i64>, Column<i64>),
    Quantity { rule: NumberRule, low: Column<i64>, high: Column<i64>, unit: Box<OpenUnit> },
    Token { code: Option<i64>, system: Option<i64>, codes: Column<i64>, systems: Column<i64> },
    Near(Circle, Places),
    Hashes(Arc<[i64]>, Column<i64>),
    Ordinals(hashbrown::HashSet<u64>, Column<u64>),
}

enum OpenUnit {
    Any,
    Either(i64, Column<i64>, Column<i64>),
    Both(i64, Column<i64>, i64, Column<i64>),
    One(i64, Column<i64>),
}

impl OpenCell {
    /// `None`: the segment has no such column.
    fn open(
        reader: &SegmentReader,
        param: ParamHash,
        component: Option<usize>,
        cell: &Cell,
    ) -> tantivy::Result<Option<Self>> {
        let column = |part| numbers(reader, ColumnName::new(param, component, part));
        let test = match cell {
            Cell::Date(test) => {
                column(Part::Start)?.zip(column(Part::Length)?).map(|(a, b)| OpenTest::Date(test.clone(), a, b))
            }
            Cell::Number(rule) => {
                column(Part::Number)?.zip(column(Part::Width)?).map(|(a, b)| OpenTest::Number(rule.clone(), a, b))
            }
            Cell::Implied(wanted) => column(Part::ImpliedLow)?
                .zip(column(Part::ImpliedWidth)?)
                .map(|(a, b)| OpenTest::Implied(*wanted, a, b)),
            Cell::Quantity(rule, unit) => open_quantity(column, rule.clone(), *unit)?,
            Cell::Token { code, system } => {
                let columns = column(Part::Code)?.zip(column(Part::System)?);
                columns.map(|(codes, systems)| OpenTest::Token { code: *code, system: *system, codes, systems })
            }
            Cell::Near(circle) => Places::open(reader, param)?.map(|places| OpenTest::Near(*circle, places)),
            Cell::Target(hashes) => column(Part::Target)?.map(|values| OpenTest::Hashes(hashes.clone(), values)),
            Cell::Exact(hash) => column(Part::Exact)?.map(|values| OpenTest::Hashes(Arc::new([*hash]), values)),
            Cell::Text(test) => match texts(reader, ColumnName::new(param, component, Part::Folded))? {
                Some(column) => Some(OpenTest::Ordinals(ordinals(&column, test)?, column.ords().clone())),
                None => None,
            },
        };
        Ok(test.map(Self::new))
    }

    fn new(test: OpenTest) -> Self {
        let first = match &test {
            OpenTest::Date(_, column, _)
            | OpenTest::Number(_, column, _)
            | OpenTest::Implied(_, column, _)
            | OpenTest::Hashes(_, column) => index(column),
            OpenTest::Quantity { low, .. } => index(low),
            OpenTest::Token { codes, .. } => index(codes),
            OpenTest::Near(_, places) => index(&places.latitudes),
            OpenTest::Ordinals(_, column) => column.clone(),
        };
        Self { test, first }
    }

    fn rows(&self, doc: DocId) -> std::ops::Range<u32> {
        self.first.index.value_row_ids(doc)
    }

    fn passes(&self, row: u32) -> bool {
        let at = |column: &Column<i64>| column.values.get_val(row);
        match &self.test {
            OpenTest::Date(test, start, length) => {
                let start = at(start);
                test.passes(start, start.wrapping_add(at(length)))
            }
            OpenTest::Number(rule, low, width) => {
                let low = at(low);
                rule.passes(low, low.wrapping_add(at(width)))
            }
            OpenTest::Implied(wanted, low, width) => {
                let low = at(low);
                (low..=low.wrapping_add(at(width))).contains(wanted)
            }
            OpenTest::Quantity { rule, low, high, unit } => {
                let fits = match unit.as_ref() {
                    OpenUnit::Any => true,
                    OpenUnit::Either(hash, a, b) => at(a) == *hash || at(b) == *hash,
                    OpenUnit::Both(one, a, two, b) => at(a) == *one && at(b) == *two,
                    OpenUnit::One(hash, a) => at(a) == *hash,
                };
                let low = at(low);
                fits && rule.passes(low, low.wrapping_add(at(high)))
            }
            OpenTest::Token { code, system, codes, systems } => {
                code.is_none_or(|hash| at(codes) == hash) && system.is_none_or(|hash| at(systems) == hash)
            }
            OpenTest::Near(circle, places) => near::passes(circle, places.at(row)),
            OpenTest::Hashes(hashes, values) => hashes.binary_search(&at(values)).is_ok(),
            OpenTest::Ordinals(set, values) => set.contains(&values.values.get_val(row)),
        }
    }
}

/// The columns of places on the Earth.
pub struct Places {
    latitudes: Column<i64>,
    longitudes: Column<i64>,
}

impl Places {
    /// Of a parameter; `None`: the segment has none.
    pub fn open(reader: &SegmentReader, param: ParamHash) -> tantivy::Result<Option<Self>> {
        let column = |part| numbers(reader, ColumnName::new(param, None, part));
        let found = column(Part::Latitude)?.zip(column(Part::Longitude)?);
        Ok(found.map(|(latitudes, longitudes)| Self { latitudes, longitudes }))
    }

    /// The places of a document.
    pub fn of(&self, doc: DocId) -> impl Iterator<Item = Position> {
        self.latitudes.index.value_row_ids(doc).map(|row| self.at(row))
    }

    fn at(&self, row: u32) -> Position {
        let unit = |column: &Column<i64>| column.values.get_val(row) as i32;
        Position { latitude: unit(&self.latitudes), longitude: unit(&self.longitudes) }
    }
}

fn index(column: &Column<i64>) -> Column<u64> {
    Column { index: column.index.clone(), values: Arc::new(tantivy::columnar::EmptyColumnValues) }
}

fn open_quantity(
    column: impl Fn(Part) -> tantivy::Result<Option<Column<i64>>>,
    rule: NumberRule,
    unit: Unit,
) -> tantivy::Result<Option<OpenTest>> {
    let (low, high) = match unit {
        Unit::Canonical(_) => (column(Part::CanonicalLow)?, column(Part::CanonicalHigh)?),
        _ => (column(Part::Low)?, column(Part::High)?),
    };
    let unit = match unit {
        Unit::Any => Some(OpenUnit::Any),
        Unit::Code(hash) => {
            column(Part::UnitCode)?.zip(column(Part::UnitText)?).map(|(a, b)| OpenUnit::Either(hash, a, b))
        }
        Unit::System(system, code) => {
            column(Part::UnitSystem)?.zip(column(Part::UnitCode)?).map(|(a, b)| OpenUnit::Both(system, a, code, b))
        }
        Unit::OfSystem(hash) => column(Part::UnitSystem)?.map(|a| OpenUnit::One(hash, a)),
        Unit::Canonical(hash) => column(Part::CanonicalUnit)?.map(|a| OpenUnit::One(hash, a)),
    };
    let columns = low.zip(high).zip(unit);
    Ok(columns.map(|((low, high), unit)| OpenTest::Quantity { rule, low, high, unit: Box::new(unit) }))
}

/// The ordinals of the texts of a segment that pass.
fn ordinals(column: &StrColumn, test: &TextTest) -> tantivy::Result<hashbrown::HashSet<u64>> {
    let mut found = hashbrown::HashSet::new();
    let dictionary = column.dictionary();
    let mut stream = match test {
        TextTest::Prefix(prefix) => dictionary.prefix_range(prefix.as_bytes()).into_stream()?,
        TextTest::Contains(_) => dictionary.stream()?,
    };
    let finder = match test {
        TextTest::Contains(part) => Some(memchr::memmem::Finder::new(part.as_bytes())),
        TextTest::Prefix(_) => None,
    };
    while stream.advance() {
        if finder.as_ref().is_none_or(|finder| finder.find(stream.key()).is_some()) {
            found.insert(stream.term_ord());
        }
    }
    Ok(found)
}
