//! `cargo xtask demo`: the main job of Aegis, shown against a small internet in network namespaces.

use std::process::ExitCode;

fn main() -> ExitCode {
    match aegis_tests::demo::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
