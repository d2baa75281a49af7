//! Bytes of terms, names of columns and numbers that keep their order: what `prepare` writes and `compile` asks.
//!
//! A term is `[param hash: 4][form: 1][payload]`. The hash is XXH3 of `Type NUL code` (`Type NUL id` for a parameter
//! that is not official), cut to 32 bits. Exact
//! payloads are the text itself when it is short, else its 128-bit hash; systems are always 64-bit hashes.

use rust_decimal::Decimal;
use smallvec::SmallVec;
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::fhir::definitions::params::ParamId;
use crate::fhir::types::ResourceType;
use crate::search::value::Typed;

/// Longest text (bytes) of a string that a prefix or `:contains` search sees.
pub const TEXT_MAX: usize = 4096;
/// Longest exact payload (bytes) that is kept as text; a longer one is hashed.
pub const EXACT_MAX: usize = 20;
/// Longest text (bytes) in a sort column; longer ones are ordered by this beginning.
pub const SORT_MAX: usize = 128;

/// What terms and columns are named by: a parameter of a resource type, or the type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamHash(pub u32);

impl ParamHash {
    /// Of a parameter of a type: by its code when it is official, else by its id. So what a definition yielded is
    /// never found by another one of the same code.
    pub fn of(kind: ResourceType, id: ParamId) -> Self {
        match id.official() {
            Some(param) => Self::named(kind, param.code.as_bytes()),
            None => Self::named(kind, &id.0.to_be_bytes()),
        }
    }

    /// Of the type itself.
    pub fn kind(kind: ResourceType) -> Self {
        Self::named(kind, b"")
    }

    fn named(kind: ResourceType, name: &[u8]) -> Self {
        let mut text = SmallVec::<[u8; 96]>::new();
        text.extend_from_slice(kind.name().as_bytes());
        text.push(0);
        text.extend_from_slice(name);
        Self(XxHash3_64::oneshot(&text) as u32)
    }
}

/// Which documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Documents {
    /// The type.
    pub kind: ResourceType,
    /// What of the type.
    pub what: What,
}

/// What of a type are documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Resources of their own.
    Resources,
    /// Resources that are contained in others.
    Contained,
    /// The elements that have this name in `_filter` (`search::nested`).
    Elements(&'static str),
}

impl Documents {
    /// The resources of a type.
    pub fn of(kind: ResourceType) -> Self {
        Self { kind, what: What::Resources }
    }

    /// The contained resources of a type.
    pub fn contained(kind: ResourceType) -> Self {
        Self { kind, what: What::Contained }
    }

    /// The elements of a type with a name.
    pub fn elements(kind: ResourceType, name: &'static str) -> Self {
        Self { kind, what: What::Elements(name) }
    }

    /// Whether they are contained resources.
    pub fn are_contained(self) -> bool {
        self.what == What::Contained
    }

    /// What their terms and columns for a parameter are named by. What is no resource of its own has names of its own,
    /// so that no other search sees it.
    pub fn param(self, id: ParamId) -> ParamHash {
        match id.official() {
            Some(param) if self.what != What::Resources => self.named(&param.code),
            _ => ParamHash::of(self.kind, id),
        }
    }

    /// The same of what is no parameter.
    pub fn named(self, name: &str) -> ParamHash {
        match self.what {
            What::Resources => ParamHash::named(self.kind, name.as_bytes()),
            What::Contained => ParamHash::named(self.kind, format!("#{name}").as_bytes()),
            What::Elements(of) => ParamHash::named(self.kind, format!("[{of}]{name}").as_bytes()),
        }
    }

    /// What the resources that they name in no parameter are named by: no code has this character.
    pub fn links(self) -> ParamHash {
        self.named("*")
    }

    /// What the term that they all have is named by.
    pub fn all(self) -> ParamHash {
        self.named("")
    }
}

/// What a term says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// The resource is of this type.
    Kind = b'T',
    /// The parameter has a value.
    Present = b'p',
    /// Folded text.
    Folded = b'f',
    /// Another folded text at which it is found.
    Other = b'a',
    /// Hash of the text as written.
    Exact = b'x',
    /// A code, whatever its system.
    Code = b'c',
    /// A system and code.
    Both = b'b',
    /// A code without a system.
    Bare = b'n',
    /// A system, whatever its code.
    System = b's',
    /// The target of a reference: its 64-bit hash.
    Target = b'k',
    /// The target of a reference within the same resource: its 64-bit hash.
    Inner = b'j',
    /// What a contained resource stands in: its 64-bit hash.
    Container = b'K',
    /// A URL or URI.
    Url = b'u',
    /// The text of a URI, for its beginnings.
    UrlText = b'r',
    /// Folded text of a token.
    Text = b'w',
    /// Hashes of the system and code of an identifier's type, and its value.
    Typed = b'o',
    /// The base part of a MIME type that has parameters.
    Mime = b'm',
    /// What a canonical with a version is below.
    Below = b'v',
}

