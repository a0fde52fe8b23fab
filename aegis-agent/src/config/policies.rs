//! Where policies come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_policy::bundle::SignatureAlgorithm;

use super::problems::Checker;
use super::raw::{RawBundle, RawBundleKey, RawPolicies};

/// Where policies come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policies {
    /// The starter policy that is compiled in.
    Embedded,
    /// A policy file, or a directory of them.
    Files(PathBuf),
    Bundle(BundleSource),
}

/// A bundle, and how far it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleSource {
    pub place: BundlePlace,
    /// Whose signatures count; empty: it need not be signed.
    pub keys: Vec<BundleKey>,
    /// Between two questions whether there is a new one, before jitter.
    pub poll: Duration,
    /// By how much of that the pause is longer or shorter, in percent, so that many hosts do not ask at once.
    pub jitter_pct: u32,
    /// For one whole fetch.
    pub timeout: Duration,
    pub max_bytes: usize,
    /// A bearer token for the server, alone in a file.
    pub token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundlePlace {
    File(PathBuf),
    /// `http` or `https`, without user and password.
    Url(String),
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleKey {
    pub id: String,
    /// PEM.
    pub file: PathBuf,
    pub algorithm: SignatureAlgorithm,
    /// What the signature must say that it is for.
    pub scope: Option<String>,
}

impl Policies {
    pub(super) fn check(raw: &RawPolicies, p: &mut Checker) -> Self {
        match raw {
            RawPolicies::Embedded => Self::Embedded,
            RawPolicies::Path(path) => {
                let path = p.existing("policies", path);
                if is_archive(&path) {
                    let place = BundlePlace::File(path);
                    return Self::Bundle(BundleSource::checked(&RawBundle::default(), place, p));
                }
                Self::Files(path)
            }
            RawPolicies::Bundle(raw) => Self::Bundle(BundleSource::check(raw, p)),
        }
    }
}

impl BundleSource {
    fn check(raw: &RawBundle, p: &mut Checker) -> Self {
        let place = if raw.bundle.is_empty() {
            p.problem("policies.bundle", "is missing; give the path or the URL of a bundle");
            BundlePlace::File(PathBuf::new())
        } else if raw.bundle.contains("://") {
            check_url(&raw.bundle, raw.token_file.is_some(), p);
            BundlePlace::Url(raw.bundle.clone())
        } else {
            BundlePlace::File(p.existing("policies.bundle", Path::new(&raw.bundle)))
        };
        let from_server = matches!(place, BundlePlace::Url(_));
        if from_server && raw.keys.is_empty() && !raw.unsigned {
            let wanted = "name the keys that sign it, or say `unsigned: true` to let the server decide what agents may";
            p.problem("policies.keys", format!("is empty; {wanted}"));
        }
        if raw.unsigned && !raw.keys.is_empty() {
            p.problem(
                "policies.unsigned",
                "contradicts `keys`: with keys, bundles must be signed; leave one of them out",
            );
        }
        if !from_server && raw.token_file.is_some() {
            p.problem("policies.token_file", "has no meaning for a file; leave it out");
        }
        Self::checked(raw, place, p)
    }

    fn checked(raw: &RawBundle, place: BundlePlace, p: &mut Checker) -> Self {
        let keys: Vec<BundleKey> = raw.keys.iter().enumerate().map(|(i, key)| BundleKey::check(i, key, p)).collect();
        for (i, key) in keys.iter().enumerate() {
            if keys.iter().take(i).any(|earlier| earlier.id == key.id) {
                p.problem(
                    format!("policies.keys[{i}].id"),
                    format!("`{}` is another key's too; give each its own", key.id),
                );
            }
        }
        Self {
            place,
            keys,
            poll: p.seconds("policies.poll_s", raw.poll_s, 1..=86_400),
            jitter_pct: p.number("policies.poll_jitter_pct", raw.poll_jitter_pct, 0..=50),
            timeout: p.millis("policies.timeout_ms", raw.timeout_ms, 100..=25_000),
            max_bytes: p.number("policies.max_bytes", raw.max_bytes, 1024..=32 << 20),
            token_file: raw.token_file.as_ref().map(|path| p.existing("policies.token_file", path)),
        }
    }
}

impl BundleKey {
    fn check(i: usize, raw: &RawBundleKey, p: &mut Checker) -> Self {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if !(1..=128).contains(&raw.id.len()) || !raw.id.chars().all(plain) {
            let wanted = "give the id that bundles are signed with: letters, digits and `._-`";
            p.problem(format!("policies.keys[{i}].id"), format!("`{}` is no id; {wanted}", raw.id));
        }
        let all = [SignatureAlgorithm::Es256, SignatureAlgorithm::Rs256, SignatureAlgorithm::EdDsa];
        let words = all.map(|algorithm| (algorithm.name(), algorithm));
        let at = format!("policies.keys[{i}].algorithm");
        Self {
            id: raw.id.clone(),
            file: p.existing(&format!("policies.keys[{i}].file"), &raw.file),
            algorithm: p.one_of(&at, &raw.algorithm, &words, SignatureAlgorithm::Es256),
            scope: raw.scope.clone(),
        }
    }
}

fn check_url(url: &str, with_token: bool, p: &mut Checker) {
    let parsed: Option<http::Uri> = url.parse().ok();
    let web = parsed.as_ref().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let Some(uri) = web.filter(|uri| uri.host().is_some_and(|host| !host.is_empty())) else {
        p.problem(
            "policies.bundle",
            format!("`{url}` is no URL; give one such as https://policies.example.com/b.tar.gz"),
        );
        return;
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        p.problem("policies.bundle", "holds a user or password; give a token in `token_file` instead");
    }
    if with_token && uri.scheme_str() == Some("http") {
        p.problem("policies.token_file", "would send the token over plain http; use https");
    }
}

/// Of a path alone its name says what it is.
fn is_archive(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
