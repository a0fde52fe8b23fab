//! Keys of cloud providers.

use super::shape::{
    alnum, base32, capitals, dotted, hex, hyphenated, lower, mixed, padded, parts, upper, url_safe, varied, word,
};
use super::{Format, OPEN, key};
use crate::Detector;

pub(super) const FORMATS: &[Format] = &[
    key(Detector::AwsKey, "AKIA", alnum, (16, 16), capitals),
    key(Detector::AwsKey, "ASIA", alnum, (16, 16), capitals),
    key(Detector::AwsKey, "ABIA", alnum, (16, 16), capitals),
    key(Detector::AwsKey, "ACCA", alnum, (16, 16), capitals),
    key(Detector::AwsKey, "A3T", alnum, (17, 17), base32).unsure(),
    // Session tokens.
    key(Detector::AwsKey, "IQoJb3JpZ2lu", padded, (100, OPEN), mixed),
    key(Detector::AwsKey, "FwoGZXIvYXdz", padded, (100, OPEN), mixed),
    key(Detector::AwsKey, "FQoGZXIvYXdz", padded, (100, OPEN), mixed),
    key(Detector::AwsKey, "amzn.mws.", hyphenated, (36, 36), mixed),
    key(Detector::AwsKey, "amzn1.oa2-cs.v1.", hex, (64, 64), varied),
    key(Detector::AwsKey, "da2-", lower, (26, 26), mixed),
    key(Detector::AwsKey, "ABSK", padded, (100, OPEN), mixed),
    key(Detector::AwsKey, "bedrock-api-key-", padded, (32, OPEN), mixed),
    key(Detector::HerokuKey, "HRKU-", url_safe, (36, 67), mixed),
    key(Detector::CloudflareToken, "v1.0-", hyphenated, (171, 171), origin_ca),
    key(Detector::CloudflareToken, "cfut_", url_safe, (40, 60), mixed),
    key(Detector::CloudflareToken, "cfat_", url_safe, (40, 60), mixed),
    key(Detector::CloudflareToken, "cfk_", url_safe, (40, 60), mixed),
    key(Detector::GcpApiKey, "AIza", url_safe, (35, 35), mixed),
    // Of Firebase's messages, behind the number of the sender.
    key(Detector::GcpApiKey, "APA91b", url_safe, (130, OPEN), mixed),
    key(Detector::GoogleOauthToken, "ya29.", dotted, (30, OPEN), mixed),
    key(Detector::GoogleOauthToken, "1//0", url_safe, (40, OPEN), mixed),
    key(Detector::GoogleOauthToken, "GOCSPX-", url_safe, (28, 28), varied),
    key(Detector::DigitaloceanToken, "dop_v1_", hex, (64, 64), varied),
    key(Detector::DigitaloceanToken, "doo_v1_", hex, (64, 64), varied),
    key(Detector::DigitaloceanToken, "dor_v1_", hex, (64, 64), varied),
    key(Detector::AlibabaKey, "LTAI", alnum, (17, 20), mixed),
    key(Detector::TencentKey, "AKID", alnum, (32, 32), mixed),
    key(Detector::ScalewayKey, "SCW", upper, (17, 17), mixed),
    key(Detector::FlyToken, "fo1_", url_safe, (43, 43), mixed),
    key(Detector::FlyToken, "fm1a_", padded, (80, OPEN), mixed),
    key(Detector::FlyToken, "fm1r_", padded, (80, OPEN), mixed),
    key(Detector::FlyToken, "fm2_", padded, (80, OPEN), mixed),
    key(Detector::NetlifyToken, "nfp_", alnum, (36, 40), mixed),
    key(Detector::NetlifyToken, "nfc_", alnum, (36, 40), mixed),
    key(Detector::RenderKey, "rnd_", alnum, (28, 36), mixed),
    key(Detector::VercelToken, "vcp_", alnum, (20, OPEN), mixed),
    key(Detector::VercelToken, "vci_", alnum, (20, OPEN), mixed),
    key(Detector::VercelToken, "vca_", alnum, (20, OPEN), mixed),
    key(Detector::VercelToken, "vcr_", alnum, (20, OPEN), mixed),
    key(Detector::VercelToken, "vck_", alnum, (20, OPEN), mixed),
    key(Detector::VercelToken, "vercel_blob_rw_", word, (30, OPEN), mixed),
    key(Detector::SupabaseKey, "sbp_", lower, (40, 40), mixed),
    key(Detector::SupabaseKey, "sbp_v0_", hex, (40, 40), varied),
    key(Detector::SupabaseKey, "sb_secret_", url_safe, (28, OPEN), mixed),
    key(Detector::PlanetscaleToken, "pscale_tkn_", dotted, (32, 64), mixed),
    key(Detector::PlanetscaleToken, "pscale_pw_", dotted, (32, 64), mixed),
    key(Detector::PlanetscaleToken, "pscale_oauth_", dotted, (32, 64), mixed),
    key(Detector::NeonKey, "napi_", lower, (60, 66), mixed),
    key(Detector::YandexKey, "AQVN", url_safe, (35, 38), mixed),
];

/// 24 letters and digits, a hyphen, 146 more.
fn origin_ca(body: &[u8]) -> bool {
    parts(body, b'-').eq([24, 146]) && mixed(body)
}
