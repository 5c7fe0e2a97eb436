//! Status of each link, for people and programs: names of keys, never keys.

use serde::Serialize;
use sidelink_prose::direct_link::{Event, Metered, State};
use sidelink_security::counter::UtcTime;
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::MessageType;

/// Status of the link with one peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkStatus {
    /// The peer's name in the configuration, if it has one.
    pub peer: Option<String>,
    /// The peer's layer-2 ID.
    pub layer2_id: String,
    /// State of the link; keys are named by their identities.
    pub state: String,
    /// Whether the link is up.
    pub up: bool,
    /// Assurance of the peer while the link is up: `verified`, or `unprotected` under null integrity, which proves no
    /// identity.
    pub assurance: Option<&'static str>,
    /// UTC of the last change of state, in milliseconds.
    pub since_ms: u64,
    /// Messages of PC5 signalling: sent, accepted.
    pub messages: [u64; 2],
    /// Data packets: sent, received.
    pub packets: [u64; 2],
    /// Octets in these packets: sent, received.
    pub octets: [u64; 2],
    /// Number of re-keyings.
    pub rekeyings: u64,
    /// Sequence numbers that the session key has left.
    pub left: Option<u32>,
    /// Milliseconds from a keep-alive to its answer: last, minimum, maximum.
    pub round_trip_ms: Option<[u64; 3]>,
    #[serde(skip)]
    asked: Option<u64>,
    #[serde(skip)]
    id: Layer2Id,
}

/// Unconfigured peers without a link in the list, at most; the oldest are removed.
const STRANGERS: usize = 16;

/// The status of all peers.
#[derive(Default)]
pub(super) struct LinkBoard(Vec<LinkStatus>);

