//! `cargo xtask bench`.

use std::path::Path;

use anyhow::Result;

use crate::process::{self, become_command, cargo, command, require_root};
use crate::{build_ebpf, packages, tools};

/// Builds everything optimised and becomes the benchmark.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    require_root("the benchmark")?;
    packages::ensure(root, &[packages::BUILD, packages::LABORATORY])?;
    tools::ensure_rust_src(root)?;
    build_ebpf::ensure_linker(root)?;
    build_ebpf::run(root)?;
    process::run("building, optimised", cargo(root).args(["build", "--release", "--workspace", "--bins"]))?;
    let bench = root.join("target/release/bench");
    become_command("bench", command(root, &bench.to_string_lossy()).args(arguments))
}
