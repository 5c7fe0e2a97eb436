//! The keys of groups and of public-safety discovery: KEY_REQUEST over TLS, then MIKEY until all keys are there. TS 33.303 §6.2.3.3.2.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sidelink_network::identity::Fqdn;
use sidelink_network::key_delivery::{PORT, ServiceId};
use sidelink_network::pc8::{ErrorCode, MEDIA_TYPE};
use sidelink_network::pkmf_client::{Config, Event, Input, Output, PkmfClient, Refused, Wanted};
use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::key_file::State;
use super::{ClientError, KeyFile, Target, UeClient};
use crate::mikey::MAX_OCTETS;
use crate::runtime::now;

/// Longest time in which a socket is not looked away from.
const NAP: Duration = Duration::from_millis(200);

/// Where a key management function is, and where a UE listens for its messages.
#[derive(Clone, Debug)]
pub struct PkmfAddress {
    /// Its name.
    pub name: Fqdn,
    /// Where PC8 is.
    pub address: SocketAddr,
    /// Where MIKEY is.
    pub mikey: SocketAddr,
    /// Own address: requests come from it, so that messages go to it. Any address of this machine without it.
    pub local: Option<IpAddr>,
    /// Own port of MIKEY.
    pub port: u16,
}

impl PkmfAddress {
    /// With the port of MIKEY that RFC 3830 has, on both ends.
    pub fn new(name: Fqdn, address: SocketAddr) -> Self {
        Self { name, address, mikey: SocketAddr::new(address.ip(), PORT), local: None, port: PORT }
    }

    fn listen(&self) -> SocketAddr {
        let any = if self.address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
        SocketAddr::new(self.local.unwrap_or(any), self.port)
    }
}

/// What came of a fetch: of groups, or of all that a UE may want.
pub struct Fetched<W = ServiceId> {
    /// The keys, and the terms of their groups.
    pub keys: PkmfClient,
    /// What was refused, and why.
    pub rejected: Vec<(W, ErrorCode)>,
    /// That whose keys have not come in time.
    pub missing: Vec<W>,
    /// Messages that were not taken, how often each: where keys are missing, this may say why.
    pub refused: Vec<(Refused, u32)>,
}

impl UeClient {
    /// Fetches the keys of groups, as [`Self::fetch_keys`] does.
    ///
    /// # Errors
    /// Those of [`Self::fetch_keys`].
    pub fn fetch_group_keys(
        &mut self,
        pkmf: &PkmfAddress,
        file: &KeyFile,
        groups: &[ServiceId],
        patience: Duration,
    ) -> Result<Fetched, ClientError> {
        let wanted: Vec<_> = groups.iter().map(|group| Wanted::Group(*group)).collect();
        let Fetched { keys, rejected, missing, refused } = self.fetch_keys(pkmf, file, &wanted, patience)?;
        let group = |wanted| if let Wanted::Group(group) = wanted { Some(group) } else { None };
        Ok(Fetched {
            keys,
            rejected: rejected.into_iter().filter_map(|(wanted, why)| Some((group(wanted)?, why))).collect(),
            missing: missing.into_iter().filter_map(group).collect(),
            refused,
        })
    }

    /// Fetches keys, and returns when all are there, or after `patience`. Bootstraps as [`Self::send`] does.
    /// What has come before counts: where nothing is missing, nobody is asked. What is not named is stopped.
    ///
    /// # Errors
    /// The network, or the file. What has come is in the file nevertheless.
    pub fn fetch_keys(
        &mut self,
        pkmf: &PkmfAddress,
        file: &KeyFile,
        wanted: &[Wanted],
        patience: Duration,
    ) -> Result<Fetched<Wanted>, ClientError> {
        let mut session = KeySession::open(pkmf, file, wanted)?;
        let until = Instant::now() + patience;
        loop {
            let due = session.settle(self)?;
            let rest = until.saturating_duration_since(Instant::now());
            if session.missing().is_empty() || rest.is_zero() {
                return session.end();
            }
            session.hear(due, rest.min(NAP))?;
        }
    }
}

/// Keys, received as long as it lives: a PKMF sends the next PGK before the last one ends.
pub struct KeySession {
    pkmf: PkmfAddress,
    file: KeyFile,
    /// Other processes stay out of the file until it is dropped.
    _lock: File,
    wanted: Vec<Wanted>,
    state: State,
    machine: PkmfClient,
    socket: UdpSocket,
    /// Why the last request has no answer.
    lost: Option<ClientError>,
    rejected: Vec<(Wanted, ErrorCode)>,
    refused: BTreeMap<String, (Refused, u32)>,
    changes: u64,
}

impl KeySession {
    /// Opens the port of MIKEY and the file, and wants keys. What is not named is stopped.
    ///
    /// # Errors
    /// The file, or the port.
    pub fn open(pkmf: &PkmfAddress, file: &KeyFile, wanted: &[Wanted]) -> Result<Self, ClientError> {
        let lock = file.lock().map_err(ClientError::Keys)?;
        let state = file.load().map_err(ClientError::Keys)?;
        let listen = pkmf.listen();
        let socket = UdpSocket::bind(listen).map_err(|why| ClientError::Mikey { address: listen, why })?;
        let mut machine = PkmfClient::new(Config::new(pkmf.name.clone()), state.durable());
        machine.handle_input(Input::Want { now: now(), wanted });
        Ok(Self {
            pkmf: pkmf.clone(),
            file: file.clone(),
            _lock: lock,
            wanted: wanted.to_vec(),
            state,
            machine,
            socket,
            lost: None,
            rejected: Vec::new(),
            refused: BTreeMap::new(),
            changes: 0,
        })
    }

