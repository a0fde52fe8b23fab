//! `.manifest`: what a bundle says of itself.

use serde::{Deserialize, Serialize};

use super::error::BundleError;
use crate::{JSON_DEPTH, Snapshot, parse_strict_json};

pub(super) const FILE: &str = ".manifest";

/// How the files of a bundle are laid out; another number is another layout.
const FORMAT: u32 = 1;
/// The part of OPA's data and policy tree that is ours; authors' packages lie beside it.
const ROOT: &str = "aegis";
/// `import rego.v1` in OPA's numbering.
const REGO_VERSION: u32 = 1;
/// The largest serial: what every JSON reader keeps exact (2^53 - 1).
pub const MAX_SERIAL: u64 = (1 << 53) - 1;
/// The longest revision, in bytes.
const MAX_REVISION: usize = 128;

/// Which bundle it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What humans call it.
    pub revision: String,
    /// Orders the bundles of one origin: a lower one is older.
    pub serial: u64,
    /// The version of Aegis that compiled the Rego in it.
    pub compiler: String,
    /// The parts of OPA's data and policy tree that its packages lie in.
    roots: Vec<String>,
}

/// As written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    revision: String,
    roots: Vec<String>,
    rego_version: u32,
    metadata: Metadata,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    aegis_format: u32,
    aegis_serial: u64,
    aegis_compiler: String,
}

impl Manifest {
    pub(super) fn new(revision: &str, serial: u64, snapshot: &Snapshot) -> Result<Self, BundleError> {
        let compiler = env!("CARGO_PKG_VERSION").to_owned();
        Self { revision: revision.to_owned(), serial, compiler, roots: roots(snapshot) }.checked()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let wrong = |why: &dyn std::fmt::Display| BundleError::Manifest(why.to_string());
        let value = parse_strict_json(bytes, JSON_DEPTH).map_err(|error| wrong(&error))?;
        if value.pointer("/metadata/aegis_format").is_none() {
            return Err(BundleError::Foreign);
        }
        let written: Written = serde_json::from_value(value).map_err(|error| wrong(&error))?;
        let Metadata { aegis_format, aegis_serial, aegis_compiler } = written.metadata;
        if aegis_format != FORMAT {
            return Err(wrong(&format_args!("its format is {aegis_format}, this Aegis reads {FORMAT}")));
        }
        if written.rego_version != REGO_VERSION {
            return Err(wrong(&format_args!("its rego_version is {}, not {REGO_VERSION}", written.rego_version)));
        }
        Self { revision: written.revision, serial: aegis_serial, compiler: aegis_compiler, roots: written.roots }
            .checked()
    }

    /// That its roots are where its packages lie: others would let a bundle take parts of OPA's tree that are not its own.
    pub(super) fn fits(&self, snapshot: &Snapshot) -> Result<(), BundleError> {
        let expected = roots(snapshot);
        if self.roots == expected {
            return Ok(());
        }
        Err(BundleError::Manifest(format!("its roots are {:?}, not {expected:?}", self.roots)))
    }

    pub(super) fn text(&self) -> Result<String, BundleError> {
        let written = Written {
            revision: self.revision.clone(),
            roots: self.roots.clone(),
            rego_version: REGO_VERSION,
            metadata: Metadata {
                aegis_format: FORMAT,
                aegis_serial: self.serial,
                aegis_compiler: self.compiler.clone(),
            },
        };
        let text = serde_json::to_string_pretty(&written).map_err(|error| BundleError::Manifest(error.to_string()))?;
        Ok(text + "\n")
    }

    /// Whether this very version of Aegis compiled the Rego in it.
    pub(super) fn compiled_here(&self) -> bool {
        self.compiler == env!("CARGO_PKG_VERSION")
    }

    /// Revision and compiler are shown to people, in logs and on terminals.
    fn checked(self) -> Result<Self, BundleError> {
        for (what, text) in [("revision", &self.revision), ("aegis_compiler", &self.compiler)] {
            if text.is_empty() || text.len() > MAX_REVISION || text.chars().any(char::is_control) {
                let why = format!("{what} must have 1 to {MAX_REVISION} bytes and no control characters");
                return Err(BundleError::Manifest(why));
            }
        }
        if self.serial > MAX_SERIAL {
            return Err(BundleError::Manifest(format!("the serial {} is above {MAX_SERIAL}", self.serial)));
        }
        Ok(self)
    }
}

/// The first names of all packages, each once.
fn roots(snapshot: &Snapshot) -> Vec<String> {
    let mut roots = vec![ROOT.to_owned()];
    for (package, _) in snapshot.rego() {
        let first = package.split('.').next().unwrap_or_default();
        if !roots.iter().any(|root| root == first) {
            roots.push(first.to_owned());
        }
    }
    roots
}
