//! The arguments of `cresset conform`, and its run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::embedded::EMBEDDED;
use super::play::Stage;
use super::report::lines;
use super::scenario::{Scenario, read};
use crate::base::clock::SystemClock;
use crate::base::fault::{Fault, Result};
use crate::base::id::IdSource;

/// Arguments of `cresset conform`.
#[derive(Debug, Args)]
pub struct ConformArgs {
    /// The base URL of the server
    #[arg(long, default_value = "http://127.0.0.1:8080/fhir")]
    base: String,
    /// Goes with every request as a bearer token
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A folder with scenarios, instead of those in the program
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    /// Only scenarios whose names begin so; can be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Show the scenarios instead of running them
    #[arg(long)]
    list: bool,
}

impl ConformArgs {
    /// Runs the scenarios one after another and prints a line for each, then `N passed, N failed`. Answers whether
    /// all passed.
    ///
    /// # Errors
    /// 400 for a scenario that cannot be read, or when there is none.
    pub async fn run(&self) -> Result<bool> {
        let mut scenarios = match &self.scenarios {
            Some(folder) => from_folder(folder)?,
            None => EMBEDDED.iter().map(|(name, text)| named(name, text)).collect::<Result<_>>()?,
        };
        scenarios.retain(|(name, _)| self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only)));
        if scenarios.is_empty() {
            return Err(Fault::invalid("there is no such scenario"));
        }
        if self.list {
            scenarios.iter().for_each(|(name, scenario)| println!("{name}: {} ({})", scenario.title, scenario.spec));
            return Ok(true);
        }
        let clock = Arc::new(SystemClock);
        let stage = Stage::new(&self.base, self.token.as_deref(), clock.clone(), IdSource::random(clock))?;
        let mut failed = 0;
        for (name, scenario) in &scenarios {
            let failure = stage.play(scenario).await;
            failed += usize::from(failure.is_some());
            println!("{}", lines(name, scenario, failure.as_ref()));
        }
        println!("{} passed, {failed} failed", scenarios.len() - failed);
        Ok(failed == 0)
    }
}

fn named(name: &str, text: &str) -> Result<(String, Scenario)> {
    Ok((name.to_owned(), read(name, text)?))
}

fn from_folder(folder: &Path) -> Result<Vec<(String, Scenario)>> {
    let failed = |error| Fault::invalid(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".toml")) else { continue };
        found.push(named(name, &std::fs::read_to_string(&path).map_err(failed)?)?);
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}
