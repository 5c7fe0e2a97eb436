use proptest::prelude::*;
use serde_json::Value;
use sidelink_wire::hex;

use super::card::{Card, Input, Output, Refusal};
use super::*;

mod memory;

const TAR: [u8; 3] = [0xb0, 0, 0x11];

fn keys() -> KeySet {
    KeySet::new(2, [1; 16], [2; 16]).unwrap()
}

const SPI: Spi = Spi {
    integrity: Integrity::Cc,
    ciphering: Ciphering::On,
    counter: CounterRule::Higher,
    response: Response { when: Por::Always, integrity: Integrity::Cc, ciphering: Ciphering::On },
};

fn command(counter: u64) -> Command {
    Command { spi: SPI, tar: TAR, counter, data: b"apdu".to_vec() }
}

/// What real cards took and said. Packets under 3DES are refused.
#[test]
fn packets_of_real_cards() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/ota_102225.json")).unwrap();
    let mut refused = 0;
    for case in file["cases"].as_array().unwrap() {
        let bytes = |name: &str| hex::bytes(case[name].as_str().unwrap()).unwrap();
        let octets = bytes("command_packet");
        if case["kic_octet"] != "22" {
            assert_eq!(CommandPacket::new_checked(&octets).unwrap_err(), Error::Key(0x35));
            refused += 1;
            continue;
        }
        let array = |name| bytes(name).try_into().unwrap();
        let keys = KeySet::new(2, array("kic_key"), array("kid_key")).unwrap();
        let packet = CommandPacket::new_checked(&octets).unwrap();
        let command = packet.open(&keys).unwrap();
        assert_eq!((command.counter, &command.data, command.tar), (0, &bytes("apdu"), TAR));
        assert_eq!(packet.spi().emit()[..], bytes("spi"));
        assert_eq!(command.protect(&keys).unwrap(), octets);
        let response = bytes("response_with_udh");
        let answer = Answer::open(&response, command.spi, &keys).unwrap();
        let data = hex::bytes(case["response_decoded"]["data"].as_str().unwrap()).unwrap();
        assert_eq!(answer, Answer { tar: TAR, counter: 0, status: Status::Ok, data });
        assert_eq!(answer.protect(command.spi, &keys).unwrap(), response);
    }
    assert_eq!(refused, 3);
}

