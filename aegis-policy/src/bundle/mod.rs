//! Policies as one file: an OPA bundle (openpolicyagent.org, "Bundles") that Aegis and the OPA tool chain both read.
//!
//! ```text
//! .manifest                    revision, roots, Rego version; our serial and format in its metadata
//! data.json                    {}
//! aegis/policy.rego            the complete module: decides in any Rego engine from the documented input
//! aegis/custom/NAME.rego       conditions of rules in raw Rego, which it asks
//! aegis/sources/0000-p.yaml    the policies as written, numbered in their order, authors' Rego modules, dictionaries and
//!                              descriptor sets among them
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
/// Packages of conditions, and where they lie.
const CONDITION: &str = "aegis.custom_";
const CONDITIONS: &str = "aegis/custom/";
/// Of these OPA loads `*.rego` and takes no notice of the rest: data files have names, which numbers keep ours from having.
const SOURCES: &str = "aegis/sources/";
const DATA: &str = "data.json";
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
    /// Compiles `sources` into a bundle; their names are paths relative to the policies' directory. Without a `revision` it bears the policies' own version. `serial` orders the bundles
    /// of one origin: by convention the seconds since 1970 at which it was built.
    ///
    /// # Errors
    /// Every problem of the policies, or what is wrong with revision or serial.
    pub fn build(sources: Vec<Source>, revision: Option<&str>, serial: u64) -> Result<Self, BundleError> {
        let snapshot = compile(&sources).map_err(BundleError::Policy)?;
        let manifest = Manifest::new(revision.unwrap_or(snapshot.version()), serial, &snapshot)?;
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
        let rego: Files = files.extract_if(.., |path, _| is_generated(path)).collect();
        if !rego.contains_key(MODULE) {
            return Err(BundleError::Missing(MODULE));
        }
        let sources = sources(files)?;
        let snapshot = compile(&sources).map_err(BundleError::Policy)?;
        manifest.fits(&snapshot)?;
        // Another version of Aegis may put the same policy in other words.
        if manifest.compiled_here() && rego != generated(&snapshot) {
            return Err(BundleError::OtherRego);
        }
        Ok(Self { manifest, sources, snapshot, signed_by })
    }

    /// All files but the signature.
    fn files(&self) -> Result<Files, BundleError> {
        let mut files = generated(&self.snapshot);
        files.insert(manifest::FILE.to_owned(), self.manifest.text()?.into_bytes());
        files.insert(DATA.to_owned(), b"{}\n".to_vec());
        for (number, source) in self.sources.iter().enumerate() {
            let path = path_of(number, &source.name);
            if !archive::is_path(&path) {
                return Err(BundleError::Path(source.name.clone()));
            }
            files.insert(path, source.to_bytes());
        }
        Ok(files)
    }
}

/// The Rego that the policies compile to: all of it but authors' modules, which lie among the sources.
fn generated(snapshot: &Snapshot) -> Files {
    let mut files = Files::new();
    for (number, (package, text)) in snapshot.rego().enumerate() {
        let path = match (number, package.strip_prefix(CONDITION)) {
            (0, _) => MODULE.to_owned(),
            (_, Some(name)) => format!("{CONDITIONS}{name}.rego"),
            (_, None) => continue,
        };
        files.insert(path, text.as_bytes().to_vec());
    }
    files
}

fn is_generated(path: &str) -> bool {
    path == MODULE || path.starts_with(CONDITIONS)
}

fn take(files: &mut Files, path: &'static str) -> Result<Vec<u8>, BundleError> {
    files.remove(path).ok_or(BundleError::Missing(path))
}

/// What is left must be sources, numbered from nothing without a gap.
fn sources(files: Files) -> Result<Vec<Source>, BundleError> {
    let mut numbered = BTreeMap::new();
    for (path, bytes) in files {
        let Some((number, name)) = named(&path) else { return Err(BundleError::Stranger(path)) };
        let source = Source::of_file(name, bytes).map_err(|_| BundleError::NotText(path.clone()))?;
        // Two files of one number: which comes first, nobody can say.
        if numbered.insert(number, source).is_some() {
            return Err(BundleError::Stranger(path));
        }
    }
    match numbered.last_key_value() {
        None => Err(BundleError::Foreign),
        Some((last, _)) if last + 1 != numbered.len() => Err(BundleError::Missing("aegis/sources/ in one row")),
        Some(_) => Ok(numbered.into_values().collect()),
    }
}

/// Where a source lies. Its directory says whose it is, and stays; the number goes before the file's own name.
fn path_of(number: usize, name: &str) -> String {
    let (directory, file) = name.split_at(name.rfind('/').map_or(0, |at| at + 1));
    format!("{SOURCES}{directory}{number:04}-{file}")
}

/// Number and name of the source at `path`.
fn named(path: &str) -> Option<(usize, String)> {
    let path = path.strip_prefix(SOURCES)?;
    let (directory, file) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
    let (number, file) = file.split_once('-')?;
    let number: usize = number.parse().ok()?;
    let name = format!("{directory}{file}");
    // Only as we write it: `+1-` and `00001-` are numbers too.
    (!file.is_empty() && path_of(number, &name).strip_prefix(SOURCES) == Some(path)).then_some((number, name))
}
