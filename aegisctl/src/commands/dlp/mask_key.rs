//! The key of `token` masks, as the daemon keeps it: 64 hexadecimal digits.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use aegis_dlp::MaskSecret;
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::failure::Failure;

/// No key comes near this.
const MOST: u64 = 1024;

/// Reads the key.
pub fn read(path: &Path) -> Result<MaskSecret, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::No(format!("--mask-key {}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MOST).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let key = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.map(MaskSecret::new).ok_or_else(|| failed(&"it is no key: 64 hexadecimal digits are expected"))
}
