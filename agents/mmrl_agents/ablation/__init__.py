"""Policies trained without some of their senses, and what that cost them."""
