//! Tools by name: the official MCP SDK as client and server, the SDKs of LLM providers, batches, GraphQL, signed requests. Judged by what
//! the servers got, what the clients said, and what the records tell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Outcome, Service, Settings, python};
use serde_json::{Value, json};

const POLICY: &str = r#"version: tools-1
policies:
  - name: tools
    agents: ["*"]
    rules:
      - {name: hands-off, hosts: [api.allowed.test], ports: [9443], tools: [delete_repo, "mutation.*"], decision: deny,
         reason: "nothing is deleted here"}
      - {name: large, hosts: [api.allowed.test], ports: [9443], tools: [add], decision: approval_needed,
         body: [{path: params.arguments.a, op: ">", value: 1000}], reason: "large numbers need approval"}
      - {name: signed, hosts: [api.allowed.test], ports: [9443], paths: ["/sink/signed"], decision: sanitize, dlp: {redact: [pii]}}
      - {name: asked, hosts: [api.allowed.test], ports: [9443], paths: ["/sink/asked"], decision: sanitize, dlp: {redact: [pii]},
         signed: approval_needed}
      - {name: pinned, hosts: [api.allowed.test], ports: [9443], paths: ["/json/**"], tools: [add, "mcp:*"], tool_changes: deny, decision: allow}
      - {name: streams, hosts: [api.allowed.test], ports: [9443], methods: [GET], paths: ["/json/odd/*"], tool_changes: deny, decision: allow}
      - {name: spoken, hosts: [api.allowed.test], ports: [9443], paths: ["/spoken/**", "/batch/leak"], decision: allow,
         dlp: {responses: {redact: [pii], deny: [secrets]}}}
      - {name: nobody, hosts: [api.allowed.test], ports: [9449], tools: [add], decision: allow}
      - {name: rest, hosts: [api.allowed.test], ports: [9443], decision: allow}
"#;

struct Site<'lab> {
    lab: &'lab Lab,
    daemon: Daemon<'lab>,
    service: Service,
}

impl<'lab> Site<'lab> {
    fn new(lab: &'lab Lab) -> Self {
        Self::with(lab, json!({}))
    }

    fn with(lab: &'lab Lab, config: Value) -> Self {
        let service = Service::start(lab, "tools_origin").unwrap();
        let daemon = Daemon::start(lab, &Settings { config, policy: Some(POLICY.to_owned()) }).unwrap();
        Site { lab, daemon, service }
    }

    /// The records of requests to this path, once there are so many.
    fn records(&self, path: &str, count: usize) -> Vec<Value> {
        let all = || -> Vec<Value> {
            let all = self.daemon.records().unwrap_or_default();
            all.into_iter().filter(|record| record["path"] == path).collect()
        };
        let found = wait_for(Duration::from_secs(10), || Some(all()).filter(|records| records.len() >= count));
        let found = found.unwrap_or_else(|| panic!("{:#?}", self.daemon.records()));
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }

    fn python(&self, program: &str) -> Outcome {
        let program = format!("{PRELUDE}{program}");
        self.lab.agent(AGENT).limit(Duration::from_secs(60)).run(&[python().to_str().unwrap(), "-c", &program]).unwrap()
    }

    fn called(&self, tool: &str) -> usize {
        self.service.seen().iter().filter(|line| line["tool"] == tool).count()
    }

    fn metrics(&self) -> String {
        self.daemon.get("/metrics").unwrap().1
    }

    fn record(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.daemon.record(wanted).unwrap_or_else(|error| panic!("{error:#}: {:#?}", self.daemon.records()))
    }
}

const PRELUDE: &str = r#"
import asyncio, httpx, json
BASE = 'https://api.allowed.test:9443'
def post(path, body, **headers):
    kind = {'content-type': 'application/json'} | {name.replace('_', '-'): value for name, value in headers.items()}
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    r = httpx.post(BASE + path, content=data, headers=kind, timeout=20)
    return r
def call(id, tool, **arguments):
    return {'jsonrpc': '2.0', 'id': id, 'method': 'tools/call', 'params': {'name': tool, 'arguments': arguments}}
async def mcp(target, *calls):
    from mcp import Client, MCPError
    async with Client(target) as client:
        print('tools', sorted(tool.name for tool in (await client.list_tools()).tools))
        for name, arguments in calls:
            try: print(name, (await client.call_tool(name, arguments)).structured_content)
            except MCPError as e: print(name, 'refused', e.code, e.message, e.data and e.data.get('rule'))
