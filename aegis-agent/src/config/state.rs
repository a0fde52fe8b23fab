//! The state store: a file of this host, or a Redis that several hosts share.

use std::path::PathBuf;
use std::time::Duration;

use super::problems::Checker;
use super::raw::{RawRedis, RawState};

/// Longest prefix of keys, in bytes.
const MAX_PREFIX: usize = 64;

/// Where it is kept which tokens were used and which are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// `state_dir/state.redb`.
    Embedded,
    Redis(RedisState),
}

/// A Redis, and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisState {
    /// `redis://` or `rediss://` (TLS), without user and password.
    pub url: String,
    pub username: Option<String>,
    /// A file that holds the password alone and that only its owner can read.
    pub password_file: Option<PathBuf>,
    /// What every key begins with.
    pub prefix: String,
    /// For one call as a whole, connecting included.
    pub timeout: Duration,
    /// PEM files of the CAs that the server's certificate is verified with; empty: the system's.
    pub roots: Vec<PathBuf>,
    /// Number of the database.
    pub db: i64,
}

impl StatePlace {
    pub(super) fn check(raw: &RawState, p: &mut Checker) -> Self {
        let redis = &raw.redis;
        check_prefix(&redis.prefix, p);
        let timeout = p.millis("state.redis.timeout_ms", redis.timeout_ms, 10..=5000);
        let password_file = redis.password_file.as_ref().map(|path| p.existing("state.redis.password_file", path));
        let roots = (redis.roots.iter().enumerate())
            .map(|(i, path)| p.existing(&format!("state.redis.roots[{i}]"), path))
            .collect();
        let Some(url) = &redis.url else {
            check_unused(redis, p);
            return Self::Embedded;
        };
        let db = check_url(url, redis, p);
        Self::Redis(RedisState {
            url: url.clone(),
            username: redis.username.clone(),
            password_file,
            prefix: redis.prefix.clone(),
            timeout,
            roots,
            db,
        })
    }
}

/// A hash tag of the prefix would put all keys into one slot.
fn check_prefix(prefix: &str, p: &mut Checker) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
    if prefix.is_empty() || prefix.len() > MAX_PREFIX || !prefix.bytes().all(allowed) {
        let rule = format!("allowed: 1 to {MAX_PREFIX} letters, digits and - _ . : /");
        p.problem("state.redis.prefix", format!("`{prefix}` cannot begin a key; {rule}"));
    }
}

/// Who gives a password means to have a Redis.
fn check_unused(redis: &RawRedis, p: &mut Checker) {
    for (key, given) in [
        ("username", redis.username.is_some()),
        ("password_file", redis.password_file.is_some()),
        ("roots", !redis.roots.is_empty()),
    ] {
        if given {
            p.problem(
                format!("state.redis.{key}"),
                "means nothing without state.redis.url; give it, or leave this out",
            );
        }
    }
}

/// The number of the database that the URL names.
fn check_url(text: &str, redis: &RawRedis, p: &mut Checker) -> i64 {
    const PATH: &str = "state.redis.url";
    let example = "give one such as rediss://redis.example.com:6379/0";
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "redis" | "rediss"))
    else {
        p.problem(PATH, format!("`{text}` is not the URL of a Redis; {example}"));
        return 0;
    };
    // Not repeated in the message: a password may stand in it.
    if rest.contains('@') {
        p.problem(PATH, "holds a user or password; give them as username and password_file");
        return 0;
    }
    if rest.contains(['#', '?']) {
        p.problem(PATH, format!("`{text}` has options, which are not taken from here; {example}"));
        return 0;
    }
    let (authority, db) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = authority.parse::<http::uri::Authority>();
    let db = if db.is_empty() { Some(0) } else { db.parse().ok().filter(|db| (0..=65_535).contains(db)) };
    let (Ok(authority), Some(db)) = (authority, db) else {
        p.problem(PATH, format!("`{text}` has no host, or a database that is no number; {example}"));
        return 0;
    };
    if authority.host().is_empty() {
        p.problem(PATH, format!("`{text}` names no host; {example}"));
    }
    if scheme == "redis" && !redis.roots.is_empty() {
        p.problem("state.redis.roots", "means nothing for redis://, which is not encrypted; use rediss://");
    }
    db
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(redis: &str) -> Result<StatePlace, String> {
        let text = format!("state: {{redis: {redis}}}");
        Config::parse(&text, Path::new("/")).map(|config| config.state).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_redis_is_used_when_its_url_is_given() {
        assert_eq!(Config::default().state, StatePlace::Embedded);
        let StatePlace::Redis(redis) = parse("{url: 'rediss://redis.example.com:6380/2', username: aegis}").unwrap()
        else {
            panic!("not a Redis")
        };
        assert_eq!((redis.db, redis.prefix.as_str(), redis.timeout), (2, "aegis", Duration::from_millis(100)));
        assert!(parse("{url: 'redis://[::1]:6379'}").is_ok());
    }

    #[test]
    fn what_would_not_work_or_not_be_safe_is_told() {
        for (text, wanted) in [
            ("{url: 'http://redis'}", "is not the URL of a Redis"),
            ("{url: 'redis://'}", "no host"),
            ("{url: 'redis://h/x'}", "database that is no number"),
            ("{url: 'rediss://h/#insecure'}", "has options"),
            ("{url: 'redis://user:hunter2@h'}", "give them as username and password_file"),
            ("{url: 'redis://h', prefix: 'a{b}'}", "cannot begin a key"),
            ("{url: 'redis://h', timeout_ms: 0}", "out of range"),
            ("{username: aegis}", "means nothing without state.redis.url"),
        ] {
            let problems = parse(text).unwrap_err();
            assert!(problems.contains(wanted), "{text}: {problems}");
            assert!(!problems.contains("hunter2"), "{problems}");
        }
    }
}
