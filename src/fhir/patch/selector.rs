//! Selectors of an XML Patch: the part of XPath 1.0 that RFC 5261 (4.1) asks for, and steps within predicates, which FHIR
//! needs because its values stand in attributes: `f:Patient/f:name[f:family/@value='x']/f:given[2]/@value`.
//!
//! Steps go down by name or `*`; predicates are positions, `last()`, that something exists, or that it has a value, also
//! joined by `and`. Absent, and refused by name: other axes, `//`, functions, comments and processing instructions.

use super::budget::Budget;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::xml::tree::{Element, Node};
use crate::fhir::xml::{Namespace, Scope};

/// Most steps and predicates of one selector.
const PARTS: usize = 64;

/// What a look at an element costs, in the bytes of the budget.
const LOOK: usize = 8;

/// A selector.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    steps: Vec<Step>,
    /// What is meant of the element.
    pub(super) part: Part,
}

/// What a selector means of the element that its steps lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Element,
    /// An attribute.
    Attribute(String),
    /// The text node with this number, from 1; `None`: the only one.
    Text(Option<usize>),
    /// The declaration of a prefix.
    Namespace(String),
}

#[derive(Debug, Clone)]
struct Step {
    name: Test,
    predicates: Vec<Predicate>,
}

#[derive(Debug, Clone)]
enum Test {
    Any,
    Name(Option<Namespace>, String),
}

#[derive(Debug, Clone)]
enum Predicate {
    Position(usize),
    Last,
    /// All of these.
    Holds(Vec<Condition>),
}

/// What is below an element by a path exists, or has this value.
#[derive(Debug, Clone)]
struct Condition {
    steps: Vec<Test>,
    attribute: Option<String>,
    value: Option<String>,
}

impl Test {
    fn fits(&self, element: &Element) -> bool {
        match self {
            Self::Any => true,
            Self::Name(namespace, name) => element.namespace == *namespace && element.name == *name,
        }
    }
}

