//! What a configuration is made of: nodes of TS 24.333 §5.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

use sidelink_security::counter::UtcTime;

use super::place::Polygon;
use crate::key_delivery::ServiceId;
use crate::pc3::fields::{Lexical, records};
use crate::pc3::values::{choices, integer};
use crate::pc3::{Imsi, Minutes, Plmn};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty): $range:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// `None` outside of the range.
            pub fn new(value: $inner) -> Option<Self> {
                ($range).contains(&value).then_some(Self(value))
            }

            /// The number.
            pub const fn value(self) -> $inner {
                self.0
            }
        }

        impl Lexical for $name {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                Self::new(<$inner>::try_from(integer(text)?).ok()?)
            }

            fn to_text(&self) -> String {
                self.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Number of a configuration, which only rises. Ours: a management object has none.
    Version(u32): 1..=u32::MAX, "an integer, 1 to 4294967295";
    /// Frequency of a carrier in Hz, where TS 36.331 has an EARFCN.
    Hertz(u64): 1..=100_000_000_000, "an integer, 1 to 100000000000 (Hz)";
    /// P-Max in dBm. TS 36.331, from memory.
    Power(i8): -30..=33, "an integer, -30 to 33 (dBm)";
    /// Resource blocks of a carrier: 6, 15, 25, 50, 75 or 100. TS 36.331, from memory.
    Bandwidth(u8): [6, 15, 25, 50, 75, 100], "6, 15, 25, 50, 75 or 100 (resource blocks)";
}

choices! {
    /// How far a UE may announce. TS 24.333 §5.2.79.
    Range, "a range, 1 to 3" {
        /// Short.
        Short = 1,
        /// Medium.
        Medium = 2,
        /// Long.
        Long = 3,
    }
}

/// Address of a function: TS 24.333 §5.2.55 has only IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

impl Lexical for Address {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address";

    fn from_text(text: &str) -> Option<Self> {
        IpAddr::from_str(text.trim()).ok().map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

records! {
    /// A UE may do something in a PLMN for some time, which counts from [`Configuration::issued`]. TS 24.333 §5.2.36.
    Policy {
        /// Where.
        plmn: Plmn = one "PLMN",
        /// T4005, in minutes.
        validity: Minutes = one "ValidityTimerT4005",
        /// How far; of announcing.
        range: Option<Range> = maybe "Range",
    }

    /// Three fields of SL-PreconfigGeneral.
    RadioParameters {
        /// Its carrier.
        carrier: Hertz = one "carrierFreq",
        /// The most that a UE may send.
        max_power: Power = one "maxTxPower",
        /// Width of the carrier.
        bandwidth: Bandwidth = one "sl-bandwidth",
    }

    /// Radio parameters and where they hold. TS 24.333 §5.2.42 to §5.2.50.
    RadioParametersOfArea {
        /// The parameters.
        contents: RadioParameters = one "RadioParametersContents",
        /// Where: in any of these.
        area: Vec<Polygon> = some "GeographicalArea",
    }

    /// What a UE may do where no E-UTRAN serves it. TS 24.333 §5.2.39, §5.2.93.
    NotInEutran {
        /// One-to-many communication.
        one_to_many: Option<bool> = maybe "DirectCommunicationAuthorisationNotInEUTRAN",
        /// One-to-one communication.
        one_to_one: Option<bool> = maybe "OneToOneDirectCommunicationAuthorisationNotInEUTRAN",
        /// Announcing, model A.
        announcing: Option<bool> = maybe "AnnouncingAuthorisationNotInEUTRAN",
        /// Monitoring, model A.
        monitoring: Option<bool> = maybe "MonitoringAuthorisationNotInEUTRAN",
        /// Of communication.
        communication: Vec<RadioParametersOfArea> = many "DirectCommunicationRadioParameters",
        /// Of discovery.
        discovery: Vec<RadioParametersOfArea> = many "DiscoveryRadioParameters",
    }

    /// A group. TS 24.333 §5.2.52 to §5.2.57A.
    GroupParameters {
        /// Where its members are reached.
        multicast: Address = one "IPMulticastAddress",
        /// Where its keys come from; the ProSe Function's own address without it.
        pkmf: Option<Address> = maybe "PKMFAddress",
        /// ProSe Layer-2 Group ID.
        group: ServiceId = one "Layer2GroupID",
    }

    /// What an operator says to all UEs.
    Content {
        /// Its number.
        version: Version = one "Version",
        /// Minutes for which a UE may use it.
        validity: Minutes = one "Validity",
        /// Monitoring, served by E-UTRAN.
        monitoring: Vec<Policy> = many "MonitoringPolicy",
        /// Announcing, served by E-UTRAN.
        announcing: Vec<Policy> = many "AnnouncingPolicy",
        /// One-to-many communication, served by E-UTRAN.
        communication: Vec<Policy> = many "DirectCommunicationPolicy",
        /// Not served by E-UTRAN.
        not_in_eutran: Option<NotInEutran> = maybe "PolicyNotInEUTRAN",
        /// Groups.
        groups: Vec<GroupParameters> = many "GroupParameters",
    }

    /// What a UE holds.
    Configuration {
        /// Whose it is.
        ue: Imsi = one "UE-identity",
        /// When it was said.
        issued: UtcTime = one "Issued",
        /// When it ends.
        valid_until: UtcTime = one "Valid-Until",
        /// The rest.
        content: Content = one "Content",
    }
}

impl Configuration {
    /// What orders configurations: a version, and the time at which it was said to this UE.
    pub fn order(&self) -> (Version, UtcTime) {
        (self.content.version, self.issued)
    }

    /// Whether a policy holds in this PLMN now.
    pub fn allows(&self, policies: &[Policy], plmn: Plmn, now: UtcTime) -> bool {
        let lives = |policy: &&Policy| {
            let minutes = u64::from(policy.validity.value());
            now < self.issued.plus_millis(minutes * 60_000) && now < self.valid_until
        };
        policies.iter().filter(|policy| policy.plmn == plmn).any(|policy| lives(&policy))
    }
}
