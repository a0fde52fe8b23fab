//! What the kernel counts, as metrics. Brought up to date when the metrics are read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::kernel::{Counters, TableFill};

type Gauge64 = Gauge<u64, AtomicU64>;

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct TableLabel {
    table: &'static str,
}

/// Counts of the kernel side.
#[derive(Default)]
pub(super) struct KernelMetrics {
    denied: Counter,
    dropped: Counter,
    suppressed: Counter,
    unaccounted: Gauge64,
    used: Family<TableLabel, Gauge64>,
    capacity: Family<TableLabel, Gauge64>,
}

impl KernelMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("denied", "Refused by the kernel by itself", self.denied.clone());
        registry.register("events_dropped", "Events that the kernel could not hand over", self.dropped.clone());
        registry.register(
            "events_suppressed",
            "Events kept back because their agent had used up its share",
            self.suppressed.clone(),
        );
        registry.register(
            "connections_unaccounted",
            "Redirected connections that reached neither the proxy nor the resolver; 0 or an alarm",
            self.unaccounted.clone(),
        );
        registry.register("table_used", "Entries of the kernel's tables", self.used.clone());
        registry.register("table_capacity", "Most entries of the kernel's tables", self.capacity.clone());
    }

    pub(super) fn refresh(&self, counters: &Counters, unaccounted: u64, fill: &[TableFill]) {
        self.denied.inner().store(counters.denied(), Relaxed);
        self.dropped.inner().store(counters.events_dropped, Relaxed);
        self.suppressed.inner().store(counters.events_suppressed, Relaxed);
        self.unaccounted.set(unaccounted);
        for table in fill {
            let label = TableLabel { table: table.name };
            self.used.get_or_create(&label).set(table.used as u64);
            self.capacity.get_or_create(&label).set(table.capacity as u64);
        }
    }
}
