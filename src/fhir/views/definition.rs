//! From a ViewDefinition to what runs (SQL on FHIR, "ViewDefinition").

use std::collections::BTreeSet;

use super::cell::{Cell, Row};
use super::column::{Column, ColumnType, Storage};
use super::reader::{Part, of_expression};
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits;
use crate::fhir::definitions::element::{TypeId, resource_type_id, type_by_name};
use crate::fhir::fhirpath::{Expression, Known, Options, SystemType, compile_typed};
use crate::fhir::json::Json;
use crate::fhir::types::ResourceType;
use crate::fhir::validate::primitive::Primitive;

/// The variable that counts the elements of an iteration.
pub const ROW_INDEX: &str = "rowIndex";

/// Names that FHIRPath has taken already.
const RESERVED: [&str; 7] = [ROW_INDEX, "context", "resource", "rootResource", "ucum", "sct", "loinc"];

/// The types that a constant may have.
const CONSTANT_TYPES: [&str; 19] = [
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "integer64",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
];

/// A compiled ViewDefinition. It can be shared between threads and run any number of times.
#[derive(Debug)]
pub struct View {
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// The type of the resources that it is of.
    pub kind: ResourceType,
    pub(super) constants: Vec<Constant>,
    pub(super) conditions: Vec<Condition>,
    pub(super) root: Select,
    columns: Vec<Column>,
}

/// A value that expressions may name.
#[derive(Debug)]
pub(super) struct Constant {
    /// Its name, without `%`.
    pub name: Box<str>,
    /// Its value.
    pub value: Json,
    /// Its FHIR type.
    pub kind: Option<TypeId>,
}

/// What a resource must be to be in the view.
#[derive(Debug)]
pub(super) struct Condition {
    /// Must yield true.
    pub path: Expression,
    /// Where it stands.
    pub place: String,
}

/// A selection structure.
#[derive(Debug, Default)]
pub(super) struct Select {
    /// Over what it goes.
    pub iteration: Iteration,
    /// Its own columns, by their places in the table.
    pub columns: Vec<OwnColumn>,
    /// Those whose rows are combined with its own.
    pub selects: Vec<Select>,
    /// Those whose rows are put together before.
    pub unions: Vec<Select>,
    /// The place of its first column in the table; those below it come after its own.
    pub first: usize,
    /// What stands for it when `forEachOrNull` finds nothing.
    pub nulls: Row,
}

/// A column and where its values come from.
#[derive(Debug)]
pub(super) struct OwnColumn {
    /// Yields the values.
    pub path: Expression,
    /// Whether each value is a list.
    pub is_list: bool,
}

/// Over what a selection structure goes.
#[derive(Debug, Default)]
pub(super) enum Iteration {
    /// The element that it stands on.
    #[default]
    Once,
    /// Each of some elements.
    Each(Expression),
    /// The same; nothing counts as one without values.
    EachOrNull(Expression),
    /// All that is reached by going on and on.
    Repeat(Vec<Expression>),
}

impl View {
    /// Compiles the definition that stands at `place`.
    ///
    /// # Errors
    /// 422 with the place of what is missing, unknown, contradictory, or no FHIRPath.
    pub fn compile(definition: &Json, place: &str) -> Result<Self> {
        let root = Part::root(definition, place);
        if definition.as_object().is_none() {
            return Err(root.wrong("", format!("a ViewDefinition is an object, not {}", definition.kind())));
        }
        if definition.get("resourceType").is_some_and(|kind| kind.as_str() != Some("ViewDefinition")) {
            return Err(root.wrong("resourceType", "this is another resource"));
        }
        let name = root.text("name")?;
        let kind = root.needed("resource")?;
        let known = ResourceType::find(kind);
        let kind = known.ok_or_else(|| root.wrong("resource", format!("unknown type \"{}\"", kind.escape_debug())))?;
        check_status(&root)?;
        let constants = constants(&root)?;
        let mut names: Vec<&str> = constants.iter().map(|constant| &*constant.name).collect();
        names.push(ROW_INDEX);
        let mut compiler = Compiler { names: &names, columns: Vec::new() };
        let context = Some(resource_type_id(kind));
        let mut select = Select::default();
        for part in root.needed_list("select")? {
            select.selects.push(compiler.select(&part, context)?);
        }
        let conditions = compiler.conditions(&root, context)?;
        let columns = compiler.columns;
        Ok(Self { name: name.map(Box::from), kind, constants, conditions, root: select, columns })
    }

