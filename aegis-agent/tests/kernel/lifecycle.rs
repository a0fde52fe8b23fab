//! Starting, going away and coming back: enforcement does not stop.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use aegis_agent::kernel::{Kernel, KernelConfig, KernelError, preflight};
use aegis_common::{Meta, map_name};
use aya::maps::{Array, Map, MapData};

use crate::lab::{MAPS, agent, eventually, first_line, lab, lines, python};

const PROGRAMS: [&str; 15] = [
    "bind4",
    "bind6",
    "connect4",
    "connect6",
    "egress",
    "getpeername4",
    "getpeername6",
    "recvmsg4",
    "recvmsg6",
    "sendmsg4",
    "sendmsg6",
    "setsockopt",
    "sock_create",
    "sock_ops",
    "sock_release",
];

#[test]
fn every_program_is_attached_and_pinned() {
    lab(|lab| {
        let hooks = lab.kernel().hooks();
        let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
        assert_eq!(names, PROGRAMS);
        assert!(hooks.iter().all(|hook| hook.attached && hook.pinned), "{hooks:?}");
    });
}

#[test]
fn enforcement_and_enrolments_survive_the_daemon() {
    lab(|lab| {
        let cgroup = lab.agent(4, &[]);
        let connect = "create_connection(('192.0.2.1', 443)).recv(1)";
        // A socket from before, kept over the restart.
        let old = python(
            &cgroup,
            &format!(
                "s = socket()\nprint('made', flush=True)\nsys.stdin.readline()\n{}",
                "s.connect(('192.0.2.1', 444)); s.recv(1)"
            ),
            &[],
        );
        drop(lab.kernel.take());
        let child =
            python(&cgroup, "s = socket(AF_INET, SOCK_DGRAM); attempt(lambda: s.sendto(b'x', ('192.0.2.1', 9)))", &[]);
        assert_eq!(lines(child), ["EPERM"], "without a daemon");
        lab.kernel = Some(Kernel::attach(&lab.cfg).unwrap());
        assert!(lab.kernel().hooks().iter().all(|hook| hook.attached && hook.pinned));
        let child = python(&cgroup, connect, &[]);
        let (stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().agent, agent(4), "enrolled before the restart");
        drop(stream);
        lines(child);
        let mut old = old;
        drop(old.stdin.take());
        let (stream, record) = lab.accept(&lab.proxy_v4);
        assert_eq!(record.unwrap().original, "192.0.2.1:444".parse().unwrap(), "a socket from before");
        drop(stream);
        lines(old);
    });
}

#[test]
fn a_restart_leaves_no_gap() {
    lab(|lab| {
        let cgroup = lab.agent(4, &[]);
        let script = r#"
s = socket(AF_INET, SOCK_DGRAM)
print('begun', flush=True)
sent = 0
end = time.time() + 2
while time.time() < end:
    try:
        s.sendto(b'x', ('10.9.0.1', 9))
        sent += 1
    except PermissionError: pass
print(sent)
"#;
        let child = python(&cgroup, script, &[]);
        for _ in 0..5 {
            lab.kernel = Some(Kernel::attach(&lab.cfg).unwrap());
        }
        assert_eq!(lines(child), ["begun", "0"]);
    });
}

#[test]
fn detaching_removes_everything() {
    lab(|lab| {
        let cgroup = lab.agent(4, &[]);
        drop(lab.kernel.take());
        Kernel::detach(&lab.cfg.pin_dir).unwrap();
        assert!(!lab.cfg.pin_dir.exists());
        Kernel::detach(&lab.cfg.pin_dir).unwrap();
        let free = "attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('10.9.0.1', 9)))";
        assert_eq!(lines(python(&cgroup, free, &[])), ["ok"]);
    });
}

#[test]
fn what_cannot_be_adopted_is_refused_with_the_way_out() {
    lab(|lab| {
        let elsewhere = KernelConfig { cgroup_root: lab.cfg.cgroup_root.join("sub"), ..lab.cfg.clone() };
        let refused = Kernel::attach(&elsewhere).err().unwrap();
        assert!(matches!(refused, KernelError::ForeignRoot { .. }), "{refused}");
        let pin = lab.cfg.pin_dir.join(MAPS).join(map_name::META);
        let map = Map::from_map_data(MapData::from_pin(&pin).unwrap()).unwrap();
        let mut meta: Array<_, Meta> = map.try_into().unwrap();
        let current = meta.get(&0, 0).unwrap();
        meta.set(0, Meta { abi_version: current.abi_version + 1, ..current }, 0).unwrap();
        let refused = Kernel::attach(&lab.cfg).err().unwrap();
        assert!(matches!(refused, KernelError::ForeignPins { .. }), "{refused}");
        fs::remove_file(&pin).unwrap();
        let refused = Kernel::attach(&lab.cfg).err().unwrap();
        assert!(refused.to_string().contains("aegis-agent --detach"), "{refused}");
    });
}

