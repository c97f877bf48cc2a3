"""An encoder-decoder: python 06_encoder_decoder.py [MODEL]

Without a model, a small BART first learns the embedded text for half a minute on two cores. It then knows
these words, and little of what they mean, which the run says."""

import sys

import torch
from gradiend_tiny import english, masked
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration

import gradiend_core as gd
from gradiend_core.api import NoSettings


def small_bart(folder: str, steps: int = 250) -> str:
    """Trained as BART is: it writes a text again of which some words are masked."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(masked(NoSettings()))
    size = {"d_model": 96, "encoder_ffn_dim": 192, "decoder_ffn_dim": 192, "max_position_embeddings": 64}
    depth = {
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
    }
    special = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "decoder_start_token_id": 3}
    model = BartForConditionalGeneration(
        BartConfig(vocab_size=len(tokenizer), **size, **depth, **special, dropout=0.0)
    )
    texts = english(NoSettings()).read_text(encoding="utf-8").splitlines()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    for step in range(steps):
        batch = tokenizer(
            [texts[(step * 64 + n) % len(texts)] for n in range(64)], padding=True, return_tensors="pt"
        )
        known = batch["input_ids"]
        hidden = (torch.rand(known.shape) < 0.3) & (known > 4)
        labels = known.masked_fill(~hidden, -100)  # what it can copy teaches it little
        batch["decoder_input_ids"] = torch.cat([torch.full_like(known[:, :1], 3), known[:, :-1]], 1)
        batch["input_ids"] = known.masked_fill(hidden, tokenizer.mask_token_id)
        model(**batch, labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1 - (step + 1) / steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


model = sys.argv[1] if len(sys.argv) > 1 else small_bart("small-bart")
run = gd.Session("english-pronouns", model=model, classes=["3SG", "3PL"])
gd.save_run(run, "encoder-decoder")
print(*run.reports["encoder"].lines, sep="\n")
for title, findings in run.findings.items():
    print(title, *findings, sep="\n  ")
