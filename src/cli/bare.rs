//! `cresset bare`: the bare handler that the benchmark compares reads with, as a process of its own.

use std::net::SocketAddr;

use clap::Args;

use crate::base::fault::{Category, Fault, Result};

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
