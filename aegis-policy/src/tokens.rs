//! What policies say of an agent's tokens. Whether a token holds is decided elsewhere; this is only how strict to be.

use serde::{Deserialize, Serialize};

/// How often one token may be shown.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// As often as it is valid, by one instance of the agent.
    #[default]
    Bound,
    /// Once.
    SingleUse,
}

/// What becomes of a token that another agent has shown.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTheft {
    /// The request is refused; the token stays good for its own agent.
    #[default]
    Refuse,
    /// The request is refused and the token is good for nobody any more.
    Revoke,
}

/// The strictest of what the policies for an agent say of its tokens.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenRules {
    /// How often one token may be shown.
    pub replay: Replay,
    /// What becomes of a token that another agent has shown.
    pub on_theft: OnTheft,
}

impl TokenRules {
    /// The strictest there is: where it is not known what the policies say.
    pub(crate) const STRICTEST: TokenRules = TokenRules { replay: Replay::SingleUse, on_theft: OnTheft::Revoke };

    pub(crate) fn strictest(self, other: TokenRules) -> TokenRules {
        TokenRules { replay: self.replay.max(other.replay), on_theft: self.on_theft.max(other.on_theft) }
    }
}
