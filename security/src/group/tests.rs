use super::*;
use crate::counter::memory::Memory;
use crate::counter::reserve::ReserveConfig;
use crate::pdu::{PduRefusal, Proof};
use proptest::prelude::*;
use std::collections::BTreeSet;

const ME: [u8; 3] = [1, 2, 3];
const HEADER: usize = 5;
const LCID: u8 = 4;

fn now() -> UtcCounter {
    UtcCounter::new(1_000_000)
}

fn group(eea: Algorithm, mac: Option<Algorithm>) -> GroupConfig {
    GroupConfig { group_id: [9, 9, 9], eea, mac }
}

fn key(pgk_id: u8, expiry: u32) -> GroupKey {
    let pgk = Pgk::from([pgk_id ^ 0x55; 32]);
    GroupKey { pgk_id, pgk, valid_from: UtcCounter::new(0), expiry: UtcCounter::new(expiry) }
}

fn sender(config: GroupConfig, store: &mut Memory) -> Sender {
    let mut sender = Sender::new(config, ME);
    sender.install(key(1, 2_000_000), ReserveConfig::default(), store).unwrap();
    sender
}

fn receiver(config: GroupConfig) -> Receiver {
    let mut receiver = Receiver::new(ReceiverConfig::new(config));
    receiver.install(key(1, 2_000_000)).unwrap();
    receiver
}

/// Sends a PDU of `text`, with a header as in TS 36.323 §6.2.10.
fn send(sender: &mut Sender, text: &[u8]) -> (Incoming, Vec<u8>) {
    let ticket = sender.begin(now()).unwrap();
    let incoming = Incoming {
        source: ME,
        lcid: LCID,
        pgk_index: ticket.pgk_index(),
        ptk_identity: ticket.ptk_identity(),
        sn: ticket.sn(),
    };
    let mut pdu = vec![incoming.pgk_index];
    pdu.extend(incoming.ptk_identity.to_be_bytes());
    pdu.extend(incoming.sn.to_be_bytes());
    pdu.extend(text);
    pdu.resize(pdu.len() + sender.config().mac_octets(), 0);
    sender.protect(ticket, LCID, &mut pdu, HEADER).unwrap();
    (incoming, pdu)
}

fn all_configs() -> impl Iterator<Item = GroupConfig> {
    Algorithm::ALL.into_iter().flat_map(|eea| {
        [None, Some(Algorithm::Snow3g), Some(Algorithm::Aes), Some(Algorithm::Zuc)].map(|mac| group(eea, mac))
    })
}

#[test]
// TS 33.303 §6.2.3.1 (2); TS 33.303 §6.2.3.3.1 step 4; TS 36.323 §5.6.1 (1)
fn what_is_sent_is_what_is_opened_under_every_algorithm() {
    for config in all_configs() {
        let (mut sender, mut receiver) = (sender(config, &mut Memory::default()), receiver(config));
        for text in [&b""[..], b"a", b"a group call of some length, over several cipher blocks"] {
            let (incoming, mut pdu) = send(&mut sender, text);
            if config.eea != Algorithm::Null && text.len() > 8 {
                assert_ne!(&pdu[HEADER..HEADER + text.len()], text);
            }
            let opened = receiver.open(now(), incoming, &mut pdu, HEADER).unwrap();
            assert_eq!(&pdu[HEADER..opened.end], text, "{config:?}");
            assert_eq!(opened.pgk_id, Some(1));
            match config.mac {
                None => assert_eq!(opened.proof, Proof::Deciphered),
                Some(_) => assert!(matches!(opened.proof, Proof::Integrity(_))),
            }
        }
    }
}

/// TS 33.303 has no MAC here: the flipped bit arrives. The optional MAC-I detects it, also in the header.
#[test]
// TS 33.303 §6.2 (integrity)
fn a_flipped_bit_passes_without_the_mac_and_never_with_it() {
    for config in [group(Algorithm::Aes, None), group(Algorithm::Aes, Some(Algorithm::Aes))] {
        let (mut sender, receiver_of) = (sender(config, &mut Memory::default()), receiver);
        let (incoming, pdu) = send(&mut sender, b"stop");
        for bit in 0..8 * pdu.len() {
            let mut flipped = pdu.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let result = receiver_of(config).open(now(), incoming, &mut flipped, HEADER);
            if config.mac.is_some() {
                assert_eq!(result, Err(PduRefusal::BadMac), "bit {bit}");
                assert!(flipped[HEADER..].iter().all(|octet| *octet == 0), "nothing of it is handed on");
            } else {
                let opened = result.unwrap();
                let mut expected = *b"stop";
                if bit >= 8 * HEADER {
                    expected[bit / 8 - HEADER] ^= 0x80 >> (bit % 8);
                }
                assert_eq!(flipped[HEADER..opened.end], expected);
            }
        }
    }
}

