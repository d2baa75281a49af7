//! The commands of the operator: `config`, `migrate`.

use clap::Args;

use crate::base::config::{Origin, SETTINGS};
use crate::base::fault::Result;
use crate::cli::place::{Place, store};
use crate::store::Store;
use crate::store::folder::Folder;

/// Arguments of `cresset config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    place: Place,
}

impl ConfigArgs {
    /// Prints the configuration as it would be used, as TOML, without secrets, with the origin of every value.
    ///
    /// # Errors
    /// 400 for a setting of the wrong form.
    pub fn run(&self) -> Result<()> {
        let (config, origins) = self.place.load(Vec::new())?;
        let mut section = "";
        for (setting, origin) in SETTINGS.iter().zip(origins) {
            let (head, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
            if head != section {
                println!("{}[{head}]", if section.is_empty() { "" } else { "\n" });
                section = head;
            }
            let value = (setting.show)(&config);
            let origin = match origin {
                Origin::Default => "default",
                Origin::File => "file",
                Origin::Environment => setting.variable,
                Origin::Flag => "flag",
            };
            let line =
                if value.is_empty() { format!("# {name} =") } else { format!("{name} = {}", toml_value(&value)) };
            println!("{line:<40} # {origin}: {}", setting.about);
        }
        Ok(())
    }
}

/// Numbers and truth values as they are, everything else as a string.
fn toml_value(text: &str) -> String {
    let is_bare =
        matches!(text, "true" | "false") || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    if is_bare { text.to_owned() } else { format!("{text:?}") }
}

/// Arguments of `cresset migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    place: Place,
}

impl MigrateArgs {
    /// Brings the schema of the database to this version of the program.
    ///
    /// # Errors
    /// 409 when the data folder is in use or the schema is newer; 503 when the database cannot be reached.
    pub async fn run(&self) -> Result<()> {
        let (config, _) = self.place.load(Vec::new())?;
        let _folder = match config.store.database {
            None => Some(Folder::lock(&config.store.data)?),
            Some(_) => None,
        };
        match Store::migrate(store(&config)).await? {
            0 => println!("the schema is up to date"),
            count => println!("{count} migrations applied"),
        }
        Ok(())
    }
}
