//! Attacks at the level of PDUs by an adversary without keys, or with keys of its own.

use sidelink_security::direct::Profile;

use super::super::*;
use super::rig::{Air, Flying, PERIOD, l2, name};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::Body;

/// T4.1-1, T4.1-2: every bit of every message of a set-up and a re-keying is flipped on the way, one at a time. Either
/// the exchange survives by a new try, or it ends; it never ends in two ends that disagree, and never in weaker keys.
#[test]
// TS 24.334 §10.4.5.6.2, 10.4.8.6.2
pub(super) fn flipped_bits_never_give_a_link_that_disagrees() {
    for message in [1u8, 12, 13, 2] {
        for bit in 0..8 * 60 {
            let mut air = Air::new(2);
            let mut hit = false;
            air.channel = Box::new(move |mut flying| {
                let is_it = flying.message() == Some(message);
                let octets = &mut flying.pdu.octets;
                if is_it && !hit && bit / 8 < octets.len() {
                    octets[bit / 8] ^= 0x80 >> (bit % 8);
                    hit = true;
                }
                vec![flying]
            });
            air.connect(0, 1);
            air.run(1600);
            assert!(air.agreed(0, 1), "message {message} bit {bit}: {:?}", air.ues[0].notes);
            let (_, keys) = air.up(0, 1).unwrap();
            assert_eq!(keys.chosen.to_string(), "EEA2/EIA2");
        }
    }
}

/// T4.1-2, permanent: a man in the middle removes the strong algorithms from every request.
#[test]
// TS 24.334 §10.4.5.3 (1); TS 24.334 §12.5.1.22
pub(super) fn bidding_down_ends_without_a_link() {
    let mut air = Air::new(2);
    air.channel = Box::new(|mut flying| {
        if flying.message() == Some(1) {
            let at = flying.pdu.octets.len() - 8;
            assert_eq!(flying.pdu.octets[at..at + 2], [0x70, 0x70]);
            flying.pdu.octets[at] = 0x40;
        }
        vec![flying]
    });
    air.connect(0, 1);
    air.run(10_000);
    let hint = Some(Cause::CapabilitiesMismatch);
    assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why: Closed::NoAnswer { hint } });
    assert!(air.ues[0].notes.iter().any(|n| n.to_string().contains("bidding-down")));
    assert!(air.up(1, 0).is_none());
}

/// T4.1-3, TRK-1, TRK-2: every PDU ever sent is replayed, to both, from either source, on every channel.
#[test]
// TS 33.303 §6.5.6.2 (3)
pub(super) fn replay_and_reflection_change_nothing() {
    let mut air = Air::linked();
    air.send(0, 1, b"once").unwrap();
    air.run(1000);
    air.rekey(0, 1, false).unwrap();
    air.send(1, 0, b"once").unwrap();
    air.run(500);
    let recorded: Vec<Flying> = air.log.clone();
    let before = (air.up(0, 1), air.up(1, 0));
    for Flying { pdu, .. } in recorded {
        for to in [0, 1] {
            for from in [l2(0x10), l2(0x11)] {
                for lcid in
                    [pdu.lcid, Lcid::PC5_S_UNPROTECTED, Lcid::PC5_S_SECURITY_MODE, Lcid::PC5_S_PROTECTED]
                {
                    air.inject(from, to, lcid, pdu.octets.clone());
                }
            }
        }
        air.run(0);
    }
    air.run(100);
    assert_eq!((air.up(0, 1), air.up(1, 0)), before);
    for ue in &air.ues {
        let whole = ue.received.iter().filter(|r| r.data == b"once").count();
        assert_eq!(whole, 1, "delivered once");
        // (X) User data has no integrity: data reflected to its sender comes out as noise.
        assert!(ue.received.len() <= 2, "{}", ue.received.len());
        assert!(!ue.states.iter().any(|(_, s)| matches!(s, State::Closed { .. })));
    }
    air.run(2000);
    assert!(air.agreed(0, 1));
    assert!(air.ues.iter().all(|ue| ue.manager.half_open() == 0), "replayed requests leave nothing");
}

