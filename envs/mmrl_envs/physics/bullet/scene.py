"""One world of the Bullet engine: Bullet moves it, the MuJoCo model drives it and reads its sensors.

In each physics step MuJoCo's kinematics at Bullet's joint positions give what the actuators and passive forces of the
model exert on the joints (the impedance controller with its limits, damping, springs, gravity compensation). Bullet
then finds the accelerations, the contacts and their forces by itself. Sensors are MuJoCo's, computed from Bullet's
positions, velocities, accelerations and contact forces, so that they have the same frames and signs.

Bullet knows no inertia of drives (`armature`, A). A drive that turns with acceleration a takes A a of its torque, so
that much is held back, with the acceleration that the forces of this step and the contact forces of the last one give:
in free motion and in a lasting contact the same motion as with A in the mass matrix; at an impact the drives feel the
blow one step late.

Letters: S = physics steps per control step, U = controls, V = degrees of freedom, D = sensor data, B = bodies.
"""

from __future__ import annotations

import copy
from typing import Any

import mujoco
import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.physics.bullet.assembly import MAX_JOINT_SPEED
from mmrl_envs.physics.bullet.expressible import is_net_force
from mmrl_envs.physics.bullet.simulation import Simulation


class BulletScene:
    """One world: a Bullet simulation beside the MuJoCo data of the same state."""

    def __init__(self) -> None:
        self.simulation = Simulation()

    def build(self, model: mujoco.MjModel, mocap_pos: FloatArray, mocap_quat: FloatArray) -> None:
        """Makes the scene of a model, with mocap bodies at (nmocap, 3) and (nmocap, 4).

        Raises:
            NotExpressible: naming what PyBullet cannot simulate.
        """
        self.simulation.build(model)
        self._model = copy.copy(model)
        # contacts and limits are Bullet's
        self._model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
        self._data = mujoco.MjData(self._model)
        self._armature = self._model.dof_armature.copy()
        self._timestep: float = self._model.opt.timestep
        self._net_forces = [
            (int(model.sensor_objid[i]), slice(model.sensor_adr[i], model.sensor_adr[i] + 3))
            for i in range(model.nsensor)
            if is_net_force(model, i)
        ]
        self._place_mocap(mocap_pos, mocap_quat)

    def set_state(self, qpos: FloatArray, qvel: FloatArray) -> None:
        """Puts the joints where they are to be, (V,) each; what is not finite makes the next step fail."""
        self._data.qpos, self._data.qvel = qpos, qvel
        if self._is_sound():  # Bullet must never see a NaN: it would not come back from its broad phase
            self.simulation.set_state(qpos, qvel)
            self._data.qpos, self._data.qvel = self.simulation.state()

    @property
    def state(self) -> tuple[FloatArray, FloatArray]:
        """Positions and velocities of the joints, (V,) each, views."""
        return self._data.qpos, self._data.qvel

    def forward(self, control: FloatArray) -> FloatArray:
        """Sensor data (D,) of the present state under actuator inputs (U,), as if nothing touched."""
        self._data.ctrl, self._data.xfrc_applied = control, 0.0
        mujoco.mj_forward(self._model, self._data)
        readings: FloatArray = self._data.sensordata
        return readings

    def follow_mocap(self, mocap_pos: FloatArray, mocap_quat: FloatArray) -> None:
        """Moves the fixed geoms of mocap bodies that were moved."""
        same_places = np.array_equal(mocap_pos, self._data.mocap_pos)
        if not (same_places and np.array_equal(mocap_quat, self._data.mocap_quat)):
            self._place_mocap(mocap_pos, mocap_quat)

    def step(self, control: FloatArray, readings: FloatArray) -> bool:
        """One control step.

        Args:
            control: actuator inputs at each physics step, (S, U).
            readings: where the sensor data of each physics step go, (S, D).

        Returns:
            Whether the physics went well; if not, neither state nor readings mean anything.
        """
        return all(self._physics_step(inputs, reading) for inputs, reading in zip(control, readings, strict=True))

    def _physics_step(self, control: FloatArray, reading: FloatArray) -> bool:
        model, data = self._model, self._data
        if not self._is_sound():
            return False
        data.ctrl = control
        mujoco.mj_forwardSkip(model, data, mujoco.mjtStage.mjSTAGE_NONE.value, 1)
        mujoco.mj_sensorPos(model, data)
        mujoco.mj_sensorVel(model, data)
        before = data.qvel.copy()
        self.simulation.step(data.qfrc_actuator + data.qfrc_passive - self._armature * data.qacc)
        position, velocity = self.simulation.state()
        touched = self._take_contacts()
        data.qacc = (velocity - before) / self._timestep
        mujoco.mj_rnePostConstraint(model, data)
        mujoco.mj_sensorAcc(model, data)
        reading[:] = data.sensordata
        for body, columns in self._net_forces:
            # as MuJoCo has it, what the body exerts on the others
            reading[columns] = -touched[body] if body in touched else 0.0
        data.qpos, data.qvel = position, velocity
        return True

    def _is_sound(self) -> bool:
        # with a bounded velocity a finite position stays finite; of a NaN neither comparison is true
        position, speed = np.abs(self._data.qpos).max(), np.abs(self._data.qvel).max()
        return bool(position < np.inf and speed < MAX_JOINT_SPEED)

    def _take_contacts(self) -> dict[int, FloatArray]:
        """Makes the contact forces of the last step external forces at the bodies' centres of mass.

        Returns the net force (3,) on each body that was touched.
        """
        external = self._data.xfrc_applied
        external[:] = 0.0
        touched: dict[int, FloatArray] = {}
        for body, wrench in self.simulation.take_contacts().items():
            (x, y, z), (fx, fy, fz) = self._data.xipos[body].tolist(), wrench[:3]
            about_centre = (wrench[3] - y * fz + z * fy, wrench[4] - z * fx + x * fz, wrench[5] - x * fy + y * fx)
            external[body] = (fx, fy, fz, *about_centre)
            touched[body] = external[body, :3]
        return touched

    def _place_mocap(self, mocap_pos: FloatArray, mocap_quat: FloatArray) -> None:
        self._data.mocap_pos, self._data.mocap_quat = mocap_pos, mocap_quat
        mujoco.mj_kinematics(self._model, self._data)
        fixed = list(self.simulation.contacts.fixed)
        quats = np.zeros((len(fixed), 4))
        for quat, matrix in zip(quats, self._data.geom_xmat[fixed], strict=True):
            mujoco.mju_mat2Quat(quat, matrix)
        self.simulation.place_fixed(self._data.geom_xpos[fixed], quats)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly on a scene built alike."""
        return {
            **self.simulation.save(),
            "qpos": self._data.qpos.copy(),
            "qvel": self._data.qvel.copy(),
            "contact_forces": self._data.xfrc_applied.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undoes `state_dict`."""
        self.simulation.restore(state)
        for name, values in (("qpos", state["qpos"]), ("qvel", state["qvel"])):
            setattr(self._data, name, values)
        self._data.xfrc_applied = state["contact_forces"]

    def close(self) -> None:
        """Ends the simulation."""
        self.simulation.close()
