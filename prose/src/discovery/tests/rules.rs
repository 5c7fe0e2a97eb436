//! Rules about memory, acceptance and responses.

use super::*;

/// Returns open announcements with as many codes of a prefix, which anybody can send.
fn forged(count: u32) -> impl Iterator<Item = Message> {
    (0..count).map(|i| {
        let mut code = [0xb0; 23];
        code[1..5].copy_from_slice(&i.to_be_bytes());
        let content = Content::OpenAnnouncement(code);
        announce(&mut Announcer::new(&content, AnnouncerKey::Unprotected, FOREVER).unwrap(), &at(6000))
    })
}

fn small(heard: usize) -> Monitor {
    Monitor::new(MonitorConfig { heard, ..MonitorConfig::default() }).unwrap()
}

#[test]
fn what_is_not_proven_pushes_out_nothing_that_is() {
    let material = material(true, true, true);
    let mut announcer = restricted([5; 23], &material);
    let mut monitor = small(16);
    monitor.follow(filter(MessageType::RestrictedAnnouncement, [5; 23], &material));
    let mut prefix = CodeFilter { code: [0; 23], mask: [0; 23] };
    (prefix.code[0], prefix.mask[0]) = (0xb0, 0xff);
    monitor.follow(Follow::Open(prefix, FOREVER));
    let (old, new) = (announce(&mut announcer, &at(0)), announce(&mut announcer, &at(5000)));
    assert!(receive(&mut monitor, &at(0), &old).is_ok());
    assert!(receive(&mut monitor, &at(5000), &new).is_ok());
    for message in forged(2000) {
        assert!(receive(&mut monitor, &at(6000), &message).is_ok());
    }
    assert_eq!(receive(&mut monitor, &at(6100), &old), Err(Refusal::Replay));
}

/// When its memory is full of identities that could still be replayed, the monitor accepts no new one rather than
/// forget; for no longer than that.
#[test]
fn proven_identities_keep_their_places_until_their_age_refuses_them() {
    let material = material(false, true, false);
    let mut monitor = small(2);
    let receiver = Receiver::new(
        &material,
        MicCheck::Local,
        vec![CodeFilter { code: [0; 23], mask: [0; 23] }],
        Profile::default(),
    );
    monitor.follow(Follow::Filter(MessageType::RestrictedAnnouncement, receiver, FOREVER));
    let mut send = |code: u8, millis: u64| {
        let message = announce(&mut restricted([code; 23], &material), &at(millis));
        receive(&mut monitor, &at(millis), &message).map(|_| ())
    };
    assert_eq!(send(1, 0), Ok(()));
    assert_eq!(send(2, 1000), Ok(()));
    assert_eq!(send(3, 2000), Err(Refusal::RateLimited));
    assert_eq!(send(1, 3000), Ok(()), "those that are there go on");
    assert_eq!(send(3, 64_000), Err(Refusal::RateLimited));
    // twice MAX_OFFSET and the uncertainty after the second was received
    assert_eq!(send(3, 65_041), Ok(()));
}

/// An expired code is accepted by no kind of following.
#[test]
fn expired_codes_are_not_believed() {
    let until = at(10_000).slot.counter();
    let material = material(true, true, true);
    let nonce = config(64, 1000);
    let (id, key) = pair(1);
    let open = |code| Announcer::new(&Content::OpenAnnouncement(code), AnnouncerKey::Unprotected, FOREVER);
    let mut prefix = CodeFilter { code: [0xb0; 23], mask: [0; 23] };
    prefix.mask[0] = 0xff;
    let receiver =
        Receiver::new(&material, MicCheck::Local, vec![CodeFilter::exact([5; 23])], Profile::default());
    for (name, follow, mut announcer) in [
        (
            "filter",
            Follow::Filter(MessageType::RestrictedAnnouncement, receiver, until),
            restricted([5; 23], &material),
        ),
        ("open, whole", Follow::Open(CodeFilter::exact([0xb0; 23]), until), open([0xb0; 23]).unwrap()),
        ("open, prefix", Follow::Open(prefix, until), open([0xb0; 23]).unwrap()),
        ("nonce", Follow::Nonce(nonce, OtaIdentity::new(nonce, id, &key), until), changing(nonce, 1)),
    ] {
        let mut monitor = small(16);
        monitor.follow(follow);
        let mut judge = |millis| {
            let message = announce(&mut announcer, &at(millis));
            receive(&mut monitor, &at(millis), &message).map(|_| ())
        };
        assert_eq!(judge(9000), Ok(()), "{name}");
        assert_eq!(judge(10_000), Err(Refusal::Expired), "{name}");
        assert_eq!(judge(11_000), Err(Refusal::Expired), "{name}");
    }
}

