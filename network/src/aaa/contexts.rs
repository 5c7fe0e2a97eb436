//! What fast re-authentications rest on: the keys of the last full authentication, one set a subscriber.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;

use crate::eap_aka::Keys;
use crate::identity::Imsi;

/// Keys that were agreed on, and how often they served.
pub(super) struct Context {
    pub(super) imsi: Imsi,
    pub(super) keys: Keys,
    /// AT_COUNTER of the next re-authentication.
    pub(super) counter: u16,
    pub(super) until: UtcTime,
}

/// By the name of the next re-authentication.
#[derive(Default)]
pub(super) struct Contexts {
    by_name: BTreeMap<String, Context>,
    names: BTreeMap<Imsi, String>,
}

impl Contexts {
    /// The context of a name, while it lives.
    pub(super) fn find(&self, name: &str, now: UtcTime) -> Option<&Context> {
        self.by_name.get(name).filter(|context| context.until > now)
    }

    /// Takes it out: a name serves once.
    pub(super) fn take(&mut self, name: &str, now: UtcTime) -> Option<Context> {
        self.find(name, now)?;
        let context = self.by_name.remove(name)?;
        self.names.remove(&context.imsi);
        Some(context)
    }

    /// Keeps one in the place of what the subscriber had. Where `most` others live, it is not kept: the peer will be
    /// authenticated in full.
    pub(super) fn keep(&mut self, name: String, context: Context, most: usize) {
        if let Some(before) = self.names.remove(&context.imsi) {
            self.by_name.remove(&before);
        }
        if self.by_name.len() < most {
            self.names.insert(context.imsi.clone(), name.clone());
            self.by_name.insert(name, context);
        }
    }

    pub(super) fn expire(&mut self, now: UtcTime) {
        self.by_name.retain(|_, context| context.until > now);
        let by_name = &self.by_name;
        self.names.retain(|_, name| by_name.contains_key(name));
    }

    pub(super) fn next(&self) -> Option<UtcTime> {
        self.by_name.values().map(|context| context.until).min()
    }
}
