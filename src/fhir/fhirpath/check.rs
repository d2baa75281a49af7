//! The strict check: what an expression says, held against the definitions before it runs (FHIRPath, "Type safety and
//! strict evaluation"). What cannot be told, such as the type of `resolve()`, is let through; repetition is not judged.

use std::collections::BTreeSet;

use super::ast::{Ast, AstKind, Operator};
use super::model::{SystemType, TypeId, TypeKind, TypeSpec, system_of, type_by_name};
use super::operators;
use super::signature::{Gives, Scope, Signature, Takes, converts, result, signature_of};
use super::trouble;
use super::value::Item;
use crate::base::fault::{Fault, Result};
use crate::fhir::definitions::element::{all_types, properties};

/// Checks the tree of the expression `text`, which is to be run on elements of the type `context`, any when absent, with
/// the variables `given`, any when absent; `is_view`: as in views, where what is of unlike types may be compared for equality, which it never has.
///
/// # Errors
/// 400 with line and column for what cannot be right.
pub fn check(
    text: &str,
    tree: &Ast,
    context: Option<TypeId>,
    given: Option<&[&str]>,
    is_view: bool,
) -> Result<Option<Known>> {
    let root = context.map_or_else(Static::any, |kind| Static::of([Kind::Fhir(kind)]));
    let mut checker = Checker { text, root: root.clone(), given, is_view, defined: Vec::new() };
    let found = checker.expression(tree, &root)?;
    Ok(found.known())
}

/// The one type that all items of an expression have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A type of FHIR; its System type, if it has one too, is not told.
    Fhir(TypeId),
    /// A type of the System namespace.
    System(SystemType),
}

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Fhir(TypeId),
    System(SystemType),
    TypeInfo,
}

/// What is known of a collection before it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Static {
    /// The types that its items may have; none when they may have any.
    kinds: Option<BTreeSet<Kind>>,
    /// Whether its items have no order.
    is_unordered: bool,
}

impl Static {
    fn any() -> Self {
        Self { kinds: None, is_unordered: false }
    }

    fn of(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: Some(kinds.into_iter().collect()), is_unordered: false }
    }

    fn system(kind: SystemType) -> Self {
        Self::of([Kind::System(kind)])
    }

    /// The one type, if there is one. A type of FHIR comes before the System's of the same name.
    fn known(&self) -> Option<Known> {
        let kinds = self.kinds.as_ref()?;
        let fhir = |kind: &Kind| matches!(kind, Kind::Fhir(_));
        let mut few = kinds.iter().filter(|kind| fhir(kind) || !kinds.iter().any(fhir));
        match (few.next(), few.next()) {
            (Some(Kind::Fhir(kind)), None) => Some(Known::Fhir(*kind)),
            (Some(Kind::System(kind)), None) => Some(Known::System(*kind)),
            _ => None,
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.is_unordered |= other.is_unordered;
        match (&mut self.kinds, other.kinds) {
            (Some(all), Some(more)) => all.extend(more),
            (kinds, _) => *kinds = None,
        }
        self
    }

    /// The System types that its values may have; none when they may have any, or are elements without value.
    fn values(&self) -> Option<Vec<SystemType>> {
        let kinds = self.kinds.as_ref().filter(|kinds| !kinds.is_empty())?;
        Some(kinds.iter().filter_map(|kind| kind.value()).collect())
    }

    fn shown(&self) -> String {
        let Some(kinds) = &self.kinds else { return "anything".to_owned() };
        let names = kinds.iter().take(4).map(|kind| match kind {
            Kind::Fhir(id) => id.name().to_owned(),
            Kind::System(kind) => format!("System.{}", kind.name()),
            Kind::TypeInfo => "System.TypeInfo".to_owned(),
        });
        let shown = names.collect::<Vec<_>>().join(" or ");
        if kinds.len() > 4 { format!("{shown} or {} more", kinds.len() - 4) } else { shown }
    }
}

