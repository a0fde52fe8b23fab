//! How tokens are made, and whose are taken.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_token::Algorithm;

use super::problems::Checker;
use super::raw::{RawTokens, RawTrusted};

/// Outside issuers: a host works for one company, or a few.
const MAX_TRUSTED: usize = 16;
/// The longest name of an issuer or audience, in bytes: it stands in every token.
const MAX_NAME: usize = 256;

/// Tokens of this host and of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// `iss` of what is minted here; unlike that of any trusted issuer.
    pub issuer: String,
    /// `aud` of what is minted here.
    pub audience: String,
    /// Of keys that are generated here.
    pub algorithm: Algorithm,
    pub default_ttl: Duration,
    pub max_ttl: Duration,
    /// How far clocks may be apart, in seconds.
    pub leeway: u64,
    pub keys: KeySource,
    pub trusted: Vec<Trusted>,
}

/// Where the signing key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `state_dir/keys`: generated and rotated by the daemon; `None` only when it is told to.
    Own { rotate_every: Option<Duration> },
    /// A PEM file that somebody else writes, and reread when it changes.
    File(PathBuf),
}

/// An outside issuer whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    pub issuer: String,
    pub audience: String,
    pub jwks: JwksSource,
    /// The claim that holds the agent's name.
    pub agent_claim: String,
}

/// Where an issuer's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    Url(String),
    File(PathBuf),
}

impl Tokens {
    pub(super) fn check(raw: &RawTokens, instance: &str, p: &mut Checker) -> Self {
        let issuer = raw.issuer.clone().unwrap_or_else(|| format!("aegis:{instance}"));
        check_name("tokens.issuer", &issuer, p);
        check_name("tokens.audience", &raw.audience, p);
        let max_ttl = p.seconds("tokens.max_ttl_s", raw.max_ttl_s, 1..=7 * 86_400);
        let default_ttl = p.seconds("tokens.default_ttl_s", raw.default_ttl_s, 1..=7 * 86_400);
        if default_ttl > max_ttl {
            p.problem("tokens.default_ttl_s", format!("is more than tokens.max_ttl_s ({})", max_ttl.as_secs()));
        }
        if raw.trusted.len() > MAX_TRUSTED {
            p.problem("tokens.trusted", format!("{} issuers; at most {MAX_TRUSTED}", raw.trusted.len()));
        }
        let words = Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
        Self {
            algorithm: p.one_of("tokens.algorithm", &raw.algorithm, &words, Algorithm::default()),
            default_ttl,
            max_ttl,
            leeway: p.number("tokens.leeway_s", raw.leeway_s, 0..=300),
            keys: key_source(raw, p),
            trusted: trusted(&raw.trusted, &issuer, p),
            audience: raw.audience.clone(),
            issuer,
        }
    }
}

fn check_name(at: &str, name: &str, p: &mut Checker) {
    if name.is_empty() || name.len() > MAX_NAME || name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        p.problem(at, format!("`{name}` cannot stand in a token; give 1 to {MAX_NAME} bytes without blanks"));
    }
}

fn key_source(raw: &RawTokens, p: &mut Checker) -> KeySource {
    let hours: u64 = p.number("tokens.rotate_every_h", raw.rotate_every_h, 0..=24 * 366);
    match (&raw.key_file, &raw.key_credential) {
        (Some(_), Some(_)) => p.problem("tokens.key_credential", "stands beside tokens.key_file; give one of them"),
        (Some(file), None) => return KeySource::File(p.path("tokens.key_file", file)),
        (None, Some(name)) => {
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
            return KeySource::File(credential("tokens.key_credential", "tokens.key_file", name, directory, p));
        }
        (None, None) => {}
    }
    KeySource::Own { rotate_every: (hours > 0).then(|| Duration::from_secs(hours * 3600)) }
}

/// `systemd.exec(5)`, "Credentials": the service manager names the directory.
/// `at` is the key that names it, `instead` the one for a file.
pub(super) fn credential(at: &str, instead: &str, name: &str, directory: Option<OsString>, p: &mut Checker) -> PathBuf {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        p.problem(at, format!("`{name}` is no credential's name; give it as in LoadCredential=NAME:PATH"));
    }
    match directory {
        Some(directory) => Path::new(&directory).join(name),
        None => {
            let fix = format!("add LoadCredential={name}:PATH to the unit, or use {instead}");
            p.problem(at, format!("the service manager gave no credentials ($CREDENTIALS_DIRECTORY); {fix}"));
            PathBuf::new()
        }
    }
}

fn trusted(raw: &[RawTrusted], own: &str, p: &mut Checker) -> Vec<Trusted> {
    let mut all: Vec<Trusted> = Vec::with_capacity(raw.len());
    for (i, entry) in raw.iter().enumerate() {
        let at = format!("tokens.trusted[{i}]");
        check_name(&format!("{at}.issuer"), &entry.issuer, p);
        check_name(&format!("{at}.audience"), &entry.audience, p);
        check_name(&format!("{at}.agent_claim"), &entry.agent_claim, p);
        if aegis_token::is_reserved_claim(&entry.agent_claim) {
            let why =
                format!("`{}` means something else in a token; give `sub` or a claim such as `azp`", entry.agent_claim);
            p.problem(format!("{at}.agent_claim"), why);
        }
        if entry.issuer == own {
            p.problem(format!("{at}.issuer"), "is this host's own issuer; its keys would be taken for ours");
        }
        if all.iter().any(|known| known.issuer == entry.issuer) {
            p.problem(format!("{at}.issuer"), format!("`{}` is there twice; keep one", entry.issuer));
        }
        if let Some(jwks) = jwks_source(&at, entry, p) {
            let (issuer, audience) = (entry.issuer.clone(), entry.audience.clone());
            all.push(Trusted { issuer, audience, jwks, agent_claim: entry.agent_claim.clone() });
        }
    }
    all
}

fn jwks_source(at: &str, raw: &RawTrusted, p: &mut Checker) -> Option<JwksSource> {
    match (&raw.jwks_url, &raw.jwks_file) {
        (Some(url), None) => {
            let uri = url.parse::<http::Uri>().ok();
            // Whoever answers here decides who is let in: never without TLS.
            if !uri.is_some_and(|uri| uri.host().is_some() && uri.scheme_str() == Some("https")) {
                p.problem(
                    format!("{at}.jwks_url"),
                    format!("`{url}` is no https URL; give one such as https://login.example.com/keys"),
                );
            }
            Some(JwksSource::Url(url.clone()))
        }
        (None, Some(file)) => Some(JwksSource::File(p.path(&format!("{at}.jwks_file"), file))),
        _ => {
            p.problem(at, "needs its issuer's keys: give one of jwks_url and jwks_file");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_of_the_service_managers_directory() {
        let found = |name: &str, directory: Option<&str>| {
            let mut checker = Checker::new(Path::new("/"));
            let directory = directory.map(OsString::from);
            let path = credential("tokens.key_credential", "tokens.key_file", name, directory, &mut checker);
            (path, checker.problems.iter().map(ToString::to_string).collect::<String>())
        };
        let (path, problems) = found("token-key", Some("/run/credentials/aegis-agent.service"));
        assert_eq!((path.to_str(), problems.as_str()), (Some("/run/credentials/aegis-agent.service/token-key"), ""));
        assert!(found("token-key", None).1.contains("add LoadCredential=token-key:PATH to the unit"));
        for name in ["", "../shadow", "a/b", ".hidden"] {
            assert!(found(name, Some("/run/credentials/x")).1.contains("is no credential's name"), "{name}");
        }
    }
}
