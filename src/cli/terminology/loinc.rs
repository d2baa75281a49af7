//! LOINC in its distribution (FHIR R4 `loinc.html`, 4.3.3): `Loinc.csv`, and of the accessory files the hierarchy of components by
//! system (formerly multi-axial), parts with their links, answer lists, and linguistic variants.

use super::about::{About, Description, number_after, version};
use super::gather::{Gather, designation, display, parent, property, text_property, usage};
use super::source::{Source, base};
use super::table::{Layout, Row, Table};
use crate::base::fault::Result;
use crate::fhir::codes::{Concept, Property, PropertyValue};

const URL: &str = "http://loinc.org";

/// The property of an answer that says in which lists it stands, and of a term which list it has.
pub const LIST: &str = "LIST";

/// Columns of `Loinc.csv` that become properties of the same name. The first three are read for other purposes.
const COLUMNS: [&str; 33] = [
    "LOINC_NUM",
    "LONG_COMMON_NAME",
    "?DefinitionDescription",
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "STATUS",
    "SHORTNAME",
    "?CONSUMER_NAME",
    "?CLASSTYPE",
    "?ORDER_OBS",
    "?RELATEDNAMES2",
    "?EXAMPLE_UNITS",
    "?EXAMPLE_UCUM_UNITS",
    "?UNITSREQUIRED",
    "?VersionFirstReleased",
    "?VersionLastChanged",
    "?CHNG_TYPE",
    "?STATUS_REASON",
    "?STATUS_TEXT",
    "?FORMULA",
    "?SURVEY_QUEST_TEXT",
    "?SURVEY_QUEST_SRC",
    "?COMMON_TEST_RANK",
    "?COMMON_ORDER_RANK",
    "?PanelType",
    "?AskAtOrderEntry",
    "?EXTERNAL_COPYRIGHT_NOTICE",
    "?DisplayName",
];

/// Those of them that are other names.
const NAMES: [(&str, &str); 3] =
    [("SHORTNAME", "Short name"), ("CONSUMER_NAME", "Consumer name"), ("DisplayName", "Display name")];

/// Reads a distribution.
///
/// # Errors
/// 400 with file and line for what is not as in LOINC, or when `Loinc.csv` is missing.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    let latest = terms(source, out)?;
    hierarchy(source, out)?;
    parts(source, out)?;
    answers(source, out)?;
    variants(source, out)?;
    let path = source.path();
    let inner = source.find(|name| name.to_ascii_lowercase().contains("loinc_"));
    let named = std::iter::once(&path).chain(&inner).find_map(|name| number_after(name, "loinc_", 3));
    let version = version(asked, named.or(latest), &path)?;
    let names: Vec<&str> = COLUMNS[3..].iter().map(|name| name.trim_start_matches('?')).collect();
    let mut properties: Vec<(&str, &str, &str)> = names.iter().map(|name| (*name, "string", *name)).collect();
    properties.extend([
        ("copyright", "string", "LOINC, or 3rdParty where others have rights too"),
        (LIST, "code", "Answer lists"),
        ("parent", "code", "What is right above in the hierarchy"),
    ]);
    let title = "Logical Observation Identifiers, Names and Codes (LOINC)";
    let (content, is_hierarchy) = ("complete", true);
    let about = Description {
        url: URL,
        version: &version,
        name: "LOINC",
        title,
        content,
        is_hierarchy,
        properties: &properties,
    };
    let mut about = about.about();
    // LOINC codes are not case sensitive (FHIR R4 `loinc.html`, 4.3.3.3)
    about.resource.insert("caseSensitive".to_owned(), false.into());
    Ok(about)
}

/// Calls `each` with the rows of a file, if it is there.
fn rows(
    source: &mut Source,
    file: Option<String>,
    columns: &[&str],
    mut each: impl FnMut(Row<'_>) -> Result<()>,
) -> Result<()> {
    let Some(name) = file else { return Ok(()) };
    let mut table = Table::open(source.shown(&name), source.read(&name)?, Layout::Csv, columns)?;
    while let Some(row) = table.next()? {
        each(row).map_err(|fault| if fault.message().contains(", line ") { fault } else { row.place(fault) })?;
    }
    Ok(())
}

fn accessory(source: &Source, file: &str) -> Result<Option<String>> {
    source.one(file, |name| base(name).eq_ignore_ascii_case(file))
}

/// `Loinc.csv`; the latest version at which a term changed.
fn terms(source: &mut Source, out: &mut Gather) -> Result<Option<String>> {
    let file = source.needed("Loinc.csv", |name| base(name) == "Loinc.csv")?;
    let mut latest: Option<(Vec<u32>, String)> = None;
    rows(source, Some(file), &COLUMNS, |row| {
        let values: [&str; COLUMNS.len()] = row.all();
        let [code, name, definition, rest @ ..] = values;
        if !is_code(code) {
            return Err(row.fault(&format!("LOINC_NUM \"{code}\" is no LOINC code")));
        }
        let mut part = display(name);
        part.definition = (!definition.is_empty()).then(|| definition.into());
        for (column, value) in COLUMNS[3..].iter().zip(rest) {
            let column = column.trim_start_matches('?');
            part.properties.extend(text_property(column, value));
            match column {
                "STATUS" => part.inactive = value == "DEPRECATED",
                "VersionLastChanged" => {
                    let numbers: Vec<u32> = value.split('.').filter_map(|number| number.parse().ok()).collect();
                    if latest.as_ref().is_none_or(|(before, _)| numbers > *before) {
                        latest = Some((numbers, value.to_owned()));
                    }
                }
                "EXTERNAL_COPYRIGHT_NOTICE" => {
                    let whose = if value.is_empty() { "LOINC" } else { "3rdParty" };
                    part.properties.extend(text_property("copyright", whose));
                }
                _ => {}
            }
            if let Some((code, about)) = NAMES.iter().find(|(name, _)| *name == column).filter(|_| !value.is_empty()) {
                part.designations.extend(designation(Some("en"), Some(usage(URL, code, about)), value).designations);
            }
        }
        out.declare(code, 9, &part)
    })?;
    Ok(latest.map(|(_, version)| version).filter(|version| !version.is_empty()))
}

/// Digits, a dash, a check digit.
fn is_code(code: &str) -> bool {
    code.split_once('-').is_some_and(|(number, check)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(number) && check.len() == 1 && digits(check)
    })
}

