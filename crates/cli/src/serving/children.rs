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
        let mut child = command.spawn().map_err(failed)?;
        let leash = child.stdin.take();
        Ok(Self { child, leash })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
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
    /// Done when one of them has ended.
    pub async fn one_ended(&mut self) {
        while !self.0.iter_mut().any(Worker::has_ended) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}
