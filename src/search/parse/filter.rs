//! The grammar of `_filter` (FHIR R4 `search_filter.html`, 3.1.3.1), as a tree. "and" and "or" bind alike and from
//! left to right. What the names and values mean is decided elsewhere (`filter_clause`).

use super::context::shown;
use crate::base::fault::{Category, Fault};
use crate::fhir::json::{Json, parse as json};

/// Deepest nesting of parentheses and brackets.
const DEPTH_MAX: usize = 32;

/// Most comparisons in one `_filter`.
const TERMS_MAX: usize = 256;

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter<'a> {
    /// Both.
    And(Box<Filter<'a>>, Box<Filter<'a>>),
    /// One at least.
    Or(Box<Filter<'a>>, Box<Filter<'a>>),
    /// Not.
    Not(Box<Filter<'a>>),
    /// A comparison.
    Compare(Comparison<'a>),
}

/// `path operation value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison<'a> {
    /// The names between the dots; never empty.
    pub path: Vec<Step<'a>>,
    /// The operation.
    pub operation: Operation,
    /// The value, without its quotes.
    pub value: String,
}

/// A name of a path, with the filter in brackets after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// The name of a parameter.
    pub name: &'a str,
    /// What must hold for what it leads to.
    pub filter: Option<Box<Filter<'a>>>,
}

