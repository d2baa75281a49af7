//! The run: one store per size, every task on it, lines as they come.

use std::collections::BTreeMap;
use std::time::Duration;

use super::args::{BenchArgs, Task};
use super::child::Server;
use super::formats::formats;
use super::ground::{Ground, OWN, folder};
use super::measure::median;
use super::report::{Line, Target};
use super::searches::{self, KINDS, Kind, Known};
use super::slow_disk::SlowDisk;
use super::writes::{self, Imported};
use crate::base::fault::{Fault, Result};
use crate::cli::generate::{Day, Depth, Generator};
use crate::search::baseline::raw_index;
use crate::store::baseline::raw_group_commit;

/// A run of the benchmark.
#[derive(Debug)]
pub struct Bench<'a> {
    args: &'a BenchArgs,
    /// `--fsync-delay`.
    slow: Option<SlowDisk>,
    /// Rows per second of the raw database, by the rows of a commit.
    raw: BTreeMap<u64, f64>,
    /// The size of the first store, and the p50 of each search on it.
    first: Option<(u64, BTreeMap<&'static str, f64>)>,
    /// What was measured so far.
    pub lines: Vec<Line>,
}

impl<'a> Bench<'a> {
    /// Nothing measured yet.
    pub fn new(args: &'a BenchArgs) -> Self {
        Self { args, slow: None, raw: BTreeMap::new(), first: None, lines: Vec::new() }
    }

    /// Measures everything.
    ///
    /// # Errors
    /// 500 when the server fails; what was measured before stays in `lines`.
    pub async fn run(&mut self) -> Result<()> {
        self.slow = self.args.fsync_delay.map(SlowDisk::build).transpose()?;
        if self.args.does(Task::Baselines) {
            self.baselines().await?;
        }
        if self.args.does(Task::Formats) {
            let (generator, runs) = (self.generator(), self.args.runs);
            let made = tokio::task::spawn_blocking(move || formats(&generator, runs)).await;
            let made = made.map_err(|error| Fault::internal(format!("formats: {error}")))??;
            made.into_iter().for_each(|line| self.add(line));
        }
        if self.args.does(Task::Start) {
            self.empty_start().await?;
        }
        if self.args.needs_store() {
            for size in self.args.sizes.clone() {
                self.size(size).await?;
            }
        }
        Ok(())
    }

    fn add(&mut self, line: Line) {
        eprintln!("  {}: {:.2} {}", line.what, line.value, line.unit);
        self.lines.push(line);
    }

    async fn start(&self, ground: &Ground) -> Result<Server> {
        Server::start(ground, self.slow.as_ref(), self.args.validation.as_deref()).await
    }

    fn generator(&self) -> Generator {
        let depth = if self.args.brief { Depth::Visit } else { Depth::Years };
        Generator::new(self.args.seed, Day::of(2026, 11, 2), depth)
    }

    async fn baselines(&mut self) -> Result<()> {
        for (what, batch) in [("raw SQLite, commits of 500 rows", 500), ("raw SQLite, commits of 64 rows", 64)] {
            let mut rates = Vec::new();
            for _ in 0..self.args.runs.max(1) {
                let folder = folder(self.args)?;
                rates.push(raw_group_commit(folder.path(), 100_000, 400, batch).await?.per_second());
            }
            let rate = median(rates);
            self.raw.insert(batch, rate);
            self.add(Line::new(what, rate, "rows/s"));
        }
        let mut rates = Vec::new();
        for _ in 0..self.args.runs.max(1) {
            let folder = folder(self.args)?;
            let path = folder.path().to_owned();
            let made = tokio::task::spawn_blocking(move || raw_index(&path, 100_000)).await;
            let made = made.map_err(|error| Fault::internal(format!("raw index: {error}")))?;
            rates.push(made?.per_second());
        }
        self.add(Line::new("raw tantivy, 100,000 documents", median(rates), "documents/s"));
        Ok(())
    }

    /// The line beside the raw database at commits of so many rows, if that was measured.
    fn beside_raw(&self, line: Line, batch: u64) -> Line {
        match self.raw.get(&batch) {
            Some(rate) => line.beside("raw SQLite", *rate),
            None => line,
        }
    }

    async fn empty_start(&mut self) -> Result<()> {
        let (mut times, mut anon, mut resident) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.args.runs.max(1) {
            let ground = Ground::fresh(self.args, self.slow.as_ref())?;
            let server = self.start(&ground).await?;
            times.push(millis(server.started_in));
            tokio::time::sleep(Duration::from_secs(1)).await;
            anon.push(server.memory().0);
            resident.push(server.memory().1);
            server.stop().await?;
        }
        self.add(Line::new("start, empty store, until /metadata", median(times), "ms").target(Target::AtMost(250.0)));
        self.add(Line::new("memory idle, RssAnon", median(anon), "MiB").target(Target::AtMost(150.0)));
        self.add(Line::new("memory idle, RSS", median(resident), "MiB"));
        Ok(())
    }

