//! Reads files on one thread and sends their requests on several connections.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::base::fault::{Fault, Result};
use crate::cli::load::answer::{Verdict, verdict};
use crate::cli::load::document;
use crate::cli::load::files::{self, Files};
use crate::cli::load::pace::{Pace, Ticket};
use crate::cli::load::request::{Gathering, Request};
use crate::cli::load::target::{Sender, Target};

/// How a load is done.
#[derive(Debug, Clone, Copy)]
pub struct Pipeline {
    /// Requests at a time.
    pub parallel: usize,
    /// Resources in a batch that is made of NDJSON or single resources.
    pub batch: usize,
}

/// A request, the file it is of, and who waits for it to be answered.
#[derive(Debug)]
struct Job {
    ticket: Arc<Ticket>,
    request: Request,
    answered: oneshot::Sender<()>,
}

impl Pipeline {
    /// Loads the first files one by one, then the others.
    ///
    /// # Errors
    /// 400 for a target that is none. What goes wrong with a file is noted in `pace`.
    pub async fn run(self, files: Files, target: &Target, pace: &Arc<Pace>) -> Result<()> {
        for file in files.first {
            self.stage(vec![file], 1, target, pace).await?;
        }
        self.stage(files.rest, self.parallel.max(1), target, pace).await
    }

    async fn stage(self, files: Vec<PathBuf>, workers: usize, target: &Target, pace: &Arc<Pace>) -> Result<()> {
        // Few requests wait: they are large, and the reader is faster than the server.
        let (give, take) = mpsc::channel::<Job>(workers);
        let take = Arc::new(Mutex::new(take));
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..workers {
            sending.spawn(work(target.sender()?, take.clone()));
        }
        drop(take);
        let (pace, batch) = (pace.clone(), self.batch.max(1));
        let reading = tokio::task::spawn_blocking(move || {
            for file in files {
                read(&file, batch, &pace, &give);
            }
        });
        let stopped = |error: tokio::task::JoinError| Fault::internal(format!("a worker of the load stopped: {error}"));
        reading.await.map_err(stopped)?;
        while let Some(ended) = sending.join_next().await {
            ended.map_err(stopped)?;
        }
        Ok(())
    }
}

fn read(file: &std::path::Path, batch: usize, pace: &Arc<Pace>, give: &mpsc::Sender<Job>) {
    if pace.is_finished(file) {
        return;
    }
    let ticket = pace.ticket(file);
    let mut gathering = Gathering::new(batch);
    let mut leader: Option<oneshot::Receiver<()>> = None;
    let mut is_leader = true;
    let mut full = |request: Request| {
        // What others refer to stands first in a file of many Bundles (or says so by its name in an archive), so
        // that one is waited for; a file with one request only waits for nothing.
        if let Some(leader) = leader.take() {
            let _answered = leader.blocking_recv().is_ok();
        }
        let (answered, wait) = oneshot::channel();
        if std::mem::replace(&mut is_leader, false) || files::goes_first(&request.place) {
            leader = Some(wait);
        }
        let gone = |_| Fault::internal("the senders of the load stopped");
        give.blocking_send(Job { ticket: ticket.clone(), request, answered }).map_err(gone)
    };
    let found = document::read(file, &mut |document| gathering.add(document, &mut full));
    match found.and_then(|digest| gathering.flush(&mut full).map(|()| digest)) {
        Ok(digest) => ticket.read_whole(digest),
        Err(fault) => ticket.fail(&fault.to_string()),
    }
}

async fn work(mut sender: Sender, take: Arc<Mutex<mpsc::Receiver<Job>>>) {
    loop {
        let Some(Job { ticket, request, answered }) = take.lock().await.recv().await else { return };
        let Request { place, body, resources, is_repeatable } = request;
        let found = match sender.post(body.into(), is_repeatable).await {
            Ok(answer) => verdict(&answer, resources),
            Err(fault) => Verdict { done: 0, failed: resources, reasons: vec![fault.to_string()] },
        };
        ticket.note(&place, &found);
        // The reader may not wait at all.
        let _waits = answered.send(()).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{SharedClock, SystemClock};
    use crate::base::config::Config;
    use crate::base::id::IdSource;
    use crate::cli::running::Running;

    fn transaction(kind: &str, resource: &str) -> String {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{resource},"request":{{"method":"POST","url":"{kind}"}}}}]}}"#
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_first_bundle_of_a_file_is_there_before_those_that_refer_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let mut config = Config::default();
        config.store.data = folder.path().join("data");
        config.http.listen = "127.0.0.1:0".parse().unwrap();
        let running = Running::start(config, clock.clone(), IdSource::random(clock)).await.unwrap();

        let staff = r#"{"resourceType":"Practitioner","identifier":[{"system":"urn:x","value":"1"}]}"#;
        let patient =
            r#"{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner?identifier=urn:x|1"}]}"#;
        let mut lines = vec![transaction("Practitioner", staff)];
        lines.extend((0..40).map(|_| transaction("Patient", patient)));
        let file = folder.path().join("all.ndjson");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let broken = folder.path().join("broken.json");
        std::fs::write(&broken, r#"{"resourceType":"Patient","birthDate":"2023-02-30"}"#).unwrap();

        let target = Target::new(&running.url()).unwrap();
        let load = |files: Vec<PathBuf>| {
            let (pace, target) = (Arc::new(Pace::new(files.len(), None)), target.clone());
            async move {
                let files = Files { first: Vec::new(), rest: files };
                Pipeline { parallel: 8, batch: 10 }.run(files, &target, &pace).await.unwrap();
                pace.finish()
            }
        };
        let summary = load(vec![file]).await;
        assert_eq!((summary.done, summary.failed, summary.failed_files), (41, 0, 0));
        let summary = load(vec![broken]).await;
        assert_eq!((summary.done, summary.failed, summary.failed_files), (0, 1, 1));
        running.stop().await.unwrap();
    }
}
