//! The FC values in one table, each with its provenance. TS 33.220 §B.2.2 says to whom values are allocated.

use std::fmt;

/// FC: the function code, the first part of the input string of the KDF. TS 33.220 §B.2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fc {
    /// One octet, 0x00 to 0xEF: allocated.
    Octet(u8),
    /// A derivation of our own: FC is [`OWN`], and P0 is this label in ASCII, before the parameters. 0xF0 to 0xFE are
    /// for proprietary use (TS 33.220 §B.2.2): no allocated value equals them, and the label separates our derivations.
    Own(&'static str),
    /// 0xFF and a second octet, which 3GPP reserves. Only names in existing key stores have it: [`OWN_STREAM_ID`].
    Extended(u8),
}

/// FC of our own derivations, of the proprietary range. TS 33.220 §B.2.2.
// TS 33.220 §B.2.2
pub const OWN: u8 = 0xF0;

impl fmt::Display for Fc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octet(fc) => write!(f, "0x{fc:02X}"),
            Self::Own(label) => write!(f, "0x{OWN:02X} {label:?}"),
            Self::Extended(fc) => write!(f, "0xFF{fc:02X}"),
        }
    }
}

/// Source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Read in the text of the clause.
    Read,
    /// Read in an implementation, or confirmed by vectors of an implementation.
    FromImplementation,
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
    /// Source of the value.
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
    /// Ks_NAF, Ks_ext_NAF and Ks_int_NAF.
    KS_NAF = Octet(0x01), "TS 33.220 §B.3", Read;
    /// K_ASME.
    K_ASME = Octet(0x10), "TS 33.401 §A.2", FromImplementation;
    /// NAS, RRC and UP algorithm keys.
    ALGORITHM_KEY = Octet(0x15), "TS 33.401 §A.7", FromImplementation;
    /// CK' and IK' of EAP-AKA'.
    CK_IK_PRIME = Octet(0x20), "TS 33.402 §A.2", FromImplementation;
    /// MIC of a discovery message.
    MIC = Octet(0x49), "TS 33.303 §A.2", Read;
    /// PTK from PGK.
    PTK = Octet(0x4A), "TS 33.303 §A.3", Read;
    /// PEK and PIK from PTK or KD-sess.
    PEK_PIK = Octet(0x4B), "TS 33.303 §A.4", Read;
    /// Scrambling bits from DUSK (time-hash-bitsequence).
    SCRAMBLING = Octet(0x4C), "TS 33.303 §A.5", Read;
    /// Message-specific confidentiality keystream from DUCK.
    CONFIDENTIALITY = Octet(0x4D), "TS 33.303 §A.6", Read;
    /// KD of a UE-to-network relay.
    RELAY_KD = Octet(0x48), "TS 33.303 §A.7", Read;
    /// DUSK, DUIK, DUCK from PSDK.
    FROM_PSDK = Octet(0x4F), "TS 33.303 §A.8", Read;
    /// KD-sess from KD.
    KD_SESS = Octet(0x4E), "TS 33.303 §A.9", Read;
    /// User salt of a GUK-ID.
    USER_SALT = Octet(0x50), "TS 33.180 §F.1.3", Read;
    /// DPCK, the key of protected parameters.
    DPCK = Octet(0x53), "TS 33.180 §F.1", FromImplementation;
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
    OWN_KD_FROM_HALF_KEYS = Own("KD from half keys"), "TR 33.833 §6.4.1", Own;
    /// KD from public values that the network carried.
    OWN_KD_FROM_PUBLIC_VALUES = Own("KD from public values"), "TR 33.833 §6.4.1", Own;
    /// KD from SDES keys.
    OWN_KD_FROM_SDES = Own("KD from SDES"), "TR 33.833 §6.4.2", Own;
    /// Session key of request and response discovery by a pre-shared secret.
    OWN_DISCOVERY_SESSION = Own("discovery session"), "TR 33.833 §6.2.2.2", Own;
    /// Keyed over-the-air id.
    OWN_OTA_ID = Own("ota"), "TR 33.833 §6.2.1.4", Own;
    /// K_unicast of group owner mode.
    OWN_K_UNICAST = Own("K unicast"), "TR 33.833 §6.3.4", Own;
    /// K_multicast of group owner mode.
    OWN_K_MULTICAST = Own("K multicast"), "TR 33.833 §6.3.4", Own;
    /// MAC by which a member confirms its keys, leaves, or is told that it was removed.
    OWN_GROUP_CONFIRM = Own("group owner MAC"), "TR 33.833 §6.3.4", Own;
    /// KD from an EAP master session key.
    OWN_KD_FROM_MSK = Own("KD from MSK"), "TR 33.833 §6.5.1", Own;
    /// Key that wraps a pushed group key.
    OWN_GROUP_KEY_WRAP = Own("group key wrap"), "TR 33.833 §6.3.2", Own;
    /// One step of a chain of disclosed keys.
    OWN_CHAIN_STEP = Own("chain step"), "TR 33.833 §6.2.3", Own;
    /// MAC key of a disclosed key.
    OWN_CHAIN_MAC = Own("chain MAC"), "TR 33.833 §6.2.3", Own;
    /// Keystream of the code in a signed announcement for a group.
    OWN_SIGNED_CODE = Own("signed code"), "TR 33.833 §6.2.3", Own;
    /// MIC whose key is disclosed later.
    OWN_DELAYED_MIC = Own("delayed MIC"), "TR 33.833 §6.2.3", Own;
    /// One step of a chain of codes.
    OWN_CODE_STEP = Own("code step"), "TR 33.833 §6.2.3", Own;
    /// Public name of a chain of codes.
    OWN_CODE_HINT = Own("code hint"), "TR 33.833 §6.2.3", Own;
    /// Name of a transport block in a discovery message.
    OWN_POINTER = Own("pointer"), "TR 33.833 §6.2.3", Own;
    /// PGK from a group session key.
    OWN_PGK_FROM_GSK = Own("PGK from GSK"), "TR 33.833 §6.3.1", Own;
    /// Acknowledgement of a group master key.
    OWN_GMK_ACKNOWLEDGEMENT = Own("GMK acknowledgement"), "TR 33.833 §6.3.1", Own;
    /// Accounting key.
    OWN_ACCOUNTING = Own("accounting"), "TR 33.833 §5.5.2", Own;
    /// Keystream of a direct communication request in the LTE profile.
    OWN_DCR_KEYSTREAM = Own("DCR keystream"), "TS 33.503 §A.5", Own;
    /// KD from a SAKKE shared secret value.
    OWN_KD_FROM_SSV = Own("KD from SSV"), "TR 33.833 §6.4.3", Own;
    /// KD from the TEK of a MIKEY ticket.
    OWN_KD_FROM_TEK = Own("KD from TEK"), "TR 33.833 §6.4.2", Own;
    /// Name of a stream of counters in a store. It stays as in earlier versions, outside of the proprietary range:
    /// under another name the counters of existing stores would begin again, and COUNT would repeat. It names records
    /// of a file; it is never on the air, and is not a key.
    OWN_STREAM_ID = Extended(0xEE), "none", Own;
    /// Public name of a session key: it reveals nothing of the key.
    OWN_FINGERPRINT = Own("fingerprint"), "none", Own;
    /// Cookies of half-open links.
    OWN_COOKIE = Own("cookie"), "none", Own;
    /// A PSDK for only one relay service code or discovery group, from which keys derive as from any PSDK.
    OWN_PSDK_OF_IDENTITY = Own("PSDK of identity"), "none", Own;
    /// MIC of a response that is bound to its request (TS 33.303 §A.2 with one more parameter).
    OWN_BOUND_MIC = Own("bound MIC"), "TR 33.833 §6.2.2.2", Own;
    /// KD from signed ephemeral keys.
    OWN_KD_FROM_SIGNED = Own("KD from signed"), "TR 33.833 §6.4.1.4.2", Own;
    /// Nonces from a seed.
    OWN_ENTROPY = Own("entropy"), "none", Own;
    /// Check of a long message, without a key.
    OWN_MESSAGE_CHECK = Own("message check"), "none", Own;
    /// Seal of the configuration that a UE keeps.
    OWN_CONFIGURATION_SEAL = Own("configuration seal"), "TR 33.833 §6.1.1", Own;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // TS 33.220 §B.2.2
    fn no_value_stands_twice_and_own_values_keep_to_their_range() {
        assert!((0xF0..=0xFE).contains(&OWN), "proprietary");
        for (i, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.fc != row.fc), "{} {}", row.name, row.fc);
            match (row.standing, row.fc) {
                (Provenance::Own, Fc::Own(label)) => assert!(label.is_ascii() && !label.is_empty()),
                (Provenance::Own, fc) => assert_eq!(fc, OWN_STREAM_ID, "{} outside its range", row.name),
                (_, Fc::Octet(fc)) => assert!(fc < 0xE0, "{}", row.name),
                (_, fc) => panic!("{} {fc} is not allocated", row.name),
            }
            // TS 33.220 §B.2.2: 0x48 to 0x4F are those of TS 33.303.
            let of_prose = matches!(row.fc, Fc::Octet(0x48..=0x4F));
            assert_eq!(of_prose, row.clause.starts_with("TS 33.303"), "{}", row.name);
        }
    }
}
