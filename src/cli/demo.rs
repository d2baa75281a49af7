//! Fills an empty store with generated patients.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::base::fault::{Fault, Result};
use crate::base::limits::Limits;
use crate::cli::generate::Generator;
use crate::fhir::bundle::{Method, RequestEntry, read_request};
use crate::fhir::json::parse;
use crate::fhir::types::ResourceType;
use crate::repo::{Change, Session, WriteEntry};

/// Transactions at a time: enough to keep the planning busy while the Writer commits.
const PARALLEL: usize = 4;

/// Puts the hospital and `patients` patients into the store. Answers how many resources that are.
///
/// # Errors
/// Whatever the transactions answer; patients before the fault stay.
pub async fn fill(session: &Session, generator: &Generator, patients: u64, limits: &Limits) -> Result<usize> {
    // First, because the patients' conditional references must find it.
    let mut resources = transaction(session, &generator.hospital().bytes, limits).await?;
    tracing::info!(resources, "the demo's hospital is in");
    let mut done = 0_u64;
    let mut filling = stream::iter(0..patients)
        .map(|number| async move { transaction(session, &generator.patient(number).bytes, limits).await })
        .buffer_unordered(PARALLEL);
    while let Some(count) = filling.try_next().await? {
        resources += count;
        done += 1;
        if done.is_multiple_of(10) || done == patients {
            tracing::info!(patients = done, of = patients, resources, "the demo's patients are coming in");
        }
    }
    Ok(resources)
}

async fn transaction(session: &Session, bundle: &[u8], limits: &Limits) -> Result<usize> {
    let bundle = read_request(parse(bundle)?, limits.bundle_entries)?;
    let entries = bundle.entries.into_iter().enumerate().map(|(index, entry)| write_entry(index, entry));
    let entries = entries.collect::<Result<Vec<_>>>()?;
    Ok(session.transaction(entries).await?.len())
}

/// The generator makes nothing but creations.
fn write_entry(index: usize, entry: RequestEntry) -> Result<WriteEntry> {
    let RequestEntry { full_url, method: Method::Post, url, resource: Some(resource), if_none_exist, .. } = entry
    else {
        return Err(Fault::internal(format!("generated Bundle: entry {index} is not a creation")));
    };
    let kind = ResourceType::parse(&url)?;
    Ok(WriteEntry { index: Some(index), full_url, change: Change::Create { kind, resource, if_none_exist } })
}
