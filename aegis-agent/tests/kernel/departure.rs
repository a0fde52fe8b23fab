//! Leaving: who is put out of its agent's cgroup is told of and ended, whoever did it and however.

use std::{
    fs,
    os::{fd::AsFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
};

use aegis_agent::kernel::{EventKind, EventStream, Kernel, KernelEvent, OnDeparture};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::lab::{Lab, PATIENCE, agent, eventually, first_line, lab, lines, python};

const SIGKILL: i32 = 9;

/// Waits to be moved, then goes on in the way that the script says.
const WAIT: &str = "print('there', flush=True)\nsys.stdin.readline()\n";

/// A child made in another cgroup: no file is opened for writing, nothing is moved.
const CLONE: &str = r#"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def clone_into(directory):
    arguments = (ctypes.c_uint64 * 11)()
    arguments[0], arguments[4] = 0x200000000, 17
    arguments[10] = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    child = libc.syscall(ctypes.c_long(435), arguments, ctypes.c_size_t(88))
    if child < 0: raise OSError(ctypes.get_errno(), 'clone3')
    return child
"#;

/// Next to the enforced root, with nobody's programs on it.
struct Elsewhere(PathBuf);

impl Elsewhere {
    fn new(lab: &Lab) -> Self {
        let mut name = lab.cfg.cgroup_root.clone().into_os_string();
        name.push("-elsewhere");
        fs::create_dir(&name).unwrap();
        Self(name.into())
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        eventually("the cgroup is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

fn put(process: &Child, into: &Path) {
    fs::write(into.join("cgroup.procs"), process.id().to_string()).unwrap();
}

/// The next departure; what else is told meanwhile does not matter here.
fn departure(runtime: &tokio::runtime::Runtime, events: &mut EventStream) -> KernelEvent {
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let event = events.next().await.unwrap();
                if event.kind == EventKind::Departed {
                    return event;
                }
            }
        })
        .await
        .expect("no departure was told")
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn ended(child: Child) -> (ExitStatus, String) {
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stdout).unwrap())
}

/// Whether BPF LSM makes the departure impossible to begin with.
fn is_impossible(kernel: &Kernel, guard: &str) -> bool {
    kernel.guards().into_iter().any(|status| status.name == guard && status.in_force)
}

#[test]
fn the_programs_that_see_departures_are_in_force() {
    lab(|lab| {
        let guards = lab.kernel().guards();
        let departure: Vec<_> = guards.iter().filter(|guard| guard.name.starts_with("departure_")).collect();
        assert_eq!(departure.len(), 3);
        assert!(departure.iter().all(|guard| guard.in_force), "{departure:?}");
        for guard in departure {
            assert!(lab.cfg.pin_dir.join("guards").join(&guard.name).exists());
        }
        assert!(lab.kernel().findings().iter().any(|finding| finding.ok && finding.detail.contains("departure_move")));
    });
}

#[test]
fn who_walks_out_dies_on_the_way() {
    lab(|lab| {
        let out = Elsewhere::new(lab);
        let script = format!(
            "attempt(lambda: open('{}/cgroup.procs', 'w').write('0'))\n{}",
            out.path(),
            "attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('10.9.0.1', 9)))"
        );
        if is_impossible(lab.kernel(), "lsm_file_open") {
            assert_eq!(lines(python(&lab.agent(3, &[]), &script, &[])), ["EPERM", "EPERM"]);
            assert_eq!(lab.kernel().counters().unwrap().departed, 0);
            return;
        }
        lab.restart(|cfg| cfg.on_departure = OnDeparture::Report);
        assert_eq!(lines(python(&lab.agent(3, &[]), &script, &[])), ["ok", "ok"], "the attack works");
        lab.restart(|cfg| cfg.on_departure = OnDeparture::Kill);
        let (status, printed) = ended(python(&lab.agent(3, &[]), &script, &[]));
        assert_eq!((status.signal(), printed.as_str()), (Some(SIGKILL), ""));
        assert_eq!(lab.kernel().counters().unwrap().departed, 2);
    });
}

