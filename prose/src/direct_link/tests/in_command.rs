//! Method 3, final variant: the command carries the key (TS 33.303 §6.5.7).

use std::sync::Arc;

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Profile;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, CommunicationRequest, SecurityModeCommand};

use super::super::*;
use super::lab::{LAB, OTHER, keys, period};
use super::rig::{Air, Flying, PERIOD, PROFILE, T0, l2, name};

fn rules(coverage: Coverage) -> Rules {
    Rules { variant: Variant::Final(coverage), ..Rules::default() }
}

pub(super) fn clause(index: usize, manager: &mut LinkManager) {
    manager.establish_by(Box::new(IdentityBased::new(keys(index), rules(Coverage::Clause))));
}

pub(super) fn bound(index: usize, manager: &mut LinkManager) {
    manager.establish_by(Box::new(IdentityBased::new(keys(index), rules(Coverage::Bound))));
}

const EQUIP: [fn(usize, &mut LinkManager); 2] = [clause, bound];

fn air(equip: fn(usize, &mut LinkManager)) -> Air {
    Air::without_keys(2, |_, _| {}, equip)
}

fn parsed(flying: &Flying) -> Body<'_> {
    receive::parse(Profile::Lte, &flying.pdu.octets[5..]).unwrap().body
}

fn request(air: &Air) -> CommunicationRequest<'_> {
    match parsed(&air.log[0]) {
        Body::CommunicationRequest(request) => request,
        body => panic!("{body:?}"),
    }
}

fn command<'a>(air: &'a Air, octets: &'a [u8]) -> SecurityModeCommand<'a> {
    let _ = air;
    match receive::parse(Profile::Lte, &octets[5..octets.len() - 4]).unwrap().body {
        Body::SecurityModeCommand(command) => command,
        body => panic!("{body:?}"),
    }
}

fn messages(air: &Air) -> Vec<u8> {
    air.log.iter().filter_map(Flying::message).collect()
}

/// Changes a message on LCID 28 of the first request, and injects it from a source.
fn injected(air: &mut Air, source: u32, mut change: impl FnMut(&mut CommunicationRequest<'_>)) {
    let octets = air.log[0].pdu.octets.clone();
    let mut repr = receive::parse(Profile::Lte, &octets[5..]).unwrap();
    let Body::CommunicationRequest(request) = &mut repr.body else { panic!() };
    change(request);
    let message = frame::message(Profile::Lte, repr.sequence, repr.body);
    air.inject(l2(source), 1, Lcid::PC5_S_UNPROTECTED, frame::plain(&message));
}

fn causes(air: &Air, ue: usize) -> Vec<Cause> {
    let refused = air.ues[ue].notes.iter().filter_map(|note| match note {
        Note::NotAuthenticated { cause, .. } => Some(*cause),
        _ => None,
    });
    refused.collect()
}

#[test]
// TS 24.334 §10.4.2.2 (9); TS 24.334 §10.4.5.2 (6); TS 24.334 §10.4.5.3 (2); TS 33.303 §6.5.7.1, §6.5.7.2
// TS 33.303 §6.5.7.3.1 step 1; TS 24.334 §10.4.2.1
fn four_messages_make_a_link_and_a_durable_kd() {
    for (equip, overhead) in [(EQUIP[0], 130), (EQUIP[1], 130 + 12)] {
        let mut air = air(equip);
        air.connect(0, 1);
        air.run(4 * PERIOD);
        assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
        assert_eq!(messages(&air), [1, 12, 13, 2]);
        let sent = request(&air);
        assert!(sent.signature.is_some() && sent.key_info.is_some() == (overhead > 130));
        // Type, sequence number, User Info, the fields of TS 24.334 §11.4.2.1, header.
        assert_eq!(air.log[0].pdu.octets.len(), 5 + 3 + 6 + 1 + 4 + 16 + 2 + 1 + overhead);
        let key = command(&air, &air.log[1].pdu.octets);
        assert_eq!(key.user_info.map(|info| info.value.to_vec()), Some(b"john".to_vec()));
        assert_eq!((key.encrypted_payload.map(<[u8]>::len), key.signature.is_some()), (Some(273), true));
        assert!(key.kd_id_msb.is_some());
        let [one, two] = [&air.ues[0].disk.keys[0], &air.ues[1].disk.keys[0]];
        assert!(one.kd == two.kd && one.id == two.id);
        assert_eq!((&one.peer, &two.peer), (&name(1), &name(0)));
        // The next time that KD does.
        let before = air.log.len();
        air.restart(0);
        air.restart(1);
        air.connect(1, 0);
        air.run(4 * PERIOD);
        assert!(air.agreed(0, 1));
        assert!(air.log[before..].iter().all(|flying| flying.pdu.octets.len() < 80));
    }
}

/// TS 33.303 §6.5.7.3.2: no signature in the request, both in the command.
#[test]
// TS 33.303 §6.5.7.3.2
fn a_re_keying_brings_a_key_in_its_command() {
    for equip in EQUIP {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut air = air(equip);
            air.connect(0, 1);
            air.run(1500);
            let before = air.up(0, 1).unwrap().1;
            let sent = air.log.len();
            air.rekey(from, to, true).unwrap();
            air.run(4 * PERIOD);
            let after = air.up(0, 1).unwrap().1;
            assert!(air.agreed(0, 1) && after.kd != before.kd, "{:?}", air.ues[from].notes);
            let again: Vec<_> = air.log[sent..].iter().map(|f| f.pdu.octets.len()).collect();
            assert!(again[0] < 60 && again[1] > 400, "{again:?}");
        }
    }
}

