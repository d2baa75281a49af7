//! `cresset tenant`: adds, lists and removes tenants.

use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::base::clock::SystemClock;
use crate::base::fault::Result;
use crate::base::id::{IdSource, TenantName};
use crate::cli::app::{App, lock};
use crate::cli::place::Place;

/// Arguments of `cresset tenant`.
#[derive(Debug, Args)]
pub struct TenantArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add a tenant without data; it is served at /t/NAME/fhir
    Add {
        /// 1 to 64 of a-z, 0-9 and -
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the names of all tenants
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Remove a tenant with all its data, for good
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

impl TenantArgs {
    /// Does it.
    ///
    /// # Errors
    /// 400 for a name that is none; 404 for an unknown one; 409 for one that is taken, and when the data folder is in use.
    pub async fn run(&self) -> Result<()> {
        let (What::Add { place, .. } | What::List { place } | What::Remove { place, .. }) = &self.what;
        let app = open(place).await?;
        let done = self.with(&app).await;
        app.close().await.and(done)
    }

    async fn with(&self, app: &App) -> Result<()> {
        match &self.what {
            What::Add { name, .. } => {
                app.repo().add_tenant(&TenantName::parse(name)?).await?;
                println!("tenant {name} is there, at /t/{name}/fhir");
            }
            What::List { .. } => app.repo().tenants().await?.iter().for_each(|name| println!("{}", name.as_str())),
            What::Remove { name, .. } => {
                app.repo().remove_tenant(&TenantName::parse(name)?).await?;
                println!("tenant {name} is gone");
            }
        }
        Ok(())
    }
}

async fn open(place: &Place) -> Result<App> {
    let (config, _) = place.load(Vec::new())?;
    let lock = lock(&config)?;
    let base = config.base_url(config.http.listen);
    let clock = Arc::new(SystemClock);
    App::open(config, lock, base, None, clock.clone(), IdSource::random(clock)).await
}
