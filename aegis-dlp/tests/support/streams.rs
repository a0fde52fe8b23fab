//! Bodies through a [`Stream`].
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use aegis_dlp::{
    Attachments, ContentRules, Described, Details, DetectorSet, Finding, Opaque, OutputEncoding, Profile, Reason,
    Remark, Stream, StreamFlow, Unreadable, Why,
};

pub const SSN: &str = "536-22-8741";
pub const CARD: &str = "4111 1111 1111 1111";

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    pub out: Vec<u8>,
    pub flow: StreamFlow,
    pub findings: Vec<Finding>,
    pub remarks: Vec<Remark>,
    pub untouched: bool,
}

impl Sent {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.findings.iter().map(|finding| finding.detector.name()).collect()
    }

    pub fn places(&self) -> Vec<String> {
        self.findings.iter().map(|finding| finding.place.record()).collect()
    }

    /// The body that went out whole.
    pub fn passed(&self) -> &[u8] {
        assert_eq!(self.flow, StreamFlow::Continue, "{:?}", self.text());
        &self.out
    }

    /// The reason why it was stopped as unreadable.
    pub fn reason(&self) -> Reason {
        match &self.flow {
            StreamFlow::Deny(Why::Opaque(Opaque { reason, .. })) => reason.clone(),
            other => panic!("{other:?} {:?}", self.text()),
        }
    }

    pub fn denied_by(&self) -> &'static str {
        match &self.flow {
            StreamFlow::Deny(Why::Detector(detector)) => detector.name(),
            other => panic!("{other:?} {:?}", self.text()),
        }
    }
}

pub fn typed(content_type: &str) -> Described<'_> {
    Described { content_type: Some(content_type), ..Described::default() }
}

/// Sends a body cut at the given places.
pub fn send_cut(profile: &Profile, described: &Described<'_>, body: &[u8], cuts: &[usize]) -> Sent {
    let mut cuts: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < body.len()).collect();
    cuts.sort_unstable();
    cuts.push(body.len());
    let mut stream = Stream::new(profile, described).unwrap();
    let mut out = Vec::new();
    let mut from = 0;
    for cut in cuts {
        let _ = stream.push(&body[from..cut], &mut out);
        from = cut;
    }
    let flow = stream.finish(&mut out);
    Sent {
        out,
        flow,
        findings: stream.findings().to_vec(),
        remarks: stream.remarks().to_vec(),
        untouched: stream.untouched(),
    }
}

pub fn send(profile: &Profile, described: &Described<'_>, body: &[u8]) -> Sent {
    let whole = send_cut(profile, described, body, &[]);
    let every: Vec<usize> = (0..body.len()).collect();
    same(&whole, &send_cut(profile, described, body, &every));
    whole
}

/// The same outcome. Where a stream is stopped, how much has left before depends on the chunks for what is
/// compressed: at most up to the match in both.
pub fn same(one: &Sent, other: &Sent) {
    // How far broken compressed data is decoded depends on how much of it the decoder gets at once.
    let broken = |sent: &Sent| {
        matches!(
            &sent.flow,
            StreamFlow::Deny(Why::Opaque(Opaque {
                reason: Reason::Broken(_) | Reason::Ambiguous(_) | Reason::TooLarge(_),
                ..
            }))
        )
    };
    if broken(one) || broken(other) {
        assert!(one.flow != StreamFlow::Continue && other.flow != StreamFlow::Continue);
        return;
    }
    let outcome = |sent: &Sent| (sent.flow.clone(), sent.findings.clone(), sent.remarks.clone(), sent.untouched);
    assert_eq!(outcome(one), outcome(other), "{:?} {:?}", one.text(), other.text());
    if one.flow == StreamFlow::Continue {
        assert_eq!(one.out, other.out, "{:?} {:?}", one.text(), other.text());
    } else {
        assert!(one.out.starts_with(&other.out) || other.out.starts_with(&one.out));
    }
}

