//! A disk that is full: nothing is promised that cannot be kept, nothing promised is lost.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use aegis_agent::telemetry::Unrecordable;
use aegis_audit::Draft;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::support::{draft, eventually, log_path, open, verified};

/// A small file system of its own, gone with the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .expect("root, to mount a tmpfs");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        let mut file = fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self, bytes: u64) {
        let filler = fs::OpenOptions::new().write(true).open(self.path().join("filler")).unwrap();
        let length = filler.metadata().unwrap().len();
        filler.set_len(length - bytes).unwrap();
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

#[tokio::test]
async fn what_cannot_be_noted_on_a_full_disk_may_not_be_sent() {
    let disk = SmallDisk::new("8m");
    let log = open(disk.path());
    let mut slots: Vec<_> = (1..4).map(|number| (log.reserve().unwrap(), draft(number))).collect();
    let (first, first_draft) = slots.first_mut().unwrap();
    let _ = first.note(first_draft).unwrap();
    disk.fill();
    let (second, second_draft) = slots.get_mut(1).unwrap();
    let refused = second.note(second_draft).unwrap_err();
    assert!(matches!(refused, Unrecordable::NotNoted(std::io::ErrorKind::StorageFull)), "{refused}");
    assert_eq!(log.health().refused, 1);
    disk.free();
    let (third, third_draft) = slots.get_mut(2).unwrap();
    let _ = third.note(third_draft).unwrap();
    for (slot, draft) in slots {
        slot.commit(draft);
    }
    log.drain().await;
    assert_eq!(log.health().last_seq, 3, "each has its record, also the one that was refused");
    drop(log);
    drop(open(disk.path()));
    assert_eq!(verified(disk.path()).records, 3);
}

/// A record about the log itself has no space set aside when the daemon starts on a full disk: it waits.
#[tokio::test]
async fn what_cannot_be_written_is_kept_until_it_can() {
    let disk = SmallDisk::new("4m");
    let path = log_path(disk.path());
    write_nearly_to_a_page_s_end(&disk).await;
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"torn").unwrap();
    disk.fill();
    // One page, which the side file for the torn bytes takes.
    disk.make_room(PAGE);
    let log = open(disk.path());
    eventually("the note failing", || !log.health().healthy);
    let refused = log.reserve().err().unwrap();
    assert!(matches!(&refused, Unrecordable::Writer(error) if error.contains("No space")), "{refused}");
    let before = log.health().last_seq;
    disk.free();
    eventually("the note being written", || log.health().last_seq == before + 1 && log.health().healthy);
    eventually("recovery", || log.reserve().map(|slot| slot.commit(draft(1))).is_ok());
    log.drain().await;
    assert_eq!(log.health().error, None);
    assert_eq!(verified(disk.path()).records, before + 2);
}

const PAGE: u64 = 4096;

/// Leaves less room in the file's last page than a record takes.
async fn write_nearly_to_a_page_s_end(disk: &SmallDisk) {
    let log = open(disk.path());
    let mut length = 0;
    let mut plain = None;
    loop {
        let room = PAGE - length % PAGE;
        if plain.is_some() && room < 200 {
            return;
        }
        // What a path has to have so that its record ends 100 bytes before the page does.
        let path = plain.map_or(0, |plain| (room - 100).saturating_sub(plain)).min(1900);
        let path = "x".repeat(usize::try_from(path).unwrap());
        log.reserve().unwrap().commit(Draft { path: Some(path), ..draft(0) });
        log.drain().await;
        length = fs::metadata(log_path(disk.path())).unwrap().len();
        // A little more than the first: later numbers have more digits.
        plain.get_or_insert(length + 2);
    }
}