#[test]
fn who_is_moved_out_is_told_of_and_ended() {
    lab(|lab| {
        let (out, cgroup) = (Elsewhere::new(lab), lab.agent(3, &[]));
        let runtime = runtime();
        let mut events = runtime.block_on(async { lab.kernel().events() }).unwrap();
        for (what, to) in [("outside", &out.0), ("nobody's", &lab.cfg.cgroup_root)] {
            let mut child = python(&cgroup, &format!("s = socket()\n{WAIT}s.connect(('10.9.0.1', 9))"), &[]);
            assert_eq!(first_line(&mut child), "there");
            put(&child, to);
            let told = departure(&runtime, &mut events);
            assert_eq!((told.agent, told.pid, told.comm.as_str()), (Some(agent(3)), child.id(), "python3"), "{what}");
            // Further on does not lead back.
            put(&child, &out.0);
            assert!(lab.kernel().end_departed(child.id()).unwrap());
            assert_eq!(ended(child).0.signal(), Some(SIGKILL), "{what}");
        }
        // The number alone is no reason.
        let mut bystander = python(&out.0, WAIT, &[]);
        assert_eq!(first_line(&mut bystander), "there");
        assert!(!lab.kernel().end_departed(bystander.id()).unwrap());
        drop(bystander.stdin.take());
        lines(bystander);
    });
}

#[test]
fn who_has_left_is_known_by_its_handle_whatever_becomes_of_it() {
    lab(|lab| {
        lab.restart(|cfg| cfg.on_departure = OnDeparture::Report);
        let (out, cgroup) = (Elsewhere::new(lab), lab.agent(3, &[]));
        let [mut leaves, mut stays] = [python(&cgroup, WAIT, &[]), python(&cgroup, WAIT, &[])];
        let mut stranger = python(&out.0, WAIT, &[]);
        for process in [&mut leaves, &mut stays, &mut stranger] {
            assert_eq!(first_line(process), "there");
        }
        put(&leaves, &out.0);
        let departed = |process: &Child| {
            let pid = Pid::from_raw(process.id().cast_signed()).unwrap();
            lab.kernel().has_departed(pidfd_open(pid, PidfdFlags::empty()).unwrap().as_fd()).unwrap()
        };
        assert_eq!([&leaves, &stays, &stranger].map(departed), [true, false, false]);
        for mut process in [leaves, stays, stranger] {
            drop(process.stdin.take());
            lines(process);
        }
    });
}

#[test]
fn who_was_moved_out_cannot_multiply() {
    lab(|lab| {
        let (out, cgroup) = (Elsewhere::new(lab), lab.agent(3, &[]));
        let runtime = runtime();
        let mut events = runtime.block_on(async { lab.kernel().events() }).unwrap();
        let thread = "import threading\ngate = threading.Event()\nt = threading.Thread(target=lambda: ({}))\n";
        let (fork, exec) =
            ("gate.wait(), os.fork() or time.sleep(60)", "gate.wait(), os.execvp('sleep', ['sleep', '60'])");
        let (fork, exec) = (thread.replace("{}", fork), thread.replace("{}", exec));
        let go = "gate.set(); time.sleep(60)";
        // What is done before the move, and after it; whether there is then somebody else to tell of.
        let table = [
            ("a fork", String::new(), "if os.fork() == 0: time.sleep(60)\ntime.sleep(60)".to_owned(), true),
            ("a thread's fork", format!("{fork}t.start()"), go.to_owned(), true),
            // The thread takes the place of the first one, with which the note went.
            ("an earlier thread's exec", format!("{exec}t.start()"), go.to_owned(), true),
            ("a later thread's exec", exec, format!("t.start(); {go}"), false),
        ];
        for (what, before, after, another) in table {
            let mut child = python(&cgroup, &format!("{before}\n{WAIT}{after}"), &[]);
            assert_eq!(first_line(&mut child), "there");
            put(&child, &out.0);
            assert_eq!(departure(&runtime, &mut events).pid, child.id(), "{what}");
            drop(child.stdin.take());
            if another {
                let second = departure(&runtime, &mut events);
                assert_eq!(second.agent, Some(agent(3)), "{what}");
                // A child has its parent's output open: it ends first.
                if second.pid != child.id() {
                    assert!(lab.kernel().end_departed(second.pid).unwrap(), "{what}");
                }
            }
            assert_eq!(ended(child).0.signal(), Some(SIGKILL), "{what}");
        }
    });
}

