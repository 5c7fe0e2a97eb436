//! A key of this UE, through its life. TR 33.833 §6.2.3.2, step 1.

use sidelink_security::counter::UtcTime;

use super::io::{ClientConfig, EndCause, NoAnswer, Output, OwnId, Warning};
use super::{About, MOST_OWN, PublicKeysClient, backoff, renewed_at};
use crate::public_keys::key::{KeyName, PublicKey};
use crate::public_keys::message::{KeyCause, KeyMessage, NonceRequest, Octets, Register, Withdraw};
use crate::public_keys::possession::{Nonce, signed_text};

/// A key of the UE's own.
pub(super) struct Own {
    name: KeyName,
    key: PublicKey,
    until: Option<UtcTime>,
    wants: Wants,
    state: State,
    failures: u32,
}

/// What the UE wants of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Registration,
    Withdrawal,
}

enum State {
    /// The next request goes out at this time.
    Asks { at: UtcTime },
    /// A nonce, or the end of a withdrawal, is waited for until then.
    Waits { until: UtcTime },
    /// The signature is being made.
    Signs { nonce: Nonce },
    /// The answer to a registration is waited for until then.
    Registers { until: UtcTime },
    /// Refused, or withdrawn.
    Over,
}

impl Own {
    pub(super) fn deadline(&self) -> Option<UtcTime> {
        let next = match self.state {
            State::Asks { at } => Some(at),
            State::Waits { until } | State::Registers { until } => Some(until),
            State::Signs { .. } | State::Over => None,
        };
        next.into_iter().chain(self.until).min()
    }

    /// A request of it has no answer. True where none will come.
    pub(super) fn lost(&mut self, why: NoAnswer, now: UtcTime, config: &ClientConfig) -> bool {
        match why {
            NoAnswer::Lost => {
                let at = now.plus_millis(backoff(config.retry, self.failures));
                self.failures += 1;
                self.state = State::Asks { at };
            }
            NoAnswer::Wait(millis) => self.state = State::Asks { at: now.plus_millis(millis.max(1)) },
            NoAnswer::Forbidden => self.state = State::Over,
        }
        matches!(why, NoAnswer::Forbidden)
    }
}

impl PublicKeysClient {
    pub(super) fn announce(&mut self, name: KeyName, key: PublicKey) {
        if self.own.len() >= MOST_OWN {
            return self.outputs.push_back(Output::Warning(Warning::TooMany(name)));
        }
        let state = State::Asks { at: self.now };
        self.own.push(Own { name, key, until: None, wants: Wants::Registration, state, failures: 0 });
    }

    pub(super) fn withdraw(&mut self, id: OwnId) {
        let Some(own) = self.own.get_mut(usize::from(id.0)) else { return };
        // An answer that is on its way is to something else.
        self.pending.retain(|(_, about)| !matches!(about, About::Own(of) if *of == id));
        (own.wants, own.state) = (Wants::Withdrawal, State::Asks { at: self.now });
    }

    pub(super) fn signed(&mut self, id: OwnId, signature: &[u8]) {
        let Some(own) = self.own.get_mut(usize::from(id.0)) else { return };
        let State::Signs { nonce } = own.state else { return };
        own.state = State::Registers { until: self.now.plus_millis(self.config.patience) };
        let (name, key) = (own.name.clone(), own.key.clone());
        let register = Register { name, key, nonce, signature: Octets(signature.to_vec()) };
        self.send(About::Own(id), &KeyMessage::Register(Box::new(register)));
    }

    pub(super) fn own_due(&mut self, index: usize) {
        let (id, now) = (OwnId(index as u8), self.now);
        let own = &mut self.own[index];
        if own.until.take_if(|until| *until <= now).is_some() {
            self.outputs.push_back(Output::OwnEnded { id, why: EndCause::Expired });
        }
        match own.state {
            State::Waits { until } | State::Registers { until } if until <= now => {
                own.lost(NoAnswer::Lost, now, &self.config);
                self.pending.retain(|(_, about)| !matches!(about, About::Own(of) if *of == id));
            }
            State::Asks { at } if at <= now => {
                own.state = State::Waits { until: now.plus_millis(self.config.patience) };
                let (name, fingerprint) = (own.name.clone(), own.key.fingerprint());
                let message = match own.wants {
                    Wants::Registration => KeyMessage::NonceRequest(NonceRequest { name }),
                    Wants::Withdrawal => KeyMessage::Withdraw(Withdraw { name, fingerprint }),
                };
                self.send(About::Own(id), &message);
            }
            _ => {}
        }
    }

    /// Takes an answer; false where it is none to what was asked.
    pub(super) fn own_answered(&mut self, id: OwnId, message: &KeyMessage) -> bool {
        let Some(own) = self.own.get_mut(usize::from(id.0)) else { return false };
        match (message, &own.state, own.wants) {
            (KeyMessage::Nonce(answer), State::Waits { .. }, Wants::Registration) => {
                let text = signed_text(self.config.ue, &own.name, &own.key, &answer.nonce);
                own.state = State::Signs { nonce: answer.nonce };
                self.outputs.push_back(Output::Clock(answer.current_time));
                self.outputs.push_back(Output::Sign { id, text });
            }
            (KeyMessage::Registered(answer), State::Registers { .. }, _) => {
                let until = answer.valid_until;
                (own.until, own.failures) = (Some(until), 0);
                own.state = State::Asks { at: renewed_at(until, self.now) };
                self.outputs.push_back(Output::Clock(answer.current_time));
                self.outputs.push_back(Output::Registered { id, until });
            }
            (KeyMessage::Withdrawn(answer), State::Waits { .. }, Wants::Withdrawal) => {
                (own.until, own.state) = (None, State::Over);
                self.outputs.push_back(Output::Clock(answer.current_time));
                self.outputs.push_back(Output::OwnEnded { id, why: EndCause::Withdrawn });
            }
            // Another nonce helps: this one was used, or the server began anew.
            (KeyMessage::Reject(reject), State::Registers { .. }, _) if reject.cause == KeyCause::Nonce => {
                own.lost(NoAnswer::Lost, self.now, &self.config);
            }
            (KeyMessage::Reject(reject), State::Waits { .. } | State::Registers { .. }, _) => {
                (own.until, own.state) = (None, State::Over);
                let why = EndCause::Rejected(reject.cause);
                self.outputs.push_back(Output::OwnEnded { id, why });
            }
            _ => return false,
        }
        true
    }
}
