//! The compiler: a tree to code. Functions become pointers, property names numbers, types ids; what
//! is unknown or not offered fails here, never while evaluating.

use smallvec::SmallVec;

use super::ast::{Ast, AstKind};
use super::code::{Code, SortOrder, Variable};
use super::functions::{Argument, Entry, find, find_of_view, find_terminology, pattern};
use super::model::{TypeSpec, type_by_name};
use super::node::Step;
use super::number;
use super::trouble;
use super::value::{CalendarUnit, Item, Quantity, Unit};
use crate::base::fault::{Fault, Result};

/// How a tree is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Whether `as` keeps what is of the type of several items.
    pub as_filters: bool,
    /// Whether a choice is also found by the name of its form.
    pub takes_forms: bool,
    /// Whether functions that ask services are refused.
    pub is_alone: bool,
    /// Whether the functions of views are there.
    pub is_view: bool,
}

/// The functions that ask services.
const WITH_SERVICES: [&str; 7] =
    ["conformsTo", "elementDefinition", "htmlChecks", "memberOf", "slice", "subsumedBy", "subsumes"];

/// Code for a tree of the expression `text`.
///
/// # Errors
/// 400 with line and column for an unknown function or type, a wrong number of arguments, a literal
/// out of range; `not-supported` for a function that is refused.
pub fn compile(text: &str, tree: &Ast, reading: Reading) -> Result<Code> {
    Compiler { text, reading }.code(tree)
}

struct Compiler<'t> {
    text: &'t str,
    reading: Reading,
}

