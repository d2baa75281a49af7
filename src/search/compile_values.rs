//! The alternatives of one parameter, compiled together: terms into one list, texts into one scan, numbers and
//! dates into few conditions on rows.

use std::sync::Arc;

use hashbrown::HashSet;
use tantivy::query::Query as Compiled;

use super::codeset::ConceptTest;
use super::compile_filter::{any_case, any_case_url, relation};
use super::index::codec::{Form, ParamHash, Scope, TEXT_MAX, hash64, number};
use super::index::columns::{Cell, RowTest, Rows, TextTest, Unit};
use super::index::combine::{all, any, term};
use super::index::ranges::{Bounds, DateRule, NumberRule};
use super::index::schema::terms_field;
use super::index::terms::{Passes, Rest, Select, Terms};
use super::kind::{string, uri};
use super::query::{
    Circle, DateTest, NumberTest, QuantityTest, ReferenceTest, StringTest, SystemTest, Test, TokenTest, UnitTest,
    UriTest,
};
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::types::ResourceKey;

/// Most alternatives of a parameter that each need a look at every candidate: `:contains`, composites, units.
const COSTLY_MAX: usize = 256;

/// Most codes of a value set that are looked up one by one.
const LOOKED_UP_MAX: usize = 1024;

/// The documents with a value of a parameter that passes one of the tests.
///
/// # Errors
/// 400 when there are too many costly alternatives, or a text is too long.
pub fn compile_tests(param: ParamHash, tests: &[Test]) -> Result<Box<dyn Compiled>> {
    let mut values = Values::new(Scope::plain(param));
    for test in tests {
        values.add(test)?;
    }
    values.finish()
}

struct Values {
    scope: Scope,
    terms: Vec<Vec<u8>>,
    prefixes: Vec<Vec<u8>>,
    parts: Vec<Box<[u8]>>,
    words: Vec<Box<str>>,
    passing: Vec<StringTest>,
    circles: Vec<Circle>,
    dates: Vec<DateTest>,
    numbers: Vec<Bounds>,
    implied: Vec<i64>,
    quantities: Vec<(Unit, Vec<Bounds>)>,
    composites: Vec<Box<dyn Compiled>>,
    /// Of `_filter`.
    scans: Vec<Terms>,
}

