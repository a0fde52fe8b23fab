//! The CA bundle that the command trusts: the system's store and Aegis' CA.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aegis_api::RunInfo;
use tempfile::NamedTempFile;

use super::java;
use super::stopped;
use crate::failure::Failure;

/// Where distributions keep the trust store as one PEM file: Debian and Alpine, Fedora (twice), SUSE, BSD-like.
pub const SYSTEM_STORES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Files with which a program comes to trust Aegis. Each can be read by everybody.
#[derive(Debug)]
pub struct Trust {
    /// The system's store and Aegis' CA (PEM): for what replaces the store.
    pub bundle: PathBuf,
    /// Aegis' CA alone (PEM): for what adds to the store.
    pub ca: PathBuf,
    /// A Java key store, where there is a keytool to make it.
    pub java: Option<PathBuf>,
}

impl Trust {
    /// Writes the files.
    ///
    /// They lie in `/run/aegisctl/INSTANCE`, apart from the daemon's directories, since the command's user must reach
    /// them, and are replaced as a whole, since other commands may be reading them.
    pub fn prepare(info: &RunInfo) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            stopped("write the CA bundle", error, "run aegisctl as root (sudo), and make /run writable")
        };
        let directory = directory(&info.instance).map_err(failed)?;
        let store = system_store().map_err(failed)?;
        let trust = Self {
            bundle: directory.join("ca-bundle.pem"),
            ca: directory.join("aegis-ca.pem"),
            java: java::trust_store(&directory, &info.ca_pem),
        };
        replace(&trust.bundle, &merged(&store, &info.ca_pem)).map_err(failed)?;
        replace(&trust.ca, info.ca_pem.as_bytes()).map_err(failed)?;
        Ok(trust)
    }
}

fn directory(instance: &str) -> io::Result<PathBuf> {
    // The instance's name is the daemon's word, but it must not become a way to another directory.
    let name: String = instance.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let base = if nix::unistd::geteuid().is_root() {
        PathBuf::from("/run/aegisctl")
    } else {
        // Only where the hierarchy was delegated to this user, who then is the one that reads it.
        std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .ok_or_else(|| io::Error::other("XDG_RUNTIME_DIR is not set"))?
            .join("aegisctl")
    };
    let directory = base.join(name);
    fs::create_dir_all(&directory)?;
    for directory in [&base, &directory] {
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    }
    Ok(directory)
}

fn system_store() -> io::Result<Vec<u8>> {
    match SYSTEM_STORES.iter().find(|path| Path::new(path).exists()) {
        Some(path) => fs::read(path),
        // A host without a store trusts nobody; with Aegis it trusts Aegis.
        None => Ok(Vec::new()),
    }
}

fn merged(store: &[u8], ca: &str) -> Vec<u8> {
    let mut bundle = store.to_vec();
    if bundle.last().is_some_and(|byte| *byte != b'\n') {
        bundle.push(b'\n');
    }
    bundle.extend_from_slice(ca.as_bytes());
    bundle
}

/// Writes a file that everybody can read, as a whole or not at all.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::other("the path has no directory"))?;
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(contents)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    let _: File = file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn the_ca_starts_on_a_line_of_its_own() {
        assert_eq!(merged(b"STORE", "CA\n"), b"STORE\nCA\n");
        assert_eq!(merged(b"STORE\n", "CA\n"), b"STORE\nCA\n");
        assert_eq!(merged(b"", "CA\n"), b"CA\n");
    }
}
