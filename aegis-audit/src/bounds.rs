//! The size of a line is bounded, so that space for it can be set aside before a request is forwarded.

use crate::record::{CallEntry, Draft, FindingEntry};

/// The longest line that [`Chain::seal`](crate::Chain::seal) makes, newline included, in bytes.
pub const MAX_LINE: usize = 12_288;

/// The most entries of `findings` in one record; what is beyond is summed into the last, whose detector is `more`.
pub const MAX_FINDINGS: usize = 10;

/// Bounds of a field, in bytes as written in JSON (escapes counted).
const NAME: usize = 128;
const HOST: usize = 256;
const PATH: usize = 2048;
const REASON: usize = 512;
const LABEL: usize = 96;
const WORD: usize = 32;

/// Cuts every field to its bound and makes numbers writable.
pub(crate) fn apply(draft: &mut Draft) {
    for name in [
        &mut draft.decision_id,
        &mut draft.trace_id,
        &mut draft.org,
        &mut draft.tenant,
        &mut draft.agent_id,
        &mut draft.policy_version,
    ] {
        cut(name, NAME);
    }
    for name in [
        &mut draft.parent_agent_id,
        &mut draft.tool,
        &mut draft.method,
        &mut draft.scheme,
        &mut draft.rule,
        &mut draft.approval_id,
    ] {
        cut_option(name, NAME);
    }
    cut_option(&mut draft.host, HOST);
    cut_option(&mut draft.path, PATH);
    cut(&mut draft.reason, REASON);
    cut_option(&mut draft.error, REASON);
    cut(&mut draft.exe, HOST);
    cut(&mut draft.cgroup, HOST);
    bound_findings(&mut draft.findings);
    draft.call.iter_mut().for_each(bound_call);
    draft.duration_ms = writable(draft.duration_ms);
    draft.estimated_cost_usd = draft.estimated_cost_usd.filter(|cost| cost.is_finite());
}

fn bound_findings(findings: &mut Vec<FindingEntry>) {
    if findings.len() > MAX_FINDINGS {
        let rest = findings.split_off(MAX_FINDINGS - 1);
        findings.push(FindingEntry {
            detector: "more".to_owned(),
            count: rest.iter().fold(0, |sum, entry| sum.saturating_add(entry.count)),
            ..FindingEntry::default()
        });
    }
    for entry in findings {
        cut(&mut entry.detector, LABEL / 3);
        cut(&mut entry.action, LABEL / 6);
        cut(&mut entry.place, LABEL);
        cut(&mut entry.confidence, LABEL / 6);
    }
}

fn bound_call(call: &mut CallEntry) {
    cut(&mut call.protocol, WORD);
    for name in [&mut call.provider, &mut call.operation, &mut call.model, &mut call.session] {
        cut_option(name, LABEL);
    }
    for names in [&mut call.tools, &mut call.tool_calls, &mut call.changed_tools] {
        names.truncate(CallEntry::MOST);
        names.iter_mut().for_each(|name| cut(name, LABEL));
    }
}

/// Milliseconds to a thousandth; JSON has no NaN and no infinity.
fn writable(milliseconds: f64) -> f64 {
    const MAX: f64 = 1e12;
    if milliseconds.is_finite() { (milliseconds.clamp(0.0, MAX) * 1000.0).round() / 1000.0 } else { 0.0 }
}

fn cut_option(text: &mut Option<String>, bound: usize) {
    if let Some(text) = text {
        cut(text, bound);
    }
}

/// Cuts at a character, and leaves a mark, so that a reader knows that something is missing.
fn cut(text: &mut String, bound: usize) {
    const MARK: char = '…';
    // No byte takes more than six in JSON (\u00XX): the common case costs one comparison.
    if text.len() <= bound / 6 {
        return;
    }
    let mut written = 0;
    let mut keep = 0;
    for (at, character) in text.char_indices() {
        written += escaped(character);
        if written > bound {
            text.truncate(keep);
            text.push(MARK);
            return;
        }
        if written + MARK.len_utf8() <= bound {
            keep = at + character.len_utf8();
        }
    }
}

