//! The messages: what each carries, and as which bytes.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::codec::{DecodeError, Fields, put_numbers, put_text};
use super::fields::{get_activations, get_open, get_sampled, put_open, put_sampled};
use super::outbox::{Class, Outgoing};
use crate::service::Sampling;

/// Version of the messages; workers with another one are refused when they join.
pub const WIRE_VERSION: u32 = 2;

/// A machine on a request's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteHop {
    /// Index of the machine.
    pub machine: u32,
    /// First layer that it runs.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

/// All that the machines of a pipeline must know of a request. Goes before its first activations on the same connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// The request.
    pub request: u64,
    /// How often it was begun anew.
    pub attempt: u32,
    /// The way.
    pub route: Vec<RouteHop>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The longest answer \[tokens\].
    pub max_tokens: u32,
    /// Tokens that end it, the model's own among them unless they are ignored.
    pub end_tokens: Vec<u32>,
    /// The prompt, then what earlier attempts generated.
    pub tokens: Vec<u32>,
    /// How many of `tokens` were generated.
    pub generated: u32,
}

/// A part of a prompt, or one token, between two layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// The request.
    pub request: u64,
    /// Its attempt.
    pub attempt: u32,
    /// Whether it is a generated token.
    pub decode: bool,
    /// Whether the pass ends with it.
    pub last: bool,
    /// Tokens before these.
    pub context: u32,
    /// How many tokens.
    pub tokens: u32,
    /// Numbers a token.
    pub width: u32,
    /// `tokens × width` numbers, f32 little endian.
    pub hidden: Bytes,
}

/// Why a token is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// More tokens follow.
    Goes,
    /// The token ends the answer and is no part of it.
    EndToken,
    /// The token ends the answer and is a part of it: the answer has its length.
    Length,
}

/// A token, from the last stage to the first and to the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The request.
    pub request: u64,
    /// Its attempt.
    pub attempt: u32,
    /// Tokens before this one.
    pub context: u32,
    /// The token.
    pub token: u32,
    /// Whether it is the last one.
    pub ending: Ending,
    /// Its log-probability, where asked for; to the coordinator only.
    pub logprob: Option<f32>,
    /// The most probable tokens, where asked for; to the coordinator only.
    pub top: Vec<(u32, f32)>,
}

/// A machine has not enough cache blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortOfBlocks {
    /// Who waits, and in which attempt.
    pub waits: (u64, u32),
    /// Whether it waits with a generated token.
    pub decode: bool,
    /// The youngest that holds blocks, and its attempt.
    pub youngest: (u64, u32),
}

/// How a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Cache blocks in use.
    pub blocks_used: u32,
    /// Cache blocks that it has.
    pub blocks_total: u32,
    /// Requests that it knows.
    pub requests: u32,
    /// Prompt tokens computed since the start.
    pub prompt_tokens: u64,
    /// Generated tokens computed since the start.
    pub decode_tokens: u64,
    /// Time spent computing since the start \[µs\].
    pub busy_us: u64,
    /// Layers of all batches since the start: three batches through four layers are twelve.
    pub batch_layers: u64,
    /// Layers of all tokens since the start, prompts and generated ones alike.
    pub token_layers: u64,
}

/// What a worker decided or found out about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It will never run it: code of the scheduler's refusal.
    Refused(u8),
    /// It tried and failed.
    Failed(String),
}

/// Everything that travels between coordinator and workers, and between workers, while requests run.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// See [`Open`].
    Open(Open),
    /// See [`Activations`].
    Activations(Activations),
    /// See [`Sampled`].
    Sampled(Sampled),
    /// So many tokens of a prompt were taken in: as many more may come.
    Credit {
        /// The request.
        request: u64,
        /// Its attempt.
        attempt: u32,
        /// Tokens.
        tokens: u32,
    },
    /// Forget the request.
    Free {
        /// The request.
        request: u64,
        /// This attempt and older ones.
        attempt: u32,
        /// Whether work of it may still be on its way.
        in_flight: bool,
    },
    /// See [`ShortOfBlocks`].
    OutOfBlocks(ShortOfBlocks),
    /// See [`Decision`].
    Decided {
        /// The request.
        request: u64,
        /// Its attempt.
        attempt: u32,
        /// What.
        decision: Decision,
    },
    /// The connection to a peer is gone, with what was on it.
    PeerLost {
        /// Index of the peer.
        machine: u32,
        /// Why.
        reason: String,
    },
    /// See [`Status`].
    Status(Status),
}

impl Message {
    const OPEN: u8 = 16;
    const ACTIVATIONS: u8 = 17;
    const SAMPLED: u8 = 18;
    const CREDIT: u8 = 19;
    const FREE: u8 = 20;
    const OUT_OF_BLOCKS: u8 = 21;
    const DECIDED: u8 = 22;
    const PEER_LOST: u8 = 23;
    const STATUS: u8 = 24;

