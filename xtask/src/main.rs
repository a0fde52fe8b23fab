//! The project's own commands: `cargo xtask demo`, `cargo xtask test` and the steps that they are made of.
//!
//! Whatever a command needs is installed first: Debian packages by apt, tools of Rust below `target/tools`. So a
//! machine with nothing but Rust from rustup is enough.

mod bench;
mod build_ebpf;
mod clients;
mod demo;
mod packages;
mod process;
mod test;
mod tidy;
mod tools;
mod vm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the main job of Aegis against a small internet in network namespaces (root)
    Demo,
    /// Checks and tests everything, as CI does (root, unless --quick)
    ///
    /// With --kernel, only the kernel tests, each kernel in a virtual machine (QEMU, no KVM needed), with and without
    /// BPF LSM: `cargo xtask test --kernel 6.12 --lsm on -- NAME`.
    Test(test::Selection),
    /// Checks what the compiler does not: direction of crates, file sizes, links, the threat table
    Tidy,
    /// Builds the kernel part
    BuildEbpf,
    /// Measures Aegis against the direct way (root)
    Bench {
        /// Passed on to the benchmark, such as --quick or --page docs/performance.md; `-- --help` tells the others
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let root = root();
    let done = match Arguments::parse().command {
        Command::Demo => demo::run(&root),
        Command::Test(selection) => test::run(&root, &selection),
        Command::Tidy => tidy::run(&root),
        Command::BuildEbpf => build_ebpf::run(&root).map(|object| println!("{}", object.display())),
        Command::Bench { arguments } => bench::run(&root, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's directory.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
