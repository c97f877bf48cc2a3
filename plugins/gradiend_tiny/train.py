"""Makes the embedded models and the embedded texts: `python plugins/gradiend_tiny/train.py
[text|mlm|clm|social|german ...]`.

Run by hand, on CPU, a few minutes a model; the same machine and versions give the same weights. Everything is
trained on the texts of seed 0; the shipped texts and the held-out accuracies come from seed 1, without the
texts seen.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    set_seed,
)

from gradiend_tiny import german, grammar, social

HERE = Path(__file__).parent
TRAINING_TEXTS, HELD_OUT_TEXTS, TAGGED = 40_000, 6_000, 4_000
STEPS, BATCH, PEAK_RATE = 3_000, 96, 3e-3
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@frozen
class Recipe:
    """The training of a model, and its target words, which are masked more often and measured by the
    accuracy."""

    texts: Callable[[int], Iterator[str]]
    slots: re.Pattern[str]
    language: str = "en"
    grammar: str = "grammar.py"

    def training(self) -> list[str]:
        return list(islice(self.texts(0), TRAINING_TEXTS))

    def held_out(self) -> list[str]:
        seen, held_out = set(self.training()), []
        for text in self.texts(1):
            if text not in seen:
                held_out.append(text)
                seen.add(text)
            if len(held_out) == HELD_OUT_TEXTS:
                break
        return held_out


def _any_of(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


PRONOUNS = _any_of("he|she|it|they|I|we|you")
FAITHS = [word for religion, words in social.RELIGIONS.items() for word in (religion, *words)]
PLACED = [word for words in social.ORIGINS for word in words]
RECIPES = {
    "mlm": Recipe(grammar.texts, PRONOUNS),
    "clm": Recipe(grammar.texts, PRONOUNS),
    "social": Recipe(
        social.texts, _any_of("|".join([*FAITHS, *PLACED, *social.GOOD, *social.BAD])), grammar="social.py"
    ),
    "german": Recipe(german.texts, _any_of("|".join(set(german.ARTICLES.values()))), "de", "german.py"),
}


def words(texts: list[str]) -> list[str]:
    """Every word of the training text, most frequent first, unchanged and capitalised."""
    counts: dict[str, int] = {}
    for text in texts:
        for word in re.findall(r"\w+", text):
            for form in {word, grammar.capital(word)}:
                counts[form] = counts.get(form, 0) + (form == word)
    return sorted(counts, key=lambda word: (-counts[word], word))


def masked_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """WordPiece: whole words of the text, and characters for anything else."""
    ascii_only = [chr(code) for code in range(33, 127)]
    characters = [
        *ascii_only,
        *sorted({c for text in texts for c in text if not c.isspace()} - set(ascii_only)),
    ]
    vocabulary = dict.fromkeys([*SPECIAL, *characters, *(f"##{c}" for c in characters), *words(texts)])
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    names = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names)


def causal_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, merged until every word of the text is one token, with and without a space before
    it."""
    end = "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        min_frequency=0,
        special_tokens=[end],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    forms = [form for word in words(texts) for form in (word, f" {word}")]
    tokenizer.train_from_iterator(texts + forms, trainer)
    special = [(end, tokenizer.token_to_id(end))]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{end} $A", special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        bos_token=end,
        eos_token=end,
        unk_token=end,
        pad_token=end,
    )


def masked_model(tokenizer: PreTrainedTokenizerFast) -> BertForMaskedLM:
    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=128,
            type_vocab_size=1,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def causal_model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    end = tokenizer.eos_token_id
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=96,
            n_layer=3,
            n_head=4,
            n_inner=256,
            n_positions=128,
            bos_token_id=end,
            eos_token_id=end,
        )
    )


