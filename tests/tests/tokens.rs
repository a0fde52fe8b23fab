//! What a token changes: less for a sub-agent, nothing over a rotation, and as much as a company's own issuer says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::net::Ipv6Addr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_tests::lab::{binary, wait_for};
use aegis_tests::{Daemon, Lab, Settings};
use aegis_token::{Algorithm, Claims, SigningKey, jwks, mint};
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const POLICY: &str = r#"
version: tokens-1
policies:
  - name: scoped
    agents: [finance, strict, other]
    rules:
      - {name: pay, hosts: [api.allowed.test], methods: [POST], scopes: [pay], decision: allow}
      - {name: read, hosts: [api.allowed.test], methods: [GET], scopes: [read], decision: allow}
      - {name: unread, hosts: [passthrough.allowed.test], tls: passthrough, decision: allow}
"#;

const URL: &str = "https://api.allowed.test/hello";
const PAY: [&str; 3] = ["-d", "x", "https://api.allowed.test/sink"];

fn settings(tokens: Value) -> Settings {
    let agent = |name: &str, token: &str| json!({"name": name, "org": "acme", "tenant": "emea", "scopes": ["pay", "read"], "token": token});
    let agents = [agent("finance", "ambient"), agent("strict", "required"), agent("other", "ambient")];
    Settings { config: json!({"agents": agents, "tokens": tokens}), policy: Some(POLICY.to_owned()) }
}

/// A token that a process of `agent` gets from the control socket.
fn minted(lab: &Lab, agent: &str, arguments: &str) -> String {
    let script = format!("{} token mint {arguments}", binary("aegisctl").unwrap().display());
    let outcome = lab.agent(agent).shell(&script).unwrap();
    assert!(outcome.ok(), "{outcome:?}");
    outcome.stdout.trim().to_owned()
}

fn shown(token: &str) -> String {
    format!("Aegis-Token: {token}")
}

/// The status that a request of `agent` with this token gets.
fn status(lab: &Lab, agent: &str, token: &str, arguments: &[&str]) -> u16 {
    let header = shown(token);
    let mut all = vec!["-H", header.as_str()];
    all.extend(arguments);
    lab.agent(agent).curl(&all).unwrap().status
}

fn ctl(lab: &Lab, arguments: &[&str]) -> Value {
    let outcome = lab.ctl(arguments).unwrap();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {outcome:?}"))
}

#[test]
fn a_sub_agent_may_less_and_its_record_names_it() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(json!({}))).unwrap();
    let reader = minted(&lab, "finance", "--child reader --scopes read");
    // Without a token the agent has all its scopes; the sub-agent has what its token says.
    assert_eq!(lab.agent("finance").curl(&PAY).unwrap().status, 200);
    assert_eq!(status(&lab, "finance", &reader, &[URL]), 200);
    assert_eq!(status(&lab, "finance", &reader, &PAY), 403);
    let denied =
        daemon.record(|record| record["agent_id"] == "finance/reader" && record["decision"] == "deny").unwrap();
    assert_eq!((&denied["parent_agent_id"], &denied["tenant"]), (&json!("finance"), &json!("emea")));
    // One step deeper, by the sub-agent's own token; and never more than that has.
    let clerk = minted(&lab, "finance", &format!("--child clerk --parent-token {reader}"));
    assert_eq!(status(&lab, "finance", &clerk, &["https://api.allowed.test/hello/clerk"]), 200);
    let record = daemon.record(|record| record["path"] == "/hello/clerk").unwrap();
    assert_eq!(
        (&record["agent_id"], &record["parent_agent_id"]),
        (&json!("finance/reader/clerk"), &json!("finance/reader"))
    );
    let more = lab
        .ctl(&["token", "mint", "--agent", "finance", "--child", "x", "--scopes", "pay", "--parent-token", &reader])
        .unwrap();
    assert!(!more.ok() && more.stderr.contains("pay is not among its scopes"), "{more:?}");
    // On another agent's sockets neither holds, and nothing of it has left.
    let before = lab.internet.requests.all().len();
    for token in [&reader, &clerk] {
        assert_eq!(status(&lab, "other", token, &[URL]), 401);
    }
    daemon
        .record(|record| record["agent_id"] == "other" && record["reason"].as_str().unwrap().contains("token_theft"))
        .unwrap();
    assert_eq!(lab.internet.requests.all().len(), before);
    assert!(lab.internet.requests.all().iter().all(|seen| seen.headers.iter().all(|(name, _)| name != "aegis-token")));
    let seen = lab.ctl(&["token", "inspect", &clerk]).unwrap();
    assert!(seen.ok() && seen.stdout.contains("finance > finance/reader > finance/reader/clerk"), "{seen:?}");
}

