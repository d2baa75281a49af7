//! `cresset restore`.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;

use super::installation;
use super::parts::{Part, find, folder};
use super::settings::Settings;
use super::whose::Whose;
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{Seq, Tenant, TenantName};
use crate::cli::app::lock;
use crate::cli::place::{Place, store};
use crate::fhir::time;
use crate::repo::backup::restore;
use crate::store::Store;
use crate::store::archive::ArchiveReader;

/// Arguments of `cresset restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    whose: Whose,
    /// The folder of the backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Up to this moment, such as 2026-11-25T14:00:00+01:00; a day counts whole. Everything unless given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl RestoreArgs {
    /// Plays a backup into an empty store, or into tenants that are empty or not there yet; the server is stopped meanwhile.
    ///
    /// # Errors
    /// 400 for a backup that is damaged, has a gap, or is none; 409 when the store is not empty, or in use.
    pub async fn run(&self) -> Result<()> {
        let before = self.at.as_deref().map(moment).transpose()?;
        let (config, _) = self.place.load(Vec::new())?;
        let _lock = lock(&config)?;
        let store = Store::open(store(&config)).await?;
        let done = self.play(&store, before).await;
        store.close().await;
        done
    }

    async fn play(&self, store: &Store, before: Option<Timestamp>) -> Result<()> {
        let names = if self.whose.is_all() { tenants(&self.from)? } else { vec![self.whose.name()?] };
        // Nothing is begun unless all can be.
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let parts = find(&folder(&self.from, name.as_str()))?;
            if parts.is_empty() {
                let text = format!("{}: there is no backup of {}", self.from.display(), name.as_str());
                return Err(Fault::invalid(text));
            }
            if let Some(tenant) = store.tenant(&name).await?
                && store.head(tenant).await?.seq > Seq(0)
            {
                let text = format!("tenant {} is not empty: restore into a new one", name.as_str());
                return Err(Fault::new(Category::Conflict, text));
            }
            let settings = Settings::read(&folder(&self.from, name.as_str()))?;
            all.push((name, parts, settings));
        }
        installation::restore(store, &self.from).await?;
        for (name, parts, settings) in all {
            let tenant = match store.tenant(&name).await? {
                Some(tenant) => tenant,
                None => store.add_tenant(&name).await?,
            };
            settings.apply(store, &name).await?;
            play_one(store, tenant, name.as_str(), &parts, before).await?;
        }
        Ok(())
    }
}

/// The tenants that a backup holds.
fn tenants(backup: &Path) -> Result<Vec<TenantName>> {
    let failed = |error: std::io::Error| Fault::invalid(format!("{}: {error}", backup.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(backup).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(Ok(name)) = name.to_str().map(TenantName::parse) else { continue };
        if !find(&folder(backup, name.as_str()))?.is_empty() {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Fault::invalid(format!("{}: there is no backup", backup.display())));
    }
    names.sort_unstable();
    Ok(names)
}

async fn play_one(store: &Store, tenant: Tenant, name: &str, parts: &[Part], before: Option<Timestamp>) -> Result<()> {
    let mut reached = Seq(0);
    for part in parts {
        let opened = File::open(&part.path).map_err(|error| Fault::invalid(error.to_string()));
        let in_part = |fault: Fault| fault.context(part.path.display().to_string());
        let mut archive = opened.and_then(|file| ArchiveReader::new(BufReader::new(file))).map_err(in_part)?;
        if archive.tenant() != name {
            return Err(in_part(Fault::invalid(format!("it is of tenant {}", archive.tenant()))));
        }
        let (last, is_whole) = restore(store, tenant, &mut archive, before).await.map_err(in_part)?;
        reached = last;
        if !is_whole {
            break;
        }
    }
    println!("{name}: restored up to entry {reached}; the index follows when the server starts");
    Ok(())
}

/// The first moment after the time that is meant, as precisely as it is written; without a zone it is UTC.
fn moment(text: &str) -> Result<Timestamp> {
    let parsed =
        time::parse(text).map_err(|_| Fault::invalid(format!("--at: {text} is not a date or time of FHIR")))?;
    Ok(Timestamp(parsed.span(0).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_ends_where_its_precision_ends() {
        let of = |text: &str| moment(text).map(|at| at.to_string());
        assert_eq!(of("2026-11-25").as_deref(), Ok("2026-11-26T00:00:00.000Z"));
        assert_eq!(of("2026-11-25T14:00:00+01:00").as_deref(), Ok("2026-11-25T13:00:01.000Z"));
        assert!(of("yesterday").is_err() && of("2026-02-30").is_err());
    }
}
