//! Connections: taken up to a bound, answered one request after the other, let go of when told to stop.
//!
//! HTTP/1.1 by hyper. A head that does not arrive in time ends its connection, so whoever opens many and says nothing
//! holds them only that long; what the kernel holds beyond the bound waits. What hyper refuses by itself is explained in
//! [`Explained`]; who takes nothing of an answer is let go of by [`Stalling`].

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, EXPECT, HOST};
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use super::explained::Explained;
use super::layers::Layers;
use super::rest::negotiate::Form;
use super::rest::respond::refuse;
use super::stalling::Stalling;
use super::unread::Unread;
use crate::base::fault::Fault;
use crate::base::limits::Limits;

/// What answers on a listener.
#[derive(Debug)]
pub(super) struct Listening {
    /// The server behind it.
    pub(super) router: Router,
    /// Its counters and ids, also for what does not reach it.
    pub(super) layers: Arc<Layers>,
    /// How long requests that are under way may take after the signal to stop.
    pub(super) drain: Duration,
    /// Most connections at a time.
    pub(super) most: u32,
    /// How long the head of a request may take, and a connection be idle.
    pub(super) head: Duration,
    /// How long a client may take nothing of its answer.
    pub(super) write: Duration,
}

impl Listening {
    pub(super) fn new(router: Router, layers: Arc<Layers>, drain: Duration, limits: &Limits) -> Self {
        let head = Duration::from_secs(limits.head_seconds.max(1));
        let write = Duration::from_secs(limits.write_seconds.max(1));
        Self { router, layers, drain, most: limits.connections.max(1), head, write }
    }

    /// Answers until `shutdown`, then until all requests under way are answered or the drain time is over.
    pub(super) async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let listening = Arc::new(self);
        let room = Arc::new(Semaphore::new(listening.most as usize));
        let (stop, stopping) = watch::channel(false);
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                let permit = room.clone().acquire_owned().await;
                (permit, accept(&listener).await)
            };
            let (permit, stream) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                next = next => next,
            };
            let (listening, stopping) = (listening.clone(), stopping.clone());
            tokio::spawn(async move {
                listening.connection(stream, stopping).await;
                drop(permit);
            });
        }
        drop(listener);
        let _ = stop.send(true);
        if tokio::time::timeout(listening.drain, room.acquire_many(listening.most)).await.is_err() {
            tracing::warn!(drain_seconds = listening.drain.as_secs(), "requests were cut off after the drain time");
        }
    }

    async fn connection(&self, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
        let unread = Unread::default();
        let service = service_fn(|request: Request<Incoming>| {
            let waits = request.headers().contains_key(EXPECT);
            let (answer, unread) = (self.answer(request.map(|body| unread.watch(body))), &unread);
            async move {
                let mut response = answer.await?;
                // RFC 9112, 9.6: who is about to close says so.
                if unread.ends_connection(waits).await {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let mut builder = Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.head);
        let stream = Stalling::new(stream, self.write);
        let io = TokioIo::new(Explained::new(stream, self.layers.clone(), unread.clone()));
        let mut connection = builder.serve_connection(io, service);
        // An error means that the server is gone, which ends the connection as well.
        let told = async { stopping.wait_for(|stopping| *stopping).await.is_ok() };
        let ended = tokio::select! {
            ended = &mut connection => ended,
            _ = told => {
                Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        // Who breaks off hears nothing more; who was too slow, or speaks HTTP/2, is told so.
        match ended {
            Err(error) if error.is_timeout() => connection.into_parts().io.into_inner().late().await,
            Err(error) if error.is_parse() => connection.into_parts().io.into_inner().refuse_http2().await,
            _ => {}
        }
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        let hosts = request.headers().get_all(HOST).iter().count();
        if hosts > 1 || hosts == 0 && request.version() == Version::HTTP_11 {
            let form = Form::of(request.uri().query(), request.headers()).unwrap_or_default();
            let mut response =
                refuse(&Fault::invalid("a request has one Host header field (RFC 9112, 3.2)"), None, form);
            let id = self.layers.request_id(request.headers());
            self.layers.refused(response.status().as_u16(), &id);
            response.headers_mut().insert("x-request-id", id);
            return Ok(response);
        }
        self.router.clone().oneshot(request).await
    }
}

/// The next connection. What the system cannot give at the moment, such as file descriptors, is tried again.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole: waiting for more bytes only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "nodelay");
                }
                return stream;
            }
            Err(error) if is_of_one(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether a fault concerns the connection that was to come and no other.
fn is_of_one(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}
