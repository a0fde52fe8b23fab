//! Keys of services of all kinds.

use super::shape::{
    alnum, dotted, hex, hyphenated, lower, mixed, padded, parts, scattered, upper, url_safe, uuid, varied, word,
};
use super::{Format, OPEN, key};
use crate::Detector;

pub(super) const FORMATS: &[Format] = &[
    key(Detector::DatadogKey, "ddapp_", alnum, (30, 40), mixed),
    key(Detector::DatabricksToken, "dapi", hyphenated, (32, 36), dapi),
    key(Detector::GrafanaToken, "glc_", padded, (32, OPEN), scattered),
    key(Detector::GrafanaToken, "eyJrIjoi", padded, (70, OPEN), mixed),
    key(Detector::GrafanaToken, "glsa_", word, (41, 41), mixed),
    key(Detector::SentryToken, "sntrys_", padded, (60, OPEN), mixed),
    key(Detector::SentryToken, "sntryu_", hex, (64, 64), varied),
    key(Detector::AtlassianToken, "ATATT3", padded, (100, OPEN), mixed),
    key(Detector::LinearKey, "lin_api_", alnum, (32, 48), mixed),
    key(Detector::LinearKey, "lin_oauth_", alnum, (32, 70), mixed),
    key(Detector::NotionToken, "ntn_", alnum, (40, 50), mixed),
    key(Detector::NotionToken, "secret_", alnum, (43, 43), mixed).unsure(),
    key(Detector::AirtableToken, "pat", dotted, (79, 79), airtable),
    key(Detector::FigmaToken, "figd_", url_safe, (40, OPEN), mixed),
    key(Detector::PostmanKey, "PMAK-", hyphenated, (59, 59), mixed),
    key(Detector::PostmanKey, "PMAT-", upper, (26, 26), mixed),
    key(Detector::HubspotToken, "pat-na1-", hyphenated, (36, 36), uuid),
    key(Detector::HubspotToken, "pat-na2-", hyphenated, (36, 36), uuid),
    key(Detector::HubspotToken, "pat-eu1-", hyphenated, (36, 36), uuid),
    key(Detector::DropboxToken, "sl.", url_safe, (130, OPEN), mixed),
    key(Detector::DropboxToken, "sl.u.", url_safe, (130, OPEN), mixed),
    key(Detector::ContentfulToken, "CFPAT-", url_safe, (43, 64), mixed),
    key(Detector::DynatraceToken, "dt0c01.", dotted, (89, 89), mixed),
    key(Detector::DynatraceToken, "dt0s01.", dotted, (80, OPEN), mixed),
    key(Detector::DynatraceToken, "dt0s16.", dotted, (80, OPEN), mixed),
    key(Detector::MapboxToken, "sk.eyJ", dotted, (50, OPEN), mixed),
    key(Detector::PosthogKey, "phx_", url_safe, (40, 64), mixed),
    key(Detector::PosthogKey, "phs_", url_safe, (40, 64), mixed),
    key(Detector::PosthogKey, "phr_", url_safe, (40, 64), mixed),
    key(Detector::PosthogKey, "pha_", url_safe, (40, 64), mixed),
    key(Detector::LaunchdarklyKey, "sdk-", hyphenated, (36, 36), uuid).unsure(),
    key(Detector::LaunchdarklyKey, "api-", hyphenated, (36, 36), uuid).unsure(),
    key(Detector::NewrelicKey, "NRAK-", upper, (27, 27), varied),
    key(Detector::NewrelicKey, "NRII-", url_safe, (32, 32), varied),
    key(Detector::NewrelicKey, "NRRA-", hex, (42, 42), varied),
    key(Detector::NewrelicKey, "NRAA-", hex, (27, 27), varied),
    key(Detector::NewrelicKey, "NRIQ-", url_safe, (32, 32), varied),
    key(Detector::NewrelicKey, "NRBR-", hex, (19, 19), varied),
    key(Detector::NewrelicKey, "NRJS-", hex, (19, 19), varied),
    key(Detector::NewrelicKey, "px-api-", hyphenated, (36, 36), mixed),
    key(Detector::NewrelicKey, "px-dep-", hyphenated, (36, 36), mixed),
    key(Detector::NewrelicKey, "NRSP-", lower, (30, OPEN), varied),
];

/// 32 hexadecimal digits, perhaps a hyphen and the number of a shard.
fn dapi(body: &[u8]) -> bool {
    let (digits, shard) = body.split_at_checked(32).unwrap_or_default();
    digits.iter().all(u8::is_ascii_hexdigit) && matches!(shard, [] | [b'-', b'0'..=b'9', ..]) && mixed(digits)
}

/// 14 letters and digits, a dot, 64 hexadecimal digits.
fn airtable(body: &[u8]) -> bool {
    parts(body, b'.').eq([14, 64]) && body.iter().skip(15).all(|byte| hex(*byte)) && mixed(body)
}
