//! Names that an operator gave to layer-2 IDs of UEs and groups.

use crate::config::ue_toml::UeConfig;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::relay::u2u::far;
use sidelink_store::{Hex, Keys};
use sidelink_wire::ids::Layer2Id;
use std::collections::HashMap;

/// Names of layer-2 IDs.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    ues: HashMap<Layer2Id, String>,
    groups: HashMap<Layer2Id, String>,
}

impl AddressBook {
    /// Takes the names of the key store and of the UE's file.
    pub fn new(config: &UeConfig, keys: &Keys) -> Self {
        let mut book = Self::default();
        for group in &keys.group {
            insert(&mut book.groups, &group.group_id, &group.name);
            for member in &group.member {
                insert(&mut book.ues, &member.id, &member.ue);
            }
        }
        for group in &config.group {
            insert(&mut book.groups, &group.id, &group.name);
        }
        for link in &config.link {
            match &link.id {
                Some(id) => insert(&mut book.ues, id, &link.peer),
                None => _ = book.ues.insert(far(&Identity::user(&link.peer)), link.peer.clone()),
            }
        }
        if let Some(id) = &config.layer2_id {
            insert(&mut book.ues, id, &config.name);
        }
        book
    }

    /// Returns the name of a UE.
    pub fn ue(&self, id: Layer2Id) -> Option<&str> {
        self.ues.get(&id).map(String::as_str)
    }

    /// Returns the name of a group.
    pub fn group(&self, id: Layer2Id) -> Option<&str> {
        self.groups.get(&id).map(String::as_str)
    }
}

fn insert(names: &mut HashMap<Layer2Id, String>, id: &Hex, name: &str) {
    // an ID of another length is refused where the UE is built
    if let Ok(octets) = <[u8; 3]>::try_from(id.0.as_slice()) {
        names.insert(Layer2Id::from_octets(octets), name.to_owned());
    }
}
