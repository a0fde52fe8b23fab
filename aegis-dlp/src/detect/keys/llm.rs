//! Keys of model vendors and what agents use besides.

use super::shape::{alnum, hex, hyphenated, lower, mixed, scattered, url_safe, uuid, varied, word};
use super::{Format, OPEN, key};
use crate::Detector;

pub(super) const FORMATS: &[Format] = &[
    key(Detector::AnthropicKey, "sk-ant-", url_safe, (20, OPEN), mixed),
    key(Detector::OpenaiKey, "sk-proj-", url_safe, (20, OPEN), mixed),
    key(Detector::OpenaiKey, "sk-svcacct-", url_safe, (20, OPEN), mixed),
    key(Detector::OpenaiKey, "sk-admin-", url_safe, (20, OPEN), mixed),
    key(Detector::OpenaiKey, "sk-None-", url_safe, (20, OPEN), mixed),
    key(Detector::OpenaiKey, "sk-or-v1-", hex, (64, 64), varied),
    key(Detector::OpenaiKey, "sk-", alnum, (32, OPEN), mixed),
    key(Detector::LangfuseKey, "sk-lf-", hyphenated, (36, 36), uuid),
    key(Detector::WandbKey, "wandb_v1_", word, (40, OPEN), mixed),
    key(Detector::HuggingfaceToken, "hf_", alnum, (30, 40), scattered),
    key(Detector::HuggingfaceToken, "api_org_", alnum, (30, 40), varied),
    key(Detector::ReplicateToken, "r8_", alnum, (37, 37), mixed),
    key(Detector::GroqKey, "gsk_", alnum, (48, 56), mixed),
    key(Detector::XaiKey, "xai-", word, (70, 90), mixed),
    key(Detector::PerplexityKey, "pplx-", alnum, (40, 60), mixed),
    key(Detector::FireworksKey, "fw_", alnum, (22, 24), mixed),
    key(Detector::TogetherKey, "tgp_v1_", url_safe, (43, 43), mixed),
    key(Detector::LangsmithKey, "lsv2_pt_", word, (43, 43), mixed),
    key(Detector::LangsmithKey, "lsv2_sk_", word, (43, 43), mixed),
    key(Detector::PineconeKey, "pcsk_", word, (50, OPEN), mixed),
    key(Detector::NvidiaKey, "nvapi-", url_safe, (60, 70), mixed),
    key(Detector::ElevenlabsKey, "sk_", hex, (48, 48), varied),
    key(Detector::VoyageKey, "pa-", url_safe, (43, 43), mixed).unsure(),
    key(Detector::JinaKey, "jina_", url_safe, (55, 65), mixed),
    key(Detector::TavilyKey, "tvly-", hyphenated, (24, 45), mixed),
    key(Detector::CerebrasKey, "csk-", lower, (46, 50), mixed),
    key(Detector::ApifyToken, "apify_api_", alnum, (34, 38), mixed),
    key(Detector::FirecrawlKey, "fc-", hex, (32, 32), varied).unsure(),
    key(Detector::SandboxKey, "e2b_", hex, (40, 40), varied),
    key(Detector::SandboxKey, "bb_live_", url_safe, (24, OPEN), mixed),
];
