//! Policies and rules as they hold: read from YAML, checked, normalised.

use std::sync::Arc;

use aegis_dlp::Profile;
use serde_json::{Number, Value};

use crate::glob::{NameGlob, PathGlob};
use crate::host::HostPattern;
use crate::{Agent, Decision, FailMode, Mode, TokenRules};

/// A policy: whom its rules are for. Its rules live in the snapshot's one list.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) name: Arc<str>,
    pub(crate) agents: Vec<NameGlob>,
    /// Empty: any tenant.
    pub(crate) tenants: Vec<NameGlob>,
    pub(crate) labels: Vec<(String, NameGlob)>,
    pub(crate) mode: Mode,
    pub(crate) tokens: TokenRules,
}

/// A rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// `policy/rule`, unique in a snapshot.
    pub(crate) id: Arc<str>,
    /// Which policy it stands in.
    pub(crate) policy: usize,
    pub(crate) tool: Option<Arc<str>>,
    pub(crate) reason: Arc<str>,
    pub(crate) priority: i64,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) ports: Vec<u16>,
    pub(crate) transport: Transport,
    pub(crate) private: bool,
    /// Empty: any.
    pub(crate) methods: Vec<String>,
    /// Empty: any.
    pub(crate) paths: Vec<PathGlob>,
    pub(crate) headers: Vec<FieldTest>,
    pub(crate) query: Vec<FieldTest>,
    pub(crate) body: Vec<BodyTest>,
    pub(crate) decision: Decision,
    pub(crate) profile: Profile,
    pub(crate) mode: Mode,
    pub(crate) fail_mode: FailMode,
}

/// What kind of traffic a rule is for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Requests that Aegis reads.
    Http,
    /// TLS relayed unread.
    Passthrough,
    /// Raw TCP.
    Tcp,
}

/// A condition on a header or a query parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldTest {
    pub(crate) name: String,
    pub(crate) test: TextTest,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextTest {
    Equals(String),
    Matches(String),
}

/// A condition on a value of the JSON body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BodyTest {
    pub(crate) path: Vec<Segment>,
    pub(crate) test: ValueTest,
}

/// One step into a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueTest {
    Equals(Value),
    Differs(Value),
    Compares(Order, Number),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Matches(String),
    Exists(bool),
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Policy {
    /// Whether the policy is for this agent.
    pub(crate) fn covers(&self, agent: &Agent) -> bool {
        (agent.policies.is_empty() || agent.policies.iter().any(|name| *name == *self.name))
            && self.agents.iter().any(|glob| glob.matches(&agent.name))
            && (self.tenants.is_empty() || self.tenants.iter().any(|glob| glob.matches(&agent.tenant)))
            && self.labels.iter().all(|(key, glob)| agent.labels.get(key).is_some_and(|value| glob.matches(value)))
    }
}

impl Rule {
    /// Whether a doubtful value counts as met: it must never help the agent.
    pub(crate) fn doubt_meets(&self) -> bool {
        !self.decision.permits()
    }

    /// Whether no request to the rule's hosts and ports gets past it.
    pub(crate) fn refuses_every_request(&self) -> bool {
        self.decision == Decision::Deny
            && self.mode == Mode::Enforce
            && self.transport == Transport::Http
            && self.methods.is_empty()
            && self.paths.is_empty()
            && self.reads_only_head()
    }

    /// Whether nothing but port, method and path are looked at.
    pub(crate) fn reads_only_head(&self) -> bool {
        self.headers.is_empty() && self.query.is_empty() && self.body.is_empty()
    }

    /// Whether a match can end in something other than a refusal of the connection, so that the name has to resolve.
    pub(crate) fn may_answer(&self) -> bool {
        self.decision != Decision::Deny || self.mode == Mode::Shadow
    }
}

impl Order {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Order::Less => "<",
            Order::AtMost => "<=",
            Order::More => ">",
            Order::AtLeast => ">=",
        }
    }
}

impl std::fmt::Display for BodyTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("body ")?;
        for segment in &self.path {
            match segment {
                Segment::Key(key) => write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))?,
                Segment::Index(index) => write!(f, "/{index}")?,
            }
        }
        match &self.test {
            ValueTest::Equals(value) => write!(f, " == {value}"),
            ValueTest::Differs(value) => write!(f, " != {value}"),
            ValueTest::Compares(order, number) => write!(f, " {} {number}", order.symbol()),
            ValueTest::In(values) => write!(f, " in {}", Value::from(values.clone())),
            ValueTest::NotIn(values) => write!(f, " not_in {}", Value::from(values.clone())),
            ValueTest::Matches(regex) => write!(f, " matches {regex}"),
            ValueTest::Exists(wanted) => write!(f, " exists: {wanted}"),
        }
    }
}
