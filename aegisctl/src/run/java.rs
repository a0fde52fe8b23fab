//! A trust store for Java, which reads no PEM: a copy of the JDK's own with Aegis' CA added, made by the JDK's keytool.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::trust::replace;

/// The password of every JDK's own trust store; it protects nothing.
pub const PASSWORD: &str = "changeit";

/// The store for this CA; none where there is no keytool or it fails (then a warning says so). Made once for a CA,
/// since keytool takes a second.
pub fn trust_store(directory: &Path, ca_pem: &str) -> Option<PathBuf> {
    let keytool = keytool()?;
    let mut hasher = DefaultHasher::new();
    (ca_pem, &keytool).hash(&mut hasher);
    let store = directory.join(format!("java-{:016x}.p12", hasher.finish()));
    if store.exists() {
        return Some(store);
    }
    match make(&keytool, &store, ca_pem) {
        Ok(()) => Some(store),
        Err(error) => {
            eprintln!("aegisctl: warning: no trust store for Java: {error}");
            None
        }
    }
}

fn keytool() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join("keytool")).find(|file| file.is_file())?;
    fs::canonicalize(found).ok()
}

fn make(keytool: &Path, store: &Path, ca_pem: &str) -> io::Result<()> {
    let work = TempDir::new()?;
    let (certificate, copy) = (work.path().join("ca.pem"), work.path().join("store.p12"));
    fs::write(&certificate, ca_pem)?;
    if let Some(original) = jdk_store(keytool) {
        fs::copy(original, &copy)?;
    }
    let output = Command::new(keytool)
        .args(["-importcert", "-noprompt", "-trustcacerts", "-alias", "aegis", "-storepass", PASSWORD, "-file"])
        .arg(&certificate)
        .arg("-keystore")
        .arg(&copy)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
    }
    replace(store, &fs::read(&copy)?)
}

/// `JAVA_HOME/lib/security/cacerts`, seen from `JAVA_HOME/bin/keytool`; before Java 9 `JAVA_HOME/jre/bin/keytool`.
fn jdk_store(keytool: &Path) -> Option<PathBuf> {
    let store = keytool.parent()?.parent()?.join("lib/security/cacerts");
    store.is_file().then_some(store)
}
