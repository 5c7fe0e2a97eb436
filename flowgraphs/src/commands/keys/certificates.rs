//! Issuers and certificates of method 2, for operators without a PKI: small, and readable by OpenSSL.

use super::{DAY, list_number};
use crate::config::ConfigError;
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::Args;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{self, Issuer};
use sidelink_security::direct::signed::{Credential, MAX_SERVICES, Role, Roles, Root, certificate};
use sidelink_store as keystore;
use sidelink_store::credential::{CERTIFICATE, CRL, read_issuer, read_key, read_pem, to_pem, write_key};
use sidelink_wire::hex;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Seconds by which the validity of a certificate begins earlier, for clocks that are behind.
const EARLIER: u32 = 3600;

#[derive(Debug, Args)]
pub(super) struct NewIssuer {
    /// Name of the issuer, the common name of its certificate.
    name: String,
    /// Write FILE.key (mode 0600) and FILE.pem.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Days of validity from now on.
    #[arg(long, default_value_t = 3650, value_name = "DAYS")]
    days: u32,
}

#[derive(Debug, Args)]
pub(super) struct Certify {
    /// Name of the UE: the value of `name` in its file.
    name: String,
    /// Issuer: FILE.key and FILE.pem.
    #[arg(long, value_name = "FILE")]
    issuer: PathBuf,
    /// Write FILE.key (mode 0600) and FILE.pem.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Days of validity from now on.
    #[arg(long, default_value_t = 365, value_name = "DAYS")]
    days: u32,
    /// What the UE may be at UE-to-UE relays: end or relay; several as end,relay.
    #[arg(long, value_name = "ROLE", value_delimiter = ',', requires = "relay_service")]
    role: Vec<RoleName>,
    /// Relay Service Codes in which it may be that, six hexadecimal digits each; several as 000001,000002.
    #[arg(long, value_name = "CODE", value_delimiter = ',', requires = "role")]
    relay_service: Vec<String>,
}

/// A part at a UE-to-UE relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::commands) enum RoleName {
    /// A UE that reaches another one through a relay.
    End,
    /// The relay.
    Relay,
}

