"""The state of a training: curvature of its loss, noise of its gradient, units and features: `mmrl diagnose`."""
