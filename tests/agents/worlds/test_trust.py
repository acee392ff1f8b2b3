"""Hostile run folders: no command imports or calls what a config names, unless this user trained it or names it."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from mmrl_agents.cli import main
from mmrl_agents.policies.exporting import export
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.settings.config import described_config, recorded_config
from mmrl_agents.worlds.trust import Untrusted, is_marked_config, marked_config, targets_of, trusted_state

FEW = (
    "--num-worlds",
    "2",
    "--threads",
    "1",
    "--ppo.num-steps",
    "8",
    "--ppo.minibatch-size",
    "16",
    "--evaluate-episodes",
    "0",
)
MODULE = '''
import pathlib
import gymnasium as gym
import numpy as np
import torch

pathlib.Path({trace!r}).touch()


class Lamp(gym.Env):
    metadata = {{"render_modes": ["rgb_array"], "render_fps": 10}}
    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 3
        return np.zeros(2, np.float32), {{}}

    def step(self, action):
        self.left -= 1
        return np.zeros(2, np.float32), 1.0, self.left == 0, False, {{}}

    def render(self):
        return np.zeros((64, 64, 3), np.uint8)


def lamp(**kwargs):
    return Lamp(**kwargs)


def network(modality):
    return torch.nn.Linear(2, 4)


gym.register("LampOfATest-v0", entry_point=Lamp)
join = pathlib.os.path.join
'''  # fmt: skip


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Go to a machine of somebody else: another key."""
    return lambda: monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of somebody else"))


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Paths and modules of a test are gone with it."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    forget()


def forget() -> None:
    """As in a new process."""
    for name in ("lamp_of_a_test", "evil_of_a_test"):
        sys.modules.pop(name, None)
    gym.registry.pop("LampOfATest-v0", None)


def put_module(folder: Path, name: str = "lamp_of_a_test") -> Path:
    """A module in a folder; the file whose presence says that it was imported."""
    trace = folder / "trace"
    (folder / f"{name}.py").write_text(MODULE.format(trace=str(trace)))
    return trace


