//! The schema and its steps. The scripts are in the binary; each runs once, in a transaction of its own, and is remembered
//! in `schema_steps` with a hash of its text. A newer schema, or a step that reads differently today, is refused.

use twox_hash::XxHash3_64;

use super::db::{Driver, Pools, Row, Transaction};
use super::dialect::Dialect;
use super::sql::{Statement, Text, fixed};
use crate::base::fault::{Category, Fault, Result};

/// A step: its number, name, and script for SQLite and for PostgreSQL.
struct Step {
    number: i64,
    name: &'static str,
    scripts: [&'static str; 2],
}

macro_rules! step {
    ($number:literal, $name:literal) => {
        Step {
            number: $number,
            name: $name,
            scripts: [
                include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
                include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
            ],
        }
    };
}

const STEPS: &[Step] = &[
    step!(1, "0001_log"),
    step!(2, "0002_expunged"),
    step!(3, "0003_referrals"),
    step!(4, "0004_nodes"),
    step!(5, "0005_validation"),
    step!(6, "0006_code_systems"),
    step!(7, "0007_packages"),
];

impl Step {
    fn script(&self, dialect: Dialect) -> &'static str {
        self.scripts[usize::from(dialect == Dialect::Postgres)]
    }

    fn hash(&self, dialect: Dialect) -> i64 {
        XxHash3_64::oneshot(self.script(dialect).as_bytes()) as i64
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_steps (
    number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, hash BIGINT NOT NULL)";
const DONE: Statement = fixed("schema_steps: read", "SELECT number, hash FROM schema_steps ORDER BY number");
const RECORD: Statement =
    fixed("schema_steps: insert", "INSERT INTO schema_steps (number, name, hash) VALUES ($1, $2, $3)");

/// Brings the schema to the state of this binary; nothing happens when it is there. Nodes that start together wait for
/// each other. Returns the number of steps that ran.
///
/// # Errors
/// 409 when the schema is newer than this binary or was made by other steps; 500 or 503 from the database.
pub async fn migrate(pools: &Pools) -> Result<usize> {
    let mut ran = 0;
    while step(pools, STEPS).await? {
        ran += 1;
    }
    Ok(ran)
}

/// Looks whether the schema is that of this program.
///
/// # Errors
/// 409 when it is not; 500 or 503 from the database.
pub async fn check(pools: &Pools) -> Result<()> {
    let mut reader = pools.reader().await?;
    let done = known(&reader.driver().fetch(&DONE, vec![]).await?, STEPS, pools.dialect())?;
    if done == STEPS.len() {
        return Ok(());
    }
    Err(Fault::new(
        Category::Conflict,
        "the schema is older than this program: start the server or run cresset migrate",
    ))
}

/// Runs the next missing step; whether there was one.
async fn step(pools: &Pools, steps: &[Step]) -> Result<bool> {
    let mut transaction: Transaction = pools.begin().await?;
    let mut driver = transaction.driver();
    let dialect = driver.dialect();
    if let Some(text) = dialect.lock_schema() {
        driver.fetch(&Statement { what: "schema_steps: lock", text: Text::Fixed(text) }, vec![]).await?;
    }
    let done = done(&mut driver, steps).await?;
    let Some(next) = steps.get(done) else { return Ok(false) };
    driver.script(next.name, next.script(dialect)).await?;
    driver.execute(&RECORD, vec![next.number.into(), next.name.into(), next.hash(dialect).into()]).await?;
    transaction.commit().await.map_err(super::db::CommitFault::into_fault)?;
    Ok(true)
}

/// How many of the steps are done.
async fn done(driver: &mut Driver<'_>, steps: &[Step]) -> Result<usize> {
    driver.script("schema_steps: create", TABLE).await?;
    let rows = driver.fetch(&DONE, vec![]).await?;
    known(&rows, steps, driver.dialect())
}

/// The rows are steps that are known here, in their order; how many there are.
fn known(rows: &[Row], steps: &[Step], dialect: Dialect) -> Result<usize> {
    for (place, row) in rows.iter().enumerate() {
        let (number, hash) = (row.i64(0)?, row.i64(1)?);
        let Some(step) = steps.get(place) else {
            let text = format!("the schema is at step {number}, newer than this program: use a newer cresset");
            return Err(Fault::new(Category::Conflict, text));
        };
        if (step.number, step.hash(dialect)) != (number, hash) {
            let text = format!("step {number} of the schema is not the one this program knows as {}", step.name);
            return Err(Fault::new(Category::Conflict, text));
        }
    }
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::harness;

    #[test]
    fn both_databases_have_the_same_steps() {
        for folder in ["sqlite", "postgres"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let names = std::fs::read_dir(path).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            let known: Vec<_> = STEPS.iter().map(|step| format!("{}.sql", step.name)).collect();
            assert_eq!(names, known, "{folder}");
        }
        for (place, step) in STEPS.iter().enumerate() {
            assert_eq!(step.number, place as i64 + 1);
            assert!(step.name.starts_with(&format!("{:04}_", step.number)));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn starts_together_and_refuses_what_is_newer_or_other() {
        for place in harness::places().await {
            let (a, b) = (place.pools().await, place.pools().await);
            let (ran_a, ran_b) = tokio::join!(migrate(&a), migrate(&b));
            assert_eq!(ran_a.unwrap() + ran_b.unwrap(), STEPS.len());
            assert!(!step(&a, STEPS).await.unwrap());
            let newer = step(&a, &[]).await.unwrap_err();
            assert_eq!(newer.category(), Category::Conflict);
            let other = [Step { number: 1, name: "0001_other", scripts: ["SELECT 1", "SELECT 1"] }];
            assert_eq!(step(&a, &other).await.unwrap_err().category(), Category::Conflict);
            a.close().await;
            b.close().await;
        }
    }
}
