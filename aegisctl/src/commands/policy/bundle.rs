//! `aegisctl policy build`, `sign`, `inspect-bundle`: policies as one file.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use aegis_policy::Source;
use aegis_policy::bundle::{
    Bundle, BundleError, KeyError, MAX_SERIAL, SignatureAlgorithm, Signer, VerificationKey, VerificationKeys,
};
use serde_json::json;

use super::{files, validate};
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Largest bundle that is read, in bytes; the daemon's own limit is `policies.max_bytes`.
const MAX_BUNDLE: u64 = 32 << 20;
/// Largest key file, in bytes.
const MAX_KEY: u64 = 64 << 10;

/// Compiles policies into a bundle: one file that daemons load from a path or an HTTP(S) server, and that OPA reads.
///
/// The same policies, revision and serial give the same bytes, except for the signature. Without a key the bundle is unsigned.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy build policies/ --file bundle.tar.gz
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem
  openssl pkey -in signing.pem -pubout -out signing.pub.pem
  aegisctl policy build policies/ --file bundle.tar.gz --revision v7 --signing-key signing.pem --key-id release")]
pub struct BuildArgs {
    /// A policy directory, or policy files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where to write the bundle.
    #[arg(long, short, value_name = "BUNDLE")]
    file: PathBuf,
    /// What the bundle calls itself; the policies' own version where left out.
    #[arg(long, short)]
    revision: Option<String>,
    /// Orders the bundles of one place: daemons refuse one that is lower than what they had. Now, in seconds since 1970,
    /// where left out.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=MAX_SERIAL))]
    serial: Option<u64>,
    /// The private key (PEM, PKCS #8) to sign with.
    #[arg(long, value_name = "PEM")]
    signing_key: Option<PathBuf>,
    #[command(flatten)]
    named: Named,
}

/// Signs a bundle, or signs it anew with another key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy sign bundle.tar.gz --signing-key signing.pem --key-id release
  aegisctl policy sign bundle.tar.gz --signing-key rsa.pem --algorithm RS256 --file signed.tar.gz")]
pub struct SignArgs {
    /// The bundle.
    bundle: PathBuf,
    /// Where to write it; over the bundle itself where left out.
    #[arg(long, short, value_name = "BUNDLE")]
    file: Option<PathBuf>,
    /// The private key (PEM, PKCS #8) to sign with.
    #[arg(long, value_name = "PEM")]
    signing_key: PathBuf,
    #[command(flatten)]
    named: Named,
}

/// Shows what is in a bundle, and whether it is whole, compiles and is signed by a key.
///
/// Ends with 1 when a daemon would refuse it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy inspect-bundle bundle.tar.gz
  aegisctl policy inspect-bundle bundle.tar.gz --verification-key signing.pub.pem --key-id release
  aegisctl policy inspect-bundle bundle.tar.gz --output json | jq .revision")]
pub struct InspectArgs {
    /// The bundle.
    bundle: PathBuf,
    /// The public key (PEM) that must have signed it; without it the signature is not looked at.
    #[arg(long, value_name = "PEM")]
    verification_key: Option<PathBuf>,
    #[command(flatten)]
    named: Named,
}

/// What goes with a key, on either side.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// The key's id, as in the daemon's `policies.keys[].id`.
    #[arg(long, default_value = "default", value_name = "ID")]
    key_id: String,
    /// ES256, RS256 or EdDSA.
    #[arg(long, default_value = "ES256", value_name = "NAME")]
    algorithm: SignatureAlgorithm,
    /// What the signature is for, as in `policies.keys[].scope`.
    #[arg(long)]
    scope: Option<String>,
}

/// Builds.
pub fn build(args: &BuildArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let sources = relative(&args.paths)?;
    let bundle = Bundle::build(sources, args.revision.as_deref(), args.serial.unwrap_or(now)).map_err(refused)?;
    let signer = args.signing_key.as_ref().map(|key| args.named.signer(key)).transpose()?;
    save(&args.file, bundle, signer.as_ref().map(|signer| (signer, &args.named)), screen)
}

/// Signs.
pub fn sign(args: &SignArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let bundle = Bundle::read(&read(&args.bundle, MAX_BUNDLE)?, None).map_err(|error| told(&args.bundle, error))?;
    save(
        args.file.as_ref().unwrap_or(&args.bundle),
        bundle,
        Some((&args.named.signer(&args.signing_key)?, &args.named)),
        screen,
    )
}

