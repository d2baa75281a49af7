//! From extracted values to the terms and columns of one document: pure work that request threads do.

use std::sync::Arc;

use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::codec::{
    ColumnName, Documents, Form, ParamHash, Part, SORT_MAX, Scope, TEXT_MAX, canonical, contained, cut, hash64, number,
    order, write_exact, write_typed,
};
use super::segment::{Entry, Ticket};
use crate::base::clock::Timestamp;
use crate::base::id::Seq;
use crate::fhir::definitions::params::{ParamId, search_param};
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::search::kind::reference::versions;
use crate::search::value::{Extracted, Quantity, Span, Target, Value};

/// One entry of the log, for the index.
#[derive(Debug, Clone)]
pub struct Document {
    /// The resource.
    pub key: ResourceKey,
    /// Its version's position in the log.
    pub seq: Seq,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
    /// What it can be found by; `None`: the version is a deletion.
    pub values: Option<Extracted>,
    /// The index holds no earlier version of it.
    pub is_new: bool,
}

/// A document that is ready to be applied.
#[derive(Debug)]
pub struct Prepared {
    /// The hash of its resource.
    pub(super) key: u64,
    /// See [`Document::is_new`].
    pub(super) is_new: bool,
    /// What is added; `None`: a deletion. Shared with the indexing thread, which only reads it.
    pub(super) entry: Option<Arc<Entry>>,
    /// The documents of the resources that it contains, and of elements.
    pub(super) contained: Vec<Arc<Entry>>,
}

impl Prepared {
    /// Bytes of memory that it holds, about.
    pub fn bytes(&self) -> usize {
        self.entry.iter().chain(&self.contained).map(|entry| entry.bytes()).sum::<usize>().max(64)
    }
}

/// Prepares one document.
pub fn prepare(document: &Document) -> Prepared {
    let key = document.key.hash64();
    let entry = document.values.as_ref().map(|values| {
        let mut writer = Writer::new(document, Documents::of(document.key.kind), (key, document.key.id.as_str()));
        canonical_keys(document.key.kind, &values.values).into_iter().for_each(|key| writer.entry.key(key));
        writer.finish(values)
    });
    let mut inside = Vec::new();
    if let Some(values) = &document.values {
        elements(document, (document.key.kind, key), values, &mut inside);
        for inner in &values.contained {
            let inner_key = contained(key, &inner.id);
            let mut writer = Writer::inside(document, Documents::contained(inner.kind), (inner_key, &inner.id), key);
            let id = Scope::plain(writer.of.named("_id"));
            writer.term(&id, Form::Code, |out| write_exact(&inner.id, out));
            inside.push(writer.finish(&inner.values));
            elements(document, (inner.kind, inner_key), &inner.values, &mut inside);
        }
    }
    Prepared { key, is_new: document.is_new, entry, contained: inside }
}

/// The documents of the elements of a resource of a type, with its hash.
fn elements(document: &Document, (kind, key): (ResourceType, u64), values: &Extracted, out: &mut Vec<Arc<Entry>>) {
    for (number, element) in values.nested.iter().enumerate() {
        let id = format!("[{number}]");
        let of = Documents::elements(kind, element.name);
        out.push(Writer::inside(document, of, (contained(key, &id), &id), key).finish(&element.values));
    }
}

struct Writer {
    of: Documents,
    /// The hash of the resource of the log, which is what contains a contained one.
    around: u64,
    entry: Entry,
}

impl Writer {
    fn new(document: &Document, of: Documents, (key, id): (u64, &str)) -> Self {
        let entry = Entry::new(key, document.seq.0, document.updated.0);
        let mut writer = Self { of, around: document.key.hash64(), entry };
        writer.term(&Scope::plain(of.all()), Form::Kind, |_| ());
        writer.entry.text(ColumnName::ID, id);
        writer
    }

    /// What goes with the resource of the log: a contained one, or an element of the one with the hash `container`.
    fn inside(document: &Document, of: Documents, key: (u64, &str), container: u64) -> Self {
        let mut writer = Self::new(document, of, key);
        let around = writer.around;
        writer.entry.term(|out| out.extend_from_slice(&Scope::container(around)));
        writer.entry.number(ColumnName::CONTAINER, container as i64);
        writer
    }