#[test]
fn a_machine_that_cannot_enforce_is_told_in_one_line() {
    lab(|lab| {
        let table = [
            (KernelConfig { pin_dir: "/tmp/aegis-no-bpffs".into(), ..lab.cfg.clone() }, "mount -t bpf bpf"),
            (
                KernelConfig { cgroup_root: "/tmp/aegis-no-cgroup".into(), ..lab.cfg.clone() },
                "below the cgroup v2 mount",
            ),
            (
                KernelConfig { cgroup_root: lab.cfg.cgroup_root.parent().unwrap().into(), ..lab.cfg.clone() },
                "of Aegis' own",
            ),
        ];
        for (cfg, part) in table {
            let line = Kernel::attach(&cfg).err().unwrap().to_string();
            assert!(line.contains(part) && line.contains("fix: ") && !line.contains('\n'), "{line}");
        }
        let findings = preflight::check(&lab.cfg);
        assert!(findings.iter().all(|finding| finding.ok || !finding.required), "{findings:?}");
        assert!(findings.iter().all(|finding| finding.ok == finding.fix.is_none()));
    });
}

#[test]
fn the_programs_can_log() {
    lab(|lab| {
        let cgroup = lab.agent(4, &[]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cfg = KernelConfig { log: true, ..lab.cfg.clone() };
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone());
        let subscriber = subscriber.with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            lab.kernel = Some(runtime.block_on(async { Kernel::attach(&cfg) }).unwrap());
            let send = "attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9)))";
            assert_eq!(lines(python(&cgroup, send, &[])), ["EPERM"]);
            eventually("the refusal is logged", || {
                runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
                let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
                text.contains("aegis_ebpf") && text.contains("agent 4") && text.contains("protocol 17 port 9")
            });
        });
    });
}

/// Collects what the subscriber writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn programs_of_an_earlier_version_go_when_the_daemon_comes() {
    lab(|lab| {
        let links = lab.cfg.pin_dir.join("links");
        fs::rename(links.join("bind4"), links.join("of_an_earlier_version")).unwrap();
        lab.kernel = Some(Kernel::attach(&lab.cfg).unwrap());
        assert!(!links.join("of_an_earlier_version").exists());
        assert!(lab.kernel().hooks().iter().all(|hook| hook.attached && hook.pinned));
    });
}

#[test]
fn a_new_version_of_the_maps_takes_over_without_a_gap() {
    lab(|lab| {
        let cgroup = lab.agent(4, &[]);
        let script = r#"
s = socket(AF_INET, SOCK_DGRAM)
print('begun', flush=True)
sent = 0
while not sys.stdin in __import__('select').select([sys.stdin], [], [], 0)[0]:
    for make in (lambda: s, lambda: socket(AF_INET, SOCK_DGRAM)):
        try:
            make().sendto(b'x', ('10.9.0.1', 9))
            sent += 1
        except PermissionError: pass
print(sent)
"#;
        let mut child = python(&cgroup, script, &[]);
        assert_eq!(first_line(&mut child), "begun");
        for older in ["maps", "maps-1"] {
            fs::rename(lab.cfg.pin_dir.join(MAPS), lab.cfg.pin_dir.join(older)).unwrap();
            lab.kernel = Some(Kernel::attach(&lab.cfg).unwrap());
            assert!(!lab.cfg.pin_dir.join(older).exists());
            assert!(lab.kernel().hooks().iter().all(|hook| hook.attached && hook.pinned));
        }
        drop(child.stdin.take());
        assert_eq!(lines(child), ["0"]);
        // Nobody is enrolled in the new maps until the daemon says so.
        let free = "attempt(lambda: socket())";
        assert_eq!(lines(python(&cgroup, free, &[])), ["EPERM"]);
        lab.agent(4, &[]);
        assert_eq!(lines(python(&cgroup, free, &[])), ["ok"]);
    });
}