#[test]
// TS 33.303 §6.2.3.2 (6); TS 33.303 §6.2.3.6.1 (2); TS 36.323 §5.6.1 (1)
fn other_header_fields_do_not_verify() {
    let config = group(Algorithm::Aes, Some(Algorithm::Aes));
    let (incoming, pdu) = send(&mut sender(config, &mut Memory::default()), b"stop");
    for wrong in [
        Incoming { source: [1, 2, 4], ..incoming },
        Incoming { lcid: 5, ..incoming },
        Incoming { ptk_identity: 2, ..incoming },
        Incoming { sn: 2, ..incoming },
    ] {
        let result = receiver(config).open(now(), wrong, &mut pdu.clone(), HEADER);
        assert_eq!(result, Err(PduRefusal::BadMac), "{wrong:?}");
    }
    let result =
        receiver(config).open(now(), Incoming { pgk_index: 2, ..incoming }, &mut pdu.clone(), HEADER);
    assert_eq!(result, Err(PduRefusal::UnknownKey));
}

#[test]
// TS 33.303 §6.2.2; TS 36.323 §5.1.2.1.4.1 (1)
fn a_receiver_joins_in_mid_stream_and_refuses_replays() {
    let config = group(Algorithm::Snow3g, None);
    let mut sender = sender(config, &mut Memory::default());
    let early = send(&mut sender, b"early");
    let sent: Vec<_> = (0..100).map(|_| send(&mut sender, b"hello")).collect();
    let mut receiver = receiver(config);
    for (incoming, pdu) in &sent {
        assert!(receiver.open(now(), *incoming, &mut pdu.clone(), HEADER).is_ok());
    }
    for (i, (incoming, pdu)) in sent.iter().enumerate() {
        let expected = if i < 36 { PduRefusal::Late } else { PduRefusal::Replay };
        assert_eq!(receiver.open(now(), *incoming, &mut pdu.clone(), HEADER), Err(expected), "{i}");
    }
    assert_eq!(receiver.open(now(), early.0, &mut early.1.clone(), HEADER), Err(PduRefusal::Late));
}

#[test]
// TS 33.303 §6.2.3.1 (3)
fn the_key_that_expires_first_sends_and_old_keys_open_for_stragglers() {
    let config = group(Algorithm::Zuc, None);
    let mut store = Memory::default();
    let mut sender = Sender::new(config, ME);
    for (id, expiry) in [(7, 3_000_000), (2, 1_500_000), (33, 2_000_000)] {
        sender.install(key(id, expiry), ReserveConfig::default(), &mut store).unwrap();
    }
    // 33 and 1 share the index 1.
    assert_eq!(
        sender.install(key(1, 9_000_000), ReserveConfig::default(), &mut store),
        Err(InstallError::IndexTaken { by: 33 })
    );
    let at = |seconds| UtcCounter::new(seconds);
    assert_eq!(sender.begin(at(1_000_000)).unwrap().pgk_id(), 2);
    assert_eq!(sender.begin(at(1_499_999)).unwrap().pgk_id(), 2);
    assert_eq!(sender.begin(at(1_500_000)).unwrap().pgk_id(), 33);
    assert_eq!(sender.begin(at(2_000_000)).unwrap().pgk_id(), 7);
    assert_eq!(sender.begin(at(3_000_000)), Err(SendError::NoValidKey));

    let mut receiver = Receiver::new(ReceiverConfig { grace: 100, ..ReceiverConfig::new(config) });
    receiver.install(key(2, 1_500_000)).unwrap();
    assert_eq!(receiver.install(key(34, 9_000_000)).unwrap_err().pgk_id, 34);
    for (seconds, expected) in [(1_500_099, None), (1_500_100, Some(PduRefusal::Expired))] {
        let (mut s, mut st) = (Sender::new(config, ME), Memory::default());
        s.install(key(2, 1_500_000), ReserveConfig::default(), &mut st).unwrap();
        let (incoming, mut pdu) = send(&mut s, b"late");
        assert_eq!(receiver.open(at(seconds), incoming, &mut pdu, HEADER).err(), expected);
        receiver = Receiver::new(*receiver.config());
        receiver.install(key(2, 1_500_000)).unwrap();
    }
    receiver.expire(at(1_500_100));
    let incoming = Incoming { source: ME, lcid: LCID, pgk_index: 2, ptk_identity: 1, sn: 1 };
    assert_eq!(receiver.open(at(1), incoming, &mut [0; 9], HEADER), Err(PduRefusal::UnknownKey));
}

