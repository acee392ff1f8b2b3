"""A training that torchrun starts again after one of its processes was lost: it goes on in its own folder."""

from collections.abc import Sequence

from mmrl_agents.cli.words import training_in
from mmrl_agents.records.claiming import began_in_this_job
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig

_FOLDER = "--run-dir"


def going_on(config: TrainConfig, words: Sequence[str]) -> TrainConfig:
    """The training that `words` ask for, as the resumption of the run that the same torchrun job began in its folder.

    It is `config` itself where there is none; the run of any other job stays refused.
    """
    if config.resume is not None or config.run_dir is None or not began_in_this_job(RunFolder(config.run_dir)):
        return config
    resumed = training_in([*_without_folder(words), "--resume", str(config.run_dir)])
    return config if resumed is None else resumed


def _without_folder(words: Sequence[str]) -> list[str]:
    """The words without `--run-dir FOLDER`, written as one word or as two."""
    rest = []
    waiting = iter(words)
    for word in waiting:
        name, equals, _ = word.replace("_", "-").partition("=")
        if name != _FOLDER:
            rest.append(word)
        elif not equals:
            next(waiting, None)
    return rest
