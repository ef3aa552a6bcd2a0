//! Whether all layers can be covered at a target flow: a sweep over the layers with memory.
//!
//! A machine that starts where the cover suffices without it can start later, so machines start only where another one's
//! layers end and the cover falls below the flow, and no more of them than needed. (A machine may then reach beyond the last
//! layer; moved back to end there it covers no less.)

use std::collections::BTreeMap;

use super::Found;
use crate::packing::{Kinds, Span};

/// States remembered, at most (about 100 bytes each).
const MAX_STATES: usize = 1_500_000;

/// A machine of a kind with its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// Its kind.
    pub kind: usize,
    /// Its layers.
    pub span: Span,
}

/// A machine that still covers the next layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Open {
    /// Index of its item.
    pub item: usize,
    /// Layers that it still covers.
    pub left: usize,
}

/// A way to use a machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub kind: usize,
    pub layers: usize,
    /// Throughput \[tokens/s\].
    pub rate: f64,
}

/// A search at one target flow; its memory serves many questions.
pub struct CoverSearch<'a> {
    pub(super) items: Vec<Item>,
    layers: usize,
    flow: f64,
    /// What a machine of each kind is worth at most \[layers\].
    prices: &'a [f64],
    /// For a state, the most layers behind it from which the rest was proven impossible.
    failed: BTreeMap<Vec<u16>, usize>,
    /// Machines of each kind that are still free.
    pub(super) free: Vec<u32>,
    /// Machines placed on the way to the current state.
    placed: Vec<Placed>,
    pub(super) effort: u64,
}

impl<'a> CoverSearch<'a> {
    /// A search whose prices give every cover of a layer a cost of at least 1; `effort` limits the steps of all its questions.
    #[must_use]
    pub fn new(kinds: Kinds<'a>, layers: usize, flow: f64, prices: &'a [f64], effort: u64) -> Self {
        let mut items = Vec::new();
        for (kind, table) in kinds.tables.iter().enumerate().filter(|&(kind, _)| kinds.counts[kind] > 0) {
            items.extend(table.entries().map(|(layers, rate)| Item { kind, layers, rate }));
        }
        // Wide ranges first: they leave the least to do.
        items.sort_by(|a, b| {
            b.layers.cmp(&a.layers).then(b.rate.total_cmp(&a.rate)).then(a.kind.cmp(&b.kind))
        });
        let free = kinds.counts.to_vec();
        Self { items, layers, flow, prices, failed: BTreeMap::new(), free, placed: Vec::new(), effort }
    }

    /// Whether the layers can be covered at all, and how.
    pub fn solve(&mut self) -> Found<Vec<Placed>> {
        match self.extend(0, &[]) {
            Some(true) => Found::Yes(self.placed.iter().map(|&placed| self.pull_back(placed)).collect()),
            Some(false) => Found::No,
            None => Found::Unknown,
        }
    }

    fn pull_back(&self, placed: Placed) -> Placed {
        let beyond = placed.span.end.saturating_sub(self.layers);
        let span =
            Span { start: placed.span.start - beyond.min(placed.span.start), end: placed.span.end - beyond };
        Placed { span, ..placed }
    }

    /// Whether the layers from `position` on can be covered by what is open and free; `None` if the effort ran out.
    /// After a yes, `placed` and `free` stay as they were when the last layer was reached.
    fn extend(&mut self, mut position: usize, open: &[Open]) -> Option<bool> {
        self.effort = self.effort.checked_sub(1)?;
        let mut ahead = open.to_vec();
        while self.rate(&ahead) >= self.flow {
            let step = ahead.iter().map(|open| open.left).min().unwrap_or(self.layers);
            position += step;
            ahead.retain_mut(|open| {
                open.left -= step;
                open.left > 0
            });
            if position >= self.layers {
                return Some(true);
            }
        }
        if !self.is_worth(position, &ahead) {
            return Some(false);
        }
        let key = key(&mut ahead, &self.free);
        if self.failed.get(&key).is_some_and(|&behind| position <= behind) {
            return Some(false);
        }
        let answer = self.add(position, &mut ahead, 0, 0)?;
        if !answer {
            if self.failed.len() >= MAX_STATES {
                return None;
            }
            self.failed.insert(key, position);
        }
        Some(answer)
    }

    /// Whether the layers from `position` on can be covered by what is open and free; forgets how.
    pub(super) fn is_possible(&mut self, position: usize, open: &[Open]) -> Option<bool> {
        let (free, placed) = (self.free.clone(), self.placed.len());
        let answer = self.extend(position, open);
        self.free = free;
        self.placed.truncate(placed);
        answer
    }

    /// Adds machines from item `from` on until the cover suffices at `position`; the last `added` of `open` are new here.
    fn add(&mut self, position: usize, open: &mut Vec<Open>, from: usize, added: usize) -> Option<bool> {
        for index in from..self.items.len() {
            let item = self.items[index];
            if self.free[item.kind] == 0 {
                continue;
            }
            open.push(Open { item: index, left: item.layers });
            let rate = self.rate(open);
            let needed =
                open.iter().rev().take(added + 1).all(|new| rate - self.items[new.item].rate < self.flow);
            let mut answer = Some(false);
            if needed {
                self.free[item.kind] -= 1;
                self.placed.push(Placed {
                    kind: item.kind,
                    span: Span { start: position, end: position + item.layers },
                });
                answer = if rate >= self.flow {
                    self.extend(position, open)
                } else if self.is_worth(position, open) {
                    self.add(position, open, index, added + 1)
                } else {
                    Some(false)
                };
                if answer == Some(true) {
                    return answer;
                }
                self.placed.pop();
                self.free[item.kind] += 1;
            }
            open.pop();
            answer?;
        }
        Some(false)
    }

    /// Whether what is open and free may be worth the layers from `position` on.
    pub(super) fn is_worth(&self, position: usize, open: &[Open]) -> bool {
        let open: f64 = open
            .iter()
            .map(|open| {
                let item = self.items[open.item];
                self.prices[item.kind] * open.left as f64 / item.layers as f64
            })
            .sum();
        let free: f64 =
            self.prices.iter().zip(&self.free).map(|(price, &count)| price * f64::from(count)).sum();
        open + free + 1e-6 >= (self.layers - position) as f64
    }

    fn rate(&self, open: &[Open]) -> f64 {
        // A hair in favour of the cover: a no must be a proof.
        open.iter().map(|open| self.items[open.item].rate).sum::<f64>() * (1.0 + 1e-12)
    }
}

/// A state as a key: machines left, then what is open in order.
fn key(open: &mut [Open], counts: &[u32]) -> Vec<u16> {
    open.sort_unstable();
    let short = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    let counts = counts.iter().map(|&count| u16::try_from(count).unwrap_or(u16::MAX));
    counts.chain(open.iter().flat_map(|open| [short(open.item), short(open.left)])).collect()
}
