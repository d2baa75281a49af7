//! The compact form of the definitions: rows of numbers and texts in one byte string.
//!
//! `build.rs` shares this file: it encodes what the program decodes at its first use. All numbers are
//! little-endian `u16`; a text is its length and its bytes; a list is its length and its items.

/// Stands for "none" where a number may be absent, and for `*` in a maximum.
pub const NONE: u16 = u16::MAX;

/// The number of buckets of the perfect hash of property names; a power of two.
pub const BUCKETS: usize = 1024;

/// The number of slots of that hash; a power of two.
pub const SLOTS: usize = 8192;

/// A type: resource, data type, primitive or backbone element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRow<'a> {
    /// Its name, or the path of a backbone element.
    pub name: &'a str,
    /// The number of the type it is derived from, or [`NONE`].
    pub base: u16,
    /// 0 primitive, 1 complex, 2 backbone, 3 resource.
    pub kind: u16,
    /// Its properties in the order of the definition, inherited ones included.
    pub properties: Vec<PropertyRow>,
}

/// A JSON property of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyRow {
    /// The number of its name.
    pub name: u16,
    /// The number of the element's name: `value` for `valueString`.
    pub element: u16,
    /// The number of its type.
    pub type_id: u16,
    /// Minimum of the element.
    pub min: u16,
    /// Maximum of the element, or [`NONE`] for `*`.
    pub max: u16,
    /// 1 choice, 2 modifier, 4 summary.
    pub flags: u16,
    /// The position of the element among those of the type.
    pub position: u16,
    /// Resource types that a reference may name; none for any.
    pub targets: Vec<u16>,
    /// The number of the code system that a required binding implies for a `code`, or [`NONE`].
    pub system: u16,
}

/// A search parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamRow<'a> {
    /// Its code.
    pub code: &'a str,
    /// Its canonical URL.
    pub url: &'a str,
    /// The position of its type in `search-param-type`, as in `ParamKind`.
    pub kind: u16,
    /// Resource types, those of an abstract base spelled out.
    pub base: Vec<u16>,
    /// Its expression, or nothing.
    pub expression: &'a str,
    /// Resource types that a reference may name.
    pub targets: Vec<u16>,
    /// Number and expression of the components of a composite.
    pub components: Vec<(u16, &'a str)>,
}

/// The parameters through which resources of one type belong to a compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow {
    /// The resource type that the compartment is of.
    pub compartment: u16,
    /// The resource type of the member.
    pub member: u16,
    /// Whether the resource is the compartment itself (`{def}`).
    pub is_self: u16,
    /// Numbers of parameters.
    pub params: Vec<u16>,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables<'a> {
    /// All types; a type's number is its index.
    pub types: Vec<TypeRow<'a>>,
    /// The code systems that bindings imply.
    pub systems: Vec<&'a str>,
    /// All search parameters; a parameter's number is its index.
    pub params: Vec<ParamRow<'a>>,
    /// Memberships, sorted by compartment and member.
    pub memberships: Vec<MembershipRow>,
}

impl<'a> Tables<'a> {
    /// The bytes of the tables. Texts are at most 65534 bytes, lists as many items.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder(Vec::new());
        out.list(&self.types, |out, row| {
            out.text(row.name);
            out.numbers(&[row.base, row.kind]);
            out.list(&row.properties, |out, p| {
                out.numbers(&[p.name, p.element, p.type_id, p.min, p.max, p.flags, p.position]);
                out.list(&p.targets, |out, target| out.number(*target));
                out.number(p.system);
            });
        });
        out.list(&self.systems, |out, system| out.text(system));
        out.list(&self.params, |out, row| {
            out.text(row.code);
            out.text(row.url);
            out.number(row.kind);
            out.list(&row.base, |out, base| out.number(*base));
            out.text(row.expression);
            out.list(&row.targets, |out, target| out.number(*target));
            out.list(&row.components, |out, (param, expression)| {
                out.number(*param);
                out.text(expression);
            });
        });
        out.list(&self.memberships, |out, row| {
            out.numbers(&[row.compartment, row.member, row.is_self]);
            out.list(&row.params, |out, param| out.number(*param));
        });
        out.0
    }

    /// The tables in `bytes`; none when these are not what [`Tables::encode`] made.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut from = Decoder(bytes);
        let types = from.list(|from| {
            Some(TypeRow {
                name: from.text()?,
                base: from.number()?,
                kind: from.number()?,
                properties: from.list(Decoder::property)?,
            })
        })?;
        let systems = from.list(Decoder::text)?;
        let params = from.list(|from| {
            Some(ParamRow {
                code: from.text()?,
                url: from.text()?,
                kind: from.number()?,
                base: from.list(Decoder::number)?,
                expression: from.text()?,
                targets: from.list(Decoder::number)?,
                components: from.list(|from| Some((from.number()?, from.text()?)))?,
            })
        })?;
        let memberships = from.list(|from| {
            Some(MembershipRow {
                compartment: from.number()?,
                member: from.number()?,
                is_self: from.number()?,
                params: from.list(Decoder::number)?,
            })
        })?;
        from.0.is_empty().then_some(Self { types, systems, params, memberships })
    }
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn number(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn numbers(&mut self, numbers: &[u16]) {
        numbers.iter().for_each(|number| self.number(*number));
    }

    fn text(&mut self, text: &str) {
        self.number(u16::try_from(text.len()).unwrap_or(NONE));
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(u16::try_from(items.len()).unwrap_or(NONE));
        items.iter().for_each(|item| each(self, item));
    }
}

struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.number()?;
        std::str::from_utf8(self.take(len.into())?).ok()
    }

    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.number()?;
        (0..len).map(|_| each(self)).collect()
    }

    fn property(&mut self) -> Option<PropertyRow> {
        Some(PropertyRow {
            name: self.number()?,
            element: self.number()?,
            type_id: self.number()?,
            min: self.number()?,
            max: self.number()?,
            flags: self.number()?,
            position: self.number()?,
            targets: self.list(Self::number)?,
            system: self.number()?,
        })
    }
}

/// A 64-bit hash of a short text, a few nanoseconds long: eight bytes at a time, folded multiplication.
/// It only serves tables that are made at build time; an attacker gains nothing by collisions.
pub fn hash(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut state = 0x9E37_79B9_7F4A_7C15 ^ bytes.len() as u64;
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        state = fold(state ^ u64::from_le_bytes(*word));
        rest = tail;
    }
    let mut last = 0;
    for &byte in rest {
        last = last << 8 | u64::from(byte);
    }
    fold(state ^ last)
}

fn fold(word: u64) -> u64 {
    let product = u128::from(word) * 0xA076_1D64_78BD_642F;
    (product >> 64) as u64 ^ product as u64
}

/// The bucket of a hash.
pub fn bucket(hash: u64) -> usize {
    hash as usize & (BUCKETS - 1)
}

/// The slot of a hash, given the displacement of its bucket.
pub fn slot(hash: u64, displacement: u16) -> usize {
    let start = (hash >> 10) as usize;
    let stride = (hash >> 32) as usize | 1;
    start.wrapping_add(stride.wrapping_mul(displacement.into())) & (SLOTS - 1)
}
