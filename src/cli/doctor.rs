//! `cresset doctor`: checks that log, tables and index agree.

use std::sync::Arc;

use clap::Args;

use crate::access::actor::Actor;
use crate::base::clock::SystemClock;
use crate::base::fault::Result;
use crate::base::id::{IdSource, TenantName};
use crate::cli::app::{App, lock};
use crate::cli::place::Place;
use crate::repo::Status;

/// Arguments of `cresset doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    place: Place,
    /// Read every body and every document of the index too
    #[arg(long)]
    deep: bool,
    /// Check this tenant instead of the default one
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

/// Findings that are shown.
const SHOWN: usize = 200;

impl DoctorArgs {
    /// What is found, and how far the parts are.
    async fn check(&self, app: &App) -> (Result<Vec<String>>, Status) {
        let repo = app.repo();
        if let Some(name) = &self.tenant {
            let checked = async {
                let name = TenantName::parse(name)?;
                let findings = repo.doctor_of(&name, self.deep).await?;
                Ok((findings, repo.session_of(&name, Actor::System).await?.status()))
            };
            return match checked.await {
                Ok((findings, status)) => (Ok(findings), status),
                Err(fault) => (Err(fault), repo.status()),
            };
        }
        let checked = match app.settle().await {
            Ok(()) => repo.doctor(self.deep).await,
            Err(fault) => Err(fault),
        };
        (checked, repo.status())
    }

    /// Checks; prints every finding. Answers whether all is well.
    ///
    /// The index first follows the log to its end, as it does when a server starts.
    ///
    /// # Errors
    /// 409 when the data folder is in use; 503 when the database cannot be reached.
    pub async fn run(&self) -> Result<bool> {
        let (config, _) = self.place.load(Vec::new())?;
        let lock = lock(&config)?;
        let clock = Arc::new(SystemClock);
        let base = config.base_url(config.http.listen);
        let app = App::open(config, lock, base, None, clock.clone(), IdSource::random(clock)).await?;
        let (checked, status) = self.check(&app).await;
        app.close().await?;
        let findings = checked?;
        for finding in findings.iter().take(SHOWN) {
            println!("{finding}");
        }
        if findings.len() > SHOWN {
            println!("... and {} more", findings.len() - SHOWN);
        }
        println!(
            "log of {} entries, index of {} documents, {} findings",
            status.head,
            status.documents,
            findings.len()
        );
        Ok(findings.is_empty())
    }
}
