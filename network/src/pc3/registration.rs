//! Registration of EPC-level discovery: a UE gets an EPC ProSe User ID, then registers a user of an application under it.
//! TS 24.334 §7.2.2, §7.2.3, §11.2.4.6 to §11.2.4.9.
//!
//! Own, in [`super::OWN_NAMESPACE`]: `binding-nonce` in the answer to a UE, `binding-token` in the registration of an
//! application. The schema leaves room for both; who does not know them passes them over. They prove what the standard leaves
//! open (TR 33.833 §5.2.6): that the UE and the user of the application are one.

use super::Error;
use super::element::Element;
use super::fields::{Value, records};
use super::identity::Imsi;
use super::request::ApplicationIdentity;
use super::values::{OutOfRange, Rpauid, TransactionId, choices, integer};
use crate::pc3::fields::Lexical;

/// Longest token.
pub const MAX_TOKEN: usize = 1024;

choices! {
    /// Why a registration is refused. TS 24.334 §12.3.2.5.
    EpcCause, "a cause, 1 to 10" {
        /// The application is not authorised.
        InvalidApplication = 1,
        /// The UE is not authorised.
        AuthorisationFailure = 2,
        /// The message is malformed.
        InvalidFormat = 3,
        /// The application is not registered.
        NotRegistered = 4,
        /// The range class is not allowed.
        RangeClass = 5,
        /// Proximity is unlikely within the time.
        Unlikely = 6,
        /// The targeted user has not registered the application.
        TargetNotRegistered = 7,
        /// The other side refuses.
        RejectedByTarget = 8,
        /// The application is disabled for a while.
        Disabled = 9,
        /// The application server does not know the user.
        InvalidUser = 10,
    }

    /// How messages that the ProSe Function begins reach the UE. TS 24.334 §12.3.2.14, §12.3.2.15.
    ServerMethod, "a method, 0 or 1" {
        /// By OMA Push alone.
        OmaPush = 0,
        /// By long polling.
        LongPolling = 1,
    }

    /// How near. TS 24.334 §12.3.2.8.
    RangeClass, "a range class, 1 to 5" {
        /// 50 m.
        Metres50 = 1,
        /// 100 m.
        Metres100 = 2,
        /// 200 m.
        Metres200 = 3,
        /// 500 m.
        Metres500 = 4,
        /// 1000 m.
        Metres1000 = 5,
    }
}

/// An EPC ProSe User ID. TS 23.003 §24.4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpcUserId(pub [u8; 4]);

/// An Application Layer User ID, a text of 1 to 255 octets (the schema has a string, the clause bits). TS 24.334 §12.3.2.4.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Rpauid);

