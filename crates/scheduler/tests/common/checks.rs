//! What must always hold, kept in books of its own.

use std::collections::BTreeMap;

use helix_scheduler::coordinator::{Action, Coordinator, Outcome};
use helix_scheduler::node::{Batch, Batching, BlockSpan, KvConfig, Node};
use helix_scheduler::route::RoutePolicy;
use helix_scheduler::{Phase, RequestId, Work};
use helix_spec::MachineId;

use super::world::Machine;

#[derive(Debug)]
struct Known {
    prompt: u32,
    tokens: u32,
    attempt: u32,
    outcome: Option<Outcome>,
}

#[derive(Debug, Default)]
pub struct Books {
    requests: BTreeMap<RequestId, Known>,
    /// Tokens through a machine's layers, by machine, request and attempt.
    computed: BTreeMap<(usize, RequestId, u32), u64>,
    pub shortages: u32,
    pub restarts: u32,
    pub discarded: u32,
    pub fused: u32,
    pub parts: u32,
}

impl Books {
    pub fn arrived(&mut self, request: u64, prompt: u32, tokens: u32) {
        let known = Known { prompt, tokens, attempt: 0, outcome: None };
        assert!(self.requests.insert(RequestId(request), known).is_none(), "ids are new");
    }

    pub fn is_current(&self, (request, attempt): (RequestId, u32)) -> bool {
        self.requests.get(&request).is_some_and(|known| known.outcome.is_none() && known.attempt == attempt)
    }

    pub fn action(&mut self, action: Action) {
        match action {
            Action::Ended { request, outcome, generated } => {
                let known = self.requests.get_mut(&request).expect("it arrived");
                assert_eq!(known.outcome, None, "{request:?} ends twice");
                assert!(
                    outcome != Outcome::Finished || generated == known.tokens,
                    "{request:?}: {generated}"
                );
                known.outcome = Some(outcome);
            }
            Action::Restarts { request, attempt, tokens } => {
                let known = self.requests.get_mut(&request).expect("it arrived");
                assert_eq!((known.outcome, attempt), (None, known.attempt + 1));
                assert!((known.prompt..known.prompt + known.tokens).contains(&tokens));
                known.attempt = attempt;
                self.restarts += 1;
            }
            Action::Hop { request, attempt, .. } | Action::Dispatch { request, attempt, .. } => {
                assert!(self.is_current((request, attempt)), "{action:?}");
            }
            Action::Waits { .. } | Action::Free { .. } | Action::Drained { .. } => {}
        }
    }

    /// A batch against the limits and the cache, from its items alone.
    pub fn batch(&mut self, batch: &Batch, node: &Node) {
        let (config, limits) = (node.config(), node.config().limits);
        let items: Vec<_> = node.running().copied().collect();
        let prefills = items.iter().filter(|work| work.phase == Phase::Prefill);
        let prefill_tokens: u64 = prefills.clone().map(|work| u64::from(work.tokens)).sum();
        let decodes = items.iter().filter(|work| work.phase == Phase::Decode);
        let context: u64 = decodes.clone().map(|work| u64::from(work.context)).sum();
        assert_eq!(
            (batch.prefills as usize, batch.prefill_tokens),
            (prefills.clone().count(), prefill_tokens)
        );
        assert_eq!((batch.decodes as usize, batch.decode_context), (decodes.clone().count(), context));
        assert!(batch.prefills <= limits.prefills && prefill_tokens <= limits.prefill_tokens);
        assert!(batch.decodes <= limits.decodes && context <= limits.decode_context);
        assert!(prefill_tokens + u64::from(batch.decodes) <= limits.tokens);
        let mut requests: Vec<_> = items.iter().map(|work| work.request).collect();
        requests.sort_unstable();
        requests.dedup();
        assert_eq!(requests.len(), items.len(), "one item of a request at a time");
        for work in &items {
            let inside =
                work.layers.start() <= batch.layers.start() && batch.layers.end() <= work.layers.end();
            assert!(inside || config.batching == Batching::WholeRange, "{work:?} in {batch:?}");
            if let KvConfig::Paged { block_tokens, span, .. } = config.kv {
                let width = if span == BlockSpan::Layer { work.layers.len() } else { 1 };
                let needed = work.cached_after().div_ceil(u64::from(block_tokens)) * u64::from(width);
                let held = node.blocks(work.request).map_or(0, <[_]>::len) as u64;
                assert!(held >= needed, "{work:?} runs on {held} of {needed} blocks");
            }
            self.parts += u32::from(work.is_part());
        }
        self.fused += u32::from(batch.layers.len() > 1 && config.batching != Batching::WholeRange);
    }

    /// Tokens leave a machine in their order, each once.
    pub fn forwarded(&mut self, machine: usize, work: &Work) {
        let computed = self.computed.entry((machine, work.request, work.attempt)).or_insert(0);
        assert_eq!(*computed, u64::from(work.context), "machine {machine} lost or repeated tokens: {work:?}");
        *computed = work.cached_after();
    }

    pub fn lost(&mut self, machine: usize) {
        self.computed.retain(|(on, _, _), _| *on != machine);
    }

    /// Whether the token that this work yields is the last.
    pub fn generated(&self, work: &Work) -> bool {
        let known = &self.requests[&work.request];
        work.cached_after() + 1 >= u64::from(known.prompt) + u64::from(known.tokens)
    }

    pub fn outcomes(&self) -> BTreeMap<Outcome, u32> {
        let mut counts = BTreeMap::new();
        for known in self.requests.values() {
            *counts.entry(known.outcome.expect("every request ends")).or_insert(0) += 1;
        }
        counts
    }

    /// When nothing is left to happen, every request has ended and nothing is held.
    pub fn at_rest<P: RoutePolicy>(&self, coordinator: &Coordinator<P>, machines: &[Machine]) {
        let open: Vec<_> = self.requests.iter().filter(|(_, known)| known.outcome.is_none()).collect();
        assert!(open.is_empty(), "these wait for ever: {open:?}");
        assert_eq!((coordinator.requests(), coordinator.waiting()), (0, 0));
        for (index, machine) in (0..).zip(machines) {
            assert_eq!(coordinator.requests_on(MachineId(index)), 0);
            let Some(node) = &machine.node else { continue };
            assert_eq!((node.queued(), node.requests(), node.kv().used), (0, 0, 0), "machine {index}");
        }
        assert!(coordinator.expected_kv_usage() <= 0.0, "{}", coordinator.expected_kv_usage());
    }
}
