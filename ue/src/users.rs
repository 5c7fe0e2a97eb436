//! Applications that use a UE by handles: what each may do, how often, and what ends when it goes.
//!
//! ```text
//! application -- handle, name --> Users -- name --> stack: announcers, groups
//!             <-- name of a match --       <-- name of what was discovered --
//! ```
//!
//! Keys and codes live in the stack; this machine knows names alone, so that it has nothing else to give away. A name that an
//! application was not granted is to it as one that does not exist. Limits are those of the application, not of its handle: a new
//! handle brings no new ones.

use sidelink_prose::discovery::Announcing;
use sidelink_security::counter::UtcTime;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use subtle::ConstantTimeEq;

/// Handles of one application at a time, at most.
pub const MOST_HANDLES: usize = 4;

/// Requests of an application at once, and milliseconds until it has one more.
const BURST: u32 = 20;
const INTERVAL: u64 = 100;

/// What an application may do: names of discovery entries and groups of the key store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Name of the application.
    pub name: String,
    /// What it may announce.
    pub announce: BTreeSet<String>,
    /// Whose matches it may have.
    pub monitor: BTreeSet<String>,
    /// Groups and links that it may send to.
    pub send: BTreeSet<String>,
}

/// An application: the place of its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId(pub usize);

/// What an application shows for itself, drawn at random: whoever has it acts for it. It is no key of the air.
#[derive(Clone, Copy)]
pub struct Handle([u8; 16]);

impl Handle {
    /// Of random octets that nobody can guess.
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Returns its octets, for the application.
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(redacted)")
    }
}

/// What an application wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRequest {
    /// Announce this entry, as long as the application is there.
    Announce(String),
    /// Announce it no longer.
    Silence(String),
    /// Tell of every match of this entry.
    Monitor(String),
    /// Send data to a group, or over a link.
    Send {
        /// Its name.
        to: String,
        /// The data.
        data: Vec<u8>,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserInput<'a> {
    /// An application is there, under a new handle.
    Register {
        /// Which.
        application: ApplicationId,
        /// The handle.
        handle: Handle,
    },
    /// It wants something.
    Request {
        /// The time.
        now: UtcTime,
        /// Who asks, as proven otherwise.
        application: ApplicationId,
        /// The handle that it shows.
        handle: Handle,
        /// What it wants.
        request: UserRequest,
    },
    /// It is gone: closed, crashed, or too slow.
    Gone(Handle),
    /// The UE discovered an entry of this name.
    Discovered(&'a str),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserOutput {
    /// Announce an entry, or do not.
    Announcing {
        /// Its name.
        name: String,
        /// Whether.
        announcing: Announcing,
    },
    /// Send data.
    Send {
        /// Name of the group or link.
        to: String,
        /// The data.
        data: Vec<u8>,
    },
    /// Tell the owner of a handle of a match.
    Match {
        /// Whom.
        handle: Handle,
        /// Name of the entry.
        name: String,
    },
}

/// Why a request is refused. All of them are the fault of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserError {
    /// There is no such handle of this application.
    NoHandle,
    /// It was not granted this, or there is none.
    NotGranted,
    /// It asks too often.
    TooFast,
    /// It has as many handles as it may have.
    TooMany,
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHandle => "no such handle: register again",
            Self::NotGranted => "this application has no such grant",
            Self::TooFast => "too many requests: wait a second",
            Self::TooMany => "too many handles: close one",
        })
    }
}

impl std::error::Error for UserError {}

/// What one handle stands for.
struct Registered {
    handle: Handle,
    application: ApplicationId,
    announces: BTreeSet<String>,
    monitors: BTreeSet<String>,
}

/// Requests that an application has left.
#[derive(Clone, Copy)]
struct Left {
    requests: u32,
    since: UtcTime,
}

/// The applications of a UE.
pub struct Users {
    grants: Vec<(Grant, Left)>,
    registered: Vec<Registered>,
    outputs: VecDeque<UserOutput>,
}

