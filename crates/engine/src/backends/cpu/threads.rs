//! A fixed number of threads that sleep when there is nothing to do.
//!
//! Work is handed out in parts that touch nothing of each other, so that who does which part shows nowhere.

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

/// Threads of one worker. One thread means the caller's own.
#[derive(Debug)]
pub struct Threads {
    pool: Option<rayon::ThreadPool>,
    count: usize,
}

/// The system gave no thread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} threads cannot be started: {problem}; give fewer with the thread count of the worker")]
pub struct ThreadsError {
    /// How many were asked for.
    pub count: usize,
    /// What the system says.
    pub problem: String,
}

/// More threads are refused: no machine has so many cores.
const MAX_THREADS: usize = 1024;

impl Threads {
    /// Starts `count` threads, or none for one.
    ///
    /// # Errors
    /// When the count is 0 or beyond 1024, or the system gives none.
    pub fn new(count: usize) -> Result<Self, ThreadsError> {
        let fail = |problem: String| ThreadsError { count, problem };
        if count == 0 || count > MAX_THREADS {
            return Err(fail(format!("1 to {MAX_THREADS} are allowed")));
        }
        let pool = (count > 1)
            .then(|| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(count)
                    .thread_name(|index| format!("helix-engine-{index}"))
                    .build()
            })
            .transpose()
            .map_err(|error| fail(error.to_string()))?;
        Ok(Self { pool, count })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does every part of the work, on all threads.
    pub fn each<W: Send>(&self, parts: Vec<W>, work: impl Fn(W) + Sync) {
        match &self.pool {
            Some(pool) if parts.len() > 1 => {
                pool.install(|| parts.into_par_iter().for_each(&work));
            }
            _ => parts.into_iter().for_each(work),
        }
    }
}
