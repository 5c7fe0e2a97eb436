//! Method 6: keys in crypto attributes over the signalling of networks (TR 33.833 §6.4.2).

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::keying::kd_from_sdes;
use sidelink_security::direct::signed::Subject;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body};
use sidelink_wire::sdes::{CryptoAttribute, Exchange, KEY};

use super::super::*;
use super::rig::{Air, Outside, PERIOD, l2, name};

/// The networks between the UEs of a test: each question waits for that of the other end.
#[derive(Default)]
pub(super) struct Signalling {
    waiting: Vec<(usize, Ticket, Vec<u8>)>,
    /// What a function between the UEs does with an attribute.
    pub(super) alter: Option<fn(&mut Vec<u8>)>,
    /// The attributes that it saw: of UE_1 and of UE_2.
    pub(super) seen: Vec<[Vec<u8>; 2]>,
}

impl Signalling {
    /// Carries a question. Returns the answers that are complete now: UE, ticket, attribute.
    pub(super) fn carry(
        &mut self,
        ue: usize,
        ticket: Ticket,
        question: Vec<u8>,
    ) -> Vec<(usize, Ticket, Vec<u8>)> {
        let connection = |octets: &[u8]| Exchange::parse(octets).unwrap().question.connection;
        let attribute = |octets: &[u8]| Exchange::parse(octets).unwrap().attribute.to_vec();
        let other = |(at, _, octets): &(usize, Ticket, Vec<u8>)| {
            *at != ue && connection(octets) == connection(&question)
        };
        let Some(at) = self.waiting.iter().position(other) else {
            self.waiting.push((ue, ticket, question));
            return Vec::new();
        };
        let (first, first_ticket, first_question) = self.waiting.remove(at);
        let [mut one, two] = [attribute(&first_question), attribute(&question)];
        self.seen.push([one.clone(), two.clone()]);
        if let Some(alter) = self.alter {
            alter(&mut one);
        }
        vec![(first, first_ticket, two), (ue, ticket, one)]
    }
}

fn key(attribute: &[u8]) -> [u8; KEY] {
    let mut key = [0; KEY];
    CryptoAttribute::parse(attribute, &mut key).unwrap();
    key
}

fn air() -> Air {
    let mut air = Air::without_keys(2, |_, _| {}, |_, manager| manager.establish_by(Box::new(Sdes)));
    air.ues.iter_mut().for_each(|ue| ue.outside = Outside::Answers);
    air
}

/// T4.2-1: no attribute on the air, and nothing of its key. T4.2-5: whoever carries the attributes has KD (X).
#[test]
fn attributes_go_over_the_network_alone() {
    let mut air = air();
    air.connect(0, 1);
    air.run(6 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    let sent: Vec<_> = air.log.iter().filter_map(|flying| flying.message()).collect();
    assert_eq!(sent, [1, 12, 13, 2], "those of a shared KD");
    let [one, two] = &air.signalling.seen[0];
    for attribute in [one, two] {
        assert_eq!(attribute.len(), 82);
        let characters = &attribute[attribute.len() - 40..];
        let on_air = |part: &[u8]| {
            air.log.iter().any(|flying| flying.pdu.octets.windows(part.len()).any(|window| window == part))
        };
        assert!(!on_air(&characters[..8]) && !on_air(&key(attribute)[..6]));
    }
    let ends = [name(0), name(1)];
    let of = |at: usize| Subject { kind: 1, value: &ends[at].value };
    let kd = kd_from_sdes(&key(one), &key(two), [of(0), of(1)]);
    assert!(kd == air.ues[0].disk.keys[0].kd, "X: as good as the protection of each hop");
}

/// T4.2-5: a proxy that changes the offer makes no link; nothing else finds it.
#[test]
fn a_changed_offer_makes_no_link() {
    let mut air = air();
    air.signalling.alter = Some(|attribute| {
        let at = attribute.len() - 20;
        attribute[at] = if attribute[at] == b'A' { b'B' } else { b'A' };
    });
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
    assert!(air.ues.iter().all(|ue| ue.disk.keys.is_empty()));
}

/// An attribute that is none, of another tag, and no answer at all.
#[test]
fn an_answer_that_is_none_and_a_refusal() {
    let mut air = air();
    air.signalling.alter = Some(|attribute| attribute[9] = b'2');
    air.connect(0, 1);
    air.run(2 * PERIOD);
    assert!(air.ues[1].notes.iter().any(|note| matches!(note, Note::NotAuthenticated { .. })));
    air.signalling.alter = Some(Vec::clear);
    air.run(20_000);
    assert!(air.up(0, 1).is_none());
    // T4.2-4: with its cause, and at once.
    air.ues[0].outside = Outside::Refuses;
    air.connect(0, 1);
    air.run(0);
    let closed = State::Closed { why: Closed::NotEstablished };
    assert_eq!(air.ues[0].states.last().map(|(_, state)| state), Some(&closed));
}

/// SDES as it would be on the air: each end says its attribute in a container. For the attack alone.
#[derive(Debug)]
struct OnAir;

#[derive(Debug)]
struct OnAirEnd {
    initiating: bool,
    key: [u8; KEY],
}

impl KeyEstablishment for OnAir {
    fn method(&self) -> u8 {
        0x66
    }
    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        _: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let key = seed[..KEY].try_into().unwrap();
        Some((Box::new(OnAirEnd { initiating: true, key }), vec![0x66]))
    }
    fn understands(&self, info: &[u8]) -> bool {
        info == [0x66]
    }
    fn cookie(&self, _: &[u8]) -> Option<[u8; 16]> {
        None
    }
    fn answer(&self, _: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        Some(Box::new(OnAirEnd { initiating: false, key: seed[..KEY].try_into().unwrap() }))
    }
}