/// The hierarchy declares the parts that group terms.
fn hierarchy(source: &mut Source, out: &mut Gather) -> Result<()> {
    let file = match accessory(source, "ComponentHierarchyBySystem.csv")? {
        None => accessory(source, "MultiAxialHierarchy.csv")?,
        found => found,
    };
    rows(source, file, &["IMMEDIATE_PARENT", "CODE", "CODE_TEXT"], |row| {
        let [above, code, text] = row.all();
        if code.starts_with("LP") {
            out.declare(code, 1, &display(text))?;
        }
        if above.is_empty() { Ok(()) } else { out.add(code, 0, &parent(above)) }
    })
}

/// Parts, and which parts a term has.
fn parts(source: &mut Source, out: &mut Gather) -> Result<()> {
    let file = accessory(source, "Part.csv")?;
    rows(source, file, &["PartNumber", "PartTypeName", "PartName", "PartDisplayName", "Status"], |row| {
        let [code, kind, name, shown, status] = row.all();
        let mut part = display(if shown.is_empty() { name } else { shown });
        part.inactive = status == "DEPRECATED";
        part.properties.extend(text_property("PartTypeName", kind));
        part.properties.extend(text_property("STATUS", status));
        if !name.is_empty() && name != shown {
            part.designations
                .extend(designation(Some("en"), Some(usage(URL, "PartName", "Part name")), name).designations);
        }
        out.declare(code, 2, &part)
    })?;
    let file = accessory(source, "LoincPartLink_Primary.csv")?;
    rows(source, file, &["LoincNumber", "PartNumber", "PartTypeName"], |row| {
        let [code, part, kind] = row.all();
        let axis = match kind {
            "TIME" => "TIME_ASPCT",
            "SCALE" => "SCALE_TYP",
            "METHOD" => "METHOD_TYP",
            other => other,
        };
        if axis.is_empty() { Ok(()) } else { out.add(code, 0, &property(axis, PropertyValue::Code(part.into()))) }
    })
}

/// Lists, their answers, and which list a term has.
fn answers(source: &mut Source, out: &mut Gather) -> Result<()> {
    let file = accessory(source, "AnswerList.csv")?;
    let mut last = String::new();
    rows(
        source,
        file,
        &["AnswerListId", "AnswerListName", "?AnswerStringId", "?DisplayText", "?AnswerListOID"],
        |row| {
            let [list, name, answer, text, oid] = row.all();
            if *list != *last {
                let mut part = display(name);
                part.properties.extend(text_property("AnswerListOID", oid));
                out.declare(list, 1, &part)?;
                last = list.to_owned();
            }
            if answer.is_empty() {
                return Ok(());
            }
            let member = Property { code: LIST.into(), value: PropertyValue::Code(list.into()) };
            out.declare(answer, 1, &Concept { properties: vec![member], ..display(text) })
        },
    )?;
    let file = accessory(source, "LoincAnswerListLink.csv")?;
    rows(source, file, &["LoincNumber", "AnswerListId"], |row| {
        let [code, list] = row.all();
        out.add(code, 0, &property("answer-list", PropertyValue::Code(list.into())))
    })
}

/// `deDE15LinguisticVariant.csv`: names in German as it is spoken in Germany.
fn variants(source: &mut Source, out: &mut Gather) -> Result<()> {
    let names = source.find(|name| language(name).is_some());
    for file in names {
        let Some(language) = language(&file) else { continue };
        let columns = ["LOINC_NUM", "?LONG_COMMON_NAME", "?SHORTNAME", "?LinguisticVariantDisplayName", "COMPONENT"];
        rows(source, Some(file), &columns, |row| {
            let [code, long, short, shown, component] = row.all();
            let mut part = Concept::default();
            let long = if long.is_empty() && shown.is_empty() { component } else { long };
            for (text, kind) in [(long, "LONG_COMMON_NAME"), (short, "SHORTNAME"), (shown, "DisplayName")] {
                if !text.is_empty() {
                    part.designations
                        .extend(designation(Some(&language), Some(usage(URL, kind, "")), text).designations);
                }
            }
            out.add(code, 0, &part)
        })?;
    }
    Ok(())
}

/// The language in the name of a linguistic variant.
fn language(name: &str) -> Option<String> {
    let own = base(name).strip_suffix("LinguisticVariant.csv")?;
    let (language, country) = (own.get(..2)?, own.get(2..4)?);
    let is_language = language.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_country = country.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_language && is_country).then(|| format!("{language}-{country}"))
}
