//! `cresset export`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::whose::Whose;
use crate::base::fault::{Fault, Result};
use crate::base::id::Tenant;
use crate::cli::place::{Place, store};
use crate::fhir::types::{ResourceId, ResourceType};
use crate::store::{Snapshot, Store, body};

/// Resources that are read at a time.
const PIECE: usize = 500;

/// Arguments of `cresset export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    whose: Whose,
    /// The folder for one file per type, such as Patient.ndjson; of all tenants, with a folder for each
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these types, such as Patient,Observation
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    kinds: Vec<String>,
}

impl ExportArgs {
    /// Writes all current resources as NDJSON, as they were at one moment; a server may be running and writing.
    ///
    /// # Errors
    /// 400 for a type that is none, or a folder that holds an export already; 404 for an unknown tenant; 503 when the database cannot be reached.
    pub async fn run(&self) -> Result<()> {
        let kinds = self.kinds.iter().map(|name| ResourceType::parse(name)).collect::<Result<Vec<_>>>()?;
        let kinds = if kinds.is_empty() { ResourceType::all().collect() } else { kinds };
        let (config, _) = self.place.load(Vec::new())?;
        let store = Store::open_to_read(store(&config)).await?;
        let done = self.write(&store, &kinds).await;
        store.close().await;
        done
    }

    async fn write(&self, store: &Store, kinds: &[ResourceType]) -> Result<()> {
        for (name, tenant) in self.whose.find(store).await? {
            if self.whose.is_all() {
                println!("{}:", name.as_str());
                self.write_one(store, tenant, &self.out.join(name.as_str()), kinds).await?;
            } else {
                self.write_one(store, tenant, &self.out, kinds).await?;
            }
        }
        Ok(())
    }

    async fn write_one(&self, store: &Store, tenant: Tenant, folder: &Path, kinds: &[ResourceType]) -> Result<()> {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let mut snapshot = store.snapshot(tenant).await?;
        let mut total = 0;
        for kind in kinds {
            let count = export(&mut snapshot, *kind, &folder.join(format!("{kind}.ndjson"))).await?;
            if count > 0 {
                println!("{kind}: {count}");
            }
            total += count;
        }
        println!("{total} resources, as of entry {} of the log", snapshot.head().seq);
        Ok(())
    }
}

/// Writes the resources of a type; no file when there is none. Answers how many there are.
async fn export(snapshot: &mut Snapshot, kind: ResourceType, path: &Path) -> Result<usize> {
    let (mut out, mut count): (Option<BufWriter<File>>, usize) = (None, 0);
    let mut after: Option<ResourceId> = None;
    loop {
        let rows = snapshot.current(kind, after.as_ref(), PIECE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.key.id.clone());
        count += rows.len();
        let out = match &mut out {
            Some(out) => out,
            empty => empty.insert(BufWriter::new(File::create_new(path).map_err(|error| exists(path, &error))?)),
        };
        for row in rows.iter().filter_map(|row| Some((row, row.body.as_ref()?))) {
            let (row, stored) = row;
            let text =
                body::decode(stored, row.version, row.updated).map_err(|fault| fault.context(row.key.to_string()))?;
            out.write_all(&text).and_then(|()| out.write_all(b"\n")).map_err(|error| failed(path, &error))?;
        }
    }
    if let Some(mut out) = out {
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|error| failed(path, &error))?;
    }
    Ok(count)
}

fn exists(path: &Path, error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Fault::invalid(format!("{} is there already", path.display())),
        _ => failed(path, error),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    Fault::internal(format!("{}: {error}", path.display()))
}
