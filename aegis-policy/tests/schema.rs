//! docs/policy.schema.json says what the reader says: every shipped policy and example is valid by it, what is broken is not,
//! and it knows every key and word that the reader knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aegis_policy::{JSON_SCHEMA, compile};
use boon::{Compiler, SchemaIndex, Schemas};
use common::{policy, source};
use serde_json::{Value, json};

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new() -> Schema {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("policy.json", serde_json::from_str(JSON_SCHEMA).unwrap()).unwrap();
        let index = compiler.compile("policy.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Schema { schemas, index }
    }

    fn problem(&self, yaml: &str) -> Option<String> {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        self.schemas.validate(&value, self.index).err().map(|error| format!("{error:#}"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if aegis_policy::is_policy_file(&path)
            && path.extension().is_some_and(|kind| kind != "rego" && kind != "dict" && kind != "binpb")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_policy_and_every_example_is_valid() {
    let schema = Schema::new();
    let mut files = Vec::new();
    yaml_files(&root().join("policies"), &mut files);
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert_eq!(schema.problem(&fs::read_to_string(&file).unwrap()), None, "{}", file.display());
    }
    let text = fs::read_to_string(root().join("docs/policy.md")).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 8);
    for block in blocks {
        let whole = if block.starts_with("- ") { policy(block) } else { block.to_owned() };
        assert_eq!(schema.problem(&whole), None, "{block}");
    }
}

/// What the schema can say is refused by both.
#[test]
fn what_is_broken_is_refused_by_schema_and_reader() {
    let schema = Schema::new();
    let rule = |more: &str| policy(&format!("- {{name: r, hosts: [a.test], decision: allow, {more}}}"));
    let template = |text: &str| {
        format!(
            "templates: [{{name: t, teams: [x], agents: [a], rules: [{{name: r, hosts: [a.test], decision: allow}}], {text}}}]"
        )
    };
    let bounds = |text: &str| format!("bounds: [{{name: b, teams: [x], agents: [a], hosts: [a.test], {text}}}]");
    let mut table = vec![
        "{}".to_owned(),
        "version: v1".to_owned(),
        "policies: []".to_owned(),
        "policies: 7".to_owned(),
        "{polices: [], policies: [{name: p, agents: [a], rules: [{name: r, hosts: [a.test], decision: allow}]}]}".to_owned(),
        "policies: [{agents: [a], rules: [{name: r, hosts: [a.test], decision: allow}]}]".to_owned(),
        "policies: [{name: p, rules: [{name: r, hosts: [a.test], decision: allow}]}]".to_owned(),
        "policies: [{name: p, agents: [a]}]".to_owned(),
        "policies: [{name: p/q, agents: [a], rules: [{name: r, hosts: [a.test], decision: allow}]}]".to_owned(),
        "policies: [{name: p, agents: [a], tokens: {replay: never}, rules: [{name: r, hosts: [a.test], decision: allow}]}]".to_owned(),
        policy("- {name: r, decision: allow}"),
        policy("- {name: r, hosts: [a.test]}"),
        policy("- {hosts: [a.test], decision: allow}"),
        policy("- {name: r, hosts: [a.test], decision: permit}"),
        policy("- {name: r, hosts: [], decision: allow}"),
        policy("- {name: r, hosts: ['bad host'], decision: allow}"),
        policy("- {name: r, hosts: ['a.*.b'], decision: allow}"),
        "use: [{template: t, agents: [a]}]".to_owned(),
        "use: [{name: t, agents: [a]}]".to_owned(),
        "tools: [{name: t}]".to_owned(),
        "regions: {eu: []}".to_owned(),
        "protobuf: [{descriptors: x.pb}]".to_owned(),
        "protobuf: [{descriptors: a/x.binpb}]".to_owned(),
        "protobuf: [{}]".to_owned(),
        "bounds: [{name: b, teams: [x], agents: [a]}]".to_owned(),
        "templates: [{name: t, teams: [x], agents: [a]}]".to_owned(),
    ];
    table.extend(
        [
            "colour: red",
            "ports: [0]",
            "ports: [70000]",
            "ports: [http]",
            "methods: [get]",
            "paths: [v1]",
            "headers: [x]",
            "headers: {x: {like: a}}",
            "headers: {x: 5}",
            "body: [{path: a}]",
            "body: [{op: '=='}]",
            "body: [{path: a, op: '=<', value: 1}]",
            "body: [{path: a, op: '<', value: x}]",
            "body: [{path: a, op: in, value: x}]",
            "body: [{path: a, op: in, value: []}]",
            "body: [{path: a, op: matches, value: 5}]",
            "body: [{path: a, op: '==', value: [1]}]",
            "body: [{path: a, op: exists, value: 1}]",
            "body: [{path: a, op: '==', value: 1, value_of: b}]",
            "body: [{path: a, op: 'length <', value: x}]",
            "body: [{path: a, op: '=='}]",
            "dlp: {deny: [SSN]}",
            "dlp: {stop: [ssn]}",
            "mode: on",
            "tls: maybe",
            "tcp: 1",
            "private: 'yes'",
            "priority: 1.5",
            "priority: high",
            "reason: 5",
            "reason: ''",
            "fail_mode: maybe",
            "tool_changes: ignore",
            "tool_pins: {a: 5}",
            "tool_pins: {a: 'sha256:00'}",
            "tool_pins: {}",
            "signed: allow",
            "when: {}",
            "when: {day: [mon]}",
            "when: {days: [monday]}",
            "when: {hours: morning}",
            "when: {from: tomorrow}",
            "usage: [{of: requests, per: year, op: '<', value: 5}]",
            "usage: [{of: requests, per: day, op: '=', value: 5}]",
            "usage: [{of: requests, per: day, op: '<', value: -5}]",
            "scopes: ['a b']",
            "any_scope: []",
            "actors: ['']",
            "regions: [5]",
            "tools: [5]",
            "agents: []",
            "tenants: ['a b']",
            "rego: 5",
            "rego: ''",
        ]
        .map(rule),
    );
    table.extend(
        [
            "colour: red",
            "parameters: {p: {type: colour}}",
            "parameters: {p: {type: host}}",
            "parameters: {p: {type: list}}",
            "parameters: {p: {type: list, of: host}}",
            "parameters: {P: {type: word}}",
            "parameters: {p: {type: number, max: x}}",
            "parameters: {p: {}}",
            "parameters: {p: {type: word, colour: red}}",
            "dlp: {stop: [ssn]}",
        ]
        .map(template),
    );
    table.extend(
        [
            "colour: red",
            "may: [everything]",
            "decisions: [permit]",
            "max_priority: high",
            "must_dlp: {stop: [ssn]}",
            "ports: [http]",
            "teams2: [x]",
        ]
        .map(bounds),
    );
    assert!(table.len() > 80);
    for text in &table {
        assert!(compile(&[source("p.yaml", text)]).is_err(), "the reader takes\n{text}");
        assert!(schema.problem(text).is_some(), "the schema takes\n{text}");
    }
    // The table breaks one thing at a time: without it both take the text.
    for text in [rule("priority: 1"), template("parameters: {p: {type: word}}"), bounds("may: [tcp]")] {
        assert!(compile(&[source("p.yaml", &text)]).is_ok(), "{text}");
        assert_eq!(schema.problem(&text), None, "{text}");
    }
}

/// The keys that the reader says it knows in the map that holds `zzz`.
fn known_keys(text: &str) -> BTreeSet<String> {
    let problems = compile(&[source("p.yaml", text)]).unwrap_err();
    let problem = problems.problems().iter().find(|one| one.message.contains("unknown key `zzz`"));
    let problem = problem.unwrap_or_else(|| panic!("no unknown key in\n{text}\n{:#?}", problems.problems()));
    listed(problem.help.as_deref().unwrap())
}

/// The words in `known here: a, b, c`.
fn listed(help: &str) -> BTreeSet<String> {
    let list = help.split_once(": ").unwrap_or_else(|| panic!("{help}")).1;
    list.split(", ").map(str::to_owned).collect()
}

/// Every object of the schema that lists its keys lists those that the reader knows; and no such object is forgotten here.
#[test]
fn the_schema_knows_every_key_that_the_reader_knows() {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let rule = |more: &str| policy(&format!("- {{name: r, hosts: [a.test], decision: allow, {more}}}"));
    let template = |more: &str| {
        format!(
            "templates: [{{name: t, teams: [x], agents: [a], rules: [{{name: r, hosts: [a.test], decision: allow}}], {more}}}]"
        )
    };
    let table = [
        ("", "{zzz: 1, policies: []}".to_owned()),
        ("/$defs/policy", "policies: [{zzz: 1}]".to_owned()),
        ("/$defs/rule", rule("zzz: 1")),
        ("/$defs/dlp", rule("dlp: {zzz: 1}")),
        ("/$defs/mustDlp", "bounds: [{must_dlp: {zzz: 1}}]".to_owned()),
        ("/$defs/attachments", rule("dlp: {attachments: {zzz: 1}}")),
        ("/$defs/attachment", rule("dlp: {attachments: {strip: {zzz: 1}}}")),
        ("/$defs/responses", rule("dlp: {responses: {zzz: 1}}")),
        ("/$defs/ownDetector", "detectors: [{zzz: 1}]".to_owned()),
        (
            "/$defs/ownDetector/properties/examples",
            "detectors: [{name: ab, values: [bluebird], examples: {zzz: 1}}]".to_owned(),
        ),
        ("/properties/protobuf/items", "protobuf: [{zzz: 1}]".to_owned()),
        ("/$defs/tokens", "policies: [{tokens: {zzz: 1}}]".to_owned()),
        ("/$defs/regexTest", rule("headers: {x: {zzz: 1}}")),
        ("/$defs/bodyTest", rule("body: [{zzz: 1}]")),
        ("/$defs/window", rule("when: {zzz: 1}")),
        ("/$defs/usageTest", rule("usage: [{zzz: 1}]")),
        ("/$defs/use", "use: [{zzz: 1}]".to_owned()),
        ("/$defs/bounds", "bounds: [{zzz: 1}]".to_owned()),
        ("/$defs/tool", "tools: [{zzz: 1}]".to_owned()),
        // A template's own keys and those of the policy that it makes; a parameter's depend on its type.
        ("/$defs/template", template("zzz: 1")),
        ("/$defs/templateRule", "templates: [{name: t, teams: [x], agents: [a], rules: [{name: r, hosts: [a.test], decision: allow, zzz: 1}]}]".to_owned()),
        ("/$defs/parameter", String::new()),
    ];
    let mut objects = Vec::new();
    objects_with_keys(&schema, "", &mut objects);
    let tested: BTreeSet<&str> = table.iter().map(|(at, _)| *at).collect();
    let there: BTreeSet<&str> = objects.iter().map(String::as_str).collect();
    assert_eq!(there, tested);
    for (at, text) in &table {
        let in_schema: BTreeSet<String> = keys(&schema, at);
        let in_reader = match *at {
            "/$defs/parameter" => parameter_keys(),
            "/$defs/template" => {
                let own = ["name", "teams", "agents", "parameters"].map(str::to_owned);
                known_keys(text).into_iter().chain(own).collect()
            }
            _ => known_keys(text),
        };
        assert_eq!(in_schema, in_reader, "{at}");
    }
}

fn keys(schema: &Value, at: &str) -> BTreeSet<String> {
    schema.pointer(&format!("{at}/properties")).unwrap().as_object().unwrap().keys().cloned().collect()
}

fn parameter_keys() -> BTreeSet<String> {
    let kinds = ["number", "integer", "string", "word", "boolean", "host", "path", "method"];
    let of = |parameter: String| {
        known_keys(&format!(
            "templates: [{{name: t, teams: [x], agents: [a], parameters: {{p: {parameter}}}, rules: []}}]"
        ))
    };
    let plain = kinds.iter().flat_map(|kind| of(format!("{{type: {kind}, within: ['*'], zzz: 1}}")));
    plain.chain(of("{type: list, of: word, zzz: 1}".to_owned())).collect()
}

/// Pointers to all objects that take certain keys only (those that repeat another one's for templates aside).
fn objects_with_keys(schema: &Value, at: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if map.get("additionalProperties") == Some(&json!(false))
                && at != "/$defs/templateRule/properties/body/items"
            {
                found.push(at.to_owned());
            }
            for (key, value) in map {
                objects_with_keys(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                objects_with_keys(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

/// Words that the reader lists when it meets one it does not know.
#[test]
fn the_schema_knows_every_word_that_the_reader_knows() {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let rule = |more: &str| policy(&format!("- {{name: r, hosts: [a.test], {more}}}"));
    for (at, text) in [
        ("/$defs/decision/enum", rule("decision: zzz")),
        ("/$defs/mode/enum", rule("decision: allow, mode: zzz")),
        ("/$defs/rule/properties/tls/enum", rule("decision: allow, tls: zzz")),
        ("/$defs/rule/properties/fail_mode/enum", rule("decision: allow, fail_mode: zzz")),
        ("/$defs/rule/properties/tool_changes/enum", rule("decision: allow, tool_changes: zzz")),
        ("/$defs/rule/properties/signed/enum", rule("decision: allow, signed: zzz")),
        ("/$defs/bodyTest/properties/op/enum", rule("decision: allow, body: [{path: a, op: zzz}]")),
        ("/$defs/mask/enum", rule("decision: allow, dlp: {masks: {default: zzz}}")),
        ("/$defs/dlp/properties/unreadable/enum", rule("decision: allow, dlp: {unreadable: zzz}")),
        ("/$defs/responses/properties/markers/enum", rule("decision: allow, dlp: {responses: {markers: zzz}}")),
        ("/$defs/ownDetector/properties/confidence/enum", "detectors: [{confidence: zzz}]".to_owned()),
        ("/$defs/tokens/properties/replay/enum", "policies: [{tokens: {replay: zzz}}]".to_owned()),
        ("/$defs/tokens/properties/on_theft/enum", "policies: [{tokens: {on_theft: zzz}}]".to_owned()),
        ("/$defs/usageTest/properties/of/enum", rule("decision: allow, usage: [{of: zzz}]")),
        ("/$defs/usageTest/properties/per/enum", rule("decision: allow, usage: [{per: zzz}]")),
        ("/$defs/usageTest/properties/op/enum", rule("decision: allow, usage: [{op: zzz}]")),
        ("/$defs/bounds/properties/may/items/enum", "bounds: [{may: [zzz]}]".to_owned()),
        ("/$defs/parameter/properties/type/enum", "templates: [{parameters: {p: {type: zzz}}}]".to_owned()),
    ] {
        let in_schema: BTreeSet<String> = schema
            .pointer(at)
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect();
        let problems = compile(&[source("p.yaml", &text)]).unwrap_err();
        let problem = problems.problems().iter().find(|one| one.message.contains("`zzz`")).unwrap();
        assert_eq!(in_schema, listed(problem.help.as_deref().unwrap()), "{at}");
    }
    let detectors = schema.pointer("/$defs/detector/enum").unwrap().as_array().unwrap();
    for detector in detectors {
        let text = rule(&format!("decision: allow, dlp: {{deny: [{}]}}", detector.as_str().unwrap()));
        assert!(compile(&[source("p.yaml", &text)]).is_ok(), "{detector}");
    }
    let known = aegis_dlp::DetectorSet::ALL.iter().all(|one| detectors.contains(&json!(one.name())));
    assert!(known, "a detector is missing");
}

#[test]
fn the_file_is_what_the_command_prints() {
    assert_eq!(JSON_SCHEMA, fs::read_to_string(root().join("docs/policy.schema.json")).unwrap());
}
