//! The per-host certificate authority: made at first start, its key never leaves the state directory.
//!
//! Leaves are short-lived, cached by name, and share one key that lives in memory only: a new
//! key a leaf would cost a P-256 generation for nothing, since all of them sit in this process.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::config::Tls;
use crate::state::secret::{self, SecretError};

/// Clocks in containers and VMs run behind by seconds to minutes; a leaf from "the future" is refused by clients.
const BACKDATE: time::Duration = time::Duration::hours(1);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the certificate authority in {path} cannot be used: {why}; fix: move it away, a new one is made at start")]
    Authority { path: PathBuf, why: String },
    #[error("a certificate for {host:?} cannot be made: {why}")]
    Leaf { host: String, why: String },
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("extra root certificates {path}: {why}")]
    ExtraRoots { path: PathBuf, why: String },
    #[error(
        "no root certificates: the system has none and upstream.extra_roots is empty; fix: apt-get install ca-certificates"
    )]
    NoRoots,
}

/// Issues the certificates that agents see.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca_der: CertificateDer<'static>,
    ca_path: PathBuf,
    not_after: SystemTime,
    leaf_key_pair: KeyPair,
    leaf_key: Arc<dyn rustls::sign::SigningKey>,
    leaf_ttl: Duration,
    leaves: moka::sync::Cache<String, Arc<CertifiedKey>>,
}

impl Authority {
    /// Loads the authority from `state_dir`, or makes it at the first start.
    ///
    /// Files: `ca.key` (PKCS#8 PEM, 0600) and `ca.pem` (the certificate, 0644, for trust stores).
    ///
    /// # Errors
    /// When the files cannot be read, are too open, or do not belong together.
    pub fn open(state_dir: &Path, config: &Tls, now: SystemTime) -> Result<Self, TlsError> {
        secret::private_dir(state_dir)?;
        let key_path = state_dir.join("ca.key");
        let key_pem = secret::load_or_create(&key_path, || new_key().map(|key| key.serialize_pem()))?;
        let unusable = |why: String| TlsError::Authority { path: key_path.clone(), why };
        let key = KeyPair::from_pem(&key_pem).map_err(|error| unusable(error.to_string()))?;

        let ca_path = state_dir.join("ca.pem");
        let ca_pem = match std::fs::read_to_string(&ca_path) {
            Ok(pem) => pem,
            Err(_) => {
                let pem = self_signed(&key, config.ca_ttl, now).map_err(|error| unusable(error.to_string()))?;
                secret::write_atomically(&ca_path, pem.as_bytes(), 0o644)?;
                pem
            }
        };
        let ca_der = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|error| unusable(error.to_string()))?;
        let not_after = checked_lifetime(&ca_der, &key, now).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_der(&ca_der, key).map_err(|error| unusable(error.to_string()))?;

        let leaf_key_pair = new_key().map_err(|error| unusable(error.to_string()))?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key_pair.serialize_der()));
        let leaf_key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der)?;
        let leaves = moka::sync::Cache::builder()
            .max_capacity(config.leaf_cache)
            // Served for half its life at most, so that a client never holds one that ends within the connection's start.
            .time_to_live(config.leaf_ttl / 2)
            .build();
        let leaf_ttl = config.leaf_ttl;
        Ok(Self { issuer, ca_der, ca_path, not_after, leaf_key_pair, leaf_key, leaf_ttl, leaves })
    }

    /// Where agents' trust stores find the certificate (PEM).
    #[must_use]
    pub fn certificate_path(&self) -> &Path {
        &self.ca_path
    }

    /// When the authority itself ends.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The certificate for a host name or an address literal, from the cache where there is one.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate.
    pub fn leaf(&self, host: &str) -> Result<Arc<CertifiedKey>, TlsError> {
        self.leaves
            .try_get_with_by_ref(host, || self.issue(host, SystemTime::now()))
            .map_err(|error| TlsError::Leaf { host: host.to_owned(), why: error.to_string() })
    }

    fn issue(&self, host: &str, now: SystemTime) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let mut params = CertificateParams::default();
        let san = match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into()?),
        };
        params.subject_alt_names.push(san);
        // The name stands in the SAN; a CN is limited to 64 characters and no client reads it.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Aegis egress enforcer");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let now = OffsetDateTime::from(now);
        params.not_before = now - BACKDATE;
        params.not_after = (now + self.leaf_ttl).min(OffsetDateTime::from(self.not_after));
        let leaf = params.signed_by(&self.leaf_key_pair, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.ca_der.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, Arc::clone(&self.leaf_key))))
    }

    /// The one server configuration for all agents: TLS 1.2 and 1.3, resumption by tickets, h2 before http/1.1.
    ///
    /// # Errors
    /// When the crypto provider lacks a protocol version.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(LeafBySni(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 2;
        Ok(Arc::new(config))
    }

    /// As [`Self::server_config`], for a connection without SNI: the name is the address that the agent dialled.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn server_config_for(self: &Arc<Self>, base: &ServerConfig, host: &str) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = base.clone();
        config.cert_resolver = Arc::new(OneLeaf(self.leaf(host)?));
        Ok(Arc::new(config))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.ca_path).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct LeafBySni(Arc<Authority>);

impl ResolvesServerCert for LeafBySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.leaf(hello.server_name()?).ok()
    }
}

#[derive(Debug)]
struct OneLeaf(Arc<CertifiedKey>);

impl ResolvesServerCert for OneLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn self_signed(key: &KeyPair, ttl: Duration, now: SystemTime) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Aegis egress enforcer");
    params.distinguished_name.push(DnType::CommonName, "Aegis CA of this host");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::from(now);
    params.not_before = now - BACKDATE;
    params.not_after = now + ttl;
    Ok(params.self_signed(key)?.pem())
}

/// The end of the certificate, once it is known to belong to `key` and to be within its time.
fn checked_lifetime(der: &CertificateDer<'_>, key: &KeyPair, now: SystemTime) -> Result<SystemTime, String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
    if certificate.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err("ca.pem is not the certificate of ca.key".into());
    }
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).map_err(|error| error.to_string())?;
    let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    if not_after <= now {
        return Err("ca.pem has expired".into());
    }
    Ok(not_after)
}
