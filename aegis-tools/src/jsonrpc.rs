//! JSON-RPC 2.0: MCP, A2A and all else that is written in it, alone or in batches.

use data_encoding::BASE64;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::understood::{Call, MAX_CALLS, Tool, Understood};
use crate::{Body, Protocol, Request, keys};

/// Methods of MCP (revisions 2024-11-05 to 2026-07-28). What ends in `/` is the beginning of some.
const MCP: [&str; 14] = [
    "initialize",
    "ping",
    "notifications/",
    "tools/",
    "resources/",
    "prompts/",
    "completion/",
    "logging/",
    "sampling/",
    "roots/",
    "elicitation/",
    "server/",
    "subscriptions/",
    "ui/",
];
/// Methods of A2A (0.2 to 1.0). `tasks/` is MCP's, too: what the session header says then counts.
const A2A: [&str; 15] = [
    "message/",
    "tasks/",
    "agent/",
    "SendMessage",
    "SendStreamingMessage",
    "GetTask",
    "ListTasks",
    "CancelTask",
    "SubscribeToTask",
    "TaskResubscription",
    "CreateTaskPushNotificationConfig",
    "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfigs",
    "DeleteTaskPushNotificationConfig",
    "GetExtendedAgentCard",
];
/// Names begin so that are no tool's own.
const PREFIXES: [&str; 3] = ["mcp:", "a2a:", "jsonrpc:"];

const MESSAGE_KEYS: [&str; 6] = ["jsonrpc", "method", "params", "id", "result", "error"];
const CALL_KEYS: [&str; 4] = ["name", "arguments", "_meta", "task"];

/// The request as JSON-RPC, where its body is that.
pub(crate) fn understand<'a>(request: &Request<'a>) -> Option<Understood<'a>> {
    let Body::Json(body) = request.body else { return None };
    let session = request.headers.get("mcp-session-id").and_then(|value| value.to_str().ok());
    let speaks_mcp = session.is_some() || request.headers.contains_key("mcp-protocol-version");
    let mirrored = Mirrored::of(request.headers);
    let mut understood = Understood { session: session.map(str::to_owned), ..Understood::default() };
    match body {
        Value::Object(message) if is_message(message) => element(&mut understood, message, 0, speaks_mcp),
        Value::Array(messages) if messages.iter().any(|one| one.as_object().is_some_and(is_message)) => {
            batch(&mut understood, messages, speaks_mcp);
        }
        _ => return None,
    }
    understood.protocol = understood.protocol.or(Some(Protocol::JsonRpc));
    if !understood.calls.iter().all(|call| mirrored.agrees(call)) {
        understood.doubt = Some("what the Mcp-Method and Mcp-Name fields say is not what the message says");
    }
    Some(understood)
}

/// What MCP's fields say of the message (revision 2026-07-28, "Streamable HTTP"): a gateway behind us may go by them.
struct Mirrored {
    method: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
}

impl Mirrored {
    fn of(headers: &HeaderMap) -> Self {
        let field = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
        // What is no visible ASCII stands in base64.
        let plain = |text: Vec<u8>| match text.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?=")) {
            Some(coded) => BASE64.decode(coded).unwrap_or(text),
            None => text,
        };
        Self { method: field("mcp-method"), name: field("mcp-name").map(plain) }
    }

    fn agrees(&self, call: &Call<'_>) -> bool {
        let key = match call.method {
            Some("tools/call" | "prompts/get") => "name",
            Some("resources/read") => "uri",
            _ => "taskId",
        };
        let name = call.params.and_then(|params| params.get(key)).and_then(Value::as_str);
        self.method.as_deref().is_none_or(|said| call.method.is_some_and(|method| method.as_bytes() == said))
            && self.name.as_deref().is_none_or(|said| name.is_none_or(|name| name.as_bytes() == said))
    }
}

fn batch<'a>(understood: &mut Understood<'a>, messages: &'a [Value], speaks_mcp: bool) {
    understood.batch = Some(messages.len());
    if messages.len() > MAX_CALLS {
        understood.doubt = Some("the batch holds more calls than are looked at");
        return;
    }
    for (at, message) in messages.iter().enumerate() {
        match message.as_object().filter(|message| is_message(message)) {
            Some(message) => element(understood, message, at, speaks_mcp),
            None => understood.add(Call {
                element: at,
                ..Call::of_tool(Tool::Doubtful("an element of the batch is no JSON-RPC message"))
            }),
        }
    }
}

