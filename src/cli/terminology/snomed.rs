//! SNOMED CT in the Release Format 2, its snapshot (FHIR R4 `snomedct.html`, 4.3.1.0).
//!
//! Concepts, active descriptions and definitions, the inferred is-a relationships as parents, the other active
//! relationships as properties by the id of their type and with their groups ([`ROLE_GROUP`]), memberships of simple reference sets as the property
//! [`MEMBER`], associations and simple maps as the properties [`MAP`]. The display is the preferred synonym of the US English reference set, else of the British one, else of any.

use std::collections::{BTreeMap, BTreeSet};

use super::about::{About, Description, version};
use super::gather::{Gather, designation, display, parent, property, usage};
use super::sorter::Sorter;
use super::source::{Source, base};
use super::table::{Layout, Row, Table};
use crate::base::fault::{Fault, Result};
use crate::fhir::codes::{Concept, MAP, PropertyValue, ROLE_GROUP};

/// The system.
pub const URL: &str = "http://snomed.info/sct";

/// The property that says of which reference sets a concept is a member.
pub const MEMBER: &str = "memberOf";

const IS_A: &str = "116680003";
const STATED: &str = "900000000000010007";
const FSN: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";
const PREFERRED: &str = "900000000000548007";
const US_ENGLISH: &str = "900000000000509007";
const GB_ENGLISH: &str = "900000000000508004";
const DEFINED: [&str; 2] = ["900000000000073002", "900000000000128007"];
const CORE: &str = "900000000000207008";

/// How a description is preferred as the display of its concept.
const RANK_FSN: u8 = 1;
const RANK_SYNONYM: u8 = 2;

/// Reads a release.
///
/// # Errors
/// 400 with file and line for what is not as in RF2, or when a file is missing.
pub fn read(source: &mut Source, asked: Option<&str>, out: &mut Gather) -> Result<About> {
    let release = concepts(source, out)?;
    let mut texts = Sorter::default();
    descriptions(source, &mut texts)?;
    languages(source, &mut texts)?;
    join(texts, out)?;
    definitions(source, out)?;
    relationships(source, out)?;
    members(source, out)?;
    maps(source, out)?;
    let edition = edition(source, &release)?;
    let found = release.date.map(|date| format!("{URL}/{edition}/version/{date}"));
    let version = version(asked, found, &source.path())?;
    let properties = [
        ("inactive", "boolean", "Whether the concept is not active"),
        ("sufficientlyDefined", "boolean", "Whether its definition is sufficient"),
        ("moduleId", "code", "The module that the concept belongs to"),
        (MEMBER, "code", "Reference sets that it is a member of"),
        (ROLE_GROUP, "string", "Which of its relationships stand in a group"),
    ];
    Ok(Description {
        url: URL,
        version: &version,
        name: "SNOMED_CT",
        title: "SNOMED CT",
        content: "complete",
        is_hierarchy: true,
        properties: &properties,
    }
    .about())
}

/// The files of a kind in a snapshot: `sct2_Concept_Snapshot_INT_20240101.txt`.
fn files(source: &Source, kinds: &[&str]) -> Vec<String> {
    source.find(|name| {
        let own = base(name);
        let own = own.strip_prefix('x').unwrap_or(own);
        own.ends_with(".txt") && own.contains("Snapshot") && kinds.iter().any(|kind| own.starts_with(kind))
    })
}

fn needed(source: &Source, kinds: &[&str]) -> Result<Vec<String>> {
    let found = files(source, kinds);
    if found.is_empty() {
        return Err(Fault::invalid(format!("{}: there is no file {}...Snapshot...txt in it", source.path(), kinds[0])));
    }
    Ok(found)
}

