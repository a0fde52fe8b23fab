//! A minute of random system calls as an agent, as an ordinary user and as root: not one packet of it outside.
//!
//! The policy denies everything, so Aegis has nothing to send either: what the capture sees is the kernel finding its
//! neighbours, or a leak. To make a failing run again: `AEGIS_FUZZ_SEED=N cargo xtask test -- wall_fuzz`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::{binary, wait_for};
use aegis_tests::{AGENT, AgentCommand, Background, Daemon, Lab, Outcome, Packet, Protocol, Running, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Another one for each run would find more, and blame changes that did nothing: so CI has this one.
const SEED: u64 = 11;
const SECONDS: u64 = 60;
/// Calls that succeed each at least this often in a minute, also on a busy machine.
const REACHED: &[(&str, u64)] = &[
    ("socket", 4000),
    ("bind", 200),
    ("connect", 2000),
    ("connect(AF_UNSPEC)", 1000),
    ("listen", 500),
    ("accept", 3),
    ("shutdown", 200),
    ("dup", 1000),
    ("dup2", 500),
    ("getpeername", 200),
    ("send", 400),
    ("sendto", 500),
    ("sendmsg", 300),
    ("sendmmsg", 200),
    ("recv", 40),
    ("splice", 100),
    ("sendfile", 100),
    ("setsockopt", 2000),
    ("getsockopt", 300),
    ("sendmsg(SCM_RIGHTS)", 600),
    ("recvmsg(SCM_RIGHTS)", 600),
    ("io_uring socket", 300),
    ("io_uring connect", 100),
    ("io_uring send", 100),
    ("io_uring sendmsg", 10),
    ("fork", 100),
];

fn seed() -> u64 {
    std::env::var("AEGIS_FUZZ_SEED").ok().map_or(SEED, |seed| seed.parse().unwrap())
}

/// Starts the fuzzer; what its identity is, it sees to itself.
fn fuzz(command: AgentCommand<'_>, lab: &Lab, identity: &str, seed: u64, seconds: u64) -> Running {
    let program = binary("wall_fuzz").unwrap();
    let (seed, seconds) = (seed.to_string(), seconds.to_string());
    let trace = trace(lab, identity).to_string_lossy().into_owned();
    let program = program.to_string_lossy();
    let command = command.limit(Duration::from_secs(SECONDS + 30));
    command.start(&[&*program, "--seed", &seed, "--seconds", &seconds, "--as", identity, "--trace", &trace]).unwrap()
}

/// Asks it to end, which it does with its trace written.
fn end(fuzzer: &Running) {
    let _ = kill(Pid::from_raw(i32::try_from(fuzzer.pid()).unwrap()), Signal::SIGTERM);
}

fn trace(lab: &Lab, identity: &str) -> std::path::PathBuf {
    lab.path(&format!("{identity}.trace"))
}

/// How often each kind of call succeeded.
fn tally(outcome: &Outcome) -> Value {
    assert!(outcome.ok(), "{outcome:?}");
    serde_json::from_str::<Value>(&outcome.stdout).unwrap()["calls"].take()
}

#[test]
fn no_random_system_call_gets_a_packet_out() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings { policy: None, ..Settings::default() }).unwrap();
    let background = Background::of(&lab).unwrap();
    let identities = ["nobody", "root"];
    let seeds = [seed(), seed() + 1];
    let start = |(identity, seed)| fuzz(lab.raw(AGENT), &lab, identity, seed, SECONDS);
    let mut fuzzers: Vec<Running> = identities.into_iter().zip(seeds).map(start).collect();
    let foreign = || foreign_to(&background, &lab);
    // A leak ends the run at once, while the call that made it is still in the trace.
    wait_for(Duration::from_secs(SECONDS + 20), || {
        let over = fuzzers.iter_mut().any(|fuzzer| !fuzzer.running());
        (over || !foreign().is_empty()).then_some(())
    });
    if !foreign().is_empty() {
        fuzzers.iter().for_each(end);
    }
    let outcomes: Vec<Outcome> = fuzzers.into_iter().map(|fuzzer| fuzzer.finish().unwrap()).collect();
    lab.settle().unwrap();
    let foreign = foreign();
    if !foreign.is_empty() {
        let kept = keep_traces(&lab, &identities);
        let first: Vec<String> = foreign.iter().take(20).map(Packet::to_string).collect();
        panic!("{} packets got out with --seed {seeds:?}: {first:#?}\ncalls: {kept}", foreign.len());
    }
    for outcome in &outcomes {
        let tally = tally(outcome);
        for (call, least) in REACHED {
            assert!(tally[call]["ok"].as_u64() >= Some(*least), "{call} succeeded too seldom: {tally:#}");
        }
    }
    assert!(lab.internet.queries.all().is_empty() && lab.internet.requests.all().is_empty());
    let counters = &daemon.status().unwrap()["kernel"]["counters"];
    println!("seeds {seeds:?}; counters: {counters:#}");
    for counter in ["redirected", "redirected_dns", "denied_udp", "denied_socket"] {
        assert!(counters[counter].as_u64() > Some(100), "{counter} in {counters:#}");
    }
    drop(daemon);
}

#[test]
fn the_same_random_system_calls_of_a_bystander_get_out() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings { policy: None, ..Settings::default() }).unwrap();
    let background = Background::of(&lab).unwrap();
    let outcome = fuzz(lab.bystander(), &lab, "nobody", seed(), 3).finish().unwrap();
    lab.settle().unwrap();
    let foreign = foreign_to(&background, &lab);
    let count = |wanted: &dyn Fn(&Packet) -> bool| foreign.iter().filter(|packet| wanted(packet)).count();
    let of = |protocol: Protocol| count(&|packet| packet.protocol == protocol);
    assert!(of(Protocol::Tcp) > 100 && of(Protocol::Udp) > 100, "{} packets: {outcome:?}", foreign.len());
    assert!(count(&|packet| packet.contains(b"wall-fuzz")) > 100, "{} packets: {outcome:?}", foreign.len());
    drop(daemon);
}

/// What somebody must have sent.
fn foreign_to(background: &Background, lab: &Lab) -> Vec<Packet> {
    lab.internet.capture.matching(|packet| !background.has(packet))
}

/// Puts the traces where they outlive the laboratory, and says where.
fn keep_traces(lab: &Lab, identities: &[&str]) -> String {
    let kept = identities.iter().map(|identity| {
        let path = std::env::temp_dir().join(format!("wall-fuzz-{}-{identity}.trace", seed()));
        std::fs::copy(trace(lab, identity), &path)
            .map_or_else(|error| error.to_string(), |_| path.display().to_string())
    });
    kept.collect::<Vec<_>>().join(", ")
}
