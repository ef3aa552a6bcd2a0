//! What ends a serving command: Ctrl-C, a signal, or a parent that is gone.

use std::io::Read as _;

use tokio::sync::oneshot;

/// Done at the first Ctrl-C or SIGTERM.
pub async fn asked_to() {
    let interrupted = async {
        // Without signals there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            },
            Err(_) => interrupted.await,
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
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
