//! The parser: tokens to a tree, by precedence climbing (grammar and precedence of N1, "Operator precedence").

use super::ast::{Ast, AstKind, Operator};
use super::lexer::{Token, tokens};
use super::trouble;
use crate::base::fault::Result;

/// Deepest nesting of an expression. Chains of paths and unions are flat and do not count; operators
/// and brackets do. It bounds the stack of parser, compiler and evaluator alike.
pub const MAX_DEPTH: usize = 100;

/// Levels of precedence, loosest first.
const IMPLIES: u8 = 1;
const OR: u8 = 2;
const AND: u8 = 3;
const MEMBERSHIP: u8 = 4;
const EQUALITY: u8 = 5;
const INEQUALITY: u8 = 6;
const UNION: u8 = 7;
const TYPE: u8 = 8;
const ADDITIVE: u8 = 9;
const MULTIPLICATIVE: u8 = 10;

/// What may stand between two operands.
enum Infix {
    Binary(Operator),
    Union,
    Is,
    As,
}

/// The words for calendar durations, which may follow a number (N1, 4.1.8).
const CALENDAR: [&str; 16] = [
    "year",
    "years",
    "month",
    "months",
    "week",
    "weeks",
    "day",
    "days",
    "hour",
    "hours",
    "minute",
    "minutes",
    "second",
    "seconds",
    "millisecond",
    "milliseconds",
];

/// The tree of an expression.
///
/// # Errors
/// 400 with line and column when the text breaks the grammar or is nested too deeply.
pub fn parse(text: &str) -> Result<Ast> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    let tree = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(tree.0),
        _ => parser.fail("unexpected text after the expression"),
    }
}

