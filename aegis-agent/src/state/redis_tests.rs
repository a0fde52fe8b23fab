#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! Against servers that misbehave. The real one is in `tests/tests/replay.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

/// A server on a port of its own: `answer` gets each command in capitals.
fn server(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || serve(&stream, answer));
        }
    });
    port
}

fn serve(stream: &TcpStream, answer: impl Fn(&str) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    loop {
        let count: usize = line(&mut reader)?.strip_prefix('*')?.parse().ok()?;
        let mut words = Vec::new();
        for _ in 0..count {
            let length: usize = line(&mut reader)?.strip_prefix('$')?.parse().ok()?;
            let mut word = vec![0; length + 2];
            reader.read_exact(&mut word).ok()?;
            words.push(String::from_utf8_lossy(&word[..length]).into_owned());
        }
        out.write_all(answer(&words[0].to_uppercase()).as_bytes()).ok()?;
    }
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

fn redis(port: u16) -> Redis {
    let config = RedisState {
        url: format!("redis://127.0.0.1:{port}"),
        username: None,
        password_file: None,
        prefix: "aegis".to_owned(),
        timeout: Duration::from_millis(100),
        roots: Vec::new(),
        db: 0,
    };
    Redis::new(&config, "host").unwrap()
}

fn id() -> TokenId {
    TokenId::new("i", "a").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_holds_nobody_up() {
    // Accepts in the kernel's queue, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let redis = redis(listener.local_addr().unwrap().port());
    let started = Instant::now();
    let ids: Vec<TokenId> = (0..1000).map(|n| TokenId::new("i", &format!("{n}")).unwrap()).collect();
    let answers = futures_util::future::join_all(ids.iter().map(|id| redis.claim(id, "x", 60))).await;
    assert!(answers.iter().all(Result::is_err));
    // All wait at the same time, none for another.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(redis.breaker.is_open() && !redis.fresh() && redis.error().is_some());
    // From now on nobody waits at all.
    let started = Instant::now();
    for _ in 0..10_000 {
        assert!(redis.claim(&ids[0], "x", 60).await.is_err());
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(redis.places.available_permits(), PLACES, "what gave up waiting holds no place");
}

#[tokio::test]
async fn every_refusal_of_the_server_is_no_answer_with_its_reason() {
    for (error, wanted) in [
        ("-READONLY You can't write against a read only replica.\r\n", "read only replica"),
        ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", "maxmemory"),
        ("-NOPERM this user has no permissions\r\n", "permissions"),
        ("-MOVED 1 127.0.0.1:7001\r\n", "MOVED"),
        ("-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        ("$-5\r\ngarbage\r\n", ""),
        (":7\r\n", "no sense"),
    ] {
        let redis = redis(server(move |command| match command {
            "CLIENT" | "HELLO" => "+OK\r\n".to_owned(),
            _ => error.to_owned(),
        }));
        let why = redis.claim(&id(), "x", 60).await.expect_err(error).to_string();
        assert!(why.to_lowercase().contains(&wanted.to_lowercase()), "{error:?}: {why}");
        // What is not an error is an answer to commands whose answers nobody reads.
        assert!(redis.revoke(&id(), 60, 0).await.is_err() || !error.starts_with('-'), "{error:?}");
        for _ in 0..SILENT {
            assert!(redis.news().await.is_err(), "{error:?}");
        }
        assert!(redis.breaker.is_open() && !redis.fresh(), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_password_or_connection_is_told_and_given_up_for_a_new_one() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(redis(closed).claim(&id(), "x", 60).await.is_err());
    // The server learns the password only later: the library would never ask again.
    let strict = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let lenient = std::sync::Arc::clone(&strict);
    let redis = redis(server(move |command| match command {
        _ if strict.load(Relaxed) => "-NOAUTH Authentication required.\r\n".to_owned(),
        "CLIENT" | "SET" => "+OK\r\n".to_owned(),
        "XRANGE" | "XREVRANGE" => "*0\r\n".to_owned(),
        _ => "-ERR unexpected\r\n".to_owned(),
    }));
    let why = redis.claim(&id(), "x", 60).await.unwrap_err().to_string();
    assert!(why.contains("NOAUTH") || why.to_lowercase().contains("authentication"), "{why}");
    for _ in 0..SILENT {
        assert!(redis.news().await.is_err());
    }
    assert!(redis.breaker.is_open());
    lenient.store(false, Relaxed);
    let mut back = redis.news().await;
    for _ in 0..SILENT {
        if back.is_err() {
            back = redis.news().await;
        }
    }
    let back = back.unwrap();
    assert_eq!((&back.news, back.more), (&News::Lost, false), "nothing from before counts");
    assert!(!redis.breaker.is_open() && redis.error().is_none());
    assert!(!redis.fresh(), "before it has been learned");
    redis.caught_up(back.asked);
    assert!(redis.fresh());
    assert_eq!(redis.news().await.unwrap().news, News::Revoked(vec![]));
}

/// What Redis says to the probe's two commands.
fn probed(entries: std::ops::Range<usize>) -> impl Fn(&str) -> String + Clone + Send + 'static {
    move |command| match command {
        "XRANGE" | "XREVRANGE" => {
            let entry = |n: usize| {
                let (id, jti) = (format!("{n}-0"), format!("i/{n}"));
                let (a, b) = (id.len(), jti.len());
                format!("*2\r\n${a}\r\n{id}\r\n*2\r\n$3\r\njti\r\n${b}\r\n{jti}\r\n")
            };
            format!("*{}\r\n{}", entries.len(), entries.clone().map(entry).collect::<String>())
        }
        _ => "+OK\r\n".to_owned(),
    }
}

#[tokio::test]
async fn a_long_feed_is_read_to_its_end_before_anything_is_relied_on() {
    for (entries, more) in [(1..PAGE, false), (1..PAGE + 1, true)] {
        let redis = redis(server(probed(entries.clone())));
        *redis.last.lock().unwrap() = Some("1-0".to_owned());
        let mut heard = redis.news().await;
        for _ in 0..50 {
            if heard.is_err() {
                heard = redis.news().await;
            }
        }
        let heard = heard.unwrap();
        assert!(matches!(&heard.news, News::Revoked(ids) if ids.len() == entries.len() - 1));
        assert_eq!(heard.more, more);
        // For the moment of asking, whenever the answer came; an earlier one counts for nothing after a later one.
        let elapsed = u64::try_from(redis.started.elapsed().as_millis()).unwrap();
        assert!(heard.asked.0 >= 1 && heard.asked.0 <= elapsed.max(1));
        redis.caught_up(heard.asked);
        redis.caught_up(Asked(1));
        assert_eq!(redis.probed.load(Relaxed), heard.asked.0);
    }
}

#[test]
fn the_feed_is_read_on_from_where_it_was_or_all_is_lost() {
    let entry = |id: &str, jti: &str| (id.to_owned(), vec!["jti".to_owned(), jti.to_owned()]);
    let revoked = |ids: &[&str]| News::Revoked(ids.iter().map(|id| TokenId::kept(id)).collect());
    assert_eq!(read(None, vec![]), (News::Lost, Some("0-0".into())));
    assert_eq!(read(None, vec![entry("5-0", "a")]), (News::Lost, Some("5-0".into())));
    assert_eq!(read(Some("0-0"), vec![entry("5-0", "a")]), (revoked(&["a"]), Some("5-0".into())));
    assert_eq!(read(Some("0-0"), vec![]), (revoked(&[]), Some("0-0".into())));
    let two = vec![entry("5-0", "a"), entry("6-0", "b")];
    assert_eq!(read(Some("5-0"), two), (revoked(&["b"]), Some("6-0".into())));
    assert_eq!(read(Some("5-0"), vec![entry("5-0", "a")]), (revoked(&[]), Some("5-0".into())));
    // The stream was cut, or the server lost it: what came in between is not known.
    assert_eq!(read(Some("5-0"), vec![entry("6-0", "b")]), (News::Lost, None));
    assert_eq!(read(Some("5-0"), vec![]), (News::Lost, None));
    let foreign = vec![entry("5-0", "a"), ("6-0".to_owned(), vec!["other".to_owned()])];
    assert_eq!(read(Some("5-0"), foreign), (revoked(&[]), Some("6-0".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_others_kept_are_theirs() {
    // What is there was kept by another host.
    let port = server(|command| match command {
        "HLEN" => ":2\r\n".to_owned(),
        "HMGET" => "*2\r\n$2\r\nh1\r\n$2\r\nh3\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let all = ["h2", "h3"].map(|hash| Defined { tool: format!("s:1\n{hash}"), hash: hash.to_owned() });
    assert_eq!(redis(port).define("a", &all).await, Ok(vec!["h1".to_owned(), "h3".to_owned()]));
    let full = server(|command| match command {
        "HLEN" => format!(":{}\r\n", definitions::MOST),
        "HMGET" => "*2\r\n$-1\r\n$-1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    assert!(redis(full).define("a", &all).await.is_err());
}
