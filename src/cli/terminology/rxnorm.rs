//! RxNorm in the Rich Release Format (FHIR R4 `rxnorm.html`, 4.3.2): the concepts that have an atom of RxNorm itself.

use super::about::{About, Description, number_after, version};
use super::gather::{Gather, designation, display, property, usage};
use super::source::{Source, base};
use super::table::{Layout, Row, Table};
use crate::base::fault::Result;
use crate::fhir::codes::{Concept, Property, PropertyValue};

const URL: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const OWN: &str = "RXNORM";

/// Term types that are other texts for a concept, not its name.
const SYNONYMS: [&str; 4] = ["SY", "TMSY", "PSN", "ET"];

/// Reads a release.
///
/// # Errors
/// 400 with file and line for what is not as in RRF, or when a file is missing.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    concepts(source, out)?;
    relationships(source, out)?;
    attributes(source, out)?;
    semantic_types(source, out)?;
    let version = version(asked, release(source)?, &source.path())?;
    let properties = [
        ("TTY", "string", "Term type"),
        ("SAB", "string", "Sources that have an atom of the concept"),
        ("SUPPRESS", "string", "O obsolete, E suppressed by an editor, Y by its term type; absent otherwise"),
        ("STY", "string", "Semantic type"),
    ];
    let title = "RxNorm";
    let (content, is_hierarchy) = ("complete", false);
    let about =
        Description { url: URL, version: &version, name: title, title, content, is_hierarchy, properties: &properties };
    Ok(about.about())
}

fn rows(
    source: &mut Source,
    file: &str,
    columns: &[&str],
    is_needed: bool,
    mut each: impl FnMut(Row<'_>) -> Result<()>,
) -> Result<()> {
    // a release also has the subset of what may be prescribed, in the same form
    let is_it = |name: &str| base(name).eq_ignore_ascii_case(file) && !name.contains("prescribe/");
    let name = if is_needed { Some(source.needed(file, is_it)?) } else { source.one(file, is_it)? };
    let Some(name) = name else { return Ok(()) };
    let mut table = Table::open(source.shown(&name), source.read(&name)?, Layout::Rrf, columns)?;
    while let Some(row) = table.next()? {
        each(row)?;
    }
    Ok(())
}

/// `RXCUI|LAT|TS|LUI|STT|SUI|ISPREF|RXAUI|SAUI|SCUI|SDUI|SAB|TTY|CODE|STR|SRL|SUPPRESS|CVF|`
fn concepts(source: &mut Source, out: &mut Gather) -> Result<()> {
    rows(source, "RXNCONSO.RRF", &["0", "1", "11", "12", "14", "16"], true, |row| {
        let [code, language, origin, kind, text, suppressed] = row.all();
        if code.is_empty() || code.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Err(row.fault(&format!("RXCUI \"{code}\" is no number")));
        }
        let string = |name: &str, text: &str| Property { code: name.into(), value: PropertyValue::String(text.into()) };
        if origin != OWN {
            return out.add(code, 0, &Concept { properties: vec![string("SAB", origin)], ..Concept::default() });
        }
        let is_current = suppressed == "N" || suppressed.is_empty();
        let language = (language == "ENG").then_some("en");
        let mut part = designation(language, Some(usage(URL, kind, "")), text);
        part.properties.extend([string("TTY", kind), string("SAB", origin)]);
        if !SYNONYMS.contains(&kind) {
            (part.display, part.inactive) = (display(text).display, !is_current);
            if !is_current {
                part.properties.push(string("SUPPRESS", suppressed));
            }
        }
        out.declare(code, u8::from(is_current), &part)
    })
}

/// `RXCUI1|RXAUI1|STYPE1|REL|RXCUI2|RXAUI2|STYPE2|RELA|RUI|SRUI|SAB|SL|DIR|RG|SUPPRESS|CVF|`
fn relationships(source: &mut Source, out: &mut Gather) -> Result<()> {
    rows(source, "RXNREL.RRF", &["0", "3", "4", "7", "10"], true, |row| {
        let [one, relation, other, kind, origin] = row.all();
        if origin != OWN || one.is_empty() || other.is_empty() {
            return Ok(());
        }
        let mut part = property(relation, PropertyValue::Code(other.into()));
        if !kind.is_empty() {
            part.properties.extend(property(kind, PropertyValue::Code(other.into())).properties);
        }
        out.add(one, 0, &part).map_err(|fault| row.place(fault))
    })
}

/// `RXCUI|LUI|SUI|RXAUI|STYPE|CODE|ATUI|SATUI|ATN|SAB|ATV|SUPPRESS|CVF|`
fn attributes(source: &mut Source, out: &mut Gather) -> Result<()> {
    rows(source, "RXNSAT.RRF", &["0", "8", "9", "10"], false, |row| {
        let [code, name, origin, value] = row.all();
        if origin != OWN || name.is_empty() || value.is_empty() || code.is_empty() {
            return Ok(());
        }
        out.add(code, 0, &property(name, PropertyValue::String(value.into()))).map_err(|fault| row.place(fault))
    })
}

/// `RXCUI|TUI|STN|STY|ATUI|CVF|`
fn semantic_types(source: &mut Source, out: &mut Gather) -> Result<()> {
    rows(source, "RXNSTY.RRF", &["0", "1", "3"], false, |row| {
        let [code, number, name] = row.all();
        let mut part = property("STY", PropertyValue::String(number.into()));
        part.properties.extend(property("STY", PropertyValue::String(name.into())).properties);
        out.add(code, 0, &part).map_err(|fault| row.place(fault))
    })
}

/// The date of release as in the name of the download, else what the file of sources says.
fn release(source: &mut Source) -> Result<Option<String>> {
    let path = source.path();
    let named = ["rxnorm_full_", "rxnorm_weekly_", "rxnorm_full_prescribe_"];
    if let Some(date) = named.iter().find_map(|before| number_after(&path, before, 8)) {
        return Ok(Some(date));
    }
    let mut found = None;
    rows(source, "RXNSAB.RRF", &["3", "6"], false, |row| {
        let [origin, version] = row.all();
        if origin == OWN && !version.is_empty() {
            found = Some(version.to_owned());
        }
        Ok(())
    })?;
    Ok(found)
}
