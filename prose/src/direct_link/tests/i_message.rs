//! Method 3, draft variant: an I_MESSAGE behind the request (TR 33.833 §6.4.3).

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Profile;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body};

use super::super::*;
use super::lab::{LAB, OTHER, keys, period};
use super::rig::{Air, Flying, PERIOD, PROFILE, T0, l2, name};
use crate::mikey::i_message::{Content, Draws, Form, Naming, Recipient, Sender, Servers, make};
use crate::mikey::{NtpTime, identity};

fn with(keys: std::sync::Arc<IdentityKeys>, answer: Answer) -> Box<IdentityBased> {
    Box::new(IdentityBased::new(keys, Rules { variant: Variant::Draft(answer), ..Rules::default() }))
}

pub(super) fn draft(index: usize, manager: &mut LinkManager) {
    manager.establish_by(with(keys(index), Answer::None));
}

pub(super) fn answered(index: usize, manager: &mut LinkManager) {
    manager.establish_by(with(keys(index), Answer::Signed));
}

type Equip = fn(usize, &mut LinkManager);

const EQUIP: [Equip; 2] = [draft, answered];

fn air(equip: Equip) -> Air {
    Air::without_keys(3, |_, _| {}, equip)
}

fn messages(air: &Air) -> Vec<u8> {
    air.log.iter().filter_map(Flying::message).collect()
}

fn causes(air: &Air, ue: usize) -> Vec<Cause> {
    let refused = air.ues[ue].notes.iter().filter_map(|note| match note {
        Note::NotAuthenticated { cause, .. } => Some(*cause),
        _ => None,
    });
    refused.collect()
}

/// The I_MESSAGE in a PDU of LCID 28.
fn content(octets: &[u8]) -> Vec<u8> {
    let repr = receive::parse(PROFILE.get(), &octets[5..]).unwrap();
    let Body::Authentication { content, .. } = repr.body else { panic!("{:?}", repr.body) };
    content.to_vec()
}

fn container(phase: AuthenticationPhase, content: &[u8]) -> Vec<u8> {
    let body = Body::Authentication { phase, method: IdentityBased::METHOD, content };
    frame::plain(&frame::message(PROFILE.get(), 1, body))
}

/// Request and I_MESSAGE of Mary to John, which nobody heard.
fn unheard(equip: Equip) -> (Air, Vec<u8>, Vec<u8>) {
    let mut air = air(equip);
    air.connect(0, 1);
    air.flying.clear();
    let [request, message] = [0, 1].map(|at| air.log[at].pdu.octets.clone());
    (air, request, message)
}

fn inject(air: &mut Air, source: u32, octets: &[u8]) {
    air.inject(l2(source), 1, Lcid::PC5_S_UNPROTECTED, octets.to_vec());
    air.run(0);
}

#[test]
// TR 33.833 §6.4.3
fn an_i_message_makes_a_link_and_a_durable_kd() {
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        for (equip, expected) in
            [(EQUIP[0], &[1, 0xe1, 12, 13, 2][..]), (EQUIP[1], &[1, 0xe1, 0xe0, 12, 13, 2])]
        {
            let mut air = air(equip);
            air.connect(0, 1);
            air.run(5 * PERIOD);
            assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
            assert_eq!(messages(&air), expected);
            assert_eq!(content(&air.log[1].pdu.octets).len(), 521, "with both UIDs");
            assert_eq!(air.ues[1].disk.admissions.len(), 1, "of Mary, before the command");
            let [one, two] = [&air.ues[0].disk.keys[0], &air.ues[1].disk.keys[0]];
            assert!(one.kd == two.kd && one.id == two.id && one.peer == name(1) && two.peer == name(0));
        }
    }
}

/// The command is short, and comes before the long answer in front of it.
#[test]
fn a_command_that_overtakes_the_answer_is_not_lost() {
    let mut air = air(answered);
    air.channel = Box::new(|mut flying| {
        flying.at += if flying.message() == Some(0xe0) { 2 * PERIOD } else { 0 };
        vec![flying]
    });
    air.connect(0, 1);
    air.run(7 * PERIOD);
    assert!(air.agreed(0, 1), "{:?}", air.ues[0].notes);
    assert_eq!(messages(&air), [1, 0xe1, 0xe0, 12, 13, 2], "at the first try");
}

/// A command that takes four periods more than a short one still finds its entry.
#[test]
fn a_long_command_has_time() {
    for equip in [super::in_command::clause, super::in_command::bound] {
        let mut air = air(equip);
        air.channel = Box::new(|mut flying| {
            flying.at += if flying.message() == Some(12) { 3 * PERIOD } else { 0 };
            vec![flying]
        });
        air.connect(0, 1);
        air.run(7 * PERIOD);
        assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
        assert_eq!(messages(&air), [1, 12, 13, 2], "at the first try");
    }
}

