//! Links without an adversary: set-up, data, re-keying, keep-alive, release, losses at every place, crashes.

use super::super::*;
use super::rig::{Air, PERIOD, T0, l2, name};
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::Active;
use sidelink_security::pdu::Assurance;
use sidelink_wire::pc5_signalling::Body;

#[test]
// TS 24.334 §10.4.2.2 (8); TS 24.334 §10.4.2.3 (4); TS 24.334 §10.4.5.2 (1); TS 24.334 §10.4.5.2 (4)
// TS 24.334 §10.4.5.3 (3); TS 24.334 §12.5.1.1; TS 33.303 §6.5.5.2 step 3 (1)
pub(super) fn a_shared_kd_takes_four_messages_and_four_periods() {
    let mut air = Air::new(2);
    air.connect(0, 1);
    air.run(4 * PERIOD);
    assert!(air.agreed(0, 1));
    let sent: Vec<_> = air.log.iter().map(|f| f.message().unwrap()).collect();
    assert_eq!(sent, [1, 12, 13, 2]);
    let octets: usize = air.ues.iter().flat_map(|ue| &ue.meter).filter(|m| m.sent).map(|m| m.l3_octets).sum();
    assert_eq!(octets, 68, "the user info of this UE is four octets");
    assert_eq!(air.log.last().map(|f| f.at), Some(T0 + 4 * PERIOD));
    assert!(air.ues.iter().all(|ue| ue.notes.is_empty()));
}

#[test]
// TS 24.334 §10.4.2.4; TS 24.334 §10.4.5.1; TS 33.303 §6.5.6.3
pub(super) fn data_goes_both_ways_ciphered() {
    let mut air = Air::linked();
    for (from, to) in [(0, 1), (1, 0)] {
        air.send(from, to, b"a packet of some octets").unwrap();
        let on_air = &air.log.last().unwrap().pdu.octets;
        assert!(!on_air.windows(8).any(|w| b"a packet of some octets".windows(8).any(|v| v == w)));
        air.run(100);
        let received = air.ues[to].received.pop().unwrap();
        assert_eq!(
            (received.data.as_slice(), received.assurance),
            (&b"a packet of some octets"[..], Assurance::Deciphered)
        );
    }
}

/// Any one, two or three messages are lost: the link comes up on both sides all the same.
#[test]
// TS 24.334 §10.4.2.2 (10); TS 24.334 §13.2 table 1 (1)
pub(super) fn set_up_survives_losses() {
    for lost in 0u32..1 << 9 {
        if lost.count_ones() > 3 {
            continue;
        }
        let mut air = Air::new(2);
        let mut number = 0;
        air.channel = Box::new(move |flying| {
            number += 1;
            if number <= 9 && lost >> (number - 1) & 1 == 1 { vec![] } else { vec![flying] }
        });
        air.connect(0, 1);
        air.run(1800);
        assert!(air.agreed(0, 1) || lost.count_ones() == 3, "{lost:09b}");
        air.run(20_000);
        assert!(
            air.agreed(0, 1) || air.up(0, 1).is_none() && air.up(1, 0).is_none(),
            "{lost:09b} half a link"
        );
    }
}

