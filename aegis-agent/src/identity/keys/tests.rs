#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use aegis_token::Algorithm;

use super::*;

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

fn config(dir: &Path) -> Config {
    Config { state_dir: dir.to_owned(), ..Config::default() }
}

fn with(dir: &Path, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config(dir);
    change(&mut config);
    config
}

fn kids(keys: &Keys) -> Vec<String> {
    keys.published().iter().map(|one| one.key.kid().to_owned()).collect()
}

fn error(config: &Config) -> String {
    Keys::open(config, NOW).err().unwrap().to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn files(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir.join("keys")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn keys_survive_a_restart_and_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let first = kids(&Keys::open(&config(dir.path()), NOW).unwrap());
    assert_eq!(first.len(), 2, "one signs, one is next");
    assert_eq!(kids(&Keys::open(&config(dir.path()), NOW + 9).unwrap()), first);
    let place = dir.path().join("keys");
    assert_eq!(mode(&place), 0o700);
    for file in files(dir.path()) {
        assert_eq!(mode(&place.join(&file)), 0o600, "{file}");
    }
    set_mode(&place, 0o750);
    assert!(error(&config(dir.path())).contains(&format!("chmod 700 {}", place.display())));
    set_mode(&place, 0o700);
    for file in files(dir.path()) {
        let file = place.join(file);
        set_mode(&file, 0o640);
        assert!(error(&config(dir.path())).contains(&format!("chmod 600 {}", file.display())));
        set_mode(&file, 0o600);
    }
}

#[test]
fn a_rotation_overlaps_and_what_has_run_out_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let config = with(dir.path(), |config| config.tokens.max_ttl = Duration::from_secs(HOUR));
    let mut keys = Keys::open(&config, NOW).unwrap();
    let before = kids(&keys);
    keys.rotate(NOW).unwrap();
    let after = keys.published();
    assert_eq!((after[0].key.kid(), after[0].used), (before[1].as_str(), Use::Current));
    assert_eq!(after[1].used, Use::Next);
    let until = NOW + HOUR + MAX_LEEWAY;
    assert_eq!((after[2].key.kid(), after[2].used), (before[0].as_str(), Use::Retired { until }));
    assert_eq!(kids(&Keys::open(&config, NOW).unwrap()), kids(&keys), "also after a restart");
    assert!(!keys.tick(until - 1).unwrap());
    assert!(keys.tick(until).unwrap());
    assert_eq!(kids(&keys).len(), 2);
    assert!(!files(dir.path()).contains(&format!("{}.pem", before[0])), "deleted, not only forgotten");
}

#[test]
fn what_has_run_out_verifies_no_more_also_while_the_disk_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = with(dir.path(), |config| config.tokens.max_ttl = Duration::from_secs(HOUR));
    let mut keys = Keys::open(&config, NOW).unwrap();
    let before = kids(&keys);
    keys.rotate(NOW).unwrap();
    let (ring, old) = (dir.path().join("keys/ring.json"), format!("{}.pem", before[0]));
    fs::remove_file(&ring).unwrap();
    fs::create_dir(&ring).unwrap();
    let until = NOW + HOUR + MAX_LEEWAY;
    assert!(keys.tick(until).unwrap(), "others must hear of it");
    assert!(!kids(&keys).contains(&before[0]));
    assert!(keys.tick(until + 1).is_err() && files(dir.path()).contains(&old), "told, and tried again");
    fs::remove_dir(&ring).unwrap();
    assert!(!keys.tick(until + 2).unwrap());
    assert!(ring.is_file() && !files(dir.path()).contains(&old));
    assert!(!keys.tick(until + 3).unwrap());
}