#[test]
fn a_re_keying_brings_a_new_i_message() {
    for equip in EQUIP {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut air = air(equip);
            air.connect(0, 1);
            air.run(1500);
            let before = air.up(0, 1).unwrap().1;
            air.rekey(from, to, true).unwrap();
            air.run(6 * PERIOD);
            let after = air.up(0, 1).unwrap().1;
            assert!(air.agreed(0, 1) && after.kd != before.kd, "{:?}", air.ues[to].notes);
            assert_eq!(air.ues[to].disk.admissions.len(), 1);
        }
    }
}

/// Whatever is lost, of the first try or of two: the next try succeeds, with another time.
#[test]
fn losses_at_every_place() {
    for equip in EQUIP {
        for lost in 0_u32..1 << 7 {
            if lost.count_ones() > 2 {
                continue;
            }
            let mut air = air(equip);
            let mut number = 0;
            air.channel = Box::new(move |flying| {
                number += 1;
                if lost.checked_shr(number - 1).is_some_and(|lost| lost & 1 == 1) {
                    vec![]
                } else {
                    vec![flying]
                }
            });
            air.connect(0, 1);
            air.run(4000);
            assert!(air.agreed(0, 1), "{lost:b}: {:?} {:?}", air.ues[0].notes, air.ues[1].notes);
            // In re-keying as well: the message is sent again.
            let lost = lost & 7;
            let mut number = 0;
            air.channel = Box::new(move |flying| {
                number += 1;
                if lost.checked_shr(number - 1).is_some_and(|lost| lost & 1 == 1) {
                    vec![]
                } else {
                    vec![flying]
                }
            });
            let kd = air.up(0, 1).unwrap().1.kd;
            air.rekey(0, 1, true).unwrap();
            air.run(6000);
            assert!(
                air.agreed(0, 1) && air.up(0, 1).unwrap().1.kd != kd,
                "{lost:b}: {:?} {:?}",
                air.ues[0].notes,
                air.ues[1].notes
            );
        }
    }
}

/// T4.3-1: an I_MESSAGE that is forged at any place, of another, for another, of another server. Cause 6, and the right one
/// is taken afterwards.
#[test]
fn a_forged_i_message_is_refused_with_cause_6() {
    let (mut air, request, message) = unheard(draft);
    inject(&mut air, 0x10, &request);
    let i_message = content(&message);
    let mut refused = 0;
    // Header, time, RAND, both UIDs, SAKKE, SIGN.
    for at in [1, 5, 12, 25, 45, 80, 125, 385, 391, 520] {
        let mut octets = i_message.clone();
        octets[at] ^= 1;
        inject(&mut air, 0x10, &container(AuthenticationPhase::Response, &octets));
        refused += 1;
        assert_eq!(causes(&air, 1).len(), refused, "{at}");
        assert!(matches!(causes(&air, 1)[refused - 1], Cause::AuthenticationFailure | Cause::Expired));
        air.run(PERIOD / 2);
    }
    let reject = air.log.iter().find(|flying| flying.message() == Some(0xe2)).unwrap();
    assert_eq!(content(&reject.pdu.octets), [6], "cause 6");
    assert!(air.ues[1].disk.admissions.is_empty(), "nothing is taken that is not proven");
    air.run(2 * PERIOD);
    inject(&mut air, 0x10, &message);
    assert_eq!(air.ues[1].disk.admissions.len(), 1);
    assert!(messages(&air).contains(&12));
}

/// T4.3-2: a replay of the whole request, in the window and after a crash of UE_2 at any point: refused by the durable time.
#[test]
fn a_replayed_i_message_is_refused_also_after_a_crash() {
    let points = {
        let (mut air, request, message) = unheard(draft);
        let before = air.points;
        inject(&mut air, 0x10, &request);
        inject(&mut air, 0x10, &message);
        air.points - before
    };
    assert!(points > 4, "{points}");
    let mut refused = 0;
    for point in 1..=points {
        let (mut air, request, message) = unheard(draft);
        air.crash_at.push(air.points + point);
        inject(&mut air, 0x10, &request);
        inject(&mut air, 0x10, &message);
        let commands = |air: &Air| messages(air).iter().filter(|message| **message == 12).count();
        let before = commands(&air);
        air.crash_at.clear();
        for source in [0x10, 0x99] {
            inject(&mut air, source, &request);
            inject(&mut air, source, &message);
        }
        let taken = commands(&air);
        assert!(taken <= 1, "{point}: two commands for one message");
        assert!(
            before == 0 || air.ues[1].disk.admissions.len() == 1,
            "{point}: a command before its time is durable"
        );
        refused += usize::from(before == 0 && taken == 0);
    }
    assert!(refused >= 1, "killed between the store and the command: the message is spent");
}