    /// Does what is due: asks the PKMF over the connections of `ue`. Returns when it wants to act again.
    ///
    /// # Errors
    /// The file. The network is no error: it is asked again later; [`Self::trouble`] says why.
    pub fn settle(&mut self, ue: &mut UeClient) -> Result<Option<UtcTime>, ClientError> {
        loop {
            match self.machine.poll_output() {
                Output::Request(body) => self.ask(ue, &body),
                // A datagram may be lost: the PKMF says its message again, and hears this again.
                Output::Send(octets) => _ = self.socket.send_to(&octets, self.pkmf.mikey),
                Output::Store { ticket, changes } => {
                    self.state.apply(changes);
                    self.changes += 1;
                    match self.file.store(&self.state) {
                        Ok(()) => self.machine.handle_input(Input::Stored { now: now(), ticket }),
                        Err(why) => return Err(ClientError::Keys(why)),
                    }
                }
                Output::Event(Event::Rejected(wanted, why)) => self.rejected.push((wanted, why)),
                Output::Event(Event::Refused(why)) => {
                    self.refused.entry(why.to_string()).or_insert((why, 0)).1 += 1;
                }
                Output::Event(Event::BadResponse(_)) => self.lost = Some(ClientError::Malformed),
                Output::Pruk(_) | Output::Event(_) => {}
                Output::Timeout(at) => return Ok(at),
            }
        }
    }

    /// Waits for a datagram, until `due` or for `longest`, whichever is shorter. Call [`Self::settle`] afterwards.
    ///
    /// # Errors
    /// The port.
    pub fn hear(&mut self, due: Option<UtcTime>, longest: Duration) -> Result<(), ClientError> {
        let input_at =
            due.map_or(longest, |at| Duration::from_millis(at.millis().saturating_sub(now().millis())));
        let wait = input_at.min(longest).max(Duration::from_millis(1));
        self.datagram(wait).map_err(|why| ClientError::Mikey { address: self.pkmf.listen(), why })
    }

    /// The keys, and the terms of their groups.
    pub const fn keys(&self) -> &PkmfClient {
        &self.machine
    }

    /// How often something durable has changed: a caller that has seen this number has seen the keys.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether the last request has no answer, and [`Self::trouble`] has not said so yet.
    pub const fn is_unanswered(&self) -> bool {
        self.lost.is_some()
    }

    /// Why the last request has no answer, since the last call.
    pub const fn trouble(&mut self) -> Option<ClientError> {
        self.lost.take()
    }

    /// What was refused, and why, in the order of the refusals.
    pub fn rejected(&self) -> &[(Wanted, ErrorCode)] {
        &self.rejected
    }

    fn ask(&mut self, ue: &mut UeClient, body: &Zeroizing<String>) {
        let PkmfAddress { name, address, local, .. } = &self.pkmf;
        let to = Target { name, address: *address, local: *local, path: "/", media_type: MEDIA_TYPE };
        let input = match ue.send_to(&to, body.as_bytes()) {
            Ok(Some(body)) => {
                self.lost = None;
                return self.machine.handle_input(Input::Response { now: now(), body: &body });
            }
            Ok(None) => {
                self.lost = Some(ClientError::Malformed);
                Input::Lost { now: now() }
            }
            Err(why) => {
                self.lost = Some(why);
                Input::Lost { now: now() }
            }
        };
        self.machine.handle_input(input);
    }

    fn datagram(&mut self, wait: Duration) -> std::io::Result<()> {
        self.socket.set_read_timeout(Some(wait))?;
        let mut buffer = Zeroizing::new([0; MAX_OCTETS]);
        match self.socket.recv(&mut buffer[..]) {
            Ok(size) => {
                let octets = buffer.get(..size).unwrap_or_default();
                self.machine.handle_input(Input::Datagram { now: now(), octets });
            }
            Err(why) if is_nothing(why.kind()) => self.machine.handle_input(Input::Tick { now: now() }),
            Err(why) => return Err(why),
        }
        Ok(())
    }

    /// What has neither a key that counts nor a refusal.
    pub fn missing(&self) -> Vec<Wanted> {
        let now = now().counter();
        let has_key = |wanted: Wanted| match wanted {
            Wanted::Group(group) => self.machine.group_keys(group).iter().any(|key| now < key.expiry),
            Wanted::Relay(_) | Wanted::GroupMember(_) => self.machine.discovery_key(wanted, now).is_some(),
            // A PRUK is kept by the machine of a remote UE, not in this file.
            Wanted::Pruk => true,
        };
        let is_rejected = |wanted: Wanted| self.rejected.iter().any(|(rejected, _)| *rejected == wanted);
        self.wanted.iter().copied().filter(|wanted| !has_key(*wanted) && !is_rejected(*wanted)).collect()
    }

    /// A request that has no answer is an error where keys are missing.
    fn end(self) -> Result<Fetched<Wanted>, ClientError> {
        let missing = self.missing();
        match self.lost {
            Some(why) if !missing.is_empty() => Err(why),
            _ => Ok(Fetched {
                keys: self.machine,
                rejected: self.rejected,
                missing,
                refused: self.refused.into_values().collect(),
            }),
        }
    }
}

/// Nothing came in time, or the news of an own datagram that nobody heard.
fn is_nothing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::ConnectionRefused
    )
}
