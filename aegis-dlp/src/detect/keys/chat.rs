//! Keys of chat, mail and telephony services.

use super::shape::{alnum, dotted, hex, hyphenated, mixed, parts, path, url_safe, varied, webhook, word};
use super::{Format, OPEN, key};
use crate::Detector;

pub(super) const FORMATS: &[Format] = &[
    key(Detector::SlackToken, "xox", hyphenated, (17, OPEN), slack),
    key(Detector::SlackToken, "xoxe.xox", hyphenated, (40, OPEN), slack),
    key(Detector::SlackToken, "xapp-", hyphenated, (20, OPEN), mixed),
    key(Detector::SlackWebhook, "hooks.slack.com/services/", path, (30, OPEN), mixed),
    key(Detector::SlackWebhook, "hooks.slack.com/workflows/", path, (30, OPEN), mixed),
    key(Detector::SlackWebhook, "hooks.slack.com/triggers/", path, (30, OPEN), mixed),
    key(Detector::DiscordWebhook, "discord.com/api/webhooks/", path, (70, OPEN), mixed),
    key(Detector::DiscordWebhook, "discordapp.com/api/webhooks/", path, (70, OPEN), mixed),
    key(Detector::TeamsWebhook, "webhook.office.com/webhookb2/", webhook, (100, OPEN), mixed),
    key(Detector::TeamsWebhook, "outlook.office.com/webhook/", webhook, (100, OPEN), mixed),
    key(Detector::SendgridKey, "SG.", dotted, (60, 70), sendgrid),
    key(Detector::MailgunKey, "key-", hex, (32, 32), varied).unsure(),
    key(Detector::MailgunKey, "pubkey-", hex, (32, 32), varied).unsure(),
    key(Detector::BrevoKey, "xkeysib-", hyphenated, (81, 81), mixed),
    key(Detector::BrevoKey, "xsmtpsib-", hyphenated, (81, 81), mixed),
    key(Detector::ResendKey, "re_", word, (30, 40), resend).unsure(),
    key(Detector::MetaToken, "EAA", alnum, (100, OPEN), mixed),
    key(Detector::MetaToken, "EAACEdEose0cBA", alnum, (20, OPEN), mixed),
    key(Detector::MetaToken, "IGQV", url_safe, (100, OPEN), mixed),
    key(Detector::MetaToken, "IGAA", url_safe, (100, OPEN), mixed),
];

/// The letter of the kind, a hyphen, and some after the first digit.
fn slack(body: &[u8]) -> bool {
    let digit = body.iter().position(u8::is_ascii_digit);
    matches!(body, [b'a'..=b'z', b'-', ..]) && digit.is_some_and(|digit| body.len() - digit >= 10) && varied(body)
}

/// 22 characters, a dot, 43 characters.
fn sendgrid(body: &[u8]) -> bool {
    parts(body, b'.').eq([22, 43]) && mixed(body)
}

/// 8 characters, `_`, and the rest.
fn resend(body: &[u8]) -> bool {
    parts(body, b'_').next() == Some(8) && parts(body, b'_').count() == 2 && mixed(body)
}
