//! DISCOVERY_REQUEST, transaction by transaction. TS 24.334 §6.2.2 to §6.2.3A.

use core::str;

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::{Material, MicCheck};
use sidelink_security::keys::DiscoveryKey;

use super::codes::{self, Scope};
use super::config::{Application, Role};
use super::table::{Change, Content, Keys, Record, copy};
use super::work::{Stop, Work};
use super::{GRACE, ProseFunction};
use crate::pc3::filters::{DiscoveryFilter, MatchingFilter, RestrictedFilter, RestrictedSecurity};
use crate::pc3::request::{ApplicationIdentity, OpenRequest, RestrictedRequest};
use crate::pc3::response::{
    AnnounceResponse, MonitorResponse, RestrictedAnnounceResponse, RestrictedMonitorResponse,
};
use crate::pc3::{
    AnnouncingType, ApplicationCode, ApplicationId, Cause, Command, Container, DiscoveryType, EntryId,
    Extension, Imsi, Minutes, Model, Plmn, RequestedTimer, RestrictedCode, Rpauid,
};

/// Most targets of one monitor. Ours.
pub const MAX_TARGETS: usize = 16;

impl From<ApplicationIdentity> for Application {
    fn from(identity: ApplicationIdentity) -> Self {
        Self { os_id: identity.os_id, os_app_id: identity.os_app_id }
    }
}

impl From<Application> for ApplicationIdentity {
    fn from(application: Application) -> Self {
        Self { os_id: application.os_id, os_app_id: application.os_app_id }
    }
}

/// Whole minutes from now on, rounded up, within what a timer can say.
pub(super) fn minutes_until(end: UtcTime, now: UtcTime) -> Option<Minutes> {
    let minutes = end.millis().saturating_sub(now.millis()).div_ceil(60_000).clamp(1, 525_600);
    Minutes::new(minutes as u32).ok()
}

impl ProseFunction {
    pub(super) fn open_request(&mut self, request: OpenRequest, work: &mut Work) -> Result<(), Stop> {
        self.is_himself(request.ue, work)?;
        if request.extension == Some(Extension::Enabled) {
            return Err(Cause::NoExtension.into());
        }
        let stops = request.requested_timer.is_some_and(|timer| timer.value() == 0);
        match request.command {
            Command::Announce if stops => {
                let entry = self.stop(work, request.entry, |c| matches!(c, Content::OpenAnnounce { .. }))?;
                work.discovery.announces.push(AnnounceResponse {
                    transaction: request.transaction,
                    codes: Vec::new(),
                    extension_codes: None,
                    validity: None,
                    key: None,
                    entry: Some(entry),
                    extension: None,
                    pc5: None,
                });
                Ok(())
            }
            Command::Announce | Command::MetadataUpdate => self.open_announce(request, work),
            Command::Monitor if stops => {
                let entry = self.stop(work, request.entry, |c| matches!(c, Content::OpenMonitor { .. }))?;
                work.discovery.monitors.push(MonitorResponse {
                    transaction: request.transaction,
                    filters: Vec::new(),
                    entry: Some(entry),
                    extension: None,
                    pc5: request.pc5,
                });
                Ok(())
            }
            Command::Monitor => self.open_monitor(request, work),
            Command::Query | Command::Response => Err(Cause::InvalidFormat.into()),
        }
    }