/// T4.1-8, TRK-2: messages without protection in the peer's name neither release a link nor re-key it.
#[test]
// TS 33.303 §6.5.6.1 (1)
pub(super) fn unprotected_messages_end_nothing() {
    let bodies = [
        Body::Release { reason: 1 },
        Body::CommunicationReject { cause: 1 },
        Body::SecurityModeReject { cause: 6, rand: None, auts: None },
        Body::RekeyingTrigger,
        Body::Keepalive { counter: 1, maximum_inactivity: None },
        Body::SecurityModeComplete { kd_id_lsb: None, up_policy: None, connection: None },
    ];
    let mut air = Air::linked();
    let sent = air.log.len();
    for body in bodies {
        for lcid in [Lcid::PC5_S_UNPROTECTED, Lcid::PC5_S_SECURITY_MODE, Lcid::PC5_S_PROTECTED] {
            let octets = frame::plain(&frame::message(Profile::Lte, 9, body));
            air.inject(l2(0x11), 0, lcid, octets);
        }
    }
    air.run(PERIOD);
    assert!(air.agreed(0, 1));
    assert_eq!(air.log.len(), sent, "and it does not even answer");

    // During set-up a refusal is a hint, and the link still comes up.
    let mut air = Air::new(2);
    air.connect(0, 1);
    let octets = frame::plain(&frame::message(Profile::Lte, 9, Body::CommunicationReject { cause: 1 }));
    air.inject(l2(0x11), 0, Lcid::PC5_S_UNPROTECTED, octets);
    air.run(300);
    assert!(air.agreed(0, 1));
    assert!(air.ues[0].notes.iter().any(|n| matches!(n, Note::PeerRefuses { proven: false, .. })));
}

/// Wrong key: two keys with the same ID.
#[test]
pub(super) fn another_key_of_the_same_name_proves_nothing() {
    let mut air = Air::new(2);
    let mut wrong = super::rig::shared(1, 0);
    wrong.kd = sidelink_security::keys::Kd::from([0xee; 32]);
    air.ues[1].manager.add_kd(wrong);
    air.connect(0, 1);
    air.run(10_000);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
    assert!(matches!(air.ues[0].states.last().unwrap().1, State::Closed { why: Closed::NoAnswer { .. } }));
}

/// Swapped identities: Peter has a KD with John and claims to be Mary, or names Mary's KD.
#[test]
// TS 24.334 §10.4.2.2 (2); TS 24.334 §10.4.2.3 (2)
pub(super) fn a_kd_counts_only_for_whom_it_is_shared_with() {
    let mut air = Air::new(3);
    air.ues[2].config.identity = name(0);
    air.restart(2);
    air.connect(2, 1);
    air.run(10_000);
    assert!(air.up(2, 1).is_none() && air.up(1, 2).is_none());
    assert!(air.ues[1].notes.iter().any(|n| matches!(n, Note::UnknownKd { .. })), "{:?}", air.ues[1].notes);
}

/// T4.1-5: a third UE with keys to both reads no data between them, and replaces neither.
#[test]
// TS 24.334 §10.4.2.5 (4); TS 33.303 §6.5.2 (1)
pub(super) fn an_insider_reads_nothing_of_others() {
    let mut air = Air::new(3);
    air.connect(0, 1);
    air.connect(2, 0);
    air.connect(2, 1);
    air.run(400);
    air.send(0, 1, b"for john").unwrap();
    let secret = air.log.last().unwrap().clone();
    // Peter's UE handles the PDU as if it came from either.
    for from in [l2(0x10), l2(0x11)] {
        air.inject(from, 2, secret.pdu.lcid, secret.pdu.octets.clone());
    }
    air.run(100);
    assert_eq!(air.ues[2].received.len(), 0);
    assert_eq!(air.ues[1].received.len(), 1);

    // With Mary's layer-2 identity and his own keys he does not replace her link.
    air.ues[2].config.source = l2(0x10);
    let request = {
        let mut peter = Air::new(3);
        peter.connect(2, 1);
        peter.log[0].pdu.octets.clone()
    };
    air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, request);
    air.run(100);
    assert!(air.agreed(0, 1));
    let refused = air.log.iter().filter(|f| f.message() == Some(3)).count();
    assert_eq!(refused, 1, "cause 3, layer-2 ID conflict");
}

/// T4.1-7: 10^3 requests at the pool rate of P = 40 ms and k = 4; an honest UE is served all the same, and the
/// table stays within its bound.
#[test]
pub(super) fn a_flood_of_requests_leaves_room_for_an_honest_ue() {
    let mut template = Air::new(3);
    template.connect(0, 1);
    let request = template.log[0].pdu.octets.clone();
    let mut air = Air::new(3);
    for number in 0u32..1000 {
        // Recorded requests with other nonces, from other layer-2 identities.
        let mut octets = request.clone();
        let at = octets.len() - 20;
        octets[at..at + 4].copy_from_slice(&number.to_be_bytes());
        air.inject(l2(0x1000 + number), 1, Lcid::PC5_S_UNPROTECTED, octets);
        air.run(PERIOD / 4);
        if number == 500 {
            air.connect(2, 1);
        }
        assert!(air.ues[1].manager.half_open() <= 128);
    }
    assert!(air.agreed(2, 1));
    air.run(1000);
    assert_eq!(air.ues[1].manager.half_open(), 0);
    assert_eq!(air.ues[1].manager.links().count(), 1);
}

