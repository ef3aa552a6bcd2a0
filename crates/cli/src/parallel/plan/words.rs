//! The plan for people: the layout, why, what comes next, what would change it.

use std::io::Write as _;

use helix_cost::layout::{Choice, Config, Crossing, LayerKind, LayerTime, Overlap, Shortage, Strategy};
use helix_spec::Attention;

use crate::exit_codes::Failure;
use crate::output::Output;
use crate::parallel::numbers::{count, short};

use super::{Plan, RUNNERS_UP};

/// Prints the plan.
pub fn print(plan: &Plan<'_>, output: &mut Output) -> Result<(), Failure> {
    let (study, best) = (&plan.study, &plan.choices[0]);
    writeln!(
        output,
        "{} on {} GPUs ({}), {} tokens of context\n",
        study.model.name,
        plan.demand.devices,
        study.hardware.name,
        count(study.context)
    )?;
    writeln!(output, "best  {}", line(best))?;
    for reason in reasons(plan) {
        writeln!(output, "      - {reason}")?;
    }
    if plan.choices.len() > 1 {
        writeln!(output, "\nnext")?;
        for choice in plan.choices.iter().skip(1).take(RUNNERS_UP) {
            writeln!(output, "      {}", line(choice))?;
        }
    }
    if let Some(asked) = &plan.asked {
        match asked {
            Ok(choice) => writeln!(output, "\nasked {}\n      - {}", line(choice), verdict(plan, asked))?,
            Err(_) => writeln!(output, "\nasked {}", verdict(plan, asked))?,
        }
    }
    writeln!(output, "\nwhat would change it")?;
    for change in changes(plan) {
        writeln!(output, "      - {change}")?;
    }
    Ok(())
}

fn named(choice: &Choice) -> String {
    let copies = if choice.replicas > 1 { format!("{} x ", choice.replicas) } else { String::new() };
    format!("{copies}{}", choice.config)
}

fn requests(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{} requests", count(number)) }
}

fn line(choice: &Choice) -> String {
    let found = choice.performance;
    format!(
        "{}: {:.2} ms a token, {}, {} tok/s in all, {} tok/s/user",
        named(choice),
        found.ttl_s * 1e3,
        requests(choice.users()),
        short(choice.tokens_per_s()),
        short(found.tokens_per_s_user)
    )
}

/// Why the best choice is the best, in words.
pub fn reasons(plan: &Plan<'_>) -> Vec<String> {
    let (study, best) = (&plan.study, &plan.choices[0]);
    let memory = best.performance.memory;
    let mut reasons = vec![time_sentence(plan, best)];
    reasons.extend(sharing_sentence(plan, best));
    reasons.push(format!(
        "the fullest GPU holds {:.1} GB of weights and {:.1} GB of cache of {}",
        memory.weights / 1e9,
        memory.cache / 1e9,
        study.hardware.memory
    ));
    if let Some(experts) = &study.model.experts {
        let config = best.config;
        reasons.push(format!(
            "TPF {} x EP {}: every GPU holds {} of {} experts in slices of {} columns; splits of the same ranks read \
             alike on average, this one keeps the slices wide and the ranks even",
            config.ffn_tensor(),
            config.expert(),
            experts.routed / config.expert(),
            experts.routed,
            experts.width / config.ffn_tensor()
        ));
    }
    if best.replicas > 1 {
        reasons.push(format!(
            "{} replicas of {} GPUs share the requests",
            best.replicas,
            best.config.devices()
        ));
    }
    let used = best.replicas * best.config.devices();
    if used < plan.demand.devices.get() {
        reasons.push(format!(
            "{} GPUs stay idle: no layout with them is better",
            plan.demand.devices.get() - used
        ));
    }
    reasons
}

/// Where the time of the model's most common layer goes.
fn time_sentence(plan: &Plan<'_>, choice: &Choice) -> String {
    let time = layer(plan, choice.config, choice.batch);
    let rows = [
        ("cache and exchange", time.attention_phase),
        ("projections", time.projections + time.output),
        ("feed-forward", time.ffn),
        ("reductions", time.output_reduction + time.ffn_reduction),
        ("overhead", time.overhead),
    ];
    let parts: Vec<String> =
        rows.iter().map(|(what, seconds)| format!("{what} {} us", short(seconds * 1e6))).collect();
    format!("a layer takes {} us: {}", short(time.total() * 1e6), parts.join(", "))
}

fn layer(plan: &Plan<'_>, config: Config, batch: u32) -> LayerTime {
    let kind = if plan.study.model.experts.is_some() { LayerKind::Experts } else { LayerKind::Dense };
    plan.study.layer(config, batch, Overlap::BestChunks, kind)
}

