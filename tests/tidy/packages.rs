//! Packages: permissive licences, crates.io only, one TLS provider.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::source::Violation;

/// Licences that may be linked into the binary.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Packages that must not be there: a second TLS or crypto provider beside aws-lc-rs.
const BANNED: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls", "boring", "boring-sys", "mbedtls"];

/// Banned packages that are there all the same, each with its reason.
const JUSTIFIED: &[(&str, &str)] = &[];

/// What the fuzz targets are built of beside the product's own packages, each with its licence.
const FUZZING: &[(&str, &str)] = &[("libfuzzer-sys", "(MIT OR Apache-2.0) AND NCSA")];

/// What `fuzz/Cargo.toml` names beside the product, the packages that the product is built of, and [`FUZZING`].
pub fn fuzzing(manifest: &str, lock: &str) -> Vec<Violation> {
    let named = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let named = named.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    let names = named.filter_map(|line| Some(line.split_once('=')?.0.trim()));
    let is_known = |name: &&str| {
        lock.contains(&format!("\nname = \"{name}\"\n")) || FUZZING.iter().any(|(known, _)| known == name)
    };
    let violation =
        |name| Violation { file: "fuzz/Cargo.toml".to_owned(), line: 0, what: format!("{name}: is not known") };
    names.filter(|name| !is_known(name)).map(violation).collect()
}

/// Everything that is compiled for this machine, as cargo resolves it from the lock file, without network.
pub fn metadata() -> Value {
    let host = if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    let arguments = ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(super::source::top()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of what is really compiled: `metadata` also lists optional packages whose feature is off.
pub fn compiled() -> BTreeSet<String> {
    let arguments = ["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(super::source::top()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// A second provider beside aws-lc-rs.
pub fn banned(compiled: &BTreeSet<String>) -> Vec<Violation> {
    let there = BANNED.iter().filter(|name| compiled.contains(**name));
    let unjustified = there.filter(|name| !JUSTIFIED.iter().any(|(justified, _)| justified == *name));
    let what = |name: &&str| format!("{name}: a second TLS provider");
    unjustified.map(|name| Violation { file: "Cargo.lock".to_owned(), line: 0, what: what(name) }).collect()
}

/// Licences and sources.
pub fn check(metadata: &Value) -> Vec<Violation> {
    let resolved: BTreeSet<&str> =
        list(&metadata["resolve"]["nodes"]).iter().filter_map(|n| n["id"].as_str()).collect();
    let used = list(&metadata["packages"]).iter().filter(|p| p["id"].as_str().is_some_and(|id| resolved.contains(id)));
    used.flat_map(package).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn package(package: &Value) -> Vec<Violation> {
    let name = package["name"].as_str().unwrap_or_default();
    let violation =
        |what: String| Violation { file: "Cargo.lock".to_owned(), line: 0, what: format!("{name}: {what}") };
    let mut violations = Vec::new();
    let licence = package["license"].as_str().unwrap_or("none");
    if !permitted(licence) {
        violations.push(violation(format!("licence {licence} is not permitted")));
    }
    // The package itself has no source.
    let source = package["source"].as_str().unwrap_or("registry+https://github.com/rust-lang/crates.io-index");
    if source != "registry+https://github.com/rust-lang/crates.io-index" {
        violations.push(violation(format!("comes from {source}")));
    }
    violations
}

/// Whether an SPDX expression can be met by permitted licences; `/` is the old way to write OR.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&tokens, &mut at) && at == tokens.len()
}

fn any_of(tokens: &[&str], at: &mut usize) -> bool {
    let mut met = all_of(tokens, at);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(tokens, at);
    }
    met
}

fn all_of(tokens: &[&str], at: &mut usize) -> bool {
    let mut met = one(tokens, at);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(tokens, at);
    }
    met
}

fn one(tokens: &[&str], at: &mut usize) -> bool {
    let first = tokens.get(*at).copied().unwrap_or_default();
    *at += 1;
    if first == "(" {
        let met = any_of(tokens, at);
        *at += 1;
        return met;
    }
    if tokens.get(*at) == Some(&"WITH") {
        let with = format!("{first} WITH {}", tokens.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
        return LICENCES.contains(&with.as_str());
    }
    LICENCES.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(permitted(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "none", "", "(MIT AND AGPL-3.0) OR LGPL-2.1"] {
            assert!(!permitted(bad), "{bad}");
        }
    }

    #[test]
    fn a_package_of_the_fuzz_targets_alone_is_found() {
        let manifest = "[dependencies]\n# x = y\nserde = \"1\"\nlibfuzzer-sys = \"0.4\"\nodd = { version = \"1\" }\n\n[lib]\nx = 1\n";
        let found = fuzzing(manifest, "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fuzz/Cargo.toml:0: odd: is not known"]);
    }

    #[test]
    fn a_bad_package_is_found() {
        let bad = serde_json::json!({
            "resolve": {"nodes": [{"id": "a"}]},
            "packages": [
                {"id": "a", "name": "ring", "license": "GPL-3.0", "source": "git+https://example.org/x"},
                {"id": "b", "name": "not-used", "license": "GPL-3.0"}
            ]
        });
        let found: Vec<String> = check(&bad).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(banned(&BTreeSet::from(["ring".to_owned(), "serde".to_owned()])).len(), 1);
    }
}
