"""The hub: runs, features, updates and edits are pushed with a card, read again by name, and refused in a
sentence. A server of this machine speaks its protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gradiend_core import Session, load_run, save_run
from tests.conftest import settings


class Hub(BaseHTTPRequestHandler):
    """Repositories of models, each a commit after the other, in memory."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_POST(self):
        server, (path, _, _) = self.server, self.path.partition("?")
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        pieces = path.strip("/").split("/")
        if path == "/api/repos/create":
            about = json.loads(body)
            name = f"{about['organization']}/{about['name']}" if about.get("organization") else about["name"]
            if name.startswith("somebody/"):
                self.answer(403, {"error": "no"}, X_Error_Message="no")
                return
            server.repositories.setdefault(name, [("0" * 40, {})])
            server.private[name] = about.get("visibility") == "private"
            self.answer(200, {"url": f"{server.address}/{name}"})
        elif path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif pieces[4:5] == ["preupload"]:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self.answer(200, {"files": files})
        elif pieces[4:5] == ["commit"]:
            name = "/".join(pieces[2:4])
            commits = server.repositories[name]
            files = dict(commits[-1][1])
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            commit = hashlib.sha1(repr(sorted(files)).encode() + bytes([len(commits)])).hexdigest()
            commits.append((commit, files))
            url = f"{server.address}/{name}/commit/{commit}"
            self.answer(200, {"commitUrl": url, "commitOid": commit, "pullRequestUrl": None})
        else:
            self.answer(404, {"error": path})

    def do_GET(self):
        server, (path, _, _) = self.server, self.path.partition("?")
        pieces = path.strip("/").split("/")
        api = pieces[:2] == ["api", "models"]
        name = "/".join(pieces[2:4] if api else pieces[:2])
        commits = server.repositories.get(name)
        revision = (pieces[5:6] if api else pieces[3:4]) or ["main"]
        found = [one for one in commits or () if revision[0] in ("main", one[0])]
        if not found:
            code = "RevisionNotFound" if commits else "RepoNotFound"
            self.answer(404, {"error": "not there"}, X_Error_Code=code, X_Error_Message="not there")
            return
        commit, files = found[-1]
        if api and pieces[4:5] == ["tree"]:
            rows = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
            self.answer(200, rows, Content_Type="application/json")
        elif api:
            siblings = [{"rfilename": path} for path in files]
            self.answer(
                200, {"id": name, "sha": commit, "siblings": siblings}, Content_Type="application/json"
            )
        else:
            if (content := files.get("/".join(pieces[4:]))) is None:
                headers = {
                    "X_Error_Code": "EntryNotFound",
                    "X_Error_Message": "no file",
                    "X_Repo_Commit": commit,
                }
                self.answer(404, b"", **headers)
                return
            etag = hashlib.sha1(content).hexdigest()
            self.answer(200, content, X_Repo_Commit=commit, ETag=f'"{etag}"')

    do_HEAD = do_GET


@pytest.fixture(scope="module")
def hub():
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.daemon_threads = True
        server.repositories, server.private = {}, {}
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def python(hub, tmp_path):
    """Runs a program in a process that knows this hub, with a cache of its own."""

    def call(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")}
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **known, "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1", **environment},
        )

    return call


COMMAND = "from gradiend_core.cli import main; main()"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "run"
    save_run(Session("english-pronouns", classes=["3SG", "3PL"], **settings()), folder)
    return folder


@pytest.mark.slow
def test_a_run_goes_to_the_hub_and_comes_back(hub, python, finished, tmp_path):
    pushed = python(COMMAND, "push", finished, "me/number", "--private")
    assert pushed.returncode == 0, pushed.stderr
    assert "read it as hub:me/number" in pushed.stdout
    assert hub.private["me/number"] is True
    commit, files = hub.repositories["me/number"][-1]
    assert not any(name.startswith(("rewritten/", "checkpoint/")) for name in files)
    card = files["README.md"].decode()
    assert card.startswith('---\ntags: ["gradiend", "model-editing"]\n---\n')
    assert "hub:me/number" in card
    assert all(sentence in card for sentence in load_run(finished).findings["3SG against 3PL in tiny-mlm"])
    text = "The dog was tired because [it|they] ran."
    here = python(COMMAND, "encode", finished, text)
    for name in ("hub:me/number", f"hub:me/number@{commit}"):
        there = python(COMMAND, "encode", name, text)
        assert there.returncode == 0, there.stderr
        assert there.stdout == here.stdout
    again = python(COMMAND, "run", "hub:me/number", "--output", "again")
    assert again.returncode == 0, again.stderr
    one, other = (json.loads((path / "results.json").read_text()) for path in (finished, tmp_path / "again"))
    assert one["encoder"] == other["encoder"]
    compared = python(COMMAND, "compare", "hub:me/number", finished)
    assert "cosine" in compared.stdout, compared.stderr


