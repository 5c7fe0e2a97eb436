//! Which requests are looked at. Cheap checks first; the HSS is asked last, and the parser runs for what passed.
//!
//! ```text
//!   TLS with a key of GBA       who asks (the transport; the HSS is not asked)
//!   refused lately?  -> 403     without another question to the HSS
//!   own rate         -> 429     one that floods takes nothing from the others
//!   load, puzzle     -> 503     above some load who has worked comes before who has not
//!   rate of all      -> 429
//!   parser           -> 400
//!   HSS
//! ```

use super::io::{Flood, Refused, RequestId, Response};
use super::ues::{Full, Said};
use super::work::{Admitted, Waiting};
use super::{Event, Output, ProseFunction};
use crate::pc3::{Imsi, Message};
use crate::public_keys::KeyMessage;

/// Whether a request has paid for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// With a puzzle: the challenge took a token of the UE already.
    Done,
    Missing,
}

impl ProseFunction {
    /// A message of PC3.
    pub(super) fn message(
        &mut self,
        request: RequestId,
        ue: Imsi,
        solution: Option<&str>,
        body: &[u8],
    ) -> Result<(), Refused> {
        self.look_at(ue, solution)?;
        let message = Message::from_xml(body).map_err(Refused::Malformed)?;
        match message {
            Message::DiscoveryRequest(_)
            | Message::MatchReport(_)
            | Message::UeRegistrationRequest(_)
            | Message::ApplicationRegistrationRequest(_) => {}
            Message::DiscoveryUpdateResponse(response) => {
                self.updated(ue, response);
                self.respond(request, Response::Accepted);
                return Ok(());
            }
            _ => return Err(Refused::Unexpected),
        }
        self.authorise(request, ue, Admitted::Pc3(message))
    }

    /// A message about public keys.
    pub(super) fn public_keys(
        &mut self,
        request: RequestId,
        ue: Imsi,
        solution: Option<&str>,
        body: &[u8],
    ) -> Result<(), Refused> {
        self.look_at(ue, solution)?;
        let message = KeyMessage::from_xml(body).map_err(Refused::Malformed)?;
        self.authorise(request, ue, Admitted::PublicKeys(Box::new(message)))
    }

    /// What comes before the parser.
    fn look_at(&mut self, ue: Imsi, solution: Option<&str>) -> Result<(), Refused> {
        if matches!(self.ues.said(ue, self.now), Some(Said::Unknown)) {
            // It is told so whatever its rate: nothing is cheaper. Its rate tells a flood.
            if self.ues.take(ue, &self.config.limits, self.now).is_err() {
                self.alarm(Flood::Ue(ue));
            }
            return Err(Refused::NoSubscription);
        }
        self.admit(ue, solution)
    }

    /// What the HSS says of the UE: known, or asked for.
    fn authorise(&mut self, request: RequestId, ue: Imsi, message: Admitted) -> Result<(), Refused> {
        if let Some(Said::Known(subscription)) = self.ues.said(ue, self.now).cloned() {
            return self.serve(request, ue, message, subscription);
        }
        if self.waiting.len() >= self.config.limits.waiting {
            return Err(Refused::Busy);
        }
        if !self.waiting.iter().any(|waiting| waiting.ue == ue) {
            self.outbox.push_back(Output::AskSubscription { ue });
        }
        let deadline = self.now.plus_millis(self.config.limits.patience);
        self.waiting.push_back(Waiting { request, ue, message, deadline });
        Ok(())
    }

    /// The UE's own rate first, so that one that floods takes nothing from the others.
    fn admit(&mut self, ue: Imsi, solution: Option<&str>) -> Result<(), Refused> {
        let work = self.work_of(ue, solution);
        if work == Work::Missing {
            match self.ues.take(ue, &self.config.limits, self.now) {
                Ok(()) => {}
                Err(Full::Ue(wait)) => {
                    self.alarm(Flood::Ue(ue));
                    return Err(Refused::TooMany { wait });
                }
                Err(Full::Memory) => {
                    self.alarm(Flood::All);
                    return Err(Refused::Busy);
                }
            }
            if self.load() > u64::from(self.config.limits.puzzle_above) {
                self.alarm(Flood::All);
                return Err(Refused::Puzzle(self.puzzles.challenge(&ue.to_string(), self.now)));
            }
        }
        if self.bucket.take(self.now) {
            return Ok(());
        }
        self.alarm(Flood::All);
        Err(Refused::TooMany { wait: self.bucket.wait(self.now) })
    }

    /// A solution counts once, and only for a UE that is remembered: it was challenged then.
    fn work_of(&mut self, ue: Imsi, solution: Option<&str>) -> Work {
        let checked = solution.and_then(|text| self.puzzles.check(&ue.to_string(), text, self.now).ok());
        match checked {
            Some(challenged) if self.ues.spend(ue, challenged) => Work::Done,
            _ => Work::Missing,
        }
    }

    /// How much of what all may ask for is taken, or of what may wait, of a hundred.
    fn load(&self) -> u64 {
        let waiting = self.waiting.len().max(self.storing.len());
        let waiting = (waiting * 100 / self.config.limits.waiting.max(1)) as u64;
        self.bucket.load(self.now).max(waiting)
    }

    fn alarm(&mut self, flood: Flood) {
        if let Some(alarm) = self.alarms.refused(flood, self.now) {
            self.report(Event::Flood(alarm));
        }
    }
}
