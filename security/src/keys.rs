//! A type for every key: wiped when dropped, neither `Copy` nor `Clone`, compared in constant time, and its `Debug`
//! shows only its name. Construction checks the length. The crate's documentation shows which key derives from which.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The operator's error, a damaged or mistyped key store: a key of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLengthError {
    /// Name of the key.
    pub key: &'static str,
    /// Its allowed lengths in octets.
    pub expected: &'static str,
    /// The given length in octets.
    pub octets: usize,
}

impl fmt::Display for KeyLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {} octets, not {}", self.key, self.octets, self.expected)
    }
}

impl std::error::Error for KeyLengthError {}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident: $octets:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; $octets]);

        impl $name {
            /// Length in octets.
            pub const OCTETS: usize = $octets;

            /// Returns the octets. Code that prints or stores them is responsible for their secrecy.
            pub const fn as_bytes(&self) -> &[u8; $octets] {
                &self.0
            }
        }

        impl From<[u8; $octets]> for $name {
            fn from(octets: [u8; $octets]) -> Self {
                Self(octets)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = KeyLengthError;

            fn try_from(octets: &[u8]) -> Result<Self, KeyLengthError> {
                match octets.try_into() {
                    Ok(octets) => Ok(Self(octets)),
                    Err(_) => Err(KeyLengthError {
                        key: stringify!($name),
                        expected: stringify!($octets),
                        octets: octets.len(),
                    }),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl PartialEq for $name {
            /// Compares in constant time.
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Eq for $name {}
    )*};
}

/// Keys of discovery messages: a Discovery Key has 128 bits (TS 33.303 §6.1.3.3.1), DUSK and DUCK have 256 (§A.5,
/// §A.6), DUIK any; both lengths are accepted for each. Held zero padded to 256 bits, which is the same key to HMAC.
macro_rules! discovery_keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name {
            octets: [u8; 32],
            length: usize,
        }

        impl $name {
            /// Returns the octets, 16 or 32. Code that prints or stores them is responsible for their secrecy.
            pub fn as_bytes(&self) -> &[u8] {
                &self.octets[..self.length]
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(key: [u8; 16]) -> Self {
                let mut octets = [0; 32];
                octets[..16].copy_from_slice(&key);
                Self { octets, length: 16 }
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(octets: [u8; 32]) -> Self {
                Self { octets, length: 32 }
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = KeyLengthError;

            fn try_from(key: &[u8]) -> Result<Self, KeyLengthError> {
                if let Ok(key) = <[u8; 16]>::try_from(key) {
                    return Ok(Self::from(key));
                }
                match <[u8; 32]>::try_from(key) {
                    Ok(key) => Ok(Self::from(key)),
                    Err(_) => Err(KeyLengthError {
                        key: stringify!($name),
                        expected: "16 or 32",
                        octets: key.len(),
                    }),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl PartialEq for $name {
            /// Compares in constant time for keys of one length.
            fn eq(&self, other: &Self) -> bool {
                self.length == other.length && bool::from(self.octets.ct_eq(&other.octets))
            }
        }

        impl Eq for $name {}
    )*};
}

keys! {
    /// ProSe Group Key, one per group and PGK ID, from the key management function. TS 33.303 §A.3.
    Pgk: 32;
    /// Group Master Key, which the members of a group share: protects the session keys of their calls.
    /// TR 33.833 §6.3.1.3.3.
    Gmk: 16;
    /// Group Session Key of one call. TR 33.833 §6.3.1.3.2.
    Gsk: 16;
    /// ProSe MIKEY Key: protects the messages that carry keys to one UE. TS 33.303 §6.2.3.1.
    Pmk: 32;
    /// ProSe Traffic Key, one per sender and PTK identity. TS 33.303 §A.3.
    Ptk: 32;
    /// ProSe Encryption Key of one algorithm, one-to-many or one-to-one. TS 33.303 §A.4.
    Pek: 16;
    /// ProSe Integrity Key of one algorithm: one-to-one, and the optional MAC of a group (our own). TS 33.303 §A.4.
    Pik: 16;
    /// Root key that two UEs share. TS 33.303 §6.5.3.1.
    Kd: 32;
    /// Session key of a one-to-one link. TS 33.303 §6.5.3.1.
    KdSess: 32;
    /// Public Safety Discovery Key, of a relay service code or discovery group. TS 24.334 §10A.2.1.
    Psdk: 32;
    /// ProSe Application Key of TR 33.833 §6.2.1.4.
    ApplicationKey: 32;
    /// The pre-configured secret of TR 33.833 §6.2.2.2.
    PresharedSecret: 32;
    /// K_NRP, the 5G name of KD. TS 33.536 §5.3.3.1.2.1.
    Knrp: 32;
    /// K_NRP-sess, the 5G name of KD-sess. TS 33.536 §5.3.3.1.2.1.
    KnrpSess: 32;
    /// NRPEK. TS 33.536 §5.3.3.1.2.1.
    Nrpek: 16;
    /// NRPIK. TS 33.536 §5.3.3.1.2.1.
    Nrpik: 16;
    /// ProSe Relay User Key: a remote UE and its key management function share it. TS 33.303 §6.7.
    Pruk: 32;
    /// UP-PRUK. TS 33.503 §A.8.
    UpPruk: 32;
    /// K_AUSF_P. TS 33.503 §A.2.
    KausfP: 32;
    /// CP-PRUK. TS 33.503 §A.2.
    CpPruk: 32;
    /// Key of a link to a 5G relay, control plane. TS 33.503 §A.4.
    KnrProse: 32;
    /// Ks of the generic bootstrapping architecture, CK || IK. TS 33.220 §B.3.
    Ks: 32;
    /// Ks_NAF, Ks_ext_NAF or Ks_int_NAF. TS 33.220 §B.3.
    KsNaf: 32;
    /// Accounting key of a UE and its ProSe Function: the MAC of a usage log. Own.
    AccountingKey: 32;
    /// Any other 256-bit secret that is the input or the output of one of our own derivations. Its doc says which.
    Secret256: 32;
    /// K_GO: the secret of a group owner for one epoch, from which K_unicast and K_multicast derive (TR 33.833 §6.3.4).
    KGo: 32;
}

discovery_keys! {
    /// Discovery Key of one ProSe Application Code: keys the MIC of open discovery. TS 33.303 §6.1.3.3.1.
    // TS 33.303 §6.1.3.3.1 step 4 (1)
    DiscoveryKey;
    /// Discovery User Scrambling Key: scrambles the whole message. TS 33.303 §6.1.3.4.
    Dusk;
    /// Discovery User Integrity Key: keys the MIC. TS 33.303 §6.1.3.4.
    Duik;
    /// Discovery User Confidentiality Key: encrypts the bits that its mask marks. TS 33.303 §6.1.3.4.
    Duck;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_secret() {
        let shown = format!("{:?} {:?}", Pgk::from([0xab; 32]), Dusk::from([0xab; 16]));
        assert_eq!(shown, "Pgk(redacted) Dusk(redacted)");
    }

    #[test]
    // TS 33.303 §6.1.3.3.1 step 4 (1)
    fn lengths_are_checked() {
        for octets in [0, 15, 17, 31, 33, 64] {
            let key = vec![1; octets];
            assert_eq!(Pgk::try_from(&key[..]).unwrap_err().octets, octets);
            assert_eq!(Duik::try_from(&key[..]).unwrap_err().octets, octets);
        }
        assert_eq!(Pek::try_from(&[0; 3][..]).unwrap_err().to_string(), "Pek has 3 octets, not 16");
        assert_eq!(Duik::try_from(&[7; 16][..]).unwrap().as_bytes(), [7; 16]);
    }

    #[test]
    fn equality_is_of_all_octets() {
        for i in 0..32 {
            let mut other = [9; 32];
            other[i] ^= 1;
            assert_ne!(Pgk::from([9; 32]), Pgk::from(other));
        }
        assert_eq!(Pgk::from([9; 32]), Pgk::from([9; 32]));
        assert_ne!(
            Duik::from([0; 16]),
            Duik::from([0; 32]),
            "the lengths differ, though HMAC would not care"
        );
    }
}
