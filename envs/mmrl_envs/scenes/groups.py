"""Groups of geoms: who is drawn for a policy, and who for people."""

TABLE_GROUP, SCENE_GROUP, ARM_GROUP = 0, 1, 2
POLICY_GROUPS = (TABLE_GROUP, SCENE_GROUP)
VIDEO_GROUPS = (TABLE_GROUP, SCENE_GROUP, ARM_GROUP)
