//! Requests that are made, answers that are read.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::Material;
use zeroize::Zeroizing;

use super::Pc3Client;
use super::io::{Allotment, Config, EndCause, Filter, Heard, Output, Query, Target, Wanted, WantedId};
use super::wanted::Entry;
use crate::pc3::filters::{QueryExtension, RestrictedFilter, RestrictedSecurity, Subquery};
use crate::pc3::match_report::{DiscoveredCode, MatchReport, MatchReports, RestrictedMatch};
use crate::pc3::request::{DiscoveryRequest, OpenRequest, RestrictedRequest};
use crate::pc3::response::DiscoveryResponse;
use crate::pc3::update::{DiscoveryUpdateResponse, UpdateInfo, UpdateReject, Updated};
use crate::pc3::{
    AnnouncingType, ApplicationCode, ApplicationId, Cause, Command, Container, DiscoveryType, EntryId,
    Extension, Message, MessageType, Minutes, Model, RestrictedCode, Rpauid, TransactionId,
};
use crate::prose_function::copy_material;

/// The transaction of the first report of a message; those behind it count down.
const REPORT: u8 = 255;

fn transaction(number: u8) -> Option<TransactionId> {
    TransactionId::new(number).ok()
}

/// DISCOVERY_REQUEST with one transaction, of the number of what is wanted.
pub(super) fn request(config: &Config, id: WantedId, entry: &Entry) -> Zeroizing<String> {
    let (mut open, mut restricted) = (Vec::new(), Vec::new());
    match &entry.wanted {
        Wanted::Announce(name) => open.extend(open_request(config, id, entry, (Command::Announce, name))),
        Wanted::Monitor(name) => open.extend(open_request(config, id, entry, (Command::Monitor, name))),
        Wanted::AnnounceRestricted => {
            restricted.extend(restricted_request(config, id, entry, (Command::Announce, &[])));
        }
        Wanted::MonitorRestricted(targets) => {
            restricted.extend(restricted_request(config, id, entry, (Command::Monitor, targets)));
        }
        Wanted::Answer => restricted.extend(restricted_request(config, id, entry, (Command::Response, &[]))),
        Wanted::Ask(targets) => {
            restricted.extend(restricted_request(config, id, entry, (Command::Query, targets)));
        }
    }
    Message::DiscoveryRequest(DiscoveryRequest { open, restricted, method: None }).to_xml()
}

fn open_request(
    config: &Config,
    id: WantedId,
    entry: &Entry,
    (command, application_id): (Command, &ApplicationId),
) -> Option<OpenRequest> {
    Some(OpenRequest {
        transaction: transaction(id.0)?,
        command,
        ue: config.ue,
        application_id: application_id.clone(),
        application: config.application.clone().into(),
        entry: entry.earlier(),
        requested_timer: None,
        metadata: None,
        announcing_plmn: (command == Command::Announce).then_some(config.plmn),
        extension: None,
        pc5: None,
    })
}

/// The container has the targets, an RPAUID a line: the form of our application server.
fn restricted_request(
    config: &Config,
    id: WantedId,
    entry: &Entry,
    (command, targets): (Command, &[Rpauid]),
) -> Option<RestrictedRequest> {
    let (model, names) = (model(command), targets.iter().map(Rpauid::as_str).collect::<Vec<_>>());
    let looks = matches!(command, Command::Monitor | Command::Query);
    let container = looks.then(|| Container::new(names.join("\n").as_bytes()).ok()).flatten();
    Some(RestrictedRequest {
        transaction: transaction(id.0)?,
        command,
        ue: config.ue,
        rpauid: config.rpauid.clone()?,
        application: config.application.clone().into(),
        discovery_type: DiscoveryType::Restricted,
        extension: (model == Model::A).then_some(Extension::Normal),
        announcing_type: (command == Command::Announce).then_some(AnnouncingType::Normal),
        container,
        model: Some(model),
        announcing_plmn: (command != Command::Monitor).then_some(config.plmn),
        entry: entry.earlier().or_else(|| EntryId::new(0).ok())?,
        requested_timer: None,
        pc5: None,
    })
}

const fn model(command: Command) -> Model {
    match command {
        Command::Query | Command::Response => Model::B,
        _ => Model::A,
    }
}

