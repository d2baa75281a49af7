//! Where requests go, and what happens when they do not get there at once.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::base::fault::{Fault, Result};
use crate::base::net::{Answer, Connection, Secure};

/// A server's base URL.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    authority: String,
    path: String,
    secure: Option<Secure>,
}

/// How long one request may take: a large transaction on a slow disk.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How often a request is tried.
const TRIES: u32 = 10;

impl Target {
    /// A base URL such as `http://127.0.0.1:8080/fhir`.
    ///
    /// # Errors
    /// 400 when it is not a URL of HTTP.
    pub fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let bad = || Fault::invalid(format!("{url}: expected a URL such as http://127.0.0.1:8080/fhir"));
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(a, p)| (a, format!("/{p}")));
        let secure = match scheme {
            "http" => None,
            "https" => Some(Secure::new(TIMEOUT)?),
            _ => return Err(bad()),
        };
        if authority.is_empty() {
            return Err(bad());
        }
        Ok(Self { url: url.to_owned(), authority: authority.to_owned(), path, secure })
    }

    /// The URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits a moment for the server to be there: whoever forgot to start it should hear so at once.
    ///
    /// # Errors
    /// 503 when it cannot be reached.
    pub async fn reach(&self) -> Result<()> {
        let mut connection = Connection::new(&self.authority)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let path = format!("{}/metadata", self.path);
            let found = match &self.secure {
                Some(secure) => {
                    secure.send(Method::GET, &format!("{}/metadata", self.url), HeaderMap::new(), Bytes::new()).await
                }
                None => connection.send(Method::GET, &path, HeaderMap::new(), Bytes::new()).await,
            };
            match found {
                Ok(_) => return Ok(()),
                Err(fault) if tries >= 5 => return Err(fault.context("is the server running?")),
                Err(_) => tokio::time::sleep(pause(tries)).await,
            }
        }
    }

    /// One more way to it: for a worker.
    ///
    /// # Errors
    /// 400 when the URL names no host.
    pub fn sender(&self) -> Result<Sender> {
        Ok(Sender { target: self.clone(), connection: Connection::new(&self.authority)? })
    }
}

/// A worker's way to the server.
#[derive(Debug)]
pub struct Sender {
    target: Target,
    connection: Connection,
}

impl Sender {
    /// Posts a Bundle to the base. Tries again while the server is busy (429, 503) or not reached, waiting longer
    /// each time; after a connection that broke only if the request is repeatable.
    ///
    /// # Errors
    /// 503 when there was no answer in the end.
    pub async fn post(&mut self, body: Bytes, is_repeatable: bool) -> Result<Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let found = self.once(body.clone()).await;
            let wait = match &found {
                Ok(answer) if is_busy(answer.status) => asked(answer).unwrap_or_else(|| pause(tries)),
                Ok(_) => return found,
                Err(fault) if fault.is_transient() || is_repeatable => pause(tries),
                Err(_) => return found,
            };
            if tries >= TRIES {
                return found;
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&mut self, body: Bytes) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        headers.insert("prefer", HeaderValue::from_static("return=minimal"));
        if let Some(secure) = &self.target.secure {
            return secure.send(Method::POST, &self.target.url, headers, body).await;
        }
        let path = if self.target.path.is_empty() { "/" } else { &self.target.path };
        let request = self.connection.send(Method::POST, path, headers, body);
        let late = |_| Fault::unavailable(format!("no answer from {} in {} s", self.target.url, TIMEOUT.as_secs()));
        tokio::time::timeout(TIMEOUT, request).await.map_err(late)?
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
}

/// What `Retry-After` asks for, in seconds, within reason.
fn asked(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(60)))
}

fn pause(tries: u32) -> Duration {
    Duration::from_millis(100 << tries.min(7))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn urls_are_read() {
        let target = Target::new("http://127.0.0.1:8080/fhir/").unwrap();
        assert_eq!(
            (target.url(), target.authority.as_str(), target.path.as_str()),
            ("http://127.0.0.1:8080/fhir", "127.0.0.1:8080", "/fhir")
        );
        for bad in ["127.0.0.1:8080", "ftp://x/fhir", "http://"] {
            assert!(Target::new(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/fhir", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for status in ["503 Service Unavailable\r\nretry-after: 0", "429 Too Many Requests", "200 OK"] {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(buffer[..read].starts_with(b"POST /fhir HTTP/1.1\r\n"));
                let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        });
        let mut sender = Target::new(&url).unwrap().sender().unwrap();
        let answer = sender.post(Bytes::from_static(b"{}"), false).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        server.await.unwrap();
    }
}
