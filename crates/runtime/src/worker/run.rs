//! A worker process from joining to its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use helix_spec::{Bytes, LayerRange, SimTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Streaming;

use super::emulation::Slowed;
use super::join::{join, register};
use super::load::{Loaded, load};
use super::network::{Membership, Network};
use super::stage_loop::{StageEvent, StageLimits, StageLoop};
use crate::control::proto::{self, FromWorker, ToWorker, from_worker, to_worker};
use crate::net::Security;
use crate::wire::{KEY_BYTES, SessionKey};

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// host:port of the coordinator.
    pub coordinator: String,
    /// What the coordinator wants to see.
    pub join_token: String,
    /// Its name in the cluster.
    pub machine: String,
    /// The model's folder.
    pub model: PathBuf,
    /// Memory for weights and cache.
    pub memory: Bytes,
    /// Threads that compute.
    pub threads: usize,
    /// Where it takes activations. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The host under which other workers reach it; the address it listens on when `None`.
    pub advertise: Option<String>,
    /// How long it tries to reach a coordinator that is not there yet.
    pub patience: Duration,
    /// Plain or TLS.
    pub security: Security,
    /// Emulation: every batch takes so many times as long as it takes, 1 to [`MAX_SLOWDOWN`].
    pub slowdown: f64,
}