impl Kind {
    /// The System type of its value.
    fn value(self) -> Option<SystemType> {
        match self {
            Kind::System(kind) => Some(kind),
            Kind::Fhir(id) if id.name() == "xhtml" => Some(SystemType::String),
            Kind::Fhir(id) => system_of(id).or_else(|| {
                let quantity = type_by_name("Quantity")?;
                id.is_a(quantity).then_some(SystemType::Quantity)
            }),
            Kind::TypeInfo => None,
        }
    }

    /// Adds what a property leads to; whether there is such a property. `None` when it may lead to anything.
    fn child(self, name: &str, out: &mut BTreeSet<Kind>) -> Option<bool> {
        let before = out.len();
        match self {
            Kind::TypeInfo => {
                let known = matches!(name, "name" | "namespace" | "baseType");
                out.extend(known.then_some(Kind::System(SystemType::String)));
            }
            Kind::System(SystemType::Quantity) if name == "value" => {
                out.insert(Kind::System(SystemType::Decimal));
            }
            Kind::System(SystemType::Quantity) if name == "unit" => {
                out.insert(Kind::System(SystemType::String));
            }
            Kind::System(_) => {}
            Kind::Fhir(id) if id.kind() == TypeKind::Primitive => {
                let element = type_by_name("Element")?;
                out.extend(children(element, name));
                out.extend(self.value().filter(|_| name == "value").map(Kind::System));
            }
            Kind::Fhir(id) => {
                out.extend(children(id, name));
                // any resource may stand where the definitions say no more
                let is_open = id.kind() == TypeKind::Resource && id.resource_type().is_none();
                if is_open
                    && out.len() == before
                    && all_types().any(|t| t.is_a(id) && children(t, name).next().is_some())
                {
                    return None;
                }
            }
        }
        Some(out.len() > before)
    }
}

/// The types of an element of a type.
fn children(owner: TypeId, name: &str) -> impl Iterator<Item = Kind> {
    properties(owner).iter().filter(move |p| p.element == name).map(|p| Kind::Fhir(p.type_id))
}

/// Where an expression stands.
struct Checker<'t> {
    text: &'t str,
    root: Static,
    given: Option<&'t [&'t str]>,
    /// Whether it is for a view: what is of unlike types may be compared for equality, and `%rowIndex` is a number.
    is_view: bool,
    /// What `defineVariable` defines in the scopes around; a name that is not a literal is `None`, and may be any.
    defined: Vec<(Option<String>, Static)>,
}