    /// TS 24.334 §6.2.2.3, §6.2.2.5.
    fn open_announce(&mut self, request: OpenRequest, work: &mut Work) -> Result<(), Stop> {
        let updates_metadata = request.command == Command::MetadataUpdate;
        self.knows_application(&request.application.into(), Role::OpenAnnounce)?;
        let scope = self.scope(&request.application_id)?;
        self.may(work, request.announcing_plmn, Role::OpenAnnounce)?;
        if !work.subscription.application_ids.contains(&request.application_id) {
            return Err(Cause::AuthorisationFailure.into());
        }
        let old = request.entry.and_then(|entry| self.table.get((work.ue, entry)));
        let old = match old.map(|record| &record.content) {
            Some(Content::OpenAnnounce { application_id, code, key, metadata })
                if *application_id == request.application_id =>
            {
                Some((*code, copy::<DiscoveryKey>(key.as_bytes()), metadata.clone()))
            }
            Some(_) => return Err(Cause::UnknownEntry.into()),
            None if updates_metadata => return Err(Cause::UnknownEntry.into()),
            None => None,
        };
        let kept = old.is_some();
        let (code, key, metadata) = match old {
            Some((code, key, metadata)) if request.metadata.is_none() || request.metadata == metadata => {
                (code, key, metadata)
            }
            Some((code, key, _)) => (codes::with_next_index(code), key, request.metadata),
            None => {
                let code = self.new_code(scope, &request.application_id)?;
                (code, DiscoveryKey::from(self.draw_part::<16>()?), request.metadata)
            }
        };
        let entry = self.entry_for(work, request.entry.filter(|_| kept))?;
        let validity = self.validity(request.requested_timer);
        work.discovery.announces.push(AnnounceResponse {
            transaction: request.transaction,
            codes: vec![code],
            extension_codes: None,
            validity: Some(validity),
            key: Some(copy(key.as_bytes())),
            entry: Some(entry),
            extension: request.extension,
            pc5: request.pc5,
        });
        let content = Content::OpenAnnounce { application_id: request.application_id, code, key, metadata };
        self.put(work, entry, validity, content);
        Ok(())
    }

    /// TS 24.334 §6.2.3.3, §6.2.3.5.
    fn open_monitor(&mut self, request: OpenRequest, work: &mut Work) -> Result<(), Stop> {
        self.knows_application(&request.application.into(), Role::OpenMonitor)?;
        let scope = self.scope(&request.application_id)?;
        self.may_anywhere(work, Role::OpenMonitor)?;
        let valid = self.table.announcers(&request.application_id).filter(|r| r.valid_until > self.now);
        let Some(Content::OpenAnnounce { code, .. }) = valid.map(|record| &record.content).next() else {
            return Err(Cause::NoValidCode.into());
        };
        let filter = DiscoveryFilter { code: *code, masks: vec![codes::mask(scope)], ttl: self.config.ttl };
        let same = |c: &Content| matches!(c, Content::OpenMonitor { application_id } if *application_id == request.application_id);
        let old = self.earlier(work, request.entry, same)?;
        let entry = self.entry_for(work, old)?;
        work.discovery.monitors.push(MonitorResponse {
            transaction: request.transaction,
            filters: vec![filter],
            entry: Some(entry),
            extension: request.extension,
            pc5: request.pc5,
        });
        let content = Content::OpenMonitor { application_id: request.application_id };
        self.put(work, entry, self.config.ttl, content);
        Ok(())
    }

    pub(super) fn restricted_request(
        &mut self,
        request: RestrictedRequest,
        work: &mut Work,
    ) -> Result<(), Stop> {
        self.is_himself(request.ue, work)?;
        if request.discovery_type != DiscoveryType::Restricted {
            return Err(Cause::InvalidFormat.into());
        }
        if request.extension == Some(Extension::Enabled) {
            return Err(Cause::NoExtension.into());
        }
        match (request.command, request.model) {
            (Command::Query | Command::Response, Some(Model::B)) => {
                return self.model_b_request(request, work);
            }
            (Command::Query | Command::Response, _) | (_, Some(Model::B)) => {
                return Err(Cause::InvalidFormat.into());
            }
            _ => {}
        }
        let stops = request.requested_timer.is_some_and(|timer| timer.value() == 0);
        match request.command {
            Command::Announce if stops => {
                let entry = self
                    .stop(work, Some(request.entry), |c| matches!(c, Content::RestrictedAnnounce { .. }))?;
                work.discovery.restricted_announces.push(RestrictedAnnounceResponse {
                    transaction: request.transaction,
                    code: None,
                    suffixes: None,
                    validity: None,
                    extension: None,
                    security: None,
                    on_demand: None,
                    entry,
                    pc5: None,
                });
                Ok(())
            }
            Command::Announce => self.restricted_announce(request, work),
            Command::Monitor if stops => {
                let entry =
                    self.stop(work, Some(request.entry), |c| matches!(c, Content::RestrictedMonitor { .. }))?;
                work.discovery.restricted_monitors.push(RestrictedMonitorResponse {
                    transaction: request.transaction,
                    filters: Vec::new(),
                    extension: None,
                    container: Container::default(),
                    entry,
                    pc5: request.pc5,
                });
                Ok(())
            }
            Command::Monitor => self.restricted_monitor(request, work),
            Command::Query | Command::Response | Command::MetadataUpdate => Err(Cause::InvalidFormat.into()),
        }
    }