/// The most that a worker is slowed down.
pub const MAX_SLOWDOWN: f64 = 1000.0;

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its port.
    #[error("the port for activations, {address}, cannot be opened: {reason}; choose another with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// An address that means nothing to others.
    #[error(
        "{0} means every address of this machine: say with --advertise under which one other workers reach it"
    )]
    Advertise(SocketAddr),
    /// The model's folder.
    #[error(transparent)]
    Model(#[from] helix_spec::FileError),
    /// Nobody answers.
    #[error("the coordinator {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The coordinator said no.
    #[error("the coordinator refused: {0}")]
    Refused(String),
    /// The layers could not be loaded.
    #[error("layers {layers} could not be loaded: {reason}")]
    Load {
        /// Which layers.
        layers: LayerRange,
        /// Why not.
        reason: String,
    },
    /// The coordinator is gone.
    #[error("the coordinator is gone: {0}")]
    CoordinatorGone(String),
    /// The coordinator has given it up.
    #[error("the coordinator gave this worker up: {0}")]
    Dismissed(String),
    /// A slow-down without sense.
    #[error("the emulated slow-down is {0}, allowed: 1 to {MAX_SLOWDOWN}")]
    Slowdown(f64),
    /// A thread ended that must not.
    #[error("{0} ended unexpectedly")]
    Broken(&'static str),
}

/// Joins, loads, computes, until the coordinator or `stop` ends it. After `leave` it takes no more requests, and ends when
/// those that it has are done.
pub async fn run_worker(
    settings: WorkerSettings,
    leave: impl Future<Output = ()> + Send,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), WorkerError> {
    tokio::pin!(leave, stop);
    if !(1.0..=MAX_SLOWDOWN).contains(&settings.slowdown) {
        return Err(WorkerError::Slowdown(settings.slowdown));
    }
    let refused =
        |error: std::io::Error| WorkerError::Listen { address: settings.listen, reason: error.to_string() };
    let listener = TcpListener::bind(settings.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let activations = match &settings.advertise {
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{}", address.port()),
        Some(host) => format!("{host}:{}", address.port()),
        None if address.ip().is_unspecified() => return Err(WorkerError::Advertise(address)),
        None => address.to_string(),
    };
    let register = register(&settings, activations)?;
    let (words, outbound) = mpsc::channel(16);
    let joined = tokio::select! {
        joined = join(&settings, register, outbound, &words) => joined?,
        () = &mut leave => return Ok(()),
        () = &mut stop => return Ok(()),
    };
    let (welcome, mut orders) = joined;
    let mut member = Member::new(&settings, &welcome, listener)?;
    let leaving = async {
        leave.await;
        tracing::info!("this worker takes no more requests and ends when those it has are done");
        say(&words, from_worker::Message::Leaving(proto::Leaving {})).await;
        // What ends it then is the coordinator's word.
        std::future::pending::<()>().await;
    };
    let work = member.serve(&settings, &welcome, (words.clone(), &mut orders));
    tokio::select! {
        ended = work => ended,
        () = leaving => Ok(()),
        () = &mut stop => Ok(()),
    }
}

/// A worker that was let in.
struct Member {
    network: Network,
    heard: Option<mpsc::Receiver<StageEvent>>,
    accepting: JoinHandle<std::io::Result<()>>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Member {
    fn new(
        settings: &WorkerSettings,
        welcome: &proto::Welcome,
        listener: TcpListener,
    ) -> Result<Self, WorkerError> {
        const EVENTS: usize = 4096;
        let key: [u8; KEY_BYTES] = welcome
            .session_key
            .as_slice()
            .try_into()
            .map_err(|_| WorkerError::Refused("its welcome has no key".to_owned()))?;
        let (events, heard) = mpsc::channel(EVENTS);
        let security = settings.security.clone();
        let membership = Membership { machine: welcome.machine, key: SessionKey(key), security };
        let network = Network::new(membership, events);
        let accepting = tokio::spawn(network.clone().accept(listener));
        Ok(Self { network, heard: Some(heard), accepting })
    }

    /// Loads and computes while it listens to the coordinator.
    async fn serve(
        &mut self,
        settings: &WorkerSettings,
        welcome: &proto::Welcome,
        (words, orders): (mpsc::Sender<FromWorker>, &mut Streaming<ToWorker>),
    ) -> Result<(), WorkerError> {
        let layers = LayerRange::new(welcome.first_layer, welcome.end_layer)
            .ok_or_else(|| WorkerError::Refused("its welcome has no layers".to_owned()))?;
        let there = Arc::new(AtomicU32::new(0));
        let mut loading = tokio::task::spawn_blocking({
            let (settings, welcome, there) = (settings.clone(), welcome.clone(), there.clone());
            move || load(&settings, &welcome, layers, &there)
        });
        let mut beat = tokio::time::interval(Duration::from_millis(welcome.heartbeat_ms.max(10).into()));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut loaded, mut computing) = (false, None::<tokio::sync::oneshot::Receiver<()>>);
        loop {
            let ended = async {
                match &mut computing {
                    Some(computing) => drop(computing.await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                order = orders.message() => match order {
                    Ok(Some(ToWorker { message })) => if self.obey(message)? { return Ok(()) },
                    Ok(None) => return Err(WorkerError::CoordinatorGone("it closed the connection".to_owned())),
                    Err(status) => {
                        tracing::debug!(%status, "the stream of orders broke");
                        return Err(WorkerError::CoordinatorGone("the connection to it broke".to_owned()));
                    }
                },
                result = &mut loading, if !loaded => {
                    loaded = true;
                    let result = result.map_err(|_| WorkerError::Broken("the loader"))?;
                    match result {
                        Ok(ready) => {
                            let said = proto::Loaded {
                                kv_blocks: ready.blocks,
                                resident_bytes: resident_bytes(),
                                load_seconds: ready.seconds,
                            };
                            computing = Some(self.compute(welcome, (ready, settings.slowdown))?);
                            say(&words, from_worker::Message::Loaded(said)).await;
                        }
                        Err(reason) => {
                            let failed = proto::LoadFailed { reason: reason.clone() };
                            say(&words, from_worker::Message::Failed(failed)).await;
                            // The words go out before the connection ends with this process.
                            let hear = async { while let Ok(Some(_)) = orders.message().await {} };
                            let _ = tokio::time::timeout(Duration::from_secs(1), hear).await;
                            return Err(WorkerError::Load { layers, reason });
                        }
                    }
                }
                _ = beat.tick() => {
                    if !loaded {
                        let there = there.load(Ordering::Relaxed);
                        tracing::info!(%layers, loaded = there, of = layers.len(), "loading");
                        let progress = proto::LoadProgress { loaded_layers: there, layers: layers.len() };
                        say(&words, from_worker::Message::Loading(progress)).await;
                    }
                    let message = proto::Heartbeat { resident_bytes: resident_bytes() };
                    say(&words, from_worker::Message::Heartbeat(message)).await;
                }
                () = ended => return Err(WorkerError::Broken("the computing thread")),
            }
        }
    }

    /// Whether it is to end.
    fn obey(&self, order: Option<to_worker::Message>) -> Result<bool, WorkerError> {
        Ok(match order {
            Some(to_worker::Message::Peers(peers)) => {
                let peers = peers.peers.into_iter();
                self.network.set_addresses(peers.map(|peer| (peer.machine, peer.activations)).collect());
                false
            }
            Some(to_worker::Message::Shutdown(shutdown)) => {
                tracing::info!(reason = shutdown.reason, "the coordinator ends this worker");
                true
            }
            Some(to_worker::Message::Dismissed(dismissed)) => {
                return Err(WorkerError::Dismissed(dismissed.reason));
            }
            Some(to_worker::Message::Welcome(_)) | None => false,
        })
    }

    /// Starts the thread that computes; the receiver ends with it.
    fn compute(
        &mut self,
        welcome: &proto::Welcome,
        (ready, slowdown): (Loaded, f64),
    ) -> Result<tokio::sync::oneshot::Receiver<()>, WorkerError> {
        let broken = WorkerError::Broken("the computing thread");
        let Some(heard) = self.heard.take() else { return Err(broken) };
        let limits = StageLimits {
            machine: welcome.machine,
            model_layers: welcome.model_layers,
            chunk: ready.chunk,
            window: ready.chunk.saturating_mul(2),
        };
        let (started, blocks) = (Instant::now(), ready.blocks);
        let clock = move || {
            let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            SimTime(nanoseconds.saturating_mul(1000))
        };
        let executor = Slowed::new(ready.stage, slowdown);
        let stage = StageLoop::new(limits, ready.node, (executor, self.network.clone()), Box::new(clock));
        let (ends, ended) = tokio::sync::oneshot::channel::<()>();
        let spawned = std::thread::Builder::new().name("compute".to_owned()).spawn(move || {
            compute(stage, heard);
            drop(ends);
        });
        spawned.map_err(|_| broken)?;
        tracing::info!(cache_blocks = blocks, "this worker serves");
        Ok(ended)
    }
}

/// Takes what has come, computes a batch, and so on until nobody can send any more.
fn compute<E: super::StageExecutor>(mut stage: StageLoop<E, Network>, mut heard: mpsc::Receiver<StageEvent>) {
    while let Some(event) = heard.blocking_recv() {
        stage.handle(event);
        loop {
            while let Ok(event) = heard.try_recv() {
                stage.handle(event);
            }
            if !stage.step() {
                break;
            }
        }
    }
}

async fn say(words: &mpsc::Sender<FromWorker>, message: from_worker::Message) {
    // When the connection is gone, the orders end: that is where it is noticed.
    let _ = words.send(FromWorker { message: Some(message) }).await;
}

/// Resident memory of this process, 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * PAGE)
}
