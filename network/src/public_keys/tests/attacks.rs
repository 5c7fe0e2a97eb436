//! Attackers of public keys: false hints, registrations that are replayed or of another's name, a list that goes back or gets old.

use super::*;

fn register(name: KeyName, number: u32, nonce: Nonce, text: &[u8]) -> KeyMessage {
    let signature = signing(number).sign(Purpose::Registration, text, [0; 32]);
    let signature = Octets(signature.as_octets().to_vec());
    KeyMessage::Register(Box::new(Register { name, key: key(number), nonce, signature }))
}

fn nonce(world: &mut World, ue: u32, name: KeyName) -> Nonce {
    match world.say(ue, &KeyMessage::NonceRequest(NonceRequest { name })) {
        KeyMessage::Nonce(answer) => answer.nonce,
        other => panic!("{other:?}"),
    }
}

fn cause(message: KeyMessage) -> KeyCause {
    match message {
        KeyMessage::Reject(reject) => reject.cause,
        other => panic!("{other:?}"),
    }
}

/// Limits of one UE aside: what is tried here is what the server thinks, not its front.
fn world() -> World {
    let mut world = World::new();
    let (mut counters, stream) = (Memory::default(), StreamId([9; 16]));
    let reserve = ReserveConfig { block: 8, low_water: 4 };
    let lease = Lease::open(stream, 0, u64::MAX, reserve, &mut counters).unwrap();
    let limits = function::Limits { ue_burst: 100_000, burst: 1_000_000, ..function::Limits::default() };
    let config = function::Config { limits, ..function_config() };
    world.function = ProseFunction::new(config, lease, &[1; 32], function::Durable::default()).unwrap();
    world
}

#[test]
fn another_s_name_is_not_registered() {
    let mut world = world();
    let asked = KeyMessage::NonceRequest(NonceRequest { name: user(ANNA) });
    assert_eq!(cause(world.say(CARL, &asked)), KeyCause::NotYours);
    // A nonce that Anna was given does not serve Carl, nor one for another name of his own.
    let of_anna = nonce(&mut world, ANNA, user(ANNA));
    let text = signed_text(imsi(CARL), &user(ANNA), &key(9), &of_anna);
    assert_eq!(cause(world.say(CARL, &register(user(ANNA), 9, of_anna, &text))), KeyCause::NotYours);
    let text = signed_text(imsi(CARL), &user(CARL), &key(9), &of_anna);
    assert_eq!(cause(world.say(CARL, &register(user(CARL), 9, of_anna, &text))), KeyCause::Nonce);
    let of_shop = nonce(&mut world, CARL, shop());
    let text = signed_text(imsi(CARL), &user(CARL), &key(9), &of_shop);
    assert_eq!(cause(world.say(CARL, &register(user(CARL), 9, of_shop, &text))), KeyCause::Nonce);
    assert_eq!(world.server.keys(), 0);
    // A UE without the right to announce has no name.
    assert_eq!(
        cause(world.say(999, &KeyMessage::NonceRequest(NonceRequest { name: user(999) }))),
        KeyCause::NotYours
    );
}

/// Another's public key cannot be registered as one's own: the proof is missing, or is of another text.
#[test]
fn another_s_key_is_not_registered() {
    let mut world = world();
    world.announce(ANNA, user(ANNA), 11);
    let of_carl = nonce(&mut world, CARL, user(CARL));
    let right = signed_text(imsi(CARL), &user(CARL), &key(11), &of_carl);
    // Signed by Carl's key, but Anna's is named.
    let signature = Octets(signing(9).sign(Purpose::Registration, &right, [0; 32]).as_octets().to_vec());
    let stolen = Register { name: user(CARL), key: key(11), nonce: of_carl, signature };
    assert_eq!(cause(world.say(CARL, &KeyMessage::Register(Box::new(stolen)))), KeyCause::Proof);
    // What Anna signed for herself, and what she announces.
    let of_anna = signed_text(imsi(ANNA), &user(ANNA), &key(11), &of_carl);
    assert_eq!(cause(world.say(CARL, &register(user(CARL), 11, of_carl, &of_anna))), KeyCause::Proof);
    let signature = Octets(signing(11).sign(Purpose::Announcement, &right, [0; 32]).as_octets().to_vec());
    let announced = Register { name: user(CARL), key: key(11), nonce: of_carl, signature };
    assert_eq!(cause(world.say(CARL, &KeyMessage::Register(Box::new(announced)))), KeyCause::Proof);
    assert_eq!(world.server.keys(), 1);
}

