//! The card as a whole: T6.3-1 to T6.3-3, and what a terminal reads.

use std::collections::BTreeSet;

use super::super::prose::{FileError, ProseFile, ProseFiles, files_of};
use super::super::sms::{Direction, Reassembly, SEGMENT, segments};
use super::super::uicc::{self, Input, Output, Uicc, memory_octets, script};
use super::*;
use crate::configuration::{
    Bandwidth, Content, Hertz, NotInEutran, Place, Policy, Polygon, Power, RadioParameters,
    RadioParametersOfArea, Version,
};
use crate::pc3::{Minutes, Plmn};

fn content(carrier: u64) -> Content {
    let corner = |north: f64, east: f64| Place::from_degrees(north, east).unwrap();
    let area = Polygon { points: vec![corner(47.0, 15.0), corner(47.0, 17.0), corner(49.0, 17.0)] };
    let contents = RadioParameters {
        carrier: Hertz::new(carrier).unwrap(),
        max_power: Power::new(-7).unwrap(),
        bandwidth: Bandwidth::new(50).unwrap(),
    };
    let minutes = Minutes::new(60).unwrap();
    let policy = |mnc| Policy { plmn: Plmn::new("262", mnc).unwrap(), validity: minutes, range: None };
    Content {
        version: Version::new(1).unwrap(),
        validity: minutes,
        monitoring: vec![],
        announcing: vec![],
        communication: vec![policy("01"), policy("042")],
        not_in_eutran: Some(NotInEutran {
            one_to_many: Some(true),
            one_to_one: Some(false),
            announcing: Some(true),
            monitoring: None,
            communication: vec![RadioParametersOfArea { contents, area: vec![area] }],
            discovery: vec![],
        }),
        groups: vec![],
    }
}

/// The packet that writes a configuration, as short messages.
fn update(carrier: u64, counter: u64) -> Vec<Vec<u8>> {
    let data = script(&files_of(&content(carrier), Some("192.0.2.7".parse().unwrap())));
    let command = Command { data, ..command(counter) };
    segments(&command.protect(&keys()).unwrap(), counter as u8, Direction::Command).unwrap()
}

/// A card in its memory, whose power may go after so many octets that were written.
struct Powered {
    card: Uicc,
    memory: Vec<u8>,
    written: usize,
    cut: Option<usize>,
    sent: Reassembly,
    answers: Vec<Vec<u8>>,
    silent: Vec<Refusal>,
    fails: bool,
}

impl Powered {
    fn on(memory: Vec<u8>, cut: Option<usize>) -> Self {
        let card = Uicc::new([keys()], &memory);
        let sent = Reassembly::default();
        Self { card, memory, written: 0, cut, sent, answers: vec![], silent: vec![], fails: false }
    }

    /// `Err` when the power went.
    fn take(&mut self, input: Input<'_>) -> Result<(), ()> {
        self.card.handle_input(input);
        while let Some(output) = self.card.poll_output() {
            match output {
                Output::Write(_) if self.fails => self.card.handle_input(Input::WriteFailed),
                Output::Write(Write { at, octets }) => {
                    for (number, octet) in octets.into_iter().enumerate() {
                        if self.cut == Some(self.written) {
                            return Err(());
                        }
                        self.memory[at + number] = octet;
                        self.written += 1;
                    }
                    self.card.handle_input(Input::Written);
                }
                Output::Apdu(answer) => self.answers.push(answer),
                Output::Segment(segment) => {
                    if let Some(packet) = self.sent.take(&segment, Direction::Response).unwrap() {
                        self.answers.push([&[2, 0x71, 0], &packet[..]].concat());
                    }
                }
                Output::Silent(why) => self.silent.push(why),
            }
        }
        Ok(())
    }

    fn take_all(&mut self, messages: &[Vec<u8>]) -> Result<(), ()> {
        messages.iter().try_for_each(|message| self.take(Input::Segment(message)))
    }

    fn answer(&mut self) -> Answer {
        Answer::open(&self.answers.pop().expect("an answer"), SPI, &keys()).unwrap()
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        self.take(Input::Apdu(command)).unwrap();
        self.answers.pop().unwrap()
    }

    fn read(&mut self) -> Result<ProseFiles, FileError> {
        ProseFiles::read(|command| self.apdu(command))
    }
}

fn blank() -> Vec<u8> {
    vec![0; memory_octets()]
}