    /// Adds everything that it can be found by.
    fn finish(mut self, values: &Extracted) -> Arc<Entry> {
        self.entry.words(&values.narrative, &values.content);
        if values.is_working {
            // `mode` is no search parameter: its name is free
            self.term(&Scope::plain(self.of.named("mode")), Form::Present, |_| ());
        }
        self.links(&values.links);
        let mut rest = values.values.as_slice();
        while let Some((id, _)) = rest.first() {
            let end = rest.iter().position(|(other, _)| other != id).unwrap_or(rest.len());
            let (group, after) = rest.split_at(end);
            self.param(self.of.param(*id), group);
            rest = after;
        }
        Arc::new(self.entry)
    }

    /// What it names elsewhere than in its values.
    fn links(&mut self, links: &[u64]) {
        let scope = Scope::plain(self.of.links());
        for (at, hash) in links.iter().enumerate() {
            if at == 0 {
                self.term(&scope, Form::Present, |_| ());
            }
            self.term(&scope, Form::Target, |out| out.extend_from_slice(&hash.to_be_bytes()));
            self.entry.number(ColumnName::new(scope.param, None, Part::Target), *hash as i64);
        }
    }

    fn term(&mut self, scope: &Scope, form: Form, payload: impl FnOnce(&mut Vec<u8>)) {
        self.entry.term(|out| {
            scope.write(form, out);
            payload(out);
        });
    }

    /// All values of one parameter.
    fn param(&mut self, param: ParamHash, group: &[(ParamId, Value)]) {
        let scope = Scope::plain(param);
        self.term(&scope, Form::Present, |_| ());
        let shape = group.first().map(|(_, value)| Shape::of(value));
        let (mut sort, mut words): (Option<(&str, &str)>, _) = (None, None);
        let mut sort_targets = Vec::new();
        for (_, value) in group {
            if matches!(value, Value::Composite(_)) && Some(Shape::of(value)) != shape {
                continue; // tuples of another shape would break the alignment of the columns
            }
            match value {
                Value::Reference(Target::Local(key)) => sort_targets.push(key.to_string()),
                other => widen(&mut sort, sort_text(other)),
            }
            if let Value::Token { text, .. } = value {
                widen(&mut words, text.as_deref());
            }
            self.value(&scope, value);
        }
        for text in &sort_targets {
            widen(&mut sort, Some(text));
        }
        // tokens are sorted by their codes; those that have none by their text
        if let Some((low, high)) = sort.or(words) {
            let name = ColumnName::new(param, None, Part::Sort);
            self.entry.text(name, cut(low, SORT_MAX));
            if low != high {
                self.entry.text(name, cut(high, SORT_MAX));
            }
        }
    }

