//! Medians and ratios, for people and for `docs/performance.md`.

use comfy_table::{Table, presets};

use crate::load::Seen;
use crate::micro::{Micro, Quantiles};

/// All runs of one kind of load.
#[derive(Default)]
pub struct Figure {
    pub direct: Vec<Seen>,
    pub relay: Vec<Seen>,
    pub aegis: Vec<Seen>,
    /// Microseconds of CPU a request.
    pub relay_cpu: Vec<f64>,
    pub aegis_cpu: Vec<f64>,
}

pub struct Report {
    seconds: u64,
    runs: usize,
    figures: Vec<(&'static str, Figure)>,
    notes: Vec<(String, String)>,
}

impl Report {
    pub fn new(seconds: u64, runs: usize) -> Self {
        Self { seconds, runs, figures: Vec::new(), notes: Vec::new() }
    }

    pub fn add(&mut self, name: &'static str, figure: Figure) {
        self.figures.push((name, figure));
    }

    pub fn memory(&mut self, (started, before, full): (u64, u64, u64), connections: usize) {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        self.note("memory, just started", mb(started));
        self.note("memory after the load above", mb(before));
        self.note(&format!("memory with {connections} idle intercepted connections"), mb(full));
        let each = full.saturating_sub(before) as f64 / connections as f64 / 1e3;
        self.note("memory an idle intercepted connection", format!("{each:.1} KB"));
    }

    pub fn hooks(&mut self, seen: Vec<(String, u64, f64)>) {
        for (name, count, nanoseconds) in seen {
            self.note(&format!("kernel program {name}, mean"), format!("{nanoseconds:.0} ns over {count} runs"));
        }
    }

    pub fn micro(&mut self, micro: Micro) {
        self.quantiles("decision, 1,000 rules over 100 agents, 4 KB JSON", &micro.decision);
        self.quantiles("the same among 10,000 rules over 1,000 agents", &micro.among_ten_times_more);
        self.quantiles("the same with the reading of the body", &micro.with_parsing);
        self.note("scanner, clean text, all detectors", format!("{:.2} GB/s", micro.scan_text_gbs));
        self.note("scanner, clean JSON, all detectors", format!("{:.2} GB/s", micro.scan_json_gbs));
    }

    fn quantiles(&mut self, what: &str, seen: &Quantiles) {
        self.note(what, format!("p50 {} ns, p99 {} ns", seen.p50_ns, seen.p99_ns));
    }

    fn note(&mut self, what: &str, figure: String) {
        self.notes.push((what.to_owned(), figure));
    }

    pub fn text(&self) -> String {
        self.render(presets::UTF8_FULL_CONDENSED)
    }

    pub fn markdown(&self) -> String {
        self.render(presets::ASCII_MARKDOWN)
    }

    fn render(&self, preset: &str) -> String {
        let mut loads = Table::new();
        loads.load_preset(preset).set_header([
            "load",
            "direct req/s",
            "relay / direct",
            "Aegis / direct",
            "Aegis / relay",
            "p50 us: direct, relay, Aegis",
            "p99 us: direct, Aegis",
            "CPU us/req: relay, Aegis",
            "CPU ratio",
        ]);
        for (name, figure) in &self.figures {
            loads.add_row(row(name, figure));
        }
        let mut notes = Table::new();
        notes.load_preset(preset).set_header(["alone", "figure"]);
        for (what, figure) in &self.notes {
            notes.add_row([what, figure]);
        }
        format!("medians of {} runs of {} s each\n\n{loads}\n\n{notes}", self.runs, self.seconds)
    }
}

fn row(name: &str, figure: &Figure) -> Vec<String> {
    let rate = |runs: &[Seen]| median(runs.iter().map(|seen| seen.requests as f64 / seen.seconds));
    let p50 = |runs: &[Seen]| median(runs.iter().map(|seen| seen.p50_us as f64));
    let p99 = |runs: &[Seen]| median(runs.iter().map(|seen| seen.p99_us as f64));
    let (direct, relay, aegis) = (rate(&figure.direct), rate(&figure.relay), rate(&figure.aegis));
    let (relay_cpu, aegis_cpu) = (median(figure.relay_cpu.iter().copied()), median(figure.aegis_cpu.iter().copied()));
    vec![
        name.to_owned(),
        format!("{direct:.0}"),
        format!("{:.2}", relay / direct),
        format!("{:.2}", aegis / direct),
        format!("{:.2}", aegis / relay),
        format!("{:.0}, {:.0}, {:.0}", p50(&figure.direct), p50(&figure.relay), p50(&figure.aegis)),
        format!("{:.0}, {:.0}", p99(&figure.direct), p99(&figure.aegis)),
        format!("{relay_cpu:.0}, {aegis_cpu:.0}"),
        format!("{:.2}", aegis_cpu / relay_cpu),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
