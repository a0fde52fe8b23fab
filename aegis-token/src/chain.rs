//! Agents that act for agents: what a chain must look like, and how it grows by one.

use std::collections::BTreeSet;

use crate::claims::{Actor, Claims};
use crate::error::{DelegationError, TokenError};

/// How many sub-agents may stand below an agent, one below the other.
pub const MAX_DEPTH: usize = 4;

/// The claims of a token that `parent`, valid at `now` (seconds since the Unix epoch), gives to its sub-agent `child`: with these scopes of its own, for
/// `ttl_s` seconds or as long as the parent's own holds, whichever is shorter.
///
/// # Errors
/// When the name is none, a scope is not the parent's, or the chain would be too long; see [`DelegationError`].
pub fn delegate(
    parent: &Claims,
    child: &str,
    scopes: &[String],
    ttl_s: u64,
    now: u64,
    jti: String,
) -> Result<Claims, DelegationError> {
    check(parent)?;
    if !is_label(child) {
        return Err(DelegationError::Name);
    }
    if depth(parent) >= MAX_DEPTH {
        return Err(DelegationError::TooDeep);
    }
    if ttl_s == 0 {
        return Err(DelegationError::Ttl);
    }
    if parent.exp <= now || parent.nbf > now {
        return Err(DelegationError::ParentNotValid);
    }
    let excess: Vec<String> = scopes.iter().filter(|scope| !parent.scopes.contains(scope)).cloned().collect();
    if !excess.is_empty() {
        return Err(DelegationError::Excess(excess));
    }
    let agent_id = format!("{}/{child}", parent.agent_id);
    Ok(Claims {
        act: Some(Actor { sub: agent_id.clone(), act: parent.act.clone().map(Box::new) }),
        parent_agent_id: Some(parent.agent_id.clone()),
        agent_id,
        scopes: BTreeSet::from_iter(scopes).into_iter().cloned().collect(),
        iat: now,
        nbf: now,
        exp: parent.exp.min(now.saturating_add(ttl_s)),
        jti,
        ..parent.clone()
    })
}

/// How many sub-agents stand between the agent and who acts, counted by the name.
fn depth(claims: &Claims) -> usize {
    claims.agent_id.matches('/').count()
}

/// Whether `agent_id`, `sub`, `parent_agent_id` and `act` say the same.
///
/// # Errors
/// [`TokenError::Chain`] with what contradicts.
pub(crate) fn check(claims: &Claims) -> Result<(), TokenError> {
    let parent = claims.parent_agent_id.as_deref();
    if !is_label(&claims.sub) {
        return Err(TokenError::Chain("its subject is no agent's name"));
    }
    if claims.agent_id == claims.sub {
        return match (&claims.act, parent) {
            (Some(_), _) => Err(TokenError::Chain("it has actors, and names no sub-agent")),
            (None, Some(parent)) if !is_label(parent) || parent == claims.sub => {
                Err(TokenError::Chain("its parent is no other agent's name"))
            }
            (None, _) => Ok(()),
        };
    }
    let below = claims.agent_id.strip_prefix(&claims.sub).and_then(|rest| rest.strip_prefix('/'));
    let below = below.ok_or(TokenError::Chain("its agent_id is neither its subject nor below it"))?;
    if !below.split('/').all(is_label) {
        return Err(TokenError::Chain("a sub-agent's name is none"));
    }
    if depth(claims) > MAX_DEPTH {
        return Err(TokenError::Chain("it is too long"));
    }
    if parent != claims.agent_id.rsplit_once('/').map(|(above, _)| above) {
        return Err(TokenError::Chain("its parent_agent_id is not the one above its agent_id"));
    }
    actors(&claims.sub, &claims.agent_id, claims.act.as_ref())
}

/// Every sub-agent of the path must stand in the chain, the last one first, and nobody else.
fn actors(agent: &str, path: &str, chain: Option<&Actor>) -> Result<(), TokenError> {
    let (mut path, mut next) = (path, chain);
    while path != agent {
        let actor = next.filter(|actor| actor.sub == path);
        next = actor.ok_or(TokenError::Chain("its actors are not those of its agent_id"))?.act.as_deref();
        path = path.rsplit_once('/').map_or(agent, |(above, _)| above);
    }
    match next {
        None => Ok(()),
        Some(_) => Err(TokenError::Chain("it has more actors than its agent_id")),
    }
}

/// A DNS label (RFC 1123), lower case: what agents are called.
fn is_label(name: &str) -> bool {
    let middle = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(middle) && !name.starts_with('-')
}