/// Whether it is a message to one who reads generously: most servers ask for no more than a method.
fn is_message(message: &Map<String, Value>) -> bool {
    // In any letters: the key may be there under a name that only others read.
    let is_method = |key: &str| key.eq_ignore_ascii_case("method");
    message.contains_key("jsonrpc")
        || keys::odd(message, &["jsonrpc"])
        || message.iter().any(|(key, value)| is_method(key) && value.as_str().is_some_and(is_known))
}

/// Whether a method is MCP's or A2A's by its name alone. Single words that an API of another kind may use as well are not.
fn is_known(method: &str) -> bool {
    method.contains('/') && (among(&MCP, method) || among(&A2A, method))
}

fn among(names: &[&str], method: &str) -> bool {
    names.iter().any(|name| if name.ends_with('/') { method.starts_with(name) } else { method == *name })
}

fn element<'a>(understood: &mut Understood<'a>, message: &'a Map<String, Value>, at: usize, speaks_mcp: bool) {
    let method = message.get("method").and_then(Value::as_str);
    let call = |tool| Call {
        element: at,
        tool,
        method,
        params: message.get("params"),
        id: message.get("id").filter(|id| !id.is_null()),
    };
    if keys::odd(message, &MESSAGE_KEYS) {
        return understood.add(call(Tool::Doubtful("a key of the JSON-RPC message is written in unusual letters")));
    }
    let Some(method) = method else {
        let answers = message.contains_key("result") || message.contains_key("error");
        let tool = match (answers, message.contains_key("method")) {
            // What a server had asked for (sampling, elicitation) goes back to it.
            (true, false) => Tool::named("mcp:response"),
            _ => Tool::Doubtful("the JSON-RPC message has no method"),
        };
        understood.protocol = understood.protocol.or(answers.then_some(Protocol::Mcp));
        return understood.add(call(tool));
    };
    let (protocol, other) = protocols(method, speaks_mcp);
    understood.protocol = understood.protocol.or(Some(protocol));
    understood.operation.get_or_insert_with(|| method.to_owned());
    understood.add(call(tool(protocol, method, message.get("params"))));
    if let Some(other) = other {
        understood.add(call(tool(other, method, message.get("params"))));
    }
}

/// What a method is, and what it may be as well.
fn protocols(method: &str, speaks_mcp: bool) -> (Protocol, Option<Protocol>) {
    match (among(&MCP, method), among(&A2A, method)) {
        // The header is the agent's word; what acts on it may be either.
        (_, true) if method.starts_with("tasks/") && speaks_mcp => (Protocol::Mcp, Some(Protocol::A2a)),
        (true, _) => (Protocol::Mcp, None),
        (false, true) => (Protocol::A2a, None),
        (false, false) if speaks_mcp => (Protocol::Mcp, Some(Protocol::JsonRpc)),
        (false, false) => (Protocol::JsonRpc, None),
    }
}

fn tool(protocol: Protocol, method: &str, params: Option<&Value>) -> Tool {
    if protocol != Protocol::Mcp || method != "tools/call" {
        return Tool::named(format!("{}:{method}", protocol.name()));
    }
    let Some(Value::Object(params)) = params else { return Tool::Doubtful("the tools/call names no tool") };
    if keys::odd(params, &CALL_KEYS) {
        return Tool::Doubtful("a key of the tools/call is written in unusual letters");
    }
    match params.get("name").and_then(Value::as_str) {
        Some(name) if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
            Tool::Doubtful("the tool's name is written as a method's")
        }
        Some(name) => Tool::named(name),
        None => Tool::Doubtful("the tools/call names no tool"),
    }
}

/// Whether a message of a server answers the call with this id: no request and no notification of its own.
#[must_use]
pub fn answers_to<'m>(message: &'m Value, id: &Value) -> Option<&'m Map<String, Value>> {
    let message = message.as_object()?;
    let answer = message.contains_key("result") || message.contains_key("error");
    (answer && !message.contains_key("method") && message.get("id") == Some(id)).then_some(message)
}
