//! CVX, vaccines administered, in CDC's list: `code|short|full|notes|status|...|nonvaccine|date`.

use super::about::{About, Description, version};
use super::gather::{Gather, designation, text_property, usage};
use super::source::Source;
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::{Concept, Property, PropertyValue};

const URL: &str = "http://hl7.org/fhir/sid/cvx";
const BYTES_MAX: u64 = 16 << 20;

/// Reads the list.
///
/// # Errors
/// 400 with file and line for a row that is none.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    let name = source.needed("list of CVX codes", |name| name.to_ascii_lowercase().contains("cvx"))?;
    let shown = source.shown(&name);
    let text = source.text(&name, BYTES_MAX)?;
    let mut latest = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim_end();
        if line.is_empty() || (at == 0 && line.to_ascii_lowercase().starts_with("cvx")) {
            continue;
        }
        let date = row(line, out).map_err(|fault| fault.context(format!("{shown}, line {}", at + 1)))?;
        latest = latest.max(date);
    }
    let version = version(asked, latest, &shown)?;
    let properties = [
        ("vaccine-status", "string", "Active, Inactive, Pending, Non-US or Never Active"),
        ("nonvaccine", "boolean", "Whether it is no vaccine"),
        ("notes", "string", "Notes"),
        ("lastUpdated", "dateTime", "When the row changed last"),
    ];
    let title = "Vaccine Administered Code Set (CVX)";
    let (content, is_hierarchy) = ("complete", false);
    let about =
        Description { url: URL, version: &version, name: "CVX", title, content, is_hierarchy, properties: &properties };
    Ok(about.about())
}

/// One vaccine; the day of its last change.
fn row(line: &str, out: &mut Gather) -> Result<Option<String>> {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [code, short, full, notes, status, .., nonvaccine, date] = fields.as_slice() else {
        return Err(Fault::invalid(format!("{} columns, there are at least 7", fields.len())));
    };
    if code.is_empty() || code.len() > 4 || code.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(Fault::invalid(format!("\"{code}\" is no CVX code")));
    }
    // The list has numbers below 10 with and without a zero before them; FHIR has it.
    let code = format!("{code:0>2}");
    let date = day(date).ok_or_else(|| Fault::invalid(format!("\"{date}\" is no date")))?;
    let mut part = designation(Some("en"), Some(usage("", "full-name", "Full vaccine name")), full);
    part.display = Some((*short).into());
    part.inactive = status.eq_ignore_ascii_case("inactive");
    part.properties.extend(text_property("vaccine-status", status));
    part.properties.extend(text_property("notes", notes));
    let add = |part: &mut Concept, code: &str, value| part.properties.push(Property { code: code.into(), value });
    match nonvaccine.to_ascii_lowercase().as_str() {
        "true" => add(&mut part, "nonvaccine", PropertyValue::Boolean(true)),
        "false" => add(&mut part, "nonvaccine", PropertyValue::Boolean(false)),
        other => return Err(Fault::invalid(format!("nonvaccine is True or False, not \"{other}\""))),
    }
    add(&mut part, "lastUpdated", PropertyValue::DateTime(date.as_str().into()));
    out.declare(&code, 0, &part)?;
    Ok(Some(date))
}

/// `2020/11/10` or `11/10/2020` as a date of FHIR.
fn day(text: &str) -> Option<String> {
    let text = text.split_whitespace().next()?;
    let parts: Vec<&str> = text.split(['/', '-']).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let (year, month, day) = if a.len() == 4 { (a, b, c) } else { (c, a, b) };
    let number = |text: &str| text.parse::<u16>().ok();
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| format!("{year:04}-{month:02}-{day:02}"))
}
