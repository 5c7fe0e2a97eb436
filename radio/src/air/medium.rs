//! The shared state of all ports: the configuration, a slot for each port, and in each slot the samples that it has sent.
//!
//! ```text
//! header   magic, sizes, the beginning of time, the number of arrivals and departures; the configuration as JSON
//! slots    of each: the owner, its progress; its configuration as JSON
//! rings    of each: for each block of 64 samples which block of the stream it holds and the mask of its sent samples;
//!          the samples, a ring
//! ```
//!
//! Header and slots are reserved when the medium is made, a ring when a port takes its slot: a medium is as large as
//! its ports need. If there is no room for a port, it gets an error instead of being ended by a bus error.
//!
//! Only the owner of a slot writes into its ring, in the owner's own numbering of samples. A block without sent samples
//! costs nothing: it is neither written nor read.

use super::config::{AirConfig, Pace, PortConfig};
use super::memory::{Memory, Space};
use super::pace::{Doorbell, now_ns};
use super::process::Process;
use crate::Sample;
use crate::text::TextError;
use sidelink_phy::impair::addressed::SampleClock;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Magic number at the start, with the version of this layout in its last digits.
const MAGIC: u64 = 0x5343_4149_5200_0002;
const HEADER_WORDS: usize = 64;
const SLOT_WORDS: usize = 64;
/// Room for a configuration in JSON, in words of 8 octets.
const CONFIG_WORDS: usize = 8192;
const PORT_WORDS: usize = 512;
/// Samples of a block: the bits of its mask.
pub(super) const BLOCK: usize = 64;

/// Words of the header.
mod head {
    pub(super) const MAGIC: usize = 0;
    pub(super) const SLOTS: usize = 1;
    pub(super) const RING: usize = 2;
    pub(super) const CONFIG_BYTES: usize = 3;
    pub(super) const BEGUN: usize = 4;
    pub(super) const BEGAN_NS: usize = 5;
    pub(super) const UTC_NS: usize = 6;
    pub(super) const COMINGS: usize = 7;
    /// The process that made the medium; 0 when it has left.
    pub(super) const MAKER: usize = 8;
    pub(super) const MAKER_BORN: usize = 9;
}

/// Words of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    State = 0,
    /// Number of times that the slot was taken.
    Generation = 1,
    Pid = 2,
    /// Start time of the process, to tell it from a later process with the same number.
    Born = 3,
    /// Common time of the port's sample 0 in samples, the bits of an f64.
    Start = 4,
    /// The port has promised to send nothing more before this sample.
    Horizon = 5,
    /// The next sample to be received; `u64::MAX` if the port does not read.
    Reading = 6,
    /// End of the last sample that was ever sent.
    Tail = 7,
    /// Whether the port waits for others.
    Waiting = 8,
    PortBytes = 9,
    /// Requested faults: samples by which the numbers are to jump, samples that are to be lost.
    Jump = 10,
    Overflow = 11,
    /// Drift of the port's clock in parts per million, the bits of an f64.
    Drift = 12,
}

/// State of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum State {
    Free = 0,
    /// The slot is being filled in.
    Claimed = 1,
    /// The port attached after time began and has not started.
    Attached = 2,
    Running = 3,
    /// The port left, or its process ended.
    Left = 4,
    /// The others dropped it because it stalled, or a test ended it.
    Dropped = 5,
}

impl State {
    fn of(word: u64) -> Self {
        match word {
            1 => Self::Claimed,
            2 => Self::Attached,
            3 => Self::Running,
            4 => Self::Left,
            5 => Self::Dropped,
            _ => Self::Free,
        }
    }

    /// Whether samples of it may still be in the air.
    pub(super) fn is_heard(self) -> bool {
        matches!(self, Self::Running | Self::Left | Self::Dropped)
    }
}

