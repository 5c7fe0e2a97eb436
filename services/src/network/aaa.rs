//! The AAA server of a process, and the socket where EAP servers of other makers ask the HSS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sidelink_network::hss::Refusal;

use super::{Handle, Others};
use crate::auc;
use crate::config::AaaConfig;
use crate::error::StartError;
use crate::radius::Radius;
use crate::runtime::{AaaFunction, Address, Asked, HssCommand, Running, Swx, queue};
use crate::udp;

impl Handle {
    /// Where the AAA server listens for RADIUS.
    pub const fn radius_address(&self) -> Option<SocketAddr> {
        self.radius
    }

    pub(super) fn start_aaa(&mut self, config: AaaConfig, others: &Others) -> Result<(), StartError> {
        let swx: Swx = match (&self.hss, &others.hss) {
            (Some(hss), _) => swx_to(hss.address().clone()),
            (None, Some(hss)) => {
                let hss = hss.clone();
                Box::new(move |imsi, network_name, resynchronisation, reply| {
                    hss.eap_vector(&imsi, network_name, resynchronisation, reply);
                })
            }
            (None, None) => return Ok(()),
        };
        let at = config.listen.address();
        let failed = |why| StartError::Listen { address: at, why };
        let (socket, sender) = udp::bind("RADIUS", at).map_err(failed)?;
        self.radius = Some(socket.local_addr().map_err(failed)?);
        let (address, queue) = queue();
        let counters = Arc::clone(&self.counters);
        let function = AaaFunction::new(config, counters, swx, address.clone(), sender)?;
        let running = Running::start("aaa", address.clone(), queue, function).map_err(StartError::Thread)?;
        self.aaa = Some(running);
        let radius = Radius { aaa: address, counters: Arc::clone(&self.counters) };
        self.read(socket, radius).map_err(failed)
    }

    pub(super) fn start_auc(&mut self, path: &Path) -> Result<(), StartError> {
        let (Some(runtime), Some(hss)) = (&self.runtime, &self.hss) else { return Ok(()) };
        let failed = |why| StartError::Socket { path: path.to_owned(), why };
        let _context = runtime.enter();
        let socket = auc::Socket::bind(path).map_err(failed)?;
        let served = auc::serve(socket, hss.address().clone(), self.end.subscribe());
        self.servers.push(runtime.spawn(served));
        Ok(())
    }
}

/// An HSS in this process.
pub(super) fn swx_to(hss: Address<HssCommand>) -> Swx {
    Box::new(move |imsi, network_name, resynchronisation, reply| {
        let asked = Asked::EapAkaPrime { imsi, network_name, reply };
        let command = HssCommand::Vector { asked, resynchronisation };
        if let Err(HssCommand::Vector { asked: Asked::EapAkaPrime { reply, .. }, .. }) = hss.send(command) {
            reply(Err(Refusal::Busy));
        }
    })
}
