//! Accounting data forwarding of the ProSe Function: takes lists of reports, checks their chains. TS 24.334 §10.3.2.1.3.

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::AccountingKey;
use zeroize::Zeroizing;

use super::log::Ticket;
use super::messages::{Accepted, Message, Rejected, ReportList, ReportListResponse, UsageCause};
use super::record::{Head, KeyName, Record};
use crate::pc3::{Error, Imsi};
use crate::prose_function::RequestId;

/// Keys of a UE that are kept: that of this session, and those of sessions whose answers the UE may not have heard. Ours.
const MOST_KEYS: usize = 4;

/// Whether reports need a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainPolicy {
    /// Own: what has none is refused.
    Required,
    /// As in the standard: what has none is taken, and proves nothing.
    Optional,
}

/// Settings.
#[derive(Debug, Clone, Copy)]
pub struct AdfConfig {
    /// Whether reports need a chain.
    pub chain: ChainPolicy,
    /// UEs whose chains are kept.
    pub ues: usize,
    /// Lists that wait for the store.
    pub waiting: usize,
}

/// What is durable of a UE.
#[derive(Debug)]
pub struct Account {
    /// Whose.
    pub ue: Imsi,
    /// Place of the next record.
    pub next: u64,
    /// The chain before it.
    pub head: Head,
    /// Keys of sessions, the last one first.
    pub keys: Vec<AccountingKey>,
    /// All that went before this time is reported, as far as the UE says.
    pub complete_until: UtcTime,
}

impl Account {
    fn first(ue: Imsi) -> Self {
        let (head, complete_until) = (Head::start(ue), UtcTime::from_millis(0));
        Self { ue, next: 0, head, keys: Vec::new(), complete_until }
    }

    /// A copy, with its keys.
    pub fn copy(&self) -> Self {
        let keys = self.keys.iter().map(|key| AccountingKey::from(*key.as_bytes())).collect();
        Self { keys, ..*self }
    }
}

/// What happened.
#[derive(Debug)]
pub enum AdfInput<'a> {
    /// A list came.
    Message {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// Who sent it, as the transport has proven.
        ue: Imsi,
        /// The accounting key of this session: of its Ks_NAF.
        session: AccountingKey,
        /// The body.
        body: &'a [u8],
    },
    /// What was taken is durable.
    Stored(Ticket),
    /// It could not be made durable.
    StoreFailed(Ticket),
}

/// For reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdfEvent {
    /// Records are taken.
    Taken {
        /// Whose.
        ue: Imsi,
        /// How many.
        records: usize,
        /// How many of them say that the UE lost one.
        lost: usize,
    },
    /// The chain does not fit: a record was changed, removed, added or moved, somewhere from here on.
    ChainBroken {
        /// Whose.
        ue: Imsi,
        /// From this place on.
        from: u64,
    },
    /// The records are chained under a key that nobody knows.
    UnknownKey {
        /// Whose.
        ue: Imsi,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum AdfOutput {
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// With what.
        body: Zeroizing<String>,
    },
    /// Refuse it: the body is no message (HTTP 400).
    Malformed {
        /// Which.
        request: RequestId,
        /// What is wrong with it.
        why: Error,
    },
    /// Refuse it for now (HTTP 503).
    Busy {
        /// Which.
        request: RequestId,
    },
    /// Make both durable, all or none, and hand back [`AdfInput::Stored`] or [`AdfInput::StoreFailed`]. The records are what
    /// charging data are made of.
    Store {
        /// To hand back.
        ticket: Ticket,
        /// In the place of the account before.
        account: Account,
        /// Records, each once.
        records: Vec<Record>,
    },
    /// For reports.
    Event(AdfEvent),
    /// Nothing more: wait for the next input.
    Wait,
}

/// A list that waits for the store.
struct Storing {
    ticket: Ticket,
    request: RequestId,
    account: Account,
    body: Zeroizing<String>,
    event: AdfEvent,
}

/// The accounting data forwarding of a ProSe Function.
pub struct Adf {
    config: AdfConfig,
    accounts: BTreeMap<Imsi, Account>,
    storing: Vec<Storing>,
    tickets: u64,
    outbox: VecDeque<AdfOutput>,
}

/// Why a list is not taken.
enum Stop {
    Cause(UsageCause, Option<AdfEvent>),
    Busy,
}

