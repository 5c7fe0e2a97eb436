//! The way of links to the server of tickets: its key, which GBA renews, and its answers.

use super::{News, Note};
use crate::config::IdentityMethod;
use crate::config::network_toml::NetworkConfig;
use crate::config::ue_toml::UeConfig;
use sidelink_prose::direct_link::{TicketAccess, Window};
use sidelink_services::client::{KmsAddress, TicketClient, UeClient};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Between two tries to get a key.
const AGAIN: Duration = Duration::from_secs(10);

/// The server, and the key that the UE's links have.
pub(super) struct Tickets {
    kms: KmsAddress,
    window: Window,
    /// Name of the key.
    key: Option<Vec<u8>>,
    look: Instant,
    /// The way under the newest key, until it is taken.
    way: Option<TicketClient>,
}

impl Tickets {
    /// Reads what the UE's file says; none where its links take no tickets.
    pub(super) fn wanted(config: &UeConfig, network: &NetworkConfig) -> anyhow::Result<Option<Self>> {
        let Some(identity) = config.identity.as_ref().filter(|own| own.method == IdentityMethod::Ticket)
        else {
            return Ok(None);
        };
        let (name, address) = network.kms()?;
        let kms = KmsAddress { name, address, local: network.local_address };
        Ok(Some(Self { kms, window: identity.window(), key: None, look: Instant::now(), way: None }))
    }

    /// Gets a key where there is none, or where bootstrapping has made another one.
    pub(super) fn go_on(&mut self, client: &mut UeClient) -> Option<News> {
        let present = client.b_tid().map(|name| name.as_str().as_bytes());
        if self.key.is_some() && present == self.key.as_deref() || Instant::now() < self.look {
            return None;
        }
        self.look = Instant::now() + AGAIN;
        match client.ticket_key(&self.kms) {
            Ok(key) => {
                self.key = Some(key.name.clone());
                self.way = client.ticket_client(&self.kms);
                Some(News::TicketKey(TicketAccess {
                    kms: self.kms.name.as_str().to_owned(),
                    key: key.key,
                    key_id: Some(key.name),
                    window: self.window,
                }))
            }
            Err(why) => Some(News::Note(Note::Trouble(format!("key for tickets: {why}")))),
        }
    }

    /// Takes the way to the server under a new key.
    pub(super) const fn take_way(&mut self) -> Option<TicketClient> {
        self.way.take()
    }

    /// Asks the server, and bootstraps where it does not take the key.
    pub(super) fn ask(&self, client: &mut UeClient, question: &[u8]) -> Result<Zeroizing<Vec<u8>>, Note> {
        client.ask_ticket(&self.kms, question).map_err(|why| Note::Trouble(format!("tickets: {why}")))
    }
}
