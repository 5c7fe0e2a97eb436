//! Messages of a machine above over a link.

use super::super::*;
use super::ends::noted;
use super::rig::{Air, DATA, PERIOD, PROFILE, l2, name};
use sidelink_security::direct::{Need, Policy, Profile};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, MessageType};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN};

/// A long message that says "key".
const MESSAGE: &[u8] = &[0xe3, 0, 7, 1, 0, 3, b'k', b'e', b'y'];

/// What a machine above gets in an unexpected place.
fn unexpected(air: &Air, index: usize) -> usize {
    let is_long = |n: &Note| matches!(n, Note::Unexpected { message: MessageType::LongMessage, .. });
    noted(&air.ues[index], is_long)
}

#[test]
fn a_message_goes_ciphered_with_a_mac_i_and_comes_with_the_proven_identity() {
    let mut air = Air::linked();
    air.send_upper(0, 1, MESSAGE).unwrap();
    let sent = air.log.last().unwrap().pdu.clone();
    assert_eq!((sent.lcid, sent.message), (Lcid::PC5_S_PROTECTED, Some(MessageType::LongMessage)));
    assert_eq!(sent.octets.len(), HEADER_LEN + MESSAGE.len() + MAC_I_LEN);
    assert!(!sent.octets.windows(3).any(|octets| octets == b"key"), "ciphered");
    air.run(PERIOD);
    let [message] = &air.ues[1].upper[..] else { panic!("{:?}", air.ues[1].upper) };
    assert_eq!((message.peer, &message.identity, &message.octets[..]), (l2(0x10), &name(0), MESSAGE));
    let (link, _) = air.up(1, 0).unwrap();
    assert_eq!((message.link, air.ues[1].manager.proven(link)), (link, Some(&name(0))));
    // Under the next key as well, and by the one who was asked.
    air.rekey(0, 1, false).unwrap();
    air.run(1000);
    air.send_upper(1, 0, MESSAGE).unwrap();
    air.run(PERIOD);
    assert_eq!(air.ues[0].upper.len(), 1);
    assert!(!format!("{:?}", air.ues[0].upper).contains("107, 101, 121"), "no key in a log");
}

/// A changed message, one that comes twice, and one without protection reach nobody.
#[test]
fn only_a_message_under_the_keys_of_the_link_is_taken() {
    let mut air = Air::linked();
    air.channel = Box::new(|flying| {
        let mut changed = flying.clone();
        let last = changed.pdu.octets.len() - 1;
        changed.pdu.octets[last] ^= 1;
        vec![changed, flying.clone(), flying]
    });
    air.send_upper(0, 1, MESSAGE).unwrap();
    air.run(PERIOD);
    assert_eq!(air.ues[1].upper.len(), 1);
    air.channel = Box::new(|flying| vec![flying]);
    air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, frame::plain(MESSAGE));
    air.run(PERIOD);
    assert_eq!(air.ues[1].upper.len(), 1);
}

/// With either algorithm null the sender refuses, and a receiver takes nothing, whatever a peer sends.
#[test]
fn no_message_goes_over_a_link_that_does_not_protect() {
    for (integrity, ciphering) in [(Need::NotNeeded, Need::NotNeeded), (Need::Required, Need::NotNeeded)] {
        let mut air = Air::new(2);
        for index in 0..2 {
            air.ues[index].config.policy = Policy { integrity, ciphering, ..Policy::default() };
            air.restart(index);
        }
        air.connect(0, 1);
        air.run(2000);
        let (link, _) = air.up(0, 1).unwrap();
        assert_eq!(air.ues[0].manager.proven(link), None);
        assert_eq!(air.send_upper(0, 1, MESSAGE), Err(Error::Unprotected(link)));
        // A peer that does not ask.
        let LinkManager { links, local, .. } = &mut air.ues[0].manager;
        let link::Link { common, state: link::State::Up(up) } = &mut links[0] else { panic!("not up") };
        let active = &mut up.session.active;
        common.send_message(local, active, Lcid::PC5_S_PROTECTED, (MessageType::LongMessage, MESSAGE));
        air.drain(0);
        air.run(PERIOD);
        assert_eq!((air.ues[1].upper.len(), unexpected(&air, 1)), (0, 1), "{integrity:?} {ciphering:?}");
    }
}

#[test]
fn what_is_no_message_of_a_machine_above_is_refused() {
    let mut air = Air::linked();
    let (link, _) = air.up(0, 1).unwrap();
    let long = [&[0xe3][..], &[0; 9000]].concat();
    let release = [4, 0, 0, 1];
    for message in [&b""[..], &release, &long] {
        let refused = Err(Error::Sdu { len: message.len(), lcid: Lcid::PC5_S_PROTECTED });
        assert_eq!(air.send_upper(0, 1, message), refused);
    }
    // Not on the channel of the security mode procedure, nor as user data: that has no MAC-I.
    let LinkManager { links, local, .. } = &mut air.ues[0].manager;
    let link::Link { common, state: link::State::Up(up) } = &mut links[0] else { panic!("not up") };
    let kind = (MessageType::LongMessage, MESSAGE);
    common.send_message(local, &mut up.session.active, Lcid::PC5_S_SECURITY_MODE, kind);
    air.drain(0);
    air.run(PERIOD);
    air.send(0, 1, MESSAGE).unwrap();
    air.run(PERIOD);
    assert_eq!((air.ues[1].upper.len(), air.ues[1].received[0].lcid), (0, DATA));
    // A link that is not there, and one that is being released.
    let (now, message) = (air.time(0), MESSAGE);
    let none = LinkId(99);
    let refused = air.ues[0].manager.handle_input(Input::SendUpper { now, link: none, message });
    assert_eq!(refused, Err(Error::NotUp(none)));
    air.ues[0].manager.handle_input(Input::Release { now, link }).unwrap();
    let refused = air.ues[0].manager.handle_input(Input::SendUpper { now, link, message });
    assert_eq!(refused, Err(Error::NotUp(link)));
}

/// The last numbers of a key are for the link's own messages.
#[test]
fn the_end_of_a_key_is_kept_for_the_release() {
    let mut air = Air::linked();
    let (link, _) = air.up(0, 1).unwrap();
    // Its re-keying is lost.
    air.channel = Box::new(|_| Vec::new());
    let refused = loop {
        if let Err(error) = air.send_upper(0, 1, MESSAGE) {
            break error;
        }
        air.log.clear();
    };
    assert_eq!(refused, Error::Exhausted(link));
    assert!(air.ues[0].manager.left(link).is_some_and(|left| left >= 60));
    air.ues[0].say(Body::Release { reason: 1 });
}

#[test]
fn a_link_of_nr_has_no_such_messages() {
    PROFILE.set(Profile::Nr);
    let mut air = Air::linked();
    let sent = air.send_upper(0, 1, MESSAGE);
    PROFILE.set(Profile::Lte);
    assert_eq!(sent, Err(Error::NotInProfile));
}
