//! Checks that the store keeps its invariants (see the essay of this floor), on one snapshot, in pieces of bounded size, while
//! others write.
//!
//! That the tables agree is shown without holding them in memory: every row of `current` and `superseded` names a version
//! that is its own, each resource's superseded versions are exactly those below its current one, and together there are as
//! many as versions.

use super::body;
use super::db::{Driver, Row};
use super::handle::Store;
use super::row::{Head, VersionRow};
use super::sql::{Statement, fixed};
use super::value::Value;
use super::versions;
use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The row: ids and numbers only.
    pub key: String,
    /// What is wrong with it.
    pub text: String,
}

/// Most findings that are told: whoever has so many needs a backup, not a longer list.
const MOST_FINDINGS: usize = 1000;

/// Rows per statement.
const PIECE: i64 = 1000;

// Columns of `version_columns`, with an empty body in the place of one that is not looked at.
const LOG_SHALLOW: Statement = fixed(
    "doctor: read log",
    "SELECT v.seq, v.type, v.id, v.version, v.updated, v.kind, v.tx, SUBSTR(v.body, 1, 1) FROM versions v
        WHERE v.tenant = $1 AND v.seq > $2 ORDER BY v.seq LIMIT $3",
);

const CURRENT: Statement = fixed(
    "doctor: read current",
    "SELECT c.type, c.id,
        CAST(CASE WHEN v.type = c.type AND v.id = c.id AND v.version = c.version AND v.updated = c.updated
            AND (v.kind IN (3, 4)) = c.deleted THEN 1 ELSE 0 END AS BIGINT),
        CAST(CASE WHEN (SELECT COUNT(*) FROM superseded s WHERE s.tenant = c.tenant AND s.type = c.type AND s.id = c.id
            AND s.version BETWEEN 1 AND c.version - 1 AND s.seq < c.seq) = c.version - 1 THEN 1 ELSE 0 END AS BIGINT)
        FROM current c LEFT JOIN versions v ON v.tenant = c.tenant AND v.seq = c.seq
        WHERE c.tenant = $1 AND (c.type, c.id) > ($2, $3) ORDER BY c.type, c.id LIMIT $4",
);

const SUPERSEDED: Statement = fixed(
    "doctor: read superseded",
    "SELECT s.type, s.id, s.version, s.seq,
        CAST(CASE WHEN v.type = s.type AND v.id = s.id AND v.version = s.version THEN 1 ELSE 0 END AS BIGINT)
        FROM superseded s LEFT JOIN versions v ON v.tenant = s.tenant AND v.seq = s.seq
        WHERE s.tenant = $1 AND (s.type, s.id, s.version) > ($2, $3, $4) ORDER BY s.type, s.id, s.version LIMIT $5",
);

const COUNTS: Statement = fixed(
    "doctor: count",
    "SELECT (SELECT COUNT(*) FROM versions WHERE tenant = $1), (SELECT COUNT(*) FROM current WHERE tenant = $1),
        (SELECT COUNT(*) FROM superseded WHERE tenant = $1)",
);

const TYPE_HEADS: Statement = fixed(
    "doctor: read type_heads",
    "SELECT a.type, SUM(a.sign * a.seq) = 0 AND SUM(a.sign * a.versions) = 0 FROM (
        SELECT type, seq, versions, 1 AS sign FROM type_heads WHERE tenant = $1
        UNION ALL SELECT type, MAX(seq), SUM(CASE WHEN kind = 4 THEN 0 ELSE 1 END), -1 FROM versions WHERE tenant = $1 GROUP BY type) AS a
        GROUP BY a.type ORDER BY a.type",
);

const IDENTIFIERS: Statement = fixed(
    "doctor: read identifiers",
    "SELECT i.type, i.id FROM identifiers i LEFT JOIN current c ON c.tenant = i.tenant AND c.type = i.type AND c.id = i.id
        WHERE i.tenant = $1 AND c.id IS NULL ORDER BY i.type, i.id LIMIT $2",
);

const CLAIMS: Statement = fixed(
    "doctor: read claims",
    "SELECT a.subject, a.ends FROM claims a JOIN claims b ON b.tenant = a.tenant AND b.subject = a.subject
        AND b.ends > a.ends AND b.starts < a.ends WHERE a.tenant = $1 ORDER BY a.subject, a.ends LIMIT $2",
);

const CURSORS: Statement = fixed(
    "doctor: read cursors",
    "SELECT name, seq FROM cursors WHERE tenant = $1 AND (seq < 0 OR seq > $2) ORDER BY name",
);

impl Store {
    /// Checks a tenant's data; `deep` also reads every body. An empty list means that all is well; it ends after 1000
    /// findings.
    ///
    /// # Errors
    /// 503 or 500 from the database; what is merely wrong is a finding.
    pub async fn check(&self, tenant: Tenant, deep: bool) -> Result<Vec<Finding>> {
        let mut snapshot = self.pools.snapshot().await?;
        check(snapshot.driver(), tenant, deep).await
    }
}

pub(super) async fn check(driver: Driver<'_>, tenant: Tenant, deep: bool) -> Result<Vec<Finding>> {
    let mut check = Check { driver, tenant, findings: Vec::new() };
    let head = versions::head(&mut check.driver, tenant).await?;
    check.log(head, deep).await?;
    check.current().await?;
    check.superseded().await?;
    check.counts().await?;
    check.rest(head).await?;
    Ok(check.findings)
}

struct Check<'a> {
    driver: Driver<'a>,
    tenant: Tenant,
    findings: Vec<Finding>,
}

/// What the walk over the log has seen.
#[derive(Default)]
struct Walk {
    seq: i64,
    updated: Timestamp,
    /// First Seq of the transaction under way.
    tx: i64,
}

