//! Which costs a cluster and a choice give: one object that planners and the simulator ask.
//!
//! | choice | throughput for planning | batch times |
//! |---|---|---|
//! | `declared` | declared rows; an error if a machine type has none | as `auto` |
//! | `measured` | operating point on measured times; an error if a type has none | measured |
//! | `roofline` | operating point on the roofline | roofline |
//! | `paper` | the paper's recipe on this cluster; an error where its tables lack what that needs | as `auto` |
//! | `auto` | declared if every machine type has rows, else as its batch times say | measured where a type has tables, else roofline |
//!
//! Declared throughputs are on a scale of their own (they assume a batch and a share of the cache), several times off
//! an operating point of ours. `auto` therefore never mixes the two: one machine type without rows, and all of them are
//! computed; [`Costs::note`] says so.

use std::collections::BTreeSet;

use helix_spec::{Bytes, Cluster, CostTables, Machine, ModelShape};

use crate::measured::{MeasuredTimes, SmallBatches};
use crate::{
    Batch, BatchCost, BatchError, BatchTime, Capability, Constants, CostModel, DeclaredCosts, DoesNotFit,
    MemoryModel, OperatingAssumptions, RecipeError, TimedCosts, Times, Wire, paper_tables,
};

/// Size of a token id where none is declared.
const TOKEN: Bytes = Bytes(4);

/// Where costs are to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CostChoice {
    /// The best that the cluster has.
    #[default]
    Auto,
    /// The declared tables only.
    Declared,
    /// The measured tables only.
    Measured,
    /// Datasheets only.
    Roofline,
    /// The paper's recipe ([`paper_tables`]).
    Paper,
}

/// Why a choice cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The cluster has no tables for this model.
    #[error(
        "cluster {cluster} has no cost tables for {model} (it has them for: {known}); declare them, or take \
         `--cost roofline`"
    )]
    NoTables {
        /// The cluster.
        cluster: String,
        /// The model.
        model: String,
        /// Models that it has tables for.
        known: String,
    },
    /// The tables lack some machine types.
    #[error(
        "the cost tables of {model} have no {what} rows for {missing}; add them, or take `--cost auto`, which then \
         computes all machines alike"
    )]
    MissingTypes {
        /// The model.
        model: String,
        /// `declared` or `measured`.
        what: &'static str,
        /// The machine types.
        missing: String,
    },
    /// The paper's recipe cannot be followed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}

/// Costs of one model on one cluster.
#[derive(Debug, Clone)]
pub struct Costs {
    declared: Option<DeclaredCosts>,
    timed: TimedCosts,
    note: Option<String>,
}

impl Costs {
    /// The costs that `choice` takes, with the shipped constants.
    pub fn for_cluster(cluster: &Cluster, model: &ModelShape, choice: CostChoice) -> Result<Self, CostError> {
        Self::with_constants(cluster, model, choice, &Constants::shipped())
    }

    /// The same, with speeds and layouts for requests of one's own lengths. Declared speeds stay what they are.
    pub fn for_requests(
        cluster: &Cluster,
        model: &ModelShape,
        choice: CostChoice,
        requests: OperatingAssumptions,
    ) -> Result<Self, CostError> {
        Self::build(cluster, model, choice, &Constants::shipped(), requests)
    }

    /// The same with constants of one's own.
    pub fn with_constants(
        cluster: &Cluster,
        model: &ModelShape,
        choice: CostChoice,
        constants: &Constants,
    ) -> Result<Self, CostError> {
        Self::build(cluster, model, choice, constants, OperatingAssumptions::default())
    }

