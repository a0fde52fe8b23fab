//! `run`, seen from inside: what the command is, has, may and may not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::expect;
use crate::fake::{CA, Fake};
use crate::lab::{Lab, USER, cgroup2_mount};
use crate::probes::{CALLS, SOCKETS};

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

#[test]
fn the_exit_code_is_the_commands() {
    let lab = Lab::new();
    for code in [0, 1, 7, 255] {
        expect(code, &mut lab.run(&["--user", USER], &["sh", "-c", &format!("exit {code}")]));
    }
    let (_, stderr) = expect(127, &mut lab.run(&["--user", USER], &["no-such-command-here"]));
    assert!(stderr.contains("cannot execute no-such-command-here"), "{stderr}");
    expect(126, &mut lab.run(&["--user", USER], &["/etc/passwd"]));
}

#[test]
fn a_user_gets_its_cgroup_and_no_privilege() {
    let lab = Lab::new();
    let status = lab.as_user("cat /proc/self/status");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    assert_eq!(field(&status, "Seccomp"), "2");
    assert_eq!(field(&status, "Seccomp_filters"), "3");
    assert_eq!(field(&status, "Uid"), "65534\t65534\t65534\t65534");
    let cgroup = format!("0::/aegis-{}/a", lab.instance);
    // A child is where its parent is.
    assert!(lab.as_user("cat /proc/self/cgroup; sh -c 'cat /proc/self/cgroup'").matches(&cgroup).count() == 2);
    let (_, stderr) = expect(0, &mut lab.run(&["--user", USER], &["true"]));
    assert_eq!(stderr, "", "no warning where all is well");
}

#[test]
fn root_is_warned_and_loses_what_leads_out() {
    let lab = Lab::new();
    let (status, stderr) = expect(0, &mut lab.run(&[], &["cat", "/proc/self/status"]));
    assert!(stderr.contains("runs as root"), "{stderr}");
    // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, audit_write
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&status, set), "00000000200405fb", "{set}");
    }
    let out = cgroup2_mount().join("cgroup.procs");
    let leave = format!("echo $$ > {} && echo left; cat /proc/self/cgroup", out.display());
    let text = lab.as_root(&leave);
    assert!(!text.contains("left") && text.contains("/a\n"), "{text}");
    // Nor by a namespace in which it would be root over again, nor by mounting the hierarchy anew.
    expect(1, &mut lab.run(&[], &["unshare", "-U", "true"]));
    expect(1, &mut lab.run(&[], &["unshare", "-m", "true"]));
    let mounted = lab.as_root("mount -t cgroup2 none /mnt 2>/dev/null && echo mounted; true");
    assert_eq!(mounted, "");
}

