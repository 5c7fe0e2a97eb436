//! The network functions of a process, from start to end.

mod aaa;
mod group_naf;
mod kms;
mod pkmf;
mod sbi;
mod subscribers;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use sidelink_network::configuration::{Source, Version};
use sidelink_network::gba_push;
use sidelink_network::hss::Refusal;
use sidelink_network::identity::Fqdn;
use sidelink_network::pc3::{Imsi as Ue, Plmn};
use sidelink_network::prose_function::Answer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{
    BsfConfig, CertificatesConfig, Config, ConfigurationConfig, Neighbour, PeersConfig, ProseFunctionConfig,
};
use crate::configuration::{CertificateSite, Desk, ProvisionError};
use crate::error::StartError;
use crate::http::{self, Limits, Site};
use crate::pc3::Pc3;
use crate::peers::{PeerClient, PeerServer};
use crate::runtime::{
    AaaCommand, AddError, Address, Asked, BsfCommand, BsfFunction, GroupNafCommand, HssCommand, HssFunction,
    KmsCommand, Pc4a, PkmfCommand, ProseCommand, ProseFunctionThread, Reply, Running, SbiCommand, Zh, Zpn,
    queue,
};
use crate::status::{Counters, Status};
use crate::store::Store;
use crate::tls::{CertificateServer, PskServer, Zn};
use crate::ub::Ub;
use crate::udp::{self, Sink};

/// Threads of the servers. The machines have their own.
const WORKERS: usize = 2;

/// How long the end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long an order of the operator may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The network functions of a process.
pub struct Network;

impl Network {
    /// Starts what is configured, and returns when all of it listens.
    ///
    /// # Errors
    /// The configuration, the database, an address that is taken, or the system.
    pub fn start(config: Config) -> Result<Handle, StartError> {
        // In a thread: the stores block, and whoever calls this may be in an event loop of its own.
        let start = std::thread::Builder::new().name("start".into()).spawn(move || Self::begin(config));
        start.map_err(StartError::Thread)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn begin(config: Config) -> Result<Handle, StartError> {
        config.check()?;
        let mut handle = Handle::new().map_err(StartError::Thread)?;
        let store = |function| config.database.open(function);
        if let Some(hss) = config.hss {
            let (address, queue) = queue();
            let function = HssFunction::new(hss, store("hss")?, Arc::clone(&handle.counters))?;
            let running = Running::start("hss", address, queue, function);
            handle.hss = Some(running.map_err(StartError::Thread)?);
        }
        let imsis: Vec<_> = config.subscribers.iter().map(|subscriber| subscriber.imsi.clone()).collect();
        for (imsi, added) in imsis.iter().zip(handle.add_subscribers(config.subscribers)) {
            match added {
                Ok(()) => {}
                Err(AddError::Taken(_)) => tracing::debug!("subscriber {} is there already", imsi.digits()),
                Err(why) => tracing::error!("subscriber {}: {why}", imsi.digits()),
            }
        }
        let others = handle.others(config.peers.as_ref());
        if let Some(bsf) = config.bsf {
            handle.start_bsf(bsf, store("bsf")?, config.limits, &others)?;
        }
        if let Some(prose_function) = config.prose_function {
            handle.start_prose_function(prose_function, store("prose-function")?, config.limits, &others)?;
        }
        if let Some(pkmf) = config.pkmf {
            handle.start_pkmf(pkmf, config.database.open_pkmf()?, config.limits, &others)?;
        }
        if let Some(kms) = config.kms {
            handle.start_kms(kms, config.database.open_kms()?, config.limits, &others)?;
        }
        if let Some(naf) = config.group_naf {
            handle.start_group_naf(naf, config.database.open_group_naf()?, config.limits)?;
        }
        if let Some(aaa) = config.aaa {
            handle.start_aaa(aaa, &others)?;
        }
        if let Some(path) = config.auc {
            handle.start_auc(&path)?;
        }
        if let Some(sbi) = config.sbi {
            handle.start_sbi(sbi, store, config.limits, &others)?;
        }
        if let Some(peers) = config.peers {
            handle.start_peers(peers, config.limits)?;
        }
        Ok(handle)
    }
}

/// Functions of other processes.
struct Others {
    hss: Option<PeerClient>,
    bsf: Option<PeerClient>,
}

/// Network functions that run; dropped, they end.
pub struct Handle {
    counters: Arc<Counters>,
    end: watch::Sender<bool>,
    runtime: Option<tokio::runtime::Runtime>,
    servers: Vec<JoinHandle<()>>,
    ub: Option<SocketAddr>,
    pc3: Option<SocketAddr>,
    certificates: Option<SocketAddr>,
    configuration: Option<Arc<Desk>>,
    pc8: Option<SocketAddr>,
    mikey: Option<SocketAddr>,
    kms_psk: Option<SocketAddr>,
    kms_certificates: Option<SocketAddr>,
    group_naf_site: Option<SocketAddr>,
    radius: Option<SocketAddr>,
    peers: Option<SocketAddr>,
    sbi: Option<SocketAddr>,
    plmn: Option<Plmn>,
    pkmf_mnc_digits: Option<usize>,
    // In the order in which they end: each after those that ask it.
    interfaces: Option<Running<SbiCommand>>,
    prose_function: Option<Running<ProseCommand>>,
    pkmf: Option<Running<PkmfCommand>>,
    kms: Option<Running<KmsCommand>>,
    group_naf: Option<Running<GroupNafCommand>>,
    aaa: Option<Running<AaaCommand>>,
    bsf: Option<Running<BsfCommand>>,
    hss: Option<Running<HssCommand>>,
}

impl Handle {
    fn new() -> std::io::Result<Self> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(WORKERS).thread_name("network").enable_all();
        let (end, _) = watch::channel(false);
        Ok(Self {
            counters: Arc::new(Counters::default()),
            end,
            runtime: Some(runtime.build()?),
            servers: Vec::new(),
            ub: None,
            pc3: None,
            certificates: None,
            configuration: None,
            pc8: None,
            mikey: None,
            kms_psk: None,
            kms_certificates: None,
            group_naf_site: None,
            radius: None,
            peers: None,
            sbi: None,
            plmn: None,
            pkmf_mnc_digits: None,
            interfaces: None,
            prose_function: None,
            pkmf: None,
            kms: None,
            group_naf: None,
            aaa: None,
            bsf: None,
            hss: None,
        })
    }

