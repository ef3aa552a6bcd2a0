"""Loads models/tiny in transformers and compares it with the trainer's own forward pass.

    cargo run --release -- logits > logits.json       # the trainer's side
    python compare_with_transformers.py ../models/tiny logits.json [EVERY]

Checks: the rendered chat template and its tokens, the logits of the trainer's prompts, and every EVERYth held-out sum
by greedy generation.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, logits_file = sys.argv[1:3]
every = int(sys.argv[3]) if len(sys.argv) > 3 else 16
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def tokens_of(question):
    messages = [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


worst = 0.0
for case in json.load(open(logits_file)):
    assert tokens_of(case["question"]) == case["tokens"], case["question"]
    with torch.no_grad():
        found = model(torch.tensor([case["tokens"]])).logits[0, -1]
    worst = max(worst, (found - torch.tensor(case["logits"])).abs().max().item())
print(f"greatest difference of logits: {worst:.1e}")

pairs = [(a, b) for a in range(10, 100) for b in range(10, 100) if (min(a, b) + 3 * max(a, b)) % 11 == 7][::every]
right = 0
for at in range(0, len(pairs), 64):
    some = pairs[at : at + 64]
    prompts = torch.tensor([tokens_of(f"What is {a} + {b}?") for a, b in some])
    mask = torch.ones_like(prompts)
    answers = model.generate(prompts, attention_mask=mask, do_sample=False, max_new_tokens=60, pad_token_id=1)
    for (a, b), answer in zip(some, answers):
        right += tokenizer.decode(answer, skip_special_tokens=True).endswith(f" {a} + {b} = {a + b}.")
print(f"held-out sums: {right} of {len(pairs)}")
assert worst < 1e-3 and right >= 0.95 * len(pairs)