/// A tree and its height.
type Sub = (Ast, usize);

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn offset(&self) -> usize {
        self.tokens[self.at].1
    }

    fn advance(&mut self) {
        // the last token is the end, which stays
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(trouble::syntax(self.text, self.offset(), message))
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.eat(symbol) { Ok(()) } else { self.fail(format!("expected `{symbol}`")) }
    }

    /// A node over a subtree of some height.
    fn node(&self, kind: AstKind, at: usize, height: usize) -> Result<Sub> {
        if height > MAX_DEPTH {
            return Err(trouble::syntax(self.text, at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok((Ast { kind, at }, height))
    }

    fn infix(&self) -> Option<(Infix, u8)> {
        use Operator::*;
        let found = match self.peek() {
            Token::Symbol("*") => (Infix::Binary(Multiply), MULTIPLICATIVE),
            Token::Symbol("/") => (Infix::Binary(Divide), MULTIPLICATIVE),
            Token::Symbol("+") => (Infix::Binary(Add), ADDITIVE),
            Token::Symbol("-") => (Infix::Binary(Subtract), ADDITIVE),
            Token::Symbol("&") => (Infix::Binary(Concatenate), ADDITIVE),
            Token::Symbol("|") => (Infix::Union, UNION),
            Token::Symbol("<") => (Infix::Binary(Less), INEQUALITY),
            Token::Symbol("<=") => (Infix::Binary(LessOrEqual), INEQUALITY),
            Token::Symbol(">") => (Infix::Binary(Greater), INEQUALITY),
            Token::Symbol(">=") => (Infix::Binary(GreaterOrEqual), INEQUALITY),
            Token::Symbol("=") => (Infix::Binary(Equal), EQUALITY),
            Token::Symbol("!=") => (Infix::Binary(NotEqual), EQUALITY),
            Token::Symbol("~") => (Infix::Binary(Equivalent), EQUALITY),
            Token::Symbol("!~") => (Infix::Binary(NotEquivalent), EQUALITY),
            Token::Name(word, false) => match word.as_str() {
                "div" => (Infix::Binary(Div), MULTIPLICATIVE),
                "mod" => (Infix::Binary(Mod), MULTIPLICATIVE),
                "is" => (Infix::Is, TYPE),
                "as" => (Infix::As, TYPE),
                "in" => (Infix::Binary(In), MEMBERSHIP),
                "contains" => (Infix::Binary(Contains), MEMBERSHIP),
                "and" => (Infix::Binary(And), AND),
                "or" => (Infix::Binary(Or), OR),
                "xor" => (Infix::Binary(Xor), OR),
                "implies" => (Infix::Binary(Implies), IMPLIES),
                _ => return None,
            },
            _ => return None,
        };
        Some(found)
    }

    /// An expression whose operators bind tighter than `floor`.
    fn expression(&mut self, floor: u8) -> Result<Sub> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let mut left = self.unary()?;
        while let Some((infix, level)) = self.infix().filter(|(_, level)| *level > floor) {
            let at = self.offset();
            self.advance();
            left = match infix {
                Infix::Binary(operator) => {
                    let right = self.expression(level)?;
                    let height = left.1.max(right.1) + 1;
                    self.node(AstKind::Binary(operator, Box::new(left.0), Box::new(right.0)), at, height)?
                }
                Infix::Union => self.union(left, at)?,
                Infix::Is => self.typed(AstKind::Is, left, at)?,
                Infix::As => self.typed(AstKind::As, left, at)?,
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The right side of `|`; a union on the left is continued, since union is associative.
    fn union(&mut self, left: Sub, at: usize) -> Result<Sub> {
        let right = self.expression(UNION)?;
        let height = left.1.max(right.1 + 1);
        match left.0 {
            Ast { kind: AstKind::Union(mut parts), at } => {
                parts.push(right.0);
                self.node(AstKind::Union(parts), at, height)
            }
            first => self.node(AstKind::Union(vec![first, right.0]), at, height.max(left.1 + 1)),
        }
    }

    fn typed(&mut self, make: fn(Box<Ast>, Vec<String>) -> AstKind, left: Sub, at: usize) -> Result<Sub> {
        let name = self.type_name()?;
        self.node(make(Box::new(left.0), name), at, left.1 + 1)
    }

    fn type_name(&mut self) -> Result<Vec<String>> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                Token::Name(word, _) => parts.push(word.clone()),
                _ => return self.fail("expected the name of a type"),
            }
            self.advance();
            if !self.eat(".") {
                return Ok(parts);
            }
        }
    }

    fn unary(&mut self) -> Result<Sub> {
        let at = self.offset();
        let minus = self.is_symbol("-");
        if !minus && !self.is_symbol("+") {
            return self.invocations();
        }
        self.advance();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let operand = self.unary()?;
        self.depth -= 1;
        let kind = if minus { AstKind::Minus } else { AstKind::Plus };
        self.node(kind(Box::new(operand.0)), at, operand.1 + 1)
    }

    /// A term followed by any number of `.name`, `.name(...)` and `[index]`.
    fn invocations(&mut self) -> Result<Sub> {
        let mut term = self.term()?;
        loop {
            if self.eat(".") {
                term = self.invocation(Some(term))?;
            } else if self.is_symbol("[") {
                let at = self.offset();
                self.advance();
                let index = self.expression(0)?;
                self.expect("]")?;
                let height = term.1.max(index.1) + 1;
                term = self.node(AstKind::Indexer(Box::new(term.0), Box::new(index.0)), at, height)?;
            } else {
                return Ok(term);
            }
        }
    }

    /// A name or function after a `.` or at the start.
    fn invocation(&mut self, on: Option<Sub>) -> Result<Sub> {
        let at = self.offset();
        if let Token::Special(word) = self.peek() {
            return match (word.as_str(), &on) {
                ("this" | "index" | "total", None) => self.special(),
                _ => self.fail("`$` begins `$this`, `$index` or `$total`, and nothing may stand before it"),
            };
        }
        let Token::Name(word, delimited) = self.peek().clone() else {
            return self.fail("expected a name, a literal or `(`");
        };
        let reserved = ["div", "mod", "and", "or", "xor", "implies", "true", "false"];
        if !delimited && on.is_none() && reserved.contains(&word.as_str()) {
            return self.fail(format!("`{word}` is an operator here and needs an operand on both sides"));
        }
        self.advance();
        if self.eat("(") {
            let (arguments, tallest) = self.arguments(word == "sort")?;
            let height = on.as_ref().map_or(0, |on| on.1);
            let on = on.map(|(tree, _)| Box::new(tree));
            return self.node(AstKind::Call(on, word, arguments), at, height.max(tallest) + 1);
        }
        match on {
            Some((Ast { kind: AstKind::Path(start, mut names), at }, height)) => {
                names.push(word);
                self.node(AstKind::Path(start, names), at, height)
            }
            Some((tree, height)) => self.node(AstKind::Path(Some(Box::new(tree)), vec![word]), at, height + 1),
            None => self.node(AstKind::Path(None, vec![word]), at, 1),
        }
    }

    /// What stands between the brackets of a call, and the greatest height. Keys of a sort may end in `asc` or `desc`.
    fn arguments(&mut self, are_keys: bool) -> Result<(Vec<Ast>, usize)> {
        let mut arguments = Vec::new();
        let mut tallest = 0;
        if self.eat(")") {
            return Ok((arguments, tallest));
        }
        loop {
            let (mut tree, height) = self.expression(0)?;
            let at = self.offset();
            match self.peek() {
                Token::Name(word, false) if are_keys && (word == "asc" || word == "desc") => {
                    if word == "desc" {
                        tree = Ast { kind: AstKind::Descending(Box::new(tree)), at };
                    }
                    self.advance();
                }
                _ => {}
            }
            arguments.push(tree);
            tallest = tallest.max(height);
            if !self.eat(",") {
                self.expect(")")?;
                return Ok((arguments, tallest));
            }
        }
    }

    fn special(&mut self) -> Result<Sub> {
        let at = self.offset();
        let Token::Special(word) = self.peek() else { return self.fail("expected `$this`") };
        let kind = match word.as_str() {
            "this" => AstKind::This,
            "index" => AstKind::Index,
            _ => AstKind::Total,
        };
        self.advance();
        self.node(kind, at, 1)
    }

    fn term(&mut self) -> Result<Sub> {
        let at = self.offset();
        let kind = match self.peek().clone() {
            Token::Symbol("(") => {
                self.advance();
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Symbol("{") => {
                self.advance();
                self.expect("}")?;
                return self.node(AstKind::Empty, at, 1);
            }
            Token::String(text) => AstKind::String(text),
            Token::Number(text) => return self.number(text),
            Token::Temporal(value) => AstKind::Temporal(value),
            Token::Variable(name) => AstKind::Variable(name),
            Token::Name(word, false) if word == "true" || word == "false" => AstKind::Boolean(word == "true"),
            Token::End => return self.fail("the expression ends where an operand is missing"),
            _ => return self.invocation(None),
        };
        self.advance();
        self.node(kind, at, 1)
    }

    /// A number, or a quantity when a unit follows.
    fn number(&mut self, text: String) -> Result<Sub> {
        let at = self.offset();
        self.advance();
        let kind = match self.peek().clone() {
            Token::String(unit) => AstKind::Quantity(text, unit, false),
            Token::Name(word, false) if CALENDAR.contains(&word.as_str()) => AstKind::Quantity(text, word, true),
            _ => return self.node(AstKind::Number(text), at, 1),
        };
        self.advance();
        self.node(kind, at, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with every operator bracketed.
    fn shape(tree: &Ast) -> String {
        let list = |trees: &[Ast]| trees.iter().map(shape).collect::<Vec<_>>().join(",");
        let on = |tree: &Option<Box<Ast>>| tree.as_ref().map_or(String::new(), |t| shape(t) + ".");
        match &tree.kind {
            AstKind::Number(text) => text.clone(),
            AstKind::Path(before, names) => on(before) + &names.join("."),
            AstKind::Call(before, name, arguments) => format!("{}{name}({})", on(before), list(arguments)),
            AstKind::Binary(operator, a, b) => format!("({} {operator:?} {})", shape(a), shape(b)),
            AstKind::Union(parts) => format!("({})", parts.iter().map(shape).collect::<Vec<_>>().join("|")),
            AstKind::Minus(a) => format!("-{}", shape(a)),
            AstKind::Is(a, name) => format!("({} is {})", shape(a), name.join(".")),
            AstKind::As(a, name) => format!("({} as {})", shape(a), name.join(".")),
            AstKind::Indexer(a, b) => format!("{}[{}]", shape(a), shape(b)),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn precedence_is_that_of_the_specification() {
        let cases = [
            ("1+2*3+4", "((1 Add (2 Multiply 3)) Add 4)"),
            ("-1.count()", "-1.count()"),
            ("a | b is X | c", "(a|(b is X)|c)"),
            ("1 > 2 is Boolean", "(1 Greater (2 is Boolean))"),
            ("a and b or c and d implies e", "(((a And b) Or (c And d)) Implies e)"),
            ("a in b and c contains d", "((a In b) And (c Contains d))"),
            ("a = b | c", "(a Equal (b|c))"),
            ("a.b[0].c(d, e)", "a.b[0].c(d,e)"),
            ("(a as FHIR.Quantity).unit", "(a as FHIR.Quantity).unit"),
            ("a - b - c", "((a Subtract b) Subtract c)"),
            ("x.as(y).contains('a').is(z)", "x.as(y).contains(String(\"a\")).is(z)"),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(&parse(text).expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn broken_expressions_name_their_place() {
        for text in ["", "2 + 2 /", "a.", "a(", "a[1", "and", "1 1", "a b", "@T14:34:28Z.is(Time)", "a is 1", "a.$this"]
        {
            let fault = parse(text).expect_err(text);
            assert!(fault.message().contains("column"), "{text}: {fault}");
        }
    }

    #[test]
    fn depth_is_bounded_but_long_paths_and_unions_are_not_deep() {
        assert!(parse(&format!("{}1{}", "(".repeat(1000), ")".repeat(1000))).is_err());
        assert!(parse(&"-".repeat(1000)).is_err());
        assert!(parse(&vec!["1"; 1000].join("+")).is_err());
        assert!(parse(&format!("a{}", ".b()".repeat(1000))).is_err());
        assert!(parse(&vec!["a"; 1000].join(".")).is_ok());
        assert!(parse(&vec!["a.b.c"; 1000].join("|")).is_ok());
        assert!(parse(&vec!["1"; MAX_DEPTH - 1].join("+")).is_ok());
    }
}