/// MATCH_REPORT with all of these, and the transaction of each code. Left out is what has a reserved message type, and what was heard by a
/// UE that monitors as nobody.
pub(super) fn report(config: &Config, heard: &[Heard]) -> (Zeroizing<String>, Vec<(u8, [u8; 23])>) {
    let (mut reports, mut codes) = (MatchReports { open: Vec::new(), restricted: Vec::new() }, Vec::new());
    for (number, heard) in (0..=REPORT).rev().zip(heard) {
        if report_one(config, number, heard, &mut reports).is_some() {
            codes.push((number, heard.code));
        }
    }
    (Message::MatchReport(reports).to_xml(), codes)
}

fn report_one(config: &Config, number: u8, heard: &Heard, reports: &mut MatchReports) -> Option<()> {
    let (code, message_type) = (ApplicationCode(heard.code), MessageType::new(heard.message_type).ok()?);
    match heard.target {
        Target::Open => reports.open.push(MatchReport {
            transaction: transaction(number)?,
            code,
            ue: config.ue,
            monitored_plmn: config.plmn,
            visited_plmn: None,
            mic: heard.mic,
            counter: heard.counter,
            wants_metadata: true,
            message_type: Some(message_type),
            pc5: None,
        }),
        Target::Restricted | Target::Answer => reports.restricted.push(RestrictedMatch {
            transaction: transaction(number)?,
            ue: config.ue,
            discovery_type: DiscoveryType::Restricted,
            application: config.application.clone().into(),
            rpauid: config.rpauid.clone()?,
            code: match heard.target {
                Target::Answer => DiscoveredCode::Response(RestrictedCode::of_air(&heard.code)?),
                _ => DiscoveredCode::Restricted(code),
            },
            mic: Some(heard.mic),
            message_type: Some(message_type),
            counter: Some(heard.counter),
            wants_metadata: false,
            pc5: None,
        }),
    }
    Some(())
}

fn after(now: UtcTime, minutes: Minutes) -> UtcTime {
    now.plus_millis(u64::from(minutes.value()) * 60_000)
}

fn filters(filters: Vec<RestrictedFilter>, now: UtcTime) -> Vec<Filter> {
    let filter = |filter: RestrictedFilter| Filter {
        rpauid: filter.rpauid.clone(),
        filters: filter.filters.clone(),
        reports: filter.mic_check == Some(true),
        until: after(now, filter.ttl),
        material: filter.into_material(),
    };
    filters.into_iter().map(filter).collect()
}

/// Keys of questions; where a ProSe Function has but the schema's one place, they are those of answers.
fn query_keys(extension: Option<RestrictedSecurity>, of_answers: &Material) -> Material {
    extension.map_or_else(|| copy_material(of_answers), RestrictedSecurity::into_material)
}

fn query(subquery: Subquery, now: UtcTime) -> Query {
    let material = subquery.security.map(RestrictedSecurity::into_material).unwrap_or_default();
    let extension = subquery.extension.unwrap_or(QueryExtension { security: None, mic_check: None });
    Query {
        code: subquery.query_code,
        sends: query_keys(extension.security, &material),
        answers: Filter {
            rpauid: subquery.rpauid.clone(),
            filters: subquery.response_filters,
            material,
            reports: extension.mic_check == Some(true),
            until: after(now, subquery.validity),
        },
        rpauid: subquery.rpauid,
    }
}

fn ends(filters: &[Filter]) -> Option<UtcTime> {
    filters.iter().map(|filter| filter.until).min()
}

impl Pc3Client {
    /// DISCOVERY_RESPONSE: the timers begin when it comes. TS 24.334 §6.2.2.4, §6.2.3.4.
    pub(super) fn allotted(&mut self, id: WantedId, response: DiscoveryResponse) {
        let (current_time, max_offset) = (response.current_time, Some(response.max_offset));
        self.outputs.push_back(Output::Clock { current_time, max_offset });
        if let Some(reject) = response.rejects.iter().find(|reject| reject.transaction.value() == id.0) {
            let why = EndCause::Rejected(reject.cause);
            self.entries[usize::from(id.0)].refused();
            return self.outputs.push_back(Output::Ended { id, why });
        }
        let now = self.now;
        match of_response(&self.entries[usize::from(id.0)].wanted, id, response, now) {
            Some((entry, allotment, until)) => {
                self.entries[usize::from(id.0)].holds(entry, until, now);
                self.outputs.push_back(Output::Allotted { id, entry, allotment, until });
            }
            None => {
                self.entries[usize::from(id.0)].failed(now, &self.config);
                self.outputs.push_back(Output::Malformed(None));
            }
        }
    }
}