/// TRK-4, TRK-6: each message of a re-keying lost 1 to 3 times, under traffic from both sides: no packet is lost, no
/// COUNT repeats (the rig checks), and both ends have the same key finally.
#[test]
// TS 24.334 §10.4.5.3 (5); TS 24.334 §10.4.5.4; TS 24.334 §10.4.5.6.1 (2); TS 24.334 §10.4.8.3 (3)
// TS 24.334 §10.4.8.6.1
pub(super) fn re_keying_survives_losses_under_traffic() {
    for message in [15, 12, 13, 16] {
        for copies in 1..=3 {
            let mut air = Air::linked();
            air.run(1000);
            let (_, old) = air.up(0, 1).unwrap();
            let mut left = copies;
            air.channel = Box::new(move |flying| {
                let hit = flying.message() == Some(message) && left > 0;
                left -= i32::from(hit);
                if hit { vec![] } else { vec![flying] }
            });
            air.rekey(0, 1, false).unwrap();
            let mut number: u32 = 0;
            for _ in 0..400 {
                for (from, to) in [(0, 1), (1, 0)] {
                    if air.up(from, to).is_some() {
                        air.send(from, to, &number.to_be_bytes()).unwrap();
                    }
                }
                number += 1;
                air.run(10);
            }
            air.run(1000);
            let nr = super::rig::PROFILE.get() == sidelink_security::direct::Profile::Nr;
            if copies == 3 && message == 15 && !nr {
                // TS 24.334 §10.4.8.6.1: no answer to the requests releases the link.
                assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why: Closed::Rekeying });
                let reason = Cause::NotAvailable;
                assert_eq!(
                    air.ues[1].states.last().unwrap().1,
                    State::Closed { why: Closed::ByPeer { reason } }
                );
                continue;
            }
            if copies == 3 && air.up(0, 1).is_none() {
                // Three of three tries lost: the link is closed, not stuck, and the peer is told under the new key.
                assert!(air.up(1, 0).is_none(), "message {message}");
                assert!(air.log.iter().any(|f| f.message() == Some(6)), "message {message}");
                continue;
            }
            assert!(air.agreed(0, 1), "message {message}, {copies} lost");
            let (_, new) = air.up(0, 1).unwrap();
            assert_eq!(old.fingerprint != new.fingerprint, copies < 3 || message != 15, "{message} {copies}");
            for ue in &air.ues {
                let got: Vec<_> =
                    ue.received.iter().map(|r| u32::from_be_bytes(r.data[..].try_into().unwrap())).collect();
                assert_eq!(got, (0..number).collect::<Vec<_>>(), "message {message}, {copies} lost");
            }
        }
    }
}

#[test]
// TS 24.334 §10.4.8.2 (2); TS 24.334 §10.4.8.4; TS 33.303 §6.5.5.3 (1)
pub(super) fn re_keying_changes_the_session_key_alone() {
    let mut air = Air::linked();
    air.run(1000);
    let (_, old) = air.up(0, 1).unwrap();
    // Either end may request.
    for from in [0, 1] {
        air.rekey(from, 1 - from, false).unwrap();
        air.run(4 * PERIOD);
        assert!(air.agreed(0, 1));
        air.run(1200);
    }
    let (_, new) = air.up(0, 1).unwrap();
    assert_eq!((old.kd, old.chosen), (new.kd, new.chosen));
    assert_ne!(old.fingerprint, new.fingerprint);
    let rekeyed =
        |ue: &super::rig::Ue| ue.states.iter().filter(|(_, s)| matches!(s, State::Rekeyed { .. })).count();
    assert_eq!(air.ues.iter().map(rekeyed).collect::<Vec<_>>(), [2, 2]);
}

#[test]
pub(super) fn the_peer_can_be_asked_to_ask() {
    let mut air = Air::linked();
    air.run(1000);
    let (link, old) = air.up(0, 1).unwrap();
    let now = air.time(0);
    air.ues[0].manager.handle_input(Input::TriggerRekey { now, link }).unwrap();
    air.drain(0);
    air.run(6 * PERIOD);
    assert!(air.agreed(0, 1));
    assert_ne!(air.up(0, 1).unwrap().1.fingerprint, old.fingerprint);
    let types: Vec<_> = air.log.iter().filter_map(|f| f.message()).collect();
    assert!(types.ends_with(&[17, 15, 12, 13, 16]), "{types:?}");
}

