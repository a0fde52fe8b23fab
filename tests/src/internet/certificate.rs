//! The certificate authority of the laboratory's origins.

use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

/// A root that only the laboratory trusts.
pub struct OriginAuthority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl OriginAuthority {
    /// Makes a new root.
    pub fn generate() -> Result<OriginAuthority> {
        let mut params = valid(CertificateParams::new(Vec::new())?);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Laboratory Origin Root");
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(OriginAuthority { pem, issuer: Issuer::new(params, key) })
    }

    /// The root certificate, PEM: what the daemon gets as an extra upstream root.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// One certificate for all hosts of the laboratory, offered with h2 and http/1.1.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>> {
        let (leaf, key) = self.leaf()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// A certificate for all hosts of the laboratory and its key, in PEM: for origins that are programs of their own.
    pub fn issue(&self) -> Result<(String, String)> {
        let (leaf, key) = self.leaf()?;
        Ok((leaf.pem(), key.serialize_pem()))
    }

    fn leaf(&self) -> Result<(Certificate, KeyPair)> {
        let names: Vec<String> = crate::lab::wiring::HOSTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut params = valid(CertificateParams::new(names)?);
        params.distinguished_name.push(DnType::CommonName, "Laboratory Origin");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}

fn valid(mut params: CertificateParams) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(2);
    params
}