    /// As bytes: a head, and for activations the numbers behind it without a copy.
    #[must_use]
    pub fn encode(&self) -> Outgoing {
        let mut head = BytesMut::new();
        let (kind, class) = self.put(&mut head);
        let body = match self {
            Self::Activations(activations) => activations.hidden.clone(),
            _ => Bytes::new(),
        };
        Outgoing { kind, class, head: head.freeze(), body }
    }

    fn put(&self, out: &mut BytesMut) -> (u8, Class) {
        let name = |out: &mut BytesMut, request: u64, attempt: u32| {
            out.put_u64_le(request);
            out.put_u32_le(attempt);
        };
        match self {
            Self::Open(open) => {
                name(out, open.request, open.attempt);
                put_open(open, out);
                (Self::OPEN, Class::Bulk)
            }
            Self::Activations(a) => {
                name(out, a.request, a.attempt);
                out.put_u8(a.decode.into());
                out.put_u8(a.last.into());
                put_numbers(out, &[a.context, a.tokens, a.width]);
                (Self::ACTIVATIONS, if a.decode { Class::Urgent } else { Class::Bulk })
            }
            Self::Sampled(sampled) => {
                name(out, sampled.request, sampled.attempt);
                put_sampled(sampled, out);
                (Self::SAMPLED, Class::Urgent)
            }
            Self::Credit { request, attempt, tokens } => {
                name(out, *request, *attempt);
                out.put_u32_le(*tokens);
                (Self::CREDIT, Class::Urgent)
            }
            Self::Free { request, attempt, in_flight } => {
                name(out, *request, *attempt);
                out.put_u8((*in_flight).into());
                (Self::FREE, Class::Urgent)
            }
            Self::OutOfBlocks(short) => {
                name(out, short.waits.0, short.waits.1);
                out.put_u8(short.decode.into());
                name(out, short.youngest.0, short.youngest.1);
                (Self::OUT_OF_BLOCKS, Class::Urgent)
            }
            Self::Decided { request, attempt, decision } => {
                name(out, *request, *attempt);
                match decision {
                    Decision::Refused(why) => out.put_slice(&[0, *why]),
                    Decision::Failed(reason) => {
                        out.put_u8(1);
                        put_text(out, reason);
                    }
                }
                (Self::DECIDED, Class::Urgent)
            }
            Self::PeerLost { machine, reason } => {
                out.put_u32_le(*machine);
                put_text(out, reason);
                (Self::PEER_LOST, Class::Urgent)
            }
            Self::Status(status) => {
                put_numbers(out, &[status.blocks_used, status.blocks_total, status.requests]);
                let computed = [status.prompt_tokens, status.decode_tokens, status.busy_us];
                for number in computed.into_iter().chain([status.batch_layers, status.token_layers]) {
                    out.put_u64_le(number);
                }
                (Self::STATUS, Class::Urgent)
            }
        }
    }

    /// From the kind and the bytes of a whole message.
    pub fn decode(kind: u8, bytes: Bytes) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes);
        let f = &mut fields;
        let message = match kind {
            Self::OPEN => Self::Open(get_open(f)?),
            Self::ACTIVATIONS => Self::Activations(get_activations(f)?),
            Self::SAMPLED => Self::Sampled(get_sampled(f)?),
            Self::CREDIT => Self::Credit {
                request: f.u64("request")?,
                attempt: f.u32("attempt")?,
                tokens: f.u32("tokens")?,
            },
            Self::FREE => Self::Free {
                request: f.u64("request")?,
                attempt: f.u32("attempt")?,
                in_flight: f.flag("in_flight")?,
            },
            Self::OUT_OF_BLOCKS => Self::OutOfBlocks(ShortOfBlocks {
                waits: (f.u64("request")?, f.u32("attempt")?),
                decode: f.flag("decode")?,
                youngest: (f.u64("youngest")?, f.u32("attempt of the youngest")?),
            }),
            Self::DECIDED => Self::Decided {
                request: f.u64("request")?,
                attempt: f.u32("attempt")?,
                decision: if f.flag("failed")? {
                    Decision::Failed(f.text("reason")?)
                } else {
                    Decision::Refused(f.u8("refusal")?)
                },
            },
            Self::PEER_LOST => Self::PeerLost { machine: f.u32("machine")?, reason: f.text("reason")? },
            Self::STATUS => Self::Status(Status {
                blocks_used: f.u32("blocks in use")?,
                blocks_total: f.u32("blocks")?,
                requests: f.u32("requests")?,
                prompt_tokens: f.u64("prompt tokens")?,
                decode_tokens: f.u64("decode tokens")?,
                busy_us: f.u64("busy time")?,
                batch_layers: f.u64("layers of batches")?,
                token_layers: f.u64("layers of tokens")?,
            }),
            other => return Err(DecodeError::Kind(other)),
        };
        fields.end()?;
        Ok(message)
    }
}
