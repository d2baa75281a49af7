//! A package in the form in which it is kept: its definitions without what only people read, a line of JSON each, in
//! compressed pieces, with a table of what is where. Nothing but the table is read before a definition is asked for.
//!
//! ```text
//! [piece: zstd of lines]... [table: zstd of lines: the manifest, then a row for each definition] [where the table begins]
//! ```
//! The last part is a skippable frame, so `zstd -d` gives all lines of a file in this form.

use bytes::Bytes;
use zstd::zstd_safe;

use super::package::{self, Manifest};
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse, write};

/// Bytes of lines after which a piece is closed.
const PIECE: usize = 128 << 10;

/// Most bytes of a piece, since a definition is never cut.
const PIECE_MOST: usize = 96 << 20;

/// Most bytes of the table.
const TABLE_MOST: usize = 64 << 20;

const LEVEL: i32 = 9;

/// Magic number of a skippable frame, and the length of its content (RFC 8878, 3.1.2).
const TRAILER: [u8; 8] = [0x50, 0x2A, 0x4D, 0x18, 8, 0, 0, 0];

/// Of elements of a snapshot only this is left out; everything else may be asked for. `fhir-profiles/update` does the same.
const FOR_PEOPLE: [&str; 9] = [
    "definition",
    "comment",
    "requirements",
    "alias",
    "mapping",
    "short",
    "example",
    "isModifierReason",
    "orderMeaning",
];

/// A package in its prepared form.
#[derive(Debug)]
pub struct Packed {
    /// What the package says of itself.
    pub manifest: Manifest,
    /// Its definitions, in the order of the archive.
    pub rows: Vec<Row>,
    content: Bytes,
}

/// A definition of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its resource type.
    pub kind: Box<str>,
    /// Its canonical URL; empty for a NamingSystem, which has none.
    pub url: Box<str>,
    /// Its version; empty without one.
    pub version: Box<str>,
    /// Its id; empty without one.
    pub id: Box<str>,
    /// The resource type that it is a profile of; empty for anything else.
    pub profile_of: Box<str>,
    piece: usize,
    start: usize,
    end: usize,
}

/// What became of an archive.
#[derive(Debug)]
pub struct Made {
    /// The prepared form.
    pub content: Vec<u8>,
    /// Files that could not be read, each with the reason.
    pub passed_over: Vec<String>,
}

/// Makes the prepared form of a package's archive.
///
/// # Errors
/// 400 for what is no package, and for one that is too large.
pub fn pack(archive: impl std::io::Read) -> Result<Made> {
    let mut packer = Packer::default();
    let mut passed_over = Vec::new();
    let manifest = package::walk(archive, &mut |name, read| {
        match read {
            Ok(json) => packer.add(json)?,
            Err(fault) if passed_over.len() < 100 => passed_over.push(format!("{name}: {}", fault.message())),
            Err(_) => {}
        }
        Ok(())
    })?;
    Ok(Made { content: packer.finish(&manifest)?, passed_over })
}

#[derive(Default)]
struct Packer {
    out: Vec<u8>,
    lines: Vec<u8>,
    rows: Vec<Row>,
}

