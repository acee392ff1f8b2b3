"""Which of 26 things is in the hand, by a few frames of a glove that feels."""
