//! `cresset backup`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;

use super::parts::{find, folder, publish};
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::cli::place::{Place, store};
use crate::repo::backup::backup;
use crate::store::Store;

/// Arguments of `cresset backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    place: Place,
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
    /// 400 when the backup has a gap; 409 when it is not one of this log; 503 when the database cannot be reached.
    pub async fn run(&self) -> Result<()> {
        let (config, _) = self.place.load(Vec::new())?;
        let store = Store::open_to_read(store(&config)).await?;
        let done = self.copy(&store, Tenant::DEFAULT, "default").await;
        store.close().await;
        done
    }

    async fn copy(&self, store: &Store, tenant: Tenant, name: &str) -> Result<()> {
        let folder = folder(&self.to, name);
        let failed = |error: std::io::Error| Fault::internal(format!("{}: {error}", folder.display()));
        fs::create_dir_all(&folder).map_err(failed)?;
        let before = find(&folder)?;
        let after = if self.full { Seq(0) } else { before.last().map_or(Seq(0), |part| part.last) };
        let head = store.head(tenant).await?.seq;
        if head < after {
            let text = format!("{}: it reaches {after}, but the log ends at {head}: of another log?", folder.display());
            return Err(Fault::new(crate::base::fault::Category::Conflict, text));
        }
        if head == after {
            println!("{name}: nothing new; the backup reaches entry {after}");
            return Ok(());
        }
        let written = folder.join("new.partial");
        let file = File::create(&written).map_err(failed)?;
        let (out, last) = backup(store, tenant, name, after, BufWriter::new(file)).await?;
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        let path = publish(&file, &written, &folder, after, last)?;
        if self.full {
            before.iter().filter(|part| part.path != path).try_for_each(|part| remove(&part.path))?;
        }
        println!("{name}: {} entries, up to {last}, in {}", last.0 - after.0, path.display());
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| Fault::internal(format!("{}: {error}", path.display())))
}
