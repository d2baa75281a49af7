//! The code systems, value sets, concept maps and structure definitions of R4 with their texts, for the terminology service and for
//! snapshots that people read: compact JSON in compressed blocks, so that whoever needs one unpacks a few hundred kilobytes.

use std::fmt::Write as _;

use serde_json::Value;

/// The size from which on a block is full, in bytes.
const BLOCK: usize = 256 << 10;
/// How hard it is compressed.
const LEVEL: i32 = 19;
/// The same for structure definitions, which are most of it: a harder level takes a minute and saves 5 %.
const STRUCTURE_LEVEL: i32 = 9;
/// The kind of a structure definition.
const STRUCTURE: u8 = 3;

/// What people read elsewhere.
const LEFT_OUT: [&str; 9] =
    ["text", "meta", "contact", "description", "purpose", "copyright", "useContext", "jurisdiction", "identifier"];

/// The blocks, and where each definition stands.
#[derive(Default)]
pub struct Prepared {
    /// The compressed blocks, one after the other.
    pub blocks: Vec<u8>,
    /// Where each block ends.
    ends: Vec<usize>,
    open: String,
    /// URL, kind (0 code system, 1 value set, 2 concept map, 3 structure definition), block, start and end in it.
    index: Vec<(String, u8, usize, usize, usize)>,
}

impl Prepared {
    /// Of these definitions.
    pub fn new<'d>(definitions: impl Iterator<Item = &'d Value>) -> Self {
        let mut out = Self::default();
        let mut structures = Vec::new();
        for definition in definitions {
            let kind = match definition["resourceType"].as_str() {
                Some("CodeSystem") => 0,
                Some("ValueSet") => 1,
                Some("ConceptMap") => 2,
                Some("StructureDefinition") => {
                    structures.push(definition);
                    continue;
                }
                _ => continue,
            };
            out.add(definition, kind);
        }
        out.close(LEVEL);
        structures.into_iter().for_each(|definition| out.add(definition, STRUCTURE));
        out.close(STRUCTURE_LEVEL);
        out.index.sort();
        out.index.dedup_by(|later, earlier| later.0 == earlier.0 && later.1 == earlier.1);
        out
    }

    fn add(&mut self, definition: &Value, kind: u8) {
        let mut kept = definition.clone();
        if let Some(object) = kept.as_object_mut() {
            let is_kept = |name: &str| match kind {
                STRUCTURE => name != "text",
                _ => !LEFT_OUT.contains(&name),
            };
            object.retain(|name, _| is_kept(name));
        }
        let start = self.open.len();
        self.open += &kept.to_string();
        let url = definition["url"].as_str().unwrap_or("").to_owned();
        self.index.push((url, kind, self.ends.len(), start, self.open.len()));
        if self.open.len() >= BLOCK {
            self.close(if kind == STRUCTURE { STRUCTURE_LEVEL } else { LEVEL });
        }
    }

    fn close(&mut self, level: i32) {
        let packed = zstd::bulk::compress(self.open.as_bytes(), level).expect("a block is compressed");
        self.blocks.extend_from_slice(&packed);
        self.ends.push(self.blocks.len());
        self.open.clear();
    }

    /// The source of the index.
    pub fn source(&self) -> String {
        let mut out = String::new();
        let (rows, blocks) = (self.index.len(), self.ends.len());
        writeln!(
            out,
            "/// URL, kind, block, start and end of every definition, sorted.\n\
             static INDEX: [(&str, u8, u16, u32, u32); {rows}] = {:?};\n\
             /// Where each block ends.\nstatic ENDS: [u32; {blocks}] = {:?};",
            self.index, self.ends
        )
        .expect("a string");
        out
    }
}