impl Packer {
    fn add(&mut self, mut json: Json) -> Result<()> {
        let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").into();
        let (kind, url): (Box<str>, Box<str>) = (text(&json, "resourceType"), text(&json, "url"));
        // a NamingSystem of R4 has no URL and is found by the identifiers that it knows
        if url.is_empty() && &*kind != "NamingSystem" {
            return Ok(());
        }
        lean(&mut json);
        let start = self.lines.len();
        write(&json, &mut self.lines);
        let end = self.lines.len();
        self.lines.push(b'\n');
        let is_profile = json.get("derivation").and_then(Json::as_str) == Some("constraint")
            && json.get("kind").and_then(Json::as_str) == Some("resource");
        self.rows.push(Row {
            kind,
            url,
            version: text(&json, "version"),
            id: text(&json, "id"),
            profile_of: if is_profile { text(&json, "type") } else { "".into() },
            piece: self.out.len(),
            start,
            end,
        });
        if self.lines.len() >= PIECE { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        if !self.lines.is_empty() {
            self.out.extend(compressed(&self.lines)?);
            self.lines.clear();
        }
        Ok(())
    }

    fn finish(mut self, manifest: &Manifest) -> Result<Vec<u8>> {
        self.close()?;
        let table = self.out.len() as u64;
        let mut lines = Vec::new();
        write(&manifest.json(), &mut lines);
        for row in &self.rows {
            lines.push(b'\n');
            write(&row.json(), &mut lines);
        }
        lines.push(b'\n');
        self.out.extend(compressed(&lines)?);
        self.out.extend(TRAILER);
        self.out.extend(table.to_le_bytes());
        Ok(self.out)
    }
}

fn compressed(lines: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(lines, LEVEL).map_err(|error| Fault::internal(format!("zstd: {error}")))
}

/// The lines of a frame that says how many bytes they have.
pub fn unpacked(frame: &[u8], most: usize) -> Option<Vec<u8>> {
    let size = usize::try_from(zstd_safe::get_frame_content_size(frame).ok()??).ok().filter(|size| *size <= most)?;
    zstd::bulk::decompress(frame, size).ok()
}

impl Row {
    fn json(&self) -> Json {
        let texts =
            [&self.kind, &self.url, &self.version, &self.id, &self.profile_of].map(|text| Json::string(&**text));
        let numbers = [self.piece, self.start, self.end].map(|number| Json::integer(number as i64));
        Json::Array(texts.into_iter().chain(numbers).collect())
    }

    fn read(json: &Json) -> Option<Self> {
        let [kind, url, version, id, profile_of, piece, start, end] = json.as_array()? else { return None };
        let text = |json: &Json| json.as_str().map(Into::into);
        let number = |json: &Json| json.as_number()?.as_str().parse().ok();
        Some(Self {
            kind: text(kind)?,
            url: text(url)?,
            version: text(version)?,
            id: text(id)?,
            profile_of: text(profile_of)?,
            piece: number(piece)?,
            start: number(start)?,
            end: number(end)?,
        })
    }
}

impl Packed {
    /// Reads the table of a prepared form.
    ///
    /// # Errors
    /// 500 for bytes that are none.
    pub fn read(content: Bytes) -> Result<Self> {
        let broken = || Fault::internal("a prepared package is broken");
        let split = content.len().checked_sub(16).ok_or_else(broken)?;
        let (head, number) = content[split..].split_at(8);
        let table = u64::from_le_bytes(number.try_into().map_err(|_| broken())?);
        let table =
            usize::try_from(table).ok().filter(|table| head == TRAILER && *table <= split).ok_or_else(broken)?;
        let lines = unpacked(&content[table..split], TABLE_MOST).ok_or_else(broken)?;
        let mut lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let manifest = Manifest::read(&parse(lines.next().ok_or_else(broken)?)?);
        let rows: Option<Vec<Row>> = lines.map(|line| Row::read(&parse(line).ok()?)).collect();
        Ok(Self { manifest, rows: rows.ok_or_else(broken)?, content })
    }

    /// A definition. What is broken is nothing.
    pub fn json(&self, at: usize) -> Option<Json> {
        let row = self.rows.get(at)?;
        parse(self.lines(row.piece)?.get(row.start..row.end)?).ok()
    }

    /// All definitions of a resource type, with each piece unpacked once. What is broken is left out.
    pub fn of_kind<'p>(&'p self, kind: &'p str) -> impl Iterator<Item = Json> + 'p {
        let mut piece: Option<(usize, Vec<u8>)> = None;
        self.rows.iter().filter(move |row| &*row.kind == kind).filter_map(move |row| {
            if piece.as_ref().is_none_or(|(at, _)| *at != row.piece) {
                piece = Some((row.piece, self.lines(row.piece)?));
            }
            parse(piece.as_ref()?.1.get(row.start..row.end)?).ok()
        })
    }

    fn lines(&self, piece: usize) -> Option<Vec<u8>> {
        let piece = self.content.get(piece..)?;
        let size = zstd_safe::find_frame_compressed_size(piece).ok()?;
        unpacked(piece.get(..size)?, PIECE_MOST)
    }