/// What a response allots to this transaction.
fn of_response(
    wanted: &Wanted,
    id: WantedId,
    response: DiscoveryResponse,
    now: UtcTime,
) -> Option<(EntryId, Allotment, UtcTime)> {
    let ours = |transaction: TransactionId| transaction.value() == id.0;
    match wanted {
        Wanted::Announce(_) => {
            let found = response.announces.into_iter().find(|found| ours(found.transaction))?;
            let (code, until) = (*found.codes.first()?, after(now, found.validity?));
            Some((found.entry?, Allotment::Announce { code, key: Some(found.key?) }, until))
        }
        Wanted::Monitor(_) => {
            let found = response.monitors.into_iter().find(|found| ours(found.transaction))?;
            let until = found.filters.iter().map(|filter| after(now, filter.ttl)).min()?;
            Some((found.entry?, Allotment::Monitor(found.filters), until))
        }
        Wanted::AnnounceRestricted => {
            let found = response.restricted_announces.into_iter().find(|found| ours(found.transaction))?;
            let material = found.security.map(RestrictedSecurity::into_material).unwrap_or_default();
            let allotment = Allotment::AnnounceRestricted { code: found.code?, material: Some(material) };
            Some((found.entry, allotment, after(now, found.validity?)))
        }
        Wanted::MonitorRestricted(_) => {
            let found = response.restricted_monitors.into_iter().find(|found| ours(found.transaction))?;
            let filters = filters(found.filters, now);
            let until = ends(&filters)?;
            Some((found.entry, Allotment::MonitorRestricted(filters), until))
        }
        Wanted::Answer => {
            let found = response.discoverees.into_iter().find(|found| ours(found.transaction))?;
            let sends = found.security.map(RestrictedSecurity::into_material).unwrap_or_default();
            let receives = query_keys(found.extension.and_then(|e| e.security), &sends);
            let (code, queries) = (found.response_code, found.query_filters);
            let allotment = Allotment::Answer { code, sends, queries, receives };
            Some((found.entry, allotment, after(now, found.validity)))
        }
        Wanted::Ask(_) => {
            let found = response.discoverers.into_iter().find(|found| ours(found.transaction))?;
            let queries: Vec<_> = found.subqueries.into_iter().map(|found| query(found, now)).collect();
            let until = queries.iter().map(|query| query.answers.until).min()?;
            Some((found.entry, Allotment::Ask(queries), until))
        }
    }
}

/// What an update allots; none when it is not of this kind. TS 24.334 §6.2.6.
pub(super) fn updated(wanted: &Wanted, info: UpdateInfo, now: UtcTime) -> Option<(Allotment, UtcTime)> {
    match (wanted, info) {
        (Wanted::Announce(_), UpdateInfo::OpenAnnounce(update)) => {
            Some((Allotment::Announce { code: update.code, key: None }, after(now, update.validity)))
        }
        (Wanted::Monitor(_), UpdateInfo::OpenMonitor(update)) => {
            let until = update.filters.iter().map(|filter| after(now, filter.ttl)).min()?;
            Some((Allotment::Monitor(update.filters), until))
        }
        (Wanted::AnnounceRestricted, UpdateInfo::RestrictedAnnounce(update)) => {
            let allotment = Allotment::AnnounceRestricted { code: update.code, material: None };
            Some((allotment, after(now, update.validity)))
        }
        (Wanted::MonitorRestricted(_), UpdateInfo::RestrictedMonitor(update)) => {
            let filters = filters(update.filters, now);
            let until = ends(&filters)?;
            Some((Allotment::MonitorRestricted(filters), until))
        }
        _ => None,
    }
}

/// DISCOVERY_UPDATE_RESPONSE.
#[derive(Debug, Default)]
pub(super) struct UpdateAnswer {
    updated: Vec<Updated>,
    rejects: Vec<UpdateReject>,
}

impl UpdateAnswer {
    pub(super) fn done(&mut self, transaction: TransactionId, entry: EntryId) {
        self.updated.push(Updated { transaction, entry });
    }

    pub(super) fn unknown(&mut self, transaction: TransactionId) {
        self.rejects.push(UpdateReject { transaction, cause: Cause::UnknownEntry });
    }

    pub(super) fn into_xml(self) -> Zeroizing<String> {
        let Self { updated, rejects } = self;
        Message::DiscoveryUpdateResponse(DiscoveryUpdateResponse { updated, rejects }).to_xml()
    }
}
