use proptest::prelude::*;

use super::*;
use crate::cipher::Algorithm;
use crate::keys::Kd;
use crate::pdu::{PduRefusal, Proof};

const LCID: u8 = 29;
const HEADER: usize = 5;

fn offer(policy: &Policy) -> Offer {
    Offer { nonce_1: [1; 16], msb: 0x5a, capabilities: policy.capabilities(), stated: None }
}

fn terms(profile: Profile) -> Terms {
    Terms { profile, up_integrity: false, in_use: None }
}

fn pdu(ticket: &Ticket, data: &[u8], room: usize) -> Vec<u8> {
    let mut pdu = vec![0x40];
    pdu.extend(ticket.kd_sess_id().to_be_bytes());
    pdu.extend(ticket.sn().to_be_bytes());
    pdu.extend(data);
    pdu.resize(pdu.len() + room, 0);
    pdu
}

fn sn(pdu: &[u8]) -> u16 {
    u16::from_be_bytes([pdu[3], pdu[4]])
}

fn send(active: &mut Active, lcid: u8, kind: Kind, data: &[u8]) -> Vec<u8> {
    let ticket = active.begin().unwrap();
    let mut out = pdu(&ticket, data, active.mac_octets(kind));
    active.protect(ticket, lcid, kind, &mut out, HEADER).unwrap();
    out
}

fn command(chosen: Chosen, echo: Capabilities) -> Command {
    Command { nonce_2: [2; 16], lsb: 0xa5, chosen, echo, echo_stated: None }
}

/// Returns UE_1's state with its derived keys, UE_2's state, and the PDU of the command.
fn commanded(terms: Terms, kd_1: [u8; 32], kd_2: [u8; 32], policy: Policy) -> (Unproven, Proposed, Vec<u8>) {
    let offer = offer(&policy);
    let chosen = policy.choose(offer.capabilities, None).unwrap();
    let command = command(chosen, offer.capabilities);
    let mut ue_2 = Proposed::new(terms, &Kd::from(kd_2), &offer, &command).unwrap();
    let ticket = ue_2.begin().unwrap();
    let mut out = pdu(&ticket, b"command", 4);
    ue_2.protect_command(ticket, LCID, &mut out, HEADER).unwrap();
    let ue_1 = Requested::new(terms, offer, policy).command(&Kd::from(kd_1), &command).unwrap();
    (ue_1, ue_2, out)
}

fn linked(terms: Terms, policy: Policy) -> (Active, Active) {
    let (ue_1, ue_2, mut pdu) = commanded(terms, [7; 32], [7; 32], policy);
    let number = sn(&pdu);
    let (mut ue_1, _) = ue_1.prove(number, LCID, &mut pdu, HEADER).unwrap();
    let mut complete = send(&mut ue_1, LCID, Kind::Signalling, b"complete");
    let (ue_2, opened) = ue_2.complete(sn(&complete), LCID, &mut complete, HEADER).unwrap();
    assert_eq!(&complete[HEADER..opened.end], b"complete");
    (ue_1, ue_2)
}

#[test]
// TS 24.334 §10.4.5.1; TS 24.334 §10.4.5.2 (7); TS 33.303 §6.5.3.1 (1); TS 33.303 §6.5.5.2 step 3 (2)
// TS 36.323 §5.6.2 (3); TS 36.323 §6.2.10 (2)
fn two_ues_agree_and_talk_in_both_profiles() {
    for profile in [Profile::Lte, Profile::Nr] {
        let (mut ue_1, mut ue_2) = linked(terms(profile), Policy::default());
        assert_eq!(ue_1.id(), ue_2.id());
        assert_eq!(ue_1.id().value(), 0x5aa5);
        for (from, to) in [(true, b"to ue 2"), (false, b"to ue 1")] {
            let (sender, receiver) = if from { (&mut ue_1, &mut ue_2) } else { (&mut ue_2, &mut ue_1) };
            let mut sent = send(sender, 30, Kind::Signalling, to);
            assert_ne!(&sent[HEADER..HEADER + 7], to, "ciphered");
            let again = sent.clone();
            let opened = receiver.open(sn(&sent), 30, Kind::Signalling, &mut sent, HEADER).unwrap();
            assert_eq!(&sent[HEADER..opened.end], to);
            assert!(matches!(opened.proof, Proof::Integrity(_)));
            let mut again = again;
            assert_eq!(
                receiver.open(sn(&again), 30, Kind::Signalling, &mut again, HEADER),
                Err(PduRefusal::Replay)
            );
        }
    }
}

