//! Keys that bear no mark: found only where the text says whose they are, or that something secret stands there.

use super::Match;
use super::keys::shape::{alnum, hex, mixed, url_safe, uuid};
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

impl Named<'_, '_> {
    /// The key, when it looks like one and is called one.
    pub(super) fn examine(&self, wanted: DetectorSet) -> Option<Match> {
        let word = self.view.slice(self.start, self.end);
        if !mixed(word) {
            return None;
        }
        let mut said: Option<Topics> = None;
        for vendor in VENDORS {
            if wanted.contains(vendor.detector) && (vendor.looks)(word) {
                let said = said.get_or_insert_with(|| topics(self.view, self.start));
                if said.has(vendor.topic) {
                    return Some(self.found(vendor.detector, Confidence::High));
                }
            }
        }
        let wanted = wanted.contains(Detector::GenericSecret) && !word.contains(&b'/') && random(word);
        let said = wanted && said.unwrap_or_else(|| topics(self.view, self.start)).has(Topic::Secret);
        said.then(|| self.found(Detector::GenericSecret, Confidence::Medium))
    }

    fn found(&self, detector: Detector, confidence: Confidence) -> Match {
        Match::new(detector, confidence, self.start, self.end)
    }
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

/// 40 characters of base64 with letters of both cases and digits: no hash, no path.
fn aws(word: &[u8]) -> bool {
    let any = |class: fn(&u8) -> bool| word.iter().any(class);
    word.len() == 40
        && base64(word)
        && any(u8::is_ascii_uppercase)
        && any(u8::is_ascii_lowercase)
        && any(u8::is_ascii_digit)
}
