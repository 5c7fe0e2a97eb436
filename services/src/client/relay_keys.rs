//! Keys for relays over PC8: the PRUK of a remote UE, and the questions of a relay. TS 33.303 §6.7.3.2.2, §6.7.3.2.3.
//!
//! The documents of a relay are made and read elsewhere, by [`sidelink_network::relay_client`]; a KD is kept nowhere here.

use sidelink_network::pc8::{ErrorCode, MEDIA_TYPE, PrukId};
use sidelink_network::pkmf_client::{Config, Durable, Event, Input, Output, PkmfClient, Wanted};
use sidelink_network::remote_ue::Held;
use zeroize::Zeroizing;

use super::way::Way;
use super::{ClientError, PkmfAddress, Target, UeClient};
use crate::runtime::now;

/// What a PKMF says to a remote UE that asks for a PRUK.
#[derive(Debug)]
pub enum PrukAnswer {
    /// Take this one.
    New(Held),
    /// The one that it has serves.
    Good,
    /// It may have none.
    Refused(ErrorCode),
}

/// A way to a PKMF under the key that the UE had when this was made. Threads of their own can wait for the answers.
pub struct PkmfWay {
    pkmf: PkmfAddress,
    way: Way,
}

impl PkmfWay {
    /// Sends a document of PC8 and returns that of the answer. It bootstraps nothing.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal of HTTP; [`ClientError::NoKey`] once the key has expired.
    pub fn ask_pkmf(&self, document: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        self.way.post(&target(&self.pkmf), document)?.ok_or(ClientError::Malformed)
    }
}

const fn target(pkmf: &PkmfAddress) -> Target<'_> {
    let PkmfAddress { name, address, local, .. } = pkmf;
    Target { name, address: *address, local: *local, path: "/", media_type: MEDIA_TYPE }
}

impl UeClient {
    /// Returns a way to this PKMF that does without the UE; none without a key that lives.
    pub fn pkmf_way(&self, pkmf: &PkmfAddress) -> Option<PkmfWay> {
        Some(PkmfWay { pkmf: pkmf.clone(), way: self.way(&pkmf.name)? })
    }

    /// Bootstraps where there is no key that lives.
    ///
    /// # Errors
    /// Bootstrapping fails.
    pub fn bootstrap_if_needed(&mut self) -> Result<(), ClientError> {
        if self.b_tid().is_none() { self.bootstrap() } else { Ok(()) }
    }

    /// Sends a document of PC8 and returns that of the answer. Bootstraps as [`Self::send`] does.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal of HTTP.
    pub fn ask_pkmf(
        &mut self,
        pkmf: &PkmfAddress,
        document: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        self.send_to(&target(pkmf), document)?.ok_or(ClientError::Malformed)
    }

    /// Asks for a PRUK, or whether that of this name serves. Bootstraps as [`Self::send`] does.
    ///
    /// # Errors
    /// There is no answer, or it is none.
    pub fn fetch_pruk(
        &mut self,
        pkmf: &PkmfAddress,
        held: Option<PrukId>,
    ) -> Result<PrukAnswer, ClientError> {
        let mut machine = PkmfClient::new(Config::new(pkmf.name.clone()), Durable::default());
        machine.handle_input(Input::Holds { now: now(), pruk: held });
        machine.handle_input(Input::Want { now: now(), wanted: &[Wanted::Pruk] });
        loop {
            match machine.poll_output() {
                Output::Request(body) => {
                    let answer = self.ask_pkmf(pkmf, body.as_bytes())?;
                    machine.handle_input(Input::Response { now: now(), body: &answer });
                }
                Output::Pruk(given) => {
                    return Ok(PrukAnswer::New(Held { id: given.id, pruk: given.pruk }));
                }
                Output::Event(Event::Rejected(_, why)) => return Ok(PrukAnswer::Refused(why)),
                Output::Event(Event::BadResponse(_)) => return Err(ClientError::Malformed),
                // Nothing of groups was asked for: nothing of them is durable.
                Output::Store { .. } | Output::Send(_) | Output::Event(_) => {}
                Output::Timeout(_) if held.is_some() => return Ok(PrukAnswer::Good),
                Output::Timeout(_) => return Err(ClientError::NoPruk),
            }
        }
    }
}
