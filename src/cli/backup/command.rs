//! `cresset backup`.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use clap::Args;

use super::installation;
use super::parts::{Part, find, folder, publish};
use super::settings::Settings;
use super::whose::Whose;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::cli::place::{Place, store};
use crate::repo::backup::backup;
use crate::store::archive::ArchiveReader;
use crate::store::folder::Folder;
use crate::store::{Store, VersionRow};

/// Arguments of `cresset backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    whose: Whose,
    /// The folder of the backup; what is new since the last run is added to it
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy the whole log again, and remove what the folder held before
    #[arg(long)]
    full: bool,
}

impl BackupArgs {
    /// Copies what is new of the log; a server may be running and writing.
    ///
    /// # Errors
    /// 400 when the backup has a gap or is damaged; 404 for an unknown tenant; 409 when it is not one of this log, or another
    /// backup goes there at this moment; 503 when the database cannot be reached. Of several tenants the first fault, after
    /// the others were copied all the same.
    pub async fn run(&self) -> Result<()> {
        let (config, _) = self.place.load(Vec::new())?;
        let store = Store::open_to_read(store(&config)).await?;
        let done = self.copy_all(&store).await;
        store.close().await;
        done
    }

    async fn copy_all(&self, store: &Store) -> Result<()> {
        let mut done = Ok(());
        for (name, tenant) in self.whose.find(store).await? {
            let copied = self.copy(store, tenant, name.as_str()).await;
            done = done.and(copied.map_err(|fault| fault.context(format!("tenant {}", name.as_str()))));
        }
        done.and(installation::copy(store, &self.to).await)
    }

    async fn copy(&self, store: &Store, tenant: Tenant, name: &str) -> Result<()> {
        let folder = folder(&self.to, name);
        let failed = |error: std::io::Error| Fault::internal(format!("{}: {error}", folder.display()));
        // Two at a time would write the same file.
        let _lock = Folder::lock(&folder)?;
        let before = find(&folder)?;
        let after = if self.full { Seq(0) } else { before.last().map_or(Seq(0), |part| part.last) };
        let head = store.head(tenant).await?.seq;
        let settings = Settings::of(store, name).await?;
        if head < after {
            let text = format!("{}: it reaches {after}, but the log ends at {head}: of another log?", folder.display());
            return Err(Fault::new(Category::Conflict, text));
        }
        if let Some(part) = before.last().filter(|_| !self.full) {
            goes_on(store, tenant, part).await?;
        }
        if head == after {
            settings.write(&folder)?;
            println!("{name}: nothing new; the backup reaches entry {after}");
            return Ok(());
        }
        let written = folder.join("new.partial");
        let file = File::create(&written).map_err(failed)?;
        let (out, last) = backup(store, tenant, name, after, BufWriter::new(file)).await?;
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        let path = publish(&file, &written, &folder, after, last)?;
        settings.write(&folder)?;
        if self.full {
            before.iter().filter(|part| part.path != path).try_for_each(|part| remove(&part.path))?;
        }
        println!("{name}: {} entries, up to {last}, in {}", last.0 - after.0, path.display());
        Ok(())
    }
}

/// Looks whether the log here holds the last entry of a backup at its place: then all before it is the same too, and what
/// is new continues it.
async fn goes_on(store: &Store, tenant: Tenant, part: &Part) -> Result<()> {
    let at = |fault: Fault| fault.context(part.path.display().to_string());
    let file = File::open(&part.path).map_err(|error| Fault::invalid(error.to_string())).map_err(at)?;
    let mut archive = ArchiveReader::new(BufReader::new(file)).map_err(at)?;
    let mut end = None;
    while let Some(row) = archive.next_entry().map_err(at)? {
        end = Some(row);
    }
    let here = store.log(tenant, Seq(part.last.0 - 1), 1).await?.pop();
    // Its content may have been expunged since.
    let place = |row: &VersionRow| (row.seq, row.key.clone(), row.version, row.updated, row.tx);
    if here.as_ref().map(place) == end.as_ref().map(place) {
        return Ok(());
    }
    let text = format!("{}: the log here has another entry {}: of another log?", part.path.display(), part.last);
    Err(Fault::new(Category::Conflict, text))
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| Fault::internal(format!("{}: {error}", path.display())))
}
