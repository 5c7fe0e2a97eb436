//! The UE's end of the registration of EPC-level discovery. TS 24.334 §7.2.2, §7.2.3.
//!
//! ```text
//!   Register -> Request (UE_REGISTRATION_REQUEST) -> identity, nonce
//!            -> WantToken: the application logs in and asks its server -> Token
//!            -> Request (APPLICATION_REGISTRATION_REQUEST) -> Registered, or Failed
//! ```
//!
//! Where the ProSe Function gives no nonce, no token is asked for: the registration of the standard. One registration at a
//! time; another one waits for it. A request without an answer is tried again by whoever drives this ([`Failure::Lost`]).

use std::collections::VecDeque;

use zeroize::Zeroizing;

use crate::pc3::registration::{
    ApplicationRegisterRequest, ApplicationRegistrationRequest, BindingNonce, BindingToken, EpcCause,
    EpcUserId, RangeClass, ServerMethod, UeRegisterRequest, UeRegistrationRequest, UserId,
};
use crate::pc3::{Imsi, Message, TransactionId};
use crate::prose_function::{Application, RequestId};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The user wants EPC-level discovery for an application.
    Register {
        /// Which application.
        application: Application,
        /// As whom.
        user: UserId,
    },
    /// The ProSe Function answered (HTTP 200).
    Response {
        /// Which request.
        request: RequestId,
        /// The body.
        body: &'a [u8],
    },
    /// It did not answer, or refused (HTTP).
    NoAnswer {
        /// Which request.
        request: RequestId,
    },
    /// The application server gave a token.
    Token(BindingToken),
    /// It gives none.
    NoToken,
}

/// Why a registration failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No answer.
    Lost,
    /// An answer that is none of this request.
    Malformed,
    /// The ProSe Function refuses.
    Rejected(EpcCause),
    /// The application server gives no token.
    NoToken,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the ProSe Function.
    Request {
        /// For the answer.
        request: RequestId,
        /// The body.
        body: Zeroizing<String>,
    },
    /// Let the application log in and ask its server for a token.
    WantToken {
        /// Which application.
        application: Application,
        /// For which user.
        user: UserId,
        /// For which registration.
        nonce: BindingNonce,
    },
    /// A user is registered.
    Registered {
        /// Of which application.
        application: Application,
        /// The user.
        user: UserId,
        /// Under which identity.
        epc_user_id: EpcUserId,
        /// What it may ask for.
        ranges: Vec<RangeClass>,
    },
    /// A registration failed.
    Failed {
        /// Of which application.
        application: Application,
        /// Why.
        why: Failure,
    },
    /// Nothing more: wait for the next input.
    Wait,
}

/// How far a registration is.
enum Step {
    /// UE_REGISTRATION_REQUEST is under way.
    Ue(RequestId),
    /// The application asks for a token.
    Token(EpcUserId),
    /// APPLICATION_REGISTRATION_REQUEST is under way.
    Application(RequestId, EpcUserId),
}

/// The UE's end.
pub struct EpcClient {
    ue: Imsi,
    now: Option<(Application, UserId, Step)>,
    waiting: VecDeque<(Application, UserId)>,
    next: u64,
    outbox: VecDeque<Output>,
}

impl EpcClient {
    /// Of a UE that is registered nowhere.
    pub const fn new(ue: Imsi) -> Self {
        Self { ue, now: None, waiting: VecDeque::new(), next: 0, outbox: VecDeque::new() }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Register { application, user } => self.waiting.push_back((application, user)),
            Input::Response { request, body } => self.response(request, body),
            Input::NoAnswer { request } => {
                if self.awaited(request) {
                    self.fail(Failure::Lost);
                }
            }
            Input::Token(token) => self.token(Some(token)),
            Input::NoToken => self.token(None),
        }
        self.begin();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or(Output::Wait)
    }

    fn begin(&mut self) {
        if self.now.is_some() {
            return;
        }
        let Some((application, user)) = self.waiting.pop_front() else { return };
        let transaction = self.transaction();
        let (ue, method) = (self.ue, ServerMethod::OmaPush);
        let requests = vec![UeRegisterRequest { transaction, ue, method }];
        let request = self.send(&Message::UeRegistrationRequest(UeRegistrationRequest { requests }));
        self.now = Some((application, user, Step::Ue(request)));
    }

    /// The number of the next request, for both.
    fn transaction(&self) -> TransactionId {
        TransactionId::new(self.next as u8).expect("a transaction ID is any octet")
    }

    fn send(&mut self, message: &Message) -> RequestId {
        let request = RequestId(self.next);
        self.next += 1;
        self.outbox.push_back(Output::Request { request, body: message.to_xml() });
        request
    }

    fn awaited(&self, request: RequestId) -> bool {
        let step = self.now.as_ref().map(|(.., step)| step);
        matches!(step, Some(Step::Ue(of) | Step::Application(of, _)) if *of == request)
    }

    fn fail(&mut self, why: Failure) {
        if let Some((application, ..)) = self.now.take() {
            self.outbox.push_back(Output::Failed { application, why });
        }
    }

    fn response(&mut self, request: RequestId, body: &[u8]) {
        if !self.awaited(request) {
            return;
        }
        let ours = |transaction: TransactionId| transaction.value() == request.0 as u8;
        let Some((application, user, step)) = self.now.take() else { return };
        let failed = |why| Output::Failed { application: application.clone(), why };
        let output = match (step, Message::from_xml(body)) {
            (Step::Ue(_), Ok(Message::UeRegistrationResponse(response))) => {
                let reject = response.rejects.iter().find(|reject| ours(reject.transaction));
                match (response.registered.iter().find(|found| ours(found.transaction)), reject) {
                    (Some(found), _) => {
                        let (epc_user_id, nonce) = (found.epc_user_id, found.nonce);
                        self.now = Some((application.clone(), user.clone(), Step::Token(epc_user_id)));
                        match nonce {
                            Some(nonce) => Output::WantToken { application, user, nonce },
                            None => return self.register(None),
                        }
                    }
                    (None, Some(reject)) => failed(Failure::Rejected(reject.cause)),
                    (None, None) => failed(Failure::Malformed),
                }
            }
            (Step::Application(_, epc_user_id), Ok(Message::ApplicationRegistrationResponse(response))) => {
                let reject = response.rejects.iter().find(|reject| ours(reject.transaction));
                let found = response.registered.into_iter().find(|found| ours(found.transaction));
                match (found, reject) {
                    (Some(found), _) => {
                        Output::Registered { application, user, epc_user_id, ranges: found.ranges }
                    }
                    (None, Some(reject)) => failed(Failure::Rejected(reject.cause)),
                    (None, None) => failed(Failure::Malformed),
                }
            }
            _ => failed(Failure::Malformed),
        };
        self.outbox.push_back(output);
    }

    fn token(&mut self, token: Option<BindingToken>) {
        if !matches!(self.now, Some((.., Step::Token(_)))) {
            return;
        }
        match token {
            Some(token) => self.register(Some(token)),
            None => self.fail(Failure::NoToken),
        }
    }

    fn register(&mut self, token: Option<BindingToken>) {
        let Some((application, user, Step::Token(epc_user_id))) = self.now.take() else { return };
        let transaction = self.transaction();
        let wanted = ApplicationRegisterRequest {
            transaction,
            epc_user_id,
            application: application.clone().into(),
            user: user.clone(),
            token,
        };
        let requests = vec![wanted];
        let message = Message::ApplicationRegistrationRequest(ApplicationRegistrationRequest { requests });
        let request = self.send(&message);
        self.now = Some((application, user, Step::Application(request, epc_user_id)));
    }
}
