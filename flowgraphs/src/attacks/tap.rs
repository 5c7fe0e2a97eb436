//! A radio that listens and puts the messages of others together: capability A0 of the proposals' digest.

use super::methods::Captured;
use super::{Attack, AttackContext};
use sidelink_mac::mux::{Address, Demultiplexed};
use sidelink_mac::rlc_um::{Key, Receiver, ReceiverConfig, Window};
use sidelink_prose::direct_link::IdentityBased;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::Body;
use std::sync::PoisonError;

/// A PDCP PDU between two UEs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) source: Layer2Id,
    pub(crate) lcid: Lcid,
    pub(crate) octets: Vec<u8>,
}

/// The listener and what it heard.
pub(crate) struct Tap {
    receiver: Receiver,
    taken: Vec<Taken>,
    /// Where I_MESSAGEs go, and the UE whose they are.
    captured: Option<(Layer2Id, Captured)>,
}

/// Most PDUs that are kept.
const MOST: usize = 4096;

impl Tap {
    pub(crate) fn new() -> Self {
        Self { receiver: Receiver::new(ReceiverConfig::default()), taken: Vec::new(), captured: None }
    }

    /// Hands the containers of `source` on, the newest in the place of the one before.
    pub(crate) fn capturing(source: Layer2Id, captured: Captured) -> Self {
        Self { captured: Some((source, captured)), ..Self::new() }
    }

    /// What it heard, in the order of the air.
    pub(crate) fn taken(&self) -> &[Taken] {
        &self.taken
    }
}

impl Attack for Tap {
    fn heard(&mut self, t: u64, group: u8, block: &[u8], _: &mut AttackContext) {
        let Ok(block) = Demultiplexed::parse(block, Some(GroupDestinationId(group))) else { return };
        let (source, Address::Ue(destination)) = (block.source, block.address) else { return };
        let now = UtcTime::from_millis(t);
        for (lcid, pdu) in block.sdus() {
            let key = Key { source, destination, lcid, window: Window::None };
            let taken = &mut self.taken;
            let captured = &self.captured;
            let deliver = |octets: &[u8]| {
                if let Some((of, captured)) = captured
                    && *of == source
                    && let Some(Body::Authentication { method: IdentityBased::METHOD, content, .. }) =
                        super::link::message(octets, 0).map(|message| message.body)
                {
                    *captured.lock().unwrap_or_else(PoisonError::into_inner) = Some(content.to_vec());
                }
                if taken.len() < MOST {
                    taken.push(Taken { source, lcid, octets: octets.to_vec() });
                }
            };
            // What is no PDU of RLC is nobody's message.
            let _ = self.receiver.receive(key, now, pdu, deliver);
        }
    }

    fn period(&mut self, _: u64, _: &mut AttackContext) {}
}