impl Values {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            terms: Vec::new(),
            prefixes: Vec::new(),
            parts: Vec::new(),
            words: Vec::new(),
            passing: Vec::new(),
            circles: Vec::new(),
            dates: Vec::new(),
            numbers: Vec::new(),
            implied: Vec::new(),
            quantities: Vec::new(),
            composites: Vec::new(),
            scans: Vec::new(),
        }
    }

    fn add(&mut self, test: &Test) -> Result<()> {
        match test {
            Test::String(test) => self.string(test)?,
            Test::Token(test) => self.token(&self.scope.clone(), test),
            Test::AnyCase(test) => self.scans.extend(any_case(&self.scope, test)),
            Test::Reference(test) => self.reference(test),
            Test::Concepts(test) => self.concepts(test)?,
            Test::Text(text) => self.words.push(bounded(text)?.into()),
            Test::Typed(typed) => self.terms.push(self.scope.typed(typed)),
            Test::Mime(base) => self.terms.push(self.scope.exact(Form::Mime, base)),
            Test::Uri(test) => self.uri(test)?,
            Test::Near(circle) => self.circles.push(*circle),
            Test::Date(test) => self.dates.push(*test),
            Test::Number(test) => self.numbers.push(bounds(test)),
            Test::Implied(wanted) => self.implied.push(number(*wanted)),
            Test::Quantity(test) => self.quantity(test)?,
            Test::Composite(parts) => {
                let query = composite(&self.scope, parts)?;
                self.composites.push(query);
            }
        }
        let costly = [
            self.parts.len(),
            self.words.len(),
            self.passing.len(),
            self.composites.len(),
            self.quantities.len(),
            self.scans.len(),
        ];
        if costly.iter().any(|count| *count > COSTLY_MAX) {
            let message = format!("more than {COSTLY_MAX} alternatives of this kind in one parameter");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        Ok(())
    }

    fn string(&mut self, test: &StringTest) -> Result<()> {
        match test {
            StringTest::StartsWith(text) => {
                for form in [Form::Folded, Form::Other] {
                    let mut prefix = self.scope.head(form);
                    prefix.extend_from_slice(bounded(text)?.as_bytes());
                    self.prefixes.push(prefix);
                }
            }
            StringTest::Relation(how, text) => self.scans.push(relation(&self.scope, *how, bounded(text)?)),
            StringTest::Contains(text) => self.parts.push(bounded(text)?.as_bytes().into()),
            StringTest::Words(_) | StringTest::Fuzzy(_) => self.passing.push(test.clone()),
            StringTest::Exact(text) => {
                let mut bytes = self.scope.head(Form::Exact);
                bytes.extend_from_slice(&hash64(text).to_be_bytes());
                self.terms.push(bytes);
            }
        }
        Ok(())
    }

    fn token(&mut self, scope: &Scope, test: &TokenTest) {
        match token(scope, test) {
            Ok(term) => self.terms.push(term),
            Err(prefix) => self.prefixes.push(prefix),
        }
    }

    /// A few codes are looked up; of many, each code that a value has is looked for among them.
    fn concepts(&mut self, test: &ConceptTest) -> Result<()> {
        let codes = test
            .codes
            .as_ref()
            .ok_or_else(|| Fault::unsupported("a value set or hierarchy of codes that was not looked up"))?;
        let both = codes.iter().map(|(system, code)| self.scope.both(system, code));
        let bare = codes.iter().filter(|_| test.is_code).map(|(_, code)| self.scope.exact(Form::Bare, code));
        if codes.len() <= LOOKED_UP_MAX {
            self.terms.extend(both.chain(bare));
            return Ok(());
        }
        for (form, terms) in [(Form::Both, both.collect::<Vec<_>>()), (Form::Bare, bare.collect())] {
            let head = self.scope.head(form);
            let rest = |term: &Vec<u8>| term.get(head.len()..).map(Box::<[u8]>::from);
            let rests: HashSet<Box<[u8]>> = terms.iter().filter_map(rest).collect();
            if !rests.is_empty() {
                let among = Rest(Arc::new(move |rest: &[u8]| rests.contains(rest)));
                self.scans.push(Terms { field: terms_field(), select: Select::Rest(head.into(), among) });
            }
        }
        Ok(())
    }

    fn reference(&mut self, test: &ReferenceTest) {
        match test {
            ReferenceTest::Local { types, id } => {
                let keys = types.iter().map(|kind| ResourceKey::new(*kind, id.clone()).hash64());
                self.terms.extend(keys.map(|key| self.scope.target(key)));
            }
            ReferenceTest::Url(url) => self.terms.push(self.scope.exact(Form::Url, url)),
            ReferenceTest::Below(url) => {
                self.terms.extend([Form::Url, Form::Below].map(|form| self.scope.exact(form, url)));
            }
            ReferenceTest::Identifier(test) => self.token(&Scope::identifier(self.scope.param), test),
        }
    }

    fn uri(&mut self, test: &UriTest) -> Result<()> {
        match test {
            UriTest::Same(uri) => self.scans.push(any_case_url(&self.scope, bounded(uri)?, false)),
            UriTest::Other(uri) => self.scans.push(any_case_url(&self.scope, bounded(uri)?, true)),
            UriTest::Is(uri) => self.terms.push(self.scope.exact(Form::Url, uri)),
            UriTest::Above(url) => {
                self.terms.extend(uri::above(url).map(|above| self.scope.exact(Form::Url, above)));
            }
            UriTest::Below(url) => {
                let mut prefix = self.scope.head(Form::UrlText);
                prefix.extend_from_slice(url.as_bytes());
                self.prefixes.push(prefix);
            }
        }
        Ok(())
    }

    fn quantity(&mut self, test: &QuantityTest) -> Result<()> {
        let (unit, bounds) = unit(test);
        match self.quantities.iter_mut().find(|(other, _)| *other == unit) {
            Some((_, all)) => all.push(bounds),
            None => self.quantities.push((unit, vec![bounds])),
        }
        Ok(())
    }

    fn finish(self) -> Result<Box<dyn Compiled>> {
        let mut queries = self.composites;
        queries.extend(self.scans.into_iter().map(|scan| -> Box<dyn Compiled> { Box::new(scan) }));
        match self.terms.as_slice() {
            [] => (),
            [one] => queries.push(term(one)),
            _ => queries.push(Box::new(Terms::list(terms_field(), self.terms))),
        }
        if !self.prefixes.is_empty() {
            queries.push(Box::new(Terms::prefixes(terms_field(), self.prefixes)));
        }
        if !self.parts.is_empty() {
            let parts: Arc<[Box<[u8]>]> = self.parts.into();
            for form in [Form::Folded, Form::Other] {
                let select = Select::Contains(self.scope.head(form).into(), parts.clone());
                queries.push(Box::new(Terms { field: terms_field(), select }));
            }
        }
        if !self.words.is_empty() {
            let words = self.words;
            let passes = Passes(Arc::new(move |text| words.iter().any(|word| string::at_word(text, word))));
            let select = Select::Passing(self.scope.head(Form::Text).into(), passes);
            queries.push(Box::new(Terms { field: terms_field(), select }));
        }
        if !self.passing.is_empty() {
            let tests = self.passing;
            let passes = Passes(Arc::new(move |text| tests.iter().any(|test| string::passes(test, text, "", &[]))));
            let select = Select::Passing(self.scope.head(Form::Folded).into(), passes);
            queries.push(Box::new(Terms { field: terms_field(), select }));
        }
        let mut rows: Vec<RowTest> = Vec::new();
        rows.extend(self.circles.into_iter().map(|circle| vec![(None, Cell::Near(circle))]));
        rows.extend(DateRule::collapse(&self.dates).into_iter().map(|rule| vec![(None, Cell::Date(rule))]));
        rows.extend(NumberRule::collapse(&self.numbers).into_iter().map(|rule| vec![(None, Cell::Number(rule))]));
        rows.extend(self.implied.into_iter().map(|wanted| vec![(None, Cell::Implied(wanted))]));
        for (unit, bounds) in self.quantities {
            let rules = NumberRule::collapse(&bounds).into_iter();
            rows.extend(rules.map(|rule| vec![(None, Cell::Quantity(rule, unit))]));
        }
        if rows.len() > COSTLY_MAX {
            let message = format!("more than {COSTLY_MAX} ranges or units in one parameter");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        if !rows.is_empty() {
            queries.push(rows_of(&self.scope, rows));
        }
        Ok(any(queries))
    }
}

fn rows_of(scope: &Scope, alternatives: Vec<RowTest>) -> Box<dyn Compiled> {
    let present = scope.head(Form::Present);
    Rows { param: scope.param, present, alternatives: alternatives.into() }.query()
}

/// The index knows only this much of a text.
fn bounded(text: &str) -> Result<&str> {
    if text.len() <= TEXT_MAX {
        return Ok(text);
    }
    let message = format!("a string value has {} bytes, at most {TEXT_MAX} can be searched", text.len());
    Err(Fault::coded(Category::Invalid, "too-long", message))
}

/// The term of a token test, or (as an error) the beginning of its terms when it names neither system nor code.
fn token(scope: &Scope, test: &TokenTest) -> Result<Vec<u8>, Vec<u8>> {
    match (&test.system, &test.code) {
        (SystemTest::Any, Some(code)) => Ok(scope.exact(Form::Code, code)),
        (SystemTest::Absent, Some(code)) => Ok(scope.exact(Form::Bare, code)),
        (SystemTest::Is(system), Some(code)) => Ok(scope.both(system, code)),
        (SystemTest::Is(system), None) => Ok(scope.system(system)),
        (SystemTest::Any, None) => Err(scope.head(Form::Code)),
        (SystemTest::Absent, None) => Err(scope.head(Form::Bare)),
    }
}

/// Rows whose components all pass; the codes among them have posting lists of their own, which come first.
fn composite(scope: &Scope, parts: &[Test]) -> Result<Box<dyn Compiled>> {
    let mut cells = Vec::with_capacity(parts.len());
    let mut queries: Vec<Box<dyn Compiled>> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        cells.push((Some(at), cell(part)?));
        if let Test::Token(test) = part
            && let Ok(bytes) = token(&Scope::component(scope.param, at), test)
        {
            queries.push(term(&bytes));
        }
    }
    queries.push(rows_of(scope, vec![cells]));
    Ok(all(queries))
}

