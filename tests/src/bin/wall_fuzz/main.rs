//! Random system calls against the wall: what an agent does that tries everything, for a minute.
//!
//! Run as an agent with a packet capture outside (`tests/tests/wall_fuzz.rs`), it must get nothing out; run as a bystander it
//! gets out all the time. Which calls are made, with which arguments, follows from `--seed`; results and the order between
//! threads and processes are the kernel's. All of it is bounded: processes, threads, sockets, memory and time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod board;
mod calls;
mod privileges;
mod sockets;
mod system;
mod targets;
mod worker;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use fastrand::Rng;

use board::Board;
use privileges::Identity;
use sockets::Exchange;

/// Processes whose threads share their sockets.
const CROWDS: u64 = 2;
/// Processes that fork: one thread each, as forking a crowd would copy its locks.
const PARENTS: u64 = 2;
/// For workers to see that it is over, before they are killed.
const GRACE: Duration = Duration::from_secs(1);

/// Makes random socket calls towards outside addresses and says how many of them the kernel let succeed.
#[derive(Parser)]
struct Arguments {
    /// What all random choices follow from; printed, so that a run can be made again. By default another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Who makes the calls: `nobody`, or `root` without the capabilities that lead around every socket hook.
    #[arg(long = "as", value_enum, default_value_t = Identity::Nobody)]
    identity: Identity,
    /// Where the last calls are written to at the end, one a line.
    #[arg(long)]
    trace: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("wall_fuzz --seed {seed} --seconds {} as {:?}", arguments.seconds, arguments.identity);
    // Before the privileges go.
    let mut trace = arguments.trace.as_ref().map(std::fs::File::create).transpose().context("--trace")?;
    let ends = system::catch_termination().context("signals")?;
    privileges::shed(arguments.identity)?;
    let board = Board::new().context("shared memory")?;
    let exchange = Exchange::new().context("a socket pair")?;
    let deadline = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut workers = Vec::new();
    for number in 0..CROWDS + PARENTS {
        let dice = Rng::with_seed(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let work = || if number < CROWDS { worker::crowd } else { worker::parent }(number, dice, &board, &exchange);
        workers.push(system::fork(work).context("fork")?);
    }
    system::await_termination(&ends, deadline);
    board.stop();
    system::end_all(&workers, GRACE);
    if let Some(trace) = &mut trace {
        trace.write_all(board.trace().as_bytes())?;
    }
    println!("{}", serde_json::json!({"seed": seed, "calls": board.tally()}));
    Ok(())
}