impl Check<'_> {
    fn add(&mut self, table: &'static str, key: impl ToString, text: impl ToString) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { table, key: key.to_string(), text: text.to_string() });
        }
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= MOST_FINDINGS
    }

    async fn fetch(&mut self, statement: &Statement, more: Vec<Value>) -> Result<Vec<Row>> {
        let mut values = vec![Value::I64(self.tenant.0)];
        values.extend(more);
        self.driver.fetch(statement, values).await
    }

    async fn log(&mut self, head: Head, deep: bool) -> Result<()> {
        let statement = if deep { versions::LOG } else { LOG_SHALLOW };
        let mut walk = Walk::default();
        // Starts below 1, so that an entry that should not be there is seen.
        let mut after = i64::MIN;
        while !self.is_full() {
            let rows = self.fetch(&statement, vec![after.into(), PIECE.into()]).await?;
            for row in &rows {
                self.entry(row, &mut walk, deep)?;
            }
            let Some(last) = rows.last() else { break };
            after = last.i64(0)?;
        }
        if !self.is_full() && (walk.seq, walk.updated) != (head.seq.0, head.updated) {
            self.add(
                "heads",
                self.tenant.0,
                format!("seq {} or its time is not that of the last entry {}", head.seq, walk.seq),
            );
        }
        Ok(())
    }

    fn entry(&mut self, row: &Row, walk: &mut Walk, deep: bool) -> Result<()> {
        let seq = row.i64(0)?;
        if seq != walk.seq + 1 {
            self.add("versions", format!("seq {}", walk.seq + 1), format!("missing: the next entry is {seq}"));
        }
        walk.seq = seq;
        let row = match VersionRow::decode(row) {
            Ok(row) => row,
            Err(fault) => {
                self.add("versions", format!("seq {seq}"), fault);
                return Ok(());
            }
        };
        if row.updated < walk.updated {
            self.add("versions", format!("seq {seq}"), "its time is before that of the entry before it");
        }
        if row.tx.0 != walk.tx && row.tx.0 != seq {
            self.add("versions", format!("seq {seq}"), format!("its transaction {} is torn", row.tx));
        }
        (walk.updated, walk.tx) = (row.updated, row.tx.0);
        if let (true, Some(stored)) = (deep, &row.body)
            && let Err(fault) = body::decode(stored, row.version, row.updated)
        {
            self.add("versions", format!("seq {seq}"), fault);
        }
        Ok(())
    }

    async fn current(&mut self) -> Result<()> {
        let mut after = (String::new(), String::new());
        while !self.is_full() {
            let place = vec![after.0.as_str().into(), after.1.as_str().into(), PIECE.into()];
            let rows = self.fetch(&CURRENT, place).await?;
            for row in &rows {
                let key = || Ok::<_, Fault>(format!("{}/{}", row.text(0)?, row.text(1)?));
                if row.i64(2)? == 0 {
                    self.add("current", key()?, "it is not the version in the log that it names");
                }
                if row.i64(3)? == 0 {
                    self.add("superseded", key()?, "its rows are not the versions below the current one");
                }
            }
            let Some(last) = rows.last() else { break };
            after = (last.text(0)?.to_owned(), last.text(1)?.to_owned());
        }
        Ok(())
    }

    async fn superseded(&mut self) -> Result<()> {
        let mut after = (String::new(), String::new(), 0_i64, 0_i64);
        while !self.is_full() {
            let place = vec![after.0.as_str().into(), after.1.as_str().into(), after.2.into(), PIECE.into()];
            let rows = self.fetch(&SUPERSEDED, place).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (kind, id, version, seq) = (row.text(0)?, row.text(1)?, row.i64(2)?, row.i64(3)?);
                let key = format!("{kind}/{id} version {version}");
                if row.i64(4)? == 0 {
                    self.add("superseded", &key, "it is not the version in the log that it names");
                }
                let is_next = after.0 == kind && after.1 == id;
                if is_next && seq <= after.3 {
                    self.add("superseded", &key, "it does not come after the version before it");
                }
                after = (kind.to_owned(), id.to_owned(), version, seq);
            }
        }
        Ok(())
    }

    async fn counts(&mut self) -> Result<()> {
        let rows = self.fetch(&COUNTS, vec![]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let (all, current, superseded) = (row.i64(0)?, row.i64(1)?, row.i64(2)?);
        if all != current + superseded {
            let text = format!("{all} versions, but {current} current and {superseded} superseded");
            self.add("versions", format!("tenant {}", self.tenant.0), text);
        }
        Ok(())
    }

    async fn rest(&mut self, head: Head) -> Result<()> {
        for row in self.fetch(&TYPE_HEADS, vec![]).await? {
            if !row.bool(1)? {
                self.add("type_heads", row.text(0)?, "its last seq or its number of versions is not that of the log");
            }
        }
        let most = MOST_FINDINGS as i64;
        for row in self.fetch(&IDENTIFIERS, vec![most.into()]).await? {
            self.add("identifiers", format!("{}/{}", row.text(0)?, row.text(1)?), "there is no such resource");
        }
        for row in self.fetch(&CLAIMS, vec![most.into()]).await? {
            self.add("claims", format!("{} until {}", row.text(0)?, row.i64(1)?), "it overlaps the next one");
        }
        let Head { seq: Seq(seq), .. } = head;
        for row in self.fetch(&CURSORS, vec![seq.into()]).await? {
            self.add("cursors", row.text(0)?, format!("{} is not in the log, which ends at {seq}", row.i64(1)?));
        }
        Ok(())
    }
}
