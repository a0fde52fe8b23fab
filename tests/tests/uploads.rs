//! Memory of the daemon while a thousand uploads of a hundred megabytes are under way at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Settings};

const UPLOADS: usize = 1000;
/// What docs/dlp.md says that an upload holds at most: its stream, and what two connections buffer.
const BOUND: u64 = (256 + 256) * 1024;
/// What each has sent when it is judged, and how much of that may not be at the origin yet, in bytes.
const SENT: u64 = 128 * 1024;
const HELD: u64 = 40 * 1024;

const POLICY: &str = r#"version: uploads-1
policies:
  - name: uploads
    agents: ["*"]
    rules:
      - name: looked-through
        hosts: [api.allowed.test]
        decision: sanitize
        dlp: {redact: [ssn], report: [all]}
"#;

/// Opens the uploads, sends the beginning of each, says so, and keeps them open. What holds back the most: compressed
/// JSON, an encoded part of a form, messages that are not whole, an archive, and JSON.
const CLIENT: &str = r#"
import asyncio, base64, random, struct, sys, zlib
random.seed(7)
uploads, sent, done = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
words = ['order', 'of', 'the', 'meeting', 'value', 'data', 'report', 'and', 'note', 'user', 'about', 'x']
line = lambda n: b'{"id":%d,"text":"%s"},\n' % (n, ' '.join(random.choices(words, k=12)).encode())
text = b'[' + b''.join(line(n) for n in range(16000))
packer = zlib.compressobj(wbits=31)
packed = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
part = b'--XX\r\nContent-Disposition: form-data; name="f"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
message = b'\x0a\xc0\xb8\x02' + text[:40000]
entry = struct.pack('<4s5H3I2H', b'PK\x03\x04', 10, 0, 0, 0, 33, 0, 90000000, 90000000, 1, 0) + b'f'
kinds = [
    ('/json', 'application/json', '', text),
    ('/gzip', 'application/json', 'Content-Encoding: gzip\r\n', packed),
    ('/part', 'multipart/mixed; boundary=XX', '', part + base64.encodebytes(text).replace(b'\n', b'\r\n')),
    ('/grpc', 'application/grpc', '', (b'\0' + struct.pack('>I', len(message)) + message) * 8),
    ('/zip', 'application/zip', '', entry + random.randbytes(sent)),
]
assert all(len(body) >= sent for *_, body in kinds), [len(body) for *_, body in kinds]
gate = asyncio.Semaphore(100)
async def upload(number):
    path, kind, more, body = kinds[number % len(kinds)]
    async with gate:
        reader, writer = await asyncio.open_connection('api.allowed.test', 80)
    head = f'POST {path} HTTP/1.1\r\nHost: api.allowed.test\r\nContent-Type: {kind}\r\n{more}Content-Length: 100000000\r\n\r\n'
    writer.write(head.encode())
    for at in range(0, sent, 16384):
        writer.write(body[at:min(at + 16384, sent)])
        await writer.drain()
    return writer
async def main():
    open_uploads = await asyncio.gather(*(upload(number) for number in range(uploads)))
    open(done, 'w').write(str(len(open_uploads)))
    await asyncio.sleep(600)
asyncio.run(main())
"#;

#[test]
fn a_thousand_uploads_at_once_stay_within_the_bound() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(POLICY)).unwrap();
    // Warm: what the first request allocates for good is not theirs.
    assert_eq!(lab.agent(AGENT).curl(&["http://api.allowed.test/hello"]).unwrap().status, 200);
    let before = daemon.resident().unwrap();
    let done = lab.path("home").join("done");
    let (uploads, sent) = (UPLOADS.to_string(), SENT.to_string());
    let command = ["/usr/bin/python3", "-c", CLIENT, &uploads, &sent, done.to_str().unwrap()];
    let mut client = lab.agent(AGENT).limit(Duration::from_secs(120)).start(&command).unwrap();
    let mut most = 0;
    let arrived = wait_for(Duration::from_secs(90), || {
        most = daemon.resident().unwrap().max(most);
        let there = || lab.internet.requests.progress().iter().filter(|(_, length)| *length >= SENT - HELD).count();
        let gone = (!client.running()).then_some(false);
        (done.exists() && there() == UPLOADS).then_some(true).or(gone)
    });
    let mut kinds: HashMap<String, (usize, u64)> = HashMap::new();
    for (path, length) in lab.internet.requests.progress() {
        let kind = kinds.entry(path).or_insert((0, u64::MAX));
        *kind = (kind.0 + 1, kind.1.min(length));
    }
    assert_eq!(arrived, Some(true), "{kinds:?} {}", daemon.log());
    most = daemon.resident().unwrap().max(most);
    let each = most.saturating_sub(before) / UPLOADS as u64;
    eprintln!("{UPLOADS} uploads: {} KiB each, {} MiB in all; {kinds:?}", each / 1024, most >> 20);
    assert!(each <= BOUND, "{} KiB each", each / 1024);
}
