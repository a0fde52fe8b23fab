//! Parts alone: the decision and the scanner, without a network.

use std::time::{Instant, SystemTime};

use aegis_dlp::{DetectorSet, Format, Profile, Scanner};
use aegis_policy::{Agent, Content, Intent, JSON_DEPTH, JsonBody, Source, Usage, compile, parse_strict_json};
use hdrhistogram::Histogram;

const AGENTS: usize = 100;
const RULES_PER_AGENT: usize = 10;
const DECISIONS: usize = 20_000;
const SCANNED: usize = 64 << 20;

/// Nanoseconds: the median and the 99th percentile.
pub struct Quantiles {
    pub p50_ns: u64,
    pub p99_ns: u64,
}

/// Nanoseconds a decision, and gigabytes a second through the scanner.
pub struct Micro {
    /// 1,000 rules over 100 agents, a 4 KB JSON body that was read already.
    pub decision: Quantiles,
    /// With ten times as many other agents and rules.
    pub among_ten_times_more: Quantiles,
    /// With the reading of the body.
    pub with_parsing: Quantiles,
    pub scan_text_gbs: f64,
    pub scan_json_gbs: f64,
}

pub fn run() -> Micro {
    let text = "The quick brown fox jumps over the lazy dog while order 4711 ships on Monday. ".repeat(800);
    let json = format!(
        "[{}]",
        vec![
            r#"{"id":12345,"name":"Ordinary Widget","description":"a plain thing, blue, 3 cm","tags":["a","b"]}"#;
            600
        ]
        .join(",")
    );
    Micro {
        decision: decisions(AGENTS, false),
        among_ten_times_more: decisions(10 * AGENTS, false),
        with_parsing: decisions(AGENTS, true),
        scan_text_gbs: scan(text.as_bytes(), Format::Text),
        scan_json_gbs: scan(json.as_bytes(), Format::Json),
    }
}

/// Ten rules for each of `agents`; decisions for one of them.
fn decisions(agents: usize, parsing: bool) -> Quantiles {
    let snapshot = compile(&[Source { name: "micro.yaml".into(), text: policy(agents) }]).expect("the policy compiles");
    let agent = Agent { name: "agent-50".into(), ..Agent::default() };
    let body = serde_json::json!({"amount": 4000, "notes": vec!["an ordinary entry of some length"; 110]});
    let bytes = body.to_string().into_bytes();
    let headers = http::HeaderMap::new();
    let mut seen = Histogram::<u64>::new(3).expect("a histogram");
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
        let parsed = parsing.then(|| parse_strict_json(&bytes, JSON_DEPTH).expect("JSON"));
        let json = JsonBody::Value(parsed.as_ref().unwrap_or(&body));
        let verdict = snapshot.decide(&intent, &Content { json, findings: &[] });
        let took = begin.elapsed();
        std::hint::black_box(&verdict);
        seen.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)).expect("in range");
    }
    Quantiles { p50_ns: seen.value_at_quantile(0.5), p99_ns: seen.value_at_quantile(0.99) }
}

fn policy(agents: usize) -> String {
    let mut yaml = String::from("version: micro\npolicies:\n");
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
    yaml
}

fn scan(piece: &[u8], format: Format) -> f64 {
    let profile = Profile { redact: DetectorSet::ALL, ..Profile::default() };
    let mut out = Vec::with_capacity(piece.len() * 2);
    let mut done = 0;
    let begin = Instant::now();
    while done < SCANNED {
        let mut scanner = Scanner::new(profile.clone(), format);
        for chunk in piece.chunks(16 * 1024) {
            let _ = scanner.push(chunk, &mut out);
        }
        let _ = scanner.finish(&mut out);
        done += piece.len();
        std::hint::black_box(&out);
        out.clear();
    }
    done as f64 / begin.elapsed().as_secs_f64() / 1e9
}
