//! `cresset bare`: the bare handler that the benchmark compares reads with, as a process of its own.

use std::net::SocketAddr;

use clap::Args;

use crate::base::fault::{Category, Fault, Result};
use crate::serve::baseline;

/// Arguments of `cresset bare`.
#[derive(Debug, Args)]
pub struct BareArgs {
    /// Address to listen on; loopback only
    #[arg(long)]
    listen: SocketAddr,
    /// Bytes of every answer
    #[arg(long, default_value_t = 1000)]
    bytes: usize,
}

impl BareArgs {
    /// Answers until the process is ended.
    ///
    /// # Errors
    /// 403 beyond loopback; 503 when the address cannot be had.
    pub async fn run(&self) -> Result<()> {
        if !self.listen.ip().is_loopback() {
            return Err(Fault::new(Category::Forbidden, "the bare handler listens on loopback only"));
        }
        baseline::listen(self.listen, vec![b' '; self.bytes].into()).await
    }
}
