//! Tools of Rust: components of the toolchain, and programs built into `target/tools` once.

use std::path::Path;

use anyhow::Result;

use crate::process::{cargo, command, is_installed, run_with_progress};

const NEXTEST: &str = "0.9.143";
const DENY: &str = "0.20.2";

/// Adds a component of the toolchain where `shows`, relative to the sysroot, is missing.
fn ensure_component(root: &Path, component: &str, shows: &str) -> Result<()> {
    let output = command(root, "rustc").args(["--print", "sysroot"]).output()?;
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if Path::new(&sysroot).join(shows).exists() {
        return Ok(());
    }
    run_with_progress(
        &format!("rustup component add {component}"),
        command(root, "rustup").args(["component", "add", component]),
    )
}

/// `rust-src`, from which the kernel part builds its `core`.
pub fn ensure_rust_src(root: &Path) -> Result<()> {
    ensure_component(root, "rust-src", "lib/rustlib/src/rust/library/core")
}

/// rustfmt and clippy, which a minimal toolchain has not.
pub fn ensure_lints(root: &Path) -> Result<()> {
    ensure_component(root, "rustfmt", "bin/cargo-fmt")?;
    ensure_component(root, "clippy", "bin/cargo-clippy")
}

/// The test runner.
pub fn ensure_nextest(root: &Path) -> Result<()> {
    ensure_program(root, "cargo-nextest", NEXTEST)
}

/// The check of licenses, sources and banned crates.
pub fn ensure_deny(root: &Path) -> Result<()> {
    ensure_program(root, "cargo-deny", DENY)
}

fn ensure_program(root: &Path, name: &str, version: &str) -> Result<()> {
    if is_installed(root, name) {
        return Ok(());
    }
    let mut install = cargo(root);
    // Not optimised: it runs for seconds, and would be compiled for minutes.
    install.args(["install", name, "--debug", "--version", version, "--locked", "--root"]);
    install.arg(root.join("target/tools")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    run_with_progress(&format!("cargo install {name} {version} into target/tools"), &mut install)
}
