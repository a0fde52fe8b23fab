//! Definitions of tools, pinned in a real Redis: listed, compared, and forgotten by an administrator, on the record.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::redis::{PORT, Redis};
use aegis_tests::{AGENT, Daemon, Lab, Service, Settings, python};
use serde_json::{Value, json};

const POLICY: &str = r#"version: pins-1
policies:
  - name: pins
    agents: ["*"]
    rules:
      - {name: pinned, hosts: [api.allowed.test], ports: [9443], paths: ["/json/**"], tool_changes: deny, decision: allow}
      - {name: rest, hosts: [api.allowed.test], ports: [9443], decision: allow}
"#;

const LIST: &str = r#"
import asyncio
from mcp import Client, MCPError
async def listed():
    async with Client('https://api.allowed.test:9443/json/mcp') as client:
        try: print('tools', sorted(tool.name for tool in (await client.list_tools()).tools))
        except MCPError as e: print('withheld', e.code)
asyncio.run(listed())
"#;

fn run(lab: &Lab, program: &str) -> String {
    let outcome =
        lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", program]).unwrap();
    assert!(outcome.ok(), "{outcome:?}");
    outcome.stdout
}

fn pins(lab: &Lab) -> Value {
    let outcome = lab.ctl(&["--output", "json", "tools", "pins", AGENT]).unwrap();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

fn pin<'a>(pins: &'a Value, tool: &str) -> &'a Value {
    let all = pins["pins"].as_array().unwrap();
    all.iter().find(|pin| pin["tool"] == tool).unwrap_or_else(|| panic!("no {tool} in {pins}"))
}

#[test]
fn an_administrator_lists_and_resets_what_agents_know_of_tools() {
    let lab = Lab::new().unwrap();
    let mut redis = Redis::start(&lab).unwrap();
    let _service = Service::start(&lab, "tools_origin").unwrap();
    let state = json!({"redis": {"url": format!("redis://127.0.0.1:{PORT}"), "timeout_ms": 1000}});
    let config = json!({ "state": state });
    let daemon = Daemon::start(&lab, &Settings { config, policy: Some(POLICY.to_owned()) }).unwrap();
    assert!(run(&lab, LIST).starts_with("tools ['add'"));
    assert!(redis.cli(&["KEYS", "*definitions*"]).unwrap().contains(AGENT), "they are where all hosts see them");
    let before = pins(&lab);
    let known = pin(&before, "add").clone();
    assert_eq!(known["sha256"].as_str().unwrap().len(), 64, "{known}");
    let server = known["server"].as_str().unwrap();
    assert!(server.starts_with("api.allowed.test:9443"), "{server}");

    let flip = "import httpx\nhttpx.post('https://api.allowed.test:9443/flip', json={}, timeout=20)";
    run(&lab, flip);
    assert!(run(&lab, LIST).starts_with("withheld"), "another description than the known one");
    assert_eq!(pin(&pins(&lab), "add"), &known, "what was withheld is not learned");
    let reset = |arguments: &[&str]| lab.ctl(&[&["tools", "reset", AGENT], arguments].concat()).unwrap();
    assert_eq!(reset(&["--server", server, "--tool", "nothing"]).code, 1, "nothing to forget");
    assert!(run(&lab, LIST).starts_with("withheld"));

    let outcome = reset(&["--server", server, "--tool", "add"]);
    assert!(outcome.ok() && outcome.stdout.starts_with("1 definitions forgotten"), "{outcome:?}");
    let told =
        daemon.record(|record| record["reason"].as_str().unwrap_or_default().starts_with("tools: 1 pinned")).unwrap();
    assert_eq!((&told["decision"], &told["agent_id"]), (&json!("none"), &json!(AGENT)), "{told}");
    assert!(told["reason"].as_str().unwrap().contains("reset by uid 0"), "{told}");
    assert!(run(&lab, LIST).starts_with("tools ['add'"), "the next one is the one that is known");
    let after = pins(&lab);
    assert_ne!(pin(&after, "add")["sha256"], known["sha256"]);
    assert_eq!(after["total"], before["total"]);
    assert!(reset(&["--all"]).ok());
    assert_eq!(pins(&lab)["total"], 0);

    let nobody = lab.ctl(&["tools", "pins", "nobody"]).unwrap();
    assert!(!nobody.ok() && nobody.stderr.contains("there is no agent"), "{nobody:?}");
    redis.kill().unwrap();
    let silent = reset(&["--all"]);
    assert!(!silent.ok() && silent.stderr.contains("the state store does not answer"), "{silent:?}");
    daemon.record(|record| record["error"].as_str().unwrap_or_default().starts_with("not done: ")).unwrap();
}