/// Reason why ports cannot use this medium.
#[derive(Debug)]
pub(super) enum MediumError {
    Io(io::Error),
    /// The file is not a medium, of another version, or truncated.
    Foreign,
    /// The configuration in it is out of range.
    Config(TextError),
    /// The medium has no free slot; the number is that of its slots.
    Full(usize),
    /// A port of that name is present.
    Taken(String),
    /// The text of the configuration is too long.
    TooLong,
    /// The file system has no room for this many more bytes.
    NoRoom {
        needed: u64,
        space: Option<Space>,
    },
}

/// The shared state of all ports.
pub(super) struct Medium {
    memory: Memory,
    config: AirConfig,
    slots: usize,
    ring: usize,
    me: Process,
    /// Time of this process's last check that the others live.
    looked_ns: AtomicI64,
    file: Option<PathBuf>,
    /// Whether this object made the file.
    maker: bool,
}

impl Medium {
    /// Makes a medium in the memory of this process.
    pub(super) fn new(config: AirConfig) -> Result<Self, MediumError> {
        let (slots, ring) = Self::sizes(&config);
        let memory = Memory::anonymous(Self::words_for(slots, ring)).map_err(MediumError::Io)?;
        Self::filled(memory, config, None)
    }

    /// Makes a medium in a new file, for several processes.
    pub(super) fn create(path: &Path, config: AirConfig) -> Result<Self, MediumError> {
        let (slots, ring) = Self::sizes(&config);
        let memory = Memory::create(path, Self::words_for(slots, ring)).map_err(MediumError::Io)?;
        let made = reserve(&memory, 0..Self::rings(slots))
            .and_then(|()| Self::filled(memory, config, Some(path.to_owned())));
        if made.is_err() {
            let _ = std::fs::remove_file(path);
        }
        made
    }

    /// Opens a medium in the file of another process.
    pub(super) fn open(path: &Path) -> Result<Self, MediumError> {
        let memory = Memory::open(path).map_err(MediumError::Io)?;
        let words = memory.words();
        let word = |i: usize| words.get(i).map_or(0, |w| w.load(Acquire));
        let (slots, ring, bytes) =
            (word(head::SLOTS) as usize, word(head::RING) as usize, word(head::CONFIG_BYTES) as usize);
        let fits = slots <= 256
            && ring > 0
            && ring.is_multiple_of(BLOCK)
            && ring <= 1 << 40
            && Self::words_for(slots, ring) <= words.len()
            && bytes <= CONFIG_WORDS * 8;
        if word(head::MAGIC) != MAGIC || !fits {
            return Err(MediumError::Foreign);
        }
        let text = load_text(&words[HEADER_WORDS..], bytes);
        let config: AirConfig = serde_json::from_str(&text).map_err(|_| MediumError::Foreign)?;
        config.check().map_err(MediumError::Config)?;
        if Self::sizes(&config) != (slots, ring) {
            return Err(MediumError::Foreign);
        }
        Ok(Self {
            memory,
            config,
            slots,
            ring,
            me: Process::this(),
            looked_ns: AtomicI64::new(0),
            file: Some(path.to_owned()),
            maker: false,
        })
    }

