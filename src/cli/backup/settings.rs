//! What a tenant has beside its log: `settings.json` in its folder of a backup, as of the last run.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::base::config::ValidationMode;
use crate::base::fault::{Fault, Result};
use crate::base::id::TenantName;
use crate::fhir::json::{Json, parse, pretty, write};
use crate::store::{PackageChoice, Store};

const NAME: &str = "settings.json";

/// What is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The mode of validation that the tenant has of its own.
    validation: Option<ValidationMode>,
    /// The packages that it has taken into use, and out of it.
    packages: Vec<PackageChoice>,
}

impl Settings {
    /// Those of a tenant.
    ///
    /// # Errors
    /// From the database.
    pub async fn of(store: &Store, tenant: &str) -> Result<Self> {
        let found = store.tenant_with_validation(&TenantName::parse(tenant)?).await?;
        let Some((tenant, validation)) = found else { return Ok(Self::default()) };
        Ok(Self { validation, packages: store.package_choices(tenant).await? })
    }

    /// Writes them into a folder, durably.
    ///
    /// # Errors
    /// 500 when that fails.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mode = self.validation.map_or(Json::Null, |mode| Json::string(mode.name()));
        let mut text = Vec::new();
        let packages = self.packages.iter().map(|PackageChoice { name, version, is_active }| {
            Json::object([
                ("name", Json::string(name.as_str())),
                ("version", Json::string(version.as_str())),
                ("active", Json::Bool(*is_active)),
            ])
        });
        write(&Json::object([("validation", mode), ("packages", Json::Array(packages.collect()))]), &mut text);
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
        let packages = json.get("packages").and_then(Json::as_array).unwrap_or_default().iter().map(|package| {
            let text = |name: &str| {
                package.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
            };
            let is_active = package.get("active").and_then(Json::as_bool);
            let choice = text("name").zip(text("version")).zip(is_active);
            choice.map(|((name, version), is_active)| PackageChoice { name, version, is_active })
        });
        let packages: Option<Vec<PackageChoice>> = packages.collect();
        let packages = packages.ok_or_else(|| wrong(&"a package has name, version and active"))?;
        Ok(Self { validation, packages })
    }

    /// Gives them to a tenant that is restored.
    ///
    /// # Errors
    /// From the database.
    pub async fn apply(&self, store: &Store, tenant: &TenantName) -> Result<()> {
        if let Some(mode) = self.validation {
            store.set_validation(tenant, Some(mode)).await?;
        }
        if let Some(number) = store.tenant(tenant).await? {
            for choice in &self.packages {
                store.choose_package(number, choice).await?;
            }
        }
        Ok(())
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
            let choice = |name: &str, is_active| PackageChoice { name: name.into(), version: "1".into(), is_active };
            let packages = vec![choice("a", true), choice("b/c", false)];
            let settings = Settings { validation, packages };
            settings.write(folder.path()).unwrap();
            assert_eq!(Settings::read(folder.path()), Ok(settings));
        }
        for text in ["", "{", r#"{"validation":"much"}"#, r#"{"validation":7}"#, r#"{"packages":[{"name":"a"}]}"#] {
            fs::write(folder.path().join(NAME), text).unwrap();
            assert!(Settings::read(folder.path()).is_err(), "{text}");
        }
    }
}
