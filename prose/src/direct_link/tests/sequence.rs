//! Sequence numbers of messages: TS 24.334 §12.5.1.2.

use super::authentication::equip;
use super::rig::{Air, PERIOD, l2};
use sidelink_security::direct::Profile;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::HEADER_LEN;

/// The numbers of the messages of a type that UE 1 sent in the clear, commands among them.
fn numbers(air: &Air, kind: u8) -> Vec<u16> {
    let from = air.ues[1].config.source;
    let sent = air.log.iter().filter(|f| f.from == from && f.message() == Some(kind));
    sent.map(|f| u16::from_be_bytes([f.pdu.octets[HEADER_LEN + 1], f.pdu.octets[HEADER_LEN + 2]])).collect()
}

/// Every command of set-up, container and refusal has the next number, whoever asks.
#[test]
// TS 24.334 §12.5.1.2
fn messages_without_a_link_are_counted() {
    let mut air = Air::new(4);
    for from in [0, 2, 3] {
        air.connect(from, 1);
        air.run(6 * PERIOD);
    }
    let commands = numbers(&air, 12);
    assert_eq!(commands.len(), 3);
    assert!(commands.windows(2).all(|pair| pair[0] < pair[1]), "{commands:?}");

    // Requests in the name of a UE that has no KD: each is refused.
    let request = air.log[0].pdu.octets.clone();
    for number in 0..3u8 {
        let mut octets = request.clone();
        let at = octets.len() - 20;
        octets[at] = number;
        let kd = octets.len() - 1;
        octets[kd] ^= 0x55;
        air.inject(l2(0x1000 + u32::from(number)), 1, Lcid::PC5_S_UNPROTECTED, octets);
        air.run(2 * PERIOD);
    }
    let refusals = numbers(&air, 3);
    assert_eq!(refusals.len(), 3);
    assert!(refusals.windows(2).all(|pair| pair[0] < pair[1]), "{refusals:?}");
    assert!(refusals[0] > commands[2], "one count for all of them");
}

/// The command of a re-keying under a new KD goes on in the count of the link.
#[test]
// TS 24.334 §12.5.1.2
fn the_command_under_a_new_kd_has_the_number_of_the_link() {
    super::rig::PROFILE.set(Profile::Lte);
    let mut air = Air::without_keys(2, |_, _| {}, equip);
    air.connect(0, 1);
    air.run(2000);
    let before = air.ues[1].manager.links[0].common.sequence;
    air.rekey(0, 1, true).unwrap();
    air.run(2000);
    assert!(air.agreed(0, 1));
    let commands = numbers(&air, 12);
    assert!(commands.last().unwrap() > &before, "{commands:?} after {before}");
}