impl Certify {
    /// Returns the roles of the command line; `None` without one.
    fn roles(&self) -> Result<Option<Roles>, ConfigError> {
        if self.role.is_empty() {
            return Ok(None);
        }
        let code = |text: &String| {
            let octets = hex::bytes(text).and_then(|octets| <[u8; 3]>::try_from(octets).ok());
            octets.ok_or_else(|| {
                let what = format!("--relay-service {text}: no Relay Service Code");
                ConfigError::usage(what, "six hexadecimal digits, such as 000001")
            })
        };
        let services = self.relay_service.iter().map(code).collect::<Result<Vec<_>, _>>()?;
        let roles: Vec<Role> = self
            .role
            .iter()
            .map(|role| match role {
                RoleName::End => Role::End,
                RoleName::Relay => Role::Relay,
            })
            .collect();
        let roles = Roles::new(&roles, &services);
        roles.map(Some).ok_or_else(|| {
            let what = format!("{} services", services.len());
            ConfigError::usage(what, format!("a certificate has at most {MAX_SERVICES}"))
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct RevokeCertificates {
    /// All revoked certificates: the list replaces the last one.
    certificates: Vec<PathBuf>,
    /// Issuer: FILE.key and FILE.pem.
    #[arg(long, value_name = "FILE")]
    issuer: PathBuf,
    /// File of the list, for `revoked` in [credential]; an existing list is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Days until a newer list is needed: after that UEs accept no certificate of the issuer.
    #[arg(long, default_value_t = 365, value_name = "DAYS")]
    days: u32,
}

fn validity(days: u32) -> issue::Validity {
    let now = keystore::utc_now();
    let millis = |seconds: u64| UtcTime::from_millis(seconds * 1000);
    issue::Validity {
        from: millis(u64::from(now.saturating_sub(EARLIER))),
        until: millis(u64::from(now) + u64::from(days) * u64::from(DAY)),
    }
}

fn seed() -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let secret = keystore::random(32)?;
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(secret.as_bytes());
    Ok(seed)
}

/// Writes a file that does not exist yet.
pub(in crate::commands) fn write_new(path: &Path, text: &str) -> Result<(), ConfigError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| {
        ConfigError::new(format!("cannot write it: {e}"), path.display().to_string(), "name another file")
    })
}

/// Writes key and certificate of a new issuer to `output`.key and `output`.pem.
///
/// # Errors
/// A file exists or cannot be written.
pub(in crate::commands) fn make_issuer(name: &str, output: &Path, days: u32) -> Result<(), ConfigError> {
    let seed = seed()?;
    write_key(&list_number::with(output, ".key"), &seed)?;
    let certificate = Issuer::new(name, &seed).certificate(validity(days));
    write_new(&list_number::with(output, ".pem"), &to_pem(CERTIFICATE, &certificate))
}

/// Claims the places of FILE.key and FILE.pem, which must not exist.
fn claim_pair(outputs: &mut Outputs, output: &Path) -> Result<(), ConfigError> {
    if output.as_os_str() == "-" {
        return Err(ConfigError::usage("-o - names no files", "a key and a certificate are two: -o FILE"));
    }
    [".key", ".pem"]
        .iter()
        .try_for_each(|end| outputs.claim_fresh("-o", &list_number::with(output, end)).map(drop))
}

pub(super) fn new_issuer(args: &NewIssuer) -> anyhow::Result<()> {
    claim_pair(&mut Outputs::new(Existing::Keep), &args.output)?;
    make_issuer(&args.name, &args.output, args.days)?;
    terminal::print(&format!(
        "issuer {:?}: keep {} to yourself; every UE needs trust = [\"{}\"]\n",
        args.name,
        list_number::with(&args.output, ".key").display(),
        list_number::with(&args.output, ".pem").display()
    ))?;
    Ok(())
}

/// Reads the issuer from its two files, which must belong together.
fn issuer(path: &Path) -> Result<Issuer, ConfigError> {
    let (key, pem) = (list_number::with(path, ".key"), list_number::with(path, ".pem"));
    let der = read_pem(&pem, CERTIFICATE)?.swap_remove(0);
    let wrong = |what: String, remedy: &str| ConfigError::new(what, pem.display().to_string(), remedy);
    Root::from_der(&der).map_err(|e| wrong(e.to_string(), "an issuer's own certificate is wanted"))?;
    let name = certificate::common_name(&der).ok_or_else(|| {
        wrong("its subject has no common name".to_owned(), "make one with a common name alone")
    })?;
    let public = Credential::raw(&*read_key(&key)?).public();
    if !der.windows(public.len()).any(|part| part == public) {
        let what = format!("it is of another key than {}", key.display());
        return Err(wrong(what, "name the issuer's own key"));
    }
    Ok(read_issuer(&key, &name)?)
}

/// Writes a key and its certificate by `issuer` to `output`.key and `output`.pem. Returns the serial number.
///
/// # Errors
/// The issuer is invalid, or a file exists or cannot be written.
pub(in crate::commands) fn make_certificate(
    name: &str,
    issuer: &Path,
    output: &Path,
    days: u32,
) -> Result<u32, ConfigError> {
    make_certificate_with(name, issuer, output, (days, None))
}

/// Does the same, with roles at UE-to-UE relays.
fn make_certificate_with(
    name: &str,
    issuer: &Path,
    output: &Path,
    (days, roles): (u32, Option<&Roles>),
) -> Result<u32, ConfigError> {
    let issuer = self::issuer(issuer)?;
    let seed = seed()?;
    let draw = keystore::random(4)?;
    let serial = draw.as_bytes().iter().fold(0, |all, octet| all << 8 | u32::from(*octet)) | 1 << 31;
    let public = Credential::raw(&seed).public();
    let (subject, validity) = (name.as_bytes(), validity(days));
    let der = match roles {
        Some(roles) => issuer.issue_with_roles(subject, serial, &public, validity, roles),
        None => issuer.issue(subject, serial, &public, validity),
    };
    write_key(&list_number::with(output, ".key"), &seed)?;
    write_new(&list_number::with(output, ".pem"), &to_pem(CERTIFICATE, &der))?;
    Ok(serial)
}

pub(super) fn certify(args: &Certify) -> anyhow::Result<()> {
    let roles = args.roles()?;
    let mut outputs = Outputs::new(Existing::Keep);
    outputs.reads(&[list_number::with(&args.issuer, ".key"), list_number::with(&args.issuer, ".pem")]);
    claim_pair(&mut outputs, &args.output)?;
    let serial = make_certificate_with(&args.name, &args.issuer, &args.output, (args.days, roles.as_ref()))?;
    terminal::print(&format!(
        "[credential]            # of {:?}, valid for {} days, serial number {serial:08x}\n\
         key = \"{}\"\ncertificate = \"{}\"\ntrust = [\"{}\"]\n",
        args.name,
        args.days,
        list_number::with(&args.output, ".key").display(),
        list_number::with(&args.output, ".pem").display(),
        list_number::with(&args.issuer, ".pem").display()
    ))?;
    Ok(())
}

pub(super) fn revoke(args: &RevokeCertificates) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(Existing::Keep);
    outputs.reads(&[list_number::with(&args.issuer, ".key"), list_number::with(&args.issuer, ".pem")]);
    outputs.reads(&args.certificates);
    outputs.claim("the number of the list", &list_number::place(&args.issuer))?;
    let mut out = outputs.claim("-o", &args.output)?.create()?;
    let mut people = outputs.for_people("what is said")?.live()?;
    let issuer = issuer(&args.issuer)?;
    let mut serials = Vec::new();
    for path in &args.certificates {
        for der in read_pem(path, CERTIFICATE)? {
            let serial = certificate::serial_number(&der).ok_or_else(|| {
                let remedy = "lists are made of certificates of `sidelink keys certify`";
                ConfigError::new(
                    "its serial number has more than 32 bits",
                    path.display().to_string(),
                    remedy,
                )
            })?;
            serials.push(serial);
        }
    }
    let number = list_number::next(&args.issuer, &args.output, keystore::utc_now())?;
    let list = issuer.revoke_within(number, &serials, validity(args.days));
    out.write_all(to_pem(CRL, &list).as_bytes())?;
    out.finish()?;
    writeln!(people, "revocation list {number} with {} certificates", serials.len())?;
    Ok(people.flush()?)
}