#[test]
fn a_child_that_begins_outside_is_ended() {
    lab(|lab| {
        let (out, cgroup) = (Elsewhere::new(lab), lab.agent(3, &[]));
        let script = format!("{CLONE}\nattempt(lambda: clone_into('{}') or time.sleep(60))", out.path());
        if is_impossible(lab.kernel(), "lsm_task_alloc") {
            assert_eq!(lines(python(&cgroup, &script, &[])), ["EPERM"]);
            return;
        }
        let runtime = runtime();
        let mut events = runtime.block_on(async { lab.kernel().events() }).unwrap();
        let child = python(&cgroup, &script, &[]);
        let told = departure(&runtime, &mut events);
        assert_eq!(told.agent, Some(agent(3)));
        assert_ne!(told.pid, child.id());
        assert!(lab.kernel().end_departed(told.pid).unwrap());
        assert_eq!(lines(child), ["ok"]);
        eventually("nobody is left outside", || {
            fs::read_to_string(out.0.join("cgroup.procs")).unwrap().lines().next().is_none()
        });
    });
}

#[test]
fn who_stays_or_is_let_go_is_left_alone() {
    lab(|lab| {
        let out = Elsewhere::new(lab);
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let within = one.join("session");
        fs::create_dir(&within).unwrap();
        // By itself, below its own cgroup.
        let own = format!("open('{}/cgroup.procs', 'w').write('0')", within.display());
        assert_eq!(lines(python(&one, &format!("attempt(lambda: {own})"), &[])), ["ok"]);
        // By the host's administration: to another agent, and out, once it is no agent any more.
        let mut child = python(&one, WAIT, &[]);
        assert_eq!(first_line(&mut child), "there");
        put(&child, &two);
        lab.kernel().withdraw(agent(2)).unwrap();
        put(&child, &out.0);
        drop(child.stdin.take());
        lines(child);
        assert_eq!(lab.kernel().counters().unwrap().departed, 0);
    });
}

#[test]
fn one_agent_does_not_move_into_another() {
    lab(|lab| {
        let (one, two) = (lab.agent(1, &[]), lab.agent(2, &[]));
        let script = format!("attempt(lambda: open('{}/cgroup.procs', 'w').write('0'))", two.display());
        if is_impossible(lab.kernel(), "lsm_file_open") {
            assert_eq!(lines(python(&one, &script, &[])), ["EPERM"]);
            return;
        }
        assert_eq!(ended(python(&one, &script, &[])).0.signal(), Some(SIGKILL));
    });
}

#[test]
fn who_was_there_before_the_programs_is_seen_too() {
    lab(|lab| {
        let (out, cgroup) = (Elsewhere::new(lab), lab.agent(3, &[]));
        drop(lab.kernel.take());
        Kernel::detach(&lab.cfg.pin_dir).unwrap();
        let mut early = python(&cgroup, WAIT, &[]);
        assert_eq!(first_line(&mut early), "there");
        lab.restart(|_| {});
        lab.agent(3, &[]);
        let runtime = runtime();
        let mut events = runtime.block_on(async { lab.kernel().events() }).unwrap();
        put(&early, &out.0);
        assert_eq!(departure(&runtime, &mut events).agent, Some(agent(3)));
        assert!(lab.kernel().end_departed(early.id()).unwrap());
        assert_eq!(ended(early).0.signal(), Some(SIGKILL));
    });
}
