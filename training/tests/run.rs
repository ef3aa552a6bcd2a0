//! What a run promises: text without held-out sums, batches by seed and step, going on as if never stopped.

use helix_training::batch;
use helix_training::checkpoint;
use helix_training::corpus::Sum;
use helix_training::corpus::conversation::Conversation;
use helix_training::model::{Config, Model};
use helix_training::optimizer::AdamW;
use helix_training::random::Random;
use helix_training::vocabulary::{self, ASSISTANT, BEGIN, END, USER};

/// Every `A + B` in the text.
fn sums_in(text: &str) -> Vec<Sum> {
    let marks = text.replace("plus", "+").replace(" and ", "+").replace(' ', "");
    let parts: Vec<&str> = marks.split('+').collect();
    let number = |digits: Option<&str>| digits.and_then(|digits| digits.parse().ok());
    parts
        .windows(2)
        .filter_map(|pair| {
            let a = number(pair[0].rsplit(|c: char| !c.is_ascii_digit()).next())?;
            let b = number(pair[1].split(|c: char| !c.is_ascii_digit()).next())?;
            Some(Sum { a, b })
        })
        .collect()
}

#[test]
fn no_text_of_the_run_holds_a_held_out_sum() {
    assert_eq!(
        sums_in("What is 27 + 58? Or 3+4, 5 plus 6, add 7 and 8"),
        [(27, 58), (3, 4), (5, 6), (7, 8)].map(|(a, b)| Sum { a, b })
    );
    let mut seen = 0;
    for row in 0..400 {
        let mut conversation = Conversation::new(Random::new(1, row));
        for _ in 0..50 {
            let turn = conversation.next_turn();
            for sum in sums_in(&turn.user).into_iter().chain(sums_in(&turn.assistant)) {
                assert!(sum.a.max(sum.b) > 99 || !sum.held_out(), "{turn:?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20_000, "{seen}");
}

#[test]
fn the_tokenizer_is_the_same_each_time_and_gives_every_text_back() {
    let tokenizer = vocabulary::train(1).unwrap();
    assert_eq!(tokenizer.to_string(false).unwrap(), vocabulary::train(1).unwrap().to_string(false).unwrap());
    assert_eq!(tokenizer.get_vocab_size(true), vocabulary::SIZE);
    for (id, text) in (0..).zip(vocabulary::SPECIAL) {
        assert_eq!(tokenizer.token_to_id(text), Some(id));
    }
    for text in ["What is 27 + 58?", "Ünïcödé 日本語 🙂", "  two  spaces\n\tand tabs ", "1234567890"]
    {
        let tokens = vocabulary::encode(&tokenizer, text).unwrap();
        assert_eq!(tokenizer.decode(&tokens, false).unwrap(), text);
    }
    assert_eq!(vocabulary::encode(&tokenizer, "1234").unwrap().len(), 4, "a digit is a token");
}

#[test]
fn the_loss_is_on_what_the_model_says() {
    let tokenizer = vocabulary::train(1).unwrap();
    let batch = batch::draw(&tokenizer, 1, 7, (6, 160)).unwrap();
    assert_eq!(batch, batch::draw(&tokenizer, 1, 7, (6, 160)).unwrap());
    assert_ne!(batch, batch::draw(&tokenizer, 1, 8, (6, 160)).unwrap());
    assert_eq!(batch.inputs.len(), 6 * 160);
    for row in batch.inputs.chunks(160) {
        assert_eq!(row[0], BEGIN);
    }
    for (position, target) in batch.positions.iter().zip(&batch.targets) {
        let at = *position as usize;
        assert!(![USER, BEGIN].contains(target), "the user's words are not learned");
        assert!(at % 160 == 159 || batch.inputs[at + 1] == *target);
        assert_ne!(batch.inputs[at], END, "nothing is said after the end");
    }
    assert!(batch.positions.iter().any(|at| batch.inputs[*at as usize] == ASSISTANT));
}

#[test]
fn a_run_goes_on_from_a_checkpoint_as_if_never_stopped() {
    let tokenizer = vocabulary::train(1).unwrap();
    let config = Config { num_hidden_layers: 2, hidden_size: 32, intermediate_size: 64, ..Config::TINY };
    let step = |model: &Model, optimizer: &mut AdamW| {
        let batch = batch::draw(&tokenizer, 1, optimizer.step, (2, 48)).unwrap();
        let loss = model.loss(&batch).unwrap();
        optimizer.update(&model.weights, &loss.backward().unwrap(), 1e-3).unwrap();
        loss.to_scalar::<f32>().unwrap()
    };
    let path = std::env::temp_dir().join(format!("helix-training-{}.safetensors", std::process::id()));
    let (model, mut optimizer) = (Model::new(config, 1).unwrap(), AdamW::default());
    for _ in 0..3 {
        step(&model, &mut optimizer);
    }
    checkpoint::save(&path, &model, &optimizer).unwrap();
    let straight: Vec<f32> = (0..3).map(|_| step(&model, &mut optimizer)).collect();
    let again = Model::new(config, 2).unwrap();
    let mut optimizer = checkpoint::load(&path, &again).unwrap();
    let resumed: Vec<f32> = (0..3).map(|_| step(&again, &mut optimizer)).collect();
    assert_eq!(straight, resumed);
    let other = Model::new(Config { hidden_size: 64, ..config }, 1).unwrap();
    let error = checkpoint::load(&path, &other).err().unwrap().to_string();
    assert!(error.contains("another model"), "{error}");
    std::fs::remove_file(&path).unwrap();
}
