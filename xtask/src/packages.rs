//! Debian packages, installed only when what they bring is missing.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, bail};

use crate::process::{command, is_installed, run_with_progress};

/// A package, and the file or program that shows that it is there.
pub struct Package {
    name: &'static str,
    shows: Shows,
}

enum Shows {
    Program(&'static str),
    File(&'static str),
    PythonModule(&'static str),
}

const fn program(name: &'static str, program: &'static str) -> Package {
    Package { name, shows: Shows::Program(program) }
}

const fn file(name: &'static str, path: &'static str) -> Package {
    Package { name, shows: Shows::File(path) }
}

/// What building needs beyond Rust itself.
pub const BUILD: &[Package] = &[
    program("gcc", "cc"),
    file("libc6-dev", "/usr/include/stdlib.h"),
    file("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
];

/// What the laboratory and the demo need.
pub const LABORATORY: &[Package] = &[
    program("iproute2", "ip"),
    program("curl", "curl"),
    file("python3", "/usr/bin/python3"),
    program("redis-server", "redis-server"),
];

/// The clients that the end-to-end tests drive.
pub const CLIENTS: &[Package] = &[
    program("git", "git"),
    Package { name: "python3-venv", shows: Shows::PythonModule("ensurepip") },
    program("golang-go", "go"),
    program("nodejs", "node"),
    program("nghttp2-client", "h2load"),
];

/// What Python packages of our own need.
pub const PYTHON_ENVIRONMENT: &[Package] = &[Package { name: "python3-venv", shows: Shows::PythonModule("ensurepip") }];

/// What the virtual machines of the kernel matrix need.
pub const VIRTUAL_MACHINES: &[Package] = &[
    program("qemu-system-x86", "qemu-system-x86_64"),
    program("busybox-static", "busybox"),
    program("xz-utils", "xz"),
    program("util-linux", "setpriv"),
];

/// Installs what is missing of `packages`; does nothing, and needs neither apt nor root, when nothing is.
pub fn ensure(root: &Path, packages: &[&[Package]]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .flat_map(|set| set.iter())
        .filter(|package| !present(root, package))
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_installed(root, "apt-get") {
        bail!("please install {}: this is not a Debian system, so it is not done for you", missing.join(", "));
    }
    run_with_progress("apt-get update", command(root, "apt-get").arg("update"))?;
    let mut install = command(root, "apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "--no-install-recommends"]).args(&missing);
    run_with_progress(&format!("apt-get install {}", missing.join(" ")), &mut install)
}

fn present(root: &Path, package: &Package) -> bool {
    match package.shows {
        Shows::Program(program) => is_installed(root, program),
        Shows::File(path) => Path::new(path).exists(),
        Shows::PythonModule(module) => command(root, "/usr/bin/python3")
            .args(["-c", &format!("import {module}")])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
    }
}
