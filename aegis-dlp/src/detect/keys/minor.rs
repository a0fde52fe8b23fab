//! Keys of smaller services that mark theirs: one detector for all of them.

use super::shape::{
    alnum, dotted, hex, hex_any, hyphenated, lower, mixed, padded, parts, path, upper, url_safe, uuid, varied, word,
};
use super::{Format, OPEN, key};
use crate::Detector::ServiceKey;

pub(super) const FORMATS: &[Format] = &[
    key(ServiceKey, "p8e-", hex, (32, 32), mixed),
    key(ServiceKey, "4b1d", alnum, (38, 38), both_cases).unsure(),
    key(ServiceKey, "duffel_test_", url_safe, (43, 43), mixed),
    key(ServiceKey, "duffel_live_", url_safe, (43, 43), mixed),
    key(ServiceKey, "EZAK", alnum, (54, 58), both_cases),
    key(ServiceKey, "EZTK", alnum, (54, 58), both_cases),
    key(ServiceKey, "fio-u-", padded, (64, 64), mixed),
    key(ServiceKey, "pat.", dotted, (68, 68), harness),
    key(ServiceKey, "sat.", dotted, (68, 68), harness),
    key(ServiceKey, "ico-", alnum, (32, 32), both_cases).unsure(),
    key(ServiceKey, "API-", upper, (26, 26), mixed).unsure(),
    key(ServiceKey, "sha256~", url_safe, (43, 43), both_cases),
    key(ServiceKey, "pnu_", alnum, (36, 36), mixed),
    key(ServiceKey, "rdme_", lower, (70, 70), mixed),
    key(ServiceKey, "shippo_live_", hex_any, (40, 40), varied),
    key(ServiceKey, "shippo_test_", hex_any, (40, 40), varied),
    key(ServiceKey, "tfp_", dotted, (40, 60), mixed),
    key(ServiceKey, "tk-us-", url_safe, (48, 48), mixed),
    key(ServiceKey, "sm_pat_", alnum, (16, 16), mixed),
    key(ServiceKey, "sm_aat_", alnum, (16, 16), mixed),
    key(ServiceKey, "sm_sat_", alnum, (16, 16), mixed),
    key(ServiceKey, "dnkey-", url_safe, (79, 79), mixed),
    key(ServiceKey, "s-s4t2ud-", hex, (64, 64), varied),
    key(ServiceKey, "s-s4t2af-", hex, (64, 64), varied),
    key(ServiceKey, "sk-helicone-", hyphenated, (24, OPEN), mixed),
    key(ServiceKey, "esecret_", alnum, (24, OPEN), mixed),
    key(ServiceKey, "rpa_", alnum, (40, 56), mixed),
    key(ServiceKey, "aio_", alnum, (28, 28), mixed),
    key(ServiceKey, "alcht_", alnum, (30, 30), mixed),
    key(ServiceKey, "akab-", hyphenated, (33, 33), akamai),
    key(ServiceKey, "odt_", alnum, (32, 36), both_cases),
    key(ServiceKey, "SWMTKN-1-", hyphenated, (60, 80), mixed),
    key(ServiceKey, "SWMKEY-1-", alnum, (40, 46), mixed),
    key(ServiceKey, "flb_live_", alnum, (20, 24), mixed),
    key(ServiceKey, "shltm_", url_safe, (40, 40), mixed),
    key(ServiceKey, "llx-", url_safe, (48, 48), mixed),
    key(ServiceKey, "rootly_", hex, (64, 64), varied),
    key(ServiceKey, "spu-", alnum, (32, 32), mixed),
    key(ServiceKey, "sk_pr_", word, (40, 80), mixed),
    key(ServiceKey, "pk_", word, (39, 41), clickup),
    key(ServiceKey, "live_", word, (30, 45), twitch),
    key(ServiceKey, "cosmo_", hex, (32, 32), varied),
    key(ServiceKey, "BBFF-", alnum, (30, 30), mixed),
    key(ServiceKey, "VF.DM.", dotted, (41, 41), mixed),
    key(ServiceKey, "1000.", dotted, (65, 65), zoho),
    key(ServiceKey, "hooks.zapier.com/hooks/catch/", path, (12, OPEN), mixed),
    key(ServiceKey, "pgar_", url_safe, (27, 40), mixed),
    key(ServiceKey, "sec-c-", url_safe, (40, 60), mixed),
    key(ServiceKey, "secret-test-", hyphenated, (36, 36), uuid),
    key(ServiceKey, "secret-live-", hyphenated, (36, 36), uuid),
    key(ServiceKey, "tkn.v1_", padded, (60, 100), both_cases),
    key(ServiceKey, "ctx7sk-", hyphenated, (36, 36), uuid),
    key(ServiceKey, "lmnr_", alnum, (40, 80), mixed),
    key(ServiceKey, "ion_", alnum, (42, 42), mixed),
    key(ServiceKey, "mdb_sa_sk_", url_safe, (40, 40), mixed),
    key(ServiceKey, "NF-", alnum, (32, 32), mixed).unsure(),
    key(ServiceKey, "ak_live_", alnum, (30, 30), mixed),
    key(ServiceKey, "sc_", padded_parts, (60, OPEN), authress),
    key(ServiceKey, "ext_", padded_parts, (60, OPEN), authress),
    key(ServiceKey, "scauth_", padded_parts, (60, OPEN), authress),
    key(ServiceKey, "authress_", padded_parts, (60, OPEN), authress),
    key(ServiceKey, "m0-", alnum, (40, 40), both_cases).unsure(),
    key(ServiceKey, "BSA", url_safe, (28, 28), both_cases).unsure(),
];

