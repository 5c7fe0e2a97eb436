//! MATCH_REPORT and MATCH_REPORT_ACK: a UE asks whether what it heard is right. TS 24.334 §11.2.4.4, §11.2.4.5.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Mic;

use super::Error;
use super::element::Element;
use super::fields::{Fields, Value, records};
use super::identity::{Imsi, Plmn};
use super::request::ApplicationIdentity;
use super::response::Reject;
use super::values::{
    ApplicationCode, ApplicationId, DiscoveryType, MessageType, Metadata, Minutes, Pc5Technology,
    RestrictedCode, Rpauid, TransactionId,
};

records! {
    /// Open discovery: a code was heard.
    MatchReport {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// The code.
        code: ApplicationCode = one "ProSe-Application-Code",
        /// Who heard it.
        ue: Imsi = one "UE-identity",
        /// On whose radio resources.
        monitored_plmn: Plmn = one "Monitored-PLMN-ID",
        /// Where the UE was registered, when roaming.
        visited_plmn: Option<Plmn> = maybe "VPLMN-ID",
        /// What protected it.
        mic: Mic = one "MIC",
        /// The whole counter, rebuilt from its four bits.
        counter: UtcCounter = one "UTC-based-counter",
        /// Whether the UE asks for metadata.
        wants_metadata: bool = one "Metadata-flag",
        /// The octet in front of the code; the schema lets it be absent, the text does not.
        message_type: Option<MessageType> = maybe "MessageType",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// Restricted discovery: a code was heard. MIC, type and counter are there when the ProSe Function is to check them.
    RestrictedMatch {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Who heard it.
        ue: Imsi = one "UE-identity",
        /// Restricted.
        discovery_type: DiscoveryType = one "discovery-type",
        /// For which application.
        application: ApplicationIdentity = one "application-identity",
        /// As whom: the RPAUID of the UE itself.
        rpauid: Rpauid = one "RPAUID",
        /// The code.
        code: DiscoveredCode = one "Restricted-Code-Discovered",
        /// What protected it.
        mic: Option<Mic> = maybe "MIC",
        /// The octet in front of the code.
        message_type: Option<MessageType> = maybe "MessageType",
        /// The whole counter, rebuilt from its eight bits.
        counter: Option<UtcCounter> = maybe "UTC-based-counter",
        /// Whether the UE asks for metadata.
        wants_metadata: bool = one "Metadata-flag",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// MATCH_REPORT.
    MatchReports {
        /// Open discovery.
        open: Vec<MatchReport> = many "match-report",
        /// Restricted discovery.
        restricted: Vec<RestrictedMatch> = many "restricted-match",
    }

    /// An open report is right.
    MatchAck {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What the code stands for.
        application_id: ApplicationId = one "ProSe-Application-ID",
        /// T4004.
        validity: Minutes = one "validity-timer-T4004",
        /// What goes with it.
        metadata: Option<Metadata> = maybe "metadata",
        /// Which bits of the code number the metadata.
        metadata_mask: Option<ApplicationCode> = maybe "metadata-index-mask",
        /// T4006.
        refresh: Minutes = required "match-report-refresh-timer-T4006",
    }

    /// A restricted report is right.
    RestrictedMatchAck {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// For which application.
        application: ApplicationIdentity = one "application-identity",
        /// Who was discovered.
        rpauid: Rpauid = one "RPAUID",
        /// T4016.
        validity: Minutes = one "validity-timer-T4016",
        /// What goes with it.
        metadata: Option<Metadata> = maybe "metadata",
        /// T4017.
        refresh: Option<Minutes> = attribute "match-report-refresh-timer-T4017",
    }

    /// MATCH_REPORT_ACK.
    MatchReportAcks {
        /// CURRENT_TIME.
        current_time: UtcTime = one "Current-Time",
        /// Right.
        acks: Vec<MatchAck> = many "match-ack",
        /// Refused.
        rejects: Vec<Reject> = many "match-reject",
        /// Right.
        restricted: Vec<RestrictedMatchAck> = many "restricted-match-ack",
    }
}

/// The code of a restricted match. TS 24.334 §11.2.4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscoveredCode {
    /// Model A, in 184 bits (§12.2.2.34).
    Restricted(ApplicationCode),
    /// Model B, in 64 bits (TS 23.003 §24.10).
    Response(RestrictedCode),
}

impl DiscoveredCode {
    /// In 184 bits.
    pub fn on_air(&self) -> [u8; 23] {
        match self {
            Self::Restricted(code) => code.0,
            Self::Response(code) => code.on_air(),
        }
    }
}

impl Value for DiscoveredCode {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let (a, b) = (fields.maybe("ProSe-Restricted-Code")?, fields.maybe("ProSe-Response-Code")?);
        fields.finish()?;
        match (a, b) {
            (Some(code), None) => Ok(Self::Restricted(code)),
            (None, Some(code)) => Ok(Self::Response(code)),
            _ => Err(Error::value("one code, restricted or response")),
        }
    }

    fn write(&self, to: &mut Element) {
        match self {
            Self::Restricted(code) => to.one("ProSe-Restricted-Code", code),
            Self::Response(code) => to.one("ProSe-Response-Code", code),
        }
    }
}
