//! FHIR packages in the form of NPM: a `.tgz` with `package/package.json` and one resource per JSON file.

use std::io::Read;

use flate2::read::GzDecoder;
use tar::Archive;

use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, Object, parse};

/// Most bytes of one resource of a package.
const RESOURCE_BYTES: u64 = 64 << 20;

/// Most bytes of all resources of a package.
const PACKAGE_BYTES: u64 = 512 << 20;

/// Most files of a package.
const FILES: usize = 100_000;

/// The package whose definitions are part of the program.
const CORE: &str = "hl7.fhir.r4.core";

/// What a package says of itself (`package.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its name, such as `hl7.fhir.us.core`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The canonical URL that its definitions stand below; empty without one.
    pub canonical: String,
    /// Name and version of each package that it needs.
    pub dependencies: Vec<(String, String)>,
}

impl Manifest {
    /// Reads it.
    pub fn read(json: &Json) -> Self {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
        let dependencies =
            json.get("dependencies").and_then(Json::as_object).into_iter().flat_map(|object| object.iter());
        let dependencies = dependencies
            .filter_map(|(name, version)| Some((name.as_str().to_owned(), version.as_str()?.to_owned())))
            .collect();
        Self { name: text("name"), version: text("version"), canonical: text("canonical"), dependencies }
    }

    /// Writes it.
    pub fn json(&self) -> Json {
        let mut needs = Object::new();
        self.dependencies.iter().for_each(|(name, version)| needs.set(name, Json::string(version.as_str())));
        Json::object([
            ("name", Json::string(self.name.as_str())),
            ("version", Json::string(self.version.as_str())),
            ("canonical", Json::string(self.canonical.as_str())),
            ("dependencies", Json::Object(needs)),
        ])
    }

    /// `name#version`
    pub fn label(&self) -> String {
        format!("{}#{}", self.name, self.version)
    }
}

/// A package.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its resources, without examples.
    pub resources: Vec<Json>,
}

impl Package {
    /// Reads the archive of a package. What is no resource in JSON is passed over.
    ///
    /// # Errors
    /// 400 for what is no archive, has no `package.json`, or is too large.
    pub fn read(archive: impl Read) -> Result<Self> {
        let mut resources = Vec::new();
        let manifest = walk(archive, &mut |_, read| {
            resources.extend(read.ok());
            Ok(())
        })?;
        Ok(Self { manifest, resources })
    }
}

/// Goes through the resources of an archive, each with the name of its file; one that cannot be read is told with the fault.
///
/// # Errors
/// 400 for what is no archive, has no `package.json`, or is too large, with the file where there is one; those of `each`.
pub fn walk(archive: impl Read, each: &mut dyn FnMut(&str, Result<Json>) -> Result<()>) -> Result<Manifest> {
    let broken = |error: std::io::Error| Fault::invalid(format!("not a FHIR package: {error}"));
    let mut manifest = Manifest::default();
    let mut left = PACKAGE_BYTES;
    // What is not a file of interest is unpacked too, to get past it.
    let unpacked = GzDecoder::new(archive).take(PACKAGE_BYTES * 2);
    for (n, entry) in Archive::new(unpacked).entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if n == FILES {
            return Err(Fault::invalid(format!("the package has more than {FILES} files")));
        }
        let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        let size = entry.size();
        let shown: String = path.chars().take(120).flat_map(char::escape_debug).collect();
        left = left.checked_sub(size).filter(|_| size <= RESOURCE_BYTES).ok_or_else(|| {
            Fault::invalid(format!(
                "the package is too large at {shown}: at most {RESOURCE_BYTES} bytes a file, {PACKAGE_BYTES} in all"
            ))
        })?;
        let Some(name) = path.strip_prefix("package/").filter(|name| is_resource(name)) else { continue };
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(|error| broken(error).context(&shown))?;
        let json = parse(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text));
        match json {
            Ok(json) if name == "package.json" => manifest = Manifest::read(&json),
            Err(fault) if name == "package.json" => return Err(fault.context(&shown)),
            Ok(json) if json.get("resourceType").is_none() => {}
            read => each(&shown, read)?,
        }
    }
    if !is_name(&manifest.name) || !is_name(&manifest.version) {
        return Err(Fault::invalid("not a FHIR package: it has no package/package.json with a name and a version"));
    }
    Ok(manifest)
}

