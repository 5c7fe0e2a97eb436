//! Applications that use a UE.

use super::event::Event;
use super::ip::{IpEvent, IpStatus};
use super::refused::Refused;
use super::stack::Stack;
use sidelink_mac::mux::Address;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::SduType;

/// A subframe and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Number of the subframe in the count of the UE.
    pub t: u64,
    /// UTC at which it begins.
    pub utc: UtcTime,
}

/// Data to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Destination.
    pub address: Address,
    /// Logical channel (bearer).
    pub lcid: Lcid,
    /// SDU type of PDCP.
    pub sdu_type: SduType,
    /// The data.
    pub data: &'a [u8],
}

/// Sends data; an error says why nothing was sent.
pub type Send<'a> = dyn FnMut(Outgoing<'_>) -> Result<(), Refused> + 'a;

/// A user of a UE. It is called in the sample path: work that may block belongs behind a channel.
pub trait Application: core::marker::Send {
    /// Does the work of one subframe; called once in every subframe.
    fn work(&mut self, now: Moment, send: &mut Send<'_>);

    /// Takes an event of the UE.
    fn event(&mut self, now: Moment, event: &Event<'_>);

    /// Takes what there is to tell of IP; called once in every subframe.
    fn take_news(&mut self) -> Vec<IpEvent> {
        Vec::new()
    }

    /// Returns the status of IP, if the application carries packets for a relay or a remote UE.
    fn ip_status(&self) -> Option<IpStatus> {
        None
    }
}

/// The applications of a UE. An application is taken out while it works, because the events of its own calls go to the
/// others.
pub(super) struct Applications(pub(super) Vec<Option<Box<dyn Application>>>);

impl Applications {
    /// Hands an event to every application.
    pub(super) fn tell(&mut self, now: Moment, event: Event<'_>) {
        for application in self.0.iter_mut().flatten() {
            application.event(now, &event);
        }
    }

    /// Lets each application send over the stack.
    pub(super) fn work(&mut self, now: Moment, stack: &mut Stack) {
        for index in 0..self.0.len() {
            let Some(mut application) = self.0[index].take() else { continue };
            application.work(now, &mut |out: Outgoing<'_>| {
                let tell = &mut |event: Event<'_>| self.tell(now, event);
                stack.send(out.address, out.lcid, out.sdu_type, out.data, tell)
            });
            let news = application.take_news();
            self.0[index] = Some(application);
            for event in &news {
                self.tell(now, Event::Ip(event));
            }
        }
    }

    /// Returns the status of IP.
    pub(super) fn ip_status(&self) -> Option<IpStatus> {
        self.0.iter().flatten().find_map(|application| application.ip_status())
    }
}

/// Sends the same kind of data at a fixed interval.
pub struct TestTraffic {
    address: Address,
    lcid: Lcid,
    /// Subframes between two messages.
    interval: u64,
    /// Messages that are still to be sent.
    left: u64,
    next: Option<u64>,
    number: u64,
    text: String,
    data: Vec<u8>,
    octets: usize,
    refused: u64,
}

impl TestTraffic {
    /// Sends `text` followed by the number of the message, padded to `octets` octets, every `interval` subframes,
    /// `count` times.
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

    /// Returns the number of messages that could not be queued.
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
