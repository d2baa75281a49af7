//! The official examples of FHIR R4 in both formats, the definitions, and the schemas.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::shared;

/// The folder of the archives.
pub fn folder() -> Option<PathBuf> {
    shared("fhir-r4")
}

/// The definitions: Bundles by the names of their files.
pub fn definitions(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    archive(&folder.join("definitions-4.0.1.tgz"))
}

/// The files of an archive by their names without folder and ending.
pub fn archive(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(name), true) = (name, entry.header().entry_type().is_file()) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name.rsplit_once('.').map_or(name.clone(), |(stem, _)| stem.to_owned()), bytes);
    }
    files
}

/// All examples in JSON.
pub fn json(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = archive(&folder.join("examples-json-4.0.1-instances.tgz"));
    all.append(&mut archive(&folder.join("examples-json-4.0.1-definitional.tgz")));
    all
}

/// The examples that have an official XML form.
pub fn xml(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    archive(&folder.join("examples-xml-4.0.1.tgz"))
}

/// Unpacks the schemas; the one that holds everything.
pub fn schema(folder: &Path, to: &Path) -> PathBuf {
    let file = std::fs::File::open(folder.join("schemas-xsd-4.0.1.tgz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(to).unwrap();
    let mut places = vec![to.to_owned()];
    while let Some(place) = places.pop() {
        let found = place.join("fhir-single.xsd");
        if found.is_file() {
            return found;
        }
        places.extend(std::fs::read_dir(place).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
    }
    panic!("no fhir-single.xsd in the archive");
}
