//! FHIR packages in the form of NPM: a `.tgz` with `package/package.json` and one resource per JSON file.

use std::io::Read;

use flate2::read::GzDecoder;
use tar::Archive;

use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse};

/// Most bytes of one resource of a package.
const RESOURCE_BYTES: u64 = 64 << 20;

/// Most bytes of all resources of a package.
const PACKAGE_BYTES: u64 = 1 << 30;

/// Most files of a package.
const FILES: usize = 100_000;

/// The package whose definitions are part of the program.
const CORE: &str = "hl7.fhir.r4.core";

/// A package.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Its name, such as `hl7.fhir.us.core`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Name and version of each package that it needs.
    pub dependencies: Vec<(String, String)>,
    /// Its resources, without examples.
    pub resources: Vec<Json>,
}

impl Package {
    /// Reads the archive of a package. What is no resource in JSON is passed over.
    ///
    /// # Errors
    /// 400 for what is no archive, has no `package.json`, or is too large.
    pub fn read(archive: impl Read) -> Result<Self> {
        let broken = |error: std::io::Error| Fault::invalid(format!("not a FHIR package: {error}"));
        let mut package = Self::default();
        let mut left = PACKAGE_BYTES;
        for (n, entry) in Archive::new(GzDecoder::new(archive)).entries().map_err(broken)?.enumerate() {
            let mut entry = entry.map_err(broken)?;
            if n == FILES {
                return Err(Fault::invalid(format!("the package has more than {FILES} files")));
            }
            let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
            let Some(name) = path.strip_prefix("package/").filter(|name| is_resource(name)) else { continue };
            let size = entry.size();
            left = left.checked_sub(size).filter(|_| size <= RESOURCE_BYTES).ok_or_else(|| {
                Fault::invalid(format!(
                    "the package is too large: at most {RESOURCE_BYTES} bytes a file, {PACKAGE_BYTES} in all"
                ))
            })?;
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(broken)?;
            let Ok(json) = parse(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text)) else { continue };
            if name == "package.json" {
                package.manifest(&json);
            } else if json.get("resourceType").is_some() {
                package.resources.push(json);
            }
        }
        if package.name.is_empty() {
            return Err(Fault::invalid("not a FHIR package: it has no package/package.json with a name"));
        }
        Ok(package)
    }

    fn manifest(&mut self, json: &Json) {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
        (self.name, self.version) = (text("name"), text("version"));
        let dependencies =
            json.get("dependencies").and_then(Json::as_object).into_iter().flat_map(|object| object.iter());
        self.dependencies = dependencies
            .filter_map(|(name, version)| Some((name.as_str().to_owned(), version.as_str()?.to_owned())))
            .collect();
    }
}

/// Whether a file below `package/` may be a resource or the manifest: not in a folder, which holds examples and such.
/// Questionnaires stand among the examples, and responses name them.
fn is_resource(name: &str) -> bool {
    let plain = name.strip_prefix("example/").filter(|name| name.starts_with("Questionnaire-")).unwrap_or(name);
    name.ends_with(".json") && !plain.contains('/') && !plain.starts_with('.')
}

/// What the packages need and does not stand among them: one text for each, for people.
pub fn missing(packages: &[Package]) -> Vec<String> {
    let plain = |name: &str| name.trim_end_matches(".r4").to_owned();
    let mut texts = Vec::new();
    for package in packages {
        for (name, version) in &package.dependencies {
            let mut same = packages.iter().filter(|other| plain(&other.name) == plain(name)).peekable();
            if name == CORE || same.clone().any(|other| other.name == *name && other.version == *version) {
                continue;
            }
            let needs = format!("{}#{} needs {name}#{version}", package.name, package.version);
            texts.push(match same.peek() {
                Some(other) => format!("{needs}, {}#{} is used instead", other.name, other.version),
                None => format!("{needs}, which is missing"),
            });
        }
    }
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, path, text.as_bytes()).expect("a file");
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar.into_inner().expect("an archive")).expect("bytes");
        gz.finish().expect("bytes")
    }

    #[test]
    fn reads_resources_and_manifest() {
        let bytes = archive(&[
            (
                "package/package.json",
                r#"{"name":"a","version":"1.0","dependencies":{"hl7.fhir.r4.core":"4.0.1","b":"2.0","c.r4":"1"}}"#,
            ),
            ("package/ValueSet-x.json", r#"{"resourceType":"ValueSet","url":"http://x"}"#),
            ("package/.index.json", "{}"),
            ("package/example/Patient-x.json", r#"{"resourceType":"Patient"}"#),
            ("package/broken.json", "{"),
            ("package/notes.txt", "x"),
        ]);
        let package = Package::read(bytes.as_slice()).expect("a package");
        assert_eq!((package.name.as_str(), package.version.as_str(), package.resources.len()), ("a", "1.0", 1));
        let other = Package { name: "c".to_owned(), version: "1".to_owned(), ..Package::default() };
        assert_eq!(
            missing(&[package, other]),
            ["a#1.0 needs b#2.0, which is missing", "a#1.0 needs c.r4#1, c#1 is used instead"]
        );
    }

    #[test]
    fn refuses_what_is_no_package() {
        for bytes in [Vec::new(), b"x".to_vec(), archive(&[("package/a.json", "{}")])] {
            assert!(Package::read(bytes.as_slice()).is_err());
        }
    }
}