#[test]
fn rotations_come_by_themselves_or_only_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let every = |hours: Option<u64>| {
        with(dir.path(), |config| {
            config.tokens.keys = KeySource::Own { rotate_every: hours.map(|hours| Duration::from_secs(hours * HOUR)) };
        })
    };
    let mut keys = Keys::open(&every(Some(2)), NOW).unwrap();
    let first = kids(&keys);
    assert_eq!(keys.rotates_at(), Some(NOW + 2 * HOUR));
    assert!(!keys.tick(NOW + 2 * HOUR - 1).unwrap());
    assert!(keys.tick(NOW + 2 * HOUR).unwrap());
    assert_eq!(kids(&keys)[0], first[1]);
    assert_eq!(keys.rotates_at(), Some(NOW + 4 * HOUR));
    let mut keys = Keys::open(&every(None), NOW + 3 * HOUR).unwrap();
    assert_eq!(keys.rotates_at(), None);
    let before = kids(&keys)[0].clone();
    keys.tick(NOW + 1000 * HOUR).unwrap();
    assert_eq!(kids(&keys)[0], before);
    // Somebody who rotates without end must not fill the key set.
    for n in 0..MAX_RETIRED as u64 {
        keys.rotate(NOW + 1000 * HOUR + n).unwrap();
    }
    assert!(matches!(keys.rotate(NOW + 1000 * HOUR), Err(KeysError::TooMany)));
    assert_eq!(files(dir.path()).len(), MAX_RETIRED + 3, "nothing is left of a refused one");
}

/// What a shorter limit in the configuration says holds for new tokens; those that are about were promised more.
#[test]
fn a_key_is_kept_for_the_longest_token_that_it_ever_signed() {
    let dir = tempfile::tempdir().unwrap();
    let limit = |hours: u64| with(dir.path(), |config| config.tokens.max_ttl = Duration::from_secs(hours * HOUR));
    drop(Keys::open(&limit(24), NOW).unwrap());
    let mut keys = Keys::open(&limit(1), NOW).unwrap();
    keys.rotate(NOW).unwrap();
    assert_eq!(keys.published()[2].used, Use::Retired { until: NOW + 24 * HOUR + MAX_LEEWAY });
    keys.rotate(NOW).unwrap();
    assert_eq!(keys.published()[2].used, Use::Retired { until: NOW + HOUR + MAX_LEEWAY });
}

#[test]
fn the_only_key_of_earlier_versions_is_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let (old, before) = (SigningKey::generate(Algorithm::EdDSA).unwrap(), dir.path().join("token.key"));
    fs::write(&before, old.to_pem()).unwrap();
    set_mode(&before, 0o644);
    assert!(error(&config(dir.path())).contains("chmod 600"));
    set_mode(&before, 0o600);
    for _ in 0..2 {
        let keys = Keys::open(&config(dir.path()), NOW).unwrap();
        assert_eq!(kids(&keys)[0], old.kid());
        assert!(!before.exists());
    }
    // Cut short after the ring was written: the file is still there.
    fs::write(&before, old.to_pem()).unwrap();
    set_mode(&before, 0o600);
    assert_eq!(kids(&Keys::open(&config(dir.path()), NOW).unwrap())[0], old.kid());
    assert!(!before.exists());
}

#[test]
fn a_directory_that_a_crash_left_starts_right() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("keys");
    let whole = kids(&Keys::open(&config(dir.path()), NOW).unwrap());
    // A rotation that broke off after the new key was written, and one in the middle of writing.
    let spare = SigningKey::generate(Algorithm::EdDSA).unwrap();
    fs::write(place.join(format!("{}.pem", spare.kid())), spare.to_pem()).unwrap();
    fs::write(place.join("ring.json.partial"), "{\"curr").unwrap();
    fs::write(place.join("x.pem.partial"), "-----BEGIN").unwrap();
    assert_eq!(kids(&Keys::open(&config(dir.path()), NOW).unwrap()), whole);
    assert!(!files(dir.path()).contains(&format!("{}.pem", spare.kid())));
    // The first start broke off before the ring was written: what may have signed still verifies.
    fs::remove_file(place.join("ring.json")).unwrap();
    let keys = Keys::open(&config(dir.path()), NOW).unwrap();
    let again = kids(&keys);
    assert!(whole.iter().all(|kid| again[2..].contains(kid)), "{again:?} {whole:?}");
    assert!(keys.published()[2..].iter().all(|one| matches!(one.used, Use::Retired { .. })));
}

