//! Why a file is no bundle that would be used.

use crate::Diagnostics;

/// Why a bundle was not taken. Nothing of it is in use then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than policies ever are.
    #[error("it is too large: {what} (at most {max})")]
    TooLarge {
        /// What, with its size.
        what: String,
        /// The limit.
        max: usize,
    },
    /// The gzip layer.
    #[error("it is no whole gzip archive: {0}")]
    Gzip(String),
    /// The tar layer.
    #[error("it is no whole tar archive: {0}")]
    Tar(String),
    /// Something else follows the archive.
    #[error("{0} bytes follow the end of the archive")]
    Trailing(usize),
    /// A link, a device, a directory, an extended header.
    #[error("`{0}` is no plain file; a bundle holds nothing else")]
    NotPlain(String),
    /// A path that could lead elsewhere.
    #[error(
        "`{0}` is no path of a bundle: relative, without `.`, `..`, `\\` and control characters, at most 155 bytes"
    )]
    Path(String),
    /// Which of two files of one name is meant, nobody can say.
    #[error("`{0}` is in it twice")]
    Twice(String),
    /// Something that must be there is not.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// Something is there that no bundle of ours has.
    #[error("`{0}` does not belong into a bundle of Aegis; build it with `aegisctl policy build`")]
    Stranger(String),
    /// OPA can read it, we cannot.
    #[error(
        "it is a bundle of another program: without the policies' YAML in `aegis/sources/` there is nothing to compile; \
         build it with `aegisctl policy build`"
    )]
    Foreign,
    /// The manifest says what no manifest of ours says.
    #[error("its .manifest is wrong: {0}")]
    Manifest(String),
    /// Policies of ours read no data.
    #[error("its data.json holds data; policies of Aegis read none, so it must be `{{}}`")]
    Data,
    /// A policy that is not UTF-8.
    #[error("`{0}` is not UTF-8")]
    NotText(String),
    /// The policies themselves.
    #[error("its policy is broken: {}", in_lines(.0))]
    Policy(Diagnostics),
    /// The Rego says something else than the YAML.
    #[error("its Rego is not what its YAML compiles to: one of the two was changed; build it again")]
    OtherRego,
    /// No signature where one is required.
    #[error("it is not signed; sign it with `aegisctl policy sign`, with a key that is configured here")]
    Unsigned,
    /// The signature is not one.
    #[error("its signature is not valid: {0}")]
    Signature(String),
    /// Signed by somebody else.
    #[error("it is signed with the key `{0}`, which is not configured here")]
    UnknownKey(String),
    /// A file's content is not what was signed.
    #[error("`{0}` is not the file that was signed")]
    Altered(String),
    /// A file that nobody signed.
    #[error("`{0}` is not covered by the signature")]
    NotSigned(String),
    /// A file that was signed and is not there.
    #[error("`{0}` was signed and is not in it")]
    Gone(String),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a key is not one for bundles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another algorithm.
    #[error("`{0}` is no algorithm for bundles; allowed: ES256, RS256, EdDSA")]
    Algorithm(String),
    /// Not the PEM that the algorithm needs.
    #[error("it is no PEM key for {algorithm}: {why}")]
    Pem {
        /// What it was to be used with.
        algorithm: &'static str,
        /// What the parser said.
        why: String,
    },
    /// A private key where a public one is enough, and should be.
    #[error("it is a private key: where bundles are verified only the public half belongs (openssl pkey -pubout)")]
    Private,
    /// An id that could not be told from others.
    #[error("`{0}` is no id for a key; give 1 to 128 letters, digits or `._-`")]
    Id(String),
    /// One id, two keys.
    #[error("two keys have the id `{0}`")]
    Twice(String),
    /// Nothing to verify with.
    #[error("no key is given to verify with")]
    None,
}

fn in_lines(diagnostics: &Diagnostics) -> String {
    diagnostics.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
