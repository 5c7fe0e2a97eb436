//! Filters, suffixes and key material, as several messages have them. TS 24.334 §11.2.3, §12.2.2.12, §12.2.2.37 to §12.2.2.45.

use sidelink_security::discovery::restricted::Material;
use sidelink_security::keys::{Duck, Duik, Dusk};

use super::Error;
use super::element::Element;
use super::fields::{Fields, Value, records};
use super::values::{
    ApplicationCode, Bits, Metadata, MetadataIndicator, Minutes, OutOfRange, RestrictedCode, Rpauid,
};

records! {
    /// Codes of open discovery to look for. TS 24.334 §12.2.2.12.
    DiscoveryFilter {
        /// Wanted bits.
        code: ApplicationCode = one "ProSe-Application-Code",
        /// Which of them matter; a match under any mask is a match.
        masks: Vec<ApplicationCode> = some "ProSe-Application-Mask",
        /// T4002.
        ttl: Minutes = one "TTL-timer-T4002",
    }

    /// DUCK, and the bits that it encrypts. TS 24.334 §12.2.2.37.
    DuckInfo {
        /// The key.
        key: Duck = one "discovery-user-confidentiality-key",
        /// Encrypted_bits_mask.
        mask: [u8; 23] = one "encrypted-bitmask",
    }

    /// Keys of a restricted code. TS 24.334 §12.2.2.40.
    RestrictedSecurity {
        /// Scrambles.
        dusk: Option<Dusk> = maybe "DUSK",
        /// Keys the MIC.
        duik: Option<Duik> = maybe "DUIK",
        /// Encrypts.
        duck: Option<DuckInfo> = maybe "DUCK",
    }

    /// Codes of one target to look for. TS 24.334 §12.2.2.37. The schema has two places for the keys: the parameter's own
    /// fields, and `restricted-security`.
    RestrictedFilter {
        /// What to look for.
        filters: Vec<MatchingFilter> = some "filter",
        /// T4009.
        ttl: Minutes = one "TTL-timer-T4009",
        /// Keys, in one of the two places.
        security: Option<RestrictedSecurity> = maybe "restricted-security",
        /// Who is looked for.
        rpauid: Option<Rpauid> = maybe "RPAUID",
        /// Unscrambles.
        dusk: Option<Dusk> = maybe "DUSK",
        /// Keys the MIC.
        duik: Option<Duik> = maybe "DUIK",
        /// Whether the ProSe Function checks the MIC, by match report.
        mic_check: Option<bool> = maybe "MIC-check-indicator",
        /// Decrypts.
        duck: Option<DuckInfo> = maybe "DUCK",
        /// Whether there is metadata.
        metadata_indicator: Option<MetadataIndicator> = maybe "metadata-indicator",
        /// What goes with the target.
        metadata: Option<Metadata> = maybe "metadata",
    }

    /// What a discoverer of model B asks with, and answers to look for. TS 24.334 §12.2.2.45.
    Subquery {
        /// The ProSe Query Code, in the schema's spelling.
        query_code: RestrictedCode = one "ProSe-Rquery-Code",
        /// Answers.
        response_filters: Vec<MatchingFilter> = some "response-filter",
        /// T4013.
        validity: Minutes = one "validity-timer-T4013",
        /// Code-receiving keys of answers.
        security: Option<RestrictedSecurity> = maybe "restricted-security",
        /// Who is asked.
        rpauid: Option<Rpauid> = maybe "RPAUID",
        /// What goes with the target.
        metadata: Option<Metadata> = maybe "metadata",
        /// Keys of the question, and who checks the MIC of answers.
        extension: Option<QueryExtension> = maybe "anyExt",
    }

    /// What TS 33.303 §6.1.3.4.2.2 gives UEs of model B and the schema has no element for: its one place of keys is for the
    /// ProSe Response Code (TS 24.334 §6.2.2B.4, §6.2.3B.3). Ours, where the schema lets anything stand.
    QueryExtension {
        /// Keys of the ProSe Query Code.
        security: Option<RestrictedSecurity> = maybe "query-security",
        /// Whether the ProSe Function checks the MIC of a ProSe Response Code, by match report. TS 24.334 §6.2.3B.4.
        mic_check: Option<bool> = maybe "MIC-check-indicator",
    }

    /// Suffixes that the application may append itself. TS 24.334 §12.2.2.35, §12.2.2.70.
    SuffixRange {
        /// The first.
        beginning: Bits = one "beginning-suffix-code",
        /// The last, of the same length; none where there is one suffix.
        ending: Option<Bits> = maybe "ending-suffix-code",
    }

    /// Codes of application-controlled extension. TS 24.334 §12.2.2.70. (The printed schema has a space before these two
    /// names, which no element can have.)
    ExtensionCodes {
        /// The part that the ProSe Function allots.
        prefix: Bits = one "ProSe-Application-Code-Prefix",
        /// The part of the application.
        suffixes: Vec<SuffixRange> = some "ProSe-Application-Code-Suffix-Range",
    }
}

