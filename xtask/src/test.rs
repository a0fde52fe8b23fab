//! `cargo xtask test`: everything that CI runs, in the order in which it fails fastest.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::process::{become_command, cargo, require_root, run as step};
use crate::{build_ebpf, clients, packages, tidy, tools, vm};

/// What shall be tested.
#[derive(Args)]
pub struct Selection {
    /// Without the end-to-end tests and without virtual machines
    #[arg(long)]
    quick: bool,
    /// Only the virtual machines that are part of the whole
    #[arg(long, conflicts_with_all = ["quick", "kernels", "tests"])]
    matrix: bool,
    /// Only the kernel tests, all of them, on Debian's cloud kernel of this version (6.1, 6.12, ...); may be repeated
    #[arg(long = "kernel", value_name = "VERSION", conflicts_with = "quick")]
    kernels: Vec<String>,
    /// With --kernel: only with (on) or only without (off) BPF LSM
    #[arg(long, value_enum, requires = "kernels")]
    lsm: Option<Switch>,
    /// Names of tests, or parts of them; without --kernel anything that cargo nextest takes
    #[arg(last = true)]
    tests: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Leaves out the integration tests that attach to a kernel and make namespaces.
const WITHOUT_KERNEL: &str = "not (kind(test) and (package(aegis-tests) or package(aegis-agent) or package(aegisctl)))";

/// Runs all checks and tests; ends as `cargo nextest`, with its summary and its exit code.
pub fn run(root: &Path, selection: &Selection) -> Result<()> {
    if selection.matrix || !selection.kernels.is_empty() {
        return virtual_machines(root, selection);
    }
    let quick = selection.quick;
    if !quick {
        require_root("the end-to-end tests (without them: --quick)")?;
    }
    prepare(root, quick)?;
    check(root)?;
    step("cargo build", cargo(root).args(["build", "--workspace", "--all-targets"]))?;
    if !quick && selection.tests.is_empty() {
        every_kernel(root)?;
    }
    let mut tests = cargo(root);
    tests.args(["nextest", "run", "--workspace"]);
    if quick {
        tests.args(["-E", WITHOUT_KERNEL]);
    }
    become_command("cargo nextest", tests.args(&selection.tests))
}

/// The kernel tests on every kernel of the matrix. Only where QEMU cannot be had is that left out, and loudly.
fn every_kernel(root: &Path) -> Result<()> {
    if let Err(error) = vm::prepare(root) {
        eprintln!("\n!!! THE KERNEL MATRIX IS LEFT OUT: only this machine's own kernel is tested. {error:#}\n");
        return Ok(());
    }
    vm::run(root, &vm::Selection::matrix())
}

/// The kernel tests on the kernels of the matrix or on chosen ones, and nothing else.
fn virtual_machines(root: &Path, selection: &Selection) -> Result<()> {
    require_root("the kernel matrix")?;
    vm::prepare(root)?;
    tools::ensure_rust_src(root)?;
    build_ebpf::ensure_linker(root)?;
    if selection.matrix {
        return vm::run(root, &vm::Selection::matrix());
    }
    let lsm = selection.lsm.map(|lsm| lsm == Switch::On);
    vm::run(root, &vm::Selection::chosen(&selection.kernels, lsm, &selection.tests))
}

fn prepare(root: &Path, quick: bool) -> Result<()> {
    packages::ensure(root, &[packages::BUILD])?;
    tools::ensure_rust_src(root)?;
    tools::ensure_lints(root)?;
    build_ebpf::ensure_linker(root)?;
    tools::ensure_nextest(root)?;
    tools::ensure_deny(root)?;
    if !quick {
        packages::ensure(root, &[packages::LABORATORY, packages::CLIENTS])?;
        clients::ensure(root)?;
    }
    // Before all that compiles: the daemon carries the object in itself.
    build_ebpf::run(root).map(drop)
}

fn check(root: &Path) -> Result<()> {
    step("cargo fmt", cargo(root).args(["fmt", "--all", "--", "--check"]))?;
    step("cargo fmt, kernel part", cargo(root).current_dir(root.join("aegis-ebpf")).args(["fmt", "--", "--check"]))?;
    eprintln!("\n── tidy");
    tidy::run(root)?;
    // Not `advisories`: that fetches a database from a host that a build machine need not reach.
    step("cargo deny", cargo(root).args(["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))?;
    step("cargo clippy", cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}