@pytest.fixture(scope="module")
def pole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an environment that Gymnasium registers."""
    folder = tmp_path_factory.mktemp("pole") / "run"
    assert main(["train", "CartPole-v1", *FEW, "--total-steps", "16", "--run-dir", str(folder)]) == 0
    return folder


HOSTILE: dict[str, dict[str, Any]] = {
    "shell": {"env": "os:system", "env_kwargs": {"command": "touch pwned"}},
    "interpreter": {"env": "builtins:exec", "env_kwargs": {"source": "open('pwned', 'w')"}},
    "subprocess": {"env": "subprocess:run", "env_kwargs": {"args": ["touch", "pwned"]}},
    "beside": {"env": "evil_of_a_test:lamp"},
    "registered beside": {"env": "evil_of_a_test:LampOfATest-v0"},
    "encoder": {"modalities": {"observation": {"encoder": "Custom", "target": "os:system", "features": 4}}},
    "encoder by dots": {"modalities": {"observation.encoder": "Custom", "observation.target": "evil_of_a_test:lamp"}},
    "sensor": {"sensors": ["camera:encoder.target=evil_of_a_test:network"]},
    "spelled": {"env": "mmrl/PegInsertion-v0", "env_kwargs": {"sensors": ['camera:encoder.target="os\\x3asystem"']}},
    "its own word": {"env": "evil_of_a_test:lamp", "trust": ["evil_of_a_test"]},
    "file": {"env": "Ant-v5", "env_kwargs": {"xml_file": "/etc/passwd"}},
    "other gym": {"env": "GymV26Environment-v0", "env_kwargs": {"env_id": "evil_of_a_test:LampOfATest-v0"}},
}  # fmt: skip
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "evaluate": lambda run: ["evaluate", run, "--episodes", "2"],
    "senses": lambda run: ["evaluate", run, "--senses", "--episodes", "2"],
    "watch": lambda run: ["watch", run],
    "resume": lambda run: ["train", "--resume", run, "--total-steps", "64"],
}


def hostile(pole: Path, folder: Path, changes: dict[str, Any], **beside: Any) -> Path:
    """The run with other settings, as somebody might send it: the mark is that of the settings before."""
    run = shutil.copytree(pole, folder / "run")
    document = json.loads((run / "config.json").read_text())
    document["train"] |= changes
    (run / "config.json").write_text(json.dumps(document | beside))
    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_is_imported_or_called(
    kind: str,
    command: str,
    pole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = hostile(pole, tmp_path, HOSTILE[kind])
    trace = put_module(run, "evil_of_a_test")
    before = (run / "config.json").read_bytes()
    monkeypatch.chdir(run)
    path = list(sys.path)
    assert main(COMMANDS[command](".")) == 2
    said = capsys.readouterr().err
    assert "it was not trained by you on this machine" in said or "of Python itself" in said
    assert not trace.exists()
    assert not (run / "pwned").exists()
    assert sys.path == path
    assert (run / "config.json").read_bytes() == before


def test_reading_and_listing_such_a_folder_is_harmless(pole: Path, tmp_path: Path) -> None:
    run = hostile(pole, tmp_path, HOSTILE["shell"])
    assert main(["runs", str(tmp_path)]) == 0
    assert main(["export", str(run), str(tmp_path / "weights")]) == 0
    assert described_config(json.loads((run / "config.json").read_text())).env == "os:system"
    with pytest.raises(Untrusted, match="'os:system', of Python itself"):
        load_policy(run, trust=("os", "builtins"))


@pytest.mark.parametrize(
    "mark", [None, 3, {}, {"digest": 3}, {"digest": "0" * 64, "found_in": []}, {"found_in": ["."]}]
)
def test_a_forged_mark_is_none(mark: Any, pole: Path, tmp_path: Path) -> None:
    run = hostile(pole, tmp_path, HOSTILE["beside"], mark=mark)
    with pytest.raises(Untrusted, match=r"'evil_of_a_test:lamp': .*, and allow it with --trust evil_of_a_test"):
        load_policy(run)


def test_a_run_of_ones_own_needs_no_word_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "other").mkdir()
    trace = put_module(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    run = str(tmp_path / "run")
    encoder = (
        "--modalities",
        "observation.encoder=Custom",
        "observation.target=lamp_of_a_test:network",
        "observation.features=4",
    )
    assert main(["train", "lamp_of_a_test:lamp", *FEW, *encoder, "--total-steps", "16", "--run-dir", run]) == 0

    # In a new process, elsewhere on the same machine, where a module of that name lies in wait.
    forget()
    sys.path.remove(str(tmp_path / "project"))
    trace.unlink()
    bait = put_module(tmp_path / "other")
    monkeypatch.chdir(tmp_path / "other")
    assert main(["evaluate", run, "--episodes", "2", "--checkpoint", "last"]) == 0
    assert trace.exists()
    assert not bait.exists()
    forget()
    sys.path.remove(str(tmp_path / "project"))
    again = ["train", "--config", f"{run}/config.json", "--run-dir", str(tmp_path / "again"), "--total-steps", "16"]
    assert main(again) == 0
    assert not bait.exists()
    assert main(["train", "--resume", run, "--total-steps", "32"]) == 0
    assert main(["export", run, str(tmp_path / "weights")]) == 0

    # On the machine of somebody else.
    elsewhere()
    capsys.readouterr()
    assert main(["evaluate", run, "--episodes", "2"]) == 2
    assert "allow it with --trust lamp_of_a_test" in capsys.readouterr().err
    assert main(["evaluate", run, "--episodes", "2", "--trust", "lamp_of_a_test"]) == 0
    assert main(["train", "--resume", run, "--total-steps", "40", "--trust", "other", "lamp_of_a_test"]) == 0
    assert main(["watch", run, "--episodes", "1", "--output", str(tmp_path / "film.mp4")]) == 0  # trained here, now


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ("lamp_of_a_test:join", "no Env and no function of lamp_of_a_test"),
        ("lamp_of_a_test:pathlib", "no Env and no function of lamp_of_a_test"),
        ("lamp_of_a_test:Lamp", None),
        ("lamp_of_a_test:lamp", None),
        ("lamp_of_a_test:LampOfATest-v0", None),
    ],
)
def test_a_trusted_module_lends_its_own_functions_only(
    env: str, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    document = {"train": {"env": env}}
    with pytest.raises(Untrusted, match="allow it with --trust lamp_of_a_test"):
        recorded_config(document)
    if reason is None:
        assert recorded_config(document, trust=("lamp_of_a_test",)).env == env
    else:
        with pytest.raises(Untrusted, match=reason):
            recorded_config(document, trust=("lamp_of_a_test",))


def test_a_package_covers_its_modules_and_no_namesake() -> None:
    document = {"train": {"env": "no_such.worlds:make"}}
    assert recorded_config(document, trust=("no_such",)).env == "no_such.worlds:make"
    for other in ("no_such.worlds.more", "no", "no_such_thing", "worlds", ""):
        with pytest.raises(Untrusted):
            recorded_config(document, trust=(other,))


def test_an_argument_that_names_a_file_is_allowed_by_the_id() -> None:
    train = {"env": "Ant-v5", "env_kwargs": {"xml_file": "mine.xml", "healthy_reward": 0.5}}
    with pytest.raises(Untrusted, match=r"gives Ant-v5 xml_file='mine\.xml', .* allow it with --trust Ant-v5"):
        recorded_config({"train": train})
    assert recorded_config({"train": train}, trust=("Ant-v5",)).env_kwargs["healthy_reward"] == 0.5
    harmless = {"env": "Ant-v5", "env_kwargs": {"healthy_reward": 0.5, "render_mode": "rgb_array"}}
    assert recorded_config({"train": harmless}).env == "Ant-v5"


@pytest.mark.parametrize(
    "change",
    [{"env": "b:c"}, {"env_kwargs": {"a": 2}}, {"modalities": {"x.target": "y:z"}}, {"sensors": ["camera"]}],
)
def test_a_mark_covers_all_that_decides_what_runs(change: dict[str, Any]) -> None:
    train = {"env": "a:b", "env_kwargs": {"a": 1}, "modalities": {}, "sensors": [], "seed": 1}
    document = marked_config({"train": train})
    assert is_marked_config(json.loads(json.dumps(document)))
    assert is_marked_config(document | {"train": train | {"seed": 2}})  # which runs nothing else
    assert not is_marked_config(document | {"train": train | change})
    document["mark"]["found_in"].append("/elsewhere")
    assert not is_marked_config(document)


def test_an_exported_folder_says_nothing_of_where_it_was_made(pole: Path, tmp_path: Path) -> None:
    export(pole, tmp_path / "weights", "last")
    document = json.loads((tmp_path / "weights" / "config.json").read_text())
    assert is_marked_config(document)
    assert document["mark"]["found_in"] == []
    assert str(pole) not in json.dumps(document)


def test_what_a_run_of_ours_names_is_nothing() -> None:
    assert targets_of({"env": "mmrl/PegInsertion-v0", "sensors": ["camera:height=96,encoder.features=32"]}) == []


def test_the_state_of_an_engine_that_reads_it_natively_is_taken_from_ones_own_runs_only(
    elsewhere: Callable[[], None],
) -> None:
    kwargs = {"engine": "pybullet"}
    document = marked_config({"train": {"env": "mmrl/PegInsertion-v0", "env_kwargs": kwargs}})
    state = {"step": 3, "worlds": {"bullet": b"..."}}
    assert trusted_state(state, document, kwargs) == state
    elsewhere()
    assert trusted_state(state, document, kwargs) == {"step": 3, "worlds": None}
    assert trusted_state(state, document, kwargs, trust=("pybullet",)) == state
    assert trusted_state(state, document, {}) == state
