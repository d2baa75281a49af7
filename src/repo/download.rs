//! Packages from a registry, as far as the operator allows one: `GET {registry}/{name}` tells the versions, and where the archive of each is
//! (the form of NPM, which packages.fhir.org, packages.simplifier.net and registry.npmjs.org speak).
//!
//! Nothing is fetched but what somebody asks for by name, and what that needs.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sha1::{Digest as _, Sha1};

use super::packages::{LoadedPackage, PackageId, Packages, order};
use crate::base::fault::{Category, Fault, Result};
use crate::base::net::Secure;
use crate::fhir::definitions::package::{Manifest, fits, is_name};
use crate::fhir::json::{Json, parse};

/// Most bytes of what a registry says of a package.
const ABOUT_BYTES: usize = 32 << 20;

/// Most bytes of an archive.
const ARCHIVE_BYTES: usize = 256 << 20;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Most packages that are fetched for one that is asked for.
const MOST: usize = 64;

/// What became of a package that was asked for.
#[derive(Debug)]
pub struct Installed {
    /// The package itself, then what it needs and was fetched, too.
    pub loaded: Vec<LoadedPackage>,
    /// The packages of other names and versions that serve what it needs, and were there.
    pub present: Vec<PackageId>,
    /// What is needed and could not be had, each with the reason.
    pub missing: Vec<String>,
}

/// A version as the registry tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    version: String,
    archive: String,
    /// SHA-1 of the archive, in hexadecimal digits.
    shasum: Option<String>,
}

/// Fetches a package and what it needs, and keeps them. `version`: one, with `x` for any number, or `latest`; the last one without.
///
/// # Errors
/// 422 where no registry is allowed; 400 for what is no name or version, and for builds in progress; 404 for what the registry does
/// not have; 503 when it cannot be reached; whatever loading the archive answers.
pub(super) async fn install(packages: &Packages, name: &str, version: Option<&str>) -> Result<Installed> {
    let registry = packages.registry().ok_or_else(|| {
        let message = "no registry is allowed here: the operator sets packages.registry, or the archive is uploaded";
        Fault::coded(Category::Unprocessable, "not-supported", message)
    })?;
    let client = Secure::new(PATIENCE)?;
    let mut done = Installed { loaded: Vec::new(), present: Vec::new(), missing: Vec::new() };
    let first = fetch(&client, registry, name, version.unwrap_or("latest")).await?;
    let first = keep(packages, first).await?;
    let mut open: VecDeque<(String, String)> = needs(&first.manifest);
    let mut seen: HashSet<String> = HashSet::from([first.manifest.name.clone()]);
    done.loaded.push(first);
    while let Some((name, wanted)) = open.pop_front() {
        if !seen.insert(name.clone()) {
            continue;
        }
        if let Some(there) = there(&packages.all().await?, &name, &wanted) {
            done.present.push(there);
            continue;
        }
        if done.loaded.len() == MOST {
            done.missing.push(format!("{name}#{wanted}: {MOST} packages were fetched already"));
            continue;
        }
        let fetched = match fetch(&client, registry, &name, &wanted).await {
            Ok(fetched) => keep(packages, fetched).await,
            Err(fault) => Err(fault),
        };
        match fetched {
            Ok(loaded) => {
                open.extend(needs(&loaded.manifest));
                done.loaded.push(loaded);
            }
            // A guide is of use without one of those that it needs.
            Err(fault) => done.missing.push(format!("{name}#{wanted}: {}", fault.message())),
        }
    }
    Ok(done)
}

/// An archive, and the name and version that it must have.
struct Fetched {
    name: String,
    version: String,
    archive: Bytes,
}

async fn keep(packages: &Packages, fetched: Fetched) -> Result<LoadedPackage> {
    let Fetched { name, version, archive } = fetched;
    packages.load_as(archive, Some((&name, &version))).await
}

/// What a package needs, without the definitions of FHIR versions, which are part of the program or of no use here.
fn needs(manifest: &Manifest) -> VecDeque<(String, String)> {
    let is_base = |name: &str| {
        let part = name.strip_prefix("hl7.fhir.r").and_then(|rest| rest.split_once('.'));
        part.is_some_and(|(_, part)| {
            matches!(part, "core" | "expansions" | "examples" | "elements" | "search" | "corexml")
        })
    };
    manifest.dependencies.iter().filter(|(name, _)| !is_base(name)).cloned().collect()
}

/// What is there and serves what is wanted: that version, or a later one of the same package.
fn there(all: &[PackageId], name: &str, wanted: &str) -> Option<PackageId> {
    let plain = |name: &str| name.trim_end_matches(".r4").to_owned();
    let same: Vec<&PackageId> = all.iter().filter(|(other, _)| plain(other) == plain(name)).collect();
    let exact = same.iter().find(|(_, version)| fits(wanted, version));
    let later = || same.iter().find(|(_, version)| order(version) >= order(wanted));
    exact.or_else(later).map(|id| (*id).clone())
}

