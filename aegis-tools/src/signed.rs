//! Whether a request carries a signature that a change to it would break. What is changed all the same must not be sent: the
//! origin would refuse it, or worse, take a retry for something new.

use http::{HeaderMap, HeaderName};

/// What of a request is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Path, query and the fields that the signature names.
    pub head: bool,
    pub body: bool,
    /// By what, for people.
    pub by: Option<&'static str>,
}

impl Signed {
    #[must_use]
    pub fn is_signed(self) -> bool {
        self.by.is_some()
    }
}

/// Digests and codes over the body, by the fields that carry them: RFC 9530, AWS and Alibaba, and webhooks' HMACs.
const OVER_BODY: [(&str, &str); 16] = [
    ("content-digest", "Content-Digest"),
    ("repr-digest", "Repr-Digest"),
    ("digest", "Digest"),
    ("content-md5", "Content-MD5"),
    ("x-hub-signature", "X-Hub-Signature"),
    ("x-hub-signature-256", "X-Hub-Signature-256"),
    ("x-slack-signature", "X-Slack-Signature"),
    ("stripe-signature", "Stripe-Signature"),
    ("x-shopify-hmac-sha256", "X-Shopify-Hmac-Sha256"),
    ("x-twilio-signature", "X-Twilio-Signature"),
    ("webhook-signature", "Webhook-Signature"),
    ("svix-signature", "Svix-Signature"),
    ("x-signature", "X-Signature"),
    ("x-signature-ed25519", "X-Signature-Ed25519"),
    ("x-gitlab-signature", "X-Gitlab-Signature"),
    ("x-line-signature", "X-Line-Signature"),
];

/// Looks for signatures in the head.
#[must_use]
pub fn signed(query: Option<&str>, headers: &HeaderMap) -> Signed {
    let aws = headers.get_all(http::header::AUTHORIZATION).iter().any(|value| value.as_bytes().starts_with(b"AWS4-"));
    let presigned =
        query.is_some_and(|query| query.contains("X-Amz-Signature=") || query.contains("X-Goog-Signature="));
    if aws || presigned {
        let hash = headers.get("x-amz-content-sha256").map(|value| value.as_bytes());
        // A presigned URL covers no body unless it says so.
        let open = hash.map_or(presigned && !aws, |hash| hash.starts_with(b"UNSIGNED-PAYLOAD"));
        return Signed { head: true, body: !open || over_body(headers).is_some(), by: Some("AWS Signature Version 4") };
    }
    let by = over_body(headers);
    // RFC 9421: the input field names what is covered.
    if let Some(input) = headers.get("signature-input").filter(|_| headers.contains_key("signature")) {
        let covers = |what: &[u8]| memchr::memmem::find(input.as_bytes(), what).is_some();
        let body = by.is_some() || covers(b"content-digest");
        return Signed { head: true, body, by: Some("an HTTP message signature") };
    }
    Signed { head: false, body: by.is_some(), by }
}

fn over_body(headers: &HeaderMap) -> Option<&'static str> {
    let carried = |name: &'static str| headers.contains_key(HeaderName::from_static(name));
    OVER_BODY.iter().find(|(name, _)| carried(name)).map(|(_, title)| *title)
}