/// Whether a text can be the name or version of a package.
pub fn is_name(text: &str) -> bool {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b".-_+@/".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(is_fine)
}

/// Whether a file below `package/` may be a resource or the manifest: not in a folder, which holds examples and such.
/// Questionnaires stand among the examples, and responses name them.
fn is_resource(name: &str) -> bool {
    let plain = name.strip_prefix("example/").filter(|name| name.starts_with("Questionnaire-")).unwrap_or(name);
    name.ends_with(".json") && !plain.contains('/') && !plain.starts_with('.')
}

/// Whether a version is the one that is wanted, which may end in `x` for any number, such as `4.0.x`.
pub fn fits(wanted: &str, version: &str) -> bool {
    let any = wanted.strip_suffix(['x', 'X', '*']).filter(|rest| rest.is_empty() || rest.ends_with('.'));
    wanted == version || any.is_some_and(|rest| version.starts_with(rest))
}

/// How what a package needs is found among those that are there: the exact version; else the same package, or its `.r4`
/// form, in another version, which is a note; else it is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// What another version stands in for, one text each, for people.
    pub replaced: Vec<String>,
    /// What is missing, as `name#version`.
    pub missing: Vec<String>,
}

impl Needs {
    /// What a package needs, among these.
    pub fn of(package: &Manifest, among: &[&Manifest]) -> Self {
        let plain = |name: &str| name.trim_end_matches(".r4").to_owned();
        let mut needs = Self::default();
        for (name, version) in package.dependencies.iter().filter(|(name, _)| name != CORE) {
            let same: Vec<_> = among.iter().filter(|other| plain(&other.name) == plain(name)).collect();
            if same.iter().any(|other| other.name == *name && fits(version, &other.version)) {
                continue;
            }
            match same.first() {
                Some(other) => needs.replaced.push(format!("{name}#{version}: {} is used instead", other.label())),
                None => needs.missing.push(format!("{name}#{version}")),
            }
        }
        needs
    }
}

/// What the packages need and is neither one of them nor of those that are there anyway: one text for each, for people.
pub fn missing(packages: &[Package], there: &[&Manifest]) -> Vec<String> {
    let mut all: Vec<&Manifest> = packages.iter().map(|package| &package.manifest).collect();
    all.extend(there);
    let mut texts = Vec::new();
    for Package { manifest: package, .. } in packages {
        let Needs { replaced, missing } = Needs::of(package, &all);
        let label = package.label();
        texts.extend(missing.iter().map(|name| format!("{label} needs {name}, which is missing")));
        texts.extend(replaced.iter().map(|text| format!("{label} needs {text}")));
    }
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// A `.tgz` of these files.
    pub(in super::super) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
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
        let Manifest { name, version, .. } = &package.manifest;
        assert_eq!((name.as_str(), version.as_str(), package.resources.len()), ("a", "1.0", 1));
        let other = Manifest { name: "c".to_owned(), version: "1".to_owned(), ..Manifest::default() };
        let other = Package { manifest: other, ..Package::default() };
        assert_eq!(
            missing(&[package.clone(), other.clone()], &[]),
            ["a#1.0 needs b#2.0, which is missing", "a#1.0 needs c.r4#1: c#1 is used instead"]
        );
        assert_eq!(
            missing(&[package], &[&other.manifest]),
            ["a#1.0 needs b#2.0, which is missing", "a#1.0 needs c.r4#1: c#1 is used instead"]
        );
    }

    #[test]
    fn versions_may_be_any_of_some() {
        for (wanted, version) in [("4.0.1", "4.0.1"), ("4.0.x", "4.0.12"), ("4.X", "4.1.0"), ("*", "1")] {
            assert!(fits(wanted, version), "{wanted} {version}");
        }
        for (wanted, version) in [("4.0.x", "4.1.0"), ("4x", "4.1"), ("1.0.0", "1.0.0-ballot"), ("4.0.x", "4.0")] {
            assert!(!fits(wanted, version), "{wanted} {version}");
        }
    }

    #[test]
    fn refuses_what_is_no_package() {
        for bytes in [Vec::new(), b"x".to_vec(), archive(&[("package/a.json", "{}")])] {
            assert!(Package::read(bytes.as_slice()).is_err());
        }
    }
}
