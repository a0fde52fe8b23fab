//! From what was seen to rules that permit it and nothing that was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aegis_dlp::DetectorSet;

use super::observe::{Call, Count, Place, Relay, Traffic};
use crate::glob::PathGlob;

/// What a rule permits, apart from where: equal ones are one rule with several hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) ports: BTreeSet<u16>,
    pub(super) private: bool,
    pub(super) data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Requests { methods: BTreeSet<String>, paths: BTreeSet<String> },
    Passthrough,
    Tcp,
}

/// A rule to be.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) shape: Shape,
    pub(super) hosts: BTreeSet<String>,
    pub(super) passed: u64,
    pub(super) refused_for_data: u64,
}

/// What is permitted of one method at one place under one pattern.
#[derive(Clone, Debug, Default)]
struct Group {
    passed: u64,
    refused_for_data: u64,
    redact: DetectorSet,
    approve: DetectorSet,
    deny: DetectorSet,
}

/// The rules for an agent, and why something of what passed is not in them.
pub(super) fn rules(traffic: &Traffic) -> (Vec<Rule>, BTreeMap<String, u64>) {
    let mut left_out = traffic.left_out.clone();
    let mut rules: Vec<Rule> = Vec::new();
    for (place, calls) in &traffic.requests {
        for rule in requests(traffic, place, calls, &mut left_out) {
            merge_ports(&mut rules, rule);
        }
    }
    rules = merge_hosts(rules);
    for (relay, count) in &traffic.relays {
        match relayed(traffic, relay, count) {
            Ok(Some(rule)) => rules.push(rule),
            Ok(None) => {}
            Err(why) => *left_out.entry(why.to_owned()).or_default() += count.passed,
        }
    }
    (rules, left_out)
}

fn requests(
    traffic: &Traffic,
    place: &Place,
    calls: &BTreeMap<Call, Count>,
    left_out: &mut BTreeMap<String, u64>,
) -> Vec<Rule> {
    let mut patterns: BTreeMap<(&str, String), Group> = BTreeMap::new();
    for (call, count) in calls {
        if count.passed > 0 && count.refused > 0 {
            let why = format!("{} {}:{}{} was refused, too", call.method, place.host, place.port, call.path);
            *left_out.entry(why).or_default() += count.passed;
        }
        if !count.may_pass() {
            continue;
        }
        match pattern(call, calls, traffic.opaque.holds(place, &call.method)) {
            Some(pattern) => patterns.entry((&call.method, pattern)).or_default().add(count),
            None => *left_out.entry("no pattern is for its path alone".to_owned()).or_default() += count.passed,
        }
    }
    // Whichever of several patterns is tried first: what was refused for its data stays so.
    for (call, count) in calls.iter().filter(|(_, count)| !count.denied.union(count.approved).is_empty()) {
        for ((method, pattern), group) in &mut patterns {
            if *method == call.method && PathGlob::parse(pattern).is_ok_and(|glob| glob.matches(&call.path)) {
                group.deny = group.deny.union(count.denied);
                group.approve = group.approve.union(count.approved);
            }
        }
    }
    grouped(place, patterns)
}

/// The pattern for a path: its identifiers are wildcards, unless that would take in what was refused, or could (`exact`).
fn pattern(call: &Call, calls: &BTreeMap<Call, Count>, exact: bool) -> Option<String> {
    // In a pattern it would be a wildcard, and of the agent's choosing.
    if call.path.contains('*') {
        return None;
    }
    let takes_refused = |glob: &PathGlob| {
        calls.iter().any(|(other, count)| other.method == call.method && !count.may_pass() && glob.matches(&other.path))
    };
    let fits =
        |text: &String| PathGlob::parse(text).is_ok_and(|glob| glob.matches(&call.path) && !takes_refused(&glob));
    let wider = (!exact).then(|| generalised(&call.path));
    wider.into_iter().chain([call.path.clone()]).find(fits)
}

/// The path with `*` for segments that are numbers, UUIDs or long hexadecimal words.
pub(super) fn generalised(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').map(|segment| if is_id(segment) { "*" } else { segment }).collect();
    segments.join("/")
}

fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = segment.bytes().filter(|byte| *byte == b'-').count();
    let (length, number) = (segment.len(), !segment.is_empty() && digits == segment.len());
    let uuid = length == 36 && hex == 32 && dashes == 4;
    number || uuid || (hex == length && length >= 16 && digits > 0)
}

/// What a rule does with data, by the detectors' names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Data {
    pub(super) deny: Vec<&'static str>,
    pub(super) approve: Vec<&'static str>,
    pub(super) redact: Vec<&'static str>,
}

