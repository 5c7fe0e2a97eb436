//! A file over IP: numbered UDP datagrams to a group, and the receiver's reports of missing ones.
//!
//! ```text
//! data      "D" | number (2 octets) | count (2) | content
//! missing   "M" | count (2) | a bitmap of the received datagrams, bit 0 first
//! ```
//!
//! One-to-many communication has no acknowledgement; a UE does not receive while it sends, and a transport block may be
//! lost. So the sender repeats the datagrams that the receiver reports as missing, until none is.

use super::application::{Application, Moment, Outgoing, Send};
use super::error::BuildError;
use super::event::Event;
use super::ip::{unwrapped, wrapped};
use sidelink_mac::mux::Address;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::SduType;
use std::sync::{Arc, Mutex};

/// Octets of content in a datagram.
const CONTENT: usize = 400;

/// Subframes between two reports of the receiver.
const WORD_EVERY: u64 = 240;

/// Subframes between two datagrams: a UE that sends in a control period may miss the transmissions of others in it.
const PACE: u64 = 120;

/// UDP port of both ends.
const PORT: u16 = 5001;

/// Progress of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Datagrams of the file.
    pub count: usize,
    /// Datagrams that were received, or that the other end has reported.
    pub arrived: usize,
    /// Datagrams that were sent, including repetitions.
    pub sent: usize,
    /// Subframe of the first datagram.
    pub began: u64,
    /// Subframe in which the last missing datagram was received or reported.
    pub ended: Option<u64>,
}

/// Sends a file.
pub struct FileSender {
    address: Address,
    lcid: Lcid,
    file: Vec<u8>,
    has: Vec<bool>,
    cursor: usize,
    /// Subframe in which the last datagram was sent.
    last: u64,
    progress: Arc<Mutex<Progress>>,
}

/// Receives a file.
pub struct FileReceiver {
    address: Address,
    lcid: Lcid,
    parts: Vec<Option<Vec<u8>>>,
    last_word: u64,
    progress: Arc<Mutex<Progress>>,
    file: Arc<Mutex<Option<Vec<u8>>>>,
}

impl FileSender {
    /// Makes a sender to a group.
    ///
    /// # Errors
    /// [`BuildError::TooLong`] if the file has more than 65535 datagrams of 400 octets: their numbers have 16 bits.
    pub fn new(
        address: Address,
        lcid: Lcid,
        file: Vec<u8>,
    ) -> Result<(Self, Arc<Mutex<Progress>>), BuildError> {
        let count = file.len().div_ceil(CONTENT);
        if count > usize::from(u16::MAX) {
            return Err(BuildError::TooLong { octets: file.len(), most: usize::from(u16::MAX) * CONTENT });
        }
        let progress = Arc::new(Mutex::new(Progress { count, ..Progress::default() }));
        let shared = Arc::clone(&progress);
        Ok((Self { address, lcid, file, has: vec![false; count], cursor: 0, last: 0, progress }, shared))
    }
}

