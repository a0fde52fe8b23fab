//! Policies and rules as they hold: read from YAML, checked, normalised.

use std::sync::Arc;

use aegis_dlp::Profile;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::glob::{NameGlob, PathGlob};
use crate::host::HostPattern;
use crate::raw_rego::RawCondition;
use crate::window::Window;
use crate::{Agent, Decision, FailMode, Handling, Mode, TokenRules, Usd};

/// A policy: whom its rules are for. Its rules live in the snapshot's one list.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) name: Arc<str>,
    /// The team that wrote it; `None` for those who own the policy, whose rules are tried before all others.
    pub(crate) team: Option<Arc<str>>,
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
    /// Which of the policy's agents; empty: all of them.
    pub(crate) agents: Vec<NameGlob>,
    /// Which of the policy's tenants; empty: all of them.
    pub(crate) tenants: Vec<NameGlob>,
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
    /// What only Rego can say.
    pub(crate) rego: Option<RawCondition>,
    /// Every name that the request's tool has; empty: any tool, and none.
    pub(crate) tools: Vec<NameGlob>,
    /// All of them.
    pub(crate) scopes: Vec<String>,
    /// One of them; empty: no matter.
    pub(crate) any_scope: Vec<String>,
    /// The sub-agent that acts; empty: any, and none.
    pub(crate) actors: Vec<NameGlob>,
    /// Where the host keeps data; empty: anywhere.
    pub(crate) regions: Vec<Arc<str>>,
    /// In one of them; empty: at any time.
    pub(crate) when: Vec<Window>,
    /// All of them.
    pub(crate) usage: Vec<UsageTest>,
    pub(crate) decision: Decision,
    pub(crate) profile: Profile,
    pub(crate) mode: Mode,
    pub(crate) fail_mode: FailMode,
    pub(crate) handling: Handling,
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

/// One step into a JSON body; as JSON a string or a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
    /// Each element of an array; as JSON null.
    Every,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueTest {
    Equals(Value),
    Differs(Value),
    Compares(Order, Number),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Matches(String),
    StartsWith(String),
    EndsWith(String),
    /// An array with one of these in it.
    Contains(Vec<Value>),
    /// An array with nothing but these in it.
    SubsetOf(Vec<Value>),
    /// Characters of a string, elements of an array.
    Length(Relation, u64),
    /// In relation to the value at another path.
    Against(Relation, Vec<Segment>),
    Exists(bool),
}

/// A condition on what the agent has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsageTest {
    pub(crate) of: Measure,
    pub(crate) per: Span,
    pub(crate) order: Order,
    /// Requests, bytes, or millionths of a dollar.
    pub(crate) bound: u64,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    Requests,
    BytesOut,
    CostUsd,
}

/// A window that ends now.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Span {
    Minute,
    Hour,
    Day,
}

/// How two values stand to each other.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    Same,
    Different,
    Ordered(Order),
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
    /// Whether the rule is for this agent, where its policy is.
    pub(crate) fn covers(&self, agent: &Agent) -> bool {
        let one_of = |globs: &[NameGlob], text: &str| globs.is_empty() || globs.iter().any(|glob| glob.matches(text));
        one_of(&self.agents, &agent.name) && one_of(&self.tenants, &agent.tenant)
    }

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

    /// Whether bytes that nobody reads are refused, which may be what the rule refuses: that they may not be is a doubt, and
    /// doubt never helps the agent. A rule in shadow refuses nothing.
    pub(crate) fn refuses_unread(&self) -> bool {
        self.doubt_meets() && self.mode == Mode::Enforce
    }

    /// Whether nothing but port, method and path are looked at.
    pub(crate) fn reads_only_head(&self) -> bool {
        let content = !(self.headers.is_empty() && self.query.is_empty() && self.body.is_empty());
        let caller = !(self.scopes.is_empty() && self.any_scope.is_empty() && self.actors.is_empty());
        let moment = !(self.when.is_empty() && self.usage.is_empty());
        let other = self.rego.is_some() || !self.tools.is_empty() || !self.regions.is_empty();
        !(content || caller || moment || other)
    }

    /// How many of its conditions go through the elements of an array, as many as the agent likes.
    pub(crate) fn lists(&self) -> usize {
        self.body.iter().filter(|test| test.reads_elements() || test.path.contains(&Segment::Every)).count()
    }

    /// How many steps its conditions take into the body.
    pub(crate) fn depth(&self) -> usize {
        self.body.iter().map(|test| test.path.len()).sum()
    }

    /// Whether a match can end in something other than a refusal of the connection, so that the name has to resolve.
    pub(crate) fn may_answer(&self) -> bool {
        self.decision != Decision::Deny || self.mode == Mode::Shadow
    }
}

