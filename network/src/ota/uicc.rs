//! A card as a whole: short messages from the operator, commands from the terminal, a memory that may lose its power at any octet.
//!
//! ```text
//!   Segment -> Reassembly -> Card: keys, CC, counter -> Write.. (counter) -> script -> Write.. (files) -> Segment
//!   Apdu    -> SELECT, READ BINARY, READ RECORD -> Apdu
//! ```
//!
//! The terminal reads, and the operator writes: UPDATE takes the right ADM, which only a packet has. A script of one packet is
//! done when its last command is: a file that several of its commands update is written once.

use std::collections::{BTreeMap, VecDeque};

use super::KeySet;
use super::card::{self, Card, Refusal};
use super::files::{self, Files, Place, Write};
use super::prose::{DF_PROSE, ProseFile};
use super::sms::{Direction, Reassembly, segments};

/// USIM remote file management. TS 102 226, from memory.
pub const TAR: [u8; 3] = [0xb0, 0, 0x11];

/// Where the counters of the key versions are: no command selects it.
const COUNTERS: u16 = 0;

/// Octets of a counter.
const COUNTER: usize = 5;

/// Status words. TS 31.101 §11.3, from memory.
mod status {
    pub(super) const OK: [u8; 2] = [0x90, 0];
    pub(super) const LENGTH: [u8; 2] = [0x67, 0];
    pub(super) const RIGHT: [u8; 2] = [0x69, 0x82];
    pub(super) const NO_FILE: [u8; 2] = [0x69, 0x86];
    pub(super) const STRUCTURE: [u8; 2] = [0x69, 0x81];
    pub(super) const NOT_FOUND: [u8; 2] = [0x6a, 0x82];
    pub(super) const NO_RECORD: [u8; 2] = [0x6a, 0x83];
    pub(super) const ROOM: [u8; 2] = [0x6a, 0x84];
    pub(super) const OFFSET: [u8; 2] = [0x6b, 0];
    pub(super) const INSTRUCTION: [u8; 2] = [0x6d, 0];
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The terminal sends a command.
    Apdu(&'a [u8]),
    /// A short message came.
    Segment(&'a [u8]),
    /// The octets of [`Output::Write`] are in the memory.
    Written,
    /// The memory does not take them.
    WriteFailed,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this, octet after octet, and hand back [`Input::Written`] or [`Input::WriteFailed`].
    Write(Write),
    /// Answer to the terminal.
    Apdu(Vec<u8>),
    /// A short message to the operator.
    Segment(Vec<u8>),
    /// Nothing is said of a packet.
    Silent(Refusal),
}

/// What the writes that are under way are for.
enum Writing {
    Counter,
    Script(Vec<u8>),
}

/// Where a command stands.
#[derive(Clone, Copy, Default)]
struct Selected {
    in_prose: bool,
    file: Option<ProseFile>,
}

/// A card.
pub struct Uicc {
    card: Card,
    files: Files,
    segments: Reassembly,
    terminal: Selected,
    writes: VecDeque<Write>,
    writing: Option<Writing>,
    reference: u8,
    outputs: VecDeque<Output>,
}

fn places() -> Vec<Place> {
    let counters = Place { id: COUNTERS, room: 16 * COUNTER };
    let files = ProseFile::ALL.map(|file| Place { id: file.id(), room: file.room() });
    [counters].into_iter().chain(files).collect()
}

/// Octets of the memory of a card.
pub fn memory_octets() -> usize {
    files::room(&places())
}

impl Uicc {
    /// A card with its keys, switched on with this memory; one that was never written is all zeros.
    pub fn new(keys: impl IntoIterator<Item = KeySet>, memory: &[u8]) -> Self {
        let files = Files::mount(&places(), memory);
        let counter = |version: u8| {
            let at = usize::from(version) * COUNTER;
            let octets = files.content(COUNTERS).and_then(|counters| counters.get(at..at + COUNTER));
            octets.unwrap_or_default().iter().fold(0, |value, octet| value << 8 | u64::from(*octet))
        };
        let keys: Vec<(KeySet, u64)> = keys
            .into_iter()
            .map(|set| (counter(set.version()), set))
            .map(|(last, set)| (set, last))
            .collect();
        Self {
            card: Card::new(keys, [TAR]),
            files,
            segments: Reassembly::default(),
            terminal: Selected::default(),
            writes: VecDeque::new(),
            writing: None,
            reference: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Apdu(command) => {
                let mut selected = self.terminal;
                let answer = match command.get(1) {
                    // ADM is the operator's.
                    Some(0xd6 | 0xdc) => status::RIGHT.to_vec(),
                    _ => self.read(&mut selected, command, &BTreeMap::new()),
                };
                self.terminal = selected;
                self.outputs.push_back(Output::Apdu(answer));
            }
            Input::Segment(segment) => match self.segments.take(segment, Direction::Command) {
                Ok(Some(packet)) => {
                    self.card.handle_input(card::Input::Command(&packet));
                    self.work();
                }
                Ok(None) => {}
                Err(error) => self.outputs.push_back(Output::Silent(Refusal::Packet(error))),
            },
            Input::Written => {
                if self.writes.pop_front().is_some() {
                    self.written();
                }
            }
            Input::WriteFailed => self.failed(),
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn written(&mut self) {
        if let Some(next) = self.writes.front() {
            self.outputs.push_back(Output::Write(next.clone()));
            return;
        }
        match self.writing.take() {
            Some(Writing::Counter) => self.card.handle_input(card::Input::Stored),
            Some(Writing::Script(data)) => self.card.handle_input(card::Input::Executed { data }),
            None => {}
        }
        self.work();
    }

    fn failed(&mut self) {
        self.writes.clear();
        match self.writing.take() {
            Some(Writing::Counter) => self.card.handle_input(card::Input::StoreFailed),
            Some(Writing::Script(_)) => {
                let data = [&[0], &status::ROOM[..]].concat();
                self.card.handle_input(card::Input::Executed { data });
            }
            None => {}
        }
        self.work();
    }

    /// Does what the card's other half says.
    fn work(&mut self) {
        while let Some(output) = self.card.poll_output() {
            match output {
                card::Output::Store { version, counter } => {
                    let mut counters = self.files.content(COUNTERS).unwrap_or_default().to_vec();
                    counters.resize(16 * COUNTER, 0);
                    let [_, _, _, octets @ ..] = counter.to_be_bytes();
                    let at = usize::from(version & 15) * COUNTER;
                    counters[at..at + COUNTER].copy_from_slice(&octets);
                    let writes = self.files.replace(COUNTERS, counters);
                    self.begin(writes.into_iter().flatten(), Writing::Counter);
                }
                card::Output::Execute { data, .. } => {
                    let (writes, answer) = self.script(&data);
                    self.begin(writes.into_iter(), Writing::Script(answer));
                }
                card::Output::Response(octets) => self.respond(&octets),
                card::Output::Silent(why) => self.outputs.push_back(Output::Silent(why)),
            }
        }
    }

    fn begin(&mut self, writes: impl Iterator<Item = Write>, writing: Writing) {
        self.writes.extend(writes);
        self.writing = Some(writing);
        self.written();
    }

    /// The first three octets of a response are a header of user data already, which [`segments`] makes.
    fn respond(&mut self, octets: &[u8]) {
        let packet = octets.get(3..).unwrap_or_default();
        self.reference = self.reference.wrapping_add(1);
        let all = segments(packet, self.reference, Direction::Response).unwrap_or_default();
        self.outputs.extend(all.into_iter().map(Output::Segment));
    }

    /// Runs a script: all of its updates, or, where one is refused, those before it. Returns the writes, and number of commands
    /// and last status.
    fn script(&mut self, script: &[u8]) -> (Vec<Write>, Vec<u8>) {
        let mut selected = Selected::default();
        let mut updated = BTreeMap::new();
        let (mut rest, mut done, mut answer) = (script, 0_u8, status::OK.to_vec());
        while !rest.is_empty() {
            let Some((command, next)) = command_of(rest) else {
                answer = status::LENGTH.to_vec();
                break;
            };
            rest = next;
            answer = match command[1] {
                0xd6 | 0xdc => self.update(selected, command, &mut updated).to_vec(),
                _ => self.read(&mut selected, command, &updated),
            };
            done = done.saturating_add(1);
            if answer[answer.len() - 2..] != status::OK {
                break;
            }
        }
        let replaced =
            updated.into_iter().filter_map(|(file, content)| self.files.replace(file.id(), content));
        let writes = replaced.flatten().collect();
        let (data, status) = answer.split_at(answer.len() - 2);
        (writes, [&[done], status, data].concat())
    }

    /// UPDATE BINARY and UPDATE RECORD.
    fn update(
        &self,
        selected: Selected,
        command: &[u8],
        updated: &mut BTreeMap<ProseFile, Vec<u8>>,
    ) -> [u8; 2] {
        let [_, instruction, p1, p2, _, ref data @ ..] = *command else { return status::LENGTH };
        let Some(file) = selected.file else { return status::NO_FILE };
        let at = match (instruction, file.record()) {
            (0xd6, None) if p1 & 0x80 == 0 => usize::from(u16::from_be_bytes([p1, p2])),
            (0xdc, Some(record)) if p2 == 4 && p1 > 0 => {
                if data.len() != record {
                    return status::LENGTH;
                }
                (usize::from(p1) - 1) * record
            }
            _ => return status::STRUCTURE,
        };
        let room = self.files.room_of(file.id()).unwrap_or(0);
        if at + data.len() > room {
            return if file.record().is_some() { status::NO_RECORD } else { status::ROOM };
        }
        let content =
            updated.entry(file).or_insert_with(|| self.files.content(file.id()).unwrap_or_default().to_vec());
        content.resize(content.len().max(at + data.len()), 0xff);
        content[at..at + data.len()].copy_from_slice(data);
        // An update of the first octets replaces the file: what an older and longer content has behind them is none of it.
        if instruction == 0xd6 && at == 0 {
            content.truncate(data.len());
        }
        status::OK
    }

    /// SELECT, READ BINARY, READ RECORD: data and status.
    fn read(
        &self,
        selected: &mut Selected,
        command: &[u8],
        updated: &BTreeMap<ProseFile, Vec<u8>>,
    ) -> Vec<u8> {
        let result = match *command {
            [_, 0xa4, _, _, 2, high, low] => {
                select(selected, u16::from_be_bytes([high, low])).map(|()| Vec::new())
            }
            [_, 0xb0, p1, p2, length] => self.part(selected, updated, (p1, p2), length),
            [_, 0xb2, number, 4, length] => self.record(selected, updated, number, length),
            [_, 0xa4 | 0xb0 | 0xb2, ..] => Err(status::LENGTH),
            [_, _, ..] => Err(status::INSTRUCTION),
            _ => Err(status::LENGTH),
        };
        match result {
            Ok(data) => [data, status::OK.to_vec()].concat(),
            Err(status) => status.to_vec(),
        }
    }

    fn content<'a>(
        &'a self,
        selected: &Selected,
        updated: &'a BTreeMap<ProseFile, Vec<u8>>,
    ) -> Result<(ProseFile, &'a [u8]), [u8; 2]> {
        let file = selected.file.ok_or(status::NO_FILE)?;
        let content = updated.get(&file).map(Vec::as_slice).or_else(|| self.files.content(file.id()));
        Ok((file, content.ok_or(status::NOT_FOUND)?))
    }

    fn part(
        &self,
        selected: &Selected,
        updated: &BTreeMap<ProseFile, Vec<u8>>,
        (p1, p2): (u8, u8),
        length: u8,
    ) -> Result<Vec<u8>, [u8; 2]> {
        let (file, content) = self.content(selected, updated)?;
        if file.record().is_some() || p1 & 0x80 != 0 {
            return Err(status::STRUCTURE);
        }
        let at = usize::from(u16::from_be_bytes([p1, p2]));
        let rest = content.get(at..).ok_or(status::OFFSET)?;
        let most = if length == 0 { 256 } else { usize::from(length) };
        Ok(rest[..rest.len().min(most)].to_vec())
    }

    fn record(
        &self,
        selected: &Selected,
        updated: &BTreeMap<ProseFile, Vec<u8>>,
        number: u8,
        length: u8,
    ) -> Result<Vec<u8>, [u8; 2]> {
        let (file, content) = self.content(selected, updated)?;
        let size = file.record().ok_or(status::STRUCTURE)?;
        if length != 0 && usize::from(length) != size {
            return Err(status::LENGTH);
        }
        let at = usize::from(number).checked_sub(1).ok_or(status::NO_RECORD)? * size;
        Ok(content.get(at..at + size).ok_or(status::NO_RECORD)?.to_vec())
    }
}

fn select(selected: &mut Selected, id: u16) -> Result<(), [u8; 2]> {
    match (id, ProseFile::of(id)) {
        (DF_PROSE, _) => *selected = Selected { in_prose: true, file: None },
        (0x3f00 | 0x7fff, _) => *selected = Selected::default(),
        (_, Some(file)) if selected.in_prose => selected.file = Some(file),
        _ => return Err(status::NOT_FOUND),
    }
    Ok(())
}

/// The first command of a script, and the rest: SELECT and UPDATE have data, READ has a length to expect.
fn command_of(script: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match *script {
        [_, 0xa4 | 0xd6 | 0xdc, _, _, length, ..] => usize::from(length),
        [_, _, _, _, _, ..] => 0,
        _ => return None,
    };
    script.split_at_checked(5 + length)
}

/// The script that puts contents into files of DF_ProSe: for the data of a [`Command`](super::Command) to [`TAR`].
pub fn script(files: &[(ProseFile, Vec<u8>)]) -> Vec<u8> {
    let mut script = Vec::new();
    for (file, content) in files {
        for id in [DF_PROSE, file.id()] {
            let [high, low] = id.to_be_bytes();
            script.extend([0, 0xa4, 0, 4, 2, high, low]);
        }
        match file.record() {
            Some(record) => {
                for (number, part) in (1..=u8::MAX).zip(content.chunks_exact(record)) {
                    script.extend([0, 0xdc, number, 4, record as u8]);
                    script.extend(part);
                }
            }
            None => {
                for (number, part) in content.chunks(0xff).enumerate() {
                    // An offset has 15 bits, and no file here more than 2048 octets.
                    let [high, low] = ((number * 0xff) as u16).to_be_bytes();
                    script.extend([0, 0xd6, high, low, part.len() as u8]);
                    script.extend(part);
                }
            }
        }
    }
    script
}
