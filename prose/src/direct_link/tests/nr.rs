//! The profile of NR: the rules of LTE, and NR's rules for policies.

use sidelink_security::direct::{Need, Policy, Profile};

use super::super::*;
use super::rig::{Air, PERIOD, PROFILE, l2};
use super::{attacks, authentication, lifecycle};
use sidelink_security::pdu::Assurance;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, Coding, Packet, Repr};

/// The tests of the other files, once more under NR.
macro_rules! in_nr {
    ($($room:ident: $($name:ident)*;)*) => {$($(
        #[test]
        fn $name() {
            PROFILE.set(Profile::Nr);
            $room::$name();
        }
    )*)*};
}

in_nr! {
    lifecycle:
        data_goes_both_ways_ciphered
        set_up_survives_losses
        re_keying_survives_losses_under_traffic
        re_keying_changes_the_session_key_alone
        both_ask_at_once
        counters_never_run_out_in_use
        eight_links_at_once_and_no_ninth
        keep_alive_holds_a_quiet_link_and_silence_ends_it
        release_ends_both_sides_even_when_its_messages_are_lost
        a_peer_that_stops_leaves_no_state
        exchanges_replay;
    attacks:
        flipped_bits_never_give_a_link_that_disagrees
        replay_and_reflection_change_nothing
        another_key_of_the_same_name_proves_nothing
        a_kd_counts_only_for_whom_it_is_shared_with
        an_insider_reads_nothing_of_others
        a_flood_of_requests_leaves_room_for_an_honest_ue
        a_storm_of_re_keying_is_dampened
        no_half_of_a_name_is_free;
    authentication:
        six_messages_make_a_link_and_a_durable_kd
        losses_at_every_place
        flipped_bits_of_the_containers_give_no_link_that_disagrees
        wrong_certificates_are_told_apart
        clocks_forty_seconds_apart
        re_keying_with_a_new_kd;
}

fn air(configure: fn(usize, &mut Config)) -> Air {
    PROFILE.set(Profile::Nr);
    Air::with(2, configure, |_, _| {})
}

/// Parses a message on the air, if it is not ciphered.
fn body(octets: &[u8]) -> Body<'_> {
    Repr::parse(&Packet::new_checked(Coding::Nr, &octets[5..]).unwrap()).unwrap().body
}

#[test]
fn four_messages_of_nr() {
    let mut air = air(|_, _| {});
    air.connect(0, 1);
    air.run(4 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    let sent: Vec<_> = air.log.iter().map(|f| f.message().unwrap()).collect();
    assert_eq!(sent, [1, 12, 13, 2], "request, command, complete, accept");
    assert_eq!([air.log[0].pdu.octets[5], air.log[1].pdu.octets[5]], [1, 14], "message types of NR");
    let octets: usize = air.ues.iter().flat_map(|ue| &ue.meter).filter(|m| m.sent).map(|m| m.l3_octets).sum();
    assert_eq!(octets, 81, "13 more than LTE");
    assert!(air.ues.iter().all(|ue| ue.notes.is_empty()));
}

/// Every pair of policies for user data: both ends do the same, or there is no link; and a flipped bit passes exactly
/// when there is no MAC-I (T4.1-9).
#[test]
fn policies_of_user_data() {
    use Need::{NotNeeded, Preferred, Required};
    const NEEDS: [Need; 3] = [NotNeeded, Preferred, Required];
    for one in 0..3 {
        for two in 0..3 {
            let mut air = air(|_, _| {});
            for (index, need) in [(0, one), (1, two)] {
                air.ues[index].config.policy.up_integrity = NEEDS[need];
                air.restart(index);
            }
            air.connect(0, 1);
            air.run(200);
            if one.abs_diff(two) == 2 {
                air.run(3000);
                assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
                let why = Closed::NoAnswer { hint: Some(Cause::NotAligned) };
                assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why });
                assert!(air.ues[1].notes.iter().any(|n| n.to_string().contains("compare the policies")));
                continue;
            }
            assert!(air.agreed(0, 1));
            let on = one.min(two) > 0;
            for rekeyed in [false, true] {
                air.send(0, 1, b"right").unwrap();
                air.send(1, 0, b"right").unwrap();
                air.channel = Box::new(|mut flying| {
                    flying.pdu.octets[5] ^= 1;
                    vec![flying]
                });
                air.send(0, 1, b"wrong").unwrap();
                air.channel = Box::new(|flying| vec![flying]);
                air.run(1500);
                let known = if on { Assurance::Verified } else { Assurance::Deciphered };
                assert!(air.ues.iter().flat_map(|ue| &ue.received).all(|r| r.assurance == known));
                let got = air.ues[1].received.len();
                assert_eq!(got, if on { 1 } else { 2 }, "{one} {two} {rekeyed}");
                air.ues.iter_mut().for_each(|ue| ue.received.clear());
                if !rekeyed {
                    air.rekey(0, 1, false).unwrap();
                    air.run(1500);
                    assert!(air.agreed(0, 1), "and stays so over a re-keying");
                }
            }
        }
    }
}

