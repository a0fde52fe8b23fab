//! What an agent has used so far: the numbers that `usage` conditions compare.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What an agent has used in the windows that end now, not counting the request that is asked about.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// In the last minute.
    pub minute: Used,
    /// In the last hour.
    pub hour: Used,
    /// In the last day.
    pub day: Used,
}

/// What was used in one window.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Used {
    /// Requests that were let through.
    pub requests: u64,
    /// Body bytes that went out, of requests and relayed connections.
    pub bytes_out: u64,
    /// What they cost.
    pub cost_usd: Usd,
}

/// An amount of money in millionths of a US dollar; in JSON and YAML a number of dollars.
///
/// Whole millionths add up and compare exactly, which fractions of a dollar in floating point do not.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

/// Millionths in a dollar.
const MICROS: f64 = 1e6;
/// The most that is exact as a number of dollars in JSON: 2^53 millionths.
const MAX_MICROS: f64 = 9_007_199_254_740_992.0;

impl Usd {
    /// From millionths of a dollar.
    pub fn from_micros(micros: u64) -> Usd {
        Usd(micros)
    }

    /// In millionths of a dollar.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// From dollars; `None` where that is negative, not a whole number of millionths, or above nine billion.
    pub fn from_dollars(dollars: f64) -> Option<Usd> {
        let micros = (dollars * MICROS).round();
        let exact = (0.0..=MAX_MICROS).contains(&micros) && micros / MICROS == dollars;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in range as checked")]
        exact.then_some(Usd(micros as u64))
    }

    /// In dollars, for people and JSON.
    #[allow(clippy::cast_precision_loss, reason = "shown, not compared")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / MICROS
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Usd::from_dollars(dollars)
            .ok_or_else(|| de::Error::custom(format!("{dollars} is no amount of dollars with at most six decimals")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_whole_millionths_or_nothing() {
        for (dollars, micros) in [
            (0.0, Some(0)),
            (0.1, Some(100_000)),
            (0.000_001, Some(1)),
            (4.35, Some(4_350_000)),
            (1e9, Some(1_000_000_000_000_000)),
            (0.000_000_1, None),
            (-0.5, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e11, None),
        ] {
            assert_eq!(Usd::from_dollars(dollars).map(Usd::micros), micros, "{dollars}");
        }
    }

    #[test]
    fn usage_is_read_with_what_is_left_out_as_nothing() {
        let usage: Usage = serde_json::from_str(r#"{"hour": {"requests": 7, "cost_usd": 0.25}}"#).unwrap();
        assert_eq!((usage.hour.requests, usage.hour.cost_usd.micros(), usage.day), (7, 250_000, Used::default()));
        assert_eq!(serde_json::from_value::<Usage>(serde_json::to_value(usage).unwrap()).unwrap(), usage);
        assert!(serde_json::from_str::<Usage>(r#"{"week": {}}"#).is_err());
        assert!(serde_json::from_str::<Usage>(r#"{"day": {"cost_usd": -1}}"#).is_err());
    }
}