/// A card on which this carrier was written.
fn written(carrier: u64) -> Powered {
    let mut card = Powered::on(blank(), None);
    card.take_all(&update(carrier, 1)).unwrap();
    assert_eq!(card.answer().status, Status::Ok);
    card
}

#[test]
fn a_terminal_reads_what_the_operator_has_written() {
    let mut card = Powered::on(blank(), None);
    assert!(matches!(card.read(), Ok(files) if files.communication.is_empty()), "nothing is there yet");
    let messages = update(793_000_000, 1);
    assert!(messages.len() > 1 && messages.iter().all(|message| message.len() <= SEGMENT));
    card.take_all(&messages).unwrap();
    let answer = card.answer();
    // Two SELECT and an update a file, one more of the second PLMN.
    assert_eq!((answer.status, &answer.data[..]), (Status::Ok, &[16, 0x90, 0][..]));
    for memory in [None, Some(card.memory.clone())] {
        let mut card = memory.map_or_else(|| written(793_000_000), |memory| Powered::on(memory, None));
        let files = card.read().unwrap();
        assert_eq!(files.function, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(files.plmns, ["01", "042"].map(|mnc| Plmn::new("262", mnc).unwrap()));
        assert_eq!((files.communication_allowed, files.announcing_allowed), ([true, false], true));
        let [of] = &files.communication[..] else { panic!("{files:?}") };
        assert_eq!((of.contents.carrier.value(), of.contents.max_power.value()), (793_000_000, -7));
        assert!(of.area[0].holds(&Place::from_degrees(47.5, 16.8).unwrap()));
        assert!(files.announcing.is_empty());
    }
}

/// T6.3-1: a packet that comes again is answered "counter low", and writes nothing: after a loss of power too.
#[test]
fn a_replayed_packet_writes_nothing() {
    let mut card = written(1);
    card.take_all(&update(2, 2)).unwrap();
    assert_eq!(card.answer().status, Status::Ok);
    let memory = card.memory.clone();
    let mut restarted = Powered::on(memory.clone(), None);
    for card in [&mut card, &mut restarted] {
        let before = card.written;
        for (carrier, counter) in [(1, 1), (2, 2), (3, 2)] {
            card.take_all(&update(carrier, counter)).unwrap();
            assert_eq!(card.answer().status, Status::CounterLow);
        }
        assert_eq!((card.written, &card.memory), (before, &memory));
        assert_eq!(card.read().unwrap().communication[0].contents.carrier.value(), 2);
    }
}

/// T6.3-2: a forged CC, and a packet that was altered anywhere, writes nothing.
#[test]
fn a_forged_packet_writes_nothing() {
    let mut card = written(1);
    let memory = card.memory.clone();
    let forged = Command { data: script(&[(ProseFile::Services, vec![0])]), ..command(9) };
    let other = KeySet::new(2, [1; 16], [9; 16]).unwrap();
    let packet = forged.protect(&other).unwrap();
    card.take_all(&segments(&packet, 1, Direction::Command).unwrap()).unwrap();
    assert_eq!(card.answer().status, Status::Cc);
    let packet = forged.protect(&keys()).unwrap();
    for bit in 0..8 * packet.len() {
        let mut altered = packet.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        card.take_all(&segments(&altered, 1, Direction::Command).unwrap()).unwrap();
        while let Some(octets) = card.answers.pop() {
            let answer = Answer::open(&octets, SPI, &keys());
            assert!(!matches!(answer, Ok(Answer { status: Status::Ok, .. })), "{bit}");
        }
        assert_eq!(card.memory, memory, "{bit}");
    }
    card.take_all(&segments(&packet, 1, Direction::Command).unwrap()).unwrap();
    assert_eq!(card.answer().status, Status::Ok, "the packet itself was good");
}

/// T6.3-3: the power goes after each octet that an update writes. A file is old or new, and each is whole.
#[test]
fn a_cut_of_the_power_leaves_old_or_new() {
    let old = written(111);
    let messages = update(222, 2);
    let mut whole = Powered::on(old.memory.clone(), None);
    whole.take_all(&messages).unwrap();
    let octets = whole.written;
    assert!(octets > 200, "{octets}");
    let contents = |memory: &[u8]| {
        let mut card = Powered::on(memory.to_vec(), None);
        ProseFile::ALL.map(|file| {
            card.apdu(&[0, 0xa4, 0, 4, 2, 0x5f, 0x90]);
            let [high, low] = file.id().to_be_bytes();
            card.apdu(&[0, 0xa4, 0, 4, 2, high, low]);
            match file.record() {
                Some(_) => card.apdu(&[0, 0xb2, 1, 4, 0]),
                None => card.apdu(&[0, 0xb0, 0, 0, 0]),
            }
        })
    };
    let (before, after) = (contents(&old.memory), contents(&whole.memory));
    assert_ne!(before, after);
    let mut seen = BTreeSet::new();
    for cut in 0..octets {
        let mut card = Powered::on(old.memory.clone(), Some(cut));
        assert_eq!(card.take_all(&messages), Err(()), "{cut}");
        let found = contents(&card.memory);
        for ((found, before), after) in found.iter().zip(&before).zip(&after) {
            assert!(found == before || found == after, "{cut}");
        }
        let mut again = Powered::on(card.memory, None);
        let carrier = again.read().unwrap().communication[0].contents.carrier.value();
        seen.insert(carrier);
        // The operator sends the same under the next counter, and all is new.
        again.take_all(&update(222, 3)).unwrap();
        assert_eq!(again.answer().status, Status::Ok, "{cut}");
        assert_eq!(contents(&again.memory), after, "{cut}");
    }
    assert_eq!(seen, BTreeSet::from([111, 222]));
}

#[test]
fn a_memory_that_takes_nothing_changes_nothing() {
    let mut card = written(1);
    card.fails = true;
    card.take_all(&update(2, 2)).unwrap();
    assert_eq!(card.answer().status, Status::Memory);
    let memory = card.memory.clone();
    assert_eq!(Powered::on(memory, None).read().unwrap().communication[0].contents.carrier.value(), 1);
}

#[test]
fn a_terminal_writes_nothing_and_is_told_what_is_wrong() {
    let mut card = written(1);
    let select = |id: u16| [&[0, 0xa4, 0, 4, 2][..], &id.to_be_bytes()].concat();
    assert_eq!(card.apdu(&select(0x4f04)), [0x6a, 0x82], "not in DF_ProSe");
    assert_eq!(card.apdu(&[0, 0xb0, 0, 0, 0]), [0x69, 0x86]);
    assert_eq!(card.apdu(&select(0x5f90)), [0x90, 0]);
    for hidden in [0, 0x4f05] {
        assert_eq!(card.apdu(&select(hidden)), [0x6a, 0x82]);
    }
    assert_eq!(card.apdu(&select(0x4f04)), [0x90, 0]);
    assert_eq!(card.apdu(&[0, 0xd6, 0, 0, 1, 0]), [0x69, 0x82]);
    assert_eq!(card.apdu(&[0, 0xb2, 1, 4, 0]), [0x69, 0x81]);
    assert_eq!(card.apdu(&[0, 0xb0, 0x7f, 0, 0]), [0x6b, 0]);
    assert_eq!(card.apdu(&[0, 0xb0, 0, 0]), [0x67, 0]);
    assert_eq!(card.apdu(&[0, 0xca, 0, 0, 0]), [0x6d, 0]);
    assert_eq!(card.apdu(&[0, 0xb0, 0, 0, 3])[3..], [0x90, 0]);
    assert_eq!(card.apdu(&select(0x4f08)), [0x90, 0]);
    assert_eq!(card.apdu(&[0, 0xb2, 0, 4, 0]), [0x6a, 0x83]);
    assert_eq!(card.apdu(&[0, 0xb2, 1, 4, 3]), [0x67, 0]);
    assert_eq!(card.apdu(&[0, 0xdc, 1, 4, 10]), [0x69, 0x82]);
    assert_eq!(card.apdu(&[]), [0x67, 0]);
}

#[test]
fn a_script_ends_where_it_is_wrong() {
    let mut card = Powered::on(blank(), None);
    let mut run = |data: Vec<u8>, counter| {
        let packet = Command { data, ..command(counter) }.protect(&keys()).unwrap();
        card.take_all(&segments(&packet, 1, Direction::Command).unwrap()).unwrap();
        card.answer().data
    };
    assert_eq!(run(vec![0, 0xd6, 0, 0, 1, 0], 1), [1, 0x69, 0x86]);
    assert_eq!(run(vec![0, 0xd6, 0], 2), [0, 0x67, 0]);
    assert_eq!(run(vec![0, 0xd6, 0, 0, 9, 0], 3), [0, 0x67, 0]);
    let to = |id: u16| [&[0, 0xa4, 0, 4, 2, 0x5f, 0x90, 0, 0xa4, 0, 4, 2][..], &id.to_be_bytes()].concat();
    assert_eq!(run([to(0x4f10), vec![0, 0xd6, 0, 1, 1, 0]].concat(), 4), [3, 0x6a, 0x84]);
    assert_eq!(run([to(0x4f10), vec![0, 0xdc, 1, 4, 1, 0]].concat(), 5), [3, 0x69, 0x81]);
    assert_eq!(run([to(0x4f08), vec![0, 0xdc, 17, 4, 10], vec![0; 10]].concat(), 6), [3, 0x6a, 0x83]);
    assert_eq!(run([to(0x4f10), vec![0, 0xd6, 0, 0, 1, 7, 0, 0xb0, 0, 0, 0]].concat(), 7), [4, 0x90, 0, 7]);
}

#[test]
fn short_messages_come_in_any_order_and_not_without_end() {
    let packet: Vec<u8> = (0..=255).chain(0..=255).collect();
    for (octets, messages) in [(0, 1), (137, 1), (138, 2), (132 + 134, 2), (132 + 134 + 1, 3), (512, 4)] {
        let all = segments(&packet[..octets], 9, Direction::Command).unwrap();
        assert_eq!(all.len(), messages, "{octets}");
        let mut reassembly = Reassembly::default();
        let taken: Vec<_> =
            all.iter().rev().filter_map(|one| reassembly.take(one, Direction::Command).unwrap()).collect();
        assert_eq!(taken, [&packet[..octets]]);
    }
    assert_eq!(segments(&vec![0; 132 + 254 * 134 + 1], 1, Direction::Command), Err(Error::TooLong));
    assert_eq!(segments(&vec![0; 132 + 254 * 134], 1, Direction::Command).unwrap().len(), 255);
    let mut reassembly = Reassembly::default();
    let mut take = |octets: &[u8]| reassembly.take(octets, Direction::Command);
    for wrong in
        [&[][..], &[2, 0x71, 0], &[5, 0, 3, 1, 2, 1], &[5, 0, 3, 1, 2, 3], &[5, 0, 3, 1, 1, 2], &[0; 141]]
    {
        assert!(take(wrong).is_err(), "{wrong:?}");
    }
    // The oldest of five is given up.
    for reference in 0..5 {
        assert_eq!(take(&[5, 0, 3, reference, 2, 2, 7]), Ok(None));
    }
    assert_eq!(take(&[7, 0, 3, 0, 2, 1, 0x70, 0, 6]), Ok(None));
    assert_eq!(take(&[7, 0, 3, 4, 2, 1, 0x70, 0, 6]), Ok(Some(vec![6, 7])));
    // Another packet under a reference that waits takes its place.
    assert_eq!(take(&[5, 0, 3, 3, 3, 3, 8]), Ok(None));
    assert_eq!(take(&[7, 0, 3, 3, 3, 1, 0x70, 0, 6]), Ok(None));
    assert_eq!(take(&[5, 0, 3, 3, 3, 2, 7]), Ok(Some(vec![6, 7, 8])));
}

proptest! {
    #[test]
    fn any_octets_are_a_command_or_none(apdus: Vec<Vec<u8>>, segment: Vec<u8>, image: Vec<u8>) {
        let mut card = Uicc::new([keys()], &image);
        for apdu in &apdus {
            card.handle_input(Input::Apdu(apdu));
        }
        card.handle_input(Input::Segment(&segment));
        while card.poll_output().is_some() {}
    }

    #[test]
    fn any_script_is_run_or_refused(data: Vec<u8>, file in 0_usize..5, instruction: u8, p1: u8, p2: u8) {
        let [high, low] = ProseFile::ALL[file].id().to_be_bytes();
        let head = [0, 0xa4, 0, 4, 2, 0x5f, 0x90, 0, 0xa4, 0, 4, 2, high, low, 0, instruction, p1, p2];
        let mut card = Powered::on(blank(), None);
        let data = [&head[..], &data].concat();
        let packet = Command { data, ..command(1) }.protect(&keys()).unwrap();
        card.take_all(&segments(&packet, 1, Direction::Command).unwrap()).unwrap();
        prop_assert_eq!(card.answer().status, Status::Ok);
        let _ = card.read();
    }

    #[test]
    fn any_answers_of_a_card_are_read_or_refused(answers: Vec<Vec<u8>>) {
        let mut answers = answers.into_iter();
        let _ = ProseFiles::read(|_| [answers.next().unwrap_or_default(), vec![0x90, 0]].concat());
    }
}

#[test]
fn the_application_is_the_files_of_the_usim() {
    assert_eq!(uicc::TAR, TAR);
}
