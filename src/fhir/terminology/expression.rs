//! Expressions of SNOMED CT: "a structured combination of one or more clinical concepts, stated using Compositional Grammar Syntax"
//! (FHIR R4 `snomedct.html`, 4.3.1.0.5). Read is the grammar of version 2.4; whether an attribute may stand where it does, or have its
//! value, is not asked.

use std::collections::BTreeSet;

use crate::base::fault::{Category, Fault, Result};

/// The code system that has expressions.
pub const SNOMED: &str = "http://snomed.info/sct";
/// Longest expression, in bytes.
const TEXT: usize = 16 << 10;
/// Most concepts of an expression.
const CONCEPTS: usize = 500;
/// Most expressions within one another.
const DEPTH: usize = 16;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expression {
    /// Whether it only says what it is a kind of (`<<<`), not what it is the same as (`===`).
    pub is_subtype: bool,
    /// The concepts that it is a kind of.
    pub focus: BTreeSet<Box<str>>,
    /// The attributes that stand in no group.
    pub attributes: BTreeSet<Attribute>,
    /// The attributes of each group.
    pub groups: BTreeSet<BTreeSet<Attribute>>,
}

/// An attribute with its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// The concept that it is.
    pub name: Box<str>,
    /// The value.
    pub value: Value,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A concept, or an expression.
    Expression(Box<Expression>),
    /// A text.
    Text(Box<str>),
    /// A number, as written.
    Number(Box<str>),
    /// True or false.
    Boolean(bool),
}

impl Expression {
    /// The one concept that it is, where it refines nothing.
    pub fn concept(&self) -> Option<&str> {
        let is_plain =
            self.focus.len() == 1 && self.attributes.is_empty() && self.groups.is_empty() && !self.is_subtype;
        self.focus.first().filter(|_| is_plain).map(|concept| &**concept)
    }

    /// All concepts that it names, each once.
    pub fn concepts(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![self];
        while let Some(one) = open.pop() {
            found.extend(one.focus.iter().map(|concept| &**concept));
            for attribute in one.attributes.iter().chain(one.groups.iter().flatten()) {
                found.insert(&*attribute.name);
                if let Value::Expression(value) = &attribute.value {
                    open.push(value);
                }
            }
        }
        found
    }
}

/// Whether a code of SNOMED CT is meant as an expression: it is no identifier, and has a symbol of the grammar.
pub fn is_expression(code: &str) -> bool {
    code.contains([':', '+', '=', '|', '(', '{', '<'])
}

/// Reads an expression.
///
/// # Errors
/// The reason, for what is none or too large.
pub fn parse(text: &str) -> std::result::Result<Expression, String> {
    if text.len() > TEXT {
        return Err(format!("an expression has at most {TEXT} bytes"));
    }
    let mut reader = Reader { text, at: 0, concepts: 0, depth: 0 };
    let is_subtype = reader.take("<<<");
    if !is_subtype {
        reader.take("===");
    }
    let found = reader.expression(is_subtype)?;
    reader.space();
    if reader.at < text.len() { Err(reader.expected("its end")) } else { Ok(found) }
}

/// That something cannot be said of an expression, since it would have to be classified.
pub fn unsaid(what: &str) -> Fault {
    let text = format!("{what} of an expression of SNOMED CT is not known here: expressions are not classified");
    Fault::coded(Category::Unprocessable, "not-supported", text)
}

