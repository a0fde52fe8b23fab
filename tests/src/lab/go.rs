//! Agents in Go, built by us: only the program is the agent.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Lab;

impl Lab {
    /// Builds `program`, a `package main` on the standard library alone, in a cache that later runs share.
    pub fn go(&self, program: &str) -> Result<PathBuf> {
        let directory = self.path("go");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("main.go"), program)?;
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/go-cache");
        let built = Command::new("go")
            .args(["build", "-o", "client", "main.go"])
            .current_dir(&directory)
            .env("GOCACHE", &cache)
            .env("GO111MODULE", "off")
            .output()
            .context("go is missing: run `cargo xtask test`")?;
        ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Ok(directory.join("client"))
    }
}
