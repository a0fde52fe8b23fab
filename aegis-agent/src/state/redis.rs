//! The state store in a Redis that several hosts share.
//!
//! Every call is one round trip on one multiplexed connection, with one bound on the whole of it: waiting for a place, connecting, and the
//! answer. After a few failures the [`Breaker`] opens and requests are answered at once; [`Redis::news`], called beside them, finds out when the
//! server is back, and makes a connection of its own for that where the old one only stays silent.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, FromRedisValue, Pipeline, RedisConnectionInfo, TlsCertificates};
use tokio::sync::Semaphore;

use super::breaker::Breaker;
use super::definitions::{self, Defined, Which};
use super::keys::Keys;
use super::store::{Asked, Claim, Heard, News, Revoked, StateError, Unavailable};
use super::token_id::TokenId;
use crate::config::RedisState;

/// Calls under way at once; more wait, within the time of their own.
const PLACES: usize = 512;
/// Silent probes after which the connection is given up: some six seconds.
const SILENT: u32 = 5;
/// For a new connection, with TLS and password; it is made beside the calls, each of which waits no longer than its own time for it.
const CONNECT: Duration = Duration::from_secs(5);
/// How old the last answered probe may be while what was learned from Redis still counts.
const FRESH: Duration = Duration::from_secs(3);
/// Entries of the stream read at once.
const PAGE: usize = 1000;
/// About how many revocations the stream keeps. A host that misses more starts from nothing.
const FEED: usize = 10_000;
/// Most entries of the list for people.
const LIST: usize = 100_000;
/// Bytes unacknowledged for that long mean that the server's host is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// How long a host's sign of life stays, in seconds.
const ALIVE: u64 = 300;

pub(super) struct Redis {
    client: Client,
    connection: ArcSwap<ConnectionManager>,
    keys: Keys,
    alive: String,
    timeout: Duration,
    places: Semaphore,
    breaker: Breaker,
    started: Instant,
    /// Whether a probe was ever answered.
    heard: AtomicBool,
    /// When what the last probe said had been learned whole: the moment at which that was asked, in milliseconds after `started`; 0 for never.
    probed: AtomicU64,
    silent: AtomicU32,
    error: Mutex<Option<String>>,
    /// The last entry of the stream that was read.
    last: Mutex<Option<String>>,
}

impl Redis {
    /// Connects when it is asked first: a daemon starts without its Redis, and refuses what it cannot check.
    pub(super) fn new(config: &RedisState, host: &str) -> Result<Self, StateError> {
        let client = client(config)?;
        let connection = ArcSwap::from_pointee(connection(&client, config.timeout)?);
        if !config.url.starts_with("rediss:") && !local(&client) {
            tracing::warn!("state.redis.url is not encrypted: who is on the network can make used tokens good again");
        }
        let keys = Keys::new(&config.prefix);
        Ok(Self {
            alive: keys.alive(host),
            client,
            connection,
            keys,
            timeout: config.timeout,
            places: Semaphore::new(PLACES),
            breaker: Breaker::default(),
            started: Instant::now(),
            heard: AtomicBool::new(false),
            probed: AtomicU64::new(0),
            silent: AtomicU32::new(0),
            error: Mutex::new(Some("not asked yet".to_owned())),
            last: Mutex::new(None),
        })
    }

