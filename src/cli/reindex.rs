//! `cresset reindex`: makes the search index anew from the log.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use crate::base::clock::SystemClock;
use crate::base::fault::{Fault, Result};
use crate::base::id::{IdSource, TenantName};
use crate::cli::app::{App, lock};
use crate::cli::place::Place;

/// Arguments of `cresset reindex`.
#[derive(Debug, Args)]
pub struct ReindexArgs {
    #[command(flatten)]
    place: Place,
    /// The base URL under which the server is reached: references to it are local
    #[arg(long)]
    base: Option<String>,
    /// Of this tenant instead of the default one
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

impl ReindexArgs {
    /// Removes the index and follows the whole log.
    ///
    /// # Errors
    /// 409 when the data folder is in use; whatever the repository answers.
    pub async fn run(&self) -> Result<()> {
        let flags = self.base.clone().map(|base| ("http.base", base)).into_iter().collect();
        let (config, _) = self.place.load(flags)?;
        let lock = lock(&config)?;
        let index = config.index_folder();
        if self.tenant.is_none() && index.exists() {
            let failed = |error| Fault::internal(format!("index folder {}: {error}", index.display()));
            std::fs::remove_dir_all(&index).map_err(failed)?;
        }
        let started = Instant::now();
        let base = config.base_url(config.http.listen);
        let clock = Arc::new(SystemClock);
        let app = App::open(config, lock, base, None, clock.clone(), IdSource::random(clock)).await?;
        let status = match &self.tenant {
            Some(name) => app.repo().reindex_of(&TenantName::parse(name)?).await,
            None => app.settle().await.map(|()| app.repo().status()),
        };
        app.close().await?;
        let status = status?;
        let seconds = started.elapsed().as_secs_f64();
        println!("{} documents from {} entries of the log in {seconds:.1} s", status.documents, status.head);
        Ok(())
    }
}