/// TS 24.334 §10.4.8.3: of two requests to re-key that cross, the one with the larger Nonce_1 is answered.
#[test]
// TS 24.334 §10.4.8.3 (2)
fn the_larger_nonce_stays_the_initiating_ue() {
    let mut winners = [false; 2];
    for wait in 0..8 {
        let mut air = Air::linked();
        air.run(1000);
        // Re-keyings before that change which nonces come.
        for _ in 0..wait {
            air.rekey(0, 1, false).unwrap();
            air.run(1200);
        }
        let sent = air.log.len();
        air.rekey(0, 1, false).unwrap();
        air.rekey(1, 0, false).unwrap();
        let nonces = [0, 1].map(|ue: usize| match &air.ues[ue].manager.links[0].state {
            link::State::Up(up) => u128::from_be_bytes(up.exchange.request().unwrap().offer().nonce_1),
            _ => panic!("not up"),
        });
        air.run(400);
        assert!(air.agreed(0, 1));
        let winner = usize::from(nonces[1] > nonces[0]);
        let commands: Vec<_> = air.log[sent..].iter().filter(|f| f.message() == Some(12)).collect();
        assert!(commands.iter().all(|f| f.to == air.ues[winner].config.source), "{nonces:x?}");
        assert_eq!(commands.len(), 1);
        winners[winner] = true;
    }
    assert_eq!(winners, [true; 2], "both outcomes came");
}

/// TRK-5 and the glare of two set-ups (T4.1-12): the lower layer-2 identity asks, once.
#[test]
pub(super) fn both_ask_at_once() {
    let mut air = Air::new(2);
    air.connect(0, 1);
    air.connect(1, 0);
    air.run(300);
    assert!(air.agreed(0, 1));
    assert_eq!([air.ues[0].manager.links().count(), air.ues[1].manager.links().count()], [1, 1]);
    let initiator = |s: &State| matches!(s, State::Up { role: Role::Initiating, .. });
    assert!(air.ues[0].states.iter().any(|(_, s)| initiator(s)));
    assert!(!air.ues[1].states.iter().any(|(_, s)| initiator(s)));

    air.run(1000);
    air.rekey(0, 1, false).unwrap();
    air.rekey(1, 0, false).unwrap();
    air.run(400);
    assert!(air.agreed(0, 1));
    let rekeyed =
        |ue: &super::rig::Ue| ue.states.iter().filter(|(_, s)| matches!(s, State::Rekeyed { .. })).count();
    assert_eq!(air.ues.iter().map(rekeyed).collect::<Vec<_>>(), [1, 1]);
}

/// TRK-7: re-keying begins automatically at SN 0xF000; if the peer never answers, the link closes before the last SN.
#[test]
// TS 24.334 §10.4.4.2 (3); TS 24.334 §10.4.8.2 (1); TS 33.303 §6.5.5.3 (1)
pub(super) fn counters_never_run_out_in_use() {
    for deaf in [false, true] {
        let mut air = Air::linked();
        air.run(1000);
        air.channel = Box::new(move |f| if deaf && f.message() == Some(15) { vec![] } else { vec![f] });
        let (_, old) = air.up(0, 1).unwrap();
        let mut sent = 0;
        while let Some((_, keys)) = air.up(0, 1) {
            if keys.fingerprint != old.fingerprint && sent > 0x1_1000 {
                break;
            }
            if air.send(0, 1, b"bulk").is_err() {
                break;
            }
            sent += 1;
            air.run(u64::from(sent % 8 == 0));
        }
        air.run(1000);
        assert!(
            air.ues[0].notes.iter().any(|n| matches!(n, Note::RekeyingDue { left, .. } if *left <= 0x1000))
        );
        if deaf {
            assert!(sent < 0xffff && sent > u32::from(Active::REKEY_AT));
            let closed = |ue: &super::rig::Ue| matches!(ue.states.last(), Some((_, State::Closed { .. })));
            assert!(air.ues.iter().all(closed), "both know");
        } else {
            assert!(sent > 0x1_0000 && air.agreed(0, 1));
            assert_eq!(air.ues[1].received.len(), sent as usize, "none lost in the switch");
        }
    }
}

#[test]
// TS 24.334 §10.4.2.3 (1)
pub(super) fn eight_links_at_once_and_no_ninth() {
    let mut air = Air::new(5);
    for (from, to) in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (3, 1), (4, 1), (2, 3)] {
        air.connect(from, to);
    }
    air.run(400);
    for (from, to) in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (3, 1), (4, 1), (2, 3)] {
        assert!(air.agreed(from, to), "{from} {to}");
        air.send(from, to, &[from as u8, to as u8]).unwrap();
    }
    air.run(100);
    assert_eq!(air.ues.iter().map(|ue| ue.received.len()).sum::<usize>(), 8);

    let mut config = Config::new(l2(1), name(0), PERIOD);
    config.links = 8;
    let mut manager = LinkManager::open(config, &[1; 32], &mut Memory::default()).unwrap();
    manager.add_kd(super::rig::shared(0, 1));
    let now = sidelink_security::counter::UtcTime::from_millis(T0);
    for peer in 0..9 {
        let connected =
            manager.handle_input(Input::Connect { now, peer: l2(0x100 + peer), identity: name(1) });
        assert_eq!(connected, if peer < 8 { Ok(()) } else { Err(Error::TooManyLinks { max: 8 }) });
    }
}

