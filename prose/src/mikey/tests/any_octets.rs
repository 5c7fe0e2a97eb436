//! Any octets at every reader: no panic, and nothing is believed.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{group_call, i_message, psk, ticket};
use super::*;

fn read(octets: &[u8]) {
    let window = Window { earliest: UtcTime::from_millis(0), latest: UtcTime::from_millis(u64::MAX) };
    let domain = &*WEEKLY;
    if let Ok(received) = i_message::Received::parse(octets) {
        let trust = i_message::Trust {
            window,
            sender_kms: domain.kms(),
            sender: Some(ALICE),
            local_kms: domain.kms(),
            local: BOB,
            key: &domain.bob.receiving,
            recipient: i_message::OpenAs::Responder,
            signatures: SignatureLeniency::HeadOptional,
        };
        assert!(received.open(&trust).is_err());
    }
    if let Ok(received) = group_call::Received::parse(octets) {
        let trust =
            group_call::Trust { window, kms: domain.kms(), signatures: SignatureLeniency::HeadOptional };
        assert!(received.open(&[1; 16], &trust).is_err());
    }
    if let Ok(received) = psk::Received::parse(octets) {
        assert!(received.verify(&[1; 16], Some(&[1; 16])).is_err());
    }
    let _ = ticket::ReceivedTransfer::parse(octets, BOB, window);
}

/// A message of each kind, all others' keys.
fn seeds() -> Vec<Vec<u8>> {
    let domain = &*MONTHLY;
    let time = NtpTime::from_utc(NOW);
    let recipient =
        i_message::Recipient { identity: BOB, kms: domain.kms(), public_key: domain.public_key() };
    let content = i_message::Content::new(1, time);
    let sender = domain.sender(&domain.alice);
    let form = i_message::Form::default();
    let call = group_call::Call { caller: sender, csb_id: 1, gmk_id: 2, time };
    vec![
        i_message::make(&sender, &recipient, &[2; 16], &content, &form, &draws()).unwrap(),
        group_call::make(&[2; 16], &[3; 16], &call, &draws()).unwrap(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_octets_are_refused(octets in vec(any::<u8>(), 0..700)) {
        read(&octets);
        for kind in [0, 14, 26] {
            read(&[&[1, kind, 5, 1, 0, 0, 0, 1, 0, 1][..], &octets].concat());
        }
    }

    #[test]
    fn damaged_messages_are_refused(at: prop::sample::Index, value: u8, cut: prop::sample::Index) {
        for mut octets in seeds() {
            let place = at.index(octets.len());
            octets[place] = value;
            read(&octets);
            octets.truncate(cut.index(octets.len()));
            read(&octets);
        }
    }
}
