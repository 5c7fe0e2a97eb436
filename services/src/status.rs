//! What has happened since the start, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A number that threads count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Counters of a process.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// What has happened since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Status {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn status(&self) -> Status {
                Status { $($name: self.$name.now(),)* }
            }
        }
    };
}

numbers! {
    /// Subscribers of the HSS now.
    subscribers;
    /// Authentication vectors given.
    vectors;
    /// Resynchronisations asked for, right ones and wrong ones.
    resynchronisations;
    /// Challenges sent over Ub.
    challenges;
    /// Keys bootstrapped.
    bootstrapped;
    /// Requests over Ub that were refused.
    ub_refused;
    /// Keys given to NAFs.
    keys_given;
    /// Keys that NAFs did not get.
    keys_refused;
    /// Keys pushed to UEs by way of NAFs.
    keys_pushed;
    /// Keys that NAFs asked to push, and did not get.
    pushes_refused;
    /// TLS handshakes that a UE has completed.
    handshakes;
    /// TLS handshakes that failed, or took too long.
    handshakes_failed;
    /// Requests over PC3 with an answer of the ProSe Function.
    pc3_answered;
    /// Requests over PC3 that the ProSe Function refused.
    pc3_refused;
    /// Questions to the HSS what a UE may do.
    subscriptions_asked;
    /// Requests over PC3 that were answered with a puzzle; they count as refused, too.
    puzzles_asked;
    /// Discovery entries now.
    entries;
    /// Public keys of signed discovery now.
    public_keys;
    /// Messages to UEs that could not be sent: there is neither OMA Push nor long polling.
    pushes_unsent;
    /// Requests over PC8 with an answer of the key management function.
    pc8_answered;
    /// Requests over PC8 that it refused.
    pc8_refused;
    /// PMKs given to UEs.
    pmks;
    /// Groups and discoveries whose keys a UE was refused.
    keys_rejected;
    /// PGKs and PSDKs made.
    group_keys;
    /// PGKs and PSDKs that a UE has said it has.
    group_keys_delivered;
    /// PGKs and PSDKs that a UE has said it has deleted.
    group_keys_deleted;
    /// PRUKs of remote UEs that were pushed by way of relays.
    pruks_pushed;
    /// PRUKs that were to be pushed, and were not.
    pruks_not_pushed;
    /// MIKEY messages sent, repetitions too.
    mikey_sent;
    /// Keys that a UE did not acknowledge in any of the tries.
    mikey_unanswered;
    /// Datagrams that are no answer to what was sent.
    mikey_refused;
    /// Datagrams that were too long, or too many at once.
    mikey_dropped;
    /// Datagrams of RADIUS that were answered, repetitions too.
    radius_answered;
    /// Datagrams of RADIUS that were passed over: strangers, wrong secrets, too many at once.
    radius_dropped;
    /// Peers that EAP-AKA' has authenticated by the USIM.
    eap_full;
    /// Peers that it has authenticated by the keys of the last time.
    eap_fast;
    /// Peers that it has rejected.
    eap_rejected;
    /// Requests over the service-based interfaces that were served.
    sbi_served;
    /// Requests over the service-based interfaces that were refused.
    sbi_refused;
    /// Requests to the key management server of identities with an answer, errors too.
    kms_answered;
    /// Requests that it refused: malformed, too many, no store.
    kms_refused;
    /// Key sets of identities given.
    identity_keys;
    /// Requests that it answered with an error: another's identity, a revoked one, another period.
    identities_rejected;
    /// Tickets given.
    tickets_granted;
    /// Tickets resolved.
    tickets_resolved;
    /// Requests for tickets, or to resolve one, that were answered by an error.
    tickets_refused;
    /// Requests to the NAF of groups that it granted or answered.
    naf_answered;
    /// Requests to it that it refused.
    naf_refused;
    /// Keys of groups that it made.
    naf_keys;
    /// Users that it let join, each time one got the key.
    naf_joined;
    /// New keys that it had for a member without being asked.
    naf_brought;
    /// Connections ended because others came.
    connections_displaced;
    /// Commits that failed.
    store_failures;
}
