//! The demo: a real client as an agent, a real enforcer, and a table of what the outside saw of it.

mod attempts;
mod table;

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::lab::{Daemon, Lab, Settings};

/// The policy that is shown, shipped with all others.
const POLICY: &str = include_str!("../../../policies/demo.yaml");
/// The agent that the clients run as.
const AGENT: &str = "demo-agent";

/// One thing that the agent tried.
struct Attempt {
    /// What it did, as a person would type it.
    tried: String,
    /// What it got.
    got: String,
    /// What listeners and the packet capture outside saw.
    outside: String,
    /// Whether both are what Aegis promises.
    kept: bool,
}

/// Runs all attempts and prints the table; true if every promise was kept. Nothing of the laboratory remains.
pub fn run() -> Result<bool> {
    let begun = Instant::now();
    println!("A small internet: HTTPS origins with their own CA, a DNS server, a packet capture ...");
    let lab = Lab::new()?;
    println!("The enforcer, attached to its own cgroup {} ...", lab.cgroup_name());
    let daemon = Daemon::start(&lab, &settings())?;
    println!("curl and Python, run by `aegisctl run --agent {AGENT}` ...\n");
    let attempts = attempts::all(&lab, &daemon)?;
    let kept = attempts.iter().all(|attempt| attempt.kept);
    println!("{}", table::render(&attempts));
    let count = attempts.iter().filter(|attempt| attempt.kept).count();
    println!(
        "{count} of {} as promised, in {:.1} s. All that was made is removed again.",
        attempts.len(),
        begun.elapsed().as_secs_f32()
    );
    if !kept {
        eprintln!("--- aegis-agent wrote:\n{}", daemon.log());
    }
    Ok(kept)
}

/// Embedded defaults, but for where things are in the laboratory.
fn settings() -> Settings {
    let config = json!({"agents": [{"name": AGENT, "org": "example", "tenant": "demo"}]});
    Settings { config, policy: Some(POLICY.to_owned()) }
}