    /// The columns in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

fn check_status(root: &Part<'_>) -> Result<()> {
    match root.text("status")? {
        None | Some("draft" | "active" | "retired" | "unknown") => Ok(()),
        Some(_) => Err(root.wrong("status", "the status is draft, active, retired or unknown")),
    }
}

fn constants(root: &Part<'_>) -> Result<Vec<Constant>> {
    let mut found: Vec<Constant> = Vec::new();
    for part in root.list("constant")? {
        if found.len() >= limits::VIEW_COLUMNS {
            return Err(part.wrong("", format!("a view has at most {} constants", limits::VIEW_COLUMNS)));
        }
        let name = part.needed("name")?;
        let shown = name.escape_debug();
        check_name(&part, name)?;
        if RESERVED.contains(&name) || name.starts_with("vs-") || name.starts_with("ext-") {
            return Err(part.wrong("name", format!("%{shown} has a meaning already")));
        }
        if found.iter().any(|constant| *constant.name == *name) {
            return Err(part.wrong("name", format!("constant '{shown}' is defined twice")));
        }
        let values = part.json.as_object().into_iter().flat_map(|object| object.iter());
        let mut values = values.filter_map(|(name, value)| Some((name.as_str().strip_prefix("value")?, value)));
        let (Some((kind, value)), None) = (values.next(), values.next()) else {
            return Err(part.wrong("", format!("constant '{shown}' needs one value")));
        };
        let kind = CONSTANT_TYPES.iter().find(|known| known.len() == kind.len() && known.eq_ignore_ascii_case(kind));
        let kind = kind.ok_or_else(|| part.wrong("", format!("constant '{shown}' is of a type that none may have")))?;
        let fits = match *kind {
            "boolean" => value.as_bool().is_some(),
            "decimal" => value.as_number().is_some(),
            "integer" | "positiveInt" | "unsignedInt" => {
                value.as_number().is_some_and(|number| number.as_str().parse::<i64>().is_ok())
            }
            // 64 bits do not fit into the numbers of JSON, so FHIR writes them as a text
            "integer64" => value.as_number().is_some() || value.as_str().is_some(),
            _ => value.as_str().is_some_and(|text| !text.is_empty()),
        };
        let is_of_format = *kind == "integer64" || Primitive::find(kind).is_none_or(|kind| kind.check(value).is_ok());
        if !fits || !is_of_format {
            return Err(part.wrong("", format!("the value of constant '{shown}' is no {kind}")));
        }
        found.push(Constant { name: name.into(), value: value.clone(), kind: type_by_name(kind) });
    }
    Ok(found)
}

/// A name that databases take as it is (constraint `sql-name`).
fn check_name(part: &Part<'_>, name: &str) -> Result<()> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.len() <= 255 {
        return Ok(());
    }
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    Err(part.wrong("name", format!("'{shown}': a name has letters, digits and `_`, and begins with a letter")))
}

struct Compiler<'a> {
    /// The variables that expressions may name.
    names: &'a [&'a str],
    /// The columns so far, in their order.
    columns: Vec<Column>,
}

