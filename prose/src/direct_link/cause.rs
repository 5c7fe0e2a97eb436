//! Why a peer refuses or ends a link. LTE and NR number the reasons differently, and LTE has a list of its own for releases.

use core::fmt;

use sidelink_security::direct::{Disagreement, Profile};

/// The message whose octet a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CauseOf {
    /// DIRECT_COMMUNICATION_REJECT.
    Reject,
    /// DIRECT_SECURITY_MODE_REJECT.
    SecurityModeReject,
    /// DIRECT_COMMUNICATION_RELEASE.
    Release,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// What a cause means, whatever its octet is. [`Self::octet`] gives the octet of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
            /// The rest of set-up fails: 6 of LTE, 111 of NR.
            ProtocolError,
            /// 5 of LTE.
            IpVersionMismatch,
            /// 8 of LTE.
            Unspecified,
            /// 10 of LTE: no complete came.
            NonResponsive,
            /// 2 of LTE's release reasons.
            NoLongerAllowed,
            /// Any other octet.
            Other(u8),
        }

        impl Cause {
            /// The octet of NR (TS 24.554 Table 11.3.8.1, through an implementation), and of the project's own messages.
            pub const fn value(self) -> u8 {
                match self {
                    $(Self::$name => $value,)*
                    Self::NoLongerAllowed => 1,
                    Self::ProtocolError
                    | Self::IpVersionMismatch
                    | Self::Unspecified
                    | Self::NonResponsive => PROTOCOL_ERROR,
                    Self::Other(value) => value,
                }
            }

            /// From the octet of NR, or of the project's own messages.
            pub const fn from_value(value: u8) -> Self {
                match value {
                    $($value => Self::$name,)*
                    PROTOCOL_ERROR => Self::ProtocolError,
                    value => Self::Other(value),
                }
            }
        }

        impl fmt::Display for Cause {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                    Self::ProtocolError => "the set-up fails for another reason",
                    Self::IpVersionMismatch => "IP version mismatch",
                    Self::Unspecified => "unspecified error",
                    Self::NonResponsive => "no answer to the security mode command",
                    Self::NoLongerAllowed => "direct communication is not allowed any more",
                    Self::Other(value) => return write!(f, "unknown cause {value}"),
                })
            }
        }
    };
}

const PROTOCOL_ERROR: u8 = 111;

causes! {
    /// 1 of both.
    NotAllowed = 1, "direct communication to this UE is not allowed";
    /// 2 of NR, 1 of LTE's release reasons.
    NoLongerNeeded = 2, "no longer needed";
    /// 3 of both.
    Layer2IdConflict = 3, "layer-2 ID conflict";
    /// 4 of NR, 3 of LTE's release reasons.
    NotAvailable = 4, "the direct connection is not available any more";
    /// 5 of NR, 4 of LTE.
    LackOfResources = 5, "lack of resources";
    /// 6 of NR, 2 of LTE.
    AuthenticationFailure = 6, "authentication failure";
    /// 7 of NR.
    IntegrityFailure = 7, "integrity failure";
    /// 8 of NR, 7 of LTE.
    CapabilitiesMismatch = 8, "UE security capabilities mismatch";
    /// 9 of NR.
    SessionIdConflict = 9, "conflict of KD-sess IDs";
    /// 10 of NR.
    PolicyMismatch = 10, "security policy mismatch";
    /// 12 of NR.
    NotAligned = 12, "security policies of user data are not aligned";
    /// 13 of NR.
    Congestion = 13, "congestion";
    /// 14 of NR, 9 of LTE.
    SynchronisationError = 14, "authentication synchronisation error";
    /// 0xE1: ours, since no value is known for it.
    Expired = 0xe1, "a certificate is expired or not yet valid: compare the clocks, then try again";
    /// 0xE2: ours.
    Revoked = 0xe2, "the certificate is revoked";
    /// 0xE3: ours.
    UnknownIssuer = 0xe3, "the certificate's issuer is not trusted";
}

impl Cause {
    /// The octet in a message of a profile. What LTE has no value for is told as the "other" of that message.
    pub const fn octet(self, profile: Profile, of: CauseOf) -> u8 {
        match (profile, of) {
            (Profile::Nr, _) => self.value(),
            (Profile::Lte, CauseOf::Reject) => self.of_reject(),
            (Profile::Lte, CauseOf::SecurityModeReject) => self.of_security_mode_reject(),
            (Profile::Lte, CauseOf::Release) => self.of_release(),
        }
    }

    /// From the octet in a message of a profile.
    pub const fn from_octet(profile: Profile, of: CauseOf, octet: u8) -> Self {
        match (profile, of) {
            (Profile::Nr, _) => Self::from_value(octet),
            (Profile::Lte, CauseOf::Release) => Self::from_release(octet),
            (Profile::Lte, CauseOf::Reject | CauseOf::SecurityModeReject) => Self::from_lte(octet),
        }
    }

    /// TS 24.334 §10.4.2.5: 1 to 6, and 10 where no complete came (§10.4.5.6.1).
    // TS 24.334 §10.4.2.5 (8)
    const fn of_reject(self) -> u8 {
        match self {
            Self::NotAllowed | Self::NoLongerAllowed => 1,
            Self::AuthenticationFailure
            | Self::IntegrityFailure
            | Self::Expired
            | Self::Revoked
            | Self::UnknownIssuer => 2,
            Self::Layer2IdConflict => 3,
            Self::LackOfResources | Self::Congestion => 4,
            Self::IpVersionMismatch => 5,
            Self::NonResponsive => 10,
            _ => 6,
        }
    }

