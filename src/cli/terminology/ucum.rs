//! UCUM, units of measure: the base units and units of `ucum-essence.xml`. What is made of them by UCUM's grammar is known
//! without a table, so the code system is a fragment.

use super::about::{About, Description, version};
use super::gather::{Gather, designation, text_property, usage};
use super::source::Source;
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::{Concept, Property, PropertyValue};
use crate::fhir::xml::events::{Event, Events};

const URL: &str = "http://unitsofmeasure.org";
const BYTES_MAX: u64 = 16 << 20;

/// Reads the file.
///
/// # Errors
/// 400 with file, line and column for what is not as in `ucum-essence.xml`.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    let name = source.needed("ucum-essence.xml", |name| name.ends_with(".xml"))?;
    let shown = source.shown(&name);
    let text = source.text(&name, BYTES_MAX)?;
    let found = units(&text, out).map_err(|fault| fault.context(&shown))?;
    let version = version(asked, found, &shown)?;
    let properties = [
        ("dimension", "string", "Dimension of a base unit"),
        ("property", "string", "What the unit measures"),
        ("class", "string", "Class of the unit"),
        ("isMetric", "boolean", "Whether it takes prefixes"),
        ("printSymbol", "string", "How it is printed"),
        ("caseInsensitive", "string", "The symbol that disregards case"),
        ("definition", "string", "The unit in other units"),
    ];
    let title = "Unified Code for Units of Measure (UCUM)";
    let (content, is_hierarchy) = ("fragment", false);
    let about = Description {
        url: URL,
        version: &version,
        name: "UCUM",
        title,
        content,
        is_hierarchy,
        properties: &properties,
    };
    Ok(about.about())
}

/// A unit while it is read.
#[derive(Default)]
struct Unit {
    part: Concept,
    names: Vec<String>,
}

/// Reads all units; the version of the file.
fn units(text: &str, out: &mut Gather) -> Result<Option<String>> {
    let mut events = Events::new(text);
    let (mut version, mut unit, mut path, mut words) = (None, None::<Unit>, Vec::new(), String::new());
    loop {
        match events.event()? {
            Event::Start(name, attributes) => {
                let value = |key: &str| attributes.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
                match (path.len(), name.as_str()) {
                    (0, "root") => version = value("version").map(str::to_owned),
                    (0, _) => return Err(events.fault("the root of ucum-essence.xml is <root>")),
                    (1, "base-unit" | "unit") => unit = Some(begin(&events, &attributes)?),
                    (2, "value") => {
                        let factor =
                            [value("value"), value("Unit")].into_iter().flatten().collect::<Vec<_>>().join(" ");
                        let property = text_property("definition", &factor);
                        unit.iter_mut().for_each(|unit| unit.part.properties.extend(property.clone()));
                    }
                    _ => {}
                }
                path.push(name);
                words.clear();
            }
            Event::Text(text) => words.push_str(&text),
            Event::End => {
                let name = path.pop().unwrap_or_default();
                end(&name, path.len(), words.trim(), &mut unit, out)?;
                words.clear();
            }
            Event::Eof => return Ok(version),
        }
    }
}

fn begin(events: &Events<'_>, attributes: &[(String, String)]) -> Result<Unit> {
    let value = |key: &str| attributes.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
    let code = value("Code").filter(|code| !code.is_empty()).ok_or_else(|| events.fault("a unit has no Code"))?;
    let mut unit = Unit { part: Concept { code: code.into(), ..Concept::default() }, names: Vec::new() };
    let texts = [("caseInsensitive", "CODE"), ("dimension", "dim"), ("class", "class")];
    let texts = texts.into_iter().filter_map(|(code, key)| text_property(code, value(key)?));
    unit.part.properties.extend(texts);
    if let Some(metric) = value("isMetric") {
        unit.part.properties.push(Property { code: "isMetric".into(), value: PropertyValue::Boolean(metric == "yes") });
    }
    Ok(unit)
}

fn end(name: &str, depth: usize, words: &str, unit: &mut Option<Unit>, out: &mut Gather) -> Result<()> {
    match (depth, name) {
        (2, "name") => unit.iter_mut().for_each(|unit| unit.names.push(words.to_owned())),
        (2, "property" | "printSymbol") => {
            unit.iter_mut().for_each(|unit| unit.part.properties.extend(text_property(name, words)));
        }
        (1, "base-unit" | "unit") => {
            let Some(Unit { mut part, names }) = unit.take() else { return Ok(()) };
            let Some((first, others)) = names.split_first() else {
                return Err(Fault::invalid(format!("unit {} has no name", part.code)));
            };
            part.display = Some(first.as_str().into());
            let synonym = || Some(usage("", "synonym", "Synonym"));
            let others = others.iter().flat_map(|name| designation(Some("en"), synonym(), name).designations);
            part.designations.extend(others);
            let code = part.code.clone();
            out.declare(&code, 0, &part)?;
        }
        _ => {}
    }
    Ok(())
}
