//! The FHIR packages that are part of the program (`fhir-profiles/packages.toml`), in their prepared form.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::packed::Packed;

/// Each as `update` made it.
static FILES: [&[u8]; 3] = [
    include_bytes!("../../../fhir-profiles/hl7.fhir.uv.extensions.r4#5.3.0-ballot-tc1.packed.zst"),
    include_bytes!("../../../fhir-profiles/hl7.fhir.uv.ips#2.0.0.packed.zst"),
    include_bytes!("../../../fhir-profiles/hl7.terminology.r4#7.0.1.packed.zst"),
];

static PACKAGES: LazyLock<Vec<Arc<Packed>>> = LazyLock::new(|| {
    FILES.iter().filter_map(|file| Packed::read(Bytes::from_static(file)).ok().map(Arc::new)).collect()
});

/// All of them, by name.
pub fn packages() -> &'static [Arc<Packed>] {
    &PACKAGES
}

/// The one with a name and a version.
pub fn find(name: &str, version: &str) -> Option<&'static Arc<Packed>> {
    PACKAGES.iter().find(|packed| packed.manifest.name == name && packed.manifest.version == version)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::packed::pack;
    use super::*;

    #[test]
    fn they_are_whole() {
        let counts: Vec<_> = packages().iter().map(|packed| (packed.manifest.label(), packed.rows.len())).collect();
        let expected = [
            ("hl7.fhir.uv.extensions.r4#5.3.0-ballot-tc1".to_owned(), 855),
            ("hl7.fhir.uv.ips#2.0.0".to_owned(), 71),
            ("hl7.terminology.r4#7.0.1".to_owned(), 4066),
        ];
        assert_eq!(counts, expected);
        for packed in packages() {
            for at in (0..packed.rows.len()).step_by(41) {
                let json = packed.json(at).expect("a definition");
                let url = json.get("url").and_then(crate::fhir::json::Json::as_str);
                assert_eq!(url.unwrap_or_default(), &*packed.rows[at].url);
            }
        }
    }

    /// `update` is a program in another language: it must make what [`pack`] makes.
    #[test]
    fn they_are_what_their_archives_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/packages");
        if !folder.exists() {
            assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "{} is missing", folder.display());
            eprintln!("SKIPPED: {} is missing", folder.display());
            return;
        }
        for shipped in packages() {
            let name = shipped.manifest.label().replace('#', "-") + ".tgz";
            let made = pack(std::fs::File::open(folder.join(&name)).expect(&name)).expect(&name);
            let made = Packed::read(made.content.into()).expect(&name);
            assert_eq!(made.manifest, shipped.manifest);
            assert_eq!(made.rows.len(), shipped.rows.len(), "{name}");
            for (at, (ours, theirs)) in made.rows.iter().zip(&shipped.rows).enumerate() {
                let texts = |row: &super::super::packed::Row| {
                    [&row.kind, &row.url, &row.version, &row.id, &row.profile_of].map(ToString::to_string)
                };
                assert_eq!(texts(ours), texts(theirs), "{name}");
                if at % 23 == 0 {
                    assert_eq!(made.json(at), shipped.json(at), "{name} {}", ours.url);
                }
            }
        }
    }
}
