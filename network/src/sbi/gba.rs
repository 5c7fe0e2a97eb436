//! Nbsp_GBA: NAFs ask the BSF for keys. TS 29.309.
//!
//! ```text
//! POST /nbsp-gba/v1/bootstrapping-info-retrieval  BootstrappingInfoRequest -> Key  -> BootstrappingInfoResponse   (Zn)
//! POST /nbsp-gba/v1/push-info-retrieval           PushInfoRequest          -> Push -> PushInfoResponse            (Zpn)
//! ```
//!
//! `Key` goes to [`crate::bsf`], `Push` to [`crate::gba_push::bsf`]. The clauses of TS 29.309 with the causes of its errors were not read: those
//! here are the ones of TS 29.500 and TS 29.509 that say the same.
//!
//! Not there: user security settings (`gsIds`, which is passed over, `ussList`), GBA_U, public identities, `securityFeaturesRequest`.

use std::collections::VecDeque;

use serde_json::value::RawValue;
use sidelink_security::counter::UtcTime;

use super::common::{DateTime, Hex, HexKey, Name, Uint32};
use super::json::{Faults, Schema, from_text, objects};
use super::pending::Pending;
use super::problem::{Cause, Problem};
use super::target::{Target, not_found, post};
use super::{JSON, Request, RequestId, Response, ok, read};
use crate::aka::{Auts, Rand};
use crate::bsf::{KeyMaterial, KeyRefusal};
use crate::gba_push::Place;
use crate::gba_push::bsf::{self as push, Pushed};
use crate::hss::{self, Resynchronisation, Ticket};
use crate::identity::{self, BTid, Fqdn, Impi};

objects! {
    /// Name of a NAF, and what it is asked for.
    NafId {
        /// Its name.
        mandatory naf_fqdn: Fqdn = "nafFqdn";
        /// Ua security protocol identifier.
        mandatory ua_sec_prot_id: Hex<5> = "uaSecProtId";
    }

    /// A NAF asks for its key.
    BootstrappingInfoRequest {
        /// Of which bootstrapping.
        mandatory bt_id: BTid = "btId";
        /// For whom.
        mandatory naf_id: NafId = "nafId";
        /// Whether it knows GBA_U.
        optional gba_u_aware: bool = "gbaUAware";
        /// Which user security settings it wants.
        optional gs_ids: Vec<Uint32> = "gsIds";
    }

    /// It gets it.
    BootstrappingInfoResponse {
        /// Ks_NAF.
        mandatory me_key_material: HexKey = "meKeyMaterial";
        /// Until when it lives.
        optional key_expiry_time: DateTime = "keyExpiryTime";
        /// When it was bootstrapped.
        optional bootstrapping_info_creation_time: DateTime = "bootstrappingInfoCreationTime";
        /// How.
        optional gba_type: Name = "gbaType";
        /// Whose.
        optional impi: Impi = "impi";
    }

    /// A NAF wants a key pushed.
    PushInfoRequest {
        /// To whom.
        mandatory ue_id: Name = "ueId";
        /// What kind of identity that is.
        mandatory ue_id_type: UeIdType = "ueIdType";
        /// Which application of the card.
        mandatory uicc_app_label: Label = "uiccAppLabel";
        /// For whom.
        mandatory naf_id: NafId = "nafId";
        /// P-TID, which the NAF chooses.
        mandatory pt_id: Name = "ptId";
        /// Where the key comes to be.
        mandatory uicc_or_me: UiccOrMe = "uiccOrMe";
        /// Until when it is to live.
        mandatory requested_life_time: DateTime = "requestedLifeTime";
        /// Whether the private identity is wanted.
        optional private_id_request: bool = "privateIdRequest";
        /// Whether the NAF knows GBA_U.
        optional gba_u_aware: bool = "gbaUAware";
        /// Which user security settings it wants.
        optional gs_ids: Vec<Uint32> = "gsIds";
        /// After a synchronisation failure: AUTS.
        optional auts: Hex<14> = "auts";
        /// After a synchronisation failure: RAND.
        optional rand: Hex<16> = "rand";
        /// What the NAF can do.
        optional security_features_request: Vec<Name> = "securityFeaturesRequest";
    }

    /// It is.
    PushInfoResponse {
        /// Ks_NAF.
        mandatory me_key_material: HexKey = "meKeyMaterial";
        /// GPI, for the UE.
        mandatory gba_push_info: HexString = "gbaPushInfo";
        /// Until when the key lives.
        optional key_expiry_time: DateTime = "keyExpiryTime";
        /// How it was made.
        optional gba_type: Name = "gbaType";
        /// Whose it is, if that was asked.
        optional impi: Impi = "impi";
    }
}

/// Kinds of identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UeIdType {
    /// A public one.
    Public,
    /// A private one.
    Private,
}

