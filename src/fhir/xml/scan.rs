//! From text to tags: quick-xml's events, held to XML 1.0 and its namespaces, with their places.

use std::borrow::Cow;

use quick_xml::events::{BytesDecl, Event};
use quick_xml::reader::Reader;
use smallvec::SmallVec;

use super::text::{self, is_name, is_space, shown};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::{XML_ATTRIBUTES, XML_NAMESPACES};

/// The namespace of FHIR's elements.
pub const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of narratives.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// The namespaces that resources may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// That of FHIR's elements.
    Fhir,
    /// That of narratives.
    Xhtml,
}

/// An attribute that declares no namespace.
#[derive(Debug)]
pub struct Attribute<'a> {
    /// Its name, with its prefix.
    pub name: &'a str,
    /// Its value, references resolved.
    pub value: Cow<'a, str>,
    /// Where it begins.
    pub at: usize,
}

/// A start tag.
#[derive(Debug)]
pub struct Tag<'a> {
    /// Its name without prefix.
    pub name: &'a str,
    /// Its prefix, or nothing.
    pub prefix: &'a str,
    /// Its namespace.
    pub namespace: Option<Namespace>,
    /// Its attributes.
    pub attributes: SmallVec<[Attribute<'a>; 2]>,
    /// Whether it declares a namespace other than by `xmlns="..."`.
    pub has_prefixes: bool,
    /// Whether it says itself what its default namespace is.
    pub has_default: bool,
    /// Where it begins.
    pub at: usize,
    /// Whether it has neither content nor an end tag.
    pub is_empty: bool,
}

/// A part of the text.
#[derive(Debug)]
pub enum Token<'a> {
    /// A start tag.
    Start(Tag<'a>),
    /// An end tag.
    End,
    /// Text, a reference or a section of CDATA that is not white space alone.
    Text,
    /// White space, a comment or a processing instruction.
    Nothing,
    /// The end of the document.
    Eof,
}

struct Binding<'a> {
    depth: usize,
    prefix: &'a str,
    namespace: Option<Namespace>,
}

/// Reads a text from its start to its end.
pub struct Scanner<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    bindings: SmallVec<[Binding<'a>; 4]>,
    depth: usize,
    /// Where the last token began.
    start: usize,
    /// The namespaces in force at the last start tag, where somebody asks for them.
    scope: Option<Scope>,
}

/// Prefixes and the namespaces that they stand for; the empty prefix is the default namespace.
pub type Scope = Vec<(String, Option<Namespace>)>;

impl<'a> Scanner<'a> {
    /// At the start of a text without a byte order mark.
    ///
    /// # Errors
    /// 400 for a character that XML does not allow.
    pub fn new(text: &'a str) -> Result<Self> {
        // quick-xml skips a mark without counting it
        if let Some(at) = text::foreign(text).or_else(|| text.starts_with('\u{feff}').then_some(0)) {
            return Err(text::fault(text, at, "a character that XML does not allow"));
        }
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        Ok(Self { text, reader, bindings: SmallVec::new(), depth: 0, start: 0, scope: None })
    }

    /// The same, which remembers the namespaces in force: see [`Scanner::scope`].
    ///
    /// # Errors
    /// As [`Scanner::new`].
    pub fn with_scope(text: &'a str) -> Result<Self> {
        Ok(Self { scope: Some(Scope::new()), ..Self::new(text)? })
    }