    /// TS 24.334 §6.2.2A.3.
    fn restricted_announce(&mut self, request: RestrictedRequest, work: &mut Work) -> Result<(), Stop> {
        let application: Application = request.application.into();
        self.knows_application(&application, Role::RestrictedAnnounce)?;
        self.may(work, request.announcing_plmn, Role::RestrictedAnnounce)?;
        self.is_own(work, &request.rpauid)?;
        if request.announcing_type == Some(AnnouncingType::OnDemand) {
            return Err(Cause::NotOnDemand.into());
        }
        let same = |c: &Content| {
            matches!(c, Content::RestrictedAnnounce { rpauid, application: of, .. }
                if *rpauid == request.rpauid && *of == application)
        };
        let old = self.earlier(work, Some(request.entry), same)?;
        let kept = match old.and_then(|entry| self.table.get((work.ue, entry))).map(|record| &record.content)
        {
            Some(Content::RestrictedAnnounce { code, keys, .. }) => Some((*code, keys.copy())),
            _ => None,
        };
        let (code, keys) = match kept {
            Some(kept) => kept,
            None => (self.new_restricted_code()?, self.new_keys()?),
        };
        let entry = self.entry_for(work, old)?;
        let validity = self.validity(request.requested_timer);
        work.discovery.restricted_announces.push(RestrictedAnnounceResponse {
            transaction: request.transaction,
            code: Some(code),
            suffixes: None,
            validity: Some(validity),
            extension: request.extension.or(Some(Extension::Normal)),
            security: Some(RestrictedSecurity::from_material(keys.copy().0)),
            on_demand: None,
            entry,
            pc5: request.pc5,
        });
        let content = Content::RestrictedAnnounce { rpauid: request.rpauid, application, code, keys };
        self.put(work, entry, validity, content);
        Ok(())
    }

    /// TS 24.334 §6.2.3A.3. The container has the targets, an RPAUID a line, and the answer those that may be discovered: the
    /// form of our application server, since the text leaves it to each application.
    fn restricted_monitor(&mut self, request: RestrictedRequest, work: &mut Work) -> Result<(), Stop> {
        let application: Application = request.application.into();
        self.knows_application(&application, Role::RestrictedMonitor)?;
        self.may_anywhere(work, Role::RestrictedMonitor)?;
        self.is_own(work, &request.rpauid)?;
        let targets = targets(request.container.as_ref())?;
        let targets: Vec<Rpauid> =
            targets.into_iter().filter(|target| self.is_permitted(target, &request.rpauid)).collect();
        if targets.is_empty() {
            return Err(Cause::InvalidTarget.into());
        }
        let filters = self.filters(&targets, &application);
        if filters.is_empty() {
            return Err(Cause::NoValidCode.into());
        }
        let same = |c: &Content| {
            matches!(c, Content::RestrictedMonitor { rpauid, application: of, .. }
                if *rpauid == request.rpauid && *of == application)
        };
        let old = self.earlier(work, Some(request.entry), same)?;
        let entry = self.entry_for(work, old)?;
        let names: Vec<&str> = targets.iter().map(Rpauid::as_str).collect();
        work.discovery.restricted_monitors.push(RestrictedMonitorResponse {
            transaction: request.transaction,
            filters,
            extension: request.extension.or(Some(Extension::Normal)),
            container: Container::new(names.join("\n").as_bytes()).map_err(|_| Cause::InvalidContainer)?,
            entry,
            pc5: request.pc5,
        });
        let content = Content::RestrictedMonitor { rpauid: request.rpauid, application, targets };
        self.put(work, entry, self.config.ttl, content);
        Ok(())
    }

