"""Actor and critic: from what is seen to actions and values."""
