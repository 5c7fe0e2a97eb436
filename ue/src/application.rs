//! Who uses a UE.

use super::event::Event;
use super::refused::Refused;
use super::stack::Stack;
use sidelink_mac::mux::Address;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::SduType;

/// A subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its count.
    pub t: u64,
    /// When it begins.
    pub utc: UtcTime,
}

/// Data to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// To whom.
    pub address: Address,
    /// On which bearer.
    pub lcid: Lcid,
    /// What it is.
    pub sdu_type: SduType,
    /// The data.
    pub data: &'a [u8],
}

/// Sends data; an error says that nothing was sent and why.
pub type Send<'a> = dyn FnMut(Outgoing<'_>) -> Result<(), Refused> + 'a;

/// Uses a UE. Called in the sample path: what may wait belongs behind a channel.
pub trait Application: core::marker::Send {
    /// Once in every subframe.
    fn work(&mut self, now: Moment, send: &mut Send<'_>);

    /// Takes an event of the UE.
    fn event(&mut self, now: Moment, event: &Event<'_>);
}

/// The applications of a UE. One is taken out while it works: what it asks for may be told to the others.
pub(super) struct Applications(pub(super) Vec<Option<Box<dyn Application>>>);

impl Applications {
    /// Tells all of an event.
    pub(super) fn tell(&mut self, now: Moment, event: Event<'_>) {
        for application in self.0.iter_mut().flatten() {
            application.event(now, &event);
        }
    }

    /// Lets each send over the stack.
    pub(super) fn work(&mut self, now: Moment, stack: &mut Stack) {
        for index in 0..self.0.len() {
            let Some(mut application) = self.0[index].take() else { continue };
            application.work(now, &mut |out: Outgoing<'_>| {
                let tell = &mut |event: Event<'_>| self.tell(now, event);
                stack.send(out.address, out.lcid, out.sdu_type, out.data, tell)
            });
            self.0[index] = Some(application);
        }
    }
}

/// Sends the same kind of data every so often.
pub struct TestTraffic {
    address: Address,
    lcid: Lcid,
    /// Subframes between two.
    interval: u64,
    /// Still to be sent.
    left: u64,
    next: Option<u64>,
    number: u64,
    text: String,
    data: Vec<u8>,
    octets: usize,
    refused: u64,
}

impl TestTraffic {
    /// `text` with the number of the message behind it, padded to `octets`, every `interval` subframes, `count` times.
    pub fn new(address: Address, lcid: Lcid, interval: u64, count: u64, text: &str, octets: usize) -> Self {
        let (data, text) = (Vec::with_capacity(octets.max(text.len() + 24)), text.to_owned());
        Self {
            address,
            lcid,
            interval: interval.max(1),
            left: count,
            next: None,
            number: 0,
            text,
            data,
            octets,
            refused: 0,
        }
    }

    /// Messages that could not be queued.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl Application for TestTraffic {
    fn work(&mut self, now: Moment, send: &mut Send<'_>) {
        use std::io::Write;
        let next = *self.next.get_or_insert(now.t + self.interval);
        if self.left == 0 || now.t < next {
            return;
        }
        self.next = Some(next + self.interval);
        self.data.clear();
        let _ = write!(self.data, "{} {}", self.text, self.number);
        let len = self.data.len().max(self.octets);
        self.data.resize(len, b'.');
        let out =
            Outgoing { address: self.address, lcid: self.lcid, sdu_type: SduType::NonIp, data: &self.data };
        match send(out) {
            Ok(()) => {
                self.number += 1;
                self.left -= 1;
            }
            Err(_) => self.refused += 1,
        }
    }

    fn event(&mut self, _now: Moment, _event: &Event<'_>) {}
}
