//! `helix parallel plan`: the layout of one machine's GPUs for a context and a latency target.

mod json;
mod refusal;
mod words;

use std::num::{IntErrorKind, NonZeroU32};
use std::path::PathBuf;

use helix_cost::Constants;
use helix_cost::layout::{
    Choice, Config, Crossing, Demand, Formats, Hardware, Shortage, Study, crossing, load, longest_context,
    rank,
};
use helix_parallel::Layout;
use helix_spec::{BytesPerSecond, DeviceCatalogue, NumberFormat, RankLayout, SimTime};

use crate::exit_codes::{Failure, Kind};
use crate::output::{Format, Output};

use super::inputs;

/// The name under which `--device` knows the hardware of `helix parallel pareto`.
const STUDY: &str = "GB200-NVL72";

/// Machines of more devices are not considered.
const MOST_DEVICES: u32 = 1024;

/// Runners-up that are shown.
const RUNNERS_UP: usize = 4;

/// What to plan for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  helix parallel plan --model llama-3.1-405b --gpus 64 --device GB200-NVL72 --context 1M --ttl 20ms --weights fp4 --cache fp4
  helix parallel plan --model qwen3-32b --gpus 4 --device H100 --context 128Ki --batch 8
  helix parallel plan --model deepseek-r1 --gpus 8 --device H200 --context 256Ki --ttl 50ms --layout tpa=1,kvp=8,ep=8")]
pub struct Arguments {
    /// The model: a preset or a folder
    #[arg(long)]
    model: String,
    /// GPUs of the machine
    #[arg(long, value_parser = inputs::at_least_one)]
    gpus: NonZeroU32,
    /// What they are: a name of the device catalogue, or GB200-NVL72, the hardware of `helix parallel pareto`
    #[arg(long, required_unless_present = "hardware", conflicts_with = "hardware")]
    device: Option<String>,
    /// Hardware constants from a file instead, in the format of `helix parallel pareto`
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// Speed of a GPU's link to the others, each direction, instead of the catalogue's: 64 GB/s
    #[arg(long, value_name = "SPEED", requires = "device")]
    interconnect: Option<BytesPerSecond>,
    /// Tokens of context of every request: 65536, 64Ki, 1M
    #[arg(long, value_parser = inputs::tokens)]
    context: u64,
    /// Longest time from one token to the next: 20ms
    #[arg(long, value_parser = target)]
    ttl: Option<SimTime>,
    /// Requests to serve at once [default: as many as the target and the memory allow, one without --ttl]
    #[arg(long, value_parser = inputs::at_least_one)]
    batch: Option<NonZeroU32>,
    /// Judge this layout too: pp=1,tpa=4,kvp=2,tpf=8,ep=1, where what is left out is 1 (tpf: what fills up)
    #[arg(long)]
    layout: Option<String>,
    /// How weights are stored [default: as the model's]
    #[arg(long, value_parser = inputs::format)]
    weights: Option<NumberFormat>,
    /// How keys and values are stored [default: as the model's]
    #[arg(long, value_parser = inputs::format)]
    cache: Option<NumberFormat>,
}

/// What the command found.
struct Plan<'a> {
    study: Study<'a>,
    demand: Demand,
    /// Meeting the demand, the best first, one for each way to share the attention.
    choices: Vec<Choice>,
    /// The layout that the user asked about.
    asked: Option<Result<Choice, Shortage>>,
    crossing: Crossing,
    /// The longest context with the best layout at its batch, and at batch 1.
    longest: (Option<u64>, Option<u64>),
    /// With half of the devices.
    half: Option<Choice>,
}

/// Plans and reports.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    if arguments.gpus.get() > MOST_DEVICES {
        return Err(Failure::usage(format!("--gpus is {}, allowed are 1 to {MOST_DEVICES}", arguments.gpus)));
    }
    let model = inputs::model(&arguments.model)?;
    let hardware = hardware(arguments)?;
    let own = Formats::of(&model);
    let formats = Formats {
        weights: arguments.weights.unwrap_or(own.weights),
        cache: arguments.cache.unwrap_or(own.cache),
    };
    let study = Study::new(&model, &hardware, formats, arguments.context);
    let demand = Demand {
        devices: arguments.gpus,
        ttl_s: arguments.ttl.map(SimTime::seconds),
        users: arguments.batch,
    };
    let asked = arguments.layout.as_deref().map(|text| judge(&study, demand, text)).transpose()?;
    let choices = rank(&study, demand).map_err(|error| refusal::of(&study, demand, MOST_DEVICES, &error))?;
    let best = choices[0];
    let half = NonZeroU32::new(demand.devices.get() / 2)
        .and_then(|devices| rank(&study, Demand { devices, ..demand }).ok())
        .map(|choices| choices[0]);
    let plan = Plan {
        crossing: crossing(&study, demand),
        longest: (longest_context(&study, best.config, best.batch), longest_context(&study, best.config, 1)),
        half,
        study: study.clone(),
        demand,
        choices,
        asked,
    };
    match output.format {
        Format::Text => words::print(&plan, output),
        Format::Json => json::print(&plan, output),
    }
}

