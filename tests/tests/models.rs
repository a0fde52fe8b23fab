//! What models of every vendor stream is read on its way: model, calls, tokens. Chat Completions and Messages: `tools.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Service, Settings, python};
use serde_json::{Value, json};

const POLICY: &str = r#"version: models-1
policies:
  - name: models
    agents: ["*"]
    rules:
      - {name: all, hosts: [api.allowed.test], ports: [9443], decision: allow}
"#;

const CLIENT: &str = r#"
import httpx, json, openai, struct, zlib
BASE = 'https://api.allowed.test:9443'
stream = openai.OpenAI(api_key='not-a-key', base_url=BASE + '/v1', timeout=20).responses.create(model='lab-5', stream=True, input='pay 1')
arguments, usage = '', None
for event in stream:
    if event.type == 'response.function_call_arguments.delta': arguments += event.delta
    if event.type == 'response.completed': usage = event.response.usage
print('responses', arguments, usage.input_tokens, usage.output_tokens)
def post(path, body, **headers):
    with httpx.stream('POST', BASE + path, json=body, headers={name.replace('_', '-'): value for name, value in headers.items()}, timeout=20) as r:
        return b''.join(r.iter_bytes())
got = post('/v1beta/models/gemini-lab:streamGenerateContent?alt=sse', {'contents': [{'role': 'user', 'parts': [{'text': 'find'}]}]}, x_goog_api_key='x')
events = [json.loads(line[6:]) for line in got.decode().split('\n') if line.startswith('data: ')]
print('gemini', events[0]['candidates'][0]['content']['parts'][0]['functionCall']['args'], events[1]['usageMetadata']['promptTokenCount'])
AUTH = 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00'
got = post('/model/lab.model-1/converse-stream', {'messages': [{'role': 'user', 'content': [{'text': 'top'}]}]}, authorization=AUTH)
kinds = 0
while got:
    length, heads, sum = struct.unpack('>III', got[:12])
    assert sum == zlib.crc32(got[:8]) and struct.unpack('>I', got[length - 4:length])[0] == zlib.crc32(got[:length - 4])
    kinds, got = kinds + 1, got[length:]
print('converse', kinds)
try: got = post('/model/lab.leak/converse-stream', {'messages': []}, authorization=AUTH)
except httpx.HTTPError as e: got = b'broke'
print('leak', b'AKIAQ3' in got, b'end_turn' in got)
got = post('/api/chat', {'model': 'qwen', 'messages': [{'role': 'user', 'content': 'add'}]})
print('ollama', [json.loads(line).get('eval_count') for line in got.splitlines()])
"#;

fn call(protocol: &str, provider: &str, model: &str, tool: &str, tokens: [Value; 3]) -> Value {
    let [input, output, cached] = tokens;
    json!({"protocol": protocol, "provider": provider, "model": model, "tool_calls": [tool], "input_tokens": input, "output_tokens": output,
        "cached_tokens": cached, "partial": false})
}

#[test]
fn every_vendors_stream_arrives_whole_and_the_record_tells_model_calls_and_tokens() {
    // Once unread but for what the record tells, once looked through in both directions.
    let looked =
        "decision: sanitize, dlp: {redact: [pii], deny: [secrets], responses: {redact: [pii], deny: [secrets]}}";
    for (policy, leaks) in
        [(POLICY.to_owned(), "True True"), (POLICY.replace("decision: allow", looked), "False False")]
    {
        let lab = Lab::new().unwrap();
        let daemon = Daemon::start(&lab, &Settings::policy(&policy)).unwrap();
        let _origin = Service::start(&lab, "models_origin").unwrap();
        let python = python();
        let command = [python.to_str().unwrap(), "-c", CLIENT];
        let outcome = lab.agent(AGENT).limit(Duration::from_secs(60)).run(&command).unwrap();
        let expected =
            format!("responses {{\"a\":1}} 31 5\ngemini {{'x': 1}} 8\nconverse 6\nleak {leaks}\nollama [None, 4]\n");
        assert_eq!(outcome.stdout, expected, "{outcome:?}\n{:#?}", daemon.records());
        let none = Value::Null;
        for (path, expected) in [
            ("/v1/responses", call("openai_responses", "openai", "lab-5-2026", "pay", [json!(31), json!(5), json!(7)])),
            (
                "/v1beta/models/gemini-lab:streamGenerateContent",
                call("gemini", "gcp.gemini", "gemini-lab-2", "find", [json!(8), json!(5), none.clone()]),
            ),
            (
                "/model/lab.model-1/converse-stream",
                call("bedrock_converse", "aws.bedrock", "lab.model-1", "top", [json!(8), json!(9), json!(2)]),
            ),
            ("/api/chat", call("ollama", "ollama", "qwen-lab", "sum", [json!(20), json!(4), none])),
        ] {
            let record = daemon.record(|record| record["path"] == path).unwrap();
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(&record["call"][key], value, "{key}: {record}");
            }
            assert_eq!(record["error"], Value::Null, "{record}");
        }
        let metrics = daemon.get("/metrics").unwrap().1;
        for (protocol, input, output) in
            [("openai_responses", 31, 5), ("gemini", 8, 5), ("bedrock_converse", 8, 9), ("ollama", 20, 4)]
        {
            for (kind, tokens) in [("input", input), ("output", output)] {
                let line = format!(r#"aegis_model_tokens_total{{protocol="{protocol}",kind="{kind}"}} {tokens}"#);
                assert!(metrics.contains(&line), "{line} is missing in {metrics}");
            }
        }
    }
}