    fn build(
        cluster: &Cluster,
        model: &ModelShape,
        choice: CostChoice,
        constants: &Constants,
        requests: OperatingAssumptions,
    ) -> Result<Self, CostError> {
        let tables = cluster.cost_tables_for(&model.name);
        let small = SmallBatches::default();
        let times = match choice {
            CostChoice::Auto | CostChoice::Declared | CostChoice::Paper => Times::MeasuredOrRoofline(small),
            CostChoice::Measured => Times::Measured(small),
            CostChoice::Roofline => Times::Roofline,
        };
        if let (CostChoice::Declared | CostChoice::Measured, None) = (choice, tables) {
            return Err(no_tables(cluster, model));
        }
        let mut note = None;
        let declared = match (choice, tables) {
            (CostChoice::Paper, _) => {
                note = Some("throughputs follow the paper's recipe on this cluster".to_owned());
                Some(DeclaredCosts::new(model, &paper_tables(cluster, model)?, constants))
            }
            (CostChoice::Auto | CostChoice::Declared, Some(tables)) => {
                let declared = DeclaredCosts::new(model, tables, constants);
                let missing = missing(cluster, |machine| declared.declares(machine));
                match (missing, choice) {
                    (None, _) => Some(declared),
                    (Some(missing), CostChoice::Declared) => {
                        let model = model.name.clone();
                        return Err(CostError::MissingTypes { model, what: "declared", missing });
                    }
                    (Some(missing), _) => {
                        note = Some(format!(
                            "no throughput is declared for {missing}: all machines are computed alike instead"
                        ));
                        None
                    }
                }
            }
            _ => None,
        };
        if let (CostChoice::Measured, Some(tables)) = (choice, tables) {
            let measured = MeasuredTimes::new(tables, small);
            if let Some(missing) = missing(cluster, |machine| measured.knows(&machine.machine_type)) {
                return Err(CostError::MissingTypes { model: model.name.clone(), what: "measured", missing });
            }
        }
        let computed = TimedCosts::for_requests(cluster, model, times, constants, requests);
        if declared.is_none()
            && let Some(guess) = computed.datasheets_only(cluster)
        {
            note = Some(note.map_or(guess.clone(), |note| format!("{note}; {guess}")));
        }
        Ok(Self { declared, timed: computed, note })
    }

    /// What the user should know about where the costs come from, beyond the choice itself.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Memory of weights and cache.
    #[must_use]
    pub fn memory(&self) -> &MemoryModel {
        self.timed.memory()
    }

    /// The costs that follow from layer times, whatever planning takes.
    #[must_use]
    pub fn timed(&self) -> &TimedCosts {
        &self.timed
    }
}

/// The machine types of a cluster that something does not know.
fn missing(cluster: &Cluster, known: impl Fn(&Machine) -> bool) -> Option<String> {
    let types: BTreeSet<&str> = cluster
        .machines
        .iter()
        .filter(|machine| !known(machine))
        .map(|machine| machine.machine_type.as_str())
        .collect();
    (!types.is_empty()).then(|| types.into_iter().collect::<Vec<_>>().join(", "))
}

fn no_tables(cluster: &Cluster, model: &ModelShape) -> CostError {
    let known: Vec<&str> = cluster.cost_tables.iter().map(|tables| tables.model.as_str()).collect();
    CostError::NoTables {
        cluster: cluster.name.clone(),
        model: model.name.clone(),
        known: if known.is_empty() { "no model".to_owned() } else { known.join(", ") },
    }
}

/// Sizes on the wire: declared, else from the shape.
pub(crate) fn wire(shape: &ModelShape, tables: Option<&CostTables>) -> Wire {
    Wire {
        token: tables.and_then(|tables| tables.token_bytes).unwrap_or(TOKEN),
        activation: tables
            .and_then(|tables| tables.activation_bytes)
            .unwrap_or_else(|| shape.activation_bytes()),
    }
}

impl CostModel for Costs {
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit> {
        match &self.declared {
            Some(declared) => declared.capability(machine, layers),
            None => self.timed.capability(machine, layers),
        }
    }

    fn planned_layers(&self, machine: &Machine) -> u32 {
        match &self.declared {
            Some(declared) => declared.planned_layers(machine),
            None => self.timed.planned_layers(machine),
        }
    }

    fn known_layers(&self, machine: &Machine) -> u32 {
        match &self.declared {
            Some(declared) => declared.known_layers(machine),
            None => self.timed.known_layers(machine),
        }
    }

    fn wire(&self) -> Wire {
        self.timed.wire()
    }
}

impl BatchTime for Costs {
    fn batch_time(&self, machine: &Machine, layers: u32, batch: &Batch) -> Result<BatchCost, BatchError> {
        self.timed.batch_time(machine, layers, batch)
    }
}