/// What sharing the cache along the sequence brings, or why it does not pay.
fn sharing_sentence(plan: &Plan<'_>, best: &Choice) -> Vec<String> {
    let heads = match plan.study.model.attention {
        Attention::Grouped { kv_heads, .. } => kv_heads,
        Attention::Latent { .. } => 1,
    };
    let copies = best.config.layout.kv_copies(heads);
    let unsharded = plan.choices.iter().find(|choice| choice.config.kv() == 1);
    let helix = plan.choices.iter().find(|choice| choice.config.strategy() == Strategy::Helix);
    let mut said = Vec::new();
    if best.config.kv() > 1 {
        let own = layer(plan, best.config, best.batch);
        let chunks = plan.study.best_chunks(best.config, best.batch);
        said.push(format!(
            "KVP {} x TPA {} reads 1/{} of the cache on every GPU in {} us a layer; the exchange takes {} us, {}",
            best.config.kv(),
            best.config.tensor(),
            best.config.kv() * best.config.tensor() / copies.max(1),
            short(own.attention * 1e6),
            short(own.exchange * 1e6),
            if chunks > 1 { format!("overlapped in {chunks} chunks") } else { "after the attention".to_owned() }
        ));
        if let Some(unsharded) = unsharded {
            let other = layer(plan, unsharded.config, unsharded.batch);
            said.push(format!(
                "without KVP the best is {}, {} a replica: it reads their cache in {} us a layer",
                named(unsharded),
                requests(unsharded.performance.users),
                short(other.attention * 1e6)
            ));
        }
    } else if let Some(helix) = helix {
        let other = layer(plan, helix.config, helix.batch);
        let own = layer(plan, best.config, best.batch);
        said.push(format!(
            "KVP does not pay here: {} would spend {} us on cache and exchange a layer instead of {} us",
            helix.config,
            short(other.attention_phase * 1e6),
            short(own.attention_phase * 1e6)
        ));
    }
    if copies > 1 {
        said.push(format!(
            "TPA {} is more than the {heads} KV heads: the cache is held {copies} times",
            best.config.tensor()
        ));
    }
    said
}

/// How an asked layout compares.
pub fn verdict(plan: &Plan<'_>, asked: &Result<Choice, Shortage>) -> String {
    let asked = match asked {
        Ok(asked) => asked,
        Err(shortage) => {
            return format!(
                "{} does not fit with {} requests in a stage: the fullest GPU lacks {:.2} GB",
                shortage.config,
                shortage.batch,
                shortage.missing / 1e9
            );
        }
    };
    let (found, best) = (asked.performance, &plan.choices[0]);
    match (plan.demand.ttl_s, plan.demand.users) {
        (Some(ttl), _) if found.ttl_s > ttl => {
            format!("misses the target of {:.2} ms with {} requests in a stage", ttl * 1e3, asked.batch)
        }
        (Some(_), None) => {
            format!(
                "reaches {:.2} of the best layout's tokens a second",
                asked.tokens_per_s() / best.tokens_per_s()
            )
        }
        _ => format!(
            "takes {:.2} times the best layout's time to the next token",
            found.ttl_s / best.performance.ttl_s
        ),
    }
}

/// What would change the answer, in words.
pub fn changes(plan: &Plan<'_>) -> Vec<String> {
    let best = &plan.choices[0];
    let mut said = Vec::new();
    said.push(match plan.crossing {
        Crossing::HelixFrom { context, other } if best.config.kv() > 1 => {
            format!(
                "below about {} tokens of context {} is better: KVP stops paying",
                rough(context),
                other.config
            )
        }
        Crossing::HelixFrom { context, other } => {
            format!(
                "from about {} tokens of context on {} is better: KVP starts paying",
                rough(context),
                other.config
            )
        }
        Crossing::HelixEverywhere => {
            "no shorter context changes it: KVP pays down to 1,024 tokens".to_owned()
        }
        Crossing::HelixNowhere => "no longer context that fits makes KVP pay".to_owned(),
    });
    said.extend(limits(plan));
    let (with_batch, alone) = plan.longest;
    let longest = |context: Option<u64>| context.map_or("none".to_owned(), count);
    said.push(format!(
        "this layout holds contexts up to {} tokens at this batch, {} for a single request in a stage",
        longest(with_batch),
        longest(alone)
    ));
    match &plan.half {
        Some(half) => said.push(format!("with half of the GPUs: {}", line(half))),
        None if plan.demand.devices.get() > 1 => {
            said.push("half of the GPUs would not do".to_owned());
        }
        None => {}
    }
    said
}

/// Three digits of a number of tokens: a crossing is found to 1,024 of them, and the costs are less exact than that.
fn rough(tokens: u64) -> String {
    let mut unit = 1;
    while tokens / unit >= 1000 {
        unit *= 10;
    }
    count((tokens + unit / 2) / unit * unit)
}

/// What limits the batch.
fn limits(plan: &Plan<'_>) -> Option<String> {
    let (study, best) = (&plan.study, &plan.choices[0]);
    let ttl_s = plan.demand.ttl_s.filter(|_| plan.demand.users.is_none())?;
    let more = study.evaluate(best.config, best.batch.checked_add(1)?, Overlap::BestChunks);
    let missing = more.memory.total() - study.hardware.memory.0 as f64;
    Some(if missing > 0.0 {
        format!(
            "memory limits the batch: one request more in a stage lacks {:.2} GB on the fullest GPU",
            missing / 1e9
        )
    } else if more.ttl_s > ttl_s {
        format!(
            "the target limits the batch: one request more in a stage takes {:.3} ms a token",
            more.ttl_s * 1e3
        )
    } else {
        "the batch is as large as is tried".to_owned()
    })
}