impl Condition {
    fn holds(&self, element: &Element, budget: &mut Budget) -> Result<bool> {
        let mut found = vec![element];
        for step in &self.steps {
            budget.spend(found.iter().map(|element| LOOK * element.children.len()).sum())?;
            found = found.into_iter().flat_map(Element::elements).filter(|child| step.fits(child)).collect();
        }
        for element in found {
            let value = match &self.attribute {
                Some(name) => element.attribute(name).map(str::to_owned),
                None => {
                    let text = self.value.as_ref().map(|_| element.string_value()).unwrap_or_default();
                    budget.spend(text.len())?;
                    Some(text)
                }
            };
            if value.is_some_and(|value| self.value.as_ref().is_none_or(|wanted| *wanted == value)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Selector {
    /// Reads a selector; `scope` says what prefixes mean.
    ///
    /// # Errors
    /// 400 for what is none, or is not supported.
    pub(super) fn parse(text: &str, scope: &Scope) -> Result<Self> {
        let mut reading = Reading { text, rest: text.trim(), scope, parts: 0 };
        let selector = reading.selector()?;
        if reading.rest.is_empty() { Ok(selector) } else { Err(reading.unsupported()) }
    }

    /// The positions among children that lead from the root element to every element that is meant.
    ///
    /// # Errors
    /// 422 when to look costs too much.
    pub(super) fn find(&self, root: &Element, budget: &mut Budget) -> Result<Vec<Vec<usize>>> {
        let Some((first, steps)) = self.steps.split_first() else { return Ok(Vec::new()) };
        let mut found = first.among(vec![(Vec::new(), root)], budget)?;
        for step in steps {
            let mut next = Vec::new();
            for (path, element) in found {
                budget.spend(LOOK * element.children.len() + path.len())?;
                let below = element.children.iter().enumerate().filter_map(|(at, node)| match node {
                    Node::Element(child) => Some(([path.as_slice(), &[at]].concat(), child)),
                    Node::Text(_) => None,
                });
                next.extend(step.among(below.collect(), budget)?);
            }
            found = next;
        }
        Ok(found.into_iter().map(|(path, _)| path).collect())
    }
}

impl Step {
    /// Those of some children of one element that it means.
    fn among<'a>(
        &self,
        mut nodes: Vec<(Vec<usize>, &'a Element)>,
        budget: &mut Budget,
    ) -> Result<Vec<(Vec<usize>, &'a Element)>> {
        nodes.retain(|(_, element)| self.name.fits(element));
        for predicate in &self.predicates {
            nodes = match predicate {
                Predicate::Position(at) => nodes.into_iter().skip(at - 1).take(1).collect(),
                Predicate::Last => nodes.pop().into_iter().collect(),
                Predicate::Holds(conditions) => held(nodes, conditions, budget)?,
            };
        }
        Ok(nodes)
    }
}

/// Those elements for which all conditions hold.
fn held<'a>(
    nodes: Vec<(Vec<usize>, &'a Element)>,
    conditions: &[Condition],
    budget: &mut Budget,
) -> Result<Vec<(Vec<usize>, &'a Element)>> {
    let mut kept = Vec::new();
    for (path, element) in nodes {
        let mut holds = true;
        for condition in conditions {
            holds = holds && condition.holds(element, budget)?;
        }
        kept.extend(holds.then_some((path, element)));
    }
    Ok(kept)
}

struct Reading<'a> {
    text: &'a str,
    rest: &'a str,
    scope: &'a Scope,
    parts: usize,
}

impl Reading<'_> {
    fn selector(&mut self) -> Result<Selector> {
        let mut selector = Selector { steps: Vec::new(), part: Part::Element };
        self.eat("/");
        loop {
            if !selector.steps.is_empty()
                && let Some(part) = self.part()?
            {
                selector.part = part;
                return Ok(selector);
            }
            let mut step = Step { name: self.test()?, predicates: Vec::new() };
            while self.eat("[") {
                step.predicates.push(self.predicate()?);
            }
            selector.steps.push(step);
            if !self.eat("/") {
                return Ok(selector);
            }
        }
    }

    /// The last step, where it is none to an element.
    fn part(&mut self) -> Result<Option<Part>> {
        if self.eat("@") {
            return Ok(Some(Part::Attribute(self.qualified()?)));
        }
        if self.eat("namespace::") {
            return Ok(Some(Part::Namespace(self.name()?)));
        }
        if !self.eat("text()") {
            return Ok(None);
        }
        if !self.eat("[") {
            return Ok(Some(Part::Text(None)));
        }
        let at = self.number()?;
        self.expect("]")?;
        Ok(Some(Part::Text(Some(at))))
    }

    fn predicate(&mut self) -> Result<Predicate> {
        self.counted()?;
        let is_position = self.eat("position()");
        if is_position {
            self.expect("=")?;
        }
        let predicate = if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            Predicate::Position(self.number()?)
        } else if self.eat("last()") {
            Predicate::Last
        } else if is_position {
            return Err(self.unsupported());
        } else {
            let mut conditions = vec![self.condition()?];
            while self.eat("and ") {
                self.counted()?;
                conditions.push(self.condition()?);
            }
            Predicate::Holds(conditions)
        };
        self.expect("]")?;
        Ok(predicate)
    }

    fn condition(&mut self) -> Result<Condition> {
        let mut condition = Condition { steps: Vec::new(), attribute: None, value: None };
        if !self.eat(".") {
            loop {
                if self.eat("@") {
                    condition.attribute = Some(self.qualified()?);
                    break;
                }
                condition.steps.push(self.test()?);
                if !self.eat("/") {
                    break;
                }
            }
        }
        if self.eat("=") {
            condition.value = Some(self.literal()?);
        }
        Ok(condition)
    }

    fn test(&mut self) -> Result<Test> {
        self.counted()?;
        if self.eat("*") {
            return Ok(Test::Any);
        }
        let name = self.qualified()?;
        if self.rest.starts_with(['(', ':']) {
            return Err(self.unsupported());
        }
        let (prefix, local) = name.split_once(':').unwrap_or(("", &name));
        let declared = self.scope.iter().rev().find(|(given, _)| given == prefix);
        let namespace = match (declared, prefix) {
            (Some((_, namespace)), _) => *namespace,
            (None, "") => None,
            // The prefix that the specification itself uses in XPath (`xml.html`, and the public test cases).
            (None, "f") => Some(Namespace::Fhir),
            (None, _) => return Err(Fault::invalid(format!("the prefix \"{}\" is not declared", shown(prefix)))),
        };
        Ok(Test::Name(namespace, local.to_owned()))
    }

    /// A name, perhaps with a prefix.
    fn qualified(&mut self) -> Result<String> {
        let name = self.name()?;
        let more = self.rest.strip_prefix(':').filter(|rest| !rest.starts_with(':'));
        let Some(more) = more else { return Ok(name) };
        self.rest = more;
        Ok(format!("{name}:{}", self.name()?))
    }

    fn name(&mut self) -> Result<String> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return Err(self.unsupported());
        }
        // White space may follow any token.
        self.rest = rest.trim_start();
        Ok(name.to_owned())
    }

    /// A position, from 1.
    fn number(&mut self) -> Result<usize> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().ok().filter(|number| *number > 0).ok_or_else(|| self.unsupported())?;
        self.rest = rest.trim_start();
        Ok(number)
    }

    fn literal(&mut self) -> Result<String> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let inner = quote.and_then(|quote| self.rest[1..].split_once(quote));
        let (value, rest) = inner.ok_or_else(|| self.unsupported())?;
        let value = value.to_owned();
        self.rest = rest.trim_start();
        Ok(value)
    }

    fn eat(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        if self.eat(token) { Ok(()) } else { Err(self.unsupported()) }
    }

    fn counted(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts <= PARTS {
            return Ok(());
        }
        Err(Fault::coded(Category::Invalid, "too-costly", "the selector has too many steps"))
    }

    fn unsupported(&self) -> Fault {
        let (all, rest) = (shown(self.text), shown(self.rest));
        let at = if rest.is_empty() { "at its end".to_owned() } else { format!("at \"{rest}\"") };
        Fault::unsupported(format!(
            "the selector \"{all}\" cannot be understood {at}; it has steps by name with predicates such as [2], \
             [@url='x'] or [f:system/@value='x'], and may end with an attribute or text()"
        ))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::super::budget::PatchBounds;
    use super::*;
    use crate::fhir::xml::tree::parse;

    fn count(selector: &str, document: &str) -> Result<usize> {
        let scope = vec![(String::new(), None), ("h".to_owned(), Some(Namespace::Xhtml))];
        let mut budget = Budget::new(PatchBounds { operations: 9, nesting: 64, bytes: 10_000 });
        let root = parse(document, 64).expect("XML");
        Ok(Selector::parse(selector, &scope)?.find(&root, &mut budget)?.len())
    }

    #[test]
    fn elements_are_found() {
        let document = r#"<f:d xmlns:f="http://hl7.org/fhir"><f:a u="1"><f:b v="x"/><f:b v="y"/></f:a><f:a><f:b v="x"/>t</f:a><c xmlns=""/></f:d>"#;
        for (selector, expected) in [
            ("f:d", 1),
            ("/f:d/f:a", 2),
            ("f:d/f:a[1]/f:b", 2),
            ("f:d/f:a/f:b[1]", 2),
            ("f:d/*", 3),
            ("f:d/f:a[@u]", 1),
            ("f:d/f:a[@u='1'][f:b/@v=\"y\"]", 1),
            ("f:d/f:a[ f:b/@v = 'x' and @u = '1' ]", 1),
            ("f:d/f:a[last()]/f:b[@v='x']", 1),
            ("f:d/f:a[position()=2]", 1),
            ("f:d/f:a[.='t']", 1),
            ("f:d/f:a[f:b]", 2),
            ("f:d/f:a[f:b='']", 2),
            ("f:d/f:a[3]", 0),
            ("d/a", 0),
            ("f:d/c", 1),
            ("f:d/h:c", 0),
            ("f:a", 0),
        ] {
            assert_eq!(count(selector, document), Ok(expected), "{selector}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "/",
            "//f:a",
            "f:a//f:b",
            "f:a/..",
            "f:a/.",
            "f:a[0]",
            "f:a[",
            "f:a[1",
            "f:a[@x=y]",
            "f:a[@x='y]",
            "id('x')",
            "f:a/comment()",
            "f:a/processing-instruction('x')",
            "descendant::f:a",
            "g:a",
            "f:a | f:b",
            "f:a[not(f:b)]",
            "f:a[f:b or f:c]",
            "f:a/@b/c",
            "@a",
            "text()",
            "f:a/text()[x]",
            "f:a[99999999999999999999999]",
            "f:a[position()]",
            "f:a]",
            "f:1",
        ] {
            assert_eq!(count(bad, "<a/>").expect_err(bad).category().status(), 400, "{bad}");
        }
        assert!(count(&"a/".repeat(65), "<a/>").is_err());
    }
}
