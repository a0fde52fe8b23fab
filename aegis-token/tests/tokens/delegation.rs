use aegis_token::{Actor, Claims, DelegationError, MAX_DEPTH, TokenError, delegate, mint};
use proptest::prelude::*;

use crate::support::{NOW, claims, keys, verifier};

fn rich() -> Claims {
    Claims { scopes: ["a", "b", "c"].map(str::to_owned).into(), parent_agent_id: Some("boss".into()), ..claims() }
}

fn child(parent: &Claims, name: &str, scopes: &[&str]) -> Result<Claims, DelegationError> {
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    delegate(parent, name, &scopes, 60, NOW, format!("{}-{name}", parent.jti))
}

#[test]
fn a_sub_agents_token_names_the_whole_chain() {
    let one = child(&rich(), "reader", &["b", "a", "b"]).unwrap();
    assert_eq!((one.sub.as_str(), one.agent_id.as_str()), ("finance-agent", "finance-agent/reader"));
    assert_eq!(one.parent_agent_id.as_deref(), Some("finance-agent"));
    assert_eq!(one.scopes, ["a", "b"]);
    assert_eq!((one.iat, one.nbf, one.exp, one.jti.as_str()), (NOW, NOW, NOW + 60, "0193-reader"));
    let two = child(&one, "clerk", &["a"]).unwrap();
    assert_eq!(two.parent_agent_id.as_deref(), Some("finance-agent/reader"));
    let before = Actor { sub: "finance-agent/reader".into(), act: None };
    assert_eq!(two.act, Some(Actor { sub: "finance-agent/reader/clerk".into(), act: Some(Box::new(before)) }));
    for claims in [one, two] {
        let key = &keys()[0];
        assert_eq!(verifier(&[key]).verify(&mint(key, &claims).unwrap(), NOW).unwrap(), claims);
    }
}

#[test]
fn nothing_grows_from_parent_to_child() {
    let one = child(&rich(), "reader", &["a"]).unwrap();
    assert_eq!(
        child(&one, "clerk", &["b", "a", "d"]),
        Err(DelegationError::Excess(vec!["b".to_owned(), "d".to_owned()]))
    );
    for name in ["", "Up", "a/b", "-a", "a.b", "ü", &"n".repeat(64)] {
        assert_eq!(child(&one, name, &[]), Err(DelegationError::Name), "{name}");
    }
    let late = delegate(&rich(), "c", &[], 3600, NOW, "j".into()).unwrap();
    assert_eq!(late.exp, rich().exp, "no longer than the parent");
    for (parent, refused) in [
        (Claims { exp: NOW, ..rich() }, DelegationError::ParentNotValid),
        (Claims { nbf: NOW + 1, ..rich() }, DelegationError::ParentNotValid),
        (
            Claims { agent_id: "other".into(), ..rich() },
            DelegationError::Parent(TokenError::Chain("its agent_id is neither its subject nor below it")),
        ),
    ] {
        assert_eq!(child(&parent, "c", &[]), Err(refused));
    }
    assert_eq!(delegate(&rich(), "c", &[], 0, NOW, "j".into()), Err(DelegationError::Ttl));
}

#[test]
fn the_depth_is_bounded() {
    let mut claims = rich();
    for _ in 0..MAX_DEPTH {
        claims = child(&claims, "deeper", &["a"]).unwrap();
    }
    assert_eq!(child(&claims, "deeper", &["a"]), Err(DelegationError::TooDeep));
    let key = &keys()[0];
    verifier(&[key]).verify(&mint(key, &claims).unwrap(), NOW).unwrap();
    // Whole in itself, but longer than what is minted here.
    let longer = Claims {
        parent_agent_id: Some(claims.agent_id.clone()),
        agent_id: format!("{}/x", claims.agent_id),
        act: Some(Actor { sub: format!("{}/x", claims.agent_id), act: claims.act.clone().map(Box::new) }),
        ..claims
    };
    assert_eq!(verifier(&[key]).verify(&mint(key, &longer).unwrap(), NOW), Err(TokenError::Chain("it is too long")));
}

