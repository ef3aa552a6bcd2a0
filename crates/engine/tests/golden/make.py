"""Makes the golden files: small random models and the logits that `transformers` computes for them.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python crates/engine/tests/golden/make.py

Weights are drawn wide enough that attention is far from uniform, so that a wrong position, head or mask shows. Each
folder is a model as Hugging Face lays it out, with `golden.json`: versions, tokens, and logits of every token in f32.
"""

import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TOKENS = 45

COMMON = {
    "vocab_size": 80,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "hidden_act": "silu",
    "bos_token_id": 1,
    "eos_token_id": 2,
}

# Name, model type, configuration beyond the common one, type of the stored weights, whether in two files.
MODELS = [
    ("llama-2", "llama", {"num_key_value_heads": 4, "rms_norm_eps": 1e-5, "tie_word_embeddings": False}, torch.float32, False),
    ("llama-3", "llama", {
        "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0,
                            "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
    }, torch.bfloat16, False),
    ("llama-linear", "llama", {
        "num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
    }, torch.bfloat16, False),
    ("mistral", "mistral", {"num_key_value_heads": 2, "sliding_window": 7, "head_dim": 16, "tie_word_embeddings": False}, torch.float16, False),
    ("qwen2", "qwen2", {"num_key_value_heads": 2, "tie_word_embeddings": True}, torch.float32, False),
    ("qwen3", "qwen3", {"num_key_value_heads": 2, "head_dim": 24, "tie_word_embeddings": True}, torch.bfloat16, True),
    ("qwen3-yarn", "qwen3", {
        "num_key_value_heads": 4, "head_dim": 8, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                            "original_max_position_embeddings": 16},
    }, torch.bfloat16, False),
]


def old_keys(config):
    """Configurations before version 5 of `transformers` wrote other keys."""
    rope = config.pop("rope_parameters", None)
    if rope is not None:
        config["rope_theta"] = rope.pop("rope_theta")
        if rope.get("rope_type") != "default":
            config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    return config


def draw(name, tensor, generator):
    noise = torch.randn(tensor.shape, generator=generator)
    if name.endswith("norm.weight"):
        return 1.0 + 0.3 * noise
    if name.endswith(".bias"):
        return 0.5 * noise
    if "embed" in name or "lm_head" in name:
        return noise
    return 1.6 * noise / tensor.shape[-1] ** 0.5


def make(index, name, kind, special, dtype, two_files):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(1000 + index)
    config = AutoConfig.for_model(kind, **COMMON, **special)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).float().eval()
    state = {}
    for key, tensor in sorted(model.state_dict().items()):
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        state[key] = draw(key, tensor, generator).to(dtype)
    full = {key: tensor.float() for key, tensor in state.items()}
    if config.tie_word_embeddings:
        full["lm_head.weight"] = full["model.embed_tokens.weight"]
    model.load_state_dict(full)
    tokens = torch.randint(0, COMMON["vocab_size"], (1, TOKENS), generator=generator)
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits[0]
    text = config.to_dict()
    text["architectures"] = [type(model).__name__]
    text["dtype"] = str(dtype).removeprefix("torch.")
    for key in ("_name_or_path", "transformers_version", "_attn_implementation"):
        text.pop(key, None)
    if index % 2 == 1:
        text = old_keys(text)
    (folder / "config.json").write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")
    if two_files:
        parts = {"model-00001-of-00002.safetensors": {}, "model-00002-of-00002.safetensors": {}}
        files = list(parts)
        for key, tensor in state.items():
            parts[files["layers.1" in key or "layers.2" in key]][key] = tensor
        for file, tensors in parts.items():
            save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map = {key: file for file, tensors in parts.items() for key in tensors}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1) + "\n")
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    golden = {
        "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
        "tokens": tokens[0].tolist(),
        "logits": [[float(f"{number:.8g}") for number in row] for row in logits.tolist()],
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, float(logits.abs().max()), float(logits.std()))


for index, model in enumerate(MODELS):
    make(index, *model)
