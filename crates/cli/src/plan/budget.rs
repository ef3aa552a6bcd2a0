//! The time that a search may take: its limit, Ctrl-C, and what is shown while it runs.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

use helix_planner::SearchEvent;
use helix_spec::SimTime;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit_codes::{Failure, Kind};

/// Longer budgets are a mistake in the unit.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// Reads `60s`, `2min`, `1 h`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let time: SimTime = text.parse().map_err(|error: helix_spec::UnitError| error.to_string())?;
    let duration = Duration::from_nanos(time.0 / 1000);
    if duration.is_zero() {
        return Err("a search needs some time: give for example `10s`".to_owned());
    }
    if duration > LONGEST {
        return Err(format!("`{text}` is more than a week; give for example `10min`"));
    }
    Ok(duration)
}

/// A running search.
pub struct Budget {
    started: Instant,
    limit: Duration,
    bar: ProgressBar,
    best: Cell<f64>,
    bound: Cell<f64>,
    simulated: Cell<Option<(usize, f64)>>,
}

/// Set by the first Ctrl-C or SIGTERM.
fn interrupted() -> &'static AtomicBool {
    static INTERRUPTED: OnceLock<AtomicBool> = OnceLock::new();
    INTERRUPTED.get_or_init(AtomicBool::default)
}

/// The first time ends the search with the best so far, the second time the program.
fn interrupt() {
    if interrupted().swap(true, Ordering::Relaxed) {
        std::process::exit(i32::from(Kind::Interrupted.code()));
    }
}

/// Takes SIGTERM, which service managers and batch systems send, for Ctrl-C. Best effort: without it the signal ends the program.
/// SIGHUP is left alone, since `nohup` ignores it on purpose.
#[cfg(unix)]
fn watch_termination() {
    use tokio::signal::unix::{SignalKind, signal};
    std::thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let Ok(mut terminations) = signal(SignalKind::terminate()) else { return };
            while terminations.recv().await.is_some() {
                interrupt();
            }
        });
    });
}

/// There is no such signal.
#[cfg(not(unix))]
fn watch_termination() {}

impl Budget {
    /// Starts the clock. The first Ctrl-C or SIGTERM ends the search with the best so far, the second one the program.
    pub fn start(limit: Duration) -> Result<Self, Failure> {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(watch_termination);
        match ctrlc::try_set_handler(interrupt) {
            // Somebody handles Ctrl-C already, or has it ignored, as shells do for what runs behind them.
            Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
            Err(error) => return Err(Failure::new(Kind::Other, format!("Ctrl-C cannot be caught: {error}"))),
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        Ok(Self {
            started: Instant::now(),
            limit,
            bar,
            best: Cell::new(0.0),
            bound: Cell::new(f64::INFINITY),
            simulated: Cell::new(None),
        })
    }

    /// The share of the budget that is used up; 1 after Ctrl-C.
    pub fn used(&self) -> f64 {
        if Self::was_interrupted() {
            return 1.0;
        }
        let elapsed = self.started.elapsed();
        if elapsed > Duration::from_secs(2) {
            self.bar.tick();
        }
        elapsed.as_secs_f64() / self.limit.as_secs_f64()
    }

    /// Whether Ctrl-C ended the search.
    pub fn was_interrupted() -> bool {
        interrupted().load(Ordering::Relaxed)
    }

    /// Shows the best plan and the bound, once the search takes longer than two seconds, on a terminal.
    pub fn show(&self, event: &SearchEvent) {
        match event {
            SearchEvent::Found { throughput, .. } => self.best.set(self.best.get().max(*throughput)),
            SearchEvent::Bound(bound) => self.bound.set(self.bound.get().min(*bound)),
            SearchEvent::Simulated { runs, decode_rate } => self.simulated.set(Some((*runs, *decode_rate))),
        }
        if let Some((runs, rate)) = self.simulated.get() {
            self.bar.set_message(format!(
                "best {rate:.1} decode tokens/s after {runs} simulated runs (Ctrl-C keeps the best)"
            ));
            return;
        }
        let (best, bound) = (self.best.get(), self.bound.get());
        self.bar.set_message(format!("best {best:.1} tokens/s, bound {bound:.1} (Ctrl-C keeps the best)"));
    }

    /// When the budget is used up.
    pub fn deadline(&self) -> Instant {
        self.started + self.limit
    }

    /// The whole budget \[s\].
    pub fn limit_seconds(&self) -> f64 {
        self.limit.as_secs_f64()
    }

    /// Time since the start, while the search goes on \[s\].
    pub fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Time since the start, when the search has ended \[s\].
    pub fn seconds(&self) -> f64 {
        self.bar.finish_and_clear();
        self.started.elapsed().as_secs_f64()
    }
}