/// T4.3-1: a forged signature, another user's name, another nonce, another KMS: cause 2 of LTE, no link.
#[test]
// TS 24.334 §10.4.2.5 (3)
fn a_forged_request_is_refused_with_its_cause() {
    type Change = fn(&mut CommunicationRequest<'_>);
    let changes: [Change; 4] = [
        |request| request.signature.as_mut().unwrap()[40] ^= 1,
        |request| request.user_info.value = b"anna",
        |request| request.nonce[0] ^= 1,
        |request| request.signature = Some([0; 129]),
    ];
    for equip in EQUIP {
        for (at, change) in changes.into_iter().enumerate() {
            let mut air = air(equip);
            air.channel = Box::new(|_| Vec::new());
            air.connect(0, 1);
            air.channel = Box::new(|flying| vec![flying]);
            injected(&mut air, 0x99, change);
            air.run(0);
            assert_eq!(causes(&air, 1), [Cause::AuthenticationFailure], "{at}");
            let last = air.log.last().unwrap();
            assert_eq!(parsed(last), Body::CommunicationReject { cause: 2 }, "{at}");
            assert_eq!(air.ues[1].manager.half_open(), 0);
        }
    }
}

/// What a bound signature covers, and that of the clause does not: capabilities, the KD-sess ID, the target UE, the time.
#[test]
fn a_bound_signature_covers_the_whole_request() {
    type Change = fn(&mut CommunicationRequest<'_>);
    let changes: [Change; 3] =
        [|r| r.link_local = Some([9; 16]), |r| r.kd_sess_msb ^= 1, |r| r.maximum_inactivity += 1];
    for (equip, answered) in [(EQUIP[0], true), (EQUIP[1], false)] {
        for change in changes {
            let mut air = air(equip);
            air.channel = Box::new(|_| Vec::new());
            air.connect(0, 1);
            injected(&mut air, 0x99, change);
            air.run(0);
            assert_eq!(messages(&air).contains(&12), answered);
        }
        // A request for John, sent to Peter.
        let mut air = Air::without_keys(3, |_, _| {}, equip);
        air.connect(0, 1);
        let octets = air.log[0].pdu.octets.clone();
        air.channel = Box::new(|_| Vec::new());
        air.flying.clear();
        air.inject(l2(0x99), 2, Lcid::PC5_S_UNPROTECTED, octets);
        air.run(0);
        assert_eq!(messages(&air).contains(&12), answered);
    }
}

/// T4.3-2: a replayed request. The clause's signature has no time: the command that it gets is of no use to anybody. A
/// bound one is refused within its window, also after a crash of UE_2, and outside of it for its time.
#[test]
fn a_replayed_request() {
    for (equip, bound) in [(EQUIP[0], false), (EQUIP[1], true)] {
        for crash in [false, true] {
            let mut air = air(equip);
            air.connect(0, 1);
            air.run(1500);
            let octets = air.log[0].pdu.octets.clone();
            if crash {
                air.restart(1);
            }
            assert_eq!(air.ues[1].disk.admissions.len(), usize::from(bound));
            let before = air.log.len();
            air.inject(l2(0x99), 1, Lcid::PC5_S_UNPROTECTED, octets.clone());
            air.run(3 * PERIOD);
            let sent: Vec<_> = air.log[before..].iter().filter(|f| f.to == l2(0x99)).collect();
            let commands = sent.iter().filter(|f| f.message() == Some(12)).count();
            assert_eq!(commands, usize::from(!bound), "{:?}", air.ues[1].notes);
            air.run(60_000);
            assert_eq!(air.ues[1].manager.half_open(), 0);
            let new = air.ues[1].states.iter().filter(|(_, state)| matches!(state, State::Up { .. })).count();
            assert_eq!(new, 1);
            if bound {
                assert_eq!(causes(&air, 1), [Cause::AuthenticationFailure]);
                air.inject(l2(0x99), 1, Lcid::PC5_S_UNPROTECTED, octets);
                air.run(PERIOD);
                assert_eq!(causes(&air, 1).last(), Some(&Cause::Expired));
            }
        }
    }
}

/// The window: 60 s to either side, or 600 s.
#[test]
fn a_time_out_of_the_window_is_refused() {
    fn lax(index: usize, manager: &mut LinkManager) {
        let rules = Rules { window: Window::Lax, ..rules(Coverage::Bound) };
        manager.establish_by(Box::new(IdentityBased::new(keys(index), rules)));
    }
    for (equip, most) in [(bound as fn(usize, &mut LinkManager), 60_000), (lax, 600_000)] {
        for (ue, skew, agrees) in
            [(0, most, true), (0, most + 100, false), (1, most, true), (1, most + 100, false)]
        {
            let mut air = air(equip);
            air.ues[ue].skew = skew;
            air.now += 1;
            air.connect(0, 1);
            // Without the time on the air.
            for flying in &mut air.flying {
                flying.at = air.now;
            }
            air.run(6 * PERIOD);
            assert_eq!(air.agreed(0, 1), agrees, "{ue} {skew}: {:?}", air.ues[1].notes);
        }
    }
}

/// T4.3-8, and T4.3-1 for commands: whoever answers in the place of UE_2, with any part of a right command, is refused; then
/// the right command is taken.
#[test]
fn a_command_of_another_is_refused() {
    type Change = fn(&mut SecurityModeCommand<'_>);
    let changes: [Change; 6] = [
        |command| command.signature.as_mut().unwrap()[40] ^= 1,
        |command| command.encrypted_payload = Some(&[4; 273]),
        |command| command.encrypted_payload = Some(&[]),
        |command| command.user_info.as_mut().unwrap().value = b"anna",
        |command| command.nonce[0] ^= 1,
        |command| (command.signature, command.encrypted_payload) = (None, None),
    ];
    for equip in EQUIP {
        for (at, change) in changes.into_iter().enumerate() {
            let mut air = air(equip);
            air.connect(0, 1);
            air.run(PERIOD);
            let right = air.flying.pop().unwrap();
            let octets = right.pdu.octets.clone();
            let body = &octets[5..octets.len() - 4];
            let mut repr = receive::parse(Profile::Lte, body).unwrap();
            let Body::SecurityModeCommand(command) = &mut repr.body else { panic!() };
            change(command);
            let message = frame::message(Profile::Lte, repr.sequence, repr.body);
            let forged = [&octets[..5], &message, &octets[octets.len() - 4..]].concat();
            air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, forged);
            air.run(0);
            assert!(air.up(0, 1).is_none(), "{at}");
            assert!(air.ues[0].disk.keys.is_empty(), "{at}");
            // Before anything is verified.
            let is_told = air.ues[0].notes.iter().any(|note| note.to_string().contains("of another user"));
            assert_eq!(is_told, at == 3, "{at}: {:?}", air.ues[0].notes);
            air.flying.push(right);
            air.run(3 * PERIOD);
            assert!(air.agreed(0, 1), "{at}: {:?}", air.ues[0].notes);
            let tries = air.ues[0].notes.iter().filter(|note| matches!(note, Note::TryEnded { .. })).count();
            assert_eq!(tries, 0, "{at}");
        }
    }
}

/// UE_2 crashed, and answers the same request again with another key. Its first command comes altered: the signature is right, the
/// MAC-I is not. The key of that one is forgotten, and the second command brings its own.
#[test]
fn a_command_with_a_false_mac_leaves_no_key_behind() {
    let mut air = air(EQUIP[0]);
    air.connect(0, 1);
    air.run(PERIOD);
    let mut first = air.flying.pop().unwrap().pdu.octets;
    let request = air.log[0].pdu.octets.clone();
    air.restart(1);
    air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, request);
    air.run(0);
    let second = air.flying.pop().unwrap();
    assert!(second.message() == Some(12) && second.pdu.octets != first, "another key");
    *first.last_mut().unwrap() ^= 1;
    air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, first);
    air.run(0);
    assert!(air.up(0, 1).is_none());
    air.flying.push(second);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1), "{:?}", air.ues[0].notes);
    assert!(!air.ues[0].notes.iter().any(|note| matches!(note, Note::TryEnded { .. })));
}

