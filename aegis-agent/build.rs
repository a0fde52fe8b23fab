//! Builds the kernel programs and puts the object where `kernel/load.rs` embeds it from.

#[path = "../aegis-ebpf/build_object.rs"]
mod build_object;

use std::{env, fs, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    for input in ["src", "Cargo.toml", "Cargo.lock", "build_object.rs"] {
        println!("cargo::rerun-if-changed=../aegis-ebpf/{input}");
    }
    println!("cargo::rerun-if-changed=../aegis-common/src");
    println!("cargo::rerun-if-changed=../target/tools/bin/bpf-linker");
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            for line in problem.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let variable =
        |name: &str| env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set: run this by cargo"));
    let root = variable("CARGO_MANIFEST_DIR")?.join("..");
    let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
    let object = build_object::build(&root)?;
    let embedded = variable("OUT_DIR")?.join("aegis-ebpf");
    fs::copy(&object, &embedded).map_err(|error| format!("cannot copy {}: {error}", object.display()))?;
    Ok(())
}