async fn fetch(client: &Secure, registry: &str, name: &str, wanted: &str) -> Result<Fetched> {
    let shown = |text: &str| text.chars().take(128).flat_map(char::escape_debug).collect::<String>();
    if matches!(wanted.split('$').next(), Some("current" | "dev")) {
        let message = format!("{}#{wanted}: builds in progress are in no registry; name a version", shown(name));
        return Err(Fault::invalid(message));
    }
    if !is_name(name) || !is_name(wanted) || name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return Err(Fault::invalid(format!("{}#{}: no name and version of a package", shown(name), shown(wanted))));
    }
    let registry = registry.trim_end_matches('/');
    let about = get(client, &format!("{registry}/{}", name.replace('/', "%2F")), ABOUT_BYTES).await?;
    let about = parse(&about).map_err(|fault| Fault::unavailable(format!("{registry}: {}", fault.message())))?;
    let offer = choose(&about, registry, name, wanted)
        .ok_or_else(|| Fault::not_found(format!("{registry} has no {name}#{wanted}")))?;
    if !is_allowed(registry, &offer.archive) {
        let message = format!("{registry}: the archive of {name}#{} is neither there nor under https", offer.version);
        return Err(Fault::new(Category::Unavailable, message));
    }
    let archive = get(client, &offer.archive, ARCHIVE_BYTES).await?;
    let found: String = Sha1::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
    if offer.shasum.as_ref().is_some_and(|expected| !expected.eq_ignore_ascii_case(&found)) {
        let message = format!(
            "{}: the archive of {name}#{} is not what the registry says: its SHA-1 is {found}",
            registry, offer.version
        );
        return Err(Fault::new(Category::Unavailable, message));
    }
    Ok(Fetched { name: name.to_owned(), version: offer.version, archive })
}

async fn get(client: &Secure, url: &str, most: usize) -> Result<Bytes> {
    let answer = client.fetch(url, HeaderMap::new(), most).await?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Fault::not_found(format!("{url} is not there"))),
        status => Err(Fault::unavailable(format!("{url} answers {status}"))),
    }
}

/// Whether an archive may be fetched: under https, or from where the registry is.
fn is_allowed(registry: &str, archive: &str) -> bool {
    let root = |url: &str| url.split('/').take(3).collect::<Vec<_>>().join("/");
    archive.starts_with("https://") || root(archive) == root(registry)
}

/// The version that is meant: of several that fit the last one, those with labels only where nothing else fits.
fn choose(about: &Json, registry: &str, name: &str, wanted: &str) -> Option<Offer> {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let tagged = about.get("dist-tags").and_then(|tags| text(tags, wanted));
    let wanted = tagged.as_deref().unwrap_or(wanted);
    let offers = about.get("versions").and_then(Json::as_object)?.iter().map(|(version, details)| {
        let dist = details.get("dist");
        let version = version.as_str().to_owned();
        let archive = dist.and_then(|dist| text(dist, "tarball"));
        let archive = archive.unwrap_or_else(|| format!("{registry}/{name}/{version}"));
        Offer { version, archive, shasum: dist.and_then(|dist| text(dist, "shasum")).filter(|sum| !sum.is_empty()) }
    });
    let mut fitting: Vec<Offer> = offers
        .filter(|offer| wanted == "latest" || fits(wanted, &offer.version))
        .filter(|offer| is_name(&offer.version))
        .collect();
    fitting.sort_by_key(|offer| (!offer.version.contains('-'), order(&offer.version)));
    fitting.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_meant() {
        let about = r#"{"dist-tags":{"latest":"4.1.0","beta":"5.0.0-ballot"},"versions":{"4.0.1":{"dist":{"tarball":"http://r/a.tgz","shasum":"ab"}},
            "4.0.10":{},"4.1.0":{},"5.0.0-ballot":{}}}"#;
        let about = parse(about.as_bytes()).expect("JSON");
        let of = |wanted: &str| choose(&about, "http://r", "a", wanted).map(|offer| offer.version);
        for (wanted, found) in [
            ("4.0.x", "4.0.10"),
            ("4.x", "4.1.0"),
            ("latest", "4.1.0"),
            ("4.0.1", "4.0.1"),
            ("beta", "5.0.0-ballot"),
            ("5.0.x", "5.0.0-ballot"),
        ] {
            assert_eq!(of(wanted).as_deref(), Some(found), "{wanted}");
        }
        assert_eq!(of("3.x"), None);
        let offer = choose(&about, "http://r", "a", "4.0.1").expect("an offer");
        assert_eq!((offer.archive.as_str(), offer.shasum.as_deref()), ("http://r/a.tgz", Some("ab")));
        assert_eq!(choose(&about, "http://r", "a", "4.1.0").expect("an offer").archive, "http://r/a/4.1.0");
    }

    #[test]
    fn archives_come_from_the_registry_or_under_https() {
        assert!(is_allowed("http://r:1/npm", "http://r:1/x.tgz") && is_allowed("http://r", "https://other/x.tgz"));
        assert!(!is_allowed("https://r", "http://r/x.tgz") && !is_allowed("http://r", "file:///etc/passwd"));
        assert!(!is_allowed("http://r", "http://r.evil/x"));
    }

    #[test]
    fn what_is_there_serves() {
        let id = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let all = [id("hl7.terminology.r4", "7.0.1"), id("b", "1.0.0")];
        assert_eq!(there(&all, "hl7.terminology.r4", "6.5.0"), Some(all[0].clone()));
        assert_eq!(there(&all, "hl7.terminology", "5.x"), Some(all[0].clone()));
        assert_eq!(there(&all, "b", "1.0.x"), Some(all[1].clone()));
        assert_eq!(there(&all, "b", "2.0.0"), None);
        let manifest = Manifest {
            dependencies: vec![id("hl7.fhir.r4.core", "4.0.1"), id("hl7.fhir.r5.expansions", "1"), all[1].clone()],
            ..Manifest::default()
        };
        assert_eq!(needs(&manifest), [all[1].clone()]);
    }
}
