//! Whether something of a request's body was left unread, as when it is refused by its length.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What is left of a body is read before its request is answered, so that the connection can stay, if it is no longer, in bytes.
const SMALL: u64 = 64 << 10;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_millis(250);

/// Set while a body has not been read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<Rest>);

#[derive(Debug, Default)]
struct Rest {
    is_there: AtomicBool,
    /// How many bytes are to come; most there can be where that is not said.
    bytes: AtomicU64,
    /// What nobody reads any more.
    left: Mutex<Option<Incoming>>,
}

impl Unread {
    /// Whether there is a rest.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_there.load(Ordering::Relaxed)
    }

    /// Reads a rest that nobody wants. Whether the connection ends with the answer, because there is one that is too long, or does
    /// not come: then the next request of the client would find it closed (RFC 9112, 9.6). `waits`: the client holds it back until
    /// it is asked for it.
    pub(super) async fn ends_connection(&self, waits: bool) -> bool {
        if !self.is_set() {
            return false;
        }
        let left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = left.filter(|_| !waits && self.0.bytes.load(Ordering::Relaxed) <= SMALL) else { return true };
        let is_read = tokio::time::timeout(PATIENCE, whole(body)).await.unwrap_or(false);
        self.0.is_there.store(!is_read, Ordering::Relaxed);
        !is_read
    }

    fn note(&self, body: &Incoming) {
        self.0.is_there.store(!body.is_end_stream(), Ordering::Relaxed);
        self.0.bytes.store(body.size_hint().upper().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Watches a body.
    pub(super) fn watch(&self, body: Incoming) -> axum::body::Body {
        self.note(&body);
        match body.is_end_stream() {
            true => axum::body::Body::empty(),
            false => axum::body::Body::new(Watched { body: Some(body), unread: self.clone() }),
        }
    }
}

/// Reads a body that is small; whether it came to its end.
async fn whole(mut body: Incoming) -> bool {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        if bytes > SMALL {
            return false;
        }
    }
    true
}

/// A body that tells when it ends, and leaves what is not read of it.
struct Watched {
    body: Option<Incoming>,
    unread: Unread,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Watched { body: Some(body), unread } = &mut *self else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        unread.note(body);
        if frame.is_none() {
            unread.0.is_there.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.unread.is_set() {
            *self.unread.0.left.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}
