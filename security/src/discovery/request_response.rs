//! Request and response discovery with a pre-shared secret: TR 33.833 §6.2.2.2, case 1a.
//!
//! ```text
//! secret + role + query code --KDF of our own--> DUIK of requests, DUIK of responses
//!
//! discoverer                                   discoveree
//!   solicit() -----------  query code   --------->  verify(): filter, MIC, time, cache, authorisation
//!   Pending               MIC | LSB                    Verified<Solicitation>
//!   verify()  <----------  response code --------- respond()
//! ```
//!
//! The two roles have different keys, so that a UE that may only answer cannot send requests. With [`Binding::Bound`]
//! (our own) the response's MIC also covers the MIC of its request: a response cannot be replayed to another request in
//! the same window. Without it, as in the final specification, it can.

use subtle::ConstantTimeEq;

use super::{Announcement, Code, Freshness, Message, Mic, Profile, Refusal, Verified, join, split};
use crate::counter::UtcCounter;
use crate::hmac::Keyed;
use crate::kdf::derive_keyed;
use crate::kdf::fc;
use crate::kdf::lte::mic_input;
use crate::kdf::own::{DiscoveryRole, discovery_session};
use crate::keys::PresharedSecret;

/// Message type of a query: restricted, solicitation, model B. TS 24.334 §11.2.5 (seen in an implementation).
pub const QUERY_TYPE: u8 = 0x86;

/// Message type of a response: restricted, response, model B. TS 24.334 §11.2.5 (seen in an implementation).
pub const RESPONSE_TYPE: u8 = 0x82;

/// Whether a response is bound to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Our own: the MIC of the response covers that of the request.
    Bound,
    /// As in the final specification: the MIC covers type, code and counter.
    Unbound,
}

/// The keys of one query code, for both roles.
pub struct Session {
    query_code: Code,
    request: Keyed,
    response: Keyed,
    binding: Binding,
    profile: Profile,
}

/// A verified request at a discoveree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// Content of the request.
    pub announcement: Announcement,
}

/// A discoverer's state from its request until the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    mic: Mic,
    counter: UtcCounter,
}

impl Pending {
    /// Returns the state that checks responses to an overheard request, for another holder of the secret.
    pub fn overheard(request: &Verified<Solicitation>) -> Self {
        let Announcement { mic, counter, .. } = request.announcement;
        Self { mic, counter }
    }
}

impl Session {
    /// Derives the keys of `query_code` for both roles from one secret.
    pub fn new(secret: &PresharedSecret, query_code: Code, binding: Binding, profile: Profile) -> Self {
        Self::with_secrets([secret, secret], query_code, binding, profile)
    }

    /// Derives the keys from separate secrets for requests and responses, which reveal nothing about each other
    /// (TS 33.303 model B).
    pub fn with_secrets(
        [requests, responses]: [&PresharedSecret; 2],
        query_code: Code,
        binding: Binding,
        profile: Profile,
    ) -> Self {
        let keyed = |secret, role| Keyed::new(discovery_session(secret, role, &query_code).as_bytes());
        Self {
            query_code,
            request: keyed(requests, DiscoveryRole::Request),
            response: keyed(responses, DiscoveryRole::Response),
            binding,
            profile,
        }
    }

    /// Makes the discoverer's request, and the state that checks its response.
    pub fn solicit(&self, freshness: &Freshness) -> Result<(Message, Pending), Refusal> {
        freshness.may_announce()?;
        let counter = freshness.slot;
        let mic = self.mic(&self.request, QUERY_TYPE, &self.query_code, counter);
        let message = join(QUERY_TYPE, &self.query_code, mic, counter, self.profile.layout);
        Ok((message, Pending { mic, counter }))
    }

    /// Checks at the discoveree whether this is a request that may be answered. All sessions share `cache` and `limit`.
    ///
    /// A request is answered once: its second copy is [`Refusal::Replay`].
    pub fn verify_request(
        &self,
        freshness: &Freshness,
        message: &Message,
        cache: &mut AnsweredRequests,
        limit: &mut RateLimit,
    ) -> Result<Verified<Solicitation>, Refusal> {
        let (message_type, code, mic, lsb) = split(message, self.profile.layout);
        let counter = freshness.rebuild(message_type, lsb)?;
        let right = self.mic(&self.request, QUERY_TYPE, &self.query_code, counter) == mic;
        let ours: bool = code.ct_eq(&self.query_code).into();
        if message_type != QUERY_TYPE {
            return Err(Refusal::Type);
        }
        if !ours {
            return Err(Refusal::Unknown);
        }
        if !right {
            return Err(Refusal::BadMic);
        }
        cache.check(mic, counter)?;
        let place = cache.room(freshness)?;
        limit.take(freshness.clock)?;
        // The last clock at which a copy could pass is counter + MAX_OFFSET, and the counter is at most MAX_OFFSET
        // ahead of now.
        let free_from = u64::from(freshness.clock.value()) + 2 * u64::from(freshness.max_offset) + 1;
        *place = Place { mic, counter, free_from };
        Ok(Verified::new(Solicitation { announcement: Announcement { message_type, code, mic, counter } }))
    }

