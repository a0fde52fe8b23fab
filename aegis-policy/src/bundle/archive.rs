//! The archive: gzip around tar, written the same way each time, read with bounds on everything.

use std::io::{Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, EntryType, Header};

use super::Files;
use super::error::BundleError;

/// Of the archive as it comes, in bytes.
const MAX_PACKED: usize = 32 << 20;
/// Of all that it holds, in bytes.
const MAX_UNPACKED: usize = 64 << 20;
/// Of one file, in bytes: policies are read by humans.
const MAX_FILE: usize = 16 << 20;
/// Files in one bundle.
const MAX_FILES: usize = 1004;
/// What a tar header holds without extensions, less what its division into two fields may cost.
const MAX_PATH: usize = 155;
/// Everything in a tar archive comes in blocks of this size (POSIX.1-1988, ustar).
const BLOCK: usize = 512;

pub(super) fn pack(files: &Files) -> Result<Vec<u8>, BundleError> {
    bounded("files in it", files.len(), MAX_FILES)?;
    let failed = |error: std::io::Error| BundleError::Tar(error.to_string());
    // No time, no user, no host: the bytes depend on the content alone.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for (path, content) in files {
        bounded(path, content.len(), MAX_FILE)?;
        let mut header = Header::new_ustar();
        header.set_path(path).map_err(failed)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        tar.append(&header, content.as_slice()).map_err(failed)?;
    }
    let mut gzip = tar.into_inner().map_err(failed)?;
    gzip.flush().map_err(failed)?;
    let packed = gzip.finish().map_err(failed)?;
    bounded("the archive", packed.len(), MAX_PACKED)?;
    Ok(packed)
}

pub(super) fn unpack(bytes: &[u8]) -> Result<Files, BundleError> {
    bounded("the archive", bytes.len(), MAX_PACKED)?;
    let tar = gunzip(bytes)?;
    let failed = |error: std::io::Error| BundleError::Tar(error.to_string());
    let mut files = Files::new();
    let mut end = 0;
    // Raw: extended headers, which could rename what follows them, show as entries of their own, and are refused.
    for entry in Archive::new(tar.as_slice()).entries().map_err(failed)?.raw(true) {
        let entry = entry.map_err(failed)?;
        let path = match String::from_utf8(entry.path_bytes().into_owned()) {
            Ok(path) => path,
            Err(error) => return Err(BundleError::Path(error.to_string())),
        };
        if !matches!(entry.header().entry_type(), EntryType::Regular) {
            return Err(BundleError::NotPlain(path));
        }
        if !is_path(&path) {
            return Err(BundleError::Path(path));
        }
        bounded("files in it", files.len() + 1, MAX_FILES)?;
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        bounded(&path, size, MAX_FILE)?;
        let start = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX);
        let content = start.checked_add(size).and_then(|stop| tar.get(start..stop));
        let content = content.ok_or_else(|| BundleError::Tar(format!("`{path}` is cut short")))?;
        end = start + size.next_multiple_of(BLOCK);
        if files.insert(path.clone(), content.to_vec()).is_some() {
            return Err(BundleError::Twice(path));
        }
    }
    let rest = tar.get(end..).unwrap_or_default();
    if rest.len() < 2 * BLOCK {
        return Err(BundleError::Tar("its end is missing".to_owned()));
    }
    match rest.iter().position(|byte| *byte != 0) {
        Some(at) => Err(BundleError::Trailing(rest.len() - at)),
        None => Ok(files),
    }
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, BundleError> {
    let mut decoder = GzDecoder::new(bytes);
    let mut tar = Vec::new();
    let read = (&mut decoder).take(MAX_UNPACKED as u64 + 1).read_to_end(&mut tar);
    read.map_err(|error| BundleError::Gzip(error.to_string()))?;
    bounded("what it holds", tar.len(), MAX_UNPACKED)?;
    match decoder.into_inner() {
        [] => Ok(tar),
        rest => Err(BundleError::Trailing(rest.len())),
    }
}

fn bounded(what: &str, size: usize, max: usize) -> Result<(), BundleError> {
    if size <= max { Ok(()) } else { Err(BundleError::TooLarge { what: format!("{what}: {size}"), max }) }
}

/// Relative and unambiguous: every system reads it in one way.
pub(super) fn is_path(path: &str) -> bool {
    let odd = |letter: char| letter.is_control() || letter == '\\';
    let segment = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(odd);
    path.len() <= MAX_PATH && path.split('/').all(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for good in [".manifest", "data.json", "aegis/policy.rego", "aegis/sources/delegated/team/0000-ä b.yaml"] {
            assert!(is_path(good), "{good}");
        }
        let long = "a".repeat(MAX_PATH + 1);
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "a\nb", "a\0b", &long] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }
}
