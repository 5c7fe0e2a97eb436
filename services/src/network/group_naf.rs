//! The NAF of groups of a process.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Handle, zpn_to};
use crate::config::{ConfigError, GroupNafConfig};
use crate::error::StartError;
use crate::group_naf::GroupNafSite;
use crate::http::Limits;
use crate::runtime::{GroupNafBsf, GroupNafThread, Running, queue};
use crate::store::GroupNafStore;
use crate::tls::PskServer;

impl Handle {
    /// Where the NAF of groups listens.
    pub const fn group_naf_address(&self) -> Option<SocketAddr> {
        self.group_naf_site
    }

    pub(super) fn start_group_naf(
        &mut self,
        config: GroupNafConfig,
        store: Box<dyn GroupNafStore>,
        limits: Limits,
    ) -> Result<(), StartError> {
        let Some(bsf) = self.bsf.as_ref().map(|bsf| bsf.address().clone()) else {
            let remedy = "move the section to the configuration with [bsf]";
            return Err(ConfigError::new("there is no bsf in this process", "[group-naf]", remedy).into());
        };
        let name = config.naf.naf_id.fqdn.clone();
        let zn = super::zn_to(bsf.clone(), name.clone());
        let (address, queue) = queue();
        let ways = GroupNafBsf { zn: Arc::clone(&zn), zpn: zpn_to(bsf), own: address.clone() };
        let function = GroupNafThread::new(config.naf, store, Arc::clone(&self.counters), ways)?;
        let running = Running::start("group-naf", address.clone(), queue, function);
        self.group_naf = Some(running.map_err(StartError::Thread)?);
        let tls = PskServer::new(name, config.plmn, zn, Arc::clone(&self.counters))?;
        let site = GroupNafSite { tls, naf: address, limits };
        self.group_naf_site = Some(self.serve(config.listen.address(), site, limits)?);
        Ok(())
    }
}
