//! Links that carry work between machines, and the interfaces that they share.
//!
//! | | who may send | speed | meant for |
//! |---|---|---|---|
//! | [`Reserved`] | one transfer a link (or what is left of it) | reserved on the sender's interface, link and receiver's interface while it is sent | the paper's simulator |
//! | [`Fair`] | all at once | links and interfaces are shared equally among what uses them at the moment | everything else |
//!
//! Propagation holds nothing: the next transfer may begin while the last bytes travel.

mod fair;
mod reserved;

pub use fair::{Fair, Forecast};
pub use reserved::{Rates, Reserved, Started};

use helix_spec::SimTime;

/// A directed link between two ends; ends are indices into [`Ends`]. All that every transfer looks at is in one cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub struct Wire {
    /// Sender.
    pub from: usize,
    /// Receiver.
    pub to: usize,
    /// Speed \[bytes/s\].
    pub bytes_per_s: f64,
    /// Propagation time.
    pub latency: SimTime,
    /// What it carried.
    pub carried: Carried,
}

impl Wire {
    /// Whether it begins or ends at the coordinator, which is end 0.
    #[must_use]
    pub fn at_an_end(&self) -> bool {
        self.from == 0 || self.to == 0
    }
}

/// What a link carried.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Carried {
    /// Bytes.
    pub bytes: u64,
    /// Time in which works waited for the link, summed over works \[s\].
    pub waited: f64,
    /// Time in which works were being sent, summed over works \[s\].
    pub sending: f64,
}

/// The interface of one end \[bytes/s\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interface {
    /// Towards it.
    pub inbound: f64,
    /// Away from it.
    pub outbound: f64,
}

/// The interfaces of all ends.
pub type Ends = Vec<Interface>;

/// Time of so many bytes at a speed, to the nearest picosecond; beyond any run where the speed is zero.
fn time_of(bytes: u64, bytes_per_s: f64) -> SimTime {
    SimTime::from_seconds(bytes as f64 / bytes_per_s).unwrap_or(NEVER)
}

/// Later than the end of any run.
pub(crate) const NEVER: SimTime = SimTime(u64::MAX);
