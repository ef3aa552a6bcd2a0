//! `helix cluster generate`: clusters from a seed.

use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use helix_spec::generate::{
    self, Detail, LinkSpread, MachineKind, MachineMix, PAPER_NIC, Random, Regions, Single, Spread,
};
use helix_spec::{Bandwidth, Cluster, Link, Nic, SimTime};

use crate::exit_codes::Failure;
use crate::files;
use crate::output::{Format, Output};

/// Which cluster to make.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    shape: Shape,
}

#[derive(Debug, Subcommand)]
enum Shape {
    Single(SingleArguments),
    Regions(RegionsArguments),
    Random(RandomArguments),
}

/// What every shape takes.
#[derive(Debug, Args)]
struct Common {
    /// One seed gives one cluster, on every machine and in every later version
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Name of the cluster [default: the shape]
    #[arg(long)]
    name: Option<String>,
    /// Network interface of every machine and of the coordinator
    #[arg(long, value_name = "BANDWIDTH", default_value_t = PAPER_NIC.inbound)]
    nic: Bandwidth,
    /// File to write; without it the cluster goes to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Common {
    fn nic(&self) -> Nic {
        Nic { inbound: self.nic, outbound: self.nic }
    }
}

/// One region in which every link is the same, as in the paper's single24 and cluster42
#[derive(Debug, Args)]
#[command(after_help = "Example:
  helix cluster generate single --machines A100=4,L4=8,T4=12 --seed 1 -o cluster.toml")]
struct SingleArguments {
    /// Kinds of machines and how many of each; several devices in a machine are written L4x2
    #[arg(long, value_name = "KIND=COUNT,…", default_value = "A100=4,L4=8,T4=12")]
    machines: MachineMix,
    /// Of every link
    #[arg(long, default_value = "8 Gbit/s")]
    bandwidth: Bandwidth,
    /// Of every link
    #[arg(long, default_value = "1 ms")]
    latency: SimTime,
    #[command(flatten)]
    common: Common,
}

/// Regions with fast links inside and slow links between, the coordinator far from all, as in the paper's 3cluster24
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helix cluster generate regions --machines A100=4 --machines L4=2,T4=8 --machines L4=6,T4=4 -o cluster.toml
  helix cluster generate regions --machines A100=100,L4=300,T4=600 --regions 20 --links per-region --seed 7
  helix cluster generate regions --machines H100x8=4 --regions 2 --between-latency '80 ms +- 5 ms'")]
struct RegionsArguments {
    /// Machines: once, to be dealt to the regions at random, or once for each region
    #[arg(long, value_name = "KIND=COUNT,…", default_values = ["A100=4", "L4=2,T4=8", "L4=6,T4=4"])]
    machines: Vec<MachineMix>,
    /// How many regions [default: as many as `--machines` are given]
    #[arg(long)]
    regions: Option<u32>,
    /// Inside a region
    #[arg(long, default_value = "10 Gbit/s +- 1 Gbit/s")]
    inside_bandwidth: Around<Bandwidth>,
    /// Inside a region
    #[arg(long, default_value = "1 ms")]
    inside_latency: Around<SimTime>,
    /// Between regions, and between the coordinator and every machine
    #[arg(long, default_value = "100 Mbit/s +- 20 Mbit/s")]
    between_bandwidth: Around<Bandwidth>,
    /// Between regions, and between the coordinator and every machine
    #[arg(long, default_value = "50 ms +- 10 ms")]
    between_latency: Around<SimTime>,
    /// How finely links vary
    #[arg(long, value_enum, default_value_t = LinkDetail::PerPair)]
    links: LinkDetail,
    #[command(flatten)]
    common: Common,
}

/// One region of machines whose kinds are drawn at random, and some of whose links are slow
#[derive(Debug, Args)]
#[command(after_help = "Example:
  helix cluster generate random --kinds A100,L4,T4,T4x2 --count 40 --slow-percent 30 --seed 3 -o cluster.toml")]