"#;

const CALLS: &str = "('add', {'a': 1, 'b': 2}), ('delete_repo', {'name': 'x'}), ('add', {'a': 5000, 'b': 2})";

#[test]
fn an_mcp_client_reads_of_a_denial_why_and_goes_on() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    for target in ["BASE + '/mcp'", "__import__('mcp.client.sse').client.sse.sse_client(BASE + '/old/sse')"] {
        let outcome = site.python(&format!("asyncio.run(mcp({target}, {CALLS}, ('add', {{'a': 3, 'b': 4}})))"));
        for line in [
            "tools ['add', 'big', 'delete_repo']",
            "add {'result': 3}",
            "delete_repo refused -32001 Denied by policy: nothing is deleted here tools/hands-off",
            "add refused -32001 This call needs a human's approval: large numbers need approval tools/large",
            "add {'result': 7}",
        ] {
            assert!(outcome.stdout.contains(line), "{target}: {line} is missing in {outcome:?}");
        }
    }
    assert_eq!((site.called("add"), site.called("delete_repo")), (4, 0));
    let denied = site.record(|record| record["decision"] == "deny");
    assert_eq!((&denied["tool"], &denied["rule"]), (&json!("delete_repo"), &json!("tools/hands-off")));
    assert_eq!(denied["status"], 200, "JSON-RPC has its errors in answers");
    assert_eq!((&denied["call"]["protocol"], &denied["call"]["operation"]), (&json!("mcp"), &json!("tools/call")));
    let asked = site.record(|record| record["decision"] == "approval_needed");
    assert!(asked["approval_id"].is_string(), "{asked}");
    site.record(|record| record["decision"] == "allow" && record["tool"] == "add");
}

#[test]
fn a_batch_is_decided_call_by_call() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
batch = [call(1, 'add', a=1, b=2), call(2, 'delete_repo', name='x'), {'jsonrpc': '2.0', 'method': 'notifications/x'}, call('four', 'add', a=1.50, b=3)]
for kind in ('', '/events', '/broken'):
    r = post('/batch' + kind, batch)
    text = r.text
    answers = json.loads(text) if 'json' in r.headers['content-type'] else [json.loads(line[6:]) for line in text.split('\n') if line.startswith('data: ')]
    print(kind, r.status_code, sorted((str(a['id']), a.get('result') or a['error']['code']) for a in answers))
r = post('/batch', [call(1, 'delete_repo', name='x'), call(2, 'delete_repo', name='y')])
print('all', r.status_code, sorted((a['id'], a['error']['data']['rule']) for a in r.json()))
r = post('/batch', [call(1, 'delete_repo', name='x'), {'jsonrpc': '2.0', 'method': 'notifications/x'}])
print('notified', r.status_code, [(a['id'], a['error']['code']) for a in r.json()])
r = post('/batch', [call(n, 'add', a=n) for n in range(70)])
print('many', r.status_code)
"#;
    let outcome = site.python(program);
    for line in [
        " 200 [('1', 'tools/call'), ('2', -32001), ('four', 'tools/call')]",
        "/events 200 [('1', 'tools/call'), ('2', -32001), ('four', 'tools/call')]",
        "/broken 200 [('1', -32603), ('2', -32001), ('four', -32603)]",
        "all 200 [(1, 'tools/hands-off'), (2, 'tools/hands-off')]",
        "notified 200 [(1, -32001)]",
        "many 413",
    ] {
        assert!(outcome.stdout.contains(line), "{line} is missing in {outcome:?}");
    }
    let batches: Vec<Value> = site.service.seen().into_iter().filter(|line| line["batch"].is_array()).collect();
    assert_eq!(batches.len(), 4, "{batches:?}");
    for batch in &batches {
        assert!(!batch.to_string().contains("delete_repo"), "{batch}");
    }
    assert_eq!(batches[0]["batch"].as_array().unwrap().len(), 3);
    // Each call has a record of its own.
    let records = site.records("/batch/events", 4);
    let decisions: Vec<(&Value, &Value)> =
        records.iter().map(|record| (&record["decision"], &record["tool"])).collect();
    assert_eq!(
        decisions.iter().filter(|one| **one == (&json!("deny"), &json!("delete_repo"))).count(),
        1,
        "{decisions:?}"
    );
}

