"""Vision and touch: whether there will be contact, whether sight and touch belong together, where the tip will be, and
how what is seen will move.

B rows, D numbers of the joint vector, A of an action, d of the pose, H x W pixels of the flow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.layers import mlp
from mmrl.inputs import Presence
from mmrl.modality import Modality
from mmrl.normalization import RunningStatistics
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, Objective, ObjectiveConfig, Timeline, require_timeline
from mmrl.representation.draws import Draws
from mmrl.representation.senses import chosen_senses, mean_over, reading_of, rows_with

_ACTION, _MIXED, _POSE = 32, 128, (64, 32)
"""Sizes of layers, of the code released with the paper."""
_FLOW_CHANNELS = (64, 32, 16)
"""Channels of the maps that a flow is made of, coarsest first."""
_LEAST_PX = 1e-3
"""Mean length of a flow below which nothing moves."""


@dataclass(frozen=True)
class VisionTouch(ObjectiveConfig):
    """The errors of next contact, of pairing camera and touch, and of the next pose, from what all senses come to."""

    camera: str = "camera"
    """The sense of sight."""
    touch: str = "force_torque"
    """The sense of touch, some features of which are in newtons."""
    pose: str = "proprioception"
    """The sense of where the tip is, some features of which are in metres or radians."""
    contact: float = 1.0
    """Weight of the next contact."""
    contact_n: float = 3.0
    """Newtons of force above which there is contact."""
    pairing: float = 1.0
    """Weight of the pairing."""
    tolerance_m: float = 0.02
    """Distance of the tip in metres from which on two instants do not belong together."""
    motion: float = 1.0
    """Weight of the next pose."""
    flow: float = 0.0
    """Weight of the optical flow to the next picture, which asks for a sense of the critic that knows it."""
    flow_sense: str = "flow"
    """That sense, (H, W, 3) as of `mmrl_envs.sensors.flow`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = {"contact": self.contact, "pairing": self.pairing, "motion": self.motion, "flow": self.flow}
        for name, weight in weights.items():
            if not 0 <= weight < math.inf:
                raise ValueError(f"VisionTouch.{name} must be finite and not negative, got {weight}")
        if not any(weights.values()):
            raise ValueError("VisionTouch.contact, pairing, motion and flow are 0, which asks nothing")
        for name, size in (("contact_n", self.contact_n), ("tolerance_m", self.tolerance_m)):
            if not 0 < size < math.inf:
                raise ValueError(f"VisionTouch.{name} must be finite and above 0, got {size}")

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        raise ValueError("objective 'vision_touch' reads actions: begin it with how many numbers they have")

    def begin(self, perception: Perception, senses: Mapping[str, Modality], actions: int) -> Objective:
        names = chosen_senses("vision_touch", "reads", (self.camera, self.touch, self.pose), perception, least=3)
        if perception.state_size:
            raise ValueError(
                "objective 'vision_touch' asks of single instants whether senses belong together, and this fusion "
                f"remembers: take one that does not, or another objective, got {type(perception.fusion).__name__}"
            )
        read = {name: perception.modalities[name] for name in names}
        if self.flow:
            read[self.flow_sense] = _sense_of_flow(self.flow_sense, perception, senses)
        return SelfSupervision(self, perception, read, actions)


