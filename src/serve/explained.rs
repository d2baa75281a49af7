//! A connection whose bare refusals become OperationOutcomes.
//!
//! What is no HTTP request never reaches a handler: hyper answers it with a status and nothing else, then closes. Such an
//! answer is known by having no header field of ours. The body takes the form that the request asked for, as far as it
//! was read. Then the rest of the request is read and dropped for a moment, as after any answer to a body that was not read
//! to its end: to close on a client that still sends would take the answer away from it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::layers::Layers;
use super::rest::negotiate::Form;
use super::rest::respond::told;
use super::unread::Unread;
use crate::base::fault::Issue;

/// What is kept of a request's text: so many bytes of its start, and of its end.
const START: usize = 1024;
const END: usize = 3072;

/// How much is read after a refusal, and how long.
const LINGER_BYTES: usize = 256 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// What a client is told that begins with HTTP/2. It is the client that is wrong here, so it is no 505.
const HTTP2: &str = "HTTP/2 is not spoken here; use HTTP/1.1, or a proxy in front of this server that speaks both";

/// The connection `S`.
#[derive(Debug)]
pub(super) struct Explained<S> {
    stream: S,
    layers: Arc<Layers>,
    /// What was read since something was written: the start and the end.
    seen: Vec<u8>,
    /// Our text in place of a bare refusal, as far as it is not written yet.
    text: Vec<u8>,
    unread: Unread,
    linger: Option<Linger>,
}

/// What is still read after a refusal.
#[derive(Debug)]
struct Linger {
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl Linger {
    fn new() -> Self {
        Self { left: LINGER_BYTES, until: Box::pin(tokio::time::sleep(LINGER)) }
    }
}

impl<S> Explained<S> {
    pub(super) fn new(stream: S, layers: Arc<Layers>, unread: Unread) -> Self {
        Self { stream, layers, seen: Vec::new(), text: Vec::new(), unread, linger: None }
    }

    fn remember(&mut self, read: &[u8]) {
        let (start, end) = read.split_at(read.len().min(START.saturating_sub(self.seen.len())));
        self.seen.extend_from_slice(start);
        self.seen.extend_from_slice(&end[end.len().saturating_sub(END)..]);
        if self.seen.len() > START + END {
            self.seen.drain(START..self.seen.len() - END);
        }
    }

    fn refuse(&mut self, status: StatusCode) {
        self.refuse_with(status, reason(status));
    }

    fn refuse_with(&mut self, status: StatusCode, reason: &str) {
        let (is_head, form) = wish(&self.seen);
        let (content_type, body) = told(&Issue::error(code(status), reason), form);
        let id = self.layers.request_id(&HeaderMap::new());
        self.layers.refused(status.as_u16(), &id);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nx-request-id: {}\r\n\
             connection: close\r\n\r\n",
            body.len(),
            id.to_str().unwrap_or("-")
        );
        self.text = head.into_bytes();
        if !is_head {
            self.text.extend_from_slice(&body);
        }
        self.linger = Some(Linger::new());
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Explained<S> {
    /// Says that a head did not arrive in time, unless nothing of it did.
    pub(super) async fn late(self) {
        if !self.seen.is_empty() {
            self.close_with(StatusCode::REQUEST_TIMEOUT, reason(StatusCode::REQUEST_TIMEOUT)).await;
        }
    }

    /// Says that HTTP/2 is not spoken here, to a client that began with it (RFC 9113, 3.4), which hyper just leaves.
    pub(super) async fn refuse_http2(self) {
        if self.seen.starts_with(b"PRI * HTTP/2.0\r\n") {
            self.close_with(StatusCode::BAD_REQUEST, HTTP2).await;
        }
    }

    async fn close_with(mut self, status: StatusCode, reason: &str) {
        self.refuse_with(status, reason);
        // The client may be gone, or not read.
        let _ = tokio::time::timeout(LINGER, self.shutdown()).await;
    }

    /// Writes our own text.
    fn poll_text(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.text.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.text))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.text.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on until the client has closed, or it is enough.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(linger) = &mut self.linger else { return Poll::Ready(()) };
        let mut scratch = [0; 8192];
        loop {
            if linger.left == 0 || linger.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut read = ReadBuf::new(&mut scratch);
            let ended = ready!(Pin::new(&mut self.stream).poll_read(context, &mut read)).is_err();
            if ended || read.filled().is_empty() {
                return Poll::Ready(());
            }
            linger.left = linger.left.saturating_sub(read.filled().len());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, out))?;
        self.remember(&out.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(text)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_text(context))?;
        if let Some((status, length)) = bare(parts) {
            self.refuse(status);
            return Poll::Ready(Ok(length));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, parts))?;
        self.seen.clear();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_text(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_text(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if self.unread.is_set() && self.linger.is_none() {
            self.linger = Some(Linger::new());
        }
        self.poll_linger(context).map(Ok)
    }
}

