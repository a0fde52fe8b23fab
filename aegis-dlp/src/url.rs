//! Scanning of a request's path and query.

use std::borrow::Cow;

use crate::Profile;
use crate::finding::Place;
use crate::text::{Scanned, scan};
use crate::view::Encoding;

/// Scans a path with its query, percent encoding undone. What matches is replaced by its mask, percent
/// encoded; all else stays as it is, so the result is as valid as the input.
pub fn scan_url<'a>(profile: &Profile, path_and_query: &'a str) -> Scanned<'a> {
    let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
    let path = scan(profile, Encoding::Percent, Place::Url, "", path);
    if path.stopped.is_some() {
        return path;
    }
    // In the query a `+` is a space, as forms write it.
    let query = scan(profile, Encoding::Form, Place::Url, "", query);
    let text = match (path.text, query.text) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => Cow::Borrowed(path_and_query),
        (path, query) => Cow::Owned(format!("{path}{query}")),
    };
    let findings = path.findings.into_iter().chain(query.findings).collect();
    Scanned { text, findings, stopped: query.stopped }
}