impl Users {
    /// Makes the machine. Everything that a grant lets announce is off until somebody wants it.
    pub fn new(grants: Vec<Grant>) -> Self {
        let left = Left { requests: BURST, since: UtcTime::from_millis(0) };
        let grants: Vec<_> = grants.into_iter().map(|grant| (grant, left)).collect();
        let mut users = Self { grants, registered: Vec::new(), outputs: VecDeque::new() };
        let names: BTreeSet<String> =
            users.grants.iter().flat_map(|(grant, _)| grant.announce.iter().cloned()).collect();
        names.into_iter().for_each(|name| users.announcing(name, Announcing::Off));
        users
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    ///
    /// # Errors
    /// The request is refused, and changes nothing.
    pub fn handle_input(&mut self, input: UserInput<'_>) -> Result<(), UserError> {
        match input {
            UserInput::Register { application, handle } => self.register(application, handle),
            UserInput::Request { now, application, handle, request } => {
                self.spend(application, now)?;
                self.request(application, handle, request)
            }
            UserInput::Gone(handle) => {
                self.gone(handle);
                Ok(())
            }
            UserInput::Discovered(name) => {
                let told = self.registered.iter().filter(|one| one.monitors.contains(name));
                self.outputs
                    .extend(told.map(|one| UserOutput::Match { handle: one.handle, name: name.to_owned() }));
                Ok(())
            }
        }
    }

    /// Returns the next output, if there is one.
    pub fn poll_output(&mut self) -> Option<UserOutput> {
        self.outputs.pop_front()
    }

    fn register(&mut self, application: ApplicationId, handle: Handle) -> Result<(), UserError> {
        if application.0 >= self.grants.len() {
            return Err(UserError::NotGranted);
        }
        let count = self.registered.iter().filter(|one| one.application == application).count();
        if count >= MOST_HANDLES || self.registered.iter().any(|one| one.handle == handle) {
            return Err(UserError::TooMany);
        }
        let (announces, monitors) = (BTreeSet::new(), BTreeSet::new());
        self.registered.push(Registered { handle, application, announces, monitors });
        Ok(())
    }

    /// Takes one request of those that an application has left.
    fn spend(&mut self, application: ApplicationId, now: UtcTime) -> Result<(), UserError> {
        let (_, left) = self.grants.get_mut(application.0).ok_or(UserError::NoHandle)?;
        let earned = now.millis().saturating_sub(left.since.millis()) / INTERVAL;
        let room = u64::from(BURST - left.requests);
        left.since =
            if earned >= room { now.max(left.since) } else { left.since.plus_millis(earned * INTERVAL) };
        left.requests += earned.min(room) as u32;
        left.requests = left.requests.checked_sub(1).ok_or(UserError::TooFast)?;
        Ok(())
    }

    fn request(
        &mut self,
        application: ApplicationId,
        handle: Handle,
        request: UserRequest,
    ) -> Result<(), UserError> {
        let is_it = |one: &&mut Registered| one.handle == handle && one.application == application;
        let one = self.registered.iter_mut().find(is_it).ok_or(UserError::NoHandle)?;
        let (grant, _) = self.grants.get(application.0).ok_or(UserError::NoHandle)?;
        let granted = |names: &BTreeSet<String>, name: &str| match names.contains(name) {
            true => Ok(()),
            false => Err(UserError::NotGranted),
        };
        match request {
            UserRequest::Announce(name) => {
                granted(&grant.announce, &name)?;
                one.announces.insert(name.clone());
                self.announcing(name, Announcing::On);
            }
            UserRequest::Silence(name) => {
                granted(&grant.announce, &name)?;
                one.announces.remove(&name);
                self.silence(name);
            }
            UserRequest::Monitor(name) => {
                granted(&grant.monitor, &name)?;
                one.monitors.insert(name);
            }
            UserRequest::Send { to, data } => {
                granted(&grant.send, &to)?;
                self.outputs.push_back(UserOutput::Send { to, data });
            }
        }
        Ok(())
    }

    /// What an application announced ends with it, unless another wants it too.
    fn gone(&mut self, handle: Handle) {
        let Some(at) = self.registered.iter().position(|one| one.handle == handle) else { return };
        let one = self.registered.swap_remove(at);
        one.announces.into_iter().for_each(|name| self.silence(name));
        let told =
            |output: &UserOutput| matches!(output, UserOutput::Match { handle: of, .. } if *of == handle);
        self.outputs.retain(|output| !told(output));
    }

    fn silence(&mut self, name: String) {
        if !self.registered.iter().any(|one| one.announces.contains(&name)) {
            self.announcing(name, Announcing::Off);
        }
    }

    fn announcing(&mut self, name: String, announcing: Announcing) {
        self.outputs.push_back(UserOutput::Announcing { name, announcing });
    }
}

#[cfg(test)]
mod tests;
