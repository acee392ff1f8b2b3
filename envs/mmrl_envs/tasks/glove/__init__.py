"""Things grasped with a glove that feels: which of 26 is it?"""
