//! One file, looked through as a body on its way is.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use aegis_dlp::{Described, Finding, Profile, Stream, StreamFlow, masked};
use serde::Serialize;

use super::profile::Chosen;
use crate::failure::Failure;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// What a head would say of the body.
pub struct Head<'a> {
    pub content_type: Option<&'a str>,
    pub codings: Vec<&'a str>,
}

/// What came of a file. Never its text.
#[derive(Debug, Serialize)]
pub struct Looked {
    pub file: String,
    pub findings: Vec<Found>,
    /// What could not be read, or was taken out.
    pub remarks: Vec<String>,
    /// Why it would not leave, where it would not.
    pub stopped: Option<String>,
    pub bytes: u64,
}

/// A finding, as it is shown.
#[derive(Debug, Serialize)]
pub struct Found {
    pub detector: &'static str,
    pub confidence: &'static str,
    pub action: &'static str,
    pub place: String,
    pub count: u64,
}

impl Looked {
    /// Whether there is anything to tell.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.remarks.is_empty() && self.stopped.is_none()
    }
}

/// Looks through what `path` holds (`-`: standard input), writing what would leave to `out`.
pub fn look(path: &Path, head: &Head<'_>, chosen: &Chosen, out: &mut dyn Write) -> Result<Looked, Failure> {
    let name = path.display().to_string();
    let failed = |error: &io::Error| Failure::No(format!("cannot read {name}: {error}"));
    let mut input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(|error| failed(&error))?),
    };
    let described = Described {
        content_type: head.content_type.or_else(|| by_name(path)),
        content_encoding: &head.codings,
        ..Described::default()
    };
    let mut looked = Looked { file: name.clone(), findings: Vec::new(), remarks: Vec::new(), stopped: None, bytes: 0 };
    let mut stream = match Stream::new(&chosen.profile, &described) {
        Ok(stream) => stream,
        Err(opaque) => return Ok(Looked { stopped: Some(opaque.to_string()), ..looked }),
    };
    let (mut chunk, mut cleared) = (vec![0; CHUNK], Vec::with_capacity(2 * CHUNK));
    loop {
        let read = match input.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| failed(&error))?,
        };
        looked.bytes += read as u64;
        let flow = match chunk.get(..read) {
            Some(bytes) if read > 0 => stream.push(bytes, &mut cleared),
            _ => stream.finish(&mut cleared),
        };
        out.write_all(&cleared)?;
        cleared.clear();
        if let StreamFlow::Deny(why) = flow {
            looked.stopped = Some(without(&chosen.everything, &why.to_string()));
            break;
        }
        if read == 0 {
            break;
        }
    }
    looked.findings = stream.findings().iter().map(|finding| found(finding, &chosen.everything)).collect();
    looked.remarks = stream.remarks().iter().map(|remark| without(&chosen.everything, &remark.to_string())).collect();
    Ok(looked)
}

fn found(finding: &Finding, everything: &Profile) -> Found {
    Found {
        detector: finding.detector.name(),
        confidence: finding.confidence.name(),
        action: finding.action.name(),
        // Keys and names of files stand in it.
        place: without(everything, &finding.place.record()),
        count: finding.count,
    }
}

fn without(everything: &Profile, text: &str) -> String {
    masked(everything, text).into_owned()
}

/// Formats that content alone does not tell for sure.
fn by_name(path: &Path) -> Option<&'static str> {
    match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase)?.as_str() {
        "json" | "jsonl" | "ndjson" => Some("application/json"),
        "csv" => Some("text/csv"),
        "tsv" => Some("text/tab-separated-values"),
        "xml" => Some("application/xml"),
        "html" | "htm" => Some("text/html"),
        _ => None,
    }
}