/// T4.3-1 for commands: Peter answers in John's name with a key of his own, whose MAC-I is right. The signature is not
/// John's.
#[test]
fn an_impostor_with_keys_of_its_own_is_refused() {
    for coverage in [Coverage::Clause, Coverage::Bound] {
        let equip: fn(usize, &mut LinkManager) = match coverage {
            Coverage::Clause => |index, manager| clause(if index == 1 { 2 } else { index }, manager),
            Coverage::Bound => |index, manager| bound(if index == 1 { 2 } else { index }, manager),
        };
        let mut air = air(equip);
        air.connect(0, 1);
        air.run(3 * PERIOD);
        assert!(messages(&air).contains(&12), "he answers");
        assert!(air.up(0, 1).is_none() && air.ues[0].disk.keys.is_empty());
        assert_eq!(causes(&air, 0), [Cause::AuthenticationFailure]);
    }
}

/// T4.3-3, in this direction: Peter takes Mary's request and signs it as his own. The key of the command is for Peter and
/// not for Mary, who has no link by it.
#[test]
fn a_request_signed_again_shares_no_key_with_its_first_sender() {
    let mut air = Air::without_keys(3, |_, _| {}, clause);
    air.channel = Box::new(|_| Vec::new());
    air.connect(0, 1);
    let nonce = request(&air).nonce;
    let user_info = [&[5, Identity::USER][..], b"peter"].concat();
    let peter = keys(2);
    let own = peter.signing(UtcTime::from_millis(T0)).unwrap();
    let signature = own.signing.sign(&[&user_info[..], &nonce].concat(), [7; 32]);
    injected(&mut air, 0x12, |request| {
        request.user_info.value = b"peter";
        request.signature = Some(signature);
    });
    air.run(0);
    // John believes Peter, and sends him a command, which Peter passes on to Mary.
    let octets = air.log.last().unwrap().pdu.octets.clone();
    assert_eq!(command(&air, &octets).user_info.unwrap().value, b"john");
    air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, octets);
    air.run(0);
    assert!(air.up(0, 1).is_none());
    assert_eq!(causes(&air, 0), [Cause::AuthenticationFailure], "not encapsulated for Mary");
}

