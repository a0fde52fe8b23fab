#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use super::*;
use crate::config::{AgentSpec, JwksSource};
use crate::identity::shown::CACHED_BYTES;
use crate::identity::{Enrolled, Source};
use crate::kernel::AgentIndex;
use aegis_token::SigningKey;

const TTL: Duration = Duration::from_secs(600);

fn config(dir: &Path) -> Config {
    Config { state_dir: dir.to_owned(), ..Config::default() }
}

fn open(dir: &Path) -> Issuer {
    Issuer::open(&config(dir), now()).unwrap()
}

fn described(spec: serde_json::Value) -> Enrolled {
    let spec: AgentSpec = serde_json::from_value(spec).unwrap();
    Enrolled::new(AgentIndex::new(1).unwrap(), spec, Source::Config, "/cgroup/agent".into())
}

fn agent(name: &str) -> Enrolled {
    described(serde_json::json!({ "name": name, "scopes": ["pay", "read"] }))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn later(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

fn wanted() -> Wanted {
    Wanted { ttl: Some(TTL), ..Wanted::default() }
}

fn child(name: &str, scopes: &[&str]) -> Wanted {
    let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
    Wanted { child: Some(name.to_owned()), scopes, ..wanted() }
}

#[test]
fn a_token_holds_for_its_agent_until_it_expires() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    let minted = issuer.mint(&agent("a"), &wanted(), now()).unwrap();
    for _ in 0..2 {
        let shown = issuer.check(&minted.token, &agent("a"), now()).unwrap();
        assert_eq!(shown.claims, minted.claims);
        assert_eq!((shown.claims.agent_id.as_str(), shown.claims.scopes.len()), ("a", 2));
    }
    let refused = issuer.check(&minted.token, &agent("a"), now() + TTL + Duration::from_secs(3600)).unwrap_err();
    assert!(matches!(refused, TokenRefused::Invalid(TokenError::Expired { .. })), "cached, but expired: {refused}");
}

#[test]
fn a_token_of_another_agent_is_a_theft_also_when_cached() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    let own = issuer.mint(&agent("a"), &wanted(), now()).unwrap().token;
    let childs = issuer.mint(&agent("a"), &child("b", &["pay"]), now()).unwrap().token;
    for token in [own, childs] {
        for _ in 0..2 {
            // Neither another agent, nor one that is called as the sub-agent, nor one whose name begins alike.
            for thief in ["b", "a-b", "aa"] {
                let refused = issuer.check(&token, &agent(thief), now()).unwrap_err();
                assert_eq!((refused.kind(), refused.is_renewable()), ("token_theft", false));
            }
            issuer.check(&token, &agent("a"), now()).unwrap();
        }
    }
}

#[test]
fn tokens_of_other_hosts_and_instances_do_not_hold() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let foreign = open(there.path()).mint(&agent("a"), &wanted(), now()).unwrap().token;
    let issuer = open(here.path());
    for token in [foreign.as_str(), "", "a.b.c", &"x".repeat(100_000)] {
        assert!(matches!(issuer.check(token, &agent("a"), now()), Err(TokenRefused::Invalid(_))));
    }
    let mut twin = config(here.path());
    twin.tokens.issuer = "aegis:twin".into();
    let token = Issuer::open(&twin, now()).unwrap().mint(&agent("a"), &wanted(), now()).unwrap().token;
    let refused = issuer.check(&token, &agent("a"), now()).unwrap_err();
    assert!(matches!(refused, TokenRefused::Invalid(TokenError::Issuer)), "{refused}");
}

