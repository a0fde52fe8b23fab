//! A bundle server: HTTPS with a certificate of its own authority, entity tags, and every way of answering wrongly.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_tests::Lab;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does with a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The bundle, or 304 to whoever has it already.
    Bundle { bytes: Vec<u8>, etag: &'static str },
    /// A status without a body.
    Status(&'static str),
    /// Says that all of it comes, and ends after this many bytes.
    CutShort { bytes: Vec<u8>, after: usize },
    /// So many bytes, without saying how many.
    Endless(usize),
    /// A byte now and then, for ever.
    Drip,
    /// Nothing.
    Hang,
}

/// One question.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub if_none_match: Option<String>,
    pub authorization: Option<String>,
}

#[derive(Default)]
struct Shared {
    answer: Mutex<Option<Answer>>,
    asked: Mutex<Vec<Asked>>,
    closing: AtomicBool,
}

/// Runs until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    port: u16,
    serving: Option<std::thread::JoinHandle<anyhow::Result<anyhow::Result<()>>>>,
}

impl Server {
    /// Listens in the host's namespace, as something behind the host's network would; `port` 0 takes any. The authority's
    /// certificate is written to `root`.
    pub fn start(lab: &Lab, root: &Path, port: u16, answer: Answer) -> Self {
        let tls = tls(root);
        let listener = lab.host.within(move || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { answer: Mutex::new(Some(answer)), ..Shared::default() });
        let serving = Arc::clone(&shared);
        let serving = lab.host.thread("bundle-server", move || serve(&listener, &tls, &serving)).unwrap();
        Self { shared, port, serving: Some(serving) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/bundles/aegis.tar.gz", self.port)
    }

    pub fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = Some(answer);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

fn tls(root: &Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(root, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// The listener goes with this function: afterwards connections are refused.
fn serve(listener: &TcpListener, tls: &Arc<ServerConfig>, shared: &Arc<Shared>) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    while !shared.closing.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let (tls, shared) = (Arc::clone(tls), Arc::clone(shared));
                // A client that hangs up is no failure of the server.
                std::thread::spawn(move || answer(stream, tls, &shared).ok());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Ok(())
}

fn answer(stream: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) -> anyhow::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut stream = StreamOwned::new(ServerConnection::new(tls)?, stream);
    let mut asked = Asked::default();
    let mut lines = BufReader::new(&mut stream);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "if-none-match" => asked.if_none_match = Some(value.to_owned()),
            "authorization" => asked.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    drop(lines);
    shared.asked.lock().unwrap().push(asked.clone());
    let answer = shared.answer.lock().unwrap().clone();
    match answer {
        None => {}
        Some(Answer::Bundle { etag, .. }) if asked.if_none_match.as_deref() == Some(etag) => {
            write!(stream, "HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n")?;
        }
        Some(Answer::Bundle { bytes, etag }) => {
            let length = bytes.len();
            write!(stream, "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
            stream.write_all(&bytes)?;
        }
        Some(Answer::Status(status)) => {
            write!(
                stream,
                "HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )?;
        }
        Some(Answer::CutShort { bytes, after }) => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len())?;
            stream.write_all(&bytes[..after])?;
        }
        Some(Answer::Endless(length)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            for _ in 0..length / 1024 {
                stream.write_all(&[0; 1024])?;
            }
        }
        Some(Answer::Drip) => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")?;
            for _ in 0..1000 {
                stream.write_all(b"x")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        // Until the client has had enough.
        Some(Answer::Hang) => drop(BufReader::new(&mut stream).read_line(&mut String::new())),
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}
