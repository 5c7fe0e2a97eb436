//! MATCH_REPORT: is what a UE heard what this function allotted? TS 24.334 §6.2.4, §6.2.4A, §6.2.4B.

use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::open::{MatchReport as Report, OpenKey};
use sidelink_security::discovery::restricted::MicCheck;
use sidelink_security::discovery::{Announcement, Profile, Refusal};
use sidelink_security::keys::DiscoveryKey;

use super::config::{Application, Role};
use super::requests::minutes_until;
use super::table::{Content, Record, copy};
use super::work::Work;
use super::{Event, ProseFunction, codes};
use crate::pc3::match_report::{
    DiscoveredCode, MatchAck, MatchReport, MatchReportAcks, RestrictedMatch, RestrictedMatchAck,
};
use crate::pc3::{Cause, DiscoveryType, RestrictedCode};

/// Discovery type of open discovery, in bits 8 and 7 of a message type. TS 24.334 §12.2.2.10.
const OPEN: u8 = 0b01;
/// That of restricted discovery.
const RESTRICTED: u8 = 0b10;

impl ProseFunction {
    pub(super) fn open_report(
        &mut self,
        report: MatchReport,
        work: &Work,
        acks: &mut MatchReportAcks,
    ) -> Result<(), Cause> {
        self.is_himself(report.ue, work)?;
        self.may(work, Some(report.monitored_plmn), Role::OpenMonitor)?;
        let known = self.table.announcer(&report.code);
        let record = known.ok_or(Cause::UnknownApplicationCode)?;
        let Content::OpenAnnounce { application_id, key, metadata, .. } = &record.content else {
            return Err(Cause::UnknownApplicationCode);
        };
        let message_type = report.message_type.ok_or(Cause::InvalidFormat)?.value();
        if message_type >> 6 != OPEN {
            return Err(Cause::InvalidFormat);
        }
        let heard =
            Announcement { message_type, code: report.code.0, mic: report.mic, counter: report.counter };
        self.verify(key, heard, record)?;
        let validity = minutes_until(record.valid_until, self.now).ok_or(Cause::UnknownApplicationCode)?;
        acks.acks.push(MatchAck {
            transaction: report.transaction,
            application_id: application_id.clone(),
            validity,
            metadata: metadata.clone().filter(|_| report.wants_metadata),
            metadata_mask: metadata.as_ref().filter(|_| report.wants_metadata).map(|_| codes::index_mask()),
            refresh: self.config.refresh,
        });
        let announcer = record.ue;
        self.report(Event::Matched { ue: work.ue, announcer });
        Ok(())
    }

    pub(super) fn restricted_report(
        &mut self,
        report: RestrictedMatch,
        work: &Work,
        acks: &mut MatchReportAcks,
    ) -> Result<(), Cause> {
        self.is_himself(report.ue, work)?;
        if report.discovery_type != DiscoveryType::Restricted {
            return Err(Cause::InvalidFormat);
        }
        self.may_anywhere(
            work,
            match report.code {
                DiscoveredCode::Restricted(_) => Role::RestrictedMonitor,
                DiscoveredCode::Response(_) => Role::Discoverer,
            },
        )?;
        let application: Application = report.application.into();
        let record =
            self.discovered(&report.code, &report.rpauid, &application, work).ok_or(Cause::InvalidMatch)?;
        let (rpauid, keys) = match &record.content {
            Content::RestrictedAnnounce { rpauid, keys, .. } => (rpauid, keys),
            Content::Discoveree { rpauid, pair, .. } => (rpauid, &pair.response_keys),
            _ => return Err(Cause::InvalidMatch),
        };
        let checked = match (report.mic, report.message_type, report.counter) {
            (Some(mic), Some(message_type), Some(counter)) if message_type.value() >> 6 == RESTRICTED => {
                // MIC by DUIK and by Discovery Key are one formula: TS 33.303 §A.2.
                let duik = keys.0.duik.as_ref().ok_or(Cause::InvalidMic)?;
                let key: DiscoveryKey = copy(duik.as_bytes());
                let (message_type, code) = (message_type.value(), report.code.on_air());
                self.verify(&key, Announcement { message_type, code, mic, counter }, record)?;
                true
            }
            // The UE has checked it itself, and asks for the name.
            (None, None, None) if self.config.restricted.check == MicCheck::Local => false,
            _ => return Err(Cause::InvalidFormat),
        };
        let validity = minutes_until(record.valid_until, self.now).ok_or(Cause::InvalidMatch)?;
        acks.restricted.push(RestrictedMatchAck {
            transaction: report.transaction,
            application: application.into(),
            rpauid: rpauid.clone(),
            validity,
            metadata: None,
            refresh: checked.then_some(self.config.refresh),
        });
        let announcer = record.ue;
        self.report(Event::Matched { ue: work.ue, announcer });
        Ok(())
    }

    /// Whose the code is, if this UE has a filter for it, for this application, and still may.
    fn discovered(
        &self,
        code: &DiscoveredCode,
        watcher: &crate::pc3::Rpauid,
        application: &Application,
        work: &Work,
    ) -> Option<&Record> {
        let is_model_a = matches!(code, DiscoveredCode::Restricted(_));
        let code = match code {
            DiscoveredCode::Restricted(long) => RestrictedCode::of_air(&long.0)?,
            DiscoveredCode::Response(code) => *code,
        };
        let record = self.table.holder(code)?;
        let (target, of) = match &record.content {
            Content::RestrictedAnnounce { rpauid, application, .. } if is_model_a => (rpauid, application),
            Content::Discoveree { rpauid, application, pair } if !is_model_a && pair.response == code => {
                (rpauid, application)
            }
            _ => return None,
        };
        let filtered = self.table.of(work.ue).any(|own| match &own.content {
            Content::RestrictedMonitor { rpauid, application, targets } if is_model_a => {
                rpauid == watcher && application == of && targets.contains(target)
            }
            Content::Discoverer { rpauid, application, targets } if !is_model_a => {
                rpauid == watcher && application == of && targets.contains(target)
            }
            _ => false,
        });
        (of == application && filtered && self.is_permitted(target, watcher)).then_some(record)
    }

    /// The MIC first, then whether the counter is of a time that counts: near the clock, and before the code ended.
    fn verify(&self, key: &DiscoveryKey, heard: Announcement, record: &Record) -> Result<(), Cause> {
        let key = OpenKey::new(key, Profile::default());
        let max_offset = u32::from(self.config.max_offset.value());
        let clock: UtcCounter = self.now.counter();
        match key.verify(&Report(heard), clock, max_offset, self.config.report_delay) {
            Ok(verified) if verified.counter > record.valid_until.counter() => Err(Cause::InvalidCounter),
            Ok(_) => Ok(()),
            Err(Refusal::BadMic) => Err(Cause::InvalidMic),
            Err(_) => Err(Cause::InvalidCounter),
        }
    }
}