/// The CSB ID: a right I_MESSAGE of the next try, newer than any that was taken, is not that of this request.
#[test]
fn an_i_message_of_another_request_is_refused() {
    let (mut air, request, _) = unheard(draft);
    air.channel = Box::new(|_| vec![]);
    air.run(3000);
    let later = air.log.iter().filter(|flying| flying.message() == Some(0xe1)).nth(1).unwrap();
    let later = later.pdu.octets.clone();
    air.channel = Box::new(|flying| vec![flying]);
    inject(&mut air, 0x10, &request);
    inject(&mut air, 0x10, &later);
    assert_eq!(causes(&air, 1), [Cause::AuthenticationFailure]);
    assert!(air.ues[1].disk.admissions.is_empty() && !messages(&air).contains(&12));
}

/// The store fails: no command leaves.
#[test]
fn no_command_without_a_durable_time() {
    let (mut air, request, message) = unheard(draft);
    air.ues[1].failing = |_| true;
    inject(&mut air, 0x10, &request);
    inject(&mut air, 0x10, &message);
    assert!(!messages(&air).contains(&12) && air.ues[1].disk.admissions.is_empty());
    assert_eq!(air.ues[1].manager.half_open(), 0);
}

/// An older message than the last one, in its window, of the same sender: refused. Of another sender: taken.
#[test]
fn an_older_message_is_refused() {
    let mut air = air(draft);
    air.channel = Box::new(|_| Vec::new());
    air.connect(0, 1);
    air.run(1000);
    let requests: Vec<_> = air.log.iter().filter(|f| f.message() == Some(1)).cloned().collect();
    let containers: Vec<_> = air.log.iter().filter(|f| f.message() == Some(0xe1)).cloned().collect();
    assert!(requests.len() >= 2);
    air.channel = Box::new(|flying| vec![flying]);
    air.log.clear();
    for at in [1, 0] {
        inject(&mut air, 0x10, &requests[at].pdu.octets);
        inject(&mut air, 0x10, &containers[at].pdu.octets);
    }
    let commands = messages(&air).iter().filter(|message| **message == 12).count();
    assert_eq!(commands, 1, "{:?}", air.ues[1].notes);
    // The container of one request is not that of another: their CSB IDs differ.
    assert_ne!(
        content(&requests_container(&containers[0]))[4..8],
        content(&requests_container(&containers[1]))[4..8]
    );
}

fn requests_container(flying: &Flying) -> Vec<u8> {
    flying.pdu.octets.clone()
}

/// T4.3-3: Peter strips Mary's signature and signs her SAKKE payload as his own. John believes that he shares a KD with Peter;
/// only Mary has its SSV, and Peter's link fails at the complete.
#[test]
fn a_stolen_payload_signed_again_shares_no_kd_with_the_thief() {
    let (mut air, request, message) = unheard(draft);
    let stolen = content(&message);
    // HDR 10, T 10, RAND 18, two UIDs of 5 + 32, SAKKE head 5: the payload of Mary.
    let payload = &stolen[10 + 10 + 18 + 74 + 5..][..273];
    let (peter, john) = ("ProSe:peter", "ProSe:john");
    let own = keys(2);
    let kms = own.kms().borrowed();
    let mut csb = [0; 4];
    csb.copy_from_slice(&stolen[4..8]);
    let form = Form { naming: Naming::Hidden, servers: Servers::Absent, ..Form::default() };
    let z = LAB.encryption.public_key();
    let now = UtcTime::from_millis(air.now);
    let signing = own.signing(now).unwrap();
    let mut octets = make(
        &Sender { identity: peter, kms, key: &signing.signing },
        &Recipient { identity: john, kms, public_key: identity::PublicKey::Once(z) },
        &[3; 16],
        &Content::new(u32::from_be_bytes(csb), NtpTime::from_utc(now)),
        &form,
        &Draws { rand: [1; 16], iv: [2; 16], nonce: [3; 32] },
    )
    .unwrap();
    let end = octets.len() - 129;
    octets[10 + 10 + 18 + 74 + 5..][..273].copy_from_slice(payload);
    let signature = signing.signing.sign(&octets[..end], [4; 32]);
    octets[end..].copy_from_slice(&signature);
    // Mary's request, in Peter's name.
    let mut repr = receive::parse(Profile::Lte, &request[5..]).unwrap();
    let Body::CommunicationRequest(asked) = &mut repr.body else { panic!() };
    asked.user_info.value = b"peter";
    let asked = frame::plain(&frame::message(Profile::Lte, 1, repr.body));
    inject(&mut air, 0x12, &asked);
    inject(&mut air, 0x12, &container(AuthenticationPhase::Response, &octets));
    assert!(causes(&air, 1).is_empty(), "{:?}", air.ues[1].notes);
    let command = air.log.iter().rfind(|flying| flying.message() == Some(12)).unwrap().pdu.octets.clone();
    // Passed on to Mary, whose request it answers: the KD has Peter's name in it.
    air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, command);
    air.run(4 * PERIOD);
    assert!(air.up(0, 1).is_none() && air.up(1, 2).is_none());
    assert!(air.ues.iter().all(|ue| ue.disk.keys.is_empty()), "no KD is durable anywhere");
    // Mary's next try is not Peter's affair.
    air.run(20_000);
    assert!(air.agreed(0, 1) && air.up(1, 2).is_none() && air.up(2, 1).is_none());
}

