"""The recipe: every training from nothing to the shipped weights, as data.

``training/recipe.toml`` is the one that ships. It has three parts. ``[groups]`` says what each set of
pictures is worth and how it is shown. ``[shares]`` says how often each group is drawn. ``[[stage]]``
lists the steps in their order. This module reads and checks it; it needs neither PyTorch nor pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).parent / "recipe.toml"

NETWORKS = {
    "teacher-segmenter": "segmenter",
    "lite0-segmenter": "segmenter",
    "accurate-segmenter": "segmenter",
    "fast-segmenter": "segmenter",
    "accurate-detector": "detector",
    "fast-detector": "detector",
}
"""What a stage may train, and which part of the pipeline that is."""

KINDS = ("photos", "cutouts", "empty")
IMAGENET = "imagenet"
PSEUDO = "pseudo"  # the set of the unlabelled pictures that a stage of labelling gave masks


class RecipeError(ValueError):
    """The recipe can't be followed; the message names the place, what was expected and what came."""


@dataclass(frozen=True)
class Group:
    """Sets of pictures that are shown in one way.

    Attributes:
        name: as the shares call it.
        kind: "photos" as they are, "cutouts" laid over people-free pictures, or "empty" pictures.
        sets: how often each is drawn beside the others of the group; 0 leaves that to the square root of
            its number of pictures.
        instead: the group that takes this one's share where none of its sets is in the data folder.
        one_person: a photo shows one person, whose box is that of the whole mask.
        people: most cut-outs in a composite.
        weight: of a sample in the loss, 0-1.
        held_things: whether the labels count what a person holds as person.
        parts_of: of empty pictures: a set of photos whose parts without people are shown beside them.
    """

    name: str
    kind: str
    sets: dict[str, float]
    instead: str | None = None
    one_person: bool = False
    people: int = 4
    weight: float = 1.0
    held_things: bool = True
    parts_of: str | None = None


@dataclass(frozen=True)
class Sampling:
    """What is drawn, and how often.

    Attributes:
        groups: by name.
        shares: of the samples, by group; they sum to 1.
    """

    groups: dict[str, Group]
    shares: dict[str, float]

    def fallbacks(self, present: Collection[str]) -> tuple[dict[str, float], list[str]]:
        """The shares with the sets at hand, and a sentence for each share that moved.

        Args:
            present: names of the sets of which there are pictures.

        Returns:
            Shares of the groups that have a set; they sum to 1.

        Raises:
            RecipeError: no group has one.
        """
        left = {name: share for name, share in self.shares.items() if share > 0}
        here = {name for name in left if any(s in present for s in self.groups[name].sets)}
        if not here:
            raise RecipeError(
                f"expected pictures of one of {sorted(left)}, got the sets {sorted(present)}: "
                "check the data folder's manifest.csv, or name its sets in [groups]"
            )
        notes, moved = [], dict.fromkeys(here, 0.0)
        for name in sorted(left.keys() - here):
            to, seen = self.groups[name].instead, {name}
            while to is not None and to not in here and to not in seen:
                seen.add(to)
                to = self.groups[to].instead
            share = left[name]
            if to in here:
                moved[str(to)] += share
            else:
                whole = sum(left[n] for n in here)
                for other in here:
                    moved[other] += share * left[other] / whole
            notes.append(
                f"no picture of {', '.join(sorted(self.groups[name].sets))}: the {100 * share:.0f} % of "
                f"{name} go to {to if to in here else 'the other groups'}"
            )
        shares = {name: left[name] + moved[name] for name in left if name in here}
        whole = sum(shares.values())
        return {name: share / whole for name, share in shares.items()}, notes


@dataclass(frozen=True)
class Loss:
    """Weights of a segmenter's loss terms (:func:`training.losses.segmentation_loss`).

    Attributes:
        soft_iou: of the soft IoU beside the cross-entropy.
        decidedness: of the mean of 4p(1-p) where the label is certain.
        certain: the label is certain where its local mean is below this, or above 1 less this.
    """

    soft_iou: float = 1.5
    decidedness: float = 0.5
    certain: float = 0.02