    /// TS 24.334 §10.4.5.5: 7 to 9.
    const fn of_security_mode_reject(self) -> u8 {
        match self {
            Self::CapabilitiesMismatch | Self::PolicyMismatch => 7,
            Self::SynchronisationError => 9,
            _ => 8,
        }
    }

    /// TS 24.334 §12.5.1.8.
    // TS 24.334 §10.4.4.2 (1)
    const fn of_release(self) -> u8 {
        match self {
            Self::NoLongerNeeded => 1,
            Self::NotAllowed | Self::NoLongerAllowed => 2,
            _ => 3,
        }
    }

    /// TS 24.334 §12.5.1.7.
    // TS 24.334 §12.5.1.7
    const fn from_lte(octet: u8) -> Self {
        match octet {
            1 => Self::NotAllowed,
            2 => Self::AuthenticationFailure,
            3 => Self::Layer2IdConflict,
            4 => Self::LackOfResources,
            5 => Self::IpVersionMismatch,
            6 => Self::ProtocolError,
            7 => Self::CapabilitiesMismatch,
            8 => Self::Unspecified,
            9 => Self::SynchronisationError,
            10 => Self::NonResponsive,
            other => Self::Other(other),
        }
    }

    // TS 24.334 §12.5.1.8
    const fn from_release(octet: u8) -> Self {
        match octet {
            1 => Self::NoLongerNeeded,
            2 => Self::NoLongerAllowed,
            3 => Self::NotAvailable,
            other => Self::Other(other),
        }
    }
}

impl From<&Disagreement> for Cause {
    fn from(disagreement: &Disagreement) -> Self {
        match disagreement {
            Disagreement::PolicyMismatch => Self::PolicyMismatch,
            Disagreement::Identity => Self::SessionIdConflict,
            _ => Self::CapabilitiesMismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each meaning with its octets in REJECT, SECURITY MODE REJECT and RELEASE of LTE, and in NR.
    const OCTETS: [(Cause, [u8; 4]); 17] = [
        (Cause::NotAllowed, [1, 8, 2, 1]),
        (Cause::AuthenticationFailure, [2, 8, 3, 6]),
        (Cause::Layer2IdConflict, [3, 8, 3, 3]),
        (Cause::LackOfResources, [4, 8, 3, 5]),
        (Cause::IpVersionMismatch, [5, 8, 3, 111]),
        (Cause::ProtocolError, [6, 8, 3, 111]),
        (Cause::CapabilitiesMismatch, [6, 7, 3, 8]),
        (Cause::PolicyMismatch, [6, 7, 3, 10]),
        (Cause::SessionIdConflict, [6, 8, 3, 9]),
        (Cause::Unspecified, [6, 8, 3, 111]),
        (Cause::SynchronisationError, [6, 9, 3, 14]),
        (Cause::NonResponsive, [10, 8, 3, 111]),
        (Cause::NoLongerNeeded, [6, 8, 1, 2]),
        (Cause::NoLongerAllowed, [1, 8, 2, 1]),
        (Cause::NotAvailable, [6, 8, 3, 4]),
        (Cause::Expired, [2, 8, 3, 0xe1]),
        (Cause::NotAligned, [6, 8, 3, 12]),
    ];

    #[test]
    // TS 24.334 §10.4.2.5 (3); TS 24.334 §10.4.2.5 (8); TS 24.334 §10.4.4.2 (1); TS 24.334 §10.4.4.2 (3)
    // TS 24.334 §12.5.1.7; TS 24.334 §12.5.1.8
    fn every_cause_has_the_octet_of_its_message_and_profile() {
        for (cause, octets) in OCTETS {
            let of = [
                cause.octet(Profile::Lte, CauseOf::Reject),
                cause.octet(Profile::Lte, CauseOf::SecurityModeReject),
                cause.octet(Profile::Lte, CauseOf::Release),
                cause.octet(Profile::Nr, CauseOf::Release),
            ];
            assert_eq!(of, octets, "{cause}");
        }
    }

    /// TS 24.334 §12.5.1.7, §12.5.1.8, written out a second time.
    #[test]
    fn octets_of_lte_mean_what_the_tables_say() {
        let causes = [
            Cause::NotAllowed,
            Cause::AuthenticationFailure,
            Cause::Layer2IdConflict,
            Cause::LackOfResources,
            Cause::IpVersionMismatch,
            Cause::ProtocolError,
            Cause::CapabilitiesMismatch,
            Cause::Unspecified,
            Cause::SynchronisationError,
            Cause::NonResponsive,
        ];
        for (octet, cause) in (1..).zip(causes) {
            for of in [CauseOf::Reject, CauseOf::SecurityModeReject] {
                assert_eq!(Cause::from_octet(Profile::Lte, of, octet), cause);
            }
        }
        let reasons = [Cause::NoLongerNeeded, Cause::NoLongerAllowed, Cause::NotAvailable];
        for (octet, reason) in (1..).zip(reasons) {
            assert_eq!(Cause::from_octet(Profile::Lte, CauseOf::Release, octet), reason);
        }
        for octet in 0..=255 {
            assert_eq!(Cause::from_octet(Profile::Nr, CauseOf::Reject, octet).value(), octet);
        }
    }
}
