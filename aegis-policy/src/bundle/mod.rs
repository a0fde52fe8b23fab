//! Policies as one file: an OPA bundle (openpolicyagent.org, "Bundles") that Aegis and the OPA tool chain both read.
//!
//! ```text
//! .manifest                    revision, roots, Rego version; our serial and format in its metadata
//! data.json                    {}
//! aegis/policy.rego            the complete module: decides in any Rego engine from the documented input
//! aegis/sources/0000-p.yaml    the policies as written, in order: what Aegis compiles
//! .signatures.json             a JWT over the digests of all files above, as `opa sign` writes it
//! ```
//!
//! The YAML is the truth. It is compiled when a bundle is read, and the Rego that came with it must be what it compiles to,
//! so that nobody who reads or runs the Rego is told of another policy than the one enforced.

mod archive;
mod digest;
mod error;
mod keys;
mod manifest;
mod signature;

use std::collections::BTreeMap;

pub use error::{BundleError, KeyError};
pub use keys::{SignatureAlgorithm, Signer, VerificationKey, VerificationKeys};
pub use manifest::{MAX_SERIAL, Manifest};

use crate::{Snapshot, Source, compile};

/// The module's place; OPA takes its package from its text.
const MODULE: &str = "aegis/policy.rego";
/// What OPA takes no notice of: it loads `*.rego` and data files of certain names only.
const SOURCES: &str = "aegis/sources/";
const DATA: &str = "data.json";
/// Longest name of a source in a bundle; with its place it stays below the 100 bytes of a tar header.
const MAX_NAME: usize = 64;

/// The files of a bundle by their paths.
type Files = BTreeMap<String, Vec<u8>>;

/// A bundle that has been compiled: nothing else is one.
#[derive(Debug)]
pub struct Bundle {
    /// Who it is: revision and serial.
    pub manifest: Manifest,
    /// The policies as written, in order.
    pub sources: Vec<Source>,
    /// What they compile to.
    pub snapshot: Snapshot,
    /// The id of the key that signed it; none where no signature was asked for.
    pub signed_by: Option<String>,
}

impl Bundle {
    /// Compiles `sources` into a bundle. Without a `revision` it bears the policies' own version. `serial` orders the bundles
    /// of one origin: by convention the seconds since 1970 at which it was built.
    ///
    /// # Errors
    /// Every problem of the policies, or what is wrong with revision or serial.
    pub fn build(sources: Vec<Source>, revision: Option<&str>, serial: u64) -> Result<Self, BundleError> {
        let snapshot = compile(&sources).map_err(BundleError::Policy)?;
        let manifest = Manifest::new(revision.unwrap_or(snapshot.version()), serial)?;
        let sources =
            sources.into_iter().map(|source| Source { name: plain(&source.name), text: source.text }).collect();
        Ok(Self { manifest, sources, snapshot, signed_by: None })
    }

    /// The archive, signed where a `signer` is given. Without one the same bundle always gives the same bytes.
    ///
    /// # Errors
    /// When it would be larger than what [`Self::read`] takes, or the key cannot sign.
    pub fn write(&self, signer: Option<&Signer>) -> Result<Vec<u8>, BundleError> {
        let mut files = self.files()?;
        if let Some(signer) = signer {
            let signatures = signature::sign(&files, signer)?;
            files.insert(signature::FILE.to_owned(), signatures.into_bytes());
        }
        archive::pack(&files)
    }

    /// Reads an archive. With `keys` it must be signed by one of them, every file of it; without, its signature is not
    /// looked at.
    ///
    /// # Errors
    /// [`BundleError`] for everything that is not a whole bundle of ours: nothing of it is used then.
    pub fn read(bytes: &[u8], keys: Option<&VerificationKeys>) -> Result<Self, BundleError> {
        let mut files = archive::unpack(bytes)?;
        let signatures = files.remove(signature::FILE);
        // Before anything of its content is read.
        let signed_by = match keys {
            Some(keys) => Some(signature::verify(signatures.as_deref(), &files, keys)?),
            None => None,
        };
        let manifest = Manifest::parse(&take(&mut files, manifest::FILE)?)?;
        let data = take(&mut files, DATA)?;
        if data.trim_ascii() != b"{}" {
            return Err(BundleError::Data);
        }
        let module = take(&mut files, MODULE)?;
        let sources = sources(files)?;
        let snapshot = compile(&sources).map_err(BundleError::Policy)?;
        // Another version of Aegis may put the same policy in other words.
        if manifest.compiled_here() && complete(&snapshot).as_bytes() != module {
            return Err(BundleError::OtherRego);
        }
        Ok(Self { manifest, sources, snapshot, signed_by })
    }

    /// All files but the signature.
    fn files(&self) -> Result<Files, BundleError> {
        let mut files = Files::new();
        files.insert(manifest::FILE.to_owned(), self.manifest.text()?.into_bytes());
        files.insert(DATA.to_owned(), b"{}\n".to_vec());
        files.insert(MODULE.to_owned(), complete(&self.snapshot).as_bytes().to_vec());
        for (number, source) in self.sources.iter().enumerate() {
            files.insert(format!("{SOURCES}{number:04}-{}", source.name), source.text.as_bytes().to_vec());
        }
        Ok(files)
    }
}

/// The module that decides alone.
fn complete(snapshot: &Snapshot) -> &str {
    snapshot.rego().next().map_or("", |(_, text)| text)
}

fn take(files: &mut Files, path: &'static str) -> Result<Vec<u8>, BundleError> {
    files.remove(path).ok_or(BundleError::Missing(path))
}

/// What is left must be sources; their paths are sorted, so they come in the order in which they were written.
fn sources(files: Files) -> Result<Vec<Source>, BundleError> {
    let mut sources = Vec::new();
    for (path, bytes) in files {
        let numbered = path.strip_prefix(SOURCES).and_then(|name| name.split_once('-'));
        let name = numbered
            .filter(|(number, name)| *number == format!("{:04}", sources.len()) && *name == plain(name))
            .map(|(_, name)| name.to_owned());
        let Some(name) = name else { return Err(BundleError::Stranger(path)) };
        let text = String::from_utf8(bytes).map_err(|_| BundleError::NotText(path))?;
        sources.push(Source { name, text });
    }
    if sources.is_empty() {
        return Err(BundleError::Foreign);
    }
    Ok(sources)
}

/// A file's own name, in letters that every archiver and shell leaves alone.
fn plain(name: &str) -> String {
    let last = name.split_whitespace().next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let kept: Vec<char> = last
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' })
        .collect();
    // From the end, which says what kind of file it is.
    let from = kept.len().saturating_sub(MAX_NAME);
    if kept.is_empty() { "policy.yaml".to_owned() } else { kept.into_iter().skip(from).collect() }
}
