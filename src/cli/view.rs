//! `cresset view`: tables of a ViewDefinition, without a server (`docs/VIEWS.md`).

use std::fs::{self, File};
use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::base::clock::{Clock, SystemClock, Timestamp};
use crate::base::fault::{Fault, Result};
use crate::base::id::TenantName;
use crate::base::limits::DEEPEST_NESTING;
use crate::cli::place::{Place, store};
use crate::fhir::json::{parse_stored, parse_with};
use crate::fhir::types::ResourceId;
use crate::fhir::views::{TableWriter, TextFormat, View};
use crate::store::{Store, body};

/// Resources that are read at a time.
const PIECE: usize = 500;

/// Arguments of `cresset view`.
#[derive(Debug, Args)]
pub struct ViewArgs {
    #[command(subcommand)]
    command: ViewCommand,
}

#[derive(Debug, Subcommand)]
enum ViewCommand {
    /// Write the table of a ViewDefinition over all resources of its type
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    place: Place,
    /// This tenant instead of the default one
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The ViewDefinition, in JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the table is written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// The file for the table, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// CSV without the names of its columns
    #[arg(long)]
    no_header: bool,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values
    Csv,
    /// An object a line
    Ndjson,
    /// An array of objects
    Json,
    /// Apache Parquet
    Parquet,
}

impl ViewArgs {
    /// Does what the subcommand says.
    ///
    /// # Errors
    /// 400 for a file that cannot be read; 422 for a ViewDefinition that is invalid, or resources that it cannot be run on; 404 for an
    /// unknown tenant; 503 when the database cannot be reached.
    pub async fn run(&self) -> Result<()> {
        let ViewCommand::Run(args) = &self.command;
        args.run().await
    }
}

impl RunArgs {
    async fn run(&self) -> Result<()> {
        let text = fs::read(&self.file).map_err(|error| failed(&self.file, &error))?;
        let json = parse_with(&text, DEEPEST_NESTING).map_err(|fault| fault.context(self.file.display()))?;
        let view = View::compile(&json, "ViewDefinition")?;
        let (config, _) = self.place.load(Vec::new())?;
        let store = Store::open_to_read(store(&config)).await?;
        let done = self.write(&store, &view, SystemClock.now()).await;
        store.close().await;
        done
    }

    async fn write(&self, store: &Store, view: &View, now: Timestamp) -> Result<()> {
        let name = TenantName::parse(self.tenant.as_deref().unwrap_or("default"))?;
        let unknown = || Fault::not_found(format!("there is no tenant \"{}\"", name.as_str()));
        let tenant = store.tenant(&name).await?.ok_or_else(unknown)?;
        let (shown, mut out): (PathBuf, Box<dyn Write + Send>) = match &self.out {
            Some(path) => {
                (path.clone(), Box::new(BufWriter::new(File::create(path).map_err(|error| failed(path, &error))?)))
            }
            None => (PathBuf::from("standard output"), Box::new(BufWriter::new(stdout()))),
        };
        let format = match self.format {
            Format::Csv => Some(TextFormat::Csv { has_header: !self.no_header }),
            Format::Ndjson => Some(TextFormat::NdJson),
            Format::Json => Some(TextFormat::Json),
            Format::Parquet => None,
        };
        let mut piece = Vec::new();
        let mut writer = TableWriter::new(format, view.columns(), &mut piece)?;
        let mut snapshot = store.snapshot(tenant).await?;
        let mut after: Option<ResourceId> = None;
        loop {
            let rows = snapshot.current(view.kind, after.as_ref(), PIECE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.id.clone());
            for row in rows.iter().filter(|row| row.body.is_some()) {
                let text = body::decode(row.body.as_deref().unwrap_or_default(), row.version, row.updated)?;
                for cells in view.rows(&parse_stored(&text)?, now)? {
                    writer.row(&cells, &mut piece)?;
                }
            }
            out.write_all(&piece).map_err(|error| failed(&shown, &error))?;
            piece.clear();
        }
        writer.end(&mut piece)?;
        out.write_all(&piece).and_then(|()| out.flush()).map_err(|error| failed(&shown, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    Fault::invalid(format!("{}: {error}", path.display()))
}
