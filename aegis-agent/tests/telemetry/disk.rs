//! A disk that is full: nothing is promised that cannot be kept, nothing promised is lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aegis_agent::telemetry::Unrecordable;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::support::{draft, eventually, open, verified};

/// A small file system of its own, gone with the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).expect("root, to mount a tmpfs");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_next_request_and_loses_none_before() {
    let disk = SmallDisk::new("8m");
    let log = open(disk.path());
    log.reserve().unwrap().commit(draft(0));
    log.drain().await;
    disk.fill();

    let mut slots = Vec::new();
    let refused = loop {
        match log.reserve() {
            Ok(slot) => slots.push(slot),
            Err(refused) => break refused,
        }
        assert!(slots.len() < 10_000, "a full disk has to refuse");
    };
    assert!(matches!(refused, Unrecordable::NoSpace(std::io::ErrorKind::StorageFull)), "{refused}");
    assert!(!slots.is_empty(), "space was set aside before the disk was full");
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(log.reserve().is_err());
    }
    assert!(start.elapsed() < Duration::from_millis(500), "refusals are quick: {:?}", start.elapsed());

    let promised = slots.len() as u64;
    for (slot, number) in slots.into_iter().zip(1..) {
        slot.commit(draft(number));
    }
    eventually("writing what was promised on a full disk", || log.health().last_seq == promised + 1);

    disk.free();
    eventually("recovery", || log.reserve().map(|slot| slot.commit(draft(9_999))).is_ok());
    log.drain().await;
    assert_eq!(log.health().last_seq, promised + 2);
    assert!(log.health().healthy && log.health().error.is_none(), "{:?}", log.health());
    assert_eq!(verified(disk.path()).records, promised + 2);
}

/// A record about the log itself has no space set aside when the daemon starts on a full disk: it waits.
#[tokio::test]
async fn what_cannot_be_written_is_kept_until_it_can() {
    let disk = SmallDisk::new("4m");
    let log = open(disk.path());
    log.reserve().unwrap().commit(draft(0));
    log.drain().await;
    drop(log);
    // A torn line that fills its page but for a few bytes: the note about it does not fit into what is left.
    let path = crate::support::log_path(disk.path());
    let mut text = fs::read(&path).unwrap();
    text.extend(vec![b'x'; 4096 - text.len() % 4096 - 1]);
    fs::write(&path, text).unwrap();
    disk.fill();
    // The side file for the torn bytes needs a page of its own.
    disk_make_room(&disk, 8192);
    let log = open(disk.path());
    assert!(log.reserve().is_err(), "no space, no promise");
    disk.free();
    eventually("the note being written", || log.health().last_seq == 2 && log.health().healthy);
    assert!(log.reserve().is_ok());
    log.drain().await;
    verified(disk.path());
}

fn disk_make_room(disk: &SmallDisk, bytes: u64) {
    let filler = fs::OpenOptions::new().write(true).open(disk.path().join("filler")).unwrap();
    let length = filler.metadata().unwrap().len();
    filler.set_len(length - bytes).unwrap();
}
