//! `cargo xtask demo`.

use std::path::Path;

use anyhow::Result;

use crate::process::{self, become_command, cargo, command, require_root};
use crate::{build_ebpf, packages, tools};

/// Installs, builds, and becomes the demo.
pub fn run(root: &Path) -> Result<()> {
    require_root("the demo")?;
    packages::ensure(root, &[packages::BUILD, packages::LABORATORY])?;
    tools::ensure_rust_src(root)?;
    build_ebpf::ensure_linker(root)?;
    build_ebpf::run(root)?;
    // The whole workspace: another selection would unify features otherwise and build dependencies twice.
    run_build(root)?;
    become_command("demo", &mut command(root, &root.join("target/debug/demo").to_string_lossy()))
}

fn run_build(root: &Path) -> Result<()> {
    process::run("building aegis-agent, aegisctl and the demo", cargo(root).args(["build", "--workspace", "--bins"]))
}