#[test]
fn lifetimes_and_scopes_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    for ttl in [Duration::ZERO, Duration::from_secs(86_401)] {
        let refused = issuer.mint(&agent("a"), &Wanted { ttl: Some(ttl), ..Wanted::default() }, now());
        assert!(matches!(refused, Err(MintError::Ttl { .. })));
    }
    let usual = issuer.mint(&agent("a"), &Wanted::default(), now()).unwrap().claims;
    assert_eq!(usual.exp - usual.iat, 900);
    let narrow = |scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        issuer.mint(&agent("a"), &Wanted { scopes: Some(scopes), ..wanted() }, now())
    };
    assert_eq!(narrow(&["read"]).unwrap().claims.scopes, ["read"]);
    assert!(narrow(&[]).unwrap().claims.scopes.is_empty());
    assert_eq!(narrow(&["read"; 10_000]).unwrap().claims.scopes, ["read"], "however often it is asked for");
    let refused = narrow(&["read", "admin"]).unwrap_err().to_string();
    assert_eq!(refused, "admin is not among the agent's scopes");
    let many: Vec<String> = (0..10_000).map(|n| format!("scope-{n}")).collect();
    let refused = narrow(&many.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err().to_string();
    assert!(refused.len() < 500, "{refused}");
}

#[test]
fn remembered_tokens_take_bounded_memory_and_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    let scopes: Vec<String> = (0..250).map(|n| format!("a-scope-{n:03}")).collect();
    let rich = described(serde_json::json!({ "name": "a", "scopes": scopes }));
    let policy = issuer.verified.policy();
    assert_eq!(policy.max_capacity(), Some(CACHED_BYTES));
    assert!(policy.time_to_live().is_some() && policy.time_to_idle().is_some());
    let weight = |agent: &Enrolled| {
        let token = issuer.mint(agent, &wanted(), now()).unwrap().token;
        let shown = issuer.check(&token, agent, now()).unwrap();
        (u64::from(shown.weight()), shown)
    };
    let ((small, _), (large, shown)) = (weight(&agent("a")), weight(&rich));
    issuer.verified.run_pending_tasks();
    assert_eq!(issuer.verified.weighted_size(), small + large);
    // Each scope is kept twice, with its pointers.
    assert!(small < 4096 && large > 2 * 250 * (11 + 24), "{small} {large}");
    assert_eq!(shown.claims.scopes.len(), 250);
}

#[test]
fn what_held_when_a_request_began_is_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    let (issuer, key, spec) = trusting(dir.path());
    issuer.outside_keys(&spec, keys_of(&key));
    let theirs = aegis_token::mint(&key, &outside_claims(&spec.issuer, "a")).unwrap();
    let ours = issuer.mint(&agent("a"), &wanted(), now()).unwrap().token;
    for token in [&ours, &theirs] {
        let shown = issuer.check(token, &agent("a"), now()).unwrap();
        for (after, holds) in [(0, true), (599, true), (629, true), (630, false)] {
            assert_eq!(issuer.still(&shown, token, later(after)).is_ok(), holds, "{after} s");
        }
    }
    // Its key was withdrawn while the body came; ours was not.
    let [ours_shown, theirs_shown] = [&ours, &theirs].map(|token| issuer.check(token, &agent("a"), now()).unwrap());
    issuer.outside_keys(&spec, None);
    assert!(issuer.still(&theirs_shown, &theirs, now()).is_err());
    issuer.still(&ours_shown, &ours, now()).unwrap();
}