    /// Where the BSF listens.
    pub const fn ub_address(&self) -> Option<SocketAddr> {
        self.ub
    }

    /// Where the ProSe Function listens.
    pub const fn pc3_address(&self) -> Option<SocketAddr> {
        self.pc3
    }

    /// Where the ProSe Function listens for UEs with certificates.
    pub const fn certificates_address(&self) -> Option<SocketAddr> {
        self.certificates
    }

    /// Says what UEs are configured with from now on, as whoever TLS has proven.
    ///
    /// # Errors
    /// Who says it is no operator, what is said is not newer, or is not understood; or there is no such ProSe Function here.
    pub fn provision(&self, source: &Source, document: &[u8]) -> Result<Version, ProvisionError> {
        self.configuration.as_ref().ok_or(ProvisionError::NotHere)?.provision(source, document)
    }

    /// Where functions of other processes ask those of this one.
    pub const fn peers_address(&self) -> Option<SocketAddr> {
        self.peers
    }

    /// What has happened since the start.
    pub fn status(&self) -> Status {
        self.counters.status()
    }

    /// Ends: nothing new is accepted, what is on its way is answered, what is answered is durable.
    pub fn shutdown(self) {
        drop(self);
    }

    fn others(&self, peers: Option<&PeersConfig>) -> Others {
        let runtime = self.runtime.as_ref().map(|runtime| runtime.handle().clone());
        let to = |address: Option<Neighbour>| {
            let (peers, runtime) = (peers?, runtime.clone()?);
            Some(PeerClient::new(address?.address(), peers.token.clone(), runtime))
        };
        Others { hss: to(peers.and_then(|peers| peers.hss)), bsf: to(peers.and_then(|peers| peers.bsf)) }
    }

