//! `cresset tenant`: adds, lists, changes and removes tenants.

use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::base::clock::SystemClock;
use crate::base::config::ValidationMode;
use crate::base::fault::{Fault, Result};
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
        /// How much is asked of its resources: off, base, profiles or strict; otherwise what validation.mode says
        #[arg(long, value_name = "MODE")]
        validation: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Change how much is asked of the resources of a tenant from now on; what is stored stays
    Set {
        /// Its name
        name: String,
        /// off, base, profiles or strict; default for what validation.mode says
        #[arg(long, value_name = "MODE")]
        validation: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the names of all tenants, each with the validation it has of its own
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
    /// 400 for a name or mode that is none; 404 for an unknown one; 409 for one that is taken, and when the data folder is in use.
    pub async fn run(&self) -> Result<()> {
        let (What::Add { place, .. } | What::Set { place, .. } | What::List { place } | What::Remove { place, .. }) =
            &self.what;
        let app = open(place).await?;
        let done = self.with(&app).await;
        app.close().await.and(done)
    }

    async fn with(&self, app: &App) -> Result<()> {
        match &self.what {
            What::Add { name, validation, .. } => {
                let mode = validation.as_deref().map(mode).transpose()?.flatten();
                let tenant = TenantName::parse(name)?;
                app.repo().add_tenant(&tenant).await?;
                if mode.is_some() {
                    app.repo().set_validation(&tenant, mode).await?;
                }
                println!("tenant {name} is there, at /t/{name}/fhir");
            }
            What::Set { name, validation, .. } => {
                app.repo().set_validation(&TenantName::parse(name)?, mode(validation)?).await?;
                println!("tenant {name} has validation {validation}");
            }
            What::List { .. } => {
                for (name, mode) in app.repo().tenants().await? {
                    let mode = mode.map(|mode| format!(" validation={}", mode.name())).unwrap_or_default();
                    println!("{}{mode}", name.as_str());
                }
            }
            What::Remove { name, .. } => {
                app.repo().remove_tenant(&TenantName::parse(name)?).await?;
                println!("tenant {name} is gone");
            }
        }
        Ok(())
    }
}

/// The mode of an argument; none for that of the configuration.
fn mode(text: &str) -> Result<Option<ValidationMode>> {
    match text {
        "default" => Ok(None),
        name => ValidationMode::parse(name)
            .map(Some)
            .map_err(|expected| Fault::invalid(format!("--validation: {expected}"))),
    }
}

async fn open(place: &Place) -> Result<App> {
    let (config, _) = place.load(Vec::new())?;
    let lock = lock(&config)?;
    let base = config.base_url(config.http.listen);
    let clock = Arc::new(SystemClock);
    App::open(config, lock, base, None, clock.clone(), IdSource::random(clock)).await
}