/// Calls `each` with the rows of some files.
fn rows(
    source: &mut Source,
    names: &[String],
    columns: &[&str],
    mut each: impl FnMut(Row<'_>) -> Result<()>,
) -> Result<()> {
    for name in names {
        let shown = source.shown(name);
        let mut table = Table::open(shown, source.read(name)?, Layout::Rf2, columns)?;
        while let Some(row) = table.next()? {
            each(row)?;
        }
    }
    Ok(())
}

/// What the concepts say of the release.
#[derive(Debug, Default)]
struct Release {
    /// The latest time at which something took effect.
    date: Option<String>,
    /// How many concepts a module has.
    modules: BTreeMap<String, u64>,
}

/// The number of a concept, a description ...
fn id<'a>(row: &Row<'_>, text: &'a str, what: &str) -> Result<&'a str> {
    let is_id = (6..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_id { Ok(text) } else { Err(row.fault(&format!("{what} \"{text}\" is no SNOMED CT identifier"))) }
}

/// Whether a row is active.
fn is_active(row: &Row<'_>, text: &str) -> Result<bool> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(row.fault(&format!("active is 0 or 1, not \"{text}\""))),
    }
}

fn concepts(source: &mut Source, out: &mut Gather) -> Result<Release> {
    let names = needed(source, &["sct2_Concept_"])?;
    let mut release = Release::default();
    let columns = ["id", "active", "effectiveTime", "moduleId", "definitionStatusId"];
    rows(source, &names, &columns, |row| {
        let [code, active, date, module, status] = row.all();
        let mut part = Concept { inactive: !is_active(&row, active)?, ..Concept::default() };
        let add = |part: &mut Concept, code: &str, value| part.properties.extend(property(code, value).properties);
        add(&mut part, "moduleId", PropertyValue::Code(module.into()));
        add(&mut part, "sufficientlyDefined", PropertyValue::Boolean(DEFINED.contains(&status)));
        out.declare(id(&row, code, "id")?, 0, &part)?;
        if date.len() == 8 && release.date.as_deref().is_none_or(|latest| date > latest) {
            release.date = Some(date.to_owned());
        }
        match release.modules.get_mut(module) {
            Some(count) => *count += 1,
            None => drop(release.modules.insert(module.to_owned(), 1)),
        }
        Ok(())
    })?;
    Ok(release)
}

/// A description on its way to its concept: separated by tabs, which none of its texts has.
fn descriptions(source: &mut Source, out: &mut Sorter) -> Result<()> {
    let names = needed(source, &["sct2_Description_"])?;
    rows(source, &names, &["id", "active", "conceptId", "languageCode", "typeId", "term"], |row| {
        let [own, active, concept, language, kind, term] = row.all();
        if is_active(&row, active)? {
            let text = format!("D{}\t{language}\t{kind}\t{term}", id(&row, concept, "conceptId")?);
            out.push(id(&row, own, "id")?.as_bytes(), text.as_bytes())?;
        }
        Ok(())
    })
}

/// Which descriptions are preferred.
fn languages(source: &mut Source, out: &mut Sorter) -> Result<()> {
    let names = files(source, &["der2_cRefset_Language"]);
    rows(source, &names, &["active", "refsetId", "referencedComponentId", "acceptabilityId"], |row| {
        let [active, refset, description, acceptability] = row.all();
        if is_active(&row, active)? && acceptability == PREFERRED {
            let rank = match refset {
                US_ENGLISH => 5_u8,
                GB_ENGLISH => 4,
                _ => 3,
            };
            out.push(id(&row, description, "referencedComponentId")?.as_bytes(), &[b'L', rank])?;
        }
        Ok(())
    })
}

/// Puts descriptions together with what is preferred.
fn join(texts: Sorter, out: &mut Gather) -> Result<()> {
    let mut texts = texts.sorted()?;
    while let Some((_, values)) = texts.next_group()? {
        let preferred = values.iter().filter_map(|value| value.strip_prefix(b"L")?.first()).max().copied();
        for value in values.iter().filter_map(|value| value.strip_prefix(b"D")) {
            let text = std::str::from_utf8(value).map_err(|_| Fault::internal("a description is no text"))?;
            let mut parts = text.splitn(4, '\t');
            let mut part = || parts.next().unwrap_or_default();
            let (concept, language, kind, term) = (part(), part(), part(), part());
            let (rank, name) = match kind {
                FSN => (RANK_FSN, "Fully specified name"),
                _ => (preferred.unwrap_or(RANK_SYNONYM), "Synonym"),
            };
            let kind = if kind == FSN { FSN } else { SYNONYM };
            let mut part = designation(Some(language), Some(usage(URL, kind, name)), term);
            part.display = display(term).display;
            out.add(concept, rank, &part)?;
        }
    }
    Ok(())
}

fn definitions(source: &mut Source, out: &mut Gather) -> Result<()> {
    let names = files(source, &["sct2_TextDefinition_"]);
    rows(source, &names, &["active", "conceptId", "term"], |row| {
        let [active, concept, term] = row.all();
        if !is_active(&row, active)? {
            return Ok(());
        }
        let part = Concept { definition: Some(term.into()), ..Concept::default() };
        out.add(id(&row, concept, "conceptId")?, 0, &part)
    })
}

fn relationships(source: &mut Source, out: &mut Gather) -> Result<()> {
    let names = needed(source, &["sct2_Relationship_"])?;
    let columns = ["active", "sourceId", "destinationId", "typeId", "characteristicTypeId", "relationshipGroup"];
    rows(source, &names, &columns, |row| {
        let [active, from, to, kind, characteristic, group] = row.all();
        if !is_active(&row, active)? || characteristic == STATED {
            return Ok(());
        }
        let (from, to) = (id(&row, from, "sourceId")?, id(&row, to, "destinationId")?);
        let part = if kind == IS_A { parent(to) } else { grouped(kind, PropertyValue::Code(to.into()), group) };
        out.add(from, 0, &part)
    })?;
    let names = files(source, &["sct2_RelationshipConcreteValues_"]);
    rows(source, &names, &["active", "sourceId", "value", "typeId", "relationshipGroup"], |row| {
        let [active, from, value, kind, group] = row.all();
        if !is_active(&row, active)? {
            return Ok(());
        }
        let value = match value.strip_prefix('#') {
            Some(number) => PropertyValue::Decimal(number.into()),
            None => PropertyValue::String(value.trim_matches('"').into()),
        };
        out.add(id(&row, from, "sourceId")?, 0, &grouped(kind, value, group))
    })
}

/// A relationship with its group; those of group 0 stand alone.
fn grouped(kind: &str, value: PropertyValue, group: &str) -> Concept {
    let text = format!("{group} {kind} {}", value.text());
    let mut part = property(kind, value);
    if group != "0" {
        part.properties.extend(property(ROLE_GROUP, PropertyValue::String(text.into())).properties);
    }
    part
}

fn members(source: &mut Source, out: &mut Gather) -> Result<()> {
    let names = files(source, &["der2_Refset_"]);
    rows(source, &names, &["active", "refsetId", "referencedComponentId"], |row| {
        let [active, refset, member] = row.all();
        if !is_active(&row, active)? {
            return Ok(());
        }
        let part = property(MEMBER, PropertyValue::Code(refset.into()));
        out.add(id(&row, member, "referencedComponentId")?, 0, &part)
    })
}

/// Associations of concepts (replaced by, same as ...) and simple maps: the properties [`MAP`] with the id of the reference set.
fn maps(source: &mut Source, out: &mut Gather) -> Result<()> {
    for (file, column) in [("der2_cRefset_Association", "targetComponentId"), ("der2_sRefset_SimpleMap", "mapTarget")] {
        let names = files(source, &[file]);
        rows(source, &names, &["active", "refsetId", "referencedComponentId", column], |row| {
            let [active, refset, from, to] = row.all();
            let from = id(&row, from, "referencedComponentId")?;
            // descriptions have associations too
            if !is_active(&row, active)? || to.is_empty() || !is_concept(from) {
                return Ok(());
            }
            let value = match column {
                "mapTarget" => PropertyValue::String(to.into()),
                _ => PropertyValue::Code(to.into()),
            };
            out.add(from, 0, &property(&format!("{MAP}{}", id(&row, refset, "refsetId")?), value))
        })?;
    }
    Ok(())
}

/// Whether an identifier is one of a concept (its partition, the third and second digit from the end, is 00 or 10).
fn is_concept(id: &str) -> bool {
    id.len() > 3 && id.as_bytes()[id.len() - 2] == b'0'
}

/// The module that names the edition: the one on which no other depends, of several that with the most concepts.
fn edition(source: &mut Source, release: &Release) -> Result<String> {
    let names = files(source, &["der2_ssRefset_ModuleDependency"]);
    let (mut modules, mut needed) = (BTreeSet::new(), BTreeSet::new());
    rows(source, &names, &["active", "moduleId", "referencedComponentId"], |row| {
        let [active, module, on] = row.all();
        if is_active(&row, active)? {
            modules.insert(module.to_owned());
            needed.insert(on.to_owned());
        }
        Ok(())
    })?;
    let count = |module: &String| release.modules.get(module).copied().unwrap_or_default();
    let edition = modules.difference(&needed).filter(|module| count(module) > 0).max_by_key(|module| count(module));
    Ok(edition.map_or_else(|| CORE.to_owned(), String::clone))
}