/// In LTE a MAC-I stays in the clear (TS 36.323 §5.6.2), in NR it is ciphered (TS 38.323 §5.8). Both are computed here
/// from the derivations and the integrity algorithm alone.
#[test]
// TS 36.323 §5.6.2 (1)
fn the_mac_i_is_in_the_clear_in_lte_and_ciphered_in_nr() {
    use crate::cipher::{Bearer, Direction, Eia, Inputs};
    use crate::counter::Count;
    use crate::kdf::{lte, nr};
    let (kd, nonces) = (Kd::from([7; 32]), ([1; 16], [2; 16]));
    let eia = |profile, algorithm: Algorithm| match profile {
        Profile::Lte => {
            let root = lte::kd_sess(&kd, &nonces.0, &nonces.1);
            Eia::new(algorithm, &lte::pik(&root, algorithm))
        }
        Profile::Nr => {
            let root = nr::knrp_sess(&crate::keys::Knrp::from([7; 32]), &nonces.0, &nonces.1);
            let pik = nr::nrpik(&root, algorithm.id());
            Eia::new(algorithm, &crate::keys::Pik::from(*pik.as_bytes()))
        }
    };
    for profile in [Profile::Lte, Profile::Nr] {
        let (mut ue_1, mut ue_2) = linked(terms(profile), Policy::default());
        let mut sent = send(&mut ue_1, 30, Kind::Signalling, b"alive");
        let count = Count::from_parts(0x5aa5, sn(&sent));
        let inputs = Inputs { count, bearer: Bearer::from_lcid(30), direction: Direction::Zero };
        let plain = [&sent[..HEADER], b"alive"].concat();
        let mac_i = eia(profile, ue_1.chosen().eia).protect(inputs, &plain);
        assert_ne!(sent[HEADER..HEADER + 5], *b"alive", "ciphered");
        assert_eq!(sent[HEADER + 5..] == mac_i.0, profile == Profile::Lte, "{profile:?}");
        let opened = ue_2.open(sn(&sent), 30, Kind::Signalling, &mut sent, HEADER).unwrap();
        assert_eq!((&sent[HEADER..opened.end], &sent[opened.end..]), (&b"alive"[..], &mac_i.0[..]));
    }
}

/// A PDU of one end cannot be reflected to it, nor moved to another channel.
#[test]
// TS 33.303 §6.5.6.2 (2); TS 36.323 §5.6.2 (2); TS 36.323 §5.7 (2)
fn reflection_and_moving_fail() {
    let (mut ue_1, mut ue_2) = linked(terms(Profile::Lte), Policy::default());
    let sent = send(&mut ue_1, 30, Kind::Signalling, b"x");
    let open = |ue: &mut Active, lcid, kind| ue.open(sn(&sent), lcid, kind, &mut sent.clone(), HEADER);
    assert_eq!(open(&mut ue_1, 30, Kind::Signalling), Err(PduRefusal::BadMac), "reflected");
    assert_eq!(open(&mut ue_2, 29, Kind::Signalling), Err(PduRefusal::BadMac), "another channel");
    assert_eq!(open(&mut ue_2, 30, Kind::Command), Err(PduRefusal::BadMac), "as if not ciphered");
    assert!(open(&mut ue_2, 30, Kind::Signalling).is_ok());
}

