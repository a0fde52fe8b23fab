//! The corpora of the daemon's fuzz targets, replayed by its tests.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

/// Gives each input of a target's corpus to `check`; there have to be at least so many.
pub fn replay(target: &str, least: usize, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= least, "{}: only {files} inputs", folder.display());
}