/// Inspects.
pub fn inspect(args: &InspectArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let keys = match &args.verification_key {
        None => None,
        Some(path) => {
            let Named { key_id, algorithm, scope } = &args.named;
            let wrong = |error: KeyError| Failure::No(format!("{}: {error}", path.display()));
            let key = VerificationKey::from_pem(key_id, *algorithm, &text(path)?, scope.clone()).map_err(wrong)?;
            Some(VerificationKeys::new([key]).map_err(wrong)?)
        }
    };
    let bytes = read(&args.bundle, MAX_BUNDLE)?;
    let bundle = Bundle::read(&bytes, keys.as_ref()).map_err(|error| told(&args.bundle, error))?;
    let unseen = "not looked at; name the key: --verification-key PEM --key-id ID";
    show(&bundle, &args.bundle, bytes.len(), unseen, screen)?;
    Ok(ExitCode::SUCCESS)
}

impl Named {
    fn signer(&self, path: &Path) -> Result<Signer, Failure> {
        let Self { key_id, algorithm, scope } = self;
        Signer::from_pem(key_id, *algorithm, &text(path)?, scope.clone())
            .map_err(|error| Failure::No(format!("{}: {error}", path.display())))
    }
}

/// The policies under the names that they have in their directory: there the directories say whose they are.
fn relative(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        for source in files::read(std::slice::from_ref(path))? {
            let name = Path::new(&source.name);
            let inner = name.strip_prefix(path).ok().filter(|rest| !rest.as_os_str().is_empty());
            let name = inner.or_else(|| if path.is_file() { name.file_name().map(Path::new) } else { Some(name) });
            let name = name.unwrap_or(Path::new(&source.name)).display().to_string();
            sources.push(Source { name, text: source.text });
        }
    }
    Ok(sources)
}

/// Writes the bundle whole or not at all, and says what it is.
fn save(
    path: &Path,
    mut bundle: Bundle,
    signer: Option<(&Signer, &Named)>,
    screen: &Screen,
) -> Result<ExitCode, Failure> {
    let bytes = bundle.write(signer.map(|(signer, _)| signer)).map_err(refused)?;
    let failed = |error: io::Error| Failure::No(format!("cannot write {}: {error}", path.display()));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut partial = tempfile::Builder::new().prefix(".bundle").tempfile_in(directory).map_err(failed)?;
    partial.write_all(&bytes).map_err(failed)?;
    // For everybody to read, as any file that a web server hands out.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    partial.as_file().set_permissions(mode).map_err(failed)?;
    partial.persist(path).map_err(|error| failed(error.error))?;
    bundle.signed_by = signer.map(|(_, named)| named.key_id.clone());
    show(&bundle, path, bytes.len(), "none", screen)?;
    Ok(ExitCode::SUCCESS)
}

/// `unsigned`: what to say where no key has signed it.
fn show(bundle: &Bundle, path: &Path, bytes: usize, unsigned: &str, screen: &Screen) -> Result<(), Failure> {
    let manifest = &bundle.manifest;
    if screen.json() {
        let sources: Vec<&str> = bundle.sources.iter().map(|source| source.name.as_str()).collect();
        return Ok(screen.write_json(&json!({
            "file": path, "bytes": bytes, "revision": manifest.revision, "serial": manifest.serial,
            "compiler": manifest.compiler, "version": bundle.snapshot.version(), "rules": bundle.snapshot.rules(),
            "signed_by": bundle.signed_by, "sources": sources,
        }))?);
    }
    let verified = bundle.signed_by.as_ref().map_or(unsigned.to_owned(), |id| format!("by key {id}"));
    let rules = bundle.snapshot.rules();
    let mut rows = vec![
        row([&"bundle", &format!("{} ({bytes} bytes)", path.display())]),
        row([&"revision", &manifest.revision]),
        row([&"serial", &manifest.serial]),
        row([
            &"policy",
            &format!("{} ({rules} rules, compiled by Aegis {})", bundle.snapshot.version(), manifest.compiler),
        ]),
        row([&"signature", &verified]),
    ];
    rows.extend(bundle.sources.iter().map(|source| row([&"source", &source.name])));
    Ok(screen.table(&[], rows)?)
}

fn refused(error: BundleError) -> Failure {
    match error {
        BundleError::Policy(diagnostics) => {
            let text: String = diagnostics.problems().iter().map(|problem| validate::render(problem)).collect();
            Failure::No(format!("the policy does not compile\n{text}"))
        }
        other => Failure::No(format!("no bundle is written: {other}")),
    }
}

fn told(path: &Path, error: BundleError) -> Failure {
    Failure::No(format!("{}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path, MAX_KEY)?).map_err(|_| Failure::No(format!("{} is no PEM file", path.display())))
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::No(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(Failure::No(format!("{} is longer than {max} bytes", path.display())));
    }
    Ok(bytes)
}
