//! Tokenizer, text of growing answers, chat templates.

use std::sync::LazyLock;

use helix_engine::{ChatTemplate, Detokenizer, Message, TemplateError, Tokenizer};
use proptest::prelude::*;

/// Every byte is a token, as in the byte-level tokenizers of Llama 3 and Qwen, and "th" is one.
fn byte_level() -> Tokenizer {
    // GPT-2's letters for bytes: printable ones stand for themselves, the others follow from 256 on.
    let printable =
        |byte: u32| (33..=126).contains(&byte) || (161..=172).contains(&byte) || (174..=255).contains(&byte);
    let mut next = 256;
    let mut vocab: Vec<String> = (0..256)
        .map(|byte| {
            let letter = if printable(byte) { byte } else { next };
            next += u32::from(!printable(byte));
            serde_json::to_string(&char::from_u32(letter).unwrap().to_string()).unwrap()
                + &format!(": {byte}")
        })
        .collect();
    vocab.push(String::from("\"th\": 256"));
    let json = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{{"id": 257, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
                           "normalized": false, "special": true}}],
        "normalizer": null, "post_processor": null,
        "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}},
        "decoder": {{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}},
        "model": {{"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                   "vocab": {{{}}}, "merges": ["t h"]}}}}"#,
        vocab.join(", ")
    );
    Tokenizer::from_json(&json, "byte level").unwrap()
}

/// Words begin with `▁`, unknown characters are bytes, the first space is dropped: Llama 2's way.
fn sentence_piece() -> Tokenizer {
    let words = ["<unk>", "<s>", "</s>", "\u{2581}", "a", "b", "\u{2581}a", "\u{2581}b"];
    let mut vocab: Vec<String> =
        words.iter().enumerate().map(|(id, word)| format!("\"{word}\": {id}")).collect();
    vocab.extend((0..256).map(|byte| format!("\"<0x{byte:02X}>\": {}", byte + words.len())));
    let json = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "post_processor": null,
        "normalizer": {{"type": "Sequence", "normalizers": [{{"type": "Prepend", "prepend": "▁"}},
                        {{"type": "Replace", "pattern": {{"String": " "}}, "content": "▁"}}]}},
        "pre_tokenizer": null,
        "decoder": {{"type": "Sequence", "decoders": [{{"type": "Replace", "pattern": {{"String": "▁"}}, "content": " "}},
                     {{"type": "ByteFallback"}}, {{"type": "Fuse"}}, {{"type": "Strip", "content": " ", "start": 1, "stop": 0}}]}},
        "model": {{"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
                   "vocab": {{{}}}, "merges": ["▁ a", "▁ b"]}}}}"#,
        vocab.join(", ")
    );
    Tokenizer::from_json(&json, "sentence piece").unwrap()
}

fn pieces(tokenizer: &Tokenizer, prompt: &[u32], answer: &[u32]) -> Vec<String> {
    let mut detokenizer = Detokenizer::new(prompt);
    let mut pieces: Vec<String> =
        answer.iter().map(|&token| detokenizer.push(tokenizer, token).unwrap()).collect();
    pieces.push(detokenizer.finish(tokenizer).unwrap());
    pieces
}

#[test]
fn characters_come_out_whole() {
    let tokenizer = byte_level();
    let answer = tokenizer.encode("the é€😀!", false).unwrap();
    let pieces = pieces(&tokenizer, &[], &answer);
    assert_eq!(pieces, ["th", "e", " ", "", "é", "", "", "€", "", "", "", "😀", "!", ""]);
}

#[test]
fn bytes_that_are_no_character_do_not_hold_the_answer_up() {
    let tokenizer = byte_level();
    let answer: Vec<u32> = std::iter::repeat_n(0xff, 40).chain(*b"ok").map(u32::from).collect();
    let pieces = pieces(&tokenizer, &[], &answer);
    assert!(pieces[..20].concat().contains('\u{fffd}'), "{pieces:?}");
    assert!(pieces.concat().ends_with("ok"));
    // The beginning of a character shows at the end.
    assert_eq!(self::pieces(&tokenizer, &[], &[0xe2, 0x82]), ["", "", "\u{fffd}"]);
}

#[test]
fn the_first_space_of_an_answer_is_kept() {
    let tokenizer = sentence_piece();
    let prompt = tokenizer.encode("a b", false).unwrap();
    assert_eq!(prompt, [6, 7]);
    assert_eq!(pieces(&tokenizer, &prompt, &[7, 4]).concat(), " ba");
    let umlaut = tokenizer.encode("ü", false).unwrap();
    assert_eq!(pieces(&tokenizer, &prompt, &umlaut).concat(), " ü");
}

proptest! {
    #[test]
    fn the_pieces_make_the_text(text in "\\PC{0,40}") {
        static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(byte_level);
        // Several real replacement characters in a row look like the beginning of a character for too long.
        let text = text.replace('\u{fffd}', "");
        let tokenizer = &*TOKENIZER;
        let answer = tokenizer.encode(&text, false).unwrap();
        let pieces = pieces(tokenizer, &[], &answer);
        prop_assert_eq!(pieces.concat(), text.as_str());
        prop_assert_eq!(tokenizer.decode(&answer).unwrap(), text);
    }
}

#[test]
fn special_tokens_are_known_and_not_shown() {
    let tokenizer = byte_level();
    assert_eq!(tokenizer.token("<|end|>"), Some(257));
    assert_eq!(tokenizer.token_text(256).as_deref(), Some("th"));
    assert_eq!(tokenizer.vocab(), 258);
    assert_eq!(tokenizer.encode("a<|end|>", false).unwrap(), [97, 257]);
    assert_eq!(tokenizer.decode(&[97, 257]).unwrap(), "a");
    assert!(
        Tokenizer::from_json("{\"model\": 3}", "x")
            .unwrap_err()
            .to_string()
            .starts_with("x: is not a tokenizer")
    );
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

fn template(text: &str) -> ChatTemplate {
    ChatTemplate::new(text, (String::from("<s>"), String::from("</s>"))).unwrap()
}

/// Two published templates on the same messages; what is expected was rendered by `jinja2`.
#[test]
fn published_templates_give_what_transformers_gives() {
    let llama_2 = "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
    let chat_ml = "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n";
    let messages = [
        message("system", "Be brief."),
        message("user", " Hi "),
        message("assistant", "Hello."),
        message("user", "Bye"),
    ];
    assert_eq!(
        template(llama_2).render(&messages, true).unwrap(),
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi [/INST] Hello. </s><s>[INST] Bye [/INST]"
    );
    assert_eq!(
        template(chat_ml).render(&messages[2..], true).unwrap(),
        "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    );
    let refused = template(llama_2).render(&messages[2..3], true).unwrap_err();
    assert!(matches!(&refused, TemplateError::Refused(why) if why.contains("must alternate")), "{refused}");
}

#[test]
fn templates_that_fail_or_do_not_end_are_errors() {
    assert!(ChatTemplate::new("{% for %}", (String::new(), String::new())).is_err());
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    for text in
        [endless, "{{ messages[0].content.no_such() }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"]
    {
        let error = template(text).render(&[message("user", "x")], true).unwrap_err();
        assert!(matches!(error, TemplateError::Failed(_)), "{error}");
    }
    assert_eq!(
        template("{{ messages | tojson }}").render(&[message("u", "<é>\"")], true).unwrap(),
        "[{\"role\": \"u\", \"content\": \"<é>\\\"\"}]"
    );
}
