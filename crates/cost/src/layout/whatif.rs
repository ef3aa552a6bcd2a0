//! What would change the choice of a layout: the context, the memory, the number of devices.

use std::num::NonZeroU32;

use super::choose::{Choice, Demand, choose};
use super::config::Config;
use super::study::Study;

/// Contexts are found to this many tokens.
const GRAIN: u64 = 1024;

/// No context beyond this is tried \[tokens\].
const LONGEST: u64 = 1 << 32;

/// Where the best layout changes between sharding the cache along the sequence and not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crossing {
    /// From this context on Helix (KVP above 1) is the best, below it is not.
    HelixFrom {
        /// Tokens.
        context: u64,
        /// The choice on the other side of it.
        other: Choice,
    },
    /// Helix is the best at every context down to the shortest that was tried.
    HelixEverywhere,
    /// Helix is at no context that fits.
    HelixNowhere,
}

/// Looks for the context at which the answer to `demand` changes, from the study's context downwards if Helix is the
/// answer there, else upwards as far as anything fits. Exact to 1024 tokens.
#[must_use]
pub fn crossing(study: &Study<'_>, demand: Demand) -> Crossing {
    let at = |context: u64| choose(&study.at_context(context), demand).ok();
    let is_helix = |choice: &Choice| choice.config.kv() > 1;
    let Some(now) = at(study.context) else { return Crossing::HelixNowhere };
    // `plain` and `helix` close in on the crossing from both sides.
    let (mut plain, mut helix, mut other) = if is_helix(&now) {
        let mut helix = study.context;
        loop {
            let context = helix / 2;
            if context < GRAIN {
                return Crossing::HelixEverywhere;
            }
            match at(context) {
                Some(choice) if !is_helix(&choice) => break (context, helix, choice),
                _ => helix = context,
            }
        }
    } else {
        let mut plain = (study.context.max(1), now);
        loop {
            let context = plain.0.saturating_mul(2);
            match at(context) {
                Some(choice) if is_helix(&choice) => break (plain.0, context, choice),
                Some(choice) if context <= LONGEST => plain = (context, choice),
                _ => return Crossing::HelixNowhere,
            }
        }
    };
    let helix_now = is_helix(&now);
    while helix - plain > GRAIN {
        let context = plain + (helix - plain) / 2;
        match at(context) {
            Some(choice) if is_helix(&choice) => {
                helix = context;
                other = if helix_now { other } else { choice };
            }
            Some(choice) => {
                plain = context;
                other = if helix_now { choice } else { other };
            }
            None => break,
        }
    }
    Crossing::HelixFrom { context: helix, other }
}

/// The longest context at which `config` fits with `batch` requests in each stage; `None` if not even its weights fit.
#[must_use]
pub fn longest_context(study: &Study<'_>, config: Config, batch: u32) -> Option<u64> {
    let fits = |context: u64| {
        study.at_context(context).memory(config, batch).total() <= study.hardware.memory.0 as f64
    };
    if !fits(0) {
        return None;
    }
    let (mut good, mut beyond) = (0, LONGEST);
    while beyond - good > 1 {
        let middle = good + (beyond - good) / 2;
        if fits(middle) { good = middle } else { beyond = middle }
    }
    Some(good)
}

/// The smallest number of devices, doubling from the demand's up to `most`, with which the demand can be met.
#[must_use]
pub fn devices_needed(study: &Study<'_>, demand: Demand, most: u32) -> Option<(u32, Choice)> {
    let mut devices = demand.devices.get();
    while let Some(more) = devices.checked_mul(2).filter(|more| *more <= most) {
        devices = more;
        let demand = Demand { devices: NonZeroU32::new(devices)?, ..demand };
        if let Ok(choice) = choose(study, demand) {
            return Some((devices, choice));
        }
    }
    None
}
