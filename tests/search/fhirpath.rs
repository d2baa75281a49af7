//! As much of FHIRPath as the expressions of search parameters use, over raw JSON with the types of the definitions:
//! paths, `where`, `as`, `ofType`, `is`, `resolve()`, `exists()`, indexes, unions, `and`, `=` and `!=`.

use serde_json::Value;

use super::definitions::Definitions;

/// An element: its value and type.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// The value; none for a primitive that has only extensions.
    pub json: Option<&'a Value>,
    /// The name of its type, or the path of its element.
    pub kind: &'static str,
    /// Of a `code`: the system that its binding implies.
    pub system: Option<&'static str>,
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
enum Path {
    /// What stands before: the item that the expression is asked of.
    This,
    /// `%resource`.
    Resource,
    Text(String),
    Truth(bool),
    /// A property, or a type where the expression begins.
    Member(Box<Path>, String),
    Index(Box<Path>, usize),
    Where(Box<Path>, Box<Path>),
    OfType(Box<Path>, String),
    Is(Box<Path>, String),
    Resolve(Box<Path>),
    Exists(Box<Path>),
    Union(Box<Path>, Box<Path>),
    Equal(Box<Path>, Box<Path>, bool),
    And(Box<Path>, Box<Path>),
}

/// An expression that can be asked of a resource.
#[derive(Debug, Clone)]
pub struct Expression(Path);

static TRUE: Value = Value::Bool(true);
static FALSE: Value = Value::Bool(false);

impl Expression {
    /// Reads an expression; fails the test on what is not known here.
    pub fn read(text: &str) -> Self {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let path = parser.and();
        assert_eq!(parser.at, parser.tokens.len(), "what follows in {text}");
        Self(path)
    }

    /// What the expression yields for an element of a resource.
    pub fn of<'a>(&self, all: &'static Definitions, resource: Node<'a>, element: Node<'a>) -> Vec<Node<'a>> {
        Evaluator { all, resource }.run(&self.0, element)
    }
}

/// A resource as a node.
pub fn resource<'a>(all: &'static Definitions, json: &'a Value) -> Option<Node<'a>> {
    let kind = all.resources.get(json["resourceType"].as_str()?)?;
    Some(Node { json: Some(json), kind, system: None })
}

fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => rest[1..].find('\'').unwrap() + 2,
            '!' => 2,
            c if c.is_alphanumeric() || c == '%' => {
                rest[1..].find(|c: char| !c.is_alphanumeric()).map_or(rest.len(), |n| n + 1)
            }
            _ => 1,
        };
        found.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    found
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn next_is(&mut self, token: &str) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|t| t == token);
        self.at += usize::from(is);
        is
    }

    fn take(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.next_is(token), "{token} at {} of {:?}", self.at, self.tokens);
    }

    fn and(&mut self) -> Path {
        let mut left = self.equal();
        while self.next_is("and") {
            left = Path::And(Box::new(left), Box::new(self.equal()));
        }
        left
    }

    fn equal(&mut self) -> Path {
        let left = self.union();
        match (self.next_is("="), self.next_is("!=")) {
            (false, false) => left,
            (same, _) => Path::Equal(Box::new(left), Box::new(self.union()), same),
        }
    }

    fn union(&mut self) -> Path {
        let mut left = self.typed();
        while self.next_is("|") {
            left = Path::Union(Box::new(left), Box::new(self.typed()));
        }
        left
    }

    fn typed(&mut self) -> Path {
        let left = self.path();
        match (self.next_is("as"), self.next_is("is")) {
            (true, _) => Path::OfType(Box::new(left), self.take()),
            (_, true) => Path::Is(Box::new(left), self.take()),
            _ => left,
        }
    }

    fn path(&mut self) -> Path {
        let mut here = self.first();
        loop {
            if self.next_is(".") {
                here = self.step(here);
            } else if self.next_is("[") {
                here = Path::Index(Box::new(here), self.take().parse().unwrap());
                self.expect("]");
            } else {
                return here;
            }
        }
    }

    fn first(&mut self) -> Path {
        if self.next_is("(") {
            let inner = self.and();
            self.expect(")");
            return inner;
        }
        match self.tokens[self.at].as_str() {
            "%resource" => {
                self.at += 1;
                Path::Resource
            }
            "true" | "false" => Path::Truth(self.take() == "true"),
            text if text.starts_with('\'') => Path::Text(self.take().trim_matches('\'').to_owned()),
            _ => self.step(Path::This),
        }
    }

    fn step(&mut self, before: Path) -> Path {
        let name = self.take();
        let before = Box::new(before);
        if !self.next_is("(") {
            return Path::Member(before, name);
        }
        let path = match name.as_str() {
            "where" => Path::Where(before, Box::new(self.and())),
            "as" | "ofType" => Path::OfType(before, self.take()),
            "resolve" => Path::Resolve(before),
            "exists" => Path::Exists(before),
            other => panic!("the function {other}"),
        };
        self.expect(")");
        path
    }
}