/// T4.1-2: a man in the middle weakens the capabilities or the policy of every request; no link comes up.
#[test]
fn bidding_down_ends_without_a_link() {
    for (at, value) in [(19, 0x40), (21, 0x11), (21, 0x02)] {
        let mut air = air(|_, config| {
            config.policy = Policy { ciphering: Need::Preferred, ..Policy::default() };
        });
        air.channel = Box::new(move |mut flying| {
            if flying.message() == Some(1) {
                let octets = &mut flying.pdu.octets;
                let Body::CommunicationRequest(request) = body(octets) else { panic!("not a request") };
                let policy = request.policy.unwrap();
                assert_eq!((request.capabilities.eea, policy.ciphering, policy.integrity), (0xf0, 1, 2));
                octets[at - 1] = value;
            }
            vec![flying]
        });
        air.connect(0, 1);
        air.run(10_000);
        assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none(), "{at} {value:x}");
        let notes = || air.ues[0].notes.iter().map(ToString::to_string);
        assert!(
            notes().any(|n| n.contains("bidding-down") || n.contains("refuses")),
            "{:?}",
            air.ues[0].notes
        );
    }
}

/// T4.1-8: messages without protection end nothing.
#[test]
fn unprotected_messages_end_nothing() {
    let mut air = air(|_, _| {});
    air.connect(0, 1);
    air.run(200);
    let sent = air.log.len();
    let bodies = [
        Body::Release { reason: 1 },
        Body::CommunicationReject { cause: 1 },
        Body::SecurityModeReject { cause: 6, rand: None, auts: None },
        Body::Keepalive { counter: 1, maximum_inactivity: None },
    ];
    for body in bodies {
        for lcid in [Lcid::PC5_S_UNPROTECTED, Lcid::PC5_S_SECURITY_MODE, Lcid::PC5_S_PROTECTED] {
            air.inject(l2(0x11), 0, lcid, frame::plain(&frame::message(Profile::Nr, 9, body)));
        }
    }
    air.run(PERIOD);
    assert!(air.agreed(0, 1));
    assert_eq!(air.log.len(), sent, "and it does not even answer");
}

/// UEs of different profiles do not understand each other, and neither end keeps state.
#[test]
fn profiles_do_not_mix() {
    for nr in [0, 1] {
        let mut air = Air::new(2);
        air.ues[nr].config.profile = Profile::Nr;
        air.restart(nr);
        air.connect(0, 1);
        air.run(20_000);
        for ue in &air.ues {
            assert_eq!((ue.manager.links().count(), ue.manager.half_open()), (0, 0));
        }
    }
}

#[test]
fn nobody_can_be_asked_to_ask() {
    let mut air = air(|_, _| {});
    air.connect(0, 1);
    air.run(200);
    let (link, now) = (air.up(0, 1).unwrap().0, air.time(0));
    let asked = air.ues[0].manager.handle_input(Input::TriggerRekey { now, link });
    assert_eq!(asked, Err(Error::NotInProfile));
}
