//! Attack programs, built and put where every user can run them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aegis_tests::Lab;

/// Compiles `tests/attacks/NAME.c` unless that has been done, and puts it where every user can execute it.
pub fn build(lab: &Lab, name: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks");
    let (source, header) = (sources.join(name).with_extension("c"), sources.join("attack.h"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks");
    std::fs::create_dir_all(&cache).unwrap();
    let built = cache.join(name);
    if age(&built) >= age(&source).min(age(&header)) {
        // Under a name of its own until it is whole: other tests may be at it too.
        let draft = cache.join(format!("{name}.{}", std::process::id()));
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-Wall", "-Wextra", "-pthread", "-o"]).arg(&draft).arg(&source);
        let output = cc.output().expect("`cc` is missing: apt-get install gcc libc6-dev");
        assert!(output.status.success(), "{cc:?}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&draft, &built).unwrap();
    }
    let place = lab.path("attacks");
    std::fs::create_dir_all(&place).unwrap();
    let copy = place.join(name);
    std::fs::copy(&built, &copy).unwrap();
    copy
}

/// How long ago a file was written; for ever, where there is none.
fn age(path: &Path) -> Duration {
    let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    written.ok().and_then(|at| at.elapsed().ok()).unwrap_or(Duration::MAX)
}

/// Puts `tests/attacks/NAME`, a script, where every user can read it.
pub fn script(lab: &Lab, name: &str) -> PathBuf {
    let place = lab.path("attacks");
    std::fs::create_dir_all(&place).unwrap();
    let copy = place.join(name);
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks").join(name), &copy).unwrap();
    copy
}