    fn value(&mut self, scope: &Scope, value: &Value) {
        let param = scope.param;
        match value {
            Value::String { folded, exact, others } => {
                self.term(scope, Form::Folded, |out| out.extend_from_slice(cut(folded, TEXT_MAX).as_bytes()));
                for other in others {
                    self.term(scope, Form::Other, |out| out.extend_from_slice(cut(other, TEXT_MAX).as_bytes()));
                }
                self.term(scope, Form::Exact, |out| out.extend_from_slice(&hash64(exact).to_be_bytes()));
            }
            Value::Token { system, code, text } => {
                self.token(scope, system.as_deref(), code.as_deref());
                if let Some(text) = text {
                    self.term(scope, Form::Text, |out| out.extend_from_slice(cut(text, TEXT_MAX).as_bytes()));
                }
            }
            Value::Typed(typed) => self.term(scope, Form::Typed, |out| write_typed(typed, out)),
            Value::Mime(base) => self.term(scope, Form::Mime, |out| write_exact(base, out)),
            Value::Reference(target) => self.reference(scope, target),
            Value::Uri(uri) => {
                self.term(scope, Form::Url, |out| write_exact(uri, out));
                self.term(scope, Form::UrlText, |out| out.extend_from_slice(cut(uri, TEXT_MAX).as_bytes()));
            }
            Value::Date(_) | Value::Number(_) | Value::Implied(_) | Value::Quantity(_) | Value::Position(_) => {
                self.cells(param, None, value)
            }
            Value::Composite(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    if let Value::Token { system, code, .. } = part {
                        self.token(&Scope::component(param, at), system.as_deref(), code.as_deref());
                    }
                    self.cells(param, Some(at), part);
                }
            }
        }
    }

    fn token(&mut self, scope: &Scope, system: Option<&str>, code: Option<&str>) {
        if let Some(code) = code {
            self.term(scope, Form::Code, |out| write_exact(code, out));
        }
        match (system, code) {
            (Some(system), Some(code)) => self.term(scope, Form::Both, |out| {
                out.extend_from_slice(&hash64(system).to_be_bytes());
                write_exact(code, out);
            }),
            (None, Some(code)) => self.term(scope, Form::Bare, |out| write_exact(code, out)),
            (_, None) => (),
        }
        if let Some(system) = system {
            self.term(scope, Form::System, |out| out.extend_from_slice(&hash64(system).to_be_bytes()));
        }
    }

    fn reference(&mut self, scope: &Scope, target: &Target) {
        match target {
            Target::Local(key) => {
                let hash = key.hash64();
                self.term(scope, Form::Target, |out| out.extend_from_slice(&hash.to_be_bytes()));
                self.entry.number(ColumnName::new(scope.param, None, Part::Target), hash as i64);
            }
            Target::Other(url) => {
                self.term(scope, Form::Url, |out| write_exact(url, out));
                let hash = canonical_of(url);
                self.term(scope, Form::Target, |out| out.extend_from_slice(&hash.to_be_bytes()));
                self.entry.number(ColumnName::new(scope.param, None, Part::Target), hash as i64);
                for (at, above) in versions(url).enumerate() {
                    let form = if at == 0 { Form::Url } else { Form::Below };
                    self.term(scope, form, |out| write_exact(above, out));
                }
            }
            Target::Contained(id) => {
                let hash = contained(self.around, id);
                self.term(scope, Form::Inner, |out| out.extend_from_slice(&hash.to_be_bytes()));
                self.entry.number(ColumnName::new(scope.param, None, Part::Inner), hash as i64);
            }
            Target::Identifier { system, value } => {
                self.token(&Scope::identifier(scope.param), system.as_deref(), Some(value));
            }
        }
    }

    /// The columns of one value: each column of its kind gets exactly one entry, so that rows stay aligned.
    fn cells(&mut self, param: ParamHash, component: Option<usize>, value: &Value) {
        let entry = &mut self.entry;
        let mut put = |part, cell| entry.number(ColumnName::new(param, component, part), cell);
        match value {
            Value::Date(Span { start, end }) => {
                put(Part::Start, *start);
                put(Part::Length, end.wrapping_sub(*start));
            }
            Value::Number(interval) => {
                let (low, high) = sides(interval.low, interval.high);
                put(Part::Number, low);
                put(Part::Width, high.wrapping_sub(low));
            }
            Value::Implied(range) => {
                let (low, high) = sides(range.low, range.high);
                // the next smaller number stands for what is excluded
                let high = if range.is_closed || range.high.is_none() { high } else { high - 1 };
                put(Part::ImpliedLow, low);
                put(Part::ImpliedWidth, high.wrapping_sub(low));
            }
            Value::Quantity(quantity) => quantity_cells(quantity, put),
            Value::Position(at) => {
                put(Part::Latitude, at.latitude.into());
                put(Part::Longitude, at.longitude.into());
            }
            Value::Token { system, code, .. } => {
                put(Part::Code, text_hash(code.as_deref()));
                put(Part::System, text_hash(system.as_deref()));
            }
            Value::Reference(target) => put(Part::Target, target_hash(target)),
            Value::Uri(uri) => put(Part::Target, hash64(uri) as i64),
            Value::String { folded, exact, .. } => {
                put(Part::Exact, hash64(exact) as i64);
                entry.text(ColumnName::new(param, component, Part::Folded), cut(folded, TEXT_MAX));
            }
            // composites are not nested, and what stands beside a value has no row
            Value::Composite(_) | Value::Typed(_) | Value::Mime(_) => (),
        }
    }
}

/// The hash of what a canonical names, whatever part of it.
fn canonical_of(url: &str) -> u64 {
    let (whole, _) = url.split_once('#').unwrap_or((url, ""));
    match whole.rsplit_once('|') {
        Some((url, version)) => canonical(url, Some(version)),
        None => canonical(whole, None),
    }
}

/// The canonical URL and the business version of a resource that has both parameters.
fn canonical_keys(kind: ResourceType, values: &[(ParamId, Value)]) -> SmallVec<[u64; 2]> {
    let of = |code: &str| {
        let param = search_param(kind, code)?;
        Some(values.iter().filter(move |(id, _)| *id == param.id).map(|(_, value)| value))
    };
    let mut keys = SmallVec::new();
    let (Some(mut urls), Some(mut versions)) = (of("url"), of("version")) else { return keys };
    let Some(Value::Uri(url)) = urls.next() else { return keys };
    keys.push(canonical(url, None));
    if let Some(Value::Token { code: Some(version), .. }) = versions.next() {
        keys.push(canonical(url, Some(version)));
    }
    keys
}