impl RestrictedSecurity {
    /// From what security has.
    pub fn from_material(material: Material) -> Self {
        let duck = material.duck.map(|(key, mask)| DuckInfo { key, mask });
        Self { dusk: material.dusk, duik: material.duik, duck }
    }

    /// As security takes it.
    pub fn into_material(self) -> Material {
        Material { dusk: self.dusk, duik: self.duik, duck: self.duck.map(|duck| (duck.key, duck.mask)) }
    }
}

impl RestrictedFilter {
    /// The keys, wherever they stand: the parameter's own fields first.
    pub fn into_material(self) -> Material {
        let own = RestrictedSecurity { dusk: self.dusk, duik: self.duik, duck: self.duck }.into_material();
        let other = self.security.map(RestrictedSecurity::into_material).unwrap_or_default();
        Material {
            dusk: own.dusk.or(other.dusk),
            duik: own.duik.or(other.duik),
            duck: own.duck.or(other.duck),
        }
    }
}

/// A code and masks of the same length. TS 24.334 §12.2.2.37, §12.2.2.43.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchingFilter {
    code: Bits,
    masks: Vec<Bits>,
}

impl MatchingFilter {
    /// Refused without a mask, or with one of another length than the code's.
    pub fn new(code: Bits, masks: Vec<Bits>) -> Result<Self, OutOfRange> {
        let length = code.octets().len();
        if masks.is_empty() || masks.iter().any(|mask| mask.octets().len() != length) {
            return Err(OutOfRange { parameter: "a filter", expected: "a code, and masks of its length" });
        }
        Ok(Self { code, masks })
    }

    /// Every bit of a restricted code.
    pub fn exact(code: RestrictedCode) -> Result<Self, OutOfRange> {
        Self::new(Bits::new(&code.0)?, vec![Bits::new(&[0xff; 8])?])
    }

    /// Wanted bits.
    pub const fn code(&self) -> &Bits {
        &self.code
    }

    /// Which of them matter; a match under any mask is a match.
    pub fn masks(&self) -> &[Bits] {
        &self.masks
    }

    /// Whether a code of 184 bits matches; bits beyond those of the filter do not matter.
    pub fn matches(&self, code: &[u8; 23]) -> bool {
        let under = |mask: &Bits| {
            let bits = self.code.octets().iter().zip(mask.octets()).zip(code);
            bits.fold(0, |difference, ((wanted, mask), given)| difference | (wanted ^ given) & mask) == 0
        };
        self.masks.iter().any(under)
    }
}

impl Value for MatchingFilter {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let (code, masks) = (fields.one("Code")?, fields.some("Mask")?);
        fields.finish()?;
        Self::new(code, masks).map_err(|e| Error::value(e.expected))
    }

    fn write(&self, to: &mut Element) {
        to.one("Code", &self.code);
        to.some("Mask", &self.masks);
    }
}