/// Where a key comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UiccOrMe {
    /// In the terminal.
    GbaMe,
    /// On the card.
    GbaU,
}

/// An application of a card; may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(pub String);

/// Octets in hexadecimal digits, one or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexString(pub Vec<u8>);

macro_rules! words {
    ($($kind:ident { $($name:ident = $text:literal),* })*) => {$(
        impl Schema for $kind {
            fn read(json: &RawValue) -> Result<Self, Faults> {
                let of = |text: &str| match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                };
                from_text(json, of, concat!("one of", $(" ", $text),*))
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self { $(Self::$name => $text),* })
            }
        }
    )*};
}

words! {
    UeIdType { Public = "PUBLIC", Private = "PRIVATE" }
    UiccOrMe { GbaMe = "GBA_ME", GbaU = "GBA_U" }
}

impl Schema for Label {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let fits = |text: &str| (text.len() <= 255).then(|| Self(text.to_owned()));
        from_text(json, fits, "at most 255 octets")
    }
}

impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Schema for HexString {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let of = |text: &str| hex::decode(text).ok().filter(|octets| !octets.is_empty()).map(Self);
        from_text(json, of, "hexadecimal digits, two or more, an even number")
    }
}

impl serde::Serialize for HexString {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl Schema for BTid {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        from_text(
            json,
            |text| Self::new(text).ok(),
            "1 to 255 printable characters of ASCII, no blank, no quotation mark",
        )
    }
}

impl serde::Serialize for BTid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Schema for Impi {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        from_text(json, |text| Self::new(text).ok(), "user@realm")
    }
}

impl serde::Serialize for Impi {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<NafId> for identity::NafId {
    fn from(naf: NafId) -> Self {
        Self { fqdn: naf.naf_fqdn, protocol: naf.ua_sec_prot_id.0 }
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
        /// The request; the caller has authenticated the NAF that it names.
        http: &'a Request,
    },
    /// The BSF answered [`Output::Key`].
    Key {
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<KeyMaterial, KeyRefusal>,
    },
    /// It answered [`Output::Push`].
    Pushed {
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<Pushed, push::Refusal>,
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
    /// Ask [`crate::bsf`], and hand back [`Input::Key`].
    Key {
        /// To hand back.
        ticket: Ticket,
        /// Whose key.
        b_tid: BTid,
        /// For whom.
        naf_id: identity::NafId,
    },
    /// Ask [`crate::gba_push::bsf`], and hand back [`Input::Pushed`].
    Push(Box<push::Request>),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// What a request wants besides the key.
enum Wanted {
    Key,
    /// A GPI, with this private identity where that is asked.
    Push(Option<Impi>),
}

/// Nbsp_GBA of a BSF.
pub struct Gba {
    pending: Pending<Wanted>,
    outputs: VecDeque<Output>,
}

impl Default for Gba {
    fn default() -> Self {
        Self { pending: Pending::new(), outputs: VecDeque::new() }
    }
}

impl Gba {
    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Request { now, request, http } => {
                if let Err(problem) = self.request(now, request, http) {
                    self.respond(request, problem.respond());
                }
            }
            Input::Key { ticket, result } => {
                // One that came too late answers nothing.
                let Some((request, _)) = self.pending.take(ticket.0) else { return };
                self.respond(
                    request,
                    result.map_or_else(|why| refused(why).respond(), |key| bootstrapped(&key)),
                );
            }
            Input::Pushed { ticket, result } => {
                let Some((request, wanted)) = self.pending.take(ticket.0) else { return };
                let impi = if let Wanted::Push(impi) = wanted { impi } else { None };
                let response = match result {
                    Ok(made) => pushed(made, impi),
                    Err(why) => not_pushed(why).respond(),
                };
                self.respond(request, response);
            }
            Input::Tick { now } => {
                for (request, problem) in self.pending.expire(now) {
                    self.respond(request, problem.respond());
                }
            }
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.pending.next()))
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outputs.push_back(Output::Respond { request, response });
    }

    fn request(&mut self, now: UtcTime, request: RequestId, http: &Request) -> Result<(), Problem> {
        match Target::of(http)?.segments()[..] {
            ["bootstrapping-info-retrieval"] => {
                post(http)?;
                let asked: BootstrappingInfoRequest = read(http, JSON)?;
                self.pending.check()?;
                let ticket = Ticket(self.pending.keep(now, request, Wanted::Key));
                let naf_id = asked.naf_id.into();
                self.outputs.push_back(Output::Key { ticket, b_tid: asked.bt_id, naf_id });
            }
            ["push-info-retrieval"] => {
                post(http)?;
                self.push(now, request, read(http, JSON)?)?;
            }
            _ => return Err(not_found()),
        }
        Ok(())
    }