/// Bytes of a character in a JSON string as serde_json writes it.
fn escaped(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\x1f' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::Chain;
    use proptest::prelude::*;

    fn stuffed(text: &str, findings: usize) -> Draft {
        let some = || Some(text.to_owned());
        Draft {
            decision_id: text.into(),
            trace_id: text.into(),
            org: text.into(),
            tenant: text.into(),
            agent_id: text.into(),
            parent_agent_id: some(),
            tool: some(),
            method: some(),
            scheme: some(),
            host: some(),
            port: Some(u16::MAX),
            path: some(),
            reason: text.into(),
            rule: some(),
            policy_version: text.into(),
            approval_id: some(),
            findings: vec![
                FindingEntry {
                    detector: text.into(),
                    action: text.into(),
                    place: text.into(),
                    confidence: text.into(),
                    count: u64::MAX
                };
                findings
            ],
            call: Some(CallEntry {
                protocol: text.into(),
                provider: some(),
                operation: some(),
                model: some(),
                session: some(),
                tools: vec![text.into(); 100],
                tool_calls: vec![text.into(); 100],
                changed_tools: vec![text.into(); 100],
                input_tokens: Some(u64::MAX),
                output_tokens: Some(u64::MAX),
                cached_tokens: Some(u64::MAX),
                partial: false,
            }),
            duration_ms: f64::MAX,
            estimated_cost_usd: Some(f64::MIN),
            pid: u32::MAX,
            exe: text.into(),
            cgroup: text.into(),
            bytes_out: u64::MAX,
            bytes_in: u64::MAX,
            messages_out: Some(u64::MAX),
            messages_in: Some(u64::MAX),
            status: Some(u16::MAX),
            error: some(),
            ..Draft::default()
        }
    }

    #[test]
    fn no_draft_makes_a_line_longer_than_what_was_set_aside() {
        for text in ["\"", "\u{1}", "ü", "a", "\u{10ffff}", "\\x"] {
            let line = Chain::genesis("x").seal(stuffed(&text.repeat(1 << 12), 100)).unwrap().line;
            // 32: room for a longer `seq`.
            assert!(line.len() + 32 <= MAX_LINE, "{} bytes of {text:?}", line.len());
        }
    }

    #[test]
    fn a_cut_draft_as_json_is_shorter_than_its_line_and_comes_back_whole() {
        for text in ["\"", "\u{1}", "ü", "a", "\u{10ffff}", "\\x"] {
            let mut draft = stuffed(&text.repeat(1 << 12), 100);
            draft.cut();
            let json = serde_json::to_string(&draft).unwrap();
            assert_eq!(serde_json::from_str::<Draft>(&json).unwrap(), draft);
            let line = Chain::genesis("x").seal(draft.clone()).unwrap().line;
            assert!(json.len() < line.len(), "{} bytes of {text:?}, {} in the log", json.len(), line.len());
            let before = draft.clone();
            draft.cut();
            assert_eq!(draft, before, "what is cut stays as it is");
        }
    }

    #[test]
    fn a_body_does_not_fit_into_any_field() {
        let body = "0123456789abcdef".repeat(4096);
        let line = Chain::genesis("x").seal(stuffed(&body, 1)).unwrap().line;
        assert!(!line.contains(&body[..PATH + 1]));
        assert!(line.contains('…'), "what was cut is marked");
    }

    #[test]
    fn numbers_that_json_cannot_write_do_not_lose_the_record() {
        let draft = Draft { duration_ms: f64::NAN, estimated_cost_usd: Some(f64::INFINITY), ..Draft::default() };
        let line = Chain::genesis("x").seal(draft).unwrap().line;
        assert!(line.contains("\"duration_ms\":0.0,\"estimated_cost_usd\":null"), "{line}");
    }

    proptest! {
        #[test]
        fn cut_text_is_within_its_bound(text in "\\PC{0,300}|[\\x00-\\x1f\"\\\\ü]{0,200}", bound in 8usize..200) {
            let mut cut_text = text.clone();
            cut(&mut cut_text, bound);
            let written = serde_json::to_string(&cut_text).unwrap().len() - 2;
            // U+007F and friends are written as they are; nothing else grows.
            prop_assert!(written <= bound);
            prop_assert!(cut_text == text || cut_text.ends_with('…'));
        }
    }
}
