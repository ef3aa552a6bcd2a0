//! What happens at an instant, and what observers are told.

use helix_scheduler::RequestId;
use helix_scheduler::coordinator::Outcome;
use helix_scheduler::node::Batch;
use helix_spec::{Endpoint, MachineId, SimTime};

/// An event in the queue. The names in code are those of the paper's simulator (section 2.2 of its description).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// `CommandLoadModel`
    LoadModel(u32),
    /// `StartLoadingModel`
    StartLoading(u32),
    /// `FinishLoadingModel`
    FinishLoading(u32),
    /// `CommandNewRequest`: a pass of a request begins.
    Issue { request: u32, pass: u32 },
    /// `StartTransmission`, at an end.
    StartTransmission(u32),
    /// `FinishSending`
    FinishSending { link: u32, parcel: u32 },
    /// Fair links: an end may be through with parcels.
    Delivered { end: u32, forecast: u32 },
    /// `FinishTransmission`, of a parcel and those that arrive with it.
    Arrive { parcel: u32 },
    /// `GatherFinished`
    Gather,
    /// `StartExecution`
    StartExecution(u32),
    /// `FinishExecution`
    FinishExecution { machine: u32, generation: u32 },
    /// Waiting requests may have passed their deadlines.
    Tick,
    /// An entry of the list of faults.
    Fault(u32),
}

/// What kind of event an observer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A machine is told to load its layers.
    LoadModel,
    /// It begins.
    StartLoading,
    /// It is done.
    FinishLoading,
    /// A prompt or a decode begins at the coordinator.
    Issue,
    /// An end looks what it can send.
    StartTransmission,
    /// A sender is done with a transfer.
    FinishSending,
    /// A transfer arrived.
    Arrive,
    /// The coordinator takes what arrived.
    Gather,
    /// A machine looks what it can run.
    StartExecution,
    /// A machine is done with a batch.
    FinishExecution,
    /// A time limit is looked at.
    Tick,
    /// A machine or link changes by plan.
    Fault,
}

impl EventKind {
    /// Name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LoadModel => "load-model",
            Self::StartLoading => "start-loading",
            Self::FinishLoading => "finish-loading",
            Self::Issue => "issue",
            Self::StartTransmission => "start-transmission",
            Self::FinishSending => "finish-sending",
            Self::Arrive => "arrive",
            Self::Gather => "gather",
            Self::StartExecution => "start-execution",
            Self::FinishExecution => "finish-execution",
            Self::Tick => "tick",
            Self::Fault => "fault",
        }
    }
}

/// Whom an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Nobody in particular.
    None,
    /// The coordinator or a machine.
    End(Endpoint),
    /// A link, by its index.
    Link(u32),
    /// A pass of a request, all passes numbered in the order in which they were made.
    Pass {
        /// Number of the pass.
        pass: u32,
        /// Its request.
        request: RequestId,
    },
}

/// Where a request spent the time from its arrival to its end, all its passes together. Of a prompt in parts the last part
/// counts: it waits for the ones before it at the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// In the coordinator's line.
    pub line: SimTime,
    /// At machines, waiting for a batch; also what was lost with a machine or given up for others.
    pub machine_queues: SimTime,
    /// In batches.
    pub computing: SimTime,
    /// Waiting for links, or for a choice among them.
    pub link_queues: SimTime,
    /// On links.
    pub sending: SimTime,
}

impl Spent {
    /// What the parts are called in files, and the parts.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, SimTime); 5] {
        [
            ("line", self.line),
            ("machine_queues", self.machine_queues),
            ("computing", self.computing),
            ("link_queues", self.link_queues),
            ("sending", self.sending),
        ]
    }
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRecord {
    /// Which.
    pub request: RequestId,
    /// Prompt \[tokens\].
    pub prompt_tokens: u32,
    /// Answer as it was wanted \[tokens\].
    pub output_tokens: u32,
    /// When it came.
    pub arrived: SimTime,
    /// When its prompt was through; `None` if it never was.
    pub first_token: Option<SimTime>,
    /// When it ended.
    pub ended: SimTime,
    /// How it ended.
    pub outcome: Outcome,
    /// Answer that it got \[tokens\].
    pub generated: u32,
    /// Machines that it passed.
    pub hops: u32,
    /// How often it was started anew.
    pub restarts: u32,
    /// Where its time went.
    pub spent: Spent,
}

/// What an observer is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Record {
    /// An event, before it takes effect.
    Event {
        /// When.
        time: SimTime,
        /// What.
        kind: EventKind,
        /// About whom.
        subject: Subject,
    },
    /// A machine ran a batch.
    Batch {
        /// Which machine.
        machine: MachineId,
        /// From when.
        start: SimTime,
        /// Until when.
        end: SimTime,
        /// What.
        batch: Batch,
    },
    /// A transfer took a link.
    Transfer {
        /// Which link.
        link: u32,
        /// From when.
        start: SimTime,
        /// Until its last byte arrived.
        end: SimTime,
        /// How much \[bytes\].
        bytes: u64,
        /// Works in it.
        works: u32,
    },
    /// A request ended.
    Request(RequestRecord),
}

/// Sees what happens. `()` looks away, and costs nothing.
pub trait Observer {
    /// Something happened.
    fn observe(&mut self, record: &Record);
}

impl Observer for () {
    #[inline]
    fn observe(&mut self, _record: &Record) {}
}

impl<F: FnMut(&Record)> Observer for F {
    fn observe(&mut self, record: &Record) {
        self(record);
    }
}
