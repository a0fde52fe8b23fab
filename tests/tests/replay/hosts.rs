//! Two hosts that take each other's tokens, with and without a Redis between them.

use aegis_tests::lab::redis::{Redis, cable};
use aegis_tests::{Daemon, Lab, Settings};
use serde_json::json;

use super::lab::{HELLO, redis_at, refused, settings, show, soon, token};

/// Two laboratories with a cable between them.
pub struct Hosts {
    pub one: Lab,
    pub other: Lab,
    address: String,
}

impl Hosts {
    pub fn new() -> Hosts {
        let (one, other) = (Lab::new().unwrap(), Lab::new().unwrap());
        let address = cable(&one, &other).unwrap().to_string();
        Hosts { one, other, address }
    }

    /// A daemon on each host: one issuer, one key, and the Redis of the first host, if any.
    pub fn start(&self, tokens: &str, shared: bool) -> (Daemon<'_>, Daemon<'_>) {
        let key = self.one.path("shared.pem");
        if !key.exists() {
            let made = aegis_token::SigningKey::generate(aegis_token::Algorithm::default()).unwrap().to_pem();
            std::fs::write(&key, made).unwrap();
            std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        let with = |address: &str| {
            let mut settings = settings(tokens, if shared { redis_at(address) } else { json!({}) });
            settings.config["tokens"] = json!({"issuer": "aegis:shared", "key_file": key});
            settings
        };
        let start = |lab, settings: Settings| Daemon::start(lab, &settings).unwrap();
        (start(&self.one, with("127.0.0.1")), start(&self.other, with(&self.address)))
    }
}

#[test]
fn a_bound_token_is_good_on_one_host_only_and_redis_is_asked_once() {
    let hosts = Hosts::new();
    // The attack, without a store that both ask: a token that left its host is good on the next one.
    let (one, other) = hosts.start("{replay: bound}", false);
    let stolen = token(&hosts.one, "owner");
    assert_eq!(show(&hosts.one, "owner", &stolen, &[HELLO]).status, 200);
    assert_eq!(show(&hosts.other, "owner", &stolen, &[HELLO]).status, 200);
    drop((one, other));

    let redis = Redis::start(&hosts.one).unwrap();
    let (one, other) = hosts.start("{replay: bound}", true);
    let bound = token(&hosts.one, "owner");
    let again: Vec<&str> = std::iter::repeat_n(HELLO, 20).collect();
    assert_eq!(show(&hosts.one, "owner", &bound, &[HELLO]).status, 200);
    let calls = |redis: &Redis| {
        let stats = redis.cli(&["INFO", "commandstats"]).unwrap();
        let set = stats.lines().find(|line| line.starts_with("cmdstat_exists:")).unwrap_or_default().to_owned();
        set.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = calls(&redis);
    assert_eq!(before, 1, "the first request asked");
    assert_eq!(show(&hosts.one, "owner", &bound, &again).status, 200);
    assert_eq!(calls(&redis), before, "and the next twenty did not");
    let answer = show(&hosts.other, "owner", &bound, &[HELLO]);
    refused(&other, &answer, "token_replayed: the token is in use by another instance");

    // A daemon that starts again is the same instance.
    drop(one);
    let one = Daemon::resume(&hosts.one).unwrap();
    assert_eq!(show(&hosts.one, "owner", &bound, &[HELLO]).status, 200);

    // What is revoked on one host is worthless there at once, and on the other within its next look at Redis.
    let elsewhere = token(&hosts.other, "owner");
    assert_eq!(show(&hosts.other, "owner", &elsewhere, &[HELLO]).status, 200);
    let revoked = hosts.one.ctl(&["token", "revoke", &elsewhere]).unwrap();
    assert!(revoked.ok(), "{revoked:?}");
    soon("revoked on the other host", || show(&hosts.other, "owner", &elsewhere, &[HELLO]).status == 401);
    refused(&other, &show(&hosts.other, "owner", &elsewhere, &[HELLO]), "token_revoked");
    assert_eq!(show(&hosts.one, "owner", &bound, &[HELLO]).status, 200, "no other token went with it");
    drop((one, other));
}

/// Tries token after token, each when the other one is about to try the same.
const RACER: &str = r#"
import http.client, mmap, os, ssl, struct, sys, time
own, tokens = int(sys.argv[1]), open(sys.argv[2]).read().split()
with open(sys.argv[3], 'r+b') as f: board = mmap.mmap(f.fileno(), 16)
def meet(step):
    struct.pack_into('<Q', board, own * 8, step)
    deadline = time.monotonic() + 60
    while struct.unpack_from('<Q', board, (1 - own) * 8)[0] < step:
        if time.monotonic() > deadline: sys.exit('the other one did not come')
        os.sched_yield()
connection = http.client.HTTPSConnection('api.allowed.test', timeout=30)
connection.connect()
for step, token in enumerate(tokens, 1):
    meet(step)
    connection.request('GET', '/hello', headers={'Aegis-Token': token})
    answer = connection.getresponse()
    body = answer.read()
    print(answer.status, 'token_replayed' in body.decode(errors='replace'))
"#;

/// Asks the control socket for many tokens on one connection.
const MINTER: &str = r#"
import http.client, json, os, socket, sys
class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ['AEGIS_SOCKET'])
control = Control('localhost')
for _ in range(int(sys.argv[1])):
    control.request('POST', '/v1/token', body=json.dumps({'agent': 'owner'}), headers={'content-type': 'application/json'})
    print(json.load(control.getresponse())['token'])
"#;

#[test]
fn of_two_hosts_exactly_one_takes_a_single_use_token_a_thousand_times() {
    const RACES: usize = 1000;
    let hosts = Hosts::new();
    let redis = Redis::start(&hosts.one).unwrap();
    let (one, other) = hosts.start("{replay: single_use}", true);
    let minted = hosts.one.bystander().run(&["/usr/bin/python3", "-c", MINTER, &RACES.to_string()]).unwrap();
    assert_eq!(minted.stdout.lines().count(), RACES, "{}", minted.stderr);
    let (tokens, board) = (hosts.one.path("home/tokens"), hosts.one.path("home/board"));
    std::fs::write(&tokens, minted.stdout).unwrap();
    std::fs::write(&board, [0; 16]).unwrap();
    let racers = [&hosts.one, &hosts.other].into_iter().enumerate().map(|(number, lab)| {
        let (number, tokens, board) = (number.to_string(), tokens.to_string_lossy(), board.to_string_lossy());
        let words = ["/usr/bin/python3", "-c", RACER, &number, &tokens, &board];
        lab.agent("owner").limit(std::time::Duration::from_secs(120)).start(&words).unwrap()
    });
    let racers: Vec<_> = racers.collect();
    let ended: Vec<_> = racers.into_iter().map(|racer| racer.finish().unwrap()).collect();
    let lines: Vec<Vec<&str>> = ended.iter().map(|outcome| outcome.stdout.lines().collect()).collect();
    assert!(lines.iter().all(|lines| lines.len() == RACES), "{ended:?}");
    let mut wins = [0; 2];
    for (race, outcome) in std::iter::zip(&lines[0], &lines[1]).enumerate() {
        match outcome {
            (&"200 False", &"401 True") => wins[0] += 1,
            (&"401 True", &"200 False") => wins[1] += 1,
            _ => panic!("race {race} ended {outcome:?}"),
        }
    }
    // Without a race that was open to both sides this proved nothing.
    assert!(wins.iter().all(|wins| *wins > 0), "{wins:?}");
    let arrived = hosts.one.internet.requests.all().len() + hosts.other.internet.requests.all().len();
    assert_eq!(arrived, RACES, "one request a token reached an origin");
    eprintln!("wins: {wins:?} in {:?}", ended[0].took);
    drop((one, other, redis));
}