/// The beginning of terms: a parameter, and a place inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The parameter.
    pub param: ParamHash,
    /// Bytes before the form: nothing, `i` for `Reference.identifier`, `C` and the number of a composite's component.
    pub place: SmallVec<[u8; 2]>,
}

impl Scope {
    /// The values of the parameter itself.
    pub fn plain(param: ParamHash) -> Self {
        Self { param, place: SmallVec::new() }
    }

    /// The identifiers of a reference.
    pub fn identifier(param: ParamHash) -> Self {
        Self { param, place: SmallVec::from_slice(b"i") }
    }

    /// Component `at` of a composite.
    pub fn component(param: ParamHash, at: usize) -> Self {
        Self { param, place: SmallVec::from_slice(&[b'C', at as u8]) }
    }

    /// Appends a term's bytes up to its payload.
    pub fn write(&self, form: Form, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.param.0.to_be_bytes());
        out.extend_from_slice(&self.place);
        out.push(form as u8);
    }

    /// A term without a payload, or the beginning of one.
    pub fn head(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        self.write(form, &mut out);
        out
    }

    /// A term with an exact text.
    pub fn exact(&self, form: Form, text: &str) -> Vec<u8> {
        let mut out = self.head(form);
        write_exact(text, &mut out);
        out
    }

    /// A term with a system.
    pub fn system(&self, system: &str) -> Vec<u8> {
        let mut out = self.head(Form::System);
        out.extend_from_slice(&hash64(system).to_be_bytes());
        out
    }

    /// A term with a system and a code.
    pub fn both(&self, system: &str, code: &str) -> Vec<u8> {
        let mut out = self.head(Form::Both);
        out.extend_from_slice(&hash64(system).to_be_bytes());
        write_exact(code, &mut out);
        out
    }

    /// A term with an identifier's type and value.
    pub fn typed(&self, typed: &Typed) -> Vec<u8> {
        let mut out = self.head(Form::Typed);
        write_typed(typed, &mut out);
        out
    }

    /// A term with the hash of a target in the same resource.
    pub fn inner(&self, key: u64) -> Vec<u8> {
        let mut out = self.head(Form::Inner);
        out.extend_from_slice(&key.to_be_bytes());
        out
    }

    /// The term of all resources that a resource contains, and of its elements; it belongs to no parameter.
    pub fn container(key: u64) -> Vec<u8> {
        let mut out = Self::plain(ParamHash(0)).head(Form::Container);
        out.extend_from_slice(&key.to_be_bytes());
        out
    }

    /// A term with the target of a reference.
    pub fn target(&self, key: u64) -> Vec<u8> {
        let mut out = self.head(Form::Target);
        out.extend_from_slice(&key.to_be_bytes());
        out
    }
}

/// Appends an exact payload.
pub fn write_exact(text: &str, out: &mut Vec<u8>) {
    if text.len() <= EXACT_MAX {
        out.push(0);
        out.extend_from_slice(text.as_bytes());
    } else {
        out.push(1);
        out.extend_from_slice(&XxHash3_128::oneshot(text.as_bytes()).to_be_bytes());
    }
}

/// Appends the payload of [`Form::Typed`].
pub fn write_typed(typed: &Typed, out: &mut Vec<u8>) {
    out.extend_from_slice(&hash64(&typed.system).to_be_bytes());
    out.extend_from_slice(&hash64(&typed.code).to_be_bytes());
    write_exact(&typed.value, out);
}

/// The 64-bit hash of a text; never 0, which stands for absence in columns.
pub fn hash64(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes()).max(1)
}

/// The hash of a canonical: its URL, with its business version where it has one (in lowercase, as versions are kept).
/// What refers to a canonical without a version refers to all of them.
pub fn canonical(url: &str, version: Option<&str>) -> u64 {
    match version {
        None => hash64(url),
        Some(version) => hash64(&format!("{url}|{}", version.to_lowercase())),
    }
}

/// The hash of a contained resource, or of an element: of what contains it, and its id (or name) there.
pub fn contained(container: u64, id: &str) -> u64 {
    hash64(&format!("{container:016x}#{id}"))
}

