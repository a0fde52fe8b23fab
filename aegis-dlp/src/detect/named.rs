//! Keys that bear no mark: found only where the text says whose they are, or that something secret stands there.

use super::Match;
use super::key_name::is_called_a_key;
use super::keys::shape::{alnum, hex, mixed, parts, url_safe, uuid};
use super::words::random;
use crate::context::{Topic, Topics, topics};
use crate::finding::Confidence;
use crate::view::View;
use crate::{Detector, DetectorSet};

/// A word that may be such a key.
pub(super) struct Named<'v, 'a> {
    pub(super) view: &'v View<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a vendor's keys look like.
struct Vendor {
    detector: Detector,
    topic: Topic,
    looks: fn(&[u8]) -> bool,
}

const fn vendor(detector: Detector, topic: Topic, looks: fn(&[u8]) -> bool) -> Vendor {
    Vendor { detector, topic, looks }
}

const VENDORS: &[Vendor] = &[
    vendor(Detector::AwsKey, Topic::AwsSecret, aws),
    vendor(Detector::AzureKey, Topic::AzureKey, |word| matches!(word.len(), 42 | 43 | 86) && base64(word)),
    vendor(Detector::TwilioKey, Topic::Twilio, |word| hexadecimal(word, &[32])),
    vendor(Detector::DatadogKey, Topic::Datadog, |word| hexadecimal(word, &[32, 40])),
    vendor(Detector::CohereKey, Topic::Cohere, |word| word.len() == 40 && all(word, alnum)),
    vendor(Detector::MistralKey, Topic::Mistral, |word| word.len() == 32 && all(word, alnum)),
    vendor(Detector::OktaToken, Topic::Okta, |word| word.len() == 42 && word.starts_with(b"00") && all(word, url_safe)),
    vendor(Detector::Auth0Secret, Topic::Auth0, |word| word.len() == 64 && all(word, url_safe)),
    vendor(Detector::HerokuKey, Topic::Heroku, uuid),
    vendor(Detector::PineconeKey, Topic::Pinecone, uuid),
    vendor(Detector::VaultToken, Topic::Vault, vault),
    vendor(Detector::VaultToken, Topic::Secret, vault),
    vendor(Detector::VercelToken, Topic::Vercel, |word| word.len() == 24 && all(word, alnum)),
    vendor(Detector::MailgunKey, Topic::Mailgun, mailgun),
    vendor(Detector::CloudflareToken, Topic::Cloudflare, |word| {
        hexadecimal(word, &[37]) || word.len() == 40 && all(word, url_safe)
    }),
    vendor(Detector::IbmCloudKey, Topic::Ibm, |word| word.len() == 44 && all(word, url_safe)),
    vendor(Detector::PagerdutyKey, Topic::PagerDuty, |word| {
        matches!(word.len(), 20 | 32) && all(word, |byte| url_safe(byte) || byte == b'+')
    }),
    vendor(Detector::AlgoliaKey, Topic::Algolia, |word| hexadecimal(word, &[32])),
    vendor(Detector::TogetherKey, Topic::Together, |word| hexadecimal(word, &[64])),
    vendor(Detector::WandbKey, Topic::Wandb, |word| hexadecimal(word, &[40])),
    vendor(Detector::DeepgramKey, Topic::Deepgram, |word| hexadecimal(word, &[40])),
    vendor(Detector::PaypalToken, Topic::Paypal, |word| {
        word.len() == 80 && word.starts_with(b"E") && all(word, url_safe)
    }),
];

/// All that are found by name.
pub(super) const DETECTORS: DetectorSet = {
    let mut set = DetectorSet::EMPTY.with(Detector::GenericSecret);
    let mut number = 0;
    while number < VENDORS.len() {
        #[allow(clippy::indexing_slicing, reason = "the bound is the loop's; const fn has no get")]
        let vendor = &VENDORS[number];
        set = set.with(vendor.detector);
        number += 1;
    }
    set
};

/// What may be said of them.
const TOPICS: Topics = {
    let mut topics = Topics::NONE.with(Topic::Secret);
    let mut number = 0;
    while number < VENDORS.len() {
        #[allow(clippy::indexing_slicing, reason = "the bound is the loop's; const fn has no get")]
        let vendor = &VENDORS[number];
        topics = topics.with(vendor.topic);
        number += 1;
    }
    topics
};

impl Named<'_, '_> {
    /// The key, when it looks like one and is called one.
    pub(super) fn examine(&self, wanted: DetectorSet) -> Option<Match> {
        let word = self.view.slice(self.start, self.end);
        if !mixed(word) {
            return None;
        }
        // Of most words nothing is said.
        let Some(said) = topics(self.view, self.start).of(TOPICS) else {
            return self.called_a_key(word, wanted);
        };
        for vendor in VENDORS {
            if said.has(vendor.topic) && (vendor.looks)(word) && wanted.contains(vendor.detector) {
                return Some(self.found(vendor.detector, Confidence::High));
            }
        }
        if !said.has(Topic::Secret) {
            return self.called_a_key(word, wanted);
        }
        let path = word.contains(&b'/') && !in_base64(word);
        let given = !uuid(word) || is_given(self.view, self.start);
        let looks = given && random(word) || hexadecimal(word, &[32, 40, 48, 64]);
        let generic = wanted.contains(Detector::GenericSecret) && !path && looks;
        generic.then(|| self.found(Detector::GenericSecret, Confidence::Medium))
    }

