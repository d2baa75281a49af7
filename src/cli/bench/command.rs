//! The arguments of `cresset bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::machine;
use super::report::{json, table};
use super::tasks::Bench;
use crate::base::fault::{Fault, Result};

/// What is measured, and how.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Resources in the store; each size is measured on its own
    #[arg(long, value_delimiter = ',', default_values_t = [26_000, 200_000])]
    pub sizes: Vec<u64>,
    /// Only these tasks
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Task>,
    /// How often each number is measured; the median counts
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// How long reads and creates are driven, each time
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Connections of the import
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// Import these files instead of generated patients; may be given several times
    #[arg(long)]
    pub synthea: Vec<PathBuf>,
    /// Very many patients of ten resources each instead of years of visits
    #[arg(long)]
    pub brief: bool,
    /// Seed of the generated patients
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// An empty PostgreSQL database instead of the embedded one
    #[arg(long)]
    pub database: Option<String>,
    /// Where the stores are made: the disk that is measured
    #[arg(long, default_value = ".")]
    pub work: PathBuf,
    /// Write the result to this file too
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Raw SQLite and raw index.
    Baselines,
    /// Until `/metadata` answers, and memory while idle.
    Start,
    /// Transaction Bundles.
    Import,
    /// Single creates over 64 connections.
    Create,
    /// Reads by id, beside the bare handler.
    Read,
    /// Searches.
    Search,
    /// A count with many hits.
    Count,
    /// Write, then search.
    Visibility,
    /// Memory of the server.
    Memory,
    /// Disk of store and index; not together with creates, which are not in the input.
    Disk,
}

impl BenchArgs {
    /// Whether a task is to be done.
    pub fn does(&self, task: Task) -> bool {
        self.only.is_empty() || self.only.contains(&task)
    }

    /// Measures, and prints the table.
    ///
    /// # Errors
    /// 500 when the server fails; the lines so far are printed all the same.
    pub async fn run(&self) -> Result<()> {
        let machine = machine::describe();
        for (name, value) in &machine {
            println!("{name}: {value}");
        }
        let mut bench = Bench::new(self);
        let ended = bench.run().await;
        println!("load average afterwards: {}\n\n{}", machine::load_average(), table(&bench.lines));
        if let Some(path) = &self.json {
            let written = std::fs::write(path, json(&bench.lines, &machine));
            written.map_err(|error| Fault::internal(format!("{}: {error}", path.display())))?;
        }
        ended
    }
}