/// Of the expired PGKs only the one that expired last opens PDUs of stragglers. TS 33.303 §6.2.3.1.
#[test]
// TS 33.303 §6.2.3.1 (5)
fn only_the_pgk_that_expired_last_outlives_its_expiry() {
    let config = group(Algorithm::Aes, None);
    let opened = |pgk_id, seconds| {
        let mut receiver = Receiver::new(ReceiverConfig { grace: 100, ..ReceiverConfig::new(config) });
        let (mut sender, mut store) = (Sender::new(config, ME), Memory::default());
        for (id, expiry) in [(2, 1_500_000), (3, 1_500_050), (4, 9_000_000)] {
            receiver.install(key(id, expiry)).unwrap();
            if id == pgk_id {
                sender.install(key(id, expiry), ReserveConfig::default(), &mut store).unwrap();
            }
        }
        let (incoming, mut pdu) = send(&mut sender, b"late");
        receiver.open(UtcCounter::new(seconds), incoming, &mut pdu, HEADER).map(|_| ())
    };
    assert_eq!(opened(2, 1_500_049), Ok(()), "the last that expired");
    assert_eq!(opened(2, 1_500_050), Err(PduRefusal::Expired), "now another is");
    assert_eq!(opened(3, 1_500_149), Ok(()));
    assert_eq!(opened(3, 1_500_150), Err(PduRefusal::Expired), "the grace is over");
    assert_eq!(opened(4, 1_500_150), Ok(()));
}

/// A key that is taken back opens and protects nothing, while its validity lasts, and its index is free.
#[test]
fn a_removed_key_is_gone_at_once() {
    let mut store = Memory::default();
    let config = group(Algorithm::Aes, None);
    let (mut sender, mut receiver) = (sender(config, &mut store), receiver(config));
    let (incoming, mut pdu) = send(&mut sender, b"before");
    let mut later = pdu.clone();
    let _ = receiver.open(now(), incoming, &mut pdu, HEADER).unwrap();
    sender.remove(1);
    assert_eq!(sender.begin(now()), Err(SendError::NoValidKey));
    receiver.remove(1);
    let refused = receiver.open(now(), Incoming { sn: 9, ..incoming }, &mut later, HEADER);
    assert_eq!(refused.unwrap_err(), PduRefusal::UnknownKey);
    receiver.install(key(33, 2_000_000)).unwrap();
    sender.install(key(33, 2_000_000), ReserveConfig::default(), &mut store).unwrap();
    let (incoming, mut pdu) = send(&mut sender, b"after");
    assert_eq!(receiver.open(now(), incoming, &mut pdu, HEADER).unwrap().pgk_id, Some(33));
}

#[test]
// TS 33.303 §6.2.3.2 (11)
fn exhaustion_asks_for_a_new_key_and_never_wraps() {
    let config = group(Algorithm::Aes, None);
    let mut store = Memory::default();
    let mut sender = Sender::new(config, ME);
    let stream = sender.stream(&key(1, 2_000_000));
    // All except the last few counters were used in earlier lives.
    store.set(stream, (1 << 32) - 3);
    sender.install(key(1, 2_000_000), ReserveConfig::default(), &mut store).unwrap();
    let tickets: Vec<_> = std::iter::from_fn(|| sender.begin(now()).ok()).collect();
    let fields: Vec<_> = tickets.iter().map(|t| (t.ptk_identity(), t.sn())).collect();
    assert_eq!(fields, [(0xffff, 0xfffd), (0xffff, 0xfffe), (0xffff, 0xffff)]);
    for _ in 0..3 {
        assert_eq!(sender.begin(now()), Err(SendError::Exhausted { pgk_id: 1 }));
    }
    // A key that is valid and not used up takes over.
    sender.install(key(2, 3_000_000), ReserveConfig::default(), &mut store).unwrap();
    assert_eq!(sender.begin(now()).unwrap().pgk_id(), 2);
}

