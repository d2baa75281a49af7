//! Jobs: work that comes with a commit and is done later, at least once. A worker takes a job for a while (its lease);
//! when the lease runs out, another may take it. `attempts` tells the takers apart: a worker that lost its lease changes
//! nothing any more.

use bytes::Bytes;

use super::db::Row;
use super::error::corrupt;
use super::handle::Store;
use super::sql::{Statement, Text, fixed};
use super::value::Value;
use crate::base::clock::Timestamp;
use crate::base::fault::Result;
use crate::base::id::Tenant;

/// A job that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// A new id; unique in its tenant.
    pub id: String,
    /// Which worker does it.
    pub kind: String,
    /// What it needs.
    pub payload: Bytes,
    /// Not before this time.
    pub due: Timestamp,
}

/// A job in the hands of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Which worker does it.
    pub kind: String,
    /// What it needs.
    pub payload: Bytes,
    /// Since when it is due.
    pub due: Timestamp,
    /// How often it was taken, this time included.
    pub attempts: i64,
}

macro_rules! take {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET attempts = attempts + 1, lease_until = $4 WHERE tenant = $1 AND id IN (",
            "SELECT id FROM jobs WHERE tenant = $1 AND kind = $2 AND failed = FALSE AND due <= $3 AND lease_until <= $3",
            " ORDER BY due LIMIT $5",
            $lock,
            ") RETURNING id, kind, payload, due, attempts"
        )
    };
}

const DONE: Statement =
    fixed("jobs: delete", "DELETE FROM jobs WHERE tenant = $1 AND id = $2 AND attempts = $3 AND failed = FALSE");
const RETRY: Statement = fixed(
    "jobs: retry",
    "UPDATE jobs SET due = $4, lease_until = 0, error = $5
        WHERE tenant = $1 AND id = $2 AND attempts = $3 AND failed = FALSE",
);
const FAIL: Statement = fixed(
    "jobs: fail",
    "UPDATE jobs SET failed = TRUE, lease_until = 0, error = $4
        WHERE tenant = $1 AND id = $2 AND attempts = $3 AND failed = FALSE",
);
const OPEN: Statement =
    fixed("jobs: count", "SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND kind = $2 AND failed = $3");

fn decode(row: &Row) -> Result<Job> {
    let id = row.text(0)?.to_owned();
    let payload = Bytes::copy_from_slice(row.slice(2)?);
    let (kind, due) = (row.text(1)?.to_owned(), Timestamp(row.i64(3)?));
    Ok(Job { id, kind, payload, due, attempts: row.i64(4)? })
}

impl Store {
    /// Takes at most `limit` due jobs of a kind, for as long as `lease_until`; the longest due first.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn take_jobs(
        &self,
        tenant: Tenant,
        kind: &str,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Job>> {
        let text = match self.pools.dialect().skip_locked() {
            "" => take!(""),
            _ => take!(" FOR UPDATE SKIP LOCKED"),
        };
        let statement = Statement { what: "jobs: take", text: Text::Fixed(text) };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = vec![tenant.0.into(), kind.into(), now.0.into(), lease_until.0.into(), limit.into()];
        let mut transaction = self.pools.begin().await?;
        let rows = transaction.driver().fetch(&statement, values).await?;
        transaction.commit().await.map_err(super::db::CommitFault::into_fault)?;
        let jobs = rows.iter().map(|row| decode(row).map_err(|why| corrupt("jobs", row.text(0).unwrap_or("?"), why)));
        let mut jobs: Vec<_> = jobs.collect::<Result<_>>()?;
        jobs.sort_by(|a, b| (a.due, &a.id).cmp(&(b.due, &b.id)));
        Ok(jobs)
    }

    /// Takes a job off the list; `false` when it was no longer this worker's.
    ///
    /// # Errors
    /// From the database.
    pub async fn job_done(&self, tenant: Tenant, job: &Job) -> Result<bool> {
        self.change_job(&DONE, tenant, job, vec![]).await
    }

    /// Puts a job back for a later attempt; `error` says why, without patient data. `false` when it was no longer this worker's.
    ///
    /// # Errors
    /// From the database.
    pub async fn job_retry(&self, tenant: Tenant, job: &Job, due: Timestamp, error: &str) -> Result<bool> {
        self.change_job(&RETRY, tenant, job, vec![due.0.into(), error.into()]).await
    }

    /// Gives a job up: it stays, marked as failed. `false` when it was no longer this worker's.
    ///
    /// # Errors
    /// From the database.
    pub async fn job_failed(&self, tenant: Tenant, job: &Job, error: &str) -> Result<bool> {
        self.change_job(&FAIL, tenant, job, vec![error.into()]).await
    }

    /// How many jobs of a kind wait or are under way, or (`failed`) were given up.
    ///
    /// # Errors
    /// From the database.
    pub async fn count_jobs(&self, tenant: Tenant, kind: &str, failed: bool) -> Result<u64> {
        let values = vec![tenant.0.into(), kind.into(), failed.into()];
        let row = self.fetch_optional(&OPEN, values).await?;
        Ok(row.map_or(Ok(0), |row| row.i64(0))?.unsigned_abs())
    }

    async fn change_job(&self, statement: &Statement, tenant: Tenant, job: &Job, more: Vec<Value>) -> Result<bool> {
        let mut values = vec![tenant.0.into(), job.id.as_str().into(), job.attempts.into()];
        values.extend(more);
        Ok(self.execute(statement, values).await? > 0)
    }
}
