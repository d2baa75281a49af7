//! The command line: which commands there are, and which one runs.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::base::clock::SystemClock;
use crate::base::fault::{Category, Fault, Result};
use crate::cli::admin::{ConfigArgs, MigrateArgs};
use crate::cli::bench::BenchArgs;
use crate::cli::generate::GenerateArgs;
use crate::cli::load::{LoadArgs, Target};
use crate::cli::serve::ServeArgs;

/// A FHIR R4 server in one binary.
#[derive(Debug, Parser)]
#[command(name = "cresset", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Load files into a server
    Load(LoadArgs),
    /// Bring the schema of the database to this version
    Migrate(MigrateArgs),
    /// Show the configuration as it would be used, without secrets
    Config(ConfigArgs),
    /// Write generated patients
    Generate(GenerateArgs),
    /// Measure the server beside raw baselines
    Bench(BenchArgs),
}

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("cresset: {fault}");
            ExitCode::from(status(&fault))
        }
    }
}

/// 2 = refused before anything was done: bad arguments, a locked folder, nobody said who may enter; 1 = failed.
fn status(fault: &Fault) -> u8 {
    match fault.category() {
        Category::Invalid | Category::Forbidden | Category::Conflict => 2,
        _ => 1,
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            args.config()?;
            return Err(Fault::internal("the server is not put together yet"));
        }
        Command::Load(args) => return load(args),
        Command::Migrate(args) => wait(async move { args.run().await })?,
        Command::Config(args) => args.run()?,
        Command::Generate(args) => {
            let resources = args.run(&SystemClock)?;
            eprintln!("{resources} resources");
        }
        Command::Bench(args) => wait(async move { args.run().await })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(args: LoadArgs) -> Result<ExitCode> {
    let target = Target::new(args.server.as_deref().unwrap_or("http://127.0.0.1:8080/fhir"))?;
    let summary = wait(async move { args.run(&target).await })?;
    println!("{summary}");
    Ok(if summary.failed_files == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs asynchronous work on a runtime of its own.
fn wait<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = Arc::new(runtime.map_err(|error| Fault::internal(format!("runtime: {error}")))?);
    // On a worker, not on this thread: `block_in_place` works there, and the first task is scheduled like others.
    let task = runtime.spawn(work);
    runtime.block_on(task).map_err(|error| Fault::internal(format!("the command stopped: {error}")))?
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_read_as_documented() {
        for line in [
            "cresset serve --listen 127.0.0.1:8080 --data ./data --database postgres://x/y --demo --insecure-no-auth",
            "cresset load --server http://127.0.0.1:8080/fhir a b",
            "cresset migrate --data ./data --database postgres://x/y",
            "cresset generate --seed 3 --patients 10 --out -",
            "cresset bench --sizes 26000,200000 --only import,read --runs 3 --json out.json",
            "cresset config",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["cresset", "load"]).is_err());
    }

    #[test]
    fn refusals_end_with_2_and_failures_with_1() {
        assert_eq!(status(&Fault::invalid("x")), 2);
        assert_eq!(status(&Fault::new(Category::Conflict, "locked")), 2);
        assert_eq!(status(&Fault::unavailable("x")), 1);
    }
}