#[test]
fn what_hides_a_call_from_the_policy_does_not_pass() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
for body in ('{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call","params":{"name":"delete_repo"}}',
             '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","name":"delete_repo"}}',
             '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete\\u005frepo"}}',
             '\ufeff[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo"}},]',
             '{"query":"query Harmless { __typename } mutation { deleteAll }"}',
             '{"query":"mutation { harmless: deleteAll }"}'):
    for kind in ('application/json', 'text/plain'):
        r = post('/sink/x', body.encode(), content_type=kind)
        print('answer', r.status_code, 'nothing is deleted here' in r.text)
import gzip
r = post('/sink/x', gzip.compress(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo"}}'), content_encoding='gzip')
print('answer', r.status_code, 'nothing is deleted here' in r.text)
r = httpx.get(BASE + '/graphql?query=mutation%7Bdrop%7D', timeout=20); print('answer', r.status_code, 'nothing is deleted here' in r.text)
print('fine', post('/graphql', {'query': '{ viewer { id } }'}).status_code, post('/sink/x', 'plain words', content_type='text/plain').status_code)
"#;
    let outcome = site.python(program);
    let answers: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("answer")).collect();
    assert_eq!(answers.len(), 14, "{outcome:?}");
    assert!(answers.iter().all(|line| line.ends_with("True")), "{outcome:?}");
    assert!(outcome.stdout.contains("fine 200 200"), "{outcome:?}");
    let seen: Vec<Value> = site.service.seen().into_iter().filter(|line| line["sink"].is_string()).collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    let record = site.record(|record| record["path"] == "/graphql" && record["decision"] == "allow");
    assert_eq!((&record["tool"], &record["call"]["protocol"]), (&json!("query.viewer"), &json!("graphql")));
}

/// What goes wrong with a batch goes wrong with each of its calls, and each record says so.
#[test]
fn the_calls_of_a_batch_end_together_and_each_record_says_how() {
    let lab = Lab::new().unwrap();
    let mut site = Site::with(&lab, json!({"limits": {"requests_per_agent": 6}}));
    let outcome = site.python(
        "
batch = [call(n, 'add', a=n) for n in range(3)]
r = post('/batch/leak', batch); print('leak', 'AKIAQ3EGRTZYXNMB2LKJ' in r.text, [a['error']['code'] for a in r.json()])
r = httpx.post('https://api.allowed.test:9449/batch/nobody', json=batch, timeout=20); print('nobody', r.status_code)
r = post('/batch/many', [call(n, 'add', a=n) for n in range(7)]); print('many', r.status_code)
",
    );
    assert_eq!(outcome.stdout, "leak False [-32001, -32001, -32001]\nnobody 502\nmany 429\n", "{outcome:?}");
    for record in site.records("/batch/leak", 3) {
        assert_eq!((&record["decision"], &record["tool"]), (&json!("deny"), &json!("add")), "{record}");
        assert!(record["reason"].to_string().contains("must not come back"), "{record}");
    }
    for record in site.records("/batch/nobody", 3) {
        assert_eq!((&record["decision"], &record["status"]), (&json!("allow"), &json!(502)), "{record}");
        assert!(record["error"].to_string().contains("could not be reached"), "{record}");
    }
    // More calls than the agent has places: none is sent, and what was begun for them says so.
    let many = site.records("/batch/many", 6);
    assert!(many.iter().all(|record| record["decision"] == "deny" && record["status"] == 429), "{many:#?}");
    assert!(!site.service.seen().iter().any(|line| line["path"] == "/batch/many"));
    // What is under way when the daemon dies was noted, call by call.
    let hang = format!("{PRELUDE}post('/batch/hang', [call(n, 'add', a=n) for n in range(3)])");
    let client = lab.agent(AGENT).start(&[python().to_str().unwrap(), "-c", &hang]).unwrap();
    site.service.wait(|line| line["path"] == "/batch/hang").unwrap();
    site.daemon.kill().unwrap();
    let Site { daemon, service, .. } = site;
    drop(daemon);
    drop(client);
    let site = Site { lab: &lab, daemon: Daemon::resume(&lab).unwrap(), service };
    let hung = site.records("/batch/hang", 3);
    assert!(hung.iter().all(|record| record["tool"] == "add" && record["decision"] == "allow"), "{hung:#?}");
}

