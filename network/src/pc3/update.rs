//! DISCOVERY_UPDATE_REQUEST and DISCOVERY_UPDATE_RESPONSE: the ProSe Function changes or revokes. TS 24.334 §11.2.4.19,
//! §11.2.4.20, §6.2.6.

use super::Error;
use super::element::Element;
use super::fields::{Fields, Value, records};
use super::filters::{DiscoveryFilter, RestrictedFilter};
use super::identity::Imsi;
use super::values::{ApplicationCode, Cause, EntryId, Minutes, RestrictedCode, TransactionId};

records! {
    /// A change of an entry.
    Update {
        /// Names the transaction.
        transaction: TransactionId = one "prose-function-transaction-ID",
        /// For whom.
        ue: Imsi = one "UE-identity",
        /// Which entry.
        entry: EntryId = one "discovery-entry-ID",
        /// What replaces it; nothing revokes it.
        info: Option<UpdateInfo> = maybe "update-info",
    }

    /// DISCOVERY_UPDATE_REQUEST.
    DiscoveryUpdateRequest {
        /// The changes.
        updates: Vec<Update> = some "discovery-update-request",
    }

    /// A change was made.
    Updated {
        /// Of which transaction.
        transaction: TransactionId = one "prose-function-transaction-ID",
        /// Which entry.
        entry: EntryId = one "discovery-entry-ID",
    }

    /// A change is refused.
    UpdateReject {
        /// Of which transaction.
        transaction: TransactionId = one "prose-function-transaction-ID",
        /// Why.
        cause: Cause = one "PC3-control-protocol-cause-value",
    }

    /// DISCOVERY_UPDATE_RESPONSE.
    DiscoveryUpdateResponse {
        /// Made.
        updated: Vec<Updated> = many "response-update",
        /// Refused.
        rejects: Vec<UpdateReject> = many "response-reject",
    }

    /// Another code to announce, restricted.
    RestrictedAnnouncingUpdate {
        /// The code.
        code: RestrictedCode = one "ProSe-Restricted-Code",
        /// T4007.
        validity: Minutes = one "validity-timer-T4007",
    }

    /// Other filters, restricted.
    RestrictedMonitoringUpdate {
        /// The filters.
        filters: Vec<RestrictedFilter> = some "updated-filter",
    }

    /// Another code to announce, open.
    AnnouncingUpdate {
        /// The code.
        code: ApplicationCode = one "ProSe-Application-Code",
        /// T4000.
        validity: Minutes = one "validity-timer-T4000",
    }

    /// Other filters, open.
    MonitoringUpdate {
        /// The filters.
        filters: Vec<DiscoveryFilter> = some "updated-filter",
    }
}

/// What replaces an entry. TS 24.334 §12.2.2.29.
#[derive(Debug)]
pub enum UpdateInfo {
    /// Of a restricted announcer.
    RestrictedAnnounce(RestrictedAnnouncingUpdate),
    /// Of a restricted monitor.
    RestrictedMonitor(RestrictedMonitoringUpdate),
    /// Of an open announcer.
    OpenAnnounce(AnnouncingUpdate),
    /// Of an open monitor.
    OpenMonitor(MonitoringUpdate),
}

impl UpdateInfo {
    const RESTRICTED_ANNOUNCE: &'static str = "update-info-restricted-announce";
    const RESTRICTED_MONITOR: &'static str = "update-info-restricted-monitor";
    /// The schema's spelling.
    const OPEN_ANNOUNCE: &'static str = "update-info-open-annnounce";
    const OPEN_MONITOR: &'static str = "update-info-open-monitor";
}

impl Value for UpdateInfo {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let mut found = Vec::new();
        found.extend(fields.maybe(Self::RESTRICTED_ANNOUNCE)?.map(Self::RestrictedAnnounce));
        found.extend(fields.maybe(Self::RESTRICTED_MONITOR)?.map(Self::RestrictedMonitor));
        found.extend(fields.maybe(Self::OPEN_ANNOUNCE)?.map(Self::OpenAnnounce));
        found.extend(fields.maybe(Self::OPEN_MONITOR)?.map(Self::OpenMonitor));
        fields.finish()?;
        match (found.pop(), found.pop()) {
            (Some(info), None) => Ok(info),
            _ => Err(Error::value("one of the four kinds of update")),
        }
    }

    fn write(&self, to: &mut Element) {
        match self {
            Self::RestrictedAnnounce(update) => to.one(Self::RESTRICTED_ANNOUNCE, update),
            Self::RestrictedMonitor(update) => to.one(Self::RESTRICTED_MONITOR, update),
            Self::OpenAnnounce(update) => to.one(Self::OPEN_ANNOUNCE, update),
            Self::OpenMonitor(update) => to.one(Self::OPEN_MONITOR, update),
        }
    }
}
