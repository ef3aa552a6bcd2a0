//! What holds for every device of the catalogue, every preset and every table.

use helix_cost::{Batch, BatchTime, CostChoice, CostModel, Costs};
use helix_spec::{Bytes, DeviceCatalogue, Machine, ModelShape, RankLayout};
use proptest::prelude::*;

use crate::support::{cluster, machine};

/// A machine of `count` devices of the catalogue.
fn machine_of(device: &helix_spec::Device, count: u32) -> Machine {
    Machine {
        device: device.clone(),
        count,
        memory: Bytes(device.memory.0 * u64::from(count)),
        machine_type: format!("{}x{count}", device.name),
        ..machine("T4", 1)
    }
}

/// Within one layout one more layer never raises the throughput or the cache; all figures are finite; the plan's limit
/// fits. (Two stages inside a machine take to an even number of layers better than to an odd one.)
#[test]
fn throughput_and_cache_fall_with_every_layer_on_every_device() {
    let mut cases = 0;
    for device in DeviceCatalogue::builtin().iter() {
        for (preset, count) in ModelShape::presets().into_iter().zip([1, 2, 4, 8].into_iter().cycle()) {
            let shape = ModelShape::preset(preset).unwrap();
            let machine = machine_of(device, count);
            let costs =
                Costs::for_cluster(&cluster(vec![machine.clone()]), &shape, CostChoice::Auto).unwrap();
            let (planned, most) = (costs.planned_layers(&machine), costs.memory().most_layers(&machine));
            assert!(planned <= most && most <= shape.layers, "{} {preset}", device.name);
            let mut before: Vec<(RankLayout, f64, u64)> = Vec::new();
            for layers in 1..=most {
                // What several devices hold twice comes on top of the weights.
                let Ok(found) = costs.capability(&machine, layers) else {
                    assert!(count > 1 && layers > planned, "{} × {count}, {preset}", device.name);
                    break;
                };
                let case = format!("{} × {count}, {preset}, {layers} layers", device.name);
                let throughput = found.throughput.get();
                assert!(throughput > 0.0 && throughput.is_finite(), "{case}");
                if let Some(known) = before.iter_mut().find(|(layout, ..)| *layout == found.layout) {
                    assert!(throughput <= known.1, "{case}: {throughput} after {}", known.1);
                    assert!(found.kv_capacity < known.2, "{case}");
                    (known.1, known.2) = (throughput, found.kv_capacity);
                } else {
                    before.push((found.layout, throughput, found.kv_capacity));
                }
                cases += 1;
            }
            assert!(costs.capability(&machine, most + 1).is_err() || most == shape.layers);
        }
    }
    assert!(cases > 1000, "only {cases} cases");
}

/// Reading its weights once is the least that a decode step takes: no roofline is faster than the datasheet.
#[test]
fn nothing_is_faster_than_the_datasheet() {
    for device in DeviceCatalogue::builtin().iter() {
        let shape = ModelShape::preset("llama-3.1-8b").unwrap();
        let machine = machine_of(device, 1);
        let costs =
            Costs::for_cluster(&cluster(vec![machine.clone()]), &shape, CostChoice::Roofline).unwrap();
        let time = |batch| costs.batch_time(&machine, 1, &batch).unwrap().time.seconds();
        let read = shape.weight_bytes(0..1).0 as f64 / device.memory_bandwidth.0 as f64;
        assert!(time(Batch::decode(1, 0)) > read, "{}", device.name);
        let multiply = 2.0 * shape.layer_parameters(0) as f64 * 4096.0 / device.flops_16bit.0 as f64;
        assert!(time(Batch::typical_prefill(4096)) > multiply, "{}", device.name);
    }
}

proptest! {
    /// Any batch has a time or a refusal, and adding work to it never makes it faster.
    #[test]
    fn more_work_takes_no_less_time(
        prompt in 0u64..1 << 40,
        cached in 0u64..1 << 40,
        context in 0u64..1 << 40,
        requests in 0u64..300,
    ) {
        let shape = ModelShape::preset("deepseek-v3").unwrap();
        let machine = machine_of(DeviceCatalogue::builtin().get("H200").unwrap(), 8);
        let costs = Costs::for_cluster(&cluster(vec![machine.clone()]), &shape, CostChoice::Roofline).unwrap();
        let mut batch = Batch::decode(requests, context);
        let before = costs.batch_time(&machine, 2, &batch);
        batch.add_prefill(prompt, cached);
        let between = costs.batch_time(&machine, 2, &batch);
        batch.add_decode(context);
        let after = costs.batch_time(&machine, 2, &batch);
        if let (Ok(before), Ok(between), Ok(after)) = (before, between, after) {
            prop_assert!(before.time <= between.time && between.time <= after.time);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// A machine more never lowers what any other one carries, however slow or large it is.
    #[test]
    fn a_machine_more_lowers_nobodys_throughput(
        names in proptest::collection::vec(0usize..20, 2..5),
        preset in 0usize..20,
    ) {
        let devices: Vec<helix_spec::Device> = DeviceCatalogue::builtin().iter().cloned().collect();
        let presets: Vec<&str> = ModelShape::presets().into_iter().collect();
        let shape = ModelShape::preset(presets[preset % presets.len()]).unwrap();
        let machines: Vec<Machine> =
            names.iter().map(|&name| machine_of(&devices[name % devices.len()], 2)).collect();
        let costs = |most: usize| {
            Costs::for_cluster(&cluster(machines[..most].to_vec()), &shape, CostChoice::Roofline).unwrap()
        };
        let fits = |most: usize| {
            let held = |machine: &Machine| u64::from(costs(most).memory().most_layers(machine));
            machines[..most].iter().map(held).sum::<u64>() >= u64::from(shape.layers)
        };
        let (fewer, all) = (costs(machines.len() - 1), costs(machines.len()));
        if fits(machines.len() - 1) {
            for machine in &machines[..machines.len() - 1] {
                for layers in 1..=fewer.known_layers(machine) {
                    let of = |costs: &Costs| costs.capability(machine, layers).map(|found| found.throughput.get());
                    let (Ok(before), Ok(after)) = (of(&fewer), of(&all)) else { continue };
                    prop_assert!(after >= before * (1.0 - 1e-6), "{} layers: {before} to {after}", layers);
                }
            }
        }
    }
}