#[test]
fn a_type_that_is_two_and_what_is_not_seen_hide_no_call() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
import http.client
body = json.dumps(call(1, 'delete_repo', name='x')).encode()
def told(what, status, text): print(what, status, 'nothing is deleted here' in text)
for kind in ('application/grpc, application/json', 'application/grpc; x=y, application/json', 'application/grpc', 'application/grpc+json'):
    c = http.client.HTTPSConnection('api.allowed.test', 9443, timeout=20)
    try: c.request('POST', '/json/mcp', body=iter([body]), headers={'Content-Type': kind, 'Accept': 'application/json, text/event-stream'}, encode_chunked=True)
    # What is refused by its head is answered before the body is there.
    except OSError: pass
    r = http.client.HTTPResponse(c.sock, method='POST'); r.begin(); told(kind, r.status, r.read().decode() + str(r.getheader('grpc-message')))
def slowly():
    yield body
# Over HTTP/2 as well; a rule of this policy reads bodies.
with httpx.Client(http2=True, timeout=20) as client:
    r = client.post(BASE + '/sink/grpc', content=slowly(), headers={'content-type': 'application/grpc'})
    told('h2 ' + r.headers['grpc-status'], r.status_code, r.headers['grpc-message'])
import asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
async def socket(): await connect("wss://api.allowed.test:9443/sink/socket", open_timeout=15)
try: asyncio.run(socket())
except InvalidStatus as e: told('socket', e.response.status_code, e.response.body.decode())
for query in ('query=mutation%7BdeleteAll(why:%22%ff%22)%7Bid%7D%7D', 'extensions=%7B%22persistedQuery%22:%7B%22sha256Hash%22:%2200%22%7D%7D', 'documentId=7'):
    r = httpx.get(BASE + '/graphql?' + query, timeout=20); told('graphql', r.status_code, r.text)
for form in ('id=7', 'query=mutation%7BdeleteAll(why:%22%ff%22)%7Bid%7D%7D'):
    r = post('/graphql', form, content_type='application/x-www-form-urlencoded'); told('form', r.status_code, r.text)
"#;
    let outcome = site.python(program);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 11, "{outcome:?}");
    for (line, expected) in
        lines.iter().zip(["application/grpc, application/json 400", "application/grpc; x=y, application/json 400"])
    {
        assert!(line.starts_with(expected), "{outcome:?}");
    }
    for line in lines.iter().skip(2) {
        assert!(line.ends_with("True"), "{line}: {outcome:?}");
    }
    assert!(lines[4].starts_with("h2 7 "), "{outcome:?}");
    assert_eq!(site.called("delete_repo"), 0);
    assert!(!site.service.seen().iter().any(|line| line["sink"].is_string()), "{:?}", site.service.seen());
}

#[test]
fn long_answers_arrive_whole_and_lists_that_cannot_be_read_do_not() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
async def long(target):
    from mcp import Client
    async with Client(target) as client:
        print('long', len((await client.call_tool('big', {})).structured_content['result']))
for target in ('/mcp', '/json/mcp'): asyncio.run(long(BASE + target))
ask = {'jsonrpc': '2.0', 'id': 1, 'method': 'tools/list'}
for kind in ('number', 'event', 'type', 'list', 'double'):
    for turn in (1, 2):
        r = post('/json/odd/' + kind, ask, accept='application/json, text/event-stream')
        print(kind, turn, r.status_code, 'evil' in r.text, 'odd_' in r.text, '"id":1' in r.text and 'withheld' in r.text)
for turn in (1, 2):
    r = httpx.get(BASE + '/json/odd/stream', headers={'accept': 'text/event-stream'}, timeout=20)
    print('stream', turn, r.status_code, 'evil' in r.text, 'odd_' in r.text, 'withheld' in r.text)
"#;
    let outcome = site.python(program);
    for line in [
        "long 2097152\nlong 2097152\n",
        "number 1 200 False False True",
        "event 1 200 False False True",
        "type 1 200 False True False",
        "type 2 200 False True True",
        "list 1 200 False True False",
        "list 2 200 False True True",
        "double 1 200 False False True",
        "double 2 200 False False True",
        "stream 1 200 False True False",
        "stream 2 200 False True True",
    ] {
        assert!(outcome.stdout.contains(line), "{line} is missing in {outcome:?}");
    }
}