#[test]
// TS 24.334 §10.4.5.3 (1); TS 33.303 §6.5.2 (5); TS 36.323 §5.7 (1)
fn another_kd_or_a_changed_command_proves_nothing() {
    let (ue_1, _, mut pdu) = commanded(terms(Profile::Lte), [7; 32], [8; 32], Policy::default());
    let number = sn(&pdu);
    let refused = ue_1.prove(number, LCID, &mut pdu, HEADER).err();
    assert_eq!(refused, Some(CommandRefusal::Pdu(PduRefusal::BadMac)));
    for bit in 0..16 * 8 {
        let (ue_1, _, mut pdu) = commanded(terms(Profile::Lte), [7; 32], [7; 32], Policy::default());
        assert_eq!(pdu.len(), 16);
        pdu[bit / 8] ^= 0x80 >> (bit % 8);
        let number = sn(&pdu);
        assert!(ue_1.prove(number, LCID, &mut pdu, HEADER).is_err(), "bit {bit}");
    }
}

/// A wrong complete leaves UE_2's state unchanged: the right one is still accepted.
#[test]
// TS 33.303 §6.5.5.2 step 5; TS 36.323 §5.7 (2)
fn a_wrong_complete_is_not_the_end() {
    let (ue_1, ue_2, mut pdu) = commanded(terms(Profile::Lte), [7; 32], [7; 32], Policy::default());
    let number = sn(&pdu);
    let (mut ue_1, _) = ue_1.prove(number, LCID, &mut pdu, HEADER).unwrap();
    let mut complete = send(&mut ue_1, LCID, Kind::Signalling, b"complete");
    let mut wrong = complete.clone();
    wrong[6] ^= 1;
    let (ue_2, refusal) = ue_2.complete(sn(&wrong), LCID, &mut wrong, HEADER).unwrap_err();
    assert_eq!(refusal, PduRefusal::BadMac);
    assert!(ue_2.complete(sn(&complete), LCID, &mut complete, HEADER).is_ok());
}

#[test]
// TS 24.334 §10.4.5.2 (4); TS 33.303 §6.5.5.2 step 4 (1)
fn bidding_down_shows_in_the_echo() {
    let policy = Policy { integrity: Need::Preferred, ciphering: Need::Preferred, ..Policy::default() };
    let asked = offer(&policy);
    let requested = Requested::new(terms(Profile::Lte), asked, policy);
    // T4.1-2: the strong algorithms are cleared on the way, down to null.
    let weaker = Capabilities { eea: 0x80, eia: 0x80 };
    let chosen = Chosen { eea: Algorithm::Null, eia: Algorithm::Null };
    assert_eq!(policy.choose(weaker, None), Err(Disagreement::NullRefused(chosen)));
    let refused = requested.judge(&command(chosen, weaker));
    assert_eq!(refused.err(), Some(Disagreement::EchoDiffers { sent: asked.capabilities, echoed: weaker }));
    // Where everything is required, null is refused before it is chosen.
    assert_eq!(Policy::default().choose(weaker, None), Err(Disagreement::PolicyMismatch));
    let strict = Policy::default();
    let requested = Requested::new(terms(Profile::Lte), offer(&strict), strict);
    let refused = requested.judge(&command(chosen, strict.capabilities()));
    assert_eq!(refused.err(), Some(Disagreement::NotOffered(chosen)));
}

/// Method 2: UE_2's command does not exceed the capabilities that UE_2 signed, in both algorithms.
#[test]
fn the_command_keeps_to_what_ue_2_signed() {
    let policy = Policy::default();
    let offered = offer(&policy);
    let judge = |signed: Capabilities| {
        let mut requested = Requested::new(terms(Profile::Lte), offered, policy);
        requested.hear(signed);
        let chosen = Chosen { eea: Algorithm::Aes, eia: Algorithm::Zuc };
        requested.judge(&command(chosen, offered.capabilities))
    };
    let chosen = Chosen { eea: Algorithm::Aes, eia: Algorithm::Zuc };
    assert_eq!(judge(Capabilities { eea: 0x20, eia: 0x10 }), Ok(()));
    assert_eq!(judge(Capabilities { eea: 0x50, eia: 0x10 }), Err(Disagreement::NotSigned(chosen)));
    assert_eq!(judge(Capabilities { eea: 0x20, eia: 0x60 }), Err(Disagreement::NotSigned(chosen)));
}

