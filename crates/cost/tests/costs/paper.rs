//! The paper's recipe against every row of the published limits.

use crate::support::{llama_2_70b, machine, published_tables, shared, single24};
use helix_cost::{PaperRecipe, RecipeError, paper_tables};
use helix_spec::{Cluster, ModelShape};

#[test]
fn every_published_row_comes_out() {
    let Some(folder) = shared("every_published_row_comes_out") else { return };
    let tables = published_tables(&folder);
    let cluster = Cluster { cost_tables: vec![tables.clone()], ..single24() };
    let found = PaperRecipe::for_cluster(&cluster, &llama_2_70b()).unwrap().throughputs().unwrap();
    let mut rows = 0;
    for (name, published) in &tables.types {
        for (&layers, row) in &published.declared {
            let batch = found[&(name.clone(), layers)];
            let case = format!("{name} {layers}: {batch:?} for {row:?}");
            assert!((batch.throughput.get() / row.throughput.get() - 1.0).abs() <= 1e-9, "{case}");
            assert!((batch.prompt_requests / row.typical_prompt_requests - 1.0).abs() <= 1e-9, "{case}");
            assert_eq!(batch.prompt_tokens, row.typical_prompt_tokens, "{case}");
            assert_eq!(batch.decode_tokens, row.typical_decode_tokens, "{case}");
            rows += 1;
        }
    }
    assert_eq!(rows, 23);
    let rewritten = paper_tables(&cluster, &llama_2_70b()).unwrap();
    assert_eq!(rewritten.types.keys().collect::<Vec<_>>(), ["A100", "L4", "T4"]);
}

#[test]
fn the_recipe_depends_on_the_whole_cluster() {
    let Some(folder) = shared("the_recipe_depends_on_the_whole_cluster") else { return };
    let mut cluster = Cluster { cost_tables: vec![published_tables(&folder)], ..single24() };
    cluster.machines.truncate(20);
    let tables = paper_tables(&cluster, &llama_2_70b()).unwrap();
    let published = &cluster.cost_tables[0].types["A100"].declared[&8];
    assert_ne!(tables.types["A100"].declared[&8].throughput, published.throughput);
}

#[test]
fn what_is_missing_is_named() {
    let other = ModelShape { name: "mine".to_owned(), ..llama_2_70b() };
    let error = PaperRecipe::for_cluster(&single24(), &other).unwrap_err();
    assert!(error.to_string().contains("not mine"), "{error}");
    let error = PaperRecipe::for_cluster(&single24(), &llama_2_70b()).unwrap_err();
    assert!(matches!(error, RecipeError::Missing { what: "any table", .. }), "{error}");
    let mut cluster = single24();
    cluster.machines.push(machine("Unmeasured", 1));
    let error = PaperRecipe::for_cluster(&cluster, &llama_2_70b()).unwrap_err();
    assert!(error.to_string().contains("T4x4, not Unmeasured"), "{error}");
}