/// Names that belong together, and how often they were seen.
#[derive(Default)]
struct Together {
    names: BTreeSet<String>,
    passed: u64,
    refused_for_data: u64,
}

impl Together {
    fn add(&mut self, name: String, passed: u64, refused_for_data: u64) {
        self.names.insert(name);
        self.passed += passed;
        self.refused_for_data += refused_for_data;
    }
}

/// Patterns with the same methods and the same data are one rule.
fn grouped(place: &Place, patterns: BTreeMap<(&str, String), Group>) -> Vec<Rule> {
    let mut methods: BTreeMap<(String, Data), Together> = BTreeMap::new();
    for ((method, pattern), group) in patterns {
        let approve = group.approve.difference(group.deny);
        let redact = group.redact.difference(group.deny).difference(approve);
        let data = Data { deny: names(group.deny), approve: names(approve), redact: names(redact) };
        let all = methods.entry((pattern, data)).or_default();
        all.add(method.to_owned(), group.passed, group.refused_for_data);
    }
    let mut rules: BTreeMap<(BTreeSet<String>, Data), Together> = BTreeMap::new();
    for ((pattern, data), methods) in methods {
        let paths = rules.entry((methods.names, data)).or_default();
        paths.add(pattern, methods.passed, methods.refused_for_data);
    }
    let private = place.host.parse::<IpAddr>().is_ok_and(is_private);
    let rule = |((methods, data), paths): ((BTreeSet<String>, Data), Together)| Rule {
        shape: Shape {
            kind: Kind::Requests { methods, paths: paths.names },
            ports: BTreeSet::from([place.port]),
            private,
            data,
        },
        hosts: BTreeSet::from([place.host.clone()]),
        passed: paths.passed,
        refused_for_data: paths.refused_for_data,
    };
    rules.into_iter().map(rule).collect()
}

/// The same rule for another port of the same host.
fn merge_ports(rules: &mut Vec<Rule>, rule: Rule) {
    let same = rules.iter_mut().find(|other| {
        other.hosts == rule.hosts && other.shape.kind == rule.shape.kind && other.shape.data == rule.shape.data
    });
    match same {
        Some(same) => {
            same.shape.ports.extend(&rule.shape.ports);
            same.passed += rule.passed;
            same.refused_for_data += rule.refused_for_data;
        }
        None => rules.push(rule),
    }
}

/// The same rule for several hosts.
fn merge_hosts(rules: Vec<Rule>) -> Vec<Rule> {
    let mut merged: BTreeMap<Shape, Rule> = BTreeMap::new();
    for rule in rules {
        match merged.get_mut(&rule.shape) {
            Some(same) => {
                same.hosts.extend(rule.hosts);
                same.passed += rule.passed;
                same.refused_for_data += rule.refused_for_data;
            }
            None => drop(merged.insert(rule.shape.clone(), rule)),
        }
    }
    let mut rules: Vec<Rule> = merged.into_values().collect();
    rules.sort_by(|a, b| a.hosts.cmp(&b.hosts).then(b.passed.cmp(&a.passed)));
    rules
}

fn relayed(traffic: &Traffic, relay: &Relay, count: &Count) -> Result<Option<Rule>, &'static str> {
    if count.passed > 0 && count.refused > 0 {
        return Err("it was relayed unread, and refused as well");
    }
    if !count.may_pass() {
        return Ok(None);
    }
    let (kind, host, port) = match relay {
        Relay::Tls(host, port) => (Kind::Passthrough, host.clone(), *port),
        Relay::Tcp(address, port) => (Kind::Tcp, address.to_string(), *port),
    };
    let inspected = match relay {
        Relay::Tls(host, port) => traffic.requests.contains_key(&Place { host: host.clone(), port: *port }),
        Relay::Tcp(address, port) => traffic.inspected.iter().any(|to| (to.ip(), to.port()) == (*address, *port)),
    };
    if inspected {
        return Err("it was relayed unread, and other traffic to the same place is inspected");
    }
    let private = host.parse::<IpAddr>().is_ok_and(is_private);
    let shape = Shape { kind, ports: BTreeSet::from([port]), private, data: Data::default() };
    Ok(Some(Rule { shape, hosts: BTreeSet::from([host]), passed: count.passed, refused_for_data: 0 }))
}

impl Group {
    fn add(&mut self, count: &Count) {
        self.passed += count.passed;
        self.refused_for_data += count.refused_for_data;
        self.redact = self.redact.union(count.found);
    }
}

fn names(set: DetectorSet) -> Vec<&'static str> {
    set.iter().map(|one| one.name()).collect()
}

/// Address space that a rule must ask for (as the schema sees it).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
