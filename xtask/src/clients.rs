//! The Python clients of the end-to-end tests, in a virtual environment below `target/`.

use std::path::Path;

use anyhow::Result;

use crate::process::{command, run_with_progress};

/// Pinned: a client's new version is tried on purpose, not on the day on which it comes out.
const PYTHON: &[&str] = &[
    "requests==2.34.2",
    "httpx[http2]==0.28.1",
    "h2==4.4.1",
    "openai==3.54.0",
    "aioquic==1.7.2",
    "regopy==1.5.2",
    "pyjwt[crypto]==2.15.1",
    "websockets==17.4",
    "grpcio==1.85.1",
    "mcp==2.3.0",
    "starlette==1.10.0",
    "uvicorn==0.54.0",
    "anthropic==2.12.0",
];

/// Makes `target/test-env` with all of [`PYTHON`], unless it is complete already.
pub fn ensure(root: &Path) -> Result<()> {
    let environment = root.join("target/test-env");
    let complete = environment.join("complete");
    // The list itself is the mark: a changed list is installed.
    let wanted = PYTHON.join("\n");
    if std::fs::read_to_string(&complete).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    let mut make = command(root, "/usr/bin/python3");
    run_with_progress("python3 -m venv target/test-env", make.args(["-m", "venv"]).arg(&environment))?;
    let pip = environment.join("bin/pip");
    let mut install = command(root, &pip.to_string_lossy());
    run_with_progress("pip install, for the client tests", install.args(["install", "--quiet"]).args(PYTHON))?;
    std::fs::write(complete, wanted)?;
    Ok(())
}