macro_rules! operations {
    ($($name:ident $code:literal $meaning:literal)*) => {
        /// The operations (3.1.3.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Operation {
            $(#[doc = $meaning] $name,)*
        }

        impl Operation {
            fn find(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// As it is written.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

operations! {
    Eq "eq" "An equal value."
    Ne "ne" "An unequal value."
    Co "co" "It contains the value."
    Sw "sw" "It starts with the value."
    Ew "ew" "It ends with the value."
    Gt "gt" "Greater."
    Lt "lt" "Less."
    Ge "ge" "Greater or equal."
    Le "le" "Less or equal."
    Ap "ap" "Approximately the same."
    Sa "sa" "It starts after the value."
    Eb "eb" "It ends before the value."
    Pr "pr" "There is a value, or none."
    Po "po" "The periods overlap."
    Ss "ss" "The value subsumes it."
    Sb "sb" "It is subsumed by the value."
    In "in" "It is in the value set."
    Ni "ni" "None is in the value set."
    Re "re" "It refers to the URL."
}

/// Reads a filter.
///
/// # Errors
/// 400 with the place in the text; `too-costly` for too much of it.
pub(super) fn parse(text: &str) -> Result<Filter<'_>, Fault> {
    let mut reader = Reader { text, at: 0, terms: 0 };
    let filter = reader.filter(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.expected("\"and\", \"or\" or the end"));
    }
    Ok(filter)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// 400: something else stands here.
    fn expected(&self, what: &str) -> Fault {
        let place = self.text[..self.at].chars().count() + 1;
        let here =
            self.rest().split_whitespace().next().map_or("the end".to_owned(), |word| format!("\"{}\"", shown(word)));
        let message = format!("search parameter \"_filter\": at character {place}: {what} is expected, not {here}");
        Fault::coded(Category::Invalid, "value", message)
    }

    /// Takes a word that a space, a parenthesis or the end follows.
    fn word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        let is_whole = after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || c == '(');
        self.at += if is_whole { word.len() } else { 0 };
        is_whole
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len_utf8() } else { 0 };
        found
    }

    fn filter(&mut self, depth: usize) -> Result<Filter<'a>, Fault> {
        let mut left = self.term(depth)?;
        loop {
            self.space();
            let make = if self.word("and") {
                Filter::And
            } else if self.word("or") {
                Filter::Or
            } else {
                return Ok(left);
            };
            left = make(Box::new(left), Box::new(self.term(depth)?));
        }
    }

    fn term(&mut self, depth: usize) -> Result<Filter<'a>, Fault> {
        if depth >= DEPTH_MAX {
            return Err(costly(&format!("it is nested deeper than {DEPTH_MAX}")));
        }
        self.space();
        let start = self.at;
        if self.word("not") {
            self.space();
            if self.sign('(') {
                return Ok(Filter::Not(Box::new(self.inner(depth, ')')?)));
            }
            self.at = start;
        }
        if self.sign('(') {
            return self.inner(depth, ')');
        }
        self.comparison(depth).map(Filter::Compare)
    }

    /// What stands before a closing sign.
    fn inner(&mut self, depth: usize, close: char) -> Result<Filter<'a>, Fault> {
        let filter = self.filter(depth + 1)?;
        self.space();
        if self.sign(close) { Ok(filter) } else { Err(self.expected(&format!("\"{close}\""))) }
    }

    fn comparison(&mut self, depth: usize) -> Result<Comparison<'a>, Fault> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(costly(&format!("it has more than {TERMS_MAX} comparisons")));
        }
        let mut path = Vec::new();
        loop {
            let name = self.name()?;
            let filter = if self.sign('[') { Some(Box::new(self.inner(depth, ']')?)) } else { None };
            let is_filtered = filter.is_some();
            path.push(Step { name, filter });
            if self.sign('.') {
                continue;
            }
            if is_filtered {
                return Err(self.expected("\".\" and a name after the filter in brackets"));
            }
            break;
        }
        let operation = self.operation()?;
        let value = self.value()?;
        Ok(Comparison { path, operation, value })
    }

    fn name(&mut self) -> Result<&'a str, Fault> {
        let rest = self.rest();
        let is_start = |c: char| c == '_' || c.is_ascii_alphabetic();
        let is_name = |c: char| is_start(c) || c == '-' || c.is_ascii_digit();
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if !rest.starts_with(is_start) {
            return Err(self.expected("the name of a parameter"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn operation(&mut self) -> Result<Operation, Fault> {
        let before = self.at;
        self.space();
        let code = self.rest().split(char::is_whitespace).next().unwrap_or_default();
        let found = Operation::find(code).filter(|_| self.at > before);
        let found = found.ok_or_else(|| self.expected("an operation such as eq, after a space"))?;
        self.at += code.len();
        if !self.rest().starts_with(char::is_whitespace) {
            return Err(self.expected("a space and a value"));
        }
        self.space();
        Ok(found)
    }

    fn value(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.string();
        }
        let is_end = |c: char| c.is_whitespace() || matches!(c, ')' | ']');
        let end = rest.find(is_end).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a value"));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    /// A JSON string.
    fn string(&mut self) -> Result<String, Fault> {
        let bytes = self.rest().as_bytes();
        let mut end = 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let Some(text) = self.rest().get(..=end).filter(|_| end < bytes.len()) else {
            return Err(self.expected("a JSON string with both of its quotes"));
        };
        match json(text.as_bytes()) {
            Ok(Json::String(value)) if !value.is_empty() => {
                self.at += text.len();
                Ok(value.to_string())
            }
            _ => Err(self.expected("a JSON string that is not empty")),
        }
    }
}

fn costly(reason: &str) -> Fault {
    Fault::coded(Category::Invalid, "too-costly", format!("search parameter \"_filter\": {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter with all its parentheses.
    fn show(filter: &Filter<'_>) -> String {
        match filter {
            Filter::And(a, b) => format!("({} & {})", show(a), show(b)),
            Filter::Or(a, b) => format!("({} | {})", show(a), show(b)),
            Filter::Not(inner) => format!("!{}", show(inner)),
            Filter::Compare(Comparison { path, operation, value }) => {
                let step = |step: &Step<'_>| match &step.filter {
                    Some(filter) => format!("{}[{}]", step.name, show(filter)),
                    None => step.name.to_owned(),
                };
                let path: Vec<String> = path.iter().map(step).collect();
                format!("{} {} <{value}>", path.join("."), operation.code())
            }
        }
    }

    #[test]
    fn what_is_read() {
        for (text, expected) in [
            ("name co \"pet\"", "name co <pet>"),
            ("given eq \"peter\" and birthdate ge 2014-10-10", "(given eq <peter> & birthdate ge <2014-10-10>)"),
            ("code eq http://loinc.org|1234-5", "code eq <http://loinc.org|1234-5>"),
            ("subject.name co \"pet\"", "subject.name co <pet>"),
            ("related[type eq \"has-component\"].target pr true", "related[type eq <has-component>].target pr <true>"),
            (
                "related[type eq has-component].target re Observation/4",
                "related[type eq <has-component>].target re <Observation/4>",
            ),
            ("a eq 1 or b eq 2 and c eq 3", "((a eq <1> | b eq <2>) & c eq <3>)"),
            ("a eq 1 or (b eq 2 and c eq 3)", "(a eq <1> | (b eq <2> & c eq <3>))"),
            ("not (a eq 1) and not(b eq 2)", "(!a eq <1> & !b eq <2>)"),
            ("(((a eq 1)))", "a eq <1>"),
            ("not eq 1", "not eq <1>"),
            ("  a   eq\t1  ", "a eq <1>"),
            ("a eq \"x) \\\"y\\\" \\u00e9]\"", "a eq <x) \"y\" é]>"),
            ("(a-b_1 eq x,y|z$)", "a-b_1 eq <x,y|z$>"),
            ("a[b eq 1 or (c eq 2)].d[e eq 3].f eq 4", "a[(b eq <1> | c eq <2>)].d[e eq <3>].f eq <4>"),
        ] {
            let filter = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(show(&filter), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused_names_its_place() {
        for (text, place) in [
            ("", 1),
            ("name", 5),
            ("name eq", 8),
            ("name eq ", 9),
            ("name xx 1", 6),
            ("name EQ 1", 6),
            ("1name eq 1", 1),
            ("a eq 1 b eq 2", 8),
            ("a eq 1 and", 11),
            ("a eq 1 andb eq 2", 8),
            ("(a eq 1", 8),
            ("a eq 1)", 7),
            ("not a eq 1", 5),
            ("a[b eq 1] eq 2", 10),
            ("a[b eq 1.c eq 2", 12),
            ("a. eq 1", 3),
            ("a eq \"x", 6),
            ("a eq \"\"", 6),
            ("a eq \"\\q\"", 6),
            ("é eq 1", 1),
            ("a eq é or 1", 11),
        ] {
            let fault = parse(text).expect_err(text);
            assert!(fault.message().contains(&format!("at character {place}:")), "{text}: {fault}");
        }
    }

    #[test]
    fn bounds_are_errors() {
        let deep = format!("{}a eq 1{}", "(".repeat(100_000), ")".repeat(100_000));
        let long = vec!["a eq 1"; TERMS_MAX + 1].join(" or ");
        let brackets = "a[".repeat(50_000);
        for text in [deep, long, brackets] {
            assert_eq!(parse(&text).expect_err("a bound").issues()[0].code, "too-costly");
        }
        assert!(parse(&vec!["a eq 1"; TERMS_MAX].join(" and ")).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "([a-z]{1,3}|eq|and|or|not|[(). \\[\\]\"\\\\é]){0,20}") {
            let _ = parse(&text);
        }
    }
}
