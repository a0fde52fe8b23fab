//! Secrets that are made of parts: key blocks, tokens of three parts, URLs and settings with passwords.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use sha2::{Digest, Sha256};
use sha3::Keccak256;

use crate::draw::Draw;
use crate::keys::Told;

/// A kind of value: its detector, the name in front of it, what tells it, and how one is made.
pub struct Composed(pub &'static str, pub &'static str, pub Told, pub fn(&mut Draw) -> String);

use Told::{ByForm, ByName};

pub const ALL: &[Composed] = &[
    Composed("private_key", "TLS_KEY", ByForm, |draw| block(draw, "PRIVATE KEY", 24)),
    Composed("private_key", "SSH_KEY", ByForm, |draw| block(draw, "OPENSSH PRIVATE KEY", 6)),
    Composed("private_key", "RSA_KEY", ByForm, |draw| block(draw, "RSA PRIVATE KEY", 25)),
    Composed("private_key", "EC_KEY", ByForm, |draw| block(draw, "EC PRIVATE KEY", 3)),
    Composed("private_key", "ENC_KEY", ByForm, |draw| block(draw, "ENCRYPTED PRIVATE KEY", 25)),
    Composed("private_key", "PGP_KEY", ByForm, |draw| block(draw, "PGP PRIVATE KEY BLOCK", 12)),
    Composed("jwt", "ID_TOKEN", ByForm, |draw| jwt(draw, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}")),
    Composed("jwt", "id_token", ByForm, |draw| jwt(draw, "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"k1\"}")),
    Composed("discord_token", "DISCORD_BOT_TOKEN", ByForm, discord),
    Composed("connection_string", "DATABASE_URL", ByForm, url),
    Composed("connection_string", "CONNECTION", ByForm, settings),
    Composed("basic_auth", "Authorization", ByForm, |draw| {
        let pair = format!("{}:{}", draw.one_of(&["admin", "jane", "deploy"]), draw.form("[A-Za-z0-9]{14}"));
        format!("Basic {}", STANDARD.encode(pair))
    }),
    Composed("password", "password", ByName, password),
    Composed("password", "DB_PASSWORD", ByName, password),
    Composed("password", "passwd", ByName, password),
    Composed("password", "DB_PASS", ByName, |draw| draw.form("[A-Z][a-z]{3}[0-9]{3}[!#%][A-Za-z0-9]{3}")),
    Composed("password", "password_prod", ByName, |draw| draw.form("[A-Z][a-z]{5}[0-9]{4}!")),
    Composed("password", "admin_pwd", ByName, password),
    Composed("generic_secret", "ACME_KEY", ByName, |draw| draw.form("[A-Za-z0-9]{32}")),
    Composed("crypto_wallet", "wallet", ByForm, bitcoin),
    Composed("crypto_wallet", "address", ByForm, ethereum),
    Composed("crypto_wallet", "donations", ByForm, |_| "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".to_owned()),
    Composed("private_key", "WALLET_KEY", ByForm, |draw| in_base58(0x80, &random(draw, 32))),
    Composed("password_hash", "hash", ByForm, |draw| draw.form("$2b$12$[A-Za-z0-9./]{52}[A-Za-z0-9]")),
    Composed("password_hash", "shadow", ByForm, |draw| draw.form("$6$[A-Za-z0-9]{16}$[A-Za-z0-9./]{85}[A-Za-z0-9]")),
    Composed("generic_secret", "api_key", ByName, |draw| draw.form("[A-Za-z0-9]{32}")),
    Composed("generic_secret", "access_token", ByName, |draw| draw.form("[A-Za-z0-9_-]{39}[A-Za-z0-9]")),
    Composed("generic_secret", "Authorization", ByForm, |draw| format!("Bearer {}", draw.form("[A-Za-z0-9]{40}"))),
];

/// Bytes by chance.
fn random(draw: &mut Draw, count: usize) -> Vec<u8> {
    (0..count).map(|_| u8::try_from(draw.below(256)).unwrap()).collect()
}

/// Version and bytes with their checksum, in base58.
fn in_base58(version: u8, body: &[u8]) -> String {
    const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [&[version], body].concat();
    let check = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(&check[..4]);
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut text = Vec::new();
    while bytes.iter().any(|byte| *byte != 0) {
        let rest = bytes.iter_mut().fold(0, |rest, byte| {
            let number = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(number / 58).unwrap();
            number % 58
        });
        text.push(char::from(LETTERS[rest]));
    }
    text.extend(std::iter::repeat_n('1', zeros));
    text.iter().rev().collect()
}

fn bitcoin(draw: &mut Draw) -> String {
    let version = if draw.below(2) == 0 { 0 } else { 5 };
    in_base58(version, &random(draw, 20))
}

/// Hexadecimal digits, of which the letters whose digit of the hash is at least 8 are capitals (EIP-55).
fn ethereum(draw: &mut Draw) -> String {
    let digits = draw.form("[0-9a-f]{40}");
    let hash: String = Keccak256::digest(&digits).iter().map(|byte| format!("{byte:02x}")).collect();
    let write = |(digit, place): (char, char)| if place >= '8' { digit.to_ascii_uppercase() } else { digit };
    format!("0x{}", digits.chars().zip(hash.chars()).map(write).collect::<String>())
}

/// A block of PEM: its lines begin as a document in DER does.
fn block(draw: &mut Draw, name: &str, lines: usize) -> String {
    let mut text = format!("-----BE{} {name}-----\n", "GIN");
    for line in 0..lines {
        let head = if line == 0 { "MIIE" } else { "aB3/" };
        text += &format!("{head}{}\n", draw.form("[A-Za-z0-9+/]{60}"));
    }
    text + &format!("{}==\n-----END {name}-----", draw.form("[A-Za-z0-9+/]{22}"))
}

fn jwt(draw: &mut Draw, header: &str) -> String {
    let claims = format!("{{\"sub\":\"{}\",\"name\":\"J\",\"iat\":1516239022}}", draw.between(1_000_000, 9_999_999));
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header), part(&claims), draw.form("[A-Za-z0-9_-]{42}[A-Za-z0-9]"))
}

