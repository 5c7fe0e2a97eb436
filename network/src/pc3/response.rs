//! DISCOVERY_RESPONSE: codes, filters and keys, or why not. TS 24.334 §11.2.4.3.

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::DiscoveryKey;

use super::fields::records;
use super::filters::{
    DiscoveryFilter, ExtensionCodes, MatchingFilter, QueryExtension, RestrictedFilter, RestrictedSecurity,
    Subquery, SuffixRange,
};
use super::values::{
    ApplicationCode, Cause, Container, EntryId, Extension, MaxOffset, Minutes, Pc5Technology, RestrictedCode,
    TransactionId, TransactionMethod,
};

records! {
    /// To an open announcer. With transaction and entry alone: announcing has stopped.
    AnnounceResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What to announce.
        codes: Vec<ApplicationCode> = many "ProSe-Application-Code",
        /// What to announce with application-controlled extension.
        extension_codes: Option<ExtensionCodes> = maybe "ProSe-Application-Code-ACE",
        /// T4000.
        validity: Option<Minutes> = maybe "validity-timer-T4000",
        /// Keys the MIC.
        key: Option<DiscoveryKey> = maybe "discovery-key",
        /// Names the entry.
        entry: Option<EntryId> = maybe "discovery-entry-ID",
        /// Application-controlled extension.
        extension: Option<Extension> = maybe "ACE-enabled-indicator",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// To an open monitor. With transaction and entry alone: monitoring has stopped.
    MonitorResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What to look for.
        filters: Vec<DiscoveryFilter> = many "discovery-filter",
        /// Names the entry.
        entry: Option<EntryId> = maybe "discovery-entry-ID",
        /// Application-controlled extension.
        extension: Option<Extension> = maybe "ACE-enabled-indicator",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// To an announcer of restricted discovery, model A.
    RestrictedAnnounceResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What to announce.
        code: Option<RestrictedCode> = maybe "ProSe-Restricted-Code",
        /// Suffixes of application-controlled extension.
        suffixes: Option<SuffixRange> = maybe "ProSe-Restricted-Code-Suffix-Range",
        /// T4007.
        validity: Option<Minutes> = maybe "validity-timer-T4007",
        /// Application-controlled extension.
        extension: Option<Extension> = maybe "ACE-enabled-indicator",
        /// Code-sending keys.
        security: Option<RestrictedSecurity> = maybe "restricted-code-security-material",
        /// Whether to wait until somebody monitors.
        on_demand: Option<bool> = maybe "on-demand-announcing-enabled-indicator",
        /// Names the entry.
        entry: EntryId = one "discovery-entry-ID",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// To a monitor of restricted discovery, model A.
    RestrictedMonitorResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What to look for.
        filters: Vec<RestrictedFilter> = many "restricted-discovery-filter",
        /// Application-controlled extension.
        extension: Option<Extension> = maybe "ACE-enabled-indicator",
        /// From the application's server.
        container: Container = one "application-level-container",
        /// Names the entry.
        entry: EntryId = one "discovery-entry-ID",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// To who answers in model B.
    DiscovereeResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What to answer.
        response_code: RestrictedCode = one "ProSe-Response-Code",
        /// Questions to look for.
        query_filters: Vec<MatchingFilter> = some "query-filter",
        /// T4011.
        validity: Minutes = one "validity-timer-T4011",
        /// Code-sending keys of the answer.
        security: Option<RestrictedSecurity> = maybe "restricted-code-security-material",
        /// Names the entry.
        entry: EntryId = one "discovery-entry-ID",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
        /// Code-receiving keys of questions.
        extension: Option<QueryExtension> = maybe "anyExt",
    }

    /// To who asks in model B.
    DiscovererResponse {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What to ask, and which answers to look for.
        subqueries: Vec<Subquery> = many "subquery-result",
        /// Names the entry.
        entry: EntryId = one "discovery-entry-ID",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// A transaction is refused.
    Reject {
        /// Which.
        transaction: TransactionId = one "transaction-ID",
        /// Why.
        cause: Cause = one "PC3-control-protocol-cause-value",
    }

    /// DISCOVERY_RESPONSE.
    DiscoveryResponse {
        /// CURRENT_TIME.
        current_time: UtcTime = one "Current-Time",
        /// MAX_OFFSET.
        max_offset: MaxOffset = one "Max-Offset",
        /// Open announcers.
        announces: Vec<AnnounceResponse> = many "response-announce",
        /// Open monitors.
        monitors: Vec<MonitorResponse> = many "response-monitor",
        /// Restricted announcers.
        restricted_announces: Vec<RestrictedAnnounceResponse> = many "restricted-announce-response",
        /// Restricted monitors.
        restricted_monitors: Vec<RestrictedMonitorResponse> = many "restricted-monitor-response",
        /// Who answers in model B.
        discoverees: Vec<DiscovereeResponse> = many "restricted-discoveree-response",
        /// Who asks in model B.
        discoverers: Vec<DiscovererResponse> = many "restricted-discoverer-response",
        /// Refused.
        rejects: Vec<Reject> = many "response-reject",
        /// Whether the UE shall wait for late answers.
        method: Option<TransactionMethod> = attribute "network-initiated-transaction-method",
    }
}