    pub(super) fn address(&self) -> String {
        let encrypted = matches!(self.client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
        format!("{}{}", self.client.get_connection_info().addr(), if encrypted { " (TLS)" } else { "" })
    }

    /// Why it cannot be relied on now.
    pub(super) fn error(&self) -> Option<String> {
        let last = || self.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.breaker.is_open() || !self.heard.load(Relaxed) {
            return Some(last().unwrap_or_else(|| "it does not answer".to_owned()));
        }
        None
    }

    pub(super) fn fresh(&self) -> bool {
        let probed = Duration::from_millis(self.probed.load(Relaxed));
        !self.breaker.is_open() && !probed.is_zero() && self.started.elapsed().saturating_sub(probed) <= FRESH
    }

    /// `SET NX` decides; who has it is read in the same round trip. Not a transaction: a token that is revoked between the first command and the
    /// last is revoked in the answer, and a holder never changes.
    pub(super) async fn claim(&self, id: &TokenId, holder: &str, ttl_s: u64) -> Result<Claim, Unavailable> {
        let (held, revoked) = (self.keys.held(id), self.keys.revoked(id));
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(&held).arg(holder).arg("NX").arg("EX").arg(ttl_s.max(1));
        pipe.cmd("GET").arg(&held).cmd("EXISTS").arg(&revoked);
        let (set, holds, revoked): (Option<String>, Option<String>, u64) = self.ask(&pipe).await?;
        match (revoked, set.as_deref(), holds) {
            (1, ..) => Ok(Claim::Revoked),
            (0, Some("OK"), Some(by)) if by == holder => Ok(Claim::First),
            (0, None, Some(by)) if by == holder => Ok(Claim::Same),
            // Without a holder: it ended between the two commands.
            (0, None, _) => Ok(Claim::Other),
            _ => Err(Unavailable::new("redis: the answer makes no sense")),
        }
    }

    pub(super) async fn revoke(&self, id: &TokenId, until: u64, now: u64) -> Result<(), Unavailable> {
        let (feed, list) = (self.keys.feed(), self.keys.list());
        let mut pipe = redis::pipe();
        // The token's own key first: whoever reads the stream and asks again finds it.
        let (key, ttl) = (self.keys.revoked(id), until.saturating_sub(now).max(1));
        pipe.cmd("SET").arg(&key).arg(1).arg("NX").arg("EX").arg(ttl).ignore();
        // One that is there already ends at the later of both times.
        pipe.cmd("EXPIRE").arg(&key).arg(ttl).arg("GT").ignore();
        pipe.cmd("XADD").arg(&feed).arg("MAXLEN").arg("~").arg(FEED).arg("*").arg("jti").arg(id.as_str()).ignore();
        pipe.cmd("ZADD").arg(&list).arg("GT").arg(until).arg(id.as_str()).ignore();
        pipe.cmd("ZREMRANGEBYSCORE").arg(&list).arg("-inf").arg(now).ignore();
        pipe.cmd("ZREMRANGEBYRANK").arg(&list).arg(0).arg(-(LIST.cast_signed()) - 1).ignore();
        self.ask(&pipe).await
    }

    pub(super) async fn revoked(&self, id: &TokenId) -> Result<bool, Unavailable> {
        let mut pipe = redis::pipe();
        pipe.cmd("EXISTS").arg(self.keys.revoked(id));
        let (revoked,): (u64,) = self.ask(&pipe).await?;
        Ok(revoked != 0)
    }

    pub(super) async fn revocations(&self, now: u64, most: usize) -> Result<(u64, Vec<Revoked>), Unavailable> {
        let list = self.keys.list();
        let mut pipe = redis::pipe();
        pipe.cmd("ZCOUNT").arg(&list).arg(format!("({now}")).arg("+inf");
        pipe.cmd("ZREVRANGEBYSCORE").arg(&list).arg("+inf").arg(format!("({now}")).arg("WITHSCORES");
        pipe.arg("LIMIT").arg(0).arg(most);
        let (total, found): (u64, Vec<(String, f64)>) = self.ask(&pipe).await?;
        // Seconds since 1970 are exact in a float.
        let revoked = |(id, until): (String, f64)| Revoked { id: TokenId::kept(&id), until: until as u64 };
        Ok((total, found.into_iter().map(revoked).collect()))
    }

    /// The probe: writes a sign of life and reads what was revoked since the last time. Asks also while requests do not.
    pub(super) async fn news(&self) -> Result<Heard, Unavailable> {
        // Before the question: what is revoked after the server has answered, and before the answer is here, is not in it.
        let asked = Asked(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1));
        match self.read_feed().await {
            Ok((news, more)) => {
                self.silent.store(0, Relaxed);
                self.heard.store(true, Relaxed);
                if self.breaker.probed() {
                    tracing::info!("the state store answers again");
                }
                self.note(None);
                Ok(Heard { news, asked, more })
            }
            Err(error) => {
                self.count_failure(&error);
                if self.silent.fetch_add(1, Relaxed) % SILENT == SILENT - 1 {
                    self.connect_anew();
                }
                Err(error)
            }
        }
    }