/// TRK-10: a peer that requests re-keying endlessly is answered once a second.
#[test]
pub(super) fn a_storm_of_re_keying_is_dampened() {
    // Who storms does not give the link up.
    let mut air = Air::with(2, |_, config| config.failed_rekeying = FailedRekeying::KeepKey, |_, _| {});
    air.connect(0, 1);
    air.run(1200);
    let mut asked = 0;
    for _ in 0..50 {
        if air.up(0, 1).is_some() {
            asked += u32::from(air.rekey(0, 1, false).is_ok());
        }
        air.run(200);
    }
    assert!(asked > 10);
    let rekeyed = air.ues[1].states.iter().filter(|(_, s)| matches!(s, State::Rekeyed { .. })).count();
    assert!((5..=11).contains(&rekeyed), "{rekeyed} in 10 s");
}

/// TRK-9: every half of a KD-sess ID that UE_2 could choose is taken; it says so, and once some are free again
/// links come up.
#[test]
// TS 24.334 §10.4.5.2 (3); TS 33.303 §6.5.5.2 step 1 (1)
pub(super) fn no_half_of_a_name_is_free() {
    let mut template = Air::new(3);
    template.connect(0, 1);
    let request = template.log[0].pdu.octets.clone();
    let configure = |_: usize, config: &mut Config| (config.half_open, config.answers) = (300, 300);
    let mut air = Air::with(3, configure, |_, _| {});
    for number in 0u32..255 {
        let mut octets = request.clone();
        let at = octets.len() - 20;
        octets[at..at + 4].copy_from_slice(&number.to_be_bytes());
        air.inject(l2(0x1000 + number), 1, Lcid::PC5_S_UNPROTECTED, octets);
    }
    air.run(0);
    assert_eq!(air.ues[1].manager.half_open(), 255);
    air.connect(2, 1);
    air.run(2 * PERIOD);
    // LTE has no cause of its own for it.
    let expected = match super::rig::PROFILE.get() {
        Profile::Lte => Cause::ProtocolError,
        Profile::Nr => Cause::SessionIdConflict,
    };
    let refusal =
        |n: &Note| matches!(n, Note::PeerRefuses { cause, proven: false, .. } if *cause == expected);
    assert!(air.ues[2].notes.iter().any(refusal), "{:?}", air.ues[2].notes);
    air.run(3000);
    assert!(air.agreed(2, 1));
}

/// Forged commands neither end a re-keying nor make the requesting UE use its key: no reply to any of them.
#[test]
pub(super) fn forged_commands_end_no_re_keying() {
    use sidelink_wire::pc5_signalling::{Algorithms, Capabilities, SecurityModeCommand};
    let profile = super::rig::PROFILE.get();
    for eia in [0, 2] {
        let mut air = Air::linked();
        air.run(1000);
        let (_, old) = air.up(0, 1).unwrap();
        air.rekey(0, 1, false).unwrap();
        let sent = air.log.len();
        for msb in 1..=255u8 {
            let body = Body::SecurityModeCommand(SecurityModeCommand {
                capabilities: Capabilities { eea: 0x80, eia: 0x80 },
                nonce: [msb; 16],
                algorithms: Algorithms { eea: eia, eia },
                kd_sess_lsb: 7,
                kd_id_msb: None,
                kd_freshness: None,
                gpi: None,
                user_info: None,
                signature: None,
                encrypted_payload: None,
                policy: None,
            });
            let mut octets = frame::plain(&frame::message(profile, 0, body));
            (octets[1], octets[2], octets[4]) = (msb, 7, 1);
            octets.extend([0; 4]);
            air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, octets);
        }
        air.run(0);
        assert_eq!(air.log.len(), sent, "not one answer");
        air.run(400);
        assert!(air.agreed(0, 1));
        assert_ne!(air.up(0, 1).unwrap().1.fingerprint, old.fingerprint, "re-keyed all the same");
    }
}

/// A command of the peer itself that does not fit is refused once, and the re-keying ends; replays of it get no reply.
#[test]
// TS 24.334 §10.4.5.5 (4)
pub(super) fn a_proven_command_that_does_not_fit_is_answered_once() {
    let mut air = Air::linked();
    air.run(1000);
    let before = air.up(0, 1).unwrap();
    let LinkManager { local, links, .. } = &mut air.ues[0].manager;
    let link::Link { common, state: link::State::Up(up) } = &mut links[0] else { panic!("not up") };
    up.start_rekeying(common, local, false).unwrap();
    air.drain(0);
    air.channel = Box::new(|flying| vec![flying.clone(), flying.clone(), flying]);
    // Mary changes her offer after the request: the echo differs.
    let link::State::Up(up) = &mut air.ues[0].manager.links[0].state else { panic!("not up") };
    let session::Exchange::Rekeying(rekeying) = &mut up.exchange else { panic!("not re-keying") };
    rekeying.request.forget_offer();
    let rejects = |air: &Air| air.log.iter().filter(|f| f.message() == Some(14)).count();
    air.run(200);
    assert_eq!(rejects(&air), 1);
    assert_eq!(air.up(0, 1), Some(before));
    air.run(3000);
    assert!(air.agreed(0, 1));
}