impl Compiler<'_> {
    fn fail(&self, at: usize, message: impl Into<String>) -> Fault {
        trouble::syntax(self.text, at, message)
    }

    fn boxed(&self, tree: &Ast) -> Result<Box<Code>> {
        self.code(tree).map(Box::new)
    }

    fn on(&self, tree: Option<&Ast>) -> Result<Box<Code>> {
        tree.map_or_else(|| Ok(Box::new(Code::This)), |tree| self.boxed(tree))
    }

    fn code(&self, tree: &Ast) -> Result<Code> {
        Ok(match &tree.kind {
            AstKind::Empty => Code::Empty,
            AstKind::Boolean(value) => Code::Literal(Item::Bool(*value)),
            AstKind::String(text) => Code::Literal(Item::text(text.as_str())),
            AstKind::Number(text) => Code::Literal(self.number(text, tree.at)?),
            AstKind::Temporal(value) => Code::Literal(Item::Temporal(*value)),
            AstKind::Quantity(value, unit, is_word) => self.quantity(value, unit, *is_word, tree.at)?,
            AstKind::Variable(name) => variable(name),
            AstKind::This => Code::This,
            AstKind::Index => Code::Index,
            AstKind::Total => Code::Total,
            AstKind::Path(start, names) => self.path(start.as_deref(), names)?,
            AstKind::Call(on, name, arguments) => self.call(on.as_deref(), name, arguments, tree.at)?,
            AstKind::Indexer(on, index) => Code::Indexer(self.boxed(on)?, self.boxed(index)?),
            AstKind::Minus(operand) => Code::Minus(self.boxed(operand)?),
            AstKind::Plus(operand) => Code::Plus(self.boxed(operand)?),
            AstKind::Binary(operator, left, right) => Code::Binary(*operator, self.boxed(left)?, self.boxed(right)?),
            AstKind::Union(parts) => Code::Union(parts.iter().map(|part| self.code(part)).collect::<Result<_>>()?),
            AstKind::Is(operand, name) => Code::Is(self.boxed(operand)?, self.type_spec(name, tree.at)?),
            AstKind::As(operand, name) => self.as_type(self.boxed(operand)?, self.type_spec(name, tree.at)?),
            AstKind::Descending(_) => return Err(self.fail(tree.at, "`desc` belongs to a key of `sort`")),
        })
    }

    fn number(&self, text: &str, at: usize) -> Result<Item<'static>> {
        let found = if text.contains('.') {
            number::parse(text).map(Item::Decimal)
        } else {
            text.parse().ok().map(Item::Integer)
        };
        found.ok_or_else(|| self.fail(at, "the number is out of range"))
    }

    fn quantity(&self, value: &str, unit: &str, is_word: bool, at: usize) -> Result<Code> {
        let value = number::parse(value).ok_or_else(|| self.fail(at, "the number is out of range"))?;
        let word = if is_word { CalendarUnit::find(unit) } else { None };
        let unit = word.map_or_else(|| Unit::from_quoted(unit), Unit::Calendar);
        Ok(Code::Literal(Item::Quantity(Quantity { value, unit })))
    }

    /// A run of names. The first, if nothing stands before it, may be the name of a type.
    fn path(&self, start: Option<&Ast>, names: &[String]) -> Result<Code> {
        let is_type = |name: &String| name.starts_with(|c: char| c.is_ascii_uppercase());
        let root = names.first().filter(|name| start.is_none() && is_type(name)).and_then(|name| type_by_name(name));
        let (start, names) = match root {
            Some(root) => (Box::new(Code::Root(root)), &names[1..]),
            None => (self.on(start)?, names),
        };
        if names.is_empty() {
            return Ok(*start);
        }
        let steps: SmallVec<[Step; 2]> = names.iter().map(|name| Step::new(name, self.reading.takes_forms)).collect();
        Ok(Code::Path(start, steps))
    }

    fn as_type(&self, operand: Box<Code>, spec: TypeSpec) -> Code {
        if self.reading.as_filters { Code::OfType(operand, spec) } else { Code::As(operand, spec) }
    }

    fn type_spec(&self, name: &[String], at: usize) -> Result<TypeSpec> {
        TypeSpec::resolve(name)
            .ok_or_else(|| self.fail(at, format!("unknown type `{}`", name.join(".").escape_debug())))
    }

    fn call(&self, on: Option<&Ast>, name: &str, arguments: &[Ast], at: usize) -> Result<Code> {
        let shown = || name.escape_debug();
        let of_view = if self.reading.is_view { find_of_view(name) } else { None };
        let of_service = on.is_some_and(Ast::is_terminologies);
        let entry = if of_service { find_terminology(name) } else { of_view.or_else(|| find(name)) };
        let entry = entry.ok_or_else(|| self.fail(at, format!("unknown function `{}`", shown())))?;
        let (least, most) = match entry {
            Entry::Function(least, most, ..) => (least, most),
            Entry::Is | Entry::As | Entry::OfType => (1, 1),
            Entry::ReferenceKey => (0, 1),
        };
        if self.reading.is_alone && (of_service || WITH_SERVICES.contains(&name)) {
            let message = format!("the function `{name}` needs terminology or profiles, which are not available here");
            return Err(trouble::unsupported(self.text, at, message));
        }
        if !(least..=most).contains(&arguments.len()) {
            let message = format!("`{name}` takes {least} to {most} arguments and got {}", arguments.len());
            return Err(self.fail(at, message));
        }
        let on = if of_service { Box::new(Code::Empty) } else { self.on(on)? };
        Ok(match entry {
            Entry::Is => Code::Is(on, self.type_argument(&arguments[0])?),
            Entry::As => self.as_type(on, self.type_argument(&arguments[0])?),
            Entry::OfType => Code::OfType(on, self.type_argument(&arguments[0])?),
            Entry::ReferenceKey => {
                let kind = arguments.first().map(|argument| self.type_argument(argument)).transpose()?;
                Code::ReferenceKey(on, kind)
            }
            Entry::Function(_, _, kind, run) => {
                let has_no_flags = arguments.len() < most;
                let code = arguments.iter().enumerate();
                let code = code.map(|(at, argument)| self.argument(kind, at, argument, has_no_flags));
                Code::Call(on, run, code.collect::<Result<_>>()?)
            }
        })
    }

    /// The name of a type where an expression could stand: `ofType(FHIR.Patient)`.
    fn type_argument(&self, argument: &Ast) -> Result<TypeSpec> {
        match &argument.kind {
            AstKind::Path(None, names) => self.type_spec(names, argument.at),
            // the older form of FHIR's text: as('Quantity')
            AstKind::String(name) => self.type_spec(std::slice::from_ref(name), argument.at),
            _ => Err(self.fail(argument.at, "expected the name of a type")),
        }
    }

    fn argument(&self, kind: Argument, at: usize, tree: &Ast, has_no_flags: bool) -> Result<Code> {
        match (kind, &tree.kind) {
            (Argument::Pattern, AstKind::String(text)) if at == 0 && has_no_flags => {
                let found = pattern(text).map_err(|fault| self.fail(tree.at, fault.message()))?;
                Ok(Code::Pattern(Box::new(found), Item::text(text.as_str())))
            }
            (Argument::SortKey, AstKind::Minus(key)) => Ok(Code::SortKey(self.boxed(key)?, SortOrder::Negated)),
            (Argument::SortKey, AstKind::Descending(key)) => Ok(Code::SortKey(self.boxed(key)?, SortOrder::Descending)),
            (Argument::SortKey, _) => Ok(Code::SortKey(self.boxed(tree)?, SortOrder::Ascending)),
            _ => self.code(tree),
        }
    }
}

/// A variable; those with a fixed value become that value (FHIR R4 `fhirpath.html`, 2.9.1.7).
fn variable(name: &str) -> Code {
    let text = |text: &str| Code::Literal(Item::text(text));
    match name {
        "context" => Code::Variable(Variable::Context),
        "resource" => Code::Variable(Variable::Resource),
        "rootResource" => Code::Variable(Variable::RootResource),
        "ucum" => text("http://unitsofmeasure.org"),
        "sct" => text("http://snomed.info/sct"),
        "loinc" => text("http://loinc.org"),
        other => match (other.strip_prefix("vs-"), other.strip_prefix("ext-")) {
            (Some(id), _) => text(&format!("http://hl7.org/fhir/ValueSet/{id}")),
            (_, Some(id)) => text(&format!("http://hl7.org/fhir/StructureDefinition/{id}")),
            _ => Code::Variable(Variable::Named(other.into())),
        },
    }
}