#[test]
fn a_sub_agent_has_less_and_makes_others_with_still_less() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    let one = issuer.mint(&agent("a"), &child("reader", &["read"]), now()).unwrap();
    assert_eq!((one.claims.sub.as_str(), one.claims.agent_id.as_str()), ("a", "a/reader"));
    let below = Wanted { parent_token: Some(one.token.clone()), ..child("clerk", &["read"]) };
    let two = issuer.mint(&agent("a"), &below, now()).unwrap();
    assert_eq!(two.claims.parent_agent_id.as_deref(), Some("a/reader"));
    let shown = issuer.check(&two.token, &agent("a"), now()).unwrap();
    let derived = shown.agent(&agent("a").agent);
    assert_eq!((derived.actor.as_deref(), derived.name.as_str()), (Some("a/reader/clerk"), "a"));
    assert_eq!(derived.scopes, ["read"]);

    let more = Wanted { scopes: Some(vec!["pay".into()]), ..below.clone() };
    assert!(matches!(issuer.mint(&agent("a"), &more, now()), Err(MintError::Delegation(DelegationError::Excess(_)))));
    let alone = Wanted { child: None, ..below.clone() };
    assert!(matches!(issuer.mint(&agent("a"), &alone, now()), Err(MintError::ParentWithoutChild)));
    // Somebody else's token, and one that has run out, make nobody's sub-agent.
    assert!(matches!(issuer.mint(&agent("b"), &below, now()), Err(MintError::Parent(TokenRefused::OtherAgent { .. }))));
    assert!(matches!(issuer.mint(&agent("a"), &below, later(700)), Err(MintError::Parent(TokenRefused::Invalid(_)))));
}

#[test]
fn what_the_agent_is_no_more_its_tokens_are_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    let child_of = |parent: &str| {
        described(serde_json::json!({"name": "a", "scopes": ["pay", "read"], "tenant": "t", "parent": parent}))
    };
    let was = child_of("boss");
    let own = issuer.mint(&was, &wanted(), now()).unwrap().token;
    let subs = issuer.mint(&was, &child("reader", &["read"]), now()).unwrap().token;
    issuer.check(&own, &was, now()).unwrap();
    for (is, also) in [
        (described(serde_json::json!({"name": "a", "scopes": ["pay"], "tenant": "t", "parent": "boss"})), true),
        (described(serde_json::json!({"name": "a", "scopes": ["pay", "read"], "tenant": "u", "parent": "boss"})), true),
        (child_of("other"), false),
    ] {
        let refused = issuer.check(&own, &is, now()).unwrap_err();
        assert!(matches!(refused, TokenRefused::Outdated(_)) && refused.is_renewable(), "{refused}");
        assert_eq!(issuer.check(&subs, &is, now()).is_err(), also);
    }
}

#[test]
fn a_rotation_refuses_no_token_and_a_key_that_has_run_out_does() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = open(dir.path());
    let longest = Wanted { ttl: Some(Duration::from_secs(86_400)), ..Wanted::default() };
    let before = issuer.mint(&agent("a"), &longest, now()).unwrap();
    issuer.check(&before.token, &agent("a"), now()).unwrap();
    let next = issuer.keys().keys[1].key.kid().to_owned();
    issuer.rotate(later(1)).unwrap();
    let after = issuer.mint(&agent("a"), &wanted(), later(1)).unwrap();
    assert_eq!(aegis_token::inspect(&after.token).unwrap().0.kid, Some(next), "known to others before it signed");
    for token in [&before.token, &after.token] {
        issuer.check(token, &agent("a"), later(2)).unwrap();
    }
    issuer.tick(later(86_399)).unwrap();
    issuer.check(&before.token, &agent("a"), later(86_399)).unwrap();
    // Long after its last token: the cache does not keep it alive either.
    issuer.tick(later(2 * 86_400)).unwrap();
    assert!(!issuer.jwks().contains(aegis_token::inspect(&before.token).unwrap().0.kid.unwrap().as_str()));
    let refused = issuer.check(&before.token, &agent("a"), now()).unwrap_err();
    assert!(matches!(refused, TokenRefused::Invalid(TokenError::UnknownKid)) && refused.is_renewable(), "{refused}");
}

/// An issuer that trusts `https://login.test/`, whose key is given.
fn trusting(dir: &Path) -> (Issuer, SigningKey, Trusted) {
    let spec = Trusted {
        issuer: "https://login.test/".into(),
        audience: "us".into(),
        jwks: JwksSource::Url("https://login.test/keys".into()),
        agent_claim: "sub".into(),
    };
    let mut config = config(dir);
    config.tokens.trusted = vec![spec.clone(), Trusted { issuer: "https://other.test/".into(), ..spec.clone() }];
    let issuer = Issuer::open(&config, now()).unwrap();
    (issuer, SigningKey::generate(Algorithm::ES256).unwrap(), spec)
}