#[test]
// TS 33.303 §6.5.2 (2)
fn policies_meet_as_the_table_says() {
    use Need::{NotNeeded, Preferred, Required};
    // (UE_1, UE_2) -> ciphered?
    let table = [
        (Required, Required, Some(true)),
        (Required, Preferred, Some(true)),
        (Required, NotNeeded, None),
        (Preferred, Required, Some(true)),
        (Preferred, Preferred, Some(true)),
        (Preferred, NotNeeded, Some(false)),
        (NotNeeded, Required, None),
        (NotNeeded, Preferred, Some(false)),
        (NotNeeded, NotNeeded, Some(false)),
    ];
    for (one, two, expected) in table {
        let (one, two) =
            (Policy { ciphering: one, ..Policy::default() }, Policy { ciphering: two, ..Policy::default() });
        let said = Stated { integrity: one.integrity, ciphering: one.ciphering };
        for stated in [None, Some(said)] {
            let chosen = two.choose(one.capabilities(), stated);
            assert_eq!(chosen.ok().map(|c| c.eea != Algorithm::Null), expected, "{one:?} {two:?}");
            assert!(chosen.ok().is_none_or(|c| c.eia == Algorithm::Aes));
        }
    }
}

/// T4.1-13: ciphering is never combined with null integrity.
#[test]
fn null_integrity_never_under_ciphering() {
    let policy = Policy { integrity: Need::NotNeeded, ciphering: Need::Required, ..Policy::default() };
    let refused = policy.choose(policy.capabilities(), None);
    assert!(matches!(refused, Err(Disagreement::NullRefused(_))), "{refused:?}");
    let both = Policy { integrity: Need::NotNeeded, ciphering: Need::NotNeeded, ..Policy::default() };
    let (mut ue_1, mut ue_2) = linked(terms(Profile::Lte), both);
    let mut sent = send(&mut ue_1, 30, Kind::Signalling, b"open");
    assert_eq!(&sent[HEADER..9], b"open");
    let opened = ue_2.open(sn(&sent), 30, Kind::Signalling, &mut sent, HEADER).unwrap();
    assert_eq!(opened.proof, Proof::Unprotected);
}

/// TRK-3: re-keying switches no protection on or off.
#[test]
fn activation_stays_for_the_life_of_a_link() {
    let policy = Policy { ciphering: Need::Preferred, ..Policy::default() };
    let null = Chosen { eea: Algorithm::Null, eia: Algorithm::Aes };
    let real = Chosen { eea: Algorithm::Zuc, eia: Algorithm::Snow3g };
    for (old, new, allowed) in
        [(null, real, false), (real, null, false), (real, real, true), (null, null, true)]
    {
        let terms = Terms { in_use: Some(old), ..terms(Profile::Lte) };
        let offer = offer(&policy);
        let command = command(new, offer.capabilities);
        let kd = Kd::from([7; 32]);
        assert_eq!(Proposed::new(terms, &kd, &offer, &command).is_ok(), allowed);
        assert_eq!(Requested::new(terms, offer, policy).judge(&command).is_ok(), allowed);
    }
}

/// T4.1-9 (X): flipped bits of user data pass, and with `up_integrity` they do not.
#[test]
// TS 33.303 §6.5.2 (4)
fn user_data_is_malleable_unless_integrity_is_on() {
    for up_integrity in [false, true] {
        let terms = Terms { up_integrity, ..terms(Profile::Nr) };
        let (mut ue_1, mut ue_2) = linked(terms, Policy::default());
        let mut sent = send(&mut ue_1, 3, Kind::User, b"pay 100");
        assert_eq!(sent.len(), HEADER + 7 + if up_integrity { 4 } else { 0 });
        sent[HEADER + 4] ^= b'1' ^ b'9';
        match ue_2.open(sn(&sent), 3, Kind::User, &mut sent, HEADER) {
            Ok(opened) => assert_eq!(&sent[HEADER..opened.end], b"pay 900"),
            Err(refusal) => assert_eq!((refusal, up_integrity), (PduRefusal::BadMac, true)),
        }
    }
}

