//! N5g-ddnmf_Discovery: the discovery functions of other networks ask this one's. TS 29.555.
//!
//! ```text
//! PUT   /n5g-ddnmf-disc/v1/{ueId}/announce-authorize/{discEntryId}  AnnounceAuthData   -> 201 AnnounceAuthData, 204
//! PATCH                                                             AnnounceUpdateData -> 204
//! PUT   /n5g-ddnmf-disc/v1/{ueId}/monitor-authorize/{discEntryId}   MonitorAuthReqData -> 201 MonitorAuthRespData, 204
//! PATCH                                                             MonitorUpdateData  -> 204
//! POST  /n5g-ddnmf-disc/v1/{ueId}/match-report                      MatchReportReqData -> 200 MatchReportRespData
//! ```
//!
//! In front of [`crate::prose_function`]: what it says of its codes is what other networks are told. What they were told is remembered here
//! until it ends, in memory alone: after a crash a network that changes it hears 404, and asks anew. The form of codes is ours,
//! hexadecimal digits: the schema has strings. So is that an `appId` is the application's own name (`OS App ID` of TS 24.334).
//!
//! Not there: discovery-authorize (model B), prefixes and suffixes of codes, callbacks (`onMatchInformation`,
//! `onMonitorUpdateResult`), updates of restricted monitors, `targetPduid` (it is read, and counts for nothing).

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;

use super::common::{DateTime, Name, VarUeId};
use super::json::missing;
use super::pending::Pending;
use super::problem::{Cause, Problem};
use super::target::{Target, encoded, not_found};
use super::{JSON, MERGE_PATCH_JSON, Request, RequestId, Response, created, no_content, ok, read};
use crate::hss::Ticket;
use crate::pc3;
use crate::prose_function::{NotTold, Query, Told};

/// Authorisations that are remembered, at most.
const MOST_ENTRIES: usize = 10_000;

mod schema;

pub use schema::{
    AnnounceAuthData, AnnounceDiscDataForOpen, AnnounceDiscDataForRestricted, AnnounceUpdateData, AppId,
    AppName, Code, DiscoveryType, MatchReportReqData, MatchReportRespData, MonitorAuthDataForOpen,
    MonitorAuthDataForRestricted, MonitorAuthReqData, MonitorAuthRespData, MonitorDiscDataForOpen,
    MonitorDiscDataForRestricted, MonitorUpdateData, MonitorUpdateDataForOpen, Ttl, UserId,
};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A request came.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        request: RequestId,
        /// The request; the caller has authenticated who asks.
        http: &'a Request,
    },
    /// The ProSe Function answered [`Output::Ask`].
    Told {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
        /// With what.
        told: Result<Told, NotTold>,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// With what.
        response: Response,
    },
    /// Ask the ProSe Function, and hand back [`Input::Told`].
    Ask {
        /// To hand back.
        ticket: Ticket,
        /// What.
        query: Query,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// An authorisation: of what kind, of whom, its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    kind: Kind,
    ue: VarUeId,
    id: Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Announce,
    Monitor,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "announce-authorize",
            Self::Monitor => "monitor-authorize",
        }
    }
}

/// What waits for the ProSe Function.
enum Waiting {
    Announce(Entry, Box<AnnounceAuthData>),
    Monitor(Entry),
    Match,
}

/// N5g-ddnmf_Discovery of a ProSe Function.
pub struct Ddnmf {
    api_root: String,
    entries: BTreeMap<Entry, (DiscoveryType, UtcTime)>,
    pending: Pending<Waiting>,
    outputs: VecDeque<Output>,
}

impl Ddnmf {
    /// Without authorisations; its links lead to `api_root`.
    pub const fn new(api_root: String) -> Self {
        Self { api_root, entries: BTreeMap::new(), pending: Pending::new(), outputs: VecDeque::new() }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Request { now, request, http } => {
                self.entries.retain(|_, (_, until)| *until > now);
                match self.request(now, request, http) {
                    Ok(Some(response)) => self.respond(request, response),
                    Ok(None) => {}
                    Err(problem) => self.respond(request, problem.respond()),
                }
            }
            Input::Told { now, ticket, told } => {
                // One that came too late answers nothing.
                let Some((request, waiting)) = self.pending.take(ticket.0) else { return };
                let response = match told {
                    Ok(told) => self.told(now, waiting, told),
                    Err(why) => Err(refused(why)),
                };
                self.respond(request, response.unwrap_or_else(|problem| problem.respond()));
            }
            Input::Tick { now } => {
                self.entries.retain(|_, (_, until)| *until > now);
                for (request, problem) in self.pending.expire(now) {
                    self.respond(request, problem.respond());
                }
            }
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let entries = self.entries.values().map(|(_, until)| *until);
        Output::Timeout(entries.chain(self.pending.next()).min())
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outputs.push_back(Output::Respond { request, response });
    }