class SelfSupervision(Objective):
    """The four losses of Lee et al. 2019, "Making Sense of Vision and Touch: Self-Supervised Learning of Multimodal
    Representations for Contact-Rich Tasks", each 1 where nothing is known.

    Contact in the next step, from the joint vector and the action: binary cross entropy in bits, contact being a force
    above `contact_n` at any reading of the next window. Pairing, from the joint vector: the same of all senses of one
    instant, and of the camera with the other senses of another instant of the batch, whose tip is at least
    `tolerance_m` away; half of each. Motion, from the joint vector and the action: the squared error of the change of
    the pose in the next step, in variances. Flow, from the same two: how far the predicted flow of a pixel to the next
    picture ends from the true one, the mean over pixels whose flow is known, in mean lengths of the flow. The paper's
    decoder also gets the maps of the image encoder, and foretells which pixels move; this one has those vectors alone.
    """

    def __init__(
        self, config: VisionTouch, perception: Perception, senses: Mapping[str, Modality], actions: int
    ) -> None:
        super().__init__()
        self.config, self.actions = config, actions
        self.register_buffer("newtons", _features(senses[config.touch], ("N",)), persistent=False)
        self.register_buffer("metres", _features(senses[config.pose], ("m",)), persistent=False)
        self.register_buffer("moved", _features(senses[config.pose], ("m", "rad")), persistent=False)
        size = len(self.get_buffer("moved"))
        self.act = mlp((actions, _ACTION, _ACTION), nn.LeakyReLU)
        self.mix = mlp((perception.features + _ACTION, _MIXED, _MIXED), nn.LeakyReLU)
        self.touching = nn.Linear(_MIXED, 1)
        self.belonging = nn.Linear(perception.features, 1)
        self.moving = nn.Sequential(*mlp((_MIXED, *_POSE), nn.LeakyReLU), nn.Linear(_POSE[-1], size))
        self.changes = RunningStatistics(size)
        self.flowing: nn.Module | None = None
        if config.flow:
            self.flowing = FlowDecoder(_MIXED, *senses[config.flow_sense].shape[:2])
            self.lengths = RunningStatistics(1)
        self.draws = Draws()

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        config = self.config
        later, follows = _timeline(batch).following((config.touch, config.pose))
        mixed = self.mix(torch.cat([seen.fused, self.act(self._numbers(batch.actions))], dim=1))
        losses = [0 * seen.fused.sum()]
        if config.contact:
            losses.append(
                config.contact * self._contact(mixed, later[config.touch], _following(batch, follows, config.touch))
            )
        if config.motion:
            losses.append(config.motion * self._motion(mixed, batch, later, _following(batch, follows, config.pose)))
        if self.flowing is not None:
            losses.append(config.flow * self._flow(self.flowing(mixed), batch))
        if config.pairing:
            losses.append(config.pairing * self._pairing(batch, seen))
        return torch.stack(losses).sum()

    def _contact(self, mixed: Tensor, touch: Tensor, rows: Tensor) -> Tensor:
        force = touch.index_select(-1, self.get_buffer("newtons")).norm(dim=-1).flatten(1)  # (B, T)
        label = (force > self.config.contact_n).any(dim=1)
        return mean_over(_bits(self.touching(mixed), label), rows)

    def _motion(self, mixed: Tensor, batch: Batch, later: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        before, after = self._pose(reading_of(batch, self.config.pose)), self._pose(later[self.config.pose])
        change = torch.where(rows.unsqueeze(1), after - before, 0)
        if self.training:
            self.changes.update(change[rows])
        errors: Tensor = (self.moving(mixed) - self.changes(change)).square().mean(dim=1)
        return mean_over(errors, rows)

    def _flow(self, predicted: Tensor, batch: Batch) -> Tensor:
        """The endpoint error of a flow (B, H, W, 2) in mean lengths; 0 where none is known."""
        config = self.config
        later, follows = _timeline(batch).following((config.flow_sense,))
        flow = later[config.flow_sense].float()
        known = (flow[..., 2] > 0) & _following(batch, follows, config.camera).view(-1, 1, 1)
        true = torch.where(known.unsqueeze(3), flow[..., :2], 0)
        if self.training:
            self.lengths.update(true.norm(dim=3)[known].unsqueeze(1))
        length = self.lengths.mean.to(true.dtype).clamp(min=_LEAST_PX)
        errors = (predicted - true / length).norm(dim=3)
        return torch.where(known, errors, 0).sum() / known.sum().clamp(min=1)

    def _pairing(self, batch: Batch, seen: Seen) -> Tensor:
        config, rows = self.config, len(batch.actions)
        device = batch.actions.device
        other = torch.randperm(rows, generator=self.draws(device), device=device)
        tip = reading_of(batch, config.pose)
        place = (tip if tip.dim() == 2 else tip[:, -1])[:, self.get_buffer("metres")]
        apart = (place - place[other]).norm(dim=1) >= config.tolerance_m
        swapped = {
            name: reading if name == config.camera else reading[other]
            for name, reading in batch.observations.items()
            if name in seen.perception.modalities
        }
        there = rows_with(batch, (config.camera, config.touch, config.pose))
        both = torch.ones_like(apart) if there is None else there
        strange = seen.perception(swapped, self._swapped(batch.present, other), None).fused
        together = mean_over(_bits(self.belonging(seen.fused), torch.ones_like(apart)), both)
        astray = mean_over(_bits(self.belonging(strange), torch.zeros_like(apart)), apart & both & both[other])
        return 0.5 * together + 0.5 * astray

    def _swapped(self, present: Presence | None, other: Tensor) -> Presence | None:
        if present is None:
            return None
        return {name: mask if name == self.config.camera else mask[other] for name, mask in present.items()}

    def _pose(self, reading: Tensor) -> Tensor:
        """The newest pose, (B, d)."""
        newest = reading if reading.dim() == 2 else reading[:, -1]
        return newest[:, self.get_buffer("moved")]

    def _numbers(self, actions: Tensor) -> Tensor:
        """Actions as numbers (B, A), choices as ones at the one that was taken."""
        if actions.is_floating_point():
            return actions.flatten(1)
        return functional.one_hot(actions, self.actions).float()


class FlowDecoder(nn.Module):
    """A flow (B, H, W, 2) from vectors (B, features): a linear layer and three deconvolutions that double the sides."""

    def __init__(self, features: int, height: int, width: int) -> None:
        super().__init__()
        self.sides = height, width
        self.grid = math.ceil(height / 8), math.ceil(width / 8)
        first, *others = _FLOW_CHANNELS
        self.spread = nn.Linear(features, first * math.prod(self.grid))
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((first, *others, 2)):
            layers += [nn.LeakyReLU(), nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1)]
        self.deconvolutions = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.deconvolutions(self.spread(x).unflatten(1, (-1, *self.grid)))
        height, width = self.sides
        return maps[..., :height, :width].permute(0, 2, 3, 1)  # (B, 2, >= H, >= W) -> (B, H, W, 2)