#[test]
fn a_registration_counts_once() {
    let mut world = world();
    let given = nonce(&mut world, ANNA, user(ANNA));
    let first = register(user(ANNA), 11, given, &signed_text(imsi(ANNA), &user(ANNA), &key(11), &given));
    assert!(matches!(world.say(ANNA, &first), KeyMessage::Registered(_)));
    assert_eq!(cause(world.say(ANNA, &first)), KeyCause::Nonce, "again");
    // Another key under the same nonce, and under one of before.
    let other = register(user(ANNA), 12, given, &signed_text(imsi(ANNA), &user(ANNA), &key(12), &given));
    assert_eq!(cause(world.say(ANNA, &other)), KeyCause::Nonce);
    world.run(10 * SECOND);
    let (early, late) = (nonce(&mut world, ANNA, user(ANNA)), {
        world.run(10 * SECOND);
        nonce(&mut world, ANNA, user(ANNA))
    });
    let second = register(user(ANNA), 12, late, &signed_text(imsi(ANNA), &user(ANNA), &key(12), &late));
    assert!(matches!(world.say(ANNA, &second), KeyMessage::Registered(_)));
    let back = register(user(ANNA), 13, early, &signed_text(imsi(ANNA), &user(ANNA), &key(13), &early));
    assert_eq!(cause(world.say(ANNA, &back)), KeyCause::Nonce, "a nonce of before");
    // The one that was replaced does not come again, whatever its nonce.
    world.run(10 * SECOND);
    let fresh = nonce(&mut world, ANNA, user(ANNA));
    let again = register(user(ANNA), 11, fresh, &signed_text(imsi(ANNA), &user(ANNA), &key(11), &fresh));
    assert_eq!(cause(world.say(ANNA, &again)), KeyCause::Revoked);
    // A nonce that is too old, one of the future, and one that was changed.
    world.run(NONCE_LIFETIME);
    let late = register(user(ANNA), 14, fresh, &signed_text(imsi(ANNA), &user(ANNA), &key(14), &fresh));
    assert_eq!(cause(world.say(ANNA, &late)), KeyCause::Nonce);
    let fresh = nonce(&mut world, ANNA, user(ANNA));
    for at in [0, 7, 8, 23] {
        let mut changed = fresh;
        changed.0[at] ^= 1;
        let text = signed_text(imsi(ANNA), &user(ANNA), &key(14), &changed);
        assert_eq!(cause(world.say(ANNA, &register(user(ANNA), 14, changed, &text))), KeyCause::Nonce);
    }
}

/// A registration is replayed while the first one is still being stored.
#[test]
fn a_registration_that_is_being_stored_counts_once_too() {
    let mut world = world();
    let given = nonce(&mut world, ANNA, user(ANNA));
    let first = register(user(ANNA), 11, given, &signed_text(imsi(ANNA), &user(ANNA), &key(11), &given));
    world.medium = Medium::Hangs;
    assert_eq!(world.ask(ANNA, first.to_xml().as_bytes()), None);
    assert_eq!(cause(world.say(ANNA, &first)), KeyCause::Nonce);
}

/// After a start of the server no nonce of before counts: nothing was kept of it.
#[test]
fn a_nonce_does_not_outlive_the_server() {
    let mut world = world();
    let given = nonce(&mut world, ANNA, user(ANNA));
    let first = register(user(ANNA), 11, given, &signed_text(imsi(ANNA), &user(ANNA), &key(11), &given));
    let mut world = World::on(config(), Durable::default(), 2);
    assert_eq!(cause(world.say(ANNA, &first)), KeyCause::Nonce);
    // The client asks for another.
    assert!(matches!(world.announce(ANNA, user(ANNA), 11)[..], [client::Output::Registered { .. }]));
}