@dataclass(frozen=True)
class Views:
    """How a segmenter's samples are cut and what is taught of them.

    Attributes:
        margin: least and largest share of a box's sides that a region has round it.
        dropped: share of the samples of which patches of the body are replaced; they stay person.
        held: share of the samples over which a foreign object is laid.
        teacher_share: of the teachers' mask in the target, beside a label.
        sharpen: power by which the teachers' masks are sharpened; 1 leaves them.
        soft_reach: pixels round the label's edge within which the target may be soft.
    """

    margin: tuple[float, float] = (0.05, 0.6)
    dropped: float = 0.15
    held: float = 0.25
    teacher_share: float = 0.5
    sharpen: float = 2.0
    soft_reach: int = 5


@dataclass(frozen=True)
class Stage:
    """One step.

    Attributes:
        name: of its folder, too.
        kind: "train" or "label".
        network: what is trained.
        start: "imagenet", or the stage whose weights it sets out from.
        phases: samples and side of the input, one after the other.
        stop: samples after which it ends, though the learning rate falls over all phases; 0 for all.
        batch: samples a step.
        learning_rate: the highest.
        backbone_share: of the learning rate, for what comes from ImageNet.
        seed: of the samples and of new weights.
        shares: name of the shares.
        teachers: stages it learns from, or that label.
        finder: stage of the detector that shows where to cut.
        labels: stage of labelling whose masks are learnt from.
        version: of the exported files, shipped or not; "" exports none.
        loss, views: of a segmenter.
    """

    name: str
    kind: str = "train"
    network: str = ""
    start: str = IMAGENET
    phases: tuple[tuple[int, int], ...] = ()
    stop: int = 0
    batch: int = 24
    learning_rate: float = 1e-3
    backbone_share: float = 1.0
    seed: int = 1
    shares: str = ""
    teachers: tuple[str, ...] = ()
    finder: str | None = None
    labels: str | None = None
    version: str = ""
    loss: Loss = Loss()
    views: Views = Views()

    @property
    def planned(self) -> int:
        """Samples of all phases, over which the learning rate falls."""
        return sum(count for count, _ in self.phases)

    @property
    def samples(self) -> int:
        """How many it sees."""
        return min(self.stop or self.planned, self.planned)

    @property
    def part(self) -> str:
        """ "segmenter" or "detector"."""
        return NETWORKS[self.network]


@dataclass(frozen=True)
class Recipe:
    """All stages in their order, and what they draw from."""

    stages: tuple[Stage, ...]
    groups: dict[str, Group]
    shares: dict[str, dict[str, float]]

    def stage(self, name: str) -> Stage:
        """The stage of that name.

        Raises:
            RecipeError: there is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise RecipeError(f"expected one of {[s.name for s in self.stages]}, got the stage {name!r}")

    def shortened(self, samples: int) -> Recipe:
        """The same with no more samples a phase, to try it out."""
        stages = (
            replace(s, phases=tuple((min(n, samples), side) for n, side in s.phases), stop=0)
            for s in self.stages
        )
        return replace(self, stages=tuple(stages))

    def sampling(self, shares: str) -> Sampling:
        """What stages with those shares draw."""
        return Sampling(self.groups, self.shares[shares])


def read_recipe(file: Path = RECIPE) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: it can't be read or followed.
    """
    import tomllib  # of Python 3.11, which training needs anyway

    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise RecipeError(f"expected a recipe in TOML, {file} can't be read: {exc}") from exc
    return parse(content)


def parse(content: Mapping[str, Any]) -> Recipe:
    """A recipe from its tables.

    Raises:
        RecipeError: a key is unknown, a value makes no sense, or a stage needs one that comes later.
    """
    unknown = content.keys() - {"groups", "shares", "stage"}
    if unknown:
        raise RecipeError(f"expected the tables groups, shares and stage, got {sorted(unknown)} beside them")
    groups = {name: _group(name, table) for name, table in content.get("groups", {}).items()}
    for group in groups.values():
        if group.instead is not None and group.instead not in groups:
            raise RecipeError(f"groups.{group.name}: instead must name a group, got {group.instead!r}")
    shares = {name: dict(table) for name, table in content.get("shares", {}).items()}
    for name, table in shares.items():
        if table.keys() - groups.keys():
            raise RecipeError(f"shares.{name}: no such group: {sorted(table.keys() - groups.keys())}")
        if any(share < 0 for share in table.values()) or abs(sum(table.values()) - 1) > 1e-6:
            raise RecipeError(
                f"shares.{name}: expected shares from 0 on that sum to 1, got {sum(table.values()):g}"
            )
    before: dict[str, Stage] = {}
    for table in content.get("stage", ()):
        stage = _stage(table)
        _check(stage, before, shares)
        before[stage.name] = stage
    if not before:
        raise RecipeError("expected a [[stage]], got none")
    return Recipe(tuple(before.values()), groups, shares)


def _only(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    if table.keys() - known:
        raise RecipeError(f"{where}: expected the keys {sorted(known)}, got {sorted(table.keys() - known)}")


def _group(name: str, table: Mapping[str, Any]) -> Group:
    _only(f"groups.{name}", table, {f.name for f in fields(Group)} - {"name"})
    sets = table.get("sets", {})
    sets = dict(sets) if isinstance(sets, Mapping) else dict.fromkeys(sets, 0.0)
    group = Group(**{**table, "name": name, "kind": table.get("kind", ""), "sets": sets})
    if group.kind not in KINDS:
        raise RecipeError(f"groups.{name}: kind must be one of {KINDS}, got {group.kind!r}")
    if not sets or any(part < 0 for part in sets.values()):
        raise RecipeError(f"groups.{name}: expected sets with weights from 0 on, got {sets}")
    return group


def _stage(table: Mapping[str, Any]) -> Stage:
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise RecipeError(f"expected a stage with a name, got {dict(table)}")
    _only(f"stage {name}", table, {f.name for f in fields(Stage)})
    values = dict(table)
    for key, kind in (("loss", Loss), ("views", Views)):
        given = dict(values.get(key, {}))
        _only(f"stage {name}, {key}", given, {f.name for f in fields(kind)})
        if "margin" in given:
            given["margin"] = tuple(given["margin"])
        values[key] = kind(**given)
    try:
        values["phases"] = tuple((int(count), int(size)) for count, size in values.get("phases", ()))
    except (TypeError, ValueError) as exc:
        raise RecipeError(
            f"stage {name}: expected phases of samples and a side, got {values['phases']}"
        ) from exc
    values["teachers"] = tuple(values.get("teachers", ()))
    return Stage(**values)


def _check(stage: Stage, before: Mapping[str, Stage], shares: Collection[str]) -> None:
    """Whether a stage can be done with what those before it leave."""
    where = f"stage {stage.name}"

    def need(right: bool, expected: str, got: object) -> None:
        if not right:
            raise RecipeError(f"{where}: expected {expected}, got {got!r}")

    need(stage.name not in before, "a name of its own", stage.name)
    need(stage.kind in ("train", "label"), 'kind "train" or "label"', stage.kind)
    need(stage.kind == "train" or not stage.version, "no version, since masks aren't exported", stage.version)
    for name in stage.teachers:
        need(name in before, f"teachers among the stages before, {sorted(before)}", name)
    if stage.kind == "label":
        need(bool(stage.teachers), "a teacher", stage.teachers)
        for name in stage.teachers:
            need(before[name].network.endswith("segmenter"), "teachers that are segmenters", name)
        return
    need(stage.network in NETWORKS, f"a network of {sorted(NETWORKS)}", stage.network)
    need(stage.shares in shares, f"shares of {sorted(shares)}", stage.shares)
    need(stage.start == IMAGENET or stage.start in before, "imagenet or a stage before", stage.start)
    need(bool(stage.phases), "phases", stage.phases)
    right = all(n > 0 and side > 0 and side % 32 == 0 for n, side in stage.phases)
    need(right, "phases of some samples with a side that 32 divides", stage.phases)
    need(stage.stop >= 0, "samples to stop at", stage.stop)
    need(stage.batch > 0, "a batch of at least one", stage.batch)
    need(stage.learning_rate > 0, "a learning rate above 0", stage.learning_rate)
    need(
        0 < stage.views.margin[0] <= stage.views.margin[1], "margins from small to large", stage.views.margin
    )
    for name in (*stage.teachers, *([stage.finder] if stage.finder else [])):
        other = before.get(name)
        need(other is not None and bool(other.version), "exported stages before", name)
    for name in stage.teachers:
        need(before[name].part == stage.part, f"teachers that are {stage.part}s", name)
    if stage.part == "detector":
        need(len(stage.teachers) <= 1, "one teacher of a detector", stage.teachers)
    if stage.finder is not None:
        need(before[stage.finder].part == "detector", "a finder that is a detector", stage.finder)
    if stage.labels is not None:
        other = before.get(stage.labels)
        need(other is not None and other.kind == "label", "labels of a stage before", stage.labels)
