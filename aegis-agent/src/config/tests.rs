#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn problems(yaml: &str) -> Vec<String> {
    let error = Config::parse(yaml, Path::new("/etc/aegis")).expect_err("must not be accepted");
    error.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_sample_is_the_defaults() {
    let (raw, found) = tree::read(Config::sample());
    assert_eq!(found, []);
    assert_eq!(raw, RawConfig::default());
    assert_eq!(Config::parse(Config::sample(), Path::new("/")).unwrap(), Config::default());
    let mut checker = Checker::new(Path::new("/"));
    Config::check(&RawConfig::default(), &mut checker);
    assert_eq!(checker.problems, []);
}

#[test]
fn an_empty_file_and_empty_sections_are_the_defaults() {
    for text in ["", "# nothing\n", "listen:\ndns:\n", "{}"] {
        assert_eq!(Config::parse(text, Path::new("/")).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(
        "listen: {proxy_port: 70000, dns_port: often}\nlimts: {}\nstate_dir: a\nstate_dir: b\n\
         agents:\n  - nam: x\n  - {name: Bad_Name, mode: shadwo}\n  - 7\n\
         dns: {upstreams: [resolver], timeout_ms: -1}\ntelemetry: {log_format: xml}\n",
    );
    let expected = [
        "state_dir (line 4): is set twice; keep one",
        "listen.dns_port (line 1): invalid type: string \"often\", expected a whole number, 0 or more",
        "limts (line 2): unknown key; did you mean `limits`?; allowed here: instance, listen,",
        "agents[0].nam (line 6): unknown key; did you mean `name`?; allowed here: name, org,",
        "agents[2] (line 5): invalid type: integer `7`, expected struct RawAgent",
        "dns.timeout_ms (line 9): invalid value: integer `-1`, expected a whole number",
        "listen.proxy_port (line 1): 70000 is out of range; allowed: 1 to 65535",
        "agents[0].name (line 5): is missing; allowed: 1 to 63",
        "agents[1].name (line 7): `Bad_Name` is not a name",
        "agents[1].mode (line 7): `shadwo` is not known; allowed: enforce, shadow; did you mean `shadow`?",
        "dns.upstreams[0] (line 9): `resolver` is not an address",
        "telemetry.log_format (line 10): `xml` is not known; allowed: text, json",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for wanted in expected {
        assert!(found.iter().any(|line| line.starts_with(wanted)), "{wanted}\nnot in {found:#?}");
    }
}

#[test]
fn a_nested_duplicate_key_is_told_with_its_line() {
    assert_eq!(
        problems("dns:\n  attempts: 2\n  timeout_ms: 5000\n  attempts: 3\n"),
        ["dns.attempts (line 4): is set twice; keep one"]
    );
}

#[test]
fn bad_yaml_names_the_place() {
    let found = problems("listen: {proxy_port: 1\n");
    assert!(found[0].contains("line 2"), "{found:?}");
}

#[test]
fn relative_paths_are_taken_from_the_files_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let file = dir.path().join("aegis.yaml");
    std::fs::write(&file, "policies: policies\nstate_dir: state\ncontrol: {socket: c.sock}\n").unwrap();
    let config = Config::load(Some(&file)).unwrap();
    assert_eq!(config.policies, Policies::Files(dir.path().join("policies")));
    assert_eq!(config.audit.path, dir.path().join("state/audit/audit.jsonl"));
    assert_eq!(config.control.socket, dir.path().join("c.sock"));
}

#[test]
fn what_does_not_exist_is_told() {
    assert!(problems("policies: nowhere")[0].starts_with("policies (line 1): /etc/aegis/nowhere: No such file"));
    let missing = Config::load(Some(Path::new("/nowhere/aegis.yaml"))).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/aegis.yaml: 1 problem\n  cannot be read: No such file"));
}

#[test]
fn agents_become_specs() {
    let yaml = "agents:\n- {name: a, token: required, direct: [{cidr: 10.0.0.0/8, port: 5432}, {cidr: 'fd00::1', protocol: udp}]}";
    let agent = &Config::parse(yaml, Path::new("/")).unwrap().agents[0];
    assert_eq!((agent.token, agent.mode, agent.org.as_str()), (TokenMode::Required, AgentMode::Enforce, "default"));
    assert_eq!(
        agent.direct[1],
        DirectSpec { cidr: "fd00::1/128".parse().unwrap(), port: None, protocol: Transport::Udp }
    );
    assert!(problems("agents: [{name: a, direct: [{cidr: 10.1.0.0/8}]}]")[0].ends_with("did you mean 10.0.0.0/8?"));
    assert!(problems("agents: [{name: a}, {name: a}]")[0].starts_with("agents[1].name"));
}

/// Every key of `value`, as `docs/configuration.md` writes it.
fn keys(value: &serde_yaml::Value, at: &str, out: &mut Vec<String>) {
    for (key, value) in value.as_mapping().into_iter().flatten() {
        let path = format!("{at}{}", key.as_str().unwrap());
        if value.as_mapping().is_some_and(|m| !m.is_empty()) {
            keys(value, &format!("{path}."), out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn every_key_is_documented() {
    let document = include_str!("../../../docs/configuration.md");
    let mut all = Vec::new();
    keys(&serde_yaml::to_value(RawConfig::default()).unwrap(), "", &mut all);
    keys(&serde_yaml::to_value(raw::RawAgent::default()).unwrap(), "agents[].", &mut all);
    keys(&serde_yaml::to_value(raw::RawDirect::default()).unwrap(), "agents[].direct[].", &mut all);
    keys(&serde_yaml::to_value(raw::RawTrusted::default()).unwrap(), "tokens.trusted[].", &mut all);
    for (list, entry) in [
        ("units", serde_yaml::to_value(raw::RawUnits::default())),
        ("containers", serde_yaml::to_value(raw::RawContainers::default())),
    ] {
        keys(&entry.unwrap(), &format!("discovery.{list}[]."), &mut all);
        // They are those of `agents[]`.
        all.retain(|key| !key.contains("[].spec."));
        all.push(format!("discovery.{list}[].spec"));
    }
    keys(&serde_yaml::to_value(raw::RawBundle::default()).unwrap(), "policies.", &mut all);
    keys(&serde_yaml::to_value(raw::RawBundleKey::default()).unwrap(), "policies.keys[].", &mut all);
    let missing: Vec<_> = all.iter().filter(|key| !document.contains(&format!("| `{key}` |"))).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}

#[test]
fn discovery_is_checked_as_agents_are() {
    let yaml = "discovery:
  units: [{match: 'claude-*.service', agent: '{unit}', spec: {tenant: t, direct: [{cidr: 10.0.0.0/8}]}}]
  containers: [{labels: {aegis.dev/agent: '*'}, agent: 'c-{label:aegis.dev/agent}', spec: {labels: {team: '{label:team}'}}}]
";
    let discovery = Config::parse(yaml, Path::new("/")).unwrap().discovery;
    assert_eq!(discovery.units[0].becomes.spec.direct.len(), 1);
    assert_eq!(discovery.containers[0].socket, Path::new("/var/run/docker.sock"));
    let found = problems(
        "discovery:\n  units:\n    - {match: 'x.scope', agent: '{nonsense}', spec: {name: x, mode: shadwo}}\n    - {mtch: a}\n  \
         containers:\n    - {agent: 'a{'}\n    - {labels: {a: b}}\n",
    );
    for wanted in [
        "discovery.units[0].match (line 3): `x.scope` can be no service",
        "discovery.units[0].agent (line 3): `{nonsense}`: there is no {nonsense} of a unit",
        "discovery.units[0].spec.name (line 3): is given by discovery.units[0].agent",
        "discovery.units[0].spec.mode (line 3): `shadwo` is not known",
        "discovery.units[1].mtch (line 4): unknown key; did you mean `match`?",
        "discovery.containers[0].labels (line 5): is empty",
        "discovery.containers[0].agent (line 6): `a{`: a `{` is not closed",
        "discovery.containers[1].agent (line 5): is missing",
    ] {
        assert!(found.iter().any(|line| line.starts_with(wanted)), "{wanted}\nnot in {found:#?}");
    }
}

#[test]
fn the_documented_example_is_accepted() {
    let document = include_str!("../../../docs/configuration.md");
    let example = document.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    Config::parse(example, Path::new("/")).unwrap();
}

#[test]
fn tokens_are_checked() {
    let tokens = Config::parse("instance: one", Path::new("/")).unwrap().tokens;
    assert_eq!((tokens.issuer.as_str(), tokens.default_ttl.as_secs(), tokens.leeway), ("aegis:one", 900, 30));
    assert_eq!(
        Config::parse("tokens: {rotate_every_h: 0}", Path::new("/")).unwrap().tokens.keys,
        KeySource::Own { rotate_every: None }
    );
    let given = Config::parse("tokens: {key_file: k.pem, algorithm: RS256}", Path::new("/etc")).unwrap().tokens;
    assert_eq!(given.keys, KeySource::File("/etc/k.pem".into()));
    let found = problems(
        "tokens:\n  algorithm: HS256\n  default_ttl_s: 700\n  max_ttl_s: 600\n  leeway_s: 301\n  key_file: a\n  key_credential: b\n  trusted:\n    \
         - {issuer: 'aegis:default', audience: a, jwks_file: f}\n    - {issuer: x, audience: a, jwks_url: 'http://x/', agent_claim: scope}\n    \
         - {issuer: x, audience: a, jwks_url: 'https://x/', jwks_file: f}\n    - {issuer: 'a b', jwks_fil: f}\n",
    );
    for wanted in [
        "tokens.algorithm (line 2): `HS256` is not known; allowed: EdDSA, ES256, RS256",
        "tokens.default_ttl_s (line 3): is more than tokens.max_ttl_s (600)",
        "tokens.leeway_s (line 5): 301 is out of range",
        "tokens.key_credential (line 7): stands beside tokens.key_file",
        "tokens.trusted[0].issuer (line 9): is this host's own issuer",
        "tokens.trusted[1].jwks_url (line 10): `http://x/` is no https URL",
        "tokens.trusted[1].agent_claim (line 10): `scope` means something else in a token; give `sub`",
        "tokens.trusted[2] (line 8): needs its issuer's keys",
        "tokens.trusted[2].issuer (line 11): `x` is there twice",
        "tokens.trusted[3].audience (line 8): `` cannot stand in a token",
        "tokens.trusted[3].issuer (line 12): `a b` cannot stand in a token",
        "tokens.trusted[3].jwks_fil (line 12): unknown key; did you mean `jwks_file`?",
    ] {
        assert!(found.iter().any(|line| line.starts_with(wanted)), "{wanted}\nnot in {found:#?}");
    }
}