struct Evaluator<'a> {
    all: &'static Definitions,
    resource: Node<'a>,
}

fn truth<'a>(value: bool) -> Vec<Node<'a>> {
    vec![Node { json: Some(if value { &TRUE } else { &FALSE }), kind: "boolean", system: None }]
}

impl<'a> Evaluator<'a> {
    fn run(&self, path: &Path, this: Node<'a>) -> Vec<Node<'a>> {
        let each = |before: &Path| self.run(before, this).into_iter();
        match path {
            Path::This => vec![this],
            Path::Resource => vec![self.resource],
            Path::Truth(value) => truth(*value),
            Path::Text(_) => panic!("a text stands alone"),
            Path::Member(before, name) if **before == Path::This && name.starts_with(char::is_uppercase) => {
                if self.all.is(this.kind, name) { vec![this] } else { Vec::new() }
            }
            Path::Member(before, name) => each(before).flat_map(|node| self.members(node, name)).collect(),
            Path::Index(before, n) => each(before).skip(*n).take(1).collect(),
            Path::Where(before, test) => each(before).filter(|node| self.holds(test, *node)).collect(),
            Path::OfType(before, kind) => each(before).filter(|node| node.kind == kind).collect(),
            Path::Is(before, kind) => each(before).flat_map(|node| truth(self.all.is(node.kind, kind))).collect(),
            Path::Resolve(before) => each(before).filter_map(|node| self.target(node)).collect(),
            Path::Exists(before) => truth(each(before).next().is_some()),
            Path::Union(left, right) => each(left).chain(each(right)).collect(),
            Path::Equal(left, right, same) => self.equal(each(left).next(), right, *same, this),
            Path::And(left, right) => self.and(each(left).next(), each(right).next()),
        }
    }

    fn holds(&self, test: &Path, node: Node<'a>) -> bool {
        self.run(test, node).first().and_then(|found| found.json) == Some(&TRUE)
    }

    /// False when one side is, nothing when one side is nothing.
    fn and(&self, left: Option<Node<'a>>, right: Option<Node<'a>>) -> Vec<Node<'a>> {
        let sides = [left, right].map(|side| side.and_then(|node| node.json).and_then(Value::as_bool));
        match sides {
            [Some(true), Some(true)] => truth(true),
            [Some(false), _] | [_, Some(false)] => truth(false),
            _ => Vec::new(),
        }
    }