impl Checker<'_> {
    fn fail<T>(&self, at: usize, message: impl Into<String>) -> Result<T> {
        Err(self.fault(at, message))
    }

    fn fault(&self, at: usize, message: impl Into<String>) -> Fault {
        trouble::syntax(self.text, at, message)
    }

    /// An expression on its own: what it defines ends with it.
    fn expression(&mut self, tree: &Ast, this: &Static) -> Result<Static> {
        let before = self.defined.len();
        let found = self.chain(tree, this);
        self.defined.truncate(before);
        found
    }

    fn chain(&mut self, tree: &Ast, this: &Static) -> Result<Static> {
        Ok(match &tree.kind {
            AstKind::Empty => Static::of([]),
            AstKind::Boolean(_) => Static::system(SystemType::Boolean),
            AstKind::String(_) => Static::system(SystemType::String),
            AstKind::Number(text) if text.contains('.') => Static::system(SystemType::Decimal),
            AstKind::Number(_) | AstKind::Index => Static::system(SystemType::Integer),
            AstKind::Temporal(value) => Item::Temporal(*value).system_type().map_or_else(Static::any, Static::system),
            AstKind::Quantity(..) => Static::system(SystemType::Quantity),
            AstKind::Variable(name) => self.variable(name, tree.at)?,
            AstKind::This => this.clone(),
            AstKind::Total => Static::any(),
            AstKind::Path(start, names) => self.path(start.as_deref(), names, tree.at, this)?,
            AstKind::Call(on, name, arguments) => self.call(on.as_deref(), name, arguments, tree.at, this)?,
            AstKind::Indexer(on, index) => {
                let on = self.chain(on, this)?;
                self.expression(index, this)?;
                self.ordered(&on, "an index", tree.at)?;
                on
            }
            AstKind::Minus(operand) | AstKind::Plus(operand) => {
                let operand = self.expression(operand, this)?;
                let takes = &[SystemType::Integer, SystemType::Decimal, SystemType::Quantity];
                self.takes(&operand, takes, "a sign", tree.at)?;
                operand
            }
            AstKind::Descending(key) => self.expression(key, this)?,
            AstKind::Binary(operator, left, right) => self.binary(*operator, left, right, tree.at, this)?,
            AstKind::Union(parts) => {
                let mut all = Static::of([]);
                for part in parts {
                    all = all.and(self.expression(part, this)?);
                }
                all
            }
            AstKind::Is(operand, _) => {
                self.chain(operand, this)?;
                Static::system(SystemType::Boolean)
            }
            AstKind::As(operand, name) => {
                self.chain(operand, this)?;
                named_type(name)
            }
        })
    }

    fn variable(&self, name: &str, at: usize) -> Result<Static> {
        if let Some((_, found)) = self.defined.iter().find(|(known, _)| known.as_deref() == Some(name)) {
            return Ok(found.clone());
        }
        let is_resource = |found: &Static| {
            found.kinds.iter().flatten().all(|k| matches!(k, Kind::Fhir(id) if id.kind() == TypeKind::Resource))
        };
        Ok(match name {
            "context" => self.root.clone(),
            "resource" if is_resource(&self.root) => self.root.clone(),
            "resource" | "rootResource" => Static::any(),
            "ucum" | "sct" | "loinc" => Static::system(SystemType::String),
            "rowIndex" if self.is_view => Static::system(SystemType::Integer),
            _ if name.starts_with("vs-") || name.starts_with("ext-") => Static::system(SystemType::String),
            _ => {
                let may_be = self.defined.iter().any(|(known, _)| known.is_none());
                if !may_be && self.given.is_some_and(|given| !given.contains(&name)) {
                    return self.fail(at, format!("unknown variable `%{}`", name.escape_debug()));
                }
                Static::any()
            }
        })
    }

    /// A run of names; the first, with nothing before it, may be the name of a type.
    fn path(&mut self, start: Option<&Ast>, names: &[String], at: usize, this: &Static) -> Result<Static> {
        let mut rest = names;
        let mut found = match start {
            Some(start) => self.chain(start, this)?,
            None => this.clone(),
        };
        let is_type = |name: &&String| name.starts_with(|c: char| c.is_ascii_uppercase());
        let root = names.first().filter(|name| start.is_none() && is_type(name)).and_then(|name| type_by_name(name));
        if let Some(root) = root {
            let fits = |kind: &Kind| matches!(kind, Kind::Fhir(id) if id.is_a(root) || root.is_a(*id));
            if found.kinds.as_ref().is_some_and(|kinds| !kinds.iter().any(fits)) {
                return self.fail(at, format!("the path begins with {} and stands on {}", root.name(), found.shown()));
            }
            let of_root = |kind: &Kind| matches!(kind, Kind::Fhir(id) if id.is_a(root));
            let kinds = found.kinds.iter().flatten().copied().filter(of_root);
            let kinds: BTreeSet<Kind> = kinds.collect();
            found = if kinds.is_empty() { Static::of([Kind::Fhir(root)]) } else { Static::of(kinds) };
            rest = &names[1..];
        }
        for name in rest {
            found = self.step(&found, name, at)?;
        }
        Ok(found)
    }

    fn step(&self, from: &Static, name: &str, at: usize) -> Result<Static> {
        let Some(kinds) = &from.kinds else { return Ok(from.clone()) };
        let mut next = BTreeSet::new();
        let mut known = kinds.is_empty();
        for kind in kinds {
            match kind.child(name, &mut next) {
                None => return Ok(Static { kinds: None, is_unordered: from.is_unordered }),
                Some(has) => known |= has,
            }
        }
        if !known {
            return self.fail(at, format!("{} has no element `{}`", from.shown(), name.escape_debug()));
        }
        Ok(Static { kinds: Some(next), is_unordered: from.is_unordered })
    }

    /// Checks that values may be of one of the types.
    fn takes(&self, found: &Static, takes: Takes, what: &str, at: usize) -> Result<()> {
        let Some(values) = found.values().filter(|_| !takes.is_empty()) else { return Ok(()) };
        // FHIR's dates are texts too, where one is asked for
        let is_text = |kind: &Kind| matches!(kind, Kind::Fhir(id) if id.kind() == TypeKind::Primitive);
        let as_text = takes.contains(&SystemType::String) && found.kinds.iter().flatten().any(is_text);
        if as_text || values.iter().any(|value| takes.iter().any(|taken| converts(*value, *taken))) {
            return Ok(());
        }
        let wanted: Vec<&str> = takes.iter().map(|kind| kind.name()).collect();
        self.fail(at, format!("{what} takes {} and gets {}", wanted.join(" or "), found.shown()))
    }

    fn ordered(&self, found: &Static, what: &str, at: usize) -> Result<()> {
        if found.is_unordered {
            return self.fail(at, format!("{what} needs an order, and `children()` and `descendants()` have none"));
        }
        Ok(())
    }

    fn binary(&mut self, operator: Operator, left: &Ast, right: &Ast, at: usize, this: &Static) -> Result<Static> {
        let (a, b) = (self.expression(left, this)?, self.expression(right, this)?);
        let decides = matches!(operator, Operator::And | Operator::Or | Operator::Xor | Operator::Implies);
        if decides || matches!(operator, Operator::In | Operator::Contains) {
            return Ok(Static::system(SystemType::Boolean));
        }
        let (Some(xs), Some(ys)) = (a.values(), b.values()) else {
            let known = result(operator, SystemType::Boolean, SystemType::Boolean);
            return Ok(known.map_or_else(Static::any, Static::system));
        };
        let is_equality =
            matches!(operator, Operator::Equal | Operator::NotEqual | Operator::Equivalent | Operator::NotEquivalent);
        // elements without value are compared as a whole
        if is_equality && (xs.is_empty() || ys.is_empty()) {
            return Ok(Static::system(SystemType::Boolean));
        }
        let results: BTreeSet<Kind> =
            xs.iter().flat_map(|x| ys.iter().filter_map(|y| result(operator, *x, *y))).map(Kind::System).collect();
        if results.is_empty() && is_equality && self.is_view {
            return Ok(Static::system(SystemType::Boolean));
        }
        if results.is_empty() {
            let sign = operators::sign(operator);
            return self.fail(at, format!("`{sign}` is not defined for {} and {}", a.shown(), b.shown()));
        }
        Ok(Static::of(results))
    }

    fn call(&mut self, on: Option<&Ast>, name: &str, arguments: &[Ast], at: usize, this: &Static) -> Result<Static> {
        if on.is_some_and(Ast::is_terminologies) {
            return self.terminology(name, arguments, this);
        }
        let input = match on {
            Some(on) => self.chain(on, this)?,
            None => this.clone(),
        };
        if matches!(name, "is" | "as" | "ofType") {
            return Ok(match &arguments[0].kind {
                _ if name == "is" => Static::system(SystemType::Boolean),
                AstKind::Path(None, names) => named_type(names),
                AstKind::String(text) => named_type(std::slice::from_ref(text)),
                _ => Static::any(),
            });
        }
        if matches!(name, "getResourceKey" | "getReferenceKey") {
            return Ok(Static::system(SystemType::String));
        }
        let period = type_by_name("Period").map(Kind::Fhir);
        if matches!(name, "lowBoundary" | "highBoundary")
            && input.kinds.as_ref().is_some_and(|kinds| kinds.len() == 1 && kinds.first() == period.as_ref())
        {
            return Ok(Static::of(type_by_name("dateTime").map(Kind::Fhir)));
        }
        let signature = signature_of(name);
        let shown = format!("`{name}`");
        self.takes(&input, signature.input, &shown, at)?;
        let mut given = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let last = signature.arguments.len().saturating_sub(1);
            let (scope, takes) = signature.arguments.get(index.min(last)).copied().unwrap_or((Scope::Outer, &[]));
            // `-key` says how to sort, whatever the key is
            let argument = match &argument.kind {
                AstKind::Minus(key) if name == "sort" => key,
                _ => argument,
            };
            let found = match &argument.kind {
                AstKind::Union(parts) if matches!(name, "repeat" | "repeatAll") => self.repeated(parts, &input)?,
                _ => self.expression(argument, if scope == Scope::Item { &input } else { this })?,
            };
            self.takes(&found, takes, &format!("an argument of {shown}"), argument.at)?;
            given.push(found);
        }
        if name == "iif" {
            self.takes(&given[0], &[SystemType::Boolean], "the criterion of `iif`", arguments[0].at)?;
        }
        if name == "defineVariable" {
            let literal = match &arguments[0].kind {
                AstKind::String(text) => Some(text.clone()),
                _ => None,
            };
            self.defined.push((literal, given.get(1).unwrap_or(&input).clone()));
        }
        self.gives(signature, input, given, &shown, at)
    }

    /// What a repeated union finds: one of its parts may be about what another has found.
    fn repeated(&mut self, parts: &[Ast], input: &Static) -> Result<Static> {
        let mut from = input.clone();
        loop {
            let (mut found, mut failed) = (Static::of([]), None);
            for part in parts {
                match self.expression(part, &from) {
                    Ok(more) => found = found.and(more),
                    Err(fault) => failed = Some(fault),
                }
            }
            let all = from.clone().and(found.clone());
            match failed {
                None => return Ok(found),
                Some(fault) if all.kinds == from.kinds => return Err(fault),
                Some(_) => from = all,
            }
        }
    }

    /// An operation of `%terminologies`: the last argument is a text.
    fn terminology(&mut self, name: &str, arguments: &[Ast], this: &Static) -> Result<Static> {
        let needed = if name == "subsumes" { 3 } else { 1 + usize::from(!matches!(name, "expand" | "lookup")) };
        for (index, argument) in arguments.iter().enumerate() {
            let found = self.expression(argument, this)?;
            let takes: Takes = if index == needed { &[SystemType::String] } else { &[] };
            self.takes(&found, takes, "`params`", argument.at)?;
        }
        let resource = |name: &str| Static::of(type_by_name(name).map(Kind::Fhir));
        Ok(match name {
            "expand" => resource("ValueSet"),
            "subsumes" => Static::system(SystemType::String),
            _ => resource("Parameters"),
        })
    }

    fn gives(&self, by: Signature, input: Static, given: Vec<Static>, shown: &str, at: usize) -> Result<Static> {
        Ok(match by.gives {
            Gives::One(kind) | Gives::Many(kind) => Static::system(kind),
            Gives::Rounded(kind) => Static::of([Kind::System(kind), Kind::System(SystemType::Quantity)]),
            Gives::Input => input,
            Gives::OneOfInput | Gives::SomeOfInput => {
                self.ordered(&input, shown, at)?;
                input
            }
            Gives::InputAndArgument => given.into_iter().take(1).fold(input, Static::and),
            Gives::Argument(index) => {
                let found = given.into_iter().nth(index).unwrap_or_else(Static::any);
                Static { is_unordered: found.is_unordered || input.is_unordered, ..found }
            }
            Gives::AnyArgument(first) => given.into_iter().skip(first).fold(Static::of([]), Static::and),
            Gives::Extensions => type_by_name("Extension").map_or_else(Static::any, |id| Static::of([Kind::Fhir(id)])),
            Gives::Elements(is_unordered) => Static { kinds: None, is_unordered },
            Gives::TypeInfo => Static::of([Kind::TypeInfo]),
        })
    }
}

/// What a type specifier selects.
fn named_type(name: &[String]) -> Static {
    let Some(spec) = TypeSpec::resolve(name) else { return Static::any() };
    Static::of(spec.fhir.map(Kind::Fhir).into_iter().chain(spec.system.map(Kind::System)))
}
