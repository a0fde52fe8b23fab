//! LLM APIs, told by their path: which model is asked, and what it is given. They call no tools themselves; the model's answer does.

use serde_json::{Map, Value};

use crate::understood::Understood;
use crate::{Body, MAX_NAME, Protocol, Request};

pub(crate) fn understand<'a>(request: &Request<'a>) -> Option<Understood<'a>> {
    if request.method != "POST" {
        return None;
    }
    let (protocol, operation) = told_by_path(request)?;
    let body = match request.body {
        Body::Json(Value::Object(body)) => Some(body),
        _ => None,
    };
    if protocol == Protocol::Ollama && !body.is_some_and(|body| body.get("model").is_some_and(Value::is_string)) {
        return None;
    }
    let mut understood =
        Understood { protocol: Some(protocol), operation: Some(operation.to_owned()), ..Understood::default() };
    understood.model = model(request, protocol, body);
    understood.stream = streams(request, protocol, body);
    if let Some(body) = body {
        understood.tools_offered = offered(body);
        understood.tool_results = results(body);
    }
    Some(understood)
}

/// `gen_ai.operation.name` beside it.
fn told_by_path(request: &Request<'_>) -> Option<(Protocol, &'static str)> {
    let ends = |end: &str| request.ends_with(end);
    if let Some((_, method)) = request.path.rsplit_once(':').filter(|_| request.path.contains("/models/")) {
        return match method {
            "generateContent" | "streamGenerateContent" => Some((Protocol::Gemini, "generate_content")),
            "countTokens" | "embedContent" | "batchEmbedContents" => Some((Protocol::Gemini, "embeddings")),
            "rawPredict" | "streamRawPredict" if request.path.contains("/publishers/anthropic/") => {
                Some((Protocol::Anthropic, "chat"))
            }
            _ => None,
        };
    }
    if request.path.contains("/model/") {
        if ends("/converse") || ends("/converse-stream") {
            return Some((Protocol::BedrockConverse, "chat"));
        }
        if ends("/invoke") || ends("/invoke-with-response-stream") {
            return Some((Protocol::BedrockInvoke, "chat"));
        }
    }
    let known = [
        ("/chat/completions", Protocol::OpenAiChat, "chat"),
        ("/v1/responses", Protocol::OpenAiResponses, "chat"),
        ("/openai/responses", Protocol::OpenAiResponses, "chat"),
        ("/v1/completions", Protocol::OpenAiOther, "text_completion"),
        ("/v1/embeddings", Protocol::OpenAiOther, "embeddings"),
        ("/v1/messages", Protocol::Anthropic, "chat"),
        ("/api/chat", Protocol::Ollama, "chat"),
        ("/api/generate", Protocol::Ollama, "text_completion"),
    ];
    known.iter().find(|(end, ..)| ends(end)).map(|(_, protocol, operation)| (*protocol, *operation))
}

fn model(request: &Request<'_>, protocol: Protocol, body: Option<&Map<String, Value>>) -> Option<String> {
    let in_path = |after: &str, until: &[char]| {
        let rest = request.path.rsplit_once(after)?.1;
        let name = rest.split(until).next()?;
        percent_encoding::percent_decode_str(name).decode_utf8().ok().map(|name| name.into_owned())
    };
    let named = match protocol {
        Protocol::Gemini => in_path("/models/", &[':', '/']),
        Protocol::BedrockConverse | Protocol::BedrockInvoke => in_path("/model/", &['/']),
        _ => body.and_then(|body| body.get("model")).and_then(Value::as_str).map(str::to_owned),
    };
    // Azure and Vertex name it in the path.
    let named = named.or_else(|| in_path("/deployments/", &['/'])).or_else(|| in_path("/models/", &[':', '/']));
    named.filter(|name| is_word(name))
}

/// A name for records: short, and no more than one line.
pub(crate) fn is_word(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}

fn streams(request: &Request<'_>, protocol: Protocol, body: Option<&Map<String, Value>>) -> bool {
    let said = body.and_then(|body| body.get("stream")).and_then(Value::as_bool);
    match protocol {
        Protocol::Gemini => request.path.ends_with(":streamGenerateContent"),
        Protocol::BedrockConverse => request.ends_with("/converse-stream"),
        Protocol::BedrockInvoke => request.ends_with("/invoke-with-response-stream"),
        // It streams unless it is told not to.
        Protocol::Ollama => said.unwrap_or(true),
        _ => said.unwrap_or(false),
    }
}

/// Tools that the model may use, in any API's form.
fn offered(body: &Map<String, Value>) -> usize {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
    let tools = body.get("tools").and_then(Value::as_array);
    // Gemini groups them.
    let grouped = tools.into_iter().flatten().map(|tool| list(tool.get("functionDeclarations")).max(1)).sum::<usize>();
    grouped + list(body.get("functions")) + list(body.get("toolConfig").and_then(|config| config.get("tools")))
}

/// Results of tools that the model is given: messages and parts of messages.
fn results(body: &Map<String, Value>) -> usize {
    let of = |key: &str| body.get(key).and_then(Value::as_array).into_iter().flatten();
    let messages = of("messages").chain(of("input")).chain(of("contents"));
    messages.map(results_of_message).sum()
}

fn results_of_message(message: &Value) -> usize {
    let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    if role == "tool" || role == "function" || kind.ends_with("_call_output") {
        return 1;
    }
    let parts = ["content", "parts"].iter().filter_map(|key| message.get(*key)?.as_array()).flatten();
    let is_result = |part: &&Value| {
        part.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("tool_result"))
            || part.get("toolResult").is_some()
            || part.get("functionResponse").is_some()
    };
    parts.filter(is_result).count()
}
