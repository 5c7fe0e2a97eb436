//! Messages of a machine above, over a protected link: PC5 signalling that is not the link's own.
//!
//! They go where all protected signalling goes but the security mode procedure: on logical channel 30, as PC5 signalling
//! of PDCP (TS 36.321 §6.2.4, TS 33.303 §6.5.6.1). That is the only channel of a link of LTE whose PDUs have a MAC-I and
//! are ciphered: user data has none. NR has no message type for them.

use super::io::{Error, LinkId, Output, UpperMessage};
use super::link::{Link, State};
use super::manager::{LinkManager, SIGNALLING_RESERVE};
use super::note::Note;
use super::session::Up;
use sidelink_security::cipher::Algorithm;
use sidelink_security::direct::Chosen;
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::MessageType;
use sidelink_wire::pdcp::MAX_SDU_LEN;
use zeroize::Zeroizing;

/// Returns the type of a message of a machine above; `None` for a message of the link's own.
pub(super) fn upper_type(message: &[u8]) -> Option<MessageType> {
    let message_type = MessageType::from_lte(*message.first()?)?;
    matches!(message_type, MessageType::LongMessage | MessageType::LongMessageFragment)
        .then_some(message_type)
}

/// Whether nobody else reads or alters what goes over a link with these algorithms.
const fn protects(chosen: Chosen) -> bool {
    !matches!(chosen.eea, Algorithm::Null) && !matches!(chosen.eia, Algorithm::Null)
}

impl LinkManager {
    /// Sends a message of a machine above over a link that is up.
    pub(super) fn send_upper(&mut self, id: LinkId, message: &[u8]) -> Result<(), Error> {
        if self.local.is_nr() {
            return Err(Error::NotInProfile);
        }
        let Some(kind) = upper_type(message).filter(|_| message.len() <= MAX_SDU_LEN) else {
            return Err(Error::Sdu { len: message.len(), lcid: Lcid::PC5_S_PROTECTED });
        };
        let index = self.index(id).ok_or(Error::NotUp(id))?;
        let Link { common, state: State::Up(up) } = &mut self.links[index] else {
            return Err(Error::NotUp(id));
        };
        let active = &mut up.session.active;
        if !protects(active.chosen()) {
            return Err(Error::Unprotected(id));
        }
        if active.left() <= SIGNALLING_RESERVE {
            return Err(Error::Exhausted(id));
        }
        common.send_message(&mut self.local, active, Lcid::PC5_S_PROTECTED, (kind, message));
        self.on_up(id, |up, link, local| {
            up.rekey_if_due(link, local);
            Ok(())
        })
    }

    /// Hands a message that a key of the link opened to the machine above, with the identity that the peer has proven.
    pub(super) fn receive_upper(
        &mut self,
        index: usize,
        (lcid, assurance): (Lcid, Assurance),
        (message_type, message): (MessageType, &[u8]),
        pdu_octets: usize,
    ) {
        let Link { common, state } = &self.links[index];
        let is_protected =
            matches!(state, State::Up(Up { session, .. }) if protects(session.active.chosen()));
        let peer = common.remote;
        let is_right = lcid == Lcid::PC5_S_PROTECTED && assurance == Assurance::Verified && is_protected;
        if !is_right {
            let why = "not on this channel, or not over a link that is up and protects";
            self.local.note(Note::Unexpected { source: peer, lcid, message: message_type, why });
            return;
        }
        let message = UpperMessage {
            link: common.id,
            peer,
            identity: common.identity.clone(),
            octets: Zeroizing::new(message.to_vec()),
        };
        self.local.meter(peer, false, message_type, [message.octets.len(), pdu_octets]);
        self.local.push(Output::Upper(message));
    }

    /// Returns the identity that the peer of a link has proven, where nobody else reads or alters what goes over it.
    pub fn proven(&self, link: LinkId) -> Option<&super::Identity> {
        let link = self.links.iter().find(|known| known.common.id == link)?;
        link.keys().filter(|keys| protects(keys.chosen)).map(|_| &link.common.identity)
    }

    /// Returns the identity that the peer of a link has proven, whether or not the link is ciphered; `None` under null
    /// integrity, which proves nothing.
    pub fn authenticated(&self, link: LinkId) -> Option<&super::Identity> {
        let link = self.links.iter().find(|known| known.common.id == link)?;
        let is_proven = |keys: &super::Keys| keys.assurance() == Assurance::Verified;
        link.keys().filter(is_proven).map(|_| &link.common.identity)
    }

    /// Returns how the peer of a link gives addresses, as its accept says; `None` where this UE sent the accept.
    pub fn allocation(&self, link: LinkId) -> Option<super::Allocation> {
        self.links.iter().find(|known| known.common.id == link)?.common.allocation
    }
}