    /// Bytes of the prepared form.
    pub fn size(&self) -> usize {
        self.content.len()
    }
}

/// Takes away what only people read.
pub fn lean(json: &mut Json) {
    let Some(object) = json.as_object_mut() else { return };
    object.remove("text");
    match object.get("resourceType").and_then(Json::as_str) {
        Some("StructureDefinition") => {}
        Some("ImplementationGuide") => {
            object.remove("definition");
            return;
        }
        _ => return,
    }
    object.remove("mapping");
    if object.get("snapshot").is_some() {
        object.remove("differential");
    }
    for part in ["snapshot", "differential"] {
        let elements = object.get_mut(part).and_then(Json::as_object_mut).and_then(|part| part.get_mut("element"));
        let Some(Json::Array(elements)) = elements else { continue };
        for element in elements.iter_mut().filter_map(Json::as_object_mut) {
            FOR_PEOPLE.iter().for_each(|name| drop(element.remove(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::package::tests::archive;
    use super::*;

    #[test]
    fn what_was_packed_is_found_again() {
        let profile = r#"{"resourceType":"StructureDefinition","id":"p","url":"http://p","version":"2","kind":"resource","derivation":"constraint","type":"Patient","text":{"status":"generated"},"snapshot":{"element":[{"id":"Patient","definition":"long"}]},"differential":{"element":[]}}"#;
        let many = format!(r#"{{"resourceType":"ValueSet","url":"http://v","name":"{}"}}"#, "x".repeat(PIECE));
        let bytes = archive(&[
            (
                "package/package.json",
                r#"{"name":"a","version":"1.0","dependencies":{"b":"2.0"},"canonical":"http://a"}"#,
            ),
            ("package/StructureDefinition-p.json", profile),
            ("package/ValueSet-v.json", &many),
            ("package/Patient-x.json", r#"{"resourceType":"Patient"}"#),
            ("package/CodeSystem-c.json", r#"{"resourceType":"CodeSystem","url":"http://c"}"#),
            (
                "package/NamingSystem-n.json",
                r#"{"resourceType":"NamingSystem","id":"n","text":{"status":"generated"}}"#,
            ),
            ("package/broken.json", "{"),
        ]);
        let made = pack(bytes.as_slice()).expect("a package");
        assert!(
            made.passed_over.len() == 1 && made.passed_over[0].starts_with("package/broken.json: "),
            "{:?}",
            made.passed_over
        );
        let packed = Packed::read(made.content.clone().into()).expect("its prepared form");
        let manifest = &packed.manifest;
        assert_eq!((&*manifest.name, &*manifest.version, &*manifest.canonical), ("a", "1.0", "http://a"));
        assert_eq!(manifest.dependencies, [("b".to_owned(), "2.0".to_owned())]);
        let urls: Vec<&str> = packed.rows.iter().map(|row| &*row.url).collect();
        assert_eq!(urls, ["http://p", "http://v", "http://c", ""]);
        let systems: Vec<Json> = packed.of_kind("NamingSystem").collect();
        assert_eq!(systems, [parse(br#"{"resourceType":"NamingSystem","id":"n"}"#).expect("JSON")]);
        assert_eq!((&*packed.rows[0].profile_of, &*packed.rows[0].version), ("Patient", "2"));
        for (at, url) in urls[..3].iter().enumerate() {
            assert_eq!(packed.json(at).and_then(|json| Some(json.get("url")?.as_str()? == *url)), Some(true), "{url}");
        }
        let profile = packed.json(0).expect("the profile");
        assert!(profile.get("text").is_none() && profile.get("differential").is_none());
        let text = zstd::decode_all(made.content.as_slice()).expect("zstd");
        assert!(text.starts_with(br#"{"resourceType":"StructureDefinition""#));
        for cut in [0, 8, 15, made.content.len() / 2] {
            assert!(Packed::read(made.content[..cut].to_vec().into()).is_err(), "{cut}");
        }
    }
}
