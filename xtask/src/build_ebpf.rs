//! `cargo xtask build-ebpf`: the kernel programs and what building them needs.

#[path = "../../aegis-ebpf/build_object.rs"]
mod build_object;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;

/// The version that works with rustc's own LLVM; later ones want LLVM packages of the system.
const LINKER_VERSION: &str = "0.10.3";

/// Installs what is missing and builds the eBPF object of the workspace at `root`. Returns the
/// object's path. The daemon's build embeds the same object by itself; this is for its
/// prerequisites, and for a look at the compiler's messages.
///
/// # Errors
/// When a prerequisite cannot be installed or the programs do not compile.
pub fn run(root: &Path) -> Result<PathBuf> {
    ensure_linker(root)?;
    with_spinner("building aegis-ebpf", || build_object::build(root).map_err(anyhow::Error::msg))
}

/// Installs bpf-linker below `target/tools` and the source of `core` where they are missing.
///
/// # Errors
/// When rustup or cargo fails; their own messages are in the error.
pub fn ensure_linker(root: &Path) -> Result<()> {
    if !core_source()?.is_dir() {
        with_spinner("installing rust-src", || finish(Command::new("rustup").args(["component", "add", "rust-src"])))?;
    }
    if !linker_is_current(root) {
        with_spinner("installing bpf-linker (some minutes, once)", || {
            let tools = root.join("target/tools");
            finish(
                // Not optimised: the work is done in LLVM's library, which is.
                Command::new("cargo")
                    .args(["install", "--debug", "--locked", "--force", "bpf-linker", "--version", LINKER_VERSION])
                    .arg("--root")
                    .arg(tools)
                    .env("CARGO_PROFILE_DEV_DEBUG", "0"),
            )
        })?;
    }
    Ok(())
}

fn core_source() -> Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("cannot run rustc")?;
    ensure!(output.status.success(), "rustc --print sysroot failed");
    let sysroot = String::from_utf8(output.stdout).context("the sysroot is not UTF-8")?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core"))
}

fn linker_is_current(root: &Path) -> bool {
    Command::new(build_object::linker(root))
        .arg("--version")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(LINKER_VERSION))
}

/// Runs a command silently; its output is shown when it fails.
fn finish(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{} failed:\n{}", command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Shows that something is under way, and how long it took.
fn with_spinner<T>(what: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(120));
    let outcome = work();
    let seconds = spinner.elapsed().as_secs_f32();
    spinner.finish_and_clear();
    if outcome.is_ok() {
        eprintln!("{what}: {seconds:.1} s");
    }
    outcome
}
