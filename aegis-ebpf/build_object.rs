//! Builds the eBPF object: the one place that knows how. Used by `aegis-agent/build.rs`, which
//! embeds it, and by `cargo xtask build-ebpf`. Standard library only, since both include it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where `cargo xtask build-ebpf` installs the linker.
pub fn linker(root: &Path) -> PathBuf {
    root.join("target/tools/bin/bpf-linker")
}

/// Builds `aegis-ebpf` of the workspace at `root` into `target/bpf` (a target directory of its
/// own: the calling cargo holds the lock of the other) and returns the object's path.
///
/// # Errors
/// One line that says what to do next.
pub fn build(root: &Path) -> Result<PathBuf, String> {
    let linker = linker(root);
    if !linker.exists() {
        return Err(format!("bpf-linker is not at {}; run `cargo xtask build-ebpf`", linker.display()));
    }
    let target_dir = root.join("target/bpf");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root.join("aegis-ebpf"))
        .args(["build", "--locked", "--release", "-Z", "build-std=core"])
        .args(["--target", "bpfel-unknown-none"])
        .env("CARGO_TARGET_DIR", &target_dir)
        // Stable rustc: `build-std` and the target's own features are what this opens.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &linker)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Cdebuginfo=2\x1f-Clink-arg=--btf");
    // What the calling cargo set for the host must not reach a build for another target.
    // HOST is set inside build scripts only and would make cargo build everything anew there.
    for name in ["HOST", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "building aegis-ebpf failed; run `cargo xtask build-ebpf`\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(target_dir.join("bpfel-unknown-none/release/aegis-ebpf"))
}
