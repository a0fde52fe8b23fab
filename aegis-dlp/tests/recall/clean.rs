//! What only looks like something: documents that agents send all day, and values that are almost right.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aegis_dlp::{Described, DetectorSet, Profile, Stream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::draw::Draw;

/// A detector, and the form of something that it is not for.
pub const NEAR_MISSES: &[(&str, &str)] = &[
    ("password", "if (password == other.password2 && passwords.len() > 3) and password != form.password1"),
    ("password", "the password is required, the password is 12 characters long, your password is stored in /etc/app1"),
    ("ssn", "078-05-0000 and 078 00 1123 and 666-12-1234 and 000-12-3456"),
    ("ssn", "part number 123-456-789, ticket 12-345-6789"),
    ("us_itin", "911-89-1234 and 911-69-1234"),
    ("uk_nino", "FQ 00 00 00 C and BG123612A and nt 99 88 77 a and AA 12 34 56 H"),
    ("uk_nhs_number", "NHS number 401-023-2138, NHS no. 943 476 5871"),
    ("de_tax_id", "Steuer-ID 12345678901, IdNr. 11111111111, Steuer-ID 36574261890"),
    ("fr_nir", "295109912611199 and 2 95 10 99 126 111 94"),
    ("es_dni", "12345678A and 54362315Z and X9613851A"),
    ("it_codice_fiscale", "RCCMNL83S18D969A and RCCMNL83S18D969"),
    ("nl_bsn", "BSN 111252333, BSN 1112223334"),
    ("be_national_number", "rijksregisternummer 85.07.30-033.29"),
    ("pl_pesel", "PESEL 44051401358, PESEL 85040812345"),
    ("se_personnummer", "880320-0018 and 881320-0016"),
    ("fi_hetu", "131052-308U and 310252-308Y"),
    ("no_fodselsnummer", "fodselsnummer 15108695077"),
    ("pt_nif", "NIF 501964842"),
    ("ie_pps", "PPS number 6433435E"),
    ("ch_ahv", "756.9217.0769.84 and 7569217076986"),
    ("ca_sin", "SIN 130 692 545, SIN 999-999-999"),
    ("br_cpf", "231.002.999-00 and 390.533.447-06"),
    ("mx_curp", "BOXW310820HNERXN08"),
    ("cl_rut", "RUT 12.531.909-3"),
    ("in_aadhaar", "Aadhaar 1234 5678 9012, Aadhaar 2341 2341 2347"),
    ("in_pan", "PAN ABMPA32111, PAN ABCD1234"),
    ("au_tfn", "TFN 824 753 557"),
    ("au_medicare", "Medicare number 2123 25870 1"),
    ("sg_nric", "S2740116D and A1234567Z"),
    ("kr_rrn", "001332-1234567"),
    ("cn_resident_id", "360426199101010072"),
    ("email", "info@presidio. and @decorator and user@localhost and npm i @scope/name@1.2.3"),
    ("phone", "version 4.15.555.0132, order 415555, 2026-11-23 10:15:00, 3.14159265358979"),
    ("date_of_birth", "Today is 5/20/2021, due date: 2021-05-21, created at 21.5.2021"),
    ("payment_card", "4012-8888-8888-1882 and 36168002586008 and 1748503543012 and 4111111111111112"),
    ("iban", "AL47 2121 1009 0000 0002 3569 8740 and AT611904300234573202 and AD12000A2030200359100100"),
    ("us_routing_number", "routing number 421042111, routing number 123400000"),
    ("passport", "passport renewal in 2026, passport control takes 45 minutes"),
    ("medical_record_number", "patient of 45 years, room 1204"),
    ("ip_address", "version 1.2.3, section 3.2.1.4.5, 999.1.1.1, std::io::Result, a::b"),
    ("aws_key", "key = AK~IAXXXXXXXXXXXXXXXX and TODAYINASIAASACKOFRICEFELLOVER"),
    ("gcp_api_key", "apiKey: AI~zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa and AI~ZASYCO2CXRMC9ELSKLHLHRMBSWDEVEDZTLO2O"),
    ("github_token", "gh~p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and gh~o_short"),
    ("slack_token", "xo~xb-xxxxxxxxx-xxxxxxxxxx-xxxxxxxxxxxx and xo~xb-12345-abcd234"),
    ("perplexity_key", "PERPLEXITY_API_KEY=pp~lx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    (
        "huggingface_token",
        "- (id)hf_requiredCharacteristicTypesForDisplayMetadata; _kHMSymptomhf_generatedByHomeAppForDebuggingPurposesKey",
    ),
    (
        "grafana_token",
        "gl~sa_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX_AAAAAAAA and static void GLC_CreateLightmapTextureArray(void);",
    ),
    (
        "vault_token",
        "s.THISSTRINGISALLUPPERCASE s.thisstringisalllowercase s.AcceptanceTimeoutSeconds s.makeKubeConfigController = args",
    ),
    (
        "terraform_token",
        "token = xxxxxxxxxxxxxx.atlasv1.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ),
    ("pulumi_token", "<img src=./assets/vipul-f0eb1acf0da84c06a50c5b2c59932001997786b176dec02bd16128ee9ea83628.png>"),
    ("databricks_token", "DATABRICKS_TOKEN=da~pi123456789012345678a9bc01234defg5"),
    ("notion_token", "nt~n_12345678901 and nt~n_12345678901abc"),
    ("meta_token", "eaaaC0b75a9329fded2ffa9a02b47e0117831b82"),
    ("twilio_key", "TASK0123456789 and SKILLS and SKU-12345"),
    ("npm_token", "npm_config_registry and npm_lifecycle_event"),
    ("openai_key", "risk-adjusted-returns-of-the-portfolio-in-2026 and desk-sk-learn-tutorial-part-seven-of-eight"),
    ("anthropic_key", "s~k-ant-api03-short"),
    ("stripe_key", "pk_live_is_public and sk_live_ and task_live_reload_enabled"),
    ("jwt", "eyJ is how base64 of JSON begins, ey.ey.ey"),
    (
        "private_key",
        "-----BEGIN PUBLIC KEY----- and -----BEGIN CERTIFICATE----- and how to write a BEGIN PRIVATE KEY line",
    ),
    (
        "connection_string",
        "https://example.com:8080/path and postgres://localhost:5432/app and http://user@host/ and mysql://${USER}:${PASSWORD}@host/db",
    ),
    ("basic_auth", "Authorization: Basic <credentials> and a Basic understanding of things"),
    (
        "password",
        "password: ${DB_PASSWORD} and password = os.environ[[]'X'] and the password must be at least 12 characters long",
    ),
    ("password", "password: <your password> and password=**** and password=null and forgot password?"),
    (
        "password",
        "const password = getPassword(user); passwordField.value; if (!password) return; type=password name=password",
    ),
    (
        "generic_secret",
        "primaryKey=customers_order_id and foreignKey: orders.customer_id and keyboardLayout = qwerty_international",
    ),
    ("generic_secret", "access_token_url='https://github.com/login/oauth/access_token',"),
    (
        "generic_secret",
        "secret_length = X25519.secret_length and KeyPair = X25519.KeyPair and tokenizer=BertTokenizerFast",
    ),
    ("generic_secret", "LLM_SECRET_NAME = my-secret-name and token = request.headers.get(authorization)"),
    (
        "generic_secret",
        "api_key = YOUR_API_KEY_HERE and token: <insert token here> and secret: ${{ secrets.GITHUB_TOKEN }}",
    ),
    ("generic_secret", "pub const SN_id_Gost28147_89_None_KeyMeshing = id-Gost28147-89-None-KeyMeshing"),
    ("generic_secret", "keyPressed = kVK_Return.u16 and monkeys-audio:mx64-uwp=fail and o.keySelector=n,o.haKey=!1,"),
    ("generic_secret", "max_tokens: 1024, prompt_tokens: 33, total_tokens: 1057, token_count=12"),
];

/// Documents with a name each.
pub fn texts() -> Vec<(&'static str, String)> {
    let mut draw = Draw::new("clean");
    let mut texts = Vec::new();
    let mut lines = |name, form: &str, count: usize| {
        let text: String = (0..count).map(|_| draw.form(form) + "\n").collect();
        texts.push((name, text));
    };
    lines("UUIDs", "request [a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12} served", 20);
    lines("git log", "[a-f0-9]{40} refactor: split module [a-z]{7}", 20);
    lines("short revisions", "[a-f0-9]{8} fix off by one in [a-z]{6}.rs", 20);
    lines(
        "package-lock.json",
        "    \"node_modules/[a-z]{8}\": {\"version\": \"[1-9].[0-9]{2}.[0-9]\", \"resolved\": \"https://registry.npmjs.org/[a-z]{8}/-/[a-z]{8}-1.0.0.tgz\", \"integrity\": \"sha512-[A-Za-z0-9+/]{86}==\", \"dev\": true},",
        20,
    );
    lines(
        "yarn.lock",
        "[a-z]{6}@^[1-9].0.0:\n  version \"[1-9].[0-9].[0-9]\"\n  resolved \"https://registry.yarnpkg.com/[a-z]{6}/-/[a-z]{6}-1.2.3.tgz#[a-f0-9]{40}\"",
        15,
    );
    lines(
        "Cargo.lock",
        "[[][[]package]]\nname = \"[a-z]{7}\"\nversion = \"[0-9].[0-9]{2}.[0-9]\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"[a-f0-9]{64}\"",
        15,
    );
    lines("go.sum", "github.com/[a-z]{6}/[a-z]{7} v[0-9].[0-9]{2}.0 h1:[A-Za-z0-9+/]{43}=", 20);
    lines("requirements with hashes", "[a-z]{7}==[1-9].[0-9].[0-9] --hash=sha256:[a-f0-9]{64}", 20);
    lines("image digests", "image: registry.example.com/team/[a-z]{6}@sha256:[a-f0-9]{64}", 15);
    lines("order numbers", "order ORD-[0-9]{6}-[A-Z]{3} invoice INV-2026-[0-9]{5} sku SKU[0-9]{5}", 20);
    lines("times", "2026-1[0-2]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][0-9].[0-9]{6}Z 17[0-9]{8} 17[0-9]{11}", 20);
    lines(
        "versions",
        "v[1-9].[0-9]{2}.[0-9] [1-9].[0-9].[0-9]-rc.[1-9] 2026.1[0-2].[1-9] [1-9].[0-9].[0-9]+build.[0-9]{4}",
        20,
    );
    lines(
        "access log",
        "10.1.[1-9].[1-9] - - [[]23/Nov/2026:10:[0-5][0-9]:[0-5][0-9] +0000] \"GET /api/v1/items/[0-9]{5}?page=[1-9] HTTP/1.1\" 200 [1-9][0-9]{3} \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"",
        15,
    );
    lines("traces", "traceparent: 00-[a-f0-9]{32}-[a-f0-9]{16}-01 span=[a-f0-9]{16}", 20);
    lines(
        "headers of answers",
        "etag: \"[a-f0-9]{32}\"\nx-request-id: [A-Za-z0-9]{22}\ncf-ray: [a-f0-9]{16}-FRA\nlast-modified: Mon, 23 Nov 2026 09:00:00 GMT",
        8,
    );
    lines(
        "style sheet",
        ".c[a-f0-9]{6} { color: #[a-f0-9]{6}; margin: [1-9]px [1-9]px; transform: translate3d(0.[0-9]{4}em, -[1-9]px, 0) }",
        15,
    );
    lines(
        "a drawing",
        "<path d=\"M[0-9]{2}.[0-9]{3} [0-9]{2}.[0-9]{3}c-1.[0-9]{3} 0-2.[0-9]{3}.[0-9]{3}-3.[0-9]{3} 1.[0-9]{3}z\"/>",
        15,
    );
    lines("measurements", "[1-9][0-9]{3}.[0-9]{2};[0-9].[0-9]{6};-[0-9]{2}.[0-9]{4};[1-9].[0-9]{3}e-0[1-9]", 20);
    lines("books", "ISBN 978-[0-9]-[0-9]{2}-[0-9]{6}-[0-9], pages [1-9][0-9]{2}", 15);
    lines("names of files", "/var/lib/app/data/2026/11/2[0-9]/part-0000[0-9]-[a-f0-9]{8}.snappy.parquet", 15);
    lines("public keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43} deploy", 8);
    lines(
        "minified script",
        "!function(e,t){var n=e[[]t],r=n.[a-z]{3}||{};for(var i=0;i<n.length;i++)r[[]i]=t(n[[]i],[1-9]e[1-9])}(window,function(a,b){return a<<[1-9]|b>>>[1-9][0-9]});",
        15,
    );
    lines("object ids", "{\"_id\":\"[a-f0-9]{24}\",\"rev\":\"[1-9]-[a-f0-9]{32}\",\"seq\":[1-9][0-9]{5}}", 20);
    lines(
        "identifiers of a cloud",
        "arn:aws:iam::123456789012:role/[a-z]{8} vpc-0[a-f0-9]{16} subnet-0[a-f0-9]{16} ami-0[a-f0-9]{16} i-0[a-f0-9]{16}",
        10,
    );
    lines(
        "calls of tools",
        "{\"id\":\"call_[A-Za-z0-9]{24}\",\"type\":\"function\",\"function\":{\"name\":\"search\",\"arguments\":\"{}\"}}",
        15,
    );
    lines(
        "messages",
        "{\"id\":\"msg_01[A-Za-z0-9]{22}\",\"usage\":{\"input_tokens\":[1-9][0-9]{2},\"output_tokens\":[1-9][0-9]},\"stop_reason\":\"end_turn\"}",
        15,
    );
    texts.push(("vectors", vectors(&mut draw)));
    texts.push(("a picture", picture(&mut draw)));
    texts.push(("prose", PROSE.repeat(3)));
    texts.push(("an interface", INTERFACE.to_owned()));
    texts.push(("a program", PROGRAM.to_owned()));
    texts.push(("a pod", POD.to_owned()));
    texts.push(("a certificate", certificate(&mut draw)));
    texts
}

fn vectors(draw: &mut Draw) -> String {
    let mut text = String::from("{\"object\":\"list\",\"data\":[{\"embedding\":[");
    for _ in 0..256 {
        let sign = if draw.below(2) == 0 { "-" } else { "" };
        write!(text, "{sign}0.{:016},", draw.between(1_000_000_000_000_000, 9_999_999_999_999_999)).unwrap();
    }
    text.pop();
    text + "],\"index\":0}],\"model\":\"text-embedding-3-small\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}"
}

/// Bytes like those of a compressed picture, behind the head of one.
fn picture(draw: &mut Draw) -> String {
    let mut bytes = b"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00".to_vec();
    bytes.extend((0..6000).map(|_| u8::try_from(draw.below(256)).unwrap()));
    format!(
        "{{\"type\":\"image_url\",\"image_url\":{{\"url\":\"data:image/jpeg;base64,{}\"}}}}",
        STANDARD.encode(bytes)
    )
}

fn certificate(draw: &mut Draw) -> String {
    let lines: String = (0..20).map(|_| draw.form("[A-Za-z0-9+/]{64}") + "\n").collect();
    format!("-----BEGIN CERTIFICATE-----\nMIID{}\n{lines}-----END CERTIFICATE-----\n", draw.form("[A-Za-z0-9+/]{60}"))
}

const PROSE: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. The token bucket holds 4000 tokens and refills at 50 per second; \
the key idea is that a password manager keeps one secret so that people need not. In chapter 12, section 3.4, we secretly swap the keys of the piano. \
On 5 May 2021 the patient reader will have read 250 pages; call it a card game if you like. Routing is easy, passports are not, and the social security of \
bees is a matter of phone calls. Den Geburtstag feiern wir im Juli. Le numéro 12 a gagné 1 000 000 euros à 15 h 30.\n";

const INTERFACE: &str = r##"openapi: 3.1.0
info: {title: Orders, version: 1.4.2}
components:
  securitySchemes:
    api_key: {type: apiKey, name: X-API-Key, in: header}
    oauth: {type: oauth2, flows: {clientCredentials: {tokenUrl: https://auth.example.com/oauth/token, scopes: {orders:read: Read orders}}}}
  schemas:
    Credentials:
      type: object
      required: [username, password]
      properties:
        username: {type: string, maxLength: 64}
        password: {type: string, format: password, minLength: 12}
        api_token: {type: string, description: "token of the account, see the settings page"}
        phone: {type: string, pattern: "^\\+[1-9][0-9]{6,14}$"}
        iban: {type: string, minLength: 15, maxLength: 34}
        date_of_birth: {type: string, format: date}
"##;

const PROGRAM: &str = r##"
use std::collections::HashMap;

/// The token of a session, and when it ends.
pub struct Session { token: Token, secret_key: SecretKey<32>, expires_at: SystemTime }

impl Session {
    pub fn open(password: &str, api_key: &ApiKey) -> Result<Session, AuthError> {
        let secret = derive_secret(password, &api_key.salt)?;
        let token = Token::generate(&mut OsRng);
        const ACCESS_KEY_ID_LEN: usize = 20;
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        assert_eq!(secret.len(), 0x20, "secret: {}", secret.len());
        tracing::debug!(token = %token.id(), "password accepted");
        Ok(Session { token, secret_key: SecretKey::from(secret), expires_at: SystemTime::now() + Duration::from_secs(3600) })
    }
}
"##;

const POD: &str = r##"apiVersion: v1
kind: Pod
metadata: {name: worker-7d9f8c6b5d-x2x4z, uid: 0b5d7c1e-6a53-4b0e-9a43-1f2f3c4d5e6f, resourceVersion: "1829301"}
spec:
  containers:
    - name: worker
      image: registry.example.com/worker:1.27.3
      env:
        - name: DB_PASSWORD
          valueFrom: {secretKeyRef: {name: db-credentials, key: password}}
        - name: API_TOKEN_FILE
          value: /var/run/secrets/tokens/api-token
      volumeMounts: [{name: kube-api-access-4kq2x, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]
"##;

/// What of this repository holds nothing that is to be found: sources of crates that have no examples, documents of
/// machines, and the lock file.
const SOURCES: [&str; 9] = [
    "aegis-agent/src",
    "aegis-audit/src",
    "aegis-common/src",
    "aegis-ebpf/src",
    "aegis-tools/src",
    "aegisctl/src",
    "xtask/src",
    "Cargo.lock",
    "docs/openapi.json",
];

/// What is found in this repository outside of tests.
pub fn repository() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| collect(&root.join(source), &mut files));
    assert!(files.len() > 100, "only {} files below {}", files.len(), root.display());
    let profile = Profile::redacting(DetectorSet::ALL);
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let bytes = text.split("\n#[cfg(test)]\n").next().unwrap_or_default().as_bytes();
        let mut stream = Stream::new(&profile, &Described::default()).unwrap();
        let _ = stream.push(bytes, &mut Vec::new());
        let _ = stream.finish(&mut Vec::new());
        for finding in stream.findings() {
            found.push(format!("{} in {} at {}", finding.detector, file.display(), finding.place));
        }
    }
    found
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        let test = path.to_string_lossy().ends_with("tests.rs");
        return files.extend((!test).then(|| path.to_owned()));
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().for_each(|entry| collect(entry, files));
}
