//! The command line: which commands there are, and which one runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::base::clock::SystemClock;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{IdSource, TenantName};
use crate::cli::admin::{ConfigArgs, MigrateArgs};
use crate::cli::backup::{BackupArgs, ExportArgs, RestoreArgs};
use crate::cli::bare::BareArgs;
use crate::cli::bench::BenchArgs;
use crate::cli::conform::ConformArgs;
use crate::cli::doctor::DoctorArgs;
use crate::cli::generate::GenerateArgs;
use crate::cli::load::{LoadArgs, Summary, Target};
use crate::cli::package::PackageArgs;
use crate::cli::reindex::ReindexArgs;
use crate::cli::running::Running;
use crate::cli::serve::{ServeArgs, serve};
use crate::cli::tenant::TenantArgs;
use crate::cli::terminology::TerminologyArgs;
use crate::cli::validate::ValidateArgs;
use crate::cli::view::ViewArgs;
use crate::repo::base_of;

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
    /// Make the search index anew from the log
    Reindex(ReindexArgs),
    /// Check that log, tables and index agree
    Doctor(DoctorArgs),
    /// Copy the log to a folder, while the server runs
    Backup(BackupArgs),
    /// Play a backup into an empty store, up to a moment
    Restore(RestoreArgs),
    /// Write all current resources as NDJSON
    Export(ExportArgs),
    /// Make tables of ViewDefinitions
    View(ViewArgs),
    /// Keep FHIR packages, and have tenants use them
    Package(PackageArgs),
    /// Add, list and remove tenants
    Tenant(TenantArgs),
    /// Load, list and remove large code systems
    Terminology(TerminologyArgs),
    /// Bring the schema of the database to this version
    Migrate(MigrateArgs),
    /// Show the configuration as it would be used, without secrets
    Config(ConfigArgs),
    /// Write generated patients
    Generate(GenerateArgs),
    /// Hold files against FHIR and profiles
    Validate(ValidateArgs),
    /// Run the scenarios of FHIR REST against a server
    Conform(ConformArgs),
    /// Measure the server beside raw baselines
    Bench(BenchArgs),
    /// Run the bare handler that the benchmark compares reads with
    #[command(hide = true)]
    Bare(BareArgs),
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
        Command::Serve(args) => wait(serve(args.config()?))?,
        Command::Load(args) => return load(args),
        Command::Reindex(args) => wait(async move { args.run().await })?,
        Command::Doctor(args) => {
            let is_well = wait(async move { args.run().await })?;
            return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Conform(args) => {
            let has_passed = wait(async move { args.run().await })?;
            return Ok(if has_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Backup(args) => wait(async move { args.run().await })?,
        Command::Restore(args) => wait(async move { args.run().await })?,
        Command::Export(args) => wait(async move { args.run().await })?,
        Command::View(args) => wait(async move { args.run().await })?,
        Command::Package(args) => wait(async move { args.run().await })?,
        Command::Tenant(args) => wait(async move { args.run().await })?,
        Command::Terminology(args) => wait(async move { args.run().await })?,
        Command::Migrate(args) => wait(async move { args.run().await })?,
        Command::Config(args) => args.run()?,
        Command::Generate(args) => {
            let resources = args.run(&SystemClock)?;
            eprintln!("{resources} resources");
        }
        Command::Validate(args) => {
            return Ok(if args.run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Bench(args) => wait(async move { args.run().await })?,
        Command::Bare(args) => wait(async move { args.run().await })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(args: LoadArgs) -> Result<ExitCode> {
    let is_local = args.place.data.is_some() || args.place.database.is_some();
    let summary = wait(async move { if is_local { load_locally(&args).await } else { load_remotely(&args).await } })?;
    println!("{summary}");
    Ok(if summary.failed_files == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn load_remotely(args: &LoadArgs) -> Result<Summary> {
    let target = Target::new(args.server.as_deref().unwrap_or("http://127.0.0.1:8080/fhir"))?;
    args.run(&target, target.url()).await
}

/// Loads through a server of its own, on a free port: every rule holds as for any other client.
async fn load_locally(args: &LoadArgs) -> Result<Summary> {
    let (mut config, _) = args.place.load(Vec::new())?;
    // References to the address where the data will be served are local now already.
    config.http.base = Some(config.base_url(config.http.listen));
    config.http.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.http.drain_delay_seconds = 0;
    let name = format!("{} {}", config.store.data.display(), config.store.database.is_some());
    let clock = Arc::new(SystemClock);
    let running = Running::start(config, clock.clone(), IdSource::random(clock)).await?;
    let url = format!("http://{}/fhir", running.address());
    let tenant = args.tenant.as_deref().map(TenantName::parse).transpose()?;
    let url = tenant.as_ref().map_or_else(|| url.clone(), |name| base_of(&url, name));
    let loaded = args.run(&Target::new(&url)?, &format!("{name} {}", args.tenant.as_deref().unwrap_or_default())).await;
    let settled = match &tenant {
        Some(name) => running.app().repo().settle_of(name).await,
        None => running.app().settle().await,
    };
    running.stop().await.and(settled)?;
    loaded
}

/// Runs asynchronous work on a runtime of its own.
fn wait<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::internal(format!("runtime: {error}")))?;
    // On a worker, not on this thread: `block_in_place` works there, and the first task is scheduled like others.
    let task = runtime.spawn(work);
    let ended = runtime.block_on(task);
    // What nobody waits for any more, such as a long search when a second signal came, must not hold the process.
    runtime.shutdown_background();
    ended.map_err(|error| Fault::internal(format!("the command stopped: {error}")))?
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
            "cresset load --data ./data a",
            "cresset reindex --data ./data",
            "cresset doctor --deep --data ./data --database postgres://x/y",
            "cresset migrate --data ./data --database postgres://x/y",
            "cresset generate --seed 3 --patients 10 --out -",
            "cresset bench --sizes 26000,200000 --only import,read --runs 3 --json out.json",
            "cresset conform --base http://127.0.0.1:8080/fhir --only search --token x",
            "cresset backup --data ./data --to backup --full",
            "cresset restore --data ./new --from backup --at 2026-11-25T14:00:00Z",
            "cresset export --data ./data --out export --type Patient,Observation --tenant ward",
            "cresset backup --data ./data --to backup --all-tenants",
            "cresset restore --data ./new --from backup --tenant ward",
            "cresset tenant add ward --data ./data",
            "cresset tenant list --database postgres://x/y",
            "cresset tenant remove ward",
            "cresset terminology load snomed /snapshot --version 1 --data ./data",
            "cresset terminology load icd-10-cm",
            "cresset terminology load codesystem a.json --database postgres://x/y",
            "cresset terminology list",
            "cresset terminology remove http://loinc.org|2.76",
            "cresset package add hl7.fhir.us.core-6.1.0.tgz --data ./data",
            "cresset package activate hl7.fhir.us.core --tenant ward",
            "cresset doctor --tenant ward",
            "cresset reindex --tenant ward",
            "cresset load --data ./data --tenant ward a",
            "cresset config",
            "cresset view run a.json --data ./data --tenant ward --format parquet --out a.parquet --no-header",
            "cresset validate --profile http://x/y --package a.tgz --package b.tgz --output json --strict --errors-only a b",
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
