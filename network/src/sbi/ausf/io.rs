//! What goes into the AUSF and what comes out.

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::CpPruk;

use crate::hss::{EapAkaPrimeVector, Refusal, Resynchronisation, Ticket};
use crate::identity::Imsi;
use crate::panf::{self, Record};
use crate::sbi::{Request, RequestId, Response};

/// Settings of an AUSF.
pub struct Config {
    /// Where its links lead: scheme, host and port, without a slash at the end.
    pub api_root: String,
    /// MCC and MNC of its subscribers.
    pub home: (String, String),
    /// Networks that may ask, as `5G:mnc001.mcc001.3gppnetwork.org`.
    pub serving_networks: Vec<String>,
    /// Routing indicator of subscribers who were named by a SUPI.
    pub routing_indicator: String,
    /// How long an authentication may take, and its result be deleted, in milliseconds.
    pub lifetime: u64,
    /// Authentications, at most.
    pub contexts: usize,
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
    /// The HSS answered [`Output::Fetch`].
    Vector {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<EapAkaPrimeVector, Refusal>,
    },
    /// The anchor function answered [`Output::Retrieve`].
    Retrieved {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
        /// With what.
        key: Option<CpPruk>,
    },
    /// It answered [`Output::Register`].
    Registered {
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<(), panf::Refusal>,
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
    /// Ask the HSS for a vector of EAP-AKA', and hand back [`Input::Vector`].
    Fetch {
        /// To hand back.
        ticket: Ticket,
        /// Whose.
        imsi: Imsi,
        /// For which network.
        network_name: String,
        /// After a synchronisation failure.
        resynchronisation: Option<Resynchronisation>,
    },
    /// Ask the anchor function for a key, and hand back [`Input::Retrieved`].
    Retrieve {
        /// To hand back.
        ticket: Ticket,
        /// Its name.
        id: String,
        /// For which relay service.
        relay_service_code: [u8; 3],
    },
    /// Have the anchor function keep a key, and hand back [`Input::Registered`].
    Register {
        /// To hand back.
        ticket: Ticket,
        /// The key.
        record: Record,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}
