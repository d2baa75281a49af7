//! Running a view on one resource (SQL on FHIR, "Processing Algorithm").

use std::cell::Cell as Counter;

use super::cell::{Cell, Row};
use super::definition::{Constant, Iteration, ROW_INDEX, Select, View, failed};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits;
use crate::fhir::definitions::element::type_by_name;
use crate::fhir::fhirpath::{Bounds, Collection, Context, Expression, Item, Node, TemporalKind, to_text};
use crate::fhir::json::{Json, Number};

/// The variables of an evaluation.
type Variables<'a> = [(&'a str, Vec<Item<'a>>)];

impl View {
    /// The rows of a resource; none of one of another type, or that the conditions leave out.
    ///
    /// # Errors
    /// 422 for a column with several values that is no collection, a value that is not of its column's type, a condition
    /// that yields no Boolean, or an evaluation that cannot go on; `too-costly` when a bound is reached. It names
    /// columns and ids, never values.
    pub fn rows(&self, resource: &Json, now: Timestamp) -> Result<Vec<Row>> {
        let node = Node::resource(resource);
        if node.type_id.is_none_or(|kind| kind.resource_type() != Some(self.kind)) {
            return Ok(Vec::new());
        }
        let name = || {
            let id = resource.get("id").and_then(Json::as_str).unwrap_or("(without id)");
            format!("{}/{}", self.kind, id.chars().take(64).collect::<String>())
        };
        self.processed(node, now).map_err(|fault| {
            let fault = if fault.category() == Category::Internal { fault } else { unprocessable(&fault) };
            fault.context(name())
        })
    }

    fn processed<'a>(&'a self, resource: Node<'a>, now: Timestamp) -> Result<Vec<Row>> {
        let run = Run { view: self, resource, now, steps: Counter::new(limits::VIEW_STEPS), cells: Counter::new(0) };
        let variables = run.variables(0);
        for condition in &self.conditions {
            let found = run.eval(&condition.path, resource, &variables)?;
            let is_true = match found.as_slice() {
                [] => false,
                [Item::Bool(value)] => *value,
                [Item::Node(Node { json: Json::Bool(value), .. })] => *value,
                _ => return Err(failed(&condition.place, "the path of `where` must yield a boolean")),
            };
            if !is_true {
                return Ok(Vec::new());
            }
        }
        run.select(&self.root, resource, &variables)
    }
}

/// The fault of a value as one of the view on it.
fn unprocessable(fault: &Fault) -> Fault {
    Fault::of(Category::Unprocessable, fault.issues().to_vec())
}

struct Run<'v> {
    view: &'v View,
    resource: Node<'v>,
    now: Timestamp,
    /// Steps of evaluation that are left.
    steps: Counter<u64>,
    /// Cells that were made.
    cells: Counter<usize>,
}

