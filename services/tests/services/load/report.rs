//! An announcement on the air, and the report of one who has heard it.

use std::time::{SystemTime, UNIX_EPOCH};

use sidelink_network::pc3::match_report::{MatchReport, MatchReports};
use sidelink_network::pc3::{ApplicationCode, Message, MessageType, TransactionId};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::open::{self, OpenKey};
use sidelink_security::discovery::{Freshness, Profile};

use crate::common::{announced, plmn, ue};

/// Message type of an open announcement.
const ANNOUNCEMENT: u8 = 0x41;

/// What an announcer sends.
pub(super) struct Air {
    code: [u8; 23],
    key: OpenKey,
}

fn now() -> Freshness {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Freshness::at(UtcTime::from_millis(since.as_millis() as u64).counter())
}

impl Air {
    /// Of the answer to an announcer.
    pub(super) fn new(answer: &Message) -> Self {
        let (_, code, _) = announced(answer);
        let Message::DiscoveryResponse(response) = answer else { panic!("no response") };
        let key = OpenKey::new(response.announces[0].key.as_ref().unwrap(), Profile::default());
        Self { code, key }
    }

    /// The report of a UE that hears it now.
    pub(super) fn report(&self, number: u32) -> Message {
        let mut air = [0; 29];
        air[0] = ANNOUNCEMENT;
        air[1..24].copy_from_slice(&self.code);
        self.key.protect(&now(), &mut air).unwrap();
        let heard = open::receive(&now(), &air, &Profile::default()).unwrap();
        let report = MatchReport {
            transaction: TransactionId::new(6).unwrap(),
            code: ApplicationCode(heard.0.code),
            ue: ue(number),
            monitored_plmn: plmn(),
            visited_plmn: None,
            mic: heard.0.mic,
            counter: heard.0.counter,
            wants_metadata: false,
            message_type: MessageType::new(heard.0.message_type).ok(),
            pc5: None,
        };
        Message::MatchReport(MatchReports { open: vec![report], restricted: vec![] })
    }
}
