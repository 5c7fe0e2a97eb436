//! What public keys of signed discovery cost over PC3: a key registered, fetched, renewed, and the list of revoked keys. TR 33.833
//! §6.2.3.2, steps 1 and 2. Between the machines of `sidelink-network`; the front of the ProSe Function has no messages of its own.

use super::{Exchange, HANDSHAKE, Measured, RECORD, answer_octets, naf_id, post_octets};
use crate::experiments::network::messages::Service;
use crate::experiments::network::ways::Ways;
use sidelink_network::pc3::{Imsi, Plmn, Rpauid};
use sidelink_network::prose_function::{Permission, RequestId, Role, Subscription};
use sidelink_network::public_keys::client::{self, PublicKeysClient};
use sidelink_network::public_keys::server::{
    Config, Durable, Input, Output, PublicKeyServer, Response, RevokedRecord,
};
use sidelink_network::public_keys::{ClientConfig, Fingerprint, KeyMessage, KeyName, ListNumber, PublicKey};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::{Purpose, Scheme, SigningKey};
use std::time::Instant;

const START: u64 = 1_800_000_000_000;

/// Sizes of lists of revoked keys that are measured: exact, and two filters.
const LISTS: [(&str, u32); 4] = [
    ("a list of revoked keys, none", 0),
    ("a list of 100 revoked keys", 100),
    ("a list of 1000 revoked keys", 1_000),
    ("a list of 10000 revoked keys", 10_000),
];

/// A server with a UE that announces, and one that follows it.
struct Ends {
    server: PublicKeyServer,
    now: UtcTime,
    key: SigningKey,
}

impl Ends {
    fn new(scheme: Scheme, revoked: u32) -> anyhow::Result<Self> {
        let permission = Permission { target: user(1)?, watcher: user(2)? };
        let config = Config::new(plmn()?, vec![permission]);
        let key = SigningKey::new(scheme, &[1; 32])?;
        let until = UtcTime::from_millis(START + 86_400_000);
        let record = |number: u32| RevokedRecord {
            number: ListNumber(number.into()),
            key: fingerprint(number),
            until,
        };
        let durable = Durable { keys: Vec::new(), revoked: (1..=revoked).map(record).collect() };
        let server = PublicKeyServer::new(config, &[7; 32], durable)?;
        Ok(Self { server, now: UtcTime::from_millis(START), key })
    }

    /// Lets the UE do what it wants; each request and its answer go over the exchange.
    fn run(&mut self, number: u32, ue: &mut PublicKeysClient, over: &mut Exchange<'_>) -> anyhow::Result<()> {
        let now = self.now;
        loop {
            match ue.poll_output() {
                client::Output::Request { request, body } => {
                    let answer = self.answer(number, &body)?;
                    let there = post_octets(naf_id(Service::ProseFunction).fqdn.as_str(), &body);
                    over.round_trip(there + RECORD, answer_octets(Some(&answer)) + RECORD)?;
                    ue.handle_input(client::Input::Response { now, request, body: answer.as_bytes() });
                }
                client::Output::Sign { id, text } => {
                    let signature = self.key.sign(Purpose::Registration, &text, [3; 32]);
                    let signature = signature.as_octets();
                    ue.handle_input(client::Input::Signed { now, id, signature });
                }
                client::Output::Warning(why) => anyhow::bail!("public keys: {why:?}; this is a bug"),
                client::Output::Timeout(_) => return Ok(()),
                _ => {}
            }
        }
    }