#[test]
fn a_ue_has_so_many_keys_and_no_more() {
    let mut config = config();
    config.limits.keys = 3;
    let mut world = World::on(config, Durable::default(), 1);
    for ue in [ANNA, CARL, 4] {
        world.announce(ue, user(ue), ue);
    }
    let said = world.announce(5, user(5), 5);
    let refused = client::Output::OwnEnded { id: OwnId(0), why: EndCause::Rejected(KeyCause::TooMany) };
    assert_eq!(format!("{said:?}"), format!("{:?}", [refused]));
    // The others go on.
    world.run(25 * HOUR);
    assert_eq!(world.server.keys(), 3);
}

// T2.3-4
/// Many false hints for half an hour: the UE asks for a bounded number and remembers a bounded number, and the key that it follows
/// comes nevertheless.
#[test]
fn a_flood_of_wrong_hints_is_bounded() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    let (mut hint, before) = (0_u16, world.requests);
    let mut told = 0;
    for second in 0..1800 {
        for _ in 0..110 {
            hint = hint.wrapping_mul(25173).wrapping_add(13849);
            world.hear(BERT, Hint(hint.to_be_bytes()));
        }
        if second == 300 {
            told += world.follow(BERT, user(ANNA)).iter().filter(|output| is_key(output, 11)).count();
        }
        world.now = world.now.plus_millis(SECOND);
        let now = world.now;
        world.client(BERT).handle_input(client::Input::Tick { now });
        told += world.drain(BERT).iter().filter(|output| is_key(output, 11)).count();
    }
    assert!(told >= 1);
    assert_eq!(world.holds(BERT), [key(11)]);
    assert!(world.clients[&BERT].hints() <= 256);
    let asked = world.requests - before;
    assert!(asked <= 180, "{asked} questions");
    // 256 hints in ten minutes: the table is full, and takes others when these may be asked for again.
    assert!(asked <= 3 * (256 / 16) + 20, "{asked} questions");
}

// T2.3-4
/// A UE that asks for wrong hints as fast as it can is held to its rate; another one is answered.
#[test]
fn a_flood_of_questions_is_held_to_its_rate() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    let mut looked_at = 0;
    for second in 0..60_u8 {
        for i in 0..100_u8 {
            let hints = (0..16_u8).map(|n| Hint([i, n.wrapping_mul(16).wrapping_add(second)])).collect();
            let answer = world.ask(7, fetch(Vec::new(), hints, None).to_xml().as_bytes());
            looked_at += usize::from(matches!(answer, Some(Ok(_))));
        }
        world.now = world.now.plus_millis(SECOND);
    }
    assert_eq!(looked_at, 6 + 5, "a burst, then one in ten seconds");
    assert_eq!(world.follow(BERT, user(ANNA)).len(), 1);
}

// T2.3-6
/// A key that is revoked: told to nobody from now on; those that have it know within an hour; after a day nothing is left of it.
#[test]
fn a_revoked_key_counts_no_more() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.announce(4, user(4), 14);
    for ue in [BERT, CARL] {
        world.follow(ue, user(4));
    }
    world.follow(BERT, user(ANNA));
    world.run(60 * SECOND);
    assert_eq!(world.holds(BERT).len(), 2);
    world.revoke(Withdrawal::Ue(imsi(4)));
    assert_eq!(world.done.iter().map(|(_, revoked)| *revoked).collect::<Vec<_>>(), [1]);
    assert_eq!(world.server.keys(), 1);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(4)], vec![key(14).hint()], Some(BERT))));
    assert_eq!((keys.keys.len(), keys.absent.len()), (0, 2));
    let Some(ListNews::New(list)) = Some(keys.list) else { panic!() };
    assert_eq!((list.number, list.says(&key(14).fingerprint())), (ListNumber(1), Listed::Yes));
    assert_eq!(list.says(&key(11).fingerprint()), Listed::No);
    world.clients.remove(&4);
    let said = world.run(HOUR + 20 * SECOND);
    for ue in [BERT, CARL] {
        let gone = said.iter().filter(|(of, output)| {
            *of == ue && matches!(output, client::Output::Gone { why: EndCause::Revoked, key: held } if held.key == key(14))
        });
        assert_eq!(gone.count(), 1, "UE {ue}");
    }
    assert_eq!(world.holds(BERT), [key(11)]);
    // The list has it until nobody can have the key; its number stays.
    world.run(25 * HOUR);
    let keys = keys_of(world.say(BERT, &fetch(vec![user(4)], Vec::new(), Some(BERT))));
    let ListNews::New(list) = keys.list else { panic!() };
    assert_eq!((list.number, list.says(&key(14).fingerprint())), (ListNumber(1), Listed::No));
}

