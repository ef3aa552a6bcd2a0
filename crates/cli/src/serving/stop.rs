//! What ends a serving command: Ctrl-C, a signal, or a parent that is gone.

use std::io::Read as _;
use std::time::Duration;

use helix_server::ServeError;
use tokio::sync::oneshot;

use crate::exit_codes::{Failure, Kind};

/// Ctrl-C and SIGTERM, as they come. From the beginning of this on neither ends the process by itself.
pub struct Signals {
    #[cfg(unix)]
    streams: [Option<tokio::signal::unix::Signal>; 2],
}

impl Signals {
    /// Begins to listen; must be called where the asynchronous runtime is.
    #[cfg(unix)]
    pub fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // Without signals there is nothing to wait for.
        Self { streams: [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok()) }
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub fn listen() -> Self {
        Self {}
    }

    /// Done at the next one.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        async fn of(stream: &mut Option<tokio::signal::unix::Signal>) {
            match stream {
                Some(stream) => drop(stream.recv().await),
                None => std::future::pending().await,
            }
        }
        let [interrupted, terminated] = &mut self.streams;
        tokio::select! {
            () = of(interrupted) => {}
            () = of(terminated) => {}
        }
    }

    /// Done at the next one.
    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Done when so many have come.
    pub async fn come(mut self, count: u32) {
        for _ in 0..count {
            self.next().await;
        }
    }
}

/// Done when standard input ends: the parent holds its other end, and lets go of it however it ends.
pub async fn parent_gone() {
    let (gone, waits) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut rest = [0; 64];
        while !matches!(std::io::stdin().read(&mut rest), Ok(0) | Err(_)) {}
        drop(gone);
    });
    // Its only end is that the sender is dropped.
    let _ = waits.await;
}

/// Lets an API that was told to end finish its running answers, unless one more signal comes.
pub async fn finish(
    api: impl Future<Output = Result<(), ServeError>>,
    again: impl Future<Output = ()>,
) -> Result<(), Failure> {
    /// Where nothing runs, there is nothing to be told.
    const AT_ONCE: Duration = Duration::from_millis(200);
    tokio::pin!(api, again);
    let cut_off = || Err(Failure::new(Kind::Interrupted, "interrupted: running answers were cut off"));
    tokio::select! {
        ended = &mut api => return api_ended(ended),
        () = &mut again => return cut_off(),
        () = tokio::time::sleep(AT_ONCE) => {}
    }
    eprintln!("running answers are finished first; Ctrl-C again cuts them off");
    tokio::select! {
        ended = api => api_ended(ended),
        () = again => cut_off(),
    }
}

/// How a command ends whose API has ended.
pub fn api_ended(ended: Result<(), ServeError>) -> Result<(), Failure> {
    ended.map_err(|error| Failure::new(Kind::BadInput, error))
}