    pub(super) fn caught_up(&self, asked: Asked) {
        self.probed.fetch_max(asked.0, Relaxed);
    }

    async fn read_feed(&self) -> Result<(News, bool), Unavailable> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(&self.alive).arg(1).arg("EX").arg(ALIVE).ignore();
        // From the last one that was read: where it is not there any more, what came after it may be missing as well.
        match &last {
            Some(last) => pipe.cmd("XRANGE").arg(self.keys.feed()).arg(last).arg("+").arg("COUNT").arg(PAGE),
            None => pipe.cmd("XREVRANGE").arg(self.keys.feed()).arg("+").arg("-").arg("COUNT").arg(1),
        };
        let (entries,): (Vec<(String, Vec<String>)>,) = self.ask_always(&pipe).await?;
        let full = entries.len() >= PAGE;
        let (news, next) = read(last.as_deref(), entries);
        // Without a place to go on from nothing is known yet.
        let more = full || next.is_none();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok((news, more))
    }

    /// What is known of each of an agent's definitions; those that are new are kept.
    pub(super) async fn define(&self, agent: &str, all: &[Defined]) -> Result<Vec<String>, Unavailable> {
        let key = self.keys.definitions(agent);
        let mut pipe = redis::pipe();
        pipe.cmd("HLEN").arg(&key).cmd("HMGET").arg(&key).arg(all.iter().map(|one| &one.tool).collect::<Vec<_>>());
        let (held, known): (usize, Vec<Option<String>>) = self.ask(&pipe).await?;
        if known.len() == all.len()
            && let Some(known) = known.iter().cloned().collect()
        {
            return Ok(known);
        }
        if held + all.len() > definitions::MOST {
            return Err(Unavailable::new(format!("more than {} definitions of tools", definitions::MOST)));
        }
        let mut pipe = redis::pipe();
        for one in all {
            pipe.cmd("HSETNX").arg(&key).arg(&one.tool).arg(&one.hash).ignore();
        }
        pipe.cmd("HMGET").arg(&key).arg(all.iter().map(|one| &one.tool).collect::<Vec<_>>());
        let (known,): (Vec<String>,) = self.ask(&pipe).await?;
        Ok(known)
    }

    /// How many definitions an agent has, and at most so many of them, by server and tool.
    pub(super) async fn definitions(&self, agent: &str, most: usize) -> Result<(u64, Vec<Defined>), Unavailable> {
        let known = self.all_definitions(agent).await?;
        let total = known.len() as u64;
        Ok((total, known.into_iter().take(most).map(|(tool, hash)| Defined { tool, hash }).collect()))
    }

    /// Forgets some of an agent's definitions.
    pub(super) async fn forget(&self, agent: &str, which: &Which) -> Result<u64, Unavailable> {
        let known = self.all_definitions(agent).await?;
        let gone: Vec<String> = known.into_keys().filter(|named| which.holds(named)).collect();
        if gone.is_empty() {
            return Ok(0);
        }
        let mut pipe = redis::pipe();
        pipe.cmd("HDEL").arg(self.keys.definitions(agent)).arg(gone);
        let (forgotten,): (u64,) = self.ask(&pipe).await?;
        Ok(forgotten)
    }

    /// There are at most [`definitions::MOST`] and a few more.
    async fn all_definitions(&self, agent: &str) -> Result<BTreeMap<String, String>, Unavailable> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(self.keys.definitions(agent));
        let (known,): (BTreeMap<String, String>,) = self.ask(&pipe).await?;
        Ok(known)
    }

    async fn ask<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Unavailable> {
        if self.breaker.is_open() {
            let why = self.error().unwrap_or_else(|| "it does not answer".to_owned());
            return Err(Unavailable::new(why));
        }
        let answer = self.ask_always(pipe).await;
        match &answer {
            Ok(_) => self.breaker.answered(),
            Err(error) => self.count_failure(error),
        }
        answer
    }

    async fn ask_always<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Unavailable> {
        let asking = async {
            let _place = self.places.acquire().await.map_err(|error| Unavailable::new(error.to_string()))?;
            let mut connection = ConnectionManager::clone(&self.connection.load());
            pipe.query_async(&mut connection).await.map_err(|error| Unavailable::new(format!("redis: {error}")))
        };
        let late = |_| Unavailable::new(format!("redis: no answer within {} ms", self.timeout.as_millis()));
        tokio::time::timeout(self.timeout, asking).await.map_err(late)?
    }

    fn count_failure(&self, error: &Unavailable) {
        self.note(Some(error.to_string()));
        if self.breaker.failed() {
            tracing::warn!(%error, "the state store does not answer; what needs it is refused until it does");
        }
    }

    fn note(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// A connection that is only silent, or that was refused for its password, is not made anew by the library.
    fn connect_anew(&self) {
        match connection(&self.client, self.timeout) {
            Ok(connection) => {
                self.connection.store(connection.clone().into());
                let mut connection = connection;
                // It makes progress only while somebody waits for it. The answer does not matter, and comes or fails in bounded time.
                tokio::spawn(
                    async move { redis::cmd("PING").query_async::<redis::Value>(&mut connection).await.map(drop) },
                );
            }
            Err(error) => tracing::warn!(%error, "no new connection to the state store"),
        }
    }
}

