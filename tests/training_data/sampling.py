"""Groups of pictures and their shares, for the tests of training."""

from __future__ import annotations

from training.recipe import Group, Sampling, Views

GROUPS = {
    group.name: group
    for group in (
        Group("portraits", "photos", {"picsart": 0.0}, one_person=True),
        Group("scenes", "photos", {"coco": 0.0}, held_things=False),
        Group("fashion", "photos", {"ccp": 0.0}, weight=0.3, held_things=False, instead="scenes"),
        Group("unlabelled", "photos", {"pseudo": 0.0}, instead="portraits"),
        Group("composites", "cutouts", {"viton": 0.5, "headshots": 0.2, "picsart": 0.2, "coco": 0.2}),
        Group("rooms", "empty", {"houses": 0.0}, parts_of="coco"),
    )
}


SAMPLING = Sampling(GROUPS, dict(zip(GROUPS, (0.27, 0.25, 0.02, 0.15, 0.19, 0.12), strict=True)))
VIEWS = Views(margin=(0.05, 0.3), dropped=0.0)
