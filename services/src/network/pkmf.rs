//! The key management function of a process.

use std::net::SocketAddr;
use std::sync::Arc;

use sidelink_network::identity::Imsi;
use sidelink_network::key_delivery::ServiceId;

use super::{Handle, Others, ask};
use crate::config::PkmfConfig;
use crate::error::StartError;
use crate::http::Limits;
use crate::mikey::{Mikey, Sender};
use crate::pc8::Pc8;
use crate::runtime::{Circle, MemberError, Membership, PkmfBsf, PkmfCommand, PkmfThread, Running, queue};
use crate::store::PkmfStore;
use crate::tls::PskServer;
use crate::udp;

impl Handle {
    /// Where the key management function listens for PC8.
    pub const fn pc8_address(&self) -> Option<SocketAddr> {
        self.pc8
    }

    /// Where it sends MIKEY from.
    pub const fn mikey_address(&self) -> Option<SocketAddr> {
        self.mikey
    }

    /// Takes the keys of a group from a member, durably: it gets no more of them, and the others get new ones.
    ///
    /// # Errors
    /// No such group or member, or the store fails.
    pub fn revoke_member(&self, imsi: &Imsi, group: ServiceId) -> Result<(), MemberError> {
        self.member(imsi, Circle::Service(group), Membership::Revoked)
    }

    /// Lets a member that was revoked have keys again, once it asks.
    ///
    /// # Errors
    /// No such group or member, or the store fails.
    pub fn admit_member(&self, imsi: &Imsi, group: ServiceId) -> Result<(), MemberError> {
        self.member(imsi, Circle::Service(group), Membership::Admitted)
    }

    /// Lets a UE use no relay any more, durably: its PRUKs are gone. A KD that a relay has lives until its link ends.
    ///
    /// # Errors
    /// No such remote UE, or the store fails.
    pub fn revoke_remote(&self, imsi: &Imsi) -> Result<(), MemberError> {
        self.member(imsi, Circle::Remotes, Membership::Revoked)
    }

    /// Lets a remote UE that was revoked use relays again, with another PRUK.
    ///
    /// # Errors
    /// No such remote UE, or the store fails.
    pub fn admit_remote(&self, imsi: &Imsi) -> Result<(), MemberError> {
        self.member(imsi, Circle::Remotes, Membership::Admitted)
    }

    /// Lets a UE be no relay any more, durably. A KD that it has lives until its link ends.
    ///
    /// # Errors
    /// No such relay, or the store fails.
    pub fn revoke_relay(&self, imsi: &Imsi) -> Result<(), MemberError> {
        self.member(imsi, Circle::Relays, Membership::Revoked)
    }

    /// Lets a relay that was revoked be one again.
    ///
    /// # Errors
    /// No such relay, or the store fails.
    pub fn admit_relay(&self, imsi: &Imsi) -> Result<(), MemberError> {
        self.member(imsi, Circle::Relays, Membership::Admitted)
    }

    fn member(&self, imsi: &Imsi, circle: Circle, change: Membership) -> Result<(), MemberError> {
        let (Some(pkmf), Some(digits)) = (&self.pkmf, self.pkmf_mnc_digits) else {
            return Err(MemberError::NotHere);
        };
        let ue = imsi.impi(digits).map_err(|_| match circle {
            Circle::Service(service) => MemberError::NoMember(service),
            Circle::Remotes => MemberError::NoRemote,
            Circle::Relays => MemberError::NoRelay,
        })?;
        let answer = ask(pkmf.address(), |reply| PkmfCommand::Member { change, circle, ue, reply });
        answer.unwrap_or(Err(MemberError::NotHere))
    }

    pub(super) fn start_pkmf(
        &mut self,
        config: PkmfConfig,
        store: Box<dyn PkmfStore>,
        limits: Limits,
        others: &Others,
    ) -> Result<(), StartError> {
        let (Some(zn), Some(zpn)) = (self.zn(&config.name, others), self.zpn(others)) else {
            return Ok(());
        };
        let at = config.mikey.address();
        let failed = |why| StartError::Listen { address: at, why };
        let (socket, sender) = udp::bind("MIKEY", at).map_err(failed)?;
        let sender = Sender { socket: sender, port: config.ue_port };
        self.mikey = Some(socket.local_addr().map_err(failed)?);
        let (address, queue) = queue();
        let bsf = PkmfBsf { zpn, own: address.clone() };
        let function = PkmfThread::new(config.pkmf, store, Arc::clone(&self.counters), sender, bsf)?;
        let running = Running::start("pkmf", address.clone(), queue, function).map_err(StartError::Thread)?;
        self.pkmf = Some(running);
        self.pkmf_mnc_digits = Some(config.plmn.mnc().len());
        let mikey = Mikey { pkmf: address.clone(), counters: Arc::clone(&self.counters) };
        self.read(socket, mikey).map_err(failed)?;
        let tls = PskServer::new(config.name, config.plmn, zn, Arc::clone(&self.counters))?;
        self.pc8 = Some(self.serve(config.listen.address(), Pc8 { tls, pkmf: address, limits }, limits)?);
        Ok(())
    }
}