fn keys_of(key: &SigningKey) -> Option<KeySet> {
    Some(KeySet::foreign(&aegis_token::jwks([key]).unwrap()).unwrap())
}

fn outside_claims(iss: &str, name: &str) -> Claims {
    let at = unix(now());
    Claims {
        iss: iss.into(),
        aud: "us".into(),
        sub: name.into(),
        org: String::new(),
        tenant: String::new(),
        agent_id: name.into(),
        parent_agent_id: None,
        act: None,
        scopes: vec!["company:all".into()],
        iat: at,
        nbf: at,
        exp: at + 600,
        jti: "1".into(),
    }
}

#[test]
fn an_outside_issuers_token_holds_by_its_own_keys_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let (issuer, key, spec) = trusting(dir.path());
    let token = aegis_token::mint(&key, &outside_claims(&spec.issuer, "a")).unwrap();
    // Before its keys have come: refused, and asked for.
    let refused = issuer.check(&token, &agent("a"), now()).unwrap_err();
    assert!(matches!(refused, TokenRefused::KeyPending) && refused.is_renewable());
    issuer.outside_keys(&spec, keys_of(&key));
    let shown = issuer.check(&token, &agent("a"), now()).unwrap();
    assert_eq!(shown.claims.scopes, ["company:all"], "what it may is the issuer's to say");
    assert_eq!(issuer.check(&token, &agent("b"), now()).unwrap_err().kind(), "token_theft");
    let below = Wanted { parent_token: Some(token.clone()), ..child("c", &[]) };
    assert!(matches!(issuer.mint(&agent("a"), &below, now()), Err(MintError::ForeignParent)));

    // One trusted issuer does not speak for another, nor for us; nor do we for it.
    let ours = issuer.tokens().issuer.clone();
    for (iss, why) in [("https://other.test/", "the other's"), (ours.as_str(), "ours")] {
        let claims = Claims { aud: if iss == ours { "aegis".into() } else { "us".into() }, ..outside_claims(iss, "a") };
        let forged = aegis_token::mint(&key, &claims).unwrap();
        assert!(issuer.check(&forged, &agent("a"), now()).is_err(), "{why}");
    }
    let own = issuer.trust.load().signing.clone();
    let forged = aegis_token::mint(&own, &outside_claims(&spec.issuer, "a")).unwrap();
    assert!(issuer.check(&forged, &agent("a"), now()).is_err());
    let stranger = aegis_token::mint(&key, &outside_claims("https://stranger.test/", "a")).unwrap();
    let refused = issuer.check(&stranger, &agent("a"), now()).unwrap_err();
    assert!(matches!(refused, TokenRefused::Invalid(TokenError::Issuer)));
}

#[test]
fn a_withdrawn_key_ends_its_tokens_though_they_are_cached() {
    let dir = tempfile::tempdir().unwrap();
    let (issuer, key, spec) = trusting(dir.path());
    let token = aegis_token::mint(&key, &outside_claims(&spec.issuer, "a")).unwrap();
    issuer.outside_keys(&spec, keys_of(&key));
    issuer.check(&token, &agent("a"), now()).unwrap();
    let own = issuer.mint(&agent("a"), &wanted(), now()).unwrap().token;
    for gone in [keys_of(&SigningKey::generate(Algorithm::EdDSA).unwrap()), None] {
        issuer.outside_keys(&spec, gone);
        assert!(matches!(issuer.check(&token, &agent("a"), now()), Err(TokenRefused::KeyPending)));
        issuer.check(&own, &agent("a"), now()).expect("others' tokens hold on");
    }
}
