//! Bundles: written and read, signed and verified, and everything that must not be read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::sync::LazyLock;

use aegis_policy::Source;
use aegis_policy::bundle::{
    Bundle, BundleError, KeyError, SignatureAlgorithm, Signer, VerificationKey, VerificationKeys,
};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

const POLICY: &str = "version: v7\npolicies:\n  - name: p\n    agents: [a]\n    rules:\n      - {name: r, hosts: [api.test], methods: [GET], decision: allow}\n";
const SECOND: &str =
    "policies:\n  - name: q\n    agents: [b]\n    rules:\n      - {name: s, hosts: [b.test], decision: deny}\n";

const ES256: (&str, &str) = (include_str!("keys/es256.pem"), include_str!("keys/es256.pub.pem"));
const RS256: (&str, &str) = (include_str!("keys/rs256.pem"), include_str!("keys/rs256.pub.pem"));
const ED25519: (&str, &str) = (include_str!("keys/ed25519.pem"), include_str!("keys/ed25519.pub.pem"));
/// A second P-256 key: whoever it belongs to is nobody to us.
const OTHER: (&str, &str) = (include_str!("keys/other.pem"), include_str!("keys/other.pub.pem"));

fn sources() -> Vec<Source> {
    vec![
        Source { name: "finance.yaml".into(), text: POLICY.into() },
        Source { name: "data.yaml".into(), text: SECOND.into() },
    ]
}

fn bundle() -> Bundle {
    Bundle::build(sources(), Some("r1"), 1_700_000_000).unwrap()
}

fn signer(algorithm: SignatureAlgorithm, pem: &str) -> Signer {
    Signer::from_pem("k1", algorithm, pem, None).unwrap()
}

fn keys(algorithm: SignatureAlgorithm, pem: &str) -> VerificationKeys {
    VerificationKeys::new([VerificationKey::from_pem("k1", algorithm, pem, None).unwrap()]).unwrap()
}

fn es256() -> VerificationKeys {
    keys(SignatureAlgorithm::Es256, ES256.1)
}

/// A bundle signed with [`ES256`].
static SIGNED: LazyLock<Vec<u8>> =
    LazyLock::new(|| bundle().write(Some(&signer(SignatureAlgorithm::Es256, ES256.0))).unwrap());

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut tar = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut tar).ok().map(|_| tar)
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

type Files = Vec<(String, Vec<u8>)>;

fn files(bytes: &[u8]) -> Files {
    let tar = gunzip(bytes).unwrap();
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let file = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    };
    entries.map(file).collect()
}

/// Packs files as any archiver would: with a user, a time and in the order given.
fn pack(files: &Files) -> Vec<u8> {
    pack_as(files, |_| tar::EntryType::Regular)
}

fn pack_as(files: &Files, kind: impl Fn(&str) -> tar::EntryType) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        // Not `set_path`: it would refuse what we want to see refused.
        let name = header.as_ustar_mut().unwrap();
        name.name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind(path));
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(1_700_000_000);
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_cksum();
        archive.append(&header, content.as_slice()).unwrap();
    }
    gzip(&archive.into_inner().unwrap())
}

fn changed(change: impl Fn(&mut Files)) -> Vec<u8> {
    let mut all = files(&SIGNED);
    change(&mut all);
    pack(&all)
}

fn set(files: &mut Files, path: &str, content: impl AsRef<[u8]>) {
    let file = files.iter_mut().find(|(name, _)| name == path).unwrap();
    file.1 = content.as_ref().to_vec();
}