/// T4.3-4 and T4.3-7: the keys of UE_2, or those of the server, open what was recorded (X: no forward secrecy, escrow).
#[test]
fn stolen_keys_open_the_past_of_the_target_ue() {
    let mut air = air(draft);
    air.connect(0, 1);
    air.run(1500);
    let message = content(&air.log[1].pdu.octets);
    let payload = &message[117..][..273];
    let now = UtcTime::from_millis(T0);
    assert!(keys(0).decapsulate(now, payload).is_err() && keys(2).decapsulate(now, payload).is_err());
    let ssv = keys(1).decapsulate(now, payload).unwrap();
    let again = LAB.issue(&name(1), &[period(T0)]).decapsulate(now, payload).unwrap();
    assert!(OTHER.issue(&name(1), &[period(T0)]).decapsulate(now, payload).is_err());
    assert_eq!(*again, *ssv);
    let ends = [name(0), name(1)];
    let of = |at: usize| sidelink_security::direct::signed::Subject { kind: 1, value: &ends[at].value };
    let kd = sidelink_security::direct::keying::kd_from_ssv(&ssv, None, [of(0), of(1)]);
    assert!(kd == air.ues[1].disk.keys[0].kd, "X");
}

/// T4.3-8: an attacker takes UE_2's place and leaves out its I_MESSAGE: the initiating UE waits for it, believes no
/// command, and ends without a link.
#[test]
fn an_omitted_answer_makes_no_link() {
    for equip in EQUIP {
        let mut air = air(equip);
        // The attacker hears everything and lets nothing through to John; the command is of its own make.
        air.channel = Box::new(|flying| if flying.to == l2(0x11) { vec![] } else { vec![flying] });
        air.connect(0, 1);
        let [msb, ..] = air.log[0].pdu.octets[5 + 3 + 6 + 1 + 4 + 16 + 2..] else { panic!() };
        for number in 0..8 {
            let octets = [&[0x60, msb, number, 0, 0][..], &[12, 0, number], &[0; 40]].concat();
            air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, octets);
            air.run(PERIOD);
        }
        air.run(20_000);
        assert!(air.up(0, 1).is_none() && air.ues[0].disk.keys.is_empty());
        assert!(matches!(
            air.ues[0].states.last(),
            Some((_, State::Closed { why: Closed::NoAnswer { .. } }))
        ));
    }
    // John himself, who answers without the message that was asked for, as a UE without that rule would.
    let mut air = air(answered);
    air.channel = Box::new(|flying| if flying.message() == Some(0xe0) { vec![] } else { vec![flying] });
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none());
}

/// T4.3-6: bad I_MESSAGEs at the rate of a pool: a bounded number of verifications, and the honest UE is served.
#[test]
fn a_flood_of_bad_i_messages() {
    let (mut air, request, message) = unheard(draft);
    let mut bad = content(&message);
    let end = bad.len();
    bad[end - 1] ^= 1;
    let bad = container(AuthenticationPhase::Response, &bad);
    let flood = |air: &mut Air, number: u8| {
        let mut request = request.clone();
        request[22] ^= number | 1;
        air.inject(l2(0x99), 1, Lcid::PC5_S_UNPROTECTED, request);
        for _ in 0..20 {
            air.inject(l2(0x99), 1, Lcid::PC5_S_UNPROTECTED, bad.clone());
        }
        air.run(PERIOD);
    };
    (0..25).for_each(|number| flood(&mut air, number));
    let judged = causes(&air, 1).len();
    assert!((10..=10 + 25).contains(&judged), "{judged} of 500");
    (25..50).for_each(|number| flood(&mut air, number));
    assert!(air.agreed(0, 1), "{:?}", air.ues[0].notes);
}
