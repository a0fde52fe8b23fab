//! The key of `token` masks: who has it can tell which value a token stands for, by trying them.

use std::path::{Path, PathBuf};

use aegis_dlp::MaskSecret;
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::config::{Config, MaskKeySource};
use crate::state::secret::{self, SecretError};

/// In the state directory.
const FILE: &str = "mask.key";
const FIX: &str = "it holds 64 hexadecimal digits, as `openssl rand -hex 32` prints them";

/// Reads the key, or makes it where it is this host's own and there is none yet.
///
/// # Errors
/// When it cannot be read or made, others can read it, or it is no key. With another key every token would be another.
pub fn read(config: &Config) -> Result<MaskSecret, SecretError> {
    let (path, text) = match &config.mask_key {
        MaskKeySource::File(path) => (path.clone(), secret::read(path)?),
        MaskKeySource::Own => own(&config.state_dir)?,
    };
    let digits = text.trim();
    let key = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    let key = key.filter(|key| key.iter().any(|byte| *byte != 0));
    key.map(MaskSecret::new).ok_or_else(|| SecretError::Malformed { path, why: FIX.to_owned() })
}

fn own(state_dir: &Path) -> Result<(PathBuf, String), SecretError> {
    let path = state_dir.join(FILE);
    let text = secret::load_or_create(&path, || {
        let mut key = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| "no random bytes")?;
        Ok::<_, &str>(format!("{}\n", HEXLOWER_PERMISSIVE.encode(&key)))
    })?;
    Ok((path, text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use aegis_dlp::{Detector, DetectorSet, Mask, MaskKey};

    use super::*;

    fn config(dir: &Path, key: MaskKeySource) -> Config {
        Config { state_dir: dir.to_owned(), mask_key: key, ..Config::default() }
    }

    /// What tokens of a tenant look like.
    fn token(key: MaskKey) -> String {
        let details =
            aegis_dlp::Details { masks: aegis_dlp::Masks::new(Mask::Token, []), ..aegis_dlp::Details::default() };
        let profile = aegis_dlp::Profile {
            details: Some(std::sync::Arc::new(details)),
            key: Some(key),
            ..aegis_dlp::Profile::redacting(DetectorSet::ALL)
        };
        profile.replacement(Detector::Ssn, b"536-22-8741").into_owned()
    }

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), MaskKeySource::Own);
        let of = |tenant: &str| token(read(&config).unwrap().key_of(tenant));
        let first = of("acme");
        assert_eq!(of("acme"), first, "the next start has the same");
        assert!(first.starts_with("[SSN:") && of("globex") != first, "{first}");
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
        let elsewhere = tempfile::tempdir().unwrap();
        let other = token(read(&self::config(elsewhere.path(), MaskKeySource::Own)).unwrap().key_of("acme"));
        assert_ne!(other, first);
        // The file of one host, given to another.
        let shared = MaskKeySource::File(dir.path().join(FILE));
        assert_eq!(token(read(&self::config(elsewhere.path(), shared)).unwrap().key_of("acme")), first);
    }

    #[test]
    fn what_is_no_key_or_others_can_read_is_refused_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shared.key");
        let config = config(dir.path(), MaskKeySource::File(path.clone()));
        assert!(read(&config).is_err(), "somebody else's key is not made");
        assert!(!path.exists());
        let (zeros, long) = ("0".repeat(64), "a".repeat(66));
        for text in ["", "abc", zeros.as_str(), long.as_str()] {
            secret::write_atomically(&path, text.as_bytes(), 0o600).unwrap();
            let refused = read(&config).unwrap_err().to_string();
            assert!(refused.contains("openssl rand -hex 32"), "{refused}");
        }
        secret::write_atomically(&path, "Ab".repeat(32).as_bytes(), 0o600).unwrap();
        assert!(read(&config).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read(&config).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
