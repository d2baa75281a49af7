//! Configuration: one struct per section, one table of settings with all their faces.
//!
//! A setting is set by, in rising order: its default, the TOML file of `--config`, its environment variable
//! (`CRESSET_...`, or the standard `OTEL_...`), its flag. Every setting is text on each of these ways and is read by one function, so an error
//! names the setting and where its value came from. Secrets are kept in [`Secret`], which does not show itself.

mod load;
mod sections;
mod settings;

pub use load::{Origin, Sources, environment, load, program};
pub use sections::{
    Access, Config, Http, IndexSettings, Log, PackageSettings, Rest, Secret, StoreSettings, Telemetry, Validation,
    ValidationMode,
};
pub use settings::{SETTINGS, Setting};
