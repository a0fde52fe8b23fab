//! What a decision costs: 1,000 rules over 100 agents, a 4 KB JSON body. `cargo run -p aegis-policy --example decide_bench`
//!
//! Prints the median and the 99th percentile in nanoseconds, with the agents' own rules constant and others' growing.

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use aegis_policy::{Agent, Content, Intent, JsonBody, Snapshot, Source, compile, parse_strict_json};

const RULES_AN_AGENT: usize = 10;
const ROUNDS: usize = 50_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:>7} {:>7} {:>12} {:>12} {:>12} {:>12}", "agents", "rules", "load", "p50 ns", "p99 ns", "needs p50");
    for agents in [1, 10, 100, 300] {
        let text = policies(agents)?;
        let start = Instant::now();
        let snapshot =
            compile(&[Source { name: "bench.yaml".into(), text }]).map_err(|problems| problems.to_string())?;
        let load = start.elapsed();
        let (p50, p99, needs) = measure(&snapshot)?;
        println!("{agents:>7} {:>7} {:>9} ms {p50:>12} {p99:>12} {needs:>12}", snapshot.rules(), load.as_millis());
    }
    Ok(())
}

/// Ten rules an agent on two hosts; the last one of a host is the one that decides.
fn policies(agents: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::from("version: bench\npolicies:\n");
    for agent in 0..agents {
        writeln!(text, "  - name: policy-{agent}\n    agents: [agent-{agent}]\n    rules:")?;
        for rule in 0..RULES_AN_AGENT {
            writeln!(
                text,
                "      - {{name: rule-{rule}, hosts: [h{}.example.com, \"*.h{}.example.org\"], methods: [POST], \
                 paths: [\"/v{rule}/**\"], headers: {{x-env: prod}}, \
                 body: [{{path: amount, op: \"<=\", value: 5000}}], decision: allow}}",
                rule % 2,
                rule % 2
            )?;
        }
    }
    Ok(text)
}

fn measure(snapshot: &Snapshot) -> Result<(u128, u128, u128), Box<dyn Error>> {
    let agent = Agent { name: "agent-0".into(), ..Agent::default() };
    let filler: Vec<String> = (0..60).map(|n| format!("\"field_{n}\": \"{}\"", "x".repeat(50))).collect();
    let body = format!("{{{}, \"amount\": 4200}}", filler.join(", "));
    let json = parse_strict_json(body.as_bytes(), 64)?;
    let mut headers = http::HeaderMap::new();
    headers.insert("x-env", http::HeaderValue::from_static("prod"));
    let intent = Intent {
        agent: &agent,
        scheme: "https",
        host: "h1.example.com",
        port: 443,
        method: "POST",
        path: "/v9/charges",
        query: None,
        headers: &headers,
        tool: None,
        tool_in_doubt: false,
        now: std::time::SystemTime::UNIX_EPOCH,
        usage: aegis_policy::Usage::default(),
    };
    let content = Content { json: JsonBody::Value(&json), findings: &[] };
    let verdict = snapshot.decide(&intent, &content);
    if !matches!(verdict, aegis_policy::Verdict::Permit(_)) {
        return Err(format!("expected a permit, got {verdict:?}").into());
    }
    let (p50, p99) = percentiles(|| snapshot.decide(&intent, &content));
    let (needs, _) = percentiles(|| snapshot.needs(&intent));
    Ok((p50, p99, needs))
}

fn percentiles<T>(work: impl Fn() -> T) -> (u128, u128) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0, Duration::as_nanos);
    (at(50), at(99))
}
