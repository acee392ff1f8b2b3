"""Tasks, a file or a room each, and their registrations: data, so that registering imports no physics engine."""

from math import pi

from mmrl_envs.tasks.registry import register_task

_PEG_INSERTION = "mmrl_envs.tasks.peg.insertion:PegInsertion"

register_task(
    "mmrl/PegInsertion-v0",
    _PEG_INSERTION,
    max_episode_steps=100,
    help="Push a peg into a hole whose place the policy must see or feel.",
)

# A tight hole under a camera that shows where it is to some millimetres only: 16 x 16 pixels, each about 9 mm wide
# where the hole is, seen from a place and by a light unknown, past something in the way. Vision finds, touch finishes:
# torques about the tip tell which side of the peg rests on the rim.
register_task(
    "mmrl/PegInsertionBlurred-v0",
    _PEG_INSERTION,
    max_episode_steps=150,
    help="The same in a tight hole under a coarse camera: vision finds, touch finishes.",
    sensors=("coarse_camera", "tip_force_torque", "proprioception"),
    defaults={
        "clearance_mm": 0.5,
        "camera_shift_m": (0.0, 0.006),
        "camera_turn_rad": (0.0, 0.01),
        "light_azimuth_rad": (-pi, pi),
        "light_intensity": (0.4, 1.4),
        "occluder_size": (0.1, 0.25),
        "occluder_x": (-0.8, 0.8),
        "occluder_y": (-0.8, 0.8),
    },
)

# No camera, and an estimate of the hole that is 1 cm off: search by feel. Half the usual force, so that friction lets
# the pressed peg slide where it is led; half the stride.
register_task(
    "mmrl/PegInsertionBlind-v0",
    _PEG_INSERTION,
    max_episode_steps=200,
    help="The same without a camera, the hole known to 1 cm: search by feel.",
    sensors=("hole_estimate", "force_torque", "proprioception"),
    defaults={"hole_estimate_error_m": 0.01},
    impedance={"step_m": 0.003, "lead_m": 0.004},
)

# Half the usual stride. The lead lets the arm press with more than any limit, so that nothing but the policy keeps the
# force down; and velocities are known to 1 cm/s, because exact ones at 1 kHz are a touch sensor of their own.
register_task(
    "mmrl/PegInsertionGentle-v0",
    "mmrl_envs.tasks.peg.gentle:PegInsertionGentle",
    max_episode_steps=120,
    help="The same into a block of unknown height that breaks above a force that a sense gives.",
    defaults={"hole_estimate_error_m": (0.0, 0.003), "proprioception_noise": 1.0},
    impedance={"step_m": 0.003, "lead_m": 0.03},
)

# A tight hole, by the measure of what searching by feel can find; in a square of 4 cm, since nothing has to be seen.
register_task(
    "mmrl/GraspedInsertion-v0",
    "mmrl_envs.tasks.peg.grasped:GraspedInsertion",
    max_episode_steps=100,
    help="Push a peg that sits shifted and turned in the grasp into its hole: how it sits is to be felt.",
    defaults={"clearance_mm": 0.8, "hole_x_m": (-0.02, 0.02), "hole_y_m": (-0.02, 0.02), "hole_yaw_rad": 0.0},
)

register_task(
    "mmrl/FragileLift-v0",
    "mmrl_envs.tasks.fragile_lift:FragileLift",
    max_episode_steps=60,
    help="Lift what slips if gripped too softly and breaks if too hard: weight and friction are to be felt.",
)

register_task(
    "mmrl/SlotCar-v0",
    "mmrl_envs.tasks.slot.car:SlotCar",
    max_episode_steps=150,
    help="Drive a slot car round its track by pictures from above, as fast as the slot holds.",
    control_hz=10,
    physics_hz=500,
)

register_task(
    "mmrl/Toddler-v0",
    "mmrl_envs.tasks.toddler:ToddlerWalk",
    max_episode_steps=500,
    help="Walk on two curved feet, driven in the ankles alone, and do not fall.",
    control_hz=25,
)

# Two thirds of the usual stride, twice the usual lead: the arm can press with 30 N, so that nothing but the policy
# keeps the board whole. The lamp differs, because how bright the board is would tell how it leans. The soft ball needs
# no physics at 1 kHz.
register_task(
    "mmrl/Wipe-v0",
    "mmrl_envs.tasks.wipe:Wipe",
    max_episode_steps=100,
    help="Wipe a stain off a board of unknown height and tilt: see where it is, feel how hard to press.",
    defaults={"light_azimuth_rad": (-pi, pi), "light_intensity": (0.7, 1.3)},
    impedance={"step_m": 0.004, "lead_m": 0.015},
    physics_hz=500,
)

# Strides of a millimetre: 20 mm/s at most. The lead lets the arm press with more than the socket bears, so that nothing
# but the policy keeps the force down.
register_task(
    "mmrl/ClickPlug-v0",
    "mmrl_envs.tasks.click_plug:ClickPlug",
    max_episode_steps=120,
    help="Push a plug until a hidden bolt clicks, no further, and say done.",
    impedance={"step_m": 0.001, "lead_m": 0.02},
)

# Short episodes: most of what is to be learned is which hole is meant, and that is one question an episode. The play of
# the holes needs no physics at 1 kHz.
register_task(
    "mmrl/ToldInsertion-v0",
    "mmrl_envs.tasks.instructed.insertion:ToldInsertion",
    max_episode_steps=36,
    help="Push a peg into the hole that an instruction names, one of four by colour and mark.",
    physics_hz=500,
)
# The lead of the setpoint bounds how hard a tap is: 8 N and what the moving arm adds.
register_task(
    "mmrl/TapToHear-v0",
    "mmrl_envs.tasks.tap_to_hear:TapToHear",
    max_episode_steps=60,
    help="Tap a block, hear what it is made of, and go to the place of its kind.",
    impedance={"lead_m": 0.004},
)
