//! Two ends that share a key: no EAP.

use super::*;

fn key(octet: u8) -> SharedKey {
    SharedKey::new(Zeroizing::new(vec![octet; 32]))
}

fn identity() -> String {
    initiator_config(ResponderProof::EapOnly).identity
}

fn run_with(initiator: String, octets: [u8; 2]) -> Run {
    let [own, other] = octets.map(key);
    Run::new(ResponderProof::SharedKey(own), ResponderKey::SharedKey { initiator, key: other })
}

#[test]
fn four_messages_are_all() {
    let mut run = run_with(identity(), [7, 7]);
    run.run();
    assert_eq!(run.messages.len(), 4);
    let [Some(Ok(ue)), Some(Ok(gateway))] = &run.ends else { panic!("{:?}", run.ends) };
    assert_eq!(ue.keys.to_responder, gateway.keys.to_responder);
    assert_eq!(ue.keys.to_initiator, gateway.keys.to_initiator);
    assert_eq!((ue.spi_initiator, ue.spi_responder), (gateway.spi_initiator, gateway.spi_responder));
    assert!(!format!("{:?}", key(7)).contains('7'));
}

#[test]
fn another_key_and_another_initiator() {
    for (initiator, octets) in [(identity(), [7, 8]), ("eve@example.org".to_owned(), [7, 7])] {
        let mut run = run_with(initiator, octets);
        run.run();
        assert!(matches!(run.ends, [Some(Err(Error::Notified(24))), Some(Err(_))]), "{:?}", run.ends);
        assert_eq!(run.responder.failures(), 1);
    }
}

/// One bit of one message: either it is passed over, or nobody has a SA that the other has not.
#[test]
fn altered_messages_make_no_sa() {
    let mut whole = run_with(identity(), [7, 7]);
    whole.run();
    for (place, message) in whole.messages.iter().enumerate() {
        for at in (0..message.len()).step_by(7) {
            let mut run = run_with(identity(), [7, 7]);
            run.meddle(
                |number, message| {
                    if number == place {
                        message[at] ^= 4
                    }
                },
                |_| {},
            );
            let both = matches!(run.ends, [Some(Ok(_)), Some(Ok(_))]);
            assert!(!both, "message {place}, octet {at}");
            assert!(!matches!(run.ends, [Some(Ok(_)), _]), "message {place}, octet {at}");
        }
    }
}
