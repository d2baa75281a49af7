//! What a tenant has beside its log: `settings.json` in its folder of a backup, as of the last run.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::base::config::ValidationMode;
use crate::base::fault::{Fault, Result};
use crate::base::id::TenantName;
use crate::fhir::json::{Json, parse, pretty, write};
use crate::store::Store;

const NAME: &str = "settings.json";

/// What is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The mode of validation that the tenant has of its own.
    validation: Option<ValidationMode>,
}

impl Settings {
    /// Those of a tenant.
    ///
    /// # Errors
    /// From the database.
    pub async fn of(store: &Store, tenant: &str) -> Result<Self> {
        let found = store.tenant_with_validation(&TenantName::parse(tenant)?).await?;
        Ok(Self { validation: found.and_then(|(_, validation)| validation) })
    }

    /// Writes them into a folder, durably.
    ///
    /// # Errors
    /// 500 when that fails.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mode = self.validation.map_or(Json::Null, |mode| Json::string(mode.name()));
        let mut text = Vec::new();
        write(&Json::object([("validation", mode)]), &mut text);
        let (new, path) = (folder.join("settings.partial"), folder.join(NAME));
        let done = File::create(&new).and_then(|mut file| {
            file.write_all(&pretty(&text))?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        });
        done.map_err(|error| Fault::internal(format!("{}: {error}", path.display())))
    }

    /// Reads those in a folder; none of a backup that was made before there were any.
    ///
    /// # Errors
    /// 400 for a file that cannot be read, or that says what this program does not know.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let wrong = |why: &dyn std::fmt::Display| Fault::invalid(format!("{}: {why}", path.display()));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(&error)),
        };
        let json = parse(&text).map_err(|fault| wrong(&fault))?;
        let validation = match json.get("validation") {
            None | Some(Json::Null) => None,
            Some(mode) => Some(ValidationMode::parse(mode.as_str().unwrap_or_default()).map_err(|why| wrong(&why))?),
        };
        Ok(Self { validation })
    }

    /// Gives them to a tenant that is restored.
    ///
    /// # Errors
    /// From the database.
    pub async fn apply(&self, store: &Store, tenant: &TenantName) -> Result<()> {
        match self.validation {
            Some(mode) => store.set_validation(tenant, Some(mode)).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(folder.path()), Ok(Settings::default()));
        for validation in [None, Some(ValidationMode::Off), Some(ValidationMode::Strict)] {
            let settings = Settings { validation };
            settings.write(folder.path()).unwrap();
            assert_eq!(Settings::read(folder.path()), Ok(settings));
        }
        for text in ["", "{", r#"{"validation":"much"}"#, r#"{"validation":7}"#] {
            fs::write(folder.path().join(NAME), text).unwrap();
            assert!(Settings::read(folder.path()).is_err(), "{text}");
        }
    }
}
