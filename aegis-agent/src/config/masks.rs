//! Where the key of `token` masks comes from.

use std::path::PathBuf;

use super::problems::Checker;
use super::raw::RawMasks;
use super::tokens::credential;

/// The file with the key that tokens in the place of values are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskKeySource {
    /// `state_dir/mask.key`, made where there is none.
    Own,
    /// Somebody else's file, which several hosts may share. It is never written.
    File(PathBuf),
}

impl MaskKeySource {
    pub(super) fn check(raw: &RawMasks, p: &mut Checker) -> Self {
        match (&raw.key_file, &raw.key_credential) {
            (Some(_), Some(_)) => p.problem("masks.key_credential", "stands beside masks.key_file; give one of them"),
            (Some(file), None) => return Self::File(p.path("masks.key_file", file)),
            (None, Some(name)) => {
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
                return Self::File(credential("masks.key_credential", "masks.key_file", name, directory, p));
            }
            (None, None) => {}
        }
        Self::Own
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn one_key_from_one_place() {
        let parsed = |text: &str| Config::parse(text, Path::new("/etc/aegis")).map(|config| config.mask_key);
        assert_eq!(parsed("").unwrap(), MaskKeySource::Own);
        let shared = parsed("masks: {key_file: mask.key}").unwrap();
        assert_eq!(shared, MaskKeySource::File("/etc/aegis/mask.key".into()));
        for (text, wanted) in [
            ("masks: {key_file: a, key_credential: b}", "masks.key_credential"),
            ("masks: {key_credential: ../x}", "is no credential's name"),
            ("masks: {key: 00}", "masks.key"),
        ] {
            let problems = parsed(text).unwrap_err().to_string();
            assert!(problems.contains(wanted), "{text}: {problems}");
        }
    }
}
