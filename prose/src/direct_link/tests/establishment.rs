//! A method that queries a network: answered, refused, never answered, in set-up and in re-keying, at either end.

use std::cell::Cell;

use sidelink_security::keys::Kd;

use super::super::*;
use super::rig::{Air, Outside, PERIOD, l2};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Profile;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body};

/// Both ends query a network for the key of their pair; containers confirm that they have it.
#[derive(Debug)]
struct Queried;

const METHOD: u8 = 9;

impl KeyEstablishment for Queried {
    fn method(&self) -> u8 {
        METHOD
    }

    fn asks(&self) -> Asks {
        Asks::Network
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        _: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let info = [&[METHOD][..], &cookie.unwrap_or_default()].concat();
        Some((Box::new(End { target: false, kd: None }), info))
    }

    fn understands(&self, info: &[u8]) -> bool {
        info.first() == Some(&METHOD)
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        info.get(1..)?.try_into().ok()
    }

    fn answer(&self, _: &[u8], _: [u8; 32]) -> Option<Box<dyn Steps>> {
        Some(Box::new(End { target: true, kd: None }))
    }
}

thread_local! {
    /// Number of containers that were verified.
    static JUDGED: Cell<u32> = const { Cell::new(0) };
}

#[derive(Debug)]
struct End {
    target: bool,
    kd: Option<Kd>,
}

impl Steps for End {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        let refused =
            || Refusal { cause: Cause::AuthenticationFailure, why: "no key of the network".to_owned() };
        if matches!(heard, Heard::Container(_)) {
            JUDGED.set(JUDGED.get() + 1);
        }
        match (heard, self.target) {
            (Heard::Begin, false) => Ok(Step::Wait),
            (Heard::Begin, true) => Ok(Step::Ask(party.remote.value.clone())),
            (Heard::Container(b"ready"), false) => Ok(Step::Ask(party.remote.value.clone())),
            (Heard::Answer(key), true) => {
                self.kd = Some(Kd::try_from(key).map_err(|_| refused())?);
                Ok(Step::Send(b"ready".to_vec()))
            }
            (Heard::Answer(key), false) => {
                Ok(Step::SendAgreed(b"ready".to_vec(), Kd::try_from(key).map_err(|_| refused())?.into()))
            }
            (Heard::Container(b"ready"), true) => {
                Ok(self.kd.take().map_or(Step::Wait, |kd| Step::Agreed(kd.into())))
            }
            _ => Err(refused()),
        }
    }
}

fn air(outside: [Outside; 2]) -> Air {
    let mut air = Air::without_keys(2, |_, _| {}, |_, manager| manager.establish_by(Box::new(Queried)));
    for (ue, outside) in air.ues.iter_mut().zip(outside) {
        ue.outside = outside;
    }
    air
}

