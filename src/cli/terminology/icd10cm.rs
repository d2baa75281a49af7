//! ICD-10-CM of CDC: the tabular list as XML, the order file, or both.
//!
//! The tabular list has chapters, blocks, codes, their notes and the seventh characters, from which the codes with a
//! seventh character follow. Some of these do not exist, which only the order file (or the plain list of codes) tells: where it is
//! given too, it decides. Alone, the order file gives codes and texts, and the hierarchy of their beginnings.

use std::collections::HashSet;

use super::about::{About, Description, version};
use super::entry::{URL, dotted};
use super::gather::{Gather, display, property};
use super::source::{Source, base};
use super::tabular::{self, Known};
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::PropertyValue;

const BYTES_MAX: u64 = 256 << 20;

/// Reads what there is of a release.
///
/// # Errors
/// 400 with file and line for what is not as CDC writes it, or when there is neither list.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    let tabular = source.one("tabular lists (.xml)", |name| plain(name).ends_with(".xml") && !is_other(name))?;
    let order = source.one("lists of codes (.txt)", |name| plain(name).ends_with(".txt") && !is_other(name))?;
    let order = order.map(|name| Ok::<_, Fault>((source.shown(&name), source.text(&name, BYTES_MAX)?))).transpose()?;
    let place = source.path();
    match tabular {
        Some(name) => {
            let shown = source.shown(&name);
            let text = source.text(&name, BYTES_MAX)?;
            let list = order.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
            both(&shown, &text, list, asked, out)
        }
        None => {
            let (name, text) = order.ok_or_else(|| {
                Fault::invalid(format!("{place}: there is neither a tabular list (.xml) nor an order file (.txt)"))
            })?;
            ordered(&name, &text, out)?;
            let found = super::about::number_after(base(&name), "order", 4)
                .or_else(|| super::about::number_after(base(&name), "order-", 4))
                .or_else(|| super::about::number_after(base(&name), "order_", 4));
            about(&version(asked, found, &name)?)
        }
    }
}

/// The tabular list, and the list of codes that decides which seventh characters exist.
///
/// # Errors
/// As [`read`].
pub fn both(
    name: &str,
    text: &str,
    list: Option<(&str, &str)>,
    asked: Option<&str>,
    out: &mut Gather,
) -> Result<About> {
    let known = list.map(|(name, text)| codes(name, text)).transpose()?;
    let known = known.as_ref().map_or(Known::All, Known::These);
    let found = tabular::read(text, &known, out).map_err(|fault| fault.context(name))?;
    about(&version(asked, found, name)?)
}

fn about(version: &str) -> Result<About> {
    let properties = [
        ("kind", "string", "chapter, block, category, subcategory or extension"),
        ("includes", "string", "Includes"),
        ("excludes1", "string", "Not coded here"),
        ("excludes2", "string", "Not included here"),
        ("codeFirst", "string", "Code first"),
        ("codeAlso", "string", "Code also"),
        ("useAdditionalCode", "string", "Use additional code"),
        ("notes", "string", "Notes"),
        ("billable", "boolean", "Whether it is a code that a claim may have: nothing is below it"),
    ];
    Ok(Description {
        url: URL,
        version,
        name: "ICD10CM",
        title: "International Classification of Diseases, 10th Revision, Clinical Modification (ICD-10-CM)",
        content: "complete",
        is_hierarchy: true,
        properties: &properties,
    }
    .about())
}

/// A name without its packing.
fn plain(name: &str) -> &str {
    name.trim_end_matches(".gz").trim_end_matches(".zst")
}

/// Files of the release that are other tables, and addenda.
fn is_other(name: &str) -> bool {
    let name = base(name).to_ascii_lowercase();
    ["index", "neoplasm", "drug", "addend", "readme", "eindex"].iter().any(|word| name.contains(word))
}

/// The codes of a list, without points. A line is a code with or without a text, or one of the order file.
fn codes(name: &str, text: &str) -> Result<HashSet<String>> {
    let mut codes = HashSet::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim_end();
        if !line.is_empty() {
            let code = ordered_row(line).map_or_else(|| line.split(' ').next().unwrap_or_default(), |row| row.code);
            check(code).map_err(|fault| fault.context(format!("{name}, line {}", at + 1)))?;
            codes.insert(code.replace('.', ""));
        }
    }
    Ok(codes)
}

/// A code of CDC's lists, where chapters and blocks may stand too.
fn check(code: &str) -> Result<()> {
    let is_code = (1..=8).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() || matches!(byte, b'.' | b'-'));
    if is_code { Ok(()) } else { Err(Fault::invalid(format!("\"{code}\" is no code of ICD-10-CM"))) }
}

struct OrderedRow<'a> {
    code: &'a str,
    is_billable: bool,
    text: &'a str,
}

/// A line of the order file: number (5), code (7), `0` or `1`, short text (60), long text, with spaces between.
fn ordered_row(line: &str) -> Option<OrderedRow<'_>> {
    let is_numbered = line.len() > 77 && line.as_bytes()[..5].iter().all(u8::is_ascii_digit);
    let flag = line.get(14..15).filter(|flag| matches!(*flag, "0" | "1"))?;
    if !is_numbered || line.as_bytes()[5] != b' ' {
        return None;
    }
    Some(OrderedRow { code: line.get(6..13)?.trim_end(), is_billable: flag == "1", text: line.get(77..)?.trim() })
}

/// The order file alone: the parent of a code is the longest beginning of it that is a code too.
fn ordered(name: &str, text: &str, out: &mut Gather) -> Result<()> {
    let all = codes(name, text)?;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim_end();
        if line.is_empty() {
            continue;
        }
        let bad = |what: &str| Fault::invalid(format!("{name}, line {}: {what}", at + 1));
        let row =
            ordered_row(line).ok_or_else(|| bad("it is no line of an order file: number, code, 0 or 1, texts"))?;
        let mut part = display(row.text);
        part.properties = property("billable", PropertyValue::Boolean(row.is_billable)).properties;
        let parent = (3..row.code.len()).rev().map(|end| &row.code[..end]).find(|start| all.contains(*start));
        part.parents.extend(parent.map(|parent| dotted(parent).into()));
        out.declare(&dotted(row.code), 0, &part)?;
    }
    Ok(())
}