/// T4.3-4: with the keys of UE_2 nobody reads what UE_2 sent: the key is under UE_1's. With those of UE_1, yes: there is
/// no forward secrecy.
#[test]
fn stolen_keys_open_the_past_of_the_initiating_ue() {
    let mut air = air(clause);
    air.connect(0, 1);
    air.run(1500);
    let payload = command(&air, &air.log[1].pdu.octets).encrypted_payload.unwrap().to_vec();
    let now = UtcTime::from_millis(T0);
    assert!(keys(1).decapsulate(now, &payload).is_err() && keys(2).decapsulate(now, &payload).is_err());
    let ssv = keys(0).decapsulate(now, &payload).unwrap();
    let ends = [name(0), name(1)];
    let of = |at: usize| sidelink_security::direct::signed::Subject { kind: 1, value: &ends[at].value };
    let kd = sidelink_security::direct::keying::kd_from_ssv(&ssv, None, [of(0), of(1)]);
    assert!(kd == air.ues[0].disk.keys[0].kd, "X: no forward secrecy");
    // T4.3-7: the server makes any key again (X: escrow).
    let made = LAB.issue(&name(0), &[period(T0)]);
    assert_eq!(*made.decapsulate(now, &payload).unwrap(), *ssv);
    assert!(OTHER.issue(&name(0), &[period(T0)]).decapsulate(now, &payload).is_err());
}

