//! What requests call: tables for each protocol, and what an agent may try so that it is not seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use aegis_tools::{Body, Protocol, Request, signed};
use http::HeaderMap;
use serde_json::json;
use support::Written;

fn mcp(body: &str) -> Vec<String> {
    Written::post("https://mcp.test/mcp", body).names()
}

#[test]
fn mcp_calls_have_their_own_names_and_methods_a_prefix() {
    for (body, names) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo","arguments":{"a":1}}}"#,
            &["delete_repo"][..],
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, &["mcp:initialize"]),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, &["mcp:notifications/initialized"]),
        (r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#, &["mcp:tools/list"]),
        (r#"{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"file:///x"}}"#, &["mcp:resources/read"]),
        (r#"{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"p"}}"#, &["mcp:prompts/get"]),
        (r#"{"jsonrpc":"2.0","id":3,"result":{"content":"what the server sampled"}}"#, &["mcp:response"]),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b"}}]"#,
            &["a", "b"],
        ),
        // Without the version: generous servers ask for none.
        (r#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#, &["a"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}"#, &["a2a:message/send"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{}}"#, &["a2a:GetTask"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","params":{}}"#, &["a2a:tasks/cancel"]),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":[]}"#,
            &["jsonrpc:eth_sendRawTransaction"],
        ),
        // Other APIs: nothing.
        (r#"{"method":"card","amount":5}"#, &[]),
        (r#"{"Method":"card","amount":5}"#, &[]),
        (r#"[{"amount":5}]"#, &[]),
        (r#"{"query":"red shoes"}"#, &[]),
        ("[]", &[]),
        ("3", &[]),
    ] {
        assert_eq!(mcp(body), names, "{body}");
    }
}

#[test]
fn what_is_written_to_be_read_in_two_ways_is_in_doubt() {
    for body in [
        // Go's encoding/json takes any case, and the last of two.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call","params":{"name":"delete_repo"}}"#,
        r#"{"JSONRPC":"2.0","id":1,"Method":"tools/call","Params":{"name":"delete_repo"}}"#,
        r#"{"id":1,"Method":"tools/call","Params":{"name":"delete_repo"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"harmless","Name":"delete_repo"}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"harmless\"},\"param\u{17f}\":{\"name\":\"delete_repo\"}}",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete_repo"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        // A server's tool that is named as a method is not the method.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mcp:ping"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\nb"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}"#,
        // Not strict JSON, but somebody may read it.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_repo"},}"#,
        "\u{feff}{'method':'tools/call'}",
        "{\"a\":1}{\"method\":\"tools/call\"}",
    ] {
        assert_eq!(mcp(body), ["?"], "{body}");
    }
    let utf16: Vec<u8> = "{\"jsonrpc\":\"2.0\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let headers = HeaderMap::new();
    let request =
        Request { method: "POST", host: "h", path: "/", query: None, headers: &headers, body: Body::Raw(&utf16) };
    assert!(aegis_tools::understand(&request).doubt.is_some());
    // One element of a batch that is none.
    assert_eq!(mcp(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},3]"#), ["mcp:ping", "?"]);
    let many = json!(vec![json!({"jsonrpc":"2.0","id":1,"method":"ping"}); 65]).to_string();
    assert_eq!(mcp(&many), ["?"]);
}

#[test]
fn the_session_header_does_not_hide_a_name() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{}}"#;
    let fields = [("content-type", "application/json"), ("mcp-session-id", "s1")];
    let written = Written::new("POST", "https://agent.test/a2a", &fields, body);
    assert_eq!(written.names(), ["mcp:tasks/get", "a2a:tasks/get"]);
    assert_eq!(written.understood().session.as_deref(), Some("s1"));
}

#[test]
fn fields_that_say_something_else_than_the_message_are_in_doubt() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"größe"}}"#;
    let with = |fields: &[(&str, &str)]| Written::new("POST", "https://mcp.test/mcp", fields, body).names();
    let coded = format!("=?base64?{}?=", data_encoding::BASE64.encode("größe".as_bytes()));
    assert_eq!(with(&[("mcp-method", "tools/call"), ("mcp-name", &coded)]), ["größe"]);
    assert_eq!(with(&[("mcp-method", "tools/list")]), ["größe", "?"]);
    assert_eq!(with(&[("mcp-method", "tools/call"), ("mcp-name", "delete_repo")]), ["größe", "?"]);
}

#[test]
fn a_compressed_body_is_in_doubt_and_other_kinds_are_not() {
    let with = |field: (&'static str, &'static str), body: &str| {
        Written::new("POST", "https://mcp.test/", &[field], body).names()
    };
    assert_eq!(with(("content-encoding", "gzip"), "\u{1f}\u{8b}"), ["?"]);
    assert_eq!(with(("content-encoding", "identity"), "plain"), [""; 0]);
    assert_eq!(with(("content-type", "text/plain"), "plain [text]"), [""; 0]);
    assert_eq!(with(("content-type", "multipart/form-data; boundary=x"), "--x\r\n\r\n{}"), [""; 0]);
}

