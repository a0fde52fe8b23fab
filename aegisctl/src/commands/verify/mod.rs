//! `aegisctl verify`: tries to get out of an agent's cgroup, on this host and now.

mod channel;
mod crew;
mod interface;
mod packet;
pub mod probe;
mod range;
mod show;
mod sink;
mod trial;
mod vectors;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aegis_api::{Agent, Listening, VectorResult, Verdict, Verification, VerificationStatus};

use super::agents::agent_name;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;
use trial::Trial;
use vectors::{Attempt, BASE, VECTORS};

/// Tries to get out of the agents' cgroups, on this host and now, and says what held.
///
/// Every way is tried twice, with the same system calls of a process of user nobody (or of root, where it needs that):
/// outside of the agent's cgroup, where it must work, and inside, where nothing may come out. Where it comes out is an
/// interface of Aegis' own (TUN, addresses of 198.18.0.0/15 and fd00::/8) that exists for the time of the run: nothing
/// leaves this host. What the agent's process sees does not matter, only what the interface saw.
///
/// It verifies the kernel programs and the way through the proxy; what `aegisctl run` adds (capabilities, seccomp) is not
/// tried. The result goes to the daemon, which shows it in `status` and in its metrics.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl verify                                        every agent of this host
  sudo aegisctl verify --agent finance-agent
  sudo aegisctl verify --output json | jq '.[].vectors[] | select(.verdict == \"leaked\")'
  sudo aegisctl verify --cgroup /sys/fs/cgroup/aegis/finance-agent    without a daemon

Verdicts: held; leaked; deployment (it came out by a way that the kernel programs do not see and the deployment has to
close, as `aegisctl run` does); n/a (does not work here even without Aegis).
Exit codes: 0 nothing leaked; 1 something leaked, or nothing can be said; 3 the daemon is not reachable.")]
pub struct Args {
    /// The agent; without it every agent that is enrolled.
    #[arg(long, short, value_name = "NAME", value_parser = agent_name)]
    agent: Option<String>,

    /// A cgroup directory instead of an agent; the daemon is neither asked nor told.
    #[arg(long, value_name = "DIR", conflicts_with = "agent")]
    cgroup: Option<PathBuf>,

    /// In a network namespace of the run's own: touches nothing of the host's network, but Aegis does not listen in there,
    /// so the way through the proxy is not tried and `verify.gate_readiness` does not count it.
    #[arg(long)]
    private: bool,

    /// Seconds that an agent's run may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Whose cgroup it is.
struct Subject {
    name: String,
    cgroup: PathBuf,
    /// None: a cgroup that was named by hand.
    agent: Option<Agent>,
}

impl Subject {
    /// Whether answers to connections from outside are wanted.
    fn answers_anybody(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.listen == Listening::Allow)
    }
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    // Fails only where a handler is installed already, and there is none.
    let _ = ctrlc::set_handler(|| sink::INTERRUPTED.store(true, Ordering::Relaxed));
    let mut runs = Vec::new();
    for subject in subjects(args, client)? {
        let run = verify(args, &subject)?;
        if !screen.json() {
            show::run(&run, subject.agent.as_ref(), screen)?;
        }
        if subject.agent.is_some() {
            client.post::<_, VerificationStatus>("/v1/verification", &run)?;
        }
        runs.push(run);
    }
    if screen.json() {
        screen.write_json(&runs)?;
    }
    Ok(if runs.iter().all(Verification::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn subjects(args: &Args, client: &Client) -> Result<Vec<Subject>, Failure> {
    if let Some(cgroup) = &args.cgroup {
        return Ok(vec![Subject { name: cgroup.display().to_string(), cgroup: cgroup.clone(), agent: None }]);
    }
    let mut agents: Vec<Agent> = client.get("/v1/agents")?;
    agents.retain(|agent| args.agent.as_ref().is_none_or(|name| *name == agent.name));
    if agents.is_empty() {
        let name = args.agent.as_deref().unwrap_or("NAME");
        return Err(Failure::No(format!("there is no such agent\n  next: aegisctl agents register {name}")));
    }
    let subject =
        |agent: Agent| Subject { name: agent.name.clone(), cgroup: PathBuf::from(&agent.cgroup), agent: Some(agent) };
    Ok(agents.into_iter().map(subject).collect())
}

fn verify(args: &Args, subject: &Subject) -> Result<Verification, Failure> {
    let started = Instant::now();
    let mut trial = Trial::prepare(&subject.cgroup, args.private, started + Duration::from_secs(args.timeout))?;
    let mut vectors: Vec<VectorResult> = Vec::new();
    let progress = show::progress(&subject.name, VECTORS.len());
    for (number, vector) in (0..).zip(&VECTORS) {
        progress.set_message(vector.name);
        let result = if vector.attempt == Attempt::Listen && subject.answers_anybody() {
            trial::not_tried(vector, "the agent may answer anybody (listen: allow)")
        } else {
            trial.run(vector, number)?
        };
        // Without them "held" would only mean that nothing works here.
        if BASE.contains(&vector.name) && result.verdict == Verdict::Na {
            let next =
                "run aegisctl outside of every agent's cgroup; where a firewall drops it: aegisctl verify --private";
            return Err(Failure::No(format!("{}: {}\n  next: {next}", vector.name, result.detail)));
        }
        vectors.push(result);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Verification { agent: subject.name.clone(), private: args.private, duration_ms, vectors })
}
