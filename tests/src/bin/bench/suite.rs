//! The whole benchmark: a laboratory, an origin, a relay, a daemon, and the same load over each way.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aegis_tests::lab::netns;
use aegis_tests::lab::{wait_for, wiring};
use aegis_tests::{Daemon, Lab, Settings};
use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::load::Seen;
use crate::report::{Figure, Report};
use crate::{bpf_stats, micro, pin};

const NAME: &str = "api.allowed.test";
const AGENT: &str = "tester";
const ORIGIN_PORT: u16 = 9443;
const RELAY_PORT: u16 = 9444;
const IDLE_CONNECTIONS: usize = 1000;

const POLICY: &str = r#"
version: bench-1
policies:
  - name: bench
    agents: ["*"]
    dlp: {deny: [secrets]}
    rules:
      - {name: plain, hosts: [api.allowed.test], ports: [9443], methods: [POST], paths: [/plain], private: true, decision: allow, dlp: {}}
      - {name: scanned, hosts: [api.allowed.test], ports: [9443], methods: [POST], paths: [/scanned], private: true, decision: sanitize, dlp: {redact: [pii], deny: [secrets]}}
      - {name: amount, hosts: [api.allowed.test], ports: [9443], methods: [POST], paths: [/amount], body: [{path: amount, op: "<=", value: 5000}], private: true, decision: allow}
      - {name: get, hosts: [api.allowed.test], ports: [9443], methods: [GET], private: true, decision: allow}
"#;

/// One kind of load.
struct Work {
    name: &'static str,
    connections: usize,
    arguments: &'static [&'static str],
}

const WORKS: &[Work] = &[
    Work { name: "GET 1 KB, 1 connection", connections: 1, arguments: &[] },
    Work { name: "GET 1 KB, 32 connections", connections: 32, arguments: &[] },
    Work { name: "GET 1 KB, 256 connections", connections: 256, arguments: &[] },
    Work {
        name: "POST 4 KB, no DLP, 1 connection",
        connections: 1,
        arguments: &["--body", "4096", "--path", "/plain"],
    },
    Work { name: "POST 4 KB, DLP, 1 connection", connections: 1, arguments: &["--body", "4096", "--path", "/scanned"] },
    Work {
        name: "POST 4 KB, no DLP, 32 connections",
        connections: 32,
        arguments: &["--body", "4096", "--path", "/plain"],
    },
    Work {
        name: "POST 4 KB, DLP, 32 connections",
        connections: 32,
        arguments: &["--body", "4096", "--path", "/scanned"],
    },
    Work {
        name: "POST 4 KB, no DLP, 256 connections",
        connections: 256,
        arguments: &["--body", "4096", "--path", "/plain"],
    },
    Work {
        name: "POST 4 KB, DLP, 256 connections",
        connections: 256,
        arguments: &["--body", "4096", "--path", "/scanned"],
    },
    Work {
        name: "POST 4 KB, body rule + DLP, 32 connections",
        connections: 32,
        arguments: &["--body", "4096", "--path", "/amount"],
    },
    Work {
        name: "POST 1 MB, DLP, 4 connections",
        connections: 4,
        arguments: &["--body", "1048576", "--path", "/scanned"],
    },
    Work { name: "new TLS connection a request, 8 at once", connections: 8, arguments: &["--kind", "connections"] },
];

pub fn run(seconds: u64, runs: usize) -> Result<Report> {
    eprintln!("building the laboratory");
    let lab = Lab::new()?;
    let bench = Bench::start(&lab)?;
    let mut report = Report::new(seconds, runs);
    for work in WORKS {
        eprintln!("{}", work.name);
        report.add(work.name, bench.measure(work, seconds, runs)?);
    }
    eprintln!("memory at {IDLE_CONNECTIONS} idle connections");
    report.memory(bench.memory()?, IDLE_CONNECTIONS);
    eprintln!("the connect hook");
    report.hooks(bench.hooks()?);
    eprintln!("decision and scanner alone");
    report.micro(micro::run());
    Ok(report)
}

