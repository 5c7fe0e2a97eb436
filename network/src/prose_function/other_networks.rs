//! What the functions of other networks ask: whom may their UEs monitor here, what did they hear, may they announce here. TS 29.555,
//! in LTE PC6 and PC7.
//!
//! A UE of another network is authorised by its own: no subscription is asked for. Codes are told, keys are not.

use super::codes;
use super::config::{Application, Role};
use super::table::Content;
use super::{ProseFunction, RequestId};
use crate::pc3::{ApplicationCode, ApplicationId, Cause, Metadata, Minutes, OsAppId, RestrictedCode, Rpauid};
use sidelink_security::counter::UtcTime;

/// What another network asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// May a UE announce this here?
    Announce(ApplicationId),
    /// May a UE announce itself as this user here?
    AnnounceAs(OsAppId),
    /// Which codes announce these?
    Monitor(Vec<ApplicationId>),
    /// Which code announces a user?
    MonitorUser {
        /// Whom.
        target: Rpauid,
        /// Who wants to.
        watcher: Rpauid,
        /// For which application.
        application: OsAppId,
    },
    /// What do these codes stand for?
    Match(Vec<ApplicationCode>),
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The UE may announce, so long at most.
    Announce {
        /// Until when.
        valid_until: UtcTime,
    },
    /// Codes, each with its mask.
    Filters {
        /// Codes.
        codes: Vec<ApplicationCode>,
        /// Masks.
        masks: Vec<ApplicationCode>,
        /// How long they serve.
        ttl: Minutes,
    },
    /// The code of a user.
    User {
        /// The code.
        code: RestrictedCode,
        /// Until when it counts.
        valid_until: UtcTime,
    },
    /// What codes stand for.
    Matches {
        /// Names, in the order of the codes.
        ids: Vec<ApplicationId>,
        /// Until when all of them count.
        valid_until: UtcTime,
        /// Metadata, of a single code.
        metadata: Option<Metadata>,
        /// The mask of the metadata index.
        index_mask: ApplicationCode,
    },
}

/// Why it is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTold {
    /// The request makes no sense here.
    Cause(Cause),
    /// More requests than all together may make.
    TooMany,
}

impl core::fmt::Display for NotTold {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Cause(cause) => write!(f, "the ProSe Function refuses: {cause:?}"),
            Self::TooMany => f.write_str("too many requests: try again later"),
        }
    }
}

impl std::error::Error for NotTold {}

impl From<Cause> for NotTold {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl ProseFunction {
    pub(super) fn other_network(&mut self, request: RequestId, query: &Query) {
        let told = if self.bucket.take(self.now) { self.tell(query) } else { Err(NotTold::TooMany) };
        self.outbox.push_back(super::Output::Tell { request, told });
    }

    fn tell(&self, query: &Query) -> Result<Told, NotTold> {
        let validity = self.now.plus_millis(u64::from(self.config.validity.value()) * 60_000);
        match query {
            Query::Announce(id) => {
                self.scope(id)?;
                Ok(Told::Announce { valid_until: validity })
            }
            Query::AnnounceAs(application) => {
                self.application(application, Role::RestrictedAnnounce)?;
                Ok(Told::Announce { valid_until: validity })
            }
            Query::Monitor(ids) => self.codes_of(ids),
            Query::MonitorUser { target, watcher, application } => {
                let application = self.application(application, Role::RestrictedMonitor)?;
                if !self.is_permitted(target, watcher) {
                    return Err(Cause::InvalidTarget.into());
                }
                self.user(target, &application)
            }
            Query::Match(codes) => self.matches(codes),
        }
    }

    fn application(&self, name: &OsAppId, role: Role) -> Result<Application, Cause> {
        let known = self.config.applications.iter().find(|(a, r)| a.os_app_id == *name && *r == role);
        known.map(|(application, _)| application.clone()).ok_or(Cause::InvalidApplication)
    }

    fn codes_of(&self, ids: &[ApplicationId]) -> Result<Told, NotTold> {
        let (mut codes, mut masks) = (Vec::new(), Vec::new());
        for id in ids {
            let scope = self.scope(id)?;
            let valid = self.table.announcers(id).find(|record| record.valid_until > self.now);
            if let Some(Content::OpenAnnounce { code, .. }) = valid.map(|record| &record.content) {
                codes.push(*code);
                masks.push(codes::mask(scope));
            }
        }
        if codes.is_empty() {
            return Err(Cause::NoValidCode.into());
        }
        Ok(Told::Filters { codes, masks, ttl: self.config.ttl })
    }

    fn user(&self, target: &Rpauid, application: &Application) -> Result<Told, NotTold> {
        let found = self.table.announcers_as(target).find_map(|record| match &record.content {
            Content::RestrictedAnnounce { application: of, code, .. }
                if of == application && record.valid_until > self.now =>
            {
                Some(Told::User { code: *code, valid_until: record.valid_until })
            }
            _ => None,
        });
        found.ok_or_else(|| Cause::NoValidCode.into())
    }

    fn matches(&self, codes: &[ApplicationCode]) -> Result<Told, NotTold> {
        let (mut ids, mut until, mut metadata) = (Vec::new(), None::<UtcTime>, None);
        for code in codes {
            let record = self.table.announcer(code).filter(|record| record.valid_until > self.now);
            let record = record.ok_or(Cause::UnknownApplicationCode)?;
            let Content::OpenAnnounce { application_id, metadata: of, .. } = &record.content else {
                return Err(Cause::UnknownApplicationCode.into());
            };
            ids.push(application_id.clone());
            until = Some(until.map_or(record.valid_until, |until| until.min(record.valid_until)));
            metadata = of.clone();
        }
        let valid_until = until.ok_or(Cause::UnknownApplicationCode)?;
        let metadata = metadata.filter(|_| codes.len() == 1);
        Ok(Told::Matches { ids, valid_until, metadata, index_mask: codes::index_mask() })
    }
}
