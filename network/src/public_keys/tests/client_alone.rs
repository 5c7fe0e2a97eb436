//! The UE's end with answers that no server of ours gives: what was not asked for is not taken.

use super::*;

fn client() -> PublicKeysClient {
    PublicKeysClient::new(ClientConfig::new(imsi(BERT), Some(rpauid(BERT))))
}

/// What it says, and its last request.
fn said(client: &mut PublicKeysClient) -> (Vec<client::Output>, Option<RequestId>) {
    let (mut outputs, mut last) = (Vec::new(), None);
    loop {
        match client.poll_output() {
            client::Output::Timeout(_) => return (outputs, last),
            client::Output::Request { request, .. } => last = Some(request),
            output => outputs.push(output),
        }
    }
}

fn answer(
    client: &mut PublicKeysClient,
    now: UtcTime,
    request: RequestId,
    keys: Keys,
) -> Vec<client::Output> {
    let body = KeyMessage::Keys(keys).to_xml();
    client.handle_input(client::Input::Response { now, request, body: body.as_bytes() });
    said(client).0
}

fn keys(now: UtcTime, keys: Vec<ToldKey>, absent: Vec<Absent>) -> Keys {
    let list = ListNews::New(RevocationList::of(ListNumber(1), now, Vec::new()));
    Keys { current_time: now, keys, absent, more: Vec::new(), list }
}

/// Keys of names that nobody asked for, and the end of one: both are ignored.
#[test]
fn unasked_keys_and_ends_are_ignored() {
    let now = UtcTime::from_millis(START);
    let mut client = client();
    client.handle_input(client::Input::Follow { now, name: user(ANNA) });
    let request = said(&mut client).1.unwrap();
    let told = |number| ToldKey { name: user(number), key: key(number), valid_until: now.plus_millis(HOUR) };
    answer(&mut client, now, request, keys(now, vec![told(ANNA), told(CARL)], Vec::new()));
    let holds = |client: &PublicKeysClient| client.keys().map(|held| held.key.clone()).collect::<Vec<_>>();
    assert_eq!(holds(&client), [key(ANNA)]);
    let later = now.plus_millis(20 * SECOND);
    client.handle_input(client::Input::Follow { now: later, name: user(4) });
    let request = said(&mut client).1.unwrap();
    let absent = |number| Absent { subject: Subject::Name(user(number)), not_before: now };
    let outputs = answer(&mut client, later, request, keys(later, Vec::new(), vec![absent(ANNA), absent(4)]));
    assert!(outputs.iter().any(|output| matches!(output, client::Output::Absent(name) if *name == user(4))));
    assert_eq!(holds(&client), [key(ANNA)]);
}

/// A server that says "never again" is asked again after a day.
#[test]
fn an_absence_lasts_a_day_at_most() {
    let now = UtcTime::from_millis(START);
    let mut client = client();
    client.handle_input(client::Input::Follow { now, name: user(4) });
    let request = said(&mut client).1.unwrap();
    let never = UtcTime::from_millis(START + 1_000 * HOUR);
    let absent = Absent { subject: Subject::Name(user(4)), not_before: never };
    answer(&mut client, now, request, keys(now, Vec::new(), vec![absent]));
    let is_asked = |client: &mut PublicKeysClient, now| {
        client.handle_input(client::Input::Tick { now });
        let mut is_asked = false;
        loop {
            match client.poll_output() {
                client::Output::Request { body, .. } => is_asked |= body.contains("user4"),
                client::Output::Timeout(_) => return is_asked,
                _ => {}
            }
        }
    };
    assert!(!is_asked(&mut client, now.plus_millis(HOUR)));
    // The question for the list of an hour later was lost.
    let day = now.plus_millis(24 * HOUR);
    assert!(is_asked(&mut client, day) || is_asked(&mut client, day.plus_millis(HOUR)));
}

/// "You have the newest list" says nothing to a UE without one.
#[test]
fn the_same_list_needs_a_list() {
    let now = UtcTime::from_millis(START);
    let mut client = client();
    client.handle_input(client::Input::Follow { now, name: user(ANNA) });
    let request = said(&mut client).1.unwrap();
    let told = ToldKey { name: user(ANNA), key: key(ANNA), valid_until: now.plus_millis(HOUR) };
    let keys = Keys { list: ListNews::Same(ListNumber(1)), ..keys(now, vec![told], Vec::new()) };
    let outputs = answer(&mut client, now, request, keys);
    assert!(matches!(outputs[..], [client::Output::Warning(Warning::Malformed(None))]), "{outputs:?}");
    assert_eq!(client.keys().count(), 0);
}