fn hash(text: &str) -> i64 {
    hash64(text) as i64
}

/// A test on a component of a row.
fn cell(test: &Test) -> Result<Cell> {
    Ok(match test {
        Test::Date(test) => Cell::Date(DateRule::One(*test)),
        Test::Number(test) => Cell::Number(NumberRule::One(bounds(test))),
        Test::Quantity(test) => {
            let (unit, bounds) = unit(test);
            Cell::Quantity(NumberRule::One(bounds), unit)
        }
        Test::Token(test) => {
            let system = match &test.system {
                SystemTest::Any => None,
                SystemTest::Absent => Some(0),
                SystemTest::Is(system) => Some(hash(system)),
            };
            Cell::Token { code: test.code.as_deref().map(hash), system }
        }
        Test::Uri(UriTest::Is(uri)) => Cell::Target([hash(uri)].into()),
        Test::Reference(ReferenceTest::Url(url)) => Cell::Target([hash(url)].into()),
        Test::Reference(ReferenceTest::Local { types, id }) => {
            let keys = types.iter().map(|kind| ResourceKey::new(*kind, id.clone()).hash64() as i64);
            let mut keys: Vec<i64> = keys.collect();
            keys.sort_unstable();
            Cell::Target(Arc::from(keys))
        }
        Test::String(StringTest::Exact(text)) => Cell::Exact(hash(text)),
        Test::String(StringTest::StartsWith(text)) => Cell::Text(TextTest::Prefix(bounded(text)?.into())),
        Test::String(StringTest::Contains(text)) => Cell::Text(TextTest::Contains(bounded(text)?.into())),
        // modifiers are not used on composites
        Test::String(StringTest::Words(_) | StringTest::Fuzzy(_))
        | Test::Reference(ReferenceTest::Identifier(_) | ReferenceTest::Below(_))
        | Test::Uri(_)
        | Test::Text(_)
        | Test::Near(_)
        | Test::Implied(_)
        | Test::Typed(_)
        | Test::Mime(_)
        | Test::AnyCase(_)
        | Test::Concepts(_)
        | Test::String(StringTest::Relation(..))
        | Test::Composite(_) => {
            return Err(Fault::unsupported("this kind of component of a composite parameter is not supported"));
        }
    })
}

/// The unit of a quantity test, and its bounds in that unit.
fn unit(test: &QuantityTest) -> (Unit, Bounds) {
    match &test.unit {
        UnitTest::Any => (Unit::Any, bounds(&test.number)),
        UnitTest::Code(code) => (Unit::Code(hash(code)), bounds(&test.number)),
        UnitTest::OfSystem(system) => (Unit::OfSystem(hash(system)), bounds(&test.number)),
        UnitTest::System { system, code } => (Unit::System(hash(system), hash(code)), bounds(&test.number)),
        UnitTest::Canonical { number, unit } => (Unit::Canonical(hash(unit)), bounds(number)),
    }
}

fn bounds(test: &NumberTest) -> Bounds {
    let (value, low, high) = (number(test.value), number(test.low), number(test.high));
    // A number of more digits than the index keeps may be its own upper bound there, which is exclusive.
    Bounds { prefix: test.prefix, value, low, high: high.max(value.saturating_add(1)) }
}
