//! The decision alone, without a network.

use std::time::{Instant, SystemTime};

use aegis_policy::{Agent, Content, Intent, JSON_DEPTH, JsonBody, Snapshot, Source, Usage, compile, parse_strict_json};
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::load::Quantiles;

const AGENTS: usize = 100;
const RULES_PER_AGENT: usize = 10;
const DECISIONS: usize = 20_000;

/// What a decision takes, for a 4 KB JSON body.
pub struct Decisions {
    /// 1,000 rules over 100 agents; the body was read already.
    pub alone: Quantiles,
    /// With ten times as many other agents and rules.
    pub among_ten_times_more: Quantiles,
    /// With the reading of the body.
    pub with_parsing: Quantiles,
}

pub fn run() -> Result<Decisions> {
    let usual = compiled(AGENTS)?;
    Ok(Decisions {
        alone: decisions(&usual, false)?,
        among_ten_times_more: decisions(&compiled(10 * AGENTS)?, false)?,
        with_parsing: decisions(&usual, true)?,
    })
}

/// Decisions for one of the agents.
fn decisions(snapshot: &Snapshot, parsing: bool) -> Result<Quantiles> {
    let agent = Agent { name: "agent-50".into(), ..Agent::default() };
    let body = serde_json::json!({"amount": 4000, "notes": vec!["an ordinary entry of some length"; 110]});
    let bytes = body.to_string().into_bytes();
    ensure!(parse_strict_json(&bytes, JSON_DEPTH).is_ok(), "the body is no JSON");
    let headers = http::HeaderMap::new();
    let mut seen = Histogram::<u64>::new(3)?;
    for number in 0..DECISIONS {
        let intent = Intent {
            agent: &agent,
            scheme: "https",
            host: "h3.test",
            port: 443,
            method: "POST",
            path: if number % 2 == 0 { "/v3/x" } else { "/v8/x" },
            query: None,
            headers: &headers,
            tool: None,
            tool_in_doubt: false,
            now: SystemTime::UNIX_EPOCH,
            usage: Usage::default(),
        };
        let begin = Instant::now();
        let parsed = if parsing { parse_strict_json(&bytes, JSON_DEPTH).ok() } else { None };
        let json = JsonBody::Value(parsed.as_ref().unwrap_or(&body));
        let verdict = snapshot.decide(&intent, &Content { json, findings: &[] });
        let took = begin.elapsed();
        std::hint::black_box(&verdict);
        seen.record(u64::try_from(took.as_nanos())?)?;
    }
    Ok(Quantiles::of(&seen))
}

/// Ten rules for each of `agents`.
fn compiled(agents: usize) -> Result<Snapshot> {
    let mut yaml = String::from("version: bench\npolicies:\n");
    for agent in 0..agents {
        yaml.push_str(&format!("  - name: p{agent}\n    agents: [agent-{agent}]\n    rules:\n"));
        for rule in 0..RULES_PER_AGENT {
            yaml.push_str(&format!(
                "      - {{name: r{rule}, hosts: [h{}.test], methods: [POST], paths: [\"/v{rule}/**\"], body: [{{path: amount, op: \"<=\", value: {}}}], decision: allow}}\n",
                rule % 5,
                1000 * (rule + 1)
            ));
        }
    }
    Ok(compile(&[Source { name: "bench.yaml".into(), text: yaml }])?)
}
