use super::*;
use crate::testing::eap::{Octets, hello, peer};

fn ask(peer: &mut RelayedPeer, ticket: u64, packet: &[u8]) -> Vec<Output> {
    let question = Question::ToPeer { service: [0, 0, 1], relay: b"ruth", packet }.emit().unwrap();
    peer.handle_input(Input::Question { ticket, octets: &question }, &mut Octets(1));
    std::iter::from_fn(|| peer.poll_output()).collect()
}

fn is_refused(output: &Output) -> bool {
    let Output::Answer { octets: Some(octets), .. } = output else { return false };
    matches!(Answer::parse(octets), Ok(Answer::Refused { packet: &[] }))
}

/// Anybody can have sent it: the next packet is heard.
#[test]
fn what_is_no_packet_for_it_is_refused_and_the_next_one_is_answered() {
    let mut peer = RelayedPeer::new(peer(), KdMaker::Network, 0);
    for packet in [&[1][..], &[3, 0, 0, 4], &[2, 0, 0, 5, 1]] {
        let outputs = ask(&mut peer, 3, packet);
        let [Output::Discard(_), refused] = &outputs[..] else { panic!("{outputs:?}") };
        assert!(is_refused(refused));
    }
    let outputs = ask(&mut peer, 4, &hello(0));
    let [Output::Answer { ticket: 4, octets: Some(octets) }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(matches!(Answer::parse(octets), Ok(Answer::Packet(_))));
}

#[test]
fn what_is_no_question_for_it_has_no_answer() {
    let mut peer = RelayedPeer::new(peer(), KdMaker::Network, 0);
    let other = Question::Resynchronise { rand: [0; 16], auts: [0; 14] }.emit().unwrap();
    for octets in [&other[..], &[], &[9; 9]] {
        peer.handle_input(Input::Question { ticket: 1, octets }, &mut Octets(1));
        assert!(matches!(peer.poll_output(), Some(Output::Answer { ticket: 1, octets: None })));
    }
}