/// Answers to what was not asked do not move a key of the UE's own.
#[test]
fn unasked_answers_about_an_own_key_are_refused() {
    let now = UtcTime::from_millis(START);
    let registered = Registered { current_time: now, valid_until: now.plus_millis(HOUR) };
    let withdrawn = Withdrawn { current_time: now, number: ListNumber(1) };
    for message in [KeyMessage::Registered(registered), KeyMessage::Withdrawn(withdrawn)] {
        let mut client = client();
        client.handle_input(client::Input::Announce { now, name: user(BERT), key: key(BERT) });
        let request = said(&mut client).1.unwrap();
        let body = message.to_xml();
        client.handle_input(client::Input::Response { now, request, body: body.as_bytes() });
        let outputs = said(&mut client).0;
        assert!(matches!(outputs[..], [client::Output::Warning(Warning::Malformed(None))]), "{outputs:?}");
    }
}

/// A restored key that the filter of the list hits, perhaps by mistake, does not count until the server was asked.
#[test]
fn a_restored_key_that_the_filter_hits_is_doubted() {
    let now = UtcTime::from_millis(START);
    let revoked = (0..400).map(|number| key(100_000 + number).fingerprint()).collect();
    let list = RevocationList::of(ListNumber(7), now, revoked);
    let hit = (1_000..).find(|n| list.says(&key(*n).fingerprint()) == Listed::Perhaps).unwrap();
    let held = HeldKey { name: user(hit), key: key(hit), valid_until: now.plus_millis(HOUR) };
    let mut client = client();
    client.handle_input(client::Input::Restore { now, keys: vec![held.clone()], list: Some(list) });
    assert_eq!(client.keys().count(), 0);
    let outputs = said(&mut client).0;
    let doubted = SuspendCause::Doubted(Box::new(held));
    assert!(outputs.iter().any(|output| matches!(output, client::Output::Suspended(why) if *why == doubted)));
}

#[test]
fn names_and_own_keys_are_bounded() {
    let now = UtcTime::from_millis(START);
    let mut client = client();
    let too_many = |outputs: &[client::Output], name: KeyName| {
        outputs
            .iter()
            .any(|output| matches!(output, client::Output::Warning(Warning::TooMany(of)) if *of == name))
    };
    for number in 0..=client::MOST_NAMES as u32 {
        client.handle_input(client::Input::Follow { now, name: user(number) });
        let is_over = number == client::MOST_NAMES as u32;
        assert_eq!(too_many(&said(&mut client).0, user(number)), is_over, "{number}");
    }
    for number in 0..=client::MOST_OWN as u32 {
        client.handle_input(client::Input::Announce { now, name: user(number), key: key(number) });
        assert_eq!(
            too_many(&said(&mut client).0, user(number)),
            number == client::MOST_OWN as u32,
            "{number}"
        );
    }
}

/// A key that one list hits by mistake, as the server says, and that is revoked later: with the next list it counts no more.
#[test]
fn a_key_is_cleared_for_one_list_alone() {
    let now = UtcTime::from_millis(START);
    let revoked: Vec<_> = (0..400).map(|number| key(100_000 + number).fingerprint()).collect();
    let list = RevocationList::of(ListNumber(7), now, revoked.clone());
    let hit = (1_000..).find(|n| list.says(&key(*n).fingerprint()) == Listed::Perhaps).unwrap();
    let next = RevocationList::of(ListNumber(8), now, [revoked, vec![key(hit).fingerprint()]].concat());
    let mut client = client();
    client.handle_input(client::Input::Follow { now, name: user(hit) });
    let request = said(&mut client).1.unwrap();
    let told = ToldKey { name: user(hit), key: key(hit), valid_until: now.plus_millis(HOUR) };
    let first = Keys { list: ListNews::New(list), ..keys(now, vec![told], Vec::new()) };
    answer(&mut client, now, request, first);
    assert_eq!(client.keys().count(), 1, "cleared");
    let later = now.plus_millis(20 * SECOND);
    client.handle_input(client::Input::Follow { now: later, name: user(4) });
    let request = said(&mut client).1.unwrap();
    let second = Keys { list: ListNews::New(next), ..keys(later, Vec::new(), Vec::new()) };
    answer(&mut client, later, request, second);
    assert_eq!(client.keys().count(), 0);
}