    /// The word behind a name that ends in "key", and is not one of those that keys of other kinds have.
    fn called_a_key(&self, word: &[u8], wanted: DetectorSet) -> Option<Match> {
        if !wanted.contains(Detector::GenericSecret) || word.contains(&b'/') || word.contains(&b'.') {
            return None;
        }
        let looks = || if uuid(word) { false } else { random(word) || hexadecimal(word, &[32, 40, 64]) };
        let key = is_called_a_key(self.view, self.start) && looks();
        key.then(|| self.found(Detector::GenericSecret, Confidence::Medium))
    }

    fn found(&self, detector: Detector, confidence: Confidence) -> Match {
        Match::new(detector, confidence, self.start, self.end)
    }
}

/// Whether a word is a value that was given to a name, and not one among others: identifiers of all kinds are UUIDs.
fn is_given(view: &View<'_>, start: usize) -> bool {
    if view.before(start) != Some(b' ') {
        return true;
    }
    let word = view.run_back(start - 1, 16, |byte| byte.is_ascii_alphabetic());
    let word = view.slice(word, start - 1).to_ascii_lowercase();
    matches!(&word[..], b"" | b"is" | b"bearer" | b"token" | b"key" | b"secret" | b"apikey")
}

fn all(word: &[u8], class: fn(u8) -> bool) -> bool {
    word.iter().all(|byte| class(*byte))
}

fn hexadecimal(word: &[u8], lengths: &[usize]) -> bool {
    lengths.contains(&word.len()) && all(word, hex)
}

fn base64(word: &[u8]) -> bool {
    all(word, |byte| alnum(byte) || matches!(byte, b'+' | b'/'))
}

/// At least 40 characters of base64 in which capitals, small letters and digits take turns as in no path.
fn in_base64(word: &[u8]) -> bool {
    let kind = |byte: &u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
    let turns = word.windows(2).filter(|pair| matches!(pair, [one, other] if kind(one) != kind(other))).count();
    word.len() >= 40 && base64(word) && turns * 5 >= word.len() * 2
}

/// A token of Vault before version 1.10: `s.`, 24 letters and digits.
fn vault(word: &[u8]) -> bool {
    let body = word.strip_prefix(b"s.").unwrap_or_default();
    let capitals = body.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    body.len() == 24 && all(body, alnum) && mixed(body) && (2..20).contains(&capitals)
}

/// 32, 8 and 8 hexadecimal digits.
fn mailgun(word: &[u8]) -> bool {
    parts(word, b'-').eq([32, 8, 8]) && all(word, |byte| hex(byte) || byte == b'-')
}

/// 40 characters of base64 with letters of both cases and digits: no hash, no path.
fn aws(word: &[u8]) -> bool {
    let any = |class: fn(&u8) -> bool| word.iter().any(class);
    word.len() == 40
        && base64(word)
        && any(u8::is_ascii_uppercase)
        && any(u8::is_ascii_lowercase)
        && any(u8::is_ascii_digit)
}
