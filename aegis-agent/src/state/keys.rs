//! The names of Aegis' keys in Redis. What belongs to one token has the token as its hash tag, so that it lies in one slot of a Cluster; what
//! belongs to all has one tag too.

use super::token_id::TokenId;

#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Who holds the token.
    pub(super) fn held(&self, id: &TokenId) -> String {
        format!("{}:{{{id}}}:held", self.prefix)
    }

    /// There while the token is revoked.
    pub(super) fn revoked(&self, id: &TokenId) -> String {
        format!("{}:{{{id}}}:revoked", self.prefix)
    }

    /// Stream of revocations, for the other hosts.
    pub(super) fn feed(&self) -> String {
        format!("{}:{{revocations}}:feed", self.prefix)
    }

    /// Sorted set of revocations by their end, for people.
    pub(super) fn list(&self) -> String {
        format!("{}:{{revocations}}:list", self.prefix)
    }

    /// Definitions of tools that an agent has got: a hash of `SERVER LF TOOL`.
    pub(super) fn definitions(&self, agent: &str) -> String {
        format!("{}:{{definitions/{agent}}}", self.prefix)
    }

    /// Written by the probe: a server that only reads is found by it.
    pub(super) fn alive(&self, host: &str) -> String {
        format!("{}:{{revocations}}:alive:{host}", self.prefix)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_keys_share_one_hash_tag_whatever_its_jti_is() {
        let keys = Keys::new("aegis");
        for jti in ["0b9c", "a}{b", "x".repeat(500).as_str()] {
            let id = TokenId::new("aegis:default", jti).unwrap();
            for key in [keys.held(&id), keys.revoked(&id)] {
                let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0;
                assert_eq!(tag, id.as_str(), "{key}");
            }
        }
    }
}