// T2.3-6
/// A UE that is out of coverage when a key is revoked: the key ends with its validity.
#[test]
fn a_revoked_key_ends_without_the_network_too() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.follow(BERT, user(ANNA));
    world.revoke(Withdrawal::Name(user(ANNA)));
    world.lost = usize::MAX;
    world.run(24 * HOUR - 20 * SECOND);
    assert_eq!(world.holds(BERT), [key(11)], "(X) nobody told Bert");
    let said = world.run(20 * SECOND);
    assert_eq!(world.holds(BERT), []);
    let over =
        |output: &client::Output| matches!(output, client::Output::Gone { why: EndCause::Expired, .. });
    assert_eq!(said.iter().filter(|(ue, output)| *ue == BERT && over(output)).count(), 1);
}

#[test]
fn a_permission_that_is_withdrawn_keeps_the_key_back() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.follow(BERT, user(ANNA));
    let permission = Permission { target: rpauid(ANNA), watcher: rpauid(BERT) };
    world.revoke(Withdrawal::Permission(permission));
    assert_eq!(world.holds(BERT), [key(11)]);
    world.run(22 * HOUR);
    assert_eq!(world.holds(BERT), [], "the next renewal tells no key");
    assert_eq!(world.server.keys(), 1);
}

/// The answer of a server that was put back, or of somebody else: nothing of it is taken.
#[test]
fn the_number_of_the_list_never_goes_back() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.announce(4, user(4), 14);
    world.revoke(Withdrawal::Name(user(4)));
    world.follow(BERT, user(ANNA));
    assert_eq!(world.clients[&BERT].list().unwrap().number, ListNumber(1));
    let now = world.now;
    let answer = |list, current_time| {
        let keys = vec![ToldKey { name: user(ANNA), key: key(14), valid_until: now.plus_millis(HOUR) }];
        KeyMessage::Keys(Keys { current_time, keys, absent: Vec::new(), more: Vec::new(), list }).to_xml()
    };
    let lists = [
        ListNews::New(RevocationList::of(ListNumber(0), world.now, Vec::new())),
        ListNews::Same(ListNumber(0)),
    ];
    for list in lists {
        world.run(22 * HOUR);
        let now = world.now;
        let client = world.client(BERT);
        client.handle_input(client::Input::Follow { now, name: user(77) });
        // The list is asked for within the hour.
        let (mut at, mut request) = (now, None);
        while request.is_none() {
            at = at.plus_millis(10 * SECOND);
            client.handle_input(client::Input::Tick { now: at });
            if let client::Output::Request { request: number, .. } = client.poll_output() {
                request = Some(number);
            }
        }
        world.now = at;
        let body = answer(list, at);
        let request = request.unwrap();
        world.client(BERT).handle_input(client::Input::Response { now: at, request, body: body.as_bytes() });
        let said = world.drain(BERT);
        let back = Warning::ListWentBack { has: ListNumber(1), came: ListNumber(0) };
        assert!(
            said.iter().any(|output| matches!(output, client::Output::Warning(why) if *why == back)),
            "{said:?}"
        );
        assert_eq!(world.clients[&BERT].list().unwrap().number, ListNumber(1));
        assert!(!world.holds(BERT).contains(&key(14)));
    }
}

