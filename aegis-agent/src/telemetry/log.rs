//! The daemon's own log, on standard error: for people (text) or for a collector (JSON lines). It holds no request data.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Telemetry};

/// Sets up the process-wide log. Once a process.
///
/// # Errors
/// When the filter is none, or a log is set up already.
pub fn init(config: &Telemetry) -> anyhow::Result<()> {
    let filter: EnvFilter = config.log.parse()?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let done = match config.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(colours()).try_init(),
    };
    done.map_err(anyhow::Error::from_boxed)
}

/// Colours are for terminals, and for those who did not ask to be spared them (<https://no-color.org>).
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