impl UserId {
    /// Refused when too long, or with control characters.
    ///
    /// # Errors
    /// Not 1 to 255 octets of text.
    pub fn new(text: &str) -> Result<Self, OutOfRange> {
        let refused = OutOfRange { parameter: "UserId", expected: <Self as Lexical>::EXPECTED };
        let fits = Rpauid::new(text).map_err(|_| refused)?;
        if text.len() <= 255 { Ok(Self(fits)) } else { Err(refused) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Lexical for UserId {
    const EXPECTED: &'static str = "1 to 255 octets of text";

    fn from_text(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }

    fn to_text(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Binds a token to an EPC ProSe User ID: the ProSe Function makes one for each UE_REGISTRATION_RESPONSE. Own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BindingNonce(pub [u8; 16]);

/// What an application server gives a user that has logged in: its own proof, for later. Own.
#[derive(Clone, PartialEq, Eq)]
pub struct BindingToken(Vec<u8>);

impl BindingToken {
    /// From octets, 1 to [`MAX_TOKEN`].
    ///
    /// # Errors
    /// None, or too many.
    pub fn new(octets: &[u8]) -> Result<Self, OutOfRange> {
        let refused = OutOfRange { parameter: "a binding token", expected: "1 to 1024 octets" };
        if (1..=MAX_TOKEN).contains(&octets.len()) { Ok(Self(octets.to_vec())) } else { Err(refused) }
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for BindingToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "BindingToken({} octets)", self.0.len())
    }
}

/// Octets in `xs:hexBinary`, at most so many.
fn hex_octets(element: &Element, most: usize, expected: &'static str) -> Result<Vec<u8>, Error> {
    let text = element.text.trim();
    if !element.children.is_empty() || text.len() > 2 * most {
        return Err(Error::value(expected));
    }
    hex::decode(text).map_err(|_| Error::value(expected))
}

macro_rules! octets {
    ($($type:ident: $most:expr, $expected:literal, $from:expr, $octets:expr;)*) => {$(
        impl Value for $type {
            fn read(element: &Element) -> Result<Self, Error> {
                let octets = hex_octets(element, $most, $expected)?;
                let from: fn(&[u8]) -> Option<Self> = $from;
                from(&octets).ok_or(Error::value($expected))
            }

            fn write(&self, to: &mut Element) {
                let octets: fn(&Self) -> &[u8] = $octets;
                to.text = hex::encode_upper(octets(self)).into();
            }
        }
    )*};
}

octets! {
    EpcUserId: 4, "4 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    BindingNonce: 16, "16 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    BindingToken: MAX_TOKEN, "1 to 1024 octets", |o| Self::new(o).ok(), |s| &s.0;
}

records! {
    /// A UE asks for an EPC ProSe User ID.
    UeRegisterRequest {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Who asks.
        ue: Imsi = one "UE-identity",
        /// What it can do beside OMA Push.
        method: ServerMethod = one "method-for-server-initiated-transaction",
    }

    /// UE_REGISTRATION_REQUEST.
    UeRegistrationRequest {
        /// UEs: one.
        requests: Vec<UeRegisterRequest> = some "ue-registration-request",
    }

    /// A UE is registered.
    UeRegistered {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Its identity from now on.
        epc_user_id: EpcUserId = one "EPC-ProSe-User-ID",
        /// How it hears what the ProSe Function begins.
        method: ServerMethod = one "server-initiated-method-config",
        /// Own: what the token of an application has to hold.
        nonce: Option<BindingNonce> = maybe "own:binding-nonce",
    }

    /// A registration is refused.
    RegistrationReject {
        /// Which.
        transaction: TransactionId = one "transaction-ID",
        /// Why.
        cause: EpcCause = one "PC3-EPC-control-protocol-cause-value",
    }

    /// UE_REGISTRATION_RESPONSE.
    UeRegistrationResponse {
        /// Registered.
        registered: Vec<UeRegistered> = many "response-register",
        /// Refused.
        rejects: Vec<RegistrationReject> = many "response-reject",
    }

    /// A UE registers a user of an application.
    ApplicationRegisterRequest {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// Of which UE.
        epc_user_id: EpcUserId = one "EPC-ProSe-User-ID",
        /// Which application.
        application: ApplicationIdentity = one "application-identity",
        /// Which of its users.
        user: UserId = one "Application-Layer-User-ID",
        /// Own: that the user is the one of the UE.
        token: Option<BindingToken> = maybe "own:binding-token",
    }

    /// APPLICATION_REGISTRATION_REQUEST.
    ApplicationRegistrationRequest {
        /// Applications.
        requests: Vec<ApplicationRegisterRequest> = some "application-registration-request",
    }

    /// A user of an application is registered.
    ApplicationRegistered {
        /// Of which transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What may be asked for.
        ranges: Vec<RangeClass> = some "allowed-range-class",
    }

    /// APPLICATION_REGISTRATION_RESPONSE.
    ApplicationRegistrationResponse {
        /// Registered.
        registered: Vec<ApplicationRegistered> = many "response-register",
        /// Refused.
        rejects: Vec<RegistrationReject> = many "response-reject",
    }
}
