//! `cargo xtask test`: everything that CI runs, in the order in which it fails fastest.

use std::path::Path;

use anyhow::Result;

use crate::process::{become_command, cargo, require_root, run as step};
use crate::{build_ebpf, clients, packages, tidy, tools};

/// Leaves out the integration tests that attach to a kernel and make namespaces.
const WITHOUT_KERNEL: &str = "not (kind(test) and (package(aegis-tests) or package(aegis-agent) or package(aegisctl)))";

/// Runs all checks and tests; ends as `cargo nextest`, with its summary and its exit code.
pub fn run(root: &Path, quick: bool, nextest: &[String]) -> Result<()> {
    if !quick {
        require_root("the end-to-end tests (without them: --quick)")?;
    }
    prepare(root, quick)?;
    check(root)?;
    step("cargo build", cargo(root).args(["build", "--workspace", "--all-targets"]))?;
    let mut tests = cargo(root);
    tests.args(["nextest", "run", "--workspace"]);
    if quick {
        tests.args(["-E", WITHOUT_KERNEL]);
    }
    become_command("cargo nextest", tests.args(nextest))
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