/// T4.3-5: keys whose period is over make nothing new, and a link that is up goes on.
#[test]
fn expired_keys_make_nothing_new_and_keep_what_is() {
    let day = 86_400_000;
    for expired in 0..2 {
        let mut air = air(clause);
        air.connect(0, 1);
        air.run(1500);
        // 33 days later neither has keys of the period; then one of them gets new ones.
        let later = 33 * day;
        air.now += later;
        air.flying.clear();
        let fresh = Arc::new(LAB.issue(&name(1 - expired), &[period(T0 + later)]));
        let method = IdentityBased::new(fresh, rules(Coverage::Clause));
        air.ues[1 - expired].manager.establish_by(Box::new(method));
        for ue in 0..2 {
            // Their KD is over as well, and the clock is set: the link goes on all the same.
            let now = air.time(ue);
            air.ues[ue].manager.handle_input(Input::Tick { now }).unwrap();
            air.drain(ue);
        }
        assert!(air.agreed(0, 1));
        air.send(0, 1, b"still").unwrap();
        air.run(PERIOD);
        assert_eq!(air.ues[1].received.len(), 1);
        // Something new: not with keys of the last period.
        for ue in 0..2 {
            air.restart(ue);
            air.ues[ue].disk.keys.clear();
        }
        let fresh = Arc::new(LAB.issue(&name(1 - expired), &[period(T0 + later)]));
        let method = IdentityBased::new(fresh, rules(Coverage::Clause));
        air.ues[1 - expired].manager.establish_by(Box::new(method));
        air.connect(0, 1);
        air.run(20_000);
        assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
        let closed = air.ues[0]
            .states
            .iter()
            .any(|(_, state)| matches!(state, State::Closed { why: Closed::CannotAuthenticate }));
        assert_eq!(closed, expired == 0);
        assert!(causes(&air, expired).contains(&Cause::Expired), "{:?}", air.ues[expired].notes);
    }
}

