//! The UE's end.
//!
//! ```text
//!   Want -> Request -> Response: source, nonce, UE, time, order -> Store (whole, sealed), Stored -> Installed
//!                             -> anything wrong                                          -> Failed, the old one stays
//! ```

use std::collections::VecDeque;
use std::fmt;

use sidelink_security::counter::UtcTime;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::content::{Configuration, Version};
use super::message::{Answer, ConfigurationRequest, Message, Nonce, RefusedCause};
use super::permit::NotPermitted;
use super::sealed::{SealError, SealingKey};
use super::source::{NotTrusted, Source, Trust};
use crate::pc3::Error;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The UE wants its configuration.
    Want {
        /// Chance.
        nonce: Nonce,
    },
    /// A server answered.
    Response {
        /// The time.
        now: UtcTime,
        /// Who it is.
        source: &'a Source,
        /// What it says.
        body: &'a [u8],
    },
    /// Nobody answered.
    Lost,
    /// The file of [`Output::Store`] is durable, whole.
    Stored,
    /// It is not, and the old one is.
    StoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the ProSe Function, and hand back [`Input::Response`] or [`Input::Lost`].
    Request(Zeroizing<String>),
    /// Put this in the place of the file, whole or not at all, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Vec<u8>),
    /// This is what counts now.
    Installed(Version),
    /// Nothing has changed.
    Failed(Failure),
}

/// Why nothing has changed: by blame of who answered, of the operator, of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing was asked.
    NothingAsked,
    /// Who answers is no operator.
    NotTrusted(NotTrusted),
    /// The answer is not understood.
    Malformed(Error),
    /// It says nothing, or two things.
    Unclear,
    /// It answers another request: a replay.
    Nonce,
    /// It is for another UE.
    OtherUe,
    /// It is not newer than what the UE holds.
    NotNewer {
        /// What it holds.
        held: Version,
        /// What came.
        came: Version,
    },
    /// It does not count now.
    Time(NotPermitted),
    /// The ProSe Function refuses.
    Refused(RefusedCause),
    /// Nobody answered.
    Lost,
    /// The file could not be written.
    Store,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotTrusted(why) => return why.fmt(f),
            Self::Malformed(error) => return write!(f, "the answer is no configuration: {error}"),
            Self::NotNewer { held, came } => {
                return write!(
                    f,
                    "version {came} is not newer than version {held}, which the UE holds: a replay, or an old server"
                );
            }
            Self::Time(why) => return why.fmt(f),
            Self::NothingAsked => "nothing was asked",
            Self::Unclear => "the answer has neither configuration nor cause, or both",
            Self::Nonce => "the answer is that to another request: a replay",
            Self::OtherUe => "the configuration is another UE's",
            Self::Refused(RefusedCause::NotAuthorised) => "the ProSe Function does not authorise the UE",
            Self::Refused(RefusedCause::NothingThere) => "the operator has no configuration yet",
            Self::Lost => "nobody answered",
            Self::Store => "the configuration could not be stored; the old one counts",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Asked(Nonce),
    Storing(Box<Configuration>),
}

/// A UE's end.
pub struct ConfigurationClient {
    key: SealingKey,
    trust: Trust,
    held: Option<Configuration>,
    state: State,
    outputs: VecDeque<Output>,
}

impl ConfigurationClient {
    /// With the key of the seal, who is believed, and the file that was stored last.
    ///
    /// # Errors
    /// The seal of the file is broken. The UE has no configuration then; without a file it may fetch one.
    pub fn new(key: SealingKey, trust: Trust, file: Option<&[u8]>) -> Result<Self, SealError> {
        let held = file.map(|file| key.open(file)).transpose()?;
        if held.as_ref().is_some_and(|held| held.ue != key.ue()) {
            return Err(SealError::Broken);
        }
        Ok(Self { key, trust, held, state: State::Idle, outputs: VecDeque::new() })
    }

    /// What counts.
    pub const fn held(&self) -> Option<&Configuration> {
        self.held.as_ref()
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match (input, std::mem::take(&mut self.state)) {
            (Input::Want { nonce }, State::Idle | State::Asked(_)) => self.ask(nonce),
            (Input::Response { now, source, body }, State::Asked(nonce)) => {
                match self.judge(now, source, body, &nonce) {
                    Ok(configuration) => {
                        self.outputs.push_back(Output::Store(self.key.seal(&configuration)));
                        self.state = State::Storing(Box::new(configuration));
                    }
                    Err(why) => self.outputs.push_back(Output::Failed(why)),
                }
            }
            (Input::Response { .. }, state) => {
                self.state = state;
                self.outputs.push_back(Output::Failed(Failure::NothingAsked));
            }
            (Input::Lost, State::Asked(_)) => self.outputs.push_back(Output::Failed(Failure::Lost)),
            (Input::Stored, State::Storing(configuration)) => {
                self.outputs.push_back(Output::Installed(configuration.content.version));
                self.held = Some(*configuration);
            }
            (Input::StoreFailed, State::Storing(_)) => {
                self.outputs.push_back(Output::Failed(Failure::Store));
            }
            (_, state) => self.state = state,
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn ask(&mut self, nonce: Nonce) {
        let held = self.held.as_ref().map(|held| held.content.version);
        let request = ConfigurationRequest { ue: self.key.ue(), nonce, held };
        self.outputs.push_back(Output::Request(Message::Request(request).to_xml()));
        self.state = State::Asked(nonce);
    }

    fn judge(
        &self,
        now: UtcTime,
        source: &Source,
        body: &[u8],
        nonce: &Nonce,
    ) -> Result<Configuration, Failure> {
        self.trust.judge(source).map_err(Failure::NotTrusted)?;
        let Message::Response(response) = Message::from_xml(body).map_err(Failure::Malformed)? else {
            return Err(Failure::Unclear);
        };
        if !bool::from(response.nonce.ct_eq(nonce)) {
            return Err(Failure::Nonce);
        }
        let configuration = match response.answer().ok_or(Failure::Unclear)? {
            Answer::Configuration(configuration) => configuration,
            Answer::Refused(cause) => return Err(Failure::Refused(cause)),
        };
        if configuration.ue != self.key.ue() {
            return Err(Failure::OtherUe);
        }
        configuration.check_time(now).map_err(Failure::Time)?;
        match &self.held {
            Some(held) if configuration.order() <= held.order() => {
                Err(Failure::NotNewer { held: held.content.version, came: configuration.content.version })
            }
            _ => Ok(configuration),
        }
    }
}
