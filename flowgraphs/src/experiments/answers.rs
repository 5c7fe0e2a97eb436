//! Answers of a network that are on their way to one UE of an exercise.

use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::NetworkAnswer;
use zeroize::Zeroizing;

/// The answers, with the times at which they are there.
#[derive(Default)]
pub(crate) struct Answers(Vec<(UtcTime, NetworkAnswer)>);

impl Answers {
    /// Sends one that is there at `due`; without octets it is a refusal.
    pub(crate) fn put(&mut self, due: UtcTime, ticket: Ticket, octets: Option<Zeroizing<Vec<u8>>>) {
        self.0.push((due, NetworkAnswer { ticket, octets }));
    }

    /// Returns one that is there.
    pub(crate) fn take(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        let at = self.0.iter().position(|(due, _)| *due <= now)?;
        Some(self.0.remove(at).1)
    }
}