/// Two days around the end of a period the keys of both are good.
#[test]
fn periods_overlap() {
    let first = period(T0);
    let end = super::lab::PERIODS.numbered(first).unwrap().until.millis();
    let day = 86_400_000;
    for (at, agrees) in [(end - 3 * day, false), (end - day, true), (end + day, true), (end + 3 * day, false)]
    {
        let mut air = air(|_, _| {});
        air.now = at;
        // One has the keys of the period that ends, the other those of the next.
        for ue in 0..2 {
            let made = LAB.issue(&name(ue), &[first + ue as u32]);
            let method = IdentityBased::new(Arc::new(made), rules(Coverage::Clause));
            air.ues[ue].manager.establish_by(Box::new(method));
        }
        air.connect(0, 1);
        air.run(4 * PERIOD);
        assert_eq!(air.agreed(0, 1), agrees, "{at}: {:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    }
}

/// T4.3-6: bad signatures from one source cost a bounded number of verifications, and an honest request is served.
#[test]
fn a_flood_of_bad_signatures() {
    let mut air = air(clause);
    air.channel = Box::new(|_| Vec::new());
    air.connect(0, 1);
    air.channel = Box::new(|flying| vec![flying]);
    let mut number = 0_u8;
    for _ in 0..25 {
        for _ in 0..20 {
            number = number.wrapping_add(1);
            injected(&mut air, 0x99, |request| {
                request.signature.as_mut().unwrap()[number as usize % 64] ^= number | 1;
                request.nonce[1] = number;
            });
        }
        air.run(PERIOD);
    }
    // In one second: ten, and one a period after that.
    let judged = causes(&air, 1).len();
    assert!((10..=10 + 25).contains(&judged), "{judged} of 500");
    // The honest request is the second try of Mary, in the middle of it.
    for _ in 0..25 {
        for _ in 0..4 {
            number = number.wrapping_add(1);
            injected(&mut air, 0x99, |request| request.nonce[1] = number);
        }
        air.run(PERIOD);
    }
    assert!(air.agreed(0, 1), "{:?}", air.ues[0].notes);
}

/// NR has no element for a signature: the link ends with the reason, before anything is sent.
#[test]
fn nr_carries_no_signature() {
    PROFILE.set(Profile::Nr);
    let mut air = air(clause);
    air.connect(0, 1);
    air.run(PERIOD);
    assert!(air.log.is_empty());
    let closed = State::Closed { why: Closed::CannotAuthenticate };
    assert_eq!(air.ues[0].states.last().map(|(_, state)| state), Some(&closed));
}

/// A UE that binds its signatures to the time takes no others, whatever the request offers.
#[test]
fn a_weaker_signature_is_not_taken() {
    let mut air = Air::without_keys(2, |_, _| {}, |index, manager| EQUIP[index](index, manager));
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none());
    let unknown = air.ues[1].notes.iter().any(|note| matches!(note, Note::UnknownKd { .. }));
    assert!(unknown, "{:?}", air.ues[1].notes);
    air.connect(1, 0);
    air.run(4 * PERIOD);
    assert!(air.agreed(0, 1), "the other way it can: {:?}", air.ues[0].notes);
}

proptest! {
    #[test]
    fn any_key_information_is_understood_or_not(info: Vec<u8>, own: Option<u8>) {
        let info = own.map_or(info.clone(), |own| [&[IdentityBased::METHOD, own % 4][..], &info].concat());
        let method = IdentityBased::new(keys(0), rules(Coverage::Clause));
        let understood = method.understands(&info);
        prop_assert_eq!(method.answer(&info, [0; 32]).is_some(), understood);
        if understood {
            prop_assert!([0, 2, 18, 10, 26, 6, 22].contains(&info.len()));
        }
    }

    #[test]
    fn what_one_end_says_the_other_understands(seed: [u8; 32], cookie: Option<[u8; 16]>, bound: bool) {
        let coverage = if bound { Coverage::Bound } else { Coverage::Clause };
        let method = IdentityBased::new(keys(0), rules(coverage));
        let (_, info) = method.initiate(UtcTime::from_millis(T0), None, seed, cookie).unwrap();
        prop_assert!(method.understands(&info));
        prop_assert_eq!(method.cookie(&info), cookie);
    }
}