fn hardware(arguments: &Arguments) -> Result<Hardware, Failure> {
    let gpus = arguments.gpus.get();
    let Some(name) = &arguments.device else {
        return Ok(Hardware { devices: gpus, ..inputs::hardware(arguments.hardware.as_deref())? });
    };
    if name.eq_ignore_ascii_case(STUDY) {
        let study = Hardware::gb200_nvl72();
        let interconnect = arguments.interconnect.unwrap_or(study.interconnect);
        return Ok(Hardware { devices: gpus, interconnect, ..study });
    }
    let catalogue = DeviceCatalogue::builtin();
    let device = catalogue.lookup(name).map_err(Failure::usage)?;
    let interconnect = arguments.interconnect.unwrap_or(device.interconnect);
    Hardware::of_device(device, gpus, interconnect, &Constants::shipped()).ok_or_else(|| {
        Failure::usage(format!(
            "{name} leaves no speed or memory to plan with; is --interconnect more than zero?"
        ))
    })
}

fn target(text: &str) -> Result<SimTime, String> {
    match text.parse() {
        Ok(SimTime::ZERO) => Err("a latency target is more than zero".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads `tpa=4,kvp=2`, checks that the model divides over it and loads it like the others.
fn judge(study: &Study<'_>, demand: Demand, text: &str) -> Result<Result<Choice, Shortage>, Failure> {
    let layout = parse_layout(text).map_err(Failure::usage)?;
    let layout = Layout::for_model(layout, study.model).map_err(|error| {
        Failure::new(Kind::Infeasible, format!("--layout {text} with {}: {error}", study.model.name))
    })?;
    layout
        .fits_gpus(demand.devices.get())
        .map_err(|error| Failure::new(Kind::Infeasible, format!("--layout {text}: {error}")))?;
    Ok(load(study, demand, Config::ranks(layout)))
}

fn parse_layout(text: &str) -> Result<RankLayout, String> {
    let mut layout = RankLayout::SINGLE;
    let (mut ffn, mut seen) = (None, Vec::new());
    for part in text.split(',') {
        let malformed = || format!("--layout: `{part}` is not of the form tpa=4");
        let (name, value) = part.split_once('=').ok_or_else(malformed)?;
        let value = match value.trim().parse::<u32>() {
            Ok(value) => value,
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
                return Err(format!("--layout: `{part}` is too large; a width is at most {}", u32::MAX));
            }
            Err(_) => return Err(malformed()),
        };
        let name = name.trim().to_ascii_lowercase();
        if seen.contains(&name) {
            return Err(format!("--layout: `{name}` stands twice in `{text}`; keep one of the two"));
        }
        match name.as_str() {
            "pp" => layout.pipeline = value,
            "tpa" => layout.attention_tensor = value,
            "kvp" => layout.kv = value,
            "tpf" => ffn = Some(value),
            "ep" => layout.expert = value,
            other => {
                return Err(format!("--layout: unknown width `{other}`; allowed are pp, tpa, kvp, tpf, ep"));
            }
        }
        seen.push(name);
    }
    let ranks = layout.attention_tensor.saturating_mul(layout.kv);
    let fill = ranks.checked_div(layout.expert).unwrap_or(1);
    layout.ffn_tensor = ffn.unwrap_or(fill);
    Ok(layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_filled_up() {
        let layout = parse_layout("tpa=2, KVP=4,ep=4").unwrap();
        assert_eq!((layout.ffn_tensor, layout.pipeline, layout.ranks()), (2, 1, Some(8)));
        assert_eq!(parse_layout("tpf=3").unwrap().ffn_tensor, 3);
        for bad in
            ["", "tpa", "tpa=x", "tp=4", "kvp=-1", "tpa=4;kvp=2", "kvp=2,tpa=4,KVP=2", "ep=99999999999"]
        {
            assert!(parse_layout(bad).is_err(), "{bad}");
        }
        assert!(parse_layout("ep=99999999999").unwrap_err().contains("too large"));
        assert_eq!(parse_layout("ep=0").unwrap().expert, 0);
    }
}