#[test]
fn a_forged_parent_chain_is_refused() {
    let whole = child(&child(&rich(), "reader", &["a"]).unwrap(), "clerk", &["a"]).unwrap();
    let top = rich();
    let actor = |sub: &str, act: Option<Actor>| Some(Actor { sub: sub.into(), act: act.map(Box::new) });
    let reader = || actor("finance-agent/reader", None);
    let clerk = "finance-agent/reader/clerk";
    let forged = [
        ("another subject", Claims { sub: "payroll".into(), ..whole.clone() }),
        ("a subject with a path", Claims { sub: "finance-agent/reader".into(), ..whole.clone() }),
        ("a sibling that begins alike", Claims { agent_id: "finance-agent-2/reader".into(), ..whole.clone() }),
        ("an empty step", Claims { agent_id: "finance-agent//clerk".into(), ..whole.clone() }),
        ("another parent", Claims { parent_agent_id: Some("payroll".into()), ..whole.clone() }),
        ("a grandparent for a parent", Claims { parent_agent_id: Some("finance-agent".into()), ..whole.clone() }),
        ("no parent", Claims { parent_agent_id: None, ..whole.clone() }),
        ("no actors", Claims { act: None, ..whole.clone() }),
        ("a shorter chain", Claims { act: actor(clerk, None), ..whole.clone() }),
        ("another actor", Claims { act: actor("finance-agent/reader/boss", reader()), ..whole.clone() }),
        ("another actor before it", Claims { act: actor(clerk, actor("finance-agent/boss", None)), ..whole.clone() }),
        (
            "the agent as its own actor",
            Claims { act: actor(clerk, actor("finance-agent/reader", actor("finance-agent", None))), ..whole.clone() },
        ),
        ("the order turned round", Claims { act: actor("finance-agent/reader", actor(clerk, None)), ..whole.clone() }),
        ("actors of nobody", Claims { act: reader(), ..top.clone() }),
        ("its own parent", Claims { parent_agent_id: Some("finance-agent".into()), ..top.clone() }),
        ("a sub-agent as a parent", Claims { parent_agent_id: Some("boss/clerk".into()), ..top }),
    ];
    let key = &keys()[0];
    for (name, claims) in forged {
        let refused = verifier(&[key]).verify(&mint(key, &claims).unwrap(), NOW);
        assert!(matches!(refused, Err(TokenError::Chain(_))), "{name}: {refused:?}");
    }
}

proptest! {
    /// However a chain is made, no right, no second and no step is won on the way.
    #[test]
    fn every_chain_only_shrinks(steps in prop::collection::vec(("[a-z0-9][a-z0-9-]{0,8}", prop::collection::vec("[a-d]", 0..4), 1u64..600, 0u64..40), 1..7)) {
        let (mut parent, mut now) = (rich(), NOW);
        for (name, scopes, ttl, later) in steps {
            now += later;
            match delegate(&parent, &name, &scopes, ttl, now, "j".into()) {
                Ok(next) => {
                    prop_assert!(next.scopes.iter().all(|scope| parent.scopes.contains(scope)));
                    prop_assert!(next.exp <= parent.exp && next.exp > now);
                    prop_assert_eq!(next.parent_agent_id.as_ref(), Some(&parent.agent_id));
                    prop_assert!(next.agent_id.matches('/').count() <= MAX_DEPTH);
                    let key = &keys()[0];
                    prop_assert_eq!(&verifier(&[key]).verify(&mint(key, &next).unwrap(), now).unwrap(), &next);
                    parent = next;
                }
                Err(DelegationError::Excess(excess)) => prop_assert!(excess.iter().all(|scope| !parent.scopes.contains(scope))),
                Err(DelegationError::TooDeep) => prop_assert_eq!(parent.agent_id.matches('/').count(), MAX_DEPTH),
                Err(DelegationError::ParentNotValid) => prop_assert!(parent.exp <= now),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
