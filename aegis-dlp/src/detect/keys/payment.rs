//! Keys of payment and shop services.

use super::shape::{alnum, hex_any, hyphenated, mixed, padded, url_safe, uuid, varied};
use super::{Format, OPEN, key};
use crate::Detector;

pub(super) const FORMATS: &[Format] = &[
    key(Detector::StripeKey, "sk_live_", alnum, (16, OPEN), mixed),
    key(Detector::StripeKey, "sk_test_", alnum, (16, OPEN), mixed),
    key(Detector::StripeKey, "rk_live_", alnum, (16, OPEN), mixed),
    key(Detector::StripeKey, "rk_test_", alnum, (16, OPEN), mixed),
    key(Detector::StripeKey, "sk_prod_", alnum, (16, OPEN), mixed),
    key(Detector::StripeKey, "rk_prod_", alnum, (16, OPEN), mixed),
    key(Detector::StripeKey, "whsec_", padded, (32, 64), mixed),
    key(Detector::SquareToken, "sq0atp-", url_safe, (22, OPEN), mixed),
    key(Detector::SquareToken, "sq0csp-", url_safe, (43, OPEN), mixed),
    key(Detector::SquareToken, "EAAA", padded, (60, 64), mixed),
    key(Detector::ShopifyToken, "shpat_", hex_any, (32, 32), varied),
    key(Detector::ShopifyToken, "shpca_", hex_any, (32, 32), varied),
    key(Detector::ShopifyToken, "shppa_", hex_any, (32, 32), varied),
    key(Detector::ShopifyToken, "shpss_", hex_any, (32, 32), varied),
    key(Detector::ShopifyToken, "shptka_", hex_any, (32, 32), varied),
    key(Detector::ShopifyToken, "shpua_", hex_any, (32, 32), varied),
    key(Detector::PlaidToken, "access-sandbox-", hyphenated, (36, 36), uuid),
    key(Detector::PlaidToken, "access-development-", hyphenated, (36, 36), uuid),
    key(Detector::PlaidToken, "access-production-", hyphenated, (36, 36), uuid),
    key(Detector::FlutterwaveKey, "FLWSECK-", hyphenated, (32, OPEN), mixed),
    key(Detector::FlutterwaveKey, "FLWSECK_TEST-", hyphenated, (12, OPEN), mixed),
    key(Detector::MercadopagoToken, "APP_USR-", hyphenated, (50, OPEN), mixed),
];
