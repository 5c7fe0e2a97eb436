//! Floods: the cost of unproven messages is bounded. Bounds are asserted where they are reached.

use std::time::Instant;

use super::super::*;
use super::authentication::equip;
use super::rig::{Air, PERIOD, PROFILE, l2};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Profile;
use sidelink_wire::ids::{Layer2Id, Lcid};

/// Returns a request of Mary to John, under a shared KD or with signed keys, as the attacker received it.
fn heard(signed: bool) -> Vec<u8> {
    let mut air = if signed { Air::without_keys(2, |_, _| {}, equip) } else { Air::new(2) };
    air.connect(0, 1);
    air.log[0].pdu.octets.clone()
}

/// Returns the request with another nonce.
fn other_nonce(request: &[u8], number: u32) -> Vec<u8> {
    let mut octets = request.to_vec();
    octets[22..26].copy_from_slice(&number.to_be_bytes());
    octets
}

fn john(signed: bool, configure: fn(usize, &mut Config)) -> Air {
    if signed { Air::without_keys(2, configure, equip) } else { Air::with(2, configure, |_, _| {}) }
}

/// Requests with Mary's own layer-2 identity do not evict her request.
#[test]
fn a_spoofed_source_takes_nobodys_place() {
    let request = heard(false);
    let mut air = Air::new(2);
    air.connect(0, 1);
    air.run(PERIOD);
    assert_eq!(air.ues[1].manager.half_open(), 1);
    for number in 0..6 {
        air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, other_nonce(&request, number));
    }
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1));
    let first = |n: &Note| matches!(n, Note::TryEnded { .. });
    assert!(!air.ues[0].notes.iter().any(first), "at the first try");
}

/// The table holds its limit, and one more entry evicts the oldest.
#[test]
fn the_table_is_full_at_its_bound() {
    for signed in [false, true] {
        let request = heard(signed);
        let mut air = john(signed, |_, config| (config.half_open, config.answers) = (16, u32::MAX));
        // With signed keys cookies are demanded from a quarter of the table on: fill it with requests that have them.
        let filled = if signed { 4 } else { 16 };
        for number in 0..64 {
            air.inject(l2(0x1000 + number), 1, Lcid::PC5_S_UNPROTECTED, other_nonce(&request, number));
            air.run(0);
            let expected = usize::try_from(number).unwrap() + 1;
            assert_eq!(air.ues[1].manager.half_open(), expected.min(filled));
        }
        let full = air.ues[1].notes.iter().filter(|n| matches!(n, Note::HalfOpenFull { .. })).count();
        assert_eq!(full, if signed { 0 } else { 48 });
        let last = air.ues[1].manager.addresses_in_use().last();
        assert_eq!(last, Some(l2(if signed { 0x1003 } else { 0x103f })));
    }
}

/// A repeated request is answered once, and does not take a second place.
#[test]
fn a_copy_is_not_answered() {
    for signed in [false, true] {
        let request = heard(signed);
        let mut air = john(signed, |_, _| {});
        for _ in 0..5 {
            air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, request.clone());
            air.run(0);
        }
        assert_eq!((air.ues[1].manager.half_open(), air.log.len()), (1, 1));
    }
}

/// Commands, signatures and cookies to addresses of the attacker's choice: eight an SC period. Refusals: one.
#[test]
fn answers_have_a_budget() {
    for (signed, known) in [(false, true), (true, true), (false, false)] {
        let request = heard(signed);
        let mut air =
            if known { john(signed, |_, _| {}) } else { Air::without_keys(2, |_, _| {}, |_, _| {}) };
        let periods = 25;
        for number in 0..periods * 40 {
            air.inject(l2(0x1000 + number), 1, Lcid::PC5_S_UNPROTECTED, other_nonce(&request, number));
            air.run(PERIOD / 40);
        }
        let refusals = air.log.iter().filter(|f| f.message() == Some(3)).count() as u32;
        let answers = air.log.len() as u32 - refusals;
        let budget = if known { 8 * periods } else { 0 };
        assert!((budget.saturating_sub(8)..=budget + 8).contains(&answers), "{answers} of {budget}");
        // Of requests without a KD, and of commands that have no complete.
        assert!(refusals <= periods + 1 && (known || refusals + 8 >= periods), "{refusals} of {periods}");
    }
}

/// One genuine 0xE0, repeated: one answer a try, and the try ends in time.
#[test]
pub(super) fn a_repeated_signature_holds_no_try() {
    let mut air = Air::without_keys(2, |_, _| {}, equip);
    air.channel = Box::new(|flying| if flying.message() == Some(0xe1) { vec![] } else { vec![flying] });
    air.connect(0, 1);
    air.run(PERIOD);
    let recorded = air.log[1].pdu.clone();
    assert_eq!(recorded.message.map(|m| m.lte()), Some(0xe0));
    for _ in 0..600 {
        air.inject(l2(0x11), 0, recorded.lcid, recorded.octets.clone());
        air.run(100);
    }
    let answers = air.log.iter().filter(|f| f.message() == Some(0xe1)).count();
    assert_eq!(answers, 3, "one a try");
    assert!(matches!(air.ues[0].states.last().unwrap().1, State::Closed { .. }));
}

/// 10^5 requests of every kind, from as many sources, in 100 s of air: the manager's state does not grow, whether or
/// not its outputs are polled, and neither does the time of one request.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures what a request costs")]
fn a_hundred_thousand_requests_leave_nothing_behind() {
    for polled in [true, false] {
        let requests = [heard(false), heard(true), b"\x40\0\0\0\0\x01\0\x01".to_vec()];
        let mut air = Air::with(2, |_, _| {}, equip);
        let manager = &mut air.ues[1].manager;
        let mut sizes = Vec::new();
        let mut took = Vec::new();
        let began = Instant::now();
        for number in 0..100_000u32 {
            let now = UtcTime::from_millis(super::rig::T0 + u64::from(number));
            let source = Layer2Id::new(0x10_0000 + number).unwrap();
            let mut pdu = requests[number as usize % 3].clone();
            if pdu.len() > 26 {
                pdu = other_nonce(&pdu, number);
            }
            let input = Input::Pdu { now, source, lcid: Lcid::PC5_S_UNPROTECTED, pdu: &pdu };
            manager.handle_input(input).unwrap();
            let mut outputs = 0;
            while polled && !matches!(manager.poll_output(), Output::Timeout(_) | Output::Reserve(_)) {
                outputs += 1;
            }
            assert!(outputs <= 6, "{outputs}");
            assert!(manager.half_open() <= 128 && manager.addresses_in_use().count() <= 128);
            if number % 25_000 == 24_999 {
                sizes.push(format!("{manager:?}").len());
                took.push(began.elapsed());
            }
        }
        assert_eq!(manager.links().count(), 0);
        if polled {
            let (first, last) = (sizes[0], sizes[3]);
            assert!(last < first * 2, "{sizes:?}");
        } else {
            // PDUs are bounded by the budget of replies, notes and metrics by the queue.
            let queued = manager.local.outbox.len();
            assert!(queued <= 256 + 8 * 100_000 / 40, "{queued}");
            let lines = manager.local.outbox.iter().filter(|o| !matches!(o, Output::Pdu(_))).count();
            assert!(lines <= 257, "{lines}");
        }
        assert!(took[3] < 16 * took[0].max(std::time::Duration::from_millis(500)), "{took:?}");
    }
}

/// The same for NR.
#[test]
fn a_repeated_signature_holds_no_try_in_nr() {
    PROFILE.set(Profile::Nr);
    a_repeated_signature_holds_no_try();
}