/// What a store kept of a list does not put a newer one back either.
#[test]
fn what_was_kept_does_not_put_the_list_back() {
    let now = UtcTime::from_millis(START);
    let mut client = PublicKeysClient::new(ClientConfig::new(imsi(BERT), None));
    let held = |number, valid_until| HeldKey { name: user(number), key: key(number), valid_until };
    let list = |number, keys: &[u32]| {
        RevocationList::of(ListNumber(number), now, keys.iter().map(|n| key(*n).fingerprint()).collect())
    };
    let later = now.plus_millis(HOUR);
    let keys = vec![held(1, later), held(2, later), held(3, now)];
    client.handle_input(client::Input::Restore { now, keys, list: Some(list(4, &[2])) });
    let held: Vec<_> = client.keys().map(|held| held.key.clone()).collect();
    assert_eq!(held, [key(1)], "one is revoked, one is over");
    client.handle_input(client::Input::Restore { now, keys: Vec::new(), list: Some(list(3, &[])) });
    assert_eq!(client.list().unwrap().number, ListNumber(4));
}

/// Keys of a validity of a week: without a list of today they do not count, with one they do.
#[test]
fn without_a_list_of_today_no_key_counts() {
    let mut world = World::on(Config { validity: 7 * 24 * HOUR, ..config() }, Durable::default(), 1);
    world.announce(ANNA, user(ANNA), 11);
    world.follow(BERT, user(ANNA));
    world.lost = usize::MAX;
    world.run(24 * HOUR - 20 * SECOND);
    assert_eq!(world.holds(BERT), [key(11)]);
    let said = world.run(20 * SECOND);
    let old = |output: &client::Output| matches!(output, client::Output::Suspended(SuspendCause::ListTooOld));
    assert_eq!(said.iter().filter(|(ue, output)| *ue == BERT && old(output)).count(), 1);
    assert_eq!(world.holds(BERT), []);
    world.lost = 0;
    let said = world.run(HOUR);
    assert!(said.iter().any(|(ue, output)| *ue == BERT && matches!(output, client::Output::Resumed)));
    assert_eq!(world.holds(BERT), [key(11)]);
}

/// More revoked keys than a list names: a key that the filter hits by mistake is suspended until the server has told it again.
#[test]
fn a_wrong_hit_of_the_filter_is_asked_about() {
    let revoked = |number: u64| server::RevokedRecord {
        number: ListNumber(number),
        key: key(100_000 + number as u32).fingerprint(),
        until: UtcTime::from_millis(START + 100 * HOUR),
    };
    let disk = Durable { keys: Vec::new(), revoked: (1..=400).map(revoked).collect() };
    let mut world = World::on(config(), disk, 1);
    world.announce(4, user(4), 14);
    let next = {
        let keys = (1..=400).map(|number| revoked(number).key).chain([key(14).fingerprint()]).collect();
        RevocationList::of(ListNumber(401), world.now, keys)
    };
    // A key that the list hits once user 4 is revoked too, and not before.
    let of_now = {
        let keys = (1..=400).map(|number| revoked(number).key).collect();
        RevocationList::of(ListNumber(400), world.now, keys)
    };
    let wrong = (1_000..1_000_000)
        .find(|n| {
            let print = key(*n).fingerprint();
            next.says(&print) == Listed::Perhaps && of_now.says(&print) == Listed::No
        })
        .unwrap();
    world.announce(ANNA, user(ANNA), wrong);
    world.follow(BERT, user(ANNA));
    assert_eq!(world.holds(BERT), [key(wrong)]);
    world.run(60 * SECOND);
    world.revoke(Withdrawal::Name(user(4)));
    world.clients.remove(&4);
    let said = world.run(HOUR);
    let of_bert = said.iter().filter(|(ue, _)| *ue == BERT).map(|(_, output)| output);
    let [suspended, again] = of_bert.collect::<Vec<_>>()[..] else { panic!("{said:?}") };
    assert!(
        matches!(suspended, client::Output::Suspended(SuspendCause::Doubted(held)) if held.key == key(wrong))
    );
    assert!(is_key(again, wrong));
    assert_eq!(world.holds(BERT), [key(wrong)]);
    // It is not asked about again while the list is this one.
    assert_eq!(world.run(2 * HOUR).len(), 0);
}

