//! `cargo xtask bench`: the same work direct, through a plain TLS relay and through Aegis, in one run, as ratios.
//!
//! Machines are noisy and shared: absolute figures say little, ratios of medians within one run say more. The proxy
//! under test is pinned to one core, origin and load to the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bpf_stats;
mod load;
mod micro;
mod origin;
mod pin;
mod relay;
mod report;
mod suite;
mod tls;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures Aegis against a direct connection and a plain TLS relay.
#[derive(Parser)]
struct Args {
    /// Seconds a measurement lasts.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Measurements of each figure; the median is shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Write the report as Markdown to this file too.
    #[arg(long)]
    markdown: Option<std::path::PathBuf>,
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
        None => {
            let report = suite::run(args.seconds, args.runs)?;
            println!("{}", report.text());
            if let Some(file) = args.markdown {
                std::fs::write(file, report.markdown())?;
            }
            Ok(())
        }
    }
}
