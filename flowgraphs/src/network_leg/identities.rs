//! Keys of identities, from a key management server.

use super::News;
use crate::config::network_toml::NetworkConfig;
use sidelink_network::kms_client::{Fetched, Server};
use sidelink_network::kms_messages::Uri;
use sidelink_security::counter::UtcTime;
use sidelink_security::key_period::KeyPeriods;
use sidelink_services::client::{KmsAddress, UeClient, WantedIdentities};
use sidelink_store::{
    Hex, IdentityEntry, IdentityKeys, IdentityKind, Keys, KmsEntry, Secret, SharedStore, utc_now,
};
use std::time::{Duration, Instant};

/// Between two looks whether new keys are due.
const LOOK: Duration = Duration::from_secs(600);

/// The identities of a UE, and where their keys come from.
pub(super) struct Identities {
    ue: String,
    kms: KmsAddress,
    /// Name of the entry in the key store, and the identity.
    wanted: Vec<(String, Uri)>,
    look: Instant,
}

impl Identities {
    /// Reads what the UE's file says.
    pub(super) fn new(network: &NetworkConfig, ue: &str) -> anyhow::Result<Self> {
        let (name, address) = network.kms()?;
        let kms = KmsAddress { name, address, local: network.local_address };
        Ok(Self { ue: ue.to_owned(), kms, wanted: network.identities()?, look: Instant::now() })
    }

    /// Fetches the keys of all identities for now and soon.
    pub(super) fn fetch(&mut self, client: &mut UeClient, store: &SharedStore) -> anyhow::Result<Vec<News>> {
        self.look = Instant::now() + LOOK;
        let mut news = Vec::new();
        for (name, uri) in &self.wanted {
            let known = self.known(&store.keys()?)?;
            let wanted =
                WantedIdentities { own: Some(uri.clone()), known, user: Some(uri.clone()), time: None };
            let fetched = client.fetch_identities(&self.kms, wanted)?;
            news.extend(self.put(name, uri, &fetched, store)?);
        }
        Ok(news)
    }

    /// Fetches again where keys of a period are missing that the server gives out by now.
    pub(super) fn go_on(&mut self, client: &mut UeClient, store: &SharedStore) -> anyhow::Result<Vec<News>> {
        if Instant::now() < self.look {
            return Ok(Vec::new());
        }
        self.look = Instant::now() + LOOK;
        let keys = store.keys()?;
        let kms = keys.kms.iter().find(|kms| kms.name == self.kms.name.as_str());
        let given = kms.map(|kms| kms.periods().given_at(super::now())).unwrap_or_default();
        let has = |name: &String, number| {
            let mut of = keys.identity.iter().filter(|identity| identity.name == *name);
            of.any(|identity| identity.keys.iter().any(|keys| keys.period == number))
        };
        let is_due = |(name, _): &(String, Uri)| given.iter().any(|period| !has(name, period.number));
        if kms.is_some() && !self.wanted.iter().any(is_due) {
            Ok(Vec::new())
        } else {
            self.fetch(client, store)
        }
    }

    /// The server as the key store has it: another one is refused.
    fn known(&self, keys: &Keys) -> anyhow::Result<Option<Server>> {
        let Some(entry) = keys.kms.iter().find(|kms| kms.name == self.kms.name.as_str()) else {
            return Ok(None);
        };
        let server = entry.public_keys()?;
        let uri = Uri::new(&server.uri);
        Ok(uri.map(|uri| Server { uri, periods: server.periods, z: server.z, kpak: server.kpak }))
    }

    fn put(
        &self,
        name: &str,
        uri: &Uri,
        fetched: &Fetched,
        store: &SharedStore,
    ) -> anyhow::Result<Vec<News>> {
        let store = store.open();
        let known = store.keys()?.identity.into_iter().find(|known| known.name == name);
        let mut identity = known.filter(|known| known.uri == uri.as_str()).unwrap_or_else(|| IdentityEntry {
            name: name.to_owned(),
            uri: uri.as_str().to_owned(),
            kind: IdentityKind::User,
            kms: self.kms.name.as_str().to_owned(),
            ue: Some(self.ue.clone()),
            revoked: false,
            keys: Vec::new(),
        });
        let mut news = Vec::new();
        for keys in &fetched.keys {
            let keys = IdentityKeys {
                period: keys.period.number,
                valid_from: second(keys.from),
                valid_until: second(keys.until),
                pvt: Hex(keys.signing.pvt().to_vec()),
                ssk: Some(Secret::new(keys.signing.ssk().to_vec())),
                rsk: Some(Secret::new(keys.receiver.to_octets().to_vec())),
            };
            let (period, valid_until) = (keys.period, keys.valid_until);
            identity.take(keys, utc_now());
            news.push(News::Identity { name: name.to_owned(), period, valid_until });
        }
        let kms = vec![self.entry(&fetched.server)];
        store.put(&Keys { kms, identity: vec![identity], ..Keys::default() })?;
        Ok(news)
    }

    fn entry(&self, server: &Server) -> KmsEntry {
        let (period_length, period_offset) = match server.periods {
            KeyPeriods::Months => (None, 0),
            KeyPeriods::Seconds { length, offset } => (Some(length), offset),
        };
        KmsEntry {
            name: self.kms.name.as_str().to_owned(),
            uri: server.uri.as_str().to_owned(),
            period_length,
            period_offset,
            z: Hex(server.z.to_octets().to_vec()),
            kpak: Hex(server.kpak.as_octets().to_vec()),
            master: None,
            ksak: None,
        }
    }
}

fn second(time: UtcTime) -> u32 {
    u32::try_from(time.millis() / 1000).unwrap_or(u32::MAX)
}
