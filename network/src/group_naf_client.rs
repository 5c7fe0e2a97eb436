//! The UE's end of group keys over GBA, as an owner and as a member: TR 33.833 §6.3.2. [`crate::group_naf`] has the drawing.
//!
//! A key comes out as [`Output::Key`], to be installed as a PGK. What was stored of the USIM before rests on it; the key itself
//! is the caller's to store.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::keys::{KsNaf, Pgk};
use sidelink_wire::Error as WireError;

use crate::gba_push::ue::{self as push, Association, PushUe};
use crate::group_naf::message::{
    Answer, Body, Cause, Invitation, Nonce, Policy, Push, Request, State, has_tag, unwrap,
};
use crate::hss::Resynchronisation;
use crate::identity::{BTid, Impi, NafId};
use crate::key_delivery::ServiceId;
use crate::usim::{SqnArray, Usim};

/// Settings, and the key that Ub brought.
pub struct Config {
    /// This UE.
    pub impi: Impi,
    /// The NAF.
    pub naf_id: NafId,
    /// Name of the key.
    pub b_tid: BTid,
    /// Ks_NAF.
    pub ks_naf: KsNaf,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Create a group.
    Create {
        /// The time.
        now: UtcTime,
        /// Its identity.
        group: ServiceId,
        /// Who may join.
        policy: Policy,
    },
    /// Join a group, or ask for its key again.
    Join {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
        /// An invitation, as it came.
        invitation: Option<Vec<u8>>,
    },
    /// Give an own group a new key.
    Refresh {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
        /// Who has to go.
        removed: Vec<Impi>,
    },
    /// Ask how a group is: whether this UE has its key, and, as its owner, who has joined.
    State {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
        /// Of whom the owner asks.
        users: Vec<Impi>,
    },
    /// No answer came: repeat the last request as it was.
    Again,
    /// A message of the NAF.
    Answer {
        /// The time.
        now: UtcTime,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The state of the USIM is durable.
    Stored {
        /// The time.
        now: UtcTime,
    },
    /// It could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send a message to the NAF.
    Request(Vec<u8>),
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Box<SqnArray>),
    /// There is a key.
    Key(GroupKey),
    /// How a group is, as the NAF says.
    State(GroupState),
    /// The NAF refuses; anybody can say that.
    Refused(Cause),
    /// A message was passed over.
    Dropped(Dropped),
}

/// A group key, to be installed as a PGK.
#[derive(Debug)]
pub struct GroupKey {
    /// Of which group.
    pub group: ServiceId,
    /// PGK ID.
    pub pgk_id: u8,
    /// The key.
    pub pgk: Pgk,
    /// Until when it is valid.
    pub expires: UtcTime,
}

/// How a group is at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Which group.
    pub group: ServiceId,
    /// PGK ID of its key; none where this UE is no member.
    pub pgk_id: Option<u8>,
    /// Who of those that were asked about has joined.
    pub joined: Vec<Impi>,
}

/// Why a message is passed over, or a request not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// It is none.
    Malformed(WireError),
    /// It answers no request, and is no new key of a group of this UE.
    Unexpected,
    /// Its GPI is not taken.
    Gpi(push::Dropped),
    /// Its tag is wrong, or the key of its GPI is for another NAF.
    Tag,
    /// The key was not wrapped under the key of the GPI.
    Wrapped,
    /// The key has expired.
    Expired,
    /// The USIM is out of synchronisation again.
    OutOfSync,
    /// Our misuse: a request that cannot be written, or nothing to repeat.
    Request,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Unexpected => f.write_str("nothing waits for this message"),
            Self::Gpi(dropped) => dropped.fmt(f),
            Self::Tag => f.write_str("the tag is wrong: not of the NAF that pushed the key, or altered"),
            Self::Wrapped => f.write_str("the group key does not unwrap: for another group, or altered"),
            Self::Expired => f.write_str("the group key has expired already: check the clock"),
            Self::OutOfSync => f.write_str("the USIM is out of synchronisation again: see the HSS"),
            Self::Request => f.write_str("this request cannot be written, or there is none to repeat"),
        }
    }
}

/// A request without its answer.
struct Pending {
    request: Request,
    octets: Vec<u8>,
    resynchronised: bool,
}

