"""Tokens, not strings: fillers that a tokenizer knows and tells apart, ids where words stand, tokenizers that
belong to their model, padding that a model sees, and what other people's code raises."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers

from gradiend_core import Session, encode
from gradiend_core.errors import DataError, ModelError
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.padding import seen_padding
from gradiend_core.language.fillers import filler_ids
from gradiend_core.language.loading import load_model
from gradiend_core.language.slots import pad_id, prepare_slots
from gradiend_core.language.spans import prepare_spans
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.pair import MinimalPair
from gradiend_core.records.run import GradientSettings
from gradiend_core.testing.gradients import product_errors
from tests.conftest import asset
from tests.families.build import word_pieces
from tests.families.every import build, outcome

W = "cook farmer teacher king girl boy woman man doctor uncle aunt baker".split()


def faces(model: str, one: str, other: str, **more: object) -> Session:
    texts = [f"The {word} was glad and said {face} today." for word in W for face in (one, other)]
    return Session(
        "words",
        model=model,
        texts=texts,
        paradigm={"words": {"GLAD": [one], "SAD": [other]}},
        learner={"kind": "mean-difference"},
        evaluators={"kinds": ["encoder"]},
        **more,
    )


def test_words_that_the_tokenizer_does_not_know_are_refused_by_name():
    with pytest.raises(
        ModelError, match=r"target word '🙂' of class GLAD is unknown to this tokenizer \(\[UNK\]\)"
    ):
        _ = faces("tiny-mlm", "🙂", "🙁").reports
    with pytest.raises(DataError, match=r"'🙂' is unknown to the tokenizer \(\[UNK\]\)"):
        _ = faces("tiny-mlm", "🙂", "🙁", source={"kind": "mlm-span"}).reports


def test_words_of_two_classes_that_are_one_token_are_refused(tmp_path):
    folder = shutil.copytree(asset("models/minilm-l6-mlm"), tmp_path / "uncased")
    with pytest.raises(ModelError, match="'He' of class GLAD and 'he' of class SAD are the same token"):
        _ = _cased(str(folder)).reports


def _cased(model: str) -> Session:
    texts = [f"The {word} was glad and {face} left today." for word in W for face in ("He", "he")]
    return Session(
        "words",
        model=model,
        texts=texts,
        paradigm={"words": {"GLAD": ["He"], "SAD": ["he"]}, "case_sensitive": True},
        learner={"kind": "mean-difference"},
    )


@pytest.mark.parametrize("fillers", ["he|☃", "☃|he", "🙂|🙁"])
def test_a_marked_text_with_an_unknown_filler_is_refused(quick, fillers):
    with pytest.raises(DataError, match="is unknown to the tokenizer"):
        encode(quick, [f"So [{fillers}] left."])


def test_a_marked_text_whose_fillers_are_one_token_is_refused():
    tokenizer = word_pieces()
    pair = MinimalPair("The man saw that ", " left.", "she", "she ", "A", "B", "test")
    (drop,) = prepare_slots([pair], tokenizer, limit=64, see_right=True, mask_id=4).drops
    assert drop.reason in ("both fillers are the same token", "'she ' shares a token with its neighbours")
    lower = hf.AutoTokenizer.from_pretrained(asset("models/minilm-l6-mlm"))
    pair = MinimalPair("The man saw that ", " left.", "She", "she", "A", "B", "test")
    (drop,) = prepare_slots([pair], lower, limit=64, see_right=True, mask_id=lower.mask_token_id).drops
    assert drop.reason == "both fillers are the same token"
    (drop,) = prepare_spans([pair], lower, limit=64, mask_id=lower.mask_token_id).drops
    assert drop.reason == "both fillers are the same tokens"


def test_a_tokenizer_of_another_model_is_refused_when_it_is_loaded(tmp_path):
    folder = shutil.copytree(asset("models/stories260k"), tmp_path / "mixed")
    tiny = Session("english-pronouns", model="tiny-clm").model_folder
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(f"{tiny}/{name}", folder / name)
    with pytest.raises(
        ModelError, match=r"has tokens up to number [\d,]+, and the model has embeddings for 512"
    ):
        load_model(str(folder), hf.AutoModelForCausalLM, GradientSettings())


def test_a_pad_token_beyond_the_embedding_is_never_used(tmp_path):
    folder = shutil.copytree(asset("models/stories260k"), tmp_path / "padded")
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<extra-pad>"})
    assert tokenizer.pad_token_id == 512
    tokenizer.save_pretrained(folder)
    model, tokenizer = load_model(str(folder), hf.AutoModelForCausalLM, GradientSettings())
    assert pad_id(tokenizer, model) < 512
    plain, padded = (
        Session(
            "english-pronouns",
            model=name,
            learner={"kind": "mean-difference"},
            data={"max_per_class": 40, "max_neutral": 30},
            evaluators={"kinds": ["encoder"], "encoder": {"random_directions": 0}},
        )
        for name in (asset("models/stories260k"), str(folder))
    )
    assert padded.reports["encoder"]["test.correlation"] == plain.reports["encoder"]["test.correlation"]


# --- ids where words stand
def without_pre_tokenizer() -> hf.PreTrainedTokenizerFast:
    """As Llama's: no pre-tokenizer, spaces are ▁, and the first merge is of two of them."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    merges = [("▁", "▁"), ("h", "e"), ("▁", "he"), ("t", "he"), ("the", "y"), ("▁", "they"), ("▁▁", "a")]
    tokens = ["<unk>", "▁", ".", *letters, *("".join(merge) for merge in merges)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Replace("▁", " ")
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", model_max_length=128)


def ids_by_hand(tokenizer, left: str, words: list[str]) -> tuple[int, ...]:
    """Of each word that is one token, by what the tokens of the whole text are."""
    result = []
    for word in words:
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(left + word)["input_ids"])
        length = len(tokens[-1].replace("▁", ""))
        if length == len(word):
            result.append(tokenizer.convert_tokens_to_ids(tokens[-1]))
    return tuple(result)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["the", "a", "we", " ", "  ", "   ", "."]), min_size=1, max_size=6))