    /// Whether all processes that used it have died or left.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reap_exited_ports();
        let maker = Process {
            pid: self.header(head::MAKER).load(Acquire),
            born: self.header(head::MAKER_BORN).load(Acquire),
        };
        self.present() == 0 && (maker.pid == 0 || !maker.is_alive())
    }

    fn sizes(config: &AirConfig) -> (usize, usize) {
        let ring = (config.rate.0 * config.memory * 1e-3) as usize;
        (config.ports, ring.next_multiple_of(BLOCK).max(16 * BLOCK))
    }

    fn words_for(slots: usize, ring: usize) -> usize {
        Self::rings(slots) + slots * Self::ring_words(ring)
    }

    /// Returns the start of the rings, in words.
    fn rings(slots: usize) -> usize {
        HEADER_WORDS + CONFIG_WORDS + slots * (SLOT_WORDS + PORT_WORDS)
    }

    fn ring_words(ring: usize) -> usize {
        2 * (ring / BLOCK) + ring
    }

    /// Returns the words of a slot's ring.
    fn ring_of(&self, slot: usize) -> Range<usize> {
        let (first, length) = (Self::rings(self.slots), Self::ring_words(self.ring));
        first + slot * length..first + (slot + 1) * length
    }

    fn filled(memory: Memory, config: AirConfig, file: Option<PathBuf>) -> Result<Self, MediumError> {
        let (slots, ring) = Self::sizes(&config);
        let text = serde_json::to_string(&config).map_err(|_| MediumError::TooLong)?;
        let words = memory.words();
        let bytes = store_text(&words[HEADER_WORDS..HEADER_WORDS + CONFIG_WORDS], &text)?;
        words[head::SLOTS].store(slots as u64, Relaxed);
        words[head::RING].store(ring as u64, Relaxed);
        words[head::CONFIG_BYTES].store(bytes as u64, Relaxed);
        let (me, maker) = (Process::this(), file.is_some());
        words[head::MAKER].store(me.pid, Relaxed);
        words[head::MAKER_BORN].store(me.born, Relaxed);
        words[head::MAGIC].store(MAGIC, Release);
        Ok(Self { memory, config, slots, ring, me, looked_ns: AtomicI64::new(0), file, maker })
    }

    pub(super) fn config(&self) -> &AirConfig {
        &self.config
    }

    pub(super) fn doorbell(&self) -> Doorbell<'_> {
        Doorbell::new(self.memory.doorbell())
    }

    /// Returns the samples that a slot remembers.
    pub(super) fn ring(&self) -> usize {
        self.ring
    }

    /// Returns the number of arrivals, starts and departures.
    pub(super) fn arrivals(&self) -> u64 {
        self.header(head::COMINGS).load(Acquire)
    }

    fn header(&self, word: usize) -> &AtomicU64 {
        &self.memory.words()[word]
    }

    fn slot(&self, slot: usize) -> &[AtomicU64] {
        let length = SLOT_WORDS + PORT_WORDS;
        let first = HEADER_WORDS + CONFIG_WORDS + slot * length;
        &self.memory.words()[first..first + length]
    }

    pub(super) fn word(&self, slot: usize, word: Cell) -> &AtomicU64 {
        &self.slot(slot)[word as usize]
    }

    pub(super) fn slots(&self) -> Range<usize> {
        0..self.slots
    }

    pub(super) fn state(&self, slot: usize) -> State {
        State::of(self.word(slot, Cell::State).load(Acquire))
    }

    pub(super) fn set_state(&self, slot: usize, state: State) {
        self.word(slot, Cell::State).store(state as u64, Release);
        self.header(head::COMINGS).fetch_add(1, Ordering::AcqRel);
        self.doorbell().ring();
    }

    pub(super) fn start(&self, slot: usize) -> f64 {
        f64::from_bits(self.word(slot, Cell::Start).load(Acquire))
    }

    /// Returns a port's clock.
    pub(super) fn clock(&self, slot: usize) -> SampleClock {
        let drift_ppm = f64::from_bits(self.word(slot, Cell::Drift).load(Acquire));
        SampleClock { start: self.start(slot), drift_ppm }
    }

    /// Returns the configuration of a port; `None` if it is invalid.
    pub(super) fn port(&self, slot: usize) -> Option<PortConfig> {
        let bytes = self.word(slot, Cell::PortBytes).load(Acquire) as usize;
        let words = &self.slot(slot)[SLOT_WORDS..SLOT_WORDS + PORT_WORDS];
        let port = |text: String| serde_json::from_str::<PortConfig>(&text).ok();
        let port = (bytes <= PORT_WORDS * 8).then(|| port(load_text(words, bytes)))?;
        // Another process wrote it: it is not trusted.
        port.filter(|port| port.check().is_ok())
    }

    /// Returns the slot of the port of a name that is in the air.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let here = |s: State| matches!(s, State::Running | State::Attached);
        self.slots().find(|&s| here(self.state(s)) && self.port(s).is_some_and(|p| p.name == name))
    }

    /// Takes a slot.
    pub(super) fn attach(&self, port: &PortConfig) -> Result<usize, MediumError> {
        self.reap_exited_ports();
        if self.find(&port.name).is_some() {
            return Err(MediumError::Taken(port.name.clone()));
        }
        let slot = self.take_slot(port)?;
        let text = serde_json::to_string(port).map_err(|_| MediumError::TooLong)?;
        let words = self.slot(slot);
        let bytes = match store_text(&words[SLOT_WORDS..SLOT_WORDS + PORT_WORDS], &text) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.set_state(slot, State::Left);
                return Err(error);
            }
        };
        // Tags of the slot's previous port.
        for tag in self.tags_and_masks(slot).0 {
            if tag.load(Relaxed) != 0 {
                tag.store(0, Relaxed);
            }
        }
        let set = |word: Cell, value: u64| self.word(slot, word).store(value, Release);
        self.word(slot, Cell::Generation).fetch_add(1, Ordering::AcqRel);
        set(Cell::PortBytes, bytes as u64);
        set(Cell::Pid, self.me.pid);
        set(Cell::Born, self.me.born);
        set(Cell::Horizon, if port.listen_only { u64::MAX } else { 0 });
        // A port that is present from the beginning reads everything from then on.
        set(Cell::Reading, if self.began() { u64::MAX } else { 0 });
        set(Cell::Drift, port.drift.to_bits());
        for word in [Cell::Tail, Cell::Waiting, Cell::Jump, Cell::Overflow] {
            set(word, 0);
        }
        let start = port.start.map_or(0.0, |s| s.0);
        set(Cell::Start, start.to_bits());
        // A port that attaches before time begins is present from the beginning, and the others wait for it.
        self.set_state(slot, if self.began() { State::Attached } else { State::Running });
        Ok(slot)
    }

    /// Claims a slot with room for the port's samples: one whose last port is no longer received, otherwise a free one,
    /// otherwise one that a port has left.
    fn take_slot(&self, port: &PortConfig) -> Result<usize, MediumError> {
        let left = |s: &usize| matches!(self.state(*s), State::Left | State::Dropped);
        let forgotten = self.slots().filter(left).find(|s| self.is_forgotten(*s));
        let free = self.slots().find(|s| self.state(*s) == State::Free);
        let mut full = MediumError::Full(self.slots);
        for slot in forgotten.into_iter().chain(free).chain(self.slots().filter(left)) {
            let state = self.word(slot, Cell::State);
            let before = state.load(Acquire);
            let claimed = matches!(State::of(before), State::Free | State::Left | State::Dropped)
                && state.compare_exchange(before, State::Claimed as u64, Ordering::AcqRel, Relaxed).is_ok();
            if !claimed {
                continue;
            }
            // A receive-only port needs no samples.
            let ring = self.ring_of(slot);
            let needed = if port.listen_only { ring.start..ring.end - self.ring } else { ring };
            match reserve(&self.memory, needed) {
                Ok(()) => return Ok(slot),
                Err(error) => {
                    full = error;
                    state.store(before, Release);
                }
            }
        }
        Err(full)
    }

    /// Whether all readers are past the samples that the port of a slot sent.
    fn is_forgotten(&self, slot: usize) -> bool {
        /// Samples by which filters look back.
        const LOOK_BACK: f64 = 1000.0;
        let tail = self.word(slot, Cell::Tail).load(Acquire);
        let end = self.clock(slot).time_of(tail as f64) + LOOK_BACK;
        let mut readers = self.slots().filter(|s| self.state(*s) == State::Running);
        tail == 0
            || readers.all(|s| {
                let reading = self.word(s, Cell::Reading).load(Acquire);
                reading == u64::MAX || self.clock(s).time_of(reading as f64) > end
            })
    }

    pub(super) fn is_mine(&self, slot: usize) -> bool {
        self.word(slot, Cell::Pid).load(Relaxed) == self.me.pid
    }

    /// Calls [`Self::reap_exited_ports`], unless it ran a moment ago: it asks the system about every process.
    pub(super) fn scan(&self, every: Duration) {
        let now = now_ns();
        if now - self.looked_ns.load(Relaxed) >= every.as_nanos() as i64 {
            self.looked_ns.store(now, Relaxed);
            self.reap_exited_ports();
        }
    }

    /// Marks ports whose process has died as left.
    pub(super) fn reap_exited_ports(&self) {
        for slot in self.slots() {
            if !matches!(self.state(slot), State::Running | State::Attached | State::Claimed)
                || self.is_mine(slot)
            {
                continue;
            }
            let word = |w| self.word(slot, w).load(Acquire);
            let owner = Process { pid: word(Cell::Pid), born: word(Cell::Born) };
            // A slot that is only claimed has no owner yet.
            if owner.pid != 0 && !owner.is_alive() {
                if let Some(port) = self.port(slot) {
                    tracing::warn!("the process of port {:?} (pid {}) has died", port.name, owner.pid);
                }
                self.set_state(slot, State::Left);
            }
        }
    }

    /// Whether time has begun.
    pub(super) fn began(&self) -> bool {
        self.header(head::BEGUN).load(Acquire) == 2
    }

    /// Returns the number of ports that are present.
    pub(super) fn present(&self) -> usize {
        self.slots().filter(|&s| matches!(self.state(s), State::Running | State::Attached)).count()
    }

    /// Lets time begin, unless it has begun.
    pub(super) fn begin(&self) {
        let begun = self.header(head::BEGUN);
        if begun.compare_exchange(0, 1, Ordering::AcqRel, Relaxed).is_err() {
            return;
        }
        /// Time for the ports to get ready, in real time.
        const AHEAD: Duration = Duration::from_millis(20);
        /// 2026-01-01T00:00:00Z.
        const SOME_DAY: i64 = 1_767_225_600;
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let ahead = AHEAD.as_nanos() as i64;
        let utc = match (self.config.utc, self.config.pace) {
            (Some(utc), _) => utc.saturating_mul(1_000_000_000),
            (None, Pace::Realtime) => wall.as_nanos() as i64 + ahead,
            (None, Pace::Free) => SOME_DAY * 1_000_000_000,
        };
        self.header(head::BEGAN_NS).store((now_ns() + ahead) as u64, Release);
        self.header(head::UTC_NS).store(utc as u64, Release);
        begun.store(2, Release);
        self.doorbell().ring();
    }

    /// Returns UTC at the air's first sample, nanoseconds since 1970.
    pub(super) fn utc_ns(&self) -> i64 {
        self.header(head::UTC_NS).load(Acquire) as i64
    }

    /// Returns the samples of common time that have passed on the wall clock; negative before the first.
    pub(super) fn wall_time(&self) -> f64 {
        let began = self.header(head::BEGAN_NS).load(Acquire) as i64;
        (now_ns() - began) as f64 * 1e-9 * self.config.rate.0
    }

    fn tags_and_masks(&self, slot: usize) -> (&[AtomicU64], &[AtomicU64], &[AtomicU64]) {
        let (tags, rest) = self.memory.words()[self.ring_of(slot)].split_at(self.ring / BLOCK);
        let (masks, samples) = rest.split_at(self.ring / BLOCK);
        (tags, masks, samples)
    }

    /// Writes a burst into a slot's ring.
    pub(super) fn write(&self, slot: usize, first: u64, burst: &[Sample]) {
        let (tags, masks, samples) = self.tags_and_masks(slot);
        let (mut at, mut rest) = (first, burst);
        while !rest.is_empty() {
            let (block, offset) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let index = (block % tags.len() as u64) as usize;
            let length = rest.len().min(BLOCK - offset);
            let (part, after) = rest.split_at(length);
            let ring = &samples[index * BLOCK..(index + 1) * BLOCK];
            let fresh = tags[index].load(Relaxed) != block + 1;
            if fresh {
                tags[index].store(0, Release);
                masks[index].store(0, Relaxed);
                for word in ring {
                    word.store(0, Relaxed);
                }
            }
            for (word, s) in ring[offset..].iter().zip(part) {
                word.store(u64::from(s.re.to_bits()) | u64::from(s.im.to_bits()) << 32, Relaxed);
            }
            let bits = (u64::MAX >> (BLOCK - length)) << offset;
            masks[index].fetch_or(bits, Release);
            tags[index].store(block + 1, Release);
            (at, rest) = (at + length as u64, after);
        }
        let tail = self.word(slot, Cell::Tail);
        tail.store(tail.load(Relaxed).max(at), Release);
    }

    /// Copies samples out of a slot's ring; returns `false` if there are none, and leaves `into` unchanged.
    pub(super) fn read(&self, slot: usize, samples: Range<i64>, into: &mut [Sample]) -> bool {
        let mut any = false;
        self.each_block(slot, samples.clone(), |from, _, words| {
            if !any {
                into.fill(Sample::default());
                any = true;
            }
            let into = &mut into[(from - samples.start) as usize..];
            for (s, word) in into.iter_mut().zip(words) {
                let bits = word.load(Relaxed);
                *s = Sample::new(f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32));
            }
        });
        any
    }

    /// Sets to zero all samples during which the slot sent.
    pub(super) fn silence(&self, slot: usize, first: u64, samples: &mut [Sample]) {
        let range = first as i64..first as i64 + samples.len() as i64;
        self.each_block(slot, range, |from, mask, words| {
            let start = (from - first as i64) as usize;
            for (i, s) in samples[start..start + words.len()].iter_mut().enumerate() {
                if mask >> i & 1 == 1 {
                    *s = Sample::default();
                }
            }
        });
    }

    /// Calls `f` with the first sample number, the mask and the words of each piece of `samples` in which something was
    /// sent.
    fn each_block(&self, slot: usize, samples: Range<i64>, mut f: impl FnMut(i64, u64, &[AtomicU64])) {
        let (tags, masks, ring) = self.tags_and_masks(slot);
        let mut at = samples.start.max(0) as u64;
        let end = samples.end.max(0) as u64;
        while at < end {
            let (block, offset) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let length = ((end - at) as usize).min(BLOCK - offset);
            let index = (block % tags.len() as u64) as usize;
            if tags[index].load(Acquire) == block + 1 {
                let first = index * BLOCK + offset;
                f(at as i64, masks[index].load(Acquire) >> offset, &ring[first..first + length]);
            }
            at += length as u64;
        }
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        if self.maker {
            self.header(head::MAKER).store(0, Release);
        }
        // The last process removes the file.
        if self.is_abandoned() && self.memory.is_at(file) {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Reserves room for words; if there is too little, the error carries the available space.
fn reserve(memory: &Memory, words: Range<usize>) -> Result<(), MediumError> {
    memory.reserve(words.clone()).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => {
            MediumError::NoRoom { needed: 8 * words.len() as u64, space: memory.space() }
        }
        _ => MediumError::Io(error),
    })
}

fn store_text(words: &[AtomicU64], text: &str) -> Result<usize, MediumError> {
    if text.len() > words.len() * 8 {
        return Err(MediumError::TooLong);
    }
    for (word, bytes) in words.iter().zip(text.as_bytes().chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_le_bytes(padded), Relaxed);
    }
    Ok(text.len())
}

fn load_text(words: &[AtomicU64], bytes: usize) -> String {
    let mut text: Vec<u8> =
        words.iter().take(bytes.div_ceil(8)).flat_map(|w| w.load(Relaxed).to_le_bytes()).collect();
    text.truncate(bytes);
    String::from_utf8_lossy(&text).into_owned()
}
