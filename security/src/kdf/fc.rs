//! The FC values, in one table, each with how far it can be trusted.

use std::fmt;

/// FC: the function code that opens the input string of the KDF, one octet or two. TS 33.220 §B.2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fc {
    /// One octet, 0x00 to 0xFE.
    Octet(u8),
    /// The extended range: 0xFF and a second octet.
    Extended(u8),
}

impl fmt::Display for Fc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octet(fc) => write!(f, "0x{fc:02X}"),
            Self::Extended(fc) => write!(f, "0xFF{fc:02X}"),
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Read in the text of the clause.
    Read,
    /// Read in an implementation, or confirmed by vectors that an implementation gave.
    FromImplementation,
    /// From memory, the clause was not read.
    FromMemory,
    /// The clause has a value that we have neither read nor remember. The constant is a placeholder in the extended
    /// range, where it cannot meet an allocated value: it interoperates with itself only.
    Unknown,
    /// Our own: no specification has it.
    Own,
}

/// One row of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name of the constant.
    pub name: &'static str,
    /// Its value.
    pub fc: Fc,
    /// Clause that defines the derivation.
    pub clause: &'static str,
    /// How far the value can be trusted.
    pub standing: Provenance,
}

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident = $range:ident($value:literal), $clause:literal, $standing:ident;)*) => {
        $($(#[$doc])* pub const $name: Fc = Fc::$range($value);)*

        /// All values.
        pub const TABLE: &[Row] = &[$(Row {
            name: stringify!($name),
            fc: $name,
            clause: $clause,
            standing: Provenance::$standing,
        }),*];
    };
}

table! {
    /// Ks_NAF and its kin.
    KS_NAF = Octet(0x01), "TS 33.220 §B.3", Read;
    /// K_ASME.
    K_ASME = Octet(0x10), "TS 33.401 §A.2", FromImplementation;
    /// NAS, RRC and UP algorithm keys.
    ALGORITHM_KEY = Octet(0x15), "TS 33.401 §A.7", FromImplementation;
    /// CK' and IK' of EAP-AKA'.
    CK_IK_PRIME = Octet(0x20), "TS 33.402 §A.2", FromImplementation;
    /// MIC of a discovery message.
    MIC = Octet(0x49), "TS 33.303 §A.2", FromMemory;
    /// PTK from PGK.
    PTK = Octet(0x4A), "TS 33.303 §A.3", Read;
    /// PEK and PIK from PTK or KD-sess.
    PEK_PIK = Octet(0x4B), "TS 33.303 §A.4", FromMemory;
    /// Scrambling bits from DUSK (time-hash-bitsequence).
    SCRAMBLING = Extended(0xD0), "TS 33.303 §A.5", Unknown;
    /// Message-specific confidentiality keystream from DUCK.
    CONFIDENTIALITY = Extended(0xD1), "TS 33.303 §A.6", Unknown;
    /// KD of a UE-to-network relay.
    RELAY_KD = Extended(0xD2), "TS 33.303 §A.7", Unknown;
    /// DUSK, DUIK, DUCK from PSDK.
    FROM_PSDK = Extended(0xD3), "TS 33.303 §A.8", Unknown;
    /// KD-sess from KD.
    KD_SESS = Extended(0xD4), "TS 33.303 §6.5", Unknown;
    /// K_gNB of 5G (in the vectors).
    K_GNB = Octet(0x6E), "TS 33.501 §A.9", FromImplementation;
    /// NRPEK and NRPIK.
    NRPEK_NRPIK = Octet(0x7E), "TS 33.536 §A.3", Read;
    /// K_NRP-sess.
    KNRP_SESS = Octet(0x7F), "TS 33.536 §A.4", Read;
    /// CP-PRUK.
    CP_PRUK = Octet(0x85), "TS 33.503 §A.2", Read;
    /// CP-PRUK ID*.
    CP_PRUK_ID = Octet(0x86), "TS 33.503 §A.3", Read;
    /// K_NR_ProSe.
    KNR_PROSE = Octet(0x87), "TS 33.503 §A.4", Read;
    /// Confidentiality keystream of a direct communication request.
    DCR_KEYSTREAM = Octet(0x88), "TS 33.503 §A.5", Read;
    /// K_NRP from UP-PRUK.
    KNRP_FROM_UP_PRUK = Octet(0x8A), "TS 33.503 §A.8", Read;

    /// KD from the half keys of the network-authorised link.
    OWN_KD_FROM_HALF_KEYS = Extended(0xE0), "TR 33.833 §6.4.1", Own;
    /// KD from SDES keys.
    OWN_KD_FROM_SDES = Extended(0xE1), "TR 33.833 §6.4.2", Own;
    /// Session key of request and response discovery by a pre-shared secret.
    OWN_DISCOVERY_SESSION = Extended(0xE2), "TR 33.833 §6.2.2.2", Own;
    /// Keyed over-the-air id.
    OWN_OTA_ID = Extended(0xE3), "TR 33.833 §6.2.1.4", Own;
    /// K_unicast of group owner mode.
    OWN_K_UNICAST = Extended(0xE4), "TR 33.833 §6.3.4", Own;
    /// K_multicast of group owner mode.
    OWN_K_MULTICAST = Extended(0xE5), "TR 33.833 §6.3.4", Own;
    /// KD from an EAP master session key.
    OWN_KD_FROM_MSK = Extended(0xE6), "TR 33.833 §6.5.1", Own;
    /// Key that wraps a pushed group key.
    OWN_GROUP_KEY_WRAP = Extended(0xE7), "TR 33.833 §6.3.2", Own;
    /// One step of a chain of disclosed keys.
    OWN_CHAIN_STEP = Extended(0xE8), "TR 33.833 §6.2.3", Own;
    /// MAC key of a disclosed key.
    OWN_CHAIN_MAC = Extended(0xE9), "TR 33.833 §6.2.3", Own;
    /// PGK from a group session key.
    OWN_PGK_FROM_GSK = Extended(0xEA), "TR 33.833 §6.3.1", Own;
    /// Accounting key.
    OWN_ACCOUNTING = Extended(0xEB), "TR 33.833 §5.5.2", Own;
    /// Keystream of a direct communication request in the LTE profile.
    OWN_DCR_KEYSTREAM = Extended(0xEC), "TS 33.503 §A.5", Own;
    /// KD from a SAKKE shared secret value.
    OWN_KD_FROM_SSV = Extended(0xED), "TR 33.833 §6.4.3", Own;
    /// Public name of a key in a counter store: it reveals nothing of the key.
    OWN_STREAM_ID = Extended(0xEE), "none", Own;
    /// MIC of a response that is bound to its request (TS 33.303 §A.2 with one more parameter).
    OWN_BOUND_MIC = Extended(0xEF), "TR 33.833 §6.2.2.2", Own;
    /// KD from signed ephemeral keys.
    OWN_KD_FROM_SIGNED = Extended(0xF8), "TR 33.833 §6.4.1.4.2", Own;
    /// Nonces from a seed.
    OWN_ENTROPY = Extended(0xF9), "none", Own;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_stands_twice_and_own_values_keep_to_their_range() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.fc != row.fc), "{} {}", row.name, row.fc);
            match (row.standing, row.fc) {
                (Provenance::Own, Fc::Extended(0xE0..)) | (Provenance::Unknown, Fc::Extended(0xD0..0xE0)) => {
                }
                (Provenance::Own | Provenance::Unknown, _) => panic!("{} outside its range", row.name),
                (_, fc) => assert!(matches!(fc, Fc::Octet(_)), "{}", row.name),
            }
        }
    }
}
