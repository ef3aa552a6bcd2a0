//! A worker's connections: those it was called on, those it calls, and who is at the other end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

use super::stage_loop::{Outlet, StageEvent, To};
use crate::net::{Limiter, Peer, Security, dial, run_link};
use crate::wire::{Hello, Message, Outbox, SessionKey, refuse, welcome};

/// Connections at a time that a worker takes, strangers that are being sent away included.
const MAX_CONNECTIONS: usize = 1024;

/// How long a worker waits to be told where another is: a request's first activations may come sooner than the
/// coordinator's word about a machine that has just joined.
const UNTOLD: Duration = Duration::from_secs(5);

/// Who a worker is in its cluster.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) machine: u32,
    pub(super) key: SessionKey,
    pub(super) security: Security,
}

/// The connections of a worker; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Network {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    membership: Membership,
    runtime: Handle,
    events: mpsc::Sender<StageEvent>,
    known: Mutex<Known>,
    /// New addresses have come.
    told: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// Where each machine takes activations.
    addresses: BTreeMap<u32, String>,
    /// Connections to machines, dialled here.
    to: BTreeMap<u32, Outbox>,
    /// Connections from machines, and from the coordinator (`None`), dialled there.
    from: BTreeMap<Option<u32>, Outbox>,
}

impl Network {
    pub(super) fn new(membership: Membership, events: mpsc::Sender<StageEvent>) -> Self {
        let (known, told) = (Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { membership, runtime: Handle::current(), events, known, told }) }
    }

    /// Learns where the machines are. One that moved gets a new connection; one that was not known is called now.
    pub(super) fn set_addresses(&self, addresses: BTreeMap<u32, String>) {
        let mut known = self.shared.known();
        let has_moved =
            |m: &&u32| known.addresses.get(m).is_some_and(|before| addresses.get(m) != Some(before));
        let moved: Vec<u32> = known.to.keys().filter(has_moved).copied().collect();
        for machine in moved {
            if let Some(outbox) = known.to.remove(&machine) {
                outbox.close();
            }
        }
        known.addresses = addresses;
        drop(known);
        self.shared.told.notify_waiters();
    }

    /// Takes calls until the process ends.
    pub(super) async fn accept(self, listener: TcpListener) -> std::io::Result<()> {
        let limiter = Limiter::new(MAX_CONNECTIONS);
        loop {
            let (stream, permit) = limiter.accept(&listener).await?.into_parts();
            let network = self.clone();
            tokio::spawn(async move {
                network.answer(stream).await;
                drop(permit);
            });
        }
    }

    async fn answer(&self, stream: tokio::net::TcpStream) {
        let membership = &self.shared.membership;
        let (mut stream, peer) = match Peer::accept(stream, &membership.security).await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a caller was not understood");
                return;
            }
        };
        let Hello { key, from, to } = peer.hello;
        let reason = if !key.matches(&membership.key) {
            Some("the caller does not belong to this cluster: join the coordinator first".to_owned())
        } else if to != membership.machine {
            Some(format!("this is machine {}, not {to}", membership.machine))
        } else {
            None
        };
        if let Some(reason) = reason {
            tracing::warn!(from = peer.address, reason, "a caller was refused");
            // A caller that does not listen is refused as well.
            let _ = refuse(&mut stream, &reason).await;
            return;
        }
        if welcome(&mut stream).await.is_err() {
            return;
        }
        let outbox = Outbox::new(Outbox::LIMIT);
        if let Some(old) = self.shared.known().from.insert(from, outbox.clone()) {
            old.close();
        }
        let reason = run_link(stream, outbox.clone(), self.shared.events.clone(), StageEvent::Message).await;
        tracing::debug!(?from, reason, "a caller is gone");
        let mut known = self.shared.known();
        if known.from.get(&from).is_some_and(|current| current.is(&outbox)) {
            known.from.remove(&from);
        }
    }

    /// The connection to a machine; made if there is none.
    fn to(&self, machine: u32) -> Outbox {
        let mut known = self.shared.known();
        if let Some(outbox) = known.to.get(&machine) {
            return outbox.clone();
        }
        let outbox = Outbox::new(Outbox::LIMIT);
        known.to.insert(machine, outbox.clone());
        drop(known);
        self.shared.runtime.spawn(self.clone().call(machine, outbox.clone()));
        outbox
    }

    /// Where a machine is, as soon as it is known.
    async fn address(&self, machine: u32) -> Option<String> {
        let known = async {
            loop {
                // Begun before the look, so that no word is missed.
                let told = self.shared.told.notified();
                let address = self.shared.known().addresses.get(&machine).cloned();
                match address {
                    Some(address) => return address,
                    None => told.await,
                }
            }
        };
        tokio::time::timeout(UNTOLD, known).await.ok()
    }

    async fn call(self, machine: u32, outbox: Outbox) {
        let Membership { machine: from, key, security } = &self.shared.membership;
        let hello = Hello { key: key.clone(), from: Some(*from), to: machine };
        let reason = match self.address(machine).await {
            None => "nobody told where it is".to_owned(),
            Some(address) => match dial(&address, &hello, security).await {
                Ok(stream) => {
                    let events = self.shared.events.clone();
                    run_link(stream, outbox.clone(), events, StageEvent::Message).await
                }
                Err(error) => error.to_string(),
            },
        };
        outbox.close();
        {
            let mut known = self.shared.known();
            if known.to.get(&machine).is_some_and(|current| current.is(&outbox)) {
                known.to.remove(&machine);
            }
        }
        // The stage loop ends before its connections do: then nobody needs to know.
        let _ = self.shared.events.send(StageEvent::PeerGone(machine, reason)).await;
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked while holding it left maps that are whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Network {
    fn send(&mut self, to: To, message: &Message) {
        let outbox = match to {
            To::Coordinator => self.shared.known().from.get(&None).cloned(),
            To::Back(machine) => self.shared.known().from.get(&Some(machine)).cloned(),
            To::Machine(machine) => Some(self.to(machine)),
        };
        let Some(outbox) = outbox else { return };
        if let Err(error) = outbox.send(message.encode()) {
            tracing::warn!(?to, %error, "a message was not sent");
        }
    }
}
