//! The way of groups to the NAF that gives their keys: messages of the UE thread, and new keys that wait there.
//!
//! ```text
//! UE thread: NafGroupMachine --messages--> network thread: HTTPS to the NAF
//!                            <--answers---                 now and then: is there a new key?
//!            state of the USIM: into its file at once
//! ```
//!
//! The messages are under the key that was bootstrapped at the start. When it ends, after a day as a rule, the NAF knows it no more:
//! the keys of the groups go on until their own end, and the UE has to be started again.

use super::{News, Note};
use crate::config::network_toml::NetworkConfig;
use crate::config::ue_toml::UeConfig;
use crate::naf_groups::{NafAccess, NafPath};
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_network::usim::SqnArray;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientError, GroupNafAddress, SqnFile, UeClient};
use std::time::{Duration, Instant};

/// Messages that may wait either way. One that finds no room is sent again by the machine.
const MESSAGES: usize = 32;

/// Between two looks for a key that nobody has asked for.
const LOOK: Duration = Duration::from_secs(5);

/// New keys that are taken in one look, at most.
const MOST_TAKEN: usize = 16;

/// The network's end.
pub(super) struct Naf {
    address: GroupNafAddress,
    asked: Receiver<Vec<u8>>,
    answers: Sender<Vec<u8>>,
    look: Instant,
    /// The NAF did not answer the last time, and the operator knows.
    is_away: bool,
    /// The UE's end, until the UE takes it.
    path: Option<Way>,
}

/// The UE's end.
struct Way {
    to_naf: Sender<Vec<u8>>,
    answers: Receiver<Vec<u8>>,
    usim: SqnFile,
}

impl Naf {
    /// Reads what the UE's file says; none where no group has its keys from a NAF, or no NAF is named.
    pub(super) fn wanted(
        config: &UeConfig,
        network: &NetworkConfig,
        client: &UeClient,
    ) -> anyhow::Result<Option<Self>> {
        if !config.has_naf_groups() || network.naf.is_none() {
            return Ok(None);
        }
        let (name, address) = network.naf()?;
        let address = GroupNafAddress { name, address, local: network.local_address };
        let (to_naf, asked) = bounded(MESSAGES);
        let (to_ue, answers) = bounded(MESSAGES);
        let path = Some(Way { to_naf, answers, usim: client.usim_file() });
        Ok(Some(Self { address, asked, answers: to_ue, look: Instant::now(), is_away: false, path }))
    }

    /// Gets the key that messages to the NAF are under, and gives the UE its end.
    pub(super) fn access(
        &mut self,
        client: &mut UeClient,
        network: &NetworkConfig,
    ) -> anyhow::Result<Option<NafAccess>> {
        let Some(path) = self.path.take() else { return Ok(None) };
        let (config, usim) = client.group_naf_client(&self.address, network.usim()?.keys)?;
        Ok(Some(NafAccess { config, usim, path: Box::new(path) }))
    }

    /// Carries what waits either way.
    pub(super) fn go_on(&mut self, client: &mut UeClient) -> Option<News> {
        let carried = self.carry(client);
        let note = match &carried {
            Ok(0) => return None,
            Ok(_) => self.is_away.then_some(Note::Works),
            Err(why) => (!self.is_away).then(|| Note::Trouble(format!("NAF of groups: {why}"))),
        };
        self.is_away = carried.is_err();
        note.map(News::Note)
    }

    /// Returns how often the NAF has answered.
    fn carry(&mut self, client: &mut UeClient) -> Result<usize, ClientError> {
        let mut answers = 0;
        for message in self.asked.try_iter().take(MESSAGES) {
            let answer = client.ask_group_naf(&self.address, &message)?;
            _ = self.answers.try_send(answer.to_vec());
            answers += 1;
        }
        if Instant::now() < self.look {
            return Ok(answers);
        }
        self.look = Instant::now() + LOOK;
        for _ in 0..MOST_TAKEN {
            let pushed = client.take_pushed(&self.address)?;
            answers += 1;
            let Some(pushed) = pushed else { break };
            _ = self.answers.try_send(pushed.to_vec());
        }
        Ok(answers)
    }
}

impl NafPath for Way {
    fn send(&mut self, _now: UtcTime, octets: Vec<u8>) {
        _ = self.to_naf.try_send(octets);
    }

    fn receive(&mut self, _now: UtcTime) -> Option<Vec<u8>> {
        self.answers.try_recv().ok()
    }

    fn keep(&mut self, array: &SqnArray) -> std::io::Result<()> {
        self.usim.raise(array).map(drop).map_err(std::io::Error::other)
    }
}
