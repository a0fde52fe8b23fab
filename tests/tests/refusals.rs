//! What agents' own libraries read of a refusal of content: detector, place and what would pass, and never the text. gRPC, WebSocket and
//! events: `grpc.rs`, `websocket.rs`, `responses.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::{AGENT, Daemon, Lab, Service, Settings, python};
use serde_json::Value;

const POLICY: &str = r#"version: refusals-1
policies:
  - name: refusals
    agents: ["*"]
    rules:
      - {name: all, hosts: [api.allowed.test], ports: [9443], decision: allow, dlp: {deny: [secrets], approve: [ssn]}}
"#;

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";

/// Prints a JSON document a refusal, as the library hands it on.
const CLIENT: &str = r#"
import anthropic, asyncio, httpx, json, openai
from mcp import Client, MCPError
BASE = 'https://api.allowed.test:9443'
def tell(what, told): print(json.dumps([what, told]))
async def mcp():
    async with Client(BASE + '/mcp') as client:
        for name, arguments in (('delete_repo', {'name': KEY}), ('add', {'a': 1, 'b': 2}), ('delete_repo', {'name': 'ssn 536-22-8741'})):
            try: tell('mcp passed', (await client.call_tool(name, arguments)).structured_content)
            except MCPError as e: tell('mcp', e.data)
asyncio.run(mcp())
def post(path, body): return httpx.post(BASE + path, json=body, timeout=20).json()
sent = {'messageId': '1', 'role': 'user', 'parts': [{'kind': 'text', 'text': 'use ' + KEY}]}
tell('a2a', post('/sink/a2a', {'jsonrpc': '2.0', 'id': 5, 'method': 'message/send', 'params': {'message': sent}})['error']['data'])
tell('graphql', post('/graphql', {'query': 'query Q($k: String) { viewer(key: $k) { id } }', 'variables': {'k': KEY}})['errors'][0]['extensions'])
asked = [{'role': 'user', 'content': 'use ' + KEY}]
try: openai.OpenAI(api_key='not-a-key', base_url=BASE + '/v1', timeout=20).chat.completions.create(model='m', stream=True, messages=asked)
except openai.PermissionDeniedError as e: tell('openai', e.response.json())
try: anthropic.Anthropic(api_key='not-a-key', base_url=BASE, timeout=20).messages.create(model='m', max_tokens=5, messages=asked)
except anthropic.PermissionDeniedError as e: tell('anthropic', e.body)
tell('http', post('/sink/x', {'a': [KEY]}))
"#;

#[test]
fn every_library_hands_on_detector_place_and_what_would_pass() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(POLICY)).unwrap();
    let origin = Service::start(&lab, "tools_origin").unwrap();
    let program = format!("KEY = '{KEY}'\n{CLIENT}");
    let python = python();
    let command = [python.to_str().unwrap(), "-c", &program];
    let outcome = lab.agent(AGENT).limit(Duration::from_secs(60)).run(&command).unwrap();
    assert!(outcome.ok() && !outcome.stdout.contains(KEY) && !outcome.stdout.contains("536-22"), "{outcome:?}");
    let told: Vec<(String, Value)> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let expected = [
        ("mcp", "aws_key", "/params/arguments/name"),
        ("mcp passed", "", ""),
        ("mcp", "ssn", "/params/arguments/name"),
        ("a2a", "aws_key", "/params/message/parts/0/text"),
        ("graphql", "aws_key", "/variables/k"),
        ("openai", "aws_key", "/messages/0/content"),
        ("anthropic", "aws_key", "/messages/0/content"),
        ("http", "aws_key", "/a/0"),
    ];
    assert_eq!(told.len(), expected.len(), "{outcome:?}");
    for ((what, told), (expected, detector, place)) in told.iter().zip(expected) {
        assert_eq!(what, expected, "{outcome:?}");
        if what == "mcp passed" {
            assert_eq!(told["result"], 3, "{told}");
            continue;
        }
        assert_eq!(told["detector"], detector, "{what}: {told}");
        assert!(told["place"].as_str().unwrap().ends_with(place), "{what}: {told}");
        let step = told["next_steps"][0].as_str().unwrap_or_else(|| panic!("{what}: {told}"));
        assert!(step.starts_with(&format!("Remove the {detector} from the request")), "{what}: {told}");
        assert!(told["decision_id"].is_string() && told["rule"] == "refusals/all", "{what}: {told}");
        let asked = detector == "ssn";
        assert_eq!(told["approval_id"].is_string(), asked, "{what}: {told}");
        assert_eq!(told["decision"], if asked { "approval_needed" } else { "deny" }, "{what}: {told}");
    }
    let seen = origin.seen();
    assert!(!seen.iter().any(|line| line.to_string().contains(KEY) || line["tool"] == "delete_repo"), "{seen:?}");
    let record = daemon.record(|record| record["tool"] == "a2a:message/send").unwrap();
    assert_eq!((&record["call"]["protocol"], &record["decision"]), (&"a2a".into(), &"deny".into()), "{record}");
}