/// Status and length of an answer that has nothing but what hyper adds by itself.
fn bare(parts: &[IoSlice<'_>]) -> Option<(StatusCode, usize)> {
    let first = parts.iter().find(|part| !part.is_empty())?;
    let length = parts.iter().map(|part| part.len()).sum();
    if length > 256 || !first.starts_with(b"HTTP/1.") || first.get(9) != Some(&b'4') {
        return None;
    }
    let text = parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
    let mut lines = std::str::from_utf8(&text).ok()?.strip_suffix("\r\n\r\n")?.split("\r\n");
    let status = StatusCode::from_bytes(lines.next()?.as_bytes().get(9..12)?).ok()?;
    let is_usual =
        |line: &str| ["connection: ", "content-length: ", "date: "].iter().any(|name| line.starts_with(name));
    lines.all(is_usual).then_some((status, length))
}

/// Whether the request was a HEAD, and the form that it asked for.
fn wish(seen: &[u8]) -> (bool, Form) {
    let text = String::from_utf8_lossy(seen);
    let first = text.lines().next().unwrap_or_default();
    let query = first.split_once('?').map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    for (name, value) in text.lines().skip(1).filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case(ACCEPT.as_str())
            && let Ok(value) = HeaderValue::from_str(value.trim())
        {
            headers.append(ACCEPT, value);
        }
    }
    (first.starts_with("HEAD "), Form::of(query, &headers).unwrap_or_default())
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "too-long",
        StatusCode::REQUEST_TIMEOUT => "timeout",
        _ => "invalid",
    }
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::URI_TOO_LONG => {
            "the URL is longer than 65534 bytes; a search by POST to _search may have more parameters"
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "URL and header fields have more than 400 KiB together, or there are more than 100 fields; a search by POST to \
             _search may have more parameters"
        }
        StatusCode::REQUEST_TIMEOUT => "the head of the request did not arrive in time",
        _ => {
            "this is not an HTTP/1.1 request: the request line is a method, a URL with blanks, quotation marks, < and > \
             percent-encoded, and the version; each header field is a name, a colon and a value (RFC 9112)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<u16> {
        let (start, end) = text.split_at(text.len() / 2);
        let parts = [IoSlice::new(start.as_bytes()), IoSlice::new(end.as_bytes())];
        bare(&parts).map(|(status, length)| {
            assert_eq!(length, text.len());
            status.as_u16()
        })
    }

    #[test]
    fn a_bare_refusal_is_told_from_our_answers() {
        let usual = "connection: close\r\ncontent-length: 0\r\ndate: Wed, 25 Nov 2026 00:00:00 GMT\r\n";
        assert_eq!(of(&format!("HTTP/1.1 414 URI Too Long\r\n{usual}\r\n")), Some(414));
        assert_eq!(of(&format!("HTTP/1.0 400 Bad Request\r\n{usual}\r\n")), Some(400));
        for ours in [
            format!("HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\n{usual}\r\n"),
            format!("HTTP/1.1 405 Method Not Allowed\r\nallow: GET\r\n{usual}\r\n"),
            format!("HTTP/1.1 204 No Content\r\n{usual}\r\n"),
            format!("HTTP/1.1 400 Bad Request\r\n{usual}\r\n{{}}"),
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(of(&ours), None, "{ours}");
        }
    }

    #[test]
    fn the_wish_is_in_what_was_seen() {
        let xml = |text: &str| wish(text.as_bytes()).1.media.content_type.contains("xml");
        assert!(xml("GET /fhir/Patient?a=b c HTTP/1.1\r\nAccept: application/fhir+xml\r\n\r\n"));
        assert!(xml("GET /fhir/Patient?_format=xml&a=b c HTTP/1.1\r\n"));
        assert!(!xml("GET /fhir/Patient HTTP/1.1\r\naccept: image/png\r\n"));
        assert!(!xml("\u{0}\u{1}\u{fffd}"));
        assert!(wish(b"HEAD / x").0 && !wish(b"GET / x").0);
    }

    #[tokio::test]
    async fn only_start_and_end_are_remembered() {
        let mut explained = Explained::new(tokio::io::empty(), Arc::new(Layers::for_tests()), Unread::default());
        explained.remember(&[b'a'; 700]);
        explained.remember(&[b'b'; 700]);
        explained.remember(&[b'c'; 100_000]);
        explained.remember(&[b'd'; 72]);
        let count = |byte| explained.seen.iter().filter(|b| **b == byte).count();
        assert_eq!((count(b'a'), count(b'b'), count(b'c'), count(b'd')), (700, 324, 3000, 72));
    }
}