#[test]
fn an_agent_that_must_show_a_token_gets_nothing_out_without_one() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(json!({}))).unwrap();
    let token = minted(&lab, "strict", "");
    assert_eq!(status(&lab, "strict", &token, &[URL]), 200);
    let bearer = format!("Proxy-Authorization: Bearer {token}");
    assert_eq!(lab.agent("strict").curl(&["-H", &bearer, URL]).unwrap().status, 200);
    let seen = lab.internet.requests.all();
    let ours = |name: &str| name == "aegis-token" || name == "proxy-authorization";
    assert!(seen.len() == 2 && !seen.iter().any(|seen| seen.headers.iter().any(|(name, _)| ours(name))), "{seen:?}");

    let none = lab.agent("strict").curl(&[URL]).unwrap();
    assert!(
        none.status == 401 && none.json()["next_steps"][0].as_str().unwrap().contains("POST /v1/token"),
        "{none:?}"
    );
    // The same token twice is one token; two are not.
    let (header, forged) = (shown(&token), with_alg_none(&token));
    assert_eq!(lab.agent("strict").curl(&["-H", &header, "-H", &bearer, URL]).unwrap().status, 200);
    let second = shown(&minted(&lab, "strict", ""));
    for arguments in [
        &["-H", &header, "-H", &second, URL][..],
        &["-H", &second, "-H", &bearer, URL],
        &["-H", "Aegis-Token;", URL],
        &["-H", &shown(&forged), URL],
        &["-H", "Proxy-Authorization: Basic eDp5", URL],
    ] {
        let answer = lab.agent("strict").curl(arguments).unwrap();
        assert_eq!(answer.status, 401, "{arguments:?}: {answer:?}");
    }
    // What is relayed unread can show none.
    let unread = ["-k", "https://passthrough.allowed.test/hello"];
    assert_eq!(lab.agent("finance").curl(&unread).unwrap().status, 200);
    let refused = lab.agent("strict").curl(&unread).unwrap();
    assert_eq!(refused.status, 0, "{refused:?}");
    daemon.record(|record| record["agent_id"] == "strict" && record["host"] == "passthrough.allowed.test").unwrap();
    assert_eq!(lab.internet.requests.all().len(), 4);
}

/// The same claims, unsigned.
fn with_alg_none(token: &str) -> String {
    use base64::Engine as _;
    let header = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{header}.{}.", token.split('.').nth(1).unwrap())
}

