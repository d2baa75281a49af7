//! FHIR packages: one store for all tenants, and for each tenant which of them are in use.

use bytes::Bytes;

use super::db::CommitFault;
use super::handle::Store;
use super::sql::{Statement, fixed};
use super::value::Value;
use crate::base::fault::Result;
use crate::base::id::Tenant;

const LIST: Statement = fixed("packages: list", "SELECT name, version FROM packages ORDER BY name, version");
const READ: Statement = fixed("packages: read", "SELECT bytes FROM packages WHERE name = $1 AND version = $2");
const PUT: Statement = fixed(
    "packages: insert",
    "INSERT INTO packages (name, version, bytes) VALUES ($1, $2, $3) \
     ON CONFLICT (name, version) DO UPDATE SET bytes = excluded.bytes",
);
const REMOVE: Statement = fixed("packages: delete", "DELETE FROM packages WHERE name = $1 AND version = $2");
const USED: Statement = fixed(
    "tenant_packages: used",
    "SELECT t.name FROM tenant_packages p JOIN tenants t ON t.tenant = p.tenant \
     WHERE p.name = $1 AND p.version = $2 AND p.active = 1 ORDER BY t.name",
);
const CHOICES: Statement = fixed(
    "tenant_packages: read",
    "SELECT name, version, active FROM tenant_packages WHERE tenant = $1 ORDER BY name, version",
);
const CHOOSE: Statement = fixed(
    "tenant_packages: insert",
    "INSERT INTO tenant_packages (tenant, name, version, active) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (tenant, name, version) DO UPDATE SET active = excluded.active",
);
const FORGET: Statement =
    fixed("tenant_packages: delete", "DELETE FROM tenant_packages WHERE name = $1 AND version = $2");
const REVISION: Statement = fixed("package_revision: read", "SELECT number FROM package_revision");
const COUNT_UP: Statement = fixed("package_revision: update", "UPDATE package_revision SET number = number + 1");

/// A package that a tenant has taken into use, or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChoice {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Into use.
    pub is_active: bool,
}

impl Store {
    /// Name and version of every package.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn packages(&self) -> Result<Vec<(String, String)>> {
        let rows = self.fetch(&LIST, vec![]).await?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
    }

    /// The prepared form of a package.
    ///
    /// # Errors
    /// From the database.
    pub async fn package(&self, name: &str, version: &str) -> Result<Option<Bytes>> {
        let row = self.fetch_optional(&READ, vec![name.into(), version.into()]).await?;
        Ok(row.map(|row| row.bytes(0)).transpose()?.flatten())
    }

    /// Keeps a package, in the place of the one with its name and version.
    ///
    /// # Errors
    /// From the database.
    pub async fn put_package(&self, name: &str, version: &str, bytes: Bytes) -> Result<()> {
        self.change(vec![(&PUT, vec![name.into(), version.into(), Some(bytes).into()])]).await.map(drop)
    }

    /// Removes a package; `false` when there was none.
    ///
    /// # Errors
    /// From the database.
    pub async fn remove_package(&self, name: &str, version: &str) -> Result<bool> {
        let key = || vec![name.into(), version.into()];
        Ok(self.change(vec![(&FORGET, key()), (&REMOVE, key())]).await? > 0)
    }

    /// The names of the tenants that have taken a package into use.
    ///
    /// # Errors
    /// From the database.
    pub async fn package_users(&self, name: &str, version: &str) -> Result<Vec<String>> {
        let rows = self.fetch(&USED, vec![name.into(), version.into()]).await?;
        rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
    }

    /// What a tenant has taken into use and out of it.
    ///
    /// # Errors
    /// From the database.
    pub async fn package_choices(&self, tenant: Tenant) -> Result<Vec<PackageChoice>> {
        let rows = self.fetch(&CHOICES, vec![tenant.0.into()]).await?;
        let read = rows.iter().map(|row| {
            let (name, version) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
            Ok(PackageChoice { name, version, is_active: row.i64(2)? != 0 })
        });
        read.collect()
    }

    /// Takes a package into use, or out of it.
    ///
    /// # Errors
    /// From the database.
    pub async fn choose_package(&self, tenant: Tenant, choice: &PackageChoice) -> Result<()> {
        let PackageChoice { name, version, is_active } = choice;
        let values = vec![tenant.0.into(), name.as_str().into(), version.as_str().into(), i64::from(*is_active).into()];
        self.change(vec![(&CHOOSE, values)]).await.map(drop)
    }

    /// Counts the changes.
    ///
    /// # Errors
    /// From the database.
    pub async fn package_revision(&self) -> Result<i64> {
        let row = self.fetch_optional(&REVISION, vec![]).await?;
        row.map_or(Ok(0), |row| row.i64(0))
    }

    /// Does changes and counts them; how many rows the last one touched.
    async fn change(&self, statements: Vec<(&Statement, Vec<Value>)>) -> Result<u64> {
        let mut transaction = self.pools.begin().await?;
        let mut touched = 0;
        for (statement, values) in statements {
            touched = transaction.driver().execute(statement, values).await?;
        }
        transaction.driver().execute(&COUNT_UP, vec![]).await?;
        transaction.commit().await.map_err(CommitFault::into_fault)?;
        Ok(touched)
    }
}
