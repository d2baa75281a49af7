//! From tokens to a document (GraphQL, October 2021, section 2). Empty lists of arguments are taken, which the pages of FHIR
//! use.

use super::ast::{
    Argument, Directive, Document, Field, Fragment, Inline, Operation, OperationKind, Place, Selection, Spread, Value,
    Variable, VariableType,
};
use super::lexer::{Lexer, Token};
use super::trouble;
use crate::base::fault::{Fault, Result};
use crate::base::limits;

/// Reads a document.
///
/// # Errors
/// 400 with line and column for what breaks the grammar, is nested too deep, or is too long.
pub fn parse(text: &str) -> Result<Document> {
    let mut lexer = Lexer::new(text);
    let (token, place) = lexer.token()?;
    let mut parser = Parser { lexer, token, place, tokens: 0, depth: 0 };
    let mut document = Document::default();
    while parser.token != Token::End {
        parser.definition(&mut document)?;
    }
    if document.operations.is_empty() {
        return Err(parser.expected("an operation"));
    }
    Ok(document)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token that comes next, and its place.
    token: Token,
    place: Place,
    tokens: usize,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<Token> {
        self.tokens += 1;
        if self.tokens > limits::GRAPHQL_TOKENS {
            return Err(trouble::costly(
                self.place,
                format!("a document has at most {} tokens", limits::GRAPHQL_TOKENS),
            ));
        }
        let (token, place) = self.lexer.token()?;
        self.place = place;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn expected(&self, what: &str) -> Fault {
        trouble::syntax(self.place, format!("expected {what} and got {}", self.token.shown()))
    }

    fn is(&self, mark: char) -> bool {
        self.token == Token::Mark(mark)
    }

    fn take(&mut self, mark: char) -> Result<bool> {
        if !self.is(mark) {
            return Ok(false);
        }
        self.next().map(|_| true)
    }

    fn need(&mut self, mark: char) -> Result<()> {
        if self.take(mark)? { Ok(()) } else { Err(self.expected(&format!("`{mark}`"))) }
    }

    fn name(&mut self, what: &str) -> Result<String> {
        match &self.token {
            Token::Name(_) => match self.next()? {
                Token::Name(name) => Ok(name),
                _ => Err(self.expected(what)),
            },
            _ => Err(self.expected(what)),
        }
    }

    fn is_name(&self, text: &str) -> bool {
        matches!(&self.token, Token::Name(name) if name == text)
    }

    fn definition(&mut self, document: &mut Document) -> Result<()> {
        let place = self.place;
        if self.is('{') {
            let selections = self.selections()?;
            let (kind, variables, directives) = (OperationKind::Query, Vec::new(), Vec::new());
            document.operations.push(Operation { kind, name: None, variables, directives, selections, place });
            return Ok(());
        }
        match self.name("an operation or a fragment")?.as_str() {
            "fragment" => document.fragments.push(self.fragment(place)?),
            "query" => document.operations.push(self.operation(OperationKind::Query, place)?),
            "mutation" => document.operations.push(self.operation(OperationKind::Mutation, place)?),
            "subscription" => document.operations.push(self.operation(OperationKind::Subscription, place)?),
            other => {
                let message = format!("expected an operation or a fragment and got `{}`", trouble::shown(other));
                return Err(trouble::syntax(place, message));
            }
        }
        Ok(())
    }

    fn fragment(&mut self, place: Place) -> Result<Fragment> {
        if self.is_name("on") {
            return Err(self.expected("the name of the fragment"));
        }
        let name = self.name("the name of the fragment")?;
        if !self.is_name("on") {
            return Err(self.expected("`on`"));
        }
        self.next()?;
        let on = self.name("the name of a type")?;
        Ok(Fragment { name, on, directives: self.directives()?, selections: self.selections()?, place })
    }

    fn operation(&mut self, kind: OperationKind, place: Place) -> Result<Operation> {
        let name = if matches!(self.token, Token::Name(_)) { Some(self.name("a name")?) } else { None };
        let mut variables = Vec::new();
        if self.take('(')? {
            while !self.take(')')? {
                variables.push(self.variable()?);
            }
        }
        Ok(Operation { kind, name, variables, directives: self.directives()?, selections: self.selections()?, place })
    }

    fn variable(&mut self) -> Result<Variable> {
        let place = self.place;
        self.need('$')?;
        let name = self.name("the name of a variable")?;
        self.need(':')?;
        let kind = self.kind()?;
        let default = if self.take('=')? { Some(self.value(true)?) } else { None };
        self.directives()?;
        Ok(Variable { name, kind, default, place })
    }

    fn kind(&mut self) -> Result<VariableType> {
        let (name, items) = if self.take('[')? {
            let inner = self.deeper(Self::kind)?;
            self.need(']')?;
            (inner.name.clone(), Some(Box::new(inner)))
        } else {
            (self.name("the name of a type")?, None)
        };
        Ok(VariableType { name, items, is_needed: self.take('!')? })
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > limits::GRAPHQL_DEPTH {
            return Err(trouble::costly(self.place, format!("nesting is deeper than {}", limits::GRAPHQL_DEPTH)));
        }
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn selections(&mut self) -> Result<Vec<Selection>> {
        self.need('{')?;
        self.deeper(|parser| {
            let mut found = Vec::new();
            while !parser.take('}')? {
                found.push(parser.selection()?);
            }
            if found.is_empty() { Err(parser.expected("a field before it")) } else { Ok(found) }
        })
    }

    fn selection(&mut self) -> Result<Selection> {
        let place = self.place;
        if self.token != Token::Spread {
            return self.field(place).map(Selection::Field);
        }
        self.next()?;
        if matches!(&self.token, Token::Name(name) if name != "on") {
            let name = self.name("the name of a fragment")?;
            return Ok(Selection::Spread(Spread { name, directives: self.directives()?, place }));
        }
        let on = if self.is_name("on") {
            self.next()?;
            Some(self.name("the name of a type")?)
        } else {
            None
        };
        Ok(Selection::Inline(Inline { on, directives: self.directives()?, selections: self.selections()?, place }))
    }

    fn field(&mut self, place: Place) -> Result<Field> {
        let first = self.name("a field")?;
        let (alias, name) = if self.take(':')? { (Some(first), self.name("a field")?) } else { (None, first) };
        let arguments = self.arguments(false)?;
        let directives = self.directives()?;
        let selections = if self.is('{') { self.selections()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, directives, selections, place })
    }

    fn arguments(&mut self, is_constant: bool) -> Result<Vec<Argument>> {
        let mut found: Vec<Argument> = Vec::new();
        if self.take('(')? {
            while !self.take(')')? {
                let place = self.place;
                let name = self.name("an argument")?;
                if found.iter().any(|argument| argument.name == name) {
                    return Err(trouble::wrong(place, format!("argument `{}` stands twice", trouble::shown(&name))));
                }
                self.need(':')?;
                found.push(Argument { name, value: self.value(is_constant)?, place });
            }
        }
        Ok(found)
    }

    fn directives(&mut self) -> Result<Vec<Directive>> {
        let mut found = Vec::new();
        while self.is('@') {
            let place = self.place;
            self.next()?;
            let name = self.name("the name of a directive")?;
            found.push(Directive { name, arguments: self.arguments(false)?, place });
        }
        Ok(found)
    }

    fn value(&mut self, is_constant: bool) -> Result<Value> {
        if self.is('$') && is_constant {
            return Err(trouble::wrong(self.place, "a default cannot be a variable"));
        }
        Ok(match self.next()? {
            Token::Number(text) => Value::Number(text),
            Token::Text(text) => Value::Text(text),
            Token::Mark('$') => Value::Variable(self.name("the name of a variable")?),
            Token::Name(name) => match name.as_str() {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                "null" => Value::Null,
                _ => Value::Enum(name),
            },
            Token::Mark('[') => self.deeper(|parser| {
                let mut items = Vec::new();
                while !parser.take(']')? {
                    items.push(parser.value(is_constant)?);
                }
                Ok(Value::List(items))
            })?,
            Token::Mark('{') => self.deeper(|parser| {
                let mut fields = Vec::new();
                while !parser.take('}')? {
                    let name = parser.name("a field of the object")?;
                    parser.need(':')?;
                    fields.push((name, parser.value(is_constant)?));
                }
                Ok(Value::Object(fields))
            })?,
            other => return Err(trouble::syntax(self.place, format!("expected a value and got {}", other.shown()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    fn only(text: &str) -> Operation {
        let mut document = parse(text).expect(text);
        assert_eq!(document.operations.len(), 1);
        document.operations.remove(0)
    }

    fn argument(text: &str) -> Value {
        let operation = only(&format!("{{ f(a: {text}) }}"));
        let Selection::Field(field) = &operation.selections[0] else { panic!("a field") };
        field.arguments[0].value.clone()
    }

    #[test]
    fn whole_documents_are_read() {
        let text = r#"query q($a: [String!]! = ["x"], $b: Boolean = true) @d(x: 1) {
            # a comment
            alias: name(use: official, _count: 2,, list: [1, -2.5e3], o: {a: $a, b: null}) @include(if: $b) { given family }
            ... on Patient { active } ...more @skip(if: false) ... @include(if: true) { id }
        }
        fragment more on Patient { birthDate }"#;
        let document = parse(text).expect("a document");
        let operation = &document.operations[0];
        let item = VariableType { name: "String".into(), items: None, is_needed: true };
        let list = VariableType { name: "String".into(), items: Some(Box::new(item)), is_needed: true };
        assert_eq!(operation.variables[0].kind, list);
        assert_eq!(operation.selections.len(), 4);
        let Selection::Field(field) = &operation.selections[0] else { panic!("a field") };
        assert_eq!((field.key(), field.name.as_str(), field.arguments.len()), ("alias", "name", 4));
        assert_eq!(field.place, Place { line: 3, column: 13 });
        assert_eq!(document.fragments[0].on, "Patient");
    }

    #[test]
    fn values_are_read() {
        assert_eq!(argument(r#""a\n\u00e9\u{1F600}\ud83d\ude00""#), Value::Text("a\né😀😀".into()));
        assert_eq!(
            argument("\"\"\"\n    a\n      b \\\"\"\" \"c\"\n  \n\"\"\""),
            Value::Text("a\n  b \"\"\" \"c\"".into())
        );
        assert_eq!(argument("\"\""), Value::Text(String::new()));
        assert_eq!(argument("-1.50e2"), Value::Number("-1.50e2".into()));
        assert_eq!(argument("[true null $x y]").clone(), {
            Value::List(vec![Value::Boolean(true), Value::Null, Value::Variable("x".into()), Value::Enum("y".into())])
        });
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, message) in [
            ("", "expected an operation"),
            ("{", "the end of the document"),
            ("{ }", "expected a field before it"),
            ("{ a b(", "expected an argument"),
            ("{ a(b: ) }", "expected a value"),
            ("{ a(b: 1 b: 2) }", "stands twice"),
            ("{ a(b: 1x) }", "no number"),
            ("{ a(b: \"x) }", "has no end"),
            ("{ a(b: \"\\q\") }", "an escape that is none"),
            ("{ a(b: \"\\ud800x\") }", "an escape that is none"),
            ("{ a .. b }", "expected `...`"),
            ("{ a % b }", "unexpected character"),
            ("nonsense { a }", "expected an operation or a fragment and got `nonsense`"),
            ("fragment on on X { a } { a }", "the name of the fragment"),
            ("query ($a: Int = $b) { a }", "cannot be a variable"),
            ("{ a }\n}", "line 2, column 1"),
        ] {
            let fault = parse(text).expect_err(text);
            let issue = &fault.issues()[0];
            let (line, column) = issue.position.expect("a place");
            let told = format!("{} (line {line}, column {column})", issue.diagnostics);
            assert!(told.contains(message), "{text}: {told}");
        }
    }

    #[test]
    fn documents_are_bounded() {
        let deep = "{a".repeat(limits::GRAPHQL_DEPTH) + &"}".repeat(limits::GRAPHQL_DEPTH);
        assert!(parse(&deep).is_ok());
        let deeper = "{a".repeat(limits::GRAPHQL_DEPTH + 1) + &"}".repeat(limits::GRAPHQL_DEPTH + 1);
        assert!(fault(&deeper).contains("deeper than"));
        let list = format!("{{ a(b: {}) }}", "[".repeat(100_000));
        assert!(fault(&list).contains("deeper than"));
        let long = format!("{{ {} }}", "a ".repeat(limits::GRAPHQL_TOKENS));
        assert!(fault(&long).contains("at most"));
    }
}
