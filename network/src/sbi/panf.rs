//! Npanf: keys and names of the ProSe anchor function. TS 29.553.
//!
//! ```text
//! POST /npanf-prosekey/v1/prose-keys/register    ProseContextInfo -> 204
//! POST /npanf-prosekey/v1/prose-keys/retrieve    ProseKeyRequest  -> 200 ProseKeyResponse
//! POST /npanf-userid/v1/prose-resolution/get     ResolveReqData   -> 200 ResolveRspData
//! ```
//!
//! In front of [`crate::panf`], whose outputs the driver sees: what it stores, it hands back here.

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::CpPruk;

use super::common::{HexKey, PrukId5g, RelayServiceCode, Supi};
use super::json::objects;
use super::pending::Pending;
use super::problem::{Cause, Problem};
use super::target::{Api, Target, not_found, post};
use super::{JSON, Request, RequestId, Response, no_content, ok, read};
use crate::hss::Ticket;
use crate::panf::{self, Panf, Record, Refusal};

objects! {
    /// A key, and what it is for.
    ProseContextInfo {
        /// Whose.
        mandatory supi: Supi = "supi";
        /// CP-PRUK.
        mandatory pruk: HexKey = "5gPruk";
        /// Its name.
        mandatory pruk_id: PrukId5g = "5gPrukId";
        /// For which relay service.
        mandatory relay_service_code: RelayServiceCode = "relayServiceCode";
    }

    /// Which key is wanted.
    ProseKeyRequest {
        /// Its name.
        mandatory pruk_id: PrukId5g = "5gPrukId";
        /// For which relay service.
        mandatory relay_service_code: RelayServiceCode = "relayServiceCode";
    }

    /// A key.
    ProseKeyResponse {
        /// CP-PRUK.
        mandatory pruk: HexKey = "5gPruk";
    }

    /// Whose name.
    ResolveReqData {
        /// CP-PRUK ID.
        mandatory cp_pruk_id: PrukId5g = "cpPrukId";
    }

    /// Whose it is.
    ResolveRspData {
        /// Who.
        mandatory supi: Supi = "supi";
    }
}

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
    /// A function of this process registers a key without HTTP.
    Register {
        /// The time.
        now: UtcTime,
        /// To hand back, with [`Output::Registered`].
        ticket: Ticket,
        /// The key.
        record: Record,
    },
    /// The record of [`Output::Store`] is durable.
    Stored {
        /// Which.
        ticket: Ticket,
    },
    /// It could not be made durable.
    StoreFailed {
        /// Which.
        ticket: Ticket,
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
    /// Answer [`Input::Register`].
    Registered {
        /// Which.
        ticket: Ticket,
        /// Whether the key is durable.
        result: Result<(), Refusal>,
    },
    /// Make this durable in the place of what is stored for the same subscriber and service, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        record: Record,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// Who waits for a key to be durable.
enum Waiting {
    Http,
    Function(Ticket),
}

/// Npanf of a ProSe anchor function.
pub struct AnchorFunction {
    panf: Panf,
    pending: Pending<Waiting>,
    outputs: VecDeque<Output>,
}

impl AnchorFunction {
    /// In front of this one.
    pub const fn new(panf: Panf) -> Self {
        Self { panf, pending: Pending::new(), outputs: VecDeque::new() }
    }

    /// The key of this name, for this relay service.
    pub fn key(&self, id: &str, relay_service_code: [u8; 3]) -> Option<&CpPruk> {
        self.panf.key(id, relay_service_code)
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Request { now, request, http } => match self.request(now, request, http) {
                Ok(Some(response)) => self.respond(request, response),
                Ok(None) => {}
                Err(problem) => self.respond(request, problem.respond()),
            },
            Input::Register { now, ticket, record } => {
                // It has no request: the number stands for none.
                let own = self.pending.keep(now, RequestId(0), Waiting::Function(ticket));
                self.panf.handle_input(panf::Input::Register { ticket: Ticket(own), record });
            }
            Input::Stored { ticket } => self.panf.handle_input(panf::Input::Stored { ticket }),
            Input::StoreFailed { ticket } => self.panf.handle_input(panf::Input::StoreFailed { ticket }),
            // A store answers always: nothing is given up by time.
            Input::Tick { .. } => {}
        }
        self.settle();
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(None))
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outputs.push_back(Output::Respond { request, response });
    }

    fn settle(&mut self) {
        while let Some(output) = self.panf.poll_output() {
            match output {
                panf::Output::Store { ticket, record } => {
                    self.outputs.push_back(Output::Store { ticket, record });
                }
                panf::Output::Registered { ticket, result } => match self.pending.take(ticket.0) {
                    Some((request, Waiting::Http)) => {
                        let response = result.map_or_else(|why| refused(why).respond(), |()| no_content());
                        self.respond(request, response);
                    }
                    Some((_, Waiting::Function(ticket))) => {
                        self.outputs.push_back(Output::Registered { ticket, result });
                    }
                    None => {}
                },
            }
        }
    }

    fn request(
        &mut self,
        now: UtcTime,
        request: RequestId,
        http: &Request,
    ) -> Result<Option<Response>, Problem> {
        let unknown =
            || Problem::new(Cause::ContextNotFound, "no key has this name, or not for this relay service");
        match (Api::of_request(http)?, &Target::of(http)?.segments()[..]) {
            (Api::NpanfProseKey, ["prose-keys", "register"]) => {
                post(http)?;
                let record = record(read(http, JSON)?)?;
                self.pending.check()?;
                let ticket = Ticket(self.pending.keep(now, request, Waiting::Http));
                self.panf.handle_input(panf::Input::Register { ticket, record });
                Ok(None)
            }
            (Api::NpanfProseKey, ["prose-keys", "retrieve"]) => {
                post(http)?;
                let asked: ProseKeyRequest = read(http, JSON)?;
                let key =
                    self.panf.key(asked.pruk_id.as_str(), asked.relay_service_code.0).ok_or_else(unknown)?;
                Ok(Some(ok(&ProseKeyResponse { pruk: HexKey::from(key.as_bytes()) })))
            }
            (Api::NpanfUserId, ["prose-resolution", "get"]) => {
                post(http)?;
                let asked: ResolveReqData = read(http, JSON)?;
                let imsi = self.panf.imsi(asked.cp_pruk_id.as_str()).ok_or_else(unknown)?;
                Ok(Some(ok(&ResolveRspData { supi: Supi::of(imsi) })))
            }
            _ => Err(not_found()),
        }
    }
}

fn record(info: ProseContextInfo) -> Result<Record, Problem> {
    let not_served =
        || Problem::member(Cause::MandatoryIeIncorrect, "supi", "only imsi- and its digits are served here");
    Ok(Record {
        id: info.pruk_id.as_str().to_owned(),
        imsi: info.supi.imsi().ok_or_else(not_served)?,
        relay_service_code: info.relay_service_code.0,
        cp_pruk: CpPruk::from(*info.pruk.octets()),
    })
}

fn refused(why: Refusal) -> Problem {
    let cause = match why {
        Refusal::Taken => Cause::ModificationNotAllowed,
        Refusal::Full | Refusal::Store => Cause::NfCongestion,
    };
    Problem::new(cause, why.to_string())
}

#[cfg(test)]
pub(in crate::sbi) mod tests;