#[test]
fn sequence_numbers_end_and_never_wrap() {
    let (mut ue_1, _) = linked(terms(Profile::Lte), Policy::default());
    let mut last = 1;
    while let Ok(ticket) = ue_1.begin() {
        assert_eq!(ticket.sn(), last + 1, "none twice, none left out");
        last = ticket.sn();
        assert_eq!(ue_1.wants_rekeying(), last >= Active::REKEY_AT - 1, "{last:#x}");
    }
    assert_eq!((last, ue_1.left()), (u16::MAX, 0));
    assert_eq!(ue_1.begin(), Err(SendError::Exhausted));
}

/// A broken random source returns the same seed again: no draw repeats while the numbers do not.
#[test]
// TS 24.334 §10.4.2.2 (7)
fn draws_differ_by_number_under_one_seed() {
    let draws: Vec<_> = (0..100).map(|number| Entropy::new(&[9; 32]).draw(number)).collect();
    for (i, draw) in draws.iter().enumerate() {
        assert!(!draws[..i].contains(draw));
    }
    let mut entropy = Entropy::new(&[9; 32]);
    assert_eq!(entropy.draw(0), draws[0], "deterministic");
    assert_ne!(entropy.draw(0), draws[0], "the state steps on");
}

#[test]
// TS 33.303 §6.5.3.1 (2); TS 36.323 §5.6.2 (6)
fn halves_are_free_and_never_zero() {
    assert_eq!(pick_half(0, 255, |_| false), Some(1));
    assert_eq!(pick_half(255, 255, |h| h == 255), Some(1));
    assert_eq!(pick_half(7, 255, |h| h != 6), Some(6));
    assert_eq!(pick_half(7, 255, |_| true), None);
    assert_eq!(KdSessId::from_halves(0, 0), None, "the name of a PDU without protection");
    assert_eq!(KdSessId::from_halves(0, 1).map(KdSessId::value), Some(1));
    assert_eq!(KdSessId::from_halves(1, 0).map(KdSessId::value), Some(0x100));
}

proptest! {
    /// Any octets in any state: refused or opened, never a panic; no PDU that was not sent is proven.
    #[test]
    fn any_bytes_are_judged(mut bytes in prop::collection::vec(any::<u8>(), 0..60), lcid: u8, kind in 0usize..3, number: u16) {
        let kind = [Kind::Command, Kind::Signalling, Kind::User][kind];
        let (mut ue_1, _) = linked(terms(Profile::Lte), Policy::default());
        let opened = ue_1.open(number, lcid, kind, &mut bytes, HEADER);
        if let Ok(opened) = opened {
            prop_assert_eq!(kind, Kind::User);
            prop_assert_eq!(opened.proof, Proof::Deciphered);
        }
    }
}

/// User data between two policies, under the algorithms of signalling: never protected at one end only.
#[test]
fn both_ends_agree_on_user_data() {
    use Need::{NotNeeded, Preferred, Required};
    let needs = [NotNeeded, Preferred, Required];
    let (aes, null) = (Algorithm::Aes, Algorithm::Null);
    let mut refused = 0;
    for (own, peer) in needs.into_iter().flat_map(|own| needs.map(|peer| (own, peer))) {
        for chosen in
            [Chosen { eea: aes, eia: aes }, Chosen { eea: null, eia: aes }, Chosen { eea: null, eia: null }]
        {
            let ciphering = if chosen.eea == null { NotNeeded } else { Required };
            let two = Policy { up_integrity: own, ciphering, ..Policy::default() };
            let one = Policy { up_integrity: peer, ciphering, ..Policy::default() };
            match two.user_plane(Stated { integrity: peer, ciphering }, chosen) {
                Ok(on) => {
                    assert!(
                        one.allows_user_plane(on, chosen.eea != null, chosen),
                        "{own:?} {peer:?} {chosen}"
                    );
                    assert!(!on || chosen.eia != null);
                    assert!(on || own != Required && peer != Required);
                }
                Err(disagreement) => {
                    assert_eq!(disagreement, Disagreement::PolicyMismatch);
                    refused += 1;
                }
            }
            let other = if chosen.eea == null { Required } else { NotNeeded };
            let wrong = Stated { integrity: peer, ciphering: other };
            assert_eq!(two.user_plane(wrong, chosen), Err(Disagreement::PolicyMismatch));
        }
    }
    // Required against not needed, in either direction; and required where integrity is null.
    assert_eq!(refused, 3 * 2 + 3);
}