#[test]
fn what_a_model_says_in_pieces_is_looked_at_together() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
import anthropic, openai
one = openai.OpenAI(api_key='not-a-key', base_url=BASE + '/spoken', timeout=20, max_retries=0)
two = anthropic.Anthropic(api_key='not-a-key', base_url=BASE + '/spoken', timeout=20, max_retries=0)
for text in ('the ssn is 536-|22-|8741, I| think', 'the key is AKIAQ3|EGRTZYXN|MB2LKJ|never'):
    asked = [{'role': 'user', 'content': text}]
    said = []
    try:
        for chunk in one.chat.completions.create(model='m', stream=True, messages=asked): said.append(chunk.choices[0].delta.content)
    except openai.APIError as e: print('openai', type(e).__name__, 'aws_key' in str(e))
    print(said)
    said = []
    try:
        with two.messages.stream(model='m', max_tokens=5, messages=asked) as stream:
            for text in stream.text_stream: said.append(text)
    except anthropic.APIError as e: print('anthropic', type(e).__name__, 'aws_key' in str(e))
    print(said)
"#;
    let outcome = site.python(program);
    let masked = "['the ssn is 536-', '22-', '[SSN], I', ' think']";
    assert!(outcome.stdout.starts_with(&format!("{masked}\n{masked}\n")), "{outcome:?}");
    assert!(outcome.stdout.contains("openai APIError True"), "{outcome:?}");
    assert!(outcome.stdout.contains("anthropic ") && outcome.stdout.matches("True").count() == 2, "{outcome:?}");
    assert!(!outcome.stdout.contains("MB2LKJ") && !outcome.stdout.contains("never"), "{outcome:?}");
}