#[test]
// TS 33.303 §6.2.3.2 (10); TS 36.323 §5.6.1 (3)
fn sn_exhaustion_takes_a_new_ptk_without_sn_zero() {
    let config = group(Algorithm::Aes, None);
    let mut store = Memory::default();
    let mut sender = Sender::new(config, ME);
    store.set(sender.stream(&key(1, 2_000_000)), 0x5_fffe);
    sender.install(key(1, 2_000_000), ReserveConfig::default(), &mut store).unwrap();
    let fields: Vec<_> = (0..4)
        .map(|_| {
            let ticket = sender.begin(now()).unwrap();
            (ticket.ptk_identity(), ticket.sn())
        })
        .collect();
    assert_eq!(fields, [(5, 0xfffe), (5, 0xffff), (6, 1), (6, 2)]);
}

#[test]
// TS 33.303 §6.2.3.2 (5); TS 36.323 §6.3.5
fn the_first_count_is_ptk_identity_one_sn_one() {
    let ticket = sender(group(Algorithm::Aes, None), &mut Memory::default()).begin(now()).unwrap();
    assert_eq!((ticket.ptk_identity(), ticket.sn(), ticket.pgk_index()), (1, 1, 1));
}

/// The same key under another name continues the same counters.
#[test]
fn a_key_imported_twice_has_one_stream() {
    let config = group(Algorithm::Aes, None);
    let mut store = Memory::default();
    let mut seen = BTreeSet::new();
    for pgk_id in [1, 2, 1] {
        let mut sender = Sender::new(config, ME);
        let mut key = key(pgk_id, 2_000_000);
        key.pgk = Pgk::from([3; 32]);
        sender.install(key, ReserveConfig::default(), &mut store).unwrap();
        for _ in 0..10 {
            let ticket = sender.begin(now()).unwrap();
            assert!(seen.insert((ticket.ptk_identity(), ticket.sn())));
        }
    }
}

/// Many lives of one sender, each cut short: no (PGK, member, PTK identity, SN) is on the air twice, and every life
/// skips at most the stated number.
#[test]
// TS 33.303 §6.2.3.2 (5); TS 36.323 §5.1.3 (1)
fn no_count_is_sent_twice_over_many_crashes() {
    let config = group(Algorithm::Aes, None);
    let reserve = ReserveConfig { block: 50, low_water: 20 };
    let mut store = Memory::default();
    let mut last = 0x1_0000;
    for life in 0_u64..3000 {
        let mut sender = Sender::new(config, ME);
        sender.install(key(1, 2_000_000), reserve, &mut store).unwrap();
        for sent in 0..life * 7919 % 173 {
            let ticket = sender.begin(now()).unwrap();
            let count = u64::from(Count::from_parts(ticket.ptk_identity(), ticket.sn()).value());
            assert!(count > last, "{count:x} after {last:x}");
            assert!(count - last <= if sent == 0 { reserve.max_skip() + 2 } else { 2 });
            last = count;
            // The life may end between request, commit and grant.
            let wanted: Vec<_> = sender.wanted().collect();
            for reservation in wanted {
                match life % 3 {
                    0 if sent > 100 => sender.failed(reservation.stream()),
                    _ => sender.grant(reservation.commit(&mut store).unwrap()),
                }
            }
            if life % 3 == 0 && sent > 110 {
                break;
            }
        }
        // A life that sent nothing skipped the block that it reserved.
        if life * 7919 % 173 == 0 {
            last = store.streams().next().unwrap().1 - 1;
        }
    }
}

#[test]
fn unprotected_pdus_pass_only_where_they_are_wanted() {
    let config = group(Algorithm::Aes, None);
    let incoming = Incoming { source: ME, lcid: LCID, pgk_index: 0, ptk_identity: 0, sn: 0 };
    let mut pdu = *b"\0\0\0\0\0plain";
    assert_eq!(receiver(config).open(now(), incoming, &mut pdu, HEADER), Err(PduRefusal::Unprotected));
    let mut open = Receiver::new(ReceiverConfig { accept_unprotected: true, ..ReceiverConfig::new(config) });
    let opened = open.open(now(), incoming, &mut pdu, HEADER).unwrap();
    assert_eq!((opened.proof, opened.end, &pdu[HEADER..]), (Proof::Unprotected, 10, &b"plain"[..]));
}

