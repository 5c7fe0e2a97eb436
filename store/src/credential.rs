//! Keys and certificates of method 2 in PEM files, as OpenSSL writes and reads them: Ed25519 in PKCS #8 (RFC 8410), X.509.

use crate::error::{CredentialFault, Doing, Error};
use crate::{Hex, check_mode, write_private};
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use serde::Deserialize;
use sidelink_prose::group_owner::list_stream;
use sidelink_security::counter::reserve::CounterStore;
use sidelink_security::direct::signed::issue::Issuer;
use sidelink_security::direct::signed::{Credential, Root, Trust};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// id-Ed25519, RFC 8410 §3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Prefix of the 32 octets of a key in PKCS #8 (RFC 8410 §7): version 0, Ed25519, an octet string in another.
const BEFORE_KEY: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Label of a key in PEM.
const KEY: &str = "PRIVATE KEY";
/// Label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a revocation list.
pub const CRL: &str = "X509 CRL";

/// `[credential]`: proof of identity of a UE where no KD is shared, and the issuers and peers that it trusts. Paths are
/// relative to the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialConfig {
    /// The own key, PEM, mode 0600: `openssl genpkey -algorithm ed25519`, or `sidelink keys certify`.
    pub key: PathBuf,
    /// Its certificate, whose common name is the name of the UE; without one, the peers must have the key itself.
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
    /// Tolerance of clocks for a validity, milliseconds.
    #[serde(default = "guard")]
    pub guard: u64,
    /// The user of this UE says that it is an emergency: certificates of peers are taken for 24 h after their end.
    #[serde(default)]
    pub emergency: bool,
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

/// Returns MAX_OFFSET of 16 s, twice.
const fn guard() -> u64 {
    32_000
}

impl CredentialConfig {
    /// Makes paths relative to a folder.
    pub fn within(&mut self, folder: &Path) {
        let all = [&mut self.key].into_iter().chain(&mut self.certificate);
        for path in all.chain(&mut self.trust).chain(&mut self.revoked) {
            *path = folder.join(&*path);
        }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// The invalid file, and its fault.
    pub fn read(&self) -> Result<(Credential, Trust), Error> {
        let seed = read_key(&self.key)?;
        let credential = match &self.certificate {
            None => Credential::raw(&seed),
            Some(path) => {
                let certificate = read_pem(path, CERTIFICATE)?.swap_remove(0);
                let public = Credential::raw(&seed).public();
                if !certificate.windows(public.len()).any(|part| part == public) {
                    return Err(wrong(path, CredentialFault::CertifiesAnother(self.key.clone())));
                }
                Credential::certified(&seed, certificate)
            }
        };
        let grace = if self.emergency { Trust::EMERGENCY_GRACE } else { 0 };
        let mut trust = Trust { guard: self.guard, grace, ..Trust::default() };
        for path in &self.trust {
            for der in read_pem(path, CERTIFICATE)? {
                trust.roots.push(
                    Root::from_der(&der).map_err(|e| wrong(path, CredentialFault::Root(e.to_string())))?,
                );
            }
        }
        for path in &self.revoked {
            for der in read_pem(path, CRL)? {
                trust.install_crl(&der).map_err(|e| wrong(path, CredentialFault::List(e)))?;
            }
        }
        let raw = self.peer.iter().map(|known| {
            let key: [u8; 32] = known.key.0.as_slice().try_into().map_err(|_| {
                let place = format!("[[credential.peer]] {:?}", known.name);
                Error::credential(place, CredentialFault::PublicKey(known.key.0.len()))
            })?;
            Ok((known.name.clone().into_bytes(), key))
        });
        trust.raw = raw.collect::<Result<Vec<_>, Error>>()?;
        if trust.roots.is_empty() && trust.raw.is_empty() {
            return Err(Error::credential("[credential]", CredentialFault::NobodyTrusted));
        }
        Ok((credential, trust))
    }
}

/// Stores the numbers of the revocation lists in use in `store`, and refuses a list that is older than one that was
/// used before, or a missing one: an older copy would make revoked certificates valid again.
///
/// # Errors
/// The issuer whose list is too old, or an error of the store.
pub fn remember_lists<S: CounterStore>(trust: &Trust, store: &mut S) -> Result<(), Error>
where
    S::Error: Display,
{
    let failed = |e: S::Error| Error::credential("the key store", CredentialFault::Store(e.to_string()));
    // Roots with the same key share its lists.
    let mut numbers = BTreeMap::<[u8; 32], u32>::new();
    for root in &trust.roots {
        let number = numbers.entry(*root.public()).or_default();
        *number = root.crl_number().max(*number);
    }
    for (key, number) in numbers {
        let stream = list_stream(&key);
        let used = store.reserved(&stream).map_err(failed)?;
        let now = u64::from(number);
        if now < used {
            let key: String = key[..4].iter().map(|octet| format!("{octet:02x}")).collect();
            return Err(Error::credential(
                "[credential] revoked",
                CredentialFault::OldList { key, used, now },
            ));
        }
        if now > used && !store.raise(&stream, used, now).map_err(failed)? {
            return Err(Error::credential("the key store", CredentialFault::ListRaced));
        }
    }
    Ok(())
}

/// Reads a key from a PEM file with mode 0600.
///
/// # Errors
/// The fault of the file.
pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    check_mode(path)?;
    let der = Zeroizing::new(read_pem(path, KEY)?.swap_remove(0));
    let info = PrivateKeyInfoRef::try_from(der.as_slice());
    let info = info.map_err(|e| wrong(path, CredentialFault::NotPkcs8(e.to_string())))?;
    let octets = info.private_key.as_bytes();
    match octets.strip_prefix(&[0x04, 0x20]).map(<[u8; 32]>::try_from) {
        Some(Ok(seed)) if info.algorithm.oid == ED25519 => Ok(Zeroizing::new(seed)),
        _ => Err(wrong(path, CredentialFault::OtherKey)),
    }
}

