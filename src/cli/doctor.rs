//! `cresset doctor`: checks that log, tables and index agree.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use crate::base::clock::SystemClock;
use crate::base::config::Config;
use crate::base::fault::Result;
use crate::base::id::{IdSource, Seq, Tenant};
use crate::cli::app::App;
use crate::cli::place::{Place, store};
use crate::fhir::types::ResourceType;
use crate::search::index::{Index, IndexOptions};
use crate::store::folder::Folder;
use crate::store::{Store, VersionKind};

/// Arguments of `cresset doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    place: Place,
    /// Read every body too
    #[arg(long)]
    deep: bool,
}

/// Findings that are shown.
const SHOWN: usize = 200;

impl DoctorArgs {
    /// Checks; prints every finding. Answers whether all is well.
    ///
    /// The index first follows the log to its end, as a server would do when it starts.
    ///
    /// # Errors
    /// 409 when the data folder is in use; 503 when the database cannot be reached.
    pub async fn run(&self) -> Result<bool> {
        let (config, _) = self.place.load(Vec::new())?;
        let clock = Arc::new(SystemClock);
        let base = config.base_url(config.http.listen);
        let app = App::open(config.clone(), base, clock.clone(), IdSource::random(clock)).await?;
        let settled = app.settle().await;
        app.close().await?;
        settled?;
        let _lock = Folder::lock(&config.store.data)?;
        let store = Store::open(store(&config)).await?;
        let mut findings: Vec<String> = Vec::new();
        for finding in store.check(Tenant::DEFAULT, self.deep).await? {
            findings.push(finding.to_string());
        }
        let (head, documents) = index_findings(&store, &config, &mut findings).await?;
        store.close().await;
        for finding in findings.iter().take(SHOWN) {
            println!("{finding}");
        }
        if findings.len() > SHOWN {
            println!("... and {} more", findings.len() - SHOWN);
        }
        println!("log of {head} entries, index of {documents} documents, {} findings", findings.len());
        Ok(findings.is_empty())
    }
}

/// Compares the index with the newest versions of the log. Answers the head and the number of documents.
async fn index_findings(store: &Store, config: &Config, findings: &mut Vec<String>) -> Result<(Seq, usize)> {
    let head = store.head(Tenant::DEFAULT).await?.seq;
    let expected = newest(store).await?;
    let (reached, found) = documents(&config.index_folder())?;
    if reached != head {
        findings.push(format!("index: it reaches {reached}, the log {head}"));
    }
    for (key, seq) in &found {
        match expected.get(key) {
            Some(expected) if expected == seq => {}
            Some(expected) => findings.push(format!("index: document {key:016x} is at {seq}, its resource at {expected}")),
            None => findings.push(format!("index: document {key:016x} at {seq} has no resource")),
        }
    }
    for (key, seq) in expected.iter().filter(|(key, _)| !found.contains_key(key)) {
        findings.push(format!("index: the resource {key:016x} at {seq} has no document"));
    }
    Ok((head, found.len()))
}

/// The newest version of every resource that is not deleted, by the hash of its key.
async fn newest(store: &Store) -> Result<HashMap<u64, Seq>> {
    let (mut newest, mut after) = (HashMap::new(), Seq(0));
    loop {
        let rows = store.log(Tenant::DEFAULT, after, 2000).await?;
        let Some(last) = rows.last() else { return Ok(newest) };
        after = last.seq;
        for row in &rows {
            match row.kind {
                VersionKind::Delete => newest.remove(&row.key.hash64()),
                _ => newest.insert(row.key.hash64(), row.seq),
            };
        }
    }
}

fn documents(folder: &Path) -> Result<(Seq, HashMap<u64, Seq>)> {
    let index = Index::open(folder, IndexOptions::default())?;
    let searcher = index.searcher();
    let mut found = HashMap::new();
    for kind in ResourceType::all() {
        found.extend(searcher.all(kind)?.into_iter().map(|hit| (hit.key, hit.seq)));
    }
    let reached = searcher.reached();
    drop(searcher);
    index.close()?;
    Ok((reached, found))
}
