//! Keys and tokens that their issuer marks by a prefix: one table, one way to examine.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{Match, Tail};
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// Bytes of a key that are looked at before it is decided; what goes on after that belongs to it too.
const DECIDED: usize = 256;

/// A key format.
pub(super) struct Format {
    pub(super) detector: Detector,
    /// What every key begins with: the clue.
    pub(super) prefix: &'static str,
    /// The bytes that go on after the prefix.
    body: fn(u8) -> bool,
    /// What the key and its run of body bytes must begin with.
    pattern: &'static str,
}

const fn format(detector: Detector, prefix: &'static str, body: fn(u8) -> bool, pattern: &'static str) -> Format {
    Format { detector, prefix, body, pattern }
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn underscored(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn hyphenated(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Every format. Those of one prefix stand together, and no prefix begins like another.
pub(super) const FORMATS: &[Format] = &[
    format(Detector::AwsKey, "AKIA", alphanumeric, "AKIA[A-Z2-7]{16}$"),
    format(Detector::AwsKey, "ASIA", alphanumeric, "ASIA[A-Z2-7]{16}$"),
    format(Detector::AwsKey, "ABIA", alphanumeric, "ABIA[A-Z2-7]{16}$"),
    format(Detector::AwsKey, "ACCA", alphanumeric, "ACCA[A-Z2-7]{16}$"),
    format(Detector::GithubToken, "github_pat_", underscored, "github_pat_[A-Za-z0-9_]{40}"),
    format(Detector::GithubToken, "ghp_", alphanumeric, "ghp_[A-Za-z0-9]{36}"),
    format(Detector::GithubToken, "gho_", alphanumeric, "gho_[A-Za-z0-9]{36}"),
    format(Detector::GithubToken, "ghu_", alphanumeric, "ghu_[A-Za-z0-9]{36}"),
    format(Detector::GithubToken, "ghs_", alphanumeric, "ghs_[A-Za-z0-9]{36}"),
    format(Detector::GithubToken, "ghr_", alphanumeric, "ghr_[A-Za-z0-9]{36}"),
    format(Detector::AnthropicKey, "sk-", url_safe, "sk-ant-[A-Za-z0-9_-]{20}"),
    format(
        Detector::OpenaiKey,
        "sk-",
        url_safe,
        "sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20}|or-v1-[0-9a-f]{64}|[A-Za-z0-9]{32})",
    ),
    format(Detector::SlackToken, "xox", hyphenated, "xox[a-z]-[A-Za-z-]*[0-9][A-Za-z0-9-]{9}"),
    format(Detector::SlackToken, "xapp-", hyphenated, "xapp-[0-9]-[A-Za-z0-9-]{20}"),
    format(Detector::StripeKey, "sk_live_", alphanumeric, "sk_live_[A-Za-z0-9]{16}"),
    format(Detector::StripeKey, "sk_test_", alphanumeric, "sk_test_[A-Za-z0-9]{16}"),
    format(Detector::StripeKey, "rk_live_", alphanumeric, "rk_live_[A-Za-z0-9]{16}"),
    format(Detector::StripeKey, "rk_test_", alphanumeric, "rk_test_[A-Za-z0-9]{16}"),
];

static PATTERNS: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    // Cannot fail on these constants; a test holds that.
    FORMATS.iter().map(|format| Regex::new(&format!("^(?-u:{})", format.pattern)).ok()).collect()
});

/// The key at `start`, of format `number` or a later one with the same prefix.
pub(super) fn examine(view: &View<'_>, start: usize, number: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let Some(prefix) = FORMATS.get(number).map(|format| format.prefix) else {
        return Ok(None);
    };
    if !view.opens(start) {
        return Ok(None);
    }
    let body = start + prefix.len();
    for (format, pattern) in FORMATS.iter().zip(PATTERNS.iter()).skip(number) {
        let Some(pattern) = pattern.as_ref().filter(|_| format.prefix == prefix) else {
            break;
        };
        if !wanted.contains(format.detector) {
            continue;
        }
        let end = view.run(body, DECIDED, format.body)?;
        if pattern.is_match(view.slice(start, end)) {
            let tail = (end - body == DECIDED).then_some(Tail::Run(format.body));
            return Ok(Some(Match { start, end, detector: format.detector, tail }));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_builds_and_no_prefix_hides_another() {
        assert!(PATTERNS.iter().all(Option::is_some));
        for (one, other) in FORMATS.iter().flat_map(|f| FORMATS.iter().map(move |g| (f, g))) {
            let hides = other.prefix != one.prefix && other.prefix.starts_with(one.prefix);
            assert!(!hides, "{} hides {}", one.prefix, other.prefix);
        }
    }
}
