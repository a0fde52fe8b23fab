//! `aegisctl agents`: who is enforced.

use std::collections::BTreeMap;
use std::process::ExitCode;

use aegis_api::{Agent, AgentSpec, Dial, DirectRule, Listening, Mode, OnAgentDown, TokenMode, Transport};
use clap::ValueEnum;

use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

pub const EXAMPLES: &str = "\
Examples:
  aegisctl agents list
  aegisctl agents register finance-agent --tenant emea --label team=payments
  aegisctl agents register builder --direct 10.0.0.5/32:5432
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
  aegisctl agents register researcher --mode shadow        record only, let pass
  aegisctl agents register builder --direct 10.0.0.5/32:5432 --direct 10.0.0.53/32:123/udp
  aegisctl agents register boxed --network-namespace /run/netns/box --dial namespace")]
    Register(Box<Register>),
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
    #[arg(value_parser = agent_name)]
    name: String,
    /// Organisation.
    #[arg(long)]
    org: Option<String>,
    /// Tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// The agent that it works for.
    #[arg(long, value_parser = agent_name)]
    parent: Option<String>,
    /// A label for policies; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A scope for its tokens; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Whether each request must carry the agent's token.
    #[arg(long, value_enum, default_value = "ambient")]
    token: TokenArg,
    /// Whether decisions are carried out or only recorded.
    #[arg(long, value_enum, default_value = "enforce")]
    mode: ModeArg,
    /// What becomes of its connections when the daemon gives no sign of life.
    #[arg(long, value_enum, default_value = "closed")]
    on_agent_down: DownArg,
    /// Who gets an answer from its listening TCP sockets.
    #[arg(long, value_enum, default_value = "loopback")]
    listen: ListenArg,
    /// A destination that passes without the proxy and without inspection; may be repeated.
    #[arg(long, value_name = "CIDR[:PORT][/udp]", value_parser = direct)]
    direct: Vec<DirectRule>,
    /// A network namespace that it will run in: served before anything runs there.
    #[arg(long, value_name = "PATH", value_parser = absolute)]
    network_namespace: Option<String>,
    /// From where Aegis dials what the agent may reach.
    #[arg(long, value_enum, default_value = "host")]
    dial: DialArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialArg {
    /// The host's network namespace.
    Host,
    /// The network namespace that the agent's connection came from.
    Namespace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TokenArg {
    /// The kernel's attribution is enough.
    Ambient,
    /// Requests without a token are answered with 401.
    Required,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    /// Carried out.
    Enforce,
    /// Only recorded.
    Shadow,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DownArg {
    /// They are denied.
    Closed,
    /// They pass uninspected, and are recorded when the daemon is back.
    Open,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListenArg {
    /// Nobody.
    None,
    /// Who connects over loopback.
    Loopback,
    /// Whoever connects; its answers are not inspected.
    Allow,
}

/// Parses an agent name.
pub fn agent_name(text: &str) -> Result<String, String> {
    if aegis_api::valid_name(text) {
        return Ok(text.to_owned());
    }
    Err("an agent's name is a DNS label: a-z, 0-9 and '-', at most 63 characters, not starting with '-'".to_owned())
}

/// The daemon has another working directory.
fn absolute(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err("give an absolute path, such as /run/netns/NAME".to_owned())
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is KEY=VALUE".to_owned()),
    }
}

/// `10.0.0.0/8`, `10.0.0.5/32:5432`, `2001:db8::/32:53/udp`: the prefix length tells where the address ends.
fn direct(text: &str) -> Result<DirectRule, String> {
    let wrong = || format!("{text:?}: write CIDR[:PORT][/udp], such as 10.0.0.5/32:5432");
    let (text, protocol) = match text.strip_suffix("/udp") {
        Some(rest) => (rest, Transport::Udp),
        None => (text.strip_suffix("/tcp").unwrap_or(text), Transport::Tcp),
    };
    let (address, rest) = text.split_once('/').ok_or_else(wrong)?;
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let (length, port) = match rest.split_once(':') {
        Some((length, port)) => (length, Some(port.parse::<u16>().map_err(|_| wrong())?)),
        None => (rest, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.parse::<u8>().ok().filter(|length| *length <= most).ok_or_else(wrong)?;
    Ok(DirectRule { cidr: format!("{address}/{length}"), port, protocol })
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::List => list(&client.get::<Vec<Agent>>("/v1/agents")?, screen)?,
        Command::Register(args) => register(args, client, screen)?,
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
        row([&agent.name, &agent.org, &agent.tenant, &mode, &token, &agent.direct.len(), &origin, &agent.cgroup])
    });
    screen.table(&["AGENT", "ORG", "TENANT", "MODE", "TOKEN", "DIRECT", "FROM", "CGROUP"], rows.collect())
}

/// The name that a value has in JSON.
fn serde_name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn register(args: &Register, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let spec = AgentSpec {
        name: args.name.clone(),
        org: args.org.clone(),
        tenant: args.tenant.clone(),
        parent: args.parent.clone(),
        labels: args.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
        scopes: args.scopes.clone(),
        token: match args.token {
            TokenArg::Ambient => TokenMode::Ambient,
            TokenArg::Required => TokenMode::Required,
        },
        mode: match args.mode {
            ModeArg::Enforce => Mode::Enforce,
            ModeArg::Shadow => Mode::Shadow,
        },
        on_agent_down: match args.on_agent_down {
            DownArg::Closed => OnAgentDown::Closed,
            DownArg::Open => OnAgentDown::Open,
        },
        listen: match args.listen {
            ListenArg::None => Listening::None,
            ListenArg::Loopback => Listening::Loopback,
            ListenArg::Allow => Listening::Allow,
        },
        direct: args.direct.clone(),
        network_namespace: args.network_namespace.clone(),
        dial: match args.dial {
            DialArg::Host => Dial::Host,
            DialArg::Namespace => Dial::Namespace,
        },
    };
    let agent: Agent = client.post("/v1/agents", &spec)?;
    if screen.json() {
        return Ok(screen.write_json(&agent)?);
    }
    let name = &agent.name;
    screen.line(format!("{name} is registered and enforced in {}", agent.cgroup))?;
    Ok(screen.line(format!("next: aegisctl run --agent {name} --user USER -- COMMAND"))?)
}

fn remove(name: &str, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let name = agent_name(name).map_err(Failure::Usage)?;
    client.delete(&format!("/v1/agents/{name}"))?;
    if screen.json() {
        return Ok(screen.write_json(&serde_json::json!({ "removed": name }))?);
    }
    Ok(screen.line(format!("{name} is removed; processes still in its cgroup are denied everything"))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn direct_rules() {
        let rule = |cidr: &str, port, protocol| DirectRule { cidr: cidr.to_owned(), port, protocol };
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        assert_eq!(direct("10.0.0.0/8").unwrap(), rule("10.0.0.0/8", None, tcp));
        assert_eq!(direct("10.0.0.5/32:5432").unwrap(), rule("10.0.0.5/32", Some(5432), tcp));
        assert_eq!(direct("2001:db8::/32:53/udp").unwrap(), rule("2001:db8::/32", Some(53), udp));
        for bad in ["10.0.0.5", "10.0.0.0/33", "x/8", "10.0.0.0/8:99999", "10.0.0.0/8:", "/8", "10.0.0.0/8/sctp"] {
            assert!(direct(bad).is_err(), "{bad}");
        }
    }
}