/// A UE asks as itself alone: the permissions of others are not its own.
#[test]
fn another_s_permissions_are_not_used() {
    let mut world = world();
    world.announce(ANNA, user(ANNA), 11);
    world.announce(4, shop(), 14);
    let as_bert = fetch(vec![user(ANNA)], vec![key(11).hint()], Some(BERT));
    assert_eq!(cause(world.say(CARL, &as_bert)), KeyCause::NotYours);
    // Who may not monitor openly is told no key of an open name.
    let open = keys_of(world.say(998, &fetch(vec![shop()], vec![key(14).hint()], Some(998))));
    assert_eq!((open.keys.len(), open.absent.len()), (0, 2));
}

/// A withdrawal names a key of one's own, and the right one.
#[test]
fn another_key_is_not_withdrawn() {
    let mut world = world();
    world.announce(ANNA, user(ANNA), 11);
    let withdraw =
        |number| KeyMessage::Withdraw(Withdraw { name: user(ANNA), fingerprint: key(number).fingerprint() });
    assert_eq!(cause(world.say(CARL, &withdraw(11))), KeyCause::NotYours);
    assert_eq!(cause(world.say(ANNA, &withdraw(12))), KeyCause::Unknown);
    assert_eq!(world.server.keys(), 1);
    assert!(matches!(world.say(ANNA, &withdraw(11)), KeyMessage::Withdrawn(_)));
    assert_eq!(world.server.keys(), 0);
}

/// Of a name with many keys as many are told as are allowed.
#[test]
fn candidates_are_bounded() {
    let mut config = config();
    config.limits.candidates = 2;
    let mut world = World::on(config, Durable::default(), 1);
    for ue in [ANNA, CARL, 4] {
        world.announce(ue, shop(), 10 + ue);
    }
    assert_eq!(keys_of(world.say(BERT, &fetch(vec![shop()], Vec::new(), None))).keys.len(), 2);
}

fn registration(world: &mut World, ue: u32, name: &KeyName, number: u32) -> Option<Answer> {
    let given = nonce(world, ue, name.clone());
    let text = signed_text(imsi(ue), name, &key(number), &given);
    world.ask(ue, register(name.clone(), number, given, &text).to_xml().as_bytes())
}

/// Registrations that are being stored count as keys, and only so many wait.
#[test]
fn registrations_that_wait_for_the_store_are_bounded() {
    let mut config = config();
    (config.limits.waiting, config.limits.keys_per_ue) = (2, 1);
    let mut world = World::on(config, Durable::default(), 1);
    world.medium = Medium::Hangs;
    assert_eq!(registration(&mut world, ANNA, &user(ANNA), 11), None);
    let Some(Ok(refused)) = registration(&mut world, ANNA, &shop(), 12) else { panic!("no refusal") };
    assert_eq!(cause(KeyMessage::from_xml(refused.as_bytes()).unwrap()), KeyCause::TooMany);
    assert_eq!(registration(&mut world, CARL, &user(CARL), 13), None);
    assert_eq!(registration(&mut world, 4, &user(4), 14), Some(Err(NoAnswer::Lost)), "busy");
}

/// Where no more revoked keys can be remembered, no key is replaced.
#[test]
fn revoked_keys_are_bounded() {
    let mut config = config();
    config.limits.revoked = 1;
    let mut world = World::on(config, Durable::default(), 1);
    for (number, is_taken) in [(11, true), (12, true), (13, false)] {
        let answer = registration(&mut world, ANNA, &user(ANNA), number);
        let Some(Ok(answer)) = answer else { panic!("{answer:?}") };
        let answer = KeyMessage::from_xml(answer.as_bytes()).unwrap();
        assert_eq!(matches!(answer, KeyMessage::Registered(_)), is_taken, "{number}: {answer:?}");
        world.run(10 * SECOND);
    }
}