#[test]
fn what_is_not_whole_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("keys");
    let kids = kids(&Keys::open(&config(dir.path()), NOW).unwrap());
    let key = place.join(format!("{}.pem", kids[0]));
    let pem = fs::read_to_string(&key).unwrap();
    let other = SigningKey::generate(Algorithm::EdDSA).unwrap().to_pem();
    fs::remove_file(&key).unwrap();
    assert!(error(&config(dir.path())).contains("is not there; put back what is missing"));
    for (text, why) in [(other.as_str(), "is not there"), ("junk", "no PEM")] {
        fs::write(&key, text).unwrap();
        set_mode(&key, 0o600);
        let error = error(&config(dir.path()));
        assert!(error.contains(why), "{error}");
    }
    fs::write(&key, pem).unwrap();
    let ring = fs::read_to_string(place.join("ring.json")).unwrap();
    for broken in ["{}".to_owned(), ring.replace(&kids[0], "../../etc/shadow"), ring.replace("since", "until")] {
        fs::write(place.join("ring.json"), broken).unwrap();
        assert!(error(&config(dir.path())).contains("move the directory away"));
    }
}

#[test]
fn another_algorithm_holds_from_the_next_start_on() {
    let dir = tempfile::tempdir().unwrap();
    let before = kids(&Keys::open(&config(dir.path()), NOW).unwrap());
    let config = with(dir.path(), |config| config.tokens.algorithm = Algorithm::ES256);
    for _ in 0..2 {
        let published = Keys::open(&config, NOW + 1).unwrap().published();
        let algorithms: Vec<_> = published.iter().map(|one| one.key.algorithm()).collect();
        assert_eq!(algorithms, [Algorithm::ES256, Algorithm::ES256, Algorithm::EdDSA]);
        assert_eq!(published[2].key.kid(), before[0], "its tokens hold on");
    }
}

#[test]
fn a_given_key_is_reread_and_the_one_before_it_verifies_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret.pem");
    let put = |key: &SigningKey| {
        // As Kubernetes does it: another file under the same name.
        fs::write(dir.path().join("new"), key.to_pem()).unwrap();
        set_mode(&dir.path().join("new"), 0o400);
        fs::rename(dir.path().join("new"), &path).unwrap();
    };
    let config = with(dir.path(), |config| {
        config.tokens.keys = KeySource::File(path.clone());
        config.tokens.max_ttl = Duration::from_secs(HOUR);
    });
    assert!(error(&config).contains("secret.pem: "), "it is not made");
    let [one, two] = [Algorithm::EdDSA, Algorithm::ES256].map(|algorithm| SigningKey::generate(algorithm).unwrap());
    put(&one);
    let mut keys = Keys::open(&config, NOW).unwrap();
    assert!(!keys.tick(NOW).unwrap());
    assert!(matches!(keys.rotate(NOW), Err(KeysError::Given(_))));
    put(&two);
    assert!(keys.tick(NOW + 1).unwrap());
    assert_eq!(kids(&keys), [two.kid(), one.kid()]);
    // A broken or an open file changes nothing.
    set_mode(&path, 0o644);
    assert!(matches!(keys.tick(NOW + 2), Err(KeysError::Secret(_))));
    fs::remove_file(&path).unwrap();
    assert!(keys.tick(NOW + 2).is_err());
    assert_eq!(kids(&keys), [two.kid(), one.kid()]);
    assert!(keys.tick(NOW + 1 + HOUR + MAX_LEEWAY).unwrap(), "what has run out goes all the same");
    assert_eq!(kids(&keys), [two.kid()]);
    put(&one);
    keys.tick(NOW + 9 * HOUR).unwrap();
    put(&two);
    keys.tick(NOW + 9 * HOUR).unwrap();
    assert_eq!(kids(&keys), [two.kid(), one.kid()], "one that comes back is there once");
    assert!(!dir.path().join("keys").exists());
}