impl LinkBoard {
    /// Adds a configured peer, or one with a link.
    pub(super) fn add(&mut self, id: Layer2Id, name: Option<String>) -> &mut LinkStatus {
        self.0.push(LinkStatus {
            peer: name,
            layer2_id: id.to_string(),
            state: "not asked for".to_owned(),
            up: false,
            assurance: None,
            since_ms: 0,
            messages: [0; 2],
            packets: [0; 2],
            octets: [0; 2],
            rekeyings: 0,
            left: None,
            round_trip_ms: None,
            asked: None,
            id,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    pub(super) fn all(&self) -> &[LinkStatus] {
        &self.0
    }

    /// Returns the entry of a peer that has, or had, a link. Of unconfigured peers the last [`STRANGERS`] are kept, and
    /// all whose link is up.
    fn of(&mut self, id: Layer2Id) -> &mut LinkStatus {
        if let Some(i) = self.0.iter().position(|link| link.id == id) {
            return &mut self.0[i];
        }
        if self.0.iter().filter(|link| link.peer.is_none()).count() >= STRANGERS
            && let Some(oldest) = self.0.iter().position(|link| link.peer.is_none() && !link.up)
        {
            self.0.remove(oldest);
        }
        self.add(id, None)
    }

    /// Takes an event of the links.
    pub(super) fn note(&mut self, now: UtcTime, event: &Event) {
        match event {
            Event::State { peer, state, .. } => self.changed(now, *peer, state),
            Event::Message(metered) => self.message(now, metered),
            Event::Received(received) => self.data(received.peer, 1, received.data.len()),
            Event::Note(_) => {}
        }
    }

    fn changed(&mut self, now: UtcTime, peer: Layer2Id, state: &State) {
        let link = self.of(peer);
        link.state = state.to_string();
        link.since_ms = now.millis();
        link.up = matches!(state, State::Up { .. } | State::Rekeyed { .. } | State::Renamed { .. });
        match state {
            State::Up { assurance: Assurance::Verified, .. } => link.assurance = Some("verified"),
            State::Up { .. } => link.assurance = Some("unprotected"),
            State::Closed { .. } => link.assurance = None,
            _ => {}
        }
        link.rekeyings += u64::from(matches!(state, State::Rekeyed { .. }));
        link.asked = None;
    }

    pub(super) fn left(&mut self, peer: Layer2Id, left: Option<u32>) {
        self.of(peer).left = left;
    }

    /// Counts a data packet that was sent (`way` 0) or received (1).
    pub(super) fn data(&mut self, peer: Layer2Id, way: usize, octets: usize) {
        let link = self.of(peer);
        link.packets[way] += 1;
        link.octets[way] += octets as u64;
    }

    fn message(&mut self, now: UtcTime, metered: &Metered) {
        // Anyone can send a request, from any address: only peers that have an entry are counted.
        let Some(link) = self.0.iter_mut().find(|link| link.id == metered.peer) else { return };
        link.messages[usize::from(!metered.sent)] += 1;
        match (metered.sent, metered.message) {
            // A keep-alive and its answer give the round-trip time.
            (true, MessageType::Keepalive) => {
                // A repeated keep-alive counts from its first transmission.
                link.asked.get_or_insert(now.millis());
            }
            (false, MessageType::KeepaliveAck) => {
                let Some(asked) = link.asked.take() else { return };
                let took = now.millis().saturating_sub(asked);
                let [_, least, most] = link.round_trip_ms.unwrap_or([took; 3]);
                link.round_trip_ms = Some([took, least.min(took), most.max(took)]);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_prose::direct_link::{Closed, Keys, Role};
    use sidelink_security::cipher::Algorithm;
    use sidelink_security::direct::{Chosen, Fingerprint, KdId, KdSessId};

    #[test]
    fn a_round_trip_is_from_a_keep_alive_to_its_answer() {
        let peer = Layer2Id::from_octets([0, 0, 7]);
        let mut board = LinkBoard::default();
        board.add(peer, Some("john".to_owned()));
        let at = UtcTime::from_millis;
        let metered = |sent, message| Metered { peer, sent, message, l3_octets: 7, pdu_octets: 16 };
        for (ms, sent, message) in [
            (100, false, MessageType::KeepaliveAck),
            (1000, true, MessageType::Keepalive),
            (1100, true, MessageType::Keepalive),
            (1120, false, MessageType::KeepaliveAck),
            (2000, true, MessageType::Keepalive),
            (2050, false, MessageType::KeepaliveAck),
        ] {
            board.message(at(ms), &metered(sent, message));
        }
        board.data(peer, 1, 300);
        board.changed(at(3000), peer, &State::Closed { why: Closed::Released });
        let [link] = board.all() else { panic!("one peer") };
        assert_eq!(link.round_trip_ms, Some([50, 50, 120]));
        assert_eq!((link.messages, link.packets, link.octets), ([3, 3], [0, 1], [0, 300]));
        assert_eq!((link.state.as_str(), link.up, link.since_ms), ("closed: released", false, 3000));
    }

    #[test]
    fn a_peer_that_nobody_named_is_shown_too() {
        let mut board = LinkBoard::default();
        board.data(Layer2Id::from_octets([0, 0, 9]), 0, 10);
        assert_eq!((board.all().len(), board.all()[0].peer.clone()), (1, None));
    }

    /// Null integrity proves no identity, and the status of the link says so until it is closed.
    #[test]
    fn the_status_says_whether_the_peer_is_proven() {
        let peer = Layer2Id::from_octets([0, 0, 7]);
        let at = UtcTime::from_millis;
        for (eia, assurance, words) in [
            (Algorithm::Null, "unprotected", "up as UE_1, NOT AUTHENTICATED, KD"),
            (Algorithm::Aes, "verified", "up as UE_1, KD"),
        ] {
            let mut board = LinkBoard::default();
            let keys = Keys {
                kd: KdId(1),
                session: KdSessId::from_halves(1, 1).unwrap(),
                fingerprint: Fingerprint([0; 8]),
                chosen: Chosen { eea: Algorithm::Null, eia },
            };
            let up = State::Up { role: Role::Initiating, assurance: keys.assurance(), keys };
            board.changed(at(1), peer, &up);
            board.changed(at(2), peer, &State::Rekeyed { keys, new_kd: false });
            assert_eq!(board.all()[0].assurance, Some(assurance));
            board.changed(at(3), peer, &up);
            assert!(board.all()[0].state.starts_with(words), "{}", board.all()[0].state);
            board.changed(at(4), peer, &State::Closed { why: Closed::Released });
            assert_eq!(board.all()[0].assurance, None);
        }
    }

    /// A flood of requests from invented addresses adds no entry, and of links that came and went only the last stay.
    #[test]
    fn the_board_is_bounded() {
        let mut board = LinkBoard::default();
        let request = |peer| Metered {
            peer,
            sent: false,
            message: MessageType::CommunicationRequest,
            l3_octets: 38,
            pdu_octets: 43,
        };
        let peer = |number: u32| Layer2Id::new(number).unwrap();
        for number in 1..1000 {
            board.message(UtcTime::from_millis(1), &request(peer(number)));
        }
        assert_eq!(board.all().len(), 0);
        board.add(peer(1), Some("john".to_owned()));
        for number in 1..1000 {
            let closed = State::Closed { why: Closed::Released };
            board.changed(UtcTime::from_millis(1), peer(number), &closed);
        }
        assert_eq!(board.all().len(), 1 + STRANGERS);
        assert_eq!(board.all().last().map(|link| link.id), Some(peer(999)));
        board.message(UtcTime::from_millis(1), &request(peer(1)));
        assert_eq!(board.all()[0].messages, [0, 1]);
    }
}
