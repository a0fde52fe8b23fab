//! What a rule says of tools and signatures in what it permits.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::schema::words;
use crate::source::cursor::{Cursor, Fields};
use crate::{Decision, Handling, OnSigned, ToolChanges};

const KEYS: [&str; 3] = ["tool_changes", "tool_pins", "signed"];

pub(super) fn read(fields: &Fields<'_>, decision: Option<Decision>) -> Handling {
    for at in KEYS.iter().filter_map(|key| fields.get(key)) {
        if decision.is_some_and(|decision| !decision.permits()) {
            at.problem("this has no effect where the rule lets nothing pass", "no effect");
        }
    }
    let changes = |at: &Cursor<'_>| words::one_of(at, &[("report", ToolChanges::Report), ("deny", ToolChanges::Deny)]);
    let signed =
        |at: &Cursor<'_>| words::one_of(at, &[("deny", OnSigned::Deny), ("approval_needed", OnSigned::ApprovalNeeded)]);
    Handling {
        tool_changes: fields.get("tool_changes").and_then(changes).unwrap_or_default(),
        tool_pins: fields.get("tool_pins").map(|at| Arc::new(pins(at))),
        signed: fields.get("signed").and_then(signed).unwrap_or_default(),
    }
}

fn pins(at: &Cursor<'_>) -> BTreeMap<String, String> {
    let mut pins = BTreeMap::new();
    if at.entries().is_empty() {
        at.problem_with("no definition is named", "nothing in it", "leave the key out, or name at least one");
    }
    for (name, _, value) in at.entries() {
        let Some(text) = value.string() else { continue };
        let hash = text.strip_prefix("sha256:").unwrap_or_default();
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hash.len() == 64 && hash.bytes().all(hex) {
            pins.insert(name.to_owned(), hash.to_owned());
        } else {
            let help = "write `sha256:` and 64 lower-case hex digits, as the daemon's log tells them of a definition";
            value.problem_with("not the hash of a definition", "not a hash", help);
        }
    }
    pins
}
