//! `cargo xtask test --kernel VERSION`: the kernel tests on Debian's cloud kernels, each in a virtual machine of its own.
//!
//! QEMU emulates the machine, so that neither KVM nor another kernel on this host is needed. The guest's root file
//! system is an initramfs with the very test programs that `cargo build` made here, so nothing is built twice.

mod boot;
mod initramfs;
mod kernels;
mod modules;
mod plan;
mod report;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use self::{
    boot::Machine,
    kernels::Kernel,
    plan::{Extent, Plan},
    report::Report,
};
use crate::{packages, process::require_root};

/// What plain `cargo xtask test` runs: the oldest kernel that is supported and the newest that Debian 12 has, each with
/// and without BPF LSM. All tests run on the one with least, since all run on the host's own newer kernel too; on the others
/// those that differ by kernel, the core.
const MATRIX: &[(&str, bool, Extent)] = &[
    ("6.1", false, Extent::Full),
    ("6.12", true, Extent::Core),
    ("6.1", true, Extent::Core),
    ("6.12", false, Extent::Core),
];

/// What shall run.
pub struct Selection {
    /// Versions such as `6.12`, whether with BPF LSM, and how much.
    machines: Vec<(String, bool, Extent)>,
    /// Only tests whose name contains one of these; all when empty.
    names: Vec<String>,
}

impl Selection {
    /// The whole matrix.
    pub fn matrix() -> Self {
        let machines = MATRIX.iter().map(|(version, lsm, extent)| ((*version).to_owned(), *lsm, *extent));
        Self { machines: machines.collect(), names: Vec::new() }
    }

    /// All tests, or those with these names, on these kernels; with BPF LSM, without, or (`None`) both.
    pub fn chosen(kernels: &[String], lsm: Option<bool>, names: &[String]) -> Self {
        let ways = lsm.map_or(vec![false, true], |one| vec![one]);
        let machines = kernels.iter().flat_map(|version| ways.iter().map(|lsm| (version.clone(), *lsm, Extent::Full)));
        Self { machines: machines.collect(), names: names.to_vec() }
    }
}

/// Installs QEMU and what else the virtual machines need.
///
/// # Errors
/// When apt has none, or this is no Debian system.
pub fn prepare(root: &Path) -> Result<()> {
    packages::ensure(root, &[packages::BUILD, packages::LABORATORY, packages::VIRTUAL_MACHINES])
}

/// Runs the selected tests in every selected machine.
///
/// # Errors
/// When a test fails in any of them, or a machine does not report about each test in time.
pub fn run(root: &Path, selection: &Selection) -> Result<()> {
    require_root("building an initramfs with the host's programs")?;
    ensure!(
        std::env::consts::ARCH == "x86_64",
        "the kernel matrix is made of Debian's amd64 kernels; run it on x86_64"
    );
    let directory = root.join("target/vm");
    let plan = Plan::make(root, &selection.names)?;
    let mut kernels = BTreeMap::new();
    for (version, ..) in &selection.machines {
        if !kernels.contains_key(version) {
            let kernel = Kernel::obtain(root, &directory, version)?;
            let initramfs = initramfs::build(root, &directory, &kernel, &plan)?;
            kernels.insert(version, (kernel, initramfs));
        }
    }
    let machine = |(version, lsm, extent): &(String, bool, Extent)| {
        let (kernel, initramfs) = kernels.get(version)?;
        Some(Machine::new(kernel, initramfs, &directory, *lsm, *extent))
    };
    run_machines(selection.machines.iter().filter_map(machine).collect(), &plan)
}

/// As many machines at a time as there are processors: each keeps about one busy.
fn run_machines(machines: VecDeque<Machine>, plan: &Plan) -> Result<()> {
    let began = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(machines.len());
    let count = machines.len();
    eprintln!("\n── {count} virtual machines, {workers} at a time");
    let screen = MultiProgress::new();
    let queue = Mutex::new(machines);
    let failed = Mutex::new(Vec::new());
    let next = || queue.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(machine) = next() {
                    let passed = run_machine(&machine, plan, &screen);
                    if !passed && let Ok(mut failed) = failed.lock() {
                        failed.push(machine.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    if !failed.is_empty() {
        bail!("the kernel tests failed on {}", failed.join(" and on "));
    }
    eprintln!("── {count} virtual machines: done in {:.0?}", began.elapsed());
    Ok(())
}

/// Boots one machine, shows how it goes, and says in one line how it went; what failed follows it.
fn run_machine(machine: &Machine, plan: &Plan, screen: &MultiProgress) -> bool {
    let tests = plan.tests(machine.extent);
    let bar = screen.add(progress_bar(&machine.name, tests.len()));
    let began = Instant::now();
    let mut report = Report::default();
    let ended = machine.run(|line| {
        report.read(line);
        bar.set_position(report.ended() as u64);
        bar.set_message(report.running().to_owned());
    });
    bar.finish_and_clear();
    let verdict = report.verdict(&tests, ended.err());
    let summary = format!("kernel {}: {} in {:.0?}", machine.name, verdict.summary(), began.elapsed());
    screen.suspend(|| {
        eprintln!("{summary}");
        eprint!("{verdict}");
        if verdict.is_broken() {
            eprintln!("the end of the console, {}:\n{}", machine.console.display(), machine.console_tail());
        }
    });
    verdict.passed()
}

fn progress_bar(name: &str, tests: usize) -> ProgressBar {
    let bar = ProgressBar::new(tests as u64).with_prefix(name.to_owned()).with_message("booting");
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {pos}/{len} [{elapsed}] {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