pub fn redacting() -> Profile {
    Profile::redacting(DetectorSet::ALL)
}

pub fn denying() -> Profile {
    Profile { deny: DetectorSet::ALL, ..Profile::default() }
}

pub fn with_content(profile: Profile, content: ContentRules) -> Profile {
    Profile { details: Some(Arc::new(Details { content, ..Details::default() })), ..profile }
}

pub fn unreadable(profile: Profile, unreadable: Unreadable) -> Profile {
    with_content(profile, ContentRules { unreadable, ..ContentRules::default() })
}

pub fn with_attachments(profile: Profile, attachments: Attachments) -> Profile {
    with_content(profile, ContentRules { attachments, ..ContentRules::default() })
}

/// What the fuzz target and the replay of its corpus send, by the first byte of an input.
pub const DESCRIBED: [(&str, &[&str], Option<&str>); 14] = [
    ("", &[], None),
    ("application/json", &["gzip"], None),
    ("application/json", &["deflate"], None),
    ("text/plain", &["br"], None),
    ("text/plain", &["zstd"], None),
    ("text/plain", &["gzip, zstd"], None),
    ("multipart/form-data; boundary=XX", &[], None),
    ("multipart/mixed; boundary=XX", &[], None),
    ("application/grpc", &[], Some("gzip")),
    ("application/grpc-web-text", &[], None),
    ("application/connect+json", &[], None),
    ("application/x-protobuf", &[], None),
    ("application/zip", &[], None),
    ("image/png", &[], None),
];

/// The first byte says what the body is described as, the second how large its chunks are; the rest is the body.
pub fn check_body(data: &[u8]) {
    let [kind, size, body @ ..] = data else { return };
    let (content_type, content_encoding, grpc_encoding) = DESCRIBED[usize::from(*kind) % DESCRIBED.len()];
    let described =
        Described { content_type: Some(content_type), content_encoding, grpc_encoding, ..Described::default() };
    let cuts: Vec<usize> = (0..body.len()).step_by(usize::from(*size) + 1).collect();
    check_sending(&described, body, &cuts);
}

/// Chunks change nothing, what is only reported on passes as it came, and what was redacted holds nothing to find.
pub fn check_sending(described: &Described<'_>, body: &[u8], cuts: &[usize]) -> Sent {
    let whole = send_cut(&redacting(), described, body, &[]);
    same(&whole, &send_cut(&redacting(), described, body, cuts));
    let reported = send_cut(&redacting().report_only(), described, body, cuts);
    assert_eq!((reported.out.as_slice(), &reported.flow), (body, &StreamFlow::Continue));
    let denied = send_cut(&denying(), described, body, cuts);
    if whole.findings.is_empty() && whole.flow == StreamFlow::Continue {
        same(&whole, &denied);
    } else {
        assert_ne!(denied.flow, StreamFlow::Continue);
    }
    // What was encoded may be shorter now, and what is glued to it have another beginning. The tables of `encodings.rs` are strict.
    let encoded = |place: String| place.split(['!', ':']).any(|part| matches!(part, "base64" | "hex"));
    if whole.flow == StreamFlow::Continue && !whole.findings.iter().any(|found| encoded(found.place.record())) {
        let identity = Stream::new(&redacting(), described).unwrap().output_encoding() == OutputEncoding::Identity;
        let content_encoding = if identity { &[][..] } else { described.content_encoding };
        let again = send_cut(&redacting(), &Described { content_encoding, ..*described }, &whole.out, &[]);
        assert_eq!(again.findings, [], "found in {:?} of {:?}", whole.text(), String::from_utf8_lossy(body));
        // What a mask makes shorter may parse as something else, which is then not whole.
        if again.flow == StreamFlow::Continue {
            assert_eq!(again.out, whole.out);
        }
        if !identity && whole.untouched {
            assert_eq!(whole.out, body);
        }
    }
    whole
}
