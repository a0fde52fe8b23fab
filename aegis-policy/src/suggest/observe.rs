//! What was seen of each agent's traffic, counted.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use aegis_dlp::{Action, DetectorSet};

use crate::host::Host;
use crate::replay::{Asked, Live, Past};
use crate::{Mode, Sniffed};

/// Different requests that are kept apart; what comes beyond is counted as left out.
const MAX_KEYS: usize = 200_000;

/// Names of unknown detectors that are told.
const MAX_STRANGERS: usize = 64;

/// Why a place is left out that policies have no name for.
const NO_HOST: &str = "its host is neither a name nor an address";

/// The traffic of past decisions.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    pub(super) agents: BTreeMap<String, Traffic>,
    pub(super) decisions: u64,
    /// Since when, and until when.
    pub(super) span: Option<(SystemTime, SystemTime)>,
    /// Detectors that found something and that nobody knows here, at most [`MAX_STRANGERS`]: a tenant's own.
    pub(super) strangers: BTreeSet<String>,
    keys: usize,
}

/// One agent's.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    pub(super) requests: BTreeMap<Place, BTreeMap<Call, Count>>,
    pub(super) relays: BTreeMap<Relay, Count>,
    /// Where inspected requests went, by address.
    pub(super) inspected: HashSet<SocketAddr>,
    pub(super) opaque: Opaque,
    /// Why something of it cannot be in a policy, and how often.
    pub(super) left_out: BTreeMap<String, u64>,
}

/// Where something was refused whose path is not known: no more than the paths that passed may be permitted there.
#[derive(Clone, Debug, Default)]
pub(super) struct Opaque {
    at: HashSet<(Place, String)>,
    /// There are too many of them to be kept apart.
    everywhere: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) method: String,
    /// Normalised.
    pub(super) path: String,
}

/// A connection that nobody read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relay {
    Tls(String, u16),
    Tcp(IpAddr, u16),
}

/// How often something was seen, and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) refused: u64,
    /// Refused for what was in it, not for what it was.
    pub(super) refused_for_data: u64,
    /// What was found where it passed.
    pub(super) found: DetectorSet,
    /// What it was refused for.
    pub(super) denied: DetectorSet,
    /// What a human was asked about.
    pub(super) approved: DetectorSet,
}

/// What a past decision says about what may be.
enum Says {
    Passed,
    Refused,
    RefusedForData { denied: DetectorSet, approved: DetectorSet },
}

impl Observations {
    /// Takes a past decision in.
    pub fn observe(&mut self, past: &Past) {
        if !past.live.by_policy {
            return;
        }
        self.decisions += 1;
        let (first, last) = self.span.unwrap_or((past.at, past.at));
        self.span = Some((first.min(past.at), last.max(past.at)));
        for name in &past.strangers {
            if self.strangers.len() < MAX_STRANGERS {
                self.strangers.insert(name.clone());
            }
        }
        let traffic = self.agents.entry(past.agent().name.clone()).or_default();
        let says = says(&past.live, past);
        if past.live.mode == Mode::Shadow && matches!(says, Says::Refused) {
            *traffic.left_out.entry("in shadow a rule would have refused it".to_owned()).or_default() += 1;
        }
        match &past.asked {
            Asked::Request(request) => {
                traffic.inspected.extend(request.destination);
                let unknown = past.unknown_target();
                let place = Place { host: request.host.clone(), port: request.port };
                let why = match (&request.path, unknown) {
                    (_, Some(what)) => format!("the {what} is redacted in the log"),
                    _ if !is_host(&request.host) => NO_HOST.to_owned(),
                    _ if !is_method(&request.method) => "its method is no method of a policy".to_owned(),
                    (None, None) => "the path can be read in two ways".to_owned(),
                    (Some(path), None) => {
                        let call = Call { method: request.method.clone(), path: path.clone() };
                        let calls = traffic.requests.entry(place.clone()).or_default();
                        self.keys += usize::from(!calls.contains_key(&call));
                        if self.keys <= MAX_KEYS || calls.contains_key(&call) {
                            return calls.entry(call).or_default().add(&says, past);
                        }
                        self.keys = MAX_KEYS;
                        "there are too many different requests".to_owned()
                    }
                };
                if !matches!(says, Says::Passed) {
                    traffic.opaque.add(place, &request.method);
                }
                traffic.leave_out(why, &says);
            }
            Asked::Connection(connection) => {
                if connection.host.as_deref().is_some_and(|host| !is_host(host)) {
                    return traffic.leave_out(NO_HOST.to_owned(), &says);
                }
                let relay = match (&connection.host, connection.destination, connection.protocol) {
                    (Some(host), Some(to), _) => Relay::Tls(host.clone(), to.port()),
                    (None, Some(to), Some(Sniffed::Other)) => Relay::Tcp(to.ip().to_canonical(), to.port()),
                    _ => return traffic.leave_out("it is a connection of unknown kind".to_owned(), &says),
                };
                traffic.relays.entry(relay).or_default().add(&says, past);
            }
        }
    }

    /// How many decisions were taken in.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// The agents that were seen.
    pub fn agents(&self) -> BTreeSet<&str> {
        self.agents.keys().map(String::as_str).collect()
    }
}

impl Traffic {
    fn leave_out(&mut self, why: String, says: &Says) {
        if matches!(says, Says::Passed) {
            *self.left_out.entry(why).or_default() += 1;
        }
    }
}

impl Opaque {
    fn add(&mut self, place: Place, method: &str) {
        match self.at.len() {
            0..MAX_KEYS => drop(self.at.insert((place, method.to_owned()))),
            _ => self.everywhere = true,
        }
    }

    /// Whether a pattern for this method there could take in what was refused.
    pub(super) fn holds(&self, place: &Place, method: &str) -> bool {
        self.everywhere || self.at.contains(&(place.clone(), method.to_owned()))
    }
}

impl Count {
    fn add(&mut self, says: &Says, past: &Past) {
        match says {
            Says::Passed => {
                self.passed += 1;
                self.found = past
                    .findings
                    .iter()
                    .map(|finding| finding.detector)
                    .fold(self.found, |set, one| set.union(one.into()));
            }
            Says::Refused => self.refused += 1,
            Says::RefusedForData { denied, approved } => {
                self.refused_for_data += 1;
                self.denied = self.denied.union(*denied);
                self.approved = self.approved.union(*approved);
            }
        }
    }

    /// Whether it may be in a policy: it passed, and nobody refused it for being what it is.
    pub(super) fn may_pass(&self) -> bool {
        self.passed > 0 && self.refused == 0
    }
}

/// A name or an address; what else an agent writes there (`*`, a network) would be a pattern in a policy.
fn is_host(text: &str) -> bool {
    Host::parse(text).is_some()
}

/// As policies write methods, so that YAML reads it as the word that it is.
fn is_method(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

fn says(live: &Live, past: &Past) -> Says {
    let stopped = |action: Action| -> DetectorSet {
        past.findings.iter().filter(|finding| finding.action == action).map(|finding| finding.detector).collect()
    };
    let (denied, approved) = (stopped(Action::Deny), stopped(Action::Approve));
    match live.refuses() {
        false => Says::Passed,
        true if !denied.union(approved).is_empty() => Says::RefusedForData { denied, approved },
        true => Says::Refused,
    }
}
