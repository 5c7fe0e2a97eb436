//! The service-based interfaces of a process.

use std::net::SocketAddr;
use std::sync::Arc;

use sidelink_network::aaa::{self, ResultIndications};
use sidelink_network::eap_aka::identity::PseudonymKey;
use sidelink_network::gba_push::bsf as push;
use sidelink_network::pc3::Plmn;
use sidelink_network::sbi::ausf;
use sidelink_network::sbi::ddnmf::Ddnmf;

use super::aaa::swx_to;
use super::{Handle, Others, zh_to};
use crate::config::{AusfConfig, SbiConfig};
use crate::error::StartError;
use crate::http::Limits;
use crate::runtime::{
    Address, AusfPart, BsfCommand, DdnmfPart, GbaPart, Parts, PkmfPart, ProseCommand, Running, SbiCommand,
    SbiThread, Swx, Zh, queue,
};
use crate::sbi::Sbi;
use crate::store::{Store, StoreError};

/// How long an authentication may take, and its result be deleted, in milliseconds.
const LIFETIME: u64 = 60_000;

/// Authentications at once.
const CONTEXTS: usize = 10_000;

impl Handle {
    /// Where the service-based interfaces are served.
    pub const fn sbi_address(&self) -> Option<SocketAddr> {
        self.sbi
    }

    pub(super) fn start_sbi(
        &mut self,
        config: SbiConfig,
        store: impl Fn(&'static str) -> Result<Box<dyn Store>, StoreError>,
        limits: Limits,
        others: &Others,
    ) -> Result<(), StartError> {
        let (address, queue) = queue::<SbiCommand>();
        let token = config.token.clone();
        // The links of the AUSF name the port, which may be a free one: it is bound first.
        let site = Sbi { token, functions: address.clone(), limits };
        let bound = self.serve(config.listen.address(), site, limits)?;
        let pkmf = match (config.pkmf, self.zh(others)) {
            (Some(pkmf), Some(zh)) => {
                Some(PkmfPart { pkmf, push: push::Config::default(), store: store("remote-keys")?, zh })
            }
            _ => None,
        };
        let zh = self.zh(others);
        let bsf = self.bsf.as_ref().map(|bsf| bsf.address().clone());
        let gba = bsf.zip(zh).map(|(bsf, zh)| gba(bsf, zh));
        let ausf = match (config.ausf, &self.hss) {
            (Some(config), Some(hss)) => {
                Some(ausf(config, bound, store("panf")?, swx_to(hss.address().clone())))
            }
            _ => None,
        };
        let prose_function = self.prose_function.as_ref().map(|function| function.address().clone());
        let ddnmf = prose_function.map(|function| ddnmf(function, bound));
        let counters = Arc::clone(&self.counters);
        let function = SbiThread::new(Parts { gba, ausf, ddnmf, pkmf }, counters, address.clone())?;
        self.interfaces = Some(Running::start("sbi", address, queue, function).map_err(StartError::Thread)?);
        self.sbi = Some(bound);
        Ok(())
    }
}

impl Handle {
    /// How a BSF's vectors are fetched, here or in another process.
    fn zh(&self, others: &Others) -> Option<Zh> {
        match (&self.hss, &others.hss) {
            (Some(hss), _) => Some(zh_to(hss.address().clone())),
            (None, Some(hss)) => {
                let hss = hss.clone();
                let ask = move |impi, resynchronisation, reply| hss.vector(&impi, resynchronisation, reply);
                Some(Box::new(ask))
            }
            (None, None) => None,
        }
    }
}

fn gba(bsf: Address<BsfCommand>, zh: Zh) -> GbaPart {
    let zn = move |b_tid, naf_id: sidelink_network::identity::NafId, reply| {
        let naf = naf_id.fqdn.clone();
        // A queue that is full: nobody answers, and the request is given up by time.
        let _ = bsf.send(BsfCommand::Key { naf, b_tid, naf_id, reply });
    };
    GbaPart { push: push::Config::default(), zn: Box::new(zn), zh }
}

fn ddnmf(function: Address<ProseCommand>, bound: SocketAddr) -> DdnmfPart {
    let pc6 = move |query, reply| {
        // A queue that is full: nobody answers, and the request is given up by time.
        let _ = function.send(ProseCommand::Ask { query, reply });
    };
    DdnmfPart { adapter: Ddnmf::new(format!("http://{bound}")), pc6: Box::new(pc6) }
}

fn ausf(config: AusfConfig, bound: SocketAddr, store: Box<dyn Store>, swx: Swx) -> AusfPart {
    let name = |plmn: &Plmn| format!("5G:mnc{:0>3}.mcc{}.3gppnetwork.org", plmn.mnc(), plmn.mcc());
    let usual = aaa::Config::new("", PseudonymKey { number: 0, key: [0; 16] });
    AusfPart {
        ausf: ausf::Config {
            api_root: format!("http://{bound}"),
            home: (config.home.mcc(), config.home.mnc()),
            serving_networks: config.serving_networks.iter().map(name).collect(),
            routing_indicator: config.routing_indicator,
            lifetime: LIFETIME,
            contexts: CONTEXTS,
        },
        // 5G has neither pseudonyms nor re-authentications: none is made.
        aaa: aaa::Config {
            pseudonym_keys: Vec::new(),
            result_indications: ResultIndications::Never,
            contexts: 0,
            ..usual
        },
        store,
        swx,
    }
}
