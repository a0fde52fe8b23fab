//! A stream holds the same few kilobytes after 100 MB as after one, whatever the body is made of; a thousand at once a thousand
//! times that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;

use aegis_dlp::{Described, STREAM_MEMORY, Stream, StreamFlow};
use packing::*;
use streams::*;

const MEGABYTE: usize = 1024 * 1024;
const CHUNK: usize = 16 * 1024;
const STREAMS: usize = 1000;

/// An upload without end: how it begins, and what it goes on with.
struct Upload {
    name: &'static str,
    described: Described<'static>,
    begins: Vec<u8>,
    goes_on: Vec<u8>,
    /// How much of it is sent: each kind on the way of most uploads its 100 MB, the others enough to see what they hold.
    megabytes: usize,
}

/// Text with numbers, addresses and escapes in it, of about a megabyte.
fn lines() -> Vec<u8> {
    let line = |number: u32| {
        let hash = number.wrapping_mul(2_654_435_761);
        let mail = if number.is_multiple_of(50) { "jane@example.com" } else { "nobody" };
        format!(r#"{{"key":"k{number}","mail":"{mail}","text":"some words, {hash:x}, \u0041 and \"quoted\" ones"}},"#)
    };
    let mut text = String::new();
    for number in 0.. {
        text.push_str(&line(number));
        if text.len() >= MEGABYTE {
            break;
        }
    }
    text.into_bytes()
}

fn uploads() -> Vec<Upload> {
    let of = |content_type: &'static str| typed(content_type);
    let lines = lines();
    let noise: Vec<u8> = (0..MEGABYTE as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let part = |headers: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=f; filename=f\r\n{headers}\r\n").into_bytes()
    };
    let encoded = data_encoding::BASE64.encode(&lines[..lines.len() / 3 * 3]);
    let wrapped: Vec<u8> = encoded.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
    let mut stored = zip(&[Entry("a", b"", false)], false);
    stored.truncate(31);
    // An entry that says it has 4 GiB less one.
    stored[18..22].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    let messages: Vec<u8> = lines
        .chunks(40_000)
        .flat_map(|message| framed(0, &[b"\x0a\xc0\xb8\x02".as_slice(), message].concat()))
        .collect();
    let members = |row: u32| {
        let member = |number: u32| {
            format!("\"a member with a long name {number}\":\"{}\"", "word ".repeat((row + number) as usize % 90))
        };
        (0..70).map(member).collect::<Vec<String>>().join(",")
    };
    let rows: String = (0..60).map(|row| format!("{{{}}}\n", members(row))).collect();
    let whole_messages = messages.len() / 40_009 * 40_009;
    vec![
        Upload {
            name: "json",
            described: of("application/json"),
            begins: b"[".to_vec(),
            goes_on: lines.clone(),
            megabytes: 100,
        },
        Upload { name: "text", described: of("text/plain"), begins: Vec::new(), goes_on: lines.clone(), megabytes: 8 },
        Upload {
            name: "lines of JSON",
            described: of("application/x-ndjson"),
            begins: Vec::new(),
            goes_on: rows.into_bytes(),
            megabytes: 8,
        },
        Upload { name: "bytes", described: of(""), begins: Vec::new(), goes_on: noise.clone(), megabytes: 8 },
        Upload {
            name: "gzip",
            described: Described { content_encoding: &["gzip"], ..of("application/json") },
            begins: Vec::new(),
            goes_on: gzip(&lines),
            megabytes: 100,
        },
        Upload {
            name: "gzip in gzip",
            described: Described { content_encoding: &["gzip, gzip"], ..of("application/json") },
            begins: Vec::new(),
            goes_on: gzip(&gzip(&lines)),
            megabytes: 8,
        },
        Upload {
            name: "a file of a form",
            described: of("multipart/form-data; boundary=XX"),
            begins: part(""),
            goes_on: noise.clone(),
            megabytes: 100,
        },
        Upload {
            name: "an encoded part",
            described: of("multipart/mixed; boundary=XX"),
            begins: part("Content-Transfer-Encoding: base64\r\n"),
            goes_on: wrapped,
            megabytes: 8,
        },
        Upload {
            name: "messages",
            described: of("application/grpc"),
            begins: Vec::new(),
            goes_on: messages[..whole_messages].to_vec(),
            megabytes: 8,
        },
        Upload {
            name: "a gzip file",
            described: of("application/gzip"),
            begins: Vec::new(),
            goes_on: gzip(&noise),
            megabytes: 8,
        },
        Upload {
            name: "an archive",
            described: of("application/zip"),
            begins: stored,
            goes_on: noise.clone(),
            megabytes: 8,
        },
        Upload {
            name: "a picture",
            described: of("image/png"),
            begins: b"\x89PNG\r\n\x1a\n".to_vec(),
            goes_on: noise,
            megabytes: 8,
        },
    ]
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_ascii_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn push(upload: &Upload, stream: &mut Stream, chunk: &[u8], out: &mut Vec<u8>) {
    out.clear();
    assert_eq!(stream.push(chunk, out), StreamFlow::Continue, "{}", upload.name);
}

/// Reports, so that nothing is stopped, and redacts one kind, so that what is held back is held back.
fn profile() -> aegis_dlp::Profile {
    aegis_dlp::Profile {
        report: aegis_dlp::DetectorSet::ALL,
        ..aegis_dlp::Profile::redacting(aegis_dlp::Detector::Ssn.into())
    }
}

#[test]
fn a_hundred_megabytes_hold_no_more_than_one() {
    for upload in uploads() {
        let mut stream = Stream::new(&profile(), &upload.described).unwrap();
        let mut out = Vec::new();
        push(&upload, &mut stream, &upload.begins, &mut out);
        let mut most = 0;
        // What goes on stands for a megabyte, compressed or not.
        for _ in 0..upload.megabytes {
            for chunk in upload.goes_on.chunks(CHUNK) {
                push(&upload, &mut stream, chunk, &mut out);
                most = most.max(stream.held());
            }
        }
        assert!(most <= STREAM_MEMORY, "{}: {most}", upload.name);
    }
}

#[test]
fn a_thousand_uploads_at_once() {
    for upload in uploads().into_iter().filter(|upload| upload.megabytes == 100 || upload.name == "an encoded part") {
        let before = resident();
        let mut streams: Vec<Stream> =
            (0..STREAMS).map(|_| Stream::new(&profile(), &upload.described).unwrap()).collect();
        let mut out = Vec::new();
        for stream in &mut streams {
            push(&upload, stream, &upload.begins, &mut out);
        }
        for round in 0..3 {
            for (number, stream) in streams.iter_mut().enumerate() {
                // Each is somewhere else in its upload.
                let size = CHUNK - number % 7;
                let from = (round * size).min(upload.goes_on.len());
                let chunk = &upload.goes_on[from..(from + size).min(upload.goes_on.len())];
                push(&upload, stream, chunk, &mut out);
            }
        }
        let held: usize = streams.iter().map(Stream::held).sum();
        assert!(held <= STREAMS * STREAM_MEMORY, "{}: {held}", upload.name);
        // What the process has grown by says that nothing was left out of the count.
        let grown = resident().saturating_sub(before);
        assert!(grown <= STREAMS * STREAM_MEMORY, "{}: {grown}", upload.name);
    }
}

#[test]
fn what_nobody_changes_is_not_held_unfolded() {
    let text = "the same words again and again, ".repeat(28_000);
    let packed = gzip(text.as_bytes());
    let described = Described { content_encoding: &["gzip"], ..typed("text/plain") };
    let mut stream = Stream::new(&profile().report_only(), &described).unwrap();
    let mut out = Vec::new();
    assert_eq!(stream.push(&packed, &mut out), StreamFlow::Continue);
    assert_eq!((stream.finish(&mut out), &out), (StreamFlow::Continue, &packed));
    assert!(stream.held() <= STREAM_MEMORY, "{} of {}", stream.held(), text.len());
    assert!(stream.remarks().is_empty(), "it was read: {:?}", stream.remarks());
}
