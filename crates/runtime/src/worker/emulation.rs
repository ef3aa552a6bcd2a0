//! Emulation: a worker that computes slower than its machine, to see how a cluster of unequal machines behaves.

use std::time::Instant;

use super::executor::{StageExecutor, StageItem};

/// Computes, then waits: every batch takes `slowdown` times as long as it took.
#[derive(Debug)]
pub(super) struct Slowed<E> {
    inner: E,
    slowdown: f64,
}

impl<E> Slowed<E> {
    /// `slowdown` of 1 or less changes nothing.
    pub(super) fn new(inner: E, slowdown: f64) -> Self {
        Self { inner, slowdown }
    }
}

impl<E: StageExecutor> StageExecutor for Slowed<E> {
    fn run(&mut self, items: &[StageItem]) -> Result<Vec<Vec<f32>>, String> {
        let started = Instant::now();
        let outputs = self.inner.run(items);
        if self.slowdown > 1.0 {
            std::thread::sleep(started.elapsed().mul_f64(self.slowdown - 1.0));
        }
        outputs
    }

    fn release(&mut self, request: u64) {
        self.inner.release(request);
    }

    fn width(&self) -> u32 {
        self.inner.width()
    }
}
