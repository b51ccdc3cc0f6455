"""The mean of two trainings' weights: ``python -m training.average RUN OTHER --share 0.3 --out DIR``.

Weights that set out from the same ones lie in one valley; their mean may score above both (Wortsman et al.
2022, "Model soups").
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from training.train import load_average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="finished run")
    parser.add_argument(
        "other", type=Path, help="another of the same network, which set out from it or with it"
    )
    parser.add_argument("--share", type=float, required=True, help="of the other one, 0-1")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if not 0 <= args.share <= 1:
        parser.error("--share must be from 0 to 1")
    one, other = load_average(args.run), load_average(args.other)
    mean = {
        k: v.lerp(other[k], args.share).half() if v.dtype.is_floating_point else v for k, v in one.items()
    }
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save({"average": mean}, args.out / "final.pt")
    recipe = json.loads((args.other / "recipe.json").read_text())
    recipe["share"] = args.share
    (args.out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


if __name__ == "__main__":
    main()
