//! Any bytes on the wire: the connection comes to its end, no answer is a 5xx, and FHIR refuses with an OperationOutcome.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::server::{WIRE, server};

/// How long a connection that will send nothing more may stay open; long even for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Laws of the wire. The data is what a client sends, before it closes its side.
pub fn http(data: &[u8]) -> bool {
    let mut guard = server(&WIRE);
    let Some(server) = guard.as_mut() else { return false };
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // The server may have closed before it has read everything: then it has answered, or there was nothing to answer.
    let _sent = stream.write_all(data).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("it hangs"),
        _ => {}
    }
    first_answer(&received).is_some_and(|(status, head, body)| {
        judge(status, &head, body, data);
        status < 400
    })
}

/// The first answer that is final: status, head in lower case, and what follows it.
fn first_answer(received: &[u8]) -> Option<(u16, String, &[u8])> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = (String::from_utf8_lossy(&received[..end]).to_ascii_lowercase(), &received[end + 4..]);
    let status = head.strip_prefix("http/1.")?.get(2..5)?.parse().ok()?;
    if status == 100 { first_answer(rest) } else { Some((status, head, rest)) }
}

/// What the operators' own places answer is no FHIR.
const PLAIN: [&str; 3] = ["/livez", "/readyz", "/metrics"];

fn judge(status: u16, head: &str, body: &[u8], sent: &[u8]) {
    assert!(status < 500, "{head}");
    let sent = String::from_utf8_lossy(&sent[..sent.len().min(2000)]);
    let is_plain = PLAIN.iter().any(|place| sent.contains(place));
    assert!(is_plain || head.contains("x-request-id: "), "{head}");
    // HEAD has no body, and a compressed one says nothing here.
    let is_hidden = sent.trim_start().starts_with("HEAD ") || head.contains("content-encoding: ");
    if status >= 400 && !is_plain && !is_hidden {
        let text = String::from_utf8_lossy(body);
        assert!(text.contains("OperationOutcome") && text.contains("diagnostics"), "{head} {text}");
    }
}
