//! Worker processes of `helix up`: started from this program, ended with it, however it ends.

use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::TOKEN_VARIABLE;
use crate::exit_codes::{Failure, Kind};

/// A worker process.
pub struct Worker {
    child: Child,
    /// Its standard input. It ends when this is dropped, and the system drops it when this process dies.
    leash: Option<ChildStdin>,
}

impl Worker {
    /// Starts `helix worker` with these arguments.
    pub fn start(arguments: &[String], token: &str) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Kind::Other, format!("a worker process cannot be started: {error}"))
        };
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.arg("worker").args(arguments).env(TOKEN_VARIABLE, token);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        // A terminal sends Ctrl-C to all processes of a group. Workers have one of their own: this process decides when
        // they end, so that running answers can be finished.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(failed)?;
        let leash = child.stdin.take();
        Ok(Self { child, leash })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The kind of trouble that ended it, once it has ended by itself.
    pub fn trouble(&mut self) -> Option<Kind> {
        let status = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status.code(),
            Err(_) => None,
        };
        Some(status.and_then(Kind::of_code).unwrap_or(Kind::Other))
    }

    /// Lets it end.
    pub fn let_go(&mut self) {
        drop(self.leash.take());
    }

    /// Waits until it has ended; kills it when it does not.
    pub fn wait(&mut self, until: Instant) {
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => {
                    // It may have ended just now.
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return;
                }
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

/// Lets all end, and waits for them.
pub fn end(workers: &mut [Worker]) {
    const PATIENCE: Duration = Duration::from_secs(3);
    for worker in &mut *workers {
        worker.let_go();
    }
    let until = Instant::now() + PATIENCE;
    for worker in workers {
        worker.wait(until);
    }
}

/// However a command ends, its workers do.
pub struct Workers(pub Vec<Worker>);

impl Workers {
    /// Done when one of them has ended, with the kind of its trouble.
    pub async fn one_ended(&mut self) -> Kind {
        loop {
            if let Some(trouble) = self.0.iter_mut().find_map(Worker::trouble) {
                return trouble;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}
