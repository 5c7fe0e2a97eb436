//! Whole exchanges, and what somebody between or at one of the ends does: T6.2-2, T6.2-3.

use super::*;

#[test]
fn a_ue_and_a_prose_function_get_a_child_sa() {
    for by_signature in [true, false] {
        let mut run = match by_signature {
            true => Run::signed(),
            false => Run::new(ResponderProof::EapOnly, ResponderKey::EapOnly),
        };
        run.run();
        run.outcome.granted();
        let [ue, gateway] = run.children();
        assert_eq!((ue.spi_initiator, ue.spi_responder), (gateway.spi_initiator, gateway.spi_responder));
        assert!(
            ue.keys.to_initiator == gateway.keys.to_initiator
                && ue.keys.to_responder == gateway.keys.to_responder
        );
        assert_ne!(ue.keys.to_initiator, ue.keys.to_responder);
        assert_eq!((ue.initiator, ue.responder), (Selector::ALL, network()));
        assert_eq!((run.dropped.len(), run.responder.failures()), (0, 0));
        // IKE_SA_INIT, the identities, EAP identity, AKA' identity, challenge, notification, AUTH.
        assert_eq!(run.messages.len(), 14);
    }
}

#[test]
fn a_message_that_is_lost_is_sent_again_and_answered_the_same() {
    let mut run = Run::signed();
    run.initiator.handle_input(Input::Start, &mut run.rngs[0]);
    let first = run.ue(&mut |_| {});
    run.initiator.handle_input(Input::Timeout, &mut run.rngs[0]);
    assert_eq!(run.ue(&mut |_| {}), first);
    let [from, _] = ends();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let input = ResponderInput::Message { from, octets: &first[0] };
        run.responder.handle_input(input, &mut run.rngs[1]);
        answers.push(run.gateway());
    }
    assert_eq!(answers[0], answers[1]);
    run.initiator.handle_input(Input::Message(&answers[0][0]), &mut run.rngs[0]);
    let second = run.ue(&mut |_| {});
    let mut answers = Vec::new();
    for _ in 0..2 {
        let input = ResponderInput::Message { from, octets: &second[0] };
        run.responder.handle_input(input, &mut run.rngs[1]);
        answers.push(run.gateway());
    }
    assert_eq!(answers[0], answers[1]);
    for _ in 0..3 {
        run.initiator.handle_input(Input::Timeout, &mut run.rngs[0]);
    }
    assert_eq!(run.ue(&mut |_| {}).len(), 2);
    assert_eq!(run.errors(), [Some(Error::Late), None]);
}

/// T6.2-2: without the right RES there is no SA at either end, and the failure is counted.
#[test]
fn a_wrong_res_gets_no_sa() {
    // Another card: it does not take the challenge.
    let mut run = Run::signed();
    run.peer = EapPeer::new(peer_config(), Usim::new(other_keys(), SqnArray::default()));
    run.run();
    assert_eq!(run.outcome.rejected(), aaa::Rejection::AuthenticationReject);
    assert_eq!((run.errors(), run.responder.failures()), ([Some(Error::Eap), Some(Error::Eap)], 1));
    // RES altered on its way out of the UE: AT_RES is attribute 3.
    let mut run = Run::signed();
    let mut altered = 0;
    run.meddle(
        |_, _| {},
        |response| {
            if let Some(at) = response.windows(4).position(|four| four == [3, 3, 0, 64]) {
                response[at + 4] ^= 1;
                altered += 1;
            }
        },
    );
    assert_eq!(altered, 1);
    assert!(run.outcome.rejected() == aaa::Rejection::Mac, "{:?}", run.outcome.server);
    assert_eq!(run.responder.failures(), 1);
    assert!(run.errors().iter().all(Option::is_some), "{:?}", run.ends);
    // A UE whose peer is right, and whose MSK is its own.
    let mut run = Run::signed();
    run.initiator.handle_input(Input::Start, &mut run.rngs[0]);
    let mut sent = run.ue(&mut |_| {});
    let [from, _] = ends();
    while let Some(message) = sent.pop() {
        run.responder.handle_input(ResponderInput::Message { from, octets: &message }, &mut run.rngs[1]);
        for message in run.gateway() {
            run.initiator.handle_input(Input::Message(&message), &mut run.rngs[0]);
            match run.initiator.poll_output() {
                Some(Output::Eap(packet)) if packet[0] == 3 => {
                    run.initiator.handle_input(Input::Msk(&[7; 64]), &mut run.rngs[0]);
                }
                Some(Output::Eap(packet)) => {
                    let response = run.world.ask(&mut run.peer, &packet, &mut run.outcome).unwrap();
                    run.initiator.handle_input(Input::Eap(&response), &mut run.rngs[0]);
                }
                Some(Output::Send(message)) => sent.push(message),
                Some(Output::Failed(why)) => run.ends[0] = Some(Err(why)),
                other => panic!("{other:?}"),
            }
            sent.extend(run.ue(&mut |_| {}));
        }
    }
    assert_eq!(run.errors(), [Some(Error::Notified(24)), Some(Error::Auth)]);
    assert_eq!(run.responder.failures(), 1);
}