impl Compiler<'_> {
    /// An expression at a property; with a context it is checked against that type.
    fn path(&self, part: &Part<'_>, name: &str, context: Option<TypeId>) -> Result<(Expression, Option<Known>)> {
        self.expression(part.needed(name)?, context).map_err(|fault| {
            let column = part.text("name").ok().flatten();
            let whose = column.map_or_else(|| format!("`{name}`"), |column| format!("column '{column}'"));
            of_expression(&fault, &whose, format!("{}.{name}", part.place))
        })
    }

    fn expression(&self, text: &str, context: Option<TypeId>) -> Result<(Expression, Option<Known>)> {
        let variables = Some(self.names);
        compile_typed(text, &Options { context, variables, is_alone: true, is_view: true, ..Options::default() })
    }

    fn conditions(&self, root: &Part<'_>, context: Option<TypeId>) -> Result<Vec<Condition>> {
        let mut found = Vec::new();
        for part in root.list("where")? {
            let (path, known) = self.path(&part, "path", context)?;
            let is_boolean = match known {
                Some(Known::Fhir(kind)) => kind.name() == "boolean",
                Some(Known::System(kind)) => kind == SystemType::Boolean,
                None => true,
            };
            if !is_boolean {
                return Err(part.wrong("path", "the path of `where` must yield a boolean"));
            }
            found.push(Condition { path, place: format!("{}.path", part.place) });
        }
        Ok(found)
    }

    /// A selection structure on elements of a type, `None` when that is not known.
    fn select(&mut self, part: &Part<'_>, context: Option<TypeId>) -> Result<Select> {
        let (iteration, context) = self.iteration(part, context)?;
        let mut select = Select { iteration, first: self.columns.len(), ..Select::default() };
        for part in part.list("column")? {
            let column = self.column(&part, context, &mut select.nulls)?;
            select.columns.push(column);
        }
        for part in part.list("select")? {
            let inner = self.select(&part, context)?;
            select.nulls.extend(inner.nulls.iter().cloned());
            select.selects.push(inner);
        }
        let unions = part.list("unionAll")?;
        let start = self.columns.len();
        for (at, part) in unions.iter().enumerate() {
            let before = self.columns.split_off(start);
            let inner = self.select(part, context)?;
            if at == 0 {
                select.nulls.extend(inner.nulls.iter().cloned());
            } else {
                let branch = self.columns.split_off(start);
                self.columns.extend(before);
                self.agree(part, start, &branch)?;
            }
            select.unions.push(inner);
        }
        if self.columns.len() == select.first {
            return Err(part.wrong("", "a select needs a column, a select or a unionAll"));
        }
        if self.columns.len() > limits::VIEW_COLUMNS {
            return Err(part.wrong("", format!("a view has at most {} columns", limits::VIEW_COLUMNS)));
        }
        Ok(select)
    }

    /// Checks that a branch of `unionAll` has the columns of the first one.
    fn agree(&mut self, part: &Part<'_>, start: usize, branch: &[Column]) -> Result<()> {
        let first = &mut self.columns[start..];
        let names = |columns: &[Column]| columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(", ");
        if names(first) != names(branch) {
            let message = format!("the branches of unionAll differ: ({}) and ({})", names(first), names(branch));
            return Err(part.wrong("", message));
        }
        for (first, other) in first.iter_mut().zip(branch) {
            let types = first.family.as_ref().zip(other.family.as_ref()).filter(|(own, other)| own != other);
            let types = types.map(|(own, other)| format!("{} and {}", own.name(), other.name()));
            let lists = (first.is_list != other.is_list).then(|| "a collection and none".to_owned());
            if let Some(what) = types.or(lists) {
                let message = format!("column '{}' has another type in another branch of unionAll: {what}", first.name);
                return Err(part.wrong("", message));
            }
            if first.family.is_none() && other.declared.is_some() {
                first.family.clone_from(&other.family);
            }
            if first.storage != other.storage && first.declared.is_none() {
                first.storage = if other.declared.is_some() { other.storage } else { Storage::Text };
                first.declared.clone_from(&other.declared);
            }
            first.is_open |= other.is_open;
        }
        Ok(())
    }

    /// Over what a structure goes, and the type of what its paths stand on.
    fn iteration(&self, part: &Part<'_>, context: Option<TypeId>) -> Result<(Iteration, Option<TypeId>)> {
        let there = ["forEach", "forEachOrNull", "repeat"].into_iter().filter(|name| part.json.get(name).is_some());
        let there: Vec<&str> = there.collect();
        match there[..] {
            [] => Ok((Iteration::Once, context)),
            ["repeat"] => self.repeat(part, context),
            [name] => {
                let (path, known) = self.path(part, name, context)?;
                let iteration = if name == "forEach" { Iteration::Each(path) } else { Iteration::EachOrNull(path) };
                Ok((iteration, known.and_then(element_type)))
            }
            _ => Err(part.wrong("", format!("only one of {} may be there", there.join(", ")))),
        }
    }

    fn repeat(&self, part: &Part<'_>, context: Option<TypeId>) -> Result<(Iteration, Option<TypeId>)> {
        let texts = match part.json.get("repeat") {
            Some(Json::Array(texts)) if !texts.is_empty() => texts,
            _ => return Err(part.wrong("repeat", "`repeat` is a list of paths")),
        };
        let mut paths = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let place = format!("repeat[{at}]");
            let text = text.as_str().ok_or_else(|| part.wrong(&place, "a path is a string"))?;
            // on the way there are elements of several types: what one of them lacks is no error
            let (path, _) = self
                .expression(text, None)
                .map_err(|fault| of_expression(&fault, "`repeat`", format!("{}.{place}", part.place)))?;
            paths.push(path);
        }
        let kind = context.and_then(|context| self.reached(&paths, context));
        Ok((Iteration::Repeat(paths), kind))
    }

    /// The one type of all elements that paths reach from one of a type, if it is one.
    fn reached(&self, paths: &[Expression], context: TypeId) -> Option<TypeId> {
        let (mut found, mut todo) = (BTreeSet::new(), vec![context]);
        while let Some(from) = todo.pop() {
            for path in paths {
                let Ok((_, known)) = self.expression(path.text(), Some(from)) else { continue };
                let kind = known.and_then(element_type)?;
                if found.insert(kind) {
                    todo.push(kind);
                }
            }
        }
        let mut found = found.into_iter();
        found.next().filter(|_| found.next().is_none())
    }

    fn column(&mut self, part: &Part<'_>, context: Option<TypeId>, nulls: &mut Row) -> Result<OwnColumn> {
        let name = part.needed("name")?;
        check_name(part, name)?;
        // Before their names are compared with one another.
        if self.columns.len() >= limits::VIEW_COLUMNS {
            return Err(part.wrong("", format!("a view has at most {} columns", limits::VIEW_COLUMNS)));
        }
        if self.columns.iter().any(|column| *column.name == *name) {
            return Err(part.wrong("name", format!("column '{name}' is defined twice")));
        }
        let is_list = part.flag("collection")?;
        let (path, known) = self.path(part, "path", context)?;
        let kind = match part.text("type")? {
            Some(text) => ColumnType::declared(text)
                .map_err(|fault| part.wrong("type", format!("column '{name}': {}", fault.message())))?,
            None => ColumnType::inferred(known),
        };
        let ColumnType { storage, is_open, declared, family } = kind;
        let storage = tagged(part)?.unwrap_or(storage);
        let is_index = path.text().trim() == format!("%{ROW_INDEX}");
        let column = Column { name: name.into(), storage, is_list, declared, is_open, family };
        let null = if is_index { Cell::Number(0.into()) } else { Cell::Null };
        nulls.push(column.typed(null).map_err(|fault| part.wrong("type", fault.message()))?);
        self.columns.push(column);
        Ok(OwnColumn { path, is_list })
    }
}

/// The type of the tag `ansi/type`, if there is one that is known.
fn tagged(part: &Part<'_>) -> Result<Option<Storage>> {
    let mut found = None;
    // the property of the definition, and as the examples of the specification spell it
    for list in ["tag", "tags"] {
        for tag in part.list(list)? {
            let value = tag.text("value")?;
            if tag.text("name")? == Some("ansi/type") {
                found = value.and_then(Storage::of_tag);
            }
        }
    }
    Ok(found)
}

fn element_type(known: Known) -> Option<TypeId> {
    match known {
        Known::Fhir(kind) => Some(kind),
        Known::System(_) => None,
    }
}

/// A fault of the definition while it runs, at a place of it.
pub(super) fn failed(place: &str, message: impl Into<String>) -> Fault {
    Fault::coded(Category::Unprocessable, "processing", message).at(place)
}