    /// The namespaces in force at the last start tag, the innermost declarations last.
    pub fn scope(&self) -> Scope {
        self.scope.clone().unwrap_or_default()
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Where the last token began.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Where the last token ended.
    pub fn end(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// A fault at a place of the text.
    #[cold]
    pub fn fault(&self, at: usize, message: impl AsRef<str>) -> Fault {
        text::fault(self.text, at, message.as_ref())
    }

    /// The next token.
    ///
    /// # Errors
    /// 400 for what is not XML, for a DTD, and for namespaces that are not FHIR's.
    pub fn token(&mut self) -> Result<Token<'a>> {
        self.start = self.end();
        let event = match self.reader.read_event() {
            Ok(event) => event,
            Err(error) => return Err(self.broken(&error)),
        };
        let raw = self.text.get(self.start..self.end()).unwrap_or_default();
        match event {
            Event::Text(_) if raw.bytes().all(is_space) => Ok(Token::Nothing),
            Event::Text(_) => self.plain(raw),
            Event::Start(_) => self.tag(&raw[1..raw.len() - 1], false),
            Event::Empty(_) => self.tag(&raw[1..raw.len() - 2], true),
            Event::End(_) => {
                self.close();
                Ok(Token::End)
            }
            Event::Comment(_) => Ok(Token::Nothing),
            Event::PI(pi) if is_name(pi.target()) && !pi.target().eq_ignore_ascii_case("xml") => Ok(Token::Nothing),
            Event::PI(_) => Err(self.fault(self.start, "a processing instruction without a proper name")),
            Event::GeneralRef(name) if text::reference(&name).is_some() && self.depth > 0 => Ok(Token::Text),
            Event::GeneralRef(_) => Err(self.fault(self.start, "an entity that XML does not define")),
            Event::CData(_) if self.depth > 0 => Ok(Token::Text),
            Event::CData(_) => Err(self.fault(self.start, "text outside of the root element")),
            Event::DocType(_) => Err(self.fault(self.start, "a DTD is not allowed")),
            Event::Decl(decl) => self.declaration(&decl),
            Event::Eof if self.depth > 0 => Err(self.fault(self.end(), "the text ends inside of an element")),
            Event::Eof => Ok(Token::Eof),
        }
    }

    fn plain(&self, raw: &str) -> Result<Token<'a>> {
        if let Some(at) = raw.find("]]>") {
            return Err(self.fault(self.start + at, "`]]>` in text"));
        }
        if self.depth == 0 {
            return Err(self.fault(self.start, "text outside of the root element"));
        }
        Ok(Token::Text)
    }

    #[cold]
    fn broken(&self, error: &quick_xml::Error) -> Fault {
        let at = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
        let message = match error {
            quick_xml::Error::IllFormed(quick_xml::errors::IllFormedError::MismatchedEndTag { expected, found }) => {
                format!("expected `</{}>`, found `</{}>`", shown(expected), shown(found))
            }
            other => other.to_string().chars().take(200).collect(),
        };
        self.fault(at, message)
    }

    fn declaration(&self, decl: &BytesDecl<'_>) -> Result<Token<'a>> {
        if self.start > 0 {
            return Err(self.fault(self.start, "the XML declaration must be the first"));
        }
        // Production 26: what says it is of a later 1.x is read as 1.0, and refused where it uses what 1.0 has not.
        let minor = decl.version().ok().and_then(|version| version.strip_prefix("1.").map(str::to_owned));
        if !minor.is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(self.fault(self.start, "the version of XML must be 1.0 or a later 1.x"));
        }
        match decl.encoding() {
            None => Ok(Token::Nothing),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => {
                Ok(Token::Nothing)
            }
            Some(_) => {
                let fault = self.fault(self.start, "the encoding must be UTF-8");
                Err(Fault::of(Category::UnsupportedMedia, fault.issues().to_vec()))
            }
        }
    }

    fn close(&mut self) {
        while self.bindings.last().is_some_and(|binding| binding.depth >= self.depth) {
            self.bindings.pop();
        }
        self.depth -= 1;
    }

