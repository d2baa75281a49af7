//! Reading the configuration from its sources.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::base::config::sections::Config;
use crate::base::config::settings::SETTINGS;
use crate::base::fault::{Fault, Result};

/// Where settings come from beside their defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// The variables of the environment.
    pub environment: HashMap<String, String>,
    /// The flags that were given: key of the setting and text.
    pub flags: Vec<(&'static str, String)>,
}

/// Where the value of a setting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File,
    /// The environment.
    Environment,
    /// A flag.
    Flag,
}

/// The variables of the process that concern this program.
pub fn environment() -> HashMap<String, String> {
    std::env::vars().filter(|(name, _)| name.starts_with("CRESSET_") || is_setting(name)).collect()
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.variable == name)
}

/// The file of the running program.
///
/// # Errors
/// 500 when the system does not tell.
pub fn program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| Fault::internal(format!("the program's own file: {error}")))
}

/// Reads all sources. Answers the configuration, and the origin of each setting in the order of [`SETTINGS`].
///
/// # Errors
/// 400 for a file that cannot be read, an unknown setting in it, or a value of the wrong form; it names the
/// setting and where it was set.
pub fn load(sources: &Sources) -> Result<(Config, Vec<Origin>)> {
    let file = match &sources.file {
        Some(path) => read(path)?,
        None => HashMap::new(),
    };
    let mut config = Config::default();
    let mut origins = Vec::with_capacity(SETTINGS.len());
    for setting in SETTINGS {
        let flag = sources.flags.iter().rev().find(|(key, _)| *key == setting.key).map(|(_, text)| text);
        let found = [
            (flag, Origin::Flag),
            (sources.environment.get(setting.variable), Origin::Environment),
            (file.get(setting.key), Origin::File),
        ];
        let Some((text, origin)) = found.into_iter().find_map(|(text, origin)| Some((text?, origin))) else {
            origins.push(Origin::Default);
            continue;
        };
        (setting.set)(&mut config, text).map_err(|expected| {
            let place = match origin {
                Origin::Flag => format!("flag for {}", setting.key),
                Origin::Environment => format!("environment variable {}", setting.variable),
                _ => format!("{}: {}", sources.file.as_deref().unwrap_or(Path::new("")).display(), setting.key),
            };
            Fault::invalid(format!("{place}: {expected}"))
        })?;
        origins.push(origin);
    }
    Ok((config, origins))
}

/// The settings of a file by their keys, as text.
fn read(path: &Path) -> Result<HashMap<String, String>> {
    let bad = |what: String| Fault::invalid(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    // The parser's own message quotes the line, which may hold a password.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| bad(error.message().to_owned()))?;
    let mut found = HashMap::new();
    for (section, settings) in table {
        let toml::Value::Table(settings) = settings else {
            return Err(bad(format!("{section}: expected a section such as [http]")));
        };
        for (name, value) in settings {
            let key = format!("{section}.{name}");
            if !SETTINGS.iter().any(|setting| setting.key == key) {
                return Err(bad(format!("{key}: there is no such setting")));
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                _ => return Err(bad(format!("{key}: expected a string, a number or a truth value"))),
            };
            found.insert(key, text);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sources(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cresset.toml");
        std::fs::write(&path, file).expect("a file");
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        (folder, Sources { file: Some(path), environment, flags })
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let file = "[http]\nlisten = '127.0.0.1:1'\ndrain_seconds = 3\n[store]\ndata = '/a'\n[access]\ndemo = true\n";
        let environment = [("CRESSET_LISTEN", "127.0.0.1:2"), ("CRESSET_DATA", "/b"), ("CRESSET_UNRELATED", "x")];
        let (_folder, sources) = sources(file, &environment, &[("http.listen", "127.0.0.1:3")]);
        let (config, origins) = load(&sources).expect("valid");
        assert_eq!(config.http.listen.port(), 3);
        assert_eq!(config.store.data, PathBuf::from("/b"));
        assert_eq!(config.http.drain_seconds, 3);
        assert!(config.access.demo);
        assert_eq!(config.limits.page_default, 50);
        let origin = |key| origins[SETTINGS.iter().position(|setting| setting.key == key).expect("a setting")];
        assert_eq!(origin("http.listen"), Origin::Flag);
        assert_eq!(origin("store.data"), Origin::Environment);
        assert_eq!(origin("access.demo"), Origin::File);
        assert_eq!(origin("limits.nesting"), Origin::Default);
    }

    #[test]
    fn errors_name_the_setting_and_its_source() {
        for (file, environment, expected) in [
            ("[http]\nlistne = 'x'", vec![], "http.listne: there is no such setting"),
            ("listen = 'x'", vec![], "listen: expected a section"),
            ("[limits]\nnesting = 0", vec![], "limits.nesting: expected a whole number of at least 1"),
            ("[store]\ndatabase = 'mysql://secret'", vec![], "store.database: expected a URL such as postgres://"),
            ("", vec![("CRESSET_LISTEN", "nowhere")], "environment variable CRESSET_LISTEN: expected an address"),
            ("[store\ndatabase = 'secret'", vec![], "cresset.toml: "),
        ] {
            let (_folder, sources) = sources(file, &environment, &[]);
            let message = load(&sources).expect_err("invalid").to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn every_setting_reads_what_it_shows() {
        let (mut keys, mut variables) = (HashSet::new(), HashSet::new());
        let defaults = Config::default();
        for setting in SETTINGS {
            assert!(keys.insert(setting.key) && variables.insert(setting.variable), "{} is there twice", setting.key);
            let shown = (setting.show)(&defaults);
            if !shown.is_empty() {
                let mut config = Config::default();
                assert_eq!((setting.set)(&mut config, &shown), Ok(()), "{}", setting.key);
                assert_eq!((setting.show)(&config), shown, "{}", setting.key);
            }
        }
    }
}
