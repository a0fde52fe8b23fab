//! Requests decided as the daemon decides them, and the events of it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use aegis_dlp::{Action, DetectorSet, Finding};
use aegis_policy::decision_log::{BodyKnown, Decided, Event, Found, Sight};
use aegis_policy::replay::{Past, Replayed, Replayer};
use aegis_policy::{Content, JsonBody, Mode, Snapshot, Verdict, parse_strict_json};

use crate::common::Ask;

/// The event of a request, as the daemon makes it: asked, scanned under the permit's profile, asked again. `ask.findings` is
/// what there is to find.
pub fn event(snapshot: &Snapshot, ask: &Ask, id: &str) -> Event {
    ask.with(|intent, content| {
        let needs = snapshot.needs(intent);
        let (json, body) = match (content.json, needs.json) {
            (JsonBody::None, _) => (JsonBody::None, BodyKnown::None),
            (_, false) => (JsonBody::None, BodyKnown::Unread),
            (json @ JsonBody::Value(_), true) => (json, BodyKnown::Json),
            (json @ JsonBody::Invalid, true) => (json, BodyKnown::Invalid),
            (json @ JsonBody::TooLarge, true) => (json, BodyKnown::TooLarge),
        };
        let (verdict, seen) = snapshot.decide_noting(intent, &Content { json, findings: &[] });
        let mut sight = Sight { seen: seen.bounded(), body, usage: Some(intent.usage), ..Sight::default() };
        let (verdict, findings) = match verdict {
            Verdict::Permit(permit) => {
                sight.looked_for = permit.profile().detectors();
                let profile = permit.profile().clone();
                let seen = content.findings.iter().filter_map(|finding| {
                    profile.action(finding.detector).map(|action| Finding { action, ..finding.clone() })
                });
                let found: Vec<Finding> = seen.collect();
                let denied = found.iter().any(|finding| finding.action >= Action::Approve);
                if denied || (permit.mode() == Mode::Shadow && !found.is_empty()) {
                    if denied {
                        sight.looked_for = DetectorSet::EMPTY;
                    }
                    (snapshot.decide(intent, &Content { json, findings: &found }), found)
                } else {
                    (Verdict::Permit(permit), found)
                }
            }
            denial => (denial, Vec::new()),
        };
        let of = |decision, mode, rule, reason, kind, version| Decided {
            labels: ("test", "0"),
            decision_id: id,
            trace_id: "",
            trace_is_foreign: true,
            took: Duration::from_micros(20),
            decision,
            mode,
            rule,
            tool: None,
            reason,
            kind,
            policy_version: version,
            findings: findings.iter().map(|one| Found::of(one, snapshot.everything())).collect(),
            masks: snapshot.everything(),
        };
        let decided = match &verdict {
            Verdict::Permit(p) => of(p.decision(), p.mode(), p.rule(), p.reason(), None, p.policy_version()),
            Verdict::Denial(d) => {
                of(d.decision, Mode::Enforce, d.rule.as_deref(), &d.reason, Some(d.kind), &d.policy_version)
            }
        };
        let ip = ask.host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
        Event::of_request(decided, intent, SocketAddr::new(ip, ask.port), &sight)
    })
}

/// The event as it comes back from the log.
pub fn past(snapshot: &Snapshot, ask: &Ask) -> Past {
    let line = serde_json::to_string(&event(snapshot, ask, "id")).unwrap();
    Past::of_line(&line).unwrap().unwrap()
}

/// `[shadow ]DECISION[ rule]`, or `? what it depends on`.
pub fn replayed(candidate: &Snapshot, past: &Past) -> String {
    match Replayer::new(candidate).decide(past) {
        Replayed::Decided(answer) => {
            let shadow = if answer.mode == Mode::Shadow { "shadow " } else { "" };
            let rule = answer.rule.map(|rule| format!(" {rule}")).unwrap_or_default();
            format!("{shadow}{}{rule}", answer.decision.name())
        }
        Replayed::Undecidable(because) => format!("? {}", because.join(", ")),
        Replayed::NotAsked => "not asked".to_owned(),
    }
}

/// Reads a body as the daemon does.
pub fn json(text: &str) -> serde_json::Value {
    parse_strict_json(text.as_bytes(), 64).unwrap()
}
