//! What the decision log costs a request, and what a replay takes. `cargo run --release -p aegis-policy --example replay_bench`
//!
//! Prints the median of a decision without and with what is handed over for its event, of making the event, and of asking it
//! again; then the time for 35,000 lines, where all is known and where every decision needs a look at each condition.

use std::error::Error;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use aegis_policy::decision_log::{BodyKnown, Decided, Event, Sight};
use aegis_policy::replay::{Comparison, Past, Replayer};
use aegis_policy::{
    Agent, Content, Decision, Intent, JsonBody, Mode, Snapshot, Source, Usage, compile, parse_strict_json,
};

const ROUNDS: usize = 20_000;
const LINES: usize = 35_000;

fn main() -> Result<(), Box<dyn Error>> {
    let live = policy("amount", 5000)?;
    let agent = Agent { name: "agent-0".into(), ..Agent::default() };
    let mut headers = http::HeaderMap::new();
    for (name, value) in
        [("x-env", "prod"), ("accept", "*/*"), ("user-agent", "bench/1"), ("content-type", "application/json")]
    {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    let intent = Intent {
        agent: &agent,
        scheme: "https",
        host: "h1.example.com",
        port: 443,
        method: "POST",
        path: "/v9/charges",
        query: Some("page=1"),
        headers: &headers,
        tool: None,
        tool_in_doubt: false,
        now: SystemTime::now(),
        usage: Usage::default(),
    };
    let body = parse_strict_json(br#"{"amount": 4200, "currency": "usd", "note": "a payment"}"#, 64)?;
    let content = Content { json: JsonBody::Value(&body), findings: &[] };
    let event = || event(&live, &intent, &content);
    println!("decide                      {:>8} ns", median(|| live.decide(&intent, &content)));
    println!("decide, noting what it read {:>8} ns", median(|| live.decide_noting(&intent, &content)));
    println!("event made and redacted     {:>8} ns   (on the log's own thread)", median(event));
    let line = serde_json::to_string(&event())?;
    println!("event                       {:>8} bytes", line.len());
    for (what, candidate) in [("known", policy("amount", 4000)?), ("unknown", policy("currency", 4000)?)] {
        let start = Instant::now();
        let (mut replayer, mut comparison) = (Replayer::new(&candidate), Comparison::default());
        for _ in 0..LINES {
            let Some(past) = Past::of_line(&line)? else { continue };
            let replayed = replayer.decide(&past);
            comparison.add(&past, &replayed);
        }
        let took = start.elapsed();
        println!("{LINES} decisions, {what:<8} {:>8} ms   {}", took.as_millis(), comparison.finish().summary());
    }
    Ok(())
}

/// Ten rules an agent on two hosts; the last one of a host is the one that decides.
fn policy(read: &str, bound: u32) -> Result<Snapshot, Box<dyn Error>> {
    let mut text = String::from("version: bench\npolicies:\n");
    for agent in 0..100 {
        writeln!(text, "  - name: policy-{agent}\n    agents: [agent-{agent}]\n    rules:")?;
        for rule in 0..10 {
            writeln!(
                text,
                "      - {{name: rule-{rule}, hosts: [h{}.example.com], methods: [POST], paths: [\"/v{rule}/**\"], \
                 headers: {{x-env: prod}}, body: [{{path: {read}, op: \"<=\", value: {bound}}}], decision: allow}}",
                rule % 2
            )?;
        }
    }
    compile(&[Source { name: "bench.yaml".into(), text }]).map_err(|problems| problems.to_string().into())
}

fn event(live: &Snapshot, intent: &Intent<'_>, content: &Content<'_>) -> Event {
    let (_, seen) = live.decide_noting(intent, content);
    let sight = Sight { seen: seen.bounded(), body: BodyKnown::Json, usage: Some(intent.usage), ..Sight::default() };
    let decided = Decided {
        labels: ("bench", "0"),
        decision_id: "019ab1f2-7c44-7d1e-9b0a-3f6f0e7c2a11",
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
        trace_is_foreign: false,
        took: Duration::from_micros(20),
        decision: Decision::Allow,
        mode: Mode::Enforce,
        rule: Some("policy-0/rule-9"),
        tool: None,
        reason: "allowed by policy-0/rule-9",
        kind: None,
        policy_version: live.version(),
        findings: Vec::new(),
        masks: live.everything(),
    };
    Event::of_request(decided, intent, SocketAddr::from(([192, 0, 2, 1], 443)), &sight)
}

fn median<T>(work: impl Fn() -> T) -> u128 {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, Duration::as_nanos)
}