/// A new name: SN begin again and reveal nothing about the earlier ones, COUNT differs nevertheless; the old name still
/// opens PDUs on their way, and never comes back.
#[test]
fn a_key_with_a_new_name() {
    let (mut one, mut two) = linked(terms(Profile::Nr), Policy::default());
    let (old, new) = (one.id(), KdSessId::from_halves(0x11, 0x22).unwrap());
    // On its way when the names change: SN 2, since 1 was the complete.
    let mut late = send(&mut one, 30, Kind::Signalling, b"data");
    assert!(one.renamed(old).is_none() && two.renamed(old).is_none());
    let (mut sender, mut receiver) = (one.renamed(new).unwrap().activate(), two.renamed(new).unwrap());
    assert!(one.renamed(new).is_none() && sender.renamed(old).is_none(), "never twice");
    assert_eq!((sender.fingerprint(), sender.id()), (one.fingerprint(), new));
    let first = send(&mut sender, 30, Kind::Signalling, b"data");
    assert_eq!(first[1..5], [0x11, 0x22, 0, 1], "SN begin again");
    let second = send(&mut sender, 30, Kind::Signalling, b"data");
    assert_ne!(second[HEADER..], late[HEADER..], "one SN, two COUNT");
    let mut octets = first.clone();
    let opened = receiver.open(1, 30, Kind::Signalling, &mut octets, HEADER).unwrap();
    assert_eq!(&octets[HEADER..opened.end], b"data");
    assert_eq!(receiver.open(1, 30, Kind::Signalling, &mut first.clone(), HEADER), Err(PduRefusal::Replay));
    let opened = two.retire().open(sn(&late), 30, Kind::Signalling, &mut late, HEADER).unwrap();
    assert_eq!(&late[HEADER..opened.end], b"data");
    assert!(receiver.activate().commanded());
}

#[test]
fn a_policy_that_comes_back_changed_is_refused() {
    let policy = Policy { ciphering: Need::Preferred, ..Policy::default() };
    let offer = Offer { stated: Some(policy.capabilities().stated()), ..offer(&policy) };
    let requested = Requested::new(terms(Profile::Nr), offer, policy);
    let chosen = policy.choose(offer.capabilities, offer.stated).unwrap();
    let right = Command { echo_stated: offer.stated, ..command(chosen, offer.capabilities) };
    assert!(requested.judge(&right).is_ok());
    let stated = Stated { ciphering: Need::NotNeeded, ..offer.stated.unwrap() };
    for echo_stated in [None, Some(stated)] {
        let refused = requested.judge(&Command { echo_stated, ..right });
        assert_eq!(refused.unwrap_err(), Disagreement::PolicyEchoDiffers);
    }
}

/// A command is checked once its MAC-I is right, and not before: for an unproven command the error is a wrong MAC-I,
/// whatever its content.
#[test]
// TS 33.303 §6.5.5.2 step 4 (1)
fn the_mac_of_a_command_comes_before_its_content() {
    let (policy, kd) = (Policy::default(), Kd::from([7; 32]));
    let asked = offer(&policy);
    let chosen = policy.choose(asked.capabilities, None).unwrap();
    let changed = command(chosen, Capabilities { eea: 0x40, ..asked.capabilities });
    let mut proposed = Proposed::new(terms(Profile::Lte), &kd, &asked, &changed).unwrap();
    let ticket = proposed.begin().unwrap();
    let number = ticket.sn();
    let mut pdu = vec![0; HEADER + 8];
    proposed.protect_command(ticket, LCID, &mut pdu, HEADER).unwrap();
    for (flip, pdu_refusal) in [(1, true), (0, false)] {
        let mut pdu = pdu.clone();
        pdu[HEADER + 1] ^= flip;
        let unproven = Requested::new(terms(Profile::Lte), asked, policy).command(&kd, &changed).unwrap();
        match unproven.prove(number, LCID, &mut pdu, HEADER).unwrap_err() {
            CommandRefusal::Pdu(PduRefusal::BadMac) => assert!(pdu_refusal),
            CommandRefusal::Disagrees { disagreement: Disagreement::EchoDiffers { .. }, proven: true } => {
                assert!(!pdu_refusal);
            }
            other => panic!("{other:?}"),
        }
    }
    // Under null integrity nothing is proven, and the result says so.
    let null = command(Chosen { eea: Algorithm::Null, eia: Algorithm::Null }, asked.capabilities);
    let unproven = Requested::new(terms(Profile::Lte), asked, policy).command(&kd, &null).unwrap();
    let refused = unproven.prove(1, LCID, &mut [0; HEADER + 8], HEADER).unwrap_err();
    assert!(matches!(refused, CommandRefusal::Disagrees { proven: false, .. }));
}

