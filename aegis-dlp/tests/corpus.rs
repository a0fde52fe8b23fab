//! Replays the corpus of the fuzz targets (`fuzz/corpus`), so that what a fuzzer once found stays found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "support/documents.rs"]
mod documents;
#[path = "support/packing.rs"]
mod packing;
#[path = "support/streams.rs"]
mod streams;
#[path = "support/structured.rs"]
mod structured;
mod support;

use std::path::Path;

use aegis_dlp::Described;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 10, "{}: only {files} inputs", folder.display());
}

#[test]
fn streams() {
    replay("dlp_stream", support::check_stream);
}

#[test]
fn json() {
    replay("dlp_json", support::check_json);
}

#[test]
fn urls() {
    replay("dlp_url", support::check_url);
}

#[test]
fn bodies() {
    replay("dlp_body", streams::check_body);
}

/// Bodies of the corpus that were made by others (Python's libraries, the reference encoders), what is found in them, and
/// where.
#[test]
fn what_others_encode_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/dlp_body");
    for (name, detector, path) in [
        ("gzip_python", "ssn", "/user/ssn"),
        ("gzip_named_two_members", "ssn", "/user/ssn"),
        ("zlib_python", "ssn", "/user/ssn"),
        ("deflate_bare", "ssn", "/user/ssn"),
        ("brotli_reference", "ssn", "/user/ssn"),
        ("brotli_small_window", "ssn", "/user/ssn"),
        ("zstd_reference", "ssn", "/user/ssn"),
        ("zstd_cli_two_frames", "ssn", "/user/ssn"),
        ("gzip_in_zstd", "ssn", "/user/ssn"),
        ("form_requests", "ssn", "part:note"),
        ("mixed_python_lf", "ssn", "part:1"),
        ("mixed_python_crlf", "ssn", "part:1"),
        ("mixed_nested", "ssn", "part:1!part:2!/p"),
        ("zip_python", "ssn", "zip:a.txt!/user/ssn"),
        ("zip_python_streamed", "ssn", "zip:a.txt!/user/ssn"),
        ("xlsx_openpyxl", "ssn", "zip:xl/worksheets/sheet1.xml"),
        ("docx_python_docx", "ssn", "zip:word/document.xml"),
        ("odt_odfpy", "payment_card", "zip:content.xml"),
        ("png_with_text", "email", ""),
        ("gzip_file", "ssn", "gzip!/user/ssn"),
    ] {
        let data = std::fs::read(folder.join(name)).unwrap();
        let (content_type, content_encoding, grpc_encoding) = streams::DESCRIBED[usize::from(data[0])];
        let content_type = Some(content_type);
        let described = Described { content_type, content_encoding, grpc_encoding, ..Described::default() };
        let sent = streams::send(&streams::redacting(), &described, &data[2..]);
        let found: Vec<_> = sent.findings.iter().map(|one| (one.detector.name(), one.place.record())).collect();
        let there = |(kind, place): &(&str, String)| {
            let place = place.splitn(3, ':').nth(2).unwrap_or_default();
            (*kind, place) == (detector, path)
        };
        assert!(found.iter().any(there), "{name}: {found:?} {:?}", sent.flow);
    }
}

#[test]
fn xml() {
    replay("dlp_xml", documents::check_xml);
}

#[test]
fn utf16() {
    replay("dlp_utf16", documents::check_utf16);
}

#[test]
fn encoded() {
    replay("dlp_encoded", documents::check_encoded);
}

#[test]
fn multipart() {
    replay("dlp_multipart", structured::check_multipart);
}

#[test]
fn grpc() {
    replay("dlp_grpc", structured::check_grpc);
}

#[test]
fn zip() {
    replay("dlp_zip", structured::check_zip);
}

#[test]
fn codings() {
    replay("dlp_coding", structured::check_coding);
}

#[test]
fn own_detectors() {
    replay("dlp_own", structured::check_own);
}
