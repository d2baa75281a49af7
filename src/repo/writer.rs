//! The Writer: one task per tenant and node that commits planned writes, a batch at a time.
//!
//! Invariants: a plan is answered after the commit that holds it; a refused plan leaves nothing behind
//! and does not disturb its neighbours; preconditions and assumptions are checked against the state
//! that includes everything accepted before, in this batch too; positions in the log have no gaps.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};

use super::face::Written;
use super::feed::Feed;
use super::integrity::{Links, catch_up};
use super::plan::Plan;
use super::recent::Recent;
use super::stage::{Refusal, Staging};
use crate::base::clock::SharedClock;
use crate::base::fault::{Fault, Result};
use crate::base::id::{Seq, Tenant};
use crate::base::limits::Limits;
use crate::base::traces::{joint, span};
use crate::fhir::types::{ResourceKey, ResourceType};
use crate::store::Store;

/// Most versions in one commit: bounds the memory of a batch and the time of its transaction.
const BATCH_ROWS: usize = 4000;

/// How the Writer answers a plan.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Committed, or nothing had to be.
    Done(Vec<Written>),
    /// An assumption does not hold any more: plan again.
    Stale,
    /// So many versions were expunged.
    Expunged(u64),
}

/// Plans while the Writer holds the tenant's head, when planning ahead went stale too often.
pub(super) type Planner = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<Plan>> + Send>> + Send>;

/// What is handed to the Writer.
pub(super) enum Work {
    /// A plan.
    Ready(Plan),
    /// A plan to be made under the lock.
    Serial(Planner),
    /// Content to be taken away.
    Expunge(Expunge),
}

/// What loses its content.
#[derive(Debug)]
pub(super) enum Expunge {
    /// Versions that are not current.
    Versions(Vec<(ResourceType, Seq)>),
    /// All versions of these resources, if they are deleted at the commit.
    Resources(Vec<ResourceKey>),
}

struct Submission {
    work: Work,
    reply: oneshot::Sender<Result<Verdict>>,
    /// The part of the request's trace that waits for the verdict.
    span: Span,
}

/// The sending end. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct WriterHandle {
    queue: mpsc::Sender<Submission>,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Submission")
    }
}

impl WriterHandle {
    /// Waits for room in the queue, hands over `work` and waits for the verdict.
    ///
    /// # Errors
    /// The plan's own fault; 503 when the database fails or the server stops.
    pub(super) async fn submit(&self, work: Work) -> Result<Verdict> {
        self.hand_over(work).instrument(span!("write")).await
    }

    async fn hand_over(&self, work: Work) -> Result<Verdict> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Fault::unavailable("the server is stopping");
        self.queue.send(Submission { work, reply, span: Span::current() }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How many submissions wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// What the Writer works with.
pub(super) struct Writer {
    pub(super) tenant: Tenant,
    pub(super) store: Store,
    pub(super) feed: Arc<Feed>,
    pub(super) recent: Arc<Recent>,
    pub(super) clock: SharedClock,
    pub(super) limits: Arc<Limits>,
    /// Whether references are enforced.
    pub(super) integrity: bool,
    /// Absolute references below it are local.
    pub(super) base: Arc<str>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Writer {
    /// Starts the task. It ends, after answering everything in its queue, when it is told to stop.
    pub(super) fn start(self) -> (WriterHandle, tokio::task::JoinHandle<()>) {
        let (queue, receiver) = mpsc::channel(self.limits.writer_queue);
        (WriterHandle { queue }, tokio::spawn(self.run(receiver)))
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Submission>) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                tokio::select! {
                    count = queue.recv_many(&mut waiting, self.limits.writer_batch) => if count == 0 { return },
                    // What is in the queue is still taken; then it is empty for good.
                    _ = self.stop.wait_for(|stop| *stop), if !queue.is_closed() => {
                        queue.close();
                        continue;
                    }
                }
            }
            self.feed.breathe().await;
            let taken = take(&mut waiting);
            self.commit(taken).await;
            // More may have arrived during the commit: let the next batch grow with the load.
            for _ in waiting.len()..self.limits.writer_batch {
                let Ok(submission) = queue.try_recv() else { break };
                waiting.push(submission);
            }
        }
    }

