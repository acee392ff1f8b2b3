"""The machinery of sensing: from the text that asks for a sensor to what a policy observes of it."""