#[test]
fn a_call_carries_what_policies_read_of_it() {
    let body = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"pay","arguments":{"amount":5}}}"#;
    let written = Written::post("https://mcp.test/mcp", body);
    let understood = written.understood();
    assert_eq!(understood.protocol, Some(Protocol::Mcp));
    assert_eq!(understood.operation.as_deref(), Some("tools/call"));
    assert_eq!(understood.only_tool(), Some("pay"));
    let call = &understood.calls[0];
    assert_eq!((call.id, call.method), (Some(&json!("x")), Some("tools/call")));
    assert_eq!(call.params.unwrap()["arguments"]["amount"], 5);
}

#[test]
fn graphql_is_named_by_the_fields_of_its_root() {
    let names =
        |document: &str| Written::post("https://api.test/graphql", &json!({"query": document}).to_string()).names();
    for (document, expected) in [
        ("{ viewer { login } }", &["query.viewer"][..]),
        (
            "query Harmless($a: Int = 3) @cached(ttl: 5) { b: repository(owner: \"}\", name: \"x{\") { id } viewer }",
            &["query.repository", "query.viewer"],
        ),
        (
            "mutation ReadOnly { safe: deleteRepository(input: {id: [1, {a: 2}]}) { id } }",
            &["mutation.deleteRepository"],
        ),
        ("subscription { ticks }", &["subscription.ticks"]),
        (
            "mutation { ...F } fragment F on Mutation { ...G a } fragment G on Mutation { ...F deleteAll }",
            &["mutation.a", "mutation.deleteAll"],
        ),
        ("mutation { ... on Mutation @include(if: true) { x } ... { y } }", &["mutation.x", "mutation.y"]),
        ("query A { a } mutation B { b }", &["query.a", "mutation.b"]),
        ("# mutation { x }\n{ a(text: \"\"\"block \\\"\"\" } mutation { b } \"\"\") }", &["query.a"]),
        ("\u{feff}{,,a,}", &["query.a"]),
        ("mutation { ...Missing }", &["?"]),
        ("{ a", &["?"]),
        ("{}", &["?"]),
        ("type Query { a: Int }", &["?"]),
        ("{ a(b: \"unended) }", &["?"]),
        ("", &["?"]),
    ] {
        assert_eq!(names(document), expected, "{document}");
    }
    let deep = format!("{{ a(b: {}1{}) }}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(names(&deep), ["?"]);
    let nested = "{".to_owned() + &"... {".repeat(100_000);
    assert_eq!(names(&nested), ["?"]);
}

#[test]
fn graphql_is_seen_wherever_and_however_it_is_sent() {
    let names = |method: &str, url: &str, kind: &str, body: &str| {
        Written::new(method, url, &[("content-type", kind)], body).names()
    };
    let json = "application/json";
    assert_eq!(names("GET", "https://api.test/graphql?query=%7Bviewer%7Bid%7D%7D", json, ""), ["query.viewer"]);
    assert_eq!(names("POST", "https://api.test/graphql", "application/graphql", "{ a }"), ["query.a"]);
    assert_eq!(
        names("POST", "https://api.test/graphql", "application/x-www-form-urlencoded", "query=mutation+%7Ba%7D"),
        ["mutation.a"]
    );
    assert_eq!(
        names("POST", "https://api.test/graphql", json, r#"[{"query":"{a}"},{"query":"mutation{b}"}]"#),
        ["query.a", "mutation.b"]
    );
    assert_eq!(names("POST", "https://api.test/v1/data", json, r#"{"query":"mutation { drop }"}"#), ["mutation.drop"]);
    // A document that only the server knows; uploads; nothing.
    assert_eq!(
        names("POST", "https://api.test/graphql", json, r#"{"extensions":{"persistedQuery":{"sha256Hash":"00"}}}"#),
        ["?"]
    );
    assert_eq!(names("POST", "https://api.test/graphql", "multipart/form-data; boundary=x", "--x"), ["?"]);
    assert_eq!(
        names("POST", "https://api.test/graphql", json, r#"{"query":"{a}","QUERY":"mutation{b}"}"#),
        ["query.a", "?"]
    );
    // One body, two protocols: both names.
    let both = r#"{"jsonrpc":"2.0","id":1,"method":"ping","query":"mutation{b}"}"#;
    assert_eq!(names("POST", "https://api.test/x", json, both), ["mcp:ping", "mutation.b"]);
}

#[test]
fn grpc_and_connect_are_named_by_their_path() {
    let names = |path: &str, kind: &str| {
        Written::new("POST", &format!("https://rpc.test{path}"), &[("content-type", kind)], "x").names()
    };
    for (path, kind, expected) in [
        ("/shop.v1.Orders/Cancel", "application/grpc", &["shop.v1.Orders/Cancel"][..]),
        ("/shop.v1.Orders/Cancel", "application/grpc-web+proto", &["shop.v1.Orders/Cancel"]),
        ("/shop.v1.Orders/Cancel", "application/connect+json", &["shop.v1.Orders/Cancel"]),
        ("/shop.v1.Orders/Cancel", "application/json", &["shop.v1.Orders/Cancel"]),
        ("/shop.v1.Orders/%43ancel", "application/grpc", &["?"]),
        ("/shop.v1.Orders/Cancel/x", "application/grpc", &["?"]),
        ("/index.php/View", "application/json", &[]),
        ("/v1/charges", "application/json", &[]),
    ] {
        assert_eq!(names(path, kind), expected, "{path} {kind}");
    }
}

#[test]
fn aws_is_named_by_service_and_action() {
    let auth =
        "AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/SERVICE/aws4_request, SignedHeaders=host, Signature=00";
    let names = |method: &str, url: &str, service: &str, fields: &[(&str, &str)], body: &str| {
        let auth = auth.replace("SERVICE", service);
        let mut all = fields.to_vec();
        if !service.is_empty() {
            all.push(("authorization", &auth));
        }
        Written::new(method, url, &all, body).names()
    };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (method, url, service, fields, body, expected) in [
        (
            "POST",
            "https://dynamodb.us-east-1.amazonaws.com/",
            "dynamodb",
            &[("x-amz-target", "DynamoDB_20120810.PutItem")][..],
            "{}",
            "dynamodb:PutItem",
        ),
        (
            "POST",
            "https://sqs.eu-west-1.amazonaws.com/",
            "sqs",
            &form,
            "Action=SendMessage&QueueUrl=x",
            "sqs:SendMessage",
        ),
        ("POST", "https://sts.amazonaws.com/", "", &form, "Version=2011-06-15&Action=AssumeRole", "sts:AssumeRole"),
        ("GET", "https://sts.amazonaws.com/?Action=GetCallerIdentity", "sts", &[], "", "sts:GetCallerIdentity"),
        ("PUT", "https://bucket.s3.us-east-1.amazonaws.com/key", "s3", &[], "x", "s3:PUT"),
        ("PUT", "https://bucket.s3-us-west-2.amazonaws.com/key", "", &[], "x", "s3:PUT"),
        ("PUT", "https://bucket.s3.dualstack.us-east-1.amazonaws.com/key", "", &[], "x", "s3:PUT"),
        ("PUT", "https://minio.test/bucket/key", "s3", &[], "x", "s3:PUT"),
        (
            "POST",
            "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/f/invocations",
            "lambda",
            &[],
            "{}",
            "lambda:Invoke",
        ),
        (
            "POST",
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
            "bedrock",
            &[],
            "{}",
            "bedrock:Converse",
        ),
        ("POST", "https://email.us-east-1.amazonaws.com/", "ses", &form, "Action=SendEmail", "ses:SendEmail"),
        // Two actions, one of them hidden from who reads the other.
        ("POST", "https://sqs.amazonaws.com/?Action=ListQueues", "sqs", &form, "Action=SendMessage", "?"),
        ("POST", "https://sqs.amazonaws.com/", "sqs", &form, "Action=ListQueues&Action=SendMessage", "?"),
        (
            "POST",
            "https://sqs.amazonaws.com/",
            "sqs",
            &[("content-type", "text/plain")],
            "Action=SendMessage",
            "sqs:SendMessage",
        ),
        ("POST", "https://sqs.amazonaws.com/", "sqs", &form, "Action=Send%20Message", "?"),
    ] {
        assert_eq!(names(method, url, service, fields, body), [expected], "{url} {body}");
    }
    assert_eq!(names("GET", "https://s3.test/", "", &[], ""), [""; 0]);
    assert_eq!(names("GET", "https://notamazonaws.com/", "", &[], ""), [""; 0]);
}

#[test]
fn llm_requests_say_model_tools_results_and_stream() {
    let bedrock = "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2%3A1";
    for (url, body, protocol, model, offered, results, stream) in [
        (
            "https://api.openai.com/v1/chat/completions",
            r#"{"model":"gpt-5","stream":true,"tools":[{},{}],"messages":[{"role":"tool","content":"x"}]}"#,
            Protocol::OpenAiChat,
            "gpt-5",
            2,
            1,
            true,
        ),
        ("https://llm.test/openai/v1/chat/completions", r#"{"model":"m"}"#, Protocol::OpenAiChat, "m", 0, 0, false),
        (
            "https://x.openai.azure.com/openai/deployments/gpt5-prod/chat/completions?api-version=1",
            "{}",
            Protocol::OpenAiChat,
            "gpt5-prod",
            0,
            0,
            false,
        ),
        (
            "https://api.openai.com/v1/responses",
            r#"{"model":"gpt-5","input":[{"type":"function_call_output"}],"tools":[{}]}"#,
            Protocol::OpenAiResponses,
            "gpt-5",
            1,
            1,
            false,
        ),
        ("https://api.openai.com/v1/embeddings", r#"{"model":"e"}"#, Protocol::OpenAiOther, "e", 0, 0, false),
        (
            "https://api.anthropic.com/v1/messages",
            r#"{"model":"claude","stream":true,"tools":[{}],"messages":[{"role":"user","content":[{"type":"tool_result"},{"type":"text"}]}]}"#,
            Protocol::Anthropic,
            "claude",
            1,
            1,
            true,
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
            r#"{"contents":[{"parts":[{"functionResponse":{}}]}],"tools":[{"functionDeclarations":[{},{},{}]}]}"#,
            Protocol::Gemini,
            "gemini-3-pro",
            3,
            1,
            true,
        ),
        (
            &format!("{bedrock}/converse-stream"),
            r#"{"toolConfig":{"tools":[{}]},"messages":[{"content":[{"toolResult":{}}]}]}"#,
            Protocol::BedrockConverse,
            "anthropic.claude-v2:1",
            1,
            1,
            true,
        ),
        (&format!("{bedrock}/invoke"), "{}", Protocol::BedrockInvoke, "anthropic.claude-v2:1", 0, 0, false),
        ("http://ollama.test/api/chat", r#"{"model":"qwen","messages":[]}"#, Protocol::Ollama, "qwen", 0, 0, true),
        ("http://ollama.test/api/chat", r#"{"model":"qwen","stream":false}"#, Protocol::Ollama, "qwen", 0, 0, false),
    ] {
        let written = Written::post(&url.replace("http://", "https://"), body);
        let understood = written.understood();
        assert_eq!(understood.protocol, Some(protocol), "{url}");
        assert_eq!(understood.model.as_deref(), Some(model), "{url}");
        assert_eq!(
            (understood.tools_offered, understood.tool_results, understood.stream),
            (offered, results, stream),
            "{url}"
        );
    }
    // Somebody else's chat.
    assert_eq!(Written::post("https://shop.test/api/chat", r#"{"text":"hi"}"#).understood().protocol, None);
    assert_eq!(Written::new("GET", "https://api.openai.com/v1/responses", &[], "").understood().protocol, None);
}

#[test]
fn providers_have_their_conventional_names() {
    for (protocol, host, name) in [
        (Protocol::OpenAiChat, "api.openai.com", Some("openai")),
        (Protocol::OpenAiChat, "x.openai.azure.com", Some("azure.ai.openai")),
        (Protocol::OpenAiChat, "api.groq.com", Some("groq")),
        (Protocol::OpenAiChat, "notgroq.com", Some("openai")),
        (Protocol::Gemini, "us-central1-aiplatform.googleapis.com", Some("gcp.vertex_ai")),
        (Protocol::BedrockConverse, "bedrock-runtime.us-east-1.amazonaws.com", Some("aws.bedrock")),
        (Protocol::Mcp, "api.openai.com", None),
    ] {
        assert_eq!(protocol.provider(host), name, "{host}");
    }
}

#[test]
fn signatures_over_head_and_body_are_found() {
    let of = |query: Option<&str>, fields: &[(&str, &str)]| {
        let written = Written::new("POST", "https://h.test/", fields, "x");
        let found = signed(query, &written.headers);
        (found.head, found.body)
    };
    let sigv4 = ("authorization", "AWS4-HMAC-SHA256 Credential=A/B/C/s3/aws4_request, SignedHeaders=host, Signature=0");
    assert_eq!(of(None, &[]), (false, false));
    assert_eq!(of(None, &[("authorization", "Bearer AWS4-x")]), (false, false));
    assert_eq!(of(None, &[sigv4]), (true, true));
    assert_eq!(of(None, &[sigv4, ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]), (true, false));
    assert_eq!(of(None, &[sigv4, ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]), (true, true));
    assert_eq!(of(None, &[sigv4, ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("content-md5", "x")]), (true, true));
    assert_eq!(of(Some("a=b&X-Amz-Signature=00"), &[]), (true, false));
    assert_eq!(of(None, &[("x-hub-signature-256", "sha256=00")]), (false, true));
    assert_eq!(of(None, &[("content-digest", "sha-256=:x:")]), (false, true));
    assert_eq!(of(None, &[("signature-input", "s=(\"@method\")"), ("signature", "s=:x:")]), (true, false));
    assert_eq!(of(None, &[("signature-input", "s=(\"content-digest\")"), ("signature", "s=:x:")]), (true, true));
}