/// Writes a key into a new file of mode 0600.
///
/// # Errors
/// The file exists or cannot be written.
pub fn write_key(path: &Path, seed: &[u8; 32]) -> Result<(), Error> {
    let der = Zeroizing::new([&BEFORE_KEY[..], seed].concat());
    write_private(path, &Zeroizing::new(to_pem(KEY, &der)))
}

/// Reads an issuer whose key and certificate are in two files.
///
/// # Errors
/// The fault of one of them.
pub fn read_issuer(key: &Path, name: &str) -> Result<Issuer, Error> {
    Ok(Issuer::new(name, &*read_key(key)?))
}

/// Encodes DER as PEM.
pub fn to_pem(label: &'static str, der: &[u8]) -> String {
    // Fails only for a label that PEM does not allow.
    pem::encode_string(label, LineEnding::LF, der).unwrap_or_default()
}

/// Reads all objects of one kind in a PEM file; at least one.
///
/// # Errors
/// The file cannot be read, or has none.
pub fn read_pem(path: &Path, label: &str) -> Result<Vec<Vec<u8>>, Error> {
    const MARK: &str = "-----BEGIN ";
    let text = read_text(path)?;
    let mut found = Vec::new();
    for (at, _) in text.match_indices(MARK) {
        let end = text[at + MARK.len()..].find(MARK).map_or(text.len(), |next| at + MARK.len() + next);
        let (kind, der) = pem::decode_vec(text[at..end].trim_end().as_bytes())
            .map_err(|e| wrong(path, CredentialFault::NotPem(e.to_string())))?;
        if kind == label {
            found.push(der);
        }
    }
    if found.is_empty() {
        return Err(wrong(path, CredentialFault::Without(label.to_owned())));
    }
    Ok(found)
}

fn wrong(path: &Path, fault: CredentialFault) -> Error {
    Error::credential(path.display().to_string(), fault)
}

/// Reads the text of a file; no certificate is longer than a MiB.
fn read_text(path: &Path) -> Result<Zeroizing<String>, Error> {
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).and_then(|file| file.take(1 << 20).read_to_string(&mut text));
    file.map_err(|e| Error::io(path, Doing::Read, &e))?;
    Ok(text)
}

#[cfg(test)]
mod tests;