fn refused(bytes: &[u8]) -> String {
    match Bundle::read(bytes, Some(&es256())) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_written_is_read() {
    let bytes = bundle().write(None).unwrap();
    let read = Bundle::read(&bytes, None).unwrap();
    assert_eq!((read.manifest.revision.as_str(), read.manifest.serial), ("r1", 1_700_000_000));
    assert_eq!(read.snapshot.version(), "v7");
    assert_eq!(read.signed_by, None);
    let back: Vec<(&str, &str)> = read.sources.iter().map(|s| (s.name.as_str(), s.text.as_str())).collect();
    assert_eq!(back, [("finance.yaml", POLICY), ("data.yaml", SECOND)]);
    // Nothing of the machine, the user or the time is in it.
    assert_eq!(read.write(None).unwrap(), bytes);
    assert_eq!(bundle().write(None).unwrap(), bytes);
    assert_eq!(Bundle::build(sources(), None, 1).unwrap().manifest.revision, "v7");
}

#[test]
fn the_layout_is_opas() {
    let all = files(&SIGNED);
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    let sources = ["aegis/sources/0000-finance.yaml", "aegis/sources/0001-data.yaml"];
    assert_eq!(paths, [".manifest", ".signatures.json", "aegis/policy.rego", sources[0], sources[1], "data.json"]);
    let manifest: Value = serde_json::from_slice(&all[0].1).unwrap();
    assert_eq!(manifest["revision"], "r1");
    assert_eq!(manifest["roots"], json!(["aegis"]));
    assert_eq!(manifest["rego_version"], 1);
    let rego = std::str::from_utf8(&all[2].1).unwrap();
    assert!(rego.starts_with("package aegis.policy\n"), "{rego}");
}

#[test]
fn directories_of_sources_stay() {
    let sources = vec![
        Source { name: "b.yaml".into(), text: POLICY.into() },
        Source { name: "a/b.yaml".into(), text: SECOND.into() },
    ];
    let bytes = Bundle::build(sources, None, 1).unwrap().write(None).unwrap();
    let read = Bundle::read(&bytes, None).unwrap();
    let names: Vec<&str> = read.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["b.yaml", "a/b.yaml"]);
    for name in ["/abs.yaml", "../up.yaml", "a/./b.yaml", "a\\b.yaml", &"long".repeat(60)] {
        let odd = vec![Source { name: name.into(), text: POLICY.into() }];
        let outcome = Bundle::build(odd, None, 1).unwrap().write(None);
        assert!(matches!(outcome, Err(BundleError::Path(_))), "{name}");
    }
}

#[test]
fn each_algorithm_signs_and_verifies() {
    for (algorithm, (private, public)) in
        [(SignatureAlgorithm::Es256, ES256), (SignatureAlgorithm::Rs256, RS256), (SignatureAlgorithm::EdDsa, ED25519)]
    {
        let bytes = bundle().write(Some(&signer(algorithm, private))).unwrap();
        assert_eq!(Bundle::read(&bytes, Some(&keys(algorithm, public))).unwrap().signed_by.as_deref(), Some("k1"));
        assert_eq!(algorithm.name().parse(), Ok(algorithm));
    }
    for name in ["HS256", "none", "es256", ""] {
        assert_eq!(name.parse::<SignatureAlgorithm>(), Err(KeyError::Algorithm(name.into())));
    }
}

#[test]
fn a_repacked_bundle_keeps_its_signature() {
    // Another archiver, another order, other white space in the documents: OPA's digests are of the content.
    let repacked = changed(|all| {
        all.reverse();
        let manifest = all.iter_mut().find(|(path, _)| path == ".manifest").unwrap();
        manifest.1 = serde_json::from_slice::<Value>(&manifest.1).unwrap().to_string().into_bytes();
        set(all, "data.json", " {} ");
    });
    assert_eq!(Bundle::read(&repacked, Some(&es256())).unwrap().manifest.revision, "r1");
}

