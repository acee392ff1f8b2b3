"""Success rates of a policy: episodes, intervals, paired comparisons, several runs together."""
