//! Starting and ending a coordinator.

use std::net::SocketAddr;
use std::time::Duration;

use helix_engine::WeightFormat;
use helix_scheduler::TopologyError;
use helix_scheduler::coordinator::CoordinatorConfigError;
use ring::rand::SecureRandom as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::cluster::{Cluster, Fixed};
use super::plan::ClusterPlan;
use super::recorder::Recorder;
use super::routes::Routes;
use crate::control::{ControlSettings, serve_control};
use crate::net::Security;
use crate::service::{ModelInfo, Service, TextModel, pair};
use crate::wire::{KEY_BYTES, SessionKey};

/// What a coordinator is started with.
#[derive(Debug)]
pub struct CoordinatorSettings {
    /// Where workers join. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What workers must show.
    pub join_token: String,
    /// Who holds what.
    pub plan: ClusterPlan,
    /// The model.
    pub model: ModelInfo,
    /// Its tokenizer.
    pub text: TextModel,
    /// How workers keep weights.
    pub weights: WeightFormat,
    /// The most requests at a time, waiting ones included.
    pub max_requests: usize,
    /// How often workers show that they live.
    pub heartbeat: Duration,
    /// A worker that is silent for so long is lost. A process that died is noticed at once; this is for machines and networks
    /// that went away without a word, and must outlast what a machine with too much to do is silent for.
    pub patience: Duration,
    /// Plain or TLS.
    pub security: Security,
}

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port for workers.
    #[error("the port for workers, {address}, cannot be opened: {reason}; choose another with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// A token that protects nothing.
    #[error("the join token has {0} characters, at least 8 are needed")]
    Token(usize),
    /// The placement.
    #[error("the placement cannot be served: {0}")]
    Placement(#[from] TopologyError),
    /// No way from the first layer to the last.
    #[error("the placement leads no request through all {0} layers")]
    NoPipeline(u32),
    /// The scheduler's settings.
    #[error(transparent)]
    Settings(CoordinatorConfigError),
    /// No random numbers.
    #[error("the system gives no random numbers for the cluster's key")]
    Random,
}

/// A running coordinator. It runs on the tokio runtime that started it.
#[derive(Debug)]
pub struct Coordinator {
    service: Service,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    stop_control: Option<oneshot::Sender<()>>,
    cluster: JoinHandle<()>,
    control: JoinHandle<()>,
}

impl Coordinator {
    /// Opens the port for workers and begins.
    pub async fn start(settings: CoordinatorSettings) -> Result<Self, StartError> {
        Self::start_with(settings, Routes::default(), None).await
    }

    /// The same with a choice of routes; every request is recorded as it ends, where a recorder is given.
    pub async fn start_with(
        settings: CoordinatorSettings,
        routes: Routes,
        recorder: Option<Recorder>,
    ) -> Result<Self, StartError> {
        const EVENTS: usize = 4096;
        if settings.join_token.len() < 8 {
            return Err(StartError::Token(settings.join_token.len()));
        }
        if !settings.plan.has_pipeline(|_| true) {
            return Err(StartError::NoPipeline(settings.plan.model_layers));
        }
        let mut key = [0; KEY_BYTES];
        ring::rand::SystemRandom::new().fill(&mut key).map_err(|_| StartError::Random)?;
        let refused = |error: std::io::Error| StartError::Listen {
            address: settings.listen,
            reason: error.to_string(),
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (events, heard) = mpsc::channel(EVENTS);
        let control = ControlSettings {
            join_token: settings.join_token,
            model: (settings.model.name.clone(), settings.model.fingerprint.clone()),
            patience: settings.patience,
            security: settings.security.clone(),
        };
        let fixed = Fixed {
            plan: settings.plan,
            routes,
            model: settings.model.clone(),
            weights: format_name(settings.weights).to_owned(),
            key: SessionKey(key),
            security: settings.security,
            heartbeat: settings.heartbeat,
            events: events.clone(),
        };
        let cluster = Cluster::new(fixed, recorder)?;
        let (service, backend) = pair(settings.model, settings.text, settings.max_requests);
        let (stop, stopped) = oneshot::channel();
        let (stop_control, control_stopped) = oneshot::channel::<()>();
        let cluster = tokio::spawn(cluster.run(backend, heard, stopped));
        let control = tokio::spawn(async move {
            let until = async { drop(control_stopped.await) };
            if let Err(error) = serve_control(listener, control, events, until).await {
                tracing::error!(%error, "the port for workers does not serve");
            }
        });
        Ok(Self { service, address, stop: Some(stop), stop_control: Some(stop_control), cluster, control })
    }

    /// For the API server.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// Where workers join.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all requests, tells the workers to end, and waits until they have heard it.
    pub async fn stop(mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        drop(self.stop.take());
        // Ends that are broken already are ended.
        let _ = (&mut self.cluster).await;
        drop(self.stop_control.take());
        if tokio::time::timeout(PATIENCE, &mut self.control).await.is_err() {
            self.control.abort();
        }
    }
}

/// A join token that nobody guesses.
pub fn random_token() -> Result<String, StartError> {
    let mut bytes = [0; 16];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| StartError::Random)?;
    Ok(crate::fingerprint::hexadecimal(&bytes))
}

/// Name of a weight format on the wire.
pub(crate) fn format_name(format: WeightFormat) -> &'static str {
    match format {
        WeightFormat::Full => "full",
        WeightFormat::Q8_0 => "q8_0",
    }
}

/// The other way round.
pub(crate) fn format_from_name(name: &str) -> Option<WeightFormat> {
    [WeightFormat::Full, WeightFormat::Q8_0].into_iter().find(|format| format_name(*format) == name)
}
