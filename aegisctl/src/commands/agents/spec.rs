//! How an agent is described on the command line: by flags, by a file, or by both.

use std::io::Read;
use std::path::{Path, PathBuf};

use aegis_api::{AgentSpec, Dial, DirectRule, Listening, Mode, OnAgentDown, TokenMode, Transport};
use clap::ValueEnum;

use super::agent_name;
use crate::failure::Failure;

/// The largest description that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// What flags say of an agent; what they do not name stays as it is.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// A description in YAML or JSON with the keys of `agents[]` in the configuration; `-` is standard input. Flags go over it.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
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
    /// The name of a policy; may be repeated. Only policies named so apply to the agent; without any, all that select it.
    #[arg(long = "policy", value_name = "NAME")]
    policies: Vec<String>,
    /// The budget profile that it draws on.
    #[arg(long, value_name = "NAME")]
    budget_profile: Option<String>,
    /// Whether each request must carry the agent's token [default: ambient].
    #[arg(long, value_enum)]
    token: Option<TokenArg>,
    /// Whether decisions are carried out or only recorded [default: enforce].
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// What becomes of its connections when the daemon gives no sign of life [default: closed].
    #[arg(long, value_enum)]
    on_agent_down: Option<DownArg>,
    /// Who gets an answer from its listening TCP sockets [default: loopback].
    #[arg(long, value_enum)]
    listen: Option<ListenArg>,
    /// A destination that passes without the proxy and without inspection; may be repeated.
    #[arg(long, value_name = "CIDR[:PORT][/udp]", value_parser = direct)]
    direct: Vec<DirectRule>,
    /// A network namespace that it will run in: served before anything runs there.
    #[arg(long, value_name = "PATH", value_parser = absolute)]
    network_namespace: Option<String>,
    /// From where Aegis dials what the agent may reach [default: host].
    #[arg(long, value_enum)]
    dial: Option<DialArg>,
}

/// What can be taken off an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Field {
    Parent,
    Labels,
    Scopes,
    Policies,
    BudgetProfile,
    Direct,
    NetworkNamespace,
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

impl Flags {
    /// The description in `--file`, where there is one. `name` is the agent's; the file may leave it out.
    ///
    /// # Errors
    /// When the file cannot be read, is no description, or names another agent.
    pub fn described(&self, name: Option<&str>) -> Result<Option<AgentSpec>, Failure> {
        let Some(path) = &self.file else { return Ok(None) };
        let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("{}: {why}", path.display()));
        let mut value: serde_yaml::Value = serde_yaml::from_str(&read(path)?).map_err(|error| wrong(&error))?;
        if let (Some(name), serde_yaml::Value::Mapping(fields)) = (name, &mut value) {
            fields.entry("name".into()).or_insert_with(|| name.into());
        }
        let spec: AgentSpec = serde_yaml::from_value(value).map_err(|error| wrong(&error))?;
        match name {
            Some(name) if name != spec.name => Err(wrong(&format_args!("describes {}, not {name}", spec.name))),
            _ => Ok(Some(spec)),
        }
    }

    /// `spec` without `unset` and with what the flags say. A list is replaced by the flags' list; labels are added.
    pub fn over(&self, mut spec: AgentSpec, unset: &[Field]) -> AgentSpec {
        unset.iter().for_each(|field| field.clear(&mut spec));
        spec.labels.extend(self.labels.iter().cloned());
        replace(&mut spec.scopes, &self.scopes);
        replace(&mut spec.policies, &self.policies);
        replace(&mut spec.direct, &self.direct);
        let or = |new: &Option<String>, old: Option<String>| new.clone().or(old);
        AgentSpec {
            org: or(&self.org, spec.org),
            tenant: or(&self.tenant, spec.tenant),
            parent: or(&self.parent, spec.parent),
            budget_profile: or(&self.budget_profile, spec.budget_profile),
            network_namespace: or(&self.network_namespace, spec.network_namespace),
            token: self.token.map_or(spec.token, TokenArg::mode),
            mode: self.mode.map_or(spec.mode, ModeArg::mode),
            on_agent_down: self.on_agent_down.map_or(spec.on_agent_down, DownArg::mode),
            listen: self.listen.map_or(spec.listen, ListenArg::mode),
            dial: self.dial.map_or(spec.dial, DialArg::mode),
            ..spec
        }
    }
}

