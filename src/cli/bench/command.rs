//! `cresset bench`: measures, and shows the result.

use super::args::BenchArgs;
use super::machine;
use super::report::{json, table};
use super::tasks::Bench;
use crate::base::fault::{Fault, Result};

impl BenchArgs {
    /// Measures, and prints the table.
    ///
    /// # Errors
    /// 500 when the server fails; the lines so far are printed all the same.
    pub async fn run(&self) -> Result<()> {
        let machine = machine::describe();
        for (name, value) in &machine {
            println!("{name}: {value}");
        }
        let mut bench = Bench::new(self);
        let ended = bench.run().await;
        println!("load average afterwards: {}\n\n{}", machine::load_average(), table(&bench.lines));
        if let Some(path) = &self.json {
            let written = std::fs::write(path, json(&bench.lines, &machine));
            written.map_err(|error| Fault::internal(format!("{}: {error}", path.display())))?;
        }
        ended
    }
}