struct RandomArguments {
    /// Kinds of machines to draw from
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "A100,L4,T4")]
    kinds: Vec<MachineKind>,
    /// How many machines
    #[arg(long, default_value_t = 24)]
    count: u32,
    /// Of a hundred pairs of machines, how many have a slow link
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=100))]
    slow_percent: u8,
    /// Of fast links
    #[arg(long, default_value = "10 Gbit/s +- 1 Gbit/s")]
    fast_bandwidth: Around<Bandwidth>,
    /// Of fast links
    #[arg(long, default_value = "1 ms")]
    fast_latency: Around<SimTime>,
    /// Of slow links
    #[arg(long, default_value = "100 Mbit/s +- 20 Mbit/s")]
    slow_bandwidth: Around<Bandwidth>,
    /// Of slow links
    #[arg(long, default_value = "50 ms +- 10 ms")]
    slow_latency: Around<SimTime>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LinkDetail {
    /// A draw for each pair of machines, as the paper's generators do
    PerPair,
    /// A draw for each pair of regions: small files for large clusters
    PerRegion,
}

/// A quantity and how far it varies: `50 ms`, `50 ms +- 10 ms`.
#[derive(Debug, Clone, Copy)]
struct Around<T> {
    mean: T,
    spread: T,
}

impl<T: FromStr + Default> FromStr for Around<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let (mean, spread) = match text.split_once("+-").or_else(|| text.split_once('±')) {
            Some((mean, spread)) => (mean.parse()?, spread.parse()?),
            None => (text.parse()?, T::default()),
        };
        Ok(Self { mean, spread })
    }
}

fn link_spread(bandwidth: Around<Bandwidth>, latency: Around<SimTime>) -> LinkSpread {
    LinkSpread {
        bandwidth: Spread { mean: bandwidth.mean.0, spread: bandwidth.spread.0 },
        latency: Spread { mean: latency.mean.0, spread: latency.spread.0 },
    }
}

/// Makes the cluster and writes it.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let (shape, common) = match &arguments.shape {
        Shape::Single(single) => ("single", &single.common),
        Shape::Regions(regions) => ("regions", &regions.common),
        Shape::Random(random) => ("random", &random.common),
    };
    if common.nic.0 == 0 {
        return Err(Failure::usage("--nic is 0 bit/s, it must be more than zero"));
    }
    if common.output.is_none() && output.format == Format::Json {
        return Err(Failure::usage(
            "a cluster file is TOML: with `--format json`, give the file with `-o FILE`",
        ));
    }
    let mut cluster = make(&arguments.shape)?;
    if let Some(name) = &common.name {
        cluster.name.clone_from(name);
    }
    let seed = common.seed;
    let written = cluster.to_files().cluster;
    let text = format!("# Made by `helix cluster generate {shape}` from seed {seed}.\n{written}");
    // Whoever writes a file that Helix would refuse should hear of it now.
    check(&text)?;
    match &common.output {
        None => output.write_all(text.as_bytes())?,
        Some(path) => {
            files::write(path, &text)?;
            super::write_summary(&cluster, output)?;
        }
    }
    Ok(())
}

fn make(shape: &Shape) -> Result<Cluster, Failure> {
    let made = match shape {
        Shape::Single(given) => {
            let link = Link { bandwidth: given.bandwidth, latency: given.latency };
            let options = Single { link, nic: given.common.nic(), ..Single::new(given.machines.clone()) };
            generate::single(&options, given.common.seed)
        }
        Shape::Regions(given) => {
            let groups = u32::try_from(given.machines.len()).unwrap_or(u32::MAX);
            let options = Regions {
                machines: given.machines.clone(),
                regions: given.regions.unwrap_or(groups),
                inside: link_spread(given.inside_bandwidth, given.inside_latency),
                between: link_spread(given.between_bandwidth, given.between_latency),
                detail: match given.links {
                    LinkDetail::PerPair => Detail::Machines,
                    LinkDetail::PerRegion => Detail::Regions,
                },
                nic: given.common.nic(),
            };
            generate::regions(&options, given.common.seed)
        }
        Shape::Random(given) => {
            let options = Random {
                kinds: given.kinds.clone(),
                count: given.count,
                fast: link_spread(given.fast_bandwidth, given.fast_latency),
                slow: link_spread(given.slow_bandwidth, given.slow_latency),
                slow_percent: given.slow_percent,
                nic: given.common.nic(),
            };
            generate::random(&options, given.common.seed)
        }
    };
    made.map_err(Failure::usage)
}

fn check(text: &str) -> Result<(), Failure> {
    let source = helix_spec::Source { origin: "the cluster", text };
    let none = |file: &str| Err(helix_spec::FileError::new(file, "a generated cluster has no tables"));
    match Cluster::parse(&source, &none) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!("these options make a cluster that cannot be: {error}"))),
    }
}
