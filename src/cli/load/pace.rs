//! How far a load is: counters, the progress bar, and which files are done.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::load::answer::Verdict;
use crate::cli::load::state::State;

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Resources that went in.
    pub done: u64,
    /// Resources that did not.
    pub failed: u64,
    /// Files of which anything failed.
    pub failed_files: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Complaints that are shown.
const SHOWN: u64 = 100;

/// Shared by all workers of a load.
#[derive(Debug)]
pub struct Pace {
    started: Instant,
    done: AtomicU64,
    failed: AtomicU64,
    failed_files: AtomicU64,
    complaints: AtomicU64,
    bar: ProgressBar,
    state: Mutex<Option<State>>,
}

/// One file that is being loaded; it is finished when its last request is answered, which is when the last
/// clone of its `Arc` goes.
#[derive(Debug)]
pub struct Ticket {
    path: PathBuf,
    digest: OnceLock<u64>,
    is_failed: AtomicBool,
    pace: Arc<Pace>,
}

impl Pace {
    /// Nothing done yet of `files`. Without a terminal there is no bar.
    pub fn new(files: usize, state: Option<State>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {msg}  {elapsed} (left: {eta})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (done, failed, failed_files, complaints) = Default::default();
        Self { started: Instant::now(), done, failed, failed_files, complaints, bar, state: Mutex::new(state) }
    }

    /// Begins a file.
    pub fn ticket(self: &Arc<Self>, path: &Path) -> Arc<Ticket> {
        let (digest, is_failed) = Default::default();
        Arc::new(Ticket { path: path.to_owned(), digest, is_failed, pace: self.clone() })
    }

    /// Whether an earlier load finished the file.
    pub fn is_finished(&self, path: &Path) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_finished = state.as_ref().is_some_and(|state| state.is_finished(path));
        if is_finished {
            self.bar.inc(1);
        }
        is_finished
    }

    /// Shows a line above the bar; after many it only counts.
    pub fn complain(&self, text: &str) {
        match self.complaints.fetch_add(1, Ordering::SeqCst) {
            SHOWN => self.bar.suspend(|| eprintln!("cresset: ... and more of them")),
            count if count < SHOWN => self.bar.suspend(|| eprintln!("cresset: {text}")),
            _ => {}
        }
    }

    /// Ends the load.
    pub fn finish(&self) -> Summary {
        self.bar.finish_and_clear();
        let summary = Summary {
            done: self.done.load(Ordering::SeqCst),
            failed: self.failed.load(Ordering::SeqCst),
            failed_files: self.failed_files.load(Ordering::SeqCst),
            elapsed: self.started.elapsed(),
        };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(state) = state.filter(|_| summary.failed_files == 0) {
            state.forget();
        }
        summary
    }
}

impl Ticket {
    /// Notes what became of a request.
    pub fn note(&self, place: &str, verdict: &Verdict) {
        let done = self.pace.done.fetch_add(verdict.done as u64, Ordering::SeqCst) + verdict.done as u64;
        self.pace.failed.fetch_add(verdict.failed as u64, Ordering::SeqCst);
        let rate = done as f64 / self.pace.started.elapsed().as_secs_f64().max(0.001);
        self.pace.bar.set_message(format!("{done} resources, {rate:.0}/s"));
        for reason in &verdict.reasons {
            self.fail(&format!("{place}: {reason}"));
        }
    }

    /// The file or a part of it did not go in.
    pub fn fail(&self, text: &str) {
        self.is_failed.store(true, Ordering::SeqCst);
        self.pace.complain(text);
    }

    /// All of the file was read; `digest` is its hash.
    pub fn read_whole(&self, digest: u64) {
        self.digest.get_or_init(|| digest);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pace.bar.inc(1);
        let digest = self.digest.get().copied().filter(|_| !self.is_failed.load(Ordering::SeqCst));
        let Some(digest) = digest else {
            self.pace.failed_files.fetch_add(1, Ordering::SeqCst);
            return;
        };
        let mut state = self.pace.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(fault)) = state.as_mut().map(|state| state.finish(&self.path, digest)) {
            self.pace.complain(&fault.to_string());
        }
    }
}
