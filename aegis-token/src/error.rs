//! Why a token or a key is refused. Each cause has its own variant: the audit record and the answer to the agent say which.

/// Why a token or a key is refused. No variant holds the token or any part of it that the bearer chose freely at length.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is {0} bytes long, more than {max} are not read", max = crate::MAX_TOKEN_BYTES)]
    TooLarge(usize),
    #[error("it is not a JWT: {0}")]
    Malformed(&'static str),
    #[error("the token is not signed (alg `none`)")]
    Unsigned,
    #[error("the token's algorithm is not accepted; EdDSA, ES256 and RS256 are")]
    Algorithm,
    #[error("the token's algorithm is not the one that its key is for")]
    KeyAlgorithm,
    #[error("the token is of a type (typ) that is no access token")]
    Type,
    #[error("the token names header fields as critical that are not understood here")]
    Critical,
    #[error("the token does not name its key (kid)")]
    NoKid,
    #[error("the token names a key that is not known here")]
    UnknownKid,
    #[error("the signature is wrong")]
    Signature,
    #[error("a claim is missing or has the wrong type: {0}")]
    Claims(String),
    #[error("the token was issued by another issuer")]
    Issuer,
    #[error("the token is meant for another audience")]
    Audience,
    #[error("the token expired {ago_s} s ago")]
    Expired { ago_s: u64 },
    #[error("the token is valid only in {in_s} s; is a clock wrong?")]
    NotYetValid { in_s: u64 },
    #[error("the token's chain of agents does not hold together: {0}")]
    Chain(&'static str),
    #[error("the key cannot be used: {0}")]
    Key(String),
    #[error("the token could not be signed: {0}")]
    Signing(String),
}

/// The most that is said of claims that cannot be read, in bytes: the parser quotes what the bearer chose.
const MAX_SAID: usize = 160;

impl TokenError {
    /// Claims that cannot be read, and why: in one bounded line, whatever they hold.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let cut = said.floor_char_boundary(MAX_SAID);
        let kept = said.get(..cut).unwrap_or_default().replace(char::is_control, " ");
        Self::Claims(if cut < said.len() { format!("{kept}...") } else { kept })
    }

    /// Whether a new token would help: the agent asks for one instead of giving up.
    #[must_use]
    pub fn is_renewable(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::UnknownKid)
    }
}

/// Why a token for a sub-agent cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DelegationError {
    #[error("a sub-agent's name is a DNS label: 1 to 63 of a-z, 0-9 and `-`, the first not `-`")]
    Name,
    #[error("a sub-agent has no more than the agent that makes it: {} is not among its scopes", .0.join(", "))]
    Excess(Vec<String>),
    #[error("sub-agents go {max} deep, and this one would be deeper", max = crate::MAX_DEPTH)]
    TooDeep,
    #[error("the agent's own token is not valid now")]
    ParentNotValid,
    #[error("a token lives at least 1 second")]
    Ttl,
    #[error("the agent's own token does not hold: {0}")]
    Parent(#[from] TokenError),
}
