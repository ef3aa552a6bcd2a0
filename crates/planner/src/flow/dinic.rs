//! Dinic's method: pushes as much as possible from one node to another in a residual graph.
//!
//! A round has two parts.
//! 1. *Levels*: a breadth-first search backwards from the target gives each node its distance to the target over
//!    arcs that can still carry something. It stops as soon as the origin has its level; a dense graph is not read whole.
//! 2. *Blocking flow*: walk from the origin, always to a node one level nearer; at the target push what the path
//!    bears and go back to the first arc that became full. A node without a way on loses its level, and each node
//!    remembers the arc that it tried last (its *current arc*), so that no arc is tried twice in a round.
//!
//! After a round the distance from origin to target has grown, so there are fewer rounds than nodes.
//! Time O(V² E) at worst, in practice close to linear. No recursion: depth is bounded by memory, not by the stack.
//! Source: E. A. Dinitz, Algorithm for solution of a problem of maximum flow in networks with power estimation, 1970.

use super::residual::Residual;

/// Level of a node that was not reached.
const UNSEEN: u32 = 0;

/// The working memory; it is kept between calls.
#[derive(Debug, Clone, Default)]
pub struct Dinic {
    /// Distance to the target plus 1.
    level: Vec<u32>,
    /// The arc that each node tries next.
    current: Vec<u32>,
    /// Nodes in the order of their levels.
    queue: Vec<u32>,
    /// Arcs from the origin to where the walk stands.
    path: Vec<u32>,
}

impl Dinic {
    /// Pushes up to `limit` from `origin` to `target`, two different nodes; returns how much went through.
    /// Less than `limit` means that no more can.
    pub fn push(&mut self, residual: &mut Residual, origin: u32, target: u32, limit: u64) -> u64 {
        let mut left = limit;
        while left > 0 && self.set_levels(residual, origin, target) {
            left = self.push_blocking(residual, origin, target, left);
        }
        limit - left
    }

    /// Part 1 of a round; says whether the target can be reached.
    pub fn set_levels(&mut self, residual: &Residual, origin: u32, target: u32) -> bool {
        let nodes = residual.first.len() - 1;
        self.level.clear();
        self.level.resize(nodes, UNSEEN);
        self.current.resize(nodes, 0);
        self.queue.clear();
        self.queue.push(target);
        self.level[target as usize] = 1;
        let mut next = 0;
        while let Some(&node) = self.queue.get(next) {
            next += 1;
            let level = self.level[node as usize] + 1;
            for arc in row(residual, node) {
                let before = arc.head as usize;
                if self.level[before] != UNSEEN || residual.arcs[arc.mate as usize].residual == 0 {
                    continue;
                }
                self.level[before] = level;
                self.current[before] = residual.first[before];
                if arc.head == origin {
                    return true;
                }
                self.queue.push(arc.head);
            }
        }
        false
    }

    /// Part 2 of a round; returns what is left of `limit`.
    fn push_blocking(&mut self, residual: &mut Residual, origin: u32, target: u32, mut limit: u64) -> u64 {
        self.path.clear();
        let mut node = origin;
        loop {
            if node == target {
                limit -= self.push_along_path(residual, limit);
                if limit == 0 {
                    return 0;
                }
                node = self.retreat_to_full_arc(residual);
            }
            if let Some(head) = self.advance(residual, node) {
                node = head;
            } else {
                self.level[node as usize] = UNSEEN;
                let Some(arc) = self.path.pop() else { return limit };
                node = tail(residual, arc);
                self.current[node as usize] += 1;
            }
        }
    }

    /// Takes the next arc that leads one level nearer.
    fn advance(&mut self, residual: &Residual, node: u32) -> Option<u32> {
        let wanted = self.level[node as usize] - 1;
        let begin = self.current[node as usize];
        let end = residual.first[node as usize + 1];
        for (position, arc) in (begin..end).zip(&residual.arcs[begin as usize..end as usize]) {
            if self.level[arc.head as usize] == wanted && arc.residual > 0 {
                self.current[node as usize] = position;
                self.path.push(position);
                return Some(arc.head);
            }
        }
        self.current[node as usize] = end;
        None
    }

    fn push_along_path(&self, residual: &mut Residual, limit: u64) -> u64 {
        let bears = |arc: &u32| residual.arcs[*arc as usize].residual;
        let amount = self.path.iter().map(bears).min().unwrap_or(0).min(limit);
        for &arc in &self.path {
            let mate = residual.arcs[arc as usize].mate;
            residual.arcs[arc as usize].residual -= amount;
            residual.arcs[mate as usize].residual += amount;
        }
        amount
    }

    /// Shortens the path to the beginning of its first full arc, where the walk goes on.
    fn retreat_to_full_arc(&mut self, residual: &Residual) -> u32 {
        let full = self.path.iter().position(|&arc| residual.arcs[arc as usize].residual == 0);
        let kept = full.expect("invariant: a push that did not reach its limit fills an arc of the path");
        let node = tail(residual, self.path[kept]);
        self.path.truncate(kept);
        node
    }
}

/// The arcs that leave a node.
fn row(residual: &Residual, node: u32) -> &[super::residual::Arc] {
    let (begin, end) = (residual.first[node as usize], residual.first[node as usize + 1]);
    &residual.arcs[begin as usize..end as usize]
}

/// The node that an arc leaves.
fn tail(residual: &Residual, arc: u32) -> u32 {
    residual.arcs[residual.arcs[arc as usize].mate as usize].head
}
