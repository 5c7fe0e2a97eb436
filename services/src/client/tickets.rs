//! Tickets: messages of MIKEY-TICKET to a key management server, over TLS with GBA. TS 33.328 Annex A.2, Annex B.1.2.
//!
//! The messages are made and opened elsewhere, under the key that [`UeClient::ticket_key`] gives: the server asks the BSF for it
//! by its name, whoever the connection is from.

use sidelink_network::identity::NafId;
use sidelink_network::mikey_ticket::initial::{Claimed, Exchange};
use sidelink_network::mikey_ticket::{MEDIA_TYPE, UA_PROTOCOL, from_base64, to_base64};
use zeroize::Zeroizing;

use super::way::Way;
use super::{ClientError, KmsAddress, Target, UeClient};
use crate::runtime::now;

/// Where a message goes, with its request type.
const fn path(exchange: Exchange) -> &'static str {
    match exchange {
        Exchange::Request => "/keymanagement?requesttype=ticketrequest",
        Exchange::Resolve => "/keymanagement?requesttype=ticketresolve",
    }
}

/// The key that messages to a key management server are under. `Debug` does not show it.
#[derive(Clone)]
pub struct TicketKey {
    /// Its name, a B-TID: IDRpsk.
    pub name: Vec<u8>,
    /// A Ks_NAF.
    pub key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TicketKey({}, redacted)", String::from_utf8_lossy(&self.name))
    }
}

/// A way to a key management server under the key that the UE had when this was made. A thread of its own can wait for the
/// answers: it needs neither the USIM nor the rest of the UE.
pub struct TicketClient {
    kms: KmsAddress,
    way: Way,
}

impl TicketClient {
    /// Sends REQUEST_INIT or RESOLVE_INIT as [`UeClient::ask_ticket`] does, but bootstraps nothing.
    ///
    /// # Errors
    /// Those of [`UeClient::ask_ticket`]; [`ClientError::NoKey`] once the key has expired.
    pub fn ask_ticket(&self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        asked(&self.kms, message, |to, body| self.way.post(to, body))
    }
}

/// Sends a message to the server by `post`, and returns its answer.
fn asked(
    kms: &KmsAddress,
    message: &[u8],
    post: impl FnOnce(&Target<'_>, &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError>,
) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let exchange = Claimed::read(message).map_err(ClientError::TicketMessage)?.exchange;
    let KmsAddress { name, address, local } = kms;
    let path = path(exchange);
    let to = Target { name, address: *address, local: *local, path, media_type: MEDIA_TYPE };
    let body = Zeroizing::new(to_base64(message));
    let answer = post(&to, body.as_bytes())?.ok_or(ClientError::Malformed)?;
    let text = std::str::from_utf8(&answer).map(str::trim).unwrap_or_default();
    from_base64(text).map(Zeroizing::new).ok_or(ClientError::Malformed)
}

impl UeClient {
    /// Returns a way to this server that does without the UE; none without a key that lives.
    pub fn ticket_client(&self, kms: &KmsAddress) -> Option<TicketClient> {
        Some(TicketClient { kms: kms.clone(), way: self.way(&kms.name)? })
    }

    /// Returns the key that messages to this server are under. Bootstraps where there is none that lives.
    ///
    /// # Errors
    /// Bootstrapping fails.
    pub fn ticket_key(&mut self, kms: &KmsAddress) -> Result<TicketKey, ClientError> {
        if self.b_tid().is_none() {
            self.bootstrap()?;
        }
        let key = self.key.as_ref().ok_or(ClientError::NoKey)?;
        let naf = NafId { fqdn: kms.name.clone(), protocol: UA_PROTOCOL };
        let ks_naf = key.ks_naf(now(), &naf).ok_or(ClientError::NoKey)?;
        let name = key.b_tid.as_str().as_bytes().to_vec();
        Ok(TicketKey { name, key: Zeroizing::new(ks_naf.as_bytes().to_vec()) })
    }

    /// Sends REQUEST_INIT or RESOLVE_INIT, and returns the answer as it came: an error of the server is one, too.
    ///
    /// # Errors
    /// The message is neither, there is no answer, or it is a refusal of HTTP.
    pub fn ask_ticket(
        &mut self,
        kms: &KmsAddress,
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        asked(kms, message, |to, body| self.send_to(to, body))
    }
}
