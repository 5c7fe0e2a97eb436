//! The ends of EAP of a UE that runs: a USIM in a file, and RADIUS on a socket. TR 33.833 §6.5.1.
//!
//! ```text
//! UE thread: remote UE: RemoteEap --state of the USIM--> thread "usim": a file
//!                                 <--durable-----------
//!            relay:     RelayEap  --datagrams----------- a socket that does not block, looked at in every subframe
//! ```

use super::Note;
use super::places::beside;
use crate::config::ConfigError;
use crate::config::eap::{EapRelay, EapRemote};
use crate::config::ue_toml::UeConfig;
use crate::outputs::{Existing, Outputs};
use crate::relay_eap::relay::{RelayEap, RelayPort};
use crate::relay_eap::remote::{Event, RemoteEap, RemotePort};
use crate::relay_keys::remote::Written;
use crossbeam::channel::{Receiver, Sender, unbounded};
use sidelink_network::eap_peer::EapPeer;
use sidelink_network::radius::{Nas, nas};
use sidelink_network::relayed_peer::RelayedPeer;
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::SqnFile;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{KeyNetwork, LinkStanding, NetworkAnswer, Ue};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::relay_keying::Question;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

/// Octets of a datagram of RADIUS, at most.
const DATAGRAM: usize = 4096;

/// Seconds that a KD lives at a remote UE; at the relay the AAA server says it.
const LIFETIME: u32 = 3600;

/// Where what an operator reads goes.
pub(crate) type Notes = Box<dyn Fn(UtcTime, &Note) + Send>;

/// Lets the network authenticate the remote UEs of `ue`, or `ue` itself, as its `[eap]` says.
///
/// # Errors
/// A file, the socket, or a UE without links.
pub(crate) fn equip(config: &UeConfig, ue: &mut Ue, notes: &dyn Fn() -> Notes) -> anyhow::Result<()> {
    let Some(eap) = &config.eap else { return Ok(()) };
    let remote = eap.remote.as_ref().map(|remote| self::remote(remote, notes())).transpose()?;
    let relay = eap.relay.as_ref().map(|relay| self::relay(config, relay, notes())).transpose()?;
    let Some(links) = ue.stack().links() else {
        return Err(ConfigError::new("there are no links", "[eap]", "add a [[link]]").into());
    };
    links.establish_through_relay(Box::new(Ends { remote, relay, nobody: Vec::new() }));
    Ok(())
}

/// A remote UE's end, or a relay's, or both.
struct Ends {
    remote: Option<RemoteEap<UsimPort, AirRng>>,
    relay: Option<RelayEap<SocketPort, AirRng>>,
    /// Questions that no end answers.
    nobody: Vec<Ticket>,
}

impl KeyNetwork for Ends {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        match (Question::parse(question), &mut self.remote, &mut self.relay) {
            (Ok(Question::ToPeer { .. }), Some(remote), _) => remote.ask(now, ticket, question),
            (Ok(Question::ToServer { .. }), _, Some(relay)) => relay.ask(now, ticket, question),
            _ => self.nobody.push(ticket),
        }
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        let nobody = self.nobody.pop().map(|ticket| NetworkAnswer { ticket, octets: None });
        let remote = || self.remote.as_mut().and_then(|remote| remote.poll(now));
        let answer = nobody.or_else(remote);
        answer.or_else(|| self.relay.as_mut().and_then(|relay| relay.poll(now)))
    }

    fn link_changed(&mut self, now: UtcTime, peer: Layer2Id, standing: LinkStanding) {
        if let Some(relay) = &mut self.relay {
            relay.link_changed(now, peer, standing);
        }
    }
}

fn remote(config: &EapRemote, notes: Notes) -> anyhow::Result<RemoteEap<UsimPort, AirRng>> {
    let usim = config.usim()?;
    let (file, pseudonym) = (SqnFile::new(beside(&config.usim, ".sqn")), beside(&config.usim, ".pseudonym"));
    // Without it the IMSI is said.
    let known = std::fs::read_to_string(&pseudonym).ok().map(|text| text.trim().to_owned());
    let peer = config.peer(&usim, known.filter(|name| !name.is_empty()))?;
    let peer = EapPeer::new(peer, Usim::new(usim.keys, file.load()?));
    let port = UsimPort::start(file, pseudonym, notes)?;
    Ok(RemoteEap::new(RelayedPeer::new(peer, config.maker(), LIFETIME), port, AirRng::of_system()?))
}

