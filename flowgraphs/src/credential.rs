//! Keys and certificates of method 2 in PEM files, as OpenSSL writes and reads them: Ed25519 in PKCS #8 (RFC 8410), X.509.

use crate::config::ConfigError;
use crate::keystore::{self, Hex};
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use serde::Deserialize;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use sidelink_security::direct::signed::issue::Issuer;
use sidelink_security::direct::signed::{CertificateError, Credential, Root, Trust};
use sidelink_security::kdf::own::stream_id;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// id-Ed25519, RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What stands before the 32 octets of a key in PKCS #8 (RFC 8410 §7): version 0, Ed25519, an octet string in another.
const BEFORE_KEY: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Label of a key in PEM.
const KEY: &str = "PRIVATE KEY";
/// Label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a revocation list.
pub const CRL: &str = "X509 CRL";

/// `[credential]`: what a UE proves itself with where no KD is shared, and whom it believes. Paths are relative to the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialConfig {
    /// The own key, PEM, mode 0600: `openssl genpkey -algorithm ed25519`, or `sidelink keys certify`.
    pub key: PathBuf,
    /// Its certificate, whose common name is the name of the UE; without one the peers must know the key itself.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Certificates of issuers that are trusted.
    #[serde(default)]
    pub trust: Vec<PathBuf>,
    /// Revocation lists of these issuers.
    #[serde(default)]
    pub revoked: Vec<PathBuf>,
    /// Peers whose key is known without a certificate.
    #[serde(default)]
    pub peer: Vec<KnownKey>,
    /// Milliseconds by which clocks may be apart when a validity is judged.
    #[serde(default = "guard")]
    pub guard: u64,
}

/// A peer and its public key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KnownKey {
    /// Name of the UE.
    pub name: String,
    /// Its public key, 64 hexadecimal digits.
    pub key: Hex,
}

/// MAX_OFFSET of 16 s, twice.
const fn guard() -> u64 {
    32_000
}

impl CredentialConfig {
    /// Make paths relative to a folder.
    pub fn within(&mut self, folder: &Path) {
        let all = [&mut self.key].into_iter().chain(&mut self.certificate);
        for path in all.chain(&mut self.trust).chain(&mut self.revoked) {
            *path = folder.join(&*path);
        }
    }

    /// Read the files.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub fn read(&self) -> Result<(Credential, Trust), ConfigError> {
        let seed = read_key(&self.key)?;
        let credential = match &self.certificate {
            None => Credential::raw(&seed),
            Some(path) => {
                let certificate = read_pem(path, CERTIFICATE)?.swap_remove(0);
                let public = Credential::raw(&seed).public();
                if !certificate.windows(public.len()).any(|part| part == public) {
                    let what = format!("it certifies another key than {}", self.key.display());
                    return Err(wrong(path, what, "name the key that it was made for"));
                }
                Credential::certified(&seed, certificate)
            }
        };
        let mut trust = Trust { roots: Vec::new(), raw: Vec::new(), guard: self.guard };
        for path in &self.trust {
            for der in read_pem(path, CERTIFICATE)? {
                let remedy = "an issuer's own certificate with an Ed25519 key is wanted";
                trust.roots.push(Root::from_der(&der).map_err(|e| wrong(path, e.to_string(), remedy))?);
            }
        }
        for path in &self.revoked {
            for der in read_pem(path, CRL)? {
                trust.install_crl(&der).map_err(|e| wrong_list(path, e))?;
            }
        }
        let raw = self.peer.iter().map(|known| {
            let key: [u8; 32] = known.key.0.as_slice().try_into().map_err(|_| {
                let place = format!("[[credential.peer]] {:?}", known.name);
                ConfigError::new(
                    format!("a key of {} octets", known.key.0.len()),
                    place,
                    "an Ed25519 key has 32",
                )
            })?;
            Ok((known.name.clone().into_bytes(), key))
        });
        trust.raw = raw.collect::<Result<Vec<_>, ConfigError>>()?;
        if trust.roots.is_empty() && trust.raw.is_empty() {
            let remedy = "name issuers (trust) or peers with their keys ([[credential.peer]])";
            return Err(ConfigError::new("no issuer and no peer is trusted", "[credential]", remedy));
        }
        Ok((credential, trust))
    }
}

