//! Parts alone: the decision and the scanner, without a network.

use std::time::Instant;

use aegis_dlp::{DetectorSet, Format, Profile, Scanner};
use aegis_policy::{Agent, Content, Intent, JsonBody, Source, compile};
use hdrhistogram::Histogram;

const AGENTS: usize = 100;
const RULES_PER_AGENT: usize = 10;
const DECISIONS: usize = 20_000;
const SCANNED: usize = 64 << 20;

/// Nanoseconds a decision, and gigabytes a second through the scanner.
pub struct Micro {
    pub decision_p50_ns: u64,
    pub decision_p99_ns: u64,
    pub scan_text_gbs: f64,
    pub scan_json_gbs: f64,
}

pub fn run() -> Micro {
    let (decision_p50_ns, decision_p99_ns) = decisions();
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
        decision_p50_ns,
        decision_p99_ns,
        scan_text_gbs: scan(text.as_bytes(), Format::Text),
        scan_json_gbs: scan(json.as_bytes(), Format::Json),
    }
}

/// 1,000 rules over 100 agents, a 4 KB JSON body.
fn decisions() -> (u64, u64) {
    let mut yaml = String::from("version: micro\npolicies:\n");
    for agent in 0..AGENTS {
        yaml.push_str(&format!("  - name: p{agent}\n    agents: [agent-{agent}]\n    rules:\n"));
        for rule in 0..RULES_PER_AGENT {
            yaml.push_str(&format!(
                "      - {{name: r{rule}, hosts: [h{}.test], methods: [POST], paths: [\"/v{rule}/**\"], body: [{{path: amount, op: \"<=\", value: {}}}], decision: allow}}\n",
                rule % 5,
                1000 * (rule + 1)
            ));
        }
    }
    let snapshot = compile(&[Source { name: "micro.yaml".into(), text: yaml }]).expect("the policy compiles");
    let agent = Agent { name: "agent-50".into(), ..Agent::default() };
    let body = serde_json::json!({"amount": 4000, "notes": vec!["an ordinary entry of some length"; 110]});
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
        };
        let begin = Instant::now();
        let verdict = snapshot.decide(&intent, &Content { json: JsonBody::Value(&body), findings: &[] });
        let took = begin.elapsed();
        std::hint::black_box(&verdict);
        seen.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)).expect("in range");
    }
    (seen.value_at_quantile(0.5), seen.value_at_quantile(0.99))
}

fn scan(piece: &[u8], format: Format) -> f64 {
    let profile = Profile { redact: DetectorSet::ALL, ..Profile::default() };
    let mut out = Vec::with_capacity(piece.len() * 2);
    let mut done = 0;
    let begin = Instant::now();
    while done < SCANNED {
        let mut scanner = Scanner::new(profile, format);
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