    /// Makes the discoveree's response to a request that it verified.
    pub fn respond(
        &self,
        freshness: &Freshness,
        request: &Verified<Solicitation>,
        response_code: &Code,
    ) -> Result<Message, Refusal> {
        freshness.may_announce()?;
        let counter = freshness.slot;
        let mic = self.response_mic(response_code, counter, request.announcement.mic);
        Ok(join(RESPONSE_TYPE, response_code, mic, counter, self.profile.layout))
    }

    /// Checks at the discoverer whether this answers the request of `pending`.
    ///
    /// An answer from before the request is [`Refusal::Replay`].
    pub fn verify_response(
        &self,
        freshness: &Freshness,
        pending: &Pending,
        message: &Message,
    ) -> Result<Verified<Announcement>, Refusal> {
        let (message_type, code, mic, lsb) = split(message, self.profile.layout);
        let counter = freshness.rebuild(message_type, lsb)?;
        let right = self.response_mic(&code, counter, pending.mic) == mic;
        if message_type != RESPONSE_TYPE {
            Err(Refusal::Type)
        } else if !right {
            Err(Refusal::BadMic)
        } else if counter < pending.counter {
            Err(Refusal::Replay)
        } else {
            Ok(Verified::new(Announcement { message_type, code, mic, counter }))
        }
    }

    fn response_mic(&self, code: &Code, counter: UtcCounter, request: Mic) -> Mic {
        match self.binding {
            Binding::Unbound => self.mic(&self.response, RESPONSE_TYPE, code, counter),
            Binding::Bound => {
                let counter = counter.on_air().to_be_bytes();
                let parameters: [&[u8]; 4] = [&[RESPONSE_TYPE], code, &counter, &request.0];
                self.profile.mic(&derive_keyed(&self.response, fc::OWN_BOUND_MIC, &parameters))
            }
        }
    }

    fn mic(&self, key: &Keyed, message_type: u8, code: &Code, counter: UtcCounter) -> Mic {
        let input = mic_input(message_type, code, counter);
        self.profile.mic(&key.mac_short(&input))
    }
}

/// The answered requests, for as long as a copy of one could still pass: 2 MAX_OFFSET. A fixed number of places: when
/// requests that could still be repeated take all of them, a new request is [`Refusal::RateLimited`], and no old one is
/// forgotten.
pub struct AnsweredRequests {
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    mic: Mic,
    counter: UtcCounter,
    /// ProSe clock from which on the place is free.
    free_from: u64,
}

impl AnsweredRequests {
    /// Makes a cache for `places` answers at once: rate limit times 2 MAX_OFFSET is enough.
    pub fn new(places: usize) -> Self {
        let free = Place { mic: Mic([0; 4]), counter: UtcCounter::new(0), free_from: 0 };
        Self { places: vec![free; places] }
    }

    fn check(&self, mic: Mic, counter: UtcCounter) -> Result<(), Refusal> {
        let known = self.places.iter().any(|p| p.free_from != 0 && p.counter == counter && p.mic == mic);
        if known { Err(Refusal::Replay) } else { Ok(()) }
    }

    fn room(&mut self, freshness: &Freshness) -> Result<&mut Place, Refusal> {
        let now = u64::from(freshness.clock.value());
        self.places.iter_mut().find(|p| p.free_from <= now).ok_or(Refusal::RateLimited)
    }
}

/// Limits the answers per second.
pub struct RateLimit {
    per_second: u32,
    second: UtcCounter,
    used: u32,
}

impl RateLimit {
    /// Makes a limit of answers in each second of the ProSe clock. Ten is our default.
    pub const fn new(per_second: u32) -> Self {
        Self { per_second, second: UtcCounter::new(0), used: 0 }
    }

    fn take(&mut self, now: UtcCounter) -> Result<(), Refusal> {
        if now > self.second {
            self.second = now;
            self.used = 0;
        }
        if self.used >= self.per_second {
            return Err(Refusal::RateLimited);
        }
        self.used += 1;
        Ok(())
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new(10)
    }
}