/// Remembers in `store` the numbers of the revocation lists in use, and refuses a list that is older than one that was
/// used before, or its absence: an older copy would make valid again what was revoked since.
///
/// # Errors
/// Which issuer's list is too old, or the store.
pub fn remember_lists<S: CounterStore>(trust: &Trust, store: &mut S) -> Result<(), ConfigError>
where
    S::Error: Display,
{
    let failed = |e: S::Error| ConfigError::new(e.to_string(), "the key store", "");
    // Roots of one key share its lists.
    let mut numbers = BTreeMap::<[u8; 32], u32>::new();
    for root in &trust.roots {
        let number = numbers.entry(*root.public()).or_default();
        *number = root.crl_number().max(*number);
    }
    for (key, number) in numbers {
        let stream = StreamId(stream_id(&key, b"crlnum"));
        let used = store.reserved(&stream).map_err(failed)?;
        let now = u64::from(number);
        if now < used {
            let named = if now == 0 { "none is named".to_owned() } else { format!("{now} is named") };
            let key: String = key[..4].iter().map(|octet| format!("{octet:02x}")).collect();
            return Err(ConfigError::new(
                format!(
                    "revocation list {used} of the issuer with key {key}.. was in use before, {named} now"
                ),
                "[credential] revoked",
                "name the newest list of every issuer",
            ));
        }
        if now > used && !store.raise(&stream, used, now).map_err(failed)? {
            let what = "another process changed the number of a revocation list";
            return Err(ConfigError::new(what, "the key store", "start again"));
        }
    }
    Ok(())
}

fn wrong_list(path: &Path, error: CertificateError) -> ConfigError {
    let (what, remedy) = match error {
        CertificateError::Issuer | CertificateError::Signature => {
            ("no trusted issuer signed this list".to_owned(), "add its issuer to trust, or remove it")
        }
        CertificateError::NotNewer => {
            ("a newer list of its issuer is named before it".to_owned(), "name the newest list alone")
        }
        other => {
            (other.to_string(), "a full list of `sidelink keys revoke-certificates` or OpenSSL is wanted")
        }
    };
    wrong(path, what, remedy)
}

/// A key of a PEM file with mode 0600.
///
/// # Errors
/// What is wrong with it.
pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    keystore::check_mode(path)?;
    let der = Zeroizing::new(read_pem(path, KEY)?.swap_remove(0));
    let remedy = "an Ed25519 key is wanted: openssl genpkey -algorithm ed25519";
    let info = PrivateKeyInfoRef::try_from(der.as_slice());
    let info = info.map_err(|e| wrong(path, format!("no private key in PKCS #8: {e}"), remedy))?;
    let octets = info.private_key.as_bytes();
    match octets.strip_prefix(&[0x04, 0x20]).map(<[u8; 32]>::try_from) {
        Some(Ok(seed)) if info.algorithm.oid == ED25519 => Ok(Zeroizing::new(seed)),
        _ => Err(wrong(path, "a private key of another kind".to_owned(), remedy)),
    }
}

/// Write a key into a new file of mode 0600.
///
/// # Errors
/// A file that exists or cannot be written.
pub fn write_key(path: &Path, seed: &[u8; 32]) -> Result<(), ConfigError> {
    let der = Zeroizing::new([&BEFORE_KEY[..], seed].concat());
    keystore::write_private(path, &Zeroizing::new(to_pem(KEY, &der)))
}

/// An issuer whose key and certificate lie in two files.
///
/// # Errors
/// What is wrong with them.
pub fn read_issuer(key: &Path, name: &str) -> Result<Issuer, ConfigError> {
    Ok(Issuer::new(name, &*read_key(key)?))
}

/// DER as PEM.
pub fn to_pem(label: &'static str, der: &[u8]) -> String {
    // Fails only for a label that PEM does not allow.
    pem::encode_string(label, LineEnding::LF, der).unwrap_or_default()
}

/// Everything of one kind in a PEM file; at least one.
///
/// # Errors
/// What cannot be read, and a file without any.
pub fn read_pem(path: &Path, label: &str) -> Result<Vec<Vec<u8>>, ConfigError> {
    const MARK: &str = "-----BEGIN ";
    let text = Zeroizing::new(crate::config::read_text(path)?);
    let remedy = "a PEM file is wanted (openssl .. -outform PEM)";
    let mut found = Vec::new();
    for (at, _) in text.match_indices(MARK) {
        let end = text[at + MARK.len()..].find(MARK).map_or(text.len(), |next| at + MARK.len() + next);
        let (kind, der) = pem::decode_vec(text[at..end].trim_end().as_bytes())
            .map_err(|e| wrong(path, format!("not PEM: {e}"), remedy))?;
        if kind == label {
            found.push(der);
        }
    }
    if found.is_empty() {
        return Err(wrong(path, format!("there is no {label} in it"), remedy));
    }
    Ok(found)
}

fn wrong(path: &Path, what: String, remedy: &str) -> ConfigError {
    ConfigError::new(what, path.display().to_string(), remedy)
}

#[cfg(test)]
mod tests;