impl Field {
    fn clear(self, spec: &mut AgentSpec) {
        match self {
            Self::Parent => spec.parent = None,
            Self::Labels => spec.labels.clear(),
            Self::Scopes => spec.scopes.clear(),
            Self::Policies => spec.policies.clear(),
            Self::BudgetProfile => spec.budget_profile = None,
            Self::Direct => spec.direct.clear(),
            Self::NetworkNamespace => spec.network_namespace = None,
        }
    }
}

fn replace<T: Clone>(old: &mut Vec<T>, new: &[T]) {
    if !new.is_empty() {
        *old = new.to_vec();
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let failed = |error: std::io::Error| Failure::No(format!("cannot read {}: {error}", path.display()));
    let file: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    file.take(FILE_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

impl TokenArg {
    fn mode(self) -> TokenMode {
        match self {
            Self::Ambient => TokenMode::Ambient,
            Self::Required => TokenMode::Required,
        }
    }
}

impl ModeArg {
    fn mode(self) -> Mode {
        match self {
            Self::Enforce => Mode::Enforce,
            Self::Shadow => Mode::Shadow,
        }
    }
}

impl DownArg {
    fn mode(self) -> OnAgentDown {
        match self {
            Self::Closed => OnAgentDown::Closed,
            Self::Open => OnAgentDown::Open,
        }
    }
}

impl ListenArg {
    fn mode(self) -> Listening {
        match self {
            Self::None => Listening::None,
            Self::Loopback => Listening::Loopback,
            Self::Allow => Listening::Allow,
        }
    }
}

impl DialArg {
    fn mode(self) -> Dial {
        match self {
            Self::Host => Dial::Host,
            Self::Namespace => Dial::Namespace,
        }
    }
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

    fn spec(yaml: &str) -> AgentSpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn flags_go_over_a_description_and_leave_the_rest() {
        let old = spec("{name: a, tenant: t, labels: {x: '1', y: '2'}, scopes: [s], policies: [p], token: required}");
        let flags = Flags {
            labels: vec![("y".to_owned(), "3".to_owned())],
            policies: vec!["q".to_owned()],
            mode: Some(ModeArg::Shadow),
            ..Flags::default()
        };
        let wanted =
            "{name: a, tenant: t, labels: {x: '1', y: '3'}, scopes: [s], policies: [q], token: required, mode: shadow}";
        assert_eq!(flags.over(old.clone(), &[]), spec(wanted));
        let wanted = "{name: a, tenant: t, labels: {y: '3'}, policies: [q], token: required, mode: shadow}";
        assert_eq!(flags.over(old.clone(), &[Field::Labels, Field::Scopes, Field::Policies]), spec(wanted));
        assert_eq!(Flags::default().over(old.clone(), &[]), old);
    }

    #[test]
    fn a_file_may_leave_the_name_to_the_command_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("spec.yaml");
        let flags = Flags { file: Some(file.clone()), ..Flags::default() };
        std::fs::write(&file, "tenant: t\npolicies: [p]\n").unwrap();
        assert_eq!(flags.described(Some("a")).unwrap().unwrap(), spec("{name: a, tenant: t, policies: [p]}"));
        assert!(flags.described(None).unwrap_err().to_string().contains("missing field `name`"));
        std::fs::write(&file, "name: b\n").unwrap();
        assert!(flags.described(Some("a")).unwrap_err().to_string().ends_with("describes b, not a"));
        std::fs::write(&file, "name: b\npolicys: []\n").unwrap();
        assert!(flags.described(None).unwrap_err().to_string().contains("unknown field `policys`"));
    }
}
