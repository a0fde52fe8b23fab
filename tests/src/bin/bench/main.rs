//! `cargo xtask bench`: the same work direct, through a plain TLS relay, through Envoy and through Aegis, in one run, as
//! ratios.
//!
//! Machines are noisy and shared: absolute figures say little, ratios of medians within one run say more. The proxy
//! under test is pinned to one core, origin and load to the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bpf_stats;
mod decision;
mod load;
mod origin;
mod peer;
mod pin;
mod relay;
mod report;
mod scanner;
mod suite;
mod tls;
mod works;

use std::path::PathBuf;
use std::time::Duration;

use aegis_tests::Lab;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use report::{Machine, Report};
use suite::Bench;
use works::WORKS;

/// Measures Aegis against a direct connection, a plain TLS relay and Envoy.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo xtask bench                                  all of it, about ten minutes
  cargo xtask bench --quick                          once each and short: under three minutes
  cargo xtask bench --page docs/performance.md       writes its tables into the page
  cargo xtask bench --only 'GET 1 KB, 32'            one load alone
  cargo xtask bench --only scanner                   the scanner alone")]
struct Args {
    /// Seconds a measurement lasts.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Measurements of each figure; the median is shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// One measurement of half a second each.
    #[arg(long, conflicts_with_all = ["seconds", "runs"])]
    quick: bool,
    /// Only loads with this in their names; `scanner` and `decision` are those alone.
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Write the report as Markdown to this file too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Put the report into this page, where the last one stands.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// The peer's binary; `cargo xtask bench` fetches one.
    #[arg(long, env = "AEGIS_BENCH_ENVOY", value_name = "FILE")]
    envoy: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// Parts that the benchmark runs as processes of their own.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Load(load::Load),
    #[command(hide = true)]
    Origin(origin::Origin),
    #[command(hide = true)]
    Relay(relay::Relay),
}

fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = Args::parse();
    match args.part {
        Some(Part::Load(load)) => load.run(),
        Some(Part::Origin(origin)) => origin.run(),
        Some(Part::Relay(relay)) => relay.run(),
        None => args.measure(),
    }
}

impl Args {
    fn measure(self) -> Result<()> {
        // Before the minutes that it takes.
        let page = match &self.page {
            Some(path) => Some((path, std::fs::read_to_string(path).with_context(|| path.display().to_string())?)),
            None => None,
        };
        let report = self.report()?;
        println!("{}", report.text());
        if let Some(file) = &self.markdown {
            std::fs::write(file, report.markdown())?;
        }
        if let Some((path, text)) = page {
            let text = report.in_page(&text).context("the page has no marks for where the report goes")?;
            std::fs::write(path, text)?;
        }
        Ok(())
    }

    fn report(&self) -> Result<Report> {
        let (seconds, runs) = if self.quick { (0.5, 1) } else { (self.seconds, self.runs) };
        let time = Duration::try_from_secs_f64(seconds).context("--seconds")?;
        let wanted = |name: &str| self.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
        let mut report = Report {
            what: format!("Medians of {runs} runs of {seconds} s each"),
            machine: Machine::now(),
            peer: self.envoy.as_deref().and_then(peer::version),
            figures: Vec::new(),
            scanner: Vec::new(),
            waits: Vec::new(),
            notes: Vec::new(),
        };
        let works: Vec<_> = WORKS.iter().filter(|work| wanted(work.name)).collect();
        if !works.is_empty() {
            eprintln!("building the laboratory");
            let lab = Lab::new()?;
            let bench = Bench::start(&lab, self.envoy.as_deref().filter(|_| report.peer.is_some()))?;
            for work in works {
                eprintln!("{}", work.name);
                report.figures.push((work, bench.measure(work, time, runs)?));
            }
            report.events(bench.events()?);
            if self.only.is_none() {
                eprintln!("memory at {} idle connections", suite::IDLE_CONNECTIONS);
                report.memory(bench.memory()?, suite::IDLE_CONNECTIONS);
                eprintln!("the hooks");
                report.hooks(bench.hooks()?);
            }
        }
        if wanted("decision") {
            eprintln!("decision alone");
            report.decisions(&decision::run()?);
        }
        if wanted("scanner") {
            eprintln!("scanner alone");
            report.scanner = scanner::throughput(time)?;
            report.waits = vec![scanner::wait(4)?, scanner::wait(10)?];
        }
        Ok(report)
    }
}
