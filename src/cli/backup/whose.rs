//! Which tenants a command is about.

use clap::Args;

use crate::base::fault::{Fault, Result};
use crate::base::id::{Tenant, TenantName};
use crate::store::Store;

/// The default tenant unless another is named.
#[derive(Debug, Args)]
pub struct Whose {
    /// This tenant instead of the default one
    #[arg(long, value_name = "NAME", conflicts_with = "all_tenants")]
    tenant: Option<String>,
    /// All tenants, the default one too
    #[arg(long)]
    all_tenants: bool,
}

impl Whose {
    /// Whether all are meant.
    pub fn is_all(&self) -> bool {
        self.all_tenants
    }

    /// The name of the one that is meant.
    ///
    /// # Errors
    /// 400 for a name that none can have.
    pub fn name(&self) -> Result<TenantName> {
        TenantName::parse(self.tenant.as_deref().unwrap_or("default"))
    }

    /// Those that are meant and there.
    ///
    /// # Errors
    /// 404 for an unknown one; from the database.
    pub async fn find(&self, store: &Store) -> Result<Vec<(TenantName, Tenant)>> {
        if self.all_tenants {
            return store.tenants().await;
        }
        let name = self.name()?;
        let unknown = || Fault::not_found(format!("there is no tenant \"{}\"", name.as_str()));
        let tenant = store.tenant(&name).await?.ok_or_else(unknown)?;
        Ok(vec![(name, tenant)])
    }
}
