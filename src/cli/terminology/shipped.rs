//! The code systems that are in the program (`fhir-profiles/packages.toml`).

use std::io::Read;

use super::about::About;
use super::gather::Gather;
use super::icd10cm;
use crate::base::fault::{Fault, Result};

/// The release of ICD-10-CM that is in the program.
pub const ICD_10_CM: &str = "2026-04";

const TABULAR: &[u8] = include_bytes!("../../../fhir-profiles/icd-10-cm#2026-04.tabular.xml.zst");
const CODES: &[u8] = include_bytes!("../../../fhir-profiles/icd-10-cm#2026-04.codes.txt.zst");

/// Reads ICD-10-CM out of the program.
///
/// # Errors
/// 500 when the program is damaged.
pub fn icd_10_cm(out: &mut Gather) -> Result<About> {
    let (tabular, codes) = (unpack(TABULAR)?, unpack(CODES)?);
    icd10cm::both("icd-10-cm", &tabular, Some(("icd-10-cm", &codes)), Some(ICD_10_CM), out)
}

fn unpack(bytes: &[u8]) -> Result<String> {
    let broken = |error: std::io::Error| Fault::internal(format!("the program's ICD-10-CM: {error}"));
    let mut text = String::new();
    zstd::Decoder::new(bytes).map_err(broken)?.read_to_string(&mut text).map_err(broken)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The count of CDC's list, in which a block of one category is a line of its own.
    #[test]
    fn icd_10_cm_has_all_its_codes() {
        let mut gather = Gather::default();
        let about = icd_10_cm(&mut gather).unwrap();
        assert_eq!((about.url.as_str(), about.version.as_str()), ("http://hl7.org/fhir/sid/icd-10-cm", "2026-04"));
        let (mut concepts, mut found) = (gather.finish().unwrap(), BTreeMap::new());
        while let Some(concept) = concepts.next().unwrap() {
            found.insert(concept.code.to_string(), concept);
        }
        assert_eq!(found.len(), 98_505);
        let kinds = |kind: &str| {
            let is_it =
                |property: &&crate::fhir::codes::Property| &*property.code == "kind" && property.value.text() == kind;
            found.values().filter(|concept| concept.properties.iter().any(|property| is_it(&property))).count()
        };
        let all = ["chapter", "block", "category", "subcategory", "extension"].map(kinds);
        assert_eq!(all, [22, 297, 1918, 44_963, 51_305]);
        // each code of the list is there, and nothing else
        let listed = unpack(CODES).unwrap();
        let mut listed: Vec<&str> = listed.lines().collect();
        let mut bare: Vec<String> = found.keys().map(|code| code.replace('.', "")).collect();
        bare.iter_mut().for_each(|code| match code.split_once('-') {
            Some((first, last)) if first == last => *code = first.to_owned(),
            _ => {}
        });
        listed.sort_unstable();
        bare.sort_unstable();
        assert!(listed == bare, "the codes are those of the list");
        for concept in found.values() {
            assert!(concept.parents.iter().all(|parent| found.contains_key(&**parent)), "{concept:?}");
            assert_eq!(concept.parents.is_empty(), concept.properties.iter().any(|p| p.value.text() == "chapter"));
        }
        assert_eq!(found["E11.9"].display.as_deref(), Some("Type 2 diabetes mellitus without complications"));
        assert_eq!(&*found["S06.0X0A"].parents[0], "S06.0X0");
    }
}