/// The number of the bot in base64, when it was made, and a code.
fn discord(draw: &mut Draw) -> String {
    let number = draw.form("[1-9][0-9]{17}");
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(number),
        draw.form("G[A-Za-z0-9]{5}"),
        draw.form("[A-Za-z0-9_-]{37}[A-Za-z0-9]")
    )
}

fn url(draw: &mut Draw) -> String {
    let (scheme, host) = [
        ("postgres", "db.example.com:5432/app"),
        ("postgresql", "10.0.0.5/app?sslmode=require"),
        ("mysql", "mysql.internal:3306/shop"),
        ("mongodb+srv", "cluster0.abcde.mongodb.net/?retryWrites=true"),
        ("redis", "cache.internal:6379/0"),
        ("amqps", "mq.example.com/vhost"),
        ("https", "git.example.com/org/repo.git"),
        ("ftp", "files.example.com/in"),
        ("mssql", "sql1:1433/master"),
        ("smtp", "mail.example.com:587"),
    ][draw.below(10)];
    format!("{scheme}://svc_app:{}@{host}", draw.form("[A-Za-z0-9]{6}[!_-][A-Za-z0-9]{9}"))
}

fn settings(draw: &mut Draw) -> String {
    let password = draw.form("[A-Za-z0-9]{12}");
    match draw.below(4) {
        0 => format!("Server=tcp:sql.example.com,1433;Database=app;User ID=svc;Password={password};Encrypt=True;"),
        1 => format!("Data Source=sql1;Initial Catalog=app;uid=svc;pwd={password}"),
        2 => format!("host=db.example.com port=5432 user=svc password={password} dbname=app"),
        _ => format!("jdbc:postgresql://db.example.com:5432/app?user=svc&password={password}"),
    }
}

fn password(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "[A-Z][a-z]{5}[0-9]{4}!",
        "[A-Za-z0-9]{16}",
        "[A-Za-z]{4}#[A-Za-z0-9]{4}*[0-9]{2}",
        "[a-z]{6}-[a-z]{6}-[A-Z][0-9]{2}",
        "Tr0ub4dor&[0-9]",
        "[A-Z][a-z]{3}@[a-z]{4}[0-9]{3}",
    ]);
    draw.form(form)
}
