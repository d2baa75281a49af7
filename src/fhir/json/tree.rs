//! The values of the tree.

use crate::fhir::name::Name;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(Number),
    /// A string, unescaped.
    String(Box<str>),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// A number exactly as it was written; always valid JSON number syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// A number from its text, if that is a JSON number.
    pub fn from_text(text: &str) -> Option<Self> {
        (number_end(text.as_bytes(), 0) == Ok(text.len())).then(|| Self(text.into()))
    }

    /// A number from text that the reader has checked.
    pub(super) fn checked(text: &str) -> Self {
        Self(text.into())
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string().into())
    }
}

/// The end of the JSON number that starts at `start` (RFC 8259, 6), or where it breaks the grammar.
pub(super) fn number_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let digits = |mut i: usize| -> Result<usize, usize> {
        let from = i;
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        if i == from { Err(i) } else { Ok(i) }
    };
    let mut i = start + usize::from(bytes.get(start) == Some(&b'-'));
    i = if bytes.get(i) == Some(&b'0') { i + 1 } else { digits(i)? };
    if bytes.get(i) == Some(&b'.') {
        i = digits(i + 1)?;
    }
    if matches!(bytes.get(i), Some(b'e' | b'E')) {
        i += 1 + usize::from(matches!(bytes.get(i + 1), Some(b'+' | b'-')));
        i = digits(i)?;
    }
    Ok(i)
}

/// An object: properties in the order in which they were written, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    entries: Vec<(Name, Json)>,
}

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.entries.iter().find(|(n, _)| n.as_str() == name).map(|(_, v)| v)
    }

    /// The value of a property whose name is already interned; faster than [`Object::get`].
    pub fn get_name(&self, name: &Name) -> Option<&Json> {
        self.entries.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The value of a property by the number of its name in the definitions; the fastest.
    #[inline]
    pub fn get_known(&self, name: u16) -> Option<&Json> {
        self.entries.iter().find(|(n, _)| n.id() == Some(name)).map(|(_, v)| v)
    }

    /// The value of a property, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.entries.iter_mut().find(|(n, _)| n.as_str() == name).map(|(_, v)| v)
    }

    /// Sets a property: replaces its value in place, or appends it.
    pub fn set(&mut self, name: &str, value: Json) {
        match self.get_mut(name) {
            Some(slot) => *slot = value,
            None => self.entries.push((Name::new(name), value)),
        }
    }

    /// Inserts a property at a position (or at the end, if there are fewer). The caller knows that
    /// the object does not have it yet.
    pub fn insert_at(&mut self, at: usize, name: Name, value: Json) {
        debug_assert!(self.get_name(&name).is_none(), "duplicate property");
        self.entries.insert(at.min(self.entries.len()), (name, value));
    }

    /// Appends a property that the caller knows to be absent.
    pub fn push(&mut self, name: Name, value: Json) {
        self.entries.push((name, value));
    }

    /// Removes a property.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let at = self.entries.iter().position(|(n, _)| n.as_str() == name)?;
        Some(self.entries.remove(at).1)
    }

    /// The properties in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Json)> {
        self.entries.iter().map(|(n, v)| (n, v))
    }

    /// The properties in order, their values to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&Name, &mut Json)> {
        self.entries.iter_mut().map(|(n, v)| (&*n, v))
    }

    /// The number of properties.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no property.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromIterator<(Name, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (Name, Json)>>(iter: I) -> Self {
        Self { entries: iter.into_iter().collect() }
    }
}

impl Json {
    /// A string value.
    pub fn string(text: impl Into<Box<str>>) -> Self {
        Self::String(text.into())
    }

    /// An integer.
    pub fn integer(value: i64) -> Self {
        Self::Number(Number::from(value))
    }

    /// An object from pairs; later pairs with the same name replace earlier ones.
    pub fn object<const N: usize>(pairs: [(&str, Json); N]) -> Self {
        let mut object = Object::new();
        for (name, value) in pairs {
            object.set(name, value);
        }
        Self::Object(object)
    }

    /// The property `name`, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.as_object()?.get(name)
    }

    /// The property with a number of the definitions' names, if this is an object that has it.
    #[inline]
    pub fn get_known(&self, name: u16) -> Option<&Json> {
        self.as_object()?.get_known(name)
    }

    /// The text of a property with a number of the definitions' names.
    #[inline]
    pub fn text_known(&self, name: u16) -> Option<&str> {
        self.get_known(name)?.as_str()
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if this is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, to be changed, if this is one.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// What kind of value this is, for messages: `an object`, `a string` ...
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}