    /// Takes a tag apart; `inner` is what stands between its brackets.
    fn tag(&mut self, inner: &'a str, is_empty: bool) -> Result<Token<'a>> {
        let len = inner.bytes().position(is_space).unwrap_or(inner.len());
        let (prefix, name) = inner[..len].split_once(':').unwrap_or(("", &inner[..len]));
        if !is_name(name) || !(prefix.is_empty() || is_name(prefix)) {
            return Err(self.fault(self.start, format!("\"{}\" is not a name", shown(&inner[..len]))));
        }
        self.depth += 1;
        let mut tag = Tag {
            name,
            prefix,
            namespace: None,
            attributes: SmallVec::new(),
            has_prefixes: false,
            has_default: false,
            at: self.start,
            is_empty,
        };
        if len < inner.len() {
            self.attributes(inner, len, &mut tag)?;
        }
        tag.namespace = self.resolve(prefix)?;
        if let Some(scope) = &mut self.scope {
            *scope = self.bindings.iter().map(|binding| (binding.prefix.to_owned(), binding.namespace)).collect();
        }
        if is_empty {
            self.close();
        }
        Ok(Token::Start(tag))
    }

    fn resolve(&self, prefix: &str) -> Result<Option<Namespace>> {
        match self.bindings.iter().rev().find(|binding| binding.prefix == prefix) {
            Some(binding) => Ok(binding.namespace),
            None if prefix.is_empty() => Ok(None),
            None => Err(self
                .fault(self.start, format!("the prefix \"{}\" stands for no namespace of a resource", shown(prefix)))),
        }
    }

    fn attributes(&mut self, inner: &'a str, from: usize, tag: &mut Tag<'a>) -> Result<()> {
        let bytes = inner.as_bytes();
        let begin = self.start + 1;
        let mut at = from;
        let mut seen: SmallVec<[&str; 4]> = SmallVec::new();
        loop {
            let space = bytes[at..].iter().take_while(|b| is_space(**b)).count();
            at += space;
            if at == bytes.len() {
                return Ok(());
            }
            let start = at;
            let len = bytes[at..].iter().take_while(|b| **b != b'=' && !is_space(**b)).count();
            let name = &inner[at..at + len];
            let (prefix, local) = name.split_once(':').unwrap_or(("", name));
            if space == 0 || !is_name(local) || !(prefix.is_empty() || is_name(prefix)) {
                return Err(self.fault(begin + start, "expected an attribute"));
            }
            at = skip(bytes, at + len);
            if bytes.get(at) != Some(&b'=') {
                return Err(self.fault(begin + at, "expected `=`"));
            }
            at = skip(bytes, at + 1);
            let quote = bytes.get(at).copied().filter(|b| matches!(b, b'"' | b'\''));
            let end = quote.and_then(|quote| memchr::memchr(quote, &bytes[at + 1..]));
            let Some(end) = end else { return Err(self.fault(begin + at, "expected a value in quotes")) };
            let raw = &inner[at + 1..at + 1 + end];
            if let Some(less) = memchr::memchr(b'<', raw.as_bytes()) {
                return Err(self.fault(begin + at + 1 + less, "`<` in the value of an attribute"));
            }
            let value = text::value(raw);
            let value = value.map_err(|bad| {
                self.fault(begin + at + 1 + bad, "`&` that does not begin a reference that XML defines")
            })?;
            if seen.contains(&name) || seen.len() == XML_ATTRIBUTES {
                let problem = if seen.contains(&name) { "stands twice" } else { "is one too many" };
                return Err(self.fault(begin + start, format!("the attribute \"{}\" {problem}", shown(name))));
            }
            seen.push(name);
            at += end + 2;
            self.attribute(name, value, begin + start, tag)?;
        }
    }

    /// Whether a prefix stands for nothing so far.
    fn is_free(&self, prefix: &str) -> bool {
        !matches!(prefix, "" | "xml" | "xmlns") && !self.bindings.iter().any(|binding| binding.prefix == prefix)
    }

    /// Takes in an attribute: a declaration of a namespace, or one of the element's own.
    fn attribute(&mut self, name: &'a str, value: Cow<'a, str>, at: usize, tag: &mut Tag<'a>) -> Result<()> {
        let prefix = match name.split_once(':') {
            None if name == "xmlns" => "",
            Some(("xmlns", prefix)) => prefix,
            _ => {
                tag.attributes.push(Attribute { name, value, at });
                return Ok(());
            }
        };
        let namespace = match value.trim_ascii() {
            FHIR => Some(Namespace::Fhir),
            XHTML => Some(Namespace::Xhtml),
            "" if prefix.is_empty() => None,
            // what editors and serializers declare beside; nothing in a resource can use it
            other if !other.is_empty() && self.is_free(prefix) => return Ok(()),
            other => {
                let message = format!("the namespace \"{}\" has no place in a resource", shown(other));
                return Err(self.fault(at, message));
            }
        };
        if prefix == "xml" || prefix == "xmlns" || self.bindings.len() == XML_NAMESPACES {
            return Err(self.fault(at, "a declaration of a namespace that is not allowed"));
        }
        tag.has_prefixes |= !prefix.is_empty();
        tag.has_default |= prefix.is_empty();
        self.bindings.push(Binding { depth: self.depth, prefix, namespace });
        Ok(())
    }
}

fn skip(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|b| is_space(**b)).count()
}
