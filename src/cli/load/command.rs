//! The arguments of `cresset load`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::base::fault::Result;
use crate::cli::load::files;
use crate::cli::load::pace::{Pace, Summary};
use crate::cli::load::pipeline::Pipeline;
use crate::cli::load::state::State;
use crate::cli::load::target::Target;
use crate::cli::place::Place;

/// What is loaded, and how.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Files, folders, archives: Bundles, NDJSON, resources; in gz, bz2, xz, zst, tar
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The base URL of a running server; http://127.0.0.1:8080/fhir unless given
    #[arg(long, conflicts_with_all = ["data", "database"])]
    pub server: Option<String>,
    /// With --data or --database: without a running server, straight into its data
    #[command(flatten)]
    pub place: Place,
    /// With --data or --database: into this tenant
    #[arg(long, conflicts_with = "server")]
    pub tenant: Option<String>,
    /// Requests at a time
    #[arg(long, default_value_t = 6)]
    parallel: usize,
    /// Resources in one batch made of NDJSON or single resources
    #[arg(long, default_value_t = 200)]
    batch: usize,
    /// Leave out files that the interrupted load before this one had finished
    #[arg(long)]
    resume: bool,
    /// Where finished files are noted until all are in
    #[arg(long, default_value = ".cresset-load")]
    state: PathBuf,
}

impl LoadArgs {
    /// Loads everything into `target`; `name` tells targets apart for a load that resumes.
    ///
    /// # Errors
    /// 400 for paths, states and targets that are none; what goes wrong with a file is in the summary.
    pub async fn run(&self, target: &Target, name: &str) -> Result<Summary> {
        let files = files::find(&self.paths)?;
        target.reach().await?;
        let state = State::open(&self.state, name, self.resume)?;
        let pace = Arc::new(Pace::new(files.first.len() + files.rest.len(), Some(state)));
        let pipeline = Pipeline { parallel: self.parallel, batch: self.batch };
        pipeline.run(files, target, &pace).await?;
        Ok(pace.finish())
    }
}

/// What a load did, in a line.
impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.done as f64 / seconds.max(0.001);
        write!(f, "{} resources in {seconds:.1} s ({rate:.0} resources/s)", self.done)?;
        if self.failed_files > 0 {
            write!(f, ", {} failed in {} files", self.failed, self.failed_files)?;
        }
        Ok(())
    }
}
