//! TLS to origins: always verified. There is no switch that turns it off.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::TlsError;
use crate::config::Upstream;

/// Sessions kept for resumption, over all origins (about 1 KB each).
const SESSIONS: usize = 4096;

/// The client configuration for all origins: system roots (unless switched off) and the configured extra ones.
///
/// # Errors
/// When an extra root cannot be read, or when no root is left to verify with.
pub fn client_config(config: &Upstream) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    if config.system_roots {
        add_system_roots(&mut roots);
    }
    for path in &config.extra_roots {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    client.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(client)
}

/// The system's store; Mozilla's list as compiled in where the system has none at all (a bare container image).
fn add_system_roots(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a system root certificate was left out");
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("the system has no root certificates; using the built-in list of Mozilla");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
}

fn add_file(roots: &mut RootCertStore, path: &PathBuf) -> Result<(), TlsError> {
    let fail = |why: String| TlsError::ExtraRoots { path: path.clone(), why };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))?;
    let mut added = 0_usize;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
        added += 1;
    }
    if added == 0 {
        return Err(fail("it holds no certificate".into()));
    }
    Ok(())
}
