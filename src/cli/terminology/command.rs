//! The command: its arguments, and the way of a code system into the database.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;

use super::about::About;
use super::gather::{Concepts, Gather};
use super::source::Source;
use super::{cvx, icd10cm, loinc, resource, rxnorm, shipped, snomed, ucum};
use crate::base::fault::{Category, Fault, Result};
use crate::cli::place::{Place, store};
use crate::fhir::codes::Packer;
use crate::store::Store;

/// Pieces that wait to be written.
const QUEUE: usize = 4;

/// Arguments of `cresset terminology`.
#[derive(Debug, Args)]
pub struct TerminologyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Load a code system for all tenants; a running server notices it by itself
    Load {
        /// What the files are
        #[arg(value_enum)]
        format: Format,
        /// Folder, zip archive or file as it is published; icd-10-cm needs none, it is in the program
        path: Option<PathBuf>,
        /// The version, when the files do not say it or another name is wanted
        #[arg(long)]
        version: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// List the code systems that were loaded
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Remove a code system that was loaded
    Remove {
        /// URL|VERSION as list shows it; without |VERSION if there is only one
        canonical: String,
        #[command(flatten)]
        place: Place,
    },
}

/// The formats of code systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// SNOMED CT, a release in RF2: its Snapshot
    Snomed,
    /// LOINC, the complete release
    Loinc,
    /// RxNorm, a full release in RRF
    Rxnorm,
    /// ICD-10-CM of CDC: tabular list (XML), order file, or both
    #[value(name = "icd-10-cm")]
    Icd10Cm,
    /// CVX of CDC, the list separated by |
    Cvx,
    /// UCUM, ucum-essence.xml
    Ucum,
    /// A FHIR CodeSystem resource as JSON, of any size
    Codesystem,
}

impl Format {
    fn read(self, path: Option<&PathBuf>, version: Option<&str>, out: &mut Gather) -> Result<About> {
        let Some(path) = path else {
            return match self {
                Self::Icd10Cm if version.is_none() => shipped::icd_10_cm(out),
                Self::Icd10Cm => Err(Fault::invalid("the ICD-10-CM in the program has a version of its own")),
                _ => Err(Fault::invalid("say which folder, zip archive or file is to be loaded")),
            };
        };
        let source = &mut Source::open(path)?;
        match self {
            Self::Snomed => snomed::read(source, version, out),
            Self::Loinc => loinc::read(source, version, out),
            Self::Rxnorm => rxnorm::read(source, version, out),
            Self::Icd10Cm => icd10cm::read(source, version, out),
            Self::Cvx => cvx::read(source, version, out),
            Self::Ucum => ucum::read(source, version, out),
            Self::Codesystem => resource::read(source, version, out),
        }
    }
}

impl TerminologyArgs {
    /// Does it.
    ///
    /// # Errors
    /// 400 for files that are not what they should be, with file and line; 404 for a code system that is not there; 503 or
    /// 500 from the database.
    pub async fn run(&self) -> Result<()> {
        let (What::Load { place, .. } | What::List { place } | What::Remove { place, .. }) = &self.what;
        let (config, _) = place.load(Vec::new())?;
        // Without the lock of the data folder: a server may run, and the database orders who writes when.
        let store = Store::open(store(&config)).await?;
        let done = self.with(&store).await;
        store.close().await;
        done
    }

    async fn with(&self, store: &Store) -> Result<()> {
        match &self.what {
            What::Load { format, path, version, .. } => load(store, *format, path.clone(), version.clone()).await,
            What::List { .. } => {
                for system in store.installed_systems().await? {
                    println!("{}|{}  {} concepts", system.url, system.version, system.concepts);
                }
                Ok(())
            }
            What::Remove { canonical, .. } => remove(store, canonical).await,
        }
    }
}

async fn remove(store: &Store, canonical: &str) -> Result<()> {
    let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let mut found = store.installed_systems().await?;
    found.retain(|system| system.url == url && version.is_none_or(|version| system.version == version));
    let [system] = found.as_slice() else {
        return Err(match found.is_empty() {
            true => Fault::not_found(format!("{canonical} was not loaded")),
            false => Fault::new(
                Category::Conflict,
                format!("there are several versions of {url}: say which, as {url}|VERSION"),
            ),
        });
    };
    store.remove_system(&system.url, &system.version).await?;
    println!("{}|{} is gone", system.url, system.version);
    Ok(())
}

/// Reads all of it, then writes it piece by piece, then shows it to the servers in one commit.
async fn load(store: &Store, format: Format, path: Option<PathBuf>, version: Option<String>) -> Result<()> {
    let started = Instant::now();
    let bar = bar();
    let progress = bar.clone();
    let reading = blocking(move || {
        let told = progress.clone();
        let mut gather = Gather::default().watched(move |parts| told.set_message(format!("{parts} facts read")));
        let about = format.read(path.as_ref(), version.as_deref(), &mut gather)?;
        progress.set_message("sorting");
        Ok((about, gather.finish()?))
    });
    let (about, concepts) = reading.await?;
    let number = store.begin_load(&about.url, &about.version).await?;
    let count = match write(store, number, &about, concepts, &bar).await {
        Ok(count) => count,
        Err(fault) => {
            // What cannot be taken away now is taken away by the next load.
            let _dropped = store.drop_load(number).await.is_err();
            return Err(fault);
        }
    };
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    println!("{}|{}: {count} concepts in {seconds:.1} s", about.url, about.version);
    Ok(())
}

async fn write(store: &Store, number: i64, about: &About, mut concepts: Concepts, bar: &ProgressBar) -> Result<u64> {
    let (send, mut receive) = mpsc::channel::<Bytes>(QUEUE);
    let packing = blocking(move || {
        let (mut packer, mut count) = (Packer::default(), 0);
        while let Some(concept) = concepts.next()? {
            count += 1;
            if let Some(piece) = packer.add(&concept)?
                && send.blocking_send(piece.into()).is_err()
            {
                return Ok(count);
            }
        }
        if let Some(piece) = packer.finish()? {
            // nobody waits for it any more when writing has failed
            let _sent = send.blocking_send(piece.into()).is_ok();
        }
        Ok(count)
    });
    let packing = tokio::spawn(packing);
    let (mut piece, mut bytes) = (0, 0_u64);
    while let Some(packed) = receive.recv().await {
        bytes += packed.len() as u64;
        store.add_piece(number, piece, packed).await?;
        piece += 1;
        bar.set_message(format!("{} MiB written", bytes >> 20));
    }
    let count = packing.await.map_err(|error| Fault::internal(format!("packing stopped: {error}")))??;
    if count == 0 {
        return Err(Fault::invalid(format!("{}: there is no concept in it", about.url)));
    }
    store.finish_load(number, &about.text(count)?, count).await?;
    Ok(count)
}

/// Without a terminal there is no bar.
fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Runs CPU work on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::internal(format!("loading stopped: {error}"))))
}
