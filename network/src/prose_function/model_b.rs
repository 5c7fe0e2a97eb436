//! Restricted discovery, model B: who answers, and who asks. TS 24.334 §6.2.2B, §6.2.3B.
//!
//! ```text
//!                   ProSe Query Code           ProSe Response Code
//!   discoverer      sends: DUSK, DUIK, DUCK    receives: DUSK, DUCK; DUIK where it checks the MIC itself
//!   discoveree      receives: DUSK, DUIK, DUCK sends: DUSK, DUIK, DUCK
//! ```
//!
//! Each code has keys of its own (TS 33.303 §6.1.3.4.2.2): who may ask cannot answer in the place of another. All who may ask for a
//! user have the same query code, and cannot be told apart by it.

use super::config::{Application, Role};
use super::requests::{minutes_until, targets};
use super::table::{Content, Pair};
use super::work::{Stop, Work};
use super::{MAX_TARGETS, ProseFunction};
use crate::pc3::filters::{MatchingFilter, QueryExtension, RestrictedSecurity, Subquery};
use crate::pc3::request::RestrictedRequest;
use crate::pc3::response::{DiscovereeResponse, DiscovererResponse};
use crate::pc3::{Cause, Command, Rpauid};
use sidelink_security::discovery::restricted::MicCheck;

impl ProseFunction {
    pub(super) fn model_b_request(
        &mut self,
        request: RestrictedRequest,
        work: &mut Work,
    ) -> Result<(), Stop> {
        // The schema has no answer that says: it has stopped.
        if request.requested_timer.is_some_and(|timer| timer.value() == 0) {
            return Err(Cause::InvalidFormat.into());
        }
        match request.command {
            Command::Response => self.discoveree(request, work),
            _ => self.discoverer(request, work),
        }
    }

    /// TS 24.334 §6.2.2B.3.
    fn discoveree(&mut self, request: RestrictedRequest, work: &mut Work) -> Result<(), Stop> {
        let application: Application = request.application.into();
        self.knows_application(&application, Role::Discoveree)?;
        self.may(work, request.announcing_plmn, Role::Discoveree)?;
        self.is_own(work, &request.rpauid)?;
        let same = |c: &Content| {
            matches!(c, Content::Discoveree { rpauid, application: of, .. }
                if *rpauid == request.rpauid && *of == application)
        };
        let old = self.earlier(work, Some(request.entry), same)?;
        let kept = match old.and_then(|entry| self.table.get((work.ue, entry))).map(|record| &record.content)
        {
            Some(Content::Discoveree { pair, .. }) => Some(pair.copy()),
            _ => None,
        };
        let pair = match kept {
            Some(kept) => kept,
            None => Pair {
                query: self.new_restricted_code()?,
                query_keys: self.new_keys()?,
                response: self.new_restricted_code()?,
                response_keys: self.new_keys()?,
            },
        };
        let entry = self.entry_for(work, old)?;
        let validity = self.validity(request.requested_timer);
        let filter = MatchingFilter::exact(pair.query).map_err(|_| Stop::Busy)?;
        let query = RestrictedSecurity::from_material(pair.query_keys.copy().0);
        work.discovery.discoverees.push(DiscovereeResponse {
            transaction: request.transaction,
            response_code: pair.response,
            query_filters: vec![filter],
            validity,
            security: Some(RestrictedSecurity::from_material(pair.response_keys.copy().0)),
            entry,
            pc5: request.pc5,
            extension: Some(QueryExtension { security: Some(query), mic_check: None }),
        });
        let content = Content::Discoveree { rpauid: request.rpauid, application, pair: Box::new(pair) };
        self.put(work, entry, validity, content);
        Ok(())
    }

    /// TS 24.334 §6.2.3B.3. The container is that of model A.
    fn discoverer(&mut self, request: RestrictedRequest, work: &mut Work) -> Result<(), Stop> {
        let application: Application = request.application.into();
        self.knows_application(&application, Role::Discoverer)?;
        self.may(work, request.announcing_plmn, Role::Discoverer)?;
        self.is_own(work, &request.rpauid)?;
        let targets = targets(request.container.as_ref())?;
        let targets: Vec<Rpauid> =
            targets.into_iter().filter(|target| self.is_permitted(target, &request.rpauid)).collect();
        let subqueries = self.subqueries(&targets, &application);
        if subqueries.is_empty() {
            // One cause for those who may not be discovered and those who are not there: §6.2.3B.5.
            return Err(Cause::InvalidTarget.into());
        }
        let same = |c: &Content| {
            matches!(c, Content::Discoverer { rpauid, application: of, .. }
                if *rpauid == request.rpauid && *of == application)
        };
        let old = self.earlier(work, Some(request.entry), same)?;
        let entry = self.entry_for(work, old)?;
        work.discovery.discoverers.push(DiscovererResponse {
            transaction: request.transaction,
            subqueries,
            entry,
            pc5: request.pc5,
        });
        let content = Content::Discoverer { rpauid: request.rpauid, application, targets };
        self.put(work, entry, self.config.ttl, content);
        Ok(())
    }

    /// What to ask these targets with. T4013 ends with T4012, so that a discoverer asks for more no earlier than the discoveree
    /// does (§6.2.3B.3 NOTE 2).
    fn subqueries(&self, targets: &[Rpauid], application: &Application) -> Vec<Subquery> {
        let local = self.config.restricted.check == MicCheck::Local;
        let most = self.now.plus_millis(u64::from(self.config.ttl.value()) * 60_000);
        let mut subqueries = Vec::new();
        for record in targets.iter().flat_map(|target| self.table.announcers_as(target)) {
            let Content::Discoveree { rpauid, application: of, pair } = &record.content else { continue };
            let validity = minutes_until(most.min(record.kept_until), self.now);
            let (Some(validity), Ok(filter)) = (validity, MatchingFilter::exact(pair.response)) else {
                continue;
            };
            if of != application || subqueries.len() == MAX_TARGETS {
                continue;
            }
            let mut receives = RestrictedSecurity::from_material(pair.response_keys.copy().0);
            receives.duik = receives.duik.filter(|_| local);
            let sends = RestrictedSecurity::from_material(pair.query_keys.copy().0);
            subqueries.push(Subquery {
                query_code: pair.query,
                response_filters: vec![filter],
                validity,
                security: Some(receives),
                rpauid: Some(rpauid.clone()),
                metadata: None,
                extension: Some(QueryExtension {
                    security: Some(sends),
                    mic_check: (!local).then_some(true),
                }),
            });
        }
        subqueries
    }
}