/// The first UE to answer would choose null integrity, and prove no identity: a policy that prefers integrity neither
/// offers nor accepts it, at either end.
#[test]
// TS 36.323 §6.3.4
fn null_integrity_is_only_for_who_wants_none() {
    use Need::{NotNeeded, Preferred, Required};
    let null = Chosen { eea: Algorithm::Null, eia: Algorithm::Null };
    for integrity in [Required, Preferred, NotNeeded] {
        let policy = Policy { integrity, ciphering: NotNeeded, ..Policy::default() };
        assert_eq!(policy.capabilities().eia & 0x80 != 0, integrity == NotNeeded);
        let offered = Capabilities { eea: 0x80, eia: 0xf0 };
        let weak = Stated { integrity: NotNeeded, ciphering: NotNeeded };
        assert_eq!(policy.choose(offered, Some(weak)).is_ok(), integrity == NotNeeded, "{integrity:?}");
        assert_eq!(policy.check(offered, null).is_ok(), integrity == NotNeeded, "{integrity:?}");
    }
}

/// An SN without a MAC-I moves the window a limited distance beyond the last proven one: a forged SN silences no peer
/// for good, and a peer that proves its SN is not refused.
#[test]
fn an_unproven_sn_moves_the_window_only_so_far() {
    let (mut sender, mut receiver) = linked(terms(Profile::Lte), Policy::default());
    let mut forged = vec![0x40, 0, 0, 0xff, 0xff, 1, 2, 3];
    for sn in [0xffff, 0x2000, 1 + context::UNPROVEN_AHEAD + 1] {
        let refused = receiver.open(sn, 3, Kind::User, &mut forged, HEADER);
        assert_eq!(refused, Err(PduRefusal::TooFarAhead), "{sn:x}");
    }
    for number in 0..600u16 {
        let mut sent = send(&mut sender, 3, Kind::User, &number.to_be_bytes());
        assert!(receiver.open(sn(&sent), 3, Kind::User, &mut sent, HEADER).is_ok());
    }
    assert!(!receiver.wants_proof());
    for _ in 600..context::UNPROVEN_AHEAD - 4 {
        let mut sent = send(&mut sender, 3, Kind::User, b"data");
        assert!(receiver.open(sn(&sent), 3, Kind::User, &mut sent, HEADER).is_ok());
    }
    assert!(receiver.wants_proof());
    let mut proof = send(&mut sender, 30, Kind::Signalling, b"alive");
    assert!(receiver.open(sn(&proof), 30, Kind::Signalling, &mut proof, HEADER).is_ok());
    assert!(!receiver.wants_proof());
    for _ in 0..context::UNPROVEN_AHEAD {
        let mut sent = send(&mut sender, 3, Kind::User, b"data");
        assert!(receiver.open(sn(&sent), 3, Kind::User, &mut sent, HEADER).is_ok());
    }
    let mut sent = send(&mut sender, 3, Kind::User, b"data");
    let refused = receiver.open(sn(&sent), 3, Kind::User, &mut sent, HEADER);
    assert_eq!(refused, Err(PduRefusal::TooFarAhead));
}