struct Bench<'lab> {
    lab: &'lab Lab,
    daemon: Daemon<'lab>,
    idle_bytes: u64,
    address: Ipv4Addr,
    _origin: Killed,
    relay: Killed,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'lab> Bench<'lab> {
    fn start(lab: &'lab Lab) -> Result<Self> {
        let files = certificates(lab)?;
        // The origin lives in the host's own namespace: its traffic does not pass the laboratory's capture.
        let address = wiring::address(NAME).0;
        netns::ip(["-n", lab.host.name(), "address", "add", &format!("{address}/32"), "dev", "lo"])?;
        let origin = SocketAddr::from((address, ORIGIN_PORT));
        let own = std::env::current_exe()?;
        let mut command = Command::new(&own);
        command.args(["origin", "--listen", &origin.to_string()]).arg("--certificate").arg(&files.certificate);
        let _origin = ready(lab, command.arg("--key").arg(&files.key))?;
        let mut command = Command::new(&own);
        command.args(["relay", "--name", NAME, "--target", &origin.to_string()]);
        command.args(["--listen", &SocketAddr::from((address, RELAY_PORT)).to_string()]);
        command.arg("--ca").arg(&files.ca).arg("--certificate").arg(&files.certificate).arg("--key").arg(&files.key);
        let relay = ready(lab, &mut command)?;
        let mut settings = Settings::policy(POLICY);
        settings.config = json!({
            "upstream": {"extra_roots": [files.ca]},
            "limits": {"connections_per_agent": 5000},
        });
        let daemon = Daemon::start(lab, &settings)?;
        pin::process(daemon.pid(), pin::PROXY_CORE);
        let idle_bytes = daemon.resident()?;
        Ok(Self { lab, daemon, idle_bytes, address, _origin, relay })
    }

    fn measure(&self, work: &Work, seconds: u64, runs: usize) -> Result<Figure> {
        let milliseconds = (seconds * 1000).to_string();
        let mut figure = Figure::default();
        for _ in 0..runs {
            // Interleaved, so that a slow minute of the machine hits all three alike.
            figure.direct.push(self.load(work, ORIGIN_PORT, false, &milliseconds)?);
            let before = cpu(self.relay.0.id())?;
            let seen = self.load(work, RELAY_PORT, false, &milliseconds)?;
            figure.relay_cpu.push(per_request(cpu(self.relay.0.id())? - before, &seen));
            figure.relay.push(seen);
            let before = self.daemon.cpu()?;
            let seen = self.load(work, ORIGIN_PORT, true, &milliseconds)?;
            figure.aegis_cpu.push(per_request(self.daemon.cpu()? - before, &seen));
            figure.aegis.push(seen);
        }
        Ok(figure)
    }

    fn load(&self, work: &Work, port: u16, as_agent: bool, milliseconds: &str) -> Result<Seen> {
        let command = self.command(port, work.connections, as_agent)?;
        let mut command: Vec<&str> = command.iter().map(String::as_str).collect();
        command.extend(["--milliseconds", milliseconds]);
        command.extend(work.arguments);
        let runner = if as_agent { self.lab.agent(AGENT) } else { self.lab.bystander() };
        let outcome = runner.limit(Duration::from_secs(120)).run(&command)?;
        ensure!(outcome.ok(), "the load failed: {}\n{}", outcome.stderr, self.daemon.log());
        serde_json::from_str(outcome.stdout.trim()).with_context(|| outcome.stdout.clone())
    }

    fn command(&self, port: u16, connections: usize, as_agent: bool) -> Result<Vec<String>> {
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let target = SocketAddr::from((self.address, port)).to_string();
        let mut command = vec![own, "load".into(), "--connect".into(), target, "--name".into(), NAME.into()];
        command.extend(["--connections".into(), connections.to_string()]);
        if !as_agent {
            command.extend(["--ca".into(), self.lab.path("bench-ca.pem").to_string_lossy().into_owned()]);
        }
        Ok(command)
    }

    /// Resident bytes: idle, and with many idle intercepted connections.
    fn memory(&self) -> Result<(u64, u64, u64)> {
        let before = self.daemon.resident()?;
        let mut command = self.command(ORIGIN_PORT, IDLE_CONNECTIONS, true)?;
        command.extend(["--kind".into(), "hold".into()]);
        // The load holds its connections until its standard input ends.
        let script = format!("(sleep 10) | {}", command.join(" "));
        let held = self.lab.agent(AGENT).limit(Duration::from_secs(60)).start(&["sh", "-c", &script])?;
        let open = || self.daemon.metric("aegis_flows_active").ok().flatten().filter(|n| *n >= IDLE_CONNECTIONS as f64);
        wait_for(Duration::from_secs(30), open).context("the connections were not opened in time")?;
        let full = self.daemon.resident()?;
        let outcome = held.finish()?;
        ensure!(outcome.ok(), "holding connections failed: {}\n{}", outcome.stderr, self.daemon.log());
        Ok((self.idle_bytes, before, full))
    }

    /// Name, runs and mean nanoseconds of each hook that ran while an agent opened connections.
    fn hooks(&self) -> Result<Vec<(String, u64, f64)>> {
        let names = bpf_stats::pinned(&self.lab.path("bpf").join("aegis/links"))?;
        let _switch = bpf_stats::Switch::on()?;
        let before = bpf_stats::all()?;
        let work = Work { name: "", connections: 8, arguments: &["--kind", "connections"] };
        self.load(&work, ORIGIN_PORT, true, "2000")?;
        let after = bpf_stats::all()?;
        let mut seen: Vec<(String, u64, f64)> = after
            .iter()
            .filter_map(|(id, after)| {
                let before = before.get(id).copied().unwrap_or_default();
                let count = after.count - before.count;
                let name = names.get(id).filter(|_| count > 0)?;
                Some((name.clone(), count, (after.nanoseconds - before.nanoseconds) as f64 / count as f64))
            })
            .collect();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(seen)
    }
}

struct Files {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn certificates(lab: &Lab) -> Result<Files> {
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate()?;
    let ca = root.self_signed(&root_key)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![NAME.to_owned()])?.signed_by(&key, &Issuer::new(root, root_key))?;
    let files = Files { ca: lab.path("bench-ca.pem"), certificate: lab.path("bench.pem"), key: lab.path("bench.key") };
    std::fs::write(&files.ca, ca.pem())?;
    std::fs::write(&files.certificate, leaf.pem())?;
    std::fs::write(&files.key, key.serialize_pem())?;
    Ok(files)
}

fn ready(lab: &Lab, command: &mut Command) -> Result<Killed> {
    let mut owned = Command::new(command.get_program());
    owned.args(command.get_args()).stdout(Stdio::piped());
    let mut child = lab.host.spawn(owned, &lab.path("resolv.conf"))?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("no output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
    ensure!(line == "ready\n", "a part of the benchmark did not start");
    Ok(Killed(child))
}

fn per_request(cpu: Duration, seen: &Seen) -> f64 {
    cpu.as_secs_f64() * 1e6 / seen.requests.max(1) as f64
}

/// User and system time of a process: fields 14 and 15 of `/proc/PID/stat`, in ticks of 10 ms.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("stat")?;
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
