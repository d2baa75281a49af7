//! Whether something of a request's body was left unread, as when it is refused by its length.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What is left of a body that can be read in one go while its answer is written, in bytes: hyper does so, and keeps the connection.
const SMALL: u64 = 4 << 10;

/// Set while a body has not been read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<Rest>);

#[derive(Debug, Default)]
struct Rest {
    is_there: AtomicBool,
    /// How many bytes are to come; most there can be where that is not said.
    bytes: AtomicU64,
}

impl Unread {
    /// Whether there is a rest.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_there.load(Ordering::Relaxed)
    }

    /// Whether the connection ends with this answer, because there is a rest that is too long to be skipped.
    pub(super) fn ends_connection(&self) -> bool {
        self.is_set() && self.0.bytes.load(Ordering::Relaxed) > SMALL
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
            false => axum::body::Body::new(Watched { body, unread: self.clone() }),
        }
    }
}

/// A body that tells when it ends.
struct Watched {
    body: Incoming,
    unread: Unread,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.unread.note(&self.body);
        if frame.is_none() {
            self.unread.0.is_there.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
