"""Small models of every family, from random configurations and tokenizers trained on the embedded text: nothing is downloaded.

Vocabularies differ as the families' do: word pieces with [MASK], byte-level pairs whose tokens hold the space before a word,
pairs with ▁ before a word, also before the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from gradiend_tiny import english
from gradiend_core.api import NoSettings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SIZE = 900
SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40}


def lines() -> Iterable[str]:
    return english(NoSettings()).read_text(encoding="utf-8").splitlines()[:3000]


@cache
def word_pieces() -> Any:
    """Of BERT and those that took it over."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines(), trainers.WordPieceTrainer(vocab_size=SIZE, show_progress=False, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=128,
    )  # fmt: skip


@cache
def bytes_in_pairs(*, masks: bool) -> Any:
    """Of RoBERTa (with <s>, </s> and <mask>, which takes the space before it) or of GPT-2 (with <|endoftext|>)."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if masks else ["<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(lines(), trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    if not masks:
        return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", model_max_length=128)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    mask = hf.AddedToken("<mask>", lstrip=True, special=True)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<pad>",
        unk_token="<unk>", mask_token=mask, model_max_length=128,
    )  # fmt: skip


@cache
def with_word_marks(kind: str) -> Any:
    """As ALBERT and XLM-R (with a mask), T5 (with sentinels) and Llama with its kin (with <s>) mark words."""
    special = {
        "masks": ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
        "sentinels": ["<pad>", "</s>", "<unk>", *[f"<extra_id_{n}>" for n in range(4)]],
        "begins": ["<unk>", "<s>", "</s>"],
    }[kind]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(lines(), trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False))
    frame = {"masks": ("[CLS] $A [SEP]", ("[CLS]", "[SEP]")), "sentinels": ("$A </s>", ("</s>",)), "begins": ("<s> $A", ("<s>",))}
    pattern, around = frame[kind]
    tokenizer.post_processor = processors.TemplateProcessing(pattern, special_tokens=[(each, special.index(each)) for each in around])
    names = {
        "masks": {"pad_token": "<pad>", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
        "sentinels": {"pad_token": "<pad>", "eos_token": "</s>", "additional_special_tokens": special[3:]},
        "begins": {"bos_token": "<s>", "eos_token": "</s>"},
    }[kind]
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", model_max_length=128, **names)


Family = tuple[str, dict[str, Any], Callable[[], Any]]
_LLAMA = {**SMALL, "num_key_value_heads": 1, "max_position_embeddings": 128}

#: name: (class, configuration, tokenizer)
MASKED: dict[str, Family] = {
    "bert": ("BertForMaskedLM", SMALL, word_pieces),
    "roberta": ("RobertaForMaskedLM", {**SMALL, "max_position_embeddings": 130}, lambda: bytes_in_pairs(masks=True)),
    "distilbert": ("DistilBertForMaskedLM", {"dim": 24, "n_layers": 2, "n_heads": 2, "hidden_dim": 40}, word_pieces),
    "albert": ("AlbertForMaskedLM", {**SMALL, "embedding_size": 16}, lambda: with_word_marks("masks")),
    "electra": ("ElectraForMaskedLM", {**SMALL, "embedding_size": 16}, word_pieces),
    "deberta": ("DebertaForMaskedLM", {**SMALL, "relative_attention": True, "pos_att_type": "c2p|p2c", "position_biased_input": False}, lambda: bytes_in_pairs(masks=True)),
    "deberta-v2": ("DebertaV2ForMaskedLM", {**SMALL, "relative_attention": True, "pos_att_type": "c2p|p2c", "position_biased_input": False}, lambda: with_word_marks("masks")),
    "modernbert": ("ModernBertForMaskedLM", {**SMALL, "local_attention": 16, "global_attn_every_n_layers": 2}, lambda: bytes_in_pairs(masks=True)),
    "xlm-roberta": ("XLMRobertaForMaskedLM", {**SMALL, "max_position_embeddings": 130}, lambda: with_word_marks("masks")),
}  # fmt: skip
CAUSAL: dict[str, Family] = {
    "gpt2": ("GPT2LMHeadModel", {"n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 128}, lambda: bytes_in_pairs(masks=False)),
    "gpt-neox": ("GPTNeoXForCausalLM", {**SMALL, "max_position_embeddings": 128}, lambda: bytes_in_pairs(masks=False)),
    "llama": ("LlamaForCausalLM", _LLAMA, lambda: with_word_marks("begins")),
    "qwen2": ("Qwen2ForCausalLM", _LLAMA, lambda: bytes_in_pairs(masks=False)),
    "qwen3": ("Qwen3ForCausalLM", {**_LLAMA, "head_dim": 12}, lambda: bytes_in_pairs(masks=False)),
    "gemma": ("GemmaForCausalLM", {**_LLAMA, "head_dim": 12}, lambda: with_word_marks("begins")),
    "gemma3": ("Gemma3ForCausalLM", {**_LLAMA, "head_dim": 12, "sliding_window": 16}, lambda: with_word_marks("begins")),
    "opt": ("OPTForCausalLM", {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 40, "word_embed_proj_dim": 24, "max_position_embeddings": 128}, lambda: bytes_in_pairs(masks=False)),
    "mistral": ("MistralForCausalLM", {**_LLAMA, "sliding_window": 16}, lambda: with_word_marks("begins")),
}  # fmt: skip
FAMILIES = MASKED | CAUSAL


def build(name: str, folder: Path) -> Path:
    """A model of the family with its tokenizer in the folder. Weights are larger than transformers would draw them, so that
    every part of a layer matters to the loss."""
    kind, values, tokenizer_of = FAMILIES[name]
    tokenizer = tokenizer_of()
    ids = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = getattr(hf, kind).config_class(**values, vocab_size=len(tokenizer), **ids)
    torch.manual_seed(0)
    model = getattr(hf, kind)(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
