//! `cresset generate`: writes generated Bundles to a folder or to standard output.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::clock::Clock;
use crate::base::fault::{Fault, Result};
use crate::cli::generate::patient::Depth;
use crate::cli::generate::seeded::Generator;
use crate::cli::generate::when::Day;

/// The arguments of `cresset generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Equal seeds give equal data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many patients
    #[arg(long, default_value_t = 40)]
    patients: u64,
    /// The day that counts as today, such as 2026-11-02; the real one unless given
    #[arg(long)]
    today: Option<String>,
    /// One visit per patient (ten resources) instead of years
    #[arg(long)]
    brief: bool,
    /// A folder for one file per Bundle, or - for one Bundle per line on standard output
    #[arg(long, default_value = "-")]
    out: PathBuf,
}

impl GenerateArgs {
    /// Writes the Bundles. Answers how many resources they hold.
    ///
    /// # Errors
    /// 400 for a bad date; 500 when a file cannot be written.
    pub fn run(&self, clock: &dyn Clock) -> Result<usize> {
        let today = match &self.today {
            Some(text) => parse_day(text)?,
            None => Day(clock.now().millis().div_euclid(86_400_000)),
        };
        let depth = if self.brief { Depth::Visit } else { Depth::Years };
        let generator = Generator::new(self.seed, today, depth);
        if self.out.as_os_str() == "-" {
            return to_lines(&generator, self.patients, &mut BufWriter::new(std::io::stdout().lock()));
        }
        fs::create_dir_all(&self.out).map_err(|error| failed(&self.out, &error))?;
        let hospital = generator.hospital();
        let mut resources = hospital.resources;
        save(&self.out.join("0-hospital.json"), &hospital.bytes)?;
        for number in 0..self.patients {
            let patient = generator.patient(number);
            resources += patient.resources;
            save(&self.out.join(format!("patient-{number:07}.json")), &patient.bytes)?;
        }
        Ok(resources)
    }
}

fn to_lines(generator: &Generator, patients: u64, out: &mut impl Write) -> Result<usize> {
    let mut resources = 0;
    let bundles = std::iter::once_with(|| generator.hospital()).chain((0..patients).map(|n| generator.patient(n)));
    for bundle in bundles {
        resources += bundle.resources;
        let written = out.write_all(&bundle.bytes).and_then(|()| out.write_all(b"\n"));
        written.map_err(|error| failed(Path::new("standard output"), &error))?;
    }
    out.flush().map_err(|error| failed(Path::new("standard output"), &error))?;
    Ok(resources)
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    Fault::internal(format!("{}: {error}", path.display()))
}

fn parse_day(text: &str) -> Result<Day> {
    let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Fault::invalid(format!("--today: {text} is not a date such as 2026-11-02")));
    };
    let found = Day::of(i64::from(year), month.clamp(1, 12), day.clamp(1, 31));
    if found.to_string() != text {
        return Err(Fault::invalid(format!("--today: there is no {text} in the calendar")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_strictly() {
        assert_eq!(parse_day("2026-11-02").map(|day| day.to_string()).as_deref(), Ok("2026-11-02"));
        for bad in ["2026-02-30", "2026", "yesterday", "2026-13-01", "2026-1-1"] {
            assert!(parse_day(bad).is_err(), "{bad}");
        }
    }
}