/// What the entries after `last` say, and the new last one. Without a `last` only the newest entry was read, to start from.
fn read(last: Option<&str>, entries: Vec<(String, Vec<String>)>) -> (News, Option<String>) {
    /// Before the first entry of an empty stream.
    const BEGINNING: &str = "0-0";
    let newest = entries.last().map(|(id, _)| id.clone());
    let Some(last) = last else {
        return (News::Lost, Some(newest.unwrap_or_else(|| BEGINNING.to_owned())));
    };
    let seen = usize::from(last != BEGINNING);
    if seen == 1 && entries.first().is_none_or(|(id, _)| id != last) {
        return (News::Lost, None);
    }
    let revoked = entries.into_iter().skip(seen).filter_map(|(_, fields)| {
        fields.chunks_exact(2).find_map(|pair| match pair {
            [name, jti] if name == "jti" => Some(TokenId::kept(jti)),
            _ => None,
        })
    });
    (News::Revoked(revoked.collect()), Some(newest.unwrap_or_else(|| last.to_owned())))
}

fn connection(client: &Client, timeout: Duration) -> Result<ConnectionManager, StateError> {
    let config = ConnectionManagerConfig::new()
        // Ours bounds the whole of a call; these bound what goes on after it.
        .set_response_timeout(Some(timeout.saturating_mul(2)))
        .set_connection_timeout(Some(CONNECT))
        .set_number_of_retries(3)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_secs(2))
        .set_pipeline_buffer_size(PLACES)
        .set_concurrency_limit(PLACES);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
        .map_err(|error| StateError::Redis(error.to_string()))
}

fn client(config: &RedisState) -> Result<Client, StateError> {
    let wrong = |error: redis::RedisError| StateError::Redis(error.to_string());
    let mut login = RedisConnectionInfo::default().set_db(config.db).set_skip_set_lib_name();
    if let Some(username) = &config.username {
        login = login.set_username(username);
    }
    if let Some(file) = &config.password_file {
        login = login.set_password(super::secret::read(file)?.trim_end_matches(['\r', '\n']));
    }
    let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(UNACKNOWLEDGED);
    let info: ConnectionInfo = redis::IntoConnectionInfo::into_connection_info(config.url.as_str()).map_err(wrong)?;
    let info = info.set_redis_settings(login).set_tcp_settings(tcp);
    if !config.url.starts_with("rediss:") {
        return Client::open(info).map_err(wrong);
    }
    let root_cert = if config.roots.is_empty() { None } else { Some(roots(config)?) };
    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert }).map_err(wrong)
}

fn local(client: &Client) -> bool {
    let ConnectionAddr::Tcp(host, _) = client.get_connection_info().addr() else { return false };
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn roots(config: &RedisState) -> Result<Vec<u8>, StateError> {
    let mut all = Vec::new();
    for path in &config.roots {
        let read = std::fs::read(path).map_err(|error| StateError::Io { path: path.clone(), why: error.to_string() });
        all.extend(read?);
        all.push(b'\n');
    }
    Ok(all)
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
