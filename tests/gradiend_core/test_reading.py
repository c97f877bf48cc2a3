"""Where texts come from: every kind of input, sentences and their surroundings, tags, and text that is masked
already."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma

import datasets
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradiend_core.data.paradigm import RulesParadigm
from gradiend_core.data.rules import Rules
from gradiend_core.data.sentences import split_sentences
from gradiend_core.data.tables import read_table
from gradiend_core.data.texts import read_texts
from gradiend_core.errors import ConfigError, DataError
from gradiend_core.records.run import DataSettings
from gradiend_core.records.text import Text
from gradiend_core.roles.paradigm import PairingTask

CONLLU = """# newdoc id = one
# sent_id = 1
# text = Er ging zum Haus.
1\tEr\ter\tPRON\tPPER\tCase=Nom|Gender=Masc\t_\t_\t_\t_
2\tging\tgehen\tVERB\tVVFIN\t_\t_\t_\t_\t_
3-4\tzum\t_\t_\t_\t_\t_\t_\t_\t_
3\tzu\tzu\tADP\tAPPR\t_\t_\t_\t_\t_
4\tdem\tder\tDET\tART\tCase=Dat|Gender=Neut\t_\t_\t_\t_
5\tHaus\tHaus\tNOUN\tNN\tCase=Dat|Gender=Neut\t_\t_\t_\tSpaceAfter=No
6\t.\t.\tPUNCT\t$.\t_\t_\t_\t_\t_

# sent_id = 2
1\tDas\tder\tDET\tART\tCase=Nom|Gender=Neut\t_\t_\t_\t_
2\tHaus\tHaus\tNOUN\tNN\tCase=Nom|Gender=Neut\t_\t_\t_\tSpaceAfter=No
3\t.\t.\tPUNCT\t$.\t_\t_\t_\t_\t_

# newdoc id = two
# sent_id = 3
# text = Ja.
1\tJa\tja\tINTJ\t_\t_\t_\t_\t_\tSpaceAfter=No
2\t.\t.\tPUNCT\t$.\t_\t_\t_\t_\t_

