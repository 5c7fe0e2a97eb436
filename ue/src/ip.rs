//! IP packets over a group or over links: a TUN interface, or a pair of UDP ports where there are no privileges for one.
//!
//! With UDP the other end is any program: a datagram that it sends to `local` becomes the payload of an IPv4/UDP packet
//! on the air (from 10.45.0.1 to 10.45.0.255, both with the port of `local`), and the payload of a received packet goes
//! to `remote`.
//!
//! ```text
//! config.rs      `[ip]` of `ue.toml`
//! relay.rs       a relay's interface for all of its remote UEs
//! server.rs      DHCPv4 server and IPv6 router of a relay
//! pool.rs        who has which address
//! remote.rs      a remote UE's interface
//! client.rs      DHCPv4 client
//! queue.rs       packets that wait, by urgency
//! interface.rs   TUN, with its threads and routes
//! event.rs       what is to be told; the remote UE report
//! ```

mod client;
mod config;
mod event;
mod interface;
mod pool;
mod queue;
mod relay;
mod remote;
mod server;

pub use config::{ANY_RELAY, IpConfig, Part, Route, Version};
pub use event::{Dropped, IpEvent, IpStatus, Lease, Remote as RemoteUe, RemoteStatus, Standing};
pub use remote::RelayOf;

use super::application::{Application, Moment, Outgoing, Send};
use super::error::BuildError;
use super::event::Event;
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_mac::mux::Address;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::ip::{Datagram, IPV4_HEADER, UDP_HEADER};
use sidelink_wire::pdcp::SduType;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// Packets that are queued between the network and the air, in each direction.
const QUEUE: usize = 256;

/// Packets that go to layer 2 in one subframe, at most.
const BURST: usize = 32;

/// The largest IP packet that is carried for UDP ports, in octets.
const MTU: usize = 1500;

/// Octets of an IPv4 header without options and of a UDP header.
const HEADERS: usize = IPV4_HEADER + UDP_HEADER;

/// Opens IP of a relay: it has one interface for all of its links.
///
/// # Errors
/// A faulty configuration, missing privileges; the error says what to do instead.
pub fn open_relay(config: &IpConfig) -> Result<Box<dyn Application>, BuildError> {
    Ok(Box::new(relay::Relay::open(config)?))
}

/// Opens IP of a remote UE with layer-2 ID `own`, whose addresses its relay gives.
///
/// # Errors
/// As [`open_relay`].
pub fn open_remote(
    config: &IpConfig,
    relay: RelayOf,
    own: Layer2Id,
) -> Result<Box<dyn Application>, BuildError> {
    Ok(Box::new(remote::Remote::open(config, relay, own)?))
}

/// IP over one group.
pub struct Ip {
    address: Address,
    lcid: Lcid,
    to_air: Receiver<Vec<u8>>,
    from_air: Sender<Vec<u8>>,
    /// A packet that layer 2 refused, to be sent first in the next subframe.
    held: Option<Vec<u8>>,
    dropped: u64,
}

impl Ip {
    /// Opens the interface or the socket, and starts the threads that block on it.
    ///
    /// # Errors
    /// Missing privileges, or an address in use; the error says what to do instead.
    pub fn open(config: &IpConfig, address: Address, lcid: Lcid) -> Result<Self, BuildError> {
        let (to_air_tx, to_air) = bounded(QUEUE);
        let (from_air, from_air_rx) = bounded(QUEUE);
        match (&config.tun, config.local) {
            (Some(name), None) => open_tun(name, config, to_air_tx, from_air_rx)?,
            (None, Some(local)) => open_udp(local, config.remote, to_air_tx, from_air_rx)?,
            (Some(name), Some(local)) => {
                let tun = open_tun(name, config, to_air_tx.clone(), from_air_rx.clone());
                if let Err(e) = tun {
                    tracing::warn!("{e}. UDP is used instead: datagrams to {local} go on the air");
                    open_udp(local, config.remote, to_air_tx, from_air_rx)?;
                }
            }
            (None, None) => {
                return Err(BuildError::NoPorts);
            }
        }
        Ok(Self { address, lcid, to_air, from_air, held: None, dropped: 0 })
    }

