//! `run`, seen from inside: what is out of sight because it leads past the hooks, and what stays in sight.

use std::process::Command;

use crate::expect;
use crate::lab::{Lab, USER};

/// Runs a command, through `aegisctl run` or as it is, on a `/run` of the test's own in a mount namespace of its own, after
/// a script has made it; the machine's stays as it is. A command that waits for ever ends after half a minute.
fn on_own_run(lab: &Lab, script: &str, options: Option<&[&str]>, command: &str) -> Command {
    let run = lab.run(options.unwrap_or_default(), &["sh", "-c", command]);
    let mut outer = Command::new("/usr/bin/timeout");
    let script = format!("mount -t tmpfs -o mode=0755 tmpfs /run && {script} && exec \"$@\"");
    outer.args(["30", "/usr/bin/unshare", "-m", "/bin/sh", "-c", &script, "sh"]).current_dir("/");
    outer.envs(run.get_envs().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.to_owned()))));
    outer.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    if options.is_some() {
        outer.arg(run.get_program()).args(run.get_args());
    } else {
        outer.args(["/bin/sh", "-c", command]);
    }
    outer
}

const HELPERS: &str = "/run/user/65534/bus /run/dbus/system_bus_socket /run/docker.sock /run/unheard-of/socket";

#[test]
fn sockets_of_helpers_that_start_processes_are_out_of_reach() {
    let lab = Lab::new();
    let make = format!(
        "mkdir -p /run/user/65534 /run/dbus /run/unheard-of && echo reached | tee {HELPERS} > /dev/null && cd /run/dbus"
    );
    // By their names, and from a working directory beside them.
    let look = format!("cat {HELPERS} system_bus_socket ../docker.sock; ls -A /run; true");
    let (outside, _) = expect(0, &mut on_own_run(&lab, &make, None, &look));
    assert_eq!(outside.matches("reached\n").count(), 6, "{outside}");
    for options in [&["--user", USER][..], &[]] {
        let (inside, _) = expect(0, &mut on_own_run(&lab, &make, Some(options), &look));
        assert_eq!(inside, "aegisctl\nlock\n");
    }
}

#[test]
fn helpers_that_start_or_restart_later_are_out_of_reach_too() {
    let lab = Lab::new();
    let place = lab.tools.path().display().to_string();
    // What systemd does at a restart: the directory of the service goes and comes anew, and so does a socket.
    let restart = "rm -r /run/dbus /run/docker.sock; mkdir /run/dbus /run/late /run/mounted; \
                   mount -t tmpfs tmpfs /run/mounted; \
                   echo reached | tee /run/dbus/socket /run/docker.sock /run/late/socket > /run/mounted/socket";
    let make = format!(
        "mount --make-shared /run && mkdir /run/dbus && echo before | tee /run/dbus/socket > /run/docker.sock && \
         rm -f {place}/looked {place}/restarted && mkfifo -m 666 {place}/looked {place}/restarted && \
         {{ {{ read line < {place}/looked; {restart}; echo > {place}/restarted; }} & }}"
    );
    let look = format!(
        "cat /run/dbus/socket /run/docker.sock; echo > {place}/looked; read line < {place}/restarted; \
         cat /run/dbus/socket /run/docker.sock /run/late/socket /run/mounted/socket; true"
    );
    let (outside, _) = expect(0, &mut on_own_run(&lab, &make, None, &look));
    assert_eq!(outside, format!("{}{}", "before\n".repeat(2), "reached\n".repeat(4)));
    for options in [&["--user", USER][..], &[]] {
        let (inside, _) = expect(0, &mut on_own_run(&lab, &make, Some(options), &look));
        assert_eq!(inside, "");
    }
}

#[test]
fn what_a_program_needs_of_run_stays() {
    let lab = Lab::new();
    let daemon = lab.fake.directory().display().to_string();
    // An /etc of the test's own, whose resolv.conf is a link as systemd-resolved makes it.
    let make = format!(
        "mount -t tmpfs tmpfs /mnt && cp -a /etc/. /mnt && \
         ln -sfn ../run/systemd/resolve/stub-resolv.conf /mnt/resolv.conf && mount --bind /mnt /etc && \
         mkdir -p /run/systemd/resolve /run/aegis && echo nameserver 192.0.2.53 > /run/systemd/resolve/stub-resolv.conf && \
         echo reached > /run/systemd/resolve/io.systemd.Resolve && ln -s /dev/shm /run/shm && \
         mount --bind {daemon} /run/aegis && chmod 0755 {daemon} && chmod 0666 {daemon}/control.sock && \
         export AEGIS_SOCKET=/run/aegis/control.sock"
    );
    let ask = "/usr/bin/curl -sS --unix-socket /run/aegis/control.sock -d '{}' http://aegis/v1/token; echo";
    let look = format!(
        "cat /etc/resolv.conf; ls -A /run/systemd/resolve /run/aegis; test -d /run/shm/ && echo shm; {ask}; \
         echo x > /run/lock/mine && echo locked; test -s $SSL_CERT_FILE && echo trust; \
         {{ echo x > /run/aegis/more; }} 2>/dev/null || echo read-only"
    );
    for options in [&["--user", USER][..], &[]] {
        let (inside, stderr) = expect(0, &mut on_own_run(&lab, &make, Some(options), &look));
        let expected = "nameserver 192.0.2.53\n/run/aegis:\ncontrol.sock\n\n/run/systemd/resolve:\nstub-resolv.conf\nshm\n\
                        {\"agent\":\"a\",\"expires_at\":1,\"jti\":\"j\",\"token\":\"a.b.c\"}\nlocked\ntrust\nread-only\n";
        assert_eq!(inside, expected, "{stderr}");
    }
}

#[test]
fn what_the_caller_names_stays_in_sight() {
    let lab = Lab::new();
    let make = "mkdir -p /run/postgresql /run/dbus && echo reached | tee /run/postgresql/socket > /run/dbus/socket";
    let look = "cat /run/postgresql/socket /run/dbus/socket; true";
    let keep = |path| ["--user", USER, "--keep", path];
    let (inside, _) = expect(0, &mut on_own_run(&lab, make, Some(&keep("/run/postgresql")), look));
    assert_eq!(inside, "reached\n");
    for path in ["/run", "/run/missing"] {
        let (inside, stderr) = expect(1, &mut on_own_run(&lab, make, Some(&keep(path)), look));
        assert!(inside.is_empty() && stderr.contains(&format!("--keep {path}: ")), "{stderr}");
    }
}

#[test]
fn a_process_has_a_bounded_number_of_descriptors() {
    let lab = Lab::new();
    let look = "ulimit -Sn; ulimit -Hn; (ulimit -Hn 65537) 2>/dev/null && echo raised; true";
    // Not more than the machine lets its tests have.
    let (outside, _) = expect(0, Command::new("/bin/sh").args(["-c", "ulimit -Hn"]));
    let most = outside.trim().parse().unwrap_or(u64::MAX).min(65_536);
    for (soft, hard) in [("1000", "2000"), ("1000", "hard"), ("hard", "hard")] {
        let make = format!("most=$(ulimit -Hn) && ulimit -Sn {soft} && ulimit -Hn {hard}").replace("hard", "$most");
        let number = |limit: &str| limit.parse().unwrap_or(most);
        let expected = format!("{}\n{}\n", number(soft), number(hard));
        for options in [&["--user", USER][..], &[]] {
            assert_eq!(expect(0, &mut on_own_run(&lab, &make, Some(options), look)).0, expected);
        }
    }
}