def test_ids_are_those_of_the_text_in_place(pieces):
    tokenizer = without_pre_tokenizer()
    lefts = [" ".join(pieces) + gap for gap in (" ", "  ", "   ")]
    pairs = [MinimalPair(left, ".", "he", "they", "A", "B", "test") for left in lefts]
    words = ["he", "they"]
    assert filler_ids(pairs, words, tokenizer) == [ids_by_hand(tokenizer, left, words) for left in lefts]


def test_two_spaces_before_a_word_make_it_another_token():
    tokenizer = without_pre_tokenizer()
    pairs = [MinimalPair(f"so{gap}", ".", "he", "they", "A", "B", "test") for gap in (" ", "  ")]
    ids = filler_ids(pairs, ["he"], tokenizer)
    assert [tokenizer.convert_ids_to_tokens(list(found)) for found in ids] == [["▁he"], ["he"]]


# --- a model that does not know the language
def test_a_model_with_random_weights_is_said_to_know_no_language(quick, tmp_path):
    assert not [warning for warning in quick.warnings if "does not know the language" in warning]
    config = hf.AutoConfig.from_pretrained(quick.model_folder)
    torch.manual_seed(0)
    hf.AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    quick.loaded.tokenizer.save_pretrained(tmp_path)
    random = Session(
        "english-pronouns",
        model=str(tmp_path),
        data={"max_per_class": 60, "max_neutral": 30},
        learner={"kind": "mean-difference"},
        evaluators={"kinds": []},
    )
    assert any(
        "the model does not know the language of these texts: its perplexity is" in w for w in random.warnings
    )


# --- padding
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("name", "model_class"), [("fnet", "FNetForMaskedLM"), ("mobilebert", "MobileBertForMaskedLM")]
)
def test_a_model_that_sees_padding_is_given_none(name, model_class, tmp_path):
    build(name, model_class, word_pieces(), tmp_path)
    run = Session(
        "english-pronouns",
        model=str(tmp_path),
        data={"max_per_class": 60, "max_neutral": 30},
        learner={"kind": "mean-difference"},
        evaluators={"kinds": ["encoder"], "encoder": {"random_directions": 0}},
        selector={"kind": "backbone"},
    )
    some = subset(run.examples["train"], range(6))
    assert max(product_errors(run.gradients, some, GradientRole.DIFFERENCE).values()) < 1e-3
    assert seen_padding(run.loaded.model) > 1e-3
    assert any("this model sees padding" in warning for warning in run.warnings)
    alone = torch.cat([encodings_of(run, [row]) for row in range(10)])
    torch.testing.assert_close(encodings_of(run, range(10)), alone, rtol=1e-3, atol=1e-5)


