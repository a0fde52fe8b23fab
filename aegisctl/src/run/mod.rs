//! `aegisctl run`: becomes an unmodified command that runs as an agent and cannot leave.
//!
//! The steps stand in [`confine`] in the order in which they must happen: each needs a privilege that a later one
//! takes away. Nothing is executed when any of them fails.

mod account;
mod cgroup;
mod descriptors;
mod domain;
mod environment;
mod hidden;
mod java;
mod mounts;
mod privileges;
mod seccomp;
mod trust;

pub use trust::SYSTEM_STORES;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aegis_api::{RunInfo, TokenRequest, TokenResponse};

use crate::api::Client;
use crate::commands::agents::agent_name;
use crate::failure::Failure;
use account::Account;
use environment::Environment;
use hidden::Stays;
use trust::Trust;

/// Runs a command as an agent: every connection that it or its children make is attributed, decided and recorded.
///
/// The command needs no change. It joins the agent's cgroup, trusts Aegis' CA through the environment and (as root) a
/// private view of the system's trust store, loses the capabilities and system calls that lead around the kernel's
/// hooks, and is then executed in place: its exit code is this command's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl run --agent finance-agent --user bob -- python3 agent.py
  sudo aegisctl run --agent finance-agent --user bob --token -- sh -c 'curl -H \"Aegis-Token: $AEGIS_TOKEN\" https://api.stripe.com/'
  sudo aegisctl run --agent researcher --user \"$USER\" -- bash        an enforced shell

Exit codes: the command's own; 127 there is no such command, 126 it cannot be executed;
1 the agent is not registered or could not be confined, 3 the daemon is not reachable.")]
pub struct Args {
    /// The agent to run as; register it first.
    #[arg(long, short, value_name = "NAME", value_parser = agent_name)]
    agent: String,

    /// User (name or uid) to run the command as. Without it the command keeps the caller's user.
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,

    /// Put a fresh token of the agent into AEGIS_TOKEN.
    #[arg(long)]
    token: bool,

    /// Leave this in sight although helpers' sockets (all of /run) are hidden, such as /run/postgresql; repeatable.
    /// Whatever listens there can be made to act for the agent.
    #[arg(long, value_name = "PATH")]
    keep: Vec<PathBuf>,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command; comes back only with a failure.
pub fn run(args: &Args, client: &Client) -> Result<Infallible, Failure> {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::Usage("there is no command: aegisctl run --agent NAME -- COMMAND".to_owned()));
    };
    let account = args.user.as_deref().map(Account::find).transpose()?;
    let info = ask(args, client)?;
    let trust = Trust::prepare(&info)?;
    let mut environment = Environment::for_agent(&info.agent, &trust, account.as_ref());
    if args.token {
        let request = TokenRequest { agent: Some(info.agent.clone()), ..TokenRequest::default() };
        let answer: TokenResponse = client.post("/v1/token", &request)?;
        environment.set("AEGIS_TOKEN", answer.token);
    }
    let directory = trust.bundle.parent().unwrap_or(Path::new("/"));
    let stays = Stays { trust: directory, socket: client.socket(), named: &args.keep };
    confine(&info, &trust, &stays, account.as_ref())?;
    let mut command = Command::new(program);
    command.args(arguments);
    environment.apply(&mut command);
    Err(not_executed(program, &command.exec()))
}

fn ask(args: &Args, client: &Client) -> Result<RunInfo, Failure> {
    client.get::<RunInfo>(&format!("/v1/run/{}", args.agent)).map_err(|failure| match failure {
        Failure::Refused(problem) if problem.status == 404 && problem.next_steps.is_empty() => {
            Failure::Refused(problem.next(format!("aegisctl agents register {}", args.agent)))
        }
        other => other,
    })
}

/// Takes this process into the agent's cgroup and takes away what leads out of it.
fn confine(info: &RunInfo, trust: &Trust, stays: &Stays<'_>, account: Option<&Account>) -> Result<(), Failure> {
    let stays_root = account.map_or_else(|| nix::unistd::geteuid().is_root(), Account::is_root);
    if stays_root {
        eprintln!(
            "aegisctl: warning: {} runs as root, which can read and change what Aegis keeps on this host; use --user USER",
            info.agent
        );
    }
    descriptors::refuse_network_streams()?;
    // The cgroup first: it needs write access to the hierarchy, which the next step takes away.
    cgroup::join(&info.cgroup)?;
    mounts::isolate(trust, stays, stays_root)?;
    descriptors::keep_plain_files()?;
    descriptors::limit()?;
    privileges::shrink_bounding_set(stays_root)?;
    if let Some(account) = account {
        account.become_it()?;
    }
    privileges::shrink(stays_root)?;
    cgroup::refuse_if_writable(&info.cgroup)?;
    domain::enter()?;
    // Last: it denies system calls that the steps above make.
    seccomp::filter()
}

fn not_executed(program: &OsString, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    Failure::NotExecuted { code, message: format!("cannot execute {}: {error}", program.display()) }
}

/// A step of the confinement that failed: nothing is executed.
fn stopped(step: &str, error: impl std::fmt::Display, fix: &str) -> Failure {
    Failure::No(format!("not started: {step}: {error}\n  next: {fix}"))
}