#[test]
fn security_that_is_not_spoken_is_refused() {
    for first in 0..=255 {
        for second in 0..=255 {
            match Spi::parse([first, second]) {
                Ok(spi) => assert_eq!(spi.emit(), [first, second]),
                Err(error) => assert_eq!(error, Error::Spi([first, second])),
            }
        }
    }
    for (first, second) in [(1, 0), (3, 0), (0x20, 0), (0, 3), (0, 4), (0, 0x20)] {
        assert!(Spi::parse([first, second]).is_err(), "{first} {second}");
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let octets = command(1).protect(&keys()).unwrap();
    let with = |at: usize, value: u8| {
        let mut octets = octets.clone();
        octets[at] = value;
        CommandPacket::new_checked(&octets).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(1, octets[1] + 1), Error::Length("CPL"));
    assert_eq!(with(2, 13), Error::Length("CHL"));
    assert_eq!(
        (with(5, 0x02), with(5, 0x25), with(6, 0x32)),
        (Error::Key(2), Error::Key(0x25), Error::Key(0x32))
    );
    assert_eq!(CommandPacket::new_checked(&octets[..9]).unwrap_err(), Error::Length("the header"));
    let answer = Answer { tar: TAR, counter: 1, status: Status::Tar, data: vec![] };
    let response = answer.protect(SPI, &keys()).unwrap();
    let with = |at: usize, value: u8| {
        let mut response = response.clone();
        response[at] = value;
        Answer::open(&response, SPI, &keys()).unwrap_err()
    };
    assert_eq!(
        (with(0, 3), with(4, 0), with(5, 10)),
        (Error::Length("UDH"), Error::Length("RPL"), Error::Length("RHL"))
    );
    let open = Spi {
        response: Response { integrity: Integrity::None, ciphering: Ciphering::None, ..SPI.response },
        ..SPI
    };
    let mut plain = answer.protect(open, &keys()).unwrap();
    assert_eq!(Answer::open(&plain, open, &keys()), Ok(answer));
    plain[15] = 11;
    assert_eq!(Answer::open(&plain, open, &keys()), Err(Error::Status(11)));
    plain[14] = 1;
    assert_eq!(Answer::open(&plain, open, &keys()), Err(Error::Padding(1)));
}

#[test]
fn whole_blocks_are_encrypted() {
    let mut octets = command(1).protect(&keys()).unwrap();
    octets.push(0);
    octets[1] += 1;
    let packet = CommandPacket::new_checked(&octets).unwrap();
    assert_eq!(packet.open(&keys()), Err(Error::Length("what is encrypted")));
}

#[test]
fn what_cannot_be_written() {
    assert_eq!(command(COUNTER_LIMIT).protect(&keys()), Err(Error::Counter));
    let long = Command { data: vec![0; 65_530], ..command(1) };
    assert_eq!(long.protect(&keys()), Err(Error::TooLong));
    assert!(KeySet::new(0, [0; 16], [0; 16]).is_none() && KeySet::new(16, [0; 16], [0; 16]).is_none());
}

fn card(counter: u64) -> Card {
    Card::new([(keys(), counter)], [TAR])
}

/// What a card does with a command, and says of it in the end.
fn send(card: &mut Card, octets: &[u8]) -> (Option<u64>, Option<Output>) {
    card.handle_input(Input::Command(octets));
    let mut stored = None;
    loop {
        match card.poll_output() {
            Some(Output::Store { version, counter }) => {
                assert_eq!(version, 2);
                stored = Some(counter);
                card.handle_input(Input::Stored);
            }
            Some(Output::Execute { tar, data }) => {
                assert_eq!((tar, &data[..]), (TAR, &b"apdu"[..]));
                card.handle_input(Input::Executed { data: b"done".to_vec() });
            }
            other => return (stored, other),
        }
    }
}

fn status(card: &mut Card, command: &Command) -> Status {
    match send(card, &command.protect(&keys()).unwrap()).1 {
        Some(Output::Response(octets)) => Answer::open(&octets, command.spi, &keys()).unwrap().status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_runs_once() {
    let mut card = card(0);
    let octets = command(1).protect(&keys()).unwrap();
    let (stored, Some(Output::Response(response))) = send(&mut card, &octets) else { panic!() };
    let data = b"done".to_vec();
    assert_eq!(stored, Some(1));
    assert_eq!(
        Answer::open(&response, SPI, &keys()),
        Ok(Answer { tar: TAR, counter: 1, status: Status::Ok, data })
    );
    assert_eq!(status(&mut card, &command(1)), Status::CounterLow);
}

#[test]
fn counters_have_rules() {
    let one = |counter| Command { spi: Spi { counter: CounterRule::OneHigher, ..SPI }, ..command(counter) };
    for (last, command, expected) in [
        (5, command(5), Status::CounterLow),
        (5, command(4), Status::CounterLow),
        (5, command(6), Status::Ok),
        (5, command(COUNTER_LIMIT - 1), Status::Ok),
        (5, one(6), Status::Ok),
        (5, one(7), Status::CounterHigh),
        (5, one(5), Status::CounterLow),
        (COUNTER_LIMIT - 1, command(COUNTER_LIMIT - 1), Status::CounterBlocked),
    ] {
        assert_eq!(status(&mut card(last), &command), expected, "{last} {}", command.counter);
    }
}

#[test]
fn what_is_not_proven_runs_nothing() {
    let weak = |spi: Spi| Command { spi, ..command(9) };
    assert_eq!(status(&mut card(0), &weak(Spi { integrity: Integrity::None, ..SPI })), Status::Insufficient);
    for counter in [CounterRule::None, CounterRule::Unchecked] {
        assert_eq!(status(&mut card(0), &weak(Spi { counter, ..SPI })), Status::Insufficient);
    }
    assert_eq!(status(&mut card(0), &Command { tar: [1; 3], ..command(9) }), Status::Tar);
    let mut octets = command(9).protect(&keys()).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    let mut card = card(0);
    let (stored, Some(Output::Response(response))) = send(&mut card, &octets) else { panic!() };
    assert_eq!((stored, Answer::open(&response, SPI, &keys()).unwrap().status), (None, Status::Cc));
    octets.push(0);
    octets[1] += 1;
    let (_, Some(Output::Response(response))) = send(&mut card, &octets) else { panic!() };
    assert_eq!(Answer::open(&response, SPI, &keys()).unwrap().status, Status::Ciphering);
    let other = KeySet::new(3, [1; 16], [2; 16]).unwrap();
    let (_, said) = send(&mut card, &command(9).protect(&other).unwrap());
    assert_eq!(said, Some(Output::Silent(Refusal::Keys(3))));
    assert_eq!(status(&mut card, &command(1)), Status::Ok, "none of it moved the counter");
}

#[test]
fn a_card_speaks_when_it_is_to() {
    let with = |when, counter| Command {
        spi: Spi { response: Response { when, ..SPI.response }, ..SPI },
        ..command(counter)
    };
    let said = |command: Command| send(&mut card(5), &command.protect(&keys()).unwrap()).1;
    assert_eq!(said(with(Por::Never, 6)), None);
    assert_eq!(said(with(Por::OnError, 6)), None);
    assert_eq!(said(with(Por::Never, 5)), Some(Output::Silent(Refusal::Status(Status::CounterLow))));
    assert!(matches!(said(with(Por::OnError, 5)), Some(Output::Response(_))));
}

#[test]
fn nothing_runs_before_its_counter_is_durable() {
    let mut card = card(0);
    let octets = command(1).protect(&keys()).unwrap();
    card.handle_input(Input::Command(&octets));
    assert!(matches!(card.poll_output(), Some(Output::Store { .. })));
    card.handle_input(Input::Executed { data: vec![] });
    assert_eq!(card.poll_output(), None);
    card.handle_input(Input::Command(&octets));
    assert_eq!(card.poll_output(), Some(Output::Silent(Refusal::Busy)));
    card.handle_input(Input::StoreFailed);
    let Some(Output::Response(response)) = card.poll_output() else { panic!() };
    assert_eq!(Answer::open(&response, SPI, &keys()).unwrap().status, Status::Memory);
    card.handle_input(Input::Stored);
    assert_eq!(card.poll_output(), None);
    assert_eq!(status(&mut card, &command(1)), Status::Ok, "it may come again");
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>, header: bool) {
        let length = (octets.len() as u16 + 8).to_be_bytes();
        let head = [&length[..], &[21, 0x16, 0x19, 0x22, 0x22, 0xb0, 0, 0x11]].concat();
        let octets = if header { [head, octets].concat() } else { octets };
        let _ = Answer::open(&octets, SPI, &keys());
        let (stored, _) = send(&mut card(0), &octets);
        prop_assert_eq!(stored, None);
    }

    #[test]
    fn what_is_protected_comes_back(data: Vec<u8>, counter in 0..COUNTER_LIMIT, first in 0_u8..32, second in 0_u8..32) {
        if let Ok(spi) = Spi::parse([first, second]) {
            let made = Command { spi, tar: TAR, counter, data: data.clone() };
            let octets = made.protect(&keys()).unwrap();
            prop_assert_eq!(CommandPacket::new_checked(&octets).unwrap().open(&keys()), Ok(made));
            let answer = Answer { tar: TAR, counter, status: Status::MoreTime, data };
            prop_assert_eq!(Answer::open(&answer.protect(spi, &keys()).unwrap(), spi, &keys()), Ok(answer));
        }
    }

    #[test]
    fn one_bit_changed_is_noticed(bit in 0_usize..8 * 42) {
        let mut octets = command(3).protect(&keys()).unwrap();
        let bit = bit % (8 * octets.len());
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(packet) = CommandPacket::new_checked(&octets) {
            prop_assert!(packet.open(&keys()).is_err());
        }
    }
}