    fn answer(&mut self, number: u32, body: &str) -> anyhow::Result<String> {
        let (now, request, ue) = (self.now, RequestId(1), imsi(number)?);
        let rights = [Role::RestrictedAnnounce, Role::RestrictedMonitor, Role::OpenMonitor];
        let subscription = Subscription {
            registered: Some(plmn()?),
            rights: rights.iter().map(|role| Ok((plmn()?, *role))).collect::<anyhow::Result<_>>()?,
            application_ids: Vec::new(),
            rpauids: vec![user(number)?],
        };
        let message = KeyMessage::from_xml(body.as_bytes())?;
        self.server.handle_input(Input::Message { now, request, ue, subscription, message });
        let mut answer = None;
        loop {
            match self.server.poll_output() {
                Output::Respond { response: Response::Message(body), .. } => answer = Some(body),
                Output::Store { ticket, .. } => self.server.handle_input(Input::Stored { now, ticket }),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        answer.ok_or_else(|| anyhow::anyhow!("the server of public keys says nothing; this is a bug"))
    }

    /// The UE that announces.
    fn announcer(&self) -> anyhow::Result<PublicKeysClient> {
        let mut ue = PublicKeysClient::new(ClientConfig::new(imsi(1)?, Some(user(1)?)));
        let key = PublicKey::of(self.key.verifying_key());
        ue.handle_input(client::Input::Announce { now: self.now, name: KeyName::User(user(1)?), key });
        Ok(ue)
    }

    /// The UE that follows it.
    fn monitor(&self) -> anyhow::Result<PublicKeysClient> {
        let mut ue = PublicKeysClient::new(ClientConfig::new(imsi(2)?, Some(user(2)?)));
        ue.handle_input(client::Input::Follow { now: self.now, name: KeyName::User(user(1)?) });
        Ok(ue)
    }
}

fn plmn() -> anyhow::Result<Plmn> {
    Ok(Plmn::new("001", "01")?)
}

fn imsi(number: u32) -> anyhow::Result<Imsi> {
    Ok(Imsi::new(plmn()?, &format!("{number:010}"))?)
}

fn user(number: u32) -> anyhow::Result<Rpauid> {
    Ok(Rpauid::new(&format!("user{number}@rescue.example"))?)
}

fn fingerprint(number: u32) -> Fingerprint {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    Fingerprint(octets)
}

/// Measures a key with its connection: registered, fetched by a monitor, and the same monitor a day later.
///
/// # Errors
/// A scheme whose keys a key management server issues, or a message that is lost for good.
pub(crate) fn of_key(ways: &Ways, seed: u64, scheme: Scheme) -> anyhow::Result<[Measured; 3]> {
    let mut ends = Ends::new(scheme, 0)?;
    let step = |name, ends: &mut Ends, number, ue: &mut PublicKeysClient| -> anyhow::Result<Measured> {
        let (clock, mut over) = (Instant::now(), Exchange::new(ways, seed));
        over.handshake(&HANDSHAKE);
        ends.run(number, ue, &mut over)?;
        Ok(over.measured(name, clock))
    };
    let (mut announcer, mut monitor) = (ends.announcer()?, ends.monitor()?);
    let registered = step("a public key registered", &mut ends, 1, &mut announcer)?;
    let fetched = step("a public key fetched", &mut ends, 2, &mut monitor)?;
    // At nine tenths of its validity it is renewed by its owner first.
    ends.now = UtcTime::from_millis(START + 78_000_000);
    let now = ends.now;
    announcer.handle_input(client::Input::Tick { now });
    let mut unmetered = Exchange::new(ways, seed);
    ends.run(1, &mut announcer, &mut unmetered)?;
    monitor.handle_input(client::Input::Tick { now });
    let renewed = step("a public key fetched again", &mut ends, 2, &mut monitor)?;
    Ok([registered, fetched, renewed])
}

/// Measures a list of so many revoked keys that a monitor takes with its first key.
///
/// # Errors
/// A message that is lost for good.
pub(crate) fn of_list(ways: &Ways, seed: u64, name: &'static str, revoked: u32) -> anyhow::Result<Measured> {
    let mut ends = Ends::new(Scheme::Ed25519, revoked)?;
    let mut monitor = ends.monitor()?;
    let (clock, mut over) = (Instant::now(), Exchange::new(ways, seed));
    over.handshake(&HANDSHAKE);
    ends.run(2, &mut monitor, &mut over)?;
    Ok(over.measured(name, clock))
}

/// Measures all.
///
/// # Errors
/// A message that is lost for good.
pub(crate) fn measure(ways: &Ways, seed: u64) -> anyhow::Result<Vec<Measured>> {
    let mut all: Vec<Measured> = of_key(ways, seed, Scheme::Ed25519)?.into();
    for (name, revoked) in LISTS {
        all.push(of_list(ways, seed, name, revoked)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::network::ways::Way;

    #[test]
    fn a_key_costs_its_round_trips_and_a_list_grows_less_than_its_keys() {
        let ways = Ways::all(Way { round_trip: 40, loss: 0.0 });
        let all = measure(&ways, 1).unwrap();
        let of = |at: usize| (all[at].cost.messages, all[at].cost.round_trips, all[at].millis);
        // The handshake; a nonce and the registration, or one FETCH.
        assert_eq!(of(0), (8, 5, 200));
        assert_eq!(of(1), (6, 4, 160));
        assert_eq!(of(2), (6, 4, 160));
        let octets = |at: usize| all[at].cost.octets;
        let (exact, filter) = (octets(4) - octets(3), octets(6) - octets(5));
        // 16 octets a key in base64, and 1.8 in a filter.
        assert!((2_100..2_200).contains(&exact), "{exact}");
        assert!((21_000..22_500).contains(&filter), "{filter}");
    }
}
