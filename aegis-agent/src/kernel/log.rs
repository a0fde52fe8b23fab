//! The programs' own log lines, handed to `tracing`.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Level, Log, Metadata, Record};

use super::{KernelError, syscall};

/// aya-log speaks the `log` crate's language; the daemon speaks `tracing`.
struct ToTracing;

impl Log for ToTracing {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args();
        match record.level() {
            Level::Error => tracing::error!(target: "aegis_ebpf", "{line}"),
            Level::Warn => tracing::warn!(target: "aegis_ebpf", "{line}"),
            Level::Info => tracing::info!(target: "aegis_ebpf", "{line}"),
            Level::Debug | Level::Trace => tracing::debug!(target: "aegis_ebpf", "{line}"),
        }
    }

    fn flush(&self) {}
}

/// Starts a task that forwards the log lines of this object's programs for as long as the
/// runtime lives.
pub(super) fn forward(object: &mut Ebpf) -> Result<(), KernelError> {
    let logger = EbpfLogger::init_with_logger(object, ToTracing).map_err(KernelError::bpf("open the programs' log"))?;
    let mut logger = syscall::watch(logger).map_err(KernelError::io("watch the programs' log"))?;
    tokio::spawn(async move {
        while let Ok(mut ready) = logger.readable_mut().await {
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    });
    Ok(())
}