    async fn size(&mut self, size: u64) -> Result<()> {
        eprintln!("store of {size} resources");
        // A database outside cannot be emptied from here, so it is filled once.
        let outside = self.args.database.as_deref().is_some_and(|database| database != OWN);
        let runs = if self.args.does(Task::Import) && !outside { self.args.runs.max(1) } else { 1 };
        let (mut rates, mut cpu, mut anon, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
        for _ in 0..runs {
            drop(last.take());
            let ground = Ground::fresh(self.args, self.slow.as_ref())?;
            let server = self.start(&ground).await?;
            let before = server.cpu();
            let imported = self.import(&server, size).await?;
            let micros = server.cpu().saturating_sub(before).as_secs_f64() * 1e6;
            cpu.push(micros / imported.resources.max(1) as f64);
            eprintln!("  imported {} at {:.0} resources/s", imported.resources, imported.rate());
            rates.push(imported.rate());
            anon.push(server.memory().0);
            last = Some((server, ground, imported));
        }
        let Some((mut server, ground, imported)) = last else { return Ok(()) };
        let size = imported.resources;
        if self.args.does(Task::Import) {
            let bound = if self.args.database.is_some() { 5_000.0 } else { 10_000.0 };
            let line = Line::new("import", median(rates), "resources/s").at(size).target(Target::AtLeast(bound));
            self.add(self.beside_raw(line, 500));
            self.add(Line::new("import, CPU time of the server", median(cpu), "µs/resource").at(size));
        }
        if self.args.does(Task::Memory) {
            let line = Line::new("memory after the import, RssAnon", median(anon), "MiB").at(size);
            self.add(line.target(Target::AtMost(400.0)));
        }
        let measured = self.measure(&server, size).await;
        measured.map_err(|fault| server.explain(fault))?;
        self.restart(server, &ground, &imported).await
    }

    async fn measure(&mut self, server: &Server, size: u64) -> Result<()> {
        let known = searches::known(&server.authority).await?;
        self.queries(server, size, &known).await?;
        self.visibility(server, size, &known).await?;
        self.memory(server, size);
        Ok(())
    }

    async fn import(&self, server: &Server, size: u64) -> Result<Imported> {
        if !self.args.synthea.is_empty() {
            return writes::files(&server.authority, &self.args.synthea, self.args.connections).await;
        }
        writes::generated(&server.authority, self.generator(), size, self.args.connections).await
    }

    async fn queries(&mut self, server: &Server, size: u64, known: &Known) -> Result<()> {
        if self.args.does(Task::Read) {
            self.reads(server, size, known).await?;
        }
        let mut middles = BTreeMap::new();
        for kind in KINDS {
            let task = if kind.query == searches::COUNTED { Task::Count } else { Task::Search };
            if !self.args.does(task) {
                continue;
            }
            let (mut middle, mut slow) = (Vec::new(), Vec::new());
            for _ in 0..self.args.runs.max(1) {
                let found = searches::searches(&server.authority, kind, known).await?;
                middle.push(found.percentile(50.0));
                slow.push(found.percentile(99.0));
            }
            let middle = median(middle);
            middles.insert(kind.name, middle);
            let line = Line::new(format!("{}, p50", kind.name), middle, "ms").at(size);
            self.add(self.beside_first(line, kind));
            let line = Line::new(format!("{}, p99", kind.name), median(slow), "ms").at(size);
            self.add(match kind.p99_ms {
                Some(bound) => line.target(Target::AtMost(bound)),
                None => line,
            });
        }
        self.first.get_or_insert((size, middles));
        Ok(())
    }

    /// The line beside that of the first, smaller store.
    fn beside_first(&self, line: Line, kind: &Kind) -> Line {
        let Some((size, middles)) = &self.first else { return line };
        let Some(middle) = middles.get(kind.name) else { return line };
        let line = line.beside(format!("at {size}"), *middle);
        match kind.growth {
            Some(times) => line.target(Target::TimesBaseline(times)),
            None => line,
        }
    }

    async fn reads(&mut self, server: &Server, size: u64, known: &Known) -> Result<()> {
        let bare = Server::start_bare(known.bytes).await?;
        let time = Duration::from_secs(self.args.seconds);
        let (mut ours, mut raw, mut slow, mut xml) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // In turns, so that whatever else the machine does meets both.
        for _ in 0..self.args.runs.max(1) {
            raw.push(searches::bare_reads(&bare.authority, time).await?.rate());
            let drive = searches::reads(&server.authority, time, known, "").await?;
            slow.push(drive.latencies.percentile(99.0));
            ours.push(drive.rate());
            xml.push(searches::reads(&server.authority, time, known, "?_format=xml").await?.rate());
        }
        drop(bare);
        let line = Line::new("read by id, 16 connections", median(ours), "requests/s").at(size);
        let raw = median(raw);
        self.add(line.beside("bare axum handler", raw).target(Target::ShareOfBaseline(0.5)));
        self.add(Line::new("read by id, p99", median(slow), "ms").at(size));
        let line = Line::new("read by id as XML, 16 connections", median(xml), "requests/s").at(size);
        self.add(line.beside("bare axum handler", raw));
        Ok(())
    }

    async fn visibility(&mut self, server: &Server, size: u64, known: &Known) -> Result<()> {
        if !self.args.does(Task::Visibility) {
            return Ok(());
        }
        let (mut middle, mut slow) = (Vec::new(), Vec::new());
        for run in 0..self.args.runs.max(1) as u64 {
            let found = writes::visibility(&server.authority, 1000 + run, 300, &known.patients[0]).await?;
            middle.push(found.percentile(50.0));
            slow.push(found.percentile(99.0));
        }
        self.add(Line::new("write, then found by a search, p50", median(middle), "ms").at(size));
        let line = Line::new("write, then found by a search, p99", median(slow), "ms").at(size);
        self.add(line.target(Target::AtMost(30.0)));
        Ok(())
    }

    async fn creates(&mut self, server: &Server, size: u64) -> Result<()> {
        let known = searches::known(&server.authority).await?;
        let (mut rates, mut slow) = (Vec::new(), Vec::new());
        for run in 0..self.args.runs.max(1) as u64 {
            let time = Duration::from_secs(self.args.seconds);
            let found = writes::creates(&server.authority, run, time, &known.patients).await?;
            rates.push(found.rate());
            slow.push(found.latencies.percentile(99.0));
        }
        // With a slow disk only commits that share their syncs reach this.
        let bound = if self.slow.is_some() { 2_000.0 } else { 5_000.0 };
        let line = Line::new("create, 64 connections", median(rates), "creates/s").at(size);
        self.add(self.beside_raw(line, 64).target(Target::AtLeast(bound)));
        self.add(Line::new("create, 64 connections, p99", median(slow), "ms").at(size));
        Ok(())
    }

    fn memory(&mut self, server: &Server, size: u64) {
        if self.args.does(Task::Memory) {
            let (anon, resident) = server.memory();
            self.add(Line::new("memory after searches, RssAnon", anon, "MiB").at(size).target(Target::AtMost(400.0)));
            self.add(Line::new("memory after searches, RSS", resident, "MiB").at(size));
        }
    }

    /// Ends the server, looks at its folder, starts it again, and creates: last, because that adds what was not
    /// in the input.
    async fn restart(&mut self, server: Server, ground: &Ground, imported: &Imported) -> Result<()> {
        let size = imported.resources;
        let known = match self.args.does(Task::Read) {
            true => searches::scattered(&server.authority).await?,
            false => Vec::new(),
        };
        let stopped = server.stop().await?;
        self.add(Line::new("stop after SIGTERM", millis(stopped), "ms").at(size));
        if self.args.does(Task::Disk) && imported.ndjson_bytes > 0 && ground.knows_its_size() {
            self.disk(ground, imported);
        }
        if self.args.does(Task::Start) {
            let mut times = Vec::new();
            for _ in 0..self.args.runs.max(1) {
                let server = self.start(ground).await?;
                times.push(millis(server.started_in));
                server.stop().await?;
            }
            let line = Line::new("start, existing store, until /metadata", median(times), "ms");
            self.add(line.at(size).target(Target::AtMost(500.0)));
        }
        if self.args.does(Task::Read) {
            let server = self.start(ground).await?;
            let drive = searches::read_once(&server.authority, known).await?;
            let line = Line::new("read by id, each once after a start", drive.rate(), "requests/s").at(size);
            self.add(line);
            server.stop().await?;
        }
        if self.args.does(Task::Create) {
            let mut server = self.start(ground).await?;
            let created = self.creates(&server, size).await;
            created.map_err(|fault| server.explain(fault))?;
            server.stop().await?;
        }
        Ok(())
    }

    fn disk(&mut self, ground: &Ground, imported: &Imported) {
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        let (all, index) = ground.disk_bytes();
        let ndjson = mib(imported.ndjson_bytes);
        self.add(Line::new("disk, index alone", mib(index), "MiB").at(imported.resources).beside("NDJSON", ndjson));
        let line = Line::new("disk, store and index", mib(all), "MiB").at(imported.resources).beside("NDJSON", ndjson);
        self.add(line.target(Target::AtMost(ndjson)));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