#[test]
fn only_the_right_key_counts() {
    let unsigned = bundle().write(None).unwrap();
    assert!(matches!(Bundle::read(&unsigned, Some(&es256())), Err(BundleError::Unsigned)));
    let by_other = bundle().write(Some(&signer(SignatureAlgorithm::Es256, OTHER.0))).unwrap();
    assert_eq!(refused(&by_other), "its signature is not valid: the key did not sign this");
    // The key's own algorithm counts, not the header's.
    let by_rsa = bundle().write(Some(&signer(SignatureAlgorithm::Rs256, RS256.0))).unwrap();
    assert_eq!(refused(&by_rsa), "its signature is not valid: its algorithm is not the key's");
    let stranger = Signer::from_pem("k2", SignatureAlgorithm::Es256, ES256.0, None).unwrap();
    let by_stranger = bundle().write(Some(&stranger)).unwrap();
    assert!(refused(&by_stranger).contains("the key `k2`, which is not configured"));
    let scoped = Signer::from_pem("k1", SignatureAlgorithm::Es256, ES256.0, Some("other".into())).unwrap();
    assert!(refused(&bundle().write(Some(&scoped)).unwrap()).contains("scope"));
    // One of several keys is enough.
    let both = VerificationKeys::new([
        VerificationKey::from_pem("old", SignatureAlgorithm::Es256, OTHER.1, None).unwrap(),
        VerificationKey::from_pem("k1", SignatureAlgorithm::Es256, ES256.1, None).unwrap(),
    ]);
    assert_eq!(Bundle::read(&SIGNED, Some(&both.unwrap())).unwrap().signed_by.as_deref(), Some("k1"));
}

