//! `cresset package`: keeps FHIR packages, and takes them into use by tenants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::access::actor::Actor;
use crate::base::clock::SystemClock;
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, TenantName};
use crate::cli::app::{App, lock};
use crate::cli::place::Place;
use crate::repo::{Installed, LoadedPackage, Session};

/// Arguments of `cresset package`.
#[derive(Debug, Args)]
pub struct PackageArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Keep packages, for all tenants; which of them a tenant uses is another question
    Add {
        /// Archives (.tgz), or folders that hold such
        #[arg(required = true, value_name = "FILES")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Fetch a package, and what it needs, from the registry that the configuration allows (packages.registry)
    Install {
        /// NAME@VERSION, with x for any number, or NAME for the last version
        package: String,
        /// Have the tenant use them
        #[arg(long)]
        activate: bool,
        /// The tenant
        #[arg(long, default_value = "default", value_name = "NAME")]
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the packages, those that the tenant has in use with a star
    List {
        /// The tenant
        #[arg(long, default_value = "default", value_name = "NAME")]
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a package that no tenant has in use
    Remove {
        /// NAME#VERSION
        package: String,
        #[command(flatten)]
        place: Place,
    },
    /// Have a tenant use a package
    Activate {
        /// NAME#VERSION, or NAME for the last version
        package: String,
        /// The tenant
        #[arg(long, default_value = "default", value_name = "NAME")]
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
    /// Have a tenant use a package no longer
    Deactivate {
        /// NAME#VERSION, or NAME for the last version
        package: String,
        /// The tenant
        #[arg(long, default_value = "default", value_name = "NAME")]
        tenant: String,
        #[command(flatten)]
        place: Place,
    },
}

impl PackageArgs {
    /// Does it.
    ///
    /// # Errors
    /// 400 for what is no package; 404 for an unknown package or tenant; 409 for a package in use, and when the data folder is in
    /// use.
    pub async fn run(&self) -> Result<()> {
        let (What::Add { place, .. }
        | What::Install { place, .. }
        | What::List { place, .. }
        | What::Remove { place, .. }
        | What::Activate { place, .. }
        | What::Deactivate { place, .. }) = &self.what;
        let app = open(place).await?;
        let done = self.with(&app).await;
        app.close().await.and(done)
    }

    async fn with(&self, app: &App) -> Result<()> {
        match &self.what {
            What::Add { files, .. } => {
                let session = session(app, "default").await?;
                for file in archives(files)? {
                    add(&session, &file).await?;
                }
            }
            What::Install { package, activate, tenant, .. } => {
                install(&session(app, tenant).await?, package, activate.then_some(tenant)).await?;
            }
            What::List { tenant, .. } => list(&session(app, tenant).await?).await?,
            What::Remove { package, .. } => {
                let (name, version) = label(package);
                let version = version.ok_or_else(|| Fault::invalid(format!("{package}: expected NAME#VERSION")))?;
                session(app, "default").await?.remove_package(name, version).await?;
                println!("{package} is gone");
            }
            What::Activate { package, tenant, .. } => {
                let (name, version) = label(package);
                let (name, version) = session(app, tenant).await?.use_package(name, version, true).await?;
                println!("{tenant} uses {name}#{version}");
            }
            What::Deactivate { package, tenant, .. } => {
                let (name, version) = label(package);
                let (name, version) = session(app, tenant).await?.use_package(name, version, false).await?;
                println!("{tenant} does not use {name}#{version}");
            }
        }
        Ok(())
    }
}

async fn add(session: &Session, file: &Path) -> Result<()> {
    let named = |fault: Fault| fault.context(file.display());
    let archive = archive(file)?;
    let loaded = session.load_package(Bytes::from(archive)).await.map_err(named)?;
    for passed_over in &loaded.passed_over {
        eprintln!("cresset: warning: {}: {passed_over}", file.display());
    }
    println!("{} is there, with {} definitions", loaded.manifest.label(), loaded.definitions);
    Ok(())
}

/// Fetches a package, and what it needs; `user`: the tenant that takes them into use.
async fn install(session: &Session, package: &str, user: Option<&String>) -> Result<()> {
    let (name, version) = label(package);
    let Installed { loaded, present, missing } = session.install_package(name, version).await?;
    for LoadedPackage { manifest, definitions, passed_over } in loaded.iter().rev() {
        passed_over.iter().for_each(|file| eprintln!("cresset: warning: {}: {file}", manifest.label()));
        println!("{} is there, with {definitions} definitions", manifest.label());
        if let Some(tenant) = user {
            session.use_package(&manifest.name, Some(&manifest.version), true).await?;
            println!("{tenant} uses {}", manifest.label());
        }
    }
    present.iter().for_each(|(name, version)| println!("{name}#{version} was there"));
    missing.iter().for_each(|reason| eprintln!("cresset: warning: it needs {reason}"));
    Ok(())
}

async fn list(session: &Session) -> Result<()> {
    let used = session.packages_in_use();
    for (name, version) in session.packages().await? {
        let label = format!("{name}#{version}");
        let found = used.packages.iter().find(|used| used.packed.manifest.label() == label);
        let Some(found) = found else {
            println!("  {label}");
            continue;
        };
        println!("* {label}");
        found.needs.replaced.iter().for_each(|note| println!("    needs {note}"));
        found.needs.missing.iter().for_each(|name| println!("    needs {name}, which is missing"));
    }
    used.absent.iter().for_each(|label| println!("! {label} is to be in use and is not there"));
    Ok(())
}

/// Name and version.
fn label(text: &str) -> (&str, Option<&str>) {
    let at = || text.rsplit_once('@').filter(|(name, _)| !name.is_empty());
    text.split_once('#').or_else(at).map_or((text, None), |(name, version)| (name, Some(version)))
}

/// The archive of a package: a file, or made of the folder where it is unpacked (with `package.json` in it, or in its `package`).
///
/// # Errors
/// 400 for what cannot be read, and for a folder without a package.
pub fn archive(path: &Path) -> Result<Vec<u8>> {
    let named = |error: std::io::Error| Fault::invalid(format!("{}: {error}", path.display()));
    if !path.is_dir() {
        return std::fs::read(path).map_err(named);
    }
    let none = || Fault::invalid(format!("{}: there is no package in this folder", path.display()));
    let folder = unpacked(path).ok_or_else(none)?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).map_err(named)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json") && file.is_file());
    files.sort();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for file in files {
        let name = file.file_name().unwrap_or_default();
        tar.append_path_with_name(&file, Path::new("package").join(name)).map_err(named)?;
    }
    tar.into_inner().and_then(GzEncoder::finish).map_err(named)
}

/// Where in a folder the files of an unpacked package stand.
fn unpacked(folder: &Path) -> Option<PathBuf> {
    [folder.to_owned(), folder.join("package")].into_iter().find(|inner| inner.join("package.json").is_file())
}

/// The archives among these files and in these folders, and the folders that are unpacked packages.
fn archives(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        if unpacked(path).is_some() {
            found.push(path.clone());
            continue;
        }
        let entries =
            std::fs::read_dir(path).map_err(|error| Fault::invalid(format!("{}: {error}", path.display())))?;
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "tgz"));
        if inside.is_empty() {
            return Err(Fault::invalid(format!("{}: there is no package in this folder", path.display())));
        }
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

async fn session(app: &App, tenant: &str) -> Result<Session> {
    app.repo().session_of(&TenantName::parse(tenant)?, Actor::System).await
}

async fn open(place: &Place) -> Result<App> {
    let (config, _) = place.load(Vec::new())?;
    let lock = lock(&config)?;
    let base = config.base_url(config.http.listen);
    let clock = Arc::new(SystemClock);
    App::open(config, lock, base, None, clock.clone(), IdSource::random(clock)).await
}
