//! Reads files on one thread and sends their requests on several connections.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::base::fault::{Fault, Result};
use crate::cli::load::answer::{Verdict, verdict};
use crate::cli::load::document;
use crate::cli::load::files::Files;
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

type Job = (Arc<Ticket>, Request);

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
    let mut full = |request| {
        let gone = |_| Fault::internal("the senders of the load stopped");
        give.blocking_send((ticket.clone(), request)).map_err(gone)
    };
    let found = document::read(file, &mut |document| gathering.add(document, &mut full));
    match found.and_then(|digest| gathering.flush(&mut full).map(|()| digest)) {
        Ok(digest) => ticket.read_whole(digest),
        Err(fault) => ticket.fail(&fault.to_string()),
    }
}

async fn work(mut sender: Sender, take: Arc<Mutex<mpsc::Receiver<Job>>>) {
    loop {
        let Some((ticket, request)) = take.lock().await.recv().await else { return };
        let Request { place, body, resources, is_repeatable } = request;
        let found = match sender.post(body.into(), is_repeatable).await {
            Ok(answer) => verdict(&answer, resources),
            Err(fault) => Verdict { done: 0, failed: resources, reasons: vec![fault.to_string()] },
        };
        ticket.note(&place, &found);
    }
}