/// T6.2-3: who carries the messages reads nothing of identity and keys, and who puts itself between gets no SA.
#[test]
fn a_proxy_reads_nothing_and_cannot_put_itself_between() {
    let mut run = Run::signed();
    run.run();
    let msk = run.outcome.granted().keys.msk;
    let secrets = [&b"001010000000001"[..], REALM.as_bytes(), NAME.as_bytes(), &msk[..16], &msk[32..48]];
    for (number, message) in run.messages.iter().enumerate() {
        for secret in secrets {
            assert!(!message.windows(secret.len()).any(|part| part == secret), "message {number}");
        }
    }
    // A proxy that answers the UE itself, with another key.
    let mut between = Run::new(
        ResponderProof::Signature(signing(1).verifying_key()),
        ResponderKey::Signature(Box::new(signing(2))),
    );
    between.run();
    assert_eq!(between.errors()[0], Some(Error::Auth));
    // EAP alone proves it: the proxy passes EAP on, and lacks MSK at the end.
    let mut between = Run::new(ResponderProof::EapOnly, ResponderKey::EapOnly);
    let mut proxy = Responder::new(responder_config(ResponderKey::EapOnly));
    let mut rng = Octets(77);
    between.initiator.handle_input(Input::Start, &mut between.rngs[0]);
    let [from, _] = ends();
    let mut sent = between.ue(&mut |_| {});
    while let Some(message) = sent.pop() {
        proxy.handle_input(ResponderInput::Message { from, octets: &message }, &mut rng);
        while let Some(output) = proxy.poll_output() {
            match output {
                ResponderOutput::Send(message) => {
                    between.initiator.handle_input(Input::Message(&message), &mut between.rngs[0]);
                    sent.extend(between.ue(&mut |_| {}));
                }
                ResponderOutput::Begin { session, .. } => {
                    proxy.handle_input(ResponderInput::Eap { session, packet: &hello(1) }, &mut rng);
                }
                ResponderOutput::Eap { session, packet } => {
                    let next = between.world.tell(aaa::SessionId(1), &packet, &mut between.outcome).unwrap();
                    let input = match &between.outcome.server {
                        Some(Ok(_)) => ResponderInput::Msk { session, packet: &next, msk: &[0; 64] },
                        _ => ResponderInput::Eap { session, packet: &next },
                    };
                    proxy.handle_input(input, &mut rng);
                }
                ResponderOutput::Failed { why, .. } => assert_eq!(why, Error::Auth),
                ResponderOutput::Established { .. } => panic!("the proxy got a SA"),
                ResponderOutput::Dropped(why) => panic!("{why}"),
            }
        }
    }
    assert_eq!(between.errors()[0], Some(Error::Notified(24)));
}

