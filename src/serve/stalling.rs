//! A connection whose client must take something of its answer from time to time.
//!
//! An answer is made as fast as the client takes it, and holds what it is made of meanwhile: a place among the requests of its
//! tenant, the list of what a table shows. Who is slow is waited for; who takes nothing at all for so long is let go of.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The connection `S`.
#[derive(Debug)]
pub(super) struct Stalling<S> {
    stream: S,
    most: Duration,
    /// Since when nothing could be written, as the moment at which that was too long.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    pub(super) fn new(stream: S, most: Duration) -> Self {
        Self { stream, most, until: None }
    }

    /// What the stream says, unless it has had nothing to say for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, said: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            self.until = None;
            return said;
        }
        let most = self.most;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(most)));
        until.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(context, text);
        self.watch(context, said)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, said)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, said)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn who_takes_nothing_is_let_go_of_and_who_is_slow_is_not() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut server = Stalling::new(server, Duration::from_millis(600));
        let reader = tokio::spawn(async move {
            // 8 KiB, a piece every 200 ms: longer in all than it may take nothing
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                client.read_exact(&mut [0; 1024]).await.expect("a piece");
            }
            client
        });
        server.write_all(&[1; 8192]).await.expect("a slow client takes all");
        let _client = reader.await.expect("the reader");
        server.write_all(&[1; 1024]).await.expect("what the pipe holds");
        let began = std::time::Instant::now();
        let fault = server.write_all(&[1; 1024]).await.expect_err("nobody takes it");
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= Duration::from_millis(600));
    }
}
