//! Open discovery: MIC and UTC-based counter, checked by the network. TS 33.303 §6.1.3.3.
//!
//! The code is public. A monitor cannot verify the MIC itself: it sends the received values in a match report, and the
//! ProSe Function that assigned the code answers.

use super::{Announcement, Freshness, Message, Mic, Profile, Refusal, Verified, join, split};
use crate::counter::UtcCounter;
use crate::hmac::Keyed;
use crate::kdf::lte::mic_input;
use crate::keys::DiscoveryKey;

/// A Discovery Key, ready for use at the announcer, and at the ProSe Function that made it.
pub struct OpenKey {
    keyed: Keyed,
    profile: Profile,
}

impl OpenKey {
    /// Absorbs the key.
    pub fn new(key: &DiscoveryKey, profile: Profile) -> Self {
        Self { keyed: Keyed::new(key.as_bytes()), profile }
    }

    /// Sets MIC and counter LSB of `message` for the slot of `freshness`. Earlier values of those octets are
    /// overwritten.
    ///
    /// Refused with [`Refusal::OutsideMaxOffset`]: the UE stays silent.
    // TS 33.303 §6.1.3.3.1 step 5 (3)
    pub fn protect(&self, freshness: &Freshness, message: &mut Message) -> Result<(), Refusal> {
        freshness.may_announce()?;
        let (message_type, code, _, _) = split(message, self.profile.layout);
        let mic = self.mic(message_type, &code, freshness.slot);
        *message = join(message_type, &code, mic, freshness.slot, self.profile.layout);
        Ok(())
    }

    /// Checks a reported MIC at the ProSe Function. `clock` is the Function's own; a report with a counter further than
    /// `max_offset` + `report_delay` seconds in the past, or `max_offset` in the future, is refused.
    pub fn verify(
        &self,
        report: &MatchReport,
        clock: UtcCounter,
        max_offset: u32,
        report_delay: u32,
    ) -> Result<Verified<Announcement>, Refusal> {
        let a = &report.0;
        let right = self.mic(a.message_type, &a.code, a.counter) == a.mic;
        let limit = if a.counter < clock { max_offset.saturating_add(report_delay) } else { max_offset };
        if !right {
            Err(Refusal::BadMic)
        } else if a.counter.distance(clock) > limit {
            Err(Refusal::OutsideMaxOffset)
        } else {
            Ok(Verified::new(*a))
        }
    }

    fn mic(&self, message_type: u8, code: &[u8; 23], counter: UtcCounter) -> Mic {
        let input = mic_input(message_type, code, counter);
        self.profile.mic(&self.keyed.mac_short(&input))
    }
}

/// A monitor's question to the network: code, MIC, type and the rebuilt counter. TS 29.345 §6.3.39 (through an
/// implementation). It proves nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchReport(pub Announcement);

/// Rebuilds the counter from its four bits at the monitor, and makes the match report. The caller applies the filter:
/// the code is not encrypted.
pub fn receive(freshness: &Freshness, message: &Message, profile: &Profile) -> Result<MatchReport, Refusal> {
    let (message_type, code, mic, lsb) = split(message, profile.layout);
    let counter = freshness.rebuild(message_type, lsb)?;
    Ok(MatchReport(Announcement { message_type, code, mic, counter }))
}