/// The part of a UE that has keys of groups.
pub struct GroupNafClient {
    config: Config,
    push: PushUe,
    draws_from: Entropy,
    drawn: u64,
    /// The highest nonce so far.
    last: Nonce,
    pending: Option<Pending>,
    /// The message whose GPI is with the USIM.
    waiting: Option<(Push, Vec<u8>)>,
    groups: BTreeSet<ServiceId>,
    outputs: VecDeque<Output>,
}

impl GroupNafClient {
    /// With the groups whose keys this UE has. `seed` is secret and of this start alone.
    pub fn new(
        config: Config,
        usim: Usim,
        seed: &[u8; 32],
        groups: impl IntoIterator<Item = ServiceId>,
    ) -> Self {
        Self {
            push: PushUe::new(config.impi.clone(), usim),
            config,
            draws_from: Entropy::new(seed),
            drawn: 0,
            last: Nonce::NONE,
            pending: None,
            waiting: None,
            groups: groups.into_iter().collect(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let result = match input {
            Input::Create { now, group, policy } => self.ask(now, group, Body::Create(policy), None),
            Input::Join { now, group, invitation } => self.ask(now, group, Body::Join(invitation), None),
            Input::Refresh { now, group, removed } => self.ask(now, group, Body::Refresh(removed), None),
            Input::State { now, group, users } => self.ask(now, group, Body::State(users), None),
            Input::Again => match &self.pending {
                Some(pending) => {
                    self.outputs.push_back(Output::Request(pending.octets.clone()));
                    Ok(())
                }
                None => Err(Dropped::Request),
            },
            Input::Answer { now, octets } => self.answer(now, octets),
            Input::Stored { now } => {
                self.push.handle_input(push::Input::Stored);
                self.pushed(now)
            }
            Input::StoreFailed { now } => {
                self.push.handle_input(push::Input::StoreFailed);
                self.pushed(now)
            }
        };
        if let Err(why) = result {
            self.outputs.push_back(Output::Dropped(why));
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether a request has no answer that ends it. A refusal does not: anybody can say it.
    pub const fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// An invitation of somebody to an own group, to be sent over a link. It expires at a whole second.
    pub fn invite(&mut self, now: UtcTime, group: ServiceId, invitee: Impi, expires: UtcTime) -> Vec<u8> {
        let nonce = self.nonce(now);
        let expires = u32::try_from(expires.millis() / 1000).unwrap_or(u32::MAX);
        let b_tid = self.config.b_tid.clone();
        Invitation { group, nonce, b_tid, invitee, expires }.emit(&self.config.ks_naf)
    }

    /// Above every nonce before, also when the clock goes back.
    fn nonce(&mut self, now: UtcTime) -> Nonce {
        self.drawn += 1;
        let drawn = self.draws_from.draw(self.drawn);
        let [a, b, c, d, e, f, g, h, ..] = self.last.0;
        let time = now.millis().max(u64::from_be_bytes([a, b, c, d, e, f, g, h]) + 1);
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&time.to_be_bytes());
        nonce[8..].copy_from_slice(&drawn[..8]);
        self.last = Nonce(nonce);
        self.last
    }

    fn ask(
        &mut self,
        now: UtcTime,
        group: ServiceId,
        body: Body,
        resynchronisation: Option<Resynchronisation>,
    ) -> Result<(), Dropped> {
        let (nonce, b_tid) = (self.nonce(now), self.config.b_tid.clone());
        let request = Request { group, nonce, b_tid, body, resynchronisation };
        let octets = request.emit(&self.config.ks_naf).map_err(|_| Dropped::Request)?;
        self.outputs.push_back(Output::Request(octets.clone()));
        self.pending = Some(Pending { request, octets, resynchronised: resynchronisation.is_some() });
        Ok(())
    }

    fn answer(&mut self, now: UtcTime, octets: &[u8]) -> Result<(), Dropped> {
        match Answer::parse(octets).map_err(Dropped::Malformed)? {
            Answer::Reject { group, nonce, cause } => {
                // What no NAF could parse it cannot name.
                let is_named = |pending: &Pending| {
                    (group, nonce) == (pending.request.group, pending.request.nonce) || nonce == Nonce::NONE
                };
                if !self.pending.as_ref().is_some_and(is_named) {
                    return Err(Dropped::Unexpected);
                }
                self.outputs.push_back(Output::Refused(cause));
                Ok(())
            }
            Answer::State(state) => self.state(&state, octets),
            Answer::Push(message) => {
                let names = (message.group, message.nonce);
                let asked = |pending: &Pending| names == (pending.request.group, pending.request.nonce);
                let is_brought = message.nonce == Nonce::NONE && self.groups.contains(&message.group);
                if !is_brought && !self.pending.as_ref().is_some_and(asked) {
                    return Err(Dropped::Unexpected);
                }
                self.push.handle_input(push::Input::Gpi { now, octets: &message.gpi });
                match self.push.poll_output() {
                    // Whose GPI is with the USIM stays the one that waits.
                    Some(push::Output::Dropped(why)) => Err(Dropped::Gpi(why)),
                    Some(output) => {
                        self.waiting = Some((message, octets.to_vec()));
                        self.says(now, output)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn state(&mut self, state: &State, octets: &[u8]) -> Result<(), Dropped> {
        let asked =
            |pending: &&Pending| (state.group, state.nonce) == (pending.request.group, pending.request.nonce);
        let pending = self.pending.as_ref().filter(asked).ok_or(Dropped::Unexpected)?;
        let Body::State(users) = &pending.request.body else { return Err(Dropped::Unexpected) };
        if !has_tag(&self.config.ks_naf, octets) || users.len() != state.joined.len() {
            return Err(Dropped::Tag);
        }
        let joined = users.iter().zip(&state.joined).filter(|(_, joined)| **joined);
        let joined = joined.map(|(user, _)| user.clone()).collect();
        let (group, pgk_id) = (state.group, state.pgk_id);
        self.outputs.push_back(Output::State(GroupState { group, pgk_id, joined }));
        self.pending = None;
        Ok(())
    }

    fn pushed(&mut self, now: UtcTime) -> Result<(), Dropped> {
        self.push.poll_output().map_or(Ok(()), |output| self.says(now, output))
    }

    /// Does what the part says that takes GPIs.
    fn says(&mut self, now: UtcTime, output: push::Output) -> Result<(), Dropped> {
        match output {
            push::Output::Store(array) => {
                self.outputs.push_back(Output::Store(Box::new(array)));
                Ok(())
            }
            push::Output::Associated(association) => {
                let (message, octets) = self.waiting.take().ok_or(Dropped::Unexpected)?;
                self.associated(now, &message, &octets, &association)
            }
            push::Output::Resynchronise { rand, auts } => {
                self.resynchronise(now, Resynchronisation { rand, auts })
            }
            push::Output::Dropped(why) => Err(Dropped::Gpi(why)),
        }
    }

    fn associated(
        &mut self,
        now: UtcTime,
        message: &Push,
        octets: &[u8],
        association: &Association,
    ) -> Result<(), Dropped> {
        let group = message.group;
        if association.naf_id != self.config.naf_id || !has_tag(&association.ks_naf, octets) {
            return Err(Dropped::Tag);
        }
        let pgk = unwrap(&association.ks_naf, group, &message.wrapped).ok_or(Dropped::Wrapped)?;
        let expires = UtcTime::from_millis(u64::from(message.expires) * 1000);
        if expires <= now {
            return Err(Dropped::Expired);
        }
        if self.pending.as_ref().is_some_and(|pending| pending.request.nonce == message.nonce) {
            self.pending = None;
        }
        self.groups.insert(group);
        self.outputs.push_back(Output::Key(GroupKey { group, pgk_id: message.pgk_id, pgk, expires }));
        Ok(())
    }

    /// Tells the NAF once, by the same request anew, or by one for the key that it brought.
    fn resynchronise(&mut self, now: UtcTime, token: Resynchronisation) -> Result<(), Dropped> {
        let (message, _) = self.waiting.take().ok_or(Dropped::Unexpected)?;
        if message.nonce == Nonce::NONE {
            return self.ask(now, message.group, Body::Join(None), Some(token));
        }
        let pending = self.pending.take().ok_or(Dropped::Unexpected)?;
        if pending.resynchronised {
            return Err(Dropped::OutOfSync);
        }
        // The NAF has done what was asked for: a group is not created twice, and its key not renewed twice.
        let body = match pending.request.body {
            Body::Join(invitation) => Body::Join(invitation),
            Body::Create(_) | Body::Refresh(_) | Body::State(_) => Body::Join(None),
        };
        self.ask(now, message.group, body, Some(token))
    }
}