/// With letters of both cases, as hashes and names of files are not.
fn both_cases(body: &[u8]) -> bool {
    mixed(body) && body.iter().any(u8::is_ascii_uppercase) && body.iter().any(u8::is_ascii_lowercase)
}

/// Two groups of sixteen.
fn akamai(body: &[u8]) -> bool {
    parts(body, b'-').eq([16, 16]) && mixed(body)
}

/// Parts of base64 with dots between them.
fn padded_parts(byte: u8) -> bool {
    padded(byte) || byte == b'.'
}

/// A client, a number, an account marked as such, a secret.
fn authress(body: &[u8]) -> bool {
    let mut parts = body.split(|byte| *byte == b'.');
    let client = parts.next().is_some_and(|client| (5..=30).contains(&client.len()));
    let number = parts.next().is_some_and(|number| (4..=6).contains(&number.len()));
    let account = parts.next().is_some_and(|account| account.starts_with(b"acc-") || account.starts_with(b"acc_"));
    client && number && account && parts.next().is_some_and(|secret| secret.len() >= 30) && mixed(body)
}

/// The number of the user, and 32 capitals and digits.
fn clickup(body: &[u8]) -> bool {
    let (user, key) = body.split_at_checked(body.len().saturating_sub(33)).unwrap_or_default();
    let key = key.strip_prefix(b"_").unwrap_or_default();
    user.iter().all(u8::is_ascii_digit) && key.len() == 32 && key.iter().all(|byte| upper(*byte)) && mixed(key)
}

/// The number of the channel, and 30 letters and digits.
fn twitch(body: &[u8]) -> bool {
    let (channel, key) = body.split_at_checked(body.len().saturating_sub(31)).unwrap_or_default();
    (6..=12).contains(&channel.len())
        && channel.iter().all(u8::is_ascii_digit)
        && key.first() == Some(&b'_')
        && both_cases(key)
}

/// Twice 32 hexadecimal digits.
fn zoho(body: &[u8]) -> bool {
    parts(body, b'.').eq([32, 32]) && body.iter().all(|byte| hex(*byte) || *byte == b'.') && mixed(body)
}

/// An account, a number, a secret.
fn harness(body: &[u8]) -> bool {
    parts(body, b'.').eq([22, 24, 20]) && mixed(body)
}