def _timeline(batch: Batch) -> Timeline:
    return require_timeline("vision_touch", "its next contact and pose", batch)


def _sense_of_flow(name: str, perception: Perception, senses: Mapping[str, Modality]) -> Modality:
    """The critic's sense of optical flow; ValueError where there is none, or where the actor has it."""
    if name not in senses or name in perception.modalities:
        hidden = ", ".join(sense for sense in senses if sense not in perception.modalities) or "none"
        raise ValueError(
            f"objective 'vision_touch' with flow foretells {name!r}, which must be a sense of the critic alone; the "
            f"critic here has {hidden}; worlds of mmrl with a camera have it by critic_sensors=[flow]"
        )
    if len(senses[name].window_shape) != 3 or senses[name].shape[2] != 3:
        raise ValueError(
            f"objective 'vision_touch' needs {name!r} as (H, W, 3), pixels right, pixels down and whether they are "
            f"known, got {senses[name].window_shape}"
        )
    return senses[name]


def _following(batch: Batch, follows: Tensor, name: str) -> Tensor:
    """The rows that a next step follows, and that have the sense it is asked of, (B,)."""
    there = rows_with(batch, (name,))
    return follows if there is None else follows & there


def _bits(score: Tensor, label: Tensor) -> Tensor:
    """Binary cross entropies (B,) of scores (B, 1)."""
    errors = functional.binary_cross_entropy_with_logits(score.squeeze(1).float(), label.float(), reduction="none")
    bits: Tensor = errors / math.log(2)
    return bits


def _features(sense: Modality, units: tuple[str, ...]) -> Tensor:
    """Numbers of the features in some units; ValueError where there are none."""
    found = [index for index, unit in enumerate(sense.units) if unit in units]
    if len(sense.shape) != 1 or not found:
        raise ValueError(
            f"objective 'vision_touch' needs features of {sense.name!r} in {' or '.join(units)}, they are in "
            f"{', '.join(dict.fromkeys(unit or 'none' for unit in sense.units))}"
        )
    return torch.tensor(found)
