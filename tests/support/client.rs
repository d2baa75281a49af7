//! A blocking HTTP/1.1 client: it sends the bytes it is given, keeps its connection, and never retries by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One connection to a server, opened when it is first used.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    patience: Duration,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {} {}", self.status, self.text()))
    }

    /// Fails with the body unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Fails unless this is an error with an OperationOutcome that says something.
    #[track_caller]
    pub fn expect_outcome(self, status: u16) -> Value {
        let outcome = self.expect(status).json();
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        let issue = &outcome["issue"][0];
        assert!(issue["severity"].is_string() && issue["code"].is_string(), "{outcome}");
        assert!(issue["diagnostics"].as_str().is_some_and(|d| !d.is_empty()), "no diagnostics: {outcome}");
        outcome
    }

    /// `Type/id` and version of the `Location` header.
    #[track_caller]
    pub fn location(&self) -> (String, String) {
        let location = self.header("location").unwrap_or_else(|| panic!("no Location: {}", self.text()));
        let mut parts = location.rsplit('/');
        let (version, history, id, kind) = (parts.next(), parts.next(), parts.next(), parts.next());
        assert_eq!(history, Some("_history"), "{location}");
        (format!("{}/{}", kind.unwrap(), id.unwrap()), version.unwrap().to_owned())
    }
}

impl Client {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self::patient(address, Duration::from_secs(120))
    }

    /// A client that waits so long for each part of an answer, and then gives the connection up.
    pub fn patient(address: SocketAddr, patience: Duration) -> Self {
        Self { address, patience, connection: None }
    }

    /// Sends a request with a target such as `/fhir/Patient?name=x`, already encoded.
    ///
    /// # Errors
    /// Whatever happens to the connection; the next request opens a new one.
    pub fn try_send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        connection.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let answer = read_answer(&mut connection, method == "HEAD")?;
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends these bytes on a connection of their own, whatever they are; the server may well stop reading them.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut connection = self.connect().unwrap();
        let sent = connection.get_mut().write_all(bytes);
        let is_head = bytes.starts_with(b"HEAD ");
        read_answer(&mut connection, is_head).unwrap_or_else(|error| {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
            panic!("no answer to {start:?}: {error}; sent: {sent:?}")
        })
    }

    fn connect(&self) -> std::io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        Ok(BufReader::new(stream))
    }

    /// Sends a request and fails the test when there is no answer.
    #[track_caller]
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let sent = self.try_send(method, target, headers, body);
        sent.unwrap_or_else(|e| panic!("no answer to {method} {}: {e}", target.chars().take(300).collect::<String>()))
    }

    /// `GET` below `/fhir/`.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", &format!("/fhir/{path}"), &[], &[])
    }

    /// `DELETE` below `/fhir/`.
    #[track_caller]
    pub fn delete(&mut self, path: &str) -> Answer {
        self.send("DELETE", &format!("/fhir/{path}"), &[], &[])
    }

    /// `POST` of JSON below `/fhir/`; the empty path is the base.
    #[track_caller]
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.with_body("POST", path, &[], body)
    }

    /// `PUT` of JSON below `/fhir/`.
    #[track_caller]
    pub fn put(&mut self, path: &str, body: &Value) -> Answer {
        self.with_body("PUT", path, &[], body)
    }

    /// A request with a JSON body and more headers.
    #[track_caller]
    pub fn with_body(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let target = if path.is_empty() { "/fhir".to_owned() } else { format!("/fhir/{path}") };
        let headers = [&[("Content-Type", "application/fhir+json")], headers].concat();
        self.send(method, &target, &headers, body.to_string().as_bytes())
    }

    /// All matches of a search over all pages, and the total of the first page. Fails when a page repeats a match.
    #[track_caller]
    pub fn search_all(&mut self, query: &str) -> (Vec<Value>, Option<u64>) {
        let mut matches = Vec::new();
        let mut page = self.get(query).expect(200).json();
        let total = page["total"].as_u64();
        loop {
            let entries = page["entry"].as_array().into_iter().flatten();
            matches.extend(entries.filter(|e| e["search"]["mode"] == "match").map(|e| e["resource"].clone()));
            let links = page["link"].as_array().into_iter().flatten();
            let next = links.into_iter().find(|l| l["relation"] == "next").and_then(|l| l["url"].as_str());
            let Some(next) = next else { break };
            let target = next.find("/fhir").map(|at| next[at..].to_owned()).unwrap();
            page = self.send("GET", &target, &[], &[]).expect(200).json();
        }
        let mut names: Vec<String> = matches.iter().map(|m| format!("{}/{}", m["resourceType"], m["id"])).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), matches.len(), "a match is repeated on the pages of {query}");
        (matches, total)
    }

    /// `total` of a search with `_summary=count`.
    #[track_caller]
    pub fn count(&mut self, query: &str) -> u64 {
        let joint = if query.contains('?') { '&' } else { '?' };
        let bundle = self.get(&format!("{query}{joint}_summary=count")).expect(200).json();
        bundle["total"].as_u64().unwrap_or_else(|| panic!("no total: {bundle}"))
    }
}

fn read_answer(connection: &mut BufReader<TcpStream>, head_only: bool) -> std::io::Result<Answer> {
    let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let first = read_line(connection)?;
    let status = first.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| broken("no status"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(connection)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let find = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let mut body = Vec::new();
    if head_only || status == 204 || status == 304 {
        // There is no body, whatever Content-Length says.
    } else if find("transfer-encoding") == Some("chunked") {
        read_chunks(connection, &mut body)?;
    } else {
        let length = find("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        body.resize(length, 0);
        connection.read_exact(&mut body)?;
    }
    Ok(Answer { status, headers, body })
}

fn read_chunks(connection: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let size = usize::from_str_radix(read_line(connection)?.trim(), 16).unwrap_or(0);
        let start = body.len();
        body.resize(start + size, 0);
        connection.read_exact(&mut body[start..])?;
        read_line(connection)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_line(connection: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