impl FileReceiver {
    /// Makes a receiver for a group; the second value takes the file when it is complete.
    pub fn new(address: Address, lcid: Lcid) -> (Self, Arc<Mutex<Option<Vec<u8>>>>) {
        let file = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&file);
        let progress = Arc::default();
        (Self { address, lcid, parts: Vec::new(), last_word: 0, progress, file }, shared)
    }

    /// Returns the progress of the transfer.
    pub fn progress(&self) -> Arc<Mutex<Progress>> {
        Arc::clone(&self.progress)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Application for FileSender {
    fn work(&mut self, now: Moment, send: &mut Send<'_>) {
        let mut progress = lock(&self.progress);
        let count = self.has.len();
        let missing = (0..count).map(|i| (self.cursor + i) % count).find(|&i| !self.has[i]);
        let Some(number) = missing.filter(|_| now.t >= self.last + PACE) else { return };
        let mut datagram = vec![b'D'];
        datagram.extend((number as u16).to_be_bytes());
        datagram.extend((count as u16).to_be_bytes());
        datagram.extend(&self.file[number * CONTENT..((number + 1) * CONTENT).min(self.file.len())]);
        let data = wrapped(&datagram, PORT);
        let out = Outgoing { address: self.address, lcid: self.lcid, sdu_type: SduType::Ip, data: &data };
        if send(out).is_ok() {
            if progress.sent == 0 {
                progress.began = now.t;
            }
            progress.sent += 1;
            self.cursor = (number + 1) % count;
            self.last = now.t;
        }
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let data = event.data(self.address, SduType::Ip);
        let Some([b'M', rest @ ..]) = data.and_then(unwrapped) else { return };
        if rest.len() != 2 + self.has.len().div_ceil(8)
            || u16::from_be_bytes([rest[0], rest[1]]) as usize != self.has.len()
        {
            return;
        }
        for (i, has) in self.has.iter_mut().enumerate() {
            *has |= rest[2 + i / 8] >> (i % 8) & 1 == 1;
        }
        let mut progress = lock(&self.progress);
        progress.arrived = self.has.iter().filter(|has| **has).count();
        if progress.arrived == progress.count && progress.ended.is_none() {
            progress.ended = Some(now.t);
        }
    }
}

impl Application for FileReceiver {
    fn work(&mut self, now: Moment, send: &mut Send<'_>) {
        if self.parts.is_empty() || now.t < self.last_word + WORD_EVERY {
            return;
        }
        let mut datagram = vec![b'M'];
        datagram.extend((self.parts.len() as u16).to_be_bytes());
        let mut bits = vec![0u8; self.parts.len().div_ceil(8)];
        for (i, _) in self.parts.iter().enumerate().filter(|(_, part)| part.is_some()) {
            bits[i / 8] |= 1 << (i % 8);
        }
        datagram.extend(bits);
        let data = wrapped(&datagram, PORT);
        let out = Outgoing { address: self.address, lcid: self.lcid, sdu_type: SduType::Ip, data: &data };
        if send(out).is_ok() {
            self.last_word = now.t;
        }
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let data = event.data(self.address, SduType::Ip);
        let Some([b'D', rest @ ..]) = data.and_then(unwrapped) else { return };
        let [n1, n2, c1, c2, content @ ..] = rest else { return };
        let number = usize::from(u16::from_be_bytes([*n1, *n2]));
        let count = usize::from(u16::from_be_bytes([*c1, *c2]));
        if self.parts.is_empty() {
            self.parts = vec![None; count];
            *lock(&self.progress) = Progress { count, began: now.t, ..Progress::default() };
        }
        if count != self.parts.len() || number >= count || self.parts[number].is_some() {
            return;
        }
        self.parts[number] = Some(content.to_vec());
        let mut progress = lock(&self.progress);
        progress.arrived += 1;
        if progress.arrived == count {
            progress.ended = Some(now.t);
            *lock(&self.file) = Some(self.parts.iter().flatten().flatten().copied().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_mac::engine;
    use sidelink_mac::pdcp::Header;
    use sidelink_security::counter::UtcTime;
    use sidelink_security::pdu::Assurance;
    use sidelink_wire::ids::Layer2Id;

    #[test]
    fn a_file_with_more_datagrams_than_numbers_is_refused() {
        let sender = |octets| {
            FileSender::new(
                Address::Group(Layer2Id::from_octets([0, 0, 7])),
                Lcid::GROUP_DATA,
                vec![0; octets],
            )
        };
        let (most, _) = sender(65535 * CONTENT).unwrap();
        assert_eq!(most.has.len(), 65535);
        let error = sender(65535 * CONTENT + 1).err().unwrap();
        assert!(error.to_string().contains("26214000"), "{error}");
    }

    #[test]
    fn a_file_arrives_though_a_third_is_lost() {
        let address = Address::Group(Layer2Id::from_octets([0, 0, 7]));
        let lcid = Lcid::PC5_S_UNPROTECTED;
        let file: Vec<u8> = (0..5000u32).map(|i| (i * 7 % 251) as u8).collect();
        let (mut sender, sent) = FileSender::new(address, lcid, file.clone()).unwrap();
        let (mut receiver, got) = FileReceiver::new(address, lcid);
        let header = Header::parse(address, &[0; 5]).unwrap();
        let mut number = 0u32;
        for t in 40..8000 {
            let now = Moment { t, utc: UtcTime::from_millis(t) };
            let mut air: Vec<(bool, Vec<u8>)> = Vec::new();
            sender.work(now, &mut |out: Outgoing<'_>| {
                air.push((true, out.data.to_vec()));
                Ok(())
            });
            receiver.work(now, &mut |out: Outgoing<'_>| {
                air.push((false, out.data.to_vec()));
                Ok(())
            });
            for (forward, data) in air {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if number >> 16 & 3 == 0 {
                    continue;
                }
                let (source, lcid) = (Layer2Id::from_octets([0, 0, 1]), Lcid::GROUP_DATA);
                let (assurance, pgk_id, data) = (Assurance::Deciphered, None, &data[..]);
                let event = Event::Mac(engine::Event::Received(engine::Received {
                    source,
                    address,
                    lcid,
                    header,
                    assurance,
                    pgk_id,
                    data,
                }));
                if forward { receiver.event(now, &event) } else { sender.event(now, &event) }
            }
        }
        assert_eq!(got.lock().unwrap().as_deref(), Some(&file[..]));
        let progress = *sent.lock().unwrap();
        assert!(progress.ended.is_some() && progress.sent >= progress.count, "{progress:?}");
    }
}
