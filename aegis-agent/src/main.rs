//! `aegis-agent`: parse, build, run, drain.

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_agent::config::Config;
use aegis_agent::kernel::Kernel;
use aegis_agent::{daemon, descriptors, handover::Inherited, priority, telemetry};
use clap::Parser;

/// The Aegis daemon: forces every connection of enrolled agents through policy, and records each decision.
///
/// Runs in the foreground. SIGTERM drains, SIGHUP loads the policy again and reopens the audit file. Without a
/// configuration file it runs on embedded defaults (see --print-config).
#[derive(Parser)]
#[command(
    name = "aegis-agent",
    version,
    after_help = "Examples:
  aegis-agent                                   run on embedded defaults
  aegis-agent --config /etc/aegis/aegis.yaml    run on a file
  aegis-agent --config aegis.yaml --check       say whether the file is right, and stop
  aegis-agent --print-config > aegis.yaml       a commented file to start from
  aegis-agent --config aegis.yaml --detach      end enforcement: remove the pinned programs"
)]
struct Args {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and stop.
    #[arg(long)]
    check: bool,
    /// Print a commented configuration with all defaults and stop.
    #[arg(long)]
    print_config: bool,
    /// Remove the pinned programs and maps and stop. Agents are NOT enforced afterwards.
    #[arg(long)]
    detach: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aegis-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    if args.print_config {
        print!("{}", Config::sample());
        return Ok(());
    }
    let config = Config::load(args.config.as_deref())?;
    if args.check {
        println!("the configuration is right");
        return Ok(());
    }
    if args.detach {
        Kernel::detach(&config.bpf.pin_dir)?;
        println!("enforcement has ended: nothing is pinned in {} any more", config.bpf.pin_dir.display());
        return Ok(());
    }
    let inherited = Inherited::receive();
    telemetry::log::init(&config.telemetry)?;
    priority::before_agents();
    descriptors::raise_limit();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(daemon::run(config, inherited))
}