    fn request(
        &mut self,
        now: UtcTime,
        request: RequestId,
        http: &Request,
    ) -> Result<Option<Response>, Problem> {
        let (query, waiting) = match &Target::of(http)?.segments()[..] {
            [ue, "announce-authorize", id] => {
                let entry = entry(Kind::Announce, ue, id)?;
                match http.method().as_str() {
                    "PUT" => announce(now, entry, read(http, JSON)?)?,
                    "PATCH" => {
                        return self.update_announce(now, &entry, &read(http, MERGE_PATCH_JSON)?).map(Some);
                    }
                    _ => return Err(Problem::method("PUT, PATCH")),
                }
            }
            [ue, "monitor-authorize", id] => {
                let entry = entry(Kind::Monitor, ue, id)?;
                match http.method().as_str() {
                    "PUT" => monitor(entry, read(http, JSON)?)?,
                    "PATCH" => {
                        return self.update_monitor(now, &entry, &read(http, MERGE_PATCH_JSON)?).map(Some);
                    }
                    _ => return Err(Problem::method("PUT, PATCH")),
                }
            }
            [ue, "match-report"] => {
                super::target::post(http)?;
                ue_id(ue)?;
                (matches(read(http, JSON)?)?, Waiting::Match)
            }
            [_, "discovery-authorize", _] => {
                return Err(Problem::new(Cause::NotImplemented, "model B is not there"));
            }
            _ => return Err(not_found()),
        };
        self.pending.check()?;
        let is_full = self.entries.len() >= MOST_ENTRIES;
        if let Waiting::Announce(entry, _) | Waiting::Monitor(entry) = &waiting
            && is_full
            && !self.entries.contains_key(entry)
        {
            return Err(Problem::new(Cause::NfCongestion, "too many authorisations are remembered"));
        }
        let ticket = Ticket(self.pending.keep(now, request, waiting));
        self.outputs.push_back(Output::Ask { ticket, query });
        Ok(None)
    }

    fn told(&mut self, now: UtcTime, waiting: Waiting, told: Told) -> Result<Response, Problem> {
        match (waiting, told) {
            (Waiting::Announce(entry, mut data), Told::Announce { valid_until }) => {
                let (disc_type, time) = validity(&mut data)?;
                time.0 = time.0.min(valid_until);
                let until = time.0;
                self.keep(entry, disc_type, until, &*data)
            }
            (Waiting::Monitor(entry), Told::Filters { codes, masks, ttl }) => {
                let until = now.plus_millis(u64::from(ttl.value()) * 60_000);
                let open = MonitorAuthDataForOpen {
                    prose_app_codes: Some(codes.into_iter().map(Code).collect()),
                    prose_app_masks: masks.into_iter().map(Code).collect(),
                    ttl: Ttl(ttl.value()),
                };
                let data = MonitorAuthRespData { open: Some(open), restricted: None };
                self.keep(entry, DiscoveryType::Open, until, &data)
            }
            (Waiting::Monitor(entry), Told::User { code, valid_until }) => {
                let code = Name::new(&hex::encode(code.0));
                let prose_restricted_code =
                    code.ok_or_else(|| Problem::new(Cause::SystemFailure, "a code cannot be written"))?;
                let restricted = MonitorAuthDataForRestricted {
                    prose_restricted_code,
                    validity_time: DateTime(valid_until),
                };
                let data = MonitorAuthRespData { open: None, restricted: Some(restricted) };
                self.keep(entry, DiscoveryType::Restricted, valid_until, &data)
            }
            (Waiting::Match, Told::Matches { ids, valid_until, metadata, index_mask }) => {
                let meta_data = metadata.and_then(|metadata| Name::new(&metadata.to_string()));
                Ok(ok(&MatchReportRespData {
                    prose_app_id_names: Some(ids.into_iter().map(AppId).collect()),
                    validity_time: Some(DateTime(valid_until)),
                    meta_data_index_masks: meta_data.is_some().then(|| vec![Code(index_mask)]),
                    meta_data,
                }))
            }
            _ => Err(Problem::new(Cause::SystemFailure, "the ProSe Function answered something else")),
        }
    }

    /// 201 for a new authorisation, 204 for one that was there.
    fn keep(
        &mut self,
        entry: Entry,
        disc_type: DiscoveryType,
        until: UtcTime,
        document: &impl serde::Serialize,
    ) -> Result<Response, Problem> {
        let (ue, id) = (encoded(entry.ue.as_str()), encoded(entry.id.as_str()));
        let location = format!("{}/n5g-ddnmf-disc/v1/{ue}/{}/{id}", self.api_root, entry.kind.as_str());
        Ok(match self.entries.insert(entry, (disc_type, until)) {
            None => created(JSON, &location, document),
            Some(_) => no_content(),
        })
    }

    fn update_announce(
        &mut self,
        now: UtcTime,
        entry: &Entry,
        data: &AnnounceUpdateData,
    ) -> Result<Response, Problem> {
        self.update(now, entry, data.disc_type, data.validity_time.0)
    }

    fn update_monitor(
        &mut self,
        now: UtcTime,
        entry: &Entry,
        data: &MonitorUpdateData,
    ) -> Result<Response, Problem> {
        if data.disc_type == DiscoveryType::Restricted {
            return Err(Problem::new(Cause::NotImplemented, "restricted monitors are not updated here"));
        }
        let lacks = || Problem::members(missing("openUpdateData", "an update of an open monitor has it"));
        let open = data.open.as_ref().ok_or_else(lacks)?;
        self.update(now, entry, data.disc_type, now.plus_millis(u64::from(open.ttl.0) * 60_000))
    }

