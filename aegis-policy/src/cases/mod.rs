//! Cases beside a policy (`NAME.test.yaml`): what is asked, and what is to be answered.
//!
//! ```text
//! read -> Case --run--> Outcome --Coverage--> the rules that no case reaches
//! ```

mod coverage;
mod run;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

pub use coverage::Coverage;
pub use run::{Outcome, run};

use crate::{Agent, Mode, Usage};

/// When a case is asked that does not say: noon UTC of a Thursday, 1 January 2026.
const NOON: jiff::Timestamp = jiff::Timestamp::constant(1_767_268_800, 0);

/// Stands for an address that a case does not name (RFC 5737).
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is called; the question, where it is called nothing.
    #[serde(default)]
    pub name: Option<String>,
    /// Name of the agent that asks.
    pub agent: String,
    /// Its organisation.
    #[serde(default)]
    pub org: String,
    /// Its tenant.
    #[serde(default)]
    pub tenant: String,
    /// The agent that started it.
    #[serde(default)]
    pub parent: Option<String>,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Scopes of its token.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The only policies that apply to it.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The sub-agent that its token names.
    #[serde(default)]
    pub actor: Option<String>,
    /// Its own mode.
    #[serde(default)]
    pub mode: Mode,
    /// `METHOD URL`, `TLS HOST[:PORT]`, `TCP HOST:PORT` or `NAME HOST`.
    pub ask: Ask,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body: text, or YAML that is sent as JSON.
    #[serde(default)]
    pub body: Body,
    /// The tool's name as a protocol in the request gives it.
    #[serde(default)]
    pub tool: Option<String>,
    /// When it is asked (RFC 3339).
    #[serde(default = "noon", deserialize_with = "timestamp")]
    pub now: SystemTime,
    /// What the agent has used before.
    #[serde(default)]
    pub usage: Usage,
    /// `[shadow ]DECISION[ POLICY/RULE]`; also `inspect` of a connection and `resolve` of a name.
    pub expect: String,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A request.
    Request {
        /// Its method.
        method: String,
        /// Its absolute URL.
        url: String,
    },
    /// A connection that begins with a TLS ClientHello.
    Tls {
        /// The server name; none where an address was written.
        host: Option<String>,
        /// Where it goes.
        destination: SocketAddr,
    },
    /// A connection of unknown bytes.
    Tcp {
        /// The name that its address was resolved from; none where an address was written.
        host: Option<String>,
        /// Where it goes.
        destination: SocketAddr,
    },
    /// A name to be resolved.
    Name(
        /// The name.
        String,
    ),
}

/// A body, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(pub String);

impl Case {
    /// The agent that asks.
    pub fn asker(&self) -> Agent {
        Agent {
            name: self.agent.clone(),
            org: self.org.clone(),
            tenant: self.tenant.clone(),
            parent: self.parent.clone(),
            labels: self.labels.clone(),
            scopes: self.scopes.clone(),
            policies: self.policies.clone(),
            actor: self.actor.clone(),
            mode: self.mode,
            ..Agent::default()
        }
    }
}

/// Reads the text of a file of cases.
///
/// # Errors
/// One line: what is wrong, and where.
pub fn read(text: &str) -> Result<Vec<Case>, String> {
    let cases: Vec<Case> = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    if cases.is_empty() { Err("there is no case in it".to_owned()) } else { Ok(cases) }
}

fn noon() -> SystemTime {
    NOON.into()
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    crate::instant(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for Ask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Ask {
    /// # Errors
    /// One line: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            let forms = "write METHOD URL, TLS HOST, TCP HOST:PORT or NAME HOST";
            format!("`{text}` asks nothing: {forms}")
        };
        let (word, rest) = text.split_once(' ').ok_or_else(wrong)?;
        if rest.is_empty() || rest.contains(char::is_whitespace) {
            return Err(wrong());
        }
        match word {
            "NAME" => Ok(Self::Name(rest.to_owned())),
            "TLS" => {
                let (host, destination) = place(rest, Some(443)).ok_or_else(wrong)?;
                Ok(Self::Tls { host, destination })
            }
            "TCP" => {
                let (host, destination) = place(rest, None).ok_or_else(wrong)?;
                Ok(Self::Tcp { host, destination })
            }
            method => Ok(Self::Request { method: method.to_owned(), url: rest.to_owned() }),
        }
    }
}

/// `name`, `name:port`, `address`, `address:port`, `[v6]:port`.
fn place(text: &str, default: Option<u16>) -> Option<(Option<String>, SocketAddr)> {
    if let Ok(destination) = text.parse::<SocketAddr>() {
        return Some((None, destination));
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some((None, SocketAddr::new(address, default?)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, default?),
    };
    Some((Some(host.to_owned()), SocketAddr::new(SOMEWHERE, port)))
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Self::default(),
            serde_json::Value::String(text) => Self(text),
            other => Self(other.to_string()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let host = |text: &str| Some(text.to_owned());
        let table = [
            ("GET https://a.test/", Ask::Request { method: "GET".into(), url: "https://a.test/".into() }),
            ("TLS a.test", Ask::Tls { host: host("a.test"), destination: at("192.0.2.1:443") }),
            ("TLS a.test:8443", Ask::Tls { host: host("a.test"), destination: at("192.0.2.1:8443") }),
            ("TLS 203.0.113.7", Ask::Tls { host: None, destination: at("203.0.113.7:443") }),
            ("TCP 10.20.0.5:5432", Ask::Tcp { host: None, destination: at("10.20.0.5:5432") }),
            ("TCP [fd00::1]:7", Ask::Tcp { host: None, destination: at("[fd00::1]:7") }),
            ("TCP db.test:5432", Ask::Tcp { host: host("db.test"), destination: at("192.0.2.1:5432") }),
            ("NAME a.test", Ask::Name("a.test".into())),
        ];
        for (text, ask) in table {
            assert_eq!(Ask::parse(text).unwrap(), ask, "{text}");
        }
        for bad in ["", "GET", "GET ", "GET a b", "TCP 10.0.0.1", "TCP a.test", "TCP a.test:x"] {
            assert!(Ask::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cases_are_strict_and_say_where() {
        let good = "- {agent: a, ask: GET https://a.test/, body: {n: 1}, now: 2026-11-23T09:30:00Z, expect: deny}\n\
                    - {agent: a, ask: GET https://a.test/, body: '{\"n\": 1, \"n\": 2}', expect: deny}";
        let cases = read(good).unwrap();
        assert_eq!(cases[0].body, Body(r#"{"n":1}"#.into()));
        assert_eq!(cases[1].body, Body(r#"{"n": 1, "n": 2}"#.into()));
        let since = cases[0].now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 1_795_426_200);
        let noon = cases[1].now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((noon.as_secs() % 86_400, noon.as_secs() / 86_400), (43_200, 20_454));
        for (text, why) in [
            ("- {agent: a, ask: GET https://a.test/, expect: deny, labls: {}}", "unknown field `labls`"),
            ("- {agent: a, ask: GET https://a.test/}", "missing field `expect`"),
            ("- {agent: a, ask: GET, expect: deny}", "`GET` asks nothing"),
            ("- {agent: a, ask: GET https://a.test/, now: noon, expect: deny}", "`noon` is no time"),
            ("[]", "there is no case in it"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
