//! A real `redis-server` in the laboratory, and a cable over which two laboratories share one.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::netns::{Namespace, ip, ip_batch};
use super::{Lab, wait_for};

/// Where it listens: on every address of the namespace, which is the laboratory's own.
pub const PORT: u16 = 6379;
const READY: Duration = Duration::from_secs(20);

/// A running server without persistence; killed on drop.
pub struct Redis {
    namespace: Namespace,
    directory: PathBuf,
    child: Child,
}

impl Redis {
    /// Starts one in the host's namespace of `lab`.
    pub fn start(lab: &Lab) -> Result<Redis> {
        let directory = lab.path("redis");
        std::fs::create_dir_all(&directory)?;
        let child = spawn(&lab.host, &directory, &["--port", &PORT.to_string()])?;
        let redis = Redis { namespace: lab.host.clone(), directory, child };
        redis.await_ready()?;
        Ok(redis)
    }

    /// Starts one that speaks TLS only; gives the file of its CA's certificate too.
    pub fn start_tls(lab: &Lab) -> Result<(Redis, PathBuf)> {
        let directory = lab.path("redis-tls");
        std::fs::create_dir_all(&directory)?;
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "a CA for Redis");
        let (ca_pem, key) = (ca.self_signed(&ca_key)?.pem(), KeyPair::generate()?);
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?.pem();
        let file = |name: &str, text: String| -> Result<PathBuf> {
            let path = directory.join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let (root, leaf, key) =
            (file("root.pem", ca_pem)?, file("leaf.pem", leaf)?, file("key.pem", key.serialize_pem())?);
        let port = PORT.to_string();
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let (cert, key, ca) = (text(&leaf), text(&key), text(&root));
        let words = [
            ["--port", "0"],
            ["--tls-port", &port],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", "no"],
        ];
        let child = spawn(&lab.host, &directory, words.as_flattened())?;
        let redis = Redis { namespace: lab.host.clone(), directory, child };
        redis.await_ready()?;
        Ok((redis, root))
    }

    /// SIGKILL: all that it knew is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// A new server in the place of the one that was killed.
    pub fn resume(&mut self) -> Result<()> {
        self.child = spawn(&self.namespace, &self.directory, &["--port", &PORT.to_string()])?;
        self.await_ready()
    }

    /// Sends a signal, such as SIGSTOP: it accepts and never answers.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).with_context(|| format!("sending {signal}"))
    }

    /// What `redis-cli` answers to `words`.
    pub fn cli(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.namespace.name(), "redis-cli", "-p", &PORT.to_string()]).args(words);
        let output = command.output().context("`redis-cli` is missing: apt-get install redis-server")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn await_ready(&self) -> Result<()> {
        let connects = || TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).is_ok();
        let ready = wait_for(READY, || self.namespace.within(connects).ok().filter(|ready| *ready));
        ready.map(|_| ()).context("redis-server does not listen")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(namespace: &Namespace, directory: &Path, listen: &[&str]) -> Result<Child> {
    let log = File::options().create(true).append(true).open(directory.join("redis.log"))?;
    let mut command = Command::new("redis-server");
    command.args(listen).args(["--bind", "0.0.0.0", "--protected-mode", "no"]);
    command.args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir"]).arg(directory);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let resolv_conf = directory.join("resolv.conf");
    std::fs::write(&resolv_conf, "")?;
    namespace.spawn(command, &resolv_conf).context("`redis-server` is missing: apt-get install redis-server")
}

/// Lays a cable between the hosts of two laboratories; gives the address of the first.
pub fn cable(one: &Lab, other: &Lab) -> Result<Ipv4Addr> {
    const LINK: &str = "between";
    let (here, there) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let (one, other) = (one.host.name(), other.host.name());
    ip(["link", "add", LINK, "netns", one, "type", "veth", "peer", "name", LINK, "netns", other])?;
    for (namespace, address) in [(one, here), (other, there)] {
        ip_batch(namespace, &[format!("addr add {address}/30 dev {LINK}"), format!("link set {LINK} up")])?;
    }
    Ok(here)
}