    /// Filters for the valid codes of these targets.
    pub(super) fn filters(&self, targets: &[Rpauid], application: &Application) -> Vec<RestrictedFilter> {
        let mut filters = Vec::new();
        for record in targets.iter().flat_map(|target| self.table.announcers_as(target)) {
            if let Content::RestrictedAnnounce { rpauid, application: of, code, keys } = &record.content
                && of == application
                && record.valid_until > self.now
                && filters.len() < MAX_TARGETS
            {
                let end =
                    self.now.plus_millis(u64::from(self.config.ttl.value()) * 60_000).min(record.valid_until);
                let (Some(ttl), Ok(filter)) = (minutes_until(end, self.now), MatchingFilter::exact(*code))
                else {
                    continue;
                };
                let keys = RestrictedSecurity::from_material(keys.copy().0);
                let local = self.config.restricted.check == MicCheck::Local;
                filters.push(RestrictedFilter {
                    filters: vec![filter],
                    ttl,
                    security: None,
                    rpauid: Some(rpauid.clone()),
                    dusk: keys.dusk,
                    duik: keys.duik.filter(|_| local),
                    mic_check: (!local).then_some(true),
                    duck: keys.duck,
                    metadata_indicator: None,
                    metadata: None,
                });
            }
        }
        filters
    }

    /// Who asks is who the transport says.
    pub(super) fn is_himself(&self, ue: Imsi, work: &Work) -> Result<(), Cause> {
        if ue == work.ue { Ok(()) } else { Err(Cause::InvalidUe) }
    }

    pub(super) fn is_own(&self, work: &Work, rpauid: &Rpauid) -> Result<(), Cause> {
        if work.subscription.rpauids.contains(rpauid) { Ok(()) } else { Err(Cause::AuthorisationFailure) }
    }

    pub(super) fn is_permitted(&self, target: &Rpauid, watcher: &Rpauid) -> bool {
        self.config.permissions.iter().any(|p| p.target == *target && p.watcher == *watcher)
    }

    pub(super) fn knows_application(&self, application: &Application, role: Role) -> Result<(), Cause> {
        let known = self.config.applications.iter().any(|(a, r)| a == application && *r == role);
        if known { Ok(()) } else { Err(Cause::InvalidApplication) }
    }

    /// The scope of an ID that is known here. Another country's is a violation; another PLMN's is unknown, since there is no
    /// PC6 to ask over.
    pub(super) fn scope(&self, id: &ApplicationId) -> Result<Scope, Cause> {
        let scope = Scope::of(id).ok_or(Cause::UnknownApplicationId)?;
        if matches!(scope, Scope::Country(_)) && !scope.is_served_by(self.config.plmn) {
            return Err(Cause::ScopeViolation);
        }
        let known = self.config.application_ids.contains(id);
        if known { Ok(scope) } else { Err(Cause::UnknownApplicationId) }
    }

    /// In the PLMN whose resources are meant, otherwise where the UE is registered.
    pub(super) fn may(&self, work: &Work, plmn: Option<Plmn>, role: Role) -> Result<(), Cause> {
        let plmn = plmn.or(work.subscription.registered).ok_or(Cause::AuthorisationFailure)?;
        if work.subscription.rights.contains(&(plmn, role)) {
            Ok(())
        } else {
            Err(Cause::AuthorisationFailure)
        }
    }

    pub(super) fn may_anywhere(&self, work: &Work, role: Role) -> Result<(), Cause> {
        let some = work.subscription.rights.iter().any(|(_, r)| *r == role);
        if some { Ok(()) } else { Err(Cause::AuthorisationFailure) }
    }

    pub(super) fn validity(&self, requested: Option<RequestedTimer>) -> Minutes {
        let most = self.config.validity;
        let requested = requested.and_then(|timer| Minutes::new(timer.value()).ok());
        requested.map_or(most, |requested| requested.min(most))
    }

    pub(super) fn put(&self, work: &mut Work, entry: EntryId, minutes: Minutes, content: Content) {
        let valid_until = self.now.plus_millis(u64::from(minutes.value()) * 60_000);
        let kept_until = valid_until.plus_millis(GRACE);
        work.allotted.push(entry);
        let record = Record { ue: work.ue, entry, valid_until, kept_until, content };
        work.changes.push(Change::Put(Box::new(record)));
    }

    /// The entry that a request goes on with: none when it is new or gone, refused when it is of something else.
    pub(super) fn earlier(
        &self,
        work: &Work,
        entry: Option<EntryId>,
        same: impl Fn(&Content) -> bool,
    ) -> Result<Option<EntryId>, Cause> {
        match entry.and_then(|entry| self.table.get((work.ue, entry))) {
            Some(record) if same(&record.content) => Ok(Some(record.entry)),
            Some(_) => Err(Cause::UnknownEntry),
            None => Ok(None),
        }
    }