impl Steps for OnAirEnd {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        let own = CryptoAttribute { tag: 1, key: &self.key }.emit().unwrap();
        let [local, remote] =
            [party.local, party.remote].map(|end| Subject { kind: end.kind, value: &end.value });
        Ok(match (heard, self.initiating) {
            (Heard::Begin, true) => Step::Send(own),
            (Heard::Container(octets), true) => {
                Step::Agreed(kd_from_sdes(&self.key, &key(octets), [local, remote]).into())
            }
            (Heard::Container(octets), false) => {
                Step::SendAgreed(own, kd_from_sdes(&key(octets), &self.key, [remote, local]).into())
            }
            _ => Step::Wait,
        })
    }
}

/// T4.2-1: an attribute that somebody puts into a message on the air is not sent. Forced, A0 has KD, and reads the link (X).
#[test]
fn an_attribute_on_the_air_is_withheld_and_forced_it_is_everybodys() {
    for forced in [false, true] {
        let configure: fn(usize, &mut Config) =
            if forced { |_, config| config.in_the_clear = true } else { |_, _| {} };
        let mut air = Air::without_keys(2, configure, |_, manager| manager.establish_by(Box::new(OnAir)));
        air.connect(0, 1);
        air.run(6 * PERIOD);
        let heard = air.log.iter().filter_map(|flying| {
            let repr = receive::parse(sidelink_security::direct::Profile::Lte, flying.pdu.octets.get(5..)?);
            match repr.ok()?.body {
                Body::Authentication { content, .. } => Some(key(content)),
                _ => None,
            }
        });
        let heard: Vec<_> = heard.collect();
        assert_eq!(air.agreed(0, 1), forced);
        let withheld = air.ues[0].notes.iter().any(|note| matches!(note, Note::Withheld { .. }));
        assert_eq!(withheld, !forced);
        if !forced {
            assert!(heard.is_empty(), "not an octet of it");
            continue;
        }
        let ends = [name(0), name(1)];
        let of = |at: usize| Subject { kind: 1, value: &ends[at].value };
        let kd = kd_from_sdes(&heard[0], &heard[1], [of(0), of(1)]);
        assert!(kd == air.ues[1].disk.keys[0].kd, "X: whoever listens has KD");
    }
}

/// A container with an attribute from elsewhere changes nothing.
#[test]
fn a_container_is_not_heard() {
    let mut air = air();
    air.ues[0].outside = Outside::Silent;
    air.connect(0, 1);
    let attribute = CryptoAttribute { tag: 1, key: &[7; KEY] }.emit().unwrap();
    for (to, phase) in [(0, AuthenticationPhase::Request), (1, AuthenticationPhase::Response)] {
        let body = Body::Authentication { phase, method: Sdes::METHOD, content: &attribute };
        let octets = frame::plain(&frame::message(sidelink_security::direct::Profile::Lte, 1, body));
        air.inject(l2(0x11 - to as u32), to, Lcid::PC5_S_UNPROTECTED, octets);
    }
    air.run(20_000);
    assert!(air.up(0, 1).is_none() && air.ues.iter().all(|ue| ue.disk.keys.is_empty()));
}

proptest! {
    #[test]
    fn any_key_information_is_understood_or_not(info: Vec<u8>, own: bool) {
        let info = if own { [&[Sdes::METHOD][..], &info].concat() } else { info };
        let understood = Sdes.understands(&info);
        prop_assert_eq!(Sdes.answer(&info, [0; 32]).is_some(), understood);
        if understood {
            prop_assert!([5, 21].contains(&info.len()));
        }
    }

    #[test]
    fn what_one_end_says_the_other_understands(seed: [u8; 32], cookie: Option<[u8; 16]>) {
        if let Some((_, info)) = Sdes.initiate(UtcTime::from_millis(0), None, seed, cookie) {
            prop_assert!(Sdes.understands(&info));
            prop_assert_eq!(Sdes.cookie(&info), cookie);
        }
    }
}
