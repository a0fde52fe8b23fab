//! Secrets that are made of parts: key blocks, tokens of three parts, URLs and settings with passwords.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

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
    Composed("password", "admin_pwd", ByName, password),
    Composed("generic_secret", "api_key", ByName, |draw| draw.form("[A-Za-z0-9]{32}")),
    Composed("generic_secret", "access_token", ByName, |draw| draw.form("[A-Za-z0-9_-]{39}[A-Za-z0-9]")),
    Composed("generic_secret", "Authorization", ByForm, |draw| format!("Bearer {}", draw.form("[A-Za-z0-9]{40}"))),
];

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
