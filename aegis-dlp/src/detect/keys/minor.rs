//! Keys of smaller services that mark theirs: one detector for all of them.

use super::shape::{alnum, dotted, hex, hyphenated, lower, mixed, padded, parts, upper, url_safe, varied};
use super::{Format, OPEN, key};
use crate::Detector::ServiceKey;

pub(super) const FORMATS: &[Format] = &[
    key(ServiceKey, "p8e-", hex, (32, 32), mixed),
    key(ServiceKey, "4b1d", alnum, (38, 38), both_cases).unsure(),
    key(ServiceKey, "duffel_test_", url_safe, (43, 43), mixed),
    key(ServiceKey, "duffel_live_", url_safe, (43, 43), mixed),
    key(ServiceKey, "EZAK", alnum, (54, 54), both_cases),
    key(ServiceKey, "EZTK", alnum, (54, 54), both_cases),
    key(ServiceKey, "fio-u-", padded, (64, 64), mixed),
    key(ServiceKey, "pat.", dotted, (68, 68), harness),
    key(ServiceKey, "sat.", dotted, (68, 68), harness),
    key(ServiceKey, "ico-", alnum, (32, 32), both_cases).unsure(),
    key(ServiceKey, "API-", upper, (26, 26), mixed).unsure(),
    key(ServiceKey, "sha256~", url_safe, (43, 43), both_cases),
    key(ServiceKey, "pnu_", alnum, (36, 36), mixed),
    key(ServiceKey, "rdme_", lower, (70, 70), mixed),
    key(ServiceKey, "shippo_live_", hex, (40, 40), varied),
    key(ServiceKey, "shippo_test_", hex, (40, 40), varied),
    key(ServiceKey, "tfp_", dotted, (59, 59), mixed),
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
    key(ServiceKey, "m0-", alnum, (40, 40), both_cases).unsure(),
    key(ServiceKey, "BSA", url_safe, (28, 28), both_cases).unsure(),
];

/// With letters of both cases, as hashes and names of files are not.
fn both_cases(body: &[u8]) -> bool {
    mixed(body) && body.iter().any(u8::is_ascii_uppercase) && body.iter().any(u8::is_ascii_lowercase)
}

/// An account, a number, a secret.
fn harness(body: &[u8]) -> bool {
    parts(body, b'.').eq([22, 24, 20]) && mixed(body)
}