    fn equal(&self, left: Option<Node<'a>>, right: &Path, same: bool, this: Node<'a>) -> Vec<Node<'a>> {
        let Some(left) = left.and_then(|node| node.json) else { return Vec::new() };
        let is_equal = match right {
            Path::Text(text) => left == text.as_str(),
            right => match self.run(right, this).first().and_then(|node| node.json) {
                Some(right) => left == right,
                None => return Vec::new(),
            },
        };
        truth(is_equal == same)
    }

    fn members(&self, node: Node<'a>, name: &str) -> Vec<Node<'a>> {
        let Some(object) = node.json.and_then(Value::as_object) else { return Vec::new() };
        let Some(element) = self.all.elements.get(node.kind).and_then(|all| all.iter().find(|e| e.name == name)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for kind in &element.types {
            let key = if element.is_choice {
                format!("{name}{}", super::definitions::upper_first(kind))
            } else {
                name.to_owned()
            };
            let (value, beside) = (object.get(&key), object.get(&format!("_{key}")));
            let listed = |value: &'a Value| value.as_array().map_or_else(|| vec![value], |all| all.iter().collect());
            let (values, besides) = (value.map(listed).unwrap_or_default(), beside.map(listed).unwrap_or_default());
            for n in 0..values.len().max(besides.len()) {
                let filled = |list: &[&'a Value]| list.get(n).copied().filter(|json| !json.is_null());
                let (json, more) = (filled(&values), filled(&besides));
                if json.is_some() || more.is_some() {
                    found.push(self.child(json, kind, element.system.as_deref()));
                }
            }
        }
        found
    }

    /// A child; a resource has its own type.
    fn child(&self, json: Option<&'a Value>, kind: &'static str, system: Option<&'static str>) -> Node<'a> {
        let inner = json.filter(|_| kind == "Resource").and_then(|json| resource(self.all, json));
        inner.unwrap_or(Node { json, kind, system })
    }

    /// What a reference leads to, as far as it says itself: a contained resource, or only a type.
    fn target(&self, node: Node<'a>) -> Option<Node<'a>> {
        let json = node.json?;
        let said = json["type"].as_str();
        let text = json.as_str().or_else(|| json["reference"].as_str());
        if let Some(id) = text.and_then(|text| text.strip_prefix('#')) {
            if id.is_empty() {
                return Some(self.resource);
            }
            let contained = self.resource.json?["contained"].as_array()?;
            return resource(self.all, contained.iter().find(|inner| inner["id"] == id)?);
        }
        let in_text = text.and_then(|text| {
            let (path, query) = text.split_once('?').map_or((text, false), |(path, _)| (path, true));
            let path = path.split("/_history/").next().unwrap_or(path);
            path.split(['#', '|']).next().unwrap_or(path).rsplit('/').nth(usize::from(!query))
        });
        let kind = in_text.and_then(|name| self.all.resources.get(name)).or_else(|| self.all.resources.get(said?))?;
        Some(Node { json: None, kind, system: None })
    }
}

#[test]
fn expressions_are_evaluated() {
    let Some(all) = super::definitions::definitions() else { return };
    let json = serde_json::json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "#p"}, "valueQuantity": {"value": 1},
        "performer": [{"reference": "http://x/Practitioner/1/_history/2"}, {"reference": "Patient/2"}, {"type": "Group"}],
        "contained": [{"resourceType": "Patient", "id": "p", "active": true}], "component": [{"valueString": "a"}, {"valueString": "b"}]});
    let found = |text: &str| -> Vec<String> {
        let root = resource(all, &json).unwrap();
        let found = Expression::read(text).of(all, root, root);
        found.iter().map(|node| format!("{} {}", node.kind, node.json.unwrap_or(&Value::Null))).collect()
    };
    assert_eq!(found("Observation.subject.where(resolve() is Patient)"), [r##"Reference {"reference":"#p"}"##]);
    assert_eq!(
        found(
            "Observation.performer.where(resolve() is Practitioner) | Observation.performer.where(resolve() is Group)"
        )
        .len(),
        2
    );
    assert_eq!(found("(Observation.value as Quantity) | (Observation.value as string)"), [r#"Quantity {"value":1}"#]);
    // `as` asks for the very type: a code is no string (as in the official tests of FHIRPath).
    assert!(found("Observation.status as string").is_empty() && found("Observation.status.as(code)").len() == 1);
    assert_eq!(found("Observation.component[1].value"), [r#"string "b""#]);
    assert_eq!(found("Observation.component.value.as(string)").len(), 2);
    assert_eq!(found("Observation.component.where(value='b').value"), [r#"string "b""#]);
    assert_eq!(found("Patient.active | DomainResource.contained.active"), ["boolean true"]);
    assert_eq!(found("%resource.value.exists() and Observation.value != false"), ["boolean true"]);
    assert_eq!(found("Observation.method.exists()"), ["boolean false"]);
}