/// A text cut to at most `max` bytes, at a character.
pub fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// The smallest bytes above everything that begins with `prefix`; `None` when there are none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// First microsecond of a span.
    Start = b'd',
    /// Length of a span, wrapping.
    Length = b'e',
    /// A number, or the smallest of a range.
    Number = b'n',
    /// The largest of a range of numbers, as a wrapping distance from `Number`.
    Width = b'w',
    /// The smallest number that a number may stand for.
    ImpliedLow = b'p',
    /// The largest, as a wrapping distance from `ImpliedLow`.
    ImpliedWidth = b'r',
    /// A quantity's smallest value.
    Low = b'l',
    /// A quantity's largest value, as a wrapping distance from `Low`.
    High = b'h',
    /// `Low` in canonical units.
    CanonicalLow = b'a',
    /// `High` in canonical units.
    CanonicalHigh = b'b',
    /// Hash of a quantity's code.
    UnitCode = b'c',
    /// Hash of a quantity's system.
    UnitSystem = b'y',
    /// Hash of a quantity's unit text when it differs from its code.
    UnitText = b'u',
    /// Hash of the canonical unit.
    CanonicalUnit = b'q',
    /// Hash of a token's code (components only).
    Code = b't',
    /// Hash of a token's system (components only).
    System = b's',
    /// Hash of a reference's target, or of a URL (for a parameter itself: targets only).
    Target = b'k',
    /// Hash of a target in the same resource.
    Inner = b'j',
    /// Ten-millionths of a degree of latitude.
    Latitude = b'g',
    /// Ten-millionths of a degree of longitude.
    Longitude = b'i',
    /// Folded text (components only; a text column).
    Folded = b'f',
    /// Hash of the exact text (components only).
    Exact = b'x',
    /// Smallest and largest text to sort by (a text column).
    Sort = b'o',
}

/// The name of a column: eight hex digits, the component (`_`: the parameter itself), the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnName([u8; 10]);

impl ColumnName {
    /// The column with the id's text, for `_sort=_id`.
    pub const ID: Self = Self(*b"_______id_");

    /// The column with the hash of what contains a contained resource or an element.
    pub const CONTAINER: Self = Self(*b"_______in_");

    /// Of a parameter (or one of its components).
    pub fn new(param: ParamHash, component: Option<usize>, part: Part) -> Self {
        let mut name = [b'_'; 10];
        for (at, out) in name.iter_mut().take(8).enumerate() {
            let nibble = (param.0 >> (28 - 4 * at)) & 15;
            *out = b"0123456789abcdef"[nibble as usize];
        }
        if let Some(component) = component {
            name[8] = b'0' + component as u8;
        }
        name[9] = part as u8;
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A float as an integer of the same order (the two zeros are one).
pub fn order(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ ((((bits >> 63) as u64) >> 1) as i64)
}

/// A decimal as the nearest float, in order-preserving form. Decimals of up to 15 digits keep their identity,
/// so a bound such as 5.45 is exact; values that differ only beyond that may count as equal.
pub fn number(value: Decimal) -> i64 {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    let value = value.normalize();
    let mantissa = value.mantissa();
    // Both operands are exact floats here, so their quotient is the nearest one (IEEE 754).
    if let (true, Some(power)) = (mantissa.unsigned_abs() <= 1 << 53, POWERS.get(value.scale() as usize)) {
        return order(mantissa as f64 / power);
    }
    order(value.to_string().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_of_prefixes() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xFF]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xFF]), None);
    }

    #[test]
    fn cuts_at_characters() {
        assert_eq!(cut("aéb", 2), "a");
        assert_eq!(cut("aéb", 3), "aé");
    }

    #[test]
    fn columns_have_readable_names() {
        assert_eq!(ColumnName::new(ParamHash(0x0a1b_2c3d), Some(1), Part::Low).as_str(), "0a1b2c3d1l");
        assert_eq!(ColumnName::new(ParamHash(0x0a1b_2c3d), None, Part::Start).as_str(), "0a1b2c3d_d");
    }

    proptest! {
        #[test]
        fn floats_keep_their_order(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(order(a).cmp(&order(b))));
        }

        #[test]
        fn decimals_of_15_digits_keep_their_order(
            a in -999_999_999_999_999_i64..999_999_999_999_999, b in -999_999_999_999_999_i64..999_999_999_999_999,
            x in 0_u32..20, y in 0_u32..20,
        ) {
            let (a, b) = (Decimal::new(a, x), Decimal::new(b, y));
            prop_assert_eq!(a.cmp(&b), number(a).cmp(&number(b)));
        }
    }
}
