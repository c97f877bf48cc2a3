"""Makes the embedded models and the embedded text: `python plugins/gradiend_tiny/train.py [mlm|clm|text ...]`.

Run by hand, on CPU, a few minutes a model; the same machine and versions give the same weights. Everything is trained
on `grammar.texts(seed=0)`; the shipped text and the held-out accuracies come from `seed=1`, without the texts seen.
"""

from __future__ import annotations

import re
import sys
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from gradiend_tiny import grammar

HERE = Path(__file__).parent
TRAINING_TEXTS, HELD_OUT_TEXTS = 40_000, 6_000
STEPS, BATCH, PEAK_RATE = 3_000, 96, 3e-3
PRONOUN = re.compile(r"\b(?:he|she|it|they|I|we|you)\b", re.IGNORECASE)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def training_texts() -> list[str]:
    return list(islice(grammar.texts(0), TRAINING_TEXTS))


def held_out_texts() -> list[str]:
    seen = set(training_texts())
    fresh = (text for text in grammar.texts(1) if text not in seen and not seen.add(text))
    return list(islice(fresh, HELD_OUT_TEXTS))


def words() -> list[str]:
    """Every word of the training text, most frequent first, in lower case and capitalised."""
    counts: dict[str, int] = {}
    for text in training_texts():
        for word in re.findall(r"\w+", text):
            for form in {word, grammar.capital(word)}:
                counts[form] = counts.get(form, 0) + (form == word)
    return sorted(counts, key=lambda word: (-counts[word], word))


def masked_tokenizer() -> PreTrainedTokenizerFast:
    """WordPiece: whole words of the text, and characters for anything else."""
    characters = [chr(code) for code in range(33, 127)]
    vocabulary = dict.fromkeys([*SPECIAL, *characters, *(f"##{c}" for c in characters), *words()])
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names)


def causal_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, merged until every word of the text is one token, with and without a space before it."""
    end = "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=10_000, min_frequency=0, special_tokens=[end], initial_alphabet=alphabet, show_progress=False
    )
    forms = [form for word in words() for form in (word, f" {word}")]
    tokenizer.train_from_iterator(training_texts() + forms, trainer)
    special = [(end, tokenizer.token_to_id(end))]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{end} $A", special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, bos_token=end, eos_token=end, unk_token=end, pad_token=end
    )


def masked_model(tokenizer: PreTrainedTokenizerFast) -> BertForMaskedLM:
    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
            max_position_embeddings=128, type_vocab_size=1, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def causal_model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    end = tokenizer.eos_token_id
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_embd=96, n_layer=3, n_head=4, n_inner=256, n_positions=128,
            bos_token_id=end, eos_token_id=end,
        )
    )  # fmt: skip


def batch_of(tokenizer: PreTrainedTokenizerFast, texts: list[str], kind: str) -> dict[str, torch.Tensor]:
    if kind == "clm":
        texts = [f"{text}{tokenizer.eos_token}" for text in texts]
    inputs = tokenizer(texts, padding=True, return_tensors="pt", return_special_tokens_mask=kind == "mlm")
    labels = inputs["input_ids"].clone()
    if kind == "clm":
        labels[inputs["attention_mask"] == 0] = -100
        return {**inputs, "labels": labels}
    # A fifth of the words masked, and pronouns more often than that: they are what the model is for.
    ordinary = inputs.pop("special_tokens_mask") == 0
    pronouns = torch.tensor([i for word, i in tokenizer.get_vocab().items() if PRONOUN.fullmatch(word)])
    chance = torch.where(torch.isin(labels, pronouns), 0.4, 0.2) * ordinary
    masked = torch.rand(labels.shape) < chance
    masked[(~masked.any(1)).nonzero().squeeze(1), 1] = True
    labels[~masked] = -100
    inputs["input_ids"][masked] = tokenizer.mask_token_id
    return {**inputs, "labels": labels}


def slot_accuracy(tokenizer, model, texts: list[str], kind: str) -> tuple[float, int]:
    """Share of held-out slots (the last pronoun of a text) where the most probable token is the pronoun."""
    right = total = 0
    for text in texts:
        if not (matches := list(PRONOUN.finditer(text))):
            continue
        start, end = matches[-1].span()
        if kind == "mlm":
            inputs = tokenizer(text[:start] + tokenizer.mask_token + text[end:], return_tensors="pt")
            at = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
            answer = tokenizer.convert_tokens_to_ids(text[start:end])
        else:
            if not start:
                continue
            inputs, at = tokenizer(text[: start - 1], return_tensors="pt"), -1
            (answer,) = tokenizer(" " + text[start:end], add_special_tokens=False)["input_ids"]
        right += model(**inputs).logits[0, at].argmax().item() == answer
        total += 1
    return right / total, total


CARD = """---
license: apache-2.0
language: en
---
# {name}

A {family} of {parameters:,} parameters, made to be embedded in gradiend-core for its quick start and its tests.
It knows the sentences of `gradiend_tiny/grammar.py` and nothing else; it is no model of English.

Trained by `plugins/gradiend_tiny/train.py {kind}` on {texts:,} generated texts, {steps:,} steps of {batch} texts.
Held-out accuracy on the slot (the last subject pronoun of a text not seen in training): {accuracy:.3f} of {total:,}.
{bound}
"""
BOUND = {
    "mlm": "The whole text but the pronoun is visible.",
    "clm": "Only the text before the pronoun is visible, so pronouns that come before their noun cannot be known.",
}


def train(kind: str) -> None:
    set_seed(0)
    tokenizer = masked_tokenizer() if kind == "mlm" else causal_tokenizer()
    model = masked_model(tokenizer) if kind == "mlm" else causal_model(tokenizer)
    texts = training_texts()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=STEPS, pct_start=0.1)
    for step in range(STEPS):
        rows = torch.randint(len(texts), (BATCH,)).tolist()
        loss = model(**batch_of(tokenizer, [texts[row] for row in rows], kind)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == STEPS - 1:
            print(f"{kind} step {step} loss {loss.item():.3f}", flush=True)
    model.eval()
    folder = HERE / "models" / kind
    with torch.no_grad():
        accuracy, total = slot_accuracy(tokenizer, model, held_out_texts()[:2_000], kind)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    card = CARD.format(
        name=f"tiny-{kind}", family="BERT masked language model" if kind == "mlm" else "GPT-2 causal language model",
        parameters=sum(p.numel() for p in model.parameters()), kind=kind, texts=len(texts), steps=STEPS, batch=BATCH,
        accuracy=accuracy, total=total, bound=BOUND[kind],
    )  # fmt: skip
    (folder / "README.md").write_text(card, encoding="utf-8")
    print(card)


def write_text() -> None:
    path = HERE / "text" / "english.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(held_out_texts()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for what in sys.argv[1:] or ["text", "mlm", "clm"]:
        write_text() if what == "text" else train(what)