/// Both sides of a range; an open one lies beyond all numbers.
fn sides(low: Option<Decimal>, high: Option<Decimal>) -> (i64, i64) {
    (low.map_or(order(f64::NEG_INFINITY), number), high.map_or(order(f64::INFINITY), number))
}

fn quantity_cells(quantity: &Quantity, mut put: impl FnMut(Part, i64)) {
    let within = |(low, high): (i64, i64)| match quantity.excludes_side {
        // the next number stands for the side that lies outside
        true => {
            (if quantity.low.is_some() { low + 1 } else { low }, if quantity.high.is_some() { high - 1 } else { high })
        }
        false => (low, high),
    };
    let (low, high) = within(sides(quantity.low, quantity.high));
    put(Part::Low, low);
    put(Part::High, high.wrapping_sub(low));
    put(Part::UnitCode, text_hash(quantity.code.as_deref()));
    put(Part::UnitSystem, text_hash(quantity.system.as_deref()));
    let text = quantity.unit.as_deref().filter(|unit| Some(*unit) != quantity.code.as_deref());
    put(Part::UnitText, text_hash(text));
    let (low, high, unit) = quantity.canonical.as_ref().map_or((0, 0, 0), |canonical| {
        let (low, high) = within(sides(canonical.low, canonical.high));
        (low, high, hash64(&canonical.unit) as i64)
    });
    put(Part::CanonicalLow, low);
    put(Part::CanonicalHigh, high.wrapping_sub(low));
    put(Part::CanonicalUnit, unit);
}

fn text_hash(text: Option<&str>) -> i64 {
    text.map_or(0, |text| hash64(text) as i64)
}

fn target_hash(target: &Target) -> i64 {
    match target {
        Target::Local(key) => key.hash64() as i64,
        Target::Other(url) => hash64(url) as i64,
        Target::Identifier { .. } | Target::Contained(_) => 0,
    }
}

/// The text that a value is sorted by, for the kinds that are sorted by text.
fn sort_text(value: &Value) -> Option<&str> {
    match value {
        Value::String { folded, .. } => Some(folded),
        Value::Token { code, .. } => code.as_deref(),
        Value::Reference(Target::Other(url)) => Some(url),
        Value::Reference(Target::Identifier { value, .. }) => Some(value),
        Value::Uri(uri) => Some(uri),
        _ => None,
    }
}

fn widen<'a>(range: &mut Option<(&'a str, &'a str)>, text: Option<&'a str>) {
    let Some(text) = text else { return };
    *range = Some(range.map_or((text, text), |(low, high)| (low.min(text), high.max(text))));
}

/// The kinds of a composite's components, or of a value.
#[derive(PartialEq)]
struct Shape(SmallVec<[std::mem::Discriminant<Value>; 4]>);

impl Shape {
    fn of(value: &Value) -> Self {
        match value {
            Value::Composite(parts) => Self(parts.iter().map(std::mem::discriminant).collect()),
            other => Self(std::iter::once(std::mem::discriminant(other)).collect()),
        }
    }
}

/// Keeps a document's share of the queue's memory until it is indexed (see `segment`).
pub(super) fn ticketed(entry: &Arc<Entry>, ticket: Ticket) -> super::segment::Queued {
    super::segment::Queued::new(entry.clone(), ticket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::definitions::params::search_params;
    use crate::search::nested;

    #[test]
    fn no_two_parameters_share_a_hash() {
        let mut all: Vec<(ParamHash, String)> = Vec::new();
        for kind in ResourceType::all() {
            all.push((ParamHash::kind(kind), kind.name().to_owned()));
            let named = search_params(kind).iter();
            all.extend(named.clone().map(|param| (ParamHash::of(kind, param.id), format!("{kind}.{}", param.code))));
            let inner = Documents::contained(kind);
            all.push((inner.all(), format!("{kind}#")));
            all.extend(named.clone().map(|param| (inner.param(param.id), format!("{kind}#{}", param.code))));
            let first = ["composition", "message"].into_iter().filter_map(|code| nested::within(kind, code));
            for (name, of) in nested::of(kind).map(|names| (names.name, kind)).chain(first) {
                let elements = Documents::elements(kind, name);
                let name = format!("{kind}.{name}");
                all.push((elements.all(), format!("{name}[]")));
                let named = search_params(of).iter();
                all.extend(named.map(|param| (elements.param(param.id), format!("{name}.{}", param.code))));
            }
        }
        assert!(all.len() > 2000, "{} parameters", all.len());
        all.sort();
        all.dedup();
        for pair in all.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "{} and {}", pair[0].1, pair[1].1);
        }
    }
}