#[test]
fn only_sockets_that_the_hooks_see() {
    let lab = Lab::new();
    for options in [&["--user", USER][..], &[]] {
        let seen = lab.python(options, SOCKETS);
        for allowed in ["inet", "inet6", "unix", "route"] {
            assert_eq!(seen[allowed], "ok", "{allowed}");
        }
        for denied in ["audit", "packet", "vsock", "alg"] {
            assert_eq!(seen[denied], "EAFNOSUPPORT", "{denied}");
        }
        assert_eq!(seen["raw"], "EPERM", "without CAP_NET_RAW");
        // Ordinary life goes on: threads, children, socket pairs, name resolution.
        assert_eq!((&seen["pair"], &seen["name"], &seen["child"]), (&json!(2), &json!(true), &json!(0)));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn system_calls_that_lead_around_are_denied() {
    let lab = Lab::new();
    for options in [&["--user", USER][..], &[]] {
        let seen = lab.python(options, CALLS);
        for denied in [
            "bpf",
            "ptrace",
            "pidfd_getfd",
            "process_vm_writev",
            "setns",
            "mount",
            "unshare_user",
            "unshare_net",
            "tiocsti",
            "tiocsti_high_bits",
        ] {
            assert_eq!(seen[denied], "EPERM", "{denied}");
        }
        for absent in ["io_uring_setup", "clone3"] {
            assert_eq!(seen[absent], "ENOSYS", "{absent}");
        }
        assert_eq!(seen["unshare_files"], "ok");
        assert_eq!(seen["tiocgwinsz"], "EBADF", "other ioctls come through");
        assert_eq!(seen["high_bits"], "EAFNOSUPPORT", "the kernel reads the lower half of the register only");
        assert_eq!(seen["x32"], 31, "killed by SIGSYS");
    }
}

#[test]
fn the_ca_is_trusted_through_the_environment_and_the_systems_store() {
    let lab = Lab::new();
    let store = "/etc/ssl/certs/ca-certificates.crt";
    let before = fs::read_to_string(store).unwrap();
    let mut run = lab.run(&["--user", USER], &["sh", "-c", &format!("env; echo; cat $SSL_CERT_FILE; cat {store}")]);
    let (text, _) = expect(0, run.env("SSL_CERT_DIR", "/etc/ssl/certs").env("AEGIS_TOKEN", "the caller's"));
    let bundle = format!("/run/aegisctl/{}/ca-bundle.pem", lab.instance);
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "AWS_CA_BUNDLE",
        "CARGO_HTTP_CAINFO",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    ] {
        assert!(text.contains(&format!("{name}={bundle}\n")), "{name}");
    }
    for name in ["NODE_EXTRA_CA_CERTS", "DENO_CERT"] {
        assert!(text.contains(&format!("{name}=/run/aegisctl/{}/aegis-ca.pem\n", lab.instance)), "{name}");
    }
    assert!(text.contains("AEGIS_AGENT=a\n") && text.contains("USER=nobody\n"));
    assert!(!text.contains("SSL_CERT_DIR") && !text.contains("AEGIS_TOKEN"));
    // Once in the file that the variables name, once in the system's own place.
    assert_eq!(text.matches(CA.trim()).count(), 2);
    assert_eq!(text.matches(before.trim()).count(), 2, "what the system trusts stays trusted");
    assert_eq!(fs::read_to_string(store).unwrap(), before, "the host's own store is not touched");
}

#[test]
fn java_trusts_the_ca_where_there_is_a_keytool() {
    let lab = Lab::new();
    let script = "echo \"$JAVA_TOOL_OPTIONS\"; keytool -list -storepass changeit -alias aegis -keystore \
                  /run/aegisctl/*/java-*.p12 2>/dev/null";
    let mut run = lab.run(&["--user", USER], &["sh", "-c", &script.replace("/*/", &format!("/{}/", lab.instance))]);
    run.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    if PathBuf::from("/usr/bin/keytool").exists() {
        // keytool is a Java program itself: so one has run confined, as a user who could read the store.
        let (text, _) = expect(0, &mut run);
        let option = format!("-Djavax.net.ssl.trustStore=/run/aegisctl/{}/java-", lab.instance);
        assert!(text.contains(&option) && text.contains("trustedCertEntry"), "{text}");
    } else {
        let (text, _) = expect(127, &mut run);
        assert_eq!(text, "\n", "no store, no option");
    }
}

#[test]
fn a_token_comes_by_the_environment() {
    let lab = Lab::new();
    let (stdout, _) = expect(0, &mut lab.run(&["--user", USER, "--token"], &["sh", "-c", "echo $AEGIS_TOKEN"]));
    assert_eq!(stdout, "a.b.c\n");
    assert_eq!(lab.fake.requests()[1].1, json!({"agent": "a"}));
}

#[test]
fn files_and_pipes_are_inherited_and_nothing_else() {
    let lab = Lab::new();
    let inner = lab.run(&["--user", USER], &["sh", "-c", "for fd in /proc/self/fd/*; do echo ${fd##*/}; done"]);
    let arguments: Vec<_> = inner.get_args().map(|argument| argument.to_owned()).collect();
    let code = r#"
import os, socket, sys
keep = [socket.socket(), os.open("/", os.O_RDONLY), os.open("/etc/passwd", os.O_RDONLY), os.open("/proc/self/status", os.O_RDONLY)]
for target, source in zip((71, 72, 73, 74), keep):
    os.dup2(source if isinstance(source, int) else source.fileno(), target, inheritable=True)
os.execv(sys.argv[1], sys.argv[1:])
"#;
    let mut outer = Command::new("/usr/bin/python3");
    outer.args(["-c", code]).arg(inner.get_program()).args(arguments).current_dir("/");
    outer.envs(inner.get_envs().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.to_owned()))));
    let (stdout, _) = expect(0, &mut outer);
    let open: Vec<&str> = stdout.lines().collect();
    assert!(open.contains(&"73"), "a plain file: {open:?}");
    for closed in ["71", "72", "74"] {
        assert!(!open.contains(&closed), "{closed} (socket, directory, /proc): {open:?}");
    }
}