    /// Takes an entry out at once, durably before the answer.
    fn stop(
        &mut self,
        work: &mut Work,
        entry: Option<EntryId>,
        kind: impl Fn(&Content) -> bool,
    ) -> Result<EntryId, Stop> {
        let key = entry.map(|entry| (work.ue, entry)).ok_or(Cause::UnknownEntry)?;
        match self.table.get(key) {
            Some(record) if kind(&record.content) => {
                self.table.remove(key);
                work.changes.push(Change::Remove(key.0, key.1));
                Ok(key.1)
            }
            _ => Err(Cause::UnknownEntry.into()),
        }
    }

    /// The name of an entry: the earlier one, or one that neither is in use nor is being stored.
    pub(super) fn entry_for(&self, work: &Work, earlier: Option<EntryId>) -> Result<EntryId, Stop> {
        if let Some(entry) = earlier {
            return Ok(entry);
        }
        let (mut puts, mut names) = (0, Vec::new());
        for change in self.pending().chain(&work.changes).filter(|change| change.key().0 == work.ue) {
            puts += usize::from(matches!(change, Change::Put(_)));
            names.push(change.key().1);
        }
        names.extend(self.unsettled().filter(|(ue, _)| *ue == work.ue).map(|(_, entry)| *entry));
        let used = |entry: EntryId| self.table.get((work.ue, entry)).is_some() || names.contains(&entry);
        if self.table.of(work.ue).count() + puts >= self.config.limits.entries_per_ue {
            return Err(Cause::AuthorisationFailure.into());
        }
        let free = (1..=u16::MAX).filter_map(|number| EntryId::new(number).ok()).find(|entry| !used(*entry));
        free.ok_or(Stop::Busy)
    }

    fn new_code(&mut self, scope: Scope, id: &ApplicationId) -> Result<ApplicationCode, Stop> {
        let code = codes::code(self.config.plmn, scope, id, &self.draw_part()?);
        // Chance has it once in 2^88: try again then.
        if self.table.announcer(&code).is_some() { Err(Stop::Busy) } else { Ok(code) }
    }

    pub(super) fn new_restricted_code(&mut self) -> Result<RestrictedCode, Stop> {
        let code = RestrictedCode(self.draw_part()?);
        // Chance has it once in 2^64: try again then.
        if self.table.holder(code).is_some() { Err(Stop::Busy) } else { Ok(code) }
    }

    pub(super) fn new_keys(&mut self) -> Result<Keys, Stop> {
        let duck = match self.config.restricted.encrypted {
            Some(mask) => Some((self.draw()?.into(), mask)),
            None => None,
        };
        let (dusk, duik) = (self.draw()?.into(), self.draw()?.into());
        Ok(Keys(Material { dusk: Some(dusk), duik: Some(duik), duck }))
    }

    /// Octets bound to a number that is durable and never comes again: two draws differ even when the source of chance gives
    /// the same after every start.
    fn draw(&mut self) -> Result<[u8; 32], Stop> {
        match self.numbers.take() {
            Ok(number) => Ok(self.entropy.draw(number)),
            Err(_) => Err(Stop::Busy),
        }
    }

    fn draw_part<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let drawn = zeroize::Zeroizing::new(self.draw()?);
        let mut part = [0; N];
        part.iter_mut().zip(drawn.iter()).for_each(|(to, from)| *to = *from);
        Ok(part)
    }
}

pub(super) fn targets(container: Option<&Container>) -> Result<Vec<Rpauid>, Cause> {
    let container = container.ok_or(Cause::MissingContainer)?;
    let text = str::from_utf8(container.octets()).map_err(|_| Cause::InvalidContainer)?;
    let mut targets = Vec::new();
    for line in text.split('\n') {
        let target = Rpauid::new(line).map_err(|_| Cause::InvalidContainer)?;
        if targets.len() == MAX_TARGETS || targets.contains(&target) {
            return Err(Cause::InvalidContainer);
        }
        targets.push(target);
    }
    Ok(targets)
}