    /// Until another time: it may become shorter; for longer the ProSe Function is to be asked, by PUT.
    fn update(
        &mut self,
        now: UtcTime,
        entry: &Entry,
        disc_type: DiscoveryType,
        until: UtcTime,
    ) -> Result<Response, Problem> {
        let found = self.entries.get_mut(entry);
        let unknown =
            || Problem::new(Cause::ContextNotFound, "there is no such authorisation, or not any more");
        let (of, kept) = found.ok_or_else(unknown)?;
        if *of != disc_type {
            let reason = "the authorisation is of the other discovery type";
            return Err(Problem::member(Cause::MandatoryIeIncorrect, "discType", reason));
        }
        if until > *kept {
            return Err(Problem::new(Cause::ModificationNotAllowed, "to go on for longer, ask anew by PUT"));
        }
        if until <= now {
            self.entries.remove(entry);
        } else {
            *kept = until;
        }
        Ok(no_content())
    }
}

fn ue_id(text: &str) -> Result<VarUeId, Problem> {
    VarUeId::new(text).ok_or_else(|| Problem::path("ueId", "a SUPI or a GPSI"))
}

fn entry(kind: Kind, ue: &str, id: &str) -> Result<Entry, Problem> {
    let id = Name::new(id).ok_or_else(|| Problem::path("discEntryId", "1 to 255 octets"))?;
    Ok(Entry { kind, ue: ue_id(ue)?, id })
}

/// The time of an announcement.
fn validity(data: &mut AnnounceAuthData) -> Result<(DiscoveryType, &mut DateTime), Problem> {
    let lacks = |name| Problem::members(missing(name, "it belongs to this discovery type"));
    let time = match data.disc_type {
        DiscoveryType::Open => &mut data.open.as_mut().ok_or_else(|| lacks("openDiscData"))?.validity_time,
        DiscoveryType::Restricted => {
            &mut data.restricted.as_mut().ok_or_else(|| lacks("restrictedDiscData"))?.validity_time
        }
    };
    Ok((data.disc_type, time))
}

fn announce(now: UtcTime, entry: Entry, mut data: AnnounceAuthData) -> Result<(Query, Waiting), Problem> {
    let (_, time) = validity(&mut data)?;
    if time.0 <= now {
        return Err(Problem::member(Cause::MandatoryIeIncorrect, "validityTime", "it is not in the future"));
    }
    let query = match (&data.open, &data.restricted) {
        (Some(open), _) if data.disc_type == DiscoveryType::Open => {
            Query::Announce(open.prose_app_id.0.clone())
        }
        (_, Some(restricted)) => Query::AnnounceAs(restricted.app_id.0.clone()),
        _ => return Err(not_found()),
    };
    Ok((query, Waiting::Announce(entry, Box::new(data))))
}

fn monitor(entry: Entry, data: MonitorAuthReqData) -> Result<(Query, Waiting), Problem> {
    let lacks = |name| Problem::members(missing(name, "it belongs to this discovery type"));
    let query = match data.disc_type {
        DiscoveryType::Open => {
            let open = data.open.ok_or_else(|| lacks("openDiscData"))?;
            Query::Monitor(open.prose_app_id_names.into_iter().map(|id| id.0).collect())
        }
        DiscoveryType::Restricted => {
            let restricted = data.restricted.ok_or_else(|| lacks("restrictedDiscData"))?;
            Query::MonitorUser {
                target: restricted.target_rpauid.0,
                watcher: restricted.rpauid.0,
                application: restricted.app_id.0,
            }
        }
    };
    Ok((query, Waiting::Monitor(entry)))
}

fn matches(data: MatchReportReqData) -> Result<Query, Problem> {
    if data.disc_type == DiscoveryType::Restricted {
        let reason = "the schema has no codes of restricted discovery: only OPEN is reported";
        return Err(Problem::member(Cause::MandatoryIeIncorrect, "discType", reason));
    }
    let lacks = || Problem::members(missing("proseAppCodes", "it says what was heard"));
    let codes = data.prose_app_codes.ok_or_else(lacks)?;
    Ok(Query::Match(codes.into_iter().map(|code| code.0).collect()))
}

fn refused(why: NotTold) -> Problem {
    let cause = match why {
        NotTold::TooMany => Cause::NfCongestionRisk,
        NotTold::Cause(pc3::Cause::NoValidCode | pc3::Cause::UnknownApplicationCode) => {
            Cause::ContextNotFound
        }
        NotTold::Cause(pc3::Cause::InvalidApplication | pc3::Cause::UnknownApplicationId) => {
            Cause::UnauthorizedApplication
        }
        NotTold::Cause(_) => Cause::ProseServiceUnauthorized,
    };
    Problem::new(cause, why.to_string())
}

#[cfg(test)]
pub(in crate::sbi) mod tests;
