use super::*;

fn id(number: u8) -> Layer2Id {
    Layer2Id::from_octets([0, 0, number])
}

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(1_700_000_000_000 + millis)
}

fn with(relay: &mut RelayUe, input: Input) -> Vec<Output> {
    relay.handle_input(input);
    std::iter::from_fn(|| Some(relay.poll_output()).filter(|output| *output != Output::Done)).collect()
}

#[test]
fn the_status_says_what_is_true() {
    let mut relay = RelayUe::new(2);
    let room = |relay: &RelayUe| relay.status().resources;
    assert!(room(&relay));
    for (number, of) in [(1, [1, 2]), (2, [2, 2])] {
        let up = Input::Up { now: at(0), remote: id(number) };
        assert_eq!(with(&mut relay, up), [Output::Event(Event::Joined { remote: id(number), of })]);
        assert_eq!(with(&mut relay, up), [], "once");
    }
    assert!(!room(&relay));
    let ended = Input::Ended { now: at(700), remote: id(1) };
    let gone = Event::Gone { remote: id(1), after: 700, of: [1, 2] };
    assert_eq!(with(&mut relay, ended), [Output::Event(gone)]);
    assert_eq!(with(&mut relay, ended), []);
    assert!(room(&relay));
    relay.handle_input(Input::Suspend);
    assert!(!room(&relay));
    relay.handle_input(Input::Resume);
    assert!(room(&relay));
}

#[test]
fn a_relay_that_ends_lets_everybody_go_and_takes_nobody() {
    let mut relay = RelayUe::new(8);
    for number in [1, 2] {
        with(&mut relay, Input::Up { now: at(0), remote: id(number) });
    }
    let why = Dismissal::NotAvailable;
    let outputs = with(&mut relay, Input::Stop(why));
    assert_eq!(outputs, [Output::Dismiss(id(1), why), Output::Dismiss(id(2), why)]);
    assert!(!relay.status().resources);
    assert_eq!(relay.remotes().count(), 2, "until their links have ended");
}
