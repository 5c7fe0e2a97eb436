//! Contexts of UEs: EPS AKA, modelled on TS 33.401 §6.1.

use subtle::ConstantTimeEq;

use super::io::{Dropped, Event, NotAttached, Output, UeRef};
use super::{Attached, MOST_PENDING, Mme, Pending};
use crate::hss::{self, EpsVector, Resynchronisation, Ticket};
use crate::identity::Imsi;
use crate::limit::Bucket;
use crate::nas::{self, End, Plain};

impl Mme {
    /// A message of a UE without protection: only those that make a context.
    pub(super) fn unprotected(&mut self, from: UeRef, message: Plain) -> Result<(), Dropped> {
        match message {
            Plain::AttachRequest(imsi) => {
                if let Err(why) = self.attach(from, imsi) {
                    self.refuse_attach(from, why);
                }
                Ok(())
            }
            Plain::AuthenticationResponse(res) => self.authenticated(from, res),
            Plain::AuthenticationFailure(auts) => {
                let challenged = self.pending.get_mut(&from).filter(|pending| pending.vector.is_some());
                let pending = challenged.ok_or(Dropped::Unexpected)?;
                let rand = pending.vector.take().map(|vector| vector.rand).ok_or(Dropped::Unexpected)?;
                if std::mem::replace(&mut pending.resynchronised, true) {
                    self.refuse_attach(from, NotAttached::OutOfSync);
                } else {
                    let imsi = pending.imsi.clone();
                    self.fetch(from, imsi, Some(Resynchronisation { rand, auts }));
                }
                Ok(())
            }
            _ => Err(Dropped::Unexpected),
        }
    }

    /// A context that the UE has stays in use until the new one is there: anybody can send an attach request.
    fn attach(&mut self, from: UeRef, imsi: Imsi) -> Result<(), NotAttached> {
        if !self.subscribers.contains_key(&imsi) {
            return Err(NotAttached::Unknown);
        }
        let bucket = self.vectors.get_or_insert_with(|| Bucket::new(self.config.vectors, self.now));
        let full = self.pending.len() >= MOST_PENDING && !self.pending.contains_key(&from);
        if full || !bucket.take(self.config.vectors, self.now) {
            return Err(NotAttached::TooOften);
        }
        let until = self.now.plus_millis(self.config.attach_patience);
        let pending = Pending { imsi: imsi.clone(), until, resynchronised: false, vector: None };
        self.pending.insert(from, pending);
        self.fetch(from, imsi, None);
        Ok(())
    }

    fn fetch(&mut self, ue: UeRef, imsi: Imsi, resynchronisation: Option<Resynchronisation>) {
        let ticket = self.ticket();
        // Of one attach at a time: the vector of the one before is used for nothing.
        self.fetches.retain(|_, other| *other != ue);
        self.fetches.insert(ticket, ue);
        let serving_network = self.config.serving_network;
        self.outputs.push_back(Output::Fetch { ticket, imsi, serving_network, resynchronisation });
    }

    pub(super) fn vector(&mut self, ticket: Ticket, result: Result<EpsVector, hss::Refusal>) {
        let Some(to) = self.fetches.remove(&ticket) else { return };
        let Some(pending) = self.pending.get_mut(&to) else { return };
        match result {
            Ok(vector) => {
                let request = Plain::AuthenticationRequest { rand: vector.rand, autn: vector.autn };
                pending.vector = Some(vector);
                self.outputs.push_back(Output::Downlink { to, octets: request.emit().to_vec() });
            }
            Err(refusal) => self.refuse_attach(to, NotAttached::Hss(refusal)),
        }
    }

    fn authenticated(&mut self, from: UeRef, res: [u8; 8]) -> Result<(), Dropped> {
        let challenged = self.pending.get(&from).is_some_and(|pending| pending.vector.is_some());
        let pending = self.pending.remove(&from).filter(|_| challenged).ok_or(Dropped::Unexpected)?;
        let Pending { imsi, vector: Some(vector), .. } = pending else { return Err(Dropped::Unexpected) };
        if !bool::from(vector.xres.ct_eq(&res)) {
            self.refuse_attach(from, NotAttached::Res);
            return Ok(());
        }
        let mut context = nas::Context::new(&vector.k_asme, End::Mme);
        let octets = context.protect(&Plain::AttachAccept).map_err(Dropped::Nas)?;
        if let Some(before) = self.attached.insert(from, Attached { imsi: imsi.clone(), context })
            && before.imsi != imsi
        {
            self.ues.remove(&before.imsi);
        }
        if let Some(old) = self.ues.insert(imsi.clone(), from)
            && old != from
        {
            self.attached.remove(&old);
        }
        self.outputs.push_back(Output::Downlink { to: from, octets });
        self.report(Event::Attached(imsi));
        Ok(())
    }

    pub(super) fn expire_pending(&mut self) {
        let late = self.pending.iter().filter(|(_, pending)| pending.until <= self.now);
        for ue in late.map(|(ue, _)| *ue).collect::<Vec<_>>() {
            self.refuse_attach(ue, NotAttached::Late);
        }
    }

    fn refuse_attach(&mut self, to: UeRef, why: NotAttached) {
        self.pending.remove(&to);
        self.fetches.retain(|_, ue| *ue != to);
        let octets = Plain::AttachReject.emit().to_vec();
        self.outputs.push_back(Output::Downlink { to, octets });
        self.report(Event::NotAttached(why));
    }
}
