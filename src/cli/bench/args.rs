//! What is measured, and how: the arguments of `cresset bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    /// An empty PostgreSQL database instead of the embedded one; `postgres`: a fresh cluster for each store
    #[arg(long)]
    pub database: Option<String>,
    /// Add so many milliseconds to every fsync of the server and of its own cluster; needs the compiler cc
    #[arg(long, value_name = "MS")]
    pub fsync_delay: Option<u64>,
    /// How much the server asks of what is written: off, base, profiles or strict; what the configuration says unless given
    #[arg(long, value_name = "MODE")]
    pub validation: Option<String>,
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
    /// Reading and writing JSON and XML, checks and search values, in memory.
    Formats,
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
    /// Disk of store and index.
    Disk,
}

impl BenchArgs {
    /// Whether a task is to be done.
    pub fn does(&self, task: Task) -> bool {
        self.only.is_empty() || self.only.contains(&task)
    }

    /// Whether a store has to be filled for what is to be done.
    pub fn needs_store(&self) -> bool {
        let without = [Task::Baselines, Task::Formats];
        self.only.is_empty() || self.only.iter().any(|task| !without.contains(task))
    }
}