def encodings_of(run: Session, rows) -> torch.Tensor:
    from gradiend_core.learning.encodings import encodings

    return encodings(run.feature, run.gradients, subset(run.examples["test"], list(rows)))


@pytest.mark.parametrize(
    ("name", "model_class"),
    [("mixtral", "MixtralForCausalLM"), ("recurrent_gemma", "RecurrentGemmaForCausalLM")],
)
def test_models_without_a_forward_mode_are_right_too(name, model_class):
    what, more = outcome(name, model_class, hf_tokenizer())
    assert what == "right", more
    assert "parameters as a whole" in more


def hf_tokenizer():
    from tests.families.build import llama_like

    return llama_like()


def test_a_model_that_looks_ahead_is_no_causal_model(tmp_path):
    build("bert", "BertLMHeadModel", hf_tokenizer(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"is_decoder": False}))
    with pytest.raises(ModelError, match="sees the text after a token, so it is no causal language model"):
        _ = Session("english-pronouns", model=str(tmp_path)).loaded


# --- what other people's code raises
@pytest.mark.parametrize("template", ["{{ raise_exception('only one role') }}", {"rag": "{{ messages }}"}])
def test_a_chat_template_that_refuses_is_a_refusal(tmp_path, template):
    folder = shutil.copytree(Session("english-pronouns", model="tiny-clm").model_folder, tmp_path / "chat")
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    run = Session("english-pronouns", model=str(folder), source={"kind": "clm", "chat": "Go on."})
    with pytest.raises(ModelError, match=r"the chat template of the tokenizer does not take source\.chat"):
        _ = run.examples


def test_inference_mode_around_the_library_is_named(quick):
    with torch.inference_mode(), pytest.raises(ModelError, match=r"torch\.inference_mode is on"):
        quick.gradients.project(
            quick.examples["test"], torch.ones(1, quick.gradients.scope.size), GradientRole.FACTUAL
        )
    with torch.inference_mode():
        other = Session("english-pronouns", data={"max_per_class": 40}, learner={"kind": "mean-difference"})
        _ = other.loaded
    with pytest.raises(ModelError, match=r"was loaded under torch\.inference_mode"):
        _ = other.features


def test_a_model_whose_forward_raises_is_refused_with_its_reason(tmp_path, monkeypatch):
    run = Session("english-pronouns", data={"max_per_class": 40})
    monkeypatch.setattr(run.loaded.model, "forward", lambda **_: json.loads("{"))
    with pytest.raises(
        ModelError, match=r"BertForMaskedLM cannot be used, as reading a text fails in it \(JSONDecode"
    ):
        _ = run.examples


def test_the_share_of_each_expert_is_told(tmp_path):
    build("mixtral", "MixtralForCausalLM", hf_tokenizer(), tmp_path)
    run = Session(
        "english-pronouns",
        model=str(tmp_path),
        data={"max_per_class": 40, "max_neutral": 20},
        learner={"kind": "mean-difference"},
        evaluators={"kinds": ["where"]},
        selector={"kind": "backbone"},
    )
    rows = [row for row in run.reports["where"].tables["places"].records() if "expert" in row["component"]]
    assert {row["component"] for row in rows} == {f"expert {number}" for number in range(4)}
    experts = [
        (slice_, columns)
        for slice_, columns in run.feature.scope.with_columns()
        if ".experts." in slice_.name
    ]
    for layer in {row["layer"] for row in rows}:
        for expert in range(4):
            (row,) = (r for r in rows if r["layer"] == layer and r["component"] == f"expert {expert}")
            squares = sum(
                float(run.feature.decoder[columns].view(slice_.shape)[expert].double().square().sum())
                for slice_, columns in experts
                if f".{layer}." in slice_.name
            )
            whole = float(run.feature.decoder.double().square().sum())
            assert row["share_of_decoder"] == pytest.approx(squares / whole)