impl<'v> Run<'v> {
    /// The constants and the number of the element within its iteration.
    fn variables(&self, index: usize) -> Vec<(&'v str, Vec<Item<'v>>)> {
        let constant = |constant: &'v Constant| {
            let node = Node { json: &constant.value, sibling: None, type_id: constant.kind };
            (&*constant.name, vec![Item::Node(node)])
        };
        let index = Item::Integer(i64::try_from(index).unwrap_or(i64::MAX));
        self.view.constants.iter().map(constant).chain([(ROW_INDEX, vec![index])]).collect()
    }

    fn eval<'b>(&self, path: &Expression, node: Node<'b>, variables: &'b Variables<'b>) -> Result<Collection<'b>>
    where
        'v: 'b,
    {
        let bounds = Bounds { steps: self.steps.get(), ..Bounds::default() };
        let now = Some(self.now);
        let context = Context { variables, now, bounds, ..Context::new(self.resource) };
        let (found, steps) = path.eval_counted(node, &context);
        self.steps.set(self.steps.get().saturating_sub(steps));
        found
    }

    /// All rows of a structure on an element.
    fn select<'b>(&self, select: &'b Select, node: Node<'b>, variables: &'b Variables<'b>) -> Result<Vec<Row>>
    where
        'v: 'b,
    {
        let foci = match &select.iteration {
            Iteration::Once => return self.one(select, node, variables),
            Iteration::Each(path) | Iteration::EachOrNull(path) => self.eval(path, node, variables)?,
            Iteration::Repeat(paths) => {
                let mut found = Collection::new();
                self.repeat(paths, node, variables, 0, &mut found)?;
                found
            }
        };
        let mut rows = Vec::new();
        if foci.is_empty() && matches!(select.iteration, Iteration::EachOrNull(_)) {
            self.made(select.nulls.len())?;
            rows.push(select.nulls.clone());
        }
        for (at, item) in foci.iter().enumerate() {
            let variables = self.variables(at);
            // values that were calculated are seen as elements of the FHIR type that they have
            let (json, kind) = match item {
                Item::Node(node) => {
                    rows.extend(self.one(select, *node, &variables)?);
                    continue;
                }
                value => as_element(value),
            };
            let node = Node { json: &json, sibling: None, type_id: type_by_name(kind) };
            rows.extend(self.one(select, node, &variables)?);
        }
        Ok(rows)
    }

    /// The elements that paths reach, going on from each.
    fn repeat<'b>(
        &self,
        paths: &[Expression],
        node: Node<'b>,
        variables: &'b Variables<'b>,
        depth: usize,
        found: &mut Collection<'b>,
    ) -> Result<()>
    where
        'v: 'b,
    {
        if depth > limits::VIEW_REPEAT_DEPTH {
            return Err(costly(format!("`repeat` goes deeper than {} steps", limits::VIEW_REPEAT_DEPTH)));
        }
        for path in paths {
            for item in self.eval(path, node, variables)? {
                self.made(1)?;
                let next = item.as_node();
                found.push(item);
                if let Some(node) = next {
                    self.repeat(paths, node, variables, depth + 1, found)?;
                }
            }
        }
        Ok(())
    }

    /// The rows of a structure on one element of its iteration: the product of its parts.
    fn one<'b>(&self, select: &'b Select, node: Node<'b>, variables: &'b Variables<'b>) -> Result<Vec<Row>>
    where
        'v: 'b,
    {
        let mut own = Row::with_capacity(select.columns.len());
        for (at, column) in select.columns.iter().enumerate() {
            let found = self.eval(&column.path, node, variables)?;
            own.push(self.cell(select.first + at, column.is_list, &found)?);
        }
        self.made(own.len())?;
        let mut rows = vec![own];
        for inner in &select.selects {
            rows = self.product(rows, self.select(inner, node, variables)?)?;
        }
        if !select.unions.is_empty() {
            let mut all = Vec::new();
            for branch in &select.unions {
                all.extend(self.select(branch, node, variables)?);
            }
            rows = self.product(rows, all)?;
        }
        Ok(rows)
    }

    /// Every row of the left with every row of the right.
    fn product(&self, left: Vec<Row>, right: Vec<Row>) -> Result<Vec<Row>> {
        if let ([row], false) = (&left[..], right.is_empty())
            && row.is_empty()
        {
            return Ok(right);
        }
        let width = left.first().map_or(0, Row::len) + right.first().map_or(0, Row::len);
        self.made(left.len().saturating_mul(right.len()).saturating_mul(width))?;
        let mut rows = Vec::with_capacity(left.len() * right.len());
        for a in &left {
            rows.extend(right.iter().map(|b| a.iter().chain(b).cloned().collect::<Row>()));
        }
        Ok(rows)
    }

    fn cell(&self, at: usize, is_list: bool, found: &Collection<'_>) -> Result<Cell> {
        let column = &self.view.columns()[at];
        let cell = match found.as_slice() {
            several if is_list => Cell::List(several.iter().map(Cell::of).filter(|cell| *cell != Cell::Null).collect()),
            [] => Cell::Null,
            [item] => Cell::of(item),
            _ => {
                let message = format!("column '{}' has several values and is no collection", column.name);
                return Err(Fault::coded(Category::Unprocessable, "processing", message));
            }
        };
        column.typed(cell)
    }

    /// Counts cells.
    fn made(&self, cells: usize) -> Result<()> {
        self.cells.set(self.cells.get().saturating_add(cells));
        if self.cells.get() > limits::VIEW_CELLS {
            return Err(costly(format!("one resource makes more than {} cells", limits::VIEW_CELLS)));
        }
        Ok(())
    }
}

fn costly(message: String) -> Fault {
    Fault::coded(Category::Unprocessable, "too-costly", message)
}

/// A value that was calculated, as JSON and the FHIR type that it has.
fn as_element(item: &Item<'_>) -> (Json, &'static str) {
    let text = || to_text(item).map_or(Json::Null, |text| Json::string(&*text));
    let number = |text: String| Number::from_text(&text).map_or(Json::Null, Json::Number);
    match item {
        Item::Bool(value) => (Json::Bool(*value), "boolean"),
        Item::Integer(value) => (Json::integer(*value), "integer"),
        Item::Decimal(value) => (number(value.to_string()), "decimal"),
        Item::Temporal(value) => match value.kind {
            TemporalKind::Date => (text(), "date"),
            TemporalKind::DateTime => (text(), "dateTime"),
            TemporalKind::Time => (text(), "time"),
        },
        Item::Quantity(_) => match Cell::of(item) {
            Cell::Element(json) => (*json, "Quantity"),
            _ => (Json::Null, "Quantity"),
        },
        _ => (text(), "string"),
    }
}