    async fn commit(&self, submissions: Vec<Submission>) {
        let mut replies = Vec::with_capacity(submissions.len());
        let mut works = Vec::with_capacity(submissions.len());
        let mut spans = Vec::with_capacity(submissions.len());
        for submission in submissions {
            replies.push(submission.reply);
            works.push(submission.work);
            spans.push(submission.span);
        }
        let verdicts = match self.process(works).instrument(joint(&spans)).await {
            Ok(verdicts) => verdicts,
            Err(fault) => {
                tracing::error!(fault = %fault, plans = replies.len(), "a batch of writes failed");
                replies.iter().map(|_| Err(fault.clone())).collect()
            }
        };
        for (reply, verdict) in replies.into_iter().zip(verdicts) {
            // Whoever asked may have gone away; the write stands.
            let _ = reply.send(verdict);
        }
    }

    async fn process(&self, works: Vec<Work>) -> Result<Vec<Result<Verdict>>> {
        if let [Work::Expunge(what)] = works.as_slice() {
            return Ok(vec![self.expunge(what).await.map(Verdict::Expunged)]);
        }
        let mut batch = self.store.begin(self.tenant).await?;
        // Behind when another node does without integrity.
        while self.integrity && !catch_up(&self.store, self.tenant, &self.base, &mut batch).await? {}
        let mut plans = Vec::with_capacity(works.len());
        for work in works {
            plans.push(match work {
                Work::Ready(plan) => Ok(plan),
                Work::Serial(planner) => planner().await,
                Work::Expunge(_) => Err(Fault::internal("writer: an expunge stands alone in its commit")),
            });
        }
        let head = batch.head();
        let now = self.clock.now().floor_millis().max(head.updated);
        let links = if self.integrity { Some(Links::load(&mut batch, &plans).await?) } else { None };
        let mut staging = Staging::load(&mut batch, &plans, now, links).await?;
        let accepted: Vec<Result<_, Refusal>> =
            plans.into_iter().map(|plan| staging.stage(plan.map_err(Refusal::Fault)?)).collect();
        let (writes, head, entries) = staging.finish();
        let versions = entries.len();
        if versions > 0 {
            batch.write(&writes).await?;
            self.recent.begin(writes.versions().iter().map(|row| &row.key));
            let committed = batch.commit().instrument(span!("commit", commit.versions = versions)).await;
            self.recent.end();
            committed?;
            self.feed.publish(head, entries);
        }
        tracing::debug!(plans = accepted.len(), versions, "committed a batch");
        Ok(accepted.into_iter().map(Self::verdict).collect())
    }

    /// Takes content away. It comes between batches, so that nobody reads the old state into memory meanwhile.
    async fn expunge(&self, what: &Expunge) -> Result<u64> {
        let mut batch = self.store.begin(self.tenant).await?;
        let (versions, keys) = match what {
            Expunge::Versions(versions) => (versions.clone(), Vec::new()),
            Expunge::Resources(keys) => {
                let mut deleted = batch.currents(keys).await?;
                deleted.retain(|_, current| current.deleted);
                let keys: Vec<ResourceKey> = deleted.keys().cloned().collect();
                let mut versions = batch.previous_places(&keys).await?;
                versions.extend(deleted.iter().map(|(key, current)| (key.kind, current.seq)));
                (versions, keys)
            }
        };
        let count = batch.expunge(&versions).await?;
        self.recent.begin(keys.iter());
        let committed = batch.commit().await;
        self.recent.end();
        committed.map(|()| count)
    }

    fn verdict(accepted: Result<Vec<Written>, Refusal>) -> Result<Verdict> {
        match accepted {
            Ok(written) => Ok(Verdict::Done(written)),
            Err(Refusal::Stale) => Ok(Verdict::Stale),
            Err(Refusal::Fault(fault)) => Err(fault),
        }
    }
}

/// Takes from the front of the queue what fits into one commit; a plan made under the lock and an expunge stand alone.
fn take(waiting: &mut Vec<Submission>) -> Vec<Submission> {
    let mut rows = 0;
    let mut count = 0;
    for submission in waiting.iter() {
        match &submission.work {
            Work::Serial(_) | Work::Expunge(_) => {
                count = count.max(1);
                break;
            }
            Work::Ready(plan) => {
                rows += plan.rows();
                if count > 0 && rows > BATCH_ROWS {
                    break;
                }
                count += 1;
            }
        }
    }
    waiting.drain(..count).collect()
}