#[test]
// TS 24.334 §10.4.3.2 (3)
pub(super) fn keep_alive_holds_a_quiet_link_and_silence_ends_it() {
    let mut air = Air::linked();
    air.run(60_000);
    assert!(air.agreed(0, 1));
    assert!(air.log.iter().any(|f| f.message() == Some(4)));
    assert!(air.log.iter().any(|f| f.message() == Some(5)));
    let limit = air.ues[0].config.inactivity;
    air.channel = Box::new(|_| vec![]);
    air.run(limit + 1000);
    for ue in &air.ues {
        assert_eq!(ue.states.last().map(|(_, s)| s.clone()), Some(State::Closed { why: Closed::Inactive }));
        assert_eq!(ue.manager.links().count(), 0, "no state left behind");
    }
}

/// The counter of the next keep-alive over a UE's first link.
fn counter_of(air: &Air, ue: usize) -> u32 {
    match &air.ues[ue].manager.links[0].state {
        link::State::Up(up) => up.session.keepalive_counter,
        _ => panic!("not up"),
    }
}

/// TS 24.334 §10.4.3: the counter begins with 0, repetitions keep it, an acknowledgement of it raises it; the end is told.
#[test]
// TS 24.334 §10.4.3.2 (2); TS 24.334 §10.4.3.4
fn the_counter_of_keep_alives_counts_their_answers() {
    let mut air = Air::linked();
    assert_eq!(counter_of(&air, 0), 0);
    let mut lost = 2;
    air.channel = Box::new(move |flying| {
        let hit = flying.message() == Some(5) && lost > 0;
        lost -= i32::from(hit);
        if hit { vec![] } else { vec![flying] }
    });
    let sent = |air: &Air| air.log.iter().filter(|f| f.message() == Some(4)).count();
    while sent(&air) < 3 {
        assert_eq!(counter_of(&air, 0) + counter_of(&air, 1), 0, "a repetition raises nothing");
        air.run(10);
    }
    air.channel = Box::new(|flying| vec![flying]);
    air.run(10_000);
    let raised = counter_of(&air, 0);
    assert!(raised > 0);
    // An acknowledgement of another counter.
    air.ues[1].say(Body::KeepaliveAck { counter: raised + 7 });
    air.drain(1);
    air.run(PERIOD);
    assert_eq!(counter_of(&air, 0), raised);
}

/// TS 24.334 §10.4.3.5.1: where keep-alives have no answer the release is told, and ends the peer at once.
#[test]
// TS 24.334 §10.4.2.6.2 (2); TS 24.334 §10.4.3.5.1 (2)
fn the_end_of_a_silent_link_is_told() {
    let mut air = Air::linked();
    let john = air.ues[1].config.source;
    // John is not heard, and hears nothing but the release.
    air.channel = Box::new(move |flying| {
        let through = flying.from != john && flying.message() == Some(6);
        if through { vec![flying] } else { vec![] }
    });
    // His own patience is longer.
    if let link::State::Up(up) = &mut air.ues[1].manager.links[0].state {
        up.session.heard_at = up.session.heard_at.plus_millis(60_000);
    }
    air.run(air.ues[0].config.inactivity + 100);
    assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why: Closed::Inactive });
    let reason = Cause::NotAvailable;
    assert_eq!(air.ues[1].states.last().unwrap().1, State::Closed { why: Closed::ByPeer { reason } });
}

