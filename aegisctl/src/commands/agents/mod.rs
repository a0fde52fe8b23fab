//! `aegisctl agents`: who is enforced.

mod spec;

use std::process::ExitCode;

use aegis_api::{Agent, AgentSpec};

use self::spec::{Field, Flags};
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

pub const EXAMPLES: &str = "\
Examples:
  aegisctl agents list
  aegisctl agents register finance-agent --tenant emea --label team=payments --policy finance
  aegisctl agents register --file finance-agent.yaml
  aegisctl agents update finance-agent --policy finance --policy mail
  aegisctl agents remove finance-agent";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists the agents that are enforced on this host.
    #[command(after_help = "Examples:\n  aegisctl agents list\n  aegisctl agents list --output json | jq '.[].cgroup'")]
    List,
    /// Registers an agent: its cgroup is made and enforced from then on, over restarts.
    #[command(after_help = "\
Examples:
  aegisctl agents register finance-agent
  aegisctl agents register finance-agent --org acme --tenant emea --label team=payments --scope payments:write
  aegisctl agents register finance-agent --policy finance --budget-profile small
  aegisctl agents register --file finance-agent.yaml       the keys of `agents[]` in the configuration
  aegisctl agents register researcher --mode shadow        record only, let pass
  aegisctl agents register builder --direct 10.0.0.5/32:5432 --direct 10.0.0.53/32:123/udp
  aegisctl agents register boxed --network-namespace /run/netns/box --dial namespace")]
    Register(Box<Register>),
    /// Changes a registered agent in place: it stays enrolled, and what it has under way is asked about again.
    #[command(after_help = "\
Examples:
  aegisctl agents update finance-agent --policy finance --policy mail     only these two apply from now on
  aegisctl agents update finance-agent --unset policies                   all that select it apply again
  aegisctl agents update finance-agent --label stage=prod --mode enforce
  aegisctl agents update finance-agent --file finance-agent.yaml          the whole description anew

A list (--scope, --policy, --direct) replaces the one before; labels are added, `--unset labels` takes all off first.")]
    Update(Box<Update>),
    /// Removes an agent that was registered at run time.
    #[command(after_help = "Examples:\n  aegisctl agents remove finance-agent\n\n\
                            Processes still in its cgroup are denied everything from then on.")]
    Remove {
        /// Its name.
        name: String,
    },
}

/// Arguments of `register`.
#[derive(Debug, clap::Args)]
pub struct Register {
    /// Name: a DNS label (a-z, 0-9, '-').
    #[arg(value_parser = agent_name, required_unless_present = "file")]
    name: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// Arguments of `update`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// Name of a registered agent.
    #[arg(value_parser = agent_name)]
    name: String,
    /// Takes it off before the flags are applied; may be repeated.
    #[arg(long, value_enum, value_name = "FIELD")]
    unset: Vec<Field>,
    #[command(flatten)]
    flags: Flags,
}

/// Parses an agent name.
pub fn agent_name(text: &str) -> Result<String, String> {
    if aegis_api::valid_name(text) {
        return Ok(text.to_owned());
    }
    Err("an agent's name is a DNS label: a-z, 0-9 and '-', at most 63 characters, not starting with '-'".to_owned())
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::List => list(&client.get::<Vec<Agent>>("/v1/agents")?, screen)?,
        Command::Register(args) => register(args, client, screen)?,
        Command::Update(args) => update(args, client, screen)?,
        Command::Remove { name } => remove(name, client, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(agents: &[Agent], screen: &Screen) -> Result<(), Failure> {
    if screen.json() {
        return Ok(screen.write_json(&agents)?);
    }
    if agents.is_empty() {
        return Ok(screen.line("no agents yet; next: aegisctl agents register NAME")?);
    }
    Ok(table(agents, screen)?)
}

/// The agents as a table; `status` shows it too.
pub fn table(agents: &[Agent], screen: &Screen) -> std::io::Result<()> {
    let rows = agents.iter().map(|agent| {
        let origin = serde_name(&agent.origin);
        let (mode, token) = (serde_name(&agent.mode), serde_name(&agent.token));
        let direct = agent.direct.len();
        row([&agent.name, &agent.org, &agent.tenant, &policies(agent), &mode, &token, &direct, &origin, &agent.cgroup])
    });
    let columns = ["AGENT", "ORG", "TENANT", "POLICIES", "MODE", "TOKEN", "DIRECT", "FROM", "CGROUP"];
    screen.table(&columns, rows.collect())
}

/// The policies that apply by name; those that there are not are marked.
fn policies(agent: &Agent) -> String {
    if agent.policies.is_empty() {
        return "all".to_owned();
    }
    let name = |name: &String| match agent.unknown_policies.contains(name) {
        true => format!("{name} (UNKNOWN)"),
        false => name.clone(),
    };
    agent.policies.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The name that a value has in JSON.
fn serde_name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn register(args: &Register, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let described = args.flags.described(args.name.as_deref())?;
    let spec = match (described, &args.name) {
        (Some(spec), _) => spec,
        (None, Some(name)) => AgentSpec { name: name.clone(), ..AgentSpec::default() },
        (None, None) => return Err(Failure::Usage("name the agent, or give --file".to_owned())),
    };
    let agent: Agent = client.post("/v1/agents", &args.flags.over(spec, &[]))?;
    if screen.json() {
        return Ok(screen.write_json(&agent)?);
    }
    let name = &agent.name;
    screen.line(format!("{name} is registered and enforced in {}", agent.cgroup))?;
    warn(&agent);
    Ok(screen.line(format!("next: aegisctl run --agent {name} --user USER -- COMMAND"))?)
}

fn update(args: &Update, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let name = &args.name;
    let spec = match args.flags.described(Some(name))? {
        Some(spec) => spec,
        None => {
            let agents: Vec<Agent> = client.get("/v1/agents")?;
            let known = agents.iter().find(|agent| agent.name == *name);
            known.map(AgentSpec::from).ok_or_else(|| {
                Failure::No(format!("no agent is named {name:?}\n  next: aegisctl agents register {name}"))
            })?
        }
    };
    let agent: Agent = client.put(&format!("/v1/agents/{name}"), &args.flags.over(spec, &args.unset))?;
    if screen.json() {
        return Ok(screen.write_json(&agent)?);
    }
    warn(&agent);
    Ok(screen.line(format!("{name} is changed; what it had under way was asked about again"))?)
}

fn warn(agent: &Agent) {
    for policy in &agent.unknown_policies {
        eprintln!("aegisctl: warning: no policy in force is named {policy:?}: it gives {} nothing", agent.name);
    }
}

fn remove(name: &str, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let name = agent_name(name).map_err(Failure::Usage)?;
    client.delete(&format!("/v1/agents/{name}"))?;
    if screen.json() {
        return Ok(screen.write_json(&serde_json::json!({ "removed": name }))?);
    }
    Ok(screen.line(format!("{name} is removed; processes still in its cgroup are denied everything"))?)
}