/// Whether an expression stands below a concept, or is the same, as far as its focus concepts tell; `subsumes` is asked of concepts.
///
/// # Errors
/// Those of `subsumes`.
pub fn is_below(expression: &Expression, concept: &str, subsumes: &dyn Fn(&str, &str) -> Result<bool>) -> Result<bool> {
    for focus in &expression.focus {
        if **focus == *concept || subsumes(concept, focus)? {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    concepts: usize,
    depth: usize,
}

type Read<T> = std::result::Result<T, String>;

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> String {
        let near: String = self.rest().chars().take(24).flat_map(char::escape_debug).collect();
        let place = self.text[..self.at].chars().count() + 1;
        format!("character {place}: expected {what} before \"{near}\"")
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, symbol: &str) -> bool {
        self.space();
        let is_next = self.rest().starts_with(symbol);
        self.at += if is_next { symbol.len() } else { 0 };
        is_next
    }

    fn need(&mut self, symbol: &str) -> Read<()> {
        if self.take(symbol) { Ok(()) } else { Err(self.expected(&format!("\"{symbol}\""))) }
    }

    fn expression(&mut self, is_subtype: bool) -> Read<Expression> {
        let mut found = Expression {
            is_subtype,
            focus: BTreeSet::from([self.concept()?]),
            attributes: BTreeSet::new(),
            groups: BTreeSet::new(),
        };
        while self.take("+") {
            found.focus.insert(self.concept()?);
        }
        if !self.take(":") {
            return Ok(found);
        }
        self.space();
        if !self.rest().starts_with('{') {
            found.attributes = self.attributes()?;
        }
        loop {
            let is_group = self.take("{");
            if is_group {
                found.groups.insert(self.attributes()?);
                self.need("}")?;
                // a comma between groups may be left out
                let before = self.at;
                if self.take(",") {
                    self.space();
                    if !self.rest().starts_with('{') {
                        self.at = before;
                        return Ok(found);
                    }
                }
            } else {
                return Ok(found);
            }
        }
    }

    /// Attributes with commas between them; one before a group belongs to the group.
    fn attributes(&mut self) -> Read<BTreeSet<Attribute>> {
        let mut found = BTreeSet::from([self.attribute()?]);
        loop {
            if !self.take(",") {
                return Ok(found);
            }
            self.space();
            if self.rest().starts_with('{') {
                return Ok(found);
            }
            found.insert(self.attribute()?);
        }
    }

    fn attribute(&mut self) -> Read<Attribute> {
        let name = self.concept()?;
        self.need("=")?;
        self.space();
        Ok(Attribute { name, value: self.value()? })
    }

    fn value(&mut self) -> Read<Value> {
        let rest = self.rest();
        if let Some(flag) = ["true", "false"]
            .into_iter()
            .find(|flag| rest.get(..flag.len()).is_some_and(|next| next.eq_ignore_ascii_case(flag)))
        {
            self.at += flag.len();
            return Ok(Value::Boolean(flag == "true"));
        }
        match rest.bytes().next() {
            Some(b'"') => self.quoted().map(Value::Text),
            Some(b'#') => self.number().map(Value::Number),
            Some(b'(') => {
                if self.depth == DEPTH {
                    return Err(format!("expressions are at most {DEPTH} deep"));
                }
                self.at += 1;
                self.depth += 1;
                let found = self.expression(false)?;
                self.depth -= 1;
                self.need(")")?;
                Ok(Value::Expression(Box::new(found)))
            }
            _ => {
                let (focus, none) = (BTreeSet::from([self.concept()?]), BTreeSet::new());
                let plain = Expression { is_subtype: false, focus, attributes: none, groups: BTreeSet::new() };
                Ok(Value::Expression(Box::new(plain)))
            }
        }
    }

    /// An identifier of 6 to 18 digits, perhaps with a term between bars.
    fn concept(&mut self) -> Read<Box<str>> {
        self.space();
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let id = &self.rest()[..digits];
        if !(6..=18).contains(&digits) || id.starts_with('0') {
            return Err(self.expected("the identifier of a concept"));
        }
        self.concepts += 1;
        if self.concepts > CONCEPTS {
            return Err(format!("an expression has at most {CONCEPTS} concepts"));
        }
        self.at += digits;
        if self.take("|") {
            let term = self.rest().find('|').filter(|end| !self.rest()[..*end].trim().is_empty());
            self.at += term.ok_or_else(|| self.expected("a term and \"|\""))? + 1;
        }
        Ok(id.into())
    }

    fn number(&mut self) -> Read<Box<str>> {
        self.at += 1;
        let is_part = |c: &char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
        let text: String = self.rest().chars().take_while(is_part).collect();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        let (whole, part) = digits.split_once('.').map_or((digits, "0"), |(whole, part)| (whole, part));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(part) {
            return Err(self.expected("a number"));
        }
        self.at += text.len();
        Ok(text.into())
    }

    fn quoted(&mut self) -> Read<Box<str>> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return if text.is_empty() { Err(self.expected("a text")) } else { Ok(text.into()) };
                }
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        Err(self.expected("the end of the text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_grammar() {
        for (text, concepts) in [
            ("73211009", 1),
            (" 73211009 |diabetes mellitus| ", 1),
            ("=== 421720008 |Spray dose form| + 7946007 |Drug suspension|", 2),
            ("<<< 73211009 : 363698007 = 113331007", 3),
            ("182201002 |hip joint| : 272741003 |laterality| = 24028007 |right|", 3),
            ("71388002 : { 260686004 = 129304002, 405813007 = 15497006 }", 5),
            ("71388002 : 405815000 = 122456005 , { 260686004 = 129304002 , 405813007 = 15497006 }", 7),
            ("71388002:{260686004=129304002,405813007=15497006}{260686004=261519002,405813007=31435000}", 7),
            ("71388002:{260686004=129304002},{405813007=31435000}", 5),
            ("397956004 : 363704007 = ( 24136001 : 272741003 = 7771000 )", 5),
            ("27658006 : 732943007 = #500, 732945000 = #-1.5, 111111111 = \"a \\\" b\", 222222222 = TRUE", 5),
        ] {
            let found = parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
            assert_eq!(found.concepts().len(), concepts, "{text}");
        }
        assert_eq!(parse("73211009|x|").expect("one").concept(), Some("73211009"));
        for more in ["<<<73211009", "73211009+7946007", "73211009:363698007=113331007"] {
            assert_eq!(parse(more).expect(more).concept(), None);
        }
    }

    #[test]
    fn order_terms_and_blanks_make_no_difference() {
        let one =
            parse("71388002+ 7946007 |a| : 260686004=129304002 , 405813007=15497006, {111111111=#1}{222222222=#2}");
        let other = parse("===7946007+71388002:405813007=15497006,260686004=129304002{222222222=#2},{111111111=#1}");
        assert_eq!(one.expect("one"), other.expect("other"));
        assert_ne!(parse("71388002:260686004=129304002"), parse("71388002:{260686004=129304002}"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "abc",
            "12345",
            "0123456",
            "1234567890123456789",
            "73211009 |x",
            "73211009 ||",
            "73211009 :",
            "73211009 : 363698007",
            "73211009 : 363698007 =",
            "73211009 + ",
            "73211009 : { 363698007 = 113331007",
            "73211009 : 363698007 = 113331007 ,",
            "73211009 : {363698007 = 113331007},",
            "73211009 : 363698007 = #",
            "73211009 : 363698007 = #1.",
            "73211009 : 363698007 = \"x",
            "73211009 : 363698007 = (113331007",
            "73211009 : 363698007 = 113331007)",
            "73211009 7946007",
            "== 73211009",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = format!("{}73211009{}", "73211009:363698007=(".repeat(10_000), ")".repeat(10_000));
        assert!(parse(&deep).is_err());
        let deep = format!("{}73211009{}", "73211009:363698007=(".repeat(DEPTH + 1), ")".repeat(DEPTH + 1));
        assert!(parse(&deep).expect_err("too deep").contains("deep"));
        let many = format!("73211009{}", "+73211009".repeat(CONCEPTS));
        assert!(parse(&many).expect_err("too many").contains("concepts"));
    }
}
