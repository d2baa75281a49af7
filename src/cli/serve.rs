//! `cresset serve`: the rule of who may enter, and the server.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::base::clock::SystemClock;
use crate::base::config::Config;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::IdSource;
use crate::base::log;
use crate::cli::place::Place;
use crate::cli::running::Running;

/// Arguments of `cresset serve`.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// Address to listen on; loopback only until there is an authorization server [env: CRESSET_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Base URL that clients see [env: CRESSET_BASE] [default: http://LISTEN/fhir]
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// Fill an empty store with generated patients; implies --insecure-no-auth [env: CRESSET_DEMO]
    #[arg(long)]
    demo: bool,
    /// Every request acts as a development user that may do everything [env: CRESSET_INSECURE_NO_AUTH]
    #[arg(long)]
    insecure_no_auth: bool,
}

impl ServeArgs {
    /// The configuration of these arguments.
    ///
    /// # Errors
    /// 400 for a setting of the wrong form; 403 when nobody said who may enter.
    pub fn config(&self) -> Result<Config> {
        let mut flags = Vec::new();
        flags.extend(self.listen.map(|listen| ("http.listen", listen.to_string())));
        flags.extend(self.base.clone().map(|base| ("http.base", base)));
        flags.extend(self.demo.then(|| ("access.demo", "true".to_owned())));
        flags.extend(self.insecure_no_auth.then(|| ("access.insecure_no_auth", "true".to_owned())));
        let (config, _) = self.place.load(flags)?;
        admit(&config)?;
        Ok(config)
    }
}

/// Refuses to serve everybody without being told so, and to serve everybody beyond this machine.
fn admit(config: &Config) -> Result<()> {
    if !config.access.demo && !config.access.insecure_no_auth {
        let text = "there is no authorization server yet, so every request would act as a development user that may do \
                    everything; say --insecure-no-auth if that is meant, or --demo to try the server with generated patients";
        return Err(Fault::new(Category::Forbidden, text));
    }
    if !config.http.listen.ip().is_loopback() {
        let text = format!("without authorization the server listens on loopback only, not on {}", config.http.listen);
        return Err(Fault::new(Category::Forbidden, text));
    }
    Ok(())
}

/// Serves until SIGTERM or Ctrl-C, then drains: requests under way are answered, new ones are not taken.
///
/// # Errors
/// 409 when another process has the data folder; 500 or 503 when address or database cannot be used.
pub async fn serve(config: Config) -> Result<()> {
    let traces = log::start(&config.log, &config.telemetry)?;
    // Before anything is opened: a signal must never meet the default action, which ends the process at once.
    let mut signals = Signals::new()?;
    allow_descriptors();
    let clock = Arc::new(SystemClock);
    let mut running = tokio::select! {
        started = Running::start(config, clock.clone(), IdSource::random(clock)) => started?,
        () = signals.next() => return Ok(()),
    };
    tracing::warn!("there is no authorization: EVERY request acts as a development user that may do everything");
    tracing::info!(url = running.url(), "ready");
    let ended = tokio::select! {
        ended = running.ended() => ended,
        () = signals.next() => Ok(()),
    };
    tracing::info!("stopping: requests under way are answered, new ones are not taken");
    let stopping = async {
        let stopped = running.stop().await;
        traces.flush().await;
        stopped
    };
    tokio::select! {
        stopped = stopping => ended.and(stopped),
        () = signals.next() => Err(Fault::internal("stopped by a second signal; the next start recovers")),
    }
}

/// Takes as many file descriptors as this process may have: each connection is one, and 1024 are usual.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "file descriptors");
    }
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let failed = |error: std::io::Error| Fault::internal(format!("signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt()).map_err(failed)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_served_without_being_told_so() {
        let mut config = Config::default();
        let message = admit(&config).expect_err("refused").to_string();
        assert!(message.contains("--insecure-no-auth") && message.contains("--demo"), "{message}");
        config.access.insecure_no_auth = true;
        assert_eq!(admit(&config), Ok(()));
        config.access = crate::base::config::Access { demo: true, ..Default::default() };
        assert_eq!(admit(&config), Ok(()));
        for address in ["0.0.0.0:8080", "10.1.2.3:80", "[::]:1"] {
            config.http.listen = address.parse().expect("an address");
            assert_eq!(admit(&config).expect_err("refused").category(), Category::Forbidden, "{address}");
        }
        config.http.listen = "[::1]:0".parse().expect("an address");
        assert_eq!(admit(&config), Ok(()));
    }
}