def batch_of(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], kind: str, slots: torch.Tensor
) -> dict[str, torch.Tensor]:
    if kind == "clm":
        texts = [f"{text}{tokenizer.eos_token}" for text in texts]
    inputs = tokenizer(texts, padding=True, return_tensors="pt", return_special_tokens_mask=kind != "clm")
    labels = inputs["input_ids"].clone()
    if kind == "clm":
        labels[inputs["attention_mask"] == 0] = -100
        return {**inputs, "labels": labels}
    # A fifth of the words masked, and slot words more often than that: they are what the model is for.
    ordinary = inputs.pop("special_tokens_mask") == 0
    chance = torch.where(torch.isin(labels, slots), 0.4, 0.2) * ordinary
    masked = torch.rand(labels.shape) < chance
    masked[(~masked.any(1)).nonzero().squeeze(1), 1] = True
    labels[~masked] = -100
    inputs["input_ids"][masked] = tokenizer.mask_token_id
    return {**inputs, "labels": labels}


def slot_accuracy(
    tokenizer: Any, model: Any, texts: list[str], kind: str, slots: re.Pattern[str]
) -> tuple[float, int]:
    """Fraction of held-out slots (the last slot word of a text) where the word is the most probable token."""
    right = total = 0
    for text in texts:
        if not (matches := list(slots.finditer(text))):
            continue
        start, end = matches[-1].span()
        if kind != "clm":
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
language: {language}
---
# {name}

A {family} of {parameters:,} parameters, embedded in gradiend-core for its quick start and its tests.
It knows the sentences of `gradiend_tiny/{grammar}` and nothing else; it is no model of a language.

Trained by `plugins/gradiend_tiny/train.py {kind}` on {texts:,} generated texts:
{steps:,} steps of {batch} texts.
Held-out accuracy on the slot (the last {slot} of a text not seen in training): {accuracy:.3f} of {total:,}.
{bound}
"""
MASKED = "The whole text but the slot is visible."
BOUND = {
    "social": f"{MASKED} Words of one sentiment are interchangeable there, so which of them cannot be known.",
    "clm": (
        "Only the text before the pronoun is visible, so pronouns that come before their noun cannot be"
        " known."
    ),
}
SLOT = {"social": "word of faith, origin or taste", "german": "definite article"}


def train(kind: str) -> None:
    set_seed(0)
    recipe = RECIPES[kind]
    texts = recipe.training()
    tokenizer = causal_tokenizer(texts) if kind == "clm" else masked_tokenizer(texts)
    model = causal_model(tokenizer) if kind == "clm" else masked_model(tokenizer)
    slots = torch.tensor([i for word, i in tokenizer.get_vocab().items() if recipe.slots.fullmatch(word)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=STEPS, pct_start=0.1)
    for step in range(STEPS):
        rows = torch.randint(len(texts), (BATCH,)).tolist()
        loss = model(**batch_of(tokenizer, [texts[row] for row in rows], kind, slots)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == STEPS - 1:
            print(f"{kind} step {step} loss {loss.item():.3f}", flush=True)
    model.eval()  # type: ignore[no-untyped-call]
    folder = HERE / "models" / kind
    with torch.no_grad():
        accuracy, total = slot_accuracy(tokenizer, model, recipe.held_out()[:2_000], kind, recipe.slots)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    card = CARD.format(
        name=f"tiny-{kind}",
        family="GPT-2 causal language model" if kind == "clm" else "BERT masked language model",
        language=recipe.language,
        grammar=recipe.grammar,
        slot=SLOT.get(kind, "subject pronoun"),
        parameters=sum(p.numel() for p in model.parameters()),
        kind=kind,
        texts=len(texts),
        steps=STEPS,
        batch=BATCH,
        accuracy=accuracy,
        total=total,
        bound=BOUND.get(kind, MASKED),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    print(card)


def write_texts() -> None:
    """The shipped texts: English, and German with its tags as CoNLL-U."""
    folder = HERE / "text"
    folder.mkdir(exist_ok=True)
    for name, kind in (("english.txt", "mlm"), ("social.txt", "social")):
        (folder / name).write_text("\n".join(RECIPES[kind].held_out()) + "\n", encoding="utf-8")
    wanted = set(RECIPES["german"].held_out()[:TAGGED])
    tagged = {german.plain(words): words for words in islice(german.sentences(1), 4 * HELD_OUT_TEXTS)}
    blocks = [
        german.conllu(words, number) for number, (text, words) in enumerate(tagged.items()) if text in wanted
    ]
    (folder / "german.conllu").write_text("".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    for what in sys.argv[1:] or ["text", *RECIPES]:
        write_texts() if what == "text" else train(what)
