//! The whole benchmark: a laboratory, an origin, a relay, a peer, a daemon, and the same load over each way.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aegis_tests::lab::netns;
use aegis_tests::lab::{wait_for, wiring};
use aegis_tests::{Daemon, Lab, Settings};
use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::load::Seen;
use crate::works::{POLICY, Table, Work};
use crate::{bpf_stats, peer, pin};

pub const NAME: &str = "api.allowed.test";
pub const IDLE_CONNECTIONS: usize = 1000;
const AGENT: &str = "tester";
const ORIGIN_PORT: u16 = 9443;
const RELAY_PORT: u16 = 9444;
const PEER_PORT: u16 = 9445;

/// How a request gets to the origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Direct,
    Relay,
    Peer,
    Aegis,
}

/// All runs of one kind of load over one way.
#[derive(Default)]
pub struct Runs {
    pub seen: Vec<Seen>,
    /// Microseconds of the proxy's processor time a request.
    pub cpu: Vec<f64>,
}

/// Who makes many connections must use them long enough: it is not their handshakes that are measured.
const A_CONNECTION: Duration = Duration::from_millis(10);

pub type Figure = BTreeMap<Way, Runs>;

pub struct Bench<'lab> {
    lab: &'lab Lab,
    daemon: Daemon<'lab>,
    idle_bytes: u64,
    address: Ipv4Addr,
    _origin: Killed,
    relay: Killed,
    peer: Option<Killed>,
}

/// A process that ends with its owner.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'lab> Bench<'lab> {
    pub fn start(lab: &'lab Lab, envoy: Option<&Path>) -> Result<Self> {
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
        let peer_at = SocketAddr::from((address, PEER_PORT));
        let (peer, daemon) = pin::on_proxy_core(|| {
            let peer = envoy.map(|envoy| peer::start(lab, envoy, peer_at, origin, &files)).transpose()?;
            anyhow::Ok((peer, Daemon::start(lab, &settings)?))
        })?;
        let idle_bytes = daemon.resident()?;
        Ok(Self { lab, daemon, idle_bytes, address, _origin, relay, peer })
    }

    /// The same load over each way, as often as is wanted.
    pub fn measure(&self, work: &Work, time: Duration, runs: usize) -> Result<Figure> {
        let mut figure = Figure::new();
        let time = time.max(A_CONNECTION * u32::try_from(work.connections)?);
        for _ in 0..runs {
            // Interleaved, so that a slow minute of the machine hits all alike.
            for way in [Way::Direct, Way::Relay, Way::Peer, Way::Aegis] {
                let absent = way == Way::Peer && self.peer.is_none();
                if absent || work.table == Table::Scanning && way != Way::Aegis {
                    continue;
                }
                let before = self.cpu(way)?;
                let seen = self.load(work, way, time)?;
                let used = self.cpu(way)?.saturating_sub(before);
                let runs = figure.entry(way).or_default();
                runs.cpu.push(used.as_secs_f64() * 1e6 / seen.requests.max(1) as f64);
                runs.seen.push(seen);
            }
        }
        Ok(figure)
    }

    fn cpu(&self, way: Way) -> Result<Duration> {
        match (way, &self.peer) {
            (Way::Relay, _) => cpu(self.relay.0.id()),
            (Way::Peer, Some(peer)) => cpu(peer.0.id()),
            (Way::Direct | Way::Peer, _) => Ok(Duration::ZERO),
            (Way::Aegis, _) => self.daemon.cpu(),
        }
    }

    fn load(&self, work: &Work, way: Way, time: Duration) -> Result<Seen> {
        let command = self.command(way, work.connections)?;
        let milliseconds = time.as_millis().to_string();
        let mut command: Vec<&str> = command.iter().map(String::as_str).collect();
        command.extend(["--milliseconds", &milliseconds]);
        command.extend(work.arguments);
        let runner = if way == Way::Aegis { self.lab.agent(AGENT) } else { self.lab.bystander() };
        let outcome = runner.limit(time + Duration::from_secs(120)).run(&command)?;
        ensure!(outcome.ok(), "the load {} failed: {}\n{}", work.name, outcome.stderr, self.daemon.log());
        serde_json::from_str(outcome.stdout.trim()).with_context(|| outcome.stdout.clone())
    }

    fn command(&self, way: Way, connections: usize) -> Result<Vec<String>> {
        let port = match way {
            Way::Direct | Way::Aegis => ORIGIN_PORT,
            Way::Relay => RELAY_PORT,
            Way::Peer => PEER_PORT,
        };
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        let target = SocketAddr::from((self.address, port)).to_string();
        let mut command = vec![own, "load".into(), "--connect".into(), target, "--name".into(), NAME.into()];
        command.extend(["--connections".into(), connections.to_string()]);
        if way != Way::Aegis {
            command.extend(["--ca".into(), self.lab.path("bench-ca.pem").to_string_lossy().into_owned()]);
        }
        Ok(command)
    }

    /// Events of the decision log that were written, and that it had no room for.
    pub fn events(&self) -> Result<(f64, f64)> {
        let count = |series: &str| anyhow::Ok(self.daemon.metric(series)?.unwrap_or_default());
        let dropped = count(r#"aegis_decision_log_events_dropped_total{reason="queue_full"}"#)?;
        Ok((count("aegis_decision_log_events_total")?, dropped))
    }

    /// Resident bytes: just started, now, and with many idle intercepted connections.
    pub fn memory(&self) -> Result<(u64, u64, u64)> {
        let before = self.daemon.resident()?;
        let mut command = self.command(Way::Aegis, IDLE_CONNECTIONS)?;
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
    pub fn hooks(&self) -> Result<Vec<(String, u64, f64)>> {
        let names = bpf_stats::pinned(&self.lab.path("bpf").join("aegis/links"))?;
        let _switch = bpf_stats::Switch::on()?;
        let before = bpf_stats::all()?;
        let work = Work { name: "", table: Table::Rates, connections: 8, arguments: &["--kind", "connections"] };
        self.load(&work, Way::Aegis, Duration::from_secs(2))?;
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

/// What origin, relay and peer show.
pub struct Files {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

fn certificates(lab: &Lab) -> Result<Files> {
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A leaf of the same name as its issuer is self-signed to BoringSSL, which Envoy uses.
    root.distinguished_name.push(rcgen::DnType::CommonName, "Benchmark CA");
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

/// User and system time of a process: fields 14 and 15 of `/proc/PID/stat`, in ticks of 10 ms.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("stat")?;
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
