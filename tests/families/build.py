"""Small models of every family, from random configurations and tokenizers trained on the embedded text:
nothing is downloaded.

Vocabularies differ as the families' do: word pieces with [MASK], byte-level pairs whose tokens hold the space
before a word, pairs with ▁ before a word, also before the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from attrs import frozen
from gradiend_tiny import english
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from gradiend_core.api import NoSettings

SIZE = 900
#: as chat models have one; it begins with a special token where the tokenizer knows one
CHAT = (
    "{{ bos_token or '' }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{%"
    " endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
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
    tokenizer.train_from_iterator(
        lines(), trainers.WordPieceTrainer(vocab_size=SIZE, show_progress=False, special_tokens=special)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=128,
    )


@cache
def bytes_in_pairs(*, masks: bool) -> Any:
    """Of RoBERTa (with <s>, </s> and <mask>, which takes the space before it) or of GPT-2 (with
    <|endoftext|>)."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if masks else ["<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(lines(), trainer)
    if not masks:
        return hf.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token="<|endoftext|>", model_max_length=128
        )
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    mask = hf.AddedToken("<mask>", lstrip=True, special=True)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=mask,
        model_max_length=128,
    )


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
    tokenizer.train_from_iterator(
        lines(), trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False)
    )
    frame = {
        "masks": ("[CLS] $A [SEP]", ("[CLS]", "[SEP]")),
        "sentinels": ("$A </s>", ("</s>",)),
        "begins": ("<s> $A", ("<s>",)),
    }
    pattern, around = frame[kind]
    places = [(each, special.index(each)) for each in around]
    tokenizer.post_processor = processors.TemplateProcessing(pattern, special_tokens=places)
    names = {
        "masks": {"pad_token": "<pad>", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
        "sentinels": {"pad_token": "<pad>", "eos_token": "</s>", "additional_special_tokens": special[3:]},
        "begins": {"bos_token": "<s>", "eos_token": "</s>"},
    }[kind]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", model_max_length=128, **names
    )


@frozen
class Family:
    """A class of transformers, what its configuration is given beyond a vocabulary, and a tokenizer of the
    kind it has. Where not all products go layer by layer, `whole` says which parameters, or why."""

    model: str
    config: dict[str, Any]
    tokenizer: Callable[[], Any]
    whole: str = ""


_LLAMA = {**SMALL, "num_key_value_heads": 1, "max_position_embeddings": 128}
_LONG = {**SMALL, "max_position_embeddings": 130}
_HEADS = {**_LLAMA, "head_dim": 12}
_DEBERTA = {**SMALL, "relative_attention": True, "pos_att_type": "c2p|p2c", "position_biased_input": False}
_T5 = {"d_model": 24, "d_kv": 12, "d_ff": 40, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
_BART = {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 128,
    "decoder_start_token_id": 2,
}
_MODERN = {**SMALL, "local_attention": 16, "cls_token_id": 0, "sep_token_id": 2}
_OPT = {**SMALL, "ffn_dim": 40, "word_embed_proj_dim": 24, "max_position_embeddings": 128}

roberta_like, gpt2_like = partial(bytes_in_pairs, masks=True), partial(bytes_in_pairs, masks=False)
albert_like, t5_like, llama_like = (
    partial(with_word_marks, kind) for kind in ("masks", "sentinels", "begins")
)

MASKED = {
    "BERT": Family("BertForMaskedLM", SMALL, word_pieces),
    "RoBERTa": Family("RobertaForMaskedLM", _LONG, roberta_like),
    "DistilBERT": Family(
        "DistilBertForMaskedLM", {"dim": 24, "n_layers": 2, "n_heads": 2, "hidden_dim": 40}, word_pieces
    ),
    "ALBERT": Family("AlbertForMaskedLM", {**SMALL, "embedding_size": 16}, albert_like),
    "ELECTRA": Family("ElectraForMaskedLM", {**SMALL, "embedding_size": 16}, word_pieces),
    "DeBERTa": Family(
        "DebertaForMaskedLM", _DEBERTA, roberta_like, "all: its attention changes tensors in place"
    ),
    "DeBERTa-v2": Family(
        "DebertaV2ForMaskedLM", _DEBERTA, albert_like, "all: its attention repeats positions for the batch"
    ),
    "ModernBERT": Family("ModernBertForMaskedLM", _MODERN, roberta_like),
    "XLM-R": Family("XLMRobertaForMaskedLM", _LONG, albert_like),
}
CAUSAL = {
    "GPT-2": Family(
        "GPT2LMHeadModel", {"n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 128}, gpt2_like
    ),
    "GPT-NeoX": Family("GPTNeoXForCausalLM", {**SMALL, "max_position_embeddings": 128}, gpt2_like),
    "Llama": Family("LlamaForCausalLM", _LLAMA, llama_like),
    "Qwen2": Family("Qwen2ForCausalLM", _LLAMA, gpt2_like),
    "Qwen3": Family("Qwen3ForCausalLM", _HEADS, gpt2_like),
    "Gemma": Family("GemmaForCausalLM", _HEADS, llama_like),
    "Gemma3": Family("Gemma3ForCausalLM", {**_HEADS, "sliding_window": 16}, llama_like),
    "OPT": Family("OPTForCausalLM", _OPT, gpt2_like, "position embeddings"),
    "Mistral": Family("MistralForCausalLM", {**_LLAMA, "sliding_window": 16}, llama_like),
}
SEQ2SEQ = {
    "T5": Family("T5ForConditionalGeneration", _T5, t5_like, "relative position biases"),
    "mT5": Family(
        "MT5ForConditionalGeneration",
        {**_T5, "feed_forward_proj": "gated-gelu"},
        t5_like,
        "relative position biases",
    ),
    "BART": Family("BartForConditionalGeneration", _BART, roberta_like, "the decoder's position embeddings"),
}
FAMILIES = {**MASKED, **CAUSAL, **SEQ2SEQ}


def build(name: str, folder: Path) -> Path:
    """A model of the family with its tokenizer in the folder. Weights are larger than transformers would draw
    them, so that every part of a layer matters to the loss."""
    family = FAMILIES[name]
    tokenizer, kind = family.tokenizer(), getattr(hf, family.model)
    ids = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = kind.config_class(**{"vocab_size": len(tokenizer), **ids, **family.config})
    torch.manual_seed(0)
    model = kind(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder
