//! `cresset validate`: holds files against the base definitions and profiles, without a server.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::base::clock::{Clock, SystemClock};
use crate::base::fault::{Fault, Issue, Result};
use crate::base::limits::{DEEPEST_NESTING, VALIDATE_REFERENCES_BYTES};
use crate::cli::load::{Document, documents, listed};
use crate::cli::package::archive;
use crate::fhir::definitions::package::{self, Manifest, Package};
use crate::fhir::definitions::shipped;
use crate::fhir::json::{Json, write};
use crate::fhir::outcome::outcome;
use crate::fhir::reading;
use crate::fhir::validate::{Beside, Options, Registry, validate_beside};

/// Arguments of `cresset validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Files, folders or archives of resources in JSON, NDJSON or XML
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
    /// A profile that every resource must conform to, by its canonical URL; beside those in `meta.profile`
    #[arg(long, value_name = "URL")]
    profile: Vec<String>,
    /// A FHIR package (.tgz) whose definitions are known
    #[arg(long, value_name = "FILE")]
    package: Vec<PathBuf>,
    /// Leave out the packages that are part of the program
    #[arg(long)]
    without_packages: bool,
    /// How the findings are written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Leave out warnings
    #[arg(long)]
    errors_only: bool,
    /// A profile that is not known is an error
    #[arg(long)]
    strict: bool,
    /// Relative references must lead to resources of FILES, and those conform to what is asked of them; all are kept in memory
    #[arg(long)]
    references: bool,
    /// URLs of examples (example.org, acme.com) are errors
    #[arg(long)]
    no_examples: bool,
    /// Tags of HTML in texts are errors
    #[arg(long)]
    no_markup: bool,
}

/// How the findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object a line: file, valid, outcome
    Json,
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    valid: usize,
    invalid: usize,
}

impl ValidateArgs {
    /// Validates all files and writes the findings to standard output; whether all were valid.
    ///
    /// # Errors
    /// 400 for a file or package that cannot be read, and for a profile of the arguments that is not known.
    pub fn run(&self) -> Result<bool> {
        let registry = self.registry()?;
        let registry = registry.as_ref().unwrap_or(self.below());
        for url in &self.profile {
            match registry.profile(url).filter(|_| registry.has_version(url)) {
                Some(Ok(_)) => {}
                Some(Err(why)) => return Err(Fault::invalid(format!("the profile {url} cannot be used: {why}"))),
                None => return Err(Fault::invalid(format!("the profile {url} is in none of the packages"))),
            }
        }
        let options = Options {
            with_warnings: !self.errors_only,
            unknown_is_error: self.strict,
            by_meta: true,
            shape_only: false,
            is_thorough: true,
            for_storage: false,
            takes_unstorable: true,
            refuses_examples: self.no_examples,
            refuses_markup: self.no_markup,
            now: Some(SystemClock.now()),
        };
        let profiles: Vec<&str> = self.profile.iter().map(String::as_str).collect();
        let mut counts = Counts::default();
        let mut out = std::io::stdout().lock();
        let paths = listed(&self.files)?;
        let all = if self.references { gathered(&paths)? } else { Vec::new() };
        let beside = self.references.then(|| Beside::new(&all));
        let mut judge = |document: &Document| {
            let issues = match read(&document.text) {
                Ok(json) => validate_beside(registry, None, beside.as_ref(), &json, &profiles, options),
                Err(fault) => fault.issues().to_vec(),
            };
            self.tell(&mut out, document, &issues, &mut counts)
        };
        for path in &paths {
            let mut is_empty = true;
            documents(path, &mut |document| {
                is_empty = false;
                judge(&document)
            })?;
            if is_empty {
                judge(&Document { place: path.display().to_string(), text: String::new() })?;
            }
        }
        if self.output == Output::Text {
            let Counts { valid, invalid } = counts;
            writeln!(out, "{} resources: {valid} valid, {invalid} invalid", valid + invalid).map_err(unwritable)?;
        }
        Ok(counts.invalid == 0)
    }

    /// What is known without the packages of the arguments.
    fn below(&self) -> &'static Registry {
        if self.without_packages { Registry::core() } else { Registry::shipped() }
    }

    fn registry(&self) -> Result<Option<Registry>> {
        if self.package.is_empty() {
            return Ok(None);
        }
        let packages: Vec<Package> = self.package.iter().map(|path| open(path)).collect::<Result<_>>()?;
        let there = if self.without_packages { &[] } else { shipped::packages() };
        let there: Vec<&Manifest> = there.iter().map(|packed| &packed.manifest).collect();
        for text in package::missing(&packages, &there) {
            eprintln!("cresset: warning: {text}");
        }
        Ok(Some(Registry::over(self.below(), packages.into_iter().flat_map(|package| package.resources))))
    }

    fn tell(&self, out: &mut dyn Write, document: &Document, issues: &[Issue], counts: &mut Counts) -> Result<()> {
        let is_valid = issues.iter().all(|issue| !matches!(issue.severity, "error" | "fatal"));
        *(if is_valid { &mut counts.valid } else { &mut counts.invalid }) += 1;
        if self.output == Output::Json {
            let fine = [Issue::information("no issues were found")];
            let issues = if issues.is_empty() { &fine[..] } else { issues };
            let line = [
                ("file", Json::string(document.place.as_str())),
                ("valid", Json::Bool(is_valid)),
                ("outcome", outcome(issues)),
            ];
            let mut text = Vec::new();
            write(&Json::object(line), &mut text);
            text.push(b'\n');
            return out.write_all(&text).map_err(unwritable);
        }
        if issues.is_empty() {
            return Ok(());
        }
        writeln!(out, "{}: {}", document.place, if is_valid { "valid" } else { "invalid" }).map_err(unwritable)?;
        for issue in issues {
            let place = issue.expression.as_deref().unwrap_or("");
            let position =
                issue.position.map_or_else(String::new, |(line, column)| format!(" (line {line}, column {column})"));
            writeln!(out, "  {:<11} {place}: {}{position}", issue.severity, issue.diagnostics).map_err(unwritable)?;
            if !issue.also.is_empty() {
                writeln!(out, "  {:<11}   see {}", "", issue.also.join(", ")).map_err(unwritable)?;
            }
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Package> {
    let named = |fault: Fault| fault.context(path.display());
    if path.is_dir() {
        return Package::read(archive(path)?.as_slice()).map_err(named);
    }
    let file = File::open(path).map_err(|error| named(Fault::invalid(error.to_string())))?;
    Package::read(BufReader::new(file)).map_err(named)
}

/// All resources of the files, as far as they can be read.
fn gathered(paths: &[PathBuf]) -> Result<Vec<Json>> {
    let (mut all, mut bytes) = (Vec::new(), 0_usize);
    for path in paths {
        documents(path, &mut |document| {
            bytes += document.text.len();
            if bytes > VALIDATE_REFERENCES_BYTES {
                let most = VALIDATE_REFERENCES_BYTES >> 20;
                return Err(Fault::invalid(format!("with --references the files must not have more than {most} MiB")));
            }
            all.extend(read(&document.text).ok());
            Ok(())
        })?;
    }
    Ok(all)
}

fn read(text: &str) -> Result<Json> {
    if text.trim_start().starts_with('<') {
        reading::of_exact_xml(text.as_bytes(), DEEPEST_NESTING)
    } else {
        reading::of_json(text.as_bytes(), DEEPEST_NESTING)
    }
}

fn unwritable(error: std::io::Error) -> Fault {
    Fault::internal(format!("standard output: {error}"))
}
