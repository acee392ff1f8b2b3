"""The knowledge in the senses of a trained policy, as probes read it off: `mmrl probe`."""
