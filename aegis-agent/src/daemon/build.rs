//! From a configuration to a running daemon. Listeners are bound before the kernel sends anybody to them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::containers::{self, Means};
use super::policy as daemon_policy;
use super::{Aegis, control, discovery, kernel_events, listen, ops, tokens};
use crate::config::Config;
use crate::control::{BindError, ControlSocket};
use crate::daemon::accounts::{self, Accounts};
use crate::daemon::admission::Admissions;
use crate::daemon::control::verification::Verifications;
use crate::daemon::dns_host::Host;
use crate::discovery::Refusals;
use crate::dns::{self, DnsServer};
use crate::flow::standing::Standing;
use crate::flow::usage::Usages;
use crate::handover::{self, Inherited};
use crate::identity::{Issuer, Registry, Replay};
use crate::kernel::{AgentLimits, Kernel, KernelConfig};
use crate::namespaces::{Look, Namespaces};
use crate::policy;
use crate::sockets::{self, Sockets};
use crate::state::secret;
use crate::telemetry::{AuditLog, DecisionLog, Metrics, Spans};
use crate::tls::{self, Authority};
use crate::upstream::{Dialer, Pools, Ways};

/// A daemon that is whole and does nothing yet.
pub struct Built {
    aegis: Arc<Aegis>,
    proxy: Vec<TcpListener>,
    ops: TcpListener,
    dns: DnsServer,
    dns_sockets: dns::Sockets,
    looks: mpsc::Receiver<Look>,
    control: ControlSocket,
}

/// Builds all parts.
///
/// # Errors
/// The first part that cannot be had, in one line with the fix.
pub async fn build(config: Config, mut inherited: Inherited) -> anyhow::Result<Built> {
    // Twice is harmless: several daemons may live in one test process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let now = SystemTime::now();
    secret::private_dir(&config.state_dir)?;
    let (ca, server_tls) = authority(&config, now)?;
    let resolver = Arc::new(dns::Resolver::new(&config.dns)?);
    let (namespaces, looks) = Namespaces::new().context("the daemon's own network namespace")?;
    let namespaces = Arc::new(namespaces);
    let dialer = Dialer::new(
        Arc::clone(&resolver),
        tls::upstream::client_config(&config.upstream)?,
        config.upstream.connect_timeout,
        Ways::new(Arc::clone(&namespaces)),
    );
    let metrics = Metrics::new();
    let origin = policy::Origin::new(&config, metrics.source().clone())?;
    let first = origin.first(now).await;
    let masks = policy::mask_key(&config).context("the key of token masks (masks.key_file)")?;
    let (policy, settled) = policy::Store::open(first, &config.state_dir, masks, metrics.rollout().clone(), now)?;
    let spans = Spans::new(&config.telemetry, &metrics)?;
    let audit = AuditLog::open(&config.audit, &config.instance, &config.state_dir)?;
    let decisions = DecisionLog::open(&config.decisions, &config.state_dir);
    let registry = Registry::open(&config)?;
    let issuer = Arc::new(Issuer::open(&config, now)?);
    let replay = Replay::open(&config, &metrics)?;

    let proxy = listen::proxy(config.listen.proxy_port, &mut inherited)?;
    let ops = listen::bind(config.listen.http, "metrics and health", &mut inherited)?;
    let dns_sockets = dns::Sockets::bind(&listen::loopbacks(config.listen.dns_port), &mut inherited).context("DNS")?;
    handover::leave(handover::descriptors(&proxy).chain([ops.as_fd()]).chain(dns_sockets.descriptors()));
    let control = ControlSocket::bind(&config.control.socket).map_err(|error: BindError| anyhow::anyhow!("{error}"))?;

    let kernel = Arc::new(Kernel::attach(&kernel_config(&config)?)?);
    // Enrolments outlive the daemon in the pinned maps: who left the configuration meanwhile loses his.
    for gone in registry.departed() {
        kernel.withdraw(gone.index)?;
    }
    for enrolled in registry.list() {
        match enrolled.cgroup_id {
            None => drop(kernel.enroll(enrolled.index, &enrolled.cgroup, &enrolled.rules)?),
            // One that goes at this moment is taken away by the first look.
            Some(id) => {
                if let Err(error) = kernel.enroll_found(enrolled.index, &enrolled.cgroup, id, &enrolled.rules) {
                    tracing::warn!(agent = enrolled.agent.name, "{error}");
                }
            }
        }
    }
    let cgroup_root = config.cgroup_dir().map_err(anyhow::Error::msg)?;
    let aegis = Arc::new(Aegis {
        flows: kernel.flows(),
        kernel,
        registry,
        issuer,
        replay,
        policy,
        origin,
        audit,
        decisions,
        instance: config.instance.as_str().into(),
        metrics,
        spans,
        ca,
        server_tls,
        pools: Pools::new(dialer, &config.upstream, &config.limits),
        resolver,
        names: dns::Names::new(config.dns.limits.clone()),
        namespaces,
        admissions: Admissions::default(),
        standing: Standing::default(),
        mailboxes: Arc::default(),
        discovery: Refusals::default(),
        usage: Usages::default(),
        sockets: Sockets::new(cgroup_root),
        accounts: Accounts::default(),
        verifications: Verifications::default(),
        started: now,
        config: Arc::new(config),
    });
    if let Some(says) = settled {
        aegis.record_policy_at_start(&says);
    }
    // Enrolled by now: what the hooks do not hold is what there was before.
    sockets::at_start(&aegis);
    let dns = DnsServer::new(Arc::new(Host(Arc::clone(&aegis))));
    Ok(Built { aegis, proxy, ops, dns, dns_sockets, looks, control })
}