#[test]
fn a_network_that_answers_gives_both_ends_a_durable_kd() {
    let mut air = air([Outside::Answers; 2]);
    air.connect(0, 1);
    air.run(6 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    let sent: Vec<_> = air.log.iter().filter_map(|f| f.message()).collect();
    assert_eq!(sent, [1, 0xe0, 0xe1, 12, 13, 2]);
    assert!(air.ues.iter().all(|ue| ue.disk.keys.len() == 1));
    let (_, old) = air.up(0, 1).unwrap();
    air.run(1500);
    for (from, to) in [(0, 1), (1, 0)] {
        air.rekey(from, to, true).unwrap();
        air.run(1500);
        assert!(air.agreed(0, 1));
    }
    assert_ne!(air.up(0, 1).unwrap().1.kd, old.kd);
}

/// Refused at either end: no link, a reason, no remaining state. In re-keying the old key stays in use.
#[test]
fn a_network_that_refuses_ends_the_exchange() {
    for refuses in 0..2 {
        let mut outside = [Outside::Answers; 2];
        outside[refuses] = Outside::Refuses;
        let mut refused = air(outside);
        refused.connect(0, 1);
        refused.run(20_000);
        let why = match refuses {
            0 => Closed::NotEstablished,
            _ => Closed::NoAnswer { hint: Some(Cause::AuthenticationFailure) },
        };
        assert_eq!(refused.ues[0].states.last().unwrap().1, State::Closed { why });
        let empty = |ue: &super::rig::Ue| (ue.manager.links().count(), ue.manager.half_open()) == (0, 0);
        assert!(refused.ues.iter().all(empty));

        let mut up = air([Outside::Answers; 2]);
        up.connect(0, 1);
        up.run(1500);
        let before = up.up(0, 1);
        up.ues[refuses].outside = Outside::Refuses;
        up.rekey(0, 1, true).unwrap();
        up.run(4 * PERIOD);
        assert!(up.agreed(0, 1));
        assert_eq!(up.up(0, 1), before);
        let given_up = |ue: &super::rig::Ue| {
            ue.notes.iter().filter(|n| matches!(n, Note::RekeyingGivenUp { .. })).count()
        };
        assert!(given_up(&up.ues[0]) == 1, "at once, and once");
    }
}

/// Never answered: the timer ends the exchange, and a late answer changes nothing.
#[test]
fn a_network_that_is_silent_is_not_waited_for() {
    for silent in 0..2 {
        let mut outside = [Outside::Answers; 2];
        outside[silent] = Outside::Silent;
        let mut air = air(outside);
        air.connect(0, 1);
        air.run(60_000);
        let why = Closed::NoAnswer { hint: None };
        assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why });
        assert!(air.ues.iter().all(|ue| (ue.manager.links().count(), ue.manager.half_open()) == (0, 0)));
        let sent = air.log.len();
        let (now, asked) = (air.time(silent), core::mem::take(&mut air.ues[silent].asked));
        assert_eq!(asked.len(), 3, "a question a try");
        for ticket in asked {
            let late = Input::Answered { now, ticket, answer: Some(&[5; 32]) };
            air.ues[silent].manager.handle_input(late).unwrap();
            air.drain(silent);
        }
        assert_eq!(air.log.len(), sent);
    }
}

/// An answer is valid for its query alone: that of an earlier try is not used for the next.
#[test]
fn an_answer_is_for_its_question() {
    let mut air = air([Outside::Answers, Outside::Silent]);
    air.connect(0, 1);
    // So long that the first question waits no more, and the last one does.
    air.run(air.ues[1].config.network_time + 1000);
    assert_eq!(air.ues[1].asked.len(), 3);
    let now = air.time(1);
    for (which, sent) in [(0, 0), (2, 1)] {
        let ticket = air.ues[1].asked[which];
        let answered = Input::Answered { now, ticket, answer: Some(&[0x55; 32]) };
        air.ues[1].manager.handle_input(answered).unwrap();
        air.drain(1);
        assert_eq!(air.log.iter().filter(|f| f.message() == Some(0xe0)).count(), sent);
    }
}

/// A container of another method is not passed to the steps.
#[test]
fn methods_are_told_apart() {
    let mut air = air([Outside::Answers; 2]);
    air.channel = Box::new(|mut flying| {
        if flying.message() == Some(0xe0) {
            flying.pdu.octets[8] = 2;
        }
        vec![flying]
    });
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.log.iter().all(|f| f.message() != Some(0xe1)));
    assert!(air.up(0, 1).is_none());
}

/// A flood of containers in the peer's name is verified within a budget, at either end, for any number of entries that
/// a container may belong to.
#[test]
fn containers_are_judged_within_a_budget() {
    let forged = |phase| {
        let body = Body::Authentication { phase, method: METHOD, content: b"forged" };
        frame::plain(&frame::message(Profile::Lte, 1, body))
    };
    for (victim, phase) in [(0, AuthenticationPhase::Request), (1, AuthenticationPhase::Response)] {
        let mut air = air([Outside::Answers; 2]);
        air.ues[1].config.half_open = 1000;
        air.ues[1].config.refuted = u32::MAX;
        air.restart(1);
        air.channel = Box::new(|flying| if flying.message() == Some(0xe0) { vec![] } else { vec![flying] });
        air.connect(0, 1);
        let request = air.log[0].pdu.octets.clone();
        air.run(PERIOD);
        for number in 0..7u8 {
            let mut octets = request.clone();
            octets[22] ^= number + 1;
            air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, octets);
        }
        air.run(0);
        JUDGED.set(0);
        for _ in 0..5 {
            for _ in 0..100 {
                air.inject(l2(0x11 - victim as u32), victim, Lcid::PC5_S_UNPROTECTED, forged(phase));
            }
            air.run(PERIOD);
        }
        assert_eq!(JUDGED.get(), 5 * 32, "{victim}");
    }
}