/// Whatever one altered octet in any message does, no end gets a SA that the other does not have.
#[test]
fn an_altered_message_makes_no_other_sa() {
    let mut whole = Run::signed();
    whole.run();
    for (number, message) in whole.messages.iter().enumerate() {
        for at in (0..message.len()).step_by(7) {
            let mut run = Run::signed();
            run.meddle(
                |place, octets| {
                    if place == number {
                        octets[at] ^= 0x40;
                    }
                },
                |_| {},
            );
            let established = run.ends.each_ref().map(|end| matches!(end, Some(Ok(_))));
            // The last answer is not acknowledged: the responder may have a SA that the UE does not know of.
            let last = number + 1 == whole.messages.len();
            assert!(
                established == [false, false] || last && established == [false, true],
                "{number} {at} {established:?}"
            );
        }
    }
}

#[test]
fn what_the_ends_do_not_have_in_common_gives_no_child_sa() {
    let mut run = Run::signed();
    let outside = Selector { first: Ipv4Addr::new(10, 2, 0, 0), last: Ipv4Addr::new(10, 2, 0, 9) };
    run.initiator = Initiator::new(InitiatorConfig {
        selectors: [Selector::ALL, outside],
        ..initiator_config(ResponderProof::Signature(signing(1).verifying_key()))
    });
    run.run();
    assert_eq!(run.errors(), [Some(Error::Notified(38)), Some(Error::TrafficSelectors)]);
    assert_eq!(run.responder.failures(), 0, "both are authenticated");
    // A responder that signs nothing to a UE that wants it, and to one that does not.
    let mut run = Run::new(ResponderProof::Signature(signing(1).verifying_key()), ResponderKey::EapOnly);
    run.run();
    assert_eq!(run.errors(), [Some(Error::Notified(24)), Some(Error::Missing("EAP_ONLY_AUTHENTICATION"))]);
    // Another name under the same key.
    let mut run = Run::signed();
    run.initiator = Initiator::new(InitiatorConfig {
        responder: "pkmf.example".to_owned(),
        ..initiator_config(ResponderProof::Signature(signing(1).verifying_key()))
    });
    run.run();
    assert_eq!(run.errors()[0], Some(Error::Value("IDr")));
}

#[test]
fn half_open_sas_are_bounded() {
    let mut responder = Responder::new(responder_config(ResponderKey::Signature(Box::new(signing(1)))));
    let mut rng = Octets(9);
    let [from, _] = ends();
    let mut first = Vec::new();
    for seed in 0..9 {
        let mut run = Run::signed();
        run.rngs[0] = Octets(seed);
        run.initiator.handle_input(Input::Start, &mut run.rngs[0]);
        first.extend(run.ue(&mut |_| {}));
        let octets = first.last().unwrap();
        responder.handle_input(ResponderInput::Message { from, octets }, &mut rng);
    }
    let mut answers = Vec::new();
    while let Some(output) = responder.poll_output() {
        let ResponderOutput::Send(message) = output else { panic!("{output:?}") };
        answers.push(message);
    }
    assert_eq!(answers.len(), 9);
    // The last four are remembered, and answered the same.
    for (number, octets) in first.iter().enumerate().rev() {
        responder.handle_input(ResponderInput::Message { from, octets }, &mut rng);
        let Some(ResponderOutput::Send(message)) = responder.poll_output() else { panic!() };
        assert_eq!(message == answers[number], number >= 5, "{number}");
    }
}

/// A responder that nobody has a secret with: it passes EAP on, and makes up AUTH at the end.
struct Rogue {
    keys: IkeKeys,
    spis: [[u8; 8]; 2],
    nonces: [Vec<u8>; 2],
    first: Vec<u8>,
}