#[test]
fn the_hierarchy_is_read_only_whoever_owns_it() {
    let lab = Lab::new();
    std::os::unix::fs::chown(lab.root.join("cgroup.procs"), Some(65_534), None).unwrap();
    let text = lab.as_user(&format!("echo $$ > {}/cgroup.procs; cat /proc/self/cgroup", lab.root.display()));
    assert!(text.contains("/a\n"), "{text}");
}

#[test]
fn the_kernels_switches_and_devices_are_out_of_reach() {
    let lab = Lab::new();
    let switches = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/core_pattern", "/sys/kernel/profiling"];
    let ask = format!("for file in {}; do test -w $file && echo $file; done; true", switches.join(" "));
    let (outside, _) = expect(0, Command::new("/bin/sh").args(["-c", &ask]));
    assert!(switches.iter().all(|switch| outside.contains(switch)), "root could write them: {outside}");
    assert_eq!(lab.as_root(&ask), "");
    for directory in ["/dev/net", "/dev/vfio", "/dev/infiniband"] {
        assert_eq!(lab.as_root(&format!("ls -A {directory} 2>/dev/null; true")), "");
    }
}

#[test]
fn files_are_moved_and_linked_as_ever() {
    let lab = Lab::new();
    let program = "import json, os, tempfile\n\
                   with tempfile.TemporaryDirectory() as top:\n\
                   \x20   os.mkdir(top + '/a'); os.mkdir(top + '/b'); open(top + '/a/f', 'w').close()\n\
                   \x20   os.rename(top + '/a/f', top + '/b/f'); os.link(top + '/b/f', top + '/a/g')\n\
                   \x20   print(json.dumps(os.listdir(top + '/a') + os.listdir(top + '/b')))";
    for options in [&["--user", USER][..], &[]] {
        assert_eq!(lab.python(options, program), json!(["g", "f"]));
    }
}

/// `aegisctl run` as a root that may not make namespaces, as in a container.
fn without_sys_admin(lab: &Lab, options: &[&str]) -> Command {
    let run = lab.run(options, &["echo", "started"]);
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--bounding-set", "-sys_admin"]).arg(run.get_program()).args(run.get_args()).current_dir("/");
    command.envs(run.get_envs().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.to_owned()))));
    command
}

#[test]
fn without_private_mounts_only_those_start_who_cannot_write_the_hierarchy() {
    let lab = Lab::new();
    let (stdout, stderr) = expect(0, &mut without_sys_admin(&lab, &["--user", USER]));
    assert!(stdout == "started\n" && stderr.contains("warning: no private mount namespace"), "{stderr}");
    let (stdout, stderr) = expect(1, &mut without_sys_admin(&lab, &[]));
    assert!(stdout.is_empty() && stderr.contains("make a private mount namespace"), "{stderr}");
    std::os::unix::fs::chown(lab.root.join("cgroup.procs"), Some(65_534), None).unwrap();
    let (stdout, stderr) = expect(1, &mut without_sys_admin(&lab, &["--user", USER]));
    assert!(stdout.is_empty() && stderr.contains("its user could write"), "{stderr}");
}

#[test]
fn what_cannot_be_confined_is_not_started() {
    let unknown = Fake::serve(&[]);
    let (stdout, stderr) = expect(1, &mut unknown.aegisctl(&["run", "--agent", "b", "--", "echo", "started"]));
    assert!(stderr.contains("next: aegisctl agents register b") && stdout.is_empty(), "{stderr}");

    let lab = Lab::new();
    let (stdout, stderr) = expect(1, &mut lab.run(&["--user", "no-such-user"], &["echo", "started"]));
    assert!(stderr.contains("there is no user") && stdout.is_empty(), "{stderr}");

    let info = json!({
        "agent": "a", "instance": lab.instance, "cgroup": "/tmp", "ca_certificate": "x", "ca_pem": CA, "proxy": [],
        "token": "ambient",
    });
    let elsewhere = Fake::serve(&[("GET /v1/run/a", 200, info)]);
    let mut run = elsewhere.aegisctl(&["run", "--agent", "a", "--user", USER, "--", "echo", "started"]);
    let (stdout, stderr) = expect(1, run.env("PATH", lab.tools.path()));
    assert!(stderr.contains("not started: join the cgroup /tmp") && stdout.is_empty(), "{stderr}");
}
