//! The documents. TS 29.555 §6.1.6.

use serde_json::value::RawValue;

use crate::pc3::{ApplicationCode, ApplicationId, OsAppId, Rpauid};
use crate::sbi::common::{DateTime, Name, PlmnId};
use crate::sbi::json::{Faults, Schema, from_text, number, objects, wrong};

objects! {
    /// A UE is to announce here.
    AnnounceAuthData {
        /// Open or restricted.
        mandatory disc_type: DiscoveryType = "discType";
        /// What it announces openly.
        optional open: AnnounceDiscDataForOpen = "openDiscData";
        /// As whom it announces itself.
        optional restricted: AnnounceDiscDataForRestricted = "restrictedDiscData";
    }

    /// What a UE announces openly.
    AnnounceDiscDataForOpen {
        /// What.
        mandatory prose_app_id: AppId = "proseAppId";
        /// Until when.
        mandatory validity_time: DateTime = "validityTime";
        /// By which code.
        optional prose_app_code: Code = "proseAppCode";
        /// What goes with it.
        optional meta_data: Name = "metaData";
    }

    /// As whom a UE announces itself.
    AnnounceDiscDataForRestricted {
        /// As whom.
        mandatory rpauid: UserId = "rpauid";
        /// For which application.
        mandatory app_id: AppName = "appId";
        /// Until when.
        mandatory validity_time: DateTime = "validityTime";
        /// By which code.
        optional prose_restricted_code: Name = "proseRestrictedCode";
    }

    /// An announcement is to go on, or to end.
    AnnounceUpdateData {
        /// Open or restricted.
        mandatory disc_type: DiscoveryType = "discType";
        /// Until when.
        mandatory validity_time: DateTime = "validityTime";
        /// By which code.
        optional prose_app_code: Code = "proseAppCode";
    }

    /// A UE is to monitor.
    MonitorAuthReqData {
        /// Open or restricted.
        mandatory disc_type: DiscoveryType = "discType";
        /// What it looks for openly.
        optional open: MonitorDiscDataForOpen = "openDiscData";
        /// Whom it looks for.
        optional restricted: MonitorDiscDataForRestricted = "restrictedDiscData";
    }

    /// What a UE looks for openly.
    MonitorDiscDataForOpen {
        /// What.
        mandatory prose_app_id_names: Vec<AppId> = "proseAppIdNames";
    }

    /// Whom a UE looks for.
    MonitorDiscDataForRestricted {
        /// As whom.
        mandatory rpauid: UserId = "rpauid";
        /// Whom, by its discovery identity.
        mandatory target_pduid: Name = "targetPduid";
        /// For which application.
        mandatory app_id: AppName = "appId";
        /// Whom.
        mandatory target_rpauid: UserId = "targetRpauid";
    }

    /// What it may look for.
    MonitorAuthRespData {
        /// Openly.
        optional open: MonitorAuthDataForOpen = "authDataOpen";
        /// Of a user.
        optional restricted: MonitorAuthDataForRestricted = "authDataRestricted";
    }

    /// Codes and masks.
    MonitorAuthDataForOpen {
        /// Codes.
        optional prose_app_codes: Vec<Code> = "proseAppCodes";
        /// Masks, one a code.
        mandatory prose_app_masks: Vec<Code> = "proseAppMasks";
        /// How long they serve, in minutes.
        mandatory ttl: Ttl = "ttl";
    }

    /// The code of a user.
    MonitorAuthDataForRestricted {
        /// The code.
        mandatory prose_restricted_code: Name = "proseRestrictedCode";
        /// Until when.
        mandatory validity_time: DateTime = "validityTime";
    }

    /// A monitor is to go on, or to end.
    MonitorUpdateData {
        /// Open or restricted.
        mandatory disc_type: DiscoveryType = "discType";
        /// Of an open one.
        optional open: MonitorUpdateDataForOpen = "openUpdateData";
    }

    /// An open monitor goes on, or ends.
    MonitorUpdateDataForOpen {
        /// What it looks for.
        mandatory prose_app_id_name: AppId = "proseAppIdName";
        /// How long it goes on, in minutes; 0 ends it.
        mandatory ttl: Ttl = "ttl";
    }

    /// A UE has heard codes.
    MatchReportReqData {
        /// Open, the only one here.
        mandatory disc_type: DiscoveryType = "discType";
        /// Which.
        optional prose_app_codes: Vec<Code> = "proseAppCodes";
        /// Where; the schema writes it so.
        optional monitered_plmn_id: PlmnId = "moniteredPlmnId";
    }

    /// What they stand for.
    MatchReportRespData {
        /// Names.
        optional prose_app_id_names: Vec<AppId> = "proseAppIdNames";
        /// Until when.
        optional validity_time: DateTime = "validityTime";
        /// What goes with it.
        optional meta_data: Name = "metaData";
        /// Which part of a code says that the metadata is another.
        optional meta_data_index_masks: Vec<Code> = "metaDataIndexMasks";
    }
}

/// Types of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiscoveryType {
    /// Open.
    Open,
    /// Restricted.
    Restricted,
}

impl Schema for DiscoveryType {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let of = |text: &str| match text {
            "OPEN" => Some(Self::Open),
            "RESTRICTED" => Some(Self::Restricted),
            _ => None,
        };
        from_text(json, of, "OPEN or RESTRICTED")
    }
}

impl serde::Serialize for DiscoveryType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if *self == Self::Open { "OPEN" } else { "RESTRICTED" })
    }
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $from:expr, $to:expr, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Schema for $name {
            fn read(json: &RawValue) -> Result<Self, Faults> {
                let from: fn(&str) -> Option<$inner> = $from;
                from_text(json, |text| from(text).map(Self), $what)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let to: fn(&$inner) -> String = $to;
                serializer.serialize_str(&to(&self.0))
            }
        }
    )*};
}

values! {
    /// A ProSe Application ID.
    AppId(ApplicationId), |text| ApplicationId::new(text).ok(), ToString::to_string, "a ProSe Application ID";
    /// Name of an application.
    AppName(OsAppId), |text| OsAppId::new(text).ok(), ToString::to_string, "the name of an application";
    /// A user of an application.
    UserId(Rpauid), |text| Rpauid::new(text).ok(), ToString::to_string, "an RPAUID";
    /// A ProSe Application Code, or a mask of one.
    Code(ApplicationCode), |text| code(text), |code| hex::encode(code.0), "46 hexadecimal digits";
}

fn code(text: &str) -> Option<ApplicationCode> {
    let mut octets = [0; 23];
    hex::decode_to_slice(text, &mut octets).ok()?;
    Some(ApplicationCode(octets))
}

/// Minutes that something lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(pub u32);

impl Schema for Ttl {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let minutes = number(json, 525_600, "minutes, 0 to 525600")?;
        u32::try_from(minutes).map(Self).map_err(|_| wrong("minutes, 0 to 525600"))
    }
}

impl serde::Serialize for Ttl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}
