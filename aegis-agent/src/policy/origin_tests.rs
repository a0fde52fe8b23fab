#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use aegis_policy::bundle::{Bundle, SignatureAlgorithm, Signer};

use super::*;

const PRIVATE: &str = include_str!("../../../aegis-policy/tests/keys/es256.pem");
const PUBLIC: &str = include_str!("../../../aegis-policy/tests/keys/es256.pub.pem");
const NOW: SystemTime = UNIX_EPOCH;

/// A host whose policy is the bundle `b.tar.gz` in `dir`, signed by `k1`.
fn host(dir: &Path) -> Origin {
    fs::write(dir.join("k1.pem"), PUBLIC).unwrap();
    if !dir.join("b.tar.gz").exists() {
        put(dir, 100, "first");
    }
    let yaml = "state_dir: state\npolicies:\n  bundle: b.tar.gz\n  keys: [{id: k1, file: k1.pem, algorithm: ES256}]\n";
    Origin::new(&Config::parse(yaml, dir).unwrap(), SourceMetrics::default()).unwrap()
}

fn signed(serial: u64, version: &str) -> Vec<u8> {
    let text = format!(
        "version: {version}\npolicies: [{{name: p, agents: [a], rules: [{{name: r, hosts: [a.test], decision: allow}}]}}]\n"
    );
    let source = aegis_policy::Source { name: "p.yaml".into(), text };
    let signer = Signer::from_pem("k1", SignatureAlgorithm::Es256, PRIVATE, None).unwrap();
    Bundle::build(vec![source], None, serial).unwrap().write(Some(&signer)).unwrap()
}

fn put(dir: &Path, serial: u64, version: &str) {
    fs::write(dir.join("b.tar.gz"), signed(serial, version)).unwrap();
}

/// As the daemon loads: on a thread that may block.
async fn load(origin: &Arc<Origin>) -> Result<String, String> {
    let origin = Arc::clone(origin);
    let loaded = tokio::task::spawn_blocking(move || origin.load(NOW)).await.unwrap();
    loaded.map(|loaded| loaded.snapshot.version().to_owned()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_place_keeps_its_serial_while_another_one_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), 101, "second");
    let origin = Arc::new(host(dir.path()));
    assert_eq!(load(&origin).await.as_deref(), Ok("second"));
    let yaml = "state_dir: state\npolicies:\n  bundle: c.tar.gz\n  keys: [{id: k1, file: k1.pem, algorithm: ES256}]\n";
    fs::write(dir.path().join("c.tar.gz"), signed(5, "other")).unwrap();
    let other = Arc::new(Origin::new(&Config::parse(yaml, dir.path()).unwrap(), SourceMetrics::default()).unwrap());
    assert_eq!(load(&other).await.as_deref(), Ok("other"), "another place has serials of its own");
    put(dir.path(), 100, "first");
    let origin = Arc::new(host(dir.path()));
    let told = load(&origin).await.unwrap_err();
    assert!(told.contains("it is older than what this host had from there (serial 100, after 101)"), "{told}");
}

#[tokio::test]
async fn an_older_bundle_is_refused_whenever_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Arc::new(host(dir.path()));
    assert_eq!(origin.first(NOW).await.unwrap().revision.as_deref(), Some("first"));
    put(dir.path(), 101, "second");
    assert_eq!(load(&origin).await.as_deref(), Ok("second"));
    // The same again is no trouble, signed anew or not.
    put(dir.path(), 101, "second");
    assert_eq!(load(&origin).await.as_deref(), Ok("second"));

    put(dir.path(), 100, "first");
    let told = load(&origin).await.unwrap_err();
    assert!(told.contains("it is older than what this host had from there (serial 100, after 101)"), "{told}");
    put(dir.path(), 101, "third");
    assert!(load(&origin).await.unwrap_err().contains("its serial 101 is that of another bundle"));
    let seen = origin.seen();
    assert_eq!((seen.failures, seen.taken.unwrap().serial), (2, 101));
    assert!(seen.last_error.unwrap().contains("serial 101"));

    // After a restart too: the file at the place is the older one, what is kept is the newer.
    put(dir.path(), 100, "first");
    let again = host(dir.path());
    assert_eq!(again.first(NOW).await.unwrap().revision.as_deref(), Some("second"));
    assert!(again.seen().taken.unwrap().from_kept);
    // Without the note the attack works: its signature is as good as ever. It is also the operator's way to start anew.
    fs::remove_file(dir.path().join("state/policy/last-good.json")).unwrap();
    assert_eq!(host(dir.path()).first(NOW).await.unwrap().revision.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_broken_one_leaves_what_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Arc::new(host(dir.path()));
    origin.first(NOW).await.unwrap();
    let whole = signed(101, "second");
    for (bytes, why) in [
        (whole[..whole.len() / 2].to_vec(), "it is no whole gzip archive"),
        (b"policies: []\n".to_vec(), "it is no whole gzip archive"),
        (vec![0; 9 << 20], "it is longer than 8388608 bytes"),
    ] {
        fs::write(dir.path().join("b.tar.gz"), bytes).unwrap();
        let told = load(&origin).await.unwrap_err();
        assert!(told.contains(why), "{told}");
        assert!(origin.seen().last_error.unwrap().contains(why));
    }
    assert_eq!(origin.seen().taken.unwrap().serial, 100);
    fs::write(dir.path().join("b.tar.gz"), whole).unwrap();
    assert_eq!(load(&origin).await.as_deref(), Ok("second"));
    assert_eq!((origin.seen().failures, origin.seen().last_error), (0, None));
}

#[tokio::test]
async fn what_is_kept_is_verified_again() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path()).first(NOW).await.unwrap();
    fs::write(dir.path().join("b.tar.gz"), "gone").unwrap();
    let kept = dir.path().join("state/policy/last-good.tar.gz");
    assert!(host(dir.path()).first(NOW).await.is_ok());
    // Somebody has put another bundle there, unsigned.
    let source = aegis_policy::Source { name: "p.yaml".into(), text: aegis_policy::STARTER.into() };
    fs::write(&kept, Bundle::build(vec![source], None, 200).unwrap().write(None).unwrap()).unwrap();
    let told = host(dir.path()).first(NOW).await.unwrap_err().to_string();
    assert!(told.starts_with("there is no policy to start with: "), "{told}");
    // Without the note nobody knows how far the serials had come: nothing is guessed.
    fs::write(dir.path().join("state/policy/last-good.json"), "{").unwrap();
    put(dir.path(), 300, "third");
    assert!(host(dir.path()).first(NOW).await.unwrap_err().to_string().contains("last-good.json"));
}

#[test]
fn pauses_grow_with_failures_and_end() {
    let (poll, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let seconds = |failures, max_age| pause(poll, failures, max_age).as_secs();
    assert_eq!([0, 1, 2, 3, 9, u32::MAX].map(|failures| seconds(failures, None)), [60, 60, 120, 240, 600, 600]);
    assert_eq!(pause(hour, 9, None), hour);
    assert_eq!(seconds(0, Some(Duration::from_secs(5))), 60);
    assert_eq!(seconds(0, Some(Duration::from_secs(300))), 300);
    assert_eq!(seconds(0, Some(hour)), 600);
    assert_eq!(seconds(1, Some(hour)), 60);
}
