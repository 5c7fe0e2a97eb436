//! The file of a UE: a line with the MAC, then the configuration. Who edits it breaks the seal.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::kdf::own;
use sidelink_security::keys::Secret256;

use super::content::Configuration;
use super::message::{document, from_document};
use crate::pc3::{Error, Imsi};

/// First word of the file.
const SEALED: &str = "sealed ";

/// Root of the document.
const ROOT: &str = "prose-configuration";

/// RAND of the challenge whose CK and IK make the key of a test USIM. No network sends it: it is not random.
const RAND: [u8; 16] = *b"configuration  1";

/// Key of the seal, of one UE. It never leaves the UE.
pub struct SealingKey {
    key: Secret256,
    ue: Imsi,
}

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It does not begin with a seal.
    Form,
    /// The MAC is wrong: somebody edited it, or it is another UE's.
    Broken,
    /// The seal is right, and the document is none: another version of this program wrote it.
    Document(Error),
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("it is no sealed configuration; fetch it again"),
            Self::Broken => {
                f.write_str("the seal is broken: it was edited, or it is another UE's; fetch it again")
            }
            Self::Document(error) => {
                write!(f, "the seal is whole and the document is none: {error}; fetch it again")
            }
        }
    }
}

impl std::error::Error for SealError {}

impl SealingKey {
    /// From a secret of the UE: the private key of its certificate, for example.
    pub fn new(secret: &[u8], ue: Imsi) -> Self {
        Self { key: own::configuration_seal(secret, ue.to_string().as_bytes()), ue }
    }

    /// From the keys of a test USIM, which stand for a secret of the terminal: real cards tell CK and IK of no challenge that is
    /// not the network's.
    pub fn of_usim(usim: &Subscriber, ue: Imsi) -> Self {
        let vector = usim.vector(&RAND, &[0; 6], &[0; 2]);
        let secret = zeroize::Zeroizing::new([vector.ck, vector.ik].concat());
        Self::new(&secret, ue)
    }

    /// Whose it is.
    pub const fn ue(&self) -> Imsi {
        self.ue
    }

    fn mac(&self, document: &[u8]) -> Hmac<Sha256> {
        let mut key = zeroize::Zeroizing::new([0; 64]);
        // HMAC pads a key with zeros up to a block.
        key[..Secret256::OCTETS].copy_from_slice(self.key.as_bytes());
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*key).into());
        mac.update(document);
        mac
    }

    /// Makes the file.
    pub fn seal(&self, configuration: &Configuration) -> Vec<u8> {
        let document = document(ROOT, configuration);
        let mac = self.mac(document.as_bytes()).finalize().into_bytes();
        format!("{SEALED}{}\n{}", hex::encode(mac), document.as_str()).into_bytes()
    }

    /// From the file.
    ///
    /// # Errors
    /// A seal that is missing or broken: then the UE has no configuration.
    pub fn open(&self, file: &[u8]) -> Result<Configuration, SealError> {
        let end = file.iter().position(|octet| *octet == b'\n').ok_or(SealError::Form)?;
        let (line, document) = (&file[..end], &file[end + 1..]);
        let digits = line.strip_prefix(SEALED.as_bytes()).ok_or(SealError::Form)?;
        let mut mac = [0; 32];
        hex::decode_to_slice(digits, &mut mac).map_err(|_| SealError::Form)?;
        self.mac(document).verify_slice(&mac).map_err(|_| SealError::Broken)?;
        from_document(ROOT, document).map_err(SealError::Document)
    }
}