/// A query that anybody can send is not answered: the response would be a beacon.
#[test]
// TS 33.303 §6.1.3.4.2.2 step 13a
fn unproven_questions_are_not_answered() {
    let query = [0x33; 23];
    for (keys, check) in [
        (material(true, false, true), MicCheck::Local),
        (material(false, false, false), MicCheck::Local),
        (material(true, true, true), MicCheck::ByProseFunction),
    ] {
        let receiver = Receiver::new(&keys, check, vec![CodeFilter::exact(query)], Profile::default());
        let mut discoveree = Discoveree::new(DiscovereeConfig::default(), &POLICY);
        let answering = Answering::Restricted {
            receiver,
            query: MessageType::RestrictedQuery,
            response: Content::RestrictedResponse([0x44; 23]),
            sender: Sender::new(&keys, Profile::default()),
        };
        discoveree.answer(answering, FOREVER);
        let sender = AnnouncerKey::Restricted(Sender::new(&keys, Profile::default()));
        let mut asking = Announcer::new(&Content::RestrictedQuery(query), sender, FOREVER).unwrap();
        let question = announce(&mut asking, &at(0));
        assert_eq!(ask(&mut discoveree, &at(0), &question), Err(Refusal::NotAuthorised));
        assert_eq!(discoveree.waiting(), 0);
        assert!(discoveree.respond(&POLICY, &at(320)).is_none());
    }
}

/// TS 24.334 §12.1A: what is opened and has a reserved value is discarded, whatever proves it.
#[test]
// TS 24.334 §12.1A (4)
fn a_reserved_composition_is_not_followed() {
    let material = group_key().material(at(0).slot.counter()).unwrap();
    let mut wanted = CodeFilter { code: [0; 23], mask: [0; 23] };
    wanted.code[..3].copy_from_slice(&[1, 2, 3]);
    wanted.mask[..3].fill(0xff);
    let receiver = Receiver::new(&material, MicCheck::Local, vec![wanted], Profile::default());
    let mut monitor = small(16);
    monitor.follow(Follow::Filter(MessageType::GroupMemberSolicitation, receiver, FOREVER));
    let sender = Sender::new(&material, Profile::default());
    for (composition, known) in [(0x00, false), (0x40, true), (0x80, true), (0xc0, false)] {
        let mut message = [0; 29];
        message[0] = MessageType::GroupMemberSolicitation.octet();
        message[1..4].copy_from_slice(&[1, 2, 3]);
        message[10] = composition;
        message[11] = composition;
        sender.protect(&POLICY.freshness(&at(0)), &mut message).unwrap();
        let received = receive(&mut monitor, &at(0), &message);
        assert_eq!(received.is_ok(), known, "{composition:#x}");
    }
    let (group, info) = ([1, 2, 3], [7; 6]);
    let target = sidelink_wire::pc5_discovery::Target::Reserved([0; 14]);
    let content = Content::GroupMemberSolicitation { group, info, target };
    assert!(Announcer::new(&content, AnnouncerKey::Unprotected, FOREVER).is_err(), "nor sent");
}
