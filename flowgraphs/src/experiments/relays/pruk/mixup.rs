//! A relay that gives away what it was granted (TR-3): another radio says it to a remote UE of its own.

use crate::experiments::answers::Answers;
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, LinkStanding, NetworkAnswer};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::relay_keying::{Answer, Question};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The last answer that granted a relay a KD.
pub(super) type Granted = Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>;

/// The relay that gives it away.
pub(super) struct Telling<K> {
    pub(super) keys: K,
    pub(super) granted: Granted,
}

impl<K: KeyNetwork> KeyNetwork for Telling<K> {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        self.keys.ask(now, ticket, question);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        let answer = self.keys.poll(now)?;
        if let Some(octets) = &answer.octets
            && matches!(Answer::parse(octets), Ok(Answer::Granted { .. }))
        {
            *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(octets.clone());
        }
        Some(answer)
    }

    fn link_changed(&mut self, now: UtcTime, peer: Layer2Id, standing: LinkStanding) {
        self.keys.link_changed(now, peer, standing);
    }
}

/// The radio that says it.
pub(super) struct Told {
    granted: Granted,
    answers: Answers,
}

impl Told {
    pub(super) fn new(granted: Granted) -> Self {
        Self { granted, answers: Answers::default() }
    }
}

impl KeyNetwork for Told {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        if matches!(Question::parse(question), Ok(Question::Grant { .. })) {
            let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.answers.put(now, ticket, granted);
        }
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.answers.take(now)
    }
}
