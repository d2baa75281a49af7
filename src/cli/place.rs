//! The arguments that several commands share: which configuration, which data.

use std::path::PathBuf;

use clap::Args;

use crate::base::config::{Config, Origin, Sources, environment, load};
use crate::base::fault::Result;
use crate::store::StoreConfig;

/// Where the data is.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// TOML file with settings [env: CRESSET_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder [env: CRESSET_DATA] [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// PostgreSQL database instead of the embedded one, such as postgres://user:password@host/database [env: CRESSET_DATABASE]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

impl Place {
    /// The configuration of these arguments, `more` flags, the environment, and the file.
    ///
    /// # Errors
    /// 400 for a setting of the wrong form.
    pub fn load(&self, more: Vec<(&'static str, String)>) -> Result<(Config, Vec<Origin>)> {
        let environment = environment();
        let file = self.config.clone().or_else(|| environment.get("CRESSET_CONFIG").map(PathBuf::from));
        let mut flags = more;
        flags.extend(self.data.as_ref().map(|data| ("store.data", data.display().to_string())));
        flags.extend(self.database.as_ref().map(|url| ("store.database", url.clone())));
        load(&Sources { file, environment, flags })
    }
}

/// The database of a configuration.
pub fn store(config: &Config) -> StoreConfig {
    let url = config.store.database.as_ref().map(|url| url.reveal());
    StoreConfig::of(url, config.store.data.clone(), config.store.readers, config.store.connections)
}