def test_without_a_network_the_cache_is_read(hub, python, finished):
    python(COMMAND, "push", finished, "me/number")
    code = "import gradiend_core as gd; print(gd.load_run('hub:me/number').feature.name)"
    assert python(code).stdout == "3SG against 3PL\n"
    assert python(code, HF_HUB_OFFLINE="1").stdout == "3SG against 3PL\n"
    assert python(code, HF_ENDPOINT="http://127.0.0.1:9").stdout == "3SG against 3PL\n"


def test_features_updates_and_models_go_one_by_one(hub, python, finished):
    code = """
import sys, gradiend_core as gd
run = gd.load_run(sys.argv[1])
gd.push_to_hub(run.feature, "me/feature")
gd.push_to_hub(run.update("3PL"), "me/update")
gd.push_to_hub(sys.argv[1] + "/feature", "me/many")
gd.push_to_hub(sys.argv[1] + "/rewritten/3PL", "me/model")
assert (gd.load_feature("hub:me/feature").decoder == run.feature.decoder).all()
assert gd.load_update("hub:me/update").norm == run.update("3PL").norm
gd.push_to_hub(run, "me/run")
assert gd.load_feature("hub:me/run/feature").classes == ("3SG", "3PL")
from transformers import AutoModelForMaskedLM
edited = AutoModelForMaskedLM.from_pretrained("me/model")
gd.apply_update(run.loaded.model, run.update("3PL"))
theirs = dict(run.loaded.model.named_parameters())
assert all((one == theirs[name]).all() for name, one in edited.named_parameters())
"""
    done = python(code, finished)
    assert done.returncode == 0, done.stderr
    card = hub.repositories["me/model"][-1][1]["README.md"].decode()
    assert 'pipeline_tag: "fill-mask"' in card
    assert "[MASK]" in card.split("---")[1]


REFUSED = [
    (("explain", "hub:me/nothing", "So [he|they] left."), "error: 'hub:me/nothing': "),
    (("explain", "hub:nothing", "So [he|they] left."), "names no folder of the hub; give hub:OWNER/NAME"),
    (("explain", "hub:me/../../etc", "So [he|they] left."), "names a folder outside of the repository"),
    (("push", "RUN", "number"), "'number' names no repository of the hub; give OWNER/NAME"),
    (("push", "RUN", "somebody/number"), "the hub refuses it; log in with `hf auth login`"),
    (("push", ".", "me/number"), "holds nothing that gradiend finished"),
    (("evaluate", "hub:me/number", "side-effects"), "hf download me/number --local-dir"),
]


def test_what_cannot_be_is_refused_in_a_sentence(python, finished):
    code = """
import json, sys
from gradiend_core.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["gradiend", *arguments]
    try:
        main()
    except SystemExit as leave:
        print(leave.code)
"""
    arguments = [[str(finished) if word == "RUN" else word for word in words] for words, _ in REFUSED]
    done = python(code, json.dumps(arguments))
    lines = done.stdout.splitlines()
    assert len(lines) == len(REFUSED), (done.stdout, done.stderr)
    for line, (_, words) in zip(lines, REFUSED, strict=True):
        assert words in line


@pytest.mark.slow
def test_a_card_shows_no_text_of_a_person(tmp_path):
    import gradiend_tiny

    from gradiend_core.api import NoSettings
    from gradiend_core.run.card import model_card

    mine = gradiend_tiny.english(NoSettings()).read_text(encoding="utf-8").splitlines()
    for texts, shown in ((None, True), (mine, False)):
        run = Session("english-pronouns", classes=["3SG", "3PL"], texts=texts, **settings())
        card = model_card(run, "3PL", run.update("3PL", 0.01), scores=None)
        assert ("widget:" in card) == shown
        assert 'pipeline_tag: "fill-mask"' in card
        assert any(pair.left in card for pair in run.pairs if len(pair.left) > 20) == shown


def test_a_run_that_was_changed_is_not_pushed(python, finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "pairs.jsonl").write_text("")
    done = python(COMMAND, "push", copy, "me/changed")
    assert "pairs.jsonl is not the file that was written" in done.stderr
