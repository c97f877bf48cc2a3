"""The figures of docs/pages/comparison.md, made by running them: `python docs/gallery.py`, some minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gradiend_core as gd

HERE = Path(__file__).parent
GALLERY = HERE / "pages" / "figures" / "gallery"


def main() -> None:
    GALLERY.mkdir(parents=True, exist_ok=True)
    run = gd.Session("english-pronouns", model="tiny-clm", seeds={"at_most": 3, "convergent": 3})
    for name, figure in run.figures():
        figure.savefig(GALLERY / f"{name}.png", dpi=80)
    with tempfile.TemporaryDirectory() as place:
        suite = gd.read_suite(HERE / "examples" / "many-features.toml")
        whole = gd.run_suite(suite, Path(place) / "many", tell=print)
        four = {
            name: whole.finished[name]
            for name in ("FemNom-FemDat", "FemAcc-FemGen", "MascNom-FemNom", "MascDat-MascGen")
        }
        for suffix, report in (("", whole.report), ("-4", gd.compare_runs(four))):
            assert report is not None
            folder = gd.save_comparison(report, Path(place) / f"comparison{suffix}") / "figures"
            for name in (
                ("shared-weights",)
                if suffix
                else ("similarity", "overlap", "cross-encoding", "places", "shared-weights")
            ):
                (GALLERY / f"{name}{suffix}.png").write_bytes((folder / f"{name}.png").read_bytes())


if __name__ == "__main__":
    main()