#[test]
fn full_windows_refuse_strangers_and_let_nothing_in_again() {
    for mac in [None, Some(Algorithm::Aes)] {
        let config = group(Algorithm::Aes, mac);
        let mut receiver =
            Receiver::new(ReceiverConfig { windows: 3, ciphers: 2, ..ReceiverConfig::new(config) });
        receiver.install(key(1, 2_000_000)).unwrap();
        let results: Vec<_> = (0..5)
            .map(|i| {
                let mut sender = Sender::new(config, [0, 0, i]);
                sender.install(key(1, 2_000_000), ReserveConfig::default(), &mut Memory::default()).unwrap();
                let (incoming, mut pdu) = send(&mut sender, b"hello");
                let incoming = Incoming { source: [0, 0, i], ..incoming };
                receiver.open(now(), incoming, &mut pdu, HEADER).err()
            })
            .collect();
        let full = Some(PduRefusal::TooManySenders);
        assert_eq!(results, [None, None, None, full, full]);
    }
}

/// Without a MAC-I anyone can send any COUNT in the name of any member.
#[test]
fn a_forged_count_silences_no_sender_and_lets_nothing_in_again() {
    let config = group(Algorithm::Aes, None);
    let mut sender = Sender::new(config, ME);
    let all = ReserveConfig { block: 4096, low_water: 64 };
    sender.install(key(1, 2_000_000), all, &mut Memory::default()).unwrap();
    let mut receiver = receiver(config);
    let mut open = |incoming, pdu: &[u8]| receiver.open(now(), incoming, &mut pdu.to_vec(), HEADER).err();
    let (first, pdu) = send(&mut sender, b"once");
    assert_eq!(open(first, &pdu), None);
    let forged = Incoming { ptk_identity: 0xffff, sn: 0xffff, ..first };
    assert_eq!(open(forged, &pdu), None, "nothing tells that it is forged");
    for n in 0..1000 {
        let (incoming, pdu) = send(&mut sender, b"and so on");
        assert_eq!(open(incoming, &pdu), None, "{n}");
        assert_eq!(open(incoming, &pdu), Some(PduRefusal::Replay), "{n}");
    }
    assert_eq!(open(first, &pdu), Some(PduRefusal::Late));
    for n in 0..300u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let _ = open(Incoming { source: [0x80 | a, b, c], ..first }, &pdu);
    }
    assert_eq!(open(first, &pdu), Some(PduRefusal::Late), "however many names are made up");
}

#[test]
fn unordered_ptk_identities_are_an_option() {
    let config = group(Algorithm::Aes, None);
    for (ptk_order, expected) in [(PtkOrder::Rising, Some(PduRefusal::Late)), (PtkOrder::Any, None)] {
        let mut receiver = Receiver::new(ReceiverConfig { ptk_order, ..ReceiverConfig::new(config) });
        receiver.install(key(1, 2_000_000)).unwrap();
        let at = |ptk_identity| Incoming { source: ME, lcid: LCID, pgk_index: 1, ptk_identity, sn: 1 };
        assert!(receiver.open(now(), at(500), &mut [0; 20], HEADER).is_ok());
        assert_eq!(receiver.open(now(), at(400), &mut [0; 20], HEADER).err(), expected);
    }
}

proptest! {
    /// Any octets and fields: a result, never a panic; with the MAC never accepted.
    #[test]
    fn any_octets_are_answered(
        pdu in proptest::collection::vec(any::<u8>(), 0..80),
        header in 0_usize..100,
        source: [u8; 3], lcid: u8, pgk_index: u8, ptk_identity: u16, sn: u16, seconds: u32,
    ) {
        for config in all_configs() {
            let mut receiver = receiver(config);
            let incoming = Incoming { source, lcid, pgk_index: pgk_index & 1, ptk_identity, sn };
            let result = receiver.open(UtcCounter::new(seconds), incoming, &mut pdu.clone(), header);
            if config.mac.is_some() {
                prop_assert!(result.is_err());
            }
        }
    }
}