    /// Returns the number of packets from the air that were dropped because the queue to the network was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Application for Ip {
    fn work(&mut self, _now: Moment, send: &mut Send<'_>) {
        for _ in 0..BURST {
            let Some(packet) = self.held.take().or_else(|| self.to_air.try_recv().ok()) else { return };
            let out =
                // TS 24.334 §10.2.4.1 (1)
                Outgoing { address: self.address, lcid: self.lcid, sdu_type: SduType::Ip, data: &packet };
            if send(out).is_err() {
                // The queue of layer 2 is full, or counters are not durable yet: the packets of the sender stay queued
                // in its socket.
                self.held = Some(packet);
                return;
            }
        }
    }

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let Some(data) = event.data(self.address, SduType::Ip) else { return };
        if self.from_air.try_send(data.to_vec()).is_err() {
            self.dropped += 1;
        }
    }
}

fn open_udp(
    local: SocketAddr,
    remote: Option<SocketAddr>,
    to_air: Sender<Vec<u8>>,
    from_air: Receiver<Vec<u8>>,
) -> Result<(), BuildError> {
    let socket = UdpSocket::bind(local).map_err(|e| BuildError::Bind(local, e.to_string()))?;
    let socket = Arc::new(socket);
    let reader = Arc::clone(&socket);
    let port = local.port();
    std::thread::spawn(move || {
        let mut buffer = [0; MTU];
        while let Ok((len, _)) = reader.recv_from(&mut buffer) {
            if len + HEADERS <= MTU && to_air.send(wrapped(&buffer[..len], port)).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for packet in from_air {
            if let (Some(remote), Some(payload)) = (remote, unwrapped(&packet)) {
                // No program may listen there now: a datagram is lost, as on any network.
                let _ = socket.send_to(payload, remote);
            }
        }
    });
    Ok(())
}

fn open_tun(
    name: &str,
    config: &IpConfig,
    to_air: Sender<Vec<u8>>,
    from_air: Receiver<Vec<u8>>,
) -> Result<(), BuildError> {
    let ((ip, len), mtu) = (config.network()?, config.checked_mtu()?);
    let device = tun_rs::DeviceBuilder::new().name(name).ipv4(ip, len, None).mtu(mtu).build_sync();
    let device =
        Arc::new(device.map_err(|e| BuildError::Tun(format!("cannot make the interface {name}: {e}")))?);
    let reader = Arc::clone(&device);
    std::thread::spawn(move || {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        while let Ok(len) = reader.recv(&mut buffer) {
            if to_air.send(buffer[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for packet in from_air {
            // A packet that the system refuses is the fault of its sender.
            let _ = device.send(&packet);
        }
    });
    Ok(())
}

/// Wraps `payload` in an IPv4/UDP packet from and to `port`; empty where it is too long.
pub(super) fn wrapped(payload: &[u8], port: u16) -> Vec<u8> {
    let (from, to) = (Ipv4Addr::new(10, 45, 0, 1), Ipv4Addr::new(10, 45, 0, 255));
    Datagram { from: (from, port), to: (to, port), payload }.emit().unwrap_or_default()
}

/// Returns the payload of an IPv4/UDP packet; `None` for anything else, and for a wrong length.
pub(super) fn unwrapped(packet: &[u8]) -> Option<&[u8]> {
    Datagram::parse(packet).map(|datagram| datagram.payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_wrapped_and_unwrapped() {
        for payload in [&b""[..], b"x", &[7; 1472]] {
            let packet = wrapped(payload, 5001);
            assert_eq!(unwrapped(&packet), Some(payload));
            // A valid header sums to all ones.
            let sum: u32 = packet[..20].chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
    }

    #[test]
    fn what_is_no_datagram_is_not_delivered() {
        let good = wrapped(b"hello", 1);
        for len in 0..good.len() {
            assert!(unwrapped(&good[..len]).is_none(), "{len}");
        }
        let mut tcp = good.clone();
        tcp[9] = 6;
        assert!(unwrapped(&tcp).is_none());
        let mut lies = good;
        lies[24..26].copy_from_slice(&3_u16.to_be_bytes());
        assert!(unwrapped(&lies).is_none());
    }

    #[test]
    fn neither_is_refused() {
        let config = IpConfig::new("fire");
        let address = Address::Group(Layer2Id::from_octets([0, 0, 1]));
        let error = Ip::open(&config, address, Lcid::PC5_S_UNPROTECTED).err().unwrap();
        assert!(error.to_string().contains("local and remote"), "{error}");
    }
}