#[test]
fn a_rotation_under_load_refuses_no_valid_token() {
    const ROTATIONS: usize = 4;
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(json!({}))).unwrap();
    let (progress, stop) = (lab.path("home").join("progress"), lab.path("home").join("stop"));
    std::fs::write(&progress, "").unwrap();
    // The first token all the time, and a new one for each round.
    let script = format!(
        "old=$({0} token mint) || exit 1
         while [ ! -e {1} ]; do
           new=$({0} token mint) || exit 1
           for token in $old $new; do
             curl -sS -o /dev/null -w '%{{http_code}}\\n' -H \"Aegis-Token: $token\" {URL}
           done
           echo $new >> {2}
         done",
        binary("aegisctl").unwrap().display(),
        stop.display(),
        progress.display()
    );
    let load = lab.agent("strict").limit(Duration::from_secs(120)).start(&["sh", "-c", &script]).unwrap();
    let rounds = || std::fs::read_to_string(&progress).unwrap().lines().count();
    for _ in 0..ROTATIONS {
        let before = rounds();
        wait_for(Duration::from_secs(60), || (rounds() > before + 1).then_some(())).expect("the load runs");
        ctl(&lab, &["-o", "json", "keys", "rotate"]);
    }
    let before = rounds();
    wait_for(Duration::from_secs(60), || (rounds() > before + 1).then_some(())).expect("the load runs");
    std::fs::write(&stop, "").unwrap();
    let outcome = load.finish().unwrap();
    assert!(outcome.ok() && outcome.stdout.lines().all(|status| status == "200"), "{outcome:?}\n{}", daemon.log());
    assert!(outcome.stdout.lines().count() >= 2 * ROTATIONS);

    let text = std::fs::read_to_string(&progress).unwrap();
    let mut kids: Vec<String> = text.lines().map(|token| aegis_token::inspect(token).unwrap().0.kid.unwrap()).collect();
    kids.dedup();
    assert_eq!(kids.len(), ROTATIONS + 1, "each rotation was seen by the load");
    let listed = ctl(&lab, &["-o", "json", "keys", "list"]);
    let states: Vec<&str> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states[..2], ["current", "next"]);
    assert_eq!(states.iter().filter(|state| **state == "retired").count(), ROTATIONS);
    // What verifies is published, for whoever asks.
    let (_, published) = daemon.get("/.well-known/jwks.json").unwrap();
    let published: Value = serde_json::from_str(&published).unwrap();
    assert_eq!(published["keys"].as_array().unwrap().len(), states.len());
    let (code, metadata) = daemon.get("/.well-known/oauth-authorization-server").unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!((code, &metadata["issuer"]), (200, &listed["issuer"]));
    assert!(metadata["jwks_uri"].as_str().unwrap().ends_with("/.well-known/jwks.json"), "{metadata}");
}

const COMPANY: &str = "https://login.acme.test/";

/// A company's login: a real HTTPS server whose key set can be changed, and that can go away.
struct Login {
    published: Arc<Mutex<String>>,
    stop: CancellationToken,
}

impl Login {
    fn start(lab: &Lab) -> Login {
        let (published, stop) = (Arc::new(Mutex::new(String::new())), CancellationToken::new());
        let (shared, stopped) = (Arc::clone(&published), stop.clone());
        let tls = tokio_rustls::TlsAcceptor::from(lab.internet.authority.server_config().unwrap());
        let (ready, started) = channel();
        lab.inet
            .thread("lab-login", move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async move {
                    let listener = tokio::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 9443)).await.unwrap();
                    ready.send(()).unwrap();
                    stopped.run_until_cancelled(serve(listener, tls, shared)).await;
                });
                // With it go all connections: nobody answers any more.
                runtime.shutdown_background();
            })
            .unwrap();
        started.recv_timeout(Duration::from_secs(5)).unwrap();
        Login { published, stop }
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let mut set: Value = serde_json::from_str(&jwks(keys.iter().copied()).unwrap()).unwrap();
        // As real ones do, it also has keys that are not for us.
        set["keys"]
            .as_array_mut()
            .unwrap()
            .push(json!({"kty": "RSA", "use": "enc", "kid": "e", "n": "AQ", "e": "AQAB"}));
        *self.published.lock().unwrap() = set.to_string();
    }
}

async fn serve(listener: tokio::net::TcpListener, tls: tokio_rustls::TlsAcceptor, published: Arc<Mutex<String>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, published) = (tls.clone(), Arc::clone(&published));
        tokio::spawn(async move {
            let stream = tls.accept(stream).await?;
            let service = service_fn(move |_| {
                let body = Full::new(Bytes::from(published.lock().unwrap().clone()));
                let answer = Response::builder().header("cache-control", "max-age=1").body(body).unwrap();
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let connection = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            Ok::<_, std::io::Error>(())
        });
    }
}