impl Adf {
    /// With the accounts that are durable.
    pub fn new(config: AdfConfig, accounts: Vec<Account>) -> Self {
        let accounts = accounts.into_iter().map(|account| (account.ue, account)).collect();
        Self { config, accounts, storing: Vec::new(), tickets: 0, outbox: VecDeque::new() }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: AdfInput<'_>) {
        match input {
            AdfInput::Message { now, request, ue, session, body } => match Message::from_xml(body) {
                Ok(Message::ReportList(list)) => {
                    let transaction = list.transaction;
                    match self.list((now, request, ue), session, list) {
                        Ok(()) => {}
                        Err(Stop::Busy) => self.outbox.push_back(AdfOutput::Busy { request }),
                        Err(Stop::Cause(cause, event)) => {
                            let rejected = Some(Rejected { transaction, cause });
                            let response = ReportListResponse { accepted: None, rejected };
                            let body = Message::Response(response).to_xml();
                            self.outbox.push_back(AdfOutput::Respond { request, body });
                            self.outbox.extend(event.map(AdfOutput::Event));
                        }
                    }
                }
                Ok(Message::Response(_)) => {
                    let message = "USAGE_INFORMATION_REPORT_LIST_RESPONSE".to_owned();
                    let why = Error::Unsupported { message };
                    self.outbox.push_back(AdfOutput::Malformed { request, why });
                }
                Err(why) => self.outbox.push_back(AdfOutput::Malformed { request, why }),
            },
            AdfInput::Stored(ticket) => {
                if let Some(at) = self.storing.iter().position(|storing| storing.ticket == ticket) {
                    let Storing { request, account, body, event, .. } = self.storing.remove(at);
                    self.accounts.insert(account.ue, account);
                    self.outbox.push_back(AdfOutput::Respond { request, body });
                    self.outbox.push_back(AdfOutput::Event(event));
                }
            }
            AdfInput::StoreFailed(ticket) => {
                if let Some(at) = self.storing.iter().position(|storing| storing.ticket == ticket) {
                    let request = self.storing.remove(at).request;
                    self.outbox.push_back(AdfOutput::Busy { request });
                }
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> AdfOutput {
        self.outbox.pop_front().unwrap_or(AdfOutput::Wait)
    }

    /// What is known of a UE.
    pub fn account(&self, ue: Imsi) -> Option<&Account> {
        self.accounts.get(&ue)
    }

    fn list(
        &mut self,
        (now, request, ue): (UtcTime, RequestId, Imsi),
        session: AccountingKey,
        list: ReportList,
    ) -> Result<(), Stop> {
        let refused = |cause| Err(Stop::Cause(cause, None));
        if list.ue != ue {
            return refused(UsageCause::AuthorisationFailure);
        }
        // One list of a UE at a time: the next one goes on from where this one ends.
        let is_full = !self.accounts.contains_key(&ue) && self.accounts.len() >= self.config.ues;
        let waits = self.storing.iter().any(|storing| storing.account.ue == ue);
        if is_full || waits || self.storing.len() >= self.config.waiting {
            return Err(Stop::Busy);
        }
        let mut account = self.accounts.get(&ue).map_or_else(|| Account::first(ue), Account::copy);
        account.keys.retain(|key| *key != session);
        account.keys.insert(0, session);
        account.keys.truncate(MOST_KEYS);
        let transaction = list.transaction;
        let records = match (list.chain, self.config.chain) {
            (Some(chain), _) => {
                let records: Option<Vec<Record>> =
                    list.reports.into_iter().map(super::messages::Report::record).collect();
                let Some(records) = records else { return refused(UsageCause::InvalidFormat) };
                chained(&mut account, records, chain.key, chain.head)?
            }
            (None, ChainPolicy::Required) => return refused(UsageCause::Unable),
            (None, ChainPolicy::Optional) => Vec::new(),
        };
        account.complete_until = account.complete_until.max(now);
        let lost = records.iter().filter(|record| record.content == super::Content::Lost).count();
        let event = AdfEvent::Taken { ue, records: records.len(), lost };
        let accepted = Some(Accepted { transaction });
        let body = Message::Response(ReportListResponse { accepted, rejected: None }).to_xml();
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.outbox.push_back(AdfOutput::Store { ticket, account: account.copy(), records });
        self.storing.push(Storing { ticket, request, account, body, event });
        Ok(())
    }
}

/// The records that are new, once the chain is right. A list that comes again, since its answer was lost, has none.
fn chained(
    account: &mut Account,
    records: Vec<Record>,
    name: KeyName,
    claimed: Head,
) -> Result<Vec<Record>, Stop> {
    let ue = account.ue;
    let stop = |event| Err(Stop::Cause(UsageCause::Unable, Some(event)));
    let broken = AdfEvent::ChainBroken { ue, from: account.next };
    let fresh: Vec<Record> = records.into_iter().filter(|record| record.seq >= account.next).collect();
    let Some(key) = account.keys.iter().find(|key| KeyName::of(key) == name) else {
        return stop(AdfEvent::UnknownKey { ue });
    };
    let (mut head, mut next) = (account.head, account.next);
    for record in &fresh {
        if record.seq != next {
            return stop(broken);
        }
        head = head.after(key, record);
        next += 1;
    }
    if head != claimed {
        return stop(broken);
    }
    (account.head, account.next) = (head, next);
    Ok(fresh)
}