    fn push(&mut self, now: UtcTime, request: RequestId, asked: PushInfoRequest) -> Result<(), Problem> {
        if asked.ue_id_type == UeIdType::Public {
            return Err(Problem::new(Cause::NotImplemented, "public identities are not resolved here"));
        }
        let incorrect =
            |name, reason: &'static str| Problem::member(Cause::MandatoryIeIncorrect, name, reason);
        let impi = Impi::new(asked.ue_id.as_str())
            .map_err(|_| incorrect("ueId", "a private identity is user@realm"))?;
        let until = asked.requested_life_time.0.millis();
        let lifetime = until.checked_sub(now.millis()).filter(|lifetime| *lifetime > 0);
        let lifetime = lifetime.ok_or_else(|| incorrect("requestedLifeTime", "it is not in the future"))?;
        let resynchronisation = resynchronisation(&asked)?;
        self.pending.check()?;
        let wanted = asked.private_id_request.unwrap_or(false).then(|| impi.clone());
        let ticket = Ticket(self.pending.keep(now, request, Wanted::Push(wanted)));
        let naf_id: identity::NafId = asked.naf_id.into();
        self.outputs.push_back(Output::Push(Box::new(push::Request {
            ticket,
            naf: naf_id.fqdn.clone(),
            impi,
            label: asked.uicc_app_label.0,
            naf_id,
            p_tid: asked.pt_id.as_str().to_owned(),
            place: match asked.uicc_or_me {
                UiccOrMe::GbaMe => Place::Terminal,
                UiccOrMe::GbaU => Place::Card,
            },
            lifetime,
            resynchronisation,
        })));
        Ok(())
    }
}

/// RAND and AUTS come together.
fn resynchronisation(asked: &PushInfoRequest) -> Result<Option<Resynchronisation>, Problem> {
    match (asked.rand, asked.auts) {
        (Some(rand), Some(auts)) => Ok(Some(Resynchronisation { rand: Rand(rand.0), auts: Auts(auts.0) })),
        (None, None) => Ok(None),
        (rand, _) => {
            let name = if rand.is_none() { "rand" } else { "auts" };
            Err(Problem::member(Cause::MandatoryIeMissing, name, "rand and auts come together"))
        }
    }
}

fn bootstrapped(key: &KeyMaterial) -> Response {
    ok(&BootstrappingInfoResponse {
        me_key_material: HexKey::from(key.ks_naf.as_bytes()),
        key_expiry_time: Some(DateTime(key.expires)),
        bootstrapping_info_creation_time: Some(DateTime(key.created)),
        gba_type: Some(Name::of("3G_GBA")),
        impi: Some(key.impi.clone()),
    })
}

fn pushed(made: Pushed, impi: Option<Impi>) -> Response {
    ok(&PushInfoResponse {
        me_key_material: HexKey::from(made.ks_naf.as_bytes()),
        gba_push_info: HexString(made.gpi),
        key_expiry_time: Some(DateTime(made.expires)),
        gba_type: Some(Name::of("3G_GBA")),
        impi,
    })
}

fn refused(why: KeyRefusal) -> Problem {
    match why {
        KeyRefusal::UnknownBTid => Problem::new(Cause::ContextNotFound, why.to_string()),
        KeyRefusal::NotItsName => Problem::new(Cause::ModificationNotAllowed, why.to_string()),
    }
}

/// Why no key is pushed.
pub(super) fn not_pushed(why: push::Refusal) -> Problem {
    let detail = why.to_string();
    match why {
        push::Refusal::NotItsName => Problem::new(Cause::ModificationNotAllowed, detail),
        push::Refusal::Lifetime => Problem::member(Cause::MandatoryIeIncorrect, "requestedLifeTime", detail),
        push::Refusal::Place => Problem::new(Cause::NotImplemented, detail),
        push::Refusal::Gpi(_) => Problem::new(Cause::UnspecifiedMsgFailure, detail),
        push::Refusal::Hss(refusal) => no_vector(refusal),
        push::Refusal::TooOften => Problem::new(Cause::NfCongestionRisk, detail),
        push::Refusal::Late => Problem::new(Cause::UpstreamServerError, detail),
    }
}

/// Why the HSS gives no vector.
pub(super) fn no_vector(refusal: hss::Refusal) -> Problem {
    let cause = match refusal {
        hss::Refusal::Unknown => Cause::UserNotFound,
        hss::Refusal::TooOften => Cause::NfCongestionRisk,
        hss::Refusal::Auts => Cause::AuthenticationRejected,
        hss::Refusal::Busy | hss::Refusal::Store => Cause::NfCongestion,
        _ => Cause::AvGenerationProblem,
    };
    Problem::new(cause, refusal.to_string())
}

#[cfg(test)]
pub(in crate::sbi) mod tests;
