//! A worker that does what a test tells it: it joins like any other, and the test speaks for it.

use std::net::SocketAddr;
use std::time::Duration;

use helix_runtime::control::proto::control_client::ControlClient;
use helix_runtime::control::proto::{
    FromWorker, Heartbeat, Loaded, Register, ToWorker, from_worker, to_worker,
};
use helix_runtime::net::{Peer, Security, run_link};
use helix_runtime::wire::{Message, Open, Outbox, WIRE_VERSION, welcome};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::harness::TOKEN;

/// A worker on strings; gone when it is dropped.
pub struct Puppet {
    /// What the coordinator says on the connection for requests.
    heard: mpsc::Receiver<Message>,
    /// What goes back on it.
    outbox: Outbox,
    /// What the coordinator orders.
    orders: Streaming<ToWorker>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Puppet {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Whether it shows that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beats {
    Yes,
    No,
}

fn say(message: from_worker::Message) -> FromWorker {
    FromWorker { message: Some(message) }
}

/// A sign of life.
pub fn heartbeat() -> FromWorker {
    say(from_worker::Message::Heartbeat(Heartbeat::default()))
}

/// Joins as `name`, which others reach at `listener`, and says that it has its layers; the ways to and from the coordinator.
pub async fn introduce(
    coordinator: SocketAddr,
    name: &str,
    fingerprint: String,
    listener: &TcpListener,
) -> (mpsc::Sender<FromWorker>, Streaming<ToWorker>) {
    let register = Register {
        join_token: TOKEN.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        wire_version: WIRE_VERSION,
        machine: name.to_owned(),
        activations: listener.local_addr().unwrap().to_string(),
        model_fingerprint: fingerprint,
        ..Register::default()
    };
    let (words, outbound) = mpsc::channel(16);
    words.send(say(from_worker::Message::Register(register))).await.unwrap();
    let mut client = ControlClient::connect(format!("http://{coordinator}")).await.unwrap();
    let mut orders = client.join(ReceiverStream::new(outbound)).await.unwrap().into_inner();
    orders.message().await.unwrap().expect("a welcome");
    let loaded = Loaded { kv_blocks: 4000, ..Loaded::default() };
    words.send(say(from_worker::Message::Loaded(loaded))).await.unwrap();
    (words, orders)
}

impl Puppet {
    /// Joins as `name`, and says that it has its layers.
    pub async fn join(coordinator: SocketAddr, name: &str, fingerprint: String, beats: Beats) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (words, orders) = introduce(coordinator, name, fingerprint, &listener).await;
        let (outbox, (inbound, heard)) = (Outbox::new(Outbox::LIMIT), mpsc::channel(64));
        let link = tokio::spawn({
            let outbox = outbox.clone();
            async move {
                let (stream, _) = listener.accept().await.unwrap();
                let (mut stream, _) = Peer::accept(stream, &Security::none()).await.unwrap();
                welcome(&mut stream).await.unwrap();
                run_link(stream, outbox, inbound, |message| message).await;
            }
        });
        let speaks = tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            loop {
                beat.tick().await;
                let message = heartbeat();
                // Without a beat the stream stays open all the same.
                if beats == Beats::Yes && words.send(message).await.is_err() {
                    return;
                }
            }
        });
        Self { heard, outbox, orders, tasks: vec![link, speaks] }
    }

    pub fn say(&self, message: &Message) {
        self.outbox.send(message.encode()).unwrap();
    }

    /// The next request that is given to it.
    pub async fn opened(&mut self) -> Open {
        loop {
            if let Message::Open(open) = self.heard.recv().await.expect("the connection lives") {
                return open;
            }
        }
    }

    /// Why the coordinator gives it up; waits until it does.
    pub async fn dismissed(&mut self) -> String {
        loop {
            let order = self.orders.message().await.expect("it is told before the stream ends");
            let order = order.expect("it is told before the stream ends").message;
            if let Some(to_worker::Message::Dismissed(dismissed)) = order {
                return dismissed.reason;
            }
        }
    }
}