    fn start_peers(&mut self, peers: PeersConfig, limits: Limits) -> Result<(), StartError> {
        let Some(listen) = peers.listen else { return Ok(()) };
        let hss = self.hss.as_ref().map(|hss| hss.address().clone());
        let bsf = self.bsf.as_ref().map(|bsf| bsf.address().clone());
        let site = PeerServer { token: peers.token, hss, bsf, limits };
        self.peers = Some(self.serve(listen.address(), site, limits)?);
        Ok(())
    }

    fn start_bsf(
        &mut self,
        config: BsfConfig,
        store: Box<dyn Store>,
        limits: Limits,
        others: &Others,
    ) -> Result<(), StartError> {
        let zh: Zh = match (&self.hss, &others.hss) {
            (Some(hss), _) => zh_to(hss.address().clone()),
            (None, Some(hss)) => {
                let hss = hss.clone();
                Box::new(move |impi, resynchronisation, reply| hss.vector(&impi, resynchronisation, reply))
            }
            (None, None) => return Ok(()),
        };
        let (address, queue) = queue();
        let counters = Arc::clone(&self.counters);
        let function = BsfFunction::new(config.bsf, store, counters, zh, address.clone())?;
        let running = Running::start("bsf", address.clone(), queue, function).map_err(StartError::Thread)?;
        self.bsf = Some(running);
        self.ub = Some(self.serve(config.listen.address(), Ub { bsf: address, limits }, limits)?);
        Ok(())
    }

    fn start_prose_function(
        &mut self,
        config: ProseFunctionConfig,
        store: Box<dyn Store>,
        limits: Limits,
        others: &Others,
    ) -> Result<(), StartError> {
        let plmn = config.prose_function.plmn;
        let settings = (config.prose_function, config.public_keys);
        let pc4a: Pc4a = match (&self.hss, &others.hss) {
            (Some(hss), _) => pc4a_to(hss.address().clone()),
            (None, Some(hss)) => {
                let hss = hss.clone();
                Box::new(move |ue, reply| hss.subscription(ue, reply))
            }
            (None, None) => return Ok(()),
        };
        let Some(zn) = self.zn(&config.name, others) else { return Ok(()) };
        let (address, queue) = queue();
        let counters = Arc::clone(&self.counters);
        let function = ProseFunctionThread::new(settings, store, counters, pc4a, address.clone())?;
        let running =
            Running::start("prose-function", address.clone(), queue, function).map_err(StartError::Thread)?;
        self.prose_function = Some(running);
        self.plmn = Some(plmn);
        let configuration = match config.configuration {
            Some(settings) => Some(self.start_configuration(settings, &config.name, plmn, limits)?),
            None => None,
        };
        let tls = PskServer::new(config.name, plmn, zn, Arc::clone(&self.counters))?;
        let site = Pc3 { tls, prose_function: address, configuration, limits };
        self.pc3 = Some(self.serve(config.listen.address(), site, limits)?);
        Ok(())
    }

    fn start_configuration(
        &mut self,
        config: ConfigurationConfig,
        name: &Fqdn,
        plmn: Plmn,
        limits: Limits,
    ) -> Result<Arc<Desk>, StartError> {
        let desk = Arc::new(Desk::open(&config, name)?);
        if let Some(CertificatesConfig { listen, credentials }) = config.certificates {
            let tls = CertificateServer::new(&credentials, plmn, Arc::clone(&self.counters))
                .map_err(StartError::Certificate)?;
            let site = CertificateSite { tls, desk: Arc::clone(&desk), limits };
            self.certificates = Some(self.serve(listen.address(), site, limits)?);
        }
        self.configuration = Some(Arc::clone(&desk));
        Ok(desk)
    }

