//! Orders of the operator that are about subscribers.

use std::sync::mpsc;

use sidelink_network::identity::Imsi;
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::{Revocation, Subscription};
use sidelink_network::public_keys::KeyName;
use sidelink_network::public_keys::server::Withdrawal;

use super::{Handle, PATIENCE, ask};
use crate::runtime::{AddError, HssCommand, ProseCommand, SubscribeError};
use crate::store::NewSubscriber;

/// Subscribers that are on their way to the HSS at once: a few commits, and no more than its queue takes.
const AT_ONCE: usize = 256;

impl Handle {
    /// Adds a subscriber, durably.
    pub fn add_subscriber(&self, subscriber: NewSubscriber) -> Result<(), AddError> {
        self.add_subscribers([subscriber]).pop().unwrap_or(Err(AddError::NoHss))
    }

    /// Adds subscribers, durably, many with one commit; the answers stand in their order.
    pub fn add_subscribers(
        &self,
        subscribers: impl IntoIterator<Item = NewSubscriber>,
    ) -> Vec<Result<(), AddError>> {
        let mut subscribers = subscribers.into_iter();
        let mut answers = Vec::new();
        loop {
            let some: Vec<_> = subscribers.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return answers;
            }
            let waiting: Vec<_> = some.into_iter().map(|subscriber| self.begin_to_add(subscriber)).collect();
            answers.extend(waiting.into_iter().map(|answer| {
                answer.and_then(|answer| answer.recv_timeout(PATIENCE).ok()).unwrap_or(Err(AddError::NoHss))
            }));
        }
    }

    fn begin_to_add(&self, subscriber: NewSubscriber) -> Option<mpsc::Receiver<Result<(), AddError>>> {
        let (sender, receiver) = mpsc::channel();
        let subscriber = Box::new(subscriber);
        let reply = Box::new(move |answer| _ = sender.send(answer));
        self.hss.as_ref()?.address().send(HssCommand::Add { subscriber, reply }).ok()?;
        Some(receiver)
    }

    /// Changes what a subscriber may do with ProSe, durably. The ProSe Function asks again when what it knows has aged.
    pub fn subscribe(&self, imsi: &Imsi, subscription: Option<Subscription>) -> Result<(), SubscribeError> {
        let hss = self.hss.as_ref().ok_or(SubscribeError::NotHere)?;
        let imsi = imsi.clone();
        let answer = ask(hss.address(), |reply| HssCommand::Subscribe { imsi, subscription, reply });
        answer.unwrap_or(Err(SubscribeError::NotHere))
    }

    /// Takes ProSe from a subscriber: its subscription, then its entries, codes and keys. Its bootstrapped key lives on, and is
    /// good for nothing here.
    pub fn revoke(&self, imsi: &Imsi) -> Result<(), SubscribeError> {
        self.subscribe(imsi, None)?;
        let Some(function) = &self.prose_function else { return Ok(()) };
        let what = Revocation::Ue(self.ue(imsi)?);
        let answer = ask(function.address(), |reply| ProseCommand::Revoke { what, reply });
        answer.ok_or(SubscribeError::NotHere)
    }

    /// Revokes public keys of signed discovery: those of a name, or with `imsi:` and its digits those of a UE. Returns how many.
    ///
    /// # Errors
    /// There is no ProSe Function here, or no such name.
    pub fn revoke_keys(&self, of: &str) -> Result<usize, SubscribeError> {
        let what = match of.strip_prefix("imsi:") {
            Some(digits) => {
                Withdrawal::Ue(self.ue(&Imsi::new(digits).map_err(|_| SubscribeError::Unknown)?)?)
            }
            None => Withdrawal::Name(KeyName::new(of).map_err(|_| SubscribeError::Unknown)?),
        };
        let function = self.prose_function.as_ref().ok_or(SubscribeError::NotHere)?;
        let answer = ask(function.address(), |reply| ProseCommand::RevokeKeys { what, reply });
        match answer {
            Some(0) => Err(SubscribeError::Unknown),
            Some(revoked) => Ok(revoked),
            None => Err(SubscribeError::NotHere),
        }
    }

    /// A subscriber as the ProSe Function names it.
    fn ue(&self, imsi: &Imsi) -> Result<Ue, SubscribeError> {
        let plmn = self.plmn.ok_or(SubscribeError::NotHere)?;
        let home = format!("{}{}", plmn.mcc(), plmn.mnc());
        let msin = imsi.digits().strip_prefix(&home).ok_or(SubscribeError::Unknown)?;
        Ue::new(plmn, msin).map_err(|_| SubscribeError::Unknown)
    }
}