#[test]
fn forged_tokens_are_refused() {
    let token = |all: &Files| {
        let text = &all.iter().find(|(path, _)| path == ".signatures.json").unwrap().1;
        serde_json::from_slice::<Value>(text).unwrap()["signatures"][0].as_str().unwrap().to_owned()
    };
    let with =
        |make: &dyn Fn(&str) -> Value| changed(|all| set(all, ".signatures.json", make(&token(all)).to_string()));
    let b64 = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let header = |header: &'static str| {
        move |token: &str| {
            let rest = token.split_once('.').unwrap().1;
            json!({"signatures": [format!("{}.{rest}", b64(header))]})
        }
    };
    for (what, bytes, why) in [
        ("none", with(&header(r#"{"alg":"none","kid":"k1"}"#)), "unknown variant `none`"),
        ("another algorithm", with(&header(r#"{"alg":"HS256","kid":"k1"}"#)), "its algorithm is not the key's"),
        ("critical", with(&header(r#"{"alg":"ES256","kid":"k1","crit":["x"]}"#)), "crit"),
        ("no key", with(&header(r#"{"alg":"ES256"}"#)), "the key did not sign this"),
        ("two", with(&|token| json!({"signatures": [token, token]})), "several"),
        ("empty", with(&|_| json!({"signatures": []})), "it is not signed"),
        ("plugin", with(&|token| json!({"signatures": [token], "plugin": "mine"})), "plugin"),
        // 64 bytes are 86 digits: 85 are no base64 whatever they say, 84 are a signature that is too short.
        ("cut", with(&|token| json!({"signatures": [token[..token.len() - 1]]})), "it is no JWT"),
        ("short", with(&|token| json!({"signatures": [token[..token.len() - 2]]})), "the key did not sign this"),
        ("text", with(&|_| json!({"signatures": ["a.b.c"]})), "it is no JWT"),
    ] {
        let told = refused(&bytes);
        assert!(told.contains(why), "{what}: {told}");
    }
}

#[test]
fn every_file_is_signed_and_every_signed_file_is_there() {
    let cases: [(Vec<u8>, &str); 7] = [
        (changed(|all| set(all, "aegis/policy.rego", "package aegis.policy\n")), "`aegis/policy.rego` is not the file"),
        (
            changed(|all| set(all, "aegis/sources/0000-finance.yaml", SECOND)),
            "`aegis/sources/0000-finance.yaml` is not",
        ),
        (changed(|all| set(all, "data.json", r#"{"a": 1}"#)), "`data.json` is not the file that was signed"),
        (changed(|all| set(all, "data.json", "{")), "`data.json` is not the file that was signed"),
        (changed(|all| set(all, ".manifest", "{}")), "`.manifest` is not the file that was signed"),
        (
            changed(|all| all.push(("aegis/extra.rego".into(), b"package aegis.x\n".to_vec()))),
            "`aegis/extra.rego` is not covered",
        ),
        (changed(|all| all.retain(|(path, _)| path != "aegis/sources/0001-data.yaml")), "was signed and is not in it"),
    ];
    for (bytes, why) in cases {
        let told = refused(&bytes);
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn rego_and_yaml_say_the_same() {
    // Nobody asks for a signature here, so what is left is what holds for every bundle.
    let read = |bytes: &[u8]| Bundle::read(bytes, None).map(|_| ()).unwrap_err();
    let other = changed(|all| {
        let rego = all.iter().find(|(path, _)| path == "aegis/policy.rego").unwrap().1.clone();
        set(all, "aegis/policy.rego", String::from_utf8(rego).unwrap().replace("GET", "POST"));
    });
    assert!(matches!(read(&other), BundleError::OtherRego));
    let broken = changed(|all| set(all, "aegis/sources/0001-data.yaml", "policies: 7\n"));
    assert!(matches!(read(&broken), BundleError::Policy(_)));
    assert!(read(&broken).to_string().contains("data.yaml"), "{}", read(&broken));
    assert!(matches!(read(&changed(|all| set(all, "data.json", "{\"a\":1}"))), BundleError::Data));
    assert!(matches!(read(&changed(|all| set(all, "aegis/sources/0001-data.yaml", [0xff]))), BundleError::NotText(_)));
}

#[test]
fn bundles_of_others_are_told_from_broken_ones() {
    let manifest = br#"{"revision": "x", "roots": ["app"], "rego_version": 1}"#.to_vec();
    let foreign = vec![
        ("/data.json".to_owned(), b"{}".to_vec()),
        ("/app/main.rego".to_owned(), b"package app\n".to_vec()),
        ("/.manifest".to_owned(), manifest.clone()),
    ];
    assert!(
        matches!(Bundle::read(&pack(&foreign), None), Err(BundleError::Path(_))),
        "absolute, as `opa build` writes"
    );
    let relative: Files = foreign.into_iter().map(|(path, content)| (path[1..].to_owned(), content)).collect();
    let told = Bundle::read(&pack(&relative), None).unwrap_err();
    assert!(matches!(told, BundleError::Foreign), "{told}");
    assert!(told.to_string().contains("aegisctl policy build"), "{told}");
    let rego_only = changed(|all| all.retain(|(path, _)| !path.starts_with("aegis/sources/")));
    assert!(matches!(Bundle::read(&rego_only, None), Err(BundleError::Foreign)));
}

#[test]
fn manifests_are_read_strictly() {
    let base = json!({"revision": "r", "roots": ["aegis"], "rego_version": 1,
        "metadata": {"aegis_format": 1, "aegis_serial": 3, "aegis_compiler": env!("CARGO_PKG_VERSION")}});
    let with = |path: &str, value: Value| {
        let mut manifest = base.clone();
        *manifest.pointer_mut(path).unwrap() = value;
        Bundle::read(&changed(|all| set(all, ".manifest", manifest.to_string())), None).map(|read| read.manifest.serial)
    };
    assert_eq!(with("/revision", json!("r")).unwrap(), 3);
    // Compiled by another version: its Rego may differ in words, here it does not even.
    assert_eq!(with("/metadata/aegis_compiler", json!("0.0.9")).unwrap(), 3);
    for (path, value) in [
        ("/revision", json!("")),
        ("/revision", json!("a\nb")),
        ("/revision", json!("r".repeat(129))),
        ("/revision", json!(7)),
        ("/roots", json!([])),
        ("/roots", json!([""])),
        ("/roots", json!(["aegis", "system"])),
        ("/rego_version", json!(0)),
        ("/metadata/aegis_format", json!(2)),
        ("/metadata/aegis_serial", json!(1_u64 << 53)),
        ("/metadata/aegis_serial", json!(-1)),
        ("/metadata/aegis_serial", json!(1.5)),
        ("/metadata/aegis_compiler", json!("")),
        ("/metadata", json!({"aegis_format": 1, "aegis_serial": 3, "aegis_compiler": "x", "more": 1})),
    ] {
        let told = with(path, value.clone());
        assert!(matches!(told, Err(BundleError::Manifest(_))), "{path} {value}: {told:?}");
    }
    let twice = base.to_string().replace("\"roots\"", "\"revision\":\"q\",\"roots\"");
    assert!(Bundle::read(&changed(|all| set(all, ".manifest", &twice)), None).is_err());
    assert!(Bundle::build(sources(), Some(""), 1).is_err());
    assert!(Bundle::build(sources(), None, u64::MAX).is_err());
}

#[test]
fn archives_that_are_not_plain_are_refused() {
    let all = files(&SIGNED);
    let with = |path: &str| {
        let mut more = all.clone();
        more.push((path.to_owned(), b"x".to_vec()));
        refused(&pack(&more))
    };
    for path in ["/etc/passwd", "../up", "a/../../b", "a//b", "./x", "x/"] {
        assert!(with(path).contains("is no path of a bundle"), "{path}: {}", with(path));
    }
    assert!(with("data.json").contains("is in it twice"));
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
        tar::EntryType::Char,
        tar::EntryType::Fifo,
        tar::EntryType::XHeader,
        tar::EntryType::XGlobalHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::GNUSparse,
    ] {
        let odd = pack_as(&all, |path| if path == "data.json" { kind } else { tar::EntryType::Regular });
        assert!(refused(&odd).contains("`data.json` is no plain file"), "{kind:?}: {}", refused(&odd));
    }
}

#[test]
fn half_an_archive_is_none() {
    for cut in [0, 1, 9, 10, 100, SIGNED.len() / 2, SIGNED.len() - 9, SIGNED.len() - 1] {
        assert!(
            refused(&SIGNED[..cut]).starts_with("it is no whole gzip archive"),
            "{cut}: {}",
            refused(&SIGNED[..cut])
        );
    }
    let tar = gunzip(&SIGNED).unwrap();
    for cut in [0, 512, 1000, tar.len() / 2 / 512 * 512, tar.len() - 1024, tar.len() - 512, tar.len() - 1] {
        let told = refused(&gzip(&tar[..cut]));
        assert!(told.starts_with("it is no whole tar archive"), "{cut}: {told}");
    }
    let mut longer = SIGNED.clone();
    longer.extend_from_slice(b"more");
    assert_eq!(refused(&longer), "4 bytes follow the end of the archive");
    let twice = [SIGNED.as_slice(), SIGNED.as_slice()].concat();
    assert!(refused(&twice).contains("follow the end"));
    let behind = [tar.as_slice(), b"behind"].concat();
    assert!(refused(&gzip(&behind)).contains("follow the end"));
    for text in ["", "policies: []\n", "\x1f\u{8b}"] {
        assert!(refused(text.as_bytes()).starts_with("it is no whole gzip archive"));
    }
}

#[test]
fn archives_are_bounded() {
    // A bomb: some KiB that would be 65 MiB.
    let bomb = gzip(&vec![0; 65 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert!(refused(&bomb).contains("too large: what it holds"), "{}", refused(&bomb));
    assert!(refused(&vec![0; (32 << 20) + 1]).contains("too large: the archive"));
    let many: Files = (0..1100).map(|at| (format!("aegis/sources/{at:04}-p.yaml"), Vec::new())).collect();
    assert!(refused(&pack(&many)).contains("too large: files in it"));
    let long = changed(|all| set(all, "aegis/policy.rego", vec![b'#'; (16 << 20) + 1]));
    assert!(refused(&long).contains("too large: aegis/policy.rego"), "{}", refused(&long));
}

#[test]
fn keys_are_what_they_are_said_to_be() {
    let from = |algorithm, pem| VerificationKey::from_pem("k", algorithm, pem, None).map(|_| ());
    assert_eq!(from(SignatureAlgorithm::Es256, ES256.0), Err(KeyError::Private));
    for (algorithm, pem) in [
        (SignatureAlgorithm::Es256, RS256.1),
        (SignatureAlgorithm::Rs256, ED25519.1),
        (SignatureAlgorithm::EdDsa, ES256.1),
        (SignatureAlgorithm::Es256, "no key"),
    ] {
        assert!(matches!(from(algorithm, pem), Err(KeyError::Pem { .. })), "{algorithm}");
    }
    for id in ["", "a b", "ü", &"k".repeat(129)] {
        let key = VerificationKey::from_pem(id, SignatureAlgorithm::Es256, ES256.1, None);
        assert!(matches!(key.map(|_| ()), Err(KeyError::Id(_))), "{id}");
    }
    let key = || VerificationKey::from_pem("k", SignatureAlgorithm::Es256, ES256.1, None).unwrap();
    assert_eq!(VerificationKeys::new([key(), key()]).map(|_| ()), Err(KeyError::Twice("k".into())));
    assert_eq!(VerificationKeys::new([]).map(|_| ()), Err(KeyError::None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever changes on the way, what is loaded is what was signed. (A few bits of gzip mean nothing: its time stamp,
    /// the padding after its last block.)
    #[test]
    fn flipped_bits_never_change_what_loads(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = SIGNED.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if Bundle::read(&bytes, Some(&es256())).is_ok() {
            prop_assert_eq!(gunzip(&bytes), gunzip(&SIGNED), "byte {}", at);
        }
    }

    /// The same below gzip's own checksum: no bit of any file's name or content can change.
    #[test]
    fn flipped_bits_of_the_tar_never_change_what_loads(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut tar = gunzip(&SIGNED).unwrap();
        let at = at.index(tar.len());
        tar[at] ^= 1 << bit;
        let bytes = gzip(&tar);
        if Bundle::read(&bytes, Some(&es256())).is_ok() {
            prop_assert_eq!(files(&bytes), files(&SIGNED), "byte {}", at);
        }
    }

    #[test]
    fn random_bytes_are_no_bundle(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(Bundle::read(&bytes, None).is_err());
        prop_assert!(Bundle::read(&gzip(&bytes), None).is_err());
    }
}

#[test]
fn authors_rego_travels_as_written() {
    let policy = "policies:\n  - name: p\n    agents: [a]\n    rules:\n      - {name: r, hosts: [api.test], rego: data.acme.hours.open, decision: allow}\n";
    let module = "package acme.hours\n\nopen if input.port == 443\n";
    let sources = vec![
        Source { name: "p.yaml".into(), text: policy.into() },
        Source { name: "hours.rego".into(), text: module.into() },
    ];
    let bytes = Bundle::build(sources, None, 1).unwrap().write(None).unwrap();
    let all = files(&bytes);
    let manifest: Value = serde_json::from_slice(&all[0].1).unwrap();
    assert_eq!(manifest["roots"], json!(["aegis", "acme"]), "OPA refuses packages outside of the roots");
    let custom = all.iter().find(|(path, _)| path.starts_with("aegis/custom/")).expect("the rule's condition");
    assert!(std::str::from_utf8(&custom.1).unwrap().contains("data.acme.hours.open"));
    assert_eq!(Bundle::read(&bytes, None).unwrap().sources[1].text, module);
    // A condition that is not the rule's.
    let mut other = all.clone();
    let path = custom.0.clone();
    set(&mut other, &path, b"package aegis.custom_x\n\nholds := true\n");
    assert!(matches!(Bundle::read(&pack(&other), None), Err(BundleError::OtherRego)));
}