impl BodyTest {
    /// Whether the elements of the value itself matter.
    fn reads_elements(&self) -> bool {
        matches!(self.test, ValueTest::Contains(_) | ValueTest::SubsetOf(_) | ValueTest::Length(..))
    }

    /// The paths to all that the condition looks at.
    pub(crate) fn reads(&self) -> impl Iterator<Item = Vec<Segment>> {
        let elements = self.reads_elements().then(|| [self.path.as_slice(), &[Segment::Every]].concat());
        let other = match &self.test {
            ValueTest::Against(_, other) => Some(other.clone()),
            _ => None,
        };
        [Some(self.path.clone()), elements, other].into_iter().flatten()
    }
}

impl Measure {
    /// As the input document names it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::BytesOut => "bytes_out",
            Measure::CostUsd => "cost_microusd",
        }
    }
}

impl Span {
    pub(crate) const ALL: [Span; 3] = [Span::Minute, Span::Hour, Span::Day];

    /// As the input document and the language name it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Span::Minute => "minute",
            Span::Hour => "hour",
            Span::Day => "day",
        }
    }
}

impl Relation {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Relation::Same => "==",
            Relation::Different => "!=",
            Relation::Ordered(order) => order.symbol(),
        }
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

impl std::fmt::Display for UsageTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let UsageTest { of, per, order, bound } = self;
        match of {
            Measure::CostUsd => {
                let dollars = Usd::from_micros(*bound).dollars();
                write!(f, "cost_usd a {} {} {dollars}", per.key(), order.symbol())
            }
            of => write!(f, "{} a {} {} {bound}", of.key(), per.key(), order.symbol()),
        }
    }
}

/// A path into a body as people read it.
fn pointer(path: &[Segment]) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Index(index) => format!("/{index}"),
        Segment::Every => "/*".to_owned(),
    };
    path.iter().map(step).collect()
}

impl std::fmt::Display for BodyTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "body {}", pointer(&self.path))?;
        match &self.test {
            ValueTest::Equals(value) => write!(f, " == {value}"),
            ValueTest::Differs(value) => write!(f, " != {value}"),
            ValueTest::Compares(order, number) => write!(f, " {} {number}", order.symbol()),
            ValueTest::In(values) => write!(f, " in {}", Value::from(values.clone())),
            ValueTest::NotIn(values) => write!(f, " not_in {}", Value::from(values.clone())),
            ValueTest::Matches(regex) => write!(f, " matches {regex}"),
            ValueTest::StartsWith(text) => write!(f, " starts_with {text}"),
            ValueTest::EndsWith(text) => write!(f, " ends_with {text}"),
            ValueTest::Contains(values) => write!(f, " contains one of {}", Value::from(values.clone())),
            ValueTest::SubsetOf(values) => write!(f, " subset_of {}", Value::from(values.clone())),
            ValueTest::Length(relation, length) => write!(f, " length {} {length}", relation.symbol()),
            ValueTest::Against(relation, other) => write!(f, " {} body {}", relation.symbol(), pointer(other)),
            ValueTest::Exists(wanted) => write!(f, " exists: {wanted}"),
        }
    }
}
