//! A TUN interface with the threads that block on it: packets of the system in, packets and settings out.

use super::config::Route;
use super::event::Lease;
use crate::error::BuildError;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tun_rs::SyncDevice;

/// Packets that are queued between the network and the air, in each direction.
const QUEUE: usize = 256;

/// What goes to the system, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A packet.
    Packet(Vec<u8>),
    /// Which routes are added when there is an address and a link, with their metric.
    Routes(Route, u32),
    /// The link is up.
    Up,
    /// The link has ended: its routes go, the address stays.
    Down,
    /// The address of this end and the MTU.
    Address(Lease, u16),
    /// The MTU.
    Mtu(u16),
    /// An address that is to be used no more.
    NoAddress(Ipv4Addr),
    /// The prefix for whose addresses a relay has routes.
    Prefix(Option<(Ipv6Addr, u8)>),
}

/// An interface, as an application has it.
pub(super) struct Interface {
    packets: Receiver<Vec<u8>>,
    frames: Sender<Frame>,
}

impl Interface {
    /// Makes the interface, and starts its threads.
    ///
    /// # Errors
    /// Missing privileges, a name in use.
    pub(super) fn open(name: &str, address: Option<(Ipv4Addr, u8)>, mtu: u16) -> Result<Self, BuildError> {
        let mut builder = tun_rs::DeviceBuilder::new().name(name).mtu(mtu);
        if let Some((address, bits)) = address {
            builder = builder.ipv4(address, bits, None);
        }
        let device = builder.build_sync();
        let device = device.map_err(|e| BuildError::Tun(format!("cannot make the interface {name}: {e}")))?;
        let device = Arc::new(device);
        let (packets_tx, packets) = bounded(QUEUE);
        let (frames, frames_rx) = bounded(QUEUE);
        let reader = Arc::clone(&device);
        std::thread::spawn(move || {
            // The operator may have set another MTU since.
            let mut buffer = vec![0; usize::from(u16::MAX)];
            while let Ok(len) = reader.recv(&mut buffer) {
                if packets_tx.send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        let settings =
            Settings { device, name: name.to_owned(), routes: (Route::None, 0), lease: None, up: false };
        std::thread::spawn(move || settings.run(&frames_rx));
        Ok(Self { packets, frames })
    }

    /// Makes an interface of these channels.
    #[cfg(test)]
    pub(super) const fn of(packets: Receiver<Vec<u8>>, frames: Sender<Frame>) -> Self {
        Self { packets, frames }
    }

    /// Returns the next packet of the system; `None` when there is none now.
    pub(super) fn receive(&self) -> Option<Vec<u8>> {
        self.packets.try_recv().ok()
    }

    /// Hands a frame over. Returns false where the queue is full.
    pub(super) fn send(&self, frame: Frame) -> bool {
        match frame {
            Frame::Packet(_) => self.frames.try_send(frame).is_ok(),
            // Settings are few, and none is lost.
            _ => self.frames.send(frame).is_ok(),
        }
    }
}

/// The settings of an interface.
struct Settings {
    device: Arc<SyncDevice>,
    name: String,
    routes: (Route, u32),
    lease: Option<Lease>,
    up: bool,
}

impl Settings {
    fn run(mut self, frames: &Receiver<Frame>) {
        for frame in frames {
            match frame {
                Frame::Packet(packet) => {
                    // A packet that the system refuses is the fault of its sender.
                    let _ = self.device.send(&packet);
                }
                Frame::Routes(route, metric) => self.routes = (route, metric),
                Frame::Up => {
                    self.up = true;
                    self.route();
                }
                Frame::Down => {
                    self.up = false;
                    self.unroute();
                }
                Frame::Address(lease, mtu) => self.address(lease, mtu),
                Frame::Mtu(mtu) => self.mtu(mtu),
                Frame::NoAddress(address) => {
                    self.unroute();
                    self.lease = None;
                    self.ip(&["address", "flush", "to", &address.to_string(), "dev"], &[]);
                }
                Frame::Prefix(Some((prefix, bits))) => {
                    self.ip(&["-6", "route", "replace", &format!("{prefix}/{bits}"), "dev"], &[]);
                }
                Frame::Prefix(None) => {}
            }
        }
    }

    fn address(&mut self, lease: Lease, mtu: u16) {
        self.mtu(mtu);
        if self.lease.is_none_or(|known| (known.address, known.bits) != (lease.address, lease.bits)) {
            if let Some(known) = self.lease {
                self.ip(&["address", "flush", "to", &known.address.to_string(), "dev"], &[]);
            }
            self.ip(&["address", "add", &format!("{}/{}", lease.address, lease.bits), "dev"], &[]);
        }
        self.lease = Some(lease);
        self.route();
    }

    fn mtu(&self, mtu: u16) {
        if let Err(e) = self.device.set_mtu(mtu) {
            tracing::warn!("{}: cannot set the MTU: {e}", self.name);
        }
    }

    fn route(&self) {
        let (Route::Default, metric) = self.routes else { return };
        if let Some(lease) = self.lease.filter(|_| self.up) {
            let (source, metric) = (lease.address.to_string(), metric.to_string());
            self.ip(&["route", "replace", "default", "dev"], &["src", &source, "metric", &metric]);
        }
    }

    fn unroute(&self) {
        let (Route::Default, metric) = self.routes else { return };
        if self.lease.is_some() {
            self.ip(&["route", "del", "default", "dev"], &["metric", &metric.to_string()]);
        }
    }

    /// Runs `ip` with these words before and behind the name of the interface.
    fn ip(&self, before: &[&str], behind: &[&str]) {
        let status =
            Command::new("ip").args(before).arg(&self.name).args(behind).stdin(Stdio::null()).output();
        match status {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                tracing::warn!("{}: `ip {}`: {why}", self.name, before.join(" "));
            }
            Err(e) => {
                tracing::warn!("{}: no program `ip` ({e}): set addresses and routes by hand", self.name)
            }
        }
    }
}
