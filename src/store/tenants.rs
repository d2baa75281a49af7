//! Tenants: their names, how much is asked of their resources, and the end of one.
//!
//! A number is never given twice: of a tenant that was removed the row stays, under a name that none can have.

use super::batch::ADD_HEAD;
use super::db::CommitFault;
use super::handle::Store;
use super::sql::{Statement, fixed};
use crate::base::config::ValidationMode;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::{Tenant, TenantName};

const FIND: Statement = fixed("tenants: read", "SELECT tenant, COALESCE(validation, '') FROM tenants WHERE name = $1");
const LIST: Statement = fixed("tenants: list", "SELECT tenant, name FROM tenants ORDER BY name");
const SET_VALIDATION: Statement =
    fixed("tenants: set validation", "UPDATE tenants SET validation = NULLIF($2, '') WHERE name = $1");
const RETIRED: Statement = fixed("tenants: removed", "SELECT tenant FROM tenants WHERE name LIKE '!%'");
const ADD: Statement = fixed(
    "tenants: insert",
    "INSERT INTO tenants (tenant, name) SELECT MAX(tenant) + 1, $1 FROM tenants WHERE 1 = 1 ON CONFLICT DO NOTHING",
);
const RETIRE: Statement = fixed("tenants: retire", "UPDATE tenants SET name = $2 WHERE tenant = $1");

macro_rules! remove {
    ($table:literal) => {
        fixed(concat!($table, ": remove tenant"), concat!("DELETE FROM ", $table, " WHERE tenant = $1"))
    };
}

/// Every table with a column `tenant` but `tenants` itself; a test asks the database whether one is missing.
pub(super) const TABLES: [Statement; 12] = [
    remove!("heads"),
    remove!("versions"),
    remove!("current"),
    remove!("superseded"),
    remove!("type_heads"),
    remove!("identifiers"),
    remove!("referrals"),
    remove!("claims"),
    remove!("jobs"),
    remove!("cursors"),
    remove!("blobs"),
    remove!("tenant_packages"),
];

impl Store {
    /// The tenant of a name.
    ///
    /// # Errors
    /// 503 or 500 from the database, as every function here.
    pub async fn tenant(&self, name: &TenantName) -> Result<Option<Tenant>> {
        Ok(self.tenant_with_validation(name).await?.map(|(tenant, _)| tenant))
    }

    /// The tenant of a name, with the mode of validation that it has of its own.
    ///
    /// # Errors
    /// From the database; 500 for a mode that this program does not know.
    pub async fn tenant_with_validation(&self, name: &TenantName) -> Result<Option<(Tenant, Option<ValidationMode>)>> {
        let row = self.fetch_optional(&FIND, vec![name.as_str().into()]).await?;
        let Some(row) = row else { return Ok(None) };
        let mode = match row.text(1)? {
            "" => None,
            text => Some(ValidationMode::parse(text).map_err(|expected| {
                Fault::internal(format!("tenants, name {}: validation: {expected}", name.as_str()))
            })?),
        };
        Ok(Some((Tenant(row.i64(0)?), mode)))
    }

    /// Sets the mode of validation of a tenant; `None`: that of the configuration.
    ///
    /// # Errors
    /// 404 for an unknown one; from the database.
    pub async fn set_validation(&self, name: &TenantName, mode: Option<ValidationMode>) -> Result<()> {
        let text = mode.map_or("", ValidationMode::name);
        match self.execute(&SET_VALIDATION, vec![name.as_str().into(), text.into()]).await? {
            0 => Err(Fault::not_found(format!("there is no tenant \"{}\"", name.as_str()))),
            _ => Ok(()),
        }
    }

    /// All tenants, by name.
    ///
    /// # Errors
    /// From the database.
    pub async fn tenants(&self) -> Result<Vec<(TenantName, Tenant)>> {
        let rows = self.fetch(&LIST, vec![]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Ok(name) = TenantName::parse(row.text(1)?) {
                found.push((name, Tenant(row.i64(0)?)));
            }
        }
        Ok(found)
    }

    /// The numbers of those that were removed.
    ///
    /// # Errors
    /// From the database.
    pub async fn removed_tenants(&self) -> Result<Vec<Tenant>> {
        let rows = self.fetch(&RETIRED, vec![]).await?;
        rows.iter().map(|row| row.i64(0).map(Tenant)).collect()
    }

    /// Adds a tenant without data.
    ///
    /// # Errors
    /// 409 when there is one of this name, or another node adds one at this moment.
    pub async fn add_tenant(&self, name: &TenantName) -> Result<Tenant> {
        let added = self.execute(&ADD, vec![name.as_str().into()]).await?;
        match self.tenant(name).await? {
            Some(tenant) if added > 0 => {
                // So that a removal has a row to lock.
                self.execute(&ADD_HEAD, vec![tenant.0.into()]).await?;
                Ok(tenant)
            }
            Some(_) => Err(Fault::new(Category::Conflict, format!("there is a tenant \"{}\" already", name.as_str()))),
            None => Err(Fault::new(Category::Conflict, "another tenant is being added; try again")),
        }
    }

    /// Removes a tenant with everything that it has, in one commit.
    ///
    /// # Errors
    /// 404 for an unknown one; 400 for the default tenant.
    pub async fn remove_tenant(&self, name: &TenantName) -> Result<Tenant> {
        let unknown = || Fault::not_found(format!("there is no tenant \"{}\"", name.as_str()));
        let tenant = self.tenant(name).await?.ok_or_else(unknown)?;
        if tenant == Tenant::DEFAULT {
            return Err(Fault::invalid("the default tenant cannot be removed"));
        }
        let mut transaction = self.pools.begin().await?;
        for statement in &TABLES {
            transaction.driver().execute(statement, vec![tenant.0.into()]).await?;
        }
        let retired = format!("!{}", tenant.0);
        transaction.driver().execute(&RETIRE, vec![tenant.0.into(), retired.as_str().into()]).await?;
        transaction.commit().await.map_err(CommitFault::into_fault)?;
        Ok(tenant)
    }
}