/// TS 24.334 §10.4.3.3: the period that the peer gives in a keep-alive holds, where it is shorter; not at any price.
#[test]
// TS 24.334 §10.4.3.3 (2)
fn the_peers_period_of_inactivity_holds() {
    for (seconds, first) in [(2, 2000), (3600, 5000), (0, 140)] {
        let configure =
            |_: usize, config: &mut Config| (config.keepalive, config.inactivity) = (5000, 10_000);
        let mut air = Air::with(2, configure, |_, _| {});
        air.connect(0, 1);
        air.run(400);
        air.ues[0].say(Body::Keepalive { counter: 9, maximum_inactivity: Some(seconds) });
        air.drain(0);
        air.run(PERIOD);
        // Only john would ask: mary hears nothing of his.
        let (heard, john) = (air.now, air.ues[1].config.source);
        air.channel = Box::new(|_| vec![]);
        air.run(6000);
        let asked =
            air.log.iter().find(|f| f.at > heard && f.from == john && f.message() == Some(4)).unwrap();
        assert_eq!(asked.at - PERIOD - heard, first, "{seconds} s");
    }
}

/// The request announces no less than what the UE keeps to, in whole seconds.
#[test]
// TS 24.334 §10.4.2.2 (6)
fn the_period_of_a_request_is_rounded_up() {
    let configure = |_: usize, config: &mut Config| config.inactivity = 4220;
    let mut air = Air::with(2, configure, |_, _| {});
    air.connect(0, 1);
    let octets = &air.log[0].pdu.octets;
    let packet =
        sidelink_wire::pc5_signalling::Packet::new_checked(Default::default(), &octets[5..]).unwrap();
    match sidelink_wire::pc5_signalling::Repr::parse(&packet).unwrap().body {
        Body::CommunicationRequest(request) => assert_eq!(request.maximum_inactivity, 5),
        other => panic!("{other:?}"),
    }
}

#[test]
// TS 24.334 §10.4.3.5.1 (3); TS 24.334 §10.4.4.2 (1); TS 24.334 §10.4.4.3 (1); TS 24.334 §10.4.4.4
// TS 24.334 §10.4.4.5.1; TS 33.303 §6.5.3.2
pub(super) fn release_ends_both_sides_even_when_its_messages_are_lost() {
    for lost in [None, Some(6), Some(7)] {
        let mut air = Air::linked();
        let mut left = 2;
        air.channel = Box::new(move |flying| {
            let hit = lost.is_some() && flying.message() == lost && left > 0;
            left -= i32::from(hit);
            if hit { vec![] } else { vec![flying] }
        });
        let (link, _) = air.up(0, 1).unwrap();
        let now = air.time(0);
        air.ues[0].manager.handle_input(Input::Release { now, link }).unwrap();
        air.drain(0);
        air.run(2000);
        assert!(air.ues.iter().all(|ue| ue.manager.links().count() == 0), "{lost:?}");
        assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why: Closed::Released });
        let reason = Cause::NoLongerNeeded;
        assert_eq!(air.ues[1].states.last().unwrap().1, State::Closed { why: Closed::ByPeer { reason } });
    }
}

/// A peer that stops in the middle leaves no state behind.
#[test]
// TS 24.334 §10.4.2.2 (10); TS 24.334 §10.4.5.2 (7)
pub(super) fn a_peer_that_stops_leaves_no_state() {
    for after in [1, 12, 13] {
        let mut air = Air::new(2);
        let mut stopped = false;
        air.channel = Box::new(move |flying| {
            let gone = stopped;
            stopped |= flying.message() == Some(after);
            if gone { vec![] } else { vec![flying] }
        });
        air.connect(0, 1);
        air.run(10_000);
        for ue in &air.ues {
            assert_eq!((ue.manager.links().count(), ue.manager.half_open()), (0, 0), "after {after}");
        }
        let why = Closed::NoAnswer { hint: None };
        assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why });
    }
}

/// The same inputs give the same outputs.
#[test]
pub(super) fn exchanges_replay() {
    let run = || {
        let mut air = Air::linked();
        air.run(1000);
        air.rekey(1, 0, false).unwrap();
        air.send(0, 1, b"x").unwrap();
        air.run(5000);
        air.log.iter().map(|f| (f.at, f.pdu.clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
