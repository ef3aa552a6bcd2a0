//! The fields of the longer messages.

use bytes::{BufMut as _, BytesMut};

use super::codec::{DecodeError, Fields, put_list, put_numbers};
use super::message::{Activations, Ending, Open, RouteHop, Sampled};
use crate::service::Sampling;

pub(super) fn put_open(open: &Open, out: &mut BytesMut) {
    put_list(out, &open.route, |out, hop| {
        put_numbers(out, &[hop.machine, hop.start, hop.end]);
    });
    put_sampling(&open.sampling, out);
    out.put_u32_le(open.max_tokens);
    put_list(out, &open.end_tokens, |out, token| out.put_u32_le(*token));
    put_list(out, &open.tokens, |out, token| out.put_u32_le(*token));
    out.put_u32_le(open.generated);
}

pub(super) fn get_open(f: &mut Fields) -> Result<Open, DecodeError> {
    let open = Open {
        request: f.u64("request")?,
        attempt: f.u32("attempt")?,
        route: f.list("route", 12, |f| {
            Ok(RouteHop { machine: f.u32("machine")?, start: f.u32("start")?, end: f.u32("end")? })
        })?,
        sampling: get_sampling(f)?,
        max_tokens: f.u32("max_tokens")?,
        end_tokens: f.list("end tokens", 4, |f| f.u32("end token"))?,
        tokens: f.list("tokens", 4, |f| f.u32("token"))?,
        generated: f.u32("generated")?,
    };
    if open.generated as usize > open.tokens.len() {
        return Err(DecodeError::Value { field: "generated", found: open.generated.into() });
    }
    Ok(open)
}

fn put_sampling(sampling: &Sampling, out: &mut BytesMut) {
    out.put_u32_le(sampling.top_k);
    let numbers = [
        sampling.temperature,
        sampling.top_p,
        sampling.min_p,
        sampling.presence_penalty,
        sampling.frequency_penalty,
        sampling.repetition_penalty,
    ];
    for number in numbers {
        out.put_f32_le(number);
    }
    put_list(out, &sampling.logit_bias, |out, (token, bias)| {
        out.put_u32_le(*token);
        out.put_f32_le(*bias);
    });
    out.put_u8(sampling.seed.is_some().into());
    out.put_u64_le(sampling.seed.unwrap_or(0));
    out.put_u8(sampling.logprobs.is_some().into());
    out.put_u8(sampling.logprobs.unwrap_or(0));
}

/// A peer is believed no more than a client: the limits are checked again.
fn get_sampling(f: &mut Fields) -> Result<Sampling, DecodeError> {
    let sampling = Sampling {
        top_k: f.u32("top_k")?,
        temperature: f.f32("temperature")?,
        top_p: f.f32("top_p")?,
        min_p: f.f32("min_p")?,
        presence_penalty: f.f32("presence_penalty")?,
        frequency_penalty: f.f32("frequency_penalty")?,
        repetition_penalty: f.f32("repetition_penalty")?,
        logit_bias: f.list("logit_bias", 8, |f| Ok((f.u32("token")?, f.f32("bias")?)))?,
        seed: {
            let (there, seed) = (f.flag("seed")?, f.u64("seed")?);
            there.then_some(seed)
        },
        logprobs: {
            let (there, count) = (f.flag("logprobs")?, f.u8("logprobs")?);
            there.then_some(count)
        },
    };
    let within = sampling.check();
    within.map_err(|_| DecodeError::Value { field: "a sampling parameter", found: 0 })?;
    Ok(sampling)
}

pub(super) fn get_activations(f: &mut Fields) -> Result<Activations, DecodeError> {
    let (request, attempt) = (f.u64("request")?, f.u32("attempt")?);
    let (decode, last) = (f.flag("decode")?, f.flag("last")?);
    let (context, tokens, width) = (f.u32("context")?, f.u32("tokens")?, f.u32("width")?);
    if tokens == 0 || (decode && tokens != 1) {
        return Err(DecodeError::Value { field: "tokens", found: tokens.into() });
    }
    let hidden = f.floats("activations", u64::from(tokens) * u64::from(width))?;
    Ok(Activations { request, attempt, decode, last, context, tokens, width, hidden })
}

pub(super) fn put_sampled(sampled: &Sampled, out: &mut BytesMut) {
    out.put_u32_le(sampled.context);
    out.put_u32_le(sampled.token);
    out.put_u8(match sampled.ending {
        Ending::Goes => 0,
        Ending::EndToken => 1,
        Ending::Length => 2,
    });
    out.put_u8(sampled.logprob.is_some().into());
    out.put_f32_le(sampled.logprob.unwrap_or(0.0));
    put_list(out, &sampled.top, |out, (token, logprob)| {
        out.put_u32_le(*token);
        out.put_f32_le(*logprob);
    });
}

pub(super) fn get_sampled(f: &mut Fields) -> Result<Sampled, DecodeError> {
    Ok(Sampled {
        request: f.u64("request")?,
        attempt: f.u32("attempt")?,
        context: f.u32("context")?,
        token: f.u32("token")?,
        ending: match f.u8("ending")? {
            0 => Ending::Goes,
            1 => Ending::EndToken,
            2 => Ending::Length,
            found => return Err(DecodeError::Value { field: "ending", found: found.into() }),
        },
        logprob: {
            let (there, logprob) = (f.flag("logprob")?, f.f32("logprob")?);
            there.then_some(logprob)
        },
        top: f.list("top tokens", 8, |f| Ok((f.u32("token")?, f.f32("logprob")?)))?,
    })
}
