//! Keys of what keeps secrets and machines.

use super::shape::{dotted, hex, hyphenated, mixed, padded, parts, scattered, upper, url_safe, varied};
use super::{Format, OPEN, key};
use crate::Detector;

pub(super) const FORMATS: &[Format] = &[
    key(Detector::Jwt, "eyJ", dotted, (30, OPEN), jwt),
    key(Detector::AgeKey, "AGE-SECRET-KEY-1", upper, (58, 58), varied),
    key(Detector::VaultToken, "hvs.", url_safe, (24, OPEN), mixed),
    key(Detector::VaultToken, "hvb.", url_safe, (24, OPEN), mixed),
    key(Detector::VaultToken, "hvr.", url_safe, (24, OPEN), mixed),
    key(Detector::DopplerToken, "dp.pt.", dotted, (40, OPEN), mixed),
    key(Detector::DopplerToken, "dp.ct.", dotted, (40, OPEN), mixed),
    key(Detector::DopplerToken, "dp.st.", dotted, (40, OPEN), mixed),
    key(Detector::DopplerToken, "dp.sa.", dotted, (40, OPEN), mixed),
    key(Detector::DopplerToken, "dp.scim.", dotted, (40, OPEN), mixed),
    key(Detector::DopplerToken, "dp.audit.", dotted, (40, OPEN), mixed),
    key(Detector::PulumiToken, "pul-", hex, (40, 40), varied),
    key(Detector::TailscaleKey, "tskey-", hyphenated, (20, OPEN), scattered),
    key(Detector::OnepasswordToken, "ops_eyJ", padded, (100, OPEN), mixed),
    key(Detector::OnepasswordToken, "A3-", hyphenated, (36, 37), account_key),
];

/// At least three parts, the second of which is JSON as well; or the five of an encrypted one. What is longer than is looked at may
/// have its end to come.
fn jwt(body: &[u8]) -> bool {
    let mut parts = body.split(|byte| *byte == b'.');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else {
        return false;
    };
    let more = parts.count();
    let signed = claims.starts_with(b"eyJ") && (more >= 1 || body.len() >= super::DECIDED);
    header.len() >= 12 && (signed || more >= 3)
}

/// Groups of capitals and digits: 6, 11 or 6 and 5, and three of 5.
fn account_key(body: &[u8]) -> bool {
    let groups = parts(body, b'-').eq([6, 11, 5, 5, 5]) || parts(body, b'-').eq([6, 6, 5, 5, 5, 5]);
    groups && body.iter().all(|byte| upper(*byte) || *byte == b'-') && mixed(body)
}