"""


def read(texts, **settings) -> list[Text]:
    return list(read_texts(texts, DataSettings(**settings)))


def test_every_kind_of_input_gives_the_same_texts(tmp_path):
    texts = ["He ran.", "Häuser, 彼ら", 'They said: "no".']
    (tmp_path / "a.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "bom.txt").write_text("\n".join(texts) + "\n", encoding="utf-8-sig")
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8"
    )
    dataset = datasets.Dataset.from_dict({"text": texts})
    dataset.to_csv(tmp_path / "a.csv")
    dataset.to_csv(tmp_path / "a.tsv", sep="\t")
    dataset.to_parquet(tmp_path / "a.parquet")
    dataset.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "folder").mkdir()
    dataset.to_parquet(tmp_path / "folder" / "train.parquet")
    inputs = [texts, dataset, datasets.DatasetDict(a=dataset), dataset.to_iterable_dataset(), iter(texts)]
    inputs += [
        pandas.DataFrame({"text": texts, "n": [1, 2, 3]}),
        {"A": texts[:1], "B": dataset.select([1, 2])},
    ]
    names = ("a.txt", "bom.txt", "a.jsonl", "a.csv", "a.tsv", "a.parquet", "saved", "folder")
    inputs += [tmp_path / name for name in names]
    for given_ in inputs:
        found = read(given_)
        assert [text.text for text in found] == texts, given_
        assert [text.unit for text in found] == [0, 1, 2]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert [text.text for text in read(tmp_path / name, streaming=True)] == texts
        assert [text.text for text in read(tmp_path / name, max_texts=2)] == texts[:2]


def test_columns_splits_and_documents_come_along(tmp_path):
    rows = {"sentence": ["He ran.", "They ran."], "book": [7, 8], "part": ["train", "dev"]}
    frame = pandas.DataFrame(rows)
    found = read(frame, text_column="sentence", document_column="book", split_column="part")
    assert [(text.text, text.document, text.split) for text in found] == [
        ("He ran.", "7", "train"),
        ("They ran.", "8", "dev"),
    ]
    assert found[0].row == {"sentence": "He ran.", "book": 7, "part": "train"}
    several = datasets.DatasetDict(
        train=datasets.Dataset.from_pandas(frame), test=datasets.Dataset.from_pandas(frame)
    )
    assert [text.split for text in read(several, text_column="sentence")] == [
        "train",
        "train",
        "test",
        "test",
    ]
    by_part = read({"A": frame, "B": ["They."]}, text_column="sentence")
    assert [text.row["part"] for text in by_part] == ["A", "A", "B"]
    (tmp_path / "bare.tsv").write_text("He ran.\t1\nThey ran.\t0\n")
    assert [text.text for text in read(tmp_path / "bare.tsv", columns=("s", "label"), text_column="s")] == [
        "He ran.",
        "They ran.",
    ]
    (tmp_path / "latin.txt").write_bytes("Häuser\n".encode("latin-1"))
    assert read(tmp_path / "latin.txt", encoding="latin-1")[0].text == "Häuser"


def test_a_folder_of_files_is_read_file_by_file(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("One.\n")
    (tmp_path / "b" / "c.txt").write_text("Two.\nThree.\n")
    (tmp_path / "README.md").write_text("not a text")
    assert [(text.text, text.document) for text in read(tmp_path)] == [
        ("One.", "a.txt"),
        ("Two.", "b/c.txt"),
        ("Three.", "b/c.txt"),
    ]
    (tmp_path / "x.conllu").write_text(CONLLU, encoding="utf-8")
    assert [text.document for text in read(tmp_path)] == ["one", "one", "two"], (
        "licences beside a treebank are not its text"
    )


def test_conllu_has_words_where_they_stand(tmp_path):
    (tmp_path / "x.conllu").write_text(CONLLU, encoding="utf-8")
    first, second, third = read(tmp_path / "x.conllu")
    assert first.text == "Er ging zum Haus."
    assert second.text == "Das Haus.", "without its comment the text is put together"
    assert [first.text[token.start : token.end] for token in first.tokens] == ["Er", "ging", "Haus", "."]
    assert first.tokens[2].tags == {"upos": "NOUN", "xpos": "NN", "Case": "Dat", "Gender": "Neut"}
    assert [text.document for text in (first, second, third)] == ["one", "one", "two"]
    wide = read(tmp_path / "x.conllu", context=1)
    assert [text.text for text in wide] == ["Er ging zum Haus. Das Haus."] * 2 + ["Ja."]
    assert [text.text[slice(*text.span)] for text in wide] == ["Er ging zum Haus.", "Das Haus.", "Ja."]
    for text in wide:
        assert [text.text[t.start : t.end] for t in text.tokens if t.tags["upos"] == "NOUN"] == ["Haus"] * (
            text is not wide[2]
        ) * 2
    for bad in ("1\tEr\ter", "_\tEr" + "\t_" * 8):  # too few columns, and no number
        (tmp_path / "bad.conllu").write_text(f"{bad}\n\n", encoding="utf-8")
        with pytest.raises(
            DataError, match=r"is not CoNLL-U: sentence 1 has a word without a number, or without ten columns"
        ):
            read(tmp_path / "bad.conllu")


@given(
    st.lists(
        st.sampled_from(["Mr. Smith went.", "No!", '"Who?" he said.', "  ", "\n", "彼は行った。", "x" * 50]),
        max_size=9,
    )
)
def test_sentences_cover_the_text_and_nothing_is_made_up(parts):
    text = " ".join(parts)
    for context in (0, 1, 3):
        found = list(split_sentences([Text(text, unit=3)], "en", context))
        cores = [each.text[slice(*each.span)] for each in found]
        assert "".join("".join(cores).split()) == "".join(text.split())
        assert all(each.text in text and each.unit == 3 for each in found)
        assert all(core == core.strip() != "" for core in cores)


def test_slots_lie_in_the_sentence_and_context_stays(tmp_path):
    texts = [f"Tom said {n}. He ran. They did not. Number {n} is over." for n in range(30)]
    rules = Rules({"A": ("he",), "B": ("they",)})
    settings = DataSettings(sentences="en", context=1)
    data = RulesParadigm("words", rules).pairs(PairingTask(read_texts(texts, settings), settings, 0))
    assert {pair.text.count(".") for pair in data.pairs} == {3}
    assert {pair.text.split(". ")[1][:4].strip() for pair in data.pairs if pair.factual == "He"} == {"He r"}
    home: dict[str, str] = {}
    for pair in data.pairs + data.neutral_pairs:
        (number,) = {part.strip(".") for part in pair.text.split() if part.strip(".").isdigit()}
        assert home.setdefault(number, pair.split) == pair.split, "sentences of one text stay together"


def test_tags_come_from_spacy(tmp_path):
    spacy = pytest.importorskip("spacy")
    model = spacy.blank("de")
    ruler = model.add_pipe("attribute_ruler")
    nouns = {"hund": "Masc", "katze": "Fem"}
    for noun, gender in nouns.items():
        ruler.add(
            [[{"LOWER": "der"}, {"LOWER": noun}]], {"POS": "DET", "MORPH": f"Gender={gender}", "LEMMA": "der"}
        )
    model.to_disk(tmp_path / "tagger")
    rules = Rules(
        {"Masc": ("der",), "Fem": ("der",)},
        tags={g: {"upos": ("DET",), "Gender": (g,)} for g in ("Masc", "Fem")},
    )
    texts = [
        f"{number} {text}"
        for number in range(8)
        for text in ("sah der Hund.", "gab der Katze.", "lag der Stein.", "Nichts.")
    ]
    settings = DataSettings(tagger=str(tmp_path / "tagger"))
    data = RulesParadigm("words", rules).pairs(PairingTask(read_texts(texts, settings), settings, 0))
    assert {(pair.right, pair.factual_class) for pair in data.pairs} == {
        (" Hund.", "Masc"),
        (" Katze.", "Fem"),
    }
    assert len(data.pairs) == 16
    assert len(data.neutral_texts) == 8
    assert [(drop.reason, drop.count) for drop in data.funnel.drops if "tags" in drop.reason] == [
        ("the tags fit no class", 8)
    ]
    with pytest.raises(ConfigError, match="spaCy has no such model; give a folder, or run"):
        settings = DataSettings(tagger="no-such-model")
        RulesParadigm("words", rules).pairs(PairingTask(read_texts(texts, settings), settings, 0))


def test_a_tagger_without_spacy_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "spacy", None)
    settings = DataSettings(tagger="de_core_news_sm")
    with pytest.raises(
        ConfigError, match=r"needs spaCy, which is not installed; pip install \"gradiend-core\[tagger\]\""
    ):
        RulesParadigm("words", Rules({"A": ("a",), "B": ("b",)})).pairs(
            PairingTask(read_texts(["a"], settings), settings, 0)
        )


def test_what_cannot_be_read_says_why(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfa broken")
    (tmp_path / "other.csv").write_text("words\nhe\n")
    (tmp_path / "number.jsonl").write_text('{"text": 7}\n')
    (tmp_path / "empty").mkdir()
    for texts, words in [
        ("nowhere.txt", "no such file, folder or named text"),
        (tmp_path / "bad.txt", "is not UTF-8 text: .* set data.encoding"),
        (tmp_path / "other.csv", r"has no column 'text' \(columns: words\); set data.text_column"),
        (tmp_path / "number.jsonl", "row 0 has 7 as its 'text', not a text"),
        (tmp_path / "empty", "cannot be loaded"),
        ([1, 2], "must be strings"),
        (7, "cannot be read from int"),
    ]:
        with pytest.raises(DataError, match=words):
            read(texts)
    (tmp_path / "late.jsonl").write_text('{"text": "He ran."}\n{"text": \n')
    for streaming in (False, True):  # a stream meets the second row while it is read
        with pytest.raises(DataError, match=r"late.jsonl' cannot be loaded: "):
            read(tmp_path / "late.jsonl", streaming=streaming)
    with pytest.raises(DataError, match="not a known encoding"):
        read(tmp_path / "bad.txt", encoding="utf-99")
    with pytest.raises(DataError, match=r"has no column 'doc' \(columns: words\); set data.document_column"):
        read(tmp_path / "other.csv", text_column="words", document_column="doc")


def rows(**more) -> list[dict]:
    return [
        {"text": f"Day {n}: [MASK] ran{more.get('end', '.')}", "factual": factual, "factual_class": of}
        for n in range(10)
        for factual, of in (("he", "SG"), ("they", "PL"))
    ]


FIELDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029"), max_size=12
)


@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=8))
def test_tables_are_what_the_csv_and_json_modules_wrote(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("tables")
    for name, options in (
        ("a.csv", {}),
        ("b.CSV", {"quoting": csv.QUOTE_ALL}),
        ("c.tsv", {"delimiter": "\t"}),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, **options).writerows([("text", "label"), *rows])
        assert [tuple(row.values()) for row in read_table(folder / name)] == rows, name
    for name, text in (
        ("d.jsonl", "\n".join(json.dumps({"text": one, "label": two}) for one, two in rows)),
        ("e.json", json.dumps([{"text": one, "label": two} for one, two in rows], indent=1)),
    ):
        for packed, pack in (
            ("", bytes),
            (".gz", gzip.compress),
            (".bz2", bz2.compress),
            (".xz", lzma.compress),
        ):
            (folder / (name + packed)).write_bytes(pack(text.encode("utf-8-sig")))
            assert [tuple(row.values()) for row in read_table(folder / (name + packed))] == rows, name


def test_no_row_of_a_file_is_lost(tmp_path):
    lines = [f"text {n}\t{n}" for n in range(480)]
    lines[100], lines[389] = '"What, he said\t1', '" they\t1'
    (tmp_path / "lone.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n")
    texts = [text.text for text in read(tmp_path / "lone.tsv", text_column="sentence")]
    assert texts == [line.split("\t")[0] for line in lines]
    (tmp_path / "tabs.tsv").write_text('text\tlabel\n"a tab\there"\t1\nb\t2\n')
    assert [text.text for text in read(tmp_path / "tabs.tsv")] == ["a tab\there", "b"]
    (tmp_path / "lone.csv").write_text('text,label\n"What, he said,1\nshe ran,2\n"They ran,3\n')
    with pytest.raises(DataError, match="row that begins in line 2 has a quotation mark that does not fit"):
        read(tmp_path / "lone.csv")
    (tmp_path / "wide.csv").write_text("text,label\nOne, two, three,1\n")
    with pytest.raises(DataError, match="line 2 has 4 fields, and 2 columns are named"):
        read(tmp_path / "wide.csv")
    (tmp_path / "empty.csv").write_text("text,label\nHe ran.,1\n,2\nNone,3\nnan,4\n")
    assert [text.text for text in read(tmp_path / "empty.csv")] == ["He ran.", "", "None", "nan"]
    (tmp_path / "null.jsonl").write_text('{"text": "He ran."}\n{"text": null}\n{"other": 1}\n')
    assert [text.text for text in read(tmp_path / "null.jsonl")] == ["He ran.", "", ""]


def test_names_in_capitals_and_packed_files_are_read_for_what_they_are(tmp_path):
    rows = "\n".join(json.dumps({"text": text}) for text in ("He ran.", "They ran."))
    for name in ("a.ndjson", "B.JSONL", "c.NDJSON"):
        (tmp_path / name).write_text(rows)
        assert [text.text for text in read(tmp_path / name)] == ["He ran.", "They ran."], name
    (tmp_path / "D.CSV").write_text("text\nHe ran.\nThey ran.\n")
    assert len(read(tmp_path / "D.CSV")) == 2
    (tmp_path / "story.txt.gz").write_bytes(gzip.compress(b"He ran.\nThey ran.\n"))
    assert [text.text for text in read(tmp_path / "story.txt.gz")] == ["He ran.", "They ran."]
    (tmp_path / "E.CONLLU").write_bytes(b"\xef\xbb\xbf" + CONLLU.encode())
    assert [text.document for text in read(tmp_path / "E.CONLLU")] == ["one", "one", "two"]
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(rows.encode())[:30])
    for name in ("broken.csv.gz", "broken.txt.zst"):
        (tmp_path / name).touch()
        with pytest.raises(DataError, match="cannot be read: |is packed with zstd; pip install zstandard"):
            read(tmp_path / name)


def test_a_folder_of_tables_has_their_splits(tmp_path):
    for split, text in (("train", "He ran."), ("test", "They ran.")):
        (tmp_path / f"{split}.csv").write_text(f"text\n{text}\nNone\n")
    assert [(text.text, text.split) for text in read(tmp_path)] == [
        ("They ran.", "test"),
        ("None", "test"),
        ("He ran.", "train"),
        ("None", "train"),
    ]


PARAGRAPH = "The woman said that she was at home. The man said that he was not. Nobody knew why!"


@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([" ", "\n", "\n\n", "\n\n\n", "  "]))),
    st.integers(0, 2),
)
def test_a_sentence_is_where_it_says(paragraphs, context):
    text = "".join(f"{PARAGRAPH * count}{gap}" for count, gap in paragraphs)
    for sentence in split_sentences([Text(text)], "en", context):
        assert sentence.text in text
        core = sentence.text[slice(*sentence.span)]
        assert core == core.strip()
        assert core[-1] in ".!"
        assert core[:3] in ("The", "Nob")


def test_long_rows_of_paragraphs_are_cut_at_their_sentences(tmp_path):
    rows = [
        "\n\n".join(
            f"Row {row} says {n}. The {'woman' if n % 2 else 'men'} came, then {'she' if n % 2 else 'they'}"
            " left."
            for n in range(600)
        )
        for row in range(12)
    ]
    (tmp_path / "long.jsonl").write_text("\n".join(json.dumps({"text": row}) for row in rows))
    sentences = [text.text for text in read(tmp_path / "long.jsonl", sentences="en")]
    assert sentences == [
        sentence
        for row in range(12)
        for n in range(600)
        for sentence in (
            f"Row {row} says {n}.",
            f"The {'woman' if n % 2 else 'men'} came, then {'she' if n % 2 else 'they'} left.",
        )
    ]


def test_several_configurations_of_one_data_set_are_read_with_their_names(tmp_path):
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: he\n  data_files: he.csv\n"
        "- config_name: they\n  data_files: they.csv\n"
        "- config_name: we\n  data_files: we.csv\n---\n"
    )
    for word in ("he", "they", "we"):
        (tmp_path / f"{word}.csv").write_text(f"text\nSo {word} left.\n")
    texts = list(read_texts(tmp_path, DataSettings(subset=("they", "he"))))
    assert [(text.text, text.row["part"]) for text in texts] == [
        ("So they left.", "they"),
        ("So he left.", "he"),
    ]
    (only,) = read_texts(tmp_path, DataSettings(subset=("we",)))
    assert (only.text, only.row) == ("So we left.", {"text": "So we left."})
    with pytest.raises(DataError, match="cannot be loaded: BuilderConfig 'she' not found"):
        list(read_texts(tmp_path, DataSettings(subset=("she",))))
