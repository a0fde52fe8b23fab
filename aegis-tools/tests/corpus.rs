//! Replays the corpus of the fuzz targets (`fuzz/corpus`), so that what a fuzzer once found stays found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 10, "{}: only {files} inputs", folder.display());
}

#[test]
fn requests() {
    replay("tools_request", support::check_request);
}

#[test]
fn answers() {
    replay("tools_answer", support::check_answer);
}

#[test]
fn streams() {
    replay("tools_stream", support::check_stream);
}
