//! Outbound HTTP/1.1: one connection that is kept alive, with as little between as possible.
//!
//! The benchmark shares the machine with what it measures, so its client must cost almost nothing; loading and
//! health checks use the same one. TLS is spoken by a proxy before the server, not here: for `https` there is
//! [`Secure`].

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::base::fault::{Category, Fault, Result};

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A connection to one server, plain HTTP. Opened at the first request and again when it broke.
#[derive(Debug)]
pub struct Connection {
    authority: String,
    host: HeaderValue,
    most: usize,
    sender: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection to `authority` (`host:port`); nothing is sent yet.
    ///
    /// # Errors
    /// 400 when that is not a host and port.
    pub fn new(authority: &str) -> Result<Self> {
        let bad = || Fault::invalid(format!("{authority} is not a host and port"));
        let host = HeaderValue::from_str(authority).map_err(|_| bad())?;
        let authority = if authority.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        Ok(Self { authority, host, most: usize::MAX, sender: None })
    }

    /// The same, which takes answers of at most `bytes` bytes.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Sends one request and reads the answer. `path` begins with `/`.
    ///
    /// # Errors
    /// 503: transient when the server cannot be reached; not so when the connection breaks later, or the answer is too
    /// long, since the request may have been carried out.
    pub async fn send(&mut self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer> {
        let uri: Uri = path.parse().map_err(|error| Fault::invalid(format!("{path}: {error}")))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::HOST, self.host.clone());
        let answer = self.exchange(request).await;
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let mut sender = self.ready().await?;
        let lost = |error| broken(&self.authority, &error);
        let response = sender.send_request(request).await.map_err(lost)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, self.most).collect().await;
        let body = body.map_err(|error| broken(&self.authority, error.as_ref()))?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// The connection that is kept, or a new one when the server has closed it meanwhile.
    async fn ready(&mut self) -> Result<http1::SendRequest<Full<Bytes>>> {
        if let Some(mut kept) = self.sender.take().filter(|sender| !sender.is_closed())
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        connect(&self.authority).await
    }
}

/// The connection broke after the request went out: it may have been carried out, so this is not transient.
fn broken(whom: &str, error: &dyn std::error::Error) -> Fault {
    Fault::new(Category::Unavailable, format!("connection to {whom} broke: {}", causes(error)))
}

async fn connect(authority: &str) -> Result<http1::SendRequest<Full<Bytes>>> {
    let lost = |error: &dyn std::fmt::Display| Fault::unavailable(format!("connection to {authority}: {error}"));
    let stream = TcpStream::connect(authority).await.map_err(|error| lost(&error))?;
    stream.set_nodelay(true).map_err(|error| lost(&error))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
    // It ends with an error when the server closes; the next request notices that by itself.
    tokio::spawn(async move { connection.await.is_ok() });
    Ok(sender)
}

/// A client for any URL, `https` too, with a pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Secure(reqwest::Client);

impl Secure {
    /// A client; a request ends after `timeout`.
    ///
    /// # Errors
    /// 500 when the system's certificates cannot be used.
    pub fn new(timeout: Duration) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(timeout).build();
        client.map(Self).map_err(|error| Fault::internal(format!("HTTP client: {error}")))
    }

    /// Reads what a URL has, of at most `most` bytes; redirections are followed.
    ///
    /// # Errors
    /// 503 when it cannot be reached, breaks off, takes too long, or has more.
    pub async fn fetch(&self, url: &str, headers: HeaderMap, most: usize) -> Result<Answer> {
        let lost = |error: reqwest::Error| Fault::unavailable(format!("{url}: {}", causes(&error)));
        let mut response = self.0.get(url).headers(headers).send().await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            if body.len() + piece.len() > most {
                return Err(Fault::new(Category::Unavailable, format!("{url}: it has more than {most} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.into() })
    }

    /// Sends one request and reads the answer.
    ///
    /// # Errors
    /// 503, transient as for [`Connection::send`].
    pub async fn send(&self, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer> {
        let request = self.0.request(method, url).headers(headers).body(body);
        let response = request.send().await.map_err(|error| match error.is_connect() {
            true => Fault::unavailable(format!("{url}: {}", causes(&error))),
            false => broken(url, &error),
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| broken(url, &error))?;
        Ok(Answer { status, headers, body })
    }
}

/// An error with its causes: the outermost text alone seldom says what happened.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers two requests on each connection, then closes it.
    async fn server() -> (String, tokio::task::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            for connections in 1..=2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                for _ in 0..2 {
                    let mut buffer = [0; 4096];
                    let read = stream.read(&mut buffer).await.unwrap();
                    assert!(buffer[..read].starts_with(b"GET /livez HTTP/1.1\r\n"));
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
                if connections == 2 {
                    return connections;
                }
            }
            0
        });
        (address, task)
    }

    #[tokio::test]
    async fn keeps_its_connection_and_opens_a_new_one_when_it_broke() {
        let (address, task) = server().await;
        let mut connection = Connection::new(&address).unwrap();
        let mut answered = 0;
        for _ in 0..40 {
            let answer = connection.send(Method::GET, "/livez", HeaderMap::new(), Bytes::new()).await;
            answered += usize::from(answer.is_ok_and(|answer| answer.status == 200 && answer.body == "ok"));
            if answered == 4 {
                break;
            }
        }
        assert_eq!(answered, 4);
        assert_eq!(task.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_refused() {
        let (address, _task) = server().await;
        let mut connection = Connection::new(&address).unwrap().at_most(2);
        assert!(connection.send(Method::GET, "/livez", HeaderMap::new(), Bytes::new()).await.is_ok());
        let mut connection = connection.at_most(1);
        let fault = connection.send(Method::GET, "/livez", HeaderMap::new(), Bytes::new()).await.unwrap_err();
        assert!(!fault.is_transient() && fault.message().contains("length limit"), "{fault}");
    }

    #[tokio::test]
    async fn says_whom_it_cannot_reach() {
        let mut connection = Connection::new("127.0.0.1:1").unwrap();
        let fault = connection.send(Method::GET, "/", HeaderMap::new(), Bytes::new()).await.unwrap_err();
        assert!(fault.is_transient() && fault.message().contains("127.0.0.1:1"), "{fault}");
        let client = Secure::new(Duration::from_secs(5)).unwrap();
        let fault = client.send(Method::GET, "http://127.0.0.1:1/x", HeaderMap::new(), Bytes::new()).await.unwrap_err();
        assert!(fault.is_transient(), "{fault}");
    }
}