/// What is to be kept.
enum Keep {
    Usim(Box<SqnArray>),
    Pseudonym(String),
}

/// The files of a USIM, written by a thread that ends with this.
struct UsimPort {
    to_disk: Sender<Keep>,
    written: Receiver<Written>,
    notes: Notes,
}

impl UsimPort {
    fn start(file: SqnFile, pseudonym: PathBuf, notes: Notes) -> std::io::Result<Self> {
        let (to_disk, kept) = unbounded();
        let (to_ue, written) = unbounded();
        std::thread::Builder::new().name("usim".to_owned()).spawn(move || {
            for keep in kept {
                match keep {
                    Keep::Usim(array) => {
                        let stored = file.raise(&array);
                        if let Err(why) = &stored {
                            tracing::error!("{why}");
                        }
                        let written = if stored.is_ok() { Written::Durable } else { Written::Failed };
                        let _ = to_ue.send(written);
                    }
                    Keep::Pseudonym(name) => {
                        if let Err(why) = write(&pseudonym, &name) {
                            tracing::warn!("the pseudonym is not kept: {why:#}");
                        }
                    }
                }
            }
        })?;
        Ok(Self { to_disk, written, notes })
    }
}

fn write(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let mut file = Outputs::new(Existing::Replace).claim("the pseudonym", path)?.create()?;
    file.write_all(text.as_bytes())?;
    Ok(file.finish()?)
}

impl RemotePort for UsimPort {
    fn store(&mut self, _: UtcTime, array: SqnArray) {
        let _ = self.to_disk.send(Keep::Usim(Box::new(array)));
    }

    fn stored(&mut self, _: UtcTime) -> Option<Written> {
        self.written.try_recv().ok()
    }

    fn remember(&mut self, _: UtcTime, pseudonym: String) {
        let _ = self.to_disk.send(Keep::Pseudonym(pseudonym));
    }

    fn event(&mut self, now: UtcTime, event: Event) {
        match event {
            Event::Authenticated => (self.notes)(now, &Note::Works),
            Event::Failed(why) => (self.notes)(now, &Note::Trouble(format!("EAP: {why}"))),
            // Anybody can send packets.
            Event::Discarded(why) => tracing::debug!("EAP: a packet is passed over: {why}"),
        }
    }
}

fn relay(config: &UeConfig, relay: &EapRelay, notes: Notes) -> anyhow::Result<RelayEap<SocketPort, AirRng>> {
    let nas = Nas::new(relay.nas(&config.name)?);
    let any: SocketAddr = match relay.server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let local = relay.local_address.unwrap_or(any);
    let open = || {
        let socket = UdpSocket::bind(local)?;
        socket.connect(relay.server)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let socket = open().map_err(|why: std::io::Error| {
        ConfigError::new(format!("no socket: {why}"), "[eap.relay]", "see server and local-address")
    })?;
    let port = SocketPort { socket, buffer: Box::new([0; DATAGRAM]), notes };
    Ok(RelayEap::new(nas, port, AirRng::of_system()?))
}

/// The socket of a relay.
struct SocketPort {
    socket: UdpSocket,
    buffer: Box<[u8; DATAGRAM]>,
    notes: Notes,
}

impl RelayPort for SocketPort {
    fn send(&mut self, _: UtcTime, octets: &[u8]) {
        // What cannot be sent is lost, as any datagram may be: it is said again.
        if let Err(why) = self.socket.send(octets) {
            tracing::debug!("RADIUS: {why}");
        }
    }

    fn receive(&mut self, _: UtcTime) -> Option<Vec<u8>> {
        match self.socket.recv(&mut self.buffer[..]) {
            Ok(length) => self.buffer.get(..length).map(<[u8]>::to_vec),
            // The news that the port of the server is closed comes here.
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => None,
            Err(why) => {
                tracing::debug!("RADIUS: {why}");
                None
            }
        }
    }

    fn event(&mut self, now: UtcTime, event: nas::Event) {
        match event {
            nas::Event::Silent | nas::Event::NoKey => {
                (self.notes)(now, &Note::Trouble(event.to_string()));
            }
            _ => tracing::debug!("RADIUS: {event}"),
        }
    }
}

#[cfg(test)]
mod tests;