impl Rogue {
    /// Its answer to IKE_SA_INIT.
    fn new(request: &[u8]) -> Self {
        let header = Header::parse(request).unwrap();
        let payloads = Payloads::parse(header.next, &request[HEADER..]).unwrap();
        let theirs = wire::public_value(payloads.find(Kind::Ke).unwrap()).unwrap();
        let nonces = [payloads.find(Kind::Nonce).unwrap().to_vec(), vec![9; 32]];
        let own = x25519_dalek::StaticSecret::from([5; 32]);
        let secret = own.diffie_hellman(&theirs.into());
        let spis = [header.spi_initiator, [6; 8]];
        let keys = IkeKeys::new([&nonces[0], &nonces[1]], secret.as_bytes(), [&spis[0], &spis[1]]);
        let public = x25519_dalek::PublicKey::from(&own);
        let (next, octets) = chain(&[
            (Kind::Sa, proposal(Protocol::Ike, 1, &[])),
            (Kind::Ke, [&[0, 31, 0, 0], &public.as_bytes()[..]].concat()),
            (Kind::Nonce, nonces[1].clone()),
        ])
        .unwrap();
        let header =
            Header { spi_responder: spis[1], next, from_initiator: false, is_response: true, ..header };
        Self { keys, spis, nonces, first: header.emit(&octets).unwrap() }
    }

    fn answer(&self, request: &[u8], payloads: &[(Kind, Vec<u8>)]) -> Vec<u8> {
        let header = Header::parse(request).unwrap();
        assert_eq!([header.spi_initiator, header.spi_responder], self.spis);
        let header = Header { from_initiator: false, is_response: true, ..header };
        self.keys.responder.seal(header, payloads, [3; 16]).unwrap()
    }

    /// A payload of a request.
    fn read(&self, request: &[u8], kind: Kind) -> Option<Vec<u8>> {
        let header = Header::parse(request).unwrap();
        let (next, inner) = self.keys.initiator.open(&header, request).unwrap();
        Payloads::parse(next, &inner).unwrap().find(kind).map(<[u8]>::to_vec)
    }
}

/// T6.1-1 over IKE: where EAP alone proves the responder, who passes EAP on and has no MSK gets no SA.
#[test]
fn auth_of_a_responder_without_msk_is_refused() {
    let mut run = Run::new(ResponderProof::EapOnly, ResponderKey::EapOnly);
    run.initiator.handle_input(Input::Start, &mut run.rngs[0]);
    let request = run.ue(&mut |_| {}).remove(0);
    let rogue = Rogue::new(&request);
    let identity = [&[2, 0, 0, 0], NAME.as_bytes()].concat();
    let mut answer = rogue.first.clone();
    let mut next = Some(hello(1));
    for round in 0.. {
        run.initiator.handle_input(Input::Message(&answer), &mut run.rngs[0]);
        let Some(request) = run.ue(&mut |_| {}).pop() else { break };
        let mut payloads = Vec::new();
        if round == 0 {
            payloads.push((Kind::IdResponder, identity.clone()));
        } else if let Some(packet) = rogue.read(&request, Kind::Eap) {
            next = run.world.tell(aaa::SessionId(1), &packet, &mut run.outcome);
        } else {
            let signed = Signed {
                message: &rogue.first,
                nonce: &rogue.nonces[0],
                sk_p: &rogue.keys.responder.p,
                identity: &identity,
            };
            payloads.extend([
                (Kind::Auth, signed.body_by_msk(&[0; 64])),
                (Kind::Sa, proposal(Protocol::Esp, 1, &[1; 4])),
                (Kind::TsInitiator, wire::selectors(Selector::ALL)),
                (Kind::TsResponder, wire::selectors(Selector::ALL)),
            ]);
        }
        payloads.extend(next.take().map(|packet| (Kind::Eap, packet)));
        answer = rogue.answer(&request, &payloads);
    }
    run.outcome.granted();
    assert_eq!(run.errors()[0], Some(Error::Auth));
}