impl Built {
    /// Starts every part as a task of its own.
    ///
    /// # Errors
    /// When the kernel's events cannot be read, containers cannot be looked for, or the control group does not exist.
    pub async fn start(self, tasks: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<Arc<Aegis>> {
        let Self { aegis, proxy, ops, dns, dns_sockets, looks, control } = self;
        let events = aegis.kernel.events()?;
        tasks.spawn(policy::poll(Arc::clone(&aegis), stop.clone()));
        tasks.spawn(daemon_policy::tend(Arc::clone(&aegis), stop.clone()));
        tasks.spawn(accounts::run(Arc::clone(&aegis), stop.clone()));
        tasks.spawn(revocations(Arc::clone(&aegis), stop.clone()));
        tasks.spawn(kernel_events::run(Arc::clone(&aegis), events, stop.clone()));
        for listener in proxy {
            tasks.spawn(listen::accept(Arc::clone(&aegis), listener, tasks.clone(), stop.clone()));
        }
        tasks.spawn(sockets::sweep(Arc::clone(&aegis), stop.clone()));
        tasks.spawn(dns.clone().run(dns_sockets, stop.clone()));
        let means = Means {
            aegis: Arc::clone(&aegis),
            dns,
            tasks: tasks.clone(),
            stop: stop.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        tasks.spawn(containers::start(means, looks, stop.clone()).await?);
        tasks.spawn(discovery::run(Arc::clone(&aegis), stop.clone()));
        tokens::start(&aegis, tasks, stop)?;
        tasks.spawn(ops::serve(Arc::clone(&aegis), ops, stop.clone()));
        control::start(&aegis, control, tasks, stop)?;
        Ok(aegis)
    }
}

/// Keeps up with what is revoked on other hosts until `stop`.
async fn revocations(aegis: Arc<Aegis>, stop: CancellationToken) {
    tokio::select! {
        () = aegis.replay.keep_up() => {}
        () = stop.cancelled() => {}
    }
}

fn authority(config: &Config, now: SystemTime) -> anyhow::Result<(Arc<Authority>, Arc<ServerConfig>)> {
    let ca = Arc::new(Authority::open(&config.state_dir, &config.tls, now)?);
    let server_tls = ca.server_config()?;
    Ok((ca, server_tls))
}

/// What the kernel part needs to know of the configuration.
///
/// # Errors
/// When there is no cgroup v2 hierarchy.
pub fn kernel_config(config: &Config) -> anyhow::Result<KernelConfig> {
    let port = config.listen.proxy_port;
    let has_v6 = listen::loopbacks(port).iter().any(SocketAddr::is_ipv6);
    let cgroup_root = config.cgroup_dir().map_err(anyhow::Error::msg)?;
    Ok(KernelConfig {
        pin_dir: config.bpf.pin_dir.clone(),
        proxy_v4: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
        proxy_v6: has_v6.then(|| SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0)),
        dns_port: config.listen.dns_port,
        log: config.bpf.log,
        unenrolled: config.enrolment.unenrolled,
        closed: config.enrolment.closed.iter().map(|path| cgroup_root.join(path)).collect(),
        limits: AgentLimits {
            // Above the proxy's own limit, which answers with a reason: this one is against floods.
            connections: u32::try_from(config.limits.connections_per_agent).unwrap_or(u32::MAX).saturating_mul(2),
            ..AgentLimits::default()
        },
        lease: config.bpf.heartbeat_timeout,
        on_departure: config.enrolment.on_departure,
        cgroup_root,
    })
}

/// Where the daemon listens, for `status`.
#[must_use]
pub fn addresses(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut all: Vec<(&'static str, SocketAddr)> = Vec::new();
    for (name, port) in [("proxy", config.listen.proxy_port), ("dns", config.listen.dns_port)] {
        all.extend(listen::loopbacks(port).into_iter().map(|address| (name, address)));
    }
    all.push(("http", config.listen.http));
    all
}