#[test]
fn a_changed_description_is_told_and_where_the_rule_says_so_withheld() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let list = |path: &str| site.python(&format!("asyncio.run(mcp(BASE + '{path}'))"));
    let pinned = "async def listed():\n    from mcp import Client, MCPError\n    async with Client(BASE + '/json/mcp') as client:\n        \
        try: print('tools', sorted(tool.name for tool in (await client.list_tools()).tools))\n        \
        except MCPError as e: print('withheld', e.code, e.message)\nasyncio.run(listed())";
    assert!(list("/mcp").stdout.contains("tools ['add', 'big', 'delete_repo']"));
    let before = site.python(pinned);
    assert!(before.stdout.contains("tools ['add', 'big', 'delete_repo']"), "{before:?}");
    assert!(site.python("print(post('/flip', {}).status_code)").stdout.contains("200"));
    // By default it is told, and passes.
    assert!(list("/mcp").stdout.contains("tools ['add', 'big', 'delete_repo']"));
    let told = site.record(|record| record["call"]["changed_tools"] == json!(["add"]) && record["path"] == "/mcp");
    assert_eq!((&told["decision"], &told["error"]), (&json!("allow"), &Value::Null));
    let after = site.python(pinned);
    assert!(
        after.stdout.contains("withheld -32001 Denied by policy: the server's list of tools is withheld"),
        "{after:?}"
    );
    assert!(after.stdout.contains("add") && !after.stdout.contains("id_rsa"), "{after:?}");
    let withheld = site.record(|record| record["path"] == "/json/mcp" && record["error"].is_string());
    assert!(withheld["error"].as_str().unwrap().contains("withheld"), "{withheld}");
    let metrics = site.metrics();
    for line in [
        r#"aegis_tool_definition_changes_total{action="report"} 1"#,
        r#"aegis_tool_definition_changes_total{action="deny"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[test]
fn llm_sdks_stream_and_the_record_tells_model_calls_and_tokens() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
import anthropic, openai
client = openai.OpenAI(api_key='not-a-key', base_url=BASE + '/v1', timeout=20)
stream = client.chat.completions.create(model='lab-model', stream=True, messages=[{'role': 'user', 'content': 'weather?'}],
    tools=[{'type': 'function', 'function': {'name': 'weather', 'parameters': {}}}])
print('openai', ''.join(c.function.arguments or '' for chunk in stream for choice in chunk.choices for c in choice.delta.tool_calls or []))
client = anthropic.Anthropic(api_key='not-a-key', base_url=BASE, timeout=20)
with client.messages.stream(model='claude', max_tokens=5, messages=[{'role': 'user', 'content': 'search'}]) as stream:
    message = stream.get_final_message()
print('anthropic', message.content[0].name, message.content[0].input, message.usage.output_tokens)
"#;
    let outcome = site.python(program);
    assert!(outcome.stdout.contains(r#"openai {"city":"Köln"}"#), "{outcome:?}");
    assert!(outcome.stdout.contains("anthropic search {'q': 'ab'} 33"), "{outcome:?}");
    let chat = site.record(|record| record["path"] == "/v1/chat/completions")["call"].clone();
    let expected = json!({"protocol": "openai_chat", "provider": "openai", "operation": "chat", "model": "lab-model-2", "session": null, "tools": [],
        "tool_calls": ["weather"], "changed_tools": [], "input_tokens": 21, "output_tokens": 9, "cached_tokens": 5, "partial": false});
    assert_eq!(chat, expected);
    let messages = site.record(|record| record["path"] == "/v1/messages")["call"].clone();
    assert_eq!((&messages["model"], &messages["tool_calls"]), (&json!("claude-lab"), &json!(["search"])));
    assert_eq!((&messages["input_tokens"], &messages["cached_tokens"]), (&json!(111), &json!(100)));
    let metrics = site.metrics();
    assert!(metrics.contains(r#"aegis_model_tokens_total{protocol="openai_chat",kind="input"} 21"#), "{metrics}");
}

#[test]
fn a_signed_request_is_never_sent_broken() {
    let lab = Lab::new().unwrap();
    let site = Site::new(&lab);
    let program = r#"
AUTH = 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00'
def tell(what, r): print(what, r.status_code, r.headers.get('aegis-decision'), r.headers.get('x-amzn-errortype'), r.text[:400])
ssn = {'text': 'ssn 536-22-8741'}
tell('plain', post('/sink/signed', ssn))
tell('aws', post('/sink/signed', ssn, authorization=AUTH, x_amz_target='DynamoDB_20120810.PutItem'))
tell('clean', post('/sink/signed', {'text': 'nothing'}, authorization=AUTH))
tell('hook', post('/sink/signed', ssn, x_hub_signature_256='sha256=00'))
tell('query', post('/sink/signed?who=jane.doe@corp.example', {}, authorization=AUTH))
tell('open', post('/sink/signed', ssn, authorization=AUTH, x_amz_content_sha256='UNSIGNED-PAYLOAD'))
tell('asked', post('/sink/asked', ssn, content_digest='sha-256=:x:'))
def slowly():
    yield b'{"a": "' + b'x' * 200000
    yield b' ssn 536-22-8741 "}'
try: tell('stream', httpx.post(BASE + '/sink/signed', content=slowly(), headers={'content-digest': 'sha-256=:x:', 'content-type': 'application/json'}, timeout=20))
except httpx.HTTPError as e: print('stream', type(e).__name__)
"#;
    let outcome = site.python(program);
    let line = |what: &str| {
        outcome.stdout.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{outcome:?}"))
    };
    assert!(line("plain").starts_with("plain 200 sanitize"), "{outcome:?}");
    assert!(
        line("aws").starts_with("aws 403 deny AccessDeniedException") && line("aws").contains("would be broken"),
        "{outcome:?}"
    );
    assert!(line("clean").starts_with("clean 200"), "{outcome:?}");
    assert!(line("hook").starts_with("hook 403 deny"), "{outcome:?}");
    assert!(line("query").starts_with("query 403 deny"), "{outcome:?}");
    assert!(line("open").starts_with("open 200 sanitize"), "{outcome:?}");
    assert!(line("asked").starts_with("asked 403 approval_needed"), "{outcome:?}");
    assert!(!line("stream").starts_with("stream 200"), "{outcome:?}");
    let bodies: Vec<String> = site
        .service
        .seen()
        .iter()
        .filter(|line| line["sink"].is_string())
        .map(|line| line["body"].to_string())
        .collect();
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    assert!(bodies.iter().all(|body| !body.contains("536-22")), "{bodies:?}");
    let record = site.record(|record| record["tool"] == "dynamodb:PutItem");
    assert_eq!((&record["decision"], &record["findings"][0]["detector"]), (&json!("deny"), &json!("ssn")));
}
