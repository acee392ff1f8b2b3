"""Contexts for foreign environments, one by one and in synchronous worlds."""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mmrl.curriculum import CurriculumWrapper, make_curriculum
from tests.toys.contexts import Corridor


def test_the_context_travels_in_the_options() -> None:
    env = CurriculumWrapper(Corridor(), lambda: {"length": 2})
    _, info = env.reset(options={"context": {"length": 9, "width": 4}, "other": 1})
    assert env.unwrapped.seen == {"context": {"length": 2, "width": 4}, "other": 1}
    assert info["context"] == {"length": 2}
    assert env.step(0)[4] == {"is_success": True, "context": {"length": 2}}


def test_an_environment_may_take_it_otherwise() -> None:
    lengths = iter([4, 5])

    def apply(env: Any, context: Any) -> None:
        env.length = context["length"]

    env = CurriculumWrapper(Corridor(), lambda: {"length": next(lengths)}, apply)
    assert [env.reset()[0].tolist() for _ in range(2)] == [[4.0], [5.0]]
    assert env.unwrapped.seen == {}


def test_synchronous_worlds_tell_which_context_ended() -> None:
    curriculum = make_curriculum("uniform", {"length": {"options": [1, 2, 3]}, "kind": ["a", "b"]}, 0)
    given: dict[int, list[dict[str, Any]]] = {0: [], 1: []}

    def source(world: int) -> Any:
        def draw() -> dict[str, Any]:
            (context,) = curriculum.sample([world])
            given[world].append(context)
            return context

        return draw

    envs = SyncVectorEnv(
        [lambda world=world: CurriculumWrapper(Corridor(), source(world)) for world in (0, 1)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    envs.reset(seed=0)
    finished: dict[int, int] = {0: 0, 1: 0}
    for _ in range(20):
        _, _, terminated, _, info = envs.step(np.zeros(2, np.int64))
        for world in np.flatnonzero(terminated).tolist():
            context = {name: info["final_info"]["context"][name][world] for name in ("length", "kind")}
            assert context == given[world][finished[world]]
            assert info["context"]["length"][world] == given[world][finished[world] + 1]["length"]
            curriculum.finished(world, context, None)  # knows what it gave
            finished[world] += 1
    assert min(finished.values()) > 5