fn company_token(key: &SigningKey, agent: &str, scopes: &[&str]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = Claims {
        iss: COMPANY.into(),
        aud: "our-hosts".into(),
        sub: agent.into(),
        org: String::new(),
        tenant: String::new(),
        agent_id: agent.into(),
        parent_agent_id: None,
        act: None,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        iat: now,
        nbf: now,
        exp: now + 600,
        jti: format!("{agent}-{}-{}", key.kid(), scopes.len()),
    };
    mint(key, &claims).unwrap()
}

#[test]
fn a_companys_own_issuer_says_who_may_what_as_long_as_its_keys_stand() {
    let lab = Lab::new().unwrap();
    let login = Login::start(&lab);
    let [one, two] = [Algorithm::ES256, Algorithm::RS256].map(|algorithm| SigningKey::generate(algorithm).unwrap());
    login.publish(&[&one]);
    let trusted =
        json!([{"issuer": COMPANY, "audience": "our-hosts", "jwks_url": "https://git.allowed.test:9443/keys"}]);
    let daemon = Daemon::start(&lab, &settings(json!({"trusted": trusted}))).unwrap();
    let standing = || ctl(&lab, &["-o", "json", "keys", "list"])["trusted"][0].clone();
    let limit = Duration::from_secs(60);
    let seen = wait_for(limit, || Some(standing()).filter(|seen| seen["keys"] == 1)).unwrap_or_else(standing);
    assert_eq!((&seen["keys"], &seen["skipped"]), (&json!(1), &json!(1)), "{seen}\n{}", daemon.log());

    let (first, second) = (company_token(&one, "strict", &["read"]), company_token(&two, "strict", &["pay"]));
    assert_eq!(status(&lab, "strict", &first, &[URL]), 200);
    assert_eq!(status(&lab, "strict", &first, &PAY), 403, "its scopes are the issuer's to say");
    assert_eq!(status(&lab, "other", &first, &[URL]), 401, "on another agent's sockets it is a theft");
    assert_eq!(status(&lab, "strict", &second, &PAY), 401, "a key that is not published yet");
    // The issuer's new key is taken up, and the withdrawn one dropped, though its token was taken a moment ago.
    login.publish(&[&two]);
    wait_for(limit, || (status(&lab, "strict", &second, &PAY) == 200).then_some(())).expect("the new key holds");
    assert_eq!(status(&lab, "strict", &first, &[URL]), 401);
    // Nobody answers: what was known last holds on.
    login.stop.cancel();
    let seen = wait_for(limit, || Some(standing()).filter(|seen| seen["error"].is_string())).expect("it is told");
    assert_eq!(seen["keys"], 1, "{seen}");
    assert_eq!(status(&lab, "strict", &second, &PAY), 200);
    assert_eq!(lab.internet.requests.all().len(), 3);
}

#[test]
fn keys_that_others_can_read_stop_the_daemon_and_say_how_to_mend_it() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new().unwrap();
    let key = lab.path("signing.pem");
    std::fs::write(&key, SigningKey::generate(Algorithm::RS256).unwrap().to_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let settings = settings(json!({"key_file": key}));
    let (ended, log) = Daemon::refuses(&lab, &settings).unwrap();
    assert!(!ended.success() && log.contains(&format!("fix: chmod 600 {}", key.display())), "{log}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = Daemon::start(&lab, &settings).unwrap();
    let token = minted(&lab, "strict", "");
    assert_eq!(aegis_token::inspect(&token).unwrap().0.alg, "RS256");
    assert_eq!(status(&lab, "strict", &token, &[URL]), 200);
    let refused = lab.ctl(&["keys", "rotate"]).unwrap();
    assert!(!refused.ok() && refused.stderr.contains("not ours to rotate"), "{refused:?}");
    drop(daemon);
}