    /// How a NAF asks the BSF, here or in another process.
    fn zn(&self, naf: &Fqdn, others: &Others) -> Option<Zn> {
        let naf = naf.clone();
        match (&self.bsf, &others.bsf) {
            (Some(bsf), _) => Some(zn_to(bsf.address().clone(), naf)),
            (None, Some(bsf)) => {
                let bsf = bsf.clone();
                Some(Arc::new(move |b_tid, naf_id, reply| bsf.key(&naf, &b_tid, &naf_id, reply)))
            }
            (None, None) => None,
        }
    }

    /// How a NAF asks the BSF for a GPI, here or in another process.
    fn zpn(&self, others: &Others) -> Option<Zpn> {
        match (&self.bsf, &others.bsf) {
            (Some(bsf), _) => Some(zpn_to(bsf.address().clone())),
            (None, Some(bsf)) => {
                let bsf = bsf.clone();
                Some(Box::new(move |request, reply| bsf.push(&request, reply)))
            }
            (None, None) => None,
        }
    }

    /// Has a task read the datagrams of a socket.
    fn read<S: Sink>(&mut self, socket: UdpSocket, sink: S) -> std::io::Result<()> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _context = runtime.enter();
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        self.servers.push(runtime.spawn(udp::serve(socket, sink, self.end.subscribe())));
        Ok(())
    }

    fn serve<S: Site>(
        &mut self,
        address: SocketAddr,
        site: S,
        limits: Limits,
    ) -> Result<SocketAddr, StartError> {
        let failed = |why| StartError::Listen { address, why };
        let Some(runtime) = &self.runtime else { return Ok(address) };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let _context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let (counters, ended) = (Arc::clone(&self.counters), self.end.subscribe());
        let served = http::serve(listener, Arc::new(site), limits, counters, ended);
        self.servers.push(runtime.spawn(served));
        Ok(bound)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.end.send(true);
        let servers = std::mem::take(&mut self.servers);
        if let Some(runtime) = self.runtime.take() {
            // In a thread: whoever drops this may be in an event loop of its own.
            let end = move || {
                let all = async {
                    for server in servers {
                        let _ = server.await;
                    }
                };
                runtime.block_on(async { _ = tokio::time::timeout(FAREWELL, all).await });
                runtime.shutdown_timeout(FAREWELL);
            };
            if let Ok(thread) = std::thread::Builder::new().spawn(end) {
                let _ = thread.join();
            }
        }
    }
}

/// An HSS in this process.
fn zh_to(hss: Address<HssCommand>) -> Zh {
    Box::new(move |impi, resynchronisation, reply| {
        let command = HssCommand::Vector { asked: Asked::Gba { impi, reply }, resynchronisation };
        if let Err(HssCommand::Vector { asked: Asked::Gba { reply, .. }, .. }) = hss.send(command) {
            reply(Err(Refusal::Busy));
        }
    })
}

/// An HSS in this process.
fn pc4a_to(hss: Address<HssCommand>) -> Pc4a {
    Box::new(move |ue: Ue, reply: Reply<Answer>| {
        // A queue that is full: the machine refuses what waits by its own time.
        let _ = hss.send(HssCommand::Subscription { ue, reply });
    })
}

/// A BSF in this process; the NAF is who it is.
fn zn_to(bsf: Address<BsfCommand>, naf: Fqdn) -> Zn {
    Arc::new(move |b_tid, naf_id, reply| {
        // A queue that is full: nobody answers, and the handshake fails.
        let _ = bsf.send(BsfCommand::Key { naf: naf.clone(), b_tid, naf_id, reply });
    })
}

/// A BSF in this process; the NAF is who it is.
fn zpn_to(bsf: Address<BsfCommand>) -> Zpn {
    Box::new(move |request, reply| {
        if let Err(BsfCommand::Push { request, reply }) = bsf.send(BsfCommand::Push { request, reply }) {
            reply((request.ticket, Err(gba_push::bsf::Refusal::TooOften)));
        }
    })
}

/// Asks a network function and waits.
fn ask<C, T: Send + 'static>(address: &Address<C>, command: impl FnOnce(Reply<T>) -> C) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    address.send(command(Box::new(move |answer| _ = sender.send(answer)))).ok()?;
    receiver.recv_timeout(PATIENCE).ok()
}
